/* resource.c: from a Resource to releases and bindings, and how it is.
 *
 *   type and parameters -> ResourceRelease (named by its content) -> ResourceReleaseBinding in the
 *   first environment of the project's pipeline, and in each where a component that needs it is
 *   bound -> roll-up of all its bindings
 *
 * The binding of the first environment follows new releases. Those of others begin with what was
 * proven where the pipeline comes from, and stay with it, so that neither a changed type nor a
 * changed parameter gets to a production database unless somebody promotes it. A binding is never
 * taken away because nothing needs it any more: there is data behind it, and who wants that gone
 * says so. */
#include "reconcile/controllers/authors.h"
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/resizing.h"
#include "reconcile/controllers/rollout.h"
#include "render/release.h"
#include "render/resource_release.h"

/* A condition of a Resource: whether its spec is in a release. */
#define RELEASED "Released"

enum { RELEASES_KEPT = 10 };

struct work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *resource;
    json_t *edit;
    struct plan *plan;
    struct view view;
    struct slice project;
    struct slice release; /* name of the release that the spec amounts to; empty: none */
    struct slice first;   /* environment; empty: none */
    const char *reason;   /* of the step that failed; NULL: none */
    const char *message;
};

static bool fail(struct work *w, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(struct work *w, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    w->reason = reason;
    w->message = arena_vprintf(&w->plan->arena, format, args);
    va_end(args);
    return false;
}

static const struct snapshot_entry *project_of(const struct work *w)
{
    return snapshot_find(w->s, SNAPSHOT_PROJECT, w->entry->ns, w->project);
}

static bool find_project(struct work *w)
{
    const struct snapshot_entry *project = project_of(w);
    if (project == NULL && !slice_eq_cstr(w->project, "default")) {
        return fail(w, "ProjectNotFound", "there is no project \"%.*s\" in namespace \"%.*s\" yet",
                    SLICE_ARG(w->project), SLICE_ARG(w->entry->ns));
    }
    return project == NULL || !project->deleting ||
           fail(w, "ProjectTerminating", "project \"%.*s\" is being deleted",
                SLICE_ARG(w->project));
}

static bool make_release(struct work *w)
{
    json_t *spec;
    const char *reason = NULL;
    struct err err;
    if (resource_release_make(&w->view.platform, w->resource, &spec, &reason, &err) != 0) {
        condition_set(w->edit, w->s, RELEASED, STATUS_FALSE, reason, "%s", err.message);
        return fail(w, reason, "%s", err.message);
    }
    w->release = release_name(&w->plan->arena, w->entry->name, spec);
    if (snapshot_find(w->s, SNAPSHOT_RESOURCE_RELEASE, w->entry->ns, w->release) == NULL) {
        json_t *o = object_new("choreo.dev/v1", "ResourceRelease", w->entry->ns, w->release);
        json_object_set(o, "spec", spec);
        promotion_add_authors(o, w->resource);
        object_add_owner(o, w->resource, true);
        plan_create(w->plan, SNAPSHOT_RESOURCE_RELEASE, o);
        plan_event(w->plan, w->resource, false, "Released", "made release \"%.*s\"",
                   SLICE_ARG(w->release));
    }
    json_decref(spec);
    condition_set(w->edit, w->s, RELEASED, STATUS_TRUE, RELEASED, "release \"%.*s\"",
                  SLICE_ARG(w->release));
    return true;
}

/* ---- bindings ---- */

static const struct snapshot_entry *binding_in(const struct work *w, struct slice environment)
{
    return binding_first(w->s, SNAPSHOT_RESOURCE_BINDING, w->entry->ns, w->entry->name, environment,
                         &w->plan->arena);
}

/* The release that an environment begins with: what was healthy last where the pipeline comes from,
 * else the newest. */
static struct slice release_for(const struct work *w, struct slice environment)
{
    const struct snapshot_entry *project = project_of(w);
    struct slice name =
        promotion_pipeline_of(project != NULL ? snapshot_tree(w->s, project) : NULL);
    const json_t *pipeline = snapshot_get(w->s, SNAPSHOT_PIPELINE, w->entry->ns, name);
    struct promotion_edge edge = {0};
    while (promotion_next_to(pipeline, environment, &edge)) {
        const struct snapshot_entry *source = binding_in(w, edge.source);
        struct slice proven =
            source != NULL ? promotion_last_healthy(snapshot_tree(w->s, source)) : SLICE("");
        if (proven.len > 0) {
            return proven;
        }
    }
    return w->release;
}

/* A release as an object, though it may be only about to be made. */
static json_t *release_object(const struct work *w, struct slice name)
{
    json_t *o = object_new("choreo.dev/v1", "ResourceRelease", w->entry->ns, name);
    const json_t *there = snapshot_get(w->s, SNAPSHOT_RESOURCE_RELEASE, w->entry->ns, name);
    json_t *spec = json_deep_copy(json_object_get(there, "spec"));
    const char *reason;
    if (spec == NULL) {
        (void)resource_release_make(&w->view.platform, w->resource, &spec, &reason, NULL);
    }
    json_object_set_new(o, "spec", spec);
    return o;
}

/* Points a binding under edit at a release, for who wrote it last. */
static void point(struct work *w, json_t *binding, struct slice release)
{
    json_t *spec = json_object_get(binding, "spec");
    json_object_set_new(spec, "resourceRelease", json_str(release));
    binding_requested_by(binding, promotion_last_author(&w->plan->arena, w->resource));
}

/* What nobody asked for, and never came in, asks for what was proven since. */
static void ask_anew(struct work *w, const struct snapshot_entry *binding, struct slice environment)
{
    const json_t *tree = snapshot_tree(w->s, binding);
    struct slice release = release_for(w, environment);
    if (!binding->deleting && json_at(tree, "status", "releaseName", NULL) == NULL &&
        object_annotation(tree, PROMOTION_REQUESTED_BY).len == 0 &&
        !slice_eq(promotion_asked(tree), release) && !slice_eq(environment, w->first)) {
        json_t *spec = json_object_get(plan_edit(w->plan, w->s, binding), "spec");
        json_object_set_new(spec, "resourceRelease", json_str(release));
    }
}

static void bind(struct work *w, struct slice environment)
{
    const struct snapshot_entry *env =
        snapshot_find(w->s, SNAPSHOT_ENVIRONMENT, w->entry->ns, environment);
    const struct snapshot_entry *there = binding_in(w, environment);
    struct slice name = resource_binding_name(&w->plan->arena, w->entry->name, environment);
    if (there != NULL) {
        ask_anew(w, there, environment);
    }
    if (env == NULL || env->deleting || there != NULL) {
        return;
    }
    for (size_t i = 0; i < w->plan->write_count; i++) { /* two components may need it there */
        if (slice_eq(w->plan->writes[i].name, name)) {
            return;
        }
    }
    json_t *release = release_object(w, release_for(w, environment));
    json_t *o = object_new("choreo.dev/v1", "ResourceReleaseBinding", w->entry->ns, name);
    json_object_set_new(o, "spec", resource_binding(&w->view.platform, release, environment));
    object_add_finalizer(o, FINALIZER);
    object_add_owner(o, w->resource, true);
    plan_create(w->plan, SNAPSHOT_RESOURCE_BINDING, o);
    json_decref(release);
}

/* The first environment's binding takes the release up when it is new, and not when somebody has
 * since set another. */
static void follow(struct work *w)
{
    const struct snapshot_entry *binding = binding_in(w, w->first);
    struct slice latest = json_text(json_at(w->resource, "status", "latestRelease", "name", NULL));
    if (binding == NULL || binding->deleting) {
        return;
    }
    struct slice is = spec_text(snapshot_tree(w->s, binding), "resourceRelease");
    if (is.len == 0 || (!slice_eq(latest, w->release) && !slice_eq(is, w->release))) {
        point(w, plan_edit(w->plan, w->s, binding), w->release);
    }
}

/* Wherever a component is bound to a release that needs it. */
static void bind_where_needed(struct work *w)
{
    const struct snapshot_entry **releases;
    size_t count = snapshot_list(w->s, SNAPSHOT_RELEASE, SNAPSHOT_BY_RESOURCE, w->entry->ns,
                                 w->entry->name, &w->plan->arena, &releases);
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry **bindings;
        size_t n = snapshot_list(w->s, SNAPSHOT_BINDING, SNAPSHOT_BY_RELEASE, w->entry->ns,
                                 releases[i]->name, &w->plan->arena, &bindings);
        for (size_t k = 0; k < n; k++) {
            const json_t *binding = snapshot_tree(w->s, bindings[k]);
            if (!bindings[k]->deleting &&
                slice_eq(owner_text(binding, "projectName"), w->project)) {
                bind(w, spec_text(binding, "environment"));
            }
        }
    }
}

