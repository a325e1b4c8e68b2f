/* Names, quantities and durations, as Kubernetes states them (declared in schema.h). */
#include <ctype.h>
#include <string.h>

#include "proto/schema.h"

enum { DNS_LABEL_MAX = 63, DNS_NAME_MAX = 253, LABEL_MAX = 63, PORT_NAME_MAX = 15 };

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

const char *schema_port_name(struct slice s)
{
    bool letter = false;
    if (s.len > PORT_NAME_MAX) {
        return "must be no more than 15 characters";
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!lower_alnum(s.data[i]) && s.data[i] != '-') {
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        }
        if (s.data[i] == '-' && i > 0 && s.data[i - 1] == '-') {
            return "must not contain consecutive hyphens";
        }
        letter = letter || (s.data[i] >= 'a' && s.data[i] <= 'z');
    }
    if (!letter) {
        return "must contain at least one letter (a-z)";
    }
    return s.data[0] == '-' || s.data[s.len - 1] == '-' ? "must not begin or end with a hyphen"
                                                        : NULL;
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

const char *schema_annotation_key(struct slice s)
{
    char lower[DNS_NAME_MAX + 1 + LABEL_MAX];
    if (s.len > sizeof lower) {
        return schema_label_key(s);
    }
    for (size_t i = 0; i < s.len; i++) {
        lower[i] = (char)tolower((unsigned char)s.data[i]);
    }
    return schema_label_key(slice_make(lower, s.len));
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

enum { MANTISSA_DIGITS = 19, NANO_DIGITS = 9, POWER_MAX = 100 };

/* The largest quantity that Kubernetes keeps, 2^63 - 1, in thousand-millionths. */
static const schema_nano quantity_max = (schema_nano)INT64_MAX * 1000 * 1000 * 1000;

struct suffix {
    const char *name;
    int power; /* of ten */
    int bits;  /* of two */
};

static const struct suffix suffixes[] = {
    {"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"k", 3, 0},   {"M", 6, 0},
    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
};

static bool exponent(struct slice s, int *power)
{
    int64_t number = 0;
    if (s.len < 2 || (s.data[0] != 'e' && s.data[0] != 'E')) {
        return false;
    }
    s = slice_sub(s, s.data[1] == '+' ? 2 : 1, SIZE_MAX);
    if (!slice_i64(s, &number) || number > POWER_MAX || number < -POWER_MAX) {
        return false;
    }
    *power = (int)number;
    return true;
}

/* Cuts decimal digits off: *mantissa * 10^*power is their number, rounded up to MANTISSA_DIGITS.
 * False if there are none. */
static bool cut_decimal(struct slice *s, uint64_t *mantissa, int *power)
{
    size_t digits = 0;
    size_t kept = 0;
    bool fraction = false;
    bool more = false; /* what is left out is not 0 */
    size_t i = 0;
    *mantissa = 0;
    *power = 0;
    for (; i < s->len; i++) {
        char c = s->data[i];
        if (c == '.' && !fraction) {
            fraction = true;
        } else if (c < '0' || c > '9') {
            break;
        } else if (kept < MANTISSA_DIGITS) {
            *mantissa = *mantissa * 10 + (uint64_t)(c - '0');
            kept += *mantissa > 0 ? 1 : 0;
            digits++;
            *power -= fraction ? 1 : 0;
        } else {
            more = more || c != '0';
            digits++;
            *power += fraction ? 0 : 1;
        }
    }
    *mantissa += more ? 1 : 0;
    *s = slice_sub(*s, i, SIZE_MAX);
    return digits > 0 && digits <= 300;
}

/* value * 10^power, rounded up, at most quantity_max. */
static schema_nano scaled(schema_nano value, int power)
{
    bool more = false;
    for (; power > 0 && value > 0 && value < quantity_max; power--) {
        value = value > quantity_max / 10 ? quantity_max : value * 10;
    }
    for (; power < 0 && value > 0; power++) {
        more = more || value % 10 != 0;
        value /= 10;
    }
    value += more ? 1 : 0;
    return value < quantity_max ? value : quantity_max;
}

bool schema_quantity(struct slice s, schema_nano *nano)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t mantissa;
    int power;
    int more = 0;
    int bits = 0;
    if (negative || (s.len > 0 && s.data[0] == '+')) {
        s = slice_sub(s, 1, SIZE_MAX);
    }
    if (!cut_decimal(&s, &mantissa, &power)) {
        return false;
    }
    bool known = exponent(s, &more);
    for (size_t i = 0; !known && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        known = slice_eq_cstr(s, suffixes[i].name);
        more = suffixes[i].power;
        bits = suffixes[i].bits;
    }
    if (!known) {
        return false;
    }
    schema_nano value = scaled((schema_nano)mantissa << bits, power + more + NANO_DIGITS);
    *nano = negative ? -value : value;
    return true;
}

bool schema_quantity_milli(struct slice s, int64_t *milli)
{
    enum { NANO_PER_MILLI = 1000 * 1000 };
    schema_nano nano = 0;
    if (!schema_quantity(s, &nano)) {
        return false;
    }
    schema_nano whole = nano / NANO_PER_MILLI;
    whole += nano % NANO_PER_MILLI > 0 ? 1 : nano % NANO_PER_MILLI < 0 ? -1 : 0;
    *milli = whole > INT64_MAX ? INT64_MAX : whole < -INT64_MAX ? -INT64_MAX : (int64_t)whole;
    return true;
}

struct unit {
    const char *name;
    long double ms;
};

bool schema_duration_ms(struct slice s, int64_t *ms)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},   {"m", 60000},
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
        const struct unit *unit = NULL;
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
        total += number * unit->ms;
    }
    *ms = total >= 9.2e18L ? INT64_MAX : (int64_t)total;
    return true;
}
