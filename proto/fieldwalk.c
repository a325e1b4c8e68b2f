/* Walks over values that make and use sets of fields (declared in fieldset.h).
 *
 * A value is a *leaf* if it is owned as a whole: a scalar, an atomic map, an atomic list, and any
 * list whose schema is not known. Otherwise it is a map of members or a list of items that have
 * identities: the keys of a map list, the values of a set. Recursion follows parsed JSON.
 *
 * An empty map that somebody states is theirs, and so is an empty list: Kubernetes forgets who
 * applied an empty list, and so never takes it away again. */
#include "base/map.h"
#include "proto/fieldset.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

static const struct slice self = {".", 1};

static bool is_leaf(const json_t *value, const struct schema *schema)
{
    if (json_is_object(value)) {
        return schema != NULL && schema->atomic_map;
    }
    return !json_is_array(value) || schema == NULL || schema->list == SCHEMA_LIST_ATOMIC;
}

static json_t *leaf(void)
{
    json_t *node = json_object();
    tree_set(node, self, json_object());
    return node;
}

/* The path element of an item; false if it has no identity. */
static bool item_element(const struct schema *list, const json_t *item, struct buf *element)
{
    buf_clear(element);
    buf_add_cstr(element, list->list == SCHEMA_LIST_SET ? "v:" : "k:");
    return schema__item_key(list, item, element);
}

static void member_element(struct slice name, struct buf *element)
{
    buf_clear(element);
    buf_add_cstr(element, "f:");
    buf_add(element, name);
}

static bool is_empty_or_null(const json_t *value)
{
    return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
json_t *fieldset_of(const json_t *value, const struct schema *schema)
{
    if (is_leaf(value, schema)) {
        return leaf();
    }
    json_t *set = json_object();
    struct buf element = {0};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (item_element(schema, item, &element)) {
            json_t *child = fieldset_of(item, schema->items);
            tree_set(child, self, json_object());
            tree_set(set, buf_slice(&element), child);
        }
    }
    if (json_is_object(value)) {
        TREE_EACH(it, value)
        {
            const json_t *member = json_object_iter_value(it);
            json_t *child = fieldset_of(member, schema_member(schema, tree_key(it)));
            if (is_empty_or_null(member) || schema_field(schema, tree_key(it)) == NULL) {
                tree_set(child, self, json_object());
            }
            member_element(tree_key(it), &element);
            tree_set(set, buf_slice(&element), child);
        }
    }
    buf_free(&element);
    return set;
}

/* ---- lists by identity ---- */

/* Maps each item's element to its index + 1; later duplicates do not count. */
static void index_items(const struct schema *list, const json_t *items, struct map *index)
{
    struct buf element = {0};
    for (size_t i = 0; i < json_array_size(items); i++) {
        if (item_element(list, json_array_get(items, i), &element) &&
            map_get(index, buf_slice(&element)) == NULL) {
            map_put(index, buf_slice(&element), (void *)(uintptr_t)(i + 1));
        }
    }
    buf_free(&element);
}

static const json_t *indexed(const json_t *items, const struct map *index, struct slice element)
{
    uintptr_t at = (uintptr_t)map_get(index, element);
    return at == 0 ? NULL : json_array_get(items, at - 1);
}

/* ---- compare ---- */

static void compare(const json_t *before, const json_t *after, const struct schema *schema,
                    struct fieldset_change *change);

