/* time.h: CEL's timestamps and durations: text to numbers and back, and their arithmetic.
 *
 * Timestamps lie in years 1 to 9999, durations within what 64 bits of nanoseconds hold. Named time
 * zones are in zone.h. Thread: any. */
#ifndef RENDER_CEL_TIME_H
#define RENDER_CEL_TIME_H

#include "render/cel/value.h"

/* RFC 3339. False if malformed or out of range. */
bool cel_time_parse(struct slice text, struct cel_time *time);
void cel_time_format(struct cel_time time, struct buf *out);
bool cel_time_valid(struct cel_time time);
/* "1h30m", "1.5s", "-3ms". False if malformed or out of range. */
bool cel_duration_parse(struct slice text, struct cel_time *duration);
void cel_duration_format(struct cel_time duration, struct buf *out);
bool cel_duration_valid(struct cel_time duration);

/* Sums and differences, in a duration's form. False if the seconds overflow. */
bool cel_time_add(struct cel_time a, struct cel_time b, struct cel_time *sum);
bool cel_time_sub(struct cel_time a, struct cel_time b, struct cel_time *difference);

/* A duration's form into a timestamp's: nanos become nonnegative. */
struct cel_time cel_time_normal(struct cel_time time);

/* Seconds east of UTC that a zone text stands for by itself: "", "UTC", "Z", "+05:30", "02:00".
 * False for others. */
bool cel_time_offset(struct slice zone, int32_t *seconds);

struct cel_date {
    int64_t year;
    int month;       /* 1..12 */
    int day;         /* 1..31 */
    int day_of_week; /* 0 is Sunday */
    int day_of_year; /* 0 is January 1st */
    int hour, minute, second;
};

/* Days from 1970-01-01 to a date. */
int64_t cel_time_days(int64_t year, int month, int day);
struct cel_date cel_time_date(struct cel_time time, int32_t offset_seconds);

#endif