static void bind_all(struct work *w)
{
    const char *reason = NULL;
    const char *message = NULL;
    if (json_is_false(json_at(w->resource, "spec", "autoDeploy", NULL))) {
        return;
    }
    w->first =
        first_environment(w->s, w->entry->ns, project_of(w), &w->plan->arena, &reason, &message);
    if (w->first.len > 0) {
        bind(w, w->first);
        follow(w);
    }
    bind_where_needed(w);
}

/* Whether a binding deploys it, may have to go back to it, or asks for it. */
static bool is_used(const struct work *w, struct slice release)
{
    const struct snapshot_entry **bindings;
    size_t count = snapshot_list(w->s, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE,
                                 w->entry->ns, w->entry->name, &w->plan->arena, &bindings);
    for (size_t i = 0; i < count; i++) {
        if (rollout_uses(snapshot_tree(w->s, bindings[i]), release)) {
            return true;
        }
    }
    return false;
}

/* Releases that no binding uses go, but for the newest few. */
static void trim_releases(struct work *w)
{
    const struct snapshot_entry **all;
    const struct snapshot_entry *oldest = NULL;
    size_t unused = 0;
    size_t count = snapshot_list(w->s, SNAPSHOT_RESOURCE_RELEASE, SNAPSHOT_BY_RESOURCE,
                                 w->entry->ns, w->entry->name, &w->plan->arena, &all);
    for (size_t i = 0; i < count; i++) {
        bool used = slice_eq(all[i]->name, w->release) || is_used(w, all[i]->name);
        bool theirs = snapshot_find(w->s, SNAPSHOT_OC_RESOURCE_RELEASE, all[i]->ns, all[i]->name) !=
                      NULL; /* which would make it again */
        if (used || theirs || all[i]->deleting || !authors_let_go(w->s, all[i], all, count)) {
            continue;
        }
        unused++;
        if (oldest == NULL ||
            object_age_order(snapshot_tree(w->s, all[i]), snapshot_tree(w->s, oldest)) < 0) {
            oldest = all[i];
        }
    }
    if (unused > RELEASES_KEPT) {
        authors_prune(w->s, oldest, all, count, w->plan);
    }
}

