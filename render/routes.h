/* routes.h: what an endpoint's API description says can be called.
 *
 * An OpenAPI document gives {kind: HTTP, path, method}, a .proto file {kind: gRPC, service,
 * method}; for types that want a route for each. As OpenChoreo's, it is best effort: what cannot be
 * read has no routes and is no error. Thread: any. */
#ifndef RENDER_ROUTES_H
#define RENDER_ROUTES_H

#include "base/json.h"

enum { ROUTES_MAX = 1000 };

/* endpoint: {type, schema: {type, content}}. schema.type says what the content is (openapi, proto,
 * ...); without one the endpoint's type does (HTTP, gRPC). A new array, in order of kind, service,
 * path, method; empty: none were found. */
json_t *routes_of(const json_t *endpoint);

#endif
