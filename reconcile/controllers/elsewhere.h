/* elsewhere.h: templates of a release for a plane that there is none of.
 * Pure. Thread: any. */
#ifndef RECONCILE_CONTROLLERS_ELSEWHERE_H
#define RECONCILE_CONTROLLERS_ELSEWHERE_H

#include "reconcile/controllers/common.h"

/* Of a Component: what of its release is not rendered; absent: all is. */
#define ALL_RENDERED "AllRendered"

void elsewhere_tell(const struct snapshot *s, const json_t *release, json_t *edit);

#endif
