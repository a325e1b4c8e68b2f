/* snapshot_internal.h: between snapshot.c, snapshot_index.c and snapshot_trace.c.
 * Keys of what can be read: "K<kind>ns/name" and "S<kind>ns/name" (its spec), an index key,
 * "A<kind>". Thread: the snapshot's. */
#ifndef RECONCILE_SNAPSHOT_INTERNAL_H
#define RECONCILE_SNAPSHOT_INTERNAL_H

#include "reconcile/snapshot.h"

/* What an entry refers to, gathered before it is linked: the array of its refs must not move. */
struct gather {
    struct arena arena;
    struct wanted_ref {
        enum snapshot_index index;
        struct slice value;
    } * items; /* free() them */
    size_t count;
    size_t cap;
};
/* By kind, ns and body of the entry. */
void gather_refs(struct gather *g, const struct snapshot_entry *e);

/* This was changed in s, at s->clock. */
void snapshot_stamp(struct snapshot *s, struct slice key);
/* A plan on s read this from home (s itself, or its system's). */
void snapshot_read(const struct snapshot *s, const struct snapshot *home, struct slice key);

#endif
