/* health.h: the paths that every server has: /livez, /readyz, /healthz, /version, /metrics,
 * /openapi/...
 * Thread: the stream's loop. */
#ifndef NODE_API_HEALTH_H
#define NODE_API_HEALTH_H

#include "node/api/api.h"

bool health_serves(struct slice path);
/* The caller has authorized it. Answers the call. */
void health_serve(struct api_call *call);

#endif
