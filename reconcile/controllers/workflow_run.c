/* workflow_run.c: from a WorkflowRun to a RenderedRelease, and from what that sees to the outcome.
 *
 *   source -> workflow -> plane -> RenderedRelease, applied once -> what its cluster says of it
 *     -> Succeeded (with the image, if the workflow makes one) or Failed -> kept for a while
 *
 * What may come yet (a workflow, a plane, a commit) is waited for: Pending. What cannot become
 * right, because a run's spec never changes (parameters, templates), is Failed at once; what its
 * cluster does not take, or tells no end of, is when its time limit is over. What ended stays as it
 * ended: its objects stay on the cluster, where their logs are, until the run is deleted. */
#include "reconcile/controllers/workflow_run.h"

#include "reconcile/controllers/build_allowed.h"
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/openchoreo.h"
#include "reconcile/controllers/run_test.h"
#include "reconcile/controllers/workflow_outcome.h"
#include "render/deployment.h"
#include "render/name.h"
#include "render/plane_access.h"
#include "render/run.h"

#define SOURCE_RESOLVED "SourceResolved"

struct work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *run;
    json_t *edit;
    struct plan *plan;
    struct view view;
    const json_t *workflow;
    const json_t *rendered; /* NULL: there is none yet */
    const struct snapshot_entry *rendered_entry;
    struct slice plane;
    struct slice cluster;
};

bool run_ended(const json_t *run)
{
    struct slice phase = json_text(json_at(run, "status", "phase", NULL));
    return slice_eq_cstr(phase, RUN_SUCCEEDED) || slice_eq_cstr(phase, RUN_FAILED);
}

