/* fn_convert.c: size(), type() and the conversions between types.
 *
 * A conversion that would lose a value is an error: out of range, NaN, invalid UTF-8, malformed
 * text. */
#include "render/cel/functions.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "render/cel/time.h"

CEL_FN(cel_fn_size)
{
    struct cel_value v = args[0];
    if (v.type == CEL_STRING) {
        *out = cel_int((int64_t)cel_utf8_count(v.as.text));
        return cel_charge_bytes(ctx, v.as.text.len);
    }
    if (v.type == CEL_BYTES) {
        *out = cel_int((int64_t)v.as.text.len);
        return true;
    }
    if (v.type == CEL_LIST || v.type == CEL_MAP) {
        *out = cel_int((int64_t)(v.type == CEL_LIST ? v.as.list->count : v.as.map->count));
        return true;
    }
    return cel_no_overload(ctx, "size", args, count);
}

CEL_FN(cel_fn_type)
{
    (void)ctx;
    (void)count;
    *out = cel_type_value(cel_type_name(args[0]));
    return true;
}

CEL_FN(cel_fn_dyn)
{
    (void)ctx;
    (void)count;
    *out = args[0];
    return true;
}

/* A conversion reads the whole of a text. */
static bool charge_text(struct cel_ctx *ctx, struct cel_value v)
{
    return (v.type != CEL_STRING && v.type != CEL_BYTES) || cel_charge(ctx, v.as.text.len / 16);
}

CEL_FN(cel_fn_bool)
{
    static const char *const yes[] = {"true", "True", "TRUE", "t", "1"};
    static const char *const no[] = {"false", "False", "FALSE", "f", "0"};
    if (args[0].type == CEL_BOOL) {
        *out = args[0];
        return true;
    }
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "bool", args, count);
    }
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (slice_eq_cstr(args[0].as.text, yes[i]) || slice_eq_cstr(args[0].as.text, no[i])) {
            *out = cel_bool(slice_eq_cstr(args[0].as.text, yes[i]));
            return true;
        }
    }
    return cel_fail(ctx, "type conversion error: not a bool");
}

CEL_FN(cel_fn_int)
{
    struct cel_value v = args[0];
    int64_t i;
    if (!charge_text(ctx, v)) {
        return false;
    }
    switch ((int)v.type) {
    case CEL_INT:
        *out = v;
        return true;
    case CEL_UINT:
        *out = cel_int((int64_t)v.as.natural);
        return v.as.natural <= INT64_MAX || cel_fail(ctx, "integer range: too large for an int");
    case CEL_DOUBLE:
        if (!(v.as.real > -9223372036854775808.0 && v.as.real < 9223372036854775808.0)) {
            return cel_fail(ctx, "integer range: the double is no int");
        }
        *out = cel_int((int64_t)v.as.real);
        return true;
    case CEL_STRING:
        if (!slice_i64(v.as.text, &i)) {
            return cel_fail(ctx, "type conversion error: not an int");
        }
        *out = cel_int(i);
        return true;
    case CEL_TIMESTAMP:
        *out = cel_int(v.as.time.seconds);
        return true;
    default:
        return cel_no_overload(ctx, "int", args, count);
    }
}

CEL_FN(cel_fn_uint)
{
    struct cel_value v = args[0];
    uint64_t u;
    if (!charge_text(ctx, v)) {
        return false;
    }
    switch ((int)v.type) {
    case CEL_UINT:
        *out = v;
        return true;
    case CEL_INT:
        *out = cel_uint((uint64_t)v.as.integer);
        return v.as.integer >= 0 || cel_fail(ctx, "unsigned integer range: negative");
    case CEL_DOUBLE:
        if (!(v.as.real >= 0 && v.as.real < 18446744073709551616.0)) {
            return cel_fail(ctx, "unsigned integer range: the double is no uint");
        }
        *out = cel_uint((uint64_t)v.as.real);
        return true;
    case CEL_STRING:
        if (!slice_u64(v.as.text, &u)) {
            return cel_fail(ctx, "type conversion error: not a uint");
        }
        *out = cel_uint(u);
        return true;
    default:
        return cel_no_overload(ctx, "uint", args, count);
    }
}

