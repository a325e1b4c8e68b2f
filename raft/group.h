/* group.h: one Raft group: consensus over opaque entries.
 *
 * A group is passive: it never waits, sleeps or does I/O. Whoever drives it calls group_receive(),
 * group_tick() and the requests below, and gives it a struct group_ops to act through; so it runs
 * unchanged on real loops and in the simulation. It drives libraft by raft_step() behind
 * raft/guard, and keeps its log in raft/wal.
 *
 * Becoming leader, in order: on_leading(term); the caller proposes its Open entry, the first of
 * the term; once that is applied here, on_ready(term). on_following() ends it at any point.
 *
 * Entries are handed to ops.apply in order, once per life of the group, only when both committed
 * and durable in this node's own log; the caller answers with group_applied() once its transaction
 * is committed. An entry that the caller's state already held at the start is skipped.
 *
 * Servers have a Raft id (never reused) and a logical name ("node-3"), which is the node's.
 * Owner:  whoever called group_new(). Requests are embedded by callers, theirs again in the
 *         callback, which comes exactly once and never inside the call that submitted it.
 * Thread: one: the loop of the group's wal. */
#ifndef RAFT_GROUP_H
#define RAFT_GROUP_H

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "raft/wal.h"

struct group;

enum group_limit {
    GROUP_NAME_MAX = 63,    /* bytes of a server's name */
    GROUP_SERVERS_MAX = 16, /* voters and standbys */
    GROUP_VOTERS_MAX = 5,
    GROUP_ENTRY_MAX = 4 << 20,     /* bytes of a proposal */
    GROUP_MESSAGE_MAX = 9 << 20,   /* bytes of an encoded message */
    GROUP_APPLYING_MAX = 16 << 20, /* bytes handed to apply and not yet answered */
};

enum group_role { GROUP_STANDBY, GROUP_VOTER };

struct group_server {
    uint64_t id;
    char name[GROUP_NAME_MAX + 1];
    enum group_role role;
};

/* Where in the log a stored state stands. The store keeps it in the transaction that it describes,
 * and puts it in a snapshot's header. */
struct group_point {
    uint64_t index; /* 0: an empty state */
    uint64_t term;
    struct slice configuration; /* opaque */
};

struct group_entry {
    uint64_t index;
    uint64_t term;
    bool command;         /* false: Raft's own entry: nothing to do but to move the applied index */
    struct payload *data; /* of a command; NULL otherwise */
    struct payload *configuration; /* what the state's group_point holds after this entry */
};

struct group_ops {
    uint64_t (*now_ms)(void *user); /* monotonic */
    /* Call group_tick() at that time, or soon after. Replaces what was armed before. */
    void (*arm)(void *user, uint64_t at_ms);
    /* To the node called name. Copied; may be dropped, delayed or reordered. */
    void (*send)(void *user, const char *name, struct slice message);
    /* The pointers are borrowed for the call: payload_ref() what is kept. */
    void (*apply)(void *user, const struct group_entry *entry);
    /* The node called name needs our state, at index or later. Stream it an image; then
     * group_snapshot_sent(). At most one at a time per server. */
    void (*send_snapshot)(void *user, const char *name, uint64_t server_id, uint64_t index);
    /* Replace the state by the image that was offered as token; then group_installed(). No apply
     * is outstanding, none comes meanwhile. */
    void (*install)(void *user, void *token, const struct group_point *point);
    /* The image offered as token is not wanted: free it. */
    void (*refuse)(void *user, void *token);
    void (*on_leading)(void *user, uint64_t term);
    void (*on_ready)(void *user, uint64_t term);
    void (*on_following)(void *user, uint64_t term); /* leadership of that term is lost */
    void (*on_leader)(void *user, uint64_t term, const char *name); /* seen; NULL: none */
    /* group_can_propose() has become true: the outstanding entry committed. */
    void (*on_can_propose)(void *user);
    /* The group can no longer keep its promises (a peer's history contradicts committed entries,
     * memory ran out inside the library): end the process. NULL: logs and aborts. */
    void (*failed)(void *user, const struct err *err);
};

