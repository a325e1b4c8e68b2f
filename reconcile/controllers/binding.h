/* binding.h: the names of what a binding makes.
 * Owner: the caller's arena holds the names. Thread: any. */
#ifndef RECONCILE_CONTROLLERS_BINDING_H
#define RECONCILE_CONTROLLERS_BINDING_H

#include "reconcile/controllers/common.h"

/* The RenderedRelease of a component, and that of its cell, on one cluster. */
struct slice rendered_name(struct arena *arena, struct slice component, struct slice environment,
                           struct slice plane, struct slice cluster);
struct slice rendered_cell_name(struct arena *arena, struct slice project, struct slice environment,
                                struct slice plane, struct slice cluster);

#endif
