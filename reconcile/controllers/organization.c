/* organization.c: a tenant's beginnings and end.
 *
 * It runs in two shards. The system shard's leader gives a new organization what it starts with (an
 * Environment `development` and a DeploymentPipeline `default`, once, as soon as a plane exists),
 * and reports. The leader of the shard that the namespace lives in empties it when the organization
 * is being deleted, and then lets go of it; apply refuses new objects there meanwhile, so this
 * ends.
 */
#include "reconcile/controllers/common.h"
#include "reconcile/controllers/ending.h"
#include "render/plane_access.h"

#include <string.h>

#define DEFAULTS "DefaultsCreated"
#define QUOTA "QuotaEnforced"

/* Of those that it may use. Older first; equal ages by name. */
static const struct snapshot_entry *oldest_plane(const struct snapshot *s, struct slice org,
                                                 struct arena *arena)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s, SNAPSHOT_DATAPLANE, arena, &all);
    const struct snapshot_entry *best = NULL;
    struct slice best_created = {0};
    for (size_t i = 0; i < count; i++) {
        const json_t *plane = snapshot_tree(s, all[i]);
        struct slice created = json_text(json_at(plane, "metadata", "creationTimestamp", NULL));
        if (plane_allows(plane, org) && (best == NULL || slice_cmp(created, best_created) < 0)) {
            best = all[i];
            best_created = created;
        }
    }
    return best;
}

static const struct snapshot_entry *first_plane(const struct snapshot *s, const json_t *org,
                                                struct arena *arena)
{
    struct slice named = spec_text(org, "dataPlane");
    struct slice first = named.len > 0 ? named : SLICE("development");
    if (plane_find(s, object_name(org), first) != NULL) {
        return snapshot_find(s, SNAPSHOT_DATAPLANE, (struct slice){0}, first);
    }
    return named.len > 0 ? NULL : oldest_plane(s, object_name(org), arena);
}

/* A default may be taken over by whoever declares that object (openchoreo.h). */
static void create_default(struct plan *plan, enum snapshot_kind kind, json_t *object)
{
    object_set_annotation(object, OBJECT_DEFAULT, SLICE("true"));
    plan_create(plan, kind, object);
}

static void plan_defaults(const struct snapshot *s, const json_t *org, json_t *edit,
                          struct plan *plan)
{
    if (object_condition_true(org, DEFAULTS)) {
        return; /* once: what a tenant deleted of it stays deleted */
    }
    const struct snapshot_entry *plane = first_plane(s, org, &plan->arena);
    if (plane == NULL) {
        struct slice named = spec_text(org, "dataPlane");
        condition_set(edit, s, DEFAULTS, STATUS_FALSE, "NoDataPlane",
                      "the environment \"development\" is created when %s%.*s%s exists",
                      named.len > 0 ? "data plane \"" : "a data plane", SLICE_ARG(named),
                      named.len > 0 ? "\"" : "");
        return;
    }
    create_default(plan, SNAPSHOT_ENVIRONMENT,
                   platform_first_environment(object_name(org), plane->name));
    create_default(plan, SNAPSHOT_PIPELINE, platform_first_pipeline(object_name(org)));
    condition_set(edit, s, DEFAULTS, STATUS_TRUE, "Created",
                  "environment \"development\" on data plane \"%.*s\", pipeline \"default\"",
                  SLICE_ARG(plane->name));
}

static void plan_report(const struct snapshot *s, const json_t *org, json_t *edit)
{
    status_set(edit, "namespace", json_str(object_name(org)));
    if (json_object_size(json_at(org, "spec", "resourceQuotas", NULL)) > 0) {
        condition_set(edit, s, QUOTA, STATUS_FALSE, "PerCell",
                      "resourceQuotas limit each project in each environment on each cluster; "
                      "the total over the organization is not enforced yet");
    } else {
        condition_drop(edit, QUOTA);
    }
    condition_set(edit, s, READY, STATUS_TRUE, "NamespaceReady", "namespace \"%.*s\" is in use",
                  SLICE_ARG(object_name(org)));
    status_observe(edit);
}

/* What a tenant's namespace can hold of the snapshot's kinds. Those that others are made of come
 * first, so that their controllers do the rest. */
