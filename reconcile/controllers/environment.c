/* environment.c: an environment's place, and its end.
 *
 * Where it is, render/placement.h says: its bindings ask the same function, with the same status,
 * and need not wait for this controller, but to be told which clusters are lost (loss.h). A
 * template that is missing leaves all as it is; so does the type of its cells, to these.
 *
 * Deleting an environment deletes what is bound to it and waits until its clusters are clean, so
 * that no namespace is left behind. */
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/loss.h"
#include "render/cell.h"
#include "render/plane_access.h"

/* Conditions: whether as many clusters as wanted qualify, and (only if not) its template's, that of
 * its cells' type, and whether all components are there that its overrides name. */
#define PLACED "Placed"
#define TEMPLATE_RESOLVED "TemplateResolved"
#define CELL_TYPE_RESOLVED "CellTypeResolved"
#define OVERRIDES_RESOLVED "OverridesResolved"

static void plan_end(const struct snapshot *s, const struct snapshot_entry *entry,
                     struct plan *plan)
{
    const json_t *env = snapshot_tree(s, entry);
    if (!object_has_finalizer(env, FINALIZER)) {
        return;
    }
    static const enum snapshot_kind dependants[] = {SNAPSHOT_BINDING, SNAPSHOT_RESOURCE_BINDING,
                                                    SNAPSHOT_RENDERED};
    struct ending e = {0};
    for (size_t i = 0; i < 3; i++) {
        const struct snapshot_entry **found;
        size_t count = snapshot_list(s, dependants[i], SNAPSHOT_BY_ENVIRONMENT, entry->ns,
                                     entry->name, &plan->arena, &found);
        for (size_t k = 0; k < count; k++) {
            const json_t *tree = snapshot_tree(s, found[k]);
            /* What a resource made is its binding's to take away, or to retain. */
            if (dependants[i] != SNAPSHOT_RENDERED || owner_text(tree, "resourceName").len == 0) {
                plan_delete(plan, found[k]);
            }
        }
        ending_add(&e, s, dependants[i], found, count, &plan->arena);
    }
    json_t *edit = plan_edit(plan, s, entry);
    if (e.left == 0) {
        object_remove_finalizer(edit, FINALIZER);
    } else {
        ending_tell(&e, s, edit);
    }
}

/* Where it is, and why it is not on as many clusters as it is to be. False: nowhere. */
static bool report_place(const struct snapshot *s, const struct environment *env,
                         const json_t *plane, json_t *edit, struct plan *plan)
{
    struct placement placement;
    json_t *names = json_array();
    struct environment now = *env;
    loss_note(s, env, plane, edit, plan);
    now.object = edit; /* with what is lost by now */
    environment_place(&now, plane, &plan->arena, &placement);
    for (size_t i = 0; i < placement.count; i++) {
        json_array_append_new(names, json_str(placement.clusters[i].name));
    }
    if (placement.shortage == NULL) {
        condition_set(edit, s, PLACED, STATUS_TRUE, "Placed", "on %zu cluster%s", placement.count,
                      placement.count == 1 ? "" : "s");
    } else if (placement.count > 0) {
        condition_set(edit, s, PLACED, STATUS_FALSE, "TooFewClusters", "%s", placement.shortage);
    } else {
        condition_set(edit, s, PLACED, STATUS_FALSE, "NoClusterQualifies",
                      "%s; what runs stays where it is", placement.shortage);
        condition_set(edit, s, READY, STATUS_FALSE, "NoClusterQualifies", "%s", placement.shortage);
        json_decref(names); /* where it was is where things run */
        names = NULL;
    }
    if (names != NULL) {
        status_set(edit, "clusters", names);
    }
    loss_tell(s, env, plane, edit, plan);
    return names != NULL;
}

