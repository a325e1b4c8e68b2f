/* run.c: the steps of a component, for something that ends.
 *
 * What a run says of its source is data: templates hand it to containers as environment or
 * arguments. Objects are held to the same rules as a component's (manifest.h): nothing outside the
 * run's cell, nothing that belongs to no namespace. */
#include "render/run.h"

#include <stdlib.h>

#include "proto/object.h"
#include "proto/schema.h"
#include "render/context.h"
#include "render/derived.h"
#include "render/finish.h"
#include "render/name.h"
#include "render/plane_access.h"
#include "render/run_builtin.h"
#include "render/run_test.h"
#include "render/section.h"
#include "render/tenant.h"
#include "render/validate.h"

#define LABEL "openchoreo.dev/"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

struct running {
    const struct platform *platform;
    const json_t *run;
    const json_t *workflow; /* spec */
    struct slice ns;
    struct slice name; /* of its objects */
    struct slice cell;
    const json_t *plane; /* the DataPlane, or NULL */
    bool argo;
    struct arena *arena;
    struct template_scope scope;
    struct oc_host host;
    json_t *derived;
    json_t *standard;
    json_t *planes; /* {dataplane, workflowplane}, as templates see them */
    struct render_maker maker;
    struct resource_list list;
    const char **reason;
};

/* ---- what is asked without rendering ---- */

/* OpenChoreo's workflows are read where they lie: their spec is ours. */
static bool is_openchoreo(const json_t *run)
{
    struct slice group = json_text(json_at(run, "spec", "workflow", "group", NULL));
    return slice_eq_cstr(group, OPENCHOREO_GROUP);
}

const json_t *run_workflow(const struct platform *p, const json_t *run)
{
    const json_t *target = json_at(run, "spec", "workflow", NULL);
    struct slice name = json_text_at(target, "name");
    bool local = slice_eq_cstr(json_text_at(target, "kind"), "Workflow");
    struct slice ns = local ? object_ns(run) : SLICE("");
    if (is_openchoreo(run)) {
        return p->get(p->user,
                      local ? OPENCHOREO_GROUP "/Workflow" : OPENCHOREO_GROUP "/ClusterWorkflow",
                      ns, name);
    }
    return p->get(p->user, local ? "Workflow" : "ClusterWorkflow", ns, name);
}

struct slice run_commit(const json_t *run)
{
    struct slice named = json_text(json_at(run, "spec", "source", "git", "commit", NULL));
    return named.len > 0 ? named : json_text(json_at(run, "status", "source", "commit", NULL));
}

/* "1d12h": days are not among the units of durations elsewhere. */
static uint64_t duration_ms(struct slice text)
{
    uint64_t total_ms = 0;
    size_t d = slice_find(text, SLICE("d"));
    int64_t rest_ms = 0;
    if (d != SIZE_MAX) {
        for (size_t i = 0; i < d && total_ms < 1000 * 1000; i++) {
            total_ms = total_ms * 10 + (uint64_t)(text.data[i] - '0');
        }
        total_ms *= DAY_MS;
        text = slice_sub(text, d + 1, SIZE_MAX);
    }
    if (text.len > 0 && schema_duration_ms(text, &rest_ms) && rest_ms > 0) {
        total_ms += (uint64_t)rest_ms;
    }
    return total_ms;
}

static uint64_t said_ms(const json_t *run, const json_t *workflow, const char *key)
{
    struct slice own = json_text(json_at(run, "spec", key, NULL));
    return duration_ms(own.len > 0 ? own : json_text(json_at(workflow, "spec", key, NULL)));
}

uint64_t run_time_limit_ms(const json_t *run, const json_t *workflow)
{
    uint64_t limit_ms = said_ms(run, workflow, "timeLimit");
    return limit_ms > 0 ? limit_ms : RUN_TIME_LIMIT_DEFAULT_S * UINT64_C(1000);
}

uint64_t run_ttl_ms(const json_t *run, const json_t *workflow)
{
    return said_ms(run, workflow, "ttlAfterCompletion");
}

struct slice run_object_name(struct arena *arena, struct slice name)
{
    bool fits = name.len <= NAME_LABEL_MAX && slice_find(name, SLICE(".")) == SIZE_MAX;
    return fits ? name : name_join(arena, NAME_LABEL_MAX, &name, 1);
}

