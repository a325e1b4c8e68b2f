/* workflow_run.c: from a component to the run that builds it. */
#include "proto/workflow_run.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/object.h"
#include "proto/workflow_source.h"

enum { COMMIT_SHOWN = 12, OVER_SHOWN = 7, NAME_MAX_BYTES = 63, TAIL_MAX = 24, HASH_SHOWN = 8 };

#define DOCKERFILE_BUILDER "dockerfile-builder"
#define BUILDPACKS_BUILDER "buildpacks-builder"
/* By which buildpacks are told what a source is written for, instead of finding out. */
#define RUNTIME_ENV "GOOGLE_RUNTIME"

/* ---- the source ---- */

/* "./a/" and "b" are "a/b"; "." is nothing. */
static void add_path(struct buf *path, struct slice more)
{
    struct slice part;
    while (slice_split(&more, '/', &part)) {
        if (part.len > 0 && !slice_eq_cstr(part, ".")) {
            buf_addf(path, "%s%.*s", path->len > 0 ? "/" : "", SLICE_ARG(part));
        }
    }
}

json_t *workflow_run_source(const json_t *component, const json_t *project)
{
    const json_t *own = json_at(component, "spec", "source", NULL);
    const json_t *shared = json_at(project, "spec", "source", NULL);
    const json_t *git = json_object_get(own, "git");
    bool inherited = json_text_at(git, "repository").len == 0;
    if (inherited) {
        git = json_object_get(shared, "git");
    }
    if (json_text_at(git, "repository").len == 0) {
        return NULL;
    }
    struct buf path = {0};
    json_t *result = json_deep_copy(git);
    if (inherited) {
        add_path(&path, json_text_at(git, "path"));
        add_path(&path, json_text_at(shared, "path"));
    } else {
        add_path(&path, json_text_at(git, "path"));
    }
    add_path(&path, json_text_at(own, "path"));
    json_object_del(result, "path");
    if (path.len > 0) {
        json_object_set_new(result, "path", json_str(buf_slice(&path)));
    }
    buf_free(&path);
    return json_pack("{s:o}", "git", result);
}

/* ---- what builds it ---- */

static void set_text(json_t *parameters, const char *group, const char *key, struct slice text)
{
    if (text.len > 0) {
        json_t *into = group != NULL ? json_child(parameters, group) : parameters;
        json_object_set_new(into, key, json_str(text));
    }
}

/* Values alone (admit_kinds.c); one that was stored before that was refused says nothing. */
static void set_env(json_t *parameters, const json_t *env, struct slice runtime)
{
    json_t *list = json_array();
    bool told = runtime.len == 0;
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)env, i, item)
    {
        if (json_object_get(item, "valueFrom") == NULL) {
            json_array_append_new(list, json_pack("{s:o, s:o}", "name",
                                                  json_str(json_text_at(item, "name")), "value",
                                                  json_str(json_text_at(item, "value"))));
        }
        told = told || slice_eq_cstr(json_text_at(item, "name"), RUNTIME_ENV);
    }
    if (!told) {
        json_array_append_new(
            list, json_pack("{s:s, s:o}", "name", RUNTIME_ENV, "value", json_str(runtime)));
    }
    if (json_array_size(list) > 0) {
        json_object_set(parameters, "buildEnv", list);
    }
    json_decref(list);
}

json_t *workflow_run_target(const json_t *component)
{
    const json_t *named = json_at(component, "spec", "workflow", NULL);
    if (json_text_at(named, "name").len > 0) {
        return json_deep_copy(named);
    }
    const json_t *build = json_at(component, "spec", "build", NULL);
    const json_t *dockerfile = json_object_get(build, "dockerfile");
    struct slice runtime = json_text(json_at(component, "spec", "runtime", NULL));
    bool packs = dockerfile == NULL && (json_is_true(json_object_get(build, "buildpacks")) ||
                                        json_text_at(build, "builder").len > 0 || runtime.len > 0);
    json_t *parameters = json_object();
    if (packs) {
        set_text(parameters, NULL, "builder", json_text_at(build, "builder"));
    } else {
        set_text(parameters, "docker", "filePath", json_text_at(dockerfile, "path"));
        set_text(parameters, "docker", "context", json_text_at(dockerfile, "context"));
    }
    set_env(parameters, json_object_get(build, "env"), packs ? runtime : (struct slice){0});
    return json_pack("{s:s, s:s, s:o}", "kind", "ClusterWorkflow", "name",
                     packs ? BUILDPACKS_BUILDER : DOCKERFILE_BUILDER, "parameters", parameters);
}

