/* Walking a value along its schema: members, defaults, pruning.
 *
 * Values come from json_parse(), so their depth, and the recursion's, is at most JSON_DEPTH_MAX. */
#include "proto/schema.h"

#include "proto/object.h"
#include "base/suggest.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

enum { DEFAULT_BYTES_MAX = 2 * OBJECT_BYTES_MAX };

const struct schema_field *schema_field(const struct schema *schema, struct slice name)
{
    size_t low = 0;
    size_t high = schema != NULL ? schema->field_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(name, schema->fields[middle].name);
        if (order == 0) {
            return &schema->fields[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct schema *schema_member(const struct schema *schema, struct slice name)
{
    if (schema == NULL) {
        return NULL;
    }
    const struct schema_field *field = schema_field(schema, name);
    return field != NULL ? field->schema : schema->values;
}

size_t schema__path_member(struct buf *path, struct slice name)
{
    size_t before = path->len;
    if (before > 0) {
        buf_add_char(path, '.');
    }
    buf_add(path, name);
    return before;
}

size_t schema__path_key(struct buf *path, struct slice key)
{
    size_t before = path->len;
    buf_add_char(path, '[');
    buf_add(path, key);
    buf_add_char(path, ']');
    return before;
}

size_t schema__path_index(struct buf *path, size_t index)
{
    size_t before = path->len;
    buf_addf(path, "[%zu]", index);
    return before;
}

/* *budget: bytes of defaults that may still be added. */
static void default_fields(const struct schema *schema, json_t *object, size_t *budget)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        size_t cost = field->name.len + field->default_json.len;
        if (field->default_json.len > 0 && cost <= *budget &&
            tree_get(object, field->name) == NULL) {
            json_t *value = NULL;
            if (json_parse(field->default_json, &value, NULL) == 0) {
                tree_set(object, field->name, value);
                *budget -= cost;
            }
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void default_value(const struct schema *schema, json_t *value, size_t *budget)
{
    if (schema == NULL) {
        return;
    }
    if (json_is_array(value) && schema->items != NULL) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            default_value(schema->items, json_array_get(value, i), budget);
        }
    }
    if (!json_is_object(value) || schema->type != SCHEMA_OBJECT) {
        return;
    }
    default_fields(schema, value, budget);
    TREE_EACH(it, value)
    {
        default_value(schema_member(schema, tree_key(it)), json_object_iter_value(it), budget);
    }
}

void schema_default(const struct schema *schema, json_t *value)
{
    size_t budget = DEFAULT_BYTES_MAX;
    default_value(schema, value, &budget);
}

struct pruning {
    struct causes *unknown; /* may be NULL */
    struct buf path;
};

static void prune_value(struct pruning *p, const struct schema *schema, json_t *value);

/* True if the member goes. */
static bool prunes(struct pruning *p, const struct schema *schema, struct slice name,
                   const json_t *value)
{
    const struct schema *member = schema_member(schema, name);
    if (member != NULL) {
        return json_is_null(value) && !member->nullable && member->type != SCHEMA_ANY;
    }
    if (schema->preserve_unknown) {
        return false;
    }
    if (p->unknown != NULL) {
        size_t before = schema__path_member(&p->path, name);
        struct slice path = buf_slice(&p->path);
        cause_add(p->unknown, CAUSE_INVALID, path, "unknown field \"%.*s\"", SLICE_ARG(path));
        p->path.len = before;
    }
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void prune_object(struct pruning *p, const struct schema *schema, json_t *object)
{
    void *it = json_object_iter(object);
    while (it != NULL) {
        struct slice name = tree_key(it);
        json_t *value = json_object_iter_value(it);
        void *next = json_object_iter_next(object, it);
        if (prunes(p, schema, name, value)) {
            tree_remove(object, name);
        } else {
            size_t before = schema_field(schema, name) != NULL ? schema__path_member(&p->path, name)
                                                               : schema__path_key(&p->path, name);
            prune_value(p, schema_member(schema, name), value);
            p->path.len = before;
        }
        it = next;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void prune_value(struct pruning *p, const struct schema *schema, json_t *value)
{
    if (schema == NULL) {
        return;
    }
    if (json_is_object(value) && schema->type == SCHEMA_OBJECT) {
        prune_object(p, schema, value);
    } else if (json_is_array(value) && schema->items != NULL) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            size_t before = schema__path_index(&p->path, i);
            prune_value(p, schema->items, json_array_get(value, i));
            p->path.len = before;
        }
    }
}

void schema_prune(const struct schema *schema, json_t *value, struct causes *unknown)
{
    struct pruning p = {.unknown = unknown};
    prune_value(&p, schema, value);
    buf_free(&p.path);
}

/* ---- misspelt ---- */

/* A member of one edit's distance that the value has not; NULL: none. */
static const struct schema_field *meant(const struct schema *schema, const json_t *object,
                                        struct slice name)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (suggest_close(field->name, name) && tree_get(object, field->name) == NULL) {
            return field;
        }
    }
    return NULL;
}

static void find_misspelt(struct pruning *p, const struct schema *schema, const json_t *value);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void look_at_members(struct pruning *p, const struct schema *schema, const json_t *object)
{
    TREE_EACH(it, object)
    {
        struct slice name = tree_key(it);
        const struct schema *member = schema_member(schema, name);
        size_t before = schema__path_member(&p->path, name);
        if (member != NULL) {
            find_misspelt(p, member, json_object_iter_value(it));
        } else if (!schema->preserve_unknown) {
            const struct schema_field *field = meant(schema, object, name);
            if (field != NULL) {
                cause_add(p->unknown, CAUSE_INVALID, buf_slice(&p->path),
                          "unknown field (did you mean %.*s?)", SLICE_ARG(field->name));
            }
        }
        p->path.len = before;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void find_misspelt(struct pruning *p, const struct schema *schema, const json_t *value)
{
    if (json_is_object(value) && schema->type == SCHEMA_OBJECT && schema->field_count > 0) {
        look_at_members(p, schema, value);
    } else if (json_is_array(value) && schema->items != NULL &&
               schema->items->type == SCHEMA_OBJECT) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            size_t before = schema__path_index(&p->path, i);
            find_misspelt(p, schema->items, json_array_get(value, i));
            p->path.len = before;
        }
    }
}

void schema_misspelt(const struct schema *schema, const json_t *value, struct causes *causes)
{
    struct pruning p = {.unknown = causes};
    find_misspelt(&p, schema, value);
    buf_free(&p.path);
}
