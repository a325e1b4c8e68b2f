/* snapshot_internal.h: between snapshot.c and snapshot_trace.c.
 * Keys of what can be read: "K<kind>ns/name", an index key, "A<kind>". Thread: the snapshot's. */
#ifndef RECONCILE_SNAPSHOT_INTERNAL_H
#define RECONCILE_SNAPSHOT_INTERNAL_H

#include "reconcile/snapshot.h"

/* This was changed in s, at s->clock. */
void snapshot_stamp(struct snapshot *s, struct slice key);
/* A plan on s read this from home (s itself, or its system's). */
void snapshot_read(const struct snapshot *s, const struct snapshot *home, struct slice key);

#endif
