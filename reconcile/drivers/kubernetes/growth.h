/* growth.h: a StatefulSet whose volumes are to be larger, which Kubernetes does not do by itself.
 *
 * Its templates cannot be changed, they are for volumes to come. So the claims that were made of
 * them grow one by one; then the StatefulSet goes, and leaves its pods; and whoever asked makes it
 * again, around them. Each step may be the last of a leader: the next one finds what is left to do,
 * as what is wanted has not changed. Nothing ever shrinks.
 * Owner: growth.c, until done. Thread: the loop's; what is called pure, the trees'. */
#ifndef RECONCILE_DRIVERS_KUBERNETES_GROWTH_H
#define RECONCILE_DRIVERS_KUBERNETES_GROWTH_H

#include "reconcile/drivers/driver.h"

/* Pure. The size that the StatefulSet manifest asks for, if the claim is made of one of its
 * templates ("data-db-0") and smaller; else empty. */
struct slice growth_of(const json_t *manifest, const json_t *claim);

/* Pure. What grows, as the StatefulSet says it about itself: "data from 1Gi to 5Gi". */
void growth_note(const json_t *live, const json_t *manifest, struct buf *out);

/* Pure. How far claims (a list's items) of the StatefulSet have got that asked for more than they
 * have: "data-db-0 has 1Gi of 5Gi"; appends nothing if none has. */
void growth_progress(const json_t *set, const json_t *claims, struct buf *out);

/* "/api/v1/namespaces/NS/persistentvolumeclaims" */
void growth_claims_path(const json_t *set, struct buf *out);

/* Makes the claims of the StatefulSet live (which stays as it is) as large as manifest (borrowed
 * until done) wants them, then deletes it without its pods. Both are fenced: by uid and version.
 * done's rc: 0, once it is gone; ERR_UNPROCESSABLE (a volume does not grow, and what to do); else
 * what the cluster answers, as of any operation. */
void growth_start(struct driver_cluster *c, const json_t *live, const json_t *manifest,
                  const char *release, void *user,
                  void (*done)(void *user, int rc, const struct err *err, uint64_t retry_after_ms));

#endif
