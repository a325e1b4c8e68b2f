/* Sets of fields as trees (see fieldset.h): reading, writing, algebra. Recursion follows the sets,
 * whose depth is that of parsed JSON. */
#include "proto/fieldset.h"

#include "proto/tree_internal.h"

static const struct slice self = {".", 1};

static bool is_self(struct slice key)
{
    return slice_eq(key, self);
}

static bool has_self(const json_t *node)
{
    return tree_get(node, self) != NULL;
}

static void add_self(json_t *node)
{
    tree_set(node, self, json_object());
}

bool fieldset_empty(const json_t *set)
{
    return json_object_size(set) == 0;
}

static bool is_element(struct slice key)
{
    return key.len >= 2 && key.data[1] == ':' && strchr("fkvi", key.data[0]) != NULL &&
           key.data[0] != '\0';
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static json_t *read_node(const json_t *node, bool root)
{
    if (!json_is_object(node)) {
        return NULL;
    }
    json_t *set = json_object();
    TREE_EACH(it, node)
    {
        struct slice key = tree_key(it);
        json_t *child = NULL;
        if (is_self(key) && !root) {
            child = json_object();
        } else if (is_element(key)) {
            child = read_node(json_object_iter_value(it), false);
        }
        if (child == NULL) {
            json_decref(set);
            return NULL;
        }
        tree_set(set, key, child);
    }
    if (!root && json_object_size(set) == 0) {
        add_self(set);
    }
    return set;
}

json_t *fieldset_read(const json_t *fields_v1)
{
    return read_node(fields_v1, true);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the set's depth. */
json_t *fieldset_write(const json_t *set)
{
    json_t *out = json_object();
    bool leaf = json_object_size(set) == 1 && has_self(set);
    if (leaf) {
        return out;
    }
    TREE_EACH(it, set)
    {
        tree_set(out, tree_key(it),
                 is_self(tree_key(it)) ? json_object()
                                       : fieldset_write(json_object_iter_value(it)));
    }
    return out;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the sets' depth. */
json_t *fieldset_union(const json_t *a, const json_t *b)
{
    json_t *out = json_copy(tree_mutable(a));
    TREE_EACH(it, b)
    {
        struct slice key = tree_key(it);
        const json_t *mine = tree_get(a, key);
        const json_t *theirs = json_object_iter_value(it);
        tree_set(out, key,
                 mine == NULL || is_self(key) ? tree_share(theirs) : fieldset_union(mine, theirs));
    }
    return out;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the sets' depth. */
json_t *fieldset_intersection(const json_t *a, const json_t *b)
{
    json_t *out = json_object();
    TREE_EACH(it, a)
    {
        struct slice key = tree_key(it);
        const json_t *theirs = tree_get(b, key);
        if (theirs == NULL) {
            continue;
        }
        if (is_self(key)) {
            add_self(out);
            continue;
        }
        json_t *child = fieldset_intersection(json_object_iter_value(it), theirs);
        if (fieldset_empty(child)) {
            json_decref(child);
        } else {
            tree_set(out, key, child);
        }
    }
    return out;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the sets' depth. */
static json_t *difference(const json_t *a, const json_t *b, bool below)
{
    json_t *out = json_object();
    if (below && has_self(b)) {
        return out;
    }
    TREE_EACH(it, a)
    {
        struct slice key = tree_key(it);
        const json_t *mine = json_object_iter_value(it);
        const json_t *theirs = tree_get(b, key);
        if (theirs == NULL) {
            tree_set(out, key, tree_share(mine));
        } else if (!is_self(key)) {
            json_t *child = difference(mine, theirs, below);
            if (fieldset_empty(child)) {
                json_decref(child);
            } else {
                tree_set(out, key, child);
            }
        }
    }
    return out;
}

json_t *fieldset_difference(const json_t *a, const json_t *b)
{
    return difference(a, b, false);
}

json_t *fieldset_difference_below(const json_t *a, const json_t *b)
{
    return difference(a, b, true);
}

static const struct schema *element_schema(const struct schema *schema, struct slice key)
{
    if (schema == NULL) {
        return NULL;
    }
    return key.data[0] == 'f' ? schema_member(schema, slice_sub(key, 2, SIZE_MAX)) : schema->items;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the set's depth. */
json_t *fieldset_with_parents(const json_t *set, const struct schema *schema)
{
    json_t *out = json_object();
    TREE_EACH(it, set)
    {
        struct slice key = tree_key(it);
        if (is_self(key)) {
            add_self(out);
            continue;
        }
        json_t *child =
            fieldset_with_parents(json_object_iter_value(it), element_schema(schema, key));
        bool named =
            key.data[0] == 'f' && schema_field(schema, slice_sub(key, 2, SIZE_MAX)) != NULL;
        if (named) {
            add_self(child);
        }
        tree_set(out, key, child);
    }
    return out;
}

/* k:{"name":"a","port":80} -> [name="a",port=80] */
static void key_text(struct buf *path, struct slice json)
{
    json_t *keys = NULL;
    buf_add_char(path, '[');
    if (json_parse(json, &keys, NULL) != 0 || !json_is_object(keys)) {
        buf_add(path, json);
    } else {
        bool first = true;
        TREE_EACH(it, keys)
        {
            buf_addf(path, "%s%.*s=", first ? "" : ",", SLICE_ARG(tree_key(it)));
            json_canonical(json_object_iter_value(it), path);
            first = false;
        }
    }
    json_decref(keys);
    buf_add_char(path, ']');
}

static void element_text(struct buf *path, struct slice key)
{
    struct slice rest = slice_sub(key, 2, SIZE_MAX);
    switch (key.data[0]) {
    case 'f':
        buf_addf(path, ".%.*s", SLICE_ARG(rest));
        break;
    case 'k':
        key_text(path, rest);
        break;
    case 'v':
        buf_addf(path, "[=%.*s]", SLICE_ARG(rest));
        break;
    default:
        buf_addf(path, "[%.*s]", SLICE_ARG(rest));
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the set's depth. */
static void each_below(const json_t *node, struct buf *path,
                       void (*each)(struct slice path, void *user), void *user)
{
    if (has_self(node)) {
        each(buf_slice(path), user);
    }
    TREE_EACH(it, node)
    {
        if (!is_self(tree_key(it))) {
            size_t before = path->len;
            element_text(path, tree_key(it));
            each_below(json_object_iter_value(it), path, each, user);
            path->len = before;
        }
    }
}

void fieldset_each(const json_t *set, void (*each)(struct slice path, void *user), void *user)
{
    struct buf path = {0};
    each_below(set, &path, each, user);
    buf_free(&path);
}
