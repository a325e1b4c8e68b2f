/* json.c: values to JSON trees.
 *
 * The result shares nothing with the inputs: templates' results are labelled and patched later. The
 * work is charged per node, because a few expressions can make a value whose tree is exponentially
 * larger than itself. */
#include "render/cel/value.h"

#include <math.h>
#include <string.h>

#include "base/crypto.h"
#include "render/cel/time.h"

static bool copy_tree(struct cel_ctx *ctx, const json_t *in, json_t **out);

static bool copy_array(struct cel_ctx *ctx, const json_t *in, json_t **out)
{
    *out = json_array();
    for (size_t i = 0; i < json_array_size(in); i++) {
        json_t *item;
        if (!copy_tree(ctx, json_array_get(in, i), &item)) {
            json_decref(*out);
            *out = NULL;
            return false;
        }
        json_array_append_new(*out, item);
    }
    return true;
}

static bool entries_to_object(struct cel_ctx *ctx, const struct cel_map *map, json_t **out);

static bool copy_tree(struct cel_ctx *ctx, const json_t *in, json_t **out)
{
    if (!cel_charge(ctx, 1)) {
        return false;
    }
    if (json_is_array(in)) {
        return copy_array(ctx, in, out);
    }
    if (json_is_object(in)) {
        const struct cel_map map = {.count = json_object_size(in), .json = in};
        return entries_to_object(ctx, &map, out);
    }
    *out = json_deep_copy(in);
    return true;
}

static json_t *double_to_json(double d)
{
    if (isnan(d)) {
        return json_string("NaN");
    }
    if (isinf(d)) {
        return json_string(d > 0 ? "Infinity" : "-Infinity");
    }
    if (d == floor(d) && fabs(d) <= 9007199254740992.0) {
        return json_integer((json_int_t)d);
    }
    return json_real(d);
}

static json_t *uint_to_json(uint64_t u)
{
    if (u <= INT64_MAX) {
        return json_integer((json_int_t)u);
    }
    struct buf text = {0};
    buf_add_u64(&text, u);
    json_t *s = json_str(buf_slice(&text));
    buf_free(&text);
    return s;
}

static json_t *text_to_json(struct cel_value v)
{
    struct buf text = {0};
    if (v.type == CEL_BYTES) {
        base64_encode(&text, v.as.text);
    } else if (v.type == CEL_TIMESTAMP) {
        cel_time_format(v.as.time, &text);
    } else {
        cel_duration_format(v.as.time, &text);
    }
    json_t *s = json_str(buf_slice(&text));
    buf_free(&text);
    return s;
}

/* The text of a map's key as JSON has it. */
static bool key_text(struct cel_ctx *ctx, struct cel_value key, struct slice *text)
{
    switch ((int)key.type) {
    case CEL_STRING:
        *text = key.as.text;
        return true;
    case CEL_BOOL:
        *text = key.as.boolean ? SLICE("true") : SLICE("false");
        return true;
    case CEL_INT:
        *text = slice_of(arena_printf(ctx->arena, "%lld", (long long)key.as.integer));
        return true;
    case CEL_UINT:
        *text = slice_of(arena_printf(ctx->arena, "%llu", (unsigned long long)key.as.natural));
        return true;
    default:
        return cel_fail(ctx, "a map key of type %.*s has no JSON form",
                        SLICE_ARG(cel_type_name(key)));
    }
}

static bool entries_to_object(struct cel_ctx *ctx, const struct cel_map *map, json_t **out)
{
    const struct cel_entry *entries;
    if (!cel_map_entries(ctx, map, &entries)) {
        return false;
    }
    *out = json_object();
    for (size_t i = 0; i < map->count; i++) {
        json_t *member = NULL;
        struct slice key = {0};
        if (!key_text(ctx, entries[i].key, &key) || !cel_to_json(ctx, entries[i].value, &member)) {
            json_decref(*out);
            *out = NULL;
            return false;
        }
        if (member != NULL && json_object_setn_new(*out, key.data, key.len, member) != 0) {
            json_decref(*out);
            *out = NULL;
            return cel_fail(ctx, "the map key '%.*s' is no valid UTF-8", SLICE_ARG(key));
        }
    }
    return true;
}

static bool list_to_array(struct cel_ctx *ctx, const struct cel_list *list, json_t **out)
{
    if (list->items == NULL) {
        return list->json != NULL ? copy_array(ctx, list->json, out) : (*out = json_array(), true);
    }
    *out = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_t *item = NULL;
        if (!cel_to_json(ctx, list->items[i], &item)) {
            json_decref(*out);
            *out = NULL;
            return false;
        }
        if (item != NULL) {
            json_array_append_new(*out, item);
        }
    }
    return true;
}

bool cel_to_json(struct cel_ctx *ctx, struct cel_value v, json_t **tree)
{
    *tree = NULL;
    if (!cel_charge(ctx, 1)) {
        return false;
    }
    switch (v.type) {
    case CEL_NULL:
        *tree = json_null();
        return true;
    case CEL_BOOL:
        *tree = json_boolean(v.as.boolean);
        return true;
    case CEL_INT:
        *tree = json_integer(v.as.integer);
        return true;
    case CEL_UINT:
        *tree = uint_to_json(v.as.natural);
        return true;
    case CEL_DOUBLE:
        *tree = double_to_json(v.as.real);
        return true;
    case CEL_STRING:
    case CEL_TYPE:
        if (!cel_charge_bytes(ctx, v.as.text.len)) {
            return false;
        }
        *tree = json_str(v.as.text);
        return true;
    case CEL_BYTES:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        *tree = text_to_json(v);
        return true;
    case CEL_LIST:
        return list_to_array(ctx, v.as.list, tree);
    case CEL_MAP:
        return entries_to_object(ctx, v.as.map, tree);
    case CEL_OPTIONAL:
        return v.as.inner == NULL || cel_to_json(ctx, *v.as.inner, tree);
    case CEL_OPAQUE:
        return cel_fail(ctx, "a %.*s cannot be stored", SLICE_ARG(cel_type_name(v)));
    case CEL_OMIT:
    default:
        return true;
    }
}
