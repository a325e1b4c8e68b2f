/* Names, quantities and durations, as Kubernetes states them (declared in schema.h). */
#include <ctype.h>
#include <string.h>

#include "proto/schema.h"

enum { DNS_LABEL_MAX = 63, DNS_NAME_MAX = 253, LABEL_MAX = 63 };

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
    return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_dns_label(struct slice s)
{
    if (s.len == 0 || s.len > DNS_LABEL_MAX || !lower_alnum(s.data[0]) ||
        !lower_alnum(s.data[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!lower_alnum(s.data[i]) && s.data[i] != '-') {
            return false;
        }
    }
    return true;
}

const char *schema_dns_label(struct slice s)
{
    return is_dns_label(s) ? NULL
                           : "a lowercase RFC 1123 label must consist of at most 63 lower case "
                             "alphanumeric characters or '-', and must start and end with an "
                             "alphanumeric character (e.g. 'my-name', or '123-abc')";
}

const char *schema_dns_1035(struct slice s)
{
    return is_dns_label(s) && isalpha((unsigned char)s.data[0])
               ? NULL
               : "a DNS-1035 label must consist of at most 63 lower case alphanumeric characters "
                 "or '-', start with an alphabetic character, and end with an alphanumeric "
                 "character (e.g. 'my-name', or 'abc-123')";
}

const char *schema_dns_name(struct slice s)
{
    bool good = s.len > 0 && s.len <= DNS_NAME_MAX && s.data[s.len - 1] != '.';
    struct slice rest = s;
    struct slice part;
    while (good && slice_split(&rest, '.', &part)) {
        /* A subdomain's labels may be longer than 63 in Kubernetes' reading. */
        good = part.len > 0 && lower_alnum(part.data[0]) && lower_alnum(part.data[part.len - 1]);
        for (size_t i = 0; good && i < part.len; i++) {
            good = lower_alnum(part.data[i]) || part.data[i] == '-';
        }
    }
    return good ? NULL
                : "a lowercase RFC 1123 subdomain must consist of at most 253 lower case "
                  "alphanumeric characters, '-' or '.', and must start and end with an "
                  "alphanumeric character (e.g. 'example.com')";
}

/* [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?, at most 63 */
static bool is_qualified_part(struct slice s)
{
    if (s.len == 0 || s.len > LABEL_MAX || !alnum(s.data[0]) || !alnum(s.data[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!alnum(s.data[i]) && strchr("-_.", s.data[i]) == NULL) {
            return false;
        }
    }
    return true;
}

const char *schema_label_key(struct slice s)
{
    size_t slash = slice_find(s, SLICE("/"));
    if (slash != SIZE_MAX && schema_dns_name(slice_sub(s, 0, slash)) != NULL) {
        return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
               "characters, '-' or '.'";
    }
    return is_qualified_part(slash == SIZE_MAX ? s : slice_sub(s, slash + 1, SIZE_MAX))
               ? NULL
               : "name part must consist of at most 63 alphanumeric characters, '-', '_' or '.', "
                 "and must start and end with an alphanumeric character (e.g. 'MyName', or "
                 "'my.name', or '123-abc')";
}

const char *schema_label_value(struct slice s)
{
    return s.len == 0 || is_qualified_part(s)
               ? NULL
               : "a valid label must be an empty string or consist of at most 63 alphanumeric "
                 "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                 "character (e.g. 'MyValue', or 'my_value', or '12345')";
}

/* Cuts decimal digits with a fraction; false if there are none. value is the number, as a double
 * with what precision that has: exact for all integers below 2^53. */
static bool cut_number(struct slice *s, long double *value)
{
    size_t i = 0;
    size_t digits = 0;
    long double number = 0;
    long double unit = 1;
    bool fraction = false;
    for (; i < s->len; i++) {
        char c = s->data[i];
        if (c == '.' && !fraction) {
            fraction = true;
        } else if (c >= '0' && c <= '9') {
            digits++;
            number = number * 10 + (long double)(c - '0');
            unit = fraction ? unit * 10 : unit;
        } else {
            break;
        }
    }
    if (digits == 0 || digits > 300) {
        return false;
    }
    *value = number / unit;
    *s = slice_sub(*s, i, SIZE_MAX);
    return true;
}

struct suffix {
    const char *name;
    long double factor;
};

static const struct suffix suffixes[] = {
    {"", 1},
    {"n", 1e-9L},
    {"u", 1e-6L},
    {"m", 1e-3L},
    {"k", 1e3L},
    {"M", 1e6L},
    {"G", 1e9L},
    {"T", 1e12L},
    {"P", 1e15L},
    {"E", 1e18L},
    {"Ki", 1024L},
    {"Mi", 1048576L},
    {"Gi", 1073741824L},
    {"Ti", 1099511627776L},
    {"Pi", 1125899906842624L},
    {"Ei", 1152921504606846976L},
};

static bool exponent(struct slice s, long double *factor)
{
    int64_t power = 0;
    if (s.len < 2 || (s.data[0] != 'e' && s.data[0] != 'E')) {
        return false;
    }
    s = slice_sub(s, 1, SIZE_MAX);
    if (s.data[0] == '+') {
        s = slice_sub(s, 1, SIZE_MAX);
    }
    if (!slice_i64(s, &power) || power > 100 || power < -100) {
        return false;
    }
    *factor = 1;
    for (; power > 0; power--) {
        *factor *= 10;
    }
    for (; power < 0; power++) {
        *factor /= 10;
    }
    return true;
}

bool schema_quantity_milli(struct slice s, int64_t *milli)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    if (negative || (s.len > 0 && s.data[0] == '+')) {
        s = slice_sub(s, 1, SIZE_MAX);
    }
    long double number = 0;
    if (!cut_number(&s, &number)) {
        return false;
    }
    long double factor = 0;
    bool known = exponent(s, &factor);
    for (size_t i = 0; !known && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        known = slice_eq_cstr(s, suffixes[i].name);
        factor = suffixes[i].factor;
    }
    if (!known) {
        return false;
    }
    long double value = number * factor * 1000;
    int64_t whole = value >= 9.2e18L ? INT64_MAX : (int64_t)value;
    if (whole < INT64_MAX && value - (long double)whole > 1e-9L) {
        whole++; /* Kubernetes rounds up */
    }
    *milli = negative ? -whole : whole;
    return true;
}

bool schema_duration_ms(struct slice s, int64_t *ms)
{
    static const struct suffix units[] = {{"ms", 1},      {"s", 1000},   {"m", 60000},
                                          {"h", 3600000}, {"us", 1e-3L}, {"ns", 1e-6L}};
    long double total = 0;
    if (slice_eq_cstr(s, "0")) {
        *ms = 0;
        return true;
    }
    if (s.len == 0) {
        return false;
    }
    while (s.len > 0) {
        long double number = 0;
        const struct suffix *unit = NULL;
        if (!cut_number(&s, &number)) {
            return false;
        }
        for (size_t i = 0; unit == NULL && i < sizeof(units) / sizeof(units[0]); i++) {
            unit = slice_starts_with(s, slice_of(units[i].name)) ? &units[i] : NULL;
        }
        if (unit == NULL) {
            return false;
        }
        s = slice_sub(s, strlen(unit->name), SIZE_MAX);
        total += number * unit->factor;
    }
    *ms = total >= 9.2e18L ? INT64_MAX : (int64_t)total;
    return true;
}
