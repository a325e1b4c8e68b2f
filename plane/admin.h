/* admin.h: the endpoint through which tests and demos make a simulated cluster misbehave.
 *
 *   GET  /plane/faults            latencyMs jitterMs errorRate errorCodes downMs readyDelayMs
 *                                 watchLifeMs neverReady dropped refused
 *   PUT  /plane/faults            the same, what is absent stays (counts cannot be set)
 *   POST /plane/cut-watches       ends every watch
 *   GET  /plane/mutations?since=N record.h's lines; header-less NDJSON
 *   POST /plane/touch?resource=R&namespace=NS&name=N   applies the body, a JSON merge patch, as
 *                                 somebody else than the control plane would
 *   POST /plane/remove?...        deletes it likewise
 *
 * For administrators only, as every path that is no resource.
 * Owner: the program. Thread: the front loops; what belongs to another loop is asked by message. */
#ifndef PLANE_ADMIN_H
#define PLANE_ADMIN_H

#include "plane/backend.h"
#include "plane/controller.h"
#include "plane/faults.h"
#include "plane/record.h"

struct admin {
    struct api *api;
    struct faults *faults;
    struct plane_backend *backend; /* the record is its writer's */
    struct record *record;
    struct controller *controller;
    struct loop *control;                /* the controller's loop */
    atomic_uint_least64_t watch_life_ms; /* 0: watches are not cut by time */
    atomic_uint_least64_t ready_delay_ms;
};

void admin_routes(struct admin *a);

#endif
