/* cron.c: the grammar that Kubernetes' controller reads schedules by, and no other's: days of the
 * week are 0 to 6, ranges do not turn around, and a time zone has a field of its own. */
#include "proto/cron.h"

#include "proto/schema.h"

enum { FIELDS = 5, DIGITS_MAX = 4, NAME_LEN = 3 };

struct field {
    unsigned min, max;
    const char *names; /* three letters each, the first means min; or NULL */
};

static const struct field fields[FIELDS] = {{0, 59, NULL},
                                            {0, 23, NULL},
                                            {1, 31, NULL},
                                            {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                            {0, 6, "sunmontuewedthufrisat"}};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool read_digits(struct slice text, unsigned *value)
{
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        *value = *value * 10 + (unsigned)(text.data[i] - '0');
    }
    return text.len > 0 && text.len <= DIGITS_MAX;
}

static bool read_name(const char *names, unsigned min, struct slice text, unsigned *value)
{
    if (names == NULL || text.len != NAME_LEN) {
        return false;
    }
    for (size_t at = 0; names[at] != '\0'; at += NAME_LEN) {
        bool same = true;
        for (size_t i = 0; i < NAME_LEN; i++) {
            char c = text.data[i];
            c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
            same = same && c == names[at + i];
        }
        if (same) {
            *value = min + (unsigned)(at / NAME_LEN);
            return true;
        }
    }
    return false;
}

static bool read_value(const struct field *field, struct slice text, unsigned *value)
{
    return (read_digits(text, value) || read_name(field->names, field->min, text, value)) &&
           *value >= field->min && *value <= field->max;
}

/* One of a list: "*", "7", "1-5", each with "/2" or none. */
static bool valid_entry(const struct field *field, struct slice text)
{
    size_t slash = slice_find(text, SLICE("/"));
    unsigned from;
    unsigned to;
    unsigned step;
    if (slash != SIZE_MAX) {
        if (!read_digits(slice_sub(text, slash + 1, SIZE_MAX), &step) || step == 0) {
            return false;
        }
        text = slice_sub(text, 0, slash);
    }
    if (slice_eq_cstr(text, "*") || slice_eq_cstr(text, "?")) {
        return true;
    }
    size_t dash = slice_find(text, SLICE("-"));
    if (dash == SIZE_MAX) {
        return read_value(field, text, &from);
    }
    return read_value(field, slice_sub(text, 0, dash), &from) &&
           read_value(field, slice_sub(text, dash + 1, SIZE_MAX), &to) && from <= to;
}

static bool valid_field(const struct field *field, struct slice text)
{
    bool ok = true;
    size_t comma;
    while (ok && (comma = slice_find(text, SLICE(","))) != SIZE_MAX) {
        ok = valid_entry(field, slice_sub(text, 0, comma));
        text = slice_sub(text, comma + 1, SIZE_MAX);
    }
    return ok && valid_entry(field, text);
}

static bool valid_word(struct slice text)
{
    static const char *const words[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                        "@daily",  "@midnight", "@hourly"};
    int64_t every_ms;
    if (slice_starts_with(text, SLICE("@every "))) {
        return schema_duration_ms(slice_sub(text, sizeof "@every " - 1, SIZE_MAX), &every_ms);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (slice_eq_cstr(text, words[i])) {
            return true;
        }
    }
    return false;
}

bool cron_valid(struct slice text)
{
    size_t count = 0;
    size_t at = 0;
    if (slice_starts_with(text, SLICE("@"))) {
        return valid_word(text);
    }
    while (at < text.len) {
        size_t end = at;
        while (end < text.len && !is_space(text.data[end])) {
            end++;
        }
        if (end > at) {
            if (count == FIELDS || !valid_field(&fields[count], slice_sub(text, at, end - at))) {
                return false;
            }
            count++;
        }
        at = end + 1;
    }
    return count == FIELDS;
}
