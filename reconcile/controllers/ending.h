/* ending.h: what an object that is being deleted waits for, and how it says so.
 *
 * Marking an object for deletion makes a new generation of it, of which what was said of it before
 * knows nothing. So whoever holds one back by a finalizer says of that generation what it waits
 * for: Ready is False, Terminating (or Retained), and status.observedGeneration is that generation.
 * Pure, over a snapshot. Owner: texts are the arena's. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_ENDING_H
#define RECONCILE_CONTROLLERS_ENDING_H

#include "reconcile/controllers/common.h"

#define TERMINATING "Terminating"
#define RETAINED "Retained" /* what a resource made stays, by its retainPolicy */

/* What an object waits for; begin with a zeroed one. */
struct ending {
    size_t left;
    struct slice list;     /* "2 ReleaseBindings, 1 RenderedRelease" */
    struct slice stuck;    /* "cluster "east" of data plane "dev": it does not answer": the first */
    struct slice retained; /* what the first resource or binding that keeps something says */
};
/* Adds those of a kind that are still there. */
void ending_add(struct ending *e, const struct snapshot *s, enum snapshot_kind kind,
                const struct snapshot_entry *const *found, size_t count, struct arena *arena);
/* Says so on an object under edit, which waits for something. */
void ending_tell(const struct ending *e, const struct snapshot *s, json_t *edit);

/* Says another reason and sentence. moving: it goes on by itself. */
void ending_waits(const struct snapshot *s, json_t *edit, const char *reason, bool moving,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Before the words of a RenderedRelease for why something cannot be taken off a cluster for now. */
#define ENDING_BUT "being deleted, but: "

#endif
