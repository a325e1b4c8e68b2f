/* workflow_run.h: what other controllers ask about WorkflowRuns.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_WORKFLOW_RUN_H
#define RECONCILE_CONTROLLERS_WORKFLOW_RUN_H

#include "reconcile/controllers/common.h"

#define RUN_SUCCEEDED "Succeeded"
#define RUN_FAILED "Failed"
/* On a RenderedRelease of a run: the image that it is to push, repository and tag. */
#define RUN_IMAGE_ANNOTATION "choreo.dev/image"

/* Has it come to its end? */
bool run_ended(const json_t *run);
/* Does a run of the namespace still need the cell that runs have? */
bool run_cell_wanted(const struct snapshot *s, struct slice ns, struct arena *arena);

/* The data plane that is marked for builds of that namespace, its own before a shared one; ns
 * empty: of all namespaces. Empty: none. */
struct slice run_plane_marked(const struct snapshot *s, struct slice ns, struct arena *arena);
/* The data plane that a reference to a plane means: the namespace's own of a WorkflowPlane's name
 * before a shared one. Empty: none. */
struct slice run_plane_of(const struct snapshot *s, struct slice ns, struct slice kind,
                          struct slice named, struct arena *arena);

/* Of a RenderedRelease with spec.workflowRun. */
bool rendered_is_run(const json_t *rendered);
/* status.run of the edit is brought up to date with what is seen. */
void rendered_report_run(const struct snapshot *s, const json_t *rendered, const json_t *inventory,
                         json_t *edit, struct plan *plan);

#endif
