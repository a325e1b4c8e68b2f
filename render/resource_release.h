/* resource_release.h: what becomes of a Resource: its release, its bindings, its credentials.
 *
 * Beside release.h, and for the control plane and offline alike. A release holds the type as it
 * was, so that a type that changes changes no database by itself. Pure. Owner: trees are new, texts
 * the arena's. Thread: the platform's. */
#ifndef RENDER_RESOURCE_RELEASE_H
#define RENDER_RESOURCE_RELEASE_H

#include "base/arena.h"
#include "render/platform.h"

/* ResourceRelease.spec. On failure reason is a condition's. Errors: ERR_NOT_FOUND (the type),
 * ERR_UNPROCESSABLE (parameters that the type does not know). */
int resource_release_make(const struct platform *p, const json_t *resource, json_t **spec,
                          const char **reason, struct err *err);

/* ResourceReleaseBinding.spec of a resource in an environment, with what is decided once, when it
 * is made: the provider that the environment's data plane has for its type, and that production
 * retains. release is the object. */
json_t *resource_binding(const struct platform *p, const json_t *release, struct slice environment);

/* The names of a binding, and of the Secret with what was made up for it. */
struct slice resource_binding_name(struct arena *arena, struct slice resource,
                                   struct slice environment);
struct slice resource_credentials_name(struct arena *arena, struct slice binding);

/* The name of the Resource that a dependency means: it says so, or "PROJECT-NAME". */
struct slice dependency_resource(struct arena *arena, struct slice project,
                                 const json_t *dependency);
/* Does Component.spec.dependencies[i] mean a resource, and not a component? */
bool dependency_is_resource(const json_t *dependency);
/* The Resource that is made because a component depends on it. */
json_t *dependency_resource_new(struct arena *arena, struct slice ns, struct slice project,
                                const json_t *dependency);

#endif
