/* apply.h: committed entries into rows; the state machine of a shard.
 *
 * Deterministic: no clock, randomness, configuration or pointer order is seen here; two nodes that
 * applied the same entries, in whatever batches, hold the same rows (store/digest.h).
 *
 * Rules of a write, in this order (the first that fails is its outcome):
 *   1. its issue time lies in the window around the entry's time, and it was not forgotten yet;
 *   2. its (issue time, subject, id) is new; else the first outcome again, if the digest is the
 * same;
 *   3. its namespace exists, and for a create is not terminating (cluster-scoped: no check);
 *   4. preconditions: create: absent; update, delete: present, if_uid, if_version.
 * Outcomes are recorded for retries, except conflicts on preconditions (4) that the server made.
 * Owner: the caller. Thread: the db's. */
#ifndef STORE_APPLY_H
#define STORE_APPLY_H

#include "base/arena.h"
#include "store/command.h"
#include "store/db.h"
#include "store/outcome.h"

struct apply_entry {
    uint64_t index;
    uint64_t term;
    struct slice
        payload; /* entry_encode()'s bytes; empty: one of raft's own, only its index counts */
};

/* Outcomes of one call, in the order of entries and of the commands in them. */
struct apply_result {
    struct apply_span {
        uint64_t index;
        size_t first; /* into outcomes */
        size_t count; /* 0 for skipped (already applied) and empty entries */
    } * spans;
    size_t span_count; /* = the entries given */
    struct outcome *outcomes;
    size_t outcome_count;
};

/* Applies entries (ascending, without gap from the applied index + 1; those at or below it are
 * skipped) in one transaction, with raft_meta (opaque: configuration and its index; data NULL keeps
 * what is stored) beside the applied index. The result lives in arena.
 * On error nothing was committed, db is as before, and this replica cannot go on: ERR_FULL,
 * ERR_CORRUPT (bytes or rows that no correct leader made: a gap, a version that goes backwards),
 * ERR_UNSUPPORTED (a newer release's command), ERR_IO. */
int apply_entries(struct db *db, const struct apply_entry *entries, size_t count,
                  struct slice raft_meta, struct arena *arena, struct apply_result *result,
                  struct err *err);

#endif
