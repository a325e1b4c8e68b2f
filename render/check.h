/* check.h: whether a type's or trait's templates can work at all, before anything is rendered.
 *
 * Every expression is parsed, its names and functions resolved; no value is known, so what depends
 * on one is found only when rendering. For the gate, when a ComponentType or Trait is applied, and
 * for validation offline. Thread: any. */
#ifndef RENDER_CHECK_H
#define RENDER_CHECK_H

#include "base/json.h"
#include "proto/cause.h"

/* spec of a ComponentType or ClusterComponentType. Errors: ERR_UNPROCESSABLE, with the place of the
 * first expression that is wrong: "spec.resources[deployment].template.spec.replicas, column 3:
 * ..."; ERR_TOO_LARGE. */
int check_component_type(const json_t *spec, struct err *err);
/* spec of a Trait or ClusterTrait. Errors: the same. */
int check_trait(const json_t *spec, struct err *err);
/* A whole object of any kind: nothing to say of those that hold no templates. Adds a cause with the
 * field and, in its message, the column. */
void check_object(const json_t *object, struct causes *causes);

#endif
