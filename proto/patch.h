/* patch.h: RFC 6902 and RFC 7396 on JSON trees, bounded.
 * Thread: any. */
#ifndef PROTO_PATCH_H
#define PROTO_PATCH_H

#include "base/json.h"

enum {
    PATCH_OPS_MAX = 10000,
    PATCH_COPIES_MAX = 4 * 1024 * 1024, /* bytes of all that is copied or moved, as trees */
};

/* *target is replaced by a new tree; on error it is left as it was (patches are atomic).
 * Errors: ERR_INVALID (malformed patch), ERR_UNPROCESSABLE (a path is absent, a test fails),
 * ERR_TOO_LARGE (copies that explode). */
int patch_json(json_t **target, const json_t *patch, struct err *err);
/* Errors: ERR_INVALID (patch is no object). */
int patch_merge(json_t **target, const json_t *patch, struct err *err);

#endif