struct group_config {
    uint32_t id; /* of the group: the shard's number */
    struct wal *wal;
    uint64_t server_id; /* this node's Raft id in the group */
    const char *name;   /* this node's */
    const struct group_ops *ops;
    void *user;
    struct group_point applied;   /* what the store holds */
    uint32_t election_timeout_ms; /* 0: 500; randomised between one and two times this */
    uint32_t heartbeat_ms;        /* 0: 50 */
    uint32_t install_timeout_ms;  /* 0: 600,000: longer than any snapshot's transfer */
    uint32_t trailing_entries; /* 0: 4096; kept in the log behind a snapshot for slow followers */
    uint32_t append_bytes;     /* 0: 1 MB; of entries in one message, and one entry at least */
    uint32_t random_seed;      /* different for each node and group */
    uint32_t test_guards_off;  /* enum guard_rule bits; 0 in production */
    uint32_t test_faults;      /* enum group_test_fault bits; 0 in production */
};

enum group_test_fault {
    GROUP_TEST_COMMIT_BY_COUNTING = 1, /* commits entries of older terms as soon as stored widely */
    GROUP_TEST_ACK_EARLY = 2,          /* tells peers that entries are stored before they are */
    GROUP_TEST_READ_ALONE = 4,         /* confirms reads without a round */
};

/* Writes the first configuration of a new group into the log: the same servers, in the same order,
 * on each of them, before group_new(). A node that joins later does not call this. self_id must be
 * among the voters. Errors: ERR_EXISTS (the group is in the log), ERR_INVALID. Not durable
 * until the wal has synced. */
int group_bootstrap(struct wal *wal, uint32_t group_id, uint64_t self_id,
                    const struct group_server *servers, size_t count, struct err *err);

/* Starts from what the log and the store hold. A group that the log does not know starts empty and
 * waits to be added by its leader. If the store holds the state that an interrupted install meant
 * to bring, the install is finished here.
 * Errors: ERR_CORRUPT (the log ends below the store's applied index, or the store stands below the
 * log's snapshot mark), ERR_INVALID (another server_id than the log's; bad name). */
int group_new(const struct group_config *config, struct group **group, struct err *err);
/* Ends requests with ERR_CLOSED (their callbacks run inside this call) and frees. Takes NULL. */
void group_free(struct group *g);

/* from is the node that the transport has verified. Bytes of any content are safe: what is
 * malformed is counted and dropped. */
void group_receive(struct group *g, const char *from, struct slice message);
void group_tick(struct group *g);
/* The connection from that node has closed. If it is the leader, the election starts early
 * (pre-vote keeps that harmless when the leader lives). A leader counts it as out of touch until
 * it answers again, and gives up a transfer to it. */
void group_peer_lost(struct group *g, const char *name);
/* That node can be reached (again). If no leader is known, the election need not wait for its whole
 * timeout: at a cluster's start, whoever could vote is here now. */
void group_peer_found(struct group *g, const char *name);
/* Everything up to index is in the store, committed (not necessarily synced). */
void group_applied(struct group *g, uint64_t index);

/* ---- proposing ---- */

struct group_proposal {
    /* status 0: committed and applied here, as entry (index, term).
     * ERR_NOT_LEADER: certainly not replicated. ERR_TIMEOUT: leadership was lost, the outcome is
     * unknown. ERR_BUSY: group_can_propose() was false. ERR_TOO_LARGE. ERR_CLOSED: as ERR_TIMEOUT.
     */
    void (*done)(struct group_proposal *proposal, int status);
    uint64_t index;
    uint64_t term;
    struct list link; /* private */
    int status;
};

/* One entry may be outstanding (proposed and not yet committed) at a time: batch what arrives
 * meanwhile into the next. Before on_ready() the one entry allowed is the caller's Open. */
void group_propose(struct group *g, struct group_proposal *proposal, struct slice data);
bool group_can_propose(const struct group *g);

/* ---- reading ---- */

struct group_read {
    /* status 0: a majority confirmed, after this read arrived, that it knows no higher term; state
     * at or above commit_index is current. ERR_NOT_LEADER: ask another node. ERR_CLOSED. */
    void (*done)(struct group_read *read, int status);
    uint64_t commit_index;
    uint64_t term;
    struct list link; /* private */
    int status;
};

