/* binding.c: one release of a component in one environment: on which clusters, and how it is there.
 *
 * For each cluster of the environment's plane there is a RenderedRelease of the component, and one
 * of the cell (its namespace and what holds in it), shared by the cell's components and made first.
 * Which release that is, rollout.h decides: a promotion that waits leaves what runs alone.
 * When the plane or the release cannot be found, what runs stays; when the environment goes or the
 * binding is undeployed, its RenderedReleases are deleted; when it leaves a cluster, what was there
 * goes once it is healthy where it is to be (drain.h). */
#include "reconcile/controllers/dependency_hint.h"
#include "reconcile/controllers/drain.h"
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/endpoints.h"
#include "reconcile/controllers/replicas.h"
#include "reconcile/controllers/resizing.h"
#include "reconcile/controllers/rollout.h"
#include "render/name.h"

struct work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *binding;
    json_t *edit;
    struct plan *plan;
    struct slice project;
    struct slice component;
    struct slice environment;
    struct slice release; /* that is deployed */
    struct slice uid;     /* and its uid */
    struct site site;
    struct slice cell; /* namespace on the clusters */
    bool keep;         /* leave the RenderedReleases as they are */
    struct rollout rollout;
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

/* Two would place the same objects, each in place of the other's, for ever. */
static bool is_first(struct work *w)
{
    const struct snapshot_entry *first = binding_before(w->s, w->entry, &w->plan->arena);
    return first == NULL ||
           fail(w, false, "Conflict",
                "binding \"%.*s\" is there for component \"%.*s\" in environment \"%.*s\" "
                "already: delete one of them",
                SLICE_ARG(first->name), SLICE_ARG(w->component), SLICE_ARG(w->environment));
}

/* The component's own word on its project decides, and nobody else's: in another's cell it would be
 * behind that one's quota and policies. */
static bool is_of_the_project(struct work *w)
{
    const json_t *component = snapshot_get(w->s, SNAPSHOT_COMPONENT, w->entry->ns, w->component);
    struct membership m;
    if (component == NULL || !component_membership(w->s, component, &w->plan->arena, &m) ||
        slice_eq(m.project, w->project)) {
        return true;
    }
    return fail(w, true, "ProjectOfAnother",
                "spec.owner.projectName is \"%.*s\", but component \"%.*s\" is one of project "
                "\"%.*s\": delete the binding to take it from \"%.*s\", with its volumes there",
                SLICE_ARG(w->project), SLICE_ARG(w->component), SLICE_ARG(m.project),
                SLICE_ARG(w->project));
}

static bool find_place(struct work *w)
{
    const struct site *site = &w->site;
    site_find(w->s, w->entry->ns, w->environment, &w->plan->arena, &w->site);
    w->cell = name_cell(&w->plan->arena, w->entry->ns, w->project, w->environment);
    return site->reason == NULL || fail(w, !site->gone, site->reason, "%s", site->message);
}

/* A release that is there, and one of the component. */
static bool check_release(struct work *w, struct slice name)
{
    const json_t *release = snapshot_get(w->s, SNAPSHOT_RELEASE, w->entry->ns, name);
    if (release == NULL) {
        return fail(w, true, "ReleaseNotFound", "there is no release \"%.*s\"", SLICE_ARG(name));
    }
    if (!slice_eq(owner_text(release, "componentName"), w->component)) {
        return fail(w, true, "ReleaseOfAnother", "release \"%.*s\" is one of component \"%.*s\"",
                    SLICE_ARG(name), SLICE_ARG(owner_text(release, "componentName")));
    }
    return true;
}

static bool find_release(struct work *w)
{
    struct slice wanted = spec_text(w->binding, "releaseName");
    if (slice_eq_cstr(spec_text(w->binding, "state"), "Undeploy")) {
        return fail(w, false, "Undeployed", "spec.state is Undeploy: it runs nowhere");
    }
    if (snapshot_find(w->s, SNAPSHOT_COMPONENT, w->entry->ns, w->component) == NULL) {
        return fail(w, true, "ComponentNotFound", "there is no component \"%.*s\"",
                    SLICE_ARG(w->component));
    }
    if (wanted.len == 0) {
        return fail(w, true, "NoRelease",
                    "spec.releaseName is empty: set it to the release to deploy here");
    }
    if (!check_release(w, wanted)) {
        return false;
    }
    rollout_choose(w->s, w->binding, w->plan, &w->rollout);
    w->release = w->rollout.release;
    w->uid = w->rollout.uid;
    if (w->release.len == 0) {
        return fail(w, true, w->rollout.reason, "%s", w->rollout.message);
    }
    return slice_eq(w->release, wanted) || check_release(w, w->release);
}

