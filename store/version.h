/* version.h: resourceVersion, a hybrid logical clock in one decimal 63-bit integer.
 *
 *   62        21 20      9 8      0
 *   | ms (42)   | counter | shard |      ms since 2020-01-01T00:00:00Z
 *
 * Ordered across all shards; a shard's log order is its version order. Pure functions.
 * Thread: any. */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include <stdint.h>

#define VERSION_EPOCH_WALL_MS UINT64_C(1577836800000) /* 2020-01-01 in ms since 1970 */
enum { VERSION_SHARD_BITS = 9, VERSION_COUNTER_BITS = 12, VERSION_SHARDS_MAX = 512 };
enum { VERSION_STEP = 1 << VERSION_SHARD_BITS }; /* from a shard's version to its next */

/* The least version of that millisecond and shard. */
uint64_t version_at(uint64_t wall_ms, uint32_t shard);
uint64_t version_wall_ms(uint64_t version);
uint32_t version_shard(uint64_t version);
/* The next stamp: above last, and not before wall_ms: max(now, last) + 1 tick, of that shard. */
uint64_t version_next(uint64_t last, uint64_t wall_ms, uint32_t shard);

#endif