static void plan_place(const struct snapshot *s, const struct environment *env, json_t *edit,
                       struct plan *plan)
{
    struct slice name = json_text_at(env->spec, "dataPlane");
    const json_t *plane = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, name);
    if (plane == NULL) {
        status_set(edit, "clusters", NULL);
        condition_drop(edit, PLACED);
        condition_set(edit, s, READY, STATUS_FALSE, "DataPlaneNotFound",
                      "there is no data plane \"%.*s\"", SLICE_ARG(name));
        return;
    }
    if (!plane_allows(plane, object_ns(edit))) {
        condition_set(edit, s, READY, STATUS_FALSE, "DataPlaneNotAllowed",
                      "%s; what runs stays where it is",
                      plane_forbids(plane, object_ns(edit), &plan->arena));
        return;
    }
    struct condition ready = condition_of(plane, READY);
    if (!report_place(s, env, plane, edit, plan)) {
        return;
    }
    if (slice_eq_cstr(ready.status, "True")) {
        condition_set(edit, s, READY, STATUS_TRUE, "DataPlaneReady", "data plane \"%.*s\" is ready",
                      SLICE_ARG(name));
    } else {
        condition_set(
            edit, s, READY, STATUS_FALSE, "DataPlaneNotReady", "data plane \"%.*s\": %.*s",
            SLICE_ARG(name),
            SLICE_ARG(ready.message.len > 0 ? ready.message : SLICE("has not been looked at yet")));
    }
}

/* What holds, where that is not all in the spec. */
static void report_effective(const struct environment *env, json_t *edit)
{
    json_t *inherited = json_array();
    json_decref(environment_merge(env->own, env->template, inherited));
    bool production = json_is_true(json_object_get(env->spec, "isProduction"));
    status_set(edit, "isProduction", json_boolean(production));
    if (json_array_size(inherited) > 0) {
        status_set(edit, "inherited", inherited);
    } else {
        json_decref(inherited);
        status_set(edit, "inherited", NULL);
    }
}

/* Without it no new cell can be made; those that are there stay, and take what comes. */
static void report_cell_type(const struct snapshot *s, const struct environment *env, json_t *edit,
                             struct plan *plan)
{
    struct view v;
    struct cell_type type;
    struct slice ns = object_ns(env->object);
    view_init(&v, s, &plan->arena);
    const json_t *organization =
        v.platform.get(v.platform.user, "Organization", (struct slice){0}, ns);
    cell_type_find(&v.platform, env->spec, json_object_get(organization, "spec"), &type);
    if (!type.missing) {
        condition_drop(edit, CELL_TYPE_RESOLVED);
        return;
    }
    const char *lacks = cell_type_lacks(&type, object_name(env->object), ns, &plan->arena);
    condition_set(edit, s, CELL_TYPE_RESOLVED, STATUS_FALSE, CELL_TYPE_MISSING, "%s", lacks);
    condition_set(edit, s, READY, STATUS_FALSE, CELL_TYPE_MISSING, "%s", lacks);
}

/* What it says itself of components that are not there: a template speaks for many environments.
 * It holds nothing up, since they may still come. */
static void report_overrides(const struct snapshot *s, const struct environment *env, json_t *edit)
{
    const json_t *all = json_at(env->object, "spec", "overrides", "components", NULL);
    for (size_t i = 0; i < json_array_size(all); i++) {
        struct slice name = json_text_at(json_array_get(all, i), "name");
        if (snapshot_find(s, SNAPSHOT_COMPONENT, object_ns(env->object), name) == NULL) {
            condition_set(edit, s, OVERRIDES_RESOLVED, STATUS_FALSE, "ComponentNotFound",
                          "there is no component \"%.*s\" in this namespace, of which "
                          "spec.overrides says something",
                          SLICE_ARG(name));
            return;
        }
    }
    condition_drop(edit, OVERRIDES_RESOLVED);
}

void environment_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                      struct plan *plan)
{
    struct environment env;
    if (entry->deleting) {
        plan_end(s, entry, plan);
        return;
    }
    json_t *edit = plan_edit(plan, s, entry);
    object_add_finalizer(edit, FINALIZER);
    environment_find(s, entry->ns, entry->name, &plan->arena, &env);
    report_overrides(s, &env, edit);
    if (env.missing.len > 0) {
        const char *lacks = environment_lacks(&env, &plan->arena);
        condition_set(edit, s, TEMPLATE_RESOLVED, STATUS_FALSE, "TemplateNotFound", "%s", lacks);
        condition_set(edit, s, READY, STATUS_FALSE, "TemplateNotFound", "%s", lacks);
    } else {
        condition_drop(edit, TEMPLATE_RESOLVED);
        report_effective(&env, edit);
        plan_place(s, &env, edit, plan);
        report_cell_type(s, &env, edit, plan);
    }
    status_observe(edit);
}
