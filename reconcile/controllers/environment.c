/* environment.c: an environment's place, and its end.
 *
 * Deleting an environment deletes what is bound to it and waits until its clusters are clean, so
 * that no namespace is left behind. */
#include "reconcile/controllers/common.h"

#include <string.h>

/* The parts of the spec that are stored, and that nothing acts on yet. */
static void plan_unacted(const struct snapshot *s, const json_t *env, json_t *edit)
{
    static const char *const fields[] = {"template", "placement"};
    struct buf named = {0};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const json_t *value = json_at(env, "spec", fields[i], NULL);
        if (value != NULL && !json_is_null(value)) {
            buf_addf(&named, "%sspec.%s", named.len > 0 ? ", " : "", fields[i]);
        }
    }
    if (named.len > 0) {
        condition_set(edit, s, "SpecActedOn", STATUS_FALSE, "NotYetSupported",
                      "recorded, but nothing acts on it yet: %s (all of the plane's clusters are "
                      "used)",
                      buf_cstr(&named));
    } else {
        condition_drop(edit, "SpecActedOn");
    }
    buf_free(&named);
}

static void plan_end(const struct snapshot *s, const struct snapshot_entry *entry,
                     struct plan *plan)
{
    const json_t *env = snapshot_tree(s, entry);
    if (!object_has_finalizer(env, FINALIZER)) {
        return;
    }
    static const enum snapshot_kind dependants[] = {SNAPSHOT_BINDING, SNAPSHOT_RESOURCE_BINDING,
                                                    SNAPSHOT_RENDERED};
    size_t left = 0;
    struct condition held = {0};
    for (size_t i = 0; i < 3; i++) {
        const struct snapshot_entry **found;
        size_t count = snapshot_list(s, dependants[i], SNAPSHOT_BY_ENVIRONMENT, entry->ns,
                                     entry->name, &plan->arena, &found);
        for (size_t k = 0; k < count; k++) {
            const json_t *tree = snapshot_tree(s, found[k]);
            if (dependants[i] == SNAPSHOT_RESOURCE_BINDING && held.reason.len == 0) {
                held = condition_of(tree, READY);
            }
            /* What a resource made is its binding's to take away, or to retain. */
            if (dependants[i] != SNAPSHOT_RENDERED || owner_text(tree, "resourceName").len == 0) {
                plan_delete(plan, found[k]);
            }
        }
        left += count;
    }
    json_t *edit = plan_edit(plan, s, entry);
    if (left == 0) {
        object_remove_finalizer(edit, FINALIZER);
    } else if (slice_eq_cstr(held.reason, "Retained")) {
        condition_set(edit, s, READY, STATUS_FALSE, "Retained",
                      "being deleted; a resource is in "
                      "the way: %.*s",
                      SLICE_ARG(held.message));
    } else {
        condition_set(edit, s, READY, STATUS_FALSE, "Terminating",
                      "being deleted; waiting for its clusters to be clean");
    }
}

static void plan_place(const struct snapshot *s, const json_t *env, json_t *edit, struct plan *plan)
{
    struct slice name = spec_text(env, "dataPlane");
    const json_t *plane = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, name);
    if (plane == NULL) {
        status_set(edit, "clusters", NULL);
        condition_set(edit, s, READY, STATUS_FALSE, "DataPlaneNotFound",
                      "there is no data plane \"%.*s\"", SLICE_ARG(name));
        return;
    }
    struct plane_cluster *clusters;
    size_t count = plane_clusters(plane, &plan->arena, &clusters);
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(names, json_str(clusters[i].name));
    }
    status_set(edit, "clusters", names);
    struct condition ready = condition_of(plane, READY);
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

void environment_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                      struct plan *plan)
{
    if (entry->deleting) {
        plan_end(s, entry, plan);
        return;
    }
    const json_t *env = snapshot_tree(s, entry);
    json_t *edit = plan_edit(plan, s, entry);
    object_add_finalizer(edit, FINALIZER);
    plan_place(s, env, edit, plan);
    plan_unacted(s, env, edit);
    status_observe(edit);
}
