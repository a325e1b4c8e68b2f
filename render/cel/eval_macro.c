/* eval_macro.c: macros: loops over lists and maps, and bindings.
 *
 * A macro's variables live in slots that the checker gave out; each round overwrites them. all()
 * and exists() go on after an error, for a later element may decide alone; the others end with it.
 */
#include "render/cel/eval_internal.h"

#include <string.h>

#include "render/cel/functions.h"

struct vector {
    struct cel_value *items;
    size_t count;
    size_t cap;
};

static void push(struct cel_ctx *ctx, struct vector *v, struct cel_value value)
{
    if (v->count == v->cap) {
        size_t cap = v->cap == 0 ? 8 : v->cap * 2;
        struct cel_value *larger = arena_alloc(ctx->arena, cap * sizeof *larger);
        if (v->count > 0) {
            memcpy(larger, v->items, v->count * sizeof *larger);
        }
        v->items = larger;
        v->cap = cap;
    }
    v->items[v->count++] = value;
}

static bool fail_twice(struct cel_ctx *ctx, struct cel_value key)
{
    struct cel_value text;
    return cel_fn_string(ctx, &key, 1, &text) &&
           cel_fail(ctx, "the key '%.*s' occurs twice in one map",
                    SLICE_ARG(slice_sub(text.as.text, 0, 100)));
}

enum { NAMES_FROM = 16 };

static void note_name(struct cel__entries *entries, struct cel_value key)
{
    if (entries->names != NULL && key.type == CEL_STRING) {
        json_object_setn_new_nocheck(entries->names,
                                     key.as.text.data != NULL ? key.as.text.data : "",
                                     key.as.text.len, json_true());
    }
}

/* Looking through all that are there, for each that comes, would cost by the square. */
static bool is_there(struct cel_ctx *ctx, struct cel__entries *entries, struct cel_value key,
                     bool *failed)
{
    const struct cel_map so_far = {entries->count, entries->items, NULL};
    struct cel_value old;
    *failed = false;
    if (entries->names == NULL || key.type != CEL_STRING) {
        return entries->count > 0 && cel_map_get(ctx, &so_far, key, &old, failed);
    }
    *failed = !cel_charge(ctx, key.as.text.len / 16 + 1);
    return !*failed &&
           json_object_getn(entries->names, key.as.text.data != NULL ? key.as.text.data : "",
                            key.as.text.len) != NULL;
}

static void begin_names(struct cel_ctx *ctx, struct cel__entries *entries)
{
    entries->names = json_object();
    arena_own(ctx->arena, entries->names, (void (*)(void *))json_decref);
    for (size_t i = 0; i < entries->count; i++) {
        note_name(entries, entries->items[i].key);
    }
}

bool cel__add_entry(struct cel_ctx *ctx, struct cel__entries *entries, struct cel_value key,
                    struct cel_value value)
{
    if (key.type != CEL_STRING && key.type != CEL_BOOL && key.type != CEL_INT &&
        key.type != CEL_UINT) {
        return cel_fail(ctx, "unsupported key type: %.*s", SLICE_ARG(cel_type_name(key)));
    }
    bool failed;
    if (entries->count == NAMES_FROM && entries->names == NULL) {
        begin_names(ctx, entries);
    }
    if (is_there(ctx, entries, key, &failed)) {
        return fail_twice(ctx, key);
    }
    if (failed) {
        return false;
    }
    note_name(entries, key);
    if (entries->count == entries->cap) {
        size_t cap = entries->cap == 0 ? 8 : entries->cap * 2;
        struct cel_entry *larger = arena_alloc(ctx->arena, cap * sizeof *larger);
        if (entries->count > 0) {
            memcpy(larger, entries->items, entries->count * sizeof *larger);
        }
        entries->items = larger;
        entries->cap = cap;
    }
    entries->items[entries->count++] = (struct cel_entry){key, value};
    return true;
}

struct cel_value cel__map_of_entries(struct cel_ctx *ctx, const struct cel__entries *entries)
{
    /* A map of no entries must still not look like one of JSON. */
    static const struct cel_entry none[1];
    return cel_map_of(ctx->arena, entries->items != NULL ? entries->items : none, entries->count);
}

/* What a macro runs over: elements, or keys with values. */
struct range {
    const struct cel_list *list;
    const struct cel_entry *entries;
    size_t count;
};

