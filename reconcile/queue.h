/* queue.h: what to reconcile next.
 *
 * Keys are de-duplicated: a key waits once, however often it is added, and one that is added while
 * it is worked on comes again afterwards. Keys wait in *lanes* (a cluster, or the shard itself):
 * each lane has so many workers of its own that a dead cluster holds up nobody else. Within a lane
 * *tenants* (namespaces) take turns, so that one tenant's thousand keys do not delay another's one.
 * A lane whose name ends in '~' is taken from only while no other is ready: for what can wait.
 * Failures come back with exponential backoff and jitter; delays wait in a heap.
 *
 * Pure: time and randomness come from the caller.
 * Owner: the caller embeds struct queue. Thread: the owner's. */
#ifndef RECONCILE_QUEUE_H
#define RECONCILE_QUEUE_H

#include "base/list.h"
#include "base/map.h"

struct queue_config {
    uint32_t backoff_min_ms;        /* 0: 50 */
    uint32_t backoff_max_ms;        /* 0: 60,000 */
    uint32_t lane_workers;          /* keys of one lane under way at once; 0: 32 */
    uint64_t (*random)(void *user); /* NULL: no jitter */
    void *user;
};

struct queue_item {
    struct slice key; /* the queue's, until queue_done() */
    struct slice tenant;
    struct slice lane;
    uint32_t failures;         /* in a row */
    struct queue_entry *entry; /* private */
};

struct queue {
    struct queue_config config;
    struct map entries;        /* private: key -> entry, waiting, delayed or under way */
    struct map lanes;          /* private: name -> lane */
    struct list ready;         /* private: lanes that have both keys and a free worker, in turn */
    struct list ready_later;   /* private: those that can wait */
    struct queue_entry **heap; /* private: by due time */
    size_t heap_count;
    size_t heap_cap;
    size_t waiting_count; /* ready now, in all lanes */
    size_t working_count;
};

void queue_init(struct queue *q, const struct queue_config *config);
void queue_free(struct queue *q);

/* Now. A delayed key becomes ready at once; one in backoff keeps its count of failures. A key that
 * waits in another lane moves. */
void queue_add(struct queue *q, struct slice key, struct slice tenant, struct slice lane,
               uint64_t now_ms);
/* At or after due_ms; a key that is due sooner already stays so. */
void queue_add_at(struct queue *q, struct slice key, struct slice tenant, struct slice lane,
                  uint64_t due_ms);

/* The next key to work on; false if none is ready. End it by queue_done(). */
bool queue_take(struct queue *q, uint64_t now_ms, struct queue_item *item);

enum queue_result {
    QUEUE_DONE,  /* forget its failures */
    QUEUE_RETRY, /* failed: again after backoff */
    QUEUE_GONE,  /* forget it altogether, delays included, unless it was added meanwhile */
};
void queue_done(struct queue *q, const struct queue_item *item, enum queue_result result,
                uint64_t now_ms);

/* When the next delayed key is due; UINT64_MAX: none. */
uint64_t queue_due_ms(const struct queue *q);
/* The backoff after so many failures in a row (from 1), jittered into [half, whole]. */
uint64_t queue_backoff_ms(const struct queue *q, uint32_t failures);

#endif