struct slice run_cell(struct arena *arena, struct slice ns)
{
    return name_cell(arena, ns, SLICE(RUN_PROJECT), SLICE(RUN_ENVIRONMENT));
}

bool run_uses_argo(const json_t *plane, struct slice cluster)
{
    struct slice said = object_annotation(plane, RUN_ARGO_ANNOTATION);
    bool found = false;
    size_t i;
    json_t *row;
    json_array_foreach(json_at(plane, "status", "clusters", NULL), i, row)
    {
        found |= slice_eq(json_text_at(row, "name"), cluster) &&
                 json_is_true(json_object_get(row, "argoWorkflows"));
    }
    return slice_eq_cstr(said, "true") || (found && !slice_eq_cstr(said, "false"));
}

/* ---- what templates see ---- */

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* Takes tree. */
static void bind(struct running *r, const char *name, json_t *tree)
{
    arena_own(r->arena, tree, release_tree);
    template_set(&r->scope, slice_of(name), cel_of_json(r->arena, tree));
}

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

static void set_label(json_t *labels, const char *key, struct slice value)
{
    if (value.len > 0) {
        set_text(labels, key, value);
    }
}

static void bind_metadata(struct running *r)
{
    const json_t *owner = json_at(r->run, "spec", "owner", NULL);
    struct slice project = json_text_at(owner, "projectName");
    struct slice component = json_text_at(owner, "componentName");
    json_t *m = json_object();
    set_text(m, "name", r->name);
    set_text(m, "workflowRunName", r->name);
    set_text(m, "namespace", r->cell);
    set_text(m, "namespaceName", r->ns);
    set_text(m, "projectName", project);
    set_text(m, "componentName", component);
    set_label(r->standard, LABEL "namespace", r->ns);
    set_label(r->standard, LABEL "project", project);
    set_label(r->standard, LABEL "component", component);
    json_object_set_new(m, "labels", json_deep_copy(r->standard));
    json_object_set_new(m, "annotations", json_object());
    set_text(r->standard, RUN_LABEL, r->name);
    bind(r, "metadata", m);
}

/* "git.example.com/a/b" is an https URL without its scheme; "git@host:path" is one of ssh. */
static void set_url(struct running *r, json_t *git, struct slice repository)
{
    bool complete = repository.len == 0 || slice_find(repository, SLICE("://")) != SIZE_MAX ||
                    slice_find(repository, SLICE("@")) != SIZE_MAX;
    set_text(git, "url",
             complete ? repository
                      : slice_of(arena_printf(r->arena, "https://%.*s", SLICE_ARG(repository))));
}

/* A Secret's data. The SecretReference of that name is for externalRefs. Errors: ERR_NOT_FOUND. */
static int add_credentials(struct running *r, json_t *git, struct slice name, struct err *err)
{
    const struct platform *p = r->platform;
    const json_t *secret = name.len > 0 ? p->get(p->user, "Secret", r->ns, name) : NULL;
    if (name.len == 0 ||
        (secret == NULL && p->get(p->user, "SecretReference", r->ns, name) != NULL)) {
        return 0;
    }
    if (secret == NULL) {
        *r->reason = "SecretNotFound";
        return err_set(err, ERR_NOT_FOUND,
                       "there is no Secret \"%.*s\" in namespace \"%.*s\", which "
                       "spec.source.git.secretRef names",
                       SLICE_ARG(name), SLICE_ARG(r->ns));
    }
    if (object_is_kept_secret(secret)) {
        *r->reason = "SecretNotAllowed";
        return err_set(err, ERR_UNPROCESSABLE,
                       "spec.source.git.secretRef: Secret \"%.*s\" is the control plane's own",
                       SLICE_ARG(name));
    }
    json_t *data = json_object_get(secret, "data");
    json_object_set_new(git, "credentials", data != NULL ? json_deep_copy(data) : json_object());
    return 0;
}

