/* release_set.h: what others ask about sets of releases.
 *
 * Pure, over a snapshot. Owner: nothing is handed out. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RELEASE_SET_H
#define RECONCILE_CONTROLLERS_RELEASE_SET_H

#include "reconcile/controllers/promotion.h"

/* Whether nothing more comes of a set. */
bool release_set_is_over(const json_t *set);

#endif
