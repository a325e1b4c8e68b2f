/* The keywords of a schema in a definition, and what is none of them (schema_check_keywords()). */
#include "proto/schema_build.h"

#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

static const char *const known[] = {
    "$ref",
    "$schema",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "dependencies",
    "description",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "format",
    "id",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
};

struct walking {
    struct causes *unknown;
    struct buf path;
};

static void walk(struct walking *w, json_t *tree);

static bool is_known(struct slice keyword)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_eq_cstr(keyword, known[i])) {
            return true;
        }
    }
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void walk_members(struct walking *w, const char *keyword, json_t *map)
{
    size_t start = schema__path_member(&w->path, slice_of(keyword));
    TREE_EACH(it, map)
    {
        size_t before = schema__path_member(&w->path, tree_key(it));
        walk(w, json_object_iter_value(it));
        w->path.len = before;
    }
    w->path.len = start;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void walk_items(struct walking *w, const char *keyword, json_t *list)
{
    size_t start = schema__path_member(&w->path, slice_of(keyword));
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t before = schema__path_index(&w->path, i);
        walk(w, json_array_get(list, i));
        w->path.len = before;
    }
    w->path.len = start;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void walk_children(struct walking *w, json_t *tree)
{
    static const char *const ones[] = {"items", "additionalProperties", "not"};
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    walk_members(w, "properties", json_object_get(tree, "properties"));
    for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++) {
        size_t before = schema__path_member(&w->path, slice_of(ones[i]));
        walk(w, json_object_get(tree, ones[i]));
        w->path.len = before;
        walk_items(w, lists[i], json_object_get(tree, lists[i]));
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void walk(struct walking *w, json_t *tree)
{
    if (!json_is_object(tree)) {
        return;
    }
    void *it = json_object_iter(tree);
    while (it != NULL) {
        struct slice keyword = tree_key(it);
        void *next = json_object_iter_next(tree, it);
        if (!is_known(keyword)) {
            size_t before = schema__path_member(&w->path, keyword);
            struct slice path = buf_slice(&w->path);
            cause_add(w->unknown, CAUSE_INVALID, path, "unknown field \"%.*s\"", SLICE_ARG(path));
            w->path.len = before;
            tree_remove(tree, keyword);
        }
        it = next;
    }
    walk_children(w, tree);
}

void schema_check_keywords(json_t *tree, struct slice path, struct causes *unknown)
{
    struct walking w = {.unknown = unknown};
    buf_add(&w.path, path);
    walk(&w, tree);
    buf_free(&w.path);
}
