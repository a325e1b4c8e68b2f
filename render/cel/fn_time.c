/* fn_time.c: parts of timestamps and durations.
 *
 * A timestamp's parts are taken in UTC or in the zone given by offset; a duration has only hours,
 * minutes, seconds and milliseconds, each the whole of it in that unit (milliseconds: the rest). */
#include "render/cel/functions.h"

#include "render/cel/time.h"
#include "render/cel/zone.h"

static bool date_of(struct cel_ctx *ctx, const char *name, const struct cel_value *args,
                    size_t count, struct cel_date *date)
{
    int32_t offset = 0;
    if (args[0].type != CEL_TIMESTAMP || (count == 2 && args[1].type != CEL_STRING)) {
        return cel_no_overload(ctx, name, args, count);
    }
    if (count == 2 && !cel_time_offset(args[1].as.text, &offset) &&
        !cel_zone_offset(args[1].as.text, args[0].as.time.seconds, &offset)) {
        return cel_fail(ctx,
                        "unknown time zone '%.*s': a name like Europe/Berlin, or an offset like "
                        "+05:30, is wanted",
                        SLICE_ARG(slice_sub(args[1].as.text, 0, 100)));
    }
    *date = cel_time_date(args[0].as.time, offset);
    return true;
}

#define DATE_PART(function, name, expression)                                                      \
    CEL_FN(function)                                                                               \
    {                                                                                              \
        struct cel_date date;                                                                      \
        bool ok = date_of(ctx, name, args, count, &date);                                          \
        *out = cel_int(ok ? (int64_t)(expression) : 0);                                            \
        return ok;                                                                                 \
    }

DATE_PART(cel_fn_get_full_year, "getFullYear", date.year)
DATE_PART(cel_fn_get_month, "getMonth", date.month - 1)
DATE_PART(cel_fn_get_date, "getDate", date.day)
DATE_PART(cel_fn_get_day_of_month, "getDayOfMonth", date.day - 1)
DATE_PART(cel_fn_get_day_of_week, "getDayOfWeek", date.day_of_week)
DATE_PART(cel_fn_get_day_of_year, "getDayOfYear", date.day_of_year)

/* Of a duration the whole of it in units of so many seconds, of a timestamp the part. */
#define TIME_PART(function, name, unit_s, expression)                                              \
    CEL_FN(function)                                                                               \
    {                                                                                              \
        struct cel_date date = {0};                                                                \
        if (args[0].type == CEL_DURATION && count == 1) {                                          \
            *out = cel_int(args[0].as.time.seconds / (unit_s));                                    \
            return true;                                                                           \
        }                                                                                          \
        bool ok = date_of(ctx, name, args, count, &date);                                          \
        *out = cel_int(expression);                                                                \
        return ok;                                                                                 \
    }

TIME_PART(cel_fn_get_hours, "getHours", 3600, date.hour)
TIME_PART(cel_fn_get_minutes, "getMinutes", 60, date.minute)
TIME_PART(cel_fn_get_seconds, "getSeconds", 1, date.second)

CEL_FN(cel_fn_get_milliseconds)
{
    struct cel_date date;
    if (args[0].type != CEL_DURATION && !date_of(ctx, "getMilliseconds", args, count, &date)) {
        return false;
    }
    *out = cel_int(args[0].as.time.nanos / 1000000);
    return true;
}
