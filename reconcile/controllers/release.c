/* release.c: releases do not pile up for ever.
 *
 * A release goes when no binding uses it (it is asked for, deployed, what a rollback would go back
 * to, or what was offered last) nor a set that is not over, and it is not among the newest
 * RELEASES_KEPT of its component. With its component, it goes by its ownerReference. */
#include "reconcile/controllers/authors.h"
#include "reconcile/controllers/release_set.h"
#include "reconcile/controllers/rollout.h"

enum { RELEASES_KEPT = 10 };

static size_t newer(const struct snapshot *s, const struct snapshot_entry *entry,
                    const struct snapshot_entry *const *all, size_t count)
{
    if (count <= RELEASES_KEPT) {
        return 0;
    }
    const json_t *own = snapshot_tree(s, entry);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += object_age_order(snapshot_tree(s, all[i]), own) > 0 ? 1 : 0;
    }
    return found;
}

static bool names(const json_t *members, struct slice component, struct slice release)
{
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        if (slice_eq(json_text_at(member, "component"), component) &&
            (slice_eq(json_text_at(member, "release"), release) ||
             slice_eq(json_text_at(member, "before"), release))) {
            return true;
        }
    }
    return false;
}

/* Whether a set that is not over names the release, or may have to go back to it. */
static bool is_in_a_set(const struct snapshot *s, const json_t *release, struct arena *arena)
{
    struct slice component = owner_text(release, "componentName");
    const struct snapshot_entry **all;
    size_t count = snapshot_list(s, SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_PROJECT, object_ns(release),
                                 owner_text(release, "projectName"), arena, &all);
    for (size_t i = 0; i < count; i++) {
        const json_t *set = snapshot_tree(s, all[i]);
        if (!release_set_is_over(set) &&
            (names(json_at(set, "spec", "releases", NULL), component, object_name(release)) ||
             names(json_at(set, "status", "members", NULL), component, object_name(release)))) {
            return true;
        }
    }
    return false;
}

void release_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    const json_t *release = snapshot_tree(s, entry);
    struct slice name = owner_text(release, "componentName");
    const struct snapshot_entry **bindings;
    size_t count = snapshot_list(s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, entry->ns, name,
                                 &plan->arena, &bindings);
    for (size_t i = 0; i < count; i++) {
        if (rollout_uses(snapshot_tree(s, bindings[i]), entry->name)) {
            return;
        }
    }
    const struct snapshot_entry *component = snapshot_find(s, SNAPSHOT_COMPONENT, entry->ns, name);
    if (component == NULL ||
        snapshot_find(s, SNAPSHOT_OC_RELEASE, entry->ns, entry->name) != NULL) {
        return; /* the garbage collector's, unless it was orphaned */
    }
    const json_t *latest =
        json_at(snapshot_tree(s, component), "status", "latestRelease", "name", NULL);
    const struct snapshot_entry **all;
    count = snapshot_list(s, SNAPSHOT_RELEASE, SNAPSHOT_BY_COMPONENT, entry->ns, name, &plan->arena,
                          &all);
    if (!slice_eq(json_text(latest), entry->name) && newer(s, entry, all, count) >= RELEASES_KEPT &&
        !is_in_a_set(s, release, &plan->arena)) {
        authors_prune(s, entry, all, count, plan);
    }
}
