/* feed_internal.h: the feed's rows and watches, shared by its two source files.
 * Thread: the feed's loop. */
#ifndef STORE_FEED_INTERNAL_H
#define STORE_FEED_INTERNAL_H

#include "store/feed.h"

/* A change, copied out of the source. */
struct feed_row {
    const struct feed_topic *topic; /* compared only: it may be gone */
    struct backend_object object;
    enum backend_verb verb;
    bool has_prev; /* prev was read too: some watch of the topic has a selector */
    struct slice prev_body;
    uint32_t prev_splice;
    size_t bytes;
    char memory[];
};

/* The watches of one resource. */
struct feed_topic {
    char *resource;
    uint64_t since; /* the tail has this resource's rows behind here */
    size_t watch_count;
    size_t selector_count;
    struct list live;
};

/*            start
 *              |---------------.
 *              v               v
 *   AHEAD -> BEHIND <------- PAUSED
 *              | ^            ^  |
 *              v |            |  |   any -> ENDING -> freed
 *            LIVE ------------'
 *  LIVE is in its topic's list and stands at feed->read; the others stand at their cursor. */
enum feed_watch_state { WATCH_AHEAD, WATCH_BEHIND, WATCH_PAUSED, WATCH_LIVE, WATCH_ENDING };

struct feed_watch {
    struct list all;
    struct list link; /* in the list of its state; PAUSED: in none */
    struct feed *feed;
    struct feed_topic *topic;
    struct backend_watch *watch;
    enum feed_watch_state state;
    uint64_t cursor;   /* everything up to here was given */
    uint64_t progress; /* last told */
    uint64_t deadline_ms;
    bool given; /* an event, since progress was last told */
    struct err end;
};

/* Rows read at once. */
struct feed_batch {
    struct feed_row *rows[FEED_STEP_ROWS];
    size_t count;
    uint64_t upto; /* everything up to here was looked at */
};

/* Reads rows in (since, upto]: those of one topic, or (NULL) of all topics; a bounded piece. The
 * caller frees the rows, or moves them into the tail. Errors: the source's. */
int feed__read(struct feed *f, const struct feed_topic *topic, uint64_t since, uint64_t upto,
               bool want_prev, struct feed_batch *batch, struct err *err);
void feed__batch_free(struct feed_batch *batch);

/* Takes the batch's rows; the oldest rows leave when the tail is full. The rows stay valid until
 * the next call. */
void feed__tail_add(struct feed *f, struct feed_batch *batch);
void feed__tail_clear(struct feed *f);
/* The place of the first row behind version, in 0..row_count; feed__tail_row() of it. */
size_t feed__tail_find(const struct feed *f, uint64_t version);
struct feed_row *feed__tail_row(const struct feed *f, size_t i);

#endif
