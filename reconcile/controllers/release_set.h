/* release_set.h: what others ask about sets of releases.
 *
 * Pure, over a snapshot. Owner: nothing is handed out. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RELEASE_SET_H
#define RECONCILE_CONTROLLERS_RELEASE_SET_H

#include "reconcile/controllers/promotion.h"

/* Whether a set that is not over names the release, or may have to go back to it. */
bool release_set_uses(const struct snapshot *s, const json_t *release, struct arena *arena);

#endif
