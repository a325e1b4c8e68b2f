/* workflow_outcome.h: what a cluster's objects say of a WorkflowRun.
 * Pure. Owner: results are the caller's to json_decref(). Thread: any. */
#ifndef RECONCILE_CONTROLLERS_WORKFLOW_OUTCOME_H
#define RECONCILE_CONTROLLERS_WORKFLOW_OUTCOME_H

#include "base/json.h"

/* RenderedRelease.status.run of what world.run() gave: {phase, message, digest, image, commit,
 * tasks}; NULL if nothing that runs was seen. A Job that has ended while its pod has not been seen
 * to end is Running for OUTCOME_PATIENCE_MS, and *again_ms is when to look again. */
enum { OUTCOME_PATIENCE_MS = 15 * 1000 };
json_t *workflow_outcome(const json_t *seen, uint64_t now_ms, uint64_t *again_ms);

#endif