/* The component on one cluster, and the cell that it is in. */
static struct deployment deployment_on(const struct work *w, struct slice cluster)
{
    return (struct deployment){.ns = w->entry->ns,
                               .project = w->project,
                               .component = w->component,
                               .environment = w->environment,
                               .plane = w->site.plane,
                               .cluster = cluster,
                               .release = w->release,
                               .release_uid = w->uid,
                               .binding = w->entry->name};
}

static void status_places(struct work *w)
{
    json_t *names = json_array();
    for (size_t i = 0; w->reason == NULL && i < w->site.count; i++) {
        json_array_append_new(names, json_str(w->site.clusters[i].name));
    }
    bool any = json_array_size(names) > 0;
    status_set(w->edit, "clusters", any ? names : NULL);
    if (!any) {
        json_decref(names);
    }
    if (w->reason == NULL) {
        rollout_tell(w->edit, &w->rollout);
    }
}

/* Where the endpoints are reached, as the first cluster has them that was told of any release. */
static void report_endpoints(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    size_t i = 0;
    bool told = false;
    for (size_t k = 0; k < w->site.count && !told; k++) {
        for (size_t r = 0; r < count && !told; r++) {
            const json_t *tree = snapshot_tree(w->s, rendered[r]);
            told = rendered[r]->applied && !rendered[r]->deleting &&
                   slice_eq(spec_text(tree, "dataPlane"), w->site.plane) &&
                   slice_eq(spec_text(tree, "cluster"), w->site.clusters[k].name);
            i = told ? k : i;
        }
    }
    if (w->reason != NULL) {
        endpoints_none(w->edit);
        return;
    }
    const struct deployment d = deployment_on(w, w->site.clusters[i].name);
    const struct endpoints e = {.s = w->s,
                                .binding = w->entry,
                                .deployment = &d,
                                .cluster = w->site.clusters[i].spec,
                                .told = told,
                                .plan = w->plan};
    endpoints_tell(&e, w->edit);
}

static struct rollout_health health_of(const struct work *w, const struct snapshot_entry **rendered,
                                       size_t count)
{
    struct rollout_health health =
        rollout_health_of(w->s, w->release, rendered, count, w->site.count);
    const json_t *needs = object_condition(w->edit, DEPENDENCIES_READY);
    health.unreachable |= slice_eq_cstr(json_text_at(needs, "status"), "False");
    return health;
}

/* Whether what the release depends on can be said on every cluster. What cannot holds back what is
 * to be sent, and takes nothing away. */
static void report_dependencies(struct work *w)
{
    struct view v;
    view_init(&v, w->s, &w->plan->arena);
    size_t depends = 0;
    for (size_t i = 0; w->reason == NULL && i < w->site.count; i++) {
        const struct deployment d = deployment_on(w, w->site.clusters[i].name);
        const json_t *release = snapshot_get(w->s, SNAPSHOT_RELEASE, w->entry->ns, w->release);
        const json_t *all = json_at(release, "spec", "workload", "dependencies", NULL);
        depends = json_array_size(json_object_get(all, "endpoints")) +
                  json_array_size(json_object_get(all, "resources"));
        if (depends == 0) {
            break;
        }
        json_t *problems = deployment_unresolved(&v.platform, &d, &w->plan->arena);
        size_t count = json_array_size(problems);
        dependency_hints(w->s, &d, problems, &w->plan->arena);
        const json_t *first = json_array_get(problems, 0);
        const char *reason = arena_cstr(&w->plan->arena, json_text_at(first, "reason"));
        struct slice message = deployment_problems_text(problems, &w->plan->arena);
        json_decref(problems);
        if (count > 0) {
            condition_set(w->edit, w->s, DEPENDENCIES_READY, STATUS_FALSE, reason,
                          "%zu of %zu dependencies cannot be reached; %.*s", count, depends,
                          SLICE_ARG(message));
            return;
        }
    }
    if (depends == 0) {
        condition_drop(w->edit, DEPENDENCIES_READY);
        return;
    }
    const struct deployment d = deployment_on(w, w->site.clusters[0].name);
    struct slice cycle = deployment_cycle(&v.platform, &d, &w->plan->arena);
    condition_set(w->edit, w->s, DEPENDENCIES_READY, STATUS_TRUE,
                  cycle.len > 0 ? "Cycle" : "Resolved", "what it depends on is known%s%.*s",
                  cycle.len > 0 ? "; they need each other in a circle, so none can be there before "
                                  "the others: "
                                : "",
                  SLICE_ARG(cycle));
}

