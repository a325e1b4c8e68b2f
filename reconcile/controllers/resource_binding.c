/* resource_binding.c: one release of a resource in one environment: its credentials, on which
 * clusters it is, and what it puts out there.
 *
 * As with a component's binding there is a RenderedRelease for each cluster of the environment's
 * plane, in the same cell, and rollout.h decides of which release: what waits to be let in leaves
 * what runs alone. Each cluster has a database of its own: nothing is copied between them.
 *
 * Credentials are made up once, as a Secret of the control plane, before anything is sent; the
 * status names it from then on. Should it be lost, nothing is made in its place, because the
 * database on the cluster would not know it: what runs stays, and Ready says what to bring back.
 *
 * While the policy is Retain, deleting it takes nothing away: it stays, being deleted, and holds
 * what it is in (cell, environment, project), until the policy is Delete. */
#include "reconcile/controllers/drain.h"
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/resizing.h"
#include "reconcile/controllers/rollout.h"
#include "render/name.h"
#include "render/resource_release.h"

#define UP_TO_DATE "UpToDate"
#define OUTPUTS_RESOLVED "OutputsResolved"

struct work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *binding;
    json_t *edit;
    struct plan *plan;
    struct slice project;
    struct slice resource;
    struct slice environment;
    const json_t *release; /* that is deployed, or NULL */
    struct rollout rollout;
    struct site site;
    bool keep; /* leave the RenderedReleases as they are */
    const char *reason;
    const char *message;
};

static bool fail(struct work *w, bool keep, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool fail(struct work *w, bool keep, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    w->keep = keep;
    w->reason = reason;
    w->message = arena_vprintf(&w->plan->arena, format, args);
    va_end(args);
    return false;
}

static bool retains(const struct work *w)
{
    return render_retains(json_at(w->release, "spec", "resourceType", "spec", NULL),
                          json_object_get(w->binding, "spec"));
}

/* ---- what is bound, and where ---- */

static bool find_resource(struct work *w)
{
    const json_t *resource = snapshot_get(w->s, SNAPSHOT_RESOURCE, w->entry->ns, w->resource);
    const struct snapshot_entry *first = binding_before(w->s, w->entry, &w->plan->arena);
    if (first != NULL) {
        return fail(w, true, "Conflict",
                    "binding \"%.*s\" is there for resource \"%.*s\" in environment \"%.*s\" "
                    "already: delete one of them",
                    SLICE_ARG(first->name), SLICE_ARG(w->resource), SLICE_ARG(w->environment));
    }
    if (resource == NULL) {
        return fail(w, true, "ResourceNotFound", "there is no resource \"%.*s\"",
                    SLICE_ARG(w->resource));
    }
    if (!slice_eq(spec_text(resource, "project"), w->project)) {
        return fail(w, true, "ProjectOfAnother",
                    "spec.owner.projectName is \"%.*s\", but resource \"%.*s\" is one of project "
                    "\"%.*s\"",
                    SLICE_ARG(w->project), SLICE_ARG(w->resource),
                    SLICE_ARG(spec_text(resource, "project")));
    }
    if (!object_deleting(resource) && !has_owner(w->binding)) {
        object_add_owner(w->edit, resource, true);
    }
    return true;
}

static bool find_place(struct work *w)
{
    const struct site *site = &w->site;
    site_find(w->s, w->entry->ns, w->environment, &w->plan->arena, &w->site);
    return site->reason == NULL ||
           fail(w, !site->gone || retains(w), site->reason, "%s", site->message);
}

static const json_t *release_named(const struct work *w, struct slice name)
{
    return snapshot_get(w->s, SNAPSHOT_RESOURCE_RELEASE, w->entry->ns, name);
}

/* A release that is there, and one of the resource. */
static bool check_release(struct work *w, struct slice name)
{
    const json_t *release = release_named(w, name);
    struct slice of = owner_text(release, "resourceName");
    if (release == NULL) {
        return fail(w, true, "ReleaseNotFound", "there is no resource release \"%.*s\"",
                    SLICE_ARG(name));
    }
    return slice_eq(of, w->resource) ||
           fail(w, true, "ReleaseOfAnother",
                "resource release \"%.*s\" is one of resource \"%.*s\"", SLICE_ARG(name),
                SLICE_ARG(of));
}

static bool find_release(struct work *w)
{
    struct slice wanted = promotion_asked(w->binding);
    if (wanted.len == 0) {
        return fail(w, true, "NoRelease",
                    "spec.resourceRelease is empty: set it to the release to deploy here");
    }
    if (!check_release(w, wanted)) {
        return false;
    }
    rollout_choose(w->s, w->binding, w->plan, &w->rollout);
    if (w->rollout.release.len == 0) {
        return fail(w, true, w->rollout.reason, "%s", w->rollout.message);
    }
    w->release = release_named(w, w->rollout.release);
    return slice_eq(w->rollout.release, wanted) || check_release(w, w->rollout.release);
}

/* ---- credentials ---- */

static json_t *new_secret(const struct work *w, struct slice name)
{
    json_t *o = object_new("v1", "Secret", w->entry->ns, name);
    object_set_label(o, "openchoreo.dev/resource", w->resource);
    object_set_label(o, "openchoreo.dev/environment", w->environment);
    json_object_set_new(o, "type", json_string(OBJECT_CREDENTIALS_TYPE));
    return o;
}

static bool was_made(const struct work *w, struct slice name)
{
    const json_t *made = json_at(w->binding, "status", "credentials", NULL);
    for (size_t i = 0; i < json_array_size(made); i++) {
        if (slice_eq(json_text(json_array_get(made, i)), name)) {
            return true;
        }
    }
    return false;
}

static bool lost(struct work *w, struct slice secret, struct slice credential)
{
    return fail(w, true, "CredentialsLost",
                "Secret \"%.*s\" lacks its credential \"%.*s\": bring it back as it was; another "
                "would not be let in",
                SLICE_ARG(secret), SLICE_ARG(credential));
}

static void note_made(struct work *w, struct slice secret, const json_t *wanted)
{
    json_t *names = json_array();
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        json_array_append_new(names, json_str(json_text_at(json_array_get(wanted, i), "name")));
    }
    status_set(w->edit, "credentialsSecret", json_str(secret));
    status_set(w->edit, "credentials", names);
}

