/* kube_proto.h: Kubernetes' protobuf bodies: "k8s\0", a runtime.Unknown, and in it the object.
 *
 * client-go's typed clients send built-in kinds so, with no JSON to fall back on.
 * Thread: any. Pure. */
#ifndef NODE_API_REST_KUBE_PROTO_H
#define NODE_API_REST_KUBE_PROTO_H

#include "base/json.h"
#include "proto/kind.h"

/* A new tree. Errors: ERR_INVALID (malformed, or another kind's), ERR_UNSUPPORTED (the kind has no
 * message). */
int kube_proto_decode(const struct kind *kind, struct slice body, json_t **tree, struct err *err);
/* meta/v1 DeleteOptions. Errors: ERR_INVALID. */
int kube_proto_delete_options(struct slice body, json_t **tree, struct err *err);

#endif