static const enum snapshot_kind drained[] = {
    SNAPSHOT_OC_PROJECT,
    SNAPSHOT_OC_COMPONENT,
    SNAPSHOT_OC_BINDING,
    SNAPSHOT_OC_CELL,
    SNAPSHOT_OC_RESOURCE,
    SNAPSHOT_OC_RESOURCE_BINDING,
    SNAPSHOT_PROJECT,
    SNAPSHOT_COMPONENT,
    SNAPSHOT_RESOURCE,
    SNAPSHOT_RELEASE_SET,
    SNAPSHOT_RUN,
    SNAPSHOT_BINDING,
    SNAPSHOT_RESOURCE_BINDING,
    SNAPSHOT_RENDERED,
    SNAPSHOT_RELEASE,
    SNAPSHOT_RESOURCE_RELEASE,
    SNAPSHOT_RESOURCE_TYPE,
    SNAPSHOT_TYPE,
    SNAPSHOT_TRAIT,
    SNAPSHOT_WORKFLOW,
    SNAPSHOT_PIPELINE,
    SNAPSHOT_SECRET,
    SNAPSHOT_SECRET_REFERENCE,
    SNAPSHOT_CONFIG_MAP,
    SNAPSHOT_APPROVAL,
    SNAPSHOT_TEST,
    SNAPSHOT_OC_ENVIRONMENT,
    SNAPSHOT_ENVIRONMENT,
    SNAPSHOT_OC_PIPELINE,
    SNAPSHOT_OC_WORKLOAD,
    SNAPSHOT_OC_RELEASE,
    SNAPSHOT_OC_RESOURCE_RELEASE,
    SNAPSHOT_OC_RESOURCE_TYPE,
    SNAPSHOT_OC_TYPE,
    SNAPSHOT_OC_TRAIT,
    SNAPSHOT_OC_PLANE,
    SNAPSHOT_OC_PROJECT_TYPE,
    SNAPSHOT_OC_PROJECT_RELEASE,
    SNAPSHOT_OC_WORKFLOW,
    SNAPSHOT_OC_WORKFLOW_RUN,
    SNAPSHOT_OC_RENDERED,
    SNAPSHOT_OC_WORKFLOW_PLANE,
    SNAPSHOT_OC_OBSERVABILITY_PLANE,
    SNAPSHOT_OC_ALERT_RULE,
    SNAPSHOT_OC_ALERT_CHANNEL,
};
#define X(id, kind, resource, cluster) +((cluster) ? 0 : 1)
_Static_assert(sizeof drained / sizeof *drained == 0 SNAPSHOT_KINDS(X), "a kind is left behind");
#undef X

/* What resources made is their bindings' to take away, or to retain, and what they need for that
 * stays as long as they do. */
static bool is_held(const struct snapshot *s, const struct snapshot_entry *e, bool bound)
{
    switch ((int)e->kind) {
    case SNAPSHOT_RENDERED:
        return owner_text(snapshot_tree(s, e), "resourceName").len > 0;
    case SNAPSHOT_SECRET:
    case SNAPSHOT_RESOURCE_RELEASE:
        return bound;
    default:
        return false;
    }
}

static void plan_drain(const struct snapshot *s, const struct snapshot_entry *entry,
                       struct plan *plan)
{
    const json_t *org = snapshot_tree(s, entry);
    if (!object_has_finalizer(org, FINALIZER)) {
        return;
    }
    size_t left = 0;
    const struct snapshot_entry *first = NULL;
    const struct snapshot_entry **bindings;
    bool bound = snapshot_list(s, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_NS, entry->name,
                               entry->name, &plan->arena, &bindings) > 0;
    for (size_t i = 0; i < sizeof(drained) / sizeof(drained[0]); i++) {
        const struct snapshot_entry **found;
        size_t count = snapshot_list(s, drained[i], SNAPSHOT_BY_NS, entry->name, entry->name,
                                     &plan->arena, &found);
        for (size_t k = 0; k < count; k++) {
            if (!is_held(s, found[k], bound)) {
                plan_delete(plan, found[k]);
            }
        }
        first = count > 0 && first == NULL ? found[0] : first;
        left += count;
    }
    json_t *edit = plan_edit(plan, s, entry);
    if (left == 0) {
        plan->drain_ns = entry->name;
        object_remove_finalizer(edit, FINALIZER);
        return;
    }
    ending_waits(s, edit, TERMINATING, true,
                 "being deleted; waiting for what is in the namespace, %s \"%.*s\" first",
                 snapshot_kind_name(first->kind), SLICE_ARG(first->name));
}

void organization_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                       struct plan *plan)
{
    bool home =
        s->world == NULL || s->world->owns == NULL || s->world->owns(s->world->user, entry->name);
    if (entry->deleting) {
        if (home) {
            plan_drain(s, entry, plan);
        }
        return;
    }
    if (s->system != s) {
        return;
    }
    const json_t *org = snapshot_tree(s, entry);
    json_t *edit = plan_edit(plan, s, entry);
    object_add_finalizer(edit, FINALIZER);
    plan_defaults(s, org, edit, plan);
    plan_report(s, org, edit);
}
