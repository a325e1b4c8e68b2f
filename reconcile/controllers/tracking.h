/* tracking.h: components that follow a branch: what their source is, and what is built of it.
 *
 * Pure, over a snapshot. Owner: slices are the snapshot's. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_TRACKING_H
#define RECONCILE_CONTROLLERS_TRACKING_H

#include "reconcile/plan.h"

enum {
    TRACKING_POLL_MS = 5 * 60 * 1000,       /* how often a branch is looked at, */
    TRACKING_POLL_TOLD_MS = 60 * 60 * 1000, /* and how often if a webhook tells of pushes to it: */
    TRACKING_TOLD_MS = 24 * 60 * 60 * 1000, /* one that has done so within this time */
};

/* Asks for the newest commit of the branch that component follows: it has spec.autoBuild, and a
 * source that is no tag and no commit. project may be NULL. */
void tracking_plan(const struct snapshot *s, const struct snapshot_entry *component,
                   const json_t *project, struct plan *plan);

#endif
