/* fn_list.c: the lists and sets extensions. Everything that visits elements is charged for them,
 * before it takes memory for them. */
#include "render/cel/functions.h"

#include <stdlib.h>

enum { RANGE_MAX = 10000, FLATTEN_DEPTH_MAX = 32 };

static bool contains(struct cel_ctx *ctx, const struct cel_value *items, size_t count,
                     struct cel_value v, bool *found)
{
    *found = false;
    for (size_t i = 0; i < count && !*found; i++) {
        if (!cel_equal(ctx, items[i], v, found)) {
            return false;
        }
    }
    return true;
}

/* Memory for so many elements; NULL if they cost too much. */
static struct cel_value *room_for(struct cel_ctx *ctx, size_t count)
{
    return cel_charge(ctx, count) ? arena_alloc(ctx->arena, (count + 1) * sizeof(struct cel_value))
                                  : NULL;
}

/* The elements of a list as an array; NULL if they cost too much. */
static const struct cel_value *items_of(struct cel_ctx *ctx, const struct cel_list *list)
{
    if (list->items != NULL) {
        return list->items;
    }
    struct cel_value *items = room_for(ctx, list->count);
    for (size_t i = 0; items != NULL && i < list->count; i++) {
        items[i] = cel_list_at(ctx, list, i);
    }
    return items;
}

CEL_FN(cel_fn_distinct)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "distinct", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    struct cel_value *items = room_for(ctx, list->count);
    size_t n = 0;
    for (size_t i = 0; items != NULL && i < list->count; i++) {
        bool found;
        items[n] = cel_list_at(ctx, list, i);
        if (!contains(ctx, items, n, items[n], &found)) {
            return false;
        }
        n += found ? 0 : 1;
    }
    *out = cel_list_of(ctx->arena, items, n);
    return items != NULL;
}

struct flat {
    struct cel_value *items; /* NULL while counting */
    size_t count;
};

static bool flatten(struct cel_ctx *ctx, const struct cel_list *list, int64_t depth,
                    struct flat *flat)
{
    for (size_t i = 0; i < list->count; i++) {
        struct cel_value v = cel_list_at(ctx, list, i);
        if (!cel_charge(ctx, 1)) {
            return false;
        }
        if (v.type == CEL_LIST && depth > 0) {
            if (!flatten(ctx, v.as.list, depth - 1, flat)) {
                return false;
            }
            continue;
        }
        if (flat->items != NULL) {
            flat->items[flat->count] = v;
        }
        flat->count++;
    }
    return true;
}

CEL_FN(cel_fn_flatten)
{
    if (args[0].type != CEL_LIST || (count == 2 && args[1].type != CEL_INT)) {
        return cel_no_overload(ctx, "flatten", args, count);
    }
    int64_t depth = count == 2 ? args[1].as.integer : 1;
    if (depth < 0) {
        return cel_fail(ctx, "flatten() to a negative depth");
    }
    depth = depth > FLATTEN_DEPTH_MAX ? FLATTEN_DEPTH_MAX : depth;
    struct flat flat = {0};
    if (!flatten(ctx, args[0].as.list, depth, &flat)) {
        return false;
    }
    flat.items = arena_alloc(ctx->arena, (flat.count + 1) * sizeof *flat.items);
    flat.count = 0;
    if (!flatten(ctx, args[0].as.list, depth, &flat)) {
        return false;
    }
    *out = cel_list_of(ctx->arena, flat.items, flat.count);
    return true;
}

