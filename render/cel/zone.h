/* zone.h: named time zones.
 *
 * The zones are Debian's tzdata as it was when this was built (render/zones makes the table), so
 * that every node and the CLI give the same bytes whatever their machines have installed. They are
 * constants: a zone costs memory only where it is looked at. Thread: any. */
#ifndef RENDER_CEL_ZONE_H
#define RENDER_CEL_ZONE_H

#include "base/str.h"

/* Seconds east of UTC in a zone ("Europe/Berlin") at an instant, in seconds since 1970. False if
 * there is no such zone. */
bool cel_zone_offset(struct slice name, int64_t seconds, int32_t *offset);

/* What render/zones/main.c writes. */

struct zone_row {
    uint32_t first; /* in zone_changes */
    uint16_t count;
    uint16_t rule;  /* behind the last change: in zone_rules */
    int32_t offset; /* before the first change */
};

enum { ZONE_OFFSET_BITS = 18, ZONE_OFFSET_BIAS = 1 << (ZONE_OFFSET_BITS - 1) };

/* Every zone's changes in order, the instant above the offset (biased) from then on. */
extern const int64_t zone_changes[];
extern const struct zone_row zone_rows[];
extern const char zone_rules[];
/* Names in bytewise order: where in zone_names each begins, and the zone it is of. */
extern const char zone_names[];
extern const uint16_t zone_name_at[];
extern const uint16_t zone_name_row[];
extern const size_t zone_name_count;

#endif
