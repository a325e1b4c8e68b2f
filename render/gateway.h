/* gateway.h: where traffic from outside enters a cluster.
 *
 * Whoever asks, for rendering or for telling where something is reached, has it from here in one
 * form: OpenChoreo's. Pure. Thread: any. */
#ifndef RENDER_GATEWAY_H
#define RENDER_GATEWAY_H

#include "base/json.h"

/* {ingress, egress: {external, internal: {name, namespace, http, https: {host, port}}}}, a new
 * tree. Of the specs (each may be NULL) the first that names a reach gives all of it; our flat form
 * {name, namespace, domain, listenerName, httpPort, httpsPort} is ingress.external. */
json_t *gateway_merge(const json_t *environment, const json_t *cluster, const json_t *dataplane);

#endif