static int bind_source(struct running *r, struct err *err)
{
    static const char *const keys[] = {"branch", "tag", "secretRef"};
    const json_t *from = json_at(r->run, "spec", "source", "git", NULL);
    struct slice commit = run_commit(r->run);
    struct slice path = json_text_at(from, "path");
    json_t *git = json_object();
    json_t *source = json_pack("{s:o}", "git", git);
    set_url(r, git, json_text_at(from, "repository"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        set_text(git, keys[i], json_text_at(from, keys[i]));
    }
    struct slice branch = json_text_at(from, "branch");
    struct slice ref = commit.len > 0 ? commit : branch.len > 0 ? branch : SLICE("HEAD");
    set_text(git, "commit", commit);
    set_text(git, "ref", ref);
    set_text(git, "path", path.len > 0 ? path : SLICE("."));
    int rc = add_credentials(r, git, json_text_at(from, "secretRef"), err);
    bind(r, "source", source);
    return rc;
}

/* The workflow plane of OpenChoreo's that the workflow names; NULL: none. */
static const json_t *workflow_plane(const struct running *r)
{
    const struct platform *p = r->platform;
    const json_t *ref = json_object_get(r->workflow, "workflowPlaneRef");
    struct slice name = json_text_at(ref, "name");
    if (!is_openchoreo(r->run) || name.len == 0) {
        return NULL;
    }
    return slice_eq_cstr(json_text_at(ref, "kind"), "WorkflowPlane")
               ? p->get(p->user, OPENCHOREO_GROUP "/WorkflowPlane", r->ns, name)
               : p->get(p->user, OPENCHOREO_GROUP "/ClusterWorkflowPlane", SLICE(""), name);
}

/* Where secrets are kept the workflow plane says, else the data plane that stands for it. */
static void bind_plane(struct running *r)
{
    const json_t *annotations = json_at(r->plane, "metadata", "annotations", NULL);
    struct slice store = json_text(json_at(r->plane, "spec", "secretStoreRef", "name", NULL));
    struct slice own =
        json_text(json_at(workflow_plane(r), "spec", "secretStoreRef", "name", NULL));
    json_t *plane = json_object();
    set_label(plane, "secretStore", store);
    if (json_object_size(annotations) > 0) {
        json_object_set_new(plane, "annotations", json_deep_copy(annotations));
    }
    json_t *builds = json_copy(plane);
    set_label(builds, "secretStore", own);
    json_object_set(r->planes, "workflowplane", builds);
    json_object_set(r->planes, "dataplane", plane);
    bind(r, "workflowplane", builds);
    bind(r, "dataplane", plane);
}

static void bind_run(struct running *r, struct slice image, uint64_t time_limit_ms)
{
    bind(r, "run",
         json_pack("{s:o, s:o, s:I, s:o}", "name", json_str(r->name), "image", json_str(image),
                   "timeLimitSeconds", (json_int_t)(time_limit_ms / 1000), "test",
                   run_test_seen(r->platform, r->run, r->arena)));
}

/* A text that must come to a text; *text is the arena's. */
static int render_text(struct running *r, const json_t *template, const char *path,
                       struct slice *text, struct err *err)
{
    json_t *made = NULL;
    int rc = template_render(&r->scope, template, slice_of(path), &made, err);
    if (rc == 0 && !json_is_string(made)) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%s: must be a text", path);
    }
    if (rc == 0) {
        *text = arena_copy(r->arena, json_text(made));
    }
    json_decref(made);
    return rc;
}

/* Of a plane's store a namespace may have what the plane says. */
static int check_keys(struct running *r, const json_t *reference, const char *path, struct err *err)
{
    const json_t *plane = json_object_get(r->plane, "spec");
    const json_t *data = json_at(reference, "spec", "data", NULL);
    for (size_t i = 0; i < json_array_size(data); i++) {
        struct slice key = json_text(json_at(json_array_get(data, i), "remoteRef", "key", NULL));
        if (!plane_allows_key(plane, r->ns, key)) {
            return err_set(
                err, ERR_UNPROCESSABLE,
                "%s: SecretReference \"%.*s\" takes \"%.*s\" from the secret store: data "
                "plane %.*s lets namespace %.*s have keys that begin with %s",
                path, SLICE_ARG(object_name(reference)), SLICE_ARG(key),
                SLICE_ARG(object_name(r->plane)), SLICE_ARG(r->ns),
                plane_key_prefixes(plane, r->ns, r->arena));
        }
    }
    return 0;
}

/* What expressions see of one; NULL: nothing, for the cluster may have it. Of Secrets those alone
 * that are for images: whoever may start a run might name any other, too. */
