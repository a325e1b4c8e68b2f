/* feed.h: where snapshots get their rows from.
 *
 * One function table over a shard's database: all that lives, then what changed. In a node it reads
 * the shard's SQLite file through store/reader; in tests it is a list in memory.
 * Thread: the engine's loop. */
#ifndef RECONCILE_FEED_H
#define RECONCILE_FEED_H

#include "base/err.h"
#include "base/str.h"

struct feed_row {
    struct slice resource;
    struct slice ns;
    struct slice name;
    uint64_t version;
    bool deleted;
    struct slice body; /* borrowed for the call */
};

struct feed {
    void *user;
    /* Every live object of the shard, and the version as of which. */
    int (*scan)(void *user, uint32_t shard, void (*row)(void *arg, const struct feed_row *row),
                void *arg, uint64_t *version, struct err *err);
    /* The changes in (since, to], in order of version. ERR_GONE: since is compacted away; scan
     * again. */
    int (*changes)(void *user, uint32_t shard, uint64_t since, uint64_t to,
                   void (*row)(void *arg, const struct feed_row *row), void *arg, struct err *err);
    /* One live object as it is now. Errors: ERR_NOT_FOUND, ERR_IO, ... */
    int (*read)(void *user, uint32_t shard, const struct feed_row *wanted,
                void (*row)(void *arg, const struct feed_row *row), void *arg, struct err *err);
    /* The database was replaced, or is not needed any more: close what is open. */
    void (*reset)(void *user, uint32_t shard);
};

#endif
