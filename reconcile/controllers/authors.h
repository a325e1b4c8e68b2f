/* authors.h: whose work a release brings along is known after the releases that brought it are
 * gone.
 *
 * Releases are pruned, and nobody may approve what they wrote themselves (promotion.h): where many
 * releases lie between two environments, the authors of those that went are told by the next one.
 * While that has no room for them, a release stays: nobody's work is forgotten.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_AUTHORS_H
#define RECONCILE_CONTROLLERS_AUTHORS_H

#include "reconcile/controllers/common.h"

/* Whether a release, one of all of its owner's, may go: the next newer one tells of its authors, or
 * has room to. */
bool authors_let_go(const struct snapshot *s, const struct snapshot_entry *release,
                    const struct snapshot_entry *const *all, size_t count);

/* Deletes one that may go, once the next newer one tells of its authors; else has it do so first,
 * and the plan made again. */
void authors_prune(const struct snapshot *s, const struct snapshot_entry *release,
                   const struct snapshot_entry *const *all, size_t count, struct plan *plan);

#endif
