/* fn_math.c: the math extension. Integers stay integers; overflow is an error. */
#include "render/cel/functions.h"

#include <math.h>

/* The greatest (sign 1) or least (sign -1) of the arguments, or of one list. */
static bool extreme(struct cel_ctx *ctx, const char *name, int sign, const struct cel_value *args,
                    size_t count, struct cel_value *out)
{
    const struct cel_list *list = count == 1 && args[0].type == CEL_LIST ? args[0].as.list : NULL;
    size_t n = list != NULL ? list->count : count;
    if (n == 0) {
        return cel_fail(ctx, "%s() of an empty list", name);
    }
    if (!cel_charge(ctx, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct cel_value v = list != NULL ? cel_list_at(ctx, list, i) : args[i];
        int order;
        bool ordered;
        if (!cel_is_number(v)) {
            return cel_no_overload(ctx, name, &v, 1);
        }
        if (i == 0) {
            *out = v;
        } else if (!cel_compare(ctx, v, *out, &order, &ordered)) {
            return false;
        } else if (ordered && order * sign > 0) {
            *out = v;
        }
    }
    return true;
}

CEL_FN(cel_fn_math_greatest)
{
    return extreme(ctx, "math.greatest", 1, args, count, out);
}

CEL_FN(cel_fn_math_least)
{
    return extreme(ctx, "math.least", -1, args, count, out);
}

CEL_FN(cel_fn_math_abs)
{
    struct cel_value v = args[0];
    if (v.type == CEL_INT && v.as.integer == INT64_MIN) {
        return cel_fail(ctx, "integer overflow");
    }
    if (v.type == CEL_INT) {
        *out = cel_int(v.as.integer < 0 ? -v.as.integer : v.as.integer);
    } else if (v.type == CEL_UINT) {
        *out = v;
    } else if (v.type == CEL_DOUBLE) {
        *out = cel_double(fabs(v.as.real));
    } else {
        return cel_no_overload(ctx, "math.abs", args, count);
    }
    return true;
}

CEL_FN(cel_fn_math_sign)
{
    struct cel_value v = args[0];
    if (v.type == CEL_INT) {
        *out = cel_int(v.as.integer > 0 ? 1 : v.as.integer < 0 ? -1 : 0);
    } else if (v.type == CEL_UINT) {
        *out = cel_uint(v.as.natural > 0 ? 1 : 0);
    } else if (v.type == CEL_DOUBLE) {
        double d = v.as.real;
        *out = cel_double(isnan(d) ? d : d > 0 ? 1 : d < 0 ? -1 : 0);
    } else {
        return cel_no_overload(ctx, "math.sign", args, count);
    }
    return true;
}

static bool on_double(struct cel_ctx *ctx, const char *name, double (*f)(double),
                      const struct cel_value *args, size_t count, struct cel_value *out)
{
    if (args[0].type != CEL_DOUBLE) {
        return cel_no_overload(ctx, name, args, count);
    }
    *out = cel_double(f(args[0].as.real));
    return true;
}

CEL_FN(cel_fn_math_ceil)
{
    return on_double(ctx, "math.ceil", ceil, args, count, out);
}

CEL_FN(cel_fn_math_floor)
{
    return on_double(ctx, "math.floor", floor, args, count, out);
}

CEL_FN(cel_fn_math_round)
{
    return on_double(ctx, "math.round", round, args, count, out);
}

CEL_FN(cel_fn_math_trunc)
{
    return on_double(ctx, "math.trunc", trunc, args, count, out);
}

/* Of a negative number it is NaN. */
CEL_FN(cel_fn_math_sqrt)
{
    struct cel_value v = args[0];
    if (v.type == CEL_INT) {
        *out = cel_double(sqrt((double)v.as.integer));
    } else if (v.type == CEL_UINT) {
        *out = cel_double(sqrt((double)v.as.natural));
    } else {
        return on_double(ctx, "math.sqrt", sqrt, args, count, out);
    }
    return true;
}

CEL_FN(cel_fn_math_is_nan)
{
    if (args[0].type != CEL_DOUBLE) {
        return cel_no_overload(ctx, "math.isNaN", args, count);
    }
    *out = cel_bool(isnan(args[0].as.real));
    return true;
}

CEL_FN(cel_fn_math_is_inf)
{
    if (args[0].type != CEL_DOUBLE) {
        return cel_no_overload(ctx, "math.isInf", args, count);
    }
    *out = cel_bool(isinf(args[0].as.real));
    return true;
}

CEL_FN(cel_fn_math_is_finite)
{
    if (args[0].type != CEL_DOUBLE) {
        return cel_no_overload(ctx, "math.isFinite", args, count);
    }
    *out = cel_bool(isfinite(args[0].as.real));
    return true;
}

/* The bits of an int or uint, and back. */
static uint64_t bits_of(struct cel_value v)
{
    return v.type == CEL_INT ? (uint64_t)v.as.integer : v.as.natural;
}

static struct cel_value of_bits(enum cel_type type, uint64_t bits)
{
    return type == CEL_INT ? cel_int((int64_t)bits) : cel_uint(bits);
}

static bool bitwise(struct cel_ctx *ctx, const char *name, char op, const struct cel_value *args,
                    size_t count, struct cel_value *out)
{
    if (args[0].type != args[1].type || (args[0].type != CEL_INT && args[0].type != CEL_UINT)) {
        return cel_no_overload(ctx, name, args, count);
    }
    uint64_t a = bits_of(args[0]);
    uint64_t b = bits_of(args[1]);
    *out = of_bits(args[0].type, op == '&' ? a & b : op == '|' ? a | b : a ^ b);
    return true;
}

CEL_FN(cel_fn_math_bit_and)
{
    return bitwise(ctx, "math.bitAnd", '&', args, count, out);
}

CEL_FN(cel_fn_math_bit_or)
{
    return bitwise(ctx, "math.bitOr", '|', args, count, out);
}

CEL_FN(cel_fn_math_bit_xor)
{
    return bitwise(ctx, "math.bitXor", '^', args, count, out);
}

CEL_FN(cel_fn_math_bit_not)
{
    if (args[0].type != CEL_INT && args[0].type != CEL_UINT) {
        return cel_no_overload(ctx, "math.bitNot", args, count);
    }
    *out = of_bits(args[0].type, ~bits_of(args[0]));
    return true;
}

static bool shift(struct cel_ctx *ctx, const char *name, bool left, const struct cel_value *args,
                  size_t count, struct cel_value *out)
{
    if ((args[0].type != CEL_INT && args[0].type != CEL_UINT) || args[1].type != CEL_INT) {
        return cel_no_overload(ctx, name, args, count);
    }
    int64_t by = args[1].as.integer;
    if (by < 0) {
        return cel_fail(ctx, "%s() by a negative number of bits", name);
    }
    uint64_t bits = bits_of(args[0]);
    *out = of_bits(args[0].type, by > 63 ? 0 : left ? bits << by : bits >> by);
    return true;
}

CEL_FN(cel_fn_math_bit_shift_left)
{
    return shift(ctx, "math.bitShiftLeft", true, args, count, out);
}

CEL_FN(cel_fn_math_bit_shift_right)
{
    return shift(ctx, "math.bitShiftRight", false, args, count, out);
}
