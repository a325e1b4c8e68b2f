/* bucket.c: what is missing shrinks with time and grows with what is taken.
 *
 * Invariant: missing_milli never exceeds a thousand times the burst, unless the burst itself is
 * made smaller meanwhile. */
#include "base/bucket.h"

bool bucket_take(struct bucket *b, uint64_t now_ms, uint32_t burst, uint32_t per_second,
                 uint32_t cost)
{
    uint64_t passed_ms = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
    uint64_t full_milli = (uint64_t)burst * 1000;
    uint64_t filled_milli = passed_ms > full_milli ? full_milli : passed_ms * per_second;
    b->at_ms = now_ms > b->at_ms ? now_ms : b->at_ms;
    b->missing_milli = b->missing_milli > filled_milli ? b->missing_milli - filled_milli : 0;
    if (b->missing_milli + (uint64_t)cost * 1000 > full_milli) {
        return false;
    }
    b->missing_milli += (uint64_t)cost * 1000;
    return true;
}

void bucket_give(struct bucket *b, uint32_t amount)
{
    uint64_t milli = (uint64_t)amount * 1000;
    b->missing_milli = b->missing_milli > milli ? b->missing_milli - milli : 0;
}

uint32_t bucket_wait_ms(const struct bucket *b, uint32_t burst, uint32_t per_second, uint32_t cost)
{
    uint64_t full_milli = (uint64_t)burst * 1000;
    uint64_t need_milli = b->missing_milli + (uint64_t)cost * 1000;
    if (need_milli <= full_milli) {
        return 0;
    }
    if (cost > burst || per_second == 0) {
        return UINT32_MAX;
    }
    uint64_t wait_ms = (need_milli - full_milli + per_second - 1) / per_second;
    return wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX;
}
