/* memory.h: a backend (proto/backend.h) in memory, for tests of the doors.
 *
 * One loop, no durability, every version kept until memory_compact(). Versions count up from 1000,
 * so that transcripts can be written down. Answers always come later, never inside a call.
 * Owner: the test. Thread: its loop's. */
#ifndef TESTS_LIB_MEMORY_H
#define TESTS_LIB_MEMORY_H

#include "base/list.h"
#include "proto/backend.h"

struct memory {
    struct backend backend;
    struct loop *loop;
    uint64_t version; /* the present */
    uint64_t floor;   /* history below it is gone */
    /* Knobs of the tests. */
    unsigned conflicts; /* so many submits without a client's precondition fail with ERR_CONFLICT */
    unsigned stale;     /* so many BACKEND_STALE gets answer ERR_NOT_FOUND */
    unsigned lost;      /* so many submits are executed, and end in ERR_TIMEOUT */
    unsigned failing;   /* so many reads fail with ERR_UNAVAILABLE */
    bool (*has_namespace)(struct memory *m, struct slice ns); /* NULL: all are there */
    unsigned submits;                                         /* so many came */
    unsigned listed;                                          /* so many rows were sent */
    struct buf author; /* of the last submit: its subject and its audit record */
    struct buf audit;
    /* private */
    struct memory_row *rows; /* every version of everything, in order */
    size_t count;
    size_t cap;
    struct list watches;
};

void memory_init(struct memory *m, struct loop *loop);
void memory_free(struct memory *m);
/* Versions at or below the present, but for each object's newest, are forgotten. */
void memory_compact(struct memory *m);
/* Is there a cluster-scoped object of that name? */
bool memory_has(const struct memory *m, struct slice resource, struct slice name);
/* Ends every watch, as a server that shuts down does. */
void memory_end_watches(struct memory *m);

#endif
