/* strategic.h: Kubernetes' strategic merge patch, for Kubernetes' own kinds.
 *
 * A merge patch in which lists of objects merge by a key, the schema's first (list-type map), and
 * sets grow; other lists are replaced. Directives: $patch (replace, delete, merge),
 * $deleteFromPrimitiveList/x, $setElementOrder/x, $retainKeys.
 * Thread: any. Pure. */
#ifndef PROTO_STRATEGIC_H
#define PROTO_STRATEGIC_H

#include "proto/schema.h"

/* *target is replaced by a new tree; on error it is left as it was. schema NULL: only metadata is
 * known. Errors: ERR_INVALID (no object, a malformed directive, an item without its key),
 * ERR_TOO_LARGE (lists whose merge would be much work). */
int strategic_merge(json_t **target, const json_t *patch, const struct schema *schema,
                    struct err *err);

#endif