static bool double_of_text(struct cel_ctx *ctx, struct slice text, struct cel_value *out)
{
    char *copy = arena_cstr(ctx->arena, text);
    char *end;
    double d = strtod(copy, &end);
    /* strtod() also takes white space before and hexadecimal; CEL takes neither. */
    bool strange = text.len == 0 || copy[0] == ' ' || copy[0] == '\t' || copy[0] == '\n' ||
                   slice_find(text, SLICE("x")) != SIZE_MAX ||
                   slice_find(text, SLICE("X")) != SIZE_MAX;
    *out = cel_double(d);
    return (!strange && *end == '\0' && (size_t)(end - copy) == text.len) ||
           cel_fail(ctx, "type conversion error: not a double");
}

CEL_FN(cel_fn_double)
{
    struct cel_value v = args[0];
    if (!charge_text(ctx, v)) {
        return false;
    }
    switch ((int)v.type) {
    case CEL_DOUBLE:
        *out = v;
        return true;
    case CEL_INT:
        *out = cel_double((double)v.as.integer);
        return true;
    case CEL_UINT:
        *out = cel_double((double)v.as.natural);
        return true;
    case CEL_STRING:
        return double_of_text(ctx, v.as.text, out);
    default:
        return cel_no_overload(ctx, "double", args, count);
    }
}

/* The shortest decimal that reads back as d. */
static struct slice double_text(struct arena *arena, double d)
{
    if (isnan(d)) {
        return SLICE("NaN");
    }
    if (isinf(d)) {
        return d > 0 ? SLICE("+Inf") : SLICE("-Inf");
    }
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d) {
            break;
        }
    }
    return arena_copy(arena, slice_of(text));
}

static struct slice formatted(struct arena *arena, struct cel_value v)
{
    struct buf text = {0};
    if (v.type == CEL_TIMESTAMP) {
        cel_time_format(v.as.time, &text);
    } else {
        cel_duration_format(v.as.time, &text);
    }
    struct slice copy = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

CEL_FN(cel_fn_string)
{
    struct cel_value v = args[0];
    switch ((int)v.type) {
    case CEL_STRING:
        *out = v;
        return true;
    case CEL_BOOL:
        *out = cel_string(v.as.boolean ? SLICE("true") : SLICE("false"));
        return true;
    case CEL_INT:
        *out = cel_string(slice_of(arena_printf(ctx->arena, "%lld", (long long)v.as.integer)));
        return true;
    case CEL_UINT:
        *out = cel_string(
            slice_of(arena_printf(ctx->arena, "%llu", (unsigned long long)v.as.natural)));
        return true;
    case CEL_DOUBLE:
        *out = cel_string(double_text(ctx->arena, v.as.real));
        return true;
    case CEL_BYTES:
        *out = cel_string(v.as.text);
        return charge_text(ctx, v) &&
               (slice_utf8(v.as.text) == v.as.text.len || cel_fail(ctx, "invalid UTF-8 in bytes"));
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        *out = cel_string(formatted(ctx->arena, v));
        return true;
    default:
        return cel_no_overload(ctx, "string", args, count);
    }
}

CEL_FN(cel_fn_bytes)
{
    if (args[0].type != CEL_STRING && args[0].type != CEL_BYTES) {
        return cel_no_overload(ctx, "bytes", args, count);
    }
    *out = cel_bytes(args[0].as.text);
    return true;
}

CEL_FN(cel_fn_timestamp)
{
    struct cel_value v = args[0];
    out->type = CEL_TIMESTAMP;
    if (v.type == CEL_TIMESTAMP) {
        *out = v;
        return true;
    }
    if (v.type == CEL_INT) {
        out->as.time = (struct cel_time){v.as.integer, 0};
        return cel_time_valid(out->as.time) || cel_fail(ctx, "timestamp out of range");
    }
    if (v.type != CEL_STRING) {
        return cel_no_overload(ctx, "timestamp", args, count);
    }
    return charge_text(ctx, v) &&
           (cel_time_parse(v.as.text, &out->as.time) ||
            cel_fail(ctx, "invalid or out of range timestamp (RFC 3339 is wanted)"));
}

CEL_FN(cel_fn_duration)
{
    struct cel_value v = args[0];
    out->type = CEL_DURATION;
    if (v.type == CEL_DURATION) {
        *out = v;
        return true;
    }
    if (v.type == CEL_INT) {
        out->as.time = (struct cel_time){v.as.integer, 0};
        return cel_duration_valid(out->as.time) || cel_fail(ctx, "duration out of range");
    }
    if (v.type != CEL_STRING) {
        return cel_no_overload(ctx, "duration", args, count);
    }
    return charge_text(ctx, v) &&
           (cel_duration_parse(v.as.text, &out->as.time) ||
            cel_fail(ctx, "invalid or out of range duration (like '1h30m' is wanted)"));
}
