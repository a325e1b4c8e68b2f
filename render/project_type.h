/* project_type.h: what a project's type adds to its cells.
 *
 * The type's templates see metadata, parameters (the project's), environmentConfigs (the
 * binding's), environment, dataplane, gateway. What they make is in the cell's namespace and of
 * kinds that belong to one; a Namespace that they make is the cell's own: its labels and
 * annotations are added to what that has, as far as they neither contradict it nor say how pods are
 * secured. Pure. Owner: as render_cell(). Thread: any, one call at a time per tree. */
#ifndef RENDER_PROJECT_TYPE_H
#define RENDER_PROJECT_TYPE_H

#include "render/pipeline.h"

/* Appends to manifests, those of the cell, what in->type makes. Errors: as render_component()'s. */
int project_type_render(const struct render_cell *in, json_t *manifests, struct err *err);

#endif
