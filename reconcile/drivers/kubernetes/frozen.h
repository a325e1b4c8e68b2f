/* frozen.h: what of an object stays as it was made, whatever is asked of the cluster afterwards.
 * Pure. Owner: the caller. Thread: the trees'. */
#ifndef RECONCILE_DRIVERS_KUBERNETES_FROZEN_H
#define RECONCILE_DRIVERS_KUBERNETES_FROZEN_H

#include "base/err.h"
#include "base/json.h"

/* Whether objects of that kind have such parts, so that they are looked at before they are sent. */
bool frozen_kind(struct slice kind);

/* Would the cluster take manifest for what is there? *grows: not as it is, but all that is in the
 * way is that volumes of a StatefulSet are to be larger (growth.h). Errors: ERR_UNPROCESSABLE (no:
 * says what is there, what is asked for, and what to do). */
int frozen_check(const json_t *live, const json_t *manifest, bool *grows, struct err *err);

#endif
