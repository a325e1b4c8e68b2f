/* value.c: values, their equality and their order.
 *
 * Comparison between numbers of different types is by value. Equality of lists and maps recurses no
 * deeper than the values are nested, and values are nested no deeper than the expression plus its
 * inputs, which are both limited when they are parsed; its work is charged to the evaluation,
 * because shared parts can make a small value look huge. */
#include "render/cel/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cel_charge(struct cel_ctx *ctx, size_t units)
{
    if (units > ctx->cost_limit - ctx->cost) {
        ctx->cost = ctx->cost_limit;
        err_set(&ctx->err, ERR_TOO_LARGE, "the expression costs more than the limit of %llu units",
                (unsigned long long)ctx->cost_limit);
        return false;
    }
    ctx->cost += units;
    return true;
}

bool cel_charge_bytes(struct cel_ctx *ctx, size_t bytes)
{
    return cel_charge(ctx, bytes / 16 + 1);
}

bool cel_fail(struct cel_ctx *ctx, const char *format, ...)
{
    char text[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&ctx->err, ERR_UNPROCESSABLE, "%s", text);
    return false;
}

bool cel_no_overload(struct cel_ctx *ctx, const char *function, const struct cel_value *args,
                     size_t count)
{
    char types[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof types; i++) {
        struct slice name = cel_type_name(args[i]);
        int n = snprintf(types + used, sizeof types - used, "%s%.*s", i > 0 ? ", " : "",
                         SLICE_ARG(name));
        used += n > 0 ? (size_t)n : 0;
    }
    return cel_fail(ctx, "no such overload: %s(%s)", function, types);
}

struct cel_value cel_bool(bool b)
{
    return (struct cel_value){.type = CEL_BOOL, .as.boolean = b};
}

struct cel_value cel_int(int64_t i)
{
    return (struct cel_value){.type = CEL_INT, .as.integer = i};
}

struct cel_value cel_uint(uint64_t u)
{
    return (struct cel_value){.type = CEL_UINT, .as.natural = u};
}

struct cel_value cel_double(double d)
{
    return (struct cel_value){.type = CEL_DOUBLE, .as.real = d};
}

struct cel_value cel_string(struct slice text)
{
    return (struct cel_value){.type = CEL_STRING, .as.text = text};
}

struct cel_value cel_bytes(struct slice bytes)
{
    return (struct cel_value){.type = CEL_BYTES, .as.text = bytes};
}

struct cel_value cel_type_value(struct slice name)
{
    return (struct cel_value){.type = CEL_TYPE, .as.text = name};
}

struct cel_value cel_opaque(const struct cel_opaque *value)
{
    return (struct cel_value){.type = CEL_OPAQUE, .as.opaque = value};
}

bool cel_is_opaque(struct cel_value v, const struct cel_opaque_type *type)
{
    return v.type == CEL_OPAQUE && v.as.opaque->type == type;
}

struct cel_value cel_optional(struct arena *arena, const struct cel_value *inner)
{
    struct cel_value v = {.type = CEL_OPTIONAL};
    if (inner != NULL) {
        struct cel_value *copy = arena_alloc(arena, sizeof *copy);
        *copy = *inner;
        v.as.inner = copy;
    }
    return v;
}

struct cel_value cel_list_of(struct arena *arena, const struct cel_value *items, size_t count)
{
    struct cel_list *list = arena_zero(arena, sizeof *list);
    list->count = count;
    list->items = items;
    return (struct cel_value){.type = CEL_LIST, .as.list = list};
}

struct cel_value cel_map_of(struct arena *arena, const struct cel_entry *entries, size_t count)
{
    struct cel_map *map = arena_zero(arena, sizeof *map);
    map->count = count;
    map->entries = entries;
    return (struct cel_value){.type = CEL_MAP, .as.map = map};
}

struct cel_value cel_of_json(struct arena *arena, const json_t *tree)
{
    switch (tree != NULL ? json_typeof(tree) : JSON_NULL) {
    case JSON_TRUE:
        return cel_bool(true);
    case JSON_FALSE:
        return cel_bool(false);
    case JSON_INTEGER:
        return cel_int(json_integer_value(tree));
    case JSON_REAL:
        return cel_double(json_real_value(tree));
    case JSON_STRING:
        return cel_string(slice_make(json_string_value(tree), json_string_length(tree)));
    case JSON_ARRAY: {
        struct cel_list *list = arena_zero(arena, sizeof *list);
        list->count = json_array_size(tree);
        list->json = tree;
        return (struct cel_value){.type = CEL_LIST, .as.list = list};
    }
    case JSON_OBJECT: {
        struct cel_map *map = arena_zero(arena, sizeof *map);
        map->count = json_object_size(tree);
        map->json = tree;
        return (struct cel_value){.type = CEL_MAP, .as.map = map};
    }
    case JSON_NULL:
    default:
        return (struct cel_value){.type = CEL_NULL};
    }
}

