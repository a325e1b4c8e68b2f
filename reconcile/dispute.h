/* dispute.h: what is put right on a cluster again and again, because somebody else undoes it.
 *
 * The first correction is made at once, each that follows only some time after the one before it: a
 * quarter of a second, a half, one, two, up to a minute. A dispute is over when a correction has
 * held for a while. Pure: time, of any clock, comes from the caller. Owner: the caller embeds a
 * zeroed one. Thread: the owner's. */
#ifndef RECONCILE_DISPUTE_H
#define RECONCILE_DISPUTE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DISPUTE_PAUSE_MIN_MS = 250,
    DISPUTE_PAUSE_MAX_MS = 60 * 1000,
    DISPUTE_HELD_MS = 3 * 60 * 1000, /* then it is over */
    DISPUTE_IS_PLAIN = 6, /* corrections in a row: no slip of somebody's hand, and worth a word */
};

struct dispute {
    uint32_t corrections; /* in a row */
    uint64_t last_ms;     /* when the last of them was made */
};

/* A correction was made. */
void dispute_note(struct dispute *d, uint64_t now_ms);
/* When the next one may be made, and when the dispute is over; 0: there is none. */
uint64_t dispute_due_ms(const struct dispute *d);
uint64_t dispute_over_ms(const struct dispute *d);
bool dispute_is_plain(const struct dispute *d, uint64_t now_ms);

#endif
