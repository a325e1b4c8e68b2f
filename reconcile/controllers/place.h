/* place.h: on which clusters something is, and a RenderedRelease for each, of a cell and of what is
 * in it: made, and kept right.
 *
 * Pure, over a snapshot. Owner: texts are borrowed for the call. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_PLACE_H
#define RECONCILE_CONTROLLERS_PLACE_H

#include "reconcile/controllers/common.h"
#include "render/deployment.h"

/* Where an environment is. */
struct site {
    struct slice plane;
    struct plane_cluster *clusters;
    size_t count;
    uint64_t drain_ms;  /* what leaves a cluster stays there at most so long */
    const char *reason; /* why that cannot be told; NULL: it can */
    const char *message;
    bool gone; /* since there is no such environment, or will soon be none */
};
void site_find(const struct snapshot *s, struct slice ns, struct slice environment,
               struct arena *arena, struct site *out);
bool site_has(const struct site *site, struct slice plane, struct slice cluster);

/* Asks for the RenderedRelease of d, which names a component's release, a resource's, or (neither)
 * a cell. binding, its object, owns it; NULL: nobody does, as with a cell. False: another's has its
 * name, and stays as it is; place_taken() says so. */
bool place(const struct snapshot *s, struct plan *plan, const struct deployment *d,
           const json_t *binding);
/* The cell that d is in. */
bool place_cell(const struct snapshot *s, struct plan *plan, const struct deployment *d);
const char *place_taken(struct arena *arena, const struct deployment *d);

#endif