static bool open_range(struct cel_ctx *ctx, const struct cel_expr *e, struct range *range)
{
    struct cel_value v;
    *range = (struct range){0};
    if (!cel__eval(ctx, e->as.macro.range, &v)) {
        return false;
    }
    if (v.type == CEL_LIST) {
        range->list = v.as.list;
        range->count = v.as.list->count;
        return true;
    }
    if (v.type == CEL_MAP) {
        range->count = v.as.map->count;
        return cel_map_entries(ctx, v.as.map, &range->entries);
    }
    return cel_fail(ctx, "no such overload: a list or a map is wanted here, not %.*s",
                    SLICE_ARG(cel_type_name(v)));
}

/* Sets the macro's variables to the i-th element; *key is its index or key. */
static bool bind_at(struct cel_ctx *ctx, const struct cel_expr *e, const struct range *range,
                    size_t i, struct cel_value *key)
{
    struct cel_value *slots = &ctx->locals[e->as.macro.slot];
    bool two = e->as.macro.var2.len > 0;
    if (range->list != NULL) {
        *key = cel_int((int64_t)i);
        slots[two ? 1 : 0] = cel_list_at(ctx, range->list, i);
        if (two) {
            slots[0] = *key;
        }
    } else {
        *key = range->entries[i].key;
        slots[0] = *key;
        slots[1] = range->entries[i].value;
    }
    return cel_charge(ctx, 1);
}

/* all() (decisive false) and exists() (decisive true). */
static bool eval_quantifier(struct cel_ctx *ctx, const struct cel_expr *e, bool decisive,
                            struct cel_value *out)
{
    struct range range;
    struct err first = {0};
    uint32_t offset = 0;
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key;
        bool value;
        if (!bind_at(ctx, e, &range, i, &key)) {
            return false;
        }
        if (cel__eval_bool(ctx, e->as.macro.body, &value)) {
            if (value == decisive) {
                *out = cel_bool(decisive);
                return true;
            }
            continue;
        }
        if (!cel__absorbable(ctx)) {
            return false;
        }
        if (first.code == ERR_OK) {
            first = ctx->err;
            offset = ctx->error_offset;
        }
        ctx->located = false;
    }
    if (first.code != ERR_OK) {
        ctx->err = first;
        ctx->located = true;
        ctx->error_offset = offset;
        return false;
    }
    *out = cel_bool(!decisive);
    return true;
}

static bool eval_exists_one(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct range range;
    size_t hits = 0;
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key;
        bool value;
        if (!bind_at(ctx, e, &range, i, &key) || !cel__eval_bool(ctx, e->as.macro.body, &value)) {
            return false;
        }
        hits += value ? 1 : 0;
    }
    *out = cel_bool(hits == 1);
    return true;
}

/* Whether the filter, if any, lets the bound element through. */
static bool passes(struct cel_ctx *ctx, const struct cel_expr *filter, bool *pass)
{
    *pass = true;
    return filter == NULL || cel__eval_bool(ctx, filter, pass);
}

/* map(), filter(), transformList(). */
static bool eval_to_list(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    bool filtering = e->as.macro.macro == CEL_M_FILTER;
    const struct cel_expr *filter = filtering ? e->as.macro.body : e->as.macro.filter;
    struct range range;
    struct vector items = {0};
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key, value;
        bool pass;
        if (!bind_at(ctx, e, &range, i, &key) || !passes(ctx, filter, &pass)) {
            return false;
        }
        if (!pass) {
            continue;
        }
        if (filtering) {
            value = range.list != NULL ? cel_list_at(ctx, range.list, i) : key;
        } else if (!cel__eval(ctx, e->as.macro.body, &value)) {
            return false;
        }
        push(ctx, &items, value);
    }
    static const struct cel_value none[1];
    *out = cel_list_of(ctx->arena, items.items != NULL ? items.items : none, items.count);
    return true;
}

static bool add_map(struct cel_ctx *ctx, struct cel__entries *entries, struct cel_value map)
{
    const struct cel_entry *more;
    if (map.type != CEL_MAP) {
        return cel_fail(ctx, "no such overload: transformMapEntry() wants a map, not %.*s",
                        SLICE_ARG(cel_type_name(map)));
    }
    if (!cel_map_entries(ctx, map.as.map, &more)) {
        return false;
    }
    for (size_t i = 0; i < map.as.map->count; i++) {
        if (!cel__add_entry(ctx, entries, more[i].key, more[i].value)) {
            return false;
        }
    }
    return true;
}

