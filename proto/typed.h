/* typed.h: protobuf messages of any kind, by its tables, to and from JSON trees.
 *
 * For the typed messages that gRPC clients put into google.protobuf.Any; no generated C code is
 * involved. Lossless both ways: presence is kept, Quantity, IntOrString and Time keep their text.
 * What protobuf cannot say is carried in fields that no client needs to know: an empty list or map
 * that is present (TYPED_EMPTY_FIELD), an integer beyond 2^53 in free-form JSON, a time in another
 * spelling. apiVersion and kind are not in the message: its name says them.
 * Thread: any. */
#ifndef PROTO_TYPED_H
#define PROTO_TYPED_H

#include "base/json.h"
#include "proto/kind.h"

enum { TYPED_EMPTY_FIELD = 536870911, TYPED_DEPTH_MAX = JSON_DEPTH_MAX };

/* A new tree with apiVersion and kind. Errors: ERR_INVALID (malformed, or a field the kind does not
 * have: it would be lost), ERR_TOO_LARGE (over JSON_BODY_TREE_MAX), ERR_UNSUPPORTED (the kind has
 * no message). */
int typed_to_json(const struct kind *kind, struct slice wire, json_t **tree, struct err *err);
/* Errors: ERR_INVALID (the tree does not fit the schema: names the path), ERR_UNSUPPORTED. */
int typed_from_json(const struct kind *kind, const json_t *tree, struct buf *wire, struct err *err);

#endif
