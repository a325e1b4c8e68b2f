/* logs.c: what of a log may be asked for. */
#include "proto/logs.h"

#include "base/clock.h"

enum { TIME_BYTES_MAX = 64 };

int log_options_check(const struct log_options *options, struct err *err)
{
    char text[TIME_BYTES_MAX + 1];
    uint64_t ms;
    struct slice time = options->since_time;
    if (time.len > 0 && options->since_s > 0) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "sinceSeconds: at most one of sinceTime and sinceSeconds may be given");
    }
    if (options->follow && options->previous) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "previous: at most one of follow and previous may be given: what is over "
                       "does not go on");
    }
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(slice_sub(time, 0, TIME_BYTES_MAX)));
    if (time.len > TIME_BYTES_MAX || (time.len > 0 && clock_parse_rfc3339(text, &ms) != 0)) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "sinceTime: \"%s\" is no time: it looks like 2026-01-31T12:00:00Z", text);
    }
    return 0;
}
