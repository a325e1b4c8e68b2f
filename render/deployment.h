/* deployment.h: what one release of a component or of a resource, or their cell, is on one cluster:
 * the manifests of a RenderedRelease.
 *
 * Gathers everything from the platform: the release frozen with its type, the binding's overrides,
 * the environment, the plane, the organization, the addresses of the components that it depends on,
 * and the Secrets and ConfigMaps that it names. So the same objects give the same bytes, whoever
 * asks, and their hash tells whether a cluster is up to date.
 * Owner: results are the caller's to json_decref(). Thread: the platform's. */
#ifndef RENDER_DEPLOYMENT_H
#define RENDER_DEPLOYMENT_H

#include "base/arena.h"
#include "render/platform.h"
#include "render/resource_type.h"

/* The reason while something is on its way that a release needs, as soon as nothing is wrong. */
#define DEPLOYMENT_WAITS "ResourceNotReady"

struct deployment {
    struct slice ns;
    struct slice project;
    struct slice component; /* with neither, the cell */
    struct slice resource;  /* a database or the like, instead of a component */
    struct slice environment;
    struct slice plane;
    struct slice cluster;
    struct slice release;     /* names of objects; of a cell OpenChoreo's ProjectRelease, or none */
    struct slice release_uid; /* the release must have this one; empty: any */
    struct slice binding;     /* of a cell OpenChoreo's ProjectReleaseBinding, or none */
};

bool deployment_is_cell(const struct deployment *d);

/* The objects in order of application. programs and trace may be NULL (pipeline.h). On failure
 * reason is a condition's. Errors: ERR_NOT_FOUND (something it refers to is not there),
 * ERR_UNPROCESSABLE and ERR_TOO_LARGE (rendering). */
int deployment_render(const struct platform *p, const struct deployment *d, struct arena *arena,
                      struct cel_cache *programs, struct trace *trace, json_t **manifests,
                      const char **reason, struct err *err);
/* What render_resource() and its like take of a resource's deployment; borrowed from the platform
 * and the arena. Errors: ERR_NOT_FOUND, with a condition's reason. */
int deployment_resource(const struct platform *p, const struct deployment *d, struct arena *arena,
                        struct render_resource *out, const char **reason, struct err *err);

/* Why what the release of a component depends on cannot be said on this cluster yet: rows
 * {dependency, reason, message}, a new array, empty if all of it can. */
json_t *deployment_unresolved(const struct platform *p, const struct deployment *d,
                              struct arena *arena);
enum { DEPLOYMENT_PROBLEMS_TOLD = 4 };
/* The messages of the first of them, as one; the arena's. */
struct slice deployment_problems_text(const json_t *problems, struct arena *arena);
/* "web -> api -> web" if components that are deployed there need each other in a circle, of which
 * this is one; empty: none. The arena's. */
struct slice deployment_cycle(const struct platform *p, const struct deployment *d,
                              struct arena *arena);

/* The revision: SHA-256 in hex of the manifests' canonical JSON. */
void deployment_hash(const json_t *manifests, char out[65]);

/* The names of its RenderedRelease, and of its ReleaseBinding; the arena's. "a-b" in "c" and "a" in
 * "b-c" have the same: whoever finds that another's takes that _apart, which nothing else has. */
struct slice deployment_name(struct arena *arena, const struct deployment *d);
struct slice deployment_name_apart(struct arena *arena, const struct deployment *d);
/* Whether a RenderedRelease is of what the deployment is of, here or on another cluster; or the
 * deployment's. */
bool deployment_owns(const struct deployment *d, const json_t *rendered);
bool deployment_is_of(const struct deployment *d, const json_t *rendered);
/* The name that its RenderedRelease has on a platform, or is to have. Another's (deployment_owns())
 * only of cells whose namespaces would be one. */
struct slice deployment_name_on(const struct platform *p, struct arena *arena,
                                const struct deployment *d);
struct slice deployment_binding_name(struct arena *arena, struct slice component,
                                     struct slice environment);
struct slice deployment_binding_name_apart(struct arena *arena, struct slice component,
                                           struct slice environment);

#endif
