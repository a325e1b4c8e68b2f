/* build.h: where a component that names no image gets one: from the runs that build it.
 *
 * Pure, over a snapshot. Owner: slices are the snapshot's or the plan's. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_BUILD_H
#define RECONCILE_CONTROLLERS_BUILD_H

#include "proto/workflow_run.h"
#include "reconcile/controllers/common.h"

#define BUILD_BY_ITSELF "component" /* a run's spec.triggeredBy: nobody asked for it */

enum { BUILD_RUNS_KEPT = 10 }; /* of a component, beside those of what runs */

struct build {
    struct slice image; /* with its digest; empty: none yet */
    struct slice run;   /* that made it */
    const char *reason; /* why there is none: a condition's */
    const char *message;
};

/* Notes the newest build that went well in edit's status.build, tells in the condition Built how
 * building goes, makes the first run if nothing says otherwise, and deletes runs that are too many.
 * False: the component names no repository. */
bool build_plan(const struct snapshot *s, const struct snapshot_entry *component,
                const struct membership *membership, json_t *edit, struct plan *plan,
                struct build *out);
/* Is what was built written into the Workload that the component is made of, and not taken from
 * the run? So it is where OpenChoreo's workflows build. */
bool build_is_for_workload(const json_t *component);
/* Makes the run, whichever kind it is of; its name, the plan's. Empty: there is one of that name,
 * or was one lately, or nothing to build, or the component's type allows that workflow none. */
struct slice build_make_run(const struct snapshot *s, struct plan *plan,
                            const struct workflow_run_request *request);
/* The component names an image itself: what its source says is recorded, and not built. */
void build_unused(json_t *edit);

#endif
