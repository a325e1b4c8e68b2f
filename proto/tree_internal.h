/* tree_internal.h: walking jansson trees, for proto/ alone.
 * Thread: the tree's. */
#ifndef PROTO_TREE_INTERNAL_H
#define PROTO_TREE_INTERNAL_H

#include <string.h>

#include "base/json.h"

/* jansson's iterators take no const. */
static inline json_t *tree_mutable(const json_t *tree)
{
    return (json_t *)(uintptr_t)tree;
}

static inline struct slice tree_key(void *it)
{
    return slice_make(json_object_iter_key(it), json_object_iter_key_len(it));
}

/* Members in insertion order; members may not be added or removed meanwhile. */
#define TREE_EACH(it, object)                                                                      \
    for (void *it = json_object_iter(tree_mutable(object)); it != NULL;                            \
         it = json_object_iter_next(tree_mutable(object), it))

static inline json_t *tree_get(const json_t *object, struct slice key)
{
    return key.data == NULL ? NULL : json_object_getn(object, key.data, key.len);
}

/* Takes value. Keys that are no UTF-8 cannot come from a parsed document and are dropped. */
static inline void tree_set(json_t *object, struct slice key, json_t *value)
{
    (void)json_object_setn_new(object, key.data != NULL ? key.data : "", key.len, value);
}

static inline void tree_remove(json_t *object, struct slice key)
{
    (void)json_object_deln(object, key.data, key.len);
}

static inline json_t *tree_copy(const json_t *tree)
{
    return json_deep_copy(tree);
}

/* Another owner of the same tree. */
static inline json_t *tree_share(const json_t *tree)
{
    return json_incref(tree_mutable(tree));
}

#endif
