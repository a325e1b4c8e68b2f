/* check.h: whether a type's or trait's templates can work at all, before anything is rendered.
 *
 * Every expression is parsed, its names and functions resolved; schemas, ids, targets, patches and
 * what is literal in templates are looked at. No value is known, so what depends on one is found
 * only when rendering. For the gate, when a ComponentType or Trait is applied, and for validation
 * offline. Every fault is named by its field, the ids of templates in brackets:
 * "spec.resources[deployment].template.spec.replicas"; that of an expression says its column.
 * Thread: any. */
#ifndef RENDER_CHECK_H
#define RENDER_CHECK_H

#include "base/json.h"
#include "proto/cause.h"

/* spec of a ComponentType, Trait, ResourceType or Workflow, or of their Cluster kinds; of a
 * ClusterProjectType. */
void check_component_type(const json_t *spec, struct causes *causes);
void check_trait(const json_t *spec, struct causes *causes);
void check_resource_type(const json_t *spec, struct causes *causes);
void check_workflow(const json_t *spec, struct causes *causes);
void check_cell_type(const json_t *spec, struct causes *causes);
/* A whole object of any kind: nothing to say of those that hold no templates. */
void check_object(const json_t *object, struct causes *causes);

#endif
