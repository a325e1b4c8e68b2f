/* world.h: a cluster of production groups and logs on virtual time, disk and network.
 *
 * As in production, a node has one log for all its groups: one sync makes what any of them said
 * durable, a power cut takes what was not synced from all of them, and each group elects, commits
 * and changes its members by itself. A node lives and dies as a whole.
 *
 * Everything random comes from one seed, so a run is repeated by its seed alone. world_run() turns
 * the clock; whatever it finds wrong is in w->oracle.
 * Owner: the test. Thread: one. */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "raft/group.h"
#include "tests/lib/disk.h"
#include "tests/lib/machine.h"

enum { WORLD_NODES = 6, WORLD_GROUPS = MACHINE_GROUPS };

struct world;
struct world_node;
struct world_replica;

/* A real store that lives beside each replica's machine, entry by entry. Every function reports
 * what is wrong to the oracle. */
struct world_hooks {
    void *user;
    void (*start)(struct world_replica *r); /* it must stand at r->now.index */
    void (*stop)(struct world_replica *r);
    void (*power_cut)(struct world_replica *r, bool rolled_back); /* to the last checkpoint */
    void (*wipe)(struct world_replica *r);
    /* The rest of an entry that this leader proposes; NULL: its Open. */
    void (*encode)(struct world_replica *r, const struct machine_command *c, struct buf *out);
    void (*apply)(struct world_replica *r, const struct group_entry *entries, size_t count);
    void (*ready)(struct world_replica *r);
    void (*acknowledged)(struct world_replica *r, const struct machine_command *c);
    void (*checkpoint)(struct world_replica *r);
    void *(*image)(struct world_replica *r);
    void (*image_free)(void *image);
    void (*install)(struct world_replica *r, void *image); /* takes image */
    void (*compare)(struct world *w);                      /* all replicas at equal index */
};

struct world_options {
    uint64_t seed;
    int voters;            /* nodes 0..voters-1 are bootstrapped */
    int groups;            /* 0: one */
    unsigned loss_percent; /* of messages */
    unsigned duplicate_percent;
    unsigned delay_max_ms;   /* of a message: usually; one in a hundred takes fifty times that */
    unsigned disk_max_ms;    /* of a sync */
    unsigned snapshot_every; /* entries; 0: never */
    unsigned clients;        /* of all groups: in turn */
    unsigned segment_bytes;  /* of the log; 0: 16 KB */
    unsigned append_bytes;   /* 0: the default; few: entries of one message arrive apart */
    uint32_t wal_faults;     /* planted bugs */
    uint32_t group_faults;
    uint32_t guards_off;
    bool confuse_requests;
    bool forget_stamps; /* a new leader stamps by its own clock alone (with a store) */
    bool trace;
    const struct world_hooks *hooks; /* NULL: the machine alone */
};

/* One group on one node. */
struct world_replica {
    struct world_node *node;
    int number; /* of the group */
    uint64_t server_id;
    bool member;            /* it has been given a place, perhaps an empty one */
    uint64_t life;          /* another for each start: older events are void */
    struct group *group;    /* NULL: it is no member, or the node is down */
    struct machine now;     /* the store as programs see it */
    struct machine durable; /* what of it survives a power cut */
    uint64_t armed_ms;
    uint64_t snapshot_at;   /* last snapshot's index */
    bool applying;          /* an apply event is queued */
    struct buf apply_queue; /* struct group_entry, referenced */
    bool installing;
    bool ready;
    uint64_t leading_term;
    uint64_t leading_since_us;
    struct group_proposal open;
    void *store; /* the hooks' */
};

struct world_node {
    struct world *world;
    int number;
    char name[24];
    bool up;
    bool broken;   /* its disk failed: to be crashed at the end of the event */
    uint64_t life; /* grows with each start: older events are void */
    struct disk disk;
    struct wal *wal;
    uint64_t last_write_us;
    struct world_replica replicas[WORLD_GROUPS];
};

struct world_client {
    struct world *world;
    int group;
    struct machine_command command;
    struct group_proposal proposal;
    int node; /* the one that it waits for; -1: none */
    uint64_t life;
    bool busy;
    uint64_t sum; /* of acknowledged amounts */
};

struct world_read {
    struct world *world;
    int group;
    struct group_read read;
    uint64_t least;
    int node; /* that serves it */
    uint64_t life;
    struct world_read *next;
};

struct world_change {
    struct world *world;
    int group;
    struct group_change change;
    int node; /* the leader that was asked */
    uint64_t life;
    int forget; /* node that is gone once this is done; -1 */
    bool busy;
    int status;
};

struct world {
    struct world_options options;
    uint64_t now_us;
    uint64_t random;
    uint64_t sequence;
    struct world_event *heap;
    size_t heap_count;
    size_t heap_cap;
    struct world_node nodes[WORLD_NODES];
    struct world_client clients[MACHINE_CLIENTS];
    struct world_change changes[WORLD_GROUPS];
    struct oracle oracle;
    bool blocked[WORLD_NODES][WORLD_NODES]; /* from, to */
    bool calm;                              /* no loss, no long delay: for healing */
    bool stop_clients;
    uint64_t installs;
    uint64_t elections;
    uint64_t events;
    uint64_t lives;
};

struct world *world_new(const struct world_options *options);
void world_free(struct world *w);
uint64_t world_random(struct world *w, uint64_t below);

void world_run(struct world *w, uint64_t ms);
/* Runs until done(w), at most ms; false: it never was. */
bool world_run_until(struct world *w, bool (*done)(struct world *w), uint64_t ms);

bool world_is_member(const struct world *w, int node); /* of any group */
void world_start(struct world *w, int node);           /* a member that is down */
void world_crash(struct world *w, int node);           /* a power cut */
void world_kill(struct world *w, int node);            /* the process only: the page cache stays */
void world_heal(struct world *w);                      /* all up, nothing blocked, calm */
/* The group's ready leader of the greatest term, or -1. */
int world_leader(struct world *w, int group);
bool world_has_leader(struct world *w); /* every group */
bool world_converged(struct world *w);  /* all members hold and have applied the same */
/* Begins a linearizable read at a leader of anyone's belief, served by node (-1: by that leader).
 */
void world_read(struct world *w, int group, int serve);
/* node's connection from `from` closes. */
void world_break(struct world *w, int node, int from);

/* Membership of a group, on its present leader; false: there is none, or a change is under way. */
bool world_join(struct world *w, int group, int node);
bool world_promote(struct world *w, int group, int node);
bool world_demote(struct world *w, int group, int node);
bool world_remove(struct world *w, int group, int node);
bool world_transfer(struct world *w, int group, int node); /* -1: to any */

/* Every replica's view, for a person. */
void world_print(struct world *w);
/* At the end of a healed run: nothing acknowledged is missing. */
void world_final_checks(struct world *w);

#endif
