/* zone_rule.h: POSIX time zone texts, which say what holds behind a zone's last known change:
 * "CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45" (RFC 9636, section 3.3.1: hours to 167, either
 * sign). Thread: any. */
#ifndef RENDER_CEL_ZONE_RULE_H
#define RENDER_CEL_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds east of UTC at an instant, in seconds since 1970. False if the text is no rule. */
bool zone_rule_offset(const char *rule, int64_t seconds, int32_t *offset);

#endif
