/* patch.h: one JSON Patch operation, with selectors of list elements in its path.
 *
 *     /spec/template/spec/containers/0/env/-
 *     /spec/template/spec/containers[?(@.name=='main')]/env/-
 *     /spec/rules/[*]/backendRefs/[?(@.name=='web')]
 *
 * Segments are JSON Pointer's ("~0" is '~', "~1" is '/'); "-" is behind a list's end. A filter
 * compares a member of each element with a string, number or bool; "[*]" is every element; each
 * that is selected is patched, and it is an error if none is. As in OpenChoreo, "add" makes the
 * maps (and, before "-", the list) that are missing on its way, and removing a member that is not
 * there is no error. Thread: the tree's. */
#ifndef RENDER_PATCH_H
#define RENDER_PATCH_H

#include "render/trace.h"

struct patch_operation {
    struct slice op; /* "add", "replace" or "remove" */
    struct slice path;
    const json_t *value; /* copied; NULL: none */
    json_t *origin;      /* of value (trace.h), or NULL */
    uint64_t copy_cost;  /* of the value, each time; an element that is looked at costs one */
    uint64_t *cost_left; /* taken from; NULL: no limit */
};

/* origins is the tree's, kept in step with it, or NULL. Errors: ERR_UNPROCESSABLE (no such path, a
 * malformed one, an unknown op, nothing selected), ERR_TOO_LARGE (*cost_left). On error the tree
 * may be partly patched. */
int patch_apply(json_t *tree, json_t *origins, const struct patch_operation *operation,
                struct err *err);

/* Whether op, path and the presence of a value are right in themselves. Errors:
 * ERR_UNPROCESSABLE. */
int patch_check(const struct patch_operation *operation, struct err *err);

#endif
