/* collect_rig.h: a cluster of real nodes, each with a garbage collector, and what a test asks of
 * it.
 *
 * Objects are ConfigMaps in namespaces, or cluster-scoped Things (ns ""). Their uids are the test's
 * to choose. Failures fail the test, but for outcomes of writes. Thread: the test's. */
#ifndef TESTS_NODE_SHARD_COLLECT_RIG_H
#define TESTS_NODE_SHARD_COLLECT_RIG_H

#include "proto/admit.h"
#include "reconcile/collector.h"
#include "tests/unit/node/shard/cluster.h"

/* A member's collector, on a loop of its own. */
struct caretaker {
    struct loop loop;
    struct node_hooks hooks;
    struct collector collector;
    struct node *node;
    struct loop_msg stop;
    bool up;
};

struct rig {
    struct cluster c;
    struct kind_registry kinds;
    struct kind_board board;
    struct kind_board *serves; /* what nodes started from now on know; at first, board */
    struct caretaker care[CLUSTER_NODES_MAX];
    struct arena arena; /* of texts; freed at the end */
};

void rig_begin(struct rig *r, size_t nodes, uint32_t shards);
void rig_end(struct rig *r);
void rig_start_node(struct rig *r, size_t i);
/* Its collector first; clean: an orderly stop, else as if killed. */
void rig_stop_node(struct rig *r, size_t i, bool clean);

/* metadata: members besides name, namespace and uid, with ' for ": "'labels':{}". May be "". */
int rig_create(struct rig *r, const char *ns, const char *name, const char *uid,
               const char *metadata);
/* Options and patch as JSON with '. Conflicts are tried again. */
int rig_delete(struct rig *r, const char *ns, const char *name, const char *options);
int rig_patch(struct rig *r, const char *ns, const char *name, const char *patch);
/* A reference, for metadata: to a Thing if ns is "", else to a ConfigMap. In the arena. */
const char *rig_ref(struct rig *r, const char *ns, const char *name, const char *uid, bool blocks);

/* All objects, confirmed: "ns/name" each, with "<uid,uid" of its owners, "!" while it is being
 * deleted, in order of (ns, name), one space between. In the arena. */
const char *rig_text(struct rig *r);
/* Waits until that is so. */
void rig_await(struct rig *r, const char *text);

#endif
