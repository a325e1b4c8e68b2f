/* layers.c: merges, and tells afterwards who won.
 *
 * A list is one value, set as a whole. The default that a layer hides is what the schema would have
 * put there: the value is taken out of a copy, and the copy filled again. */
#include "render/layers.h"

#include "render/members.h"
#include "render/schema.h"

enum { KEYS_MAX = JSON_DEPTH_MAX };

struct leaf {
    struct trace *trace;
    const struct layers *layers;
    const json_t *schema;
    const json_t *whole;
    struct slice scope;
    struct arena arena;
    struct buf path;
    struct slice keys[KEYS_MAX];
    size_t depth;
};

void layers_add(struct layers *l, const char *name, const json_t *values)
{
    if (values != NULL && l->count < LAYERS_MAX) {
        l->items[l->count].name = name;
        l->items[l->count].values = values;
        l->count++;
    }
}

json_t *layers_merge(const struct layers *l)
{
    json_t *merged = l->count > 0 ? json_object() : NULL;
    for (size_t i = 0; i < l->count; i++) {
        if (l->count == 1 && !json_is_object(l->items[i].values)) {
            json_decref(merged);
            return json_deep_copy(l->items[i].values); /* the schema will say what is wrong */
        }
        json_t *copy = json_deep_copy(l->items[i].values);
        json_object_update(merged, copy);
        json_decref(copy);
    }
    return merged;
}

/* The value below tree at the leaf's keys, or NULL. */
static json_t *value_at(const struct leaf *f, const json_t *tree, size_t depth)
{
    json_t *at = (json_t *)(uintptr_t)tree;
    for (size_t i = 0; i < depth; i++) {
        at = json_object_getn(at, f->keys[i].data, f->keys[i].len);
    }
    return at;
}

/* What the schema would say here; NULL: nothing. A new reference. */
static json_t *default_at(const struct leaf *f)
{
    json_t *copy = json_deep_copy(f->whole);
    struct slice last = f->keys[f->depth - 1];
    json_object_deln(value_at(f, copy, f->depth - 1), last.data, last.len);
    schema_fill(f->schema, copy);
    json_t *found = json_incref(value_at(f, copy, f->depth));
    json_decref(copy);
    return found;
}

static void add_hidden(json_t *hides, const char *layer, json_t *value)
{
    if (value != NULL) {
        json_array_append_new(hides, json_pack("{s:s, s:O}", "layer", layer, "value", value));
    }
}

static void note(struct leaf *f, const json_t *value)
{
    const struct layers *l = f->layers;
    size_t owner = l->count;
    for (size_t i = 0; i < l->count; i++) {
        owner = value_at(f, l->items[i].values, 1) != NULL ? i : owner;
    }
    if (owner < l->count && value_at(f, l->items[owner].values, f->depth) == NULL) {
        owner = l->count; /* a default, inside of what that layer set */
    }
    json_t *hides = json_array();
    for (size_t i = l->count; i > 0; i--) {
        if (i - 1 != owner) {
            add_hidden(hides, l->items[i - 1].name, value_at(f, l->items[i - 1].values, f->depth));
        }
    }
    if (owner < l->count) {
        json_t *fallback = default_at(f);
        add_hidden(hides, "default", fallback);
        json_decref(fallback);
    }
    json_t *row = json_pack("{s:o, s:o, s:o, s:s}", "scope", json_str(f->scope), "path",
                            json_str(buf_slice(&f->path)), "value", json_deep_copy(value), "layer",
                            owner < l->count ? l->items[owner].name : "default");
    if (json_array_size(hides) > 0) {
        json_object_set(row, "hides", hides);
    }
    json_decref(hides);
    json_array_append_new(f->trace->values, row);
}

static void walk(struct leaf *f, const json_t *value)
{
    struct member *members;
    size_t count = members_sorted(&f->arena, value, &members);
    size_t len = f->path.len;
    for (size_t i = 0; i < count && f->depth < KEYS_MAX; i++) {
        f->keys[f->depth++] = members[i].key;
        buf_addf(&f->path, ".%.*s", SLICE_ARG(members[i].key));
        if (json_object_size(members[i].value) > 0) {
            walk(f, members[i].value);
        } else {
            note(f, members[i].value);
        }
        f->depth--;
        f->path.len = len;
    }
}

void layers_trace(const struct layers *l, struct trace *trace, struct slice scope,
                  struct slice path, const json_t *schema, const json_t *value)
{
    struct leaf f = {.trace = trace, .layers = l, .schema = schema, .whole = value, .scope = scope};
    if (trace != NULL) {
        buf_add(&f.path, path);
        walk(&f, value);
        buf_free(&f.path);
        arena_free(&f.arena);
    }
}
