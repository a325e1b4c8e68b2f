/* clock.c: the system's clocks, a fake one, and RFC 3339.
 *
 * Dates are computed by days since 0000-03-01 in the proleptic Gregorian calendar, without libc's
 * time zone state. */
#include "base/clock.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/list.h"

static const uint64_t MS_MAX = 253402300799999ULL; /* 9999-12-31T23:59:59.999Z */

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);
    assert(rc == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t system_mono_ms(const struct clock *c)
{
    (void)c;
    return read_ns(CLOCK_MONOTONIC) / 1000000U;
}

static uint64_t system_wall_ms(const struct clock *c)
{
    (void)c;
    return read_ns(CLOCK_REALTIME) / 1000000U;
}

const struct clock clock_system = {.mono_ms = system_mono_ms, .wall_ms = system_wall_ms};

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

static const struct clock_fake *fake_of(const struct clock *c)
{
    return (const struct clock_fake *)(const void *)c; /* its first member */
}

static uint64_t fake_mono_ms(const struct clock *c)
{
    return fake_of(c)->mono_ms;
}

static uint64_t fake_wall_ms(const struct clock *c)
{
    return fake_of(c)->wall_ms;
}

void clock_fake_init(struct clock_fake *f, uint64_t wall_ms)
{
    *f = (struct clock_fake){
        .clock = {.mono_ms = fake_mono_ms, .wall_ms = fake_wall_ms},
        .mono_ms = 1000, /* not 0, which code may take for "never" */
        .wall_ms = wall_ms,
    };
}

void clock_fake_advance(struct clock_fake *f, uint64_t ms)
{
    f->mono_ms += ms;
    f->wall_ms += ms;
}

/* Howard Hinnant's civil calendar algorithms; years from 0 only. */
static uint64_t days_of(uint64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    uint64_t era = year / 400;
    uint64_t of_era = year - era * 400;
    uint64_t of_year = (153 * (month + (month > 2 ? -3U : 9U)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void clock_rfc3339(uint64_t wall_ms, char *out)
{
    uint64_t seconds = (wall_ms < MS_MAX ? wall_ms : MS_MAX) / 1000;
    uint64_t days = seconds / 86400 + 719468;
    unsigned rest = (unsigned)(seconds % 86400);
    uint64_t era = days / 146097;
    uint64_t of_era = days - era * 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = (unsigned)(of_era - (365 * year + year / 4 - year / 100));
    unsigned shifted = (5 * of_year + 2) / 153;
    unsigned day = of_year - (153 * shifted + 2) / 5 + 1;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    year += era * 400 + (month <= 2);
    (void)snprintf(out, 21, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(year % 10000), month % 100,
                   day % 100, rest / 3600, rest / 60 % 60, rest % 60);
}

/* Reads exactly count digits at *text and moves it; false if they are not there. */
static bool digits(const char **text, int count, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        *value = *value * 10 + (unsigned)(**text - '0');
    }
    return true;
}

static bool literal(const char **text, char c)
{
    if (**text != c) {
        return false;
    }
    (*text)++;
    return true;
}

static bool parse_fraction(const char **text, unsigned *ms)
{
    *ms = 0;
    if (**text != '.') {
        return true;
    }
    (*text)++;
    unsigned scale = 100;
    const char *start = *text;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        *ms += (unsigned)(**text - '0') * scale;
        scale /= 10;
    }
    return *text > start;
}

static bool parse_offset(const char **text, int64_t *offset_s)
{
    *offset_s = 0;
    if (literal(text, 'Z') || literal(text, 'z')) {
        return true;
    }
    int64_t sign = **text == '-' ? -1 : 1;
    unsigned hours;
    unsigned minutes;
    if (!(literal(text, '+') || literal(text, '-')) || !digits(text, 2, &hours) ||
        !literal(text, ':') || !digits(text, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *offset_s = sign * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

int clock_parse_rfc3339(const char *text, uint64_t *wall_ms)
{
    unsigned year, month, day, hour, minute, second, ms;
    int64_t offset_s;
    if (!digits(&text, 4, &year) || !literal(&text, '-') || !digits(&text, 2, &month) ||
        !literal(&text, '-') || !digits(&text, 2, &day) ||
        !(literal(&text, 'T') || literal(&text, 't')) || !digits(&text, 2, &hour) ||
        !literal(&text, ':') || !digits(&text, 2, &minute) || !literal(&text, ':') ||
        !digits(&text, 2, &second) || !parse_fraction(&text, &ms) ||
        !parse_offset(&text, &offset_s) || *text != '\0') {
        return -1;
    }
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 60) {
        return -1;
    }
    int64_t seconds =
        (int64_t)(days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) -
        offset_s;
    if (seconds < 0) {
        return -1;
    }
    *wall_ms = (uint64_t)seconds * 1000 + ms;
    return 0;
}
