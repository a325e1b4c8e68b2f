/* drain.h: leaving a cluster takes nothing away before it is there again.
 *
 *   no longer wanted there -> stays as it is (status.draining) -> all is healthy where it is
 * wanted, or its time is over (Placement.drainWithin) -> deleted
 *
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_DRAIN_H
#define RECONCILE_CONTROLLERS_DRAIN_H

#include "reconcile/controllers/place.h"

/* A condition of a binding while something of it drains. */
#define DRAINING "Draining"

/* Parts the RenderedReleases of a binding under edit: those on the site's clusters come first, and
 * their number is returned. Of the others, status.draining tells while they stay. release: that is
 * to be healthy. */
size_t drain(const struct snapshot *s, struct plan *plan, json_t *edit, const struct site *site,
             struct slice release, const struct snapshot_entry **rendered, size_t count);

/* Nothing of it drains. */
void drain_none(json_t *edit);

#endif