struct slice cel_type_name_of(enum cel_type type)
{
    static const struct slice names[] = {
        [CEL_NULL] = {"null_type", 9},
        [CEL_BOOL] = {"bool", 4},
        [CEL_INT] = {"int", 3},
        [CEL_UINT] = {"uint", 4},
        [CEL_DOUBLE] = {"double", 6},
        [CEL_STRING] = {"string", 6},
        [CEL_BYTES] = {"bytes", 5},
        [CEL_LIST] = {"list", 4},
        [CEL_MAP] = {"map", 3},
        [CEL_TIMESTAMP] = {"google.protobuf.Timestamp", 25},
        [CEL_DURATION] = {"google.protobuf.Duration", 24},
        [CEL_TYPE] = {"type", 4},
        [CEL_OPTIONAL] = {"optional_type", 13},
        [CEL_OMIT] = {"omit", 4},
        [CEL_OPAQUE] = {"opaque", 6},
    };
    return names[type];
}

struct slice cel_type_name(struct cel_value v)
{
    return v.type == CEL_OPAQUE ? v.as.opaque->type->name : cel_type_name_of(v.type);
}

struct cel_value cel_list_at(struct cel_ctx *ctx, const struct cel_list *list, size_t index)
{
    if (list->items != NULL) {
        return list->items[index];
    }
    return cel_of_json(ctx->arena, json_array_get(list->json, index));
}

bool cel_is_number(struct cel_value v)
{
    return v.type == CEL_INT || v.type == CEL_UINT || v.type == CEL_DOUBLE;
}

static int compare_int_uint(int64_t a, uint64_t b)
{
    if (a < 0) {
        return -1;
    }
    return (uint64_t)a < b ? -1 : (uint64_t)a > b;
}

/* With a double, CEL compares as doubles: 2^53 + 1 and 2^53 are then the same, as they are in every
 * other implementation; what is out of the integer's range is beyond any integer. */
static int compare_doubles(double a, double b)
{
    return a < b ? -1 : a > b;
}

static int compare_int_double(int64_t a, double b)
{
    return b > 9223372036854775808.0    ? -1
           : b < -9223372036854775808.0 ? 1
                                        : compare_doubles((double)a, b);
}

static int compare_uint_double(uint64_t a, double b)
{
    return b > 18446744073709551616.0 ? -1 : b < 0 ? 1 : compare_doubles((double)a, b);
}

/* Both are numbers. *ordered is false if one is NaN. */
static int compare_numbers(struct cel_value a, struct cel_value b, bool *ordered)
{
    *ordered =
        !(a.type == CEL_DOUBLE && isnan(a.as.real)) && !(b.type == CEL_DOUBLE && isnan(b.as.real));
    if (!*ordered) {
        return 1;
    }
    if (a.type == b.type) {
        if (a.type == CEL_INT) {
            return a.as.integer < b.as.integer ? -1 : a.as.integer > b.as.integer;
        }
        if (a.type == CEL_UINT) {
            return a.as.natural < b.as.natural ? -1 : a.as.natural > b.as.natural;
        }
        return a.as.real < b.as.real ? -1 : a.as.real > b.as.real;
    }
    if (a.type > b.type) {
        return -compare_numbers(b, a, ordered);
    }
    if (a.type == CEL_INT) {
        return b.type == CEL_UINT ? compare_int_uint(a.as.integer, b.as.natural)
                                  : compare_int_double(a.as.integer, b.as.real);
    }
    return compare_uint_double(a.as.natural, b.as.real);
}

static int compare_times(struct cel_time a, struct cel_time b)
{
    if (a.seconds != b.seconds) {
        return a.seconds < b.seconds ? -1 : 1;
    }
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos;
}

bool cel_compare(struct cel_ctx *ctx, struct cel_value a, struct cel_value b, int *order,
                 bool *ordered)
{
    *ordered = true;
    if (cel_is_number(a) && cel_is_number(b)) {
        *order = compare_numbers(a, b, ordered);
        return true;
    }
    if (a.type == b.type) {
        if (a.type == CEL_STRING || a.type == CEL_BYTES) {
            *order = slice_cmp(a.as.text, b.as.text);
            return cel_charge_bytes(ctx,
                                    a.as.text.len < b.as.text.len ? a.as.text.len : b.as.text.len);
        }
        if (a.type == CEL_BOOL) {
            *order = (int)a.as.boolean - (int)b.as.boolean;
            return true;
        }
        if (a.type == CEL_TIMESTAMP || a.type == CEL_DURATION) {
            *order = compare_times(a.as.time, b.as.time);
            return true;
        }
    }
    return cel_no_overload(ctx, "compare", (struct cel_value[]){a, b}, 2);
}

