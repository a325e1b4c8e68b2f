/* build_allowed.h: which workflows a component's type lets build it (spec.allowedWorkflows).
 * Pure, over a snapshot. Owner: trees are the snapshot's. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_BUILD_ALLOWED_H
#define RECONCILE_CONTROLLERS_BUILD_ALLOWED_H

#include "reconcile/controllers/common.h"

/* "Workflow" or "ClusterWorkflow", which is the default, of a reference {kind, name}. */
const char *build_workflow_kind(const json_t *ref);
/* The type that renders a component of ours; NULL: there is none yet, which its release will say.
 */
const json_t *build_type(const struct snapshot *s, const json_t *component);
/* Whether the type names the workflow. No type refuses nothing; one of ours that names none lets
 * any build, one of OpenChoreo's none. */
bool build_allowed(const json_t *type, const json_t *ref);
/* Why not, or NULL; the plan's. */
const char *build_forbidden(struct plan *plan, const json_t *type, const json_t *ref);

#endif