/* ---- the run ---- */

static void hash_text(struct slice text, struct buf *out)
{
    uint8_t digest[SHA256_BYTES];
    crypto_sha256(text, digest);
    hex_encode(out, slice_make(digest, sizeof(digest)));
}

static void name_run(const struct workflow_run_request *r, struct slice commit, const json_t *spec,
                     struct buf *name)
{
    struct buf hash = {0};
    struct buf text = {0};
    struct slice component = object_name(r->component);
    if (commit.len == 0) {
        json_canonical(spec, &text);
        hash_text(buf_slice(&text), &hash);
        commit = buf_slice(&hash);
    }
    struct slice suffix =
        r->suffix.len == 0 && r->forced ? slice_sub(r->before, 0, OVER_SHOWN) : r->suffix;
    char tail[TAIL_MAX + COMMIT_SHOWN];
    snprintf(tail, sizeof(tail), "-build-%.*s%s%.*s",
             COMMIT_SHOWN < (int)commit.len ? COMMIT_SHOWN : (int)commit.len, commit.data,
             suffix.len > 0 ? "-" : "",
             (int)(suffix.len < TAIL_MAX - 9 ? suffix.len : TAIL_MAX - 9), suffix.data);
    size_t room = NAME_MAX_BYTES - strlen(tail);
    if (component.len <= room) {
        buf_add(name, component);
    } else { /* cut, and told from others that begin alike */
        struct buf whole = {0};
        hash_text(component, &whole);
        buf_addf(name, "%.*s-%.*s", (int)(room - HASH_SHOWN - 1), component.data, HASH_SHOWN,
                 buf_cstr(&whole));
        buf_free(&whole);
    }
    buf_add_cstr(name, tail);
    buf_free(&text);
    buf_free(&hash);
}

/* OpenChoreo's run says whose it is by labels, and what is built by its parameters. */
static json_t *openchoreo_run(const struct workflow_run_request *r, json_t *workflow,
                              struct slice name)
{
    json_t *run =
        object_new(OPENCHOREO_GROUP "/v1alpha1", "WorkflowRun", object_ns(r->component), name);
    json_object_set_new(run, "spec", json_pack("{s:O}", "workflow", workflow));
    object_set_label(run, OPENCHOREO_GROUP "/component", object_name(r->component));
    if (r->project_name.len > 0) {
        object_set_label(run, OPENCHOREO_GROUP "/project", r->project_name);
    }
    if (r->triggered_by.len > 0) {
        object_set_annotation(run, WORKFLOW_RUN_TRIGGER, r->triggered_by);
    }
    /* Its component's counterpart would be deleted after the run's, which this would make anew. */
    const json_t *owners = json_at(r->component, "metadata", "ownerReferences", NULL);
    if (json_array_size(owners) > 0) {
        json_object_set_new(json_child(run, "metadata"), "ownerReferences", json_deep_copy(owners));
    } else if (object_uid(r->component).len > 0) {
        object_add_owner(run, r->component, true);
    }
    return run;
}

static json_t *our_run(const struct workflow_run_request *r, json_t *spec, struct slice name)
{
    json_t *run = object_new("choreo.dev/v1", "WorkflowRun", object_ns(r->component), name);
    json_object_set(run, "spec", spec);
    if (r->triggered_by.len > 0) {
        json_object_set_new(spec, "triggeredBy", json_str(r->triggered_by));
    }
    if (object_uid(r->component).len > 0) {
        object_add_owner(run, r->component, true);
    }
    return run;
}

