/* dispute.c: corrections in a row, and how long to wait for the next. */
#include "reconcile/dispute.h"

void dispute_note(struct dispute *d, uint64_t now_ms)
{
    d->corrections = now_ms < dispute_over_ms(d) ? d->corrections + 1 : 1;
    d->last_ms = now_ms;
}

uint64_t dispute_due_ms(const struct dispute *d)
{
    uint64_t pause_ms = DISPUTE_PAUSE_MIN_MS;
    for (uint32_t i = 1; i < d->corrections && pause_ms < DISPUTE_PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    pause_ms = pause_ms < DISPUTE_PAUSE_MAX_MS ? pause_ms : DISPUTE_PAUSE_MAX_MS;
    return d->corrections > 0 ? d->last_ms + pause_ms : 0;
}

uint64_t dispute_over_ms(const struct dispute *d)
{
    return d->corrections > 0 ? d->last_ms + DISPUTE_HELD_MS : 0;
}

bool dispute_is_plain(const struct dispute *d, uint64_t now_ms)
{
    return d->corrections >= DISPUTE_IS_PLAIN && now_ms < dispute_over_ms(d);
}
