/* internal.h: the parts of a running node, as its own files see each other.
 *
 * Who owns what: the consensus loop owns struct node_impl after start, its replicas (but for their
 * keepers, the shard loops'), the transport and the list of fronts; each front owns itself. The
 * fields marked const are set before the threads start. */
#ifndef NODE_SHARD_INTERNAL_H
#define NODE_SHARD_INTERNAL_H

#include <stdatomic.h>

#include "base/map.h"
#include "node/shard/call.h"
#include "node/shard/keeper.h"
#include "node/shard/leader.h"
#include "node/shard/node.h"
#include "proto/kind.h"
#include "raft/transport.h"

struct front;

enum {
    NODE_LEADERLESS_MS = 10000, /* for so long, a shard without leader is waited for */
    NODE_TICK_MS = 20,
    NODE_SLOW_TICK_MS = 500,
    NODE_CALLS_CHANNEL = 1,
    NODE_CLOCK_OFFSET_MAX_MS = 500,
};

/* What a node's program can, told to its peers (transport_all_can()): the log may hold what only
 * such programs read once all of them do, so nodes can be upgraded one after another. */
enum node_feature {
    NODE_READS_COMPRESSED = 1 << 0, /* entries (store/entry.c) */
};

/* Whose objects own the namespaces of their names. */
#define NODE_ORGANIZATION_RESOURCE "organizations.choreo.dev"

/* One shard on this node: its group and, on a shard loop, its database. */
struct replica {
    struct node_impl *node; /* const */
    uint32_t shard;         /* const */
    char *dir;              /* const: .../shards/003 */
    char *path;             /* const: its state.db */
    struct group *group;
    struct keeper keeper;
    struct loop_timer timer; /* group_tick */
    bool timer_open;
    bool handed_over; /* its leadership was given away, or could not be: we are stopping */
    struct leader leader;
    struct db_state state; /* as last applied */
    uint64_t present;
    char leader_name[GROUP_NAME_MAX + 1]; /* empty: none known */
    char prefers[NODE_NAME_MAX + 1];      /* region that should lead; empty: any */
    uint64_t preferred_ms;                /* since when one of it could, monotonic; 0: none */
    uint64_t leaderless_ms;               /* since when, monotonic; 0: there is one */
    struct list waiting;                  /* calls without a leader to ask */
    struct list forwarded;                /* calls asked of another node */
    struct list images;                   /* being made or sent: struct image_sending */
    _Atomic uint64_t confirmed_ms;        /* monotonic; 0: not leader. Any thread reads */
    struct group_read pulse;              /* keeps confirmed_ms young, for the reconciler */
    bool pulsing;
};

/* A peer's clock, as measured. */
struct node_clock {
    char name[NODE_NAME_MAX + 1];
    int64_t offset_ms; /* its wall clock minus ours */
    uint64_t heard_ms; /* monotonic; 0: never */
};

/* One attached loop. The front is its loop's alone: nobody else may follow the pointer. */
struct front_slot {
    _Atomic(const struct loop *) loop; /* NULL: free */
    struct front *front;
};

struct node_impl {
    struct node *handle;
    struct backend backend;        /* first of what fronts use: ops */
    struct node_config config;     /* const */
    struct node_identity identity; /* const */
    const struct clock *clock;     /* const */
    char *dir;                     /* const */
    atomic_flag fatal_said;
    struct kind_registry kinds; /* const: scopes of resources */
    struct loop consensus;
    struct loop shard_loops[4];
    size_t shard_loop_count; /* const */
    struct loop internal;    /* a front for members and namespaces */
    struct tls *server_tls;
    struct tls *client_tls;
    struct wal_fs *wal_fs;
    struct wal *wal;
    struct wal_waiter founded;
    struct transport *transport;
    struct replica *replicas; /* const: identity.shards of them */
    uint32_t replica_count;   /* opened */
    bool loops_open;
    struct loop_timer tick; /* NODE_TICK_MS while calls wait */
    bool tick_running;
    struct loop_timer slow_tick;
    struct loop_timer pulse; /* several times in an election timeout, where anybody reconciles */
    struct front_slot front_table[NODE_FRONTS_MAX]; /* who is attached; any thread */
    struct front *fronts[NODE_FRONTS_MAX];          /* whom the consensus loop tells */
    size_t front_count;
    struct node_clock clocks[NODE_MEMBERS_MAX];
    size_t clock_count;
    int64_t clock_offset_ms; /* the majority's median minus ours */
    bool clock_bad;
    struct metric *clock_metric;
    unsigned image_serial; /* keeps two images from one peer apart */
    bool hooks_off;        /* their loop is detached: nobody is told any more */
    bool stopping;
    uint64_t balance_ms; /* no transfer for balance before */
    uint64_t stirred_ms; /* when a leader or a connection last changed */
    struct call *balancing;
    struct node_member members[NODE_MEMBERS_MAX];
    size_t member_count;
    struct status_board *board; /* status.c's */
    struct tenants *tenants;    /* tenants.c's, on the internal loop */
    struct list operations;     /* operations.c's, on the internal loop */
    size_t closing;             /* handles still open */
    uv_sem_t closed;
};

