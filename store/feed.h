/* feed.h: changes in version order to many watches of one loop.
 *
 * A feed reads new rows once, from a source (one shard's reader, or several merged), keeps the
 * newest in a bounded tail, and hands each to the watches of its resource that stand right before
 * it. A watch that starts in the past, was paused or is slow has a cursor of its own and catches up
 * from the tail or, further back, from the source, in bounded steps between other work. While
 * nobody watches, nothing is read or kept.
 *
 * Used by view (one shard) and merge (several); not for others.
 * Owner:  the embedding view or merge. Thread: its loop. Callbacks of watches may start, stop and
 *         resume any watch. */
#ifndef STORE_FEED_H
#define STORE_FEED_H

#include "base/list.h"
#include "base/map.h"
#include "proto/backend.h"
#include "store/reader.h"

/* Where rows come from. Calls are one at a time, between begin and end (one consistent view); no
 * callback of a watch runs meanwhile. */
struct feed_source {
    int (*begin)(void *user, struct err *err);
    void (*end)(void *user);
    /* Rows with since < version <= upto in order. Errors: ERR_GONE, ERR_IO, ERR_CORRUPT. */
    int (*changes_start)(void *user, uint64_t since, uint64_t upto, struct err *err);
    int (*changes_next)(void *user, struct reader_row *row, bool *found, struct err *err);
    void (*changes_end)(void *user);
    int (*row)(void *user, uint64_t version, struct reader_row *row, struct err *err);
};

enum {
    FEED_TAIL_BYTES = 1024 * 1024, /* kept bodies, and */
    FEED_TAIL_ROWS = 1024,         /* rows at most */
    FEED_STEP_ROWS = 256,          /* rows read before other work of the loop gets its turn */
    FEED_SCAN_ROWS = 2048,         /* rows looked at for them */
    FEED_AHEAD_MS = 3000,          /* how long a watch waits for a version that is not here yet */
    FEED_PROGRESS_MS = 1000,
};

struct feed {
    /* private */
    struct loop *loop;
    const struct feed_source *source;
    void *user;
    uint64_t limit;         /* rows up to here may be given */
    uint64_t read;          /* rows up to here were read and given to whoever stood there */
    struct feed_row **rows; /* the tail: a ring, oldest first; NULL while nobody watches */
    size_t row_first;
    size_t row_count;
    size_t row_bytes;
    uint64_t tail_since; /* the tail holds every change behind this, up to read */
    struct map topics;   /* resource -> struct feed_topic */
    struct list all;     /* every watch that has not ended */
    size_t watch_count;
    struct list behind; /* watches that catch up */
    struct list ahead;  /* watches that wait for the present to reach them */
    struct list ending; /* watches whose ended() is due */
    struct loop_timer pump;
    struct loop_timer progress;
    bool pump_due;
    bool closing;
    int timers_open;
    void (*closed)(struct feed *feed);
};

void feed_init(struct feed *f, struct loop *loop, const struct feed_source *source, void *user,
               uint64_t limit);
/* Everything up to limit is there now, and nothing at or below it will still come. */
void feed_advance(struct feed *f, uint64_t limit);
void feed_watch_start(struct feed *f, struct backend_watch *watch);
void feed_watch_stop(struct backend_watch *watch);
void feed_watch_resume(struct backend_watch *watch);
/* Ends all watches with that error, soon. */
void feed_end_watches(struct feed *f, int code, const char *message);
/* Ends watches with ERR_CLOSED, then calls closed (may be NULL). */
void feed_close(struct feed *f, void (*closed)(struct feed *feed));

#endif
