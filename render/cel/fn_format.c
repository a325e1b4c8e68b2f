/* fn_format.c: "...".format([...]): %s %d %f %e %b %o %x %X %%, with precision for %f and %e. */
#include "render/cel/functions.h"

#include <math.h>
#include <stdio.h>

#include "base/crypto.h"

enum { PRECISION_MAX = 100 };

static bool format_value(struct cel_ctx *ctx, struct cel_value v, struct buf *out);

static bool format_list(struct cel_ctx *ctx, const struct cel_list *list, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            buf_add_cstr(out, ", ");
        }
        if (!format_value(ctx, cel_list_at(ctx, list, i), out)) {
            return false;
        }
    }
    buf_add_char(out, ']');
    return true;
}

/* In the order of the keys' texts, as the extension wants. */
static bool format_map(struct cel_ctx *ctx, const struct cel_map *map, struct buf *out)
{
    const struct cel_entry *entries;
    if (!cel_map_entries(ctx, map, &entries)) {
        return false;
    }
    buf_add_char(out, '{');
    for (size_t i = 0; i < map->count; i++) {
        if (i > 0) {
            buf_add_cstr(out, ", ");
        }
        if (!format_value(ctx, entries[i].key, out)) {
            return false;
        }
        buf_add_cstr(out, ": ");
        if (!format_value(ctx, entries[i].value, out)) {
            return false;
        }
    }
    buf_add_char(out, '}');
    return true;
}

/* %s of anything. */
static bool format_value(struct cel_ctx *ctx, struct cel_value v, struct buf *out)
{
    struct cel_value text;
    if (!cel_charge(ctx, 1)) {
        return false;
    }
    switch ((int)v.type) {
    case CEL_NULL:
        buf_add_cstr(out, "null");
        return true;
    case CEL_TYPE:
        buf_add(out, v.as.text);
        return true;
    case CEL_LIST:
        return format_list(ctx, v.as.list, out);
    case CEL_MAP:
        return format_map(ctx, v.as.map, out);
    case CEL_DOUBLE:
        if (isinf(v.as.real)) {
            buf_add_cstr(out, v.as.real > 0 ? "Infinity" : "-Infinity");
            return true;
        }
        break;
    default:
        break;
    }
    if (v.type >= CEL_OPTIONAL) {
        return cel_fail(ctx, "format(): %%s does not show a value of type %.*s",
                        SLICE_ARG(cel_type_name(v)));
    }
    if (!cel_fn_string(ctx, &v, 1, &text)) {
        return false;
    }
    buf_add(out, text.as.text);
    return cel_charge(ctx, text.as.text.len / 16); /* nested ones repeat */
}

static void add_base(struct buf *out, uint64_t v, unsigned base, bool upper)
{
    char digits[65];
    size_t n = sizeof digits;
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
        digits[--n] = alphabet[v % base];
        v /= base;
    } while (v > 0);
    buf_add(out, slice_make(digits + n, sizeof digits - n));
}

static bool format_integer(struct cel_ctx *ctx, char verb, struct cel_value v, struct buf *out)
{
    unsigned base = verb == 'd' ? 10 : verb == 'o' ? 8 : verb == 'b' ? 2 : 16;
    if (v.type == CEL_BOOL && verb == 'b') {
        buf_add_char(out, v.as.boolean ? '1' : '0');
    } else if (v.type == CEL_INT && v.as.integer < 0) {
        buf_add_char(out, '-');
        add_base(out, 0 - (uint64_t)v.as.integer, base, verb == 'X');
    } else if (v.type == CEL_INT || v.type == CEL_UINT) {
        add_base(out, v.type == CEL_INT ? (uint64_t)v.as.integer : v.as.natural, base, verb == 'X');
    } else if ((v.type == CEL_STRING || v.type == CEL_BYTES) && base == 16) {
        struct buf hex = {0};
        hex_encode(&hex, v.as.text);
        for (size_t i = 0; i < hex.len; i++) {
            bool letter = hex.data[i] >= 'a';
            buf_add_char(out, (char)(verb == 'X' && letter ? hex.data[i] - 32 : hex.data[i]));
        }
        buf_free(&hex);
    } else {
        return cel_fail(ctx, "format(): %%%c does not show a value of type %.*s", verb,
                        SLICE_ARG(cel_type_name(v)));
    }
    return true;
}

