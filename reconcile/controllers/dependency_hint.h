/* dependency_hint.h: what to do about a dependency that cannot be said: the name that was meant,
 * what there is instead, or what comes next.
 *
 * Pure, over a snapshot. Owner: what is added is in the rows. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_DEPENDENCY_HINT_H
#define RECONCILE_CONTROLLERS_DEPENDENCY_HINT_H

#include "reconcile/controllers/common.h"
#include "render/deployment.h"

/* Adds to the messages of those of deployment_unresolved()'s rows, of a component's deployment,
 * that deployment_problems_text() tells. */
void dependency_hints(const struct snapshot *s, const struct deployment *d, json_t *problems,
                      struct arena *arena);

/* The same of a deployment that failed with a message: if that is about its dependencies, with all
 * that is said of them; else as it is. The arena's. */
struct slice dependency_explain(const struct snapshot *s, const struct deployment *d,
                                struct slice message, struct arena *arena);

#endif
