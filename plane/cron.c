/* cron.c: a schedule is matched against the minute, never turned into dates. */
#include "plane/cron.h"

#include <time.h>

struct field {
    int least;
    int most;
};

static bool parse_number(struct slice s, const struct field *field, int *value)
{
    uint64_t v;
    if (!slice_u64(s, &v) || v > 1000) {
        return false;
    }
    *value = (int)v;
    return *value >= field->least && *value <= field->most;
}

/* One of the comma-separated parts: "*", "a", "a-b", each with "/step". */
static bool part_fits(struct slice part, const struct field *field, int value)
{
    int step = 1;
    int low = field->least;
    int high = field->most;
    size_t slash = slice_find(part, SLICE("/"));
    if (slash != SIZE_MAX) {
        const struct field any = {1, 1000};
        if (!parse_number(slice_sub(part, slash + 1, SIZE_MAX), &any, &step)) {
            return false;
        }
        part = slice_sub(part, 0, slash);
    }
    if (!slice_eq_cstr(part, "*")) {
        size_t dash = slice_find(part, SLICE("-"));
        if (!parse_number(slice_sub(part, 0, dash), field, &low)) {
            return false;
        }
        if (dash != SIZE_MAX) {
            if (!parse_number(slice_sub(part, dash + 1, SIZE_MAX), field, &high)) {
                return false;
            }
        } else if (slash == SIZE_MAX) {
            high = low;
        }
    }
    return value >= low && value <= high && (value - low) % step == 0;
}

static bool field_fits(struct slice text, const struct field *field, int value)
{
    struct slice part;
    while (slice_split(&text, ',', &part)) {
        if (part_fits(part, field, value)) {
            return true;
        }
    }
    return false;
}

static struct slice named(struct slice schedule)
{
    static const struct {
        const char *name;
        const char *fields;
    } names[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_eq_cstr(schedule, names[i].name)) {
            return slice_of(names[i].fields);
        }
    }
    return schedule;
}

bool cron_due(struct slice schedule, uint64_t minute)
{
    static const struct field fields[5] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
    struct slice rest = named(slice_trim(schedule));
    struct slice parts[5];
    size_t count = 0;
    struct slice part;
    while (slice_split(&rest, ' ', &part)) {
        if (part.len == 0) {
            continue;
        }
        if (count == 5) {
            return false;
        }
        parts[count++] = part;
    }
    time_t seconds = (time_t)(minute * 60);
    struct tm tm;
    if (count != 5 || gmtime_r(&seconds, &tm) == NULL) {
        return false;
    }
    bool day = field_fits(parts[2], &fields[2], tm.tm_mday);
    bool weekday = field_fits(parts[4], &fields[4], tm.tm_wday) ||
                   (tm.tm_wday == 0 && field_fits(parts[4], &fields[4], 7));
    /* As cron does: where both days are given, one is enough. */
    bool both = !slice_eq_cstr(parts[2], "*") && !slice_eq_cstr(parts[4], "*");
    return field_fits(parts[0], &fields[0], tm.tm_min) &&
           field_fits(parts[1], &fields[1], tm.tm_hour) &&
           field_fits(parts[3], &fields[3], tm.tm_mon + 1) &&
           (both ? day || weekday : day && weekday);
}
