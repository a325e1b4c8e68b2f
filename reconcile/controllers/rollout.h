/* rollout.h: which release a binding, of a component or a resource, deploys, what became of those
 * before it, and the way back.
 *
 *   spec.releaseName --let in?--> deployed --healthy?--> Healthy
 *                                    |  not by its deadline
 *                                    v
 *                    the last healthy release before it is deployed instead, once; not one that
 *                    was taken back itself
 *
 * A rollback does not touch the spec: who declares a broken release keeps declaring it, and it is
 * not tried again until the spec changes (status.rollback holds for one generation). So neither a
 * GitOps tool nor this controller can make a loop of it. A resource is never taken back by itself.
 * Pure, over a snapshot. Owner: texts are the plan's arena's. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_ROLLOUT_H
#define RECONCILE_CONTROLLERS_ROLLOUT_H

#include "reconcile/controllers/promotion.h"

/* A condition of a binding while the release of its spec is taken back, or could not be. */
#define ROLLED_BACK "RolledBack"

enum { ROLLOUT_HISTORY_MAX = 10 };

struct rollout {
    struct slice release; /* to deploy; empty: none was let in yet */
    struct slice uid;     /* its uid, as it was let in; empty: not known */
    /* Why that is not the release of the spec, as Ready's reason and message; NULL: it is. */
    const char *reason;
    const char *message;
    struct promotion promotion; /* of the spec's; reason NULL: it was let in before */
};

/* What binding's release is to be, which is there and of its owner. */
void rollout_choose(const struct snapshot *s, const json_t *binding, struct plan *plan,
                    struct rollout *out);

/* How the release that is deployed is doing. */
struct rollout_health {
    bool healthy;     /* on all clusters, and of this release */
    bool unreachable; /* a cluster does not answer, or what it depends on is not there: it is not
                       * the release's fault */
};

/* That of a release, from the RenderedReleases of its binding, on so many clusters: only those that
 * were told of it count. */
struct rollout_health rollout_health_of(const struct snapshot *s, struct slice release,
                                        const struct snapshot_entry *const *rendered, size_t count,
                                        size_t clusters);

/* Keeps status.history and the conditions Promoted and RolledBack of binding's edit, and decides
 * on going back: then the next plan deploys the former release. */
void rollout_record(const struct snapshot *s, const json_t *binding, json_t *edit,
                    const struct rollout *rollout, struct rollout_health health, struct plan *plan);

/* What is deployed, in the status of a binding under edit. */
void rollout_tell(json_t *edit, const struct rollout *rollout);

/* Nothing is deployed any more, of a binding under edit: its health ends. */
void rollout_rest(json_t *edit);

/* Whether binding deploys the release, may have to go back to it, asks for it, or was offered it
 * last, which tells what is too old to be offered. */
bool rollout_uses(const json_t *binding, struct slice release);

#endif
