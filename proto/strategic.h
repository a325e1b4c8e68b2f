/* strategic.h: Kubernetes' strategic merge patch, for Kubernetes' own kinds.
 *
 * A merge patch in which lists of objects merge by a key. The keys are the schema's where it is
 * known (list-type map), else Kubernetes' well-known ones by the list's name (containers by name,
 * ports by containerPort or port, ...). Directives: $patch (replace, delete, merge),
 * $deleteFromPrimitiveList/x, $setElementOrder/x, $retainKeys.
 * Thread: any. Pure. */
#ifndef PROTO_STRATEGIC_H
#define PROTO_STRATEGIC_H

#include "proto/schema.h"

/* *target is replaced by a new tree; on error it is left as it was. schema may be NULL.
 * Errors: ERR_INVALID (no object, a malformed directive, an item without its key),
 * ERR_TOO_LARGE (lists whose merge would be much work). */
int strategic_merge(json_t **target, const json_t *patch, const struct schema *schema,
                    struct err *err);

#endif