bool run_cell_wanted(const struct snapshot *s, struct slice ns, struct arena *arena)
{
    const struct snapshot_entry **runs;
    size_t count = snapshot_list(s, SNAPSHOT_RUN, SNAPSHOT_BY_NS, ns, ns, arena, &runs);
    for (size_t i = 0; i < count; i++) {
        if (!runs[i]->deleting && !run_ended(snapshot_tree(s, runs[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- telling ---- */

static struct slice clock_text(struct work *w, uint64_t wall_ms)
{
    char text[32];
    clock_rfc3339(wall_ms, text);
    return arena_copy(&w->plan->arena, slice_of(text));
}

static void set_time(struct work *w, const char *key)
{
    if (json_at(w->run, "status", key, NULL) == NULL) {
        status_set(w->edit, key, json_str(clock_text(w, w->s->now_ms)));
    }
}

static void tell_event(struct work *w, const char *phase, const char *reason, const char *message)
{
    bool failed = slice_eq_cstr(slice_of(phase), RUN_FAILED);
    struct slice before = json_text(json_at(w->run, "status", "phase", NULL));
    if (!slice_eq_cstr(before, phase) &&
        (failed || slice_eq_cstr(slice_of(phase), RUN_SUCCEEDED))) {
        plan_event(w->plan, w->run, failed, reason, "%s", message);
    }
}

/* The one place that says how a run is. */
static void tell(struct work *w, const char *phase, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(struct work *w, const char *phase, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(&w->plan->arena, format, args);
    va_end(args);
    bool succeeded = slice_eq_cstr(slice_of(phase), RUN_SUCCEEDED);
    bool failed = slice_eq_cstr(slice_of(phase), RUN_FAILED);
    bool running = slice_eq_cstr(slice_of(phase), "Running");
    tell_event(w, phase, reason, message);
    status_set(w->edit, "phase", json_string(phase));
    status_set(w->edit, "message", json_str(slice_of(message)));
    condition_set(w->edit, w->s, READY, succeeded ? STATUS_TRUE : STATUS_FALSE, reason, "%s",
                  message);
    condition_set(w->edit, w->s, PROGRESSING, succeeded || failed ? STATUS_FALSE : STATUS_TRUE,
                  succeeded || failed ? "Settled" : "Progressing",
                  succeeded || failed ? "nothing is under way" : "work is under way");
    condition_set(w->edit, w->s, "WorkflowRunning", running ? STATUS_TRUE : STATUS_FALSE, phase,
                  "%s", message);
    condition_set(w->edit, w->s, "WorkflowCompleted",
                  succeeded || failed ? STATUS_TRUE : STATUS_FALSE, phase, "%s", message);
    condition_set(w->edit, w->s, "WorkflowSucceeded",
                  succeeded ? STATUS_TRUE
                  : failed  ? STATUS_FALSE
                            : STATUS_UNKNOWN,
                  succeeded || failed ? reason : phase, "%s", message);
    if (succeeded || failed) {
        set_time(w, "completedAt");
        run_test_report(w->s, w->run, succeeded, message, w->edit, w->plan);
    }
    status_observe(w->edit);
}

static bool wait_for(struct work *w, const char *reason, const char *message)
{
    tell(w, "Pending", reason, "%s", message);
    return false;
}

static bool fail(struct work *w, const char *reason, const char *message)
{
    tell(w, RUN_FAILED, reason, "%s", message);
    return false;
}

/* ---- what it needs ---- */

static bool find_source(struct work *w)
{
    const json_t *git = json_at(w->run, "spec", "source", "git", NULL);
    struct slice commit = run_commit(w->run);
    struct slice group = json_text(json_at(w->run, "spec", "workflow", "group", NULL));
    if (git == NULL || (commit.len == 0 && slice_eq_cstr(group, OPENCHOREO_GROUP))) {
        return true; /* OpenChoreo's workflows look up the branch themselves, and tell the commit */
    }
    if (commit.len > 0) {
        status_set(w->edit, "commit", json_str(commit));
        condition_set(w->edit, w->s, SOURCE_RESOLVED, STATUS_TRUE, "Resolved", "commit %.*s",
                      SLICE_ARG(commit));
        return true;
    }
    struct slice branch = json_text_at(git, "branch");
    struct slice tag = json_text_at(git, "tag");
    struct slice error = json_text(json_at(w->run, "status", "source", "error", "message", NULL));
    struct slice ref = branch.len > 0 ? branch : tag.len > 0 ? tag : SLICE("its default branch");
    const char *message = arena_printf(
        &w->plan->arena, "%s commit %.*s of %.*s is%s%.*s",
        error.len > 0 ? "it cannot be found out which" : "finding out which", SLICE_ARG(ref),
        SLICE_ARG(json_text_at(git, "repository")), error.len > 0 ? ": " : "", SLICE_ARG(error));
    condition_set(w->edit, w->s, SOURCE_RESOLVED, STATUS_FALSE,
                  error.len > 0 ? "NotResolved" : "Resolving", "%s", message);
    plan_resolve(w->plan, json_text_at(git, "repository"), branch.len > 0 ? branch : tag,
                 json_text_at(git, "secretRef"));
    return wait_for(w, error.len > 0 ? "SourceNotResolved" : "ResolvingSource", message);
}

static bool find_workflow(struct work *w)
{
    const json_t *target = json_at(w->run, "spec", "workflow", NULL);
    struct slice kind = json_text_at(target, "kind");
    w->workflow = run_workflow(&w->view.platform, w->run);
    return w->workflow != NULL ||
           wait_for(w, "WorkflowNotFound",
                    arena_printf(&w->plan->arena,
                                 "there is no %.*s \"%.*s\": create it, or delete this run",
                                 SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterWorkflow")),
                                 SLICE_ARG(json_text_at(target, "name"))));
}

/* Whatever builds a component is one of what its type allows, whoever made the run. */
static bool may_build(struct work *w)
{
    struct slice name = owner_text(w->run, "componentName");
    const json_t *component = snapshot_get(w->s, SNAPSHOT_COMPONENT, w->entry->ns, name);
    if (component == NULL || run_is_test(w->run)) {
        return true;
    }
    const char *why = build_forbidden(w->plan, build_type(w->s, component),
                                      json_at(w->run, "spec", "workflow", NULL));
    return why == NULL || fail(w, "WorkflowNotAllowed", why);
}

struct slice run_plane_marked(const struct snapshot *s, struct slice ns, struct arena *arena)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s->system, SNAPSHOT_DATAPLANE, arena, &all);
    struct slice shared = {0};
    for (size_t i = 0; i < count; i++) {
        const json_t *plane = snapshot_tree(s->system, all[i]);
        struct slice mark = object_annotation(plane, "choreo.dev/build-plane");
        if (!slice_eq_cstr(mark, "true") || !plane_allows(plane, ns)) {
            continue;
        }
        if (plane_is_reserved(plane)) {
            return all[i]->name;
        }
        shared = shared.len > 0 ? shared : all[i]->name;
    }
    return shared;
}

struct slice run_plane_of(const struct snapshot *s, struct slice ns, struct slice kind,
                          struct slice named, struct arena *arena)
{
    struct slice own = openchoreo_plane_name(arena, ns, named);
    if (ns.len > 0 && slice_eq_cstr(kind, "WorkflowPlane") && plane_find(s, ns, own) != NULL) {
        return own;
    }
    return plane_find(s, ns, named) != NULL ? named : (struct slice){0};
}

/* Of the first environment of its project's pipeline; empty: none. */
static struct slice project_plane(struct work *w)
{
    struct slice project = owner_text(w->run, "projectName");
    const json_t *p = snapshot_get(w->s, SNAPSHOT_PROJECT, w->entry->ns,
                                   project.len > 0 ? project : SLICE("default"));
    struct slice pipeline = spec_text(p, "deploymentPipeline");
    struct slice first = pipeline_first(snapshot_get(
        w->s, SNAPSHOT_PIPELINE, w->entry->ns, pipeline.len > 0 ? pipeline : SLICE("default")));
    return spec_text(snapshot_get(w->s, SNAPSHOT_ENVIRONMENT, w->entry->ns, first), "dataPlane");
}

static bool choose_cluster(struct work *w, const json_t *plane, struct slice named)
{
    struct plane_cluster *clusters;
    size_t count = plane_clusters(plane, &w->plan->arena, &clusters);
    w->cluster = named;
    for (size_t i = 0; i < count && named.len == 0; i++) {
        bool primary = json_is_true(json_object_get(clusters[i].spec, "primary"));
        w->cluster = w->cluster.len == 0 || primary ? clusters[i].name : w->cluster;
    }
    return plane_has_cluster(plane, w->cluster) ||
           wait_for(w, "NoSuchCluster",
                    arena_printf(&w->plan->arena,
                                 "data plane \"%.*s\" has no cluster \"%.*s\", which the workflow "
                                 "runs on",
                                 SLICE_ARG(w->plane), SLICE_ARG(w->cluster)));
}

static bool find_plane(struct work *w)
{
    const json_t *ref = json_at(w->workflow, "spec", "workflowPlaneRef", NULL);
    struct slice named = json_text_at(ref, "name");
    struct slice kind = json_text_at(ref, "kind");
    bool strict = named.len > 0 && (kind.len == 0 || slice_eq_cstr(kind, "DataPlane"));
    w->plane = named.len > 0 ? run_plane_of(w->s, w->entry->ns, kind, named, &w->plan->arena)
                             : (struct slice){0};
    if (w->plane.len == 0 && strict) {
        return wait_for(w, "NoBuildPlane",
                        arena_printf(&w->plan->arena,
                                     "there is no data plane \"%.*s\", which the workflow runs on",
                                     SLICE_ARG(named)));
    }
    if (w->plane.len == 0) {
        w->plane = run_plane_marked(w->s, w->entry->ns, &w->plan->arena);
        w->plane = w->plane.len > 0 ? w->plane : project_plane(w);
    }
    const json_t *plane = snapshot_get(w->s, SNAPSHOT_DATAPLANE, (struct slice){0}, w->plane);
    if (plane == NULL) {
        return wait_for(w, "NoBuildPlane",
                        "there is no data plane to run it on: give one the annotation "
                        "choreo.dev/build-plane: \"true\"");
    }
    if (!plane_allows(plane, w->entry->ns)) {
        return wait_for(w, "DataPlaneNotAllowed",
                        plane_forbids(plane, w->entry->ns, &w->plan->arena));
    }
    return choose_cluster(w, plane, json_text_at(ref, "cluster"));
}

/* ---- its RenderedRelease ---- */

static json_t *rendered_new(struct work *w, bool cell)
{
    struct arena *arena = &w->plan->arena;
    const struct deployment d = {.project = SLICE(RUN_PROJECT),
                                 .environment = SLICE(RUN_ENVIRONMENT),
                                 .plane = w->plane,
                                 .cluster = w->cluster};
    const struct slice parts[] = {SLICE("run"), w->entry->name};
    struct slice name = cell ? deployment_name(arena, &d)
                             : name_join_extra(arena, NAME_SUBDOMAIN_MAX, parts, 2, w->entry->uid);
    json_t *owner = json_pack("{s:s}", "projectName", RUN_PROJECT);
    json_t *spec =
        json_pack("{s:o, s:s, s:o, s:o, s:o}", "owner", owner, "environmentName", RUN_ENVIRONMENT,
                  "dataPlane", json_str(w->plane), "cluster", json_str(w->cluster), "namespace",
                  json_str(run_cell(arena, w->entry->ns)));
    if (!cell) {
        struct slice component = owner_text(w->run, "componentName");
        json_object_set_new(owner, "componentName",
                            json_str(component.len > 0 ? component : SLICE("-")));
        json_object_set_new(spec, "workflowRun", json_str(w->entry->name));
    }
    json_t *o = object_new("choreo.dev/v1", "RenderedRelease", w->entry->ns, name);
    json_object_set_new(o, "spec", spec);
    object_add_finalizer(o, FINALIZER);
    return o;
}

/* Rendered once to know that it can be, and what it makes; then by its RenderedRelease alone. */
static bool start(struct work *w)
{
    json_t *manifests;
    struct slice image;
    const char *reason = "RenderFailed";
    struct err err;
    const json_t *plane = snapshot_get(w->s, SNAPSHOT_DATAPLANE, (struct slice){0}, w->plane);
    const struct run_place place = {w->plane, run_uses_argo(plane, w->cluster)};
    int rc = run_render(&w->view.platform, w->run, &place, &w->plan->arena, w->s->programs,
                        &manifests, &image, &reason, &err);
    json_decref(manifests);
    if (rc == ERR_NOT_FOUND) {
        return wait_for(w, reason, err.message);
    }
    if (rc != 0) {
        return fail(w, reason,
                    arena_printf(&w->plan->arena, "%s; this run stays as it is: make another one",
                                 err.message));
    }
    json_t *cell = rendered_new(w, true);
    if (snapshot_find(w->s, SNAPSHOT_RENDERED, w->entry->ns, object_name(cell)) == NULL) {
        plan_create(w->plan, SNAPSHOT_RENDERED, cell);
    } else {
        json_decref(cell);
    }
    json_t *rendered = rendered_new(w, false);
    object_add_owner(rendered, w->run, true);
    if (image.len > 0) {
        object_set_annotation(rendered, RUN_IMAGE_ANNOTATION, image);
    }
    if (place.argo) {
        object_set_annotation(rendered, RUN_ARGO_ANNOTATION, SLICE("true"));
    }
    plan_create(w->plan, SNAPSHOT_RENDERED, rendered);
    return wait_for(
        w, "Starting",
        arena_printf(&w->plan->arena, "being sent to cluster \"%.*s\"", SLICE_ARG(w->cluster)));
}

/* ---- how it goes ---- */

static struct slice told(const struct work *w, const char *key)
{
    return json_text(json_at(w->rendered, "status", "run", key, NULL));
}

/* "registry/name:tag" at a digest: "registry/name@sha256:..." names the same bytes for ever. */
static struct slice at_digest(struct work *w, struct slice image, struct slice digest)
{
    size_t slash = 0;
    for (size_t i = 0; i < image.len; i++) {
        slash = image.data[i] == '/' ? i : slash;
    }
    size_t colon = slice_find(slice_sub(image, slash, SIZE_MAX), SLICE(":"));
    struct slice bare = colon == SIZE_MAX ? image : slice_sub(image, 0, slash + colon);
    return slice_of(arena_printf(&w->plan->arena, "%.*s@%.*s", SLICE_ARG(bare), SLICE_ARG(digest)));
}

static void succeed(struct work *w)
{
    struct slice wanted = object_annotation(w->rendered, RUN_IMAGE_ANNOTATION);
    struct slice image = told(w, "image");
    struct slice digest = told(w, "digest");
    image = image.len > 0 ? image : wanted;
    if (wanted.len > 0 && digest.len == 0 && told(w, "image").len == 0) {
        (void)fail(w, "NoDigest",
                   arena_printf(&w->plan->arena,
                                "it ended well, but told no digest of image \"%.*s\": its last "
                                "step must write \"sha256:...\" to its termination message, or to "
                                "Argo's output parameter \"digest\"",
                                SLICE_ARG(wanted)));
        return;
    }
    if (told(w, "workload").len > 0) {
        status_set(w->edit, "workload", json_str(told(w, "workload")));
    }
    if (image.len == 0) {
        tell(w, RUN_SUCCEEDED, RUN_SUCCEEDED, "it ended well");
        return;
    }
    bool pinned = slice_find(image, SLICE("@")) != SIZE_MAX;
    image = digest.len > 0 && !pinned ? at_digest(w, image, digest) : image;
    status_set(w->edit, "image", json_str(image));
    tell(w, RUN_SUCCEEDED, RUN_SUCCEEDED, "it made %.*s", SLICE_ARG(image));
}

static void note_tasks(struct work *w)
{
    json_t *tasks = json_at(w->rendered, "status", "run", "tasks", NULL);
    struct slice commit = told(w, "commit");
    status_set(w->edit, "tasks", json_incref(tasks));
    if (commit.len > 0 && run_commit(w->run).len == 0) {
        status_set(w->edit, "commit", json_str(commit));
    }
    size_t i;
    json_t *row;
    json_array_foreach(json_at(w->rendered, "status", "resources", NULL), i, row)
    {
        struct slice kind = json_text_at(row, "kind");
        if (slice_eq_cstr(kind, "Job") || slice_eq_cstr(kind, "Workflow")) {
            struct buf api = {0};
            struct slice group = json_text_at(row, "group");
            buf_addf(&api, "%.*s%s%.*s", SLICE_ARG(group), group.len > 0 ? "/" : "",
                     SLICE_ARG(json_text_at(row, "version")));
            status_set(w->edit, "runReference",
                       json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "dataPlane", json_str(w->plane),
                                 "cluster", json_str(w->cluster), "apiVersion",
                                 json_str(buf_slice(&api)), "kind", json_str(kind), "namespace",
                                 json_str(json_text_at(row, "namespace")), "name",
                                 json_str(json_text_at(row, "name"))));
            buf_free(&api);
        }
    }
}

/* now, if there is none */
static uint64_t time_at(struct work *w, const char *section, const char *key)
{
    uint64_t at_ms = w->s->now_ms;
    struct slice text = json_text(json_at(w->edit, section, key, NULL));
    (void)clock_parse_rfc3339(arena_cstr(&w->plan->arena, text), &at_ms);
    return at_ms;
}

/* The cluster ends it by itself at its time limit, if it can; a minute later nobody waits. Nor is
 * waited for longer until its cluster takes it, from when it was made. */
static bool in_time(struct work *w)
{
    enum { GRACE_MS = 60 * 1000 };
    bool began = json_at(w->edit, "status", "startedAt", NULL) != NULL;
    uint64_t from_ms =
        began ? time_at(w, "status", "startedAt") : time_at(w, "metadata", "creationTimestamp");
    uint64_t end_ms = from_ms + run_time_limit_ms(w->run, w->workflow) + GRACE_MS;
    if (w->s->now_ms < end_ms) {
        plan_requeue(w->plan, end_ms - w->s->now_ms);
        return true;
    }
    plan_delete(w->plan, w->rendered_entry);
    return false;
}

static unsigned long long time_limit_s(const struct work *w)
{
    return run_time_limit_ms(w->run, w->workflow) / 1000;
}

static void await_cluster(struct work *w)
{
    struct condition ready = condition_of(w->rendered, READY);
    bool failed = ready.reason.len > 0 && condition_is(w->rendered, PROGRESSING, "False");
    const char *reason = failed ? arena_cstr(&w->plan->arena, ready.reason) : "Starting";
    const char *message = failed ? arena_cstr(&w->plan->arena, ready.message)
                                 : arena_printf(&w->plan->arena, "being sent to cluster \"%.*s\"",
                                                SLICE_ARG(w->cluster));
    if (in_time(w)) {
        (void)wait_for(w, reason, message);
    } else {
        (void)fail(w, "TimeLimit",
                   arena_printf(&w->plan->arena,
                                "it never ran: cluster \"%.*s\" had not taken it within its time "
                                "limit (%llu s): %s",
                                SLICE_ARG(w->cluster), time_limit_s(w), message));
    }
}

static void follow(struct work *w)
{
    struct condition ready = condition_of(w->rendered, READY);
    struct slice phase = told(w, "phase");
    struct slice message = told(w, "message");
    if (!w->rendered_entry->applied) {
        await_cluster(w);
        return;
    }
    set_time(w, "startedAt");
    note_tasks(w);
    if (slice_eq_cstr(phase, RUN_SUCCEEDED)) {
        succeed(w);
    } else if (slice_eq_cstr(phase, RUN_FAILED)) {
        if (told(w, "logTail").len > 0) {
            status_set(w->edit, "logTail", json_str(told(w, "logTail")));
        }
        (void)fail(w, "WorkflowFailed",
                   arena_printf(&w->plan->arena,
                                "%.*s; its log says more: choreo logs run/%.*s -n %.*s",
                                SLICE_ARG(message.len > 0 ? message : SLICE("it failed")),
                                SLICE_ARG(w->entry->name), SLICE_ARG(w->entry->ns)));
    } else if (in_time(w)) {
        bool lost = slice_eq_cstr(ready.reason, "ClusterUnreachable");
        message = lost ? ready.message : message;
        tell(w, "Running", lost ? "ClusterUnreachable" : "Running", "%.*s",
             SLICE_ARG(message.len > 0 ? message : SLICE("it is running")));
    } else {
        (void)fail(w, "TimeLimit",
                   arena_printf(&w->plan->arena,
                                "nothing was heard of its end within its time limit (%llu s); it "
                                "was ended: raise spec.timeLimit, or look at cluster \"%.*s\"",
                                time_limit_s(w), SLICE_ARG(w->cluster)));
    }
}

/* ---- the end ---- */

static void expire(struct work *w)
{
    uint64_t ttl_ms = run_ttl_ms(w->run, run_workflow(&w->view.platform, w->run));
    if (ttl_ms == 0) {
        return;
    }
    uint64_t end_ms = time_at(w, "status", "completedAt") + ttl_ms;
    if (w->s->now_ms >= end_ms) {
        plan_delete(w->plan, w->entry);
    } else {
        plan_requeue(w->plan, end_ms - w->s->now_ms);
    }
}

static void plan_end(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    if (!object_has_finalizer(w->run, FINALIZER)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        plan_delete(w->plan, rendered[i]);
    }
    if (count == 0) {
        object_remove_finalizer(w->edit, FINALIZER);
    } else {
        struct ending e = {0};
        ending_add(&e, w->s, SNAPSHOT_RENDERED, rendered, count, &w->plan->arena);
        ending_tell(&e, w->s, w->edit);
    }
}

void workflow_run_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                       struct plan *plan)
{
    struct work w = {.s = s, .entry = entry, .run = snapshot_tree(s, entry), .plan = plan};
    const struct snapshot_entry **rendered;
    size_t count = snapshot_list(s, SNAPSHOT_RENDERED, SNAPSHOT_BY_RUN, entry->ns, entry->name,
                                 &plan->arena, &rendered);
    view_init(&w.view, s, &plan->arena);
    w.edit = plan_edit(plan, s, entry);
    if (entry->deleting) {
        plan_end(&w, rendered, count);
        return;
    }
    if (run_ended(w.run)) {
        expire(&w);
        return;
    }
    object_add_finalizer(w.edit, FINALIZER);
    for (size_t i = 0; i < count; i++) { /* one of a former run of this name is going */
        const json_t *tree = snapshot_tree(s, rendered[i]);
        if (owned_by(tree, entry->uid) && !rendered[i]->deleting) {
            w.rendered = tree;
            w.rendered_entry = rendered[i];
            w.plane = spec_text(tree, "dataPlane");
            w.cluster = spec_text(tree, "cluster");
        }
    }
    bool sent = json_at(w.run, "status", "startedAt", NULL) != NULL;
    if (w.rendered != NULL) { /* whatever became of its workflow since */
        w.workflow = run_workflow(&w.view.platform, w.run);
        (void)find_source(&w);
        follow(&w);
    } else if (sent) {
        (void)fail(&w, "Gone", "its RenderedRelease was deleted while it ran: make another run");
    } else if (find_source(&w) && find_workflow(&w) && may_build(&w) && find_plane(&w)) {
        (void)start(&w);
    }
}

/* ---- of a RenderedRelease ---- */

bool rendered_is_run(const json_t *rendered)
{
    return spec_text(rendered, "workflowRun").len > 0;
}

/* Is what runs it known not to be there? */
static bool vanished(const struct snapshot *s, const json_t *rendered, const json_t *inventory)
{
    const struct world *world = s->world;
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)inventory, i, row)
    {
        struct world_object object = {0};
        struct slice kind = json_text_at(row, "kind");
        if ((slice_eq_cstr(kind, "Job") || slice_eq_cstr(kind, "Workflow")) && world != NULL &&
            world->object != NULL &&
            world->object(world->user, spec_text(rendered, "dataPlane"),
                          spec_text(rendered, "cluster"), row, &object) &&
            object.missing) {
            return true;
        }
    }
    return false;
}

void rendered_report_run(const struct snapshot *s, const json_t *rendered, const json_t *inventory,
                         json_t *edit, struct plan *plan)
{
    struct slice phase = json_text(json_at(rendered, "status", "run", "phase", NULL));
    const struct world *world = s->world;
    if (slice_eq_cstr(phase, RUN_SUCCEEDED) || slice_eq_cstr(phase, RUN_FAILED) || world == NULL ||
        world->run == NULL) {
        return;
    }
    const char *key = arena_printf(&plan->arena, "%.*s/%.*s", SLICE_ARG(object_ns(rendered)),
                                   SLICE_ARG(object_name(rendered)));
    json_t *seen =
        world->run(world->user, spec_text(rendered, "dataPlane"), spec_text(rendered, "cluster"),
                   slice_of(key), run_cell(&plan->arena, object_ns(rendered)));
    uint64_t again_ms = 0;
    json_t *outcome = workflow_outcome(seen, s->now_ms, &again_ms);
    json_decref(seen);
    if (outcome == NULL && vanished(s, rendered, inventory)) {
        outcome = json_pack("{s:s, s:s}", "phase", RUN_FAILED, "message",
                            "what ran it is gone from the cluster, and nobody knows how it ended");
    }
    if (again_ms > 0) {
        plan_requeue(plan, again_ms);
    }
    if (outcome != NULL) {
        status_set(edit, "run", outcome);
    }
}
