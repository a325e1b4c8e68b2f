/* replicas.h: how many replicas are wanted, and ready: status.replicas and status.readyReplicas of
 * a RenderedRelease by its objects, and their sums in its binding and component.
 *
 * They are told with what else a status says; numbers in flux are no reason to write one.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_REPLICAS_H
#define RECONCILE_CONTROLLERS_REPLICAS_H

#include "reconcile/controllers/common.h"

struct replicas {
    bool any; /* something has replicas, if none at the moment */
    int64_t wanted;
    int64_t ready;
};
/* Adds what the status of a RenderedRelease or of a binding says. */
void replicas_add(struct replicas *sum, const json_t *object);
/* Both numbers into a status; none has neither. */
void replicas_set(const struct replicas *sum, json_t *edit);
/* Into that of a RenderedRelease, of what is in its inventory. While one of its objects is not seen
 * the numbers stay as they were. */
void replicas_observe(const struct snapshot *s, const json_t *rendered, const json_t *inventory,
                      json_t *edit);

#endif
