/* crypto_internal.h: for the unit test of crypto alone. Thread: any. */
#ifndef BASE_CRYPTO_INTERNAL_H
#define BASE_CRYPTO_INTERNAL_H

#include "base/str.h"

/* What crc32c() does on a CPU without the instruction. */
uint32_t crc32c__by_table(uint32_t seed, struct slice in);

#endif
