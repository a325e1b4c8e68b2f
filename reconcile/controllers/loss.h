/* loss.h: clusters that an environment no longer counts on.
 *
 *   does not answer --Placement.lostAfter--> lost --answers--> counted on again
 *                                              |   (a primary: with the next generation of the
 * spec) placed elsewhere, with onLoss: failover
 *
 * Only the environment's controller decides it, by the clock, and notes it in status.lost; whoever
 * places something there reads that (render/environment.h). Pure, over a snapshot. Thread: the
 * snapshot's. */
#ifndef RECONCILE_CONTROLLERS_LOSS_H
#define RECONCILE_CONTROLLERS_LOSS_H

#include "reconcile/controllers/common.h"

/* A condition of an environment while a cluster of its plane is lost. */
#define CLUSTER_LOST "ClusterLost"

/* Notes in the status of env's edit what is lost. Before it is placed. */
void loss_note(const struct snapshot *s, const struct environment *env, const json_t *plane,
               json_t *edit, struct plan *plan);
/* Tells of it, and of where it is instead. Once it was placed. */
void loss_tell(const struct snapshot *s, const struct environment *env, const json_t *plane,
               json_t *edit, struct plan *plan);

#endif
