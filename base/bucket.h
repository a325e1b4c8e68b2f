/* bucket.h: a purse that time fills: so much at once, so much a second.
 *
 * Owner:  the caller embeds it; a zeroed struct bucket is a full one.
 * Thread: the owner's. Time is any monotonic clock in milliseconds. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    /* private: what is missing, in thousandths, so that zero is full */
    uint64_t missing_milli;
    uint64_t at_ms;
};

/* Holds at most burst, and gets per_second. Takes cost if there is as much; else takes nothing. */
bool bucket_take(struct bucket *b, uint64_t now_ms, uint32_t burst, uint32_t per_second,
                 uint32_t cost);
/* Gives back, up to full. */
void bucket_give(struct bucket *b, uint32_t amount);
/* How long until cost can be taken, if nobody takes anything else; 0: now. UINT32_MAX: never. */
uint32_t bucket_wait_ms(const struct bucket *b, uint32_t burst, uint32_t per_second, uint32_t cost);

#endif