/* Where the branch or commit asked for is another than the component's. */
static void choose_source(const struct workflow_run_request *r, json_t *git)
{
    if (r->branch.len > 0) {
        json_object_del(git, "tag");
        json_object_del(git, "commit");
        json_object_set_new(git, "branch", json_str(r->branch));
    }
    if (r->commit.len > 0) {
        json_object_set_new(git, "commit", json_str(r->commit));
    }
}

json_t *workflow_run_of(const struct workflow_run_request *r)
{
    json_t *source = workflow_run_source(r->component, r->project);
    if (source == NULL) {
        return NULL;
    }
    json_t *git = json_object_get(source, "git");
    choose_source(r, git);
    json_t *workflow = workflow_run_target(r->component);
    json_t *paths = json_object_get(workflow, "sourceParameters");
    if (paths != NULL) {
        workflow_source_write(json_child(workflow, "parameters"), paths, git);
        json_object_del(workflow, "sourceParameters");
    }
    bool theirs = slice_eq_cstr(json_text_at(workflow, "group"), OPENCHOREO_GROUP);
    json_object_del(workflow, "group");
    json_t *owner = json_pack("{s:o}", "componentName", json_str(object_name(r->component)));
    if (r->project_name.len > 0) {
        json_object_set_new(owner, "projectName", json_str(r->project_name));
    }
    json_t *spec =
        json_pack("{s:o, s:o, s:O}", "workflow", workflow, "owner", owner, "source", source);
    struct buf name = {0};
    name_run(r, json_text_at(git, "commit"), spec, &name);
    json_t *run =
        theirs ? openchoreo_run(r, workflow, buf_slice(&name)) : our_run(r, spec, buf_slice(&name));
    if (r->before.len > 0) {
        object_set_annotation(run, r->forced ? WORKFLOW_RUN_PUSHED_OVER : WORKFLOW_RUN_PUSHED_FROM,
                              r->before);
    }
    buf_free(&name);
    json_decref(spec);
    json_decref(source);
    return run;
}

void workflow_run_push(struct slice branch, struct slice before, bool forced, struct slice commit,
                       struct buf *out)
{
    buf_addf(out, "%.*s%s%.*s%s%.*s", SLICE_ARG(branch), branch.len > 0 ? " " : "",
             SLICE_ARG(slice_sub(before, 0, COMMIT_SHOWN)), forced ? "..." : "..",
             SLICE_ARG(slice_sub(commit, 0, COMMIT_SHOWN)));
}

static struct slice pushed_branch(struct slice push)
{
    size_t blank = slice_find(push, SLICE(" "));
    return slice_sub(push, 0, blank == SIZE_MAX ? 0 : blank);
}

bool workflow_run_was_pushed(const struct workflow_run_request *request)
{
    const json_t *pushes = json_at(request->component, "status", "pushes", NULL);
    struct slice before = slice_sub(request->before, 0, COMMIT_SHOWN);
    struct slice newest = {0}; /* of its branch */
    struct buf push = {0};
    bool known = false;
    workflow_run_push(request->branch, request->before, request->forced, request->commit, &push);
    for (size_t i = 0; i < json_array_size(pushes); i++) {
        struct slice one = json_text(json_array_get(pushes, i));
        newest = slice_eq(pushed_branch(one), request->branch) ? one : newest;
        known |= slice_eq(one, buf_slice(&push));
    }
    buf_free(&push);
    /* From where the branch is, it goes there once more. */
    return known && (before.len == 0 || !slice_ends_with(newest, before));
}

bool workflow_run_is_openchoreo(const json_t *run)
{
    return slice_starts_with(object_api_version(run), SLICE(OPENCHOREO_GROUP "/"));
}

struct slice workflow_run_component(const json_t *run)
{
    return workflow_run_is_openchoreo(run)
               ? object_label(run, OPENCHOREO_GROUP "/component")
               : json_text(json_at(run, "spec", "owner", "componentName", NULL));
}
