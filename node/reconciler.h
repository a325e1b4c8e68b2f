/* reconciler.h: what a node does with the shards that it leads: the engine and the garbage
 * collector, on one loop of their own.
 *
 * Owner:  the caller embeds struct reconciler until reconciler_join() has returned.
 * Thread: the owner's; the parts run on the reconciler's loop. */
#ifndef NODE_RECONCILER_H
#define NODE_RECONCILER_H

#include "node/shard/node.h"
#include "reconcile/collector.h"
#include "reconcile/engine.h"

struct reconciler_config {
    struct node *node;
    struct backend *backend; /* the node's, with Namespaces */
    struct kind_board *kinds;
    uint32_t cluster_requests_per_second;
    bool allow_local_sources;
};

struct reconciler {
    struct node_hooks hooks; /* for node_config, from reconciler_init() on */
    /* private */
    struct node *node;
    struct loop loop;
    struct loop *home;
    struct engine engine;
    struct collector collector;
    int parts; /* not yet stopped */
    struct loop_msg stop;
    struct loop_msg gone;
    void (*stopped)(struct reconciler *r);
};

/* Errors: ERR_IO. */
int reconciler_init(struct reconciler *r, struct err *err);
/* The node runs. Errors: ERR_INVALID, ERR_IO, ERR_FULL. */
int reconciler_start(struct reconciler *r, const struct reconciler_config *config, struct err *err);
/* All shards are given up; stopped runs on home, once. */
void reconciler_stop(struct reconciler *r, struct loop *home,
                     void (*stopped)(struct reconciler *r));
/* Ends the thread, if there is one, after stopped(). */
void reconciler_join(struct reconciler *r);

#endif