/* ---- the report ---- */

static json_t *environment_row(const json_t *binding)
{
    struct condition ready = condition_of(binding, READY);
    struct slice release = spec_text(binding, "resourceRelease");
    json_t *row = json_pack("{s:o, s:o}", "name", json_str(spec_text(binding, "environment")),
                            "ready", json_str(ready.status));
    if (release.len > 0) {
        json_object_set_new(row, "release", json_str(release));
    }
    if (ready.reason.len > 0) {
        json_object_set_new(row, "reason", json_str(ready.reason));
    }
    return row;
}

static void report(struct work *w)
{
    const struct snapshot_entry **bindings;
    size_t count = snapshot_list(w->s, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE,
                                 w->entry->ns, w->entry->name, &w->plan->arena, &bindings);
    struct rollup roll = {0};
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        const json_t *binding = snapshot_tree(w->s, bindings[i]);
        json_array_append_new(rows, environment_row(binding));
        rollup_add(&roll, binding, spec_text(binding, "environment"));
    }
    status_set(w->edit, "environments", count > 0 ? json_incref(rows) : NULL);
    json_decref(rows);
    resizing_rollup(w->s, bindings, count, "environment", w->edit);
    if (w->release.len > 0) {
        status_set(w->edit, "latestRelease", json_pack("{s:o}", "name", json_str(w->release)));
    }
    if (w->reason != NULL) {
        condition_set(w->edit, w->s, READY, STATUS_FALSE, w->reason, "%s", w->message);
        condition_set(w->edit, w->s, PROGRESSING, STATUS_FALSE, "Stuck",
                      "waiting for what stands in the way of Ready");
    } else if (count == 0) {
        bool none = w->first.len == 0;
        condition_set(w->edit, w->s, READY, STATUS_FALSE, none ? "NotDeployed" : "Progressing",
                      none ? "bound to no environment: create a ResourceReleaseBinding"
                           : "being bound to environment \"%.*s\"",
                      SLICE_ARG(w->first));
        condition_set(w->edit, w->s, PROGRESSING, none ? STATUS_FALSE : STATUS_TRUE,
                      none ? "Settled" : "Progressing",
                      none ? "nothing is under way" : "work is under way");
    } else {
        rollup_set(w->edit, w->s, &roll, "environment");
    }
    status_observe(w->edit);
}

/* ---- the end ---- */

static void plan_end(struct work *w)
{
    static const enum snapshot_kind made[] = {SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_RENDERED,
                                              SNAPSHOT_RESOURCE_RELEASE};
    struct ending e = {0};
    if (!object_has_finalizer(w->resource, FINALIZER)) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        const struct snapshot_entry **found;
        size_t count = snapshot_list(w->s, made[i], SNAPSHOT_BY_RESOURCE, w->entry->ns,
                                     w->entry->name, &w->plan->arena, &found);
        bool releases = made[i] == SNAPSHOT_RESOURCE_RELEASE;
        /* A binding decides what becomes of what it put on clusters; releases go last. */
        for (size_t k = 0; k < count && made[i] != SNAPSHOT_RENDERED; k++) {
            if (!releases || e.left == 0) {
                plan_delete(w->plan, found[k]);
            }
        }
        if (!releases) {
            ending_add(&e, w->s, made[i], found, count, &w->plan->arena);
        }
    }
    w->edit = plan_edit(w->plan, w->s, w->entry);
    if (e.left == 0) {
        object_remove_finalizer(w->edit, FINALIZER);
    } else if (e.retained.len > 0) {
        ending_waits(w->s, w->edit, RETAINED, false, "%.*s", SLICE_ARG(e.retained));
    } else {
        ending_tell(&e, w->s, w->edit);
    }
}

void resource_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    struct work w = {.s = s, .entry = entry, .resource = snapshot_tree(s, entry), .plan = plan};
    w.project = spec_text(w.resource, "project");
    if (entry->deleting) {
        plan_end(&w);
        return;
    }
    view_init(&w.view, s, &plan->arena);
    w.edit = plan_edit(plan, s, entry);
    object_add_finalizer(w.edit, FINALIZER);
    if (find_project(&w) && make_release(&w)) {
        bind_all(&w);
        trim_releases(&w);
    }
    report(&w);
}