static int read_external(struct running *r, const json_t *ref, struct slice name, const char *path,
                         json_t **seen, struct err *err)
{
    const struct platform *p = r->platform;
    bool secret = slice_eq_cstr(json_text_at(ref, "kind"), "Secret");
    const json_t *found = p->get(p->user, secret ? "Secret" : "SecretReference", r->ns, name);
    *seen = NULL;
    if (found == NULL && !secret) {
        *r->reason = "SecretNotFound";
        return err_set(err, ERR_NOT_FOUND,
                       "%s: there is no SecretReference \"%.*s\" in namespace \"%.*s\"", path,
                       SLICE_ARG(name), SLICE_ARG(r->ns));
    }
    if (found != NULL && secret && !derive_is_pull_secret(found)) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "%s: Secret \"%.*s\" is of type \"%.*s\", and must be of "
                       "kubernetes.io/dockerconfigjson",
                       path, SLICE_ARG(name), SLICE_ARG(json_text_at(found, "type")));
    }
    if (found != NULL) {
        *seen = secret ? json_pack("{s:O?, s:O?}", "type", json_object_get(found, "type"), "data",
                                   json_object_get(found, "data"))
                       : json_pack("{s:O?}", "spec", json_object_get(found, "spec"));
        return secret ? 0 : check_keys(r, found, path, err);
    }
    return 0;
}

/* Those whose name comes to nothing are left out. */
static int bind_external(struct running *r, struct err *err)
{
    const json_t *refs = json_object_get(r->workflow, "externalRefs");
    json_t *all = json_object();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(refs); i++) {
        const json_t *ref = json_array_get(refs, i);
        struct slice name = {0};
        json_t *seen = NULL;
        const char *id = arena_cstr(r->arena, json_text_at(ref, "id"));
        const char *path = arena_printf(r->arena, "externalRefs[%s].name", id);
        rc = render_text(r, json_object_get(ref, "name"), path, &name, err);
        if (rc == 0 && name.len > 0) {
            rc = read_external(r, ref, name, path, &seen, err);
        }
        if (seen != NULL) {
            json_object_set_new(all, id, seen);
        }
    }
    bind(r, "externalRefs", all);
    return rc;
}

static int bind_parameters(struct running *r, struct err *err)
{
    struct layers parameters = {0};
    layers_add(&parameters, "run", json_at(r->run, "spec", "workflow", "parameters", NULL));
    return section_bind(&r->scope, r->workflow, "parameters", &parameters, SLICE("parameters"),
                        err);
}

/* ---- objects ---- */

static int add_template(struct running *r, struct err *err)
{
    const json_t *job = json_object_get(r->workflow, "jobTemplate");
    const char *which = job != NULL && !r->argo ? "jobTemplate" : "runTemplate";
    json_t *made = NULL;
    int rc = template_render(&r->scope, json_object_get(r->workflow, which), slice_of(which), &made,
                             err);
    if (rc == 0 && made == NULL) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%s: comes to nothing", which);
    }
    if (rc == 0) {
        resources_add(&r->list, slice_of(which), made, NULL);
    }
    return rc;
}

/* What run-command, a workflow of everybody's, lets its pods do, those of any other may. */
static int judge(struct running *r, struct err *err)
{
    const struct render_identity id = {.ns = r->ns};
    const json_t *organization =
        r->platform->get(r->platform->user, "Organization", SLICE(""), r->ns);
    struct resource_list built_in = {0};
    const struct tenancy tenancy = {.id = &id,
                                    .maker = &r->maker,
                                    .cell = r->cell,
                                    .own_types = json_at(organization, "spec", "ownTypes", NULL),
                                    .variables = r->planes,
                                    .dataplane = json_object_get(r->plane, "spec"),
                                    .built_in = &built_in};
    json_t *usual = NULL;
    if (!tenant_is(&r->maker)) {
        return 0;
    }
    int rc = run_builtin_load(SLICE("run-command"), &usual, err);
    if (rc == 0) {
        arena_own(r->arena, usual, release_tree);
        tenant_built_in(&r->scope, json_at(usual, "spec", "resources", NULL), &built_in);
        rc = tenant_judge(&tenancy, &r->list, NULL, err);
    }
    resources_free(&built_in);
    return rc;
}

/* The way to what it tests, which no template needs to say. */
static void add_way(struct running *r)
{
    json_t *policy = run_test_policy(r->platform, r->run, r->name, r->arena);
    if (policy != NULL) {
        resources_add(&r->list, SLICE("test"), policy, NULL);
    }
}