/* ---- node.c ---- */
/* Runs fn(arg) on the loop and waits for it. Not from a loop that it would wait for. */
void node_run_on(struct loop *loop, void (*fn)(void *arg), void *arg);
void node_fatal(struct node_impl *n, const struct err *err);
uint64_t node_now_ms(const struct node_impl *n); /* monotonic, the consensus loop's */
uint64_t node_wall_ms(const struct node_impl *n);

/* ---- consensus.c ---- */
extern const struct transport_ops node__transport_ops;
void node__tick(struct loop_timer *timer);
void node__slow_tick(struct loop_timer *timer);
void node__pulse(struct loop_timer *timer);

/* ---- replica.c ---- */
/* Opens the database; before the loops run. */
int replica_open(struct replica *r, struct node_impl *n, uint32_t shard, struct err *err);
/* Starts the group; on the consensus loop. */
int replica_start(struct replica *r, const struct group_server *founders, size_t founder_count,
                  struct err *err);
/* Frees the group; the keeper is closed apart. */
void replica_stop(struct replica *r);
void replica_free(struct replica *r);
/* After whatever may have moved the group's confirmation. */
void replica_confirmed(struct replica *r);
/* Has a majority confirm the leadership, if it is ours and no such question is under way. */
void replica_pulse(struct replica *r);

/* ---- dispatch.c: calls on the consensus loop ---- */
/* From any loop: takes the call, answers on its home. */
void dispatch_call(struct node_impl *n, struct call *call);
/* On the consensus loop. */
void dispatch_here(struct call *call);
void dispatch_done(struct call *call, int rc, const struct err *err);
/* Nobody answered it: ask again, or give the call back to the node that sent it. */
void dispatch_again(struct call *call, bool tried);
void dispatch_leader_changed(struct replica *r);
bool dispatch_tick(struct replica *r, uint64_t now_ms);
void dispatch_need_tick(struct node_impl *n);
void dispatch_serve(struct node_impl *n, struct transport_served *served, struct slice request);
/* Ends with ERR_CLOSED what waits here for that loop (NULL: everything). */
void dispatch_close(struct node_impl *n, const struct loop *home);

/* ---- images.c: databases streamed to followers ---- */
void images_send(struct replica *r, const char *name, uint64_t server_id);
void images_arrive(struct node_impl *n, struct transport_arrival *arrival, const char *peer,
                   uint32_t shard, struct slice header);
void images_install(struct replica *r, void *token);
void images_refuse(void *token);
void images_stop(struct replica *r);

/* ---- clocks.c ---- */
void clocks_tick(struct node_impl *n);
void clocks_note(struct node_impl *n, const char *peer, uint32_t kind, struct slice bytes);

/* ---- members.c: who is in the cluster, adding and removing, balance ---- */
/* The members as the system shard tells them, on the consensus loop. */
void members_set(struct node_impl *n, const struct node_member *members, size_t count);
void members_balance(struct node_impl *n);
/* Hands a led shard to another node (NULL: the best), if no other transfer is under way. */
void members_transfer_away(struct replica *r, const char *to);

/* ---- status.c ---- */
struct status_board *status_board_new(void);
void status_board_free(struct status_board *board);
void status_publish(struct node_impl *n);

/* ---- operations.c ---- */
/* Answers that loop's with ERR_CLOSED; on the internal loop. */
void operations_end(struct node_impl *n, const struct loop *loop);

/* ---- tenants.c: members and namespaces seen from the internal loop ---- */
int tenants_start(struct node_impl *n, struct err *err);
void tenants_stop(struct node_impl *n);

/* ---- front.c ---- */
/* From the consensus loop to every front. */
void fronts_applied(const struct replica *r);
void fronts_reset(const struct replica *r);
/* Ends the shard's watches, and the merged ones: their clients should look for another node. */
void fronts_leaderless(const struct replica *r);

extern const struct backend_ops router_ops;

#endif
