/* engine.h: reconciliation on one node: the shards that it leads, their queues, their plans.
 *
 *   node's hooks -> snapshot (fed from the shard's database) -> queue -> controller -> plan
 *     -> writes through the backend, manifests through a driver -> observed -> queue ...
 *
 * A shard's leader is its reconciler. While a shard is led here, the engine holds a snapshot of it
 * and of the system shard, runs the controllers on what changes, and drives the clusters that its
 * objects are bound to. Nothing is applied again that has not changed since the last leader.
 *
 * The engine's functions on_* have the shape of node/shard's hooks (struct node_hooks); user is the
 * engine. A program connects the two in one place.
 *
 * Owner:  the caller embeds struct engine and keeps it until stopped() ran.
 * Thread: config.loop, for every call and callback. */
#ifndef RECONCILE_ENGINE_H
#define RECONCILE_ENGINE_H

#include "base/clock.h"
#include "base/loop.h"
#include "proto/backend.h"
#include "proto/kind_board.h"

struct driver;
struct feed;

enum { ENGINE_SHARDS_MAX = 512 };

struct engine_config {
    struct loop *loop; /* attached to the backend by the caller */
    struct backend *backend;
    struct kind_board *kinds;  /* borrowed */
    const struct clock *clock; /* NULL: the system's */
    const char *cluster;       /* cluster id: part of the epoch; borrowed for the engine's life */
    uint32_t shard_count;
    uint32_t election_timeout_ms;
    /* Where a shard's rows are read from (feed.h). Borrowed. NULL: the database that database()
     * names, through store/reader. */
    struct feed *feed;
    /* How long before a cluster that never answers is given up on deletion; 0: 10 minutes. */
    uint64_t abandon_after_ms;
    uint32_t probe_interval_ms; /* 0: 5 s */
    /* Requests that one cluster may be asked by all shards together; each gets its share. 0: 4000
     */
    uint32_t cluster_requests_per_second;
    uint32_t sweep_delay_ms;    /* before a new leader's first delete of the unplanned; 0: 15 s */
    uint32_t sweep_interval_ms; /* between two sweeps; 0: 60 s */
    uint32_t pods_after_ms;     /* pods of what has not come up until then are asked; 0: 5 s */
    /* Git repositories, and the clusters of planes of one namespace, may be at this machine's, its
     * link's and metadata services' addresses. */
    bool allow_local_sources;
    void *user;
    /* Age of the last confirmation, by a majority, that this node leads the shard; UINT64_MAX if
     * it does not (node_confirmed_age_ms). */
    uint64_t (*confirmed_age_ms)(void *user, uint32_t shard);
    uint32_t (*shard_of)(void *user, struct slice ns);
    const char *(*database)(void *user, uint32_t shard); /* node_shard_database */
};

struct engine {
    struct engine_impl *impl; /* private */
};

/* Errors: ERR_INVALID (a config without loop or backend), ERR_IO. */
int engine_start(struct engine *e, const struct engine_config *config, struct err *err);
/* Gives up all shards: requests under way are cancelled, nothing more is written. */
void engine_stop(struct engine *e, void (*stopped)(struct engine *e));

/* node_hooks, with user = the struct engine. */
void engine_on_lead(void *user, uint32_t shard, uint64_t term, uint64_t incarnation,
                    uint64_t index);
void engine_on_unlead(void *user, uint32_t shard);
void engine_on_change(void *user, uint32_t shard, uint64_t version);
void engine_on_reset(void *user, uint32_t shard);

#endif
