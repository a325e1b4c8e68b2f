/* time.c: calendar arithmetic on the proleptic Gregorian calendar.
 *
 * Days are counted from 1970-01-01 with the usual era arithmetic (400 years are 146,097 days), so
 * no table and no loop over years is needed. Invariant: a timestamp's nanos are 0..999,999,999; a
 * duration's nanos carry the sign of its seconds. */
#include "render/cel/time.h"

#include <string.h>

enum { SECOND_NS = 1000 * 1000 * 1000, DAY_S = 86400 };
static const int64_t TIME_MIN = -62135596800;   /* 0001-01-01T00:00:00Z */
static const int64_t TIME_MAX = 253402300799;   /* 9999-12-31T23:59:59Z */
static const int64_t DURATION_MAX = 9223372036; /* 64 bits of nanoseconds */

int64_t cel_time_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

struct cel_date cel_time_date(struct cel_time time, int32_t offset_seconds)
{
    int64_t local = time.seconds + offset_seconds;
    int64_t days = local / DAY_S;
    int64_t rest = local % DAY_S;
    if (rest < 0) {
        rest += DAY_S;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct cel_date date = {
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .month = (int)(mp < 10 ? mp + 3 : mp - 9),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
    };
    date.year = yoe + era * 400 + (date.month <= 2);
    date.day_of_week = (int)(((days % 7) + 11) % 7);
    date.day_of_year = (int)(days - cel_time_days(date.year, 1, 1));
    return date;
}

/* Exactly count digits at text[*at]. */
static bool digits(struct slice text, size_t *at, size_t count, int *value)
{
    int v = 0;
    for (size_t i = 0; i < count; i++) {
        if (*at >= text.len || text.data[*at] < '0' || text.data[*at] > '9') {
            return false;
        }
        v = v * 10 + (text.data[(*at)++] - '0');
    }
    *value = v;
    return true;
}

static bool literal(struct slice text, size_t *at, char c)
{
    if (*at >= text.len || (text.data[*at] != c && text.data[*at] != c + ('a' - 'A'))) {
        return false;
    }
    (*at)++;
    return true;
}

static bool fraction(struct slice text, size_t *at, int32_t *nanos)
{
    *nanos = 0;
    if (*at >= text.len || text.data[*at] != '.') {
        return true;
    }
    (*at)++;
    int32_t unit = SECOND_NS;
    size_t from = *at;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++) {
        unit /= 10;
        *nanos += unit * (text.data[*at] - '0');
    }
    return *at > from && *at - from <= 9;
}

static bool zone_suffix(struct slice text, size_t *at, int32_t *offset)
{
    *offset = 0;
    if (literal(text, at, 'Z')) {
        return true;
    }
    struct slice rest = slice_sub(text, *at, text.len);
    *at = text.len;
    return rest.len == 6 && (rest.data[0] == '+' || rest.data[0] == '-') &&
           cel_time_offset(rest, offset);
}

bool cel_time_valid(struct cel_time time)
{
    return time.seconds >= TIME_MIN && time.seconds <= TIME_MAX;
}

bool cel_time_parse(struct slice text, struct cel_time *time)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    size_t at = 0;
    int year, month, day, hour, minute, second;
    int32_t nanos, offset;
    if (!digits(text, &at, 4, &year) || !literal(text, &at, '-') || !digits(text, &at, 2, &month) ||
        !literal(text, &at, '-') || !digits(text, &at, 2, &day) || !literal(text, &at, 'T') ||
        !digits(text, &at, 2, &hour) || !literal(text, &at, ':') ||
        !digits(text, &at, 2, &minute) || !literal(text, &at, ':') ||
        !digits(text, &at, 2, &second) || !fraction(text, &at, &nanos) ||
        !zone_suffix(text, &at, &offset) || at != text.len) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
        (month == 2 && day == 29 && !leap) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    time->seconds =
        cel_time_days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset;
    time->nanos = nanos;
    return cel_time_valid(*time);
}

/* Appends ".5", ".000001" and the like, nothing for 0. */
static void add_fraction(struct buf *out, int32_t nanos)
{
    if (nanos == 0) {
        return;
    }
    int width = 9;
    while (nanos % 10 == 0) {
        nanos /= 10;
        width--;
    }
    buf_addf(out, ".%0*d", width, (int)nanos);
}

void cel_time_format(struct cel_time time, struct buf *out)
{
    struct cel_date date = cel_time_date(time, 0);
    buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)date.year, date.month, date.day, date.hour,
             date.minute, date.second);
    add_fraction(out, time.nanos);
    buf_add_char(out, 'Z');
}

