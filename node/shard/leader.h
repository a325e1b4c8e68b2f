/* leader.h: what a node does for a shard while it leads it: stamps, batches, closes, keeps house.
 *
 *   IDLE --on_leading--> OPENING --Open applied--> SERVING --on_following--> IDLE
 *
 * While OPENING, calls are taken and wait; neither stamped, closed nor read.
 *
 * Versions. `last` is the greatest version stamped or closed; a stamp is max(now, last) + 1. At
 * SERVING it starts above everything in the log and above every ceiling applied before our Open.
 * A closing promises that nothing at or below t will still come. It survives us if t is at or below
 * a version that is applied (so every later leader's log holds it), or below a ceiling that is
 * applied (so every later leader stamps above it); else a higher ceiling is committed first.
 *
 * Owner: the replica embeds it. Thread: the consensus loop. */
#ifndef NODE_SHARD_LEADER_H
#define NODE_SHARD_LEADER_H

#include "base/sm.h"
#include "node/shard/call.h"
#include "node/shard/keeper.h"

struct replica;

enum leader_state { LEADER_IDLE, LEADER_OPENING, LEADER_SERVING };

enum {
    LEADER_CEILING_MS = 3000, /* a ceiling is so far ahead of the clock */
    LEADER_CLOSE_WAIT_MS = 3000,
    LEADER_SKEW_MAX_MS = 5000, /* a version further ahead of our clock is refused */
    LEADER_HOUSEKEEPING_MS = 30000,
    LEADER_EVENT_TTL_MS = 60 * 60 * 1000,
    LEADER_QUEUE_BYTES_MAX = 64 << 20,
};

struct leader {
    struct sm sm;
    uint64_t term;
    uint64_t open_index;
    uint64_t last;              /* greatest version stamped or closed */
    uint64_t applied;           /* greatest version applied */
    uint64_t ceiling;           /* greatest ceiling applied */
    uint64_t ceiling_asked;     /* being committed; 0: none */
    uint64_t closed_at_ms;      /* monotonic: when a closing was last asked for; 0: never */
    uint64_t housekeeping_ms;   /* monotonic: when to look again */
    bool housekeeping;          /* a chore's command is under way */
    size_t housekeeping_turn;   /* the chore that is next; behind the last: a rest */
    uint64_t housekeeping_goal; /* what the one under way is to come to */
    struct list queue;          /* SUBMIT calls not yet proposed */
    size_t queue_bytes;
    struct list flying; /* batches proposed and not yet answered */
    struct list closes; /* CLOSE calls that wait for Open, the clock or a ceiling */
};

void leader_init(struct leader *l);
/* From the group. */
void leader_begin(struct replica *r, uint64_t term);
void leader_ready(struct replica *r);
void leader_end(struct replica *r);
/* What the keeper applied; before group_applied(). */
void leader_applied(struct replica *r, const struct keeper_applied *applied);

/* The clock as a version: the least of now. */
uint64_t leader__now(const struct replica *r);
uint64_t leader__housekeeping_ms(const struct replica *r);

/* Takes the call; it ends in dispatch_done() or, with leadership lost, dispatch_again(). Only when
 * not IDLE. */
void leader_take(struct replica *r, struct call *call);
/* Proposes what waits, if the group can. */
void leader_pump(struct replica *r);
/* Looks at waiting closings; true while there are any. */
bool leader_tick(struct replica *r, uint64_t now_ms);
/* Twice a second: renews the ceiling while it is used, compacts, forgets old requests, removes old
 * Events. */
void leader_housekeep(struct replica *r, uint64_t now_ms);

#endif
