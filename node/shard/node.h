/* node.h: one node of the cluster: its log, its shards, its peers, and the backend over them.
 *
 *   front loops --call--> consensus loop (groups, transport) --entries--> shard loops (stores)
 *        ^                      |    \--forwarded call--> another node's consensus loop
 *        '------ answers, "applied up to" -----'
 *
 * node_create() makes a data directory once; node_start() runs it; the doors use node_backend() on
 * any loop that node_attach() has introduced; node_stop() hands leaderships over, drains and syncs.
 *
 * Data directory: node.yaml (identity), peers.json (the last known members), wal/ (one log for all
 * shards), shards/NNN/state.db.
 * Owner:  the caller embeds struct node and keeps it until stopped() ran.
 * Thread: node_create/load: any. node_start() and node_stop(): one owner's loop. Status and the
 *         asynchronous operations: any loop, named in the request. */
#ifndef NODE_SHARD_NODE_H
#define NODE_SHARD_NODE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "proto/backend.h"

enum {
    NODE_NAME_MAX = 63,
    NODE_ADDRESS_MAX = 255,
    NODE_MEMBERS_MAX = 16, /* members of the cluster, standbys included */
    NODE_VOTERS_MAX = 5,
    NODE_SHARDS_MAX = 512,
    NODE_FRONTS_MAX = 32, /* loops that may call the backend */
};

/* The kind of the members' objects in the system shard: cluster-scoped, written by node_join() and
 * node_remove(), watched by every node for addresses. */
#define NODE_MEMBER_RESOURCE "nodes.cluster.choreo.dev"

struct node_member {
    uint64_t id;                  /* Raft's; never reused, also not by the same machine */
    char name[NODE_NAME_MAX + 1]; /* logical: what Raft configurations hold */
    char region[NODE_NAME_MAX + 1];
    char peer[NODE_ADDRESS_MAX + 1]; /* host:port of the peers' port */
    char api[NODE_ADDRESS_MAX + 1];  /* host:port of the API, for people and clients */
};

/* What node.yaml holds. */
struct node_identity {
    char cluster[NODE_NAME_MAX + 1]; /* cluster id: a UUID */
    struct node_member self;
    uint32_t shards;
    uint64_t incarnation; /* of the cluster: raised by init, restore and forced recovery */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
};

/* Makes dir (0700) with node.yaml and peers.json. founders are the first voters, this node among
 * them, the same list on each; none: this node joins an existing cluster and waits to be added.
 * Errors: ERR_EXISTS (there is an identity already), ERR_INVALID, ERR_IO. */
int node_create(const char *dir, const struct node_identity *identity,
                const struct node_member *founders, size_t founder_count,
                const struct node_member *known, size_t known_count, struct err *err);
/* Errors: ERR_NOT_FOUND (no identity there), ERR_INVALID (file and line), ERR_IO. */
int node_load(const char *dir, struct node_identity *identity, struct err *err);

/* What the reconciler is told; all calls come on `loop`. They end when that loop is detached, or
 * the node has stopped; it must live until then. */
struct node_hooks {
    struct loop *loop;
    void *user;
    /* This node reconciles the shard from now on: Open{term, incarnation} is applied at index. */
    void (*on_lead)(void *user, uint32_t shard, uint64_t term, uint64_t incarnation,
                    uint64_t index);
    /* No more. Comes once for each on_lead, at the latest when another node may have begun. */
    void (*on_unlead)(void *user, uint32_t shard);
    /* Rows at or below version may be read from shard's database. Led or not. */
    void (*on_change)(void *user, uint32_t shard, uint64_t version);
    /* The database file was replaced by a snapshot: reopen readers. */
    void (*on_reset)(void *user, uint32_t shard);
};

struct node_config {
    const char *dir;
    const char *peer_listen; /* host:port; NULL: the identity's peer address */
    struct slice ca_pem;     /* the cluster's CA, and this node's peer certificate */
    struct slice cert_pem;
    struct slice key_pem;
    uint32_t shard_loops;      /* 0: one per two shards, at most four */
    uint64_t history_ms;       /* how long superseded versions are kept; 0: 5 minutes; never less */
    uint32_t leaderless_ms;    /* for so long a shard without leader is waited for; 0: 10 s */
    uint64_t event_ttl_ms;     /* how long an Event is kept after its last write; 0: an hour */
    uint32_t housekeeping_ms;  /* between looks at what can be compacted; 0: 30 s */
    uint32_t trailing_entries; /* kept in the log behind a checkpoint; 0: 4096 */
    uint32_t checkpoint_ms;    /* between checkpoints of a changing database; 0: 10 s */
    uint32_t denied_features;  /* told to peers as what this program cannot do: tests of upgrades */
    const struct clock *clock; /* NULL: the system's */
    const struct node_hooks *hooks; /* NULL: nobody reconciles. Borrowed until stopped */
    /* Is the resource cluster-scoped? Any thread. NULL: the kind registry decides. */
    bool (*cluster_scoped)(struct slice resource);
    /* Nothing here can go on: disk lost, database damaged while running, another process under this
     * name. Must end the process; why is logged already (node.fatal). Any thread; NULL: abort(). */
    void (*fatal)(const struct err *err);
};

