/* zone.c: looks a name up, then the last change at or before the instant. Behind the last one of
 * all the zone's rule decides, before the first what held then (local mean time, mostly). */
#include "render/cel/zone.h"

#include "render/cel/zone_rule.h"

static const struct zone_row *row_of(struct slice name)
{
    size_t low = 0;
    size_t high = zone_name_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_cmp(name, slice_of(zone_names + zone_name_at[middle]));
        if (order == 0) {
            return &zone_rows[zone_name_row[middle]];
        }
        low = order > 0 ? middle + 1 : low;
        high = order < 0 ? middle : high;
    }
    return NULL;
}

/* How many of the zone's changes lie at or before the instant. */
static size_t changes_until(const struct zone_row *zone, int64_t seconds)
{
    const int64_t *changes = zone_changes + zone->first;
    size_t low = 0;
    size_t high = zone->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (changes[middle] >> ZONE_OFFSET_BITS <= seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool cel_zone_offset(struct slice name, int64_t seconds, int32_t *offset)
{
    const struct zone_row *zone = row_of(name);
    if (zone == NULL) {
        return false;
    }
    size_t until = changes_until(zone, seconds);
    if (until == zone->count) {
        return zone_rule_offset(zone_rules + zone->rule, seconds, offset);
    }
    int64_t mask = ((int64_t)1 << ZONE_OFFSET_BITS) - 1;
    *offset = until == 0
                  ? zone->offset
                  : (int32_t)(zone_changes[zone->first + until - 1] & mask) - ZONE_OFFSET_BIAS;
    return true;
}
