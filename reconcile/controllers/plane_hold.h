/* plane_hold.h: a data plane stays as long as somebody is on it.
 *
 * Environments are in the shards of their namespaces, and a plane is in the system's: so each
 * shard's leader puts a finalizer of the shard's own on the planes that it has something on, and
 * takes it off, when the plane is being deleted, once nothing is. The last one lets it go.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_PLANE_HOLD_H
#define RECONCILE_CONTROLLERS_PLANE_HOLD_H

#include "reconcile/controllers/common.h"

/* Does the snapshot's shard hold that plane? */
bool plane_is_held(const struct snapshot *s, const struct snapshot_entry *plane,
                   struct arena *arena);
/* Holds it, or lets go of it; while it is being deleted, status.inUse says who of this shard is on
 * it. */
void plane_hold(const struct snapshot *s, const struct snapshot_entry *plane, json_t *edit,
                struct plan *plan);
/* Ready of one that is being deleted, from what all shards say: the system shard's. */
void plane_hold_tell(const struct snapshot *s, json_t *edit);

#endif