struct node {
    void *user;
    struct node_impl *impl; /* private */
};

/* Opens everything and starts the threads; returns once the peers' port is bound. Errors:
 * ERR_NOT_FOUND (no identity), ERR_INVALID (certificate of another node or cluster, bad peers),
 * ERR_CORRUPT (log or database damaged: says which and what to do), ERR_IO, ERR_FULL. */
int node_start(struct node *n, const struct node_config *config, struct err *err);
const struct node_identity *node_identity(const struct node *n);
uint16_t node_peer_port(const struct node *n);
/* Introduces a loop whose code will call the backend. On that loop, or before it runs. */
int node_attach(struct node *n, struct loop *loop, struct err *err);
/* Ends what the loop still has under way with ERR_CLOSED, then calls detached on it. */
void node_detach(struct node *n, struct loop *loop, void (*detached)(void *user), void *user);
struct backend *node_backend(struct node *n);
/* Hands leaderships over (bounded by 2 s), drains, checkpoints, marks the log, ends the threads.
 * Blocks its caller, at most some seconds. All attached loops were detached before. */
void node_stop(struct node *n);
/* As if the process were killed: nothing is handed over, synced or marked. For tests. */
void node_abandon(struct node *n);
/* It cannot go on, for a reason that it does not know itself: logged, and config.fatal called,
 * unless that is so already. Any thread. */
void node_fail(struct node *n, const struct err *why);

/* ---- status: a copy, from any thread, no waiting ---- */

enum node_role { NODE_ABSENT, NODE_FOLLOWER, NODE_CANDIDATE, NODE_LEADER };

struct node_peer_status {
    char name[NODE_NAME_MAX + 1];
    bool voter;
    bool connected;
    uint64_t match_index;  /* leaders only */
    uint64_t heard_age_ms; /* UINT64_MAX: never */
    int64_t clock_offset_ms;
};

struct node_shard_status {
    uint32_t shard;
    enum node_role role;
    bool serving; /* leads and has applied its own Open */
    uint64_t term;
    char leader[NODE_NAME_MAX + 1];  /* empty: none known */
    char prefers[NODE_NAME_MAX + 1]; /* region that should lead (node_prefer); empty: any */
    uint64_t leaderless_ms;          /* 0 while there is one */
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t snapshot_index;
    uint64_t applied_version;
    uint64_t confirmed_age_ms; /* leaders: since a majority last confirmed; else UINT64_MAX */
    size_t peer_count;
    struct node_peer_status peers[NODE_MEMBERS_MAX];
};

struct node_status {
    bool ready;              /* every shard has a leader and this node has caught up with it */
    int64_t clock_offset_ms; /* ours minus the majority's median */
    size_t member_count;
    struct node_member members[NODE_MEMBERS_MAX];
    size_t shard_count;
    struct node_shard_status *shards; /* the caller free()s */
};

void node_status(struct node *n, struct node_status *out);
/* Age of the last confirmation, by a majority, that this node leads the shard; UINT64_MAX if it
 * does not. Any thread; what a driver asks before each create. */
uint64_t node_confirmed_age_ms(struct node *n, uint32_t shard);
uint32_t node_shard_of(const struct node *n, struct slice ns);
/* Path of the shard's database, for readers (store/reader.h); lives as long as the node. */
const char *node_shard_database(const struct node *n, uint32_t shard);

/* ---- operations: requests embedded by the caller; done runs once, on loop ---- */

struct node_op {
    struct loop *loop;
    uint64_t deadline_ms; /* of that loop */
    void *user;
    void (*done)(struct node_op *op, int rc, const struct err *err);
    /* private */
    struct loop_msg msg;
    int kind;
    uint32_t shard;
    struct node_member member;
    struct node *node;
    int rc;
    struct err err;
};

/* Moves a shard's leadership to the named node (empty: the best caught-up one). On any node: is
 * forwarded to the leader. Errors: ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_TIMEOUT. */
void node_transfer(struct node *n, struct node_op *op, uint32_t shard, const char *to);
/* Adds a member to every shard: standby, caught up, then voter; resumable: done again, it goes on
 * where it was. Where five vote already, it stays a standby. Errors: ERR_EXISTS (id or name of
 * another), ERR_TIMEOUT. */
void node_join(struct node *n, struct node_op *op, const struct node_member *member);
/* Removes a member, dead or alive, from every shard. Errors: ERR_NOT_FOUND, ERR_CONFLICT (would
 * leave fewer than two voters), ERR_TIMEOUT. */
void node_remove(struct node *n, struct node_op *op, const char *name);
/* Says in which region the shard's leader should be (empty: anywhere), for all nodes and for good.
 * Leadership follows within seconds while a voter of that region is in touch and caught up, and
 * stays where it is otherwise. Errors: ERR_NOT_FOUND (no member is in that region), ERR_TIMEOUT. */
void node_prefer(struct node *n, struct node_op *op, uint32_t shard, const char *region);

#endif
