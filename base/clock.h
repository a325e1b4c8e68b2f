/* clock.h: time, fakeable.
 *
 * Code that decides by time takes a struct clock, so that tests and the simulation can turn it.
 * Thread: any. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*mono_ms)(const struct clock *c); /* never goes back; unrelated to the date */
    uint64_t (*wall_ms)(const struct clock *c); /* since 1970 UTC; may jump */
};

extern const struct clock clock_system;

/* A clock that stands still until it is told otherwise. */
struct clock_fake {
    struct clock clock;
    uint64_t mono_ms;
    uint64_t wall_ms;
};

void clock_fake_init(struct clock_fake *f, uint64_t wall_ms);
void clock_fake_advance(struct clock_fake *f, uint64_t ms);

uint64_t clock_mono_ns(void); /* for measuring only */
/* "2026-01-02T03:04:05Z" (RFC 3339, whole seconds; ends with year 9999). out holds 21 bytes. */
void clock_rfc3339(uint64_t wall_ms, char *out);
/* Reads that form, also with a fraction (kept to the millisecond) or an offset. 0, or -1. */
int clock_parse_rfc3339(const char *text, uint64_t *wall_ms);

#endif