static void report(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    struct rollup roll = {0};
    struct replicas replicas = {0};
    for (size_t i = 0; i < count; i++) {
        const json_t *tree = snapshot_tree(w->s, rendered[i]);
        replicas_add(&replicas, tree);
        /* What a cluster says of another release is no news of this one. */
        if (w->reason != NULL || slice_eq(spec_text(tree, "releaseName"), w->release)) {
            rollup_add(&roll, tree, spec_text(tree, "cluster"));
        }
    }
    if (w->reason != NULL && !w->keep) {
        rollout_rest(w->edit);
    }
    status_places(w);
    replicas_set(&replicas, w->edit);
    resizing_rollup(w->s, rendered, count, "cluster", w->edit);
    report_endpoints(w, rendered, count);
    report_dependencies(w);
    bool stuck = w->reason != NULL;
    placed_set(w->edit, w->s, stuck ? w->reason : w->rollout.reason,
               stuck ? w->message : w->rollout.message, &roll, w->site.count);
    if (w->reason == NULL || w->rollout.reason != NULL) {
        rollout_record(w->s, w->binding, w->edit, &w->rollout, health_of(w, rendered, count),
                       w->plan);
    }
    status_observe(w->edit);
}

static void plan_end(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    if (!object_has_finalizer(w->binding, FINALIZER)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        plan_delete(w->plan, rendered[i]);
    }
    w->edit = plan_edit(w->plan, w->s, w->entry);
    if (count == 0) {
        object_remove_finalizer(w->edit, FINALIZER);
    } else {
        struct ending e = {0};
        ending_add(&e, w->s, SNAPSHOT_RENDERED, rendered, count, &w->plan->arena);
        ending_tell(&e, w->s, w->edit);
    }
}

/* What stays of the RenderedReleases, and is told of: without a place all, or nothing. */
static size_t keep_or_leave(struct work *w, const struct snapshot_entry **rendered, size_t count)
{
    if (w->reason == NULL) {
        return drain(w->s, w->plan, w->edit, &w->site, w->release, rendered, count);
    }
    if (w->keep) {
        return count;
    }
    for (size_t i = 0; i < count; i++) {
        plan_delete(w->plan, rendered[i]);
    }
    drain_none(w->edit);
    return 0;
}

static bool belongs_to_another(const struct work *w)
{
    const struct snapshot_entry *component =
        snapshot_find(w->s, SNAPSHOT_COMPONENT, w->entry->ns, w->component);
    return has_owner(w->binding) && (component == NULL || !owned_by(w->binding, component->uid));
}

void binding_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    const json_t *binding = snapshot_tree(s, entry);
    struct work w = {.s = s,
                     .entry = entry,
                     .binding = binding,
                     .plan = plan,
                     .project = owner_text(binding, "projectName"),
                     .component = owner_text(binding, "componentName"),
                     .environment = spec_text(binding, "environment")};
    const struct snapshot_entry **rendered;
    size_t count = snapshot_list(s, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, entry->ns, entry->name,
                                 &plan->arena, &rendered);
    if (entry->deleting) {
        plan_end(&w, rendered, count);
        return;
    }
    if (belongs_to_another(&w)) {
        return; /* which is gone: the garbage collector's */
    }
    w.edit = plan_edit(plan, s, entry);
    object_add_finalizer(w.edit, FINALIZER);
    const json_t *component = snapshot_get(s, SNAPSHOT_COMPONENT, entry->ns, w.component);
    if (component != NULL && !object_deleting(component)) { /* one that goes may be orphaning it */
        object_add_owner(w.edit, component, true);
    }
    if (is_first(&w) && is_of_the_project(&w) && find_place(&w) && find_release(&w)) {
        for (size_t i = 0; i < w.site.count; i++) {
            const struct deployment d = deployment_on(&w, w.site.clusters[i].name);
            if (!place_cell(s, plan, &d) || !place(s, plan, &d, binding)) {
                (void)fail(&w, true, "NameTaken", "%s", place_taken(&plan->arena, &d));
            }
        }
    }
    size_t kept = keep_or_leave(&w, rendered, count);
    report(&w, rendered, kept);
}
