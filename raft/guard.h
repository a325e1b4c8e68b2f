/* guard.h: what stands between a peer's messages and libraft 0.22.1, whose core has reachable bugs.
 *
 * Each rule is named by the bug that it stops (see guard.c). A rule can be switched off by a mask,
 * so that a test can show the bug; production passes 0.
 * Owner: none: pure functions over a group's raft and log. Thread: the group's. */
#ifndef RAFT_GUARD_H
#define RAFT_GUARD_H

#include <raft.h>

#include "raft/conf.h"
#include "raft/message.h"
#include "raft/wal.h"

enum guard_rule {
    GUARD_G1_OLD_TERM = 1 << 0,
    GUARD_G2_STALE_REJECTION = 1 << 1,
    GUARD_G3_CHANGE_FIRST = 1 << 2,
    GUARD_G4_VOTE_RESULT = 1 << 3,
    GUARD_G5_SECOND_INSTALL = 1 << 4,
    GUARD_G6_SETTLE_CHANGE = 1 << 5,
    GUARD_G7_BELOW_SNAPSHOT = 1 << 6,
    GUARD_G8_PRE_VOTE = 1 << 7,
    GUARD_G9_SOLE_VOTER = 1 << 8,
    GUARD_G10_STANDBY_VOTES = 1 << 9,
};

enum guard_verdict {
    GUARD_STEP,   /* give it to libraft, as it now reads */
    GUARD_DROP,   /* as if lost */
    GUARD_ANSWER, /* do not step; send the answer */
};

/* Judges a message that message_read() accepted. May trim it. */
enum guard_verdict guard_receive(uint32_t off, const struct raft *r, const struct wal_group *log,
                                 struct message *m, struct message *answer);
/* How many entries of an APPEND, from entry `from` on, go into one step (G3). */
size_t guard_chunk(uint32_t off, const struct message *m, size_t from);
/* The index of the CHANGE that must be marked committed before this APPEND (one chunk) is stepped;
 * 0: none (G6). */
uint64_t guard_settled_change(uint32_t off, const struct raft *r, const struct wal_group *log,
                              const struct message *chunk);
/* Does this event need our vote though our own configuration gives us none (G10)? Then our role
 * must read RAFT_VOTER for the length of the step: the server whose role to change, or NULL. */
struct raft_server *guard_lend_vote(uint32_t off, const struct raft *r,
                                    const struct raft_event *event);
/* May a received snapshot be given to libraft now (G5)? */
bool guard_install(uint32_t off, const struct raft *r);
/* May the servers change like this (G9)? Errors: ERR_CONFLICT. */
int guard_change(uint32_t off, const struct conf *before, const struct conf *after,
                 struct err *err);
/* Must self take a new term before it can find itself leader: is it the only voter (G9)? */
bool guard_sole_voter(uint32_t off, const struct conf *conf, uint64_t self_id);

#endif