static void attach(json_t *set, struct slice element, json_t *child)
{
    if (fieldset_empty(child)) {
        json_decref(child);
    } else {
        tree_set(set, element, child);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void add_self_everywhere(json_t *set)
{
    TREE_EACH(it, set)
    {
        if (!slice_eq(tree_key(it), self)) {
            add_self_everywhere(json_object_iter_value(it));
        }
    }
    tree_set(set, self, json_object());
}

/* What is new, with the maps and lists that it brings along. */
static json_t *all_of(const json_t *value, const struct schema *schema)
{
    json_t *set = fieldset_of(value, schema);
    add_self_everywhere(set);
    return set;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void compare_child(const json_t *before, const json_t *after, const struct schema *schema,
                          struct slice element, struct fieldset_change *change)
{
    if (before == NULL) {
        attach(change->added, element, all_of(after, schema));
        return;
    }
    if (after == NULL) {
        attach(change->removed, element, leaf());
        return;
    }
    if (json_equal(before, after)) {
        return; /* most are: three empty sets each cost more than looking */
    }
    struct fieldset_change below = {json_object(), json_object(), json_object()};
    compare(before, after, schema, &below);
    attach(change->added, element, below.added);
    attach(change->modified, element, below.modified);
    attach(change->removed, element, below.removed);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void compare_items(const json_t *before, const json_t *after, const struct schema *schema,
                          struct fieldset_change *change)
{
    struct map old = {0};
    struct map new = {0};
    index_items(schema, before, &old);
    index_items(schema, after, &new);
    size_t cursor = 0;
    struct slice element;
    void *at;
    while (map_next(&new, &cursor, &element, &at)) {
        compare_child(indexed(before, &old, element), indexed(after, &new, element), schema->items,
                      element, change);
    }
    cursor = 0;
    while (map_next(&old, &cursor, &element, &at)) {
        if (map_get(&new, element) == NULL) {
            compare_child(indexed(before, &old, element), NULL, schema->items, element, change);
        }
    }
    map_free(&old);
    map_free(&new);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void compare_members(const json_t *before, const json_t *after, const struct schema *schema,
                            struct fieldset_change *change)
{
    struct buf element = {0};
    TREE_EACH(it, after)
    {
        struct slice name = tree_key(it);
        member_element(name, &element);
        compare_child(tree_get(before, name), json_object_iter_value(it),
                      schema_member(schema, name), buf_slice(&element), change);
    }
    TREE_EACH(it, before)
    {
        struct slice name = tree_key(it);
        if (tree_get(after, name) == NULL) {
            member_element(name, &element);
            compare_child(json_object_iter_value(it), NULL, schema_member(schema, name),
                          buf_slice(&element), change);
        }
    }
    buf_free(&element);
}

/* A value became another kind of value: what was in it is gone, what is in it is new. */
static void compare_types(const json_t *before, const json_t *after, const struct schema *schema,
                          struct fieldset_change *change)
{
    tree_set(change->modified, self, json_object());
    if (!is_leaf(before, schema)) {
        json_t *old = fieldset_of(before, schema);
        TREE_EACH(it, old)
        {
            tree_set(change->removed, tree_key(it), leaf());
        }
        json_decref(old);
    }
    if (!is_leaf(after, schema)) {
        (void)json_object_update_missing_new(change->added, all_of(after, schema));
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void compare(const json_t *before, const json_t *after, const struct schema *schema,
                    struct fieldset_change *change)
{
    bool leaves = is_leaf(before, schema) || is_leaf(after, schema);
    if (!leaves && json_is_object(before) && json_is_object(after)) {
        compare_members(before, after, schema, change);
    } else if (!leaves && json_is_array(before) && json_is_array(after)) {
        compare_items(before, after, schema, change);
    } else if (!json_equal(before, after)) {
        compare_types(before, after, schema, change);
    }
}

void fieldset_compare(const json_t *before, const json_t *after, const struct schema *schema,
                      struct fieldset_change *change)
{
    change->added = json_object();
    change->modified = json_object();
    change->removed = json_object();
    compare(before, after, schema, change);
}

/* ---- merge ---- */

struct merging {
    struct causes *causes;
    struct buf path;
};

static json_t *merge(struct merging *m, const json_t *live, const json_t *intent,
                     const struct schema *schema);

/* The elements of intent's items, in order; NULL where an item has none or repeats an earlier one
 * (a cause each). The array is the caller's to free(), the texts are the arena's. */
static struct slice *intent_elements(struct merging *m, const struct schema *list,
                                     const json_t *intent)
{
    struct map seen = {0};
    struct buf element = {0};
    size_t count = json_array_size(intent);
    struct slice *elements = mem_zero((count + 1) * sizeof(*elements));
    for (size_t i = 0; i < count; i++) {
        bool known = item_element(list, json_array_get(intent, i), &element);
        size_t before = schema__path_index(&m->path, i);
        if (!known) {
            cause_add(m->causes, CAUSE_REQUIRED, buf_slice(&m->path),
                      "Required value: the item's keys are missing");
        } else if (map_put(&seen, buf_slice(&element), m) != NULL) {
            cause_add(m->causes, CAUSE_DUPLICATE, buf_slice(&m->path), "Duplicate value: %.*s",
                      SLICE_ARG(slice_sub(buf_slice(&element), 2, SIZE_MAX)));
        } else {
            elements[i] = arena_copy(m->causes->arena, buf_slice(&element));
        }
        m->path.len = before;
    }
    map_free(&seen);
    buf_free(&element);
    return elements;
}

/* Live items that intent does not name keep their places relative to those that it names; items
 * that are new come where intent has them, behind all of live if no known one follows. */
struct list_merge {
    const struct schema *schema;
    const json_t *live;
    struct map live_index;
    struct map intent_index;
    size_t next; /* live items before this one are done with */
    json_t *out;
};

static void emit_live_before(struct list_merge *l, size_t end)
{
    struct buf element = {0};
    for (; l->next < end; l->next++) {
        const json_t *item = json_array_get(l->live, l->next);
        bool known = item_element(l->schema, item, &element);
        if (!known || map_get(&l->intent_index, buf_slice(&element)) == NULL) {
            json_array_append_new(l->out, tree_share(item));
        }
    }
    buf_free(&element);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static json_t *merge_items(struct merging *m, const json_t *live, const json_t *intent,
                           const struct schema *schema)
{
    struct list_merge l = {.schema = schema, .live = live, .out = json_array()};
    struct slice *elements = intent_elements(m, schema, intent);
    size_t count = json_array_size(intent);
    size_t last_known = 0; /* behind the last item of intent that live has */
    index_items(schema, live, &l.live_index);
    index_items(schema, intent, &l.intent_index);
    for (size_t i = 0; i < count; i++) {
        bool known = elements[i].len > 0 && map_get(&l.live_index, elements[i]) != NULL;
        last_known = known ? i + 1 : last_known;
    }
    for (size_t i = 0; i < count; i++) {
        if (elements[i].len == 0) {
            continue;
        }
        uintptr_t at = (uintptr_t)map_get(&l.live_index, elements[i]);
        if (at > l.next) {
            emit_live_before(&l, at - 1);
            l.next = at;
        } else if (at == 0 && i >= last_known) {
            emit_live_before(&l, json_array_size(live));
        }
        size_t before = schema__path_index(&m->path, i);
        json_array_append_new(l.out, merge(m, indexed(live, &l.live_index, elements[i]),
                                           json_array_get(intent, i), schema->items));
        m->path.len = before;
    }
    emit_live_before(&l, json_array_size(live));
    map_free(&l.live_index);
    map_free(&l.intent_index);
    free(elements);
    return l.out;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static json_t *merge(struct merging *m, const json_t *live, const json_t *intent,
                     const struct schema *schema)
{
    if (is_leaf(intent, schema)) {
        return tree_share(intent);
    }
    if (json_is_array(intent)) {
        return merge_items(m, json_is_array(live) ? live : NULL, intent, schema);
    }
    json_t *out = json_is_object(live) ? json_copy(tree_mutable(live)) : json_object();
    TREE_EACH(it, intent)
    {
        struct slice name = tree_key(it);
        size_t before = schema__path_member(&m->path, name);
        tree_set(out, name,
                 merge(m, tree_get(live, name), json_object_iter_value(it),
                       schema_member(schema, name)));
        m->path.len = before;
    }
    return out;
}

json_t *fieldset_merge(const json_t *live, const json_t *intent, const struct schema *schema,
                       struct causes *causes)
{
    struct merging m = {.causes = causes};
    json_t *out = merge(&m, live, intent, schema);
    buf_free(&m.path);
    return out;
}

/* ---- remove ---- */

static const json_t *below(const json_t *node, struct slice element)
{
    return node != NULL ? tree_get(node, element) : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static json_t *remove_child(const json_t *value, const json_t *node, const json_t *keep,
                            const struct schema *schema)
{
    if (node == NULL) {
        return tree_share(value);
    }
    return tree_get(node, self) != NULL ? NULL : fieldset_remove(value, node, keep, schema);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void remove_items(const json_t *list, const json_t *set, const json_t *keep,
                         const struct schema *schema, json_t *out)
{
    struct buf element = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        bool known = item_element(schema, item, &element);
        json_t *kept = remove_child(item, known ? tree_get(set, buf_slice(&element)) : NULL,
                                    below(keep, buf_slice(&element)), schema->items);
        if (kept != NULL) {
            json_array_append_new(out, kept);
        }
    }
    buf_free(&element);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void remove_members(const json_t *object, const json_t *set, const json_t *keep,
                           const struct schema *schema, json_t *out)
{
    struct buf element = {0};
    TREE_EACH(it, object)
    {
        member_element(tree_key(it), &element);
        json_t *kept =
            remove_child(json_object_iter_value(it), tree_get(set, buf_slice(&element)),
                         below(keep, buf_slice(&element)), schema_member(schema, tree_key(it)));
        if (kept != NULL) {
            tree_set(out, tree_key(it), kept);
        }
    }
    buf_free(&element);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
json_t *fieldset_remove(const json_t *value, const json_t *set, const json_t *keep,
                        const struct schema *schema)
{
    if (is_leaf(value, schema) || fieldset_empty(set)) {
        return tree_share(value);
    }
    bool list = json_is_array(value);
    json_t *out = list ? json_array() : json_object();
    if (list) {
        remove_items(value, set, keep, schema, out);
    } else {
        remove_members(value, set, keep, schema, out);
    }
    bool emptied = list ? json_array_size(out) == 0 && json_array_size(value) > 0
                        : json_object_size(out) == 0 && json_object_size(value) > 0;
    if (emptied && below(keep, self) == NULL) {
        json_decref(out);
        return NULL;
    }
    return out;
}
