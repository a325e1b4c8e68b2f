/* tracking.h: components that follow a branch: what is built of it.
 *
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_TRACKING_H
#define RECONCILE_CONTROLLERS_TRACKING_H

#include "reconcile/plan.h"

/* What runs that a webhook made (node/api/hooks) have in spec.triggeredBy, in front. */
#define TRACKING_WEBHOOK "system:webhook:"

enum {
    TRACKING_POLL_MS = 5 * 60 * 1000,       /* how often a branch is looked at, */
    TRACKING_TOLD_MS = 24 * 60 * 60 * 1000, /* unless a webhook had it built within this time */
};

/* Asks for the newest commit of the branch that component follows, which is one with spec.autoBuild
 * and a source that is no tag and no commit, and makes a run of a commit that has none. project may
 * be NULL. */
void tracking_plan(const struct snapshot *s, const struct snapshot_entry *component,
                   const json_t *project, struct plan *plan);

#endif
