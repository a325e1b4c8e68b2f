/* live.h: reading and marking Kubernetes objects. Pure.
 * Owner: the caller. Thread: the tree's. */
#ifndef RECONCILE_DRIVERS_KUBERNETES_LIVE_H
#define RECONCILE_DRIVERS_KUBERNETES_LIVE_H

#include "reconcile/drivers/driver.h"

/* How an object is, from its status. message (NUL-terminated, borrowed from buf) says why it is not
 * healthy. Kinds without a status of their own are healthy by being there. */
enum world_health live_health(const json_t *live, struct buf *message);
/* Why an object that is marked for deletion is there still: ": its finalizers hold it: a.b/c", or
 * what a Namespace says of what is in it; nothing if it does not say. */
void live_held(const json_t *live, struct buf *why);
/* How many replicas are wanted, and ready. False: it is no workload that has any. */
bool live_replicas(const json_t *live, uint32_t *wanted, uint32_t *ready);

/* How many replicas a manifest that says nothing of them has to say all the same, because of live's
 * we have said them last and nobody has since: without our word a cluster would make them one. An
 * autoscaler that says another number takes the field over. False: none. */
bool live_kept_replicas(const json_t *live, const json_t *manifest, int64_t *replicas);
/* Whether the answer to that depends on live. */
bool live_may_keep_replicas(const json_t *manifest);

/* A hash of what somebody wants of the object: all but status, resourceVersion, generation,
 * managedFields and the like. Equal fingerprints: nobody has changed it. */
uint64_t live_fingerprint(const json_t *live);

/* Is everything that manifest says true of live? Lists compare item by item, quantities by value;
 * what the server added is of no account. */
bool live_satisfies(const json_t *live, const json_t *manifest);

#endif
