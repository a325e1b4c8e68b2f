/* wal.h: one write-ahead log per node, for all its Raft groups.
 *
 * The log is the groups' memory of record: terms, votes, entries, truncations, snapshot marks. It
 * keeps every group's live entries in memory too, so that replication and application never read
 * the disk. Changes are queued at once and become durable in batches: whatever was queued while a
 * sync was in flight goes into the next write and one fdatasync, whichever group it came from.
 *
 *     wal_set_term / wal_append / wal_truncate / ...   change memory, queue records
 *     wal_wait(w, waiter)                              fires once all queued so far is durable
 *
 * With a loop, a log thread writes and syncs, and waiters fire on the loop. Without one (the
 * simulation), nothing happens by itself: wal_write() writes what is queued, wal_finish() syncs it
 * and fires the waiters, wal_mark() is the idle timer.
 *
 * A failed write or sync is final: config.failed is called, nothing is ever acknowledged again.
 * Owner:  whoever called wal_open(). Thread: the loop's for every call and callback (wal_open and
 *         wal_free: before and after it runs). */
#ifndef RAFT_WAL_H
#define RAFT_WAL_H

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "raft/payload.h"
#include "raft/wal_fs.h"

enum wal_limit {
    WAL_ENTRY_MAX = 8 << 20,          /* bytes of one entry */
    WAL_CONFIGURATION_MAX = 16 << 10, /* bytes of a snapshot mark's configuration */
    WAL_IDENTITY_MAX = 255,
    WAL_SEGMENT_BYTES = 16 << 20, /* default size at which a segment is left */
    WAL_IDLE_MS = 50,             /* quiet time before the synced offset is marked */
};

struct wal_config {
    struct loop *loop;      /* NULL: driven by hand, see above */
    struct wal_fs *fs;      /* borrowed until wal_free() */
    struct slice identity;  /* "CLUSTER/NODE": a log written under another one is refused */
    uint64_t segment_bytes; /* 0: WAL_SEGMENT_BYTES */
    uint64_t salt;          /* of a new log: marks its batches as its own; 0: random */
    /* The log can no longer be trusted to keep anything: end the process. NULL: logs and aborts. */
    void (*failed)(void *user, const struct err *err);
    void *user;
    uint32_t test_faults; /* enum wal_test_fault; 0 in production */
};

/* Bugs to plant, for the simulation to show that it catches them. */
enum wal_test_fault {
    WAL_TEST_SKIP_SYNC = 1, /* reports durability without having synced */
    /* A new segment begins with the term and vote of the first group alone: of the others, what
     * their last entries say. */
    WAL_TEST_FORGET_OTHER_GROUPS = 2,
};

enum wal_entry_type { WAL_ENTRY_COMMAND = 1, WAL_ENTRY_BARRIER = 2, WAL_ENTRY_CHANGE = 3 };

struct wal_entry {
    uint64_t term;
    enum wal_entry_type type;
    struct payload *data;
    uint64_t segment; /* private: the segment that its youngest copy stands in */
};

/* What the state machine's stored state stands for. */
struct wal_snapshot {
    uint64_t index; /* 0: none */
    uint64_t term;
    struct payload *configuration; /* opaque; NULL if index is 0 */
};

/* One group's part of the log, in memory; read it freely, change it by the functions below. */
struct wal_group {
    uint32_t id;
    uint64_t server_id; /* the Raft id under which this node is a member */
    uint64_t term;
    uint64_t vote;
    struct wal_snapshot snapshot;
    struct wal_snapshot install; /* announced and not yet finished; index 0: none */
    uint64_t first;              /* index of the oldest live entry; last + 1 when there is none */
    uint64_t last;               /* of the youngest one; snapshot.index when there is none */
    /* private */
    struct wal *wal;
    struct list link;
    struct wal_entry *ring;
    size_t ring_cap; /* a power of two, or 0 */
    size_t ring_head;
    uint64_t bytes;
    uint64_t carry_next; /* entries before it stand in the current segment */
};

struct wal_waiter {
    void (*fire)(struct wal_waiter *waiter);
    uint64_t position; /* private */
    struct list link;
};

/* Reads what is there, cuts a torn tail, and gets ready to append; blocks. An empty directory is a
 * new log. Errors: ERR_CORRUPT naming file and offset (bytes that were synced are damaged or
 * missing); ERR_IO; ERR_INVALID (the log of another node, or of a newer version). */
int wal_open(const struct wal_config *config, struct wal **wal, struct err *err);
/* Writes what is queued and the final mark, ends the log thread, then calls closed (once, on the
 * loop). Waiters still queued fire before it. Without a loop: done on return, closed is called. */
void wal_close(struct wal *w, void (*closed)(void *user), void *user);
/* Frees; after closed, or instead of it for a crash in a simulation. Takes NULL. */
void wal_free(struct wal *w);

struct wal_group *wal_group(struct wal *w, uint32_t id); /* NULL: not in this log */
struct wal_group *wal_group_next(struct wal *w, const struct wal_group *previous); /* by id */
/* A new, empty group: term 0. It must not exist. */
struct wal_group *wal_group_create(struct wal *w, uint32_t id, uint64_t server_id);
/* Forgets the group, durably: the node is no longer a member. */
void wal_group_remove(struct wal_group *g);

/* The entry at index, or NULL outside first..last. Valid until the group next changes. */
const struct wal_entry *wal_entry(const struct wal_group *g, uint64_t index);
/* The term of the entry, or of the snapshot, at index; 0: unknown. */
uint64_t wal_term_at(const struct wal_group *g, uint64_t index);
/* The bytes of the live entries. */
uint64_t wal_group_bytes(const struct wal_group *g);

/* term never falls; within a term, a vote never changes once given. */
void wal_set_term(struct wal_group *g, uint64_t term, uint64_t vote);
/* Appends behind last. Takes a reference of its own. */
void wal_append(struct wal_group *g, uint64_t term, enum wal_entry_type type, struct payload *data);
/* Drops from and all behind it. from > snapshot.index, from <= last. */
void wal_truncate(struct wal_group *g, uint64_t from);
/* The state machine holds everything up to index (an entry of the log or the snapshot itself),
 * durably. Entries at or below index - trailing may be dropped, those above stay. */
void wal_snapshot(struct wal_group *g, uint64_t index, struct slice configuration,
                  uint64_t trailing);
/* Replacing the state by a received snapshot takes three steps, so that a crash between them is
 * told on restart by the state's own applied index: announce (durable), the caller replaces the
 * state, finish. Finishing drops the whole log: last = snapshot.index = index. Cancelling forgets
 * the announcement. */
void wal_install_begin(struct wal_group *g, uint64_t index, uint64_t term,
                       struct slice configuration);
void wal_install_finish(struct wal_group *g);
void wal_install_cancel(struct wal_group *g);

/* Fires, on the loop and never inside this call, once everything queued so far is durable. The
 * waiter is the caller's again from then on. */
void wal_wait(struct wal *w, struct wal_waiter *waiter);
void wal_wait_cancel(struct wal *w, struct wal_waiter *waiter);
/* Positions grow with every queued record: everything queued up to wal_synced() is durable. */
uint64_t wal_position(const struct wal *w);
uint64_t wal_synced(const struct wal *w);

/* By hand, without a loop. */
bool wal_pending(const struct wal *w); /* something is queued, and nothing is being written */
void wal_write(struct wal *w);         /* writes it */
bool wal_writing(const struct wal *w); /* written and not yet synced */
void wal_finish(struct wal *w);        /* syncs it and fires the waiters */
void wal_mark(struct wal *w);          /* queues the mark of the synced offset, if one is due */

#endif
