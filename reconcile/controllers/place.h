/* place.h: a RenderedRelease for each cluster, of a cell and of what is in it: made, and kept
 * right.
 *
 * Pure, over a snapshot. Owner: texts are borrowed for the call. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_PLACE_H
#define RECONCILE_CONTROLLERS_PLACE_H

#include "reconcile/controllers/common.h"
#include "render/deployment.h"

/* Asks for the RenderedRelease of d, which names a component's release, a resource's, or (neither)
 * a cell. binding, its object, owns it; NULL: nobody does, as with a cell. */
void place(const struct snapshot *s, struct plan *plan, const struct deployment *d,
           const json_t *binding);
/* The cell that d is in. */
void place_cell(const struct snapshot *s, struct plan *plan, const struct deployment *d);

#endif
