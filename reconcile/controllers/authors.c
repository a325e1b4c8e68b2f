/* authors.c: see authors.h. Most often the next release has the same authors, and nothing is
 * written but the deletion. */
#include "reconcile/controllers/authors.h"

#include "proto/promotion.h"

static bool is_newer(const struct snapshot *s, const struct snapshot_entry *a,
                     const struct snapshot_entry *b)
{
    return object_age_order(snapshot_tree(s, a), snapshot_tree(s, b)) > 0;
}

/* The oldest of those that are newer, and stay. */
static const struct snapshot_entry *next_of(const struct snapshot *s,
                                            const struct snapshot_entry *release,
                                            const struct snapshot_entry *const *all, size_t count)
{
    const struct snapshot_entry *next = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!all[i]->deleting && is_newer(s, all[i], release) &&
            (next == NULL || is_newer(s, next, all[i]))) {
            next = all[i];
        }
    }
    return next;
}

bool authors_let_go(const struct snapshot *s, const struct snapshot_entry *release,
                    const struct snapshot_entry *const *all, size_t count)
{
    const struct snapshot_entry *next = next_of(s, release, all, count);
    return next == NULL || promotion_has_room(snapshot_tree(s, next), snapshot_tree(s, release));
}

void authors_prune(const struct snapshot *s, const struct snapshot_entry *release,
                   const struct snapshot_entry *const *all, size_t count, struct plan *plan)
{
    const struct snapshot_entry *next = next_of(s, release, all, count);
    if (!authors_let_go(s, release, all, count)) {
        return;
    }
    if (next != NULL &&
        promotion_inherit_authors(plan_edit(plan, s, next), snapshot_tree(s, release))) {
        plan_requeue(plan, 1);
    } else {
        plan_delete(plan, release);
    }
}
