/* zone_rule.c: reads the text each time: it is short, and only instants behind the last change of a
 * zone ask. Invariant: daylight saving time, where there is any, begins and ends once a year. */
#include "render/cel/zone_rule.h"

#include <ctype.h>

#include "render/cel/time.h"

enum { HOUR_S = 3600, DAY_S = 86400, HOURS_MAX = 167 };

/* When in a year: "M3.5.0/2", "J60", "59". */
struct moment {
    char form; /* 'M', 'J' (leap days are not counted), or 'N' (they are) */
    int month, week, day;
    int32_t time; /* seconds from that day's midnight, local */
};

struct rule {
    int32_t standard;
    int32_t saving; /* the offsets, seconds east */
    bool saves;
    struct moment begin, end;
};

static bool read_number(const char **at, int most, int *value)
{
    int v = 0;
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    for (; isdigit((unsigned char)**at) && v <= most; (*at)++) {
        v = v * 10 + (**at - '0');
    }
    *value = v;
    return v <= most;
}

static bool read_sign(const char **at, int *sign)
{
    *sign = **at == '-' ? -1 : 1;
    *at += **at == '-' || **at == '+' ? 1 : 0;
    return true;
}

/* [+-]h[:mm[:ss]] */
static bool read_time(const char **at, int32_t *seconds)
{
    int sign, hours;
    int parts[2] = {0, 0};
    if (!read_sign(at, &sign) || !read_number(at, HOURS_MAX, &hours)) {
        return false;
    }
    for (int i = 0; i < 2 && **at == ':'; i++) {
        (*at)++;
        if (!read_number(at, 59, &parts[i])) {
            return false;
        }
    }
    *seconds = sign * (hours * HOUR_S + parts[0] * 60 + parts[1]);
    return true;
}

/* "CET" or "<+0545>"; what it is does not matter. */
static bool skip_name(const char **at)
{
    const char *from = *at;
    if (*from == '<') {
        while (**at != '\0' && **at != '>') {
            (*at)++;
        }
        return *(*at)++ == '>';
    }
    while (isalpha((unsigned char)**at)) {
        (*at)++;
    }
    return *at - from >= 3;
}

static bool read_moment(const char **at, struct moment *m)
{
    *m = (struct moment){.form = 'N', .time = 2 * HOUR_S};
    if (*(*at)++ != ',') {
        return false;
    }
    if (**at == 'M' || **at == 'J') {
        m->form = *(*at)++;
    }
    bool ok = m->form != 'M' ? read_number(at, 365, &m->day)
                             : read_number(at, 12, &m->month) && *(*at)++ == '.' &&
                                   read_number(at, 5, &m->week) && *(*at)++ == '.' &&
                                   read_number(at, 6, &m->day) && m->month >= 1 && m->week >= 1;
    if (ok && **at == '/') {
        (*at)++;
        ok = read_time(at, &m->time);
    }
    return ok;
}

/* In the text offsets count westwards. */
static bool read_offset(const char **at, int32_t *east)
{
    int32_t west;
    bool ok = read_time(at, &west);
    *east = ok ? -west : 0;
    return ok;
}

static bool read_rule(const char *text, struct rule *r)
{
    *r = (struct rule){0};
    if (!skip_name(&text) || !read_offset(&text, &r->standard)) {
        return false;
    }
    if (*text == '\0') {
        return true;
    }
    r->saves = true;
    r->saving = r->standard + HOUR_S;
    return skip_name(&text) && (*text == ',' || read_offset(&text, &r->saving)) &&
           read_moment(&text, &r->begin) && read_moment(&text, &r->end) && *text == '\0';
}

/* Days since 1970 of a moment in a year. */
static int64_t day_of(const struct moment *m, int64_t year)
{
    int64_t january = cel_time_days(year, 1, 1);
    if (m->form == 'N') {
        return january + m->day;
    }
    if (m->form == 'J') {
        bool leap = cel_time_days(year, 3, 1) - january == 60;
        return january + m->day - 1 + (leap && m->day >= 60 ? 1 : 0);
    }
    int64_t first = cel_time_days(year, m->month, 1);
    int64_t next =
        m->month == 12 ? cel_time_days(year + 1, 1, 1) : cel_time_days(year, m->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (m->day - weekday + 7) % 7 + 7 * (m->week - 1);
    return day < next ? day : day - 7; /* the fifth is the last */
}

bool zone_rule_offset(const char *rule, int64_t seconds, int32_t *offset)
{
    struct rule r;
    if (!read_rule(rule, &r)) {
        return false;
    }
    *offset = r.standard;
    if (!r.saves) {
        return true;
    }
    int64_t year = cel_time_date((struct cel_time){seconds, 0}, r.standard).year;
    int64_t begin = day_of(&r.begin, year) * DAY_S + r.begin.time - r.standard;
    int64_t end = day_of(&r.end, year) * DAY_S + r.end.time - r.saving;
    bool saving =
        begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
    *offset = saving ? r.saving : r.standard;
    return true;
}