/* transformMap(), transformMapEntry(). */
static bool eval_to_map(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct range range;
    struct cel__entries entries = {0};
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key, value;
        bool pass;
        if (!bind_at(ctx, e, &range, i, &key) || !passes(ctx, e->as.macro.filter, &pass)) {
            return false;
        }
        if (!pass) {
            continue;
        }
        if (!cel__eval(ctx, e->as.macro.body, &value)) {
            return false;
        }
        bool ok = e->as.macro.macro == CEL_M_TRANSFORM_MAP
                      ? cel__add_entry(ctx, &entries, key, value)
                      : add_map(ctx, &entries, value);
        if (!ok) {
            return false;
        }
    }
    *out = cel__map_of_entries(ctx, &entries);
    return true;
}

/* Merges the sorted halves of keys[from..to) and items alike: a stable sort by key. */
static bool merge_sort(struct cel_ctx *ctx, struct cel_entry *all, struct cel_entry *spare,
                       size_t from, size_t to)
{
    if (to - from < 2) {
        return true;
    }
    size_t middle = from + (to - from) / 2;
    if (!merge_sort(ctx, all, spare, from, middle) || !merge_sort(ctx, all, spare, middle, to)) {
        return false;
    }
    size_t left = from;
    size_t right = middle;
    for (size_t n = from; n < to; n++) {
        int order = -1;
        bool ordered;
        if (left < middle && right < to &&
            (!cel_charge(ctx, 1) ||
             !cel_compare(ctx, all[left].key, all[right].key, &order, &ordered))) {
            return false;
        }
        bool take_left = right >= to || (left < middle && order <= 0);
        spare[n] = take_left ? all[left++] : all[right++];
    }
    memcpy(all + from, spare + from, (to - from) * sizeof *all);
    return true;
}

static bool eval_sort_by(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct range range;
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    if (!cel_charge(ctx, range.count)) {
        return false;
    }
    struct cel_entry *all = arena_alloc(ctx->arena, (range.count + 1) * sizeof *all);
    struct cel_entry *spare = arena_alloc(ctx->arena, (range.count + 1) * sizeof *all);
    struct cel_value *items = arena_alloc(ctx->arena, (range.count + 1) * sizeof *items);
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key;
        if (!bind_at(ctx, e, &range, i, &key) || !cel__eval(ctx, e->as.macro.body, &all[i].key)) {
            return false;
        }
        all[i].value = range.list != NULL ? cel_list_at(ctx, range.list, i) : key;
    }
    if (!merge_sort(ctx, all, spare, 0, range.count)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        items[i] = all[i].value;
    }
    *out = cel_list_of(ctx->arena, items, range.count);
    return true;
}

/* optMap(), optFlatMap(), cel.bind(): one variable, at most one evaluation. */
static bool eval_bind(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value v;
    if (!cel__eval(ctx, e->as.macro.range, &v)) {
        return false;
    }
    if (e->as.macro.macro != CEL_M_BIND) {
        if (v.type != CEL_OPTIONAL) {
            return cel_fail(ctx, "no such overload: an optional is wanted here, not %.*s",
                            SLICE_ARG(cel_type_name(v)));
        }
        if (v.as.inner == NULL) {
            *out = v;
            return true;
        }
        v = *v.as.inner;
    }
    ctx->locals[e->as.macro.slot] = v;
    if (!cel__eval(ctx, e->as.macro.body, out)) {
        return false;
    }
    if (e->as.macro.macro == CEL_M_OPT_MAP) {
        struct cel_value inner = *out;
        *out = cel_optional(ctx->arena, &inner);
    }
    return true;
}

bool cel__eval_macro(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    switch (e->as.macro.macro) {
    case CEL_M_ALL:
        return eval_quantifier(ctx, e, false, out);
    case CEL_M_EXISTS:
        return eval_quantifier(ctx, e, true, out);
    case CEL_M_EXISTS_ONE:
        return eval_exists_one(ctx, e, out);
    case CEL_M_MAP:
    case CEL_M_FILTER:
    case CEL_M_TRANSFORM_LIST:
        return eval_to_list(ctx, e, out);
    case CEL_M_TRANSFORM_MAP:
    case CEL_M_TRANSFORM_MAP_ENTRY:
        return eval_to_map(ctx, e, out);
    case CEL_M_SORT_BY:
        return eval_sort_by(ctx, e, out);
    case CEL_M_OPT_MAP:
    case CEL_M_OPT_FLAT_MAP:
    case CEL_M_BIND:
    default:
        return eval_bind(ctx, e, out);
    }
}
