/* yaml_scalar.c: plain scalars by YAML 1.2's core schema.
 *
 * Anything that is no null, boolean or number is a string: so yes, on and 1:20 are strings, as
 * they are to every reader of YAML 1.2. Numbers without a JSON form are refused, not bent. One
 * thing is YAML 1.1's: 0755 is octal, since so kubectl reads the modes of files in manifests. */
#include "base/yaml_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool one_of(struct slice s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_eq_cstr(s, *words)) {
            return true;
        }
    }
    return false;
}

static size_t count_digits(struct slice s, size_t from)
{
    size_t n = 0;
    while (from + n < s.len && s.data[from + n] >= '0' && s.data[from + n] <= '9') {
        n++;
    }
    return n;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool looks_real(struct slice s)
{
    size_t at = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+') ? 1 : 0;
    size_t whole = count_digits(s, at);
    size_t part = 0;
    at += whole;
    if (at < s.len && s.data[at] == '.') {
        part = count_digits(s, at + 1);
        at += 1 + part;
    }
    if (whole + part == 0) {
        return false;
    }
    if (at < s.len && (s.data[at] == 'e' || s.data[at] == 'E')) {
        at++;
        at += at < s.len && (s.data[at] == '-' || s.data[at] == '+') ? 1 : 0;
        size_t exponent = count_digits(s, at);
        at += exponent;
        if (exponent == 0) {
            return false;
        }
    }
    return at == s.len;
}

/* Octal digits behind a 0 that is not all. */
static bool looks_octal(struct slice s)
{
    bool good = s.len > 1 && s.data[0] == '0';
    for (size_t i = 1; good && i < s.len; i++) {
        good = s.data[i] >= '0' && s.data[i] <= '7';
    }
    return good;
}

/* Core schema integers: decimal, 0o17, 0x1F; and 017. False if it is none; *fits tells of overflow.
 */
static bool looks_integer(struct slice s, json_int_t *value, bool *fits)
{
    size_t sign = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+') ? 1 : 0;
    int64_t v = 0;
    *fits = true;
    if (s.len > sign && count_digits(s, sign) == s.len - sign && !looks_octal(s)) {
        *fits = slice_i64(s.data[0] == '+' ? slice_sub(s, 1, SIZE_MAX) : s, &v);
        *value = v;
        return true;
    }
    int base = slice_starts_with(s, SLICE("0o")) || looks_octal(s) ? 8
               : slice_starts_with(s, SLICE("0x"))                 ? 16
                                                                   : 0;
    size_t from = looks_octal(s) ? 1 : 2;
    static const char digits[] = "0123456789abcdefABCDEF";
    if (base == 0 || s.len == from) {
        return false;
    }
    for (size_t i = from; i < s.len; i++) {
        const char *digit = s.data[i] != '\0' ? strchr(digits, s.data[i]) : NULL;
        int d = digit == NULL ? base : (int)(digit - digits) - (digit - digits > 15 ? 6 : 0);
        if (d >= base) {
            return false;
        }
        *fits = *fits && !__builtin_mul_overflow(v, base, &v) && !__builtin_add_overflow(v, d, &v);
    }
    *value = v;
    return true;
}

static bool real_of(struct slice s, double *real)
{
    struct buf text = {0};
    buf_add(&text, s);
    *real = strtod(buf_cstr(&text), NULL);
    buf_free(&text);
    return isfinite(*real);
}

const char *yaml__resolve(struct slice s, json_t **value)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const no_numbers[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
                                             ".INF",  "-.inf", "-.Inf", "-.INF", "+.inf",
                                             "+.Inf", "+.INF", NULL};
    json_int_t integer;
    double real;
    bool fits;
    *value = NULL;
    if (one_of(s, nulls)) {
        *value = json_null();
    } else if (one_of(s, trues)) {
        *value = json_true();
    } else if (one_of(s, falses)) {
        *value = json_false();
    } else if (one_of(s, no_numbers)) {
        return "has no JSON form";
    } else if (looks_integer(s, &integer, &fits)) {
        *value = fits ? json_integer(integer) : NULL;
        return fits ? NULL : "is too large for an integer";
    } else if (looks_real(s)) {
        *value = real_of(s, &real) ? json_real(real) : NULL;
        return *value != NULL ? NULL : "is too large for a number";
    } else {
        *value = json_str(s);
    }
    return NULL;
}
