/* component_environments.h: how a component is in its environments, summed up from its bindings.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_COMPONENT_ENVIRONMENTS_H
#define RECONCILE_CONTROLLERS_COMPONENT_ENVIRONMENTS_H

#include "reconcile/controllers/common.h"

/* Writes status.environments, what the scale subresource tells (status.replicas and .selector) and
 * the condition EndpointsExposed into edit, the component's, whose project is there; adds each
 * binding that counts to roll. One that the plan changes has said nothing of what it will be. How
 * many bindings there are. */
size_t component_environments(const struct snapshot *s, const struct snapshot_entry *entry,
                              json_t *edit, struct plan *plan, struct rollup *roll);

#endif
