/* cron.h: the five fields of a CronJob's schedule, in UTC. Thread: any; pure. */
#ifndef PLANE_CRON_H
#define PLANE_CRON_H

#include "base/str.h"

/* Is the schedule ("M H DAY MONTH WEEKDAY": numbers, lists, ranges, steps; @hourly, @daily, ...)
 * due in that minute (wall clock in ms / 60,000)? False also for what is no schedule. */
bool cron_due(struct slice schedule, uint64_t minute);

#endif
