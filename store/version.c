/* version.c: resourceVersions are made and taken apart here and nowhere else. */
#include "store/version.h"

#include <assert.h>

enum { MS_SHIFT = VERSION_SHARD_BITS + VERSION_COUNTER_BITS };

uint64_t version_at(uint64_t wall_ms, uint32_t shard)
{
    assert(shard < VERSION_SHARDS_MAX);
    uint64_t ms = wall_ms > VERSION_EPOCH_WALL_MS ? wall_ms - VERSION_EPOCH_WALL_MS : 0;
    assert(ms < UINT64_C(1) << 42);
    return ms << MS_SHIFT | shard;
}

uint64_t version_wall_ms(uint64_t version)
{
    return VERSION_EPOCH_WALL_MS + (version >> MS_SHIFT);
}

uint32_t version_shard(uint64_t version)
{
    return (uint32_t)(version & (VERSION_SHARDS_MAX - 1));
}

uint64_t version_next(uint64_t last, uint64_t wall_ms, uint32_t shard)
{
    uint64_t now = version_at(wall_ms, shard);
    if (now > last) {
        return now;
    }
    /* The next tick (counter, and by carry the millisecond) of this shard above last. */
    uint64_t next = (last >> VERSION_SHARD_BITS << VERSION_SHARD_BITS) | shard;
    return next > last ? next : next + VERSION_SHARDS_MAX;
}
