/* front.h: one loop's side of a node: what it knows of the shards, and waiting for more.
 *
 * A front has a view of each shard's database and one merge of them all. A *want* is a wait until
 * the front's view of a shard is good enough to answer from:
 *
 *   CLOCK    the leader, confirmed by a majority after now, says its clock
 *   FRESH    likewise, and everything committed then is applied here
 *   CLOSED   nothing at or below a version will still come, and all of it is applied here
 *
 * Wants of the same kind that arrive while a question is under way share the next one.
 * Owner:  the node; wants are embedded by the router's requests. Thread: the front's loop. */
#ifndef NODE_SHARD_FRONT_H
#define NODE_SHARD_FRONT_H

#include "node/shard/internal.h"
#include "store/merge.h"
#include "store/view.h"

enum { FRONT_CALLERS = 64 };

enum want_kind { WANT_CLOCK, WANT_FRESH, WANT_CLOSED };

struct want {
    /* set before front_want() */
    enum want_kind kind;
    uint32_t shard;
    uint64_t deadline_ms;
    uint64_t version; /* CLOSED */
    bool trusted;     /* CLOSED: the version comes from a leader or a row */
    /* Once, never inside front_want(). Errors: ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CLOSED. */
    void (*done)(struct want *want, int rc, const struct err *err);
    void *user;
    uint64_t clock; /* result of CLOCK */
    /* private */
    struct list link;
    uint64_t index;  /* to be applied */
    uint64_t closed; /* holds then */
    int rc;
    struct err err;
};

/* A question to a leader that is under way, and who waits for it. */
struct ask {
    struct front *front;
    uint32_t shard;
    enum want_kind kind;
    bool shared; /* front_shard.asking[kind] */
    struct list riders;
};

struct front_shard {
    struct view view;
    uint64_t applied;      /* index */
    uint64_t present;      /* version */
    struct ask *asking[3]; /* by kind: the shared question under way */
    struct list next[3];   /* wants for the one after it */
    struct list applying;  /* wants that wait for `index` to be applied */
    struct want nudge;     /* for merged watches */
    bool nudging;
    uint64_t nudge_at_ms; /* not before */
};

enum { FRONT_TICK_MS = 50 };

struct front {
    struct node_impl *node;
    struct loop *loop;
    struct front_shard *shards;
    uint32_t shard_count;
    struct merge merge;
    struct list ready;               /* wants whose done is due */
    struct list runs;                /* the router's requests under way */
    uint64_t scans;                  /* turns of lists so far */
    uint64_t scanned[FRONT_CALLERS]; /* the last one of each caller, by hash */
    struct loop_msg wake;
    bool wake_posted;
    struct loop_timer timer;
    uint64_t keep_up_until_ms;
    size_t calls; /* under way */
    bool subscribed;
    bool detaching;
    void (*detached)(void *user);
    void *detached_user;
    size_t closing; /* handles not yet closed */
};

/* NULL if that loop is not attached. Any thread. */
struct front *front_of(struct node_impl *n, const struct loop *loop);
void front_want(struct front *f, struct want *want);
void front_want_cancel(struct want *want); /* done is not called */
/* Hands a call to dispatch and counts it; its done must call front_call_done(). */
void front_call(struct front *f, struct call *call);
void front_call_done(struct front *f);
/* Runs router_wake(f) soon. */
void front_wake(struct front *f);
/* Makes lagging shards close what the foremost has reached, if anybody watches them merged. */
void front_nudge(struct front *f);
/* The same, now and for a while, for somebody who reads them merged as they are here. */
void front_keep_up(struct front *f);

/* Between front.c and attach.c. */
void front__tell(struct front *f, const struct replica *r);
void front__on_wake(struct loop_msg *msg);
void front__on_timer(struct loop_timer *timer);
/* Those past their deadline; with rc, all. */
void front__fail_wants(struct front *f, uint64_t now, int rc);
/* Closes a detaching front when nothing more can come. */
void front__close_if_quiet(struct front *f);

/* The router's parts: what wakes and deadlines mean for its requests. */
void router_tick(struct front *f, uint64_t now_ms);
void router_wake(struct front *f);
void router_close(struct front *f);

#endif