/* On the leader. Joins the next round to start. Before on_ready() it waits for that. */
void group_read(struct group *g, struct group_read *read);
/* Takes it back; its callback is not called. For deadlines. */
void group_read_cancel(struct group *g, struct group_read *read);
/* When the last read round that a majority answered was begun, by ops.now_ms: until then,
 * certainly, nobody else led. 0: none yet, or not leader. For fencing; whoever needs it fresh
 * reads. */
uint64_t group_confirmed_ms(const struct group *g);

/* ---- leadership and members: one at a time per group ---- */

struct group_change {
    /* 0; ERR_NOT_LEADER; ERR_BUSY (another change is under way); ERR_NOT_FOUND; ERR_EXISTS;
     * ERR_CONFLICT (it would leave fewer than two voters, or more than five; or it is us);
     * ERR_TIMEOUT (outcome unknown: look at the status and repeat); ERR_CLOSED. */
    void (*done)(struct group_change *change, int status, const struct err *err);
    struct err err; /* private */
    int status;
    struct list link;
};

/* Stops proposals, waits until the target holds everything, hands over. name NULL: the most
 * up-to-date voter that is in touch. ERR_TIMEOUT: not taken over within election_timeout_ms; this
 * node goes on leading. */
void group_transfer(struct group *g, struct group_change *change, const char *name);
/* As standby: it is sent everything and has no say. Done when committed. */
void group_add(struct group *g, struct group_change *change, uint64_t server_id, const char *name);
/* Waits until the server has caught up, then makes it a voter. */
void group_promote(struct group *g, struct group_change *change, uint64_t server_id);
/* Voter to standby. A leader does not demote or remove itself: transfer first. */
void group_demote(struct group *g, struct group_change *change, uint64_t server_id);
void group_remove(struct group *g, struct group_change *change, uint64_t server_id);

/* ---- snapshots ---- */

/* The store holds everything up to index durably: the log before it may go. index must have been
 * applied; lower than before is ignored. */
void group_snapshot_taken(struct group *g, uint64_t index);
/* The stream to that server has ended; whether it was installed shows in its match. */
void group_snapshot_sent(struct group *g, uint64_t server_id);
/* An image has arrived whole. Ends in ops.install or ops.refuse, later or within this call. */
void group_snapshot_offer(struct group *g, void *token, const struct group_point *point);
/* The state has been replaced, durably. */
void group_installed(struct group *g);

/* ---- looking ---- */

enum group_state { GROUP_FOLLOWER, GROUP_CANDIDATE, GROUP_LEADER };

struct group_server_status {
    struct group_server server;
    uint64_t match; /* on the leader: what it is known to have stored */
    bool in_touch;  /* on the leader: answered within an election timeout */
    bool snapshot;  /* on the leader: is being sent an image */
};

struct group_status {
    enum group_state state;
    bool ready;       /* leading, and its Open is applied */
    bool quarantined; /* reloading itself after an inconsistency */
    bool installing;
    bool changing; /* on the leader: a change of members or a transfer is under way */
    uint64_t term;
    uint64_t commit;
    uint64_t applied;
    uint64_t first; /* oldest entry in the log */
    uint64_t last;
    uint64_t durable;
    uint64_t snapshot;
    uint64_t log_bytes;
    uint64_t leader_id; /* 0: none known */
    char leader[GROUP_NAME_MAX + 1];
    struct group_server_status servers[GROUP_SERVERS_MAX]; /* of the latest configuration */
    size_t server_count;
    uint64_t dropped_messages; /* malformed, misdirected, or stopped by the guard */
};

void group_status(const struct group *g, struct group_status *status);
uint64_t group_term(const struct group *g);
bool group_leading(const struct group *g); /* on_leading was called, on_following not since */
bool group_ready(const struct group *g);
/* The servers that an opaque configuration names; for listing members of a store that is not
 * running. Errors: ERR_CORRUPT. */
int group_configuration(struct slice configuration, struct group_server *servers, size_t *count,
                        struct err *err);

#endif