bool cel_map_get(struct cel_ctx *ctx, const struct cel_map *map, struct cel_value key,
                 struct cel_value *value, bool *failed)
{
    *failed = false;
    if (key.type == CEL_STRING && !cel_charge(ctx, key.as.text.len / 16)) {
        *failed = true;
        return false;
    }
    if (map->entries == NULL) {
        const json_t *member = key.type == CEL_STRING && map->count > 0
                                   ? json_object_getn(map->json, key.as.text.data, key.as.text.len)
                                   : NULL;
        if (member == NULL) {
            return false;
        }
        *value = cel_of_json(ctx->arena, member);
        return true;
    }
    if (!cel_charge(ctx, map->count / 16 + 1)) {
        *failed = true;
        return false;
    }
    for (size_t i = 0; i < map->count; i++) {
        bool equal;
        if (!cel_equal(ctx, map->entries[i].key, key, &equal)) {
            *failed = true;
            return false;
        }
        if (equal) {
            *value = map->entries[i].value;
            return true;
        }
    }
    return false;
}

/* jansson iterates only over objects that are not const, though it changes nothing. */
static json_t *json_mutable(const json_t *tree)
{
    union {
        const json_t *in;
        json_t *out;
    } cast = {.in = tree};
    return cast.out;
}

static int by_key(const void *a, const void *b)
{
    const struct cel_entry *x = a;
    const struct cel_entry *y = b;
    return slice_cmp(x->key.as.text, y->key.as.text);
}

bool cel_map_entries(struct cel_ctx *ctx, const struct cel_map *map,
                     const struct cel_entry **entries)
{
    if (!cel_charge(ctx, map->count)) {
        return false;
    }
    if (map->entries != NULL) {
        *entries = map->entries;
        return true;
    }
    struct cel_entry *all = arena_alloc(ctx->arena, (map->count + 1) * sizeof *all);
    size_t n = 0;
    const char *key;
    size_t key_len;
    json_t *member;
    json_object_keylen_foreach(json_mutable(map->json), key, key_len, member)
    {
        all[n].key = cel_string(slice_make(key, key_len));
        all[n].value = cel_of_json(ctx->arena, member);
        n++;
    }
    if (n > 1) {
        qsort(all, n, sizeof *all, by_key);
    }
    *entries = all;
    return true;
}

static bool equal_lists(struct cel_ctx *ctx, const struct cel_list *a, const struct cel_list *b,
                        bool *equal)
{
    *equal = a->count == b->count;
    for (size_t i = 0; *equal && i < a->count; i++) {
        if (!cel_equal(ctx, cel_list_at(ctx, a, i), cel_list_at(ctx, b, i), equal)) {
            return false;
        }
    }
    return true;
}

static bool equal_maps(struct cel_ctx *ctx, const struct cel_map *a, const struct cel_map *b,
                       bool *equal)
{
    const struct cel_entry *entries;
    *equal = a->count == b->count;
    if (!*equal) {
        return true;
    }
    if (!cel_map_entries(ctx, a, &entries)) {
        return false;
    }
    for (size_t i = 0; *equal && i < a->count; i++) {
        struct cel_value other;
        bool failed;
        if (!cel_map_get(ctx, b, entries[i].key, &other, &failed)) {
            *equal = false;
            return !failed;
        }
        if (!cel_equal(ctx, entries[i].value, other, equal)) {
            return false;
        }
    }
    return true;
}

static bool equal_optionals(struct cel_ctx *ctx, struct cel_value a, struct cel_value b,
                            bool *equal)
{
    if (a.as.inner == NULL || b.as.inner == NULL) {
        *equal = a.as.inner == b.as.inner;
        return true;
    }
    return cel_equal(ctx, *a.as.inner, *b.as.inner, equal);
}

bool cel_equal(struct cel_ctx *ctx, struct cel_value a, struct cel_value b, bool *equal)
{
    if (!cel_charge(ctx, 1)) {
        return false;
    }
    if (cel_is_number(a) && cel_is_number(b)) {
        bool ordered;
        int order = compare_numbers(a, b, &ordered);
        *equal = ordered && order == 0;
        return true;
    }
    if (a.type != b.type) {
        *equal = false;
        return true;
    }
    switch (a.type) {
    case CEL_BOOL:
        *equal = a.as.boolean == b.as.boolean;
        return true;
    case CEL_STRING:
    case CEL_BYTES:
    case CEL_TYPE:
        *equal = slice_eq(a.as.text, b.as.text);
        return cel_charge(ctx, a.as.text.len / 64);
    case CEL_LIST:
        return equal_lists(ctx, a.as.list, b.as.list, equal);
    case CEL_MAP:
        return equal_maps(ctx, a.as.map, b.as.map, equal);
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        *equal = compare_times(a.as.time, b.as.time) == 0;
        return true;
    case CEL_OPTIONAL:
        return equal_optionals(ctx, a, b, equal);
    case CEL_OPAQUE:
        *equal = a.as.opaque->type == b.as.opaque->type &&
                 a.as.opaque->type->equal(a.as.opaque, b.as.opaque);
        return true;
    case CEL_NULL:
    case CEL_OMIT:
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
    default:
        *equal = true;
        return true;
    }
}
