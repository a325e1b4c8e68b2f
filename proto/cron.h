/* cron.h: when a CronJob is due, in cron's form.
 * Owner: the caller. Thread: any. */
#ifndef PROTO_CRON_H
#define PROTO_CRON_H

#include "base/str.h"

/* Whether Kubernetes takes the text as a schedule: five fields (minute, hour, day of the month,
 * month, day of the week), or "@hourly" and its like, or "@every 1h30m". A field is a list of "*",
 * "?", values and ranges, each with a step or none; months and days may be named. */
bool cron_valid(struct slice text);
#define CRON_RULE                                                                                  \
    "must be cron's five fields, like \"0 3 * * mon-fri\", or one of @hourly, @daily, @weekly, "   \
    "@monthly, @yearly"

#endif
