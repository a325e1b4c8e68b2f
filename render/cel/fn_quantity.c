/* fn_quantity.c: Kubernetes' quantities ("500Mi", "1.5") as values that rules compare and add.
 * Counted in thousand-millionths, which is as small as a quantity may be; sums stay within what one
 * may hold. */
#include "render/cel/kubernetes.h"

#include "proto/schema.h"

struct quantity {
    struct cel_opaque opaque;
    schema_nano nano;
};

static const schema_nano whole = 1000 * 1000 * 1000;

static schema_nano nano_of(const struct cel_opaque *value)
{
    return ((const struct quantity *)value)->nano;
}

int cel_quantity_compare(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return nano_of(a) < nano_of(b) ? -1 : nano_of(a) > nano_of(b);
}

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return cel_quantity_compare(a, b) == 0;
}

const struct cel_opaque_type cel_quantity_type = {{"kubernetes.Quantity", 19}, same};

static struct cel_value value_of(struct cel_ctx *ctx, schema_nano nano)
{
    struct quantity *q = ARENA_NEW(ctx->arena, struct quantity);
    q->opaque.type = &cel_quantity_type;
    q->nano = nano;
    return cel_opaque(&q->opaque);
}

CEL_FN(cel_fn_quantity)
{
    schema_nano nano = 0;
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "quantity", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    if (!schema_quantity(args[0].as.text, &nano)) {
        return cel_fail(ctx, "quantity(\"%.*s\"): it is no quantity, like \"500Mi\" or \"1.5\"",
                        SLICE_ARG(slice_sub(args[0].as.text, 0, 100)));
    }
    *out = value_of(ctx, nano);
    return true;
}

CEL_FN(cel_fn_is_quantity)
{
    schema_nano nano = 0;
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "isQuantity", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    *out = cel_bool(schema_quantity(args[0].as.text, &nano));
    return true;
}

static bool is_integer(schema_nano nano)
{
    return nano % whole == 0 && nano / whole <= INT64_MAX && nano / whole >= INT64_MIN;
}

CEL_FN(cel_fn_quantity_is_integer)
{
    if (!cel_is_opaque(args[0], &cel_quantity_type)) {
        return cel_no_overload(ctx, "isInteger", args, count);
    }
    *out = cel_bool(is_integer(nano_of(args[0].as.opaque)));
    return true;
}

CEL_FN(cel_fn_quantity_as_integer)
{
    if (!cel_is_opaque(args[0], &cel_quantity_type)) {
        return cel_no_overload(ctx, "asInteger", args, count);
    }
    schema_nano nano = nano_of(args[0].as.opaque);
    if (!is_integer(nano)) {
        return cel_fail(ctx, "asInteger(): the quantity is no integer");
    }
    *out = cel_int((int64_t)(nano / whole));
    return true;
}

CEL_FN(cel_fn_quantity_as_float)
{
    if (!cel_is_opaque(args[0], &cel_quantity_type)) {
        return cel_no_overload(ctx, "asApproximateFloat", args, count);
    }
    *out = cel_double((double)nano_of(args[0].as.opaque) / (double)whole);
    return true;
}

CEL_FN(cel_fn_quantity_sign)
{
    if (!cel_is_opaque(args[0], &cel_quantity_type)) {
        return cel_no_overload(ctx, "sign", args, count);
    }
    schema_nano nano = nano_of(args[0].as.opaque);
    *out = cel_int(nano < 0 ? -1 : nano > 0);
    return true;
}

/* q.add(q), q.add(int). */
static bool add(struct cel_ctx *ctx, const char *name, const struct cel_value *args, int sign,
                struct cel_value *out)
{
    bool integer = args[1].type == CEL_INT;
    if (!cel_is_opaque(args[0], &cel_quantity_type) ||
        (!integer && !cel_is_opaque(args[1], &cel_quantity_type))) {
        return cel_no_overload(ctx, name, args, 2);
    }
    const schema_nano limit = (schema_nano)INT64_MAX * whole;
    schema_nano other = integer ? args[1].as.integer * whole : nano_of(args[1].as.opaque);
    schema_nano sum = nano_of(args[0].as.opaque) + sign * other;
    *out = value_of(ctx, sum > limit ? limit : sum < -limit ? -limit : sum);
    return true;
}

CEL_FN(cel_fn_quantity_add)
{
    (void)count;
    return add(ctx, "add", args, 1, out);
}

CEL_FN(cel_fn_quantity_sub)
{
    (void)count;
    return add(ctx, "sub", args, -1, out);
}
