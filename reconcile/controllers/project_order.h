/* project_order.h: in which order a project's components start, and which of them wait for which.
 *
 * A component waits until what it depends on is deployed in its environment. Who waits is decided
 * where bindings are; here it is told of the project as a whole, from what its components say.
 * Pure, over a snapshot. Owner: texts are the snapshot's, or the arena's. Thread: the snapshot's.
 */
#ifndef RECONCILE_CONTROLLERS_PROJECT_ORDER_H
#define RECONCILE_CONTROLLERS_PROJECT_ORDER_H

#include "reconcile/controllers/common.h"

/* Sets status.startOrder, status.waiting and the condition StartOrder of edit, a project under edit
 * whose components are members, by name. A project of independent components has none of them. */
void project_order(const struct snapshot *s, const struct snapshot_entry *const *members,
                   size_t count, struct arena *arena, json_t *edit);

#endif
