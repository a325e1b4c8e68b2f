/* trailers.h: how a gRPC call says what became of it.
 *
 * Owner: all memory is the arena's. Thread: any. */
#ifndef NODE_API_GRPC_TRAILERS_H
#define NODE_API_GRPC_TRAILERS_H

#include "node/http/stream.h"
#include "proto/cause.h"

enum { GRPC_TRAILERS_MAX = 3 };

/* Fills trailers with grpc-status and, if rc is not 0, grpc-message and the google.rpc.Status of
 * grpc-status-details-bin; causes (may be NULL) become google.rpc.BadRequest. Returns how many. */
size_t grpc_trailers(struct arena *arena, int rc, const char *message, const struct causes *causes,
                     struct http_header trailers[GRPC_TRAILERS_MAX]);

#endif