/* Pods are told to be the run's, too: its network policy selects them, and what they say when they
 * end is read. Those of a test are let in where they test. */
static void mark_pods(const struct running *r, json_t *manifests)
{
    size_t i;
    json_t *manifest;
    json_array_foreach(manifests, i, manifest)
    {
        json_t *spec = json_object_get(manifest, "spec");
        json_t *pods = NULL;
        if (slice_eq_cstr(object_kind(manifest), "Job")) {
            json_t *template = json_child(spec, "template");
            pods = template != NULL ? json_child(template, "metadata") : NULL;
        } else if (slice_starts_with(object_api_version(manifest), SLICE("argoproj.io/"))) {
            pods = json_child(spec, "podMetadata");
        }
        json_t *labels = pods != NULL ? json_child(pods, "labels") : NULL;
        if (labels != NULL) {
            set_text(labels, RUN_LABEL, r->name);
            set_label(labels, RUN_TESTS_LABEL, run_test_of(r->run));
        }
    }
}

static int render(struct running *r, struct slice *image, json_t **manifests, struct err *err)
{
    uint64_t limit_ms = run_time_limit_ms(r->run, run_workflow(r->platform, r->run));
    bind_metadata(r);
    bind_plane(r);
    bind_run(r, SLICE(""), limit_ms);
    int rc = bind_source(r, err);
    if (rc == 0) {
        *r->reason = "InvalidParameters";
        rc = bind_parameters(r, err);
    }
    rc = rc == 0 ? validate_before(&r->scope, r->workflow, SLICE(""), err) : rc;
    if (rc == 0) {
        *r->reason = "RenderFailed";
        rc = bind_external(r, err);
    }
    const json_t *expression = json_object_get(r->workflow, "image");
    if (rc == 0 && expression != NULL) {
        rc = render_text(r, expression, "image", image, err);
        bind_run(r, *image, limit_ms);
    }
    rc = rc == 0 ? resources_render(&r->scope, json_object_get(r->workflow, "resources"),
                                    SLICE("resources"), &r->list, err)
                 : rc;
    rc = rc == 0 ? add_template(r, err) : rc;
    rc = rc == 0 ? judge(r, err) : rc;
    if (rc == 0) {
        add_way(r);
        const struct finish how = {.cell = r->cell, .standard = r->standard};
        rc = finish_manifests(&how, &r->list, manifests, err);
    }
    if (rc == 0) {
        mark_pods(r, *manifests);
    }
    return rc;
}

int run_render(const struct platform *p, const json_t *run, const struct run_place *place,
               struct arena *arena, struct cel_cache *programs, json_t **manifests,
               struct slice *image, const char **reason, struct err *err)
{
    const json_t *workflow = run_workflow(p, run);
    *manifests = NULL;
    *image = (struct slice){0};
    if (workflow == NULL) {
        struct slice name = json_text(json_at(run, "spec", "workflow", "name", NULL));
        struct slice kind = json_text(json_at(run, "spec", "workflow", "kind", NULL));
        *reason = "WorkflowNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no %.*s \"%.*s\"",
                       SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterWorkflow")), SLICE_ARG(name));
    }
    struct running r = {.platform = p,
                        .run = run,
                        .workflow = json_object_get(workflow, "spec"),
                        .ns = object_ns(run),
                        .name = run_object_name(arena, object_name(run)),
                        .cell = run_cell(arena, object_ns(run)),
                        .plane = p->get(p->user, "DataPlane", SLICE(""), place->plane),
                        .argo = place->argo,
                        .arena = arena,
                        .derived = json_object(),
                        .standard = json_object(),
                        .planes = json_object(),
                        .maker = {object_kind(workflow), object_name(workflow), false},
                        .reason = reason};
    template_init(&r.scope, arena, RENDER_COST_MAX);
    r.scope.programs = programs;
    r.scope.tolerant = is_openchoreo(run);
    r.scope.functions = oc_functions();
    r.scope.function_count = oc_function_count();
    r.host = (struct oc_host){.derived = r.derived};
    r.scope.host = &r.host;
    int rc = render(&r, image, manifests, err);
    resources_free(&r.list);
    json_decref(r.derived);
    json_decref(r.standard);
    json_decref(r.planes);
    if (programs != NULL) {
        cel_cache_trim(programs);
    }
    return rc;
}