/* A credential is made up once. A type may come to want another one; that is added. */
static bool have_credentials(struct work *w)
{
    const json_t *wanted = json_at(w->release, "spec", "resourceType", "spec", "credentials", NULL);
    struct slice name = resource_credentials_name(&w->plan->arena, w->entry->name);
    const struct snapshot_entry *there = snapshot_find(w->s, SNAPSHOT_SECRET, w->entry->ns, name);
    const json_t *data = there != NULL ? json_object_get(snapshot_tree(w->s, there), "data") : NULL;
    size_t missing = 0;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        struct slice one = json_text_at(json_array_get(wanted, i), "name");
        if (json_object_getn(data, one.data, one.len) == NULL) {
            missing++;
            if (was_made(w, one)) {
                return lost(w, name, one);
            }
        }
    }
    if (missing > 0 && there == NULL) {
        plan_create_secret(w->plan, new_secret(w, name), wanted);
    } else if (missing > 0) {
        plan_complete_secret(w->plan, w->s, there, wanted);
    }
    if (missing > 0) {
        return fail(w, true, "Progressing", "its credentials are being made up");
    }
    if (json_array_size(wanted) > 0) {
        note_made(w, name, wanted);
    }
    return true;
}

/* ---- the report ---- */

/* What stays of the RenderedReleases, and is told of: what is retained and what has no place all,
 * or nothing. */
static size_t keep_or_leave(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    if (retains(w) || (w->reason != NULL && w->keep)) {
        return count;
    }
    if (w->reason == NULL) {
        return drain(w->s, w->plan, w->edit, &w->site, w->rollout.release, rendered, count);
    }
    for (size_t i = 0; i < count; i++) {
        plan_delete(w->plan, rendered[i]);
    }
    drain_none(w->edit);
    return 0;
}

static void report_places(struct work *w, const json_t *outputs)
{
    json_t *names = json_array();
    for (size_t i = 0; w->reason == NULL && i < w->site.count; i++) {
        json_array_append_new(names, json_str(w->site.clusters[i].name));
    }
    status_set(w->edit, "clusters", json_array_size(names) > 0 ? json_incref(names) : NULL);
    json_decref(names);
    status_set(w->edit, "outputs", outputs != NULL ? json_deep_copy(outputs) : NULL);
    size_t wanted =
        json_array_size(json_at(w->release, "spec", "resourceType", "spec", "outputs", NULL));
    size_t known = json_array_size(outputs);
    bool all = outputs != NULL && known >= wanted;
    condition_set(w->edit, w->s, OUTPUTS_RESOLVED, all ? STATUS_TRUE : STATUS_FALSE,
                  all ? "Resolved" : "Pending", "%zu of %zu outputs are known", known, wanted);
}

static void report_age(struct work *w)
{
    const json_t *resource = snapshot_get(w->s, SNAPSHOT_RESOURCE, w->entry->ns, w->resource);
    struct slice latest = json_text(json_at(resource, "status", "latestRelease", "name", NULL));
    struct slice is = promotion_asked(w->binding);
    if (latest.len == 0) {
        condition_drop(w->edit, UP_TO_DATE);
    } else if (slice_eq(latest, is)) {
        condition_set(w->edit, w->s, UP_TO_DATE, STATUS_TRUE, "Newest",
                      "bound to the newest release");
    } else {
        condition_set(w->edit, w->s, UP_TO_DATE, STATUS_FALSE, "NewerRelease",
                      "the resource or its type has changed since, which is release \"%.*s\": "
                      "choreo promote resource/%.*s --to %.*s --release %.*s",
                      SLICE_ARG(latest), SLICE_ARG(w->resource), SLICE_ARG(w->environment),
                      SLICE_ARG(latest));
    }
}