bool cel_duration_valid(struct cel_time duration)
{
    return duration.seconds >= -DURATION_MAX && duration.seconds <= DURATION_MAX;
}

static bool unit_of(struct slice text, size_t *at, int64_t *nanos)
{
    static const struct {
        const char *name;
        int64_t nanos;
    } units[] = {{"ns", 1},
                 {"us", 1000},
                 {"\xc2\xb5s", 1000},
                 {"ms", 1000000},
                 {"s", SECOND_NS},
                 {"m", 60LL * SECOND_NS},
                 {"h", 3600LL * SECOND_NS}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (slice_starts_with(slice_sub(text, *at, text.len), slice_of(units[i].name))) {
            *at += strlen(units[i].name);
            *nanos = units[i].nanos;
            return true;
        }
    }
    return false;
}

/* One "1.5h" at text[*at], added to *total nanoseconds. */
static bool duration_part(struct slice text, size_t *at, __int128 *total)
{
    __int128 whole = 0;
    __int128 part = 0;
    __int128 scale = 1;
    size_t from = *at;
    bool point = false;
    for (; *at < text.len; (*at)++) {
        char c = text.data[*at];
        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9' && !point) {
            whole = whole * 10 + (c - '0');
        } else if (c >= '0' && c <= '9' && scale < (__int128)1000000000000) {
            part = part * 10 + (c - '0');
            scale *= 10;
        } else if (c < '0' || c > '9') {
            break;
        }
        if (whole > (__int128)1 << 70) {
            return false;
        }
    }
    int64_t unit;
    if (*at - from <= (point ? 1U : 0U) || !unit_of(text, at, &unit)) {
        return false;
    }
    *total += whole * unit + part * unit / scale;
    return *total < (__int128)1 << 100;
}

bool cel_duration_parse(struct slice text, struct cel_time *duration)
{
    size_t at = 0;
    bool negative = false;
    if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        negative = text.data[0] == '-';
        at = 1;
    }
    __int128 total = 0;
    if (!slice_eq_cstr(slice_sub(text, at, text.len), "0")) {
        if (at >= text.len) {
            return false;
        }
        while (at < text.len) {
            if (!duration_part(text, &at, &total)) {
                return false;
            }
        }
    }
    total = negative ? -total : total;
    __int128 seconds = total / SECOND_NS;
    if (seconds > DURATION_MAX || seconds < -DURATION_MAX) {
        return false;
    }
    *duration = (struct cel_time){(int64_t)seconds, (int32_t)(total % SECOND_NS)};
    return true;
}

void cel_duration_format(struct cel_time duration, struct buf *out)
{
    bool negative = duration.seconds < 0 || duration.nanos < 0;
    uint64_t seconds = (uint64_t)(duration.seconds < 0 ? -duration.seconds : duration.seconds);
    if (negative) {
        buf_add_char(out, '-');
    }
    buf_add_u64(out, seconds);
    add_fraction(out, duration.nanos < 0 ? -duration.nanos : duration.nanos);
    buf_add_char(out, 's');
}

bool cel_time_add(struct cel_time a, struct cel_time b, struct cel_time *sum)
{
    int64_t seconds;
    if (__builtin_add_overflow(a.seconds, b.seconds, &seconds)) {
        return false;
    }
    __int128 total = (__int128)seconds * SECOND_NS + a.nanos + b.nanos;
    *sum = (struct cel_time){(int64_t)(total / SECOND_NS), (int32_t)(total % SECOND_NS)};
    return true;
}

bool cel_time_sub(struct cel_time a, struct cel_time b, struct cel_time *difference)
{
    if (b.seconds == INT64_MIN) {
        return false;
    }
    return cel_time_add(a, (struct cel_time){-b.seconds, -b.nanos}, difference);
}

struct cel_time cel_time_normal(struct cel_time time)
{
    if (time.nanos < 0) {
        time.nanos += SECOND_NS;
        time.seconds--;
    }
    return time;
}

bool cel_time_offset(struct slice zone, int32_t *seconds)
{
    *seconds = 0;
    if (zone.len == 0 || slice_eq_cstr(zone, "UTC") || slice_eq_cstr(zone, "Z")) {
        return true;
    }
    int sign = zone.data[0] == '-' ? -1 : 1;
    size_t at = zone.data[0] == '-' || zone.data[0] == '+' ? 1 : 0;
    int hours, minutes;
    if (!digits(zone, &at, 2, &hours) || !literal(zone, &at, ':') ||
        !digits(zone, &at, 2, &minutes) || at != zone.len || hours > 23 || minutes > 59) {
        return false;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}