CEL_FN(cel_fn_slice)
{
    if (args[0].type != CEL_LIST || args[1].type != CEL_INT || args[2].type != CEL_INT) {
        return cel_no_overload(ctx, "slice", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    int64_t from = args[1].as.integer;
    int64_t to = args[2].as.integer;
    if (from < 0 || to < from || (uint64_t)to > list->count) {
        return cel_fail(ctx, "slice(%lld, %lld) of a list of %zu", (long long)from, (long long)to,
                        list->count);
    }
    size_t n = (size_t)(to - from);
    struct cel_value *items = room_for(ctx, n);
    for (size_t i = 0; items != NULL && i < n; i++) {
        items[i] = cel_list_at(ctx, list, (size_t)from + i);
    }
    *out = cel_list_of(ctx->arena, items, n);
    return items != NULL;
}

/* Sorted by binary insertion: comparisons can fail, which qsort() has no way to say. */
CEL_FN(cel_fn_sort)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "sort", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    struct cel_value *items = room_for(ctx, list->count);
    for (size_t i = 0; items != NULL && i < list->count; i++) {
        struct cel_value v = cel_list_at(ctx, list, i);
        size_t low = 0;
        size_t high = i;
        while (low < high) {
            size_t middle = (low + high) / 2;
            int order;
            bool ordered;
            if (!cel_compare(ctx, v, items[middle], &order, &ordered)) {
                return false;
            }
            if (order < 0) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (!cel_charge(ctx, (i - low) / 16)) {
            return false;
        }
        for (size_t k = i; k > low; k--) {
            items[k] = items[k - 1];
        }
        items[low] = v;
    }
    *out = cel_list_of(ctx->arena, items, list->count);
    return items != NULL;
}

CEL_FN(cel_fn_first)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "first", args, count);
    }
    struct cel_value v;
    bool some = args[0].as.list->count > 0;
    if (some) {
        v = cel_list_at(ctx, args[0].as.list, 0);
    }
    *out = cel_optional(ctx->arena, some ? &v : NULL);
    return true;
}

CEL_FN(cel_fn_last)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "last", args, count);
    }
    struct cel_value v;
    bool some = args[0].as.list->count > 0;
    if (some) {
        v = cel_list_at(ctx, args[0].as.list, args[0].as.list->count - 1);
    }
    *out = cel_optional(ctx->arena, some ? &v : NULL);
    return true;
}

CEL_FN(cel_fn_range)
{
    if (args[0].type != CEL_INT) {
        return cel_no_overload(ctx, "lists.range", args, count);
    }
    int64_t n = args[0].as.integer < 0 ? 0 : args[0].as.integer;
    if (n > RANGE_MAX) {
        return cel_fail(ctx, "lists.range(): at most %d", RANGE_MAX);
    }
    struct cel_value *items = room_for(ctx, (size_t)n);
    for (int64_t i = 0; items != NULL && i < n; i++) {
        items[i] = cel_int(i);
    }
    *out = cel_list_of(ctx->arena, items, (size_t)n);
    return items != NULL;
}

/* How many elements of a are in b; *hits == count of a means all. */
static bool overlap(struct cel_ctx *ctx, const struct cel_list *a, const struct cel_list *b,
                    size_t *hits)
{
    const struct cel_value *items = items_of(ctx, b);
    *hits = 0;
    for (size_t i = 0; items != NULL && i < a->count; i++) {
        bool found;
        if (!contains(ctx, items, b->count, cel_list_at(ctx, a, i), &found)) {
            return false;
        }
        *hits += found ? 1 : 0;
    }
    return items != NULL;
}

static bool two_lists(struct cel_ctx *ctx, const char *name, const struct cel_value *args,
                      size_t count)
{
    return (args[0].type == CEL_LIST && args[1].type == CEL_LIST) ||
           cel_no_overload(ctx, name, args, count);
}

CEL_FN(cel_fn_set_contains)
{
    size_t hits;
    if (!two_lists(ctx, "sets.contains", args, count) ||
        !overlap(ctx, args[1].as.list, args[0].as.list, &hits)) {
        return false;
    }
    *out = cel_bool(hits == args[1].as.list->count);
    return true;
}

CEL_FN(cel_fn_set_equivalent)
{
    size_t left, right;
    if (!two_lists(ctx, "sets.equivalent", args, count) ||
        !overlap(ctx, args[1].as.list, args[0].as.list, &right) ||
        !overlap(ctx, args[0].as.list, args[1].as.list, &left)) {
        return false;
    }
    *out = cel_bool(left == args[0].as.list->count && right == args[1].as.list->count);
    return true;
}

CEL_FN(cel_fn_set_intersects)
{
    size_t hits;
    if (!two_lists(ctx, "sets.intersects", args, count) ||
        !overlap(ctx, args[0].as.list, args[1].as.list, &hits)) {
        return false;
    }
    *out = cel_bool(hits > 0);
    return true;
}
