/* release.h: a component, its type and its traits, frozen: Release.spec.
 *
 * What is in it, and how it is named, decides whether anything is deployed anew; so it is made
 * here, for the control plane and offline alike. Pure. Thread: the platform's. */
#ifndef RENDER_RELEASE_H
#define RENDER_RELEASE_H

#include "base/arena.h"
#include "render/platform.h"

/* *spec is a new tree. On failure reason is a condition's: TypeNotFound, TraitNotFound,
 * TraitNotAllowed, InvalidSpec. Errors: ERR_NOT_FOUND (the type or a trait), ERR_UNPROCESSABLE. */
int release_make(const struct platform *p, const json_t *component, struct slice project,
                 json_t **spec, const char **reason, struct err *err);

/* "COMPONENT-hash of the spec"; the arena's. */
struct slice release_name(struct arena *arena, struct slice component, const json_t *spec);

/* ReleaseBinding.spec: the release in an environment. A new tree. */
json_t *release_binding(struct slice project, struct slice component, struct slice environment,
                        struct slice release);

#endif