static bool format_real(struct cel_ctx *ctx, char verb, int precision, struct cel_value v,
                        struct buf *out)
{
    double d;
    if (v.type == CEL_DOUBLE) {
        d = v.as.real;
    } else if (v.type == CEL_INT) {
        d = (double)v.as.integer;
    } else if (v.type == CEL_UINT) {
        d = (double)v.as.natural;
    } else {
        return cel_fail(ctx, "format(): %%%c does not show a value of type %.*s", verb,
                        SLICE_ARG(cel_type_name(v)));
    }
    if (!isfinite(d)) {
        buf_add_cstr(out, isnan(d) ? "NaN" : d > 0 ? "Infinity" : "-Infinity");
    } else if (verb == 'f') {
        buf_addf(out, "%.*f", precision, d);
    } else {
        buf_addf(out, "%.*e", precision, d);
    }
    return true;
}

/* The precision of "%.3f" at pattern[*at], 6 if none. */
static bool read_precision(struct slice pattern, size_t *at, int *precision)
{
    *precision = 6;
    if (*at >= pattern.len || pattern.data[*at] != '.') {
        return true;
    }
    *precision = 0;
    for ((*at)++; *at < pattern.len && pattern.data[*at] >= '0' && pattern.data[*at] <= '9';
         (*at)++) {
        *precision = *precision * 10 + (pattern.data[*at] - '0');
        if (*precision > PRECISION_MAX) {
            return false;
        }
    }
    return true;
}

static bool format_one(struct cel_ctx *ctx, char verb, int precision, struct cel_value v,
                       struct buf *out)
{
    switch (verb) {
    case 's':
        return format_value(ctx, v, out);
    case 'd':
        if (v.type == CEL_DOUBLE) {
            return format_value(ctx, v, out);
        }
        return format_integer(ctx, verb, v, out);
    case 'b':
    case 'o':
    case 'x':
    case 'X':
        return format_integer(ctx, verb, v, out);
    case 'f':
    case 'e':
        return format_real(ctx, verb, precision, v, out);
    default:
        return cel_fail(ctx, "format(): unknown verb %%%c", verb);
    }
}

static bool format_all(struct cel_ctx *ctx, struct slice pattern, const struct cel_list *list,
                       struct buf *out)
{
    size_t next = 0;
    for (size_t at = 0; at < pattern.len;) {
        int precision;
        if (pattern.data[at] != '%') {
            buf_add_char(out, pattern.data[at++]);
            continue;
        }
        at++;
        if (at < pattern.len && pattern.data[at] == '%') {
            buf_add_char(out, pattern.data[at++]);
            continue;
        }
        if (!read_precision(pattern, &at, &precision) || at >= pattern.len) {
            return cel_fail(ctx, "format(): malformed verb");
        }
        if (next >= list->count) {
            return cel_fail(ctx, "format(): index %zu out of range", next);
        }
        size_t before = out->len;
        if (!format_one(ctx, pattern.data[at++], precision, cel_list_at(ctx, list, next++), out) ||
            !cel_charge_bytes(ctx, out->len - before)) {
            return false;
        }
    }
    return true;
}

CEL_FN(cel_fn_format)
{
    if (args[0].type != CEL_STRING || args[1].type != CEL_LIST) {
        return cel_no_overload(ctx, "format", args, count);
    }
    struct buf text = {0};
    bool ok = cel_charge_bytes(ctx, args[0].as.text.len) &&
              format_all(ctx, args[0].as.text, args[1].as.list, &text);
    *out = cel_string(arena_copy(ctx->arena, buf_slice(&text)));
    buf_free(&text);
    return ok;
}