static void report(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    struct rollup roll = {0};
    const json_t *outputs = NULL;
    bool stuck = w->reason != NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *tree = snapshot_tree(w->s, rendered[i]);
        outputs = outputs != NULL ? outputs : json_at(tree, "status", "outputs", NULL);
        /* What a cluster says of another release is no news of this one. */
        if (stuck || slice_eq(spec_text(tree, "releaseName"), w->rollout.release)) {
            rollup_add(&roll, tree, spec_text(tree, "cluster"));
        }
    }
    if (stuck && !w->keep && !retains(w)) {
        rollout_rest(w->edit);
    }
    report_places(w, outputs);
    report_age(w);
    resizing_rollup(w->s, rendered, count, "cluster", w->edit);
    placed_set(w->edit, w->s, stuck ? w->reason : w->rollout.reason,
               stuck ? w->message : w->rollout.message, &roll, w->site.count);
    if (!stuck) {
        rollout_tell(w->edit, &w->rollout);
    }
    if (!stuck || w->rollout.reason != NULL) {
        rollout_record(w->s, w->binding, w->edit, &w->rollout,
                       rollout_health_of(w->s, w->rollout.release, rendered, count, w->site.count),
                       w->plan);
    }
    status_observe(w->edit);
}

/* ---- the end ---- */

static void plan_end(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    if (!object_has_finalizer(w->binding, FINALIZER)) {
        return;
    }
    w->edit = plan_edit(w->plan, w->s, w->entry);
    if (count > 0 && retains(w)) {
        ending_waits(w->s, w->edit, RETAINED, false,
                     "being deleted, but what it made in environment \"%.*s\" stays on %zu "
                     "cluster%s, data and all: its retainPolicy is Retain; once that is Delete, it "
                     "goes",
                     SLICE_ARG(w->environment), count, count == 1 ? "" : "s");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        plan_delete(w->plan, rendered[i]);
    }
    if (count > 0) {
        struct ending e = {0};
        ending_add(&e, w->s, SNAPSHOT_RENDERED, rendered, count, &w->plan->arena);
        ending_tell(&e, w->s, w->edit);
        return;
    }
    struct slice name = resource_credentials_name(&w->plan->arena, w->entry->name);
    const struct snapshot_entry *secret = snapshot_find(w->s, SNAPSHOT_SECRET, w->entry->ns, name);
    if (secret != NULL &&
        slice_eq_cstr(json_text_at(snapshot_tree(w->s, secret), "type"), OBJECT_CREDENTIALS_TYPE)) {
        plan_delete(w->plan, secret);
    }
    object_remove_finalizer(w->edit, FINALIZER);
}

void resource_binding_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan)
{
    const json_t *binding = snapshot_tree(s, entry);
    struct work w = {.s = s,
                     .entry = entry,
                     .binding = binding,
                     .plan = plan,
                     .project = owner_text(binding, "projectName"),
                     .resource = owner_text(binding, "resourceName"),
                     .environment = spec_text(binding, "environment")};
    const char *key = arena_printf(&plan->arena, "resource/%.*s", SLICE_ARG(entry->name));
    const struct snapshot_entry **rendered;
    size_t count = snapshot_list(s, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, entry->ns,
                                 slice_of(key), &plan->arena, &rendered);
    struct slice runs = json_text(json_at(binding, "status", "releaseName", NULL));
    w.release = release_named(&w, runs.len > 0 ? runs : promotion_asked(binding));
    if (entry->deleting) {
        plan_end(&w, rendered, count);
        return;
    }
    w.edit = plan_edit(plan, s, entry);
    object_add_finalizer(w.edit, FINALIZER);
    if (find_resource(&w) && find_place(&w) && find_release(&w) && have_credentials(&w)) {
        for (size_t i = 0; i < w.site.count; i++) {
            const struct deployment d = {.ns = entry->ns,
                                         .project = w.project,
                                         .resource = w.resource,
                                         .environment = w.environment,
                                         .plane = w.site.plane,
                                         .cluster = w.site.clusters[i].name,
                                         .release = w.rollout.release,
                                         .release_uid = w.rollout.uid,
                                         .binding = entry->name};
            if (!place_cell(s, plan, &d) || !place(s, plan, &d, binding)) {
                (void)fail(&w, true, "NameTaken", "%s", place_taken(&plan->arena, &d));
            }
        }
    }
    size_t kept = keep_or_leave(&w, rendered, count);
    report(&w, rendered, kept);
}
