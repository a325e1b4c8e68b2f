/* router.h: requests of the backend under way on a front, between router.c (reads, watches) and
 * submit.c (writes).
 * Owner:  heap, in front.runs, until run_answer() or run_free(). Thread: the front's loop. */
#ifndef NODE_SHARD_ROUTER_H
#define NODE_SHARD_ROUTER_H

#include "node/shard/front.h"

enum run_kind { RUN_GET, RUN_LIST, RUN_SUBMIT, RUN_OUTCOME };
enum { AT_LEAST_WAIT_MS = 3000, CALL_GRACE_MS = 200, DEADLINE_DEFAULT_MS = 30000 };

struct run {
    struct list link; /* front.runs */
    struct front *front;
    enum run_kind kind;
    void *request; /* backend_get, _list or _submit */
    uint64_t deadline_ms;
    bool over; /* rc is the answer; done comes with the next wake */
    bool all;  /* a list over all shards */
    int rc;
    struct err err;
    uint32_t shard;
    /* reads */
    struct want *wants; /* one, or one for each shard */
    size_t want_count;
    size_t wanted; /* still under way */
    uint64_t version;
    bool closing; /* a list's second phase */
    /* a list that is being read */
    bool scanning; /* the next turn comes with a wake */
    bool stale;    /* over all shards, as of what is here; else the shards are asked */
    struct view_scan scan;
    /* writes */
    struct call *call; /* under way */
    int step;
};

uint32_t router_shard_of(const struct node_impl *n, struct slice ns);
/* The front of the loop that the request names. */
struct front *router_front(struct backend *b, const struct loop *loop);
struct run *run_new(struct front *f, enum run_kind kind, void *request, uint64_t deadline_ms,
                    size_t wants);
void run_free(struct run *run);
/* Ends a run with an error, or a write with what it has. Never inside backend_ops. */
void run_answer(struct run *run, int rc, const struct err *err);
/* The same from inside backend_ops: with the next wake. */
void run_later(struct run *run, int rc, const struct err *err);

/* submit.c: backend_ops.submit */
void router_submit(struct backend *b, struct backend_submit *submit);

#endif
