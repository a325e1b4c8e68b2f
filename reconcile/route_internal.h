/* route_internal.h: between route.c and its parts for one family of kinds each: what a change is
 * routed with, and how keys are added.
 * Owner: the function that routes one change; the arena's texts go with it. Thread: the engine's.
 */
#ifndef RECONCILE_ROUTE_INTERNAL_H
#define RECONCILE_ROUTE_INTERNAL_H

#include "reconcile/engine_internal.h"

struct route {
    const struct snapshot *s;
    route_add add;
    void *user;
    bool whole;        /* more than the status changed */
    uint64_t delay_ms; /* of what is added; what is being deleted does not wait */
    struct arena arena;
};

/* That one, if it is there. */
void route__named(struct route *r, enum snapshot_kind kind, struct slice ns, struct slice name);
/* All that an index gives; nothing for an empty value. */
void route__list(struct route *r, enum snapshot_kind kind, enum snapshot_index index,
                 struct slice ns, struct slice value);
void route__all(struct route *r, enum snapshot_kind kind);
/* Whether an environment's status decides where it is: where a spread was, what is lost. */
bool route__placed_by_status(struct route *r, struct slice ns, struct slice name);

#endif
