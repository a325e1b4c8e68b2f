/* endpoints.h: where the endpoints of a component's binding are reached: status.endpoints, and
 * the condition EndpointsExposed, which says what that asks for it is not reached from outside.
 *
 * Inside a cluster by its Service; from outside by what the component's type makes of the gateway.
 * Pure, over a snapshot. Owner: everything is borrowed for the call. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_ENDPOINTS_H
#define RECONCILE_CONTROLLERS_ENDPOINTS_H

#include "reconcile/controllers/common.h"
#include "render/deployment.h"

struct endpoints {
    const struct snapshot *s;
    const struct snapshot_entry *binding;
    const struct deployment *deployment; /* on the cluster that counts */
    const json_t *cluster;               /* the spec of that, or NULL */
    bool told; /* the cluster has been told of a release; what comes from outside is told then */
    struct plan *plan;
};
/* edit: the binding's. What cannot be rendered just now leaves the URLs as they were. */
void endpoints_tell(const struct endpoints *e, json_t *edit);
/* It is nowhere. */
void endpoints_none(json_t *edit);

#endif
