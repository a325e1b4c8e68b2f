/* fn_optional.c: optional values. */
#include "render/cel/functions.h"

CEL_FN(cel_fn_optional_of)
{
    (void)count;
    *out = cel_optional(ctx->arena, &args[0]);
    return true;
}

CEL_FN(cel_fn_optional_none)
{
    (void)args;
    (void)count;
    *out = cel_optional(ctx->arena, NULL);
    return true;
}

static bool is_zero(struct cel_value v)
{
    switch (v.type) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
        return !v.as.boolean;
    case CEL_INT:
        return v.as.integer == 0;
    case CEL_UINT:
        return v.as.natural == 0;
    case CEL_DOUBLE:
        return v.as.real == 0;
    case CEL_STRING:
    case CEL_BYTES:
        return v.as.text.len == 0;
    case CEL_LIST:
        return v.as.list->count == 0;
    case CEL_MAP:
        return v.as.map->count == 0;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return v.as.time.seconds == 0 && v.as.time.nanos == 0;
    case CEL_OPTIONAL:
        return v.as.inner == NULL;
    case CEL_TYPE:
    case CEL_OPAQUE:
    case CEL_OMIT:
    default:
        return false;
    }
}

CEL_FN(cel_fn_optional_non_zero)
{
    (void)count;
    *out = cel_optional(ctx->arena, is_zero(args[0]) ? NULL : &args[0]);
    return true;
}

CEL_FN(cel_fn_optional_has)
{
    if (args[0].type != CEL_OPTIONAL) {
        return cel_no_overload(ctx, "hasValue", args, count);
    }
    *out = cel_bool(args[0].as.inner != NULL);
    return true;
}

CEL_FN(cel_fn_optional_value)
{
    if (args[0].type != CEL_OPTIONAL) {
        return cel_no_overload(ctx, "value", args, count);
    }
    if (args[0].as.inner == NULL) {
        return cel_fail(ctx, "optional.none() dereference: the optional has no value");
    }
    *out = *args[0].as.inner;
    return true;
}

CEL_FN(cel_fn_optional_or)
{
    if (args[0].type != CEL_OPTIONAL || args[1].type != CEL_OPTIONAL) {
        return cel_no_overload(ctx, "or", args, count);
    }
    *out = args[0].as.inner != NULL ? args[0] : args[1];
    return true;
}

CEL_FN(cel_fn_optional_or_value)
{
    if (args[0].type != CEL_OPTIONAL) {
        return cel_no_overload(ctx, "orValue", args, count);
    }
    *out = args[0].as.inner != NULL ? *args[0].as.inner : args[1];
    return true;
}

CEL_FN(cel_fn_unwrap)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "unwrapOpt", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    if (!cel_charge(ctx, list->count)) {
        return false;
    }
    struct cel_value *items = arena_alloc(ctx->arena, (list->count + 1) * sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct cel_value v = cel_list_at(ctx, list, i);
        if (v.type != CEL_OPTIONAL) {
            return cel_no_overload(ctx, "unwrapOpt", args, count);
        }
        if (v.as.inner != NULL) {
            items[n++] = *v.as.inner;
        }
    }
    *out = cel_list_of(ctx->arena, items, n);
    return true;
}
