/* patch.h: one JSON Patch operation, with list filters in its path.
 *
 *     /spec/template/spec/containers/0/env/-
 *     /spec/template/spec/containers[?(@.name=='main')]/env/-
 *
 * Segments are JSON Pointer's ("~0" is '~', "~1" is '/'); "-" is behind a list's end. A filter
 * compares a member of each element with a string, number or bool; every element that fits is
 * patched. Thread: the tree's. */
#ifndef RENDER_PATCH_H
#define RENDER_PATCH_H

#include "base/json.h"

/* op is "add", "replace" or "remove"; value is copied. Errors: ERR_UNPROCESSABLE (no such path, a
 * malformed one, an unknown op). On error the tree may be partly patched. */
int patch_apply(json_t *tree, struct slice op, struct slice path, const json_t *value,
                struct err *err);

#endif
