/* collector.h: the garbage collector: what is owned goes when its last owner is gone.
 *
 *   node's hooks -> changes and the index of dependents (store/reader.h) -> objects to look at
 *     -> owners, confirmed -> DELETE, or a reference less
 *
 * As Kubernetes has it, over metadata.ownerReferences by uid:
 * Background: the owner goes at once; a dependent whose owners are all gone is deleted, one with
 *   another owner loses the dangling reference. One that was born with a dangling one, likewise.
 * Foreground: the owner, held by the finalizer foregroundDeletion, waits until those dependents are
 *   gone that say blockOwnerDeletion; dependents that have dependents go in the foreground, too.
 * Orphan: the owner, held by the finalizer orphan, waits until no dependent refers to it.
 * An owner is looked for in the dependent's namespace, or is cluster-scoped. One whose kind is not
 * served decides nothing: the dependent stays as it is until the kind is served. A cluster-scoped
 * dependent of a namespaced owner, which is not valid, is left alone for good.
 *
 * A shard's leader collects the dependents, and ends the waiting of the owners, that live in its
 * shard, wherever the others live. It keeps nothing that must survive it: a new leader goes through
 * the shard's index once, then follows the changes. No owner is taken for gone but on a
 * linearizable read of its shard or by having seen its deletion; writes carry the uid and version
 * looked at.
 *
 * The on_* functions have the shape of node/shard's hooks; user is the collector.
 * Owner:  the caller embeds struct collector and keeps it until stopped() ran.
 * Thread: config.loop, for every call and callback. */
#ifndef RECONCILE_COLLECTOR_H
#define RECONCILE_COLLECTOR_H

#include "base/clock.h"
#include "proto/backend.h"
#include "proto/kind_board.h"

enum { COLLECTOR_SHARDS_MAX = 512 };

struct collector_config {
    struct loop *loop;         /* attached to the backend by the caller */
    struct backend *backend;   /* serves every kind that can be an owner: Namespaces, too */
    struct kind_board *kinds;  /* borrowed */
    const struct clock *clock; /* NULL: the system's */
    uint32_t shard_count;
    void *user;
    uint32_t (*shard_of)(void *user, struct slice ns);
    const char *(*database)(void *user, uint32_t shard); /* every shard's, led or not */
};

struct collector {
    struct collector_impl *impl; /* private */
};

void collector_start(struct collector *c, const struct collector_config *config);
/* Requests under way are cancelled, nothing more is written; stopped runs later, once. */
void collector_stop(struct collector *c, void (*stopped)(struct collector *c));

void collector_on_lead(void *user, uint32_t shard, uint64_t term, uint64_t incarnation,
                       uint64_t index);
void collector_on_unlead(void *user, uint32_t shard);
void collector_on_change(void *user, uint32_t shard, uint64_t version);
void collector_on_reset(void *user, uint32_t shard);

#endif
