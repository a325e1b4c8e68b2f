/* deployment_internal.h: between the files of deployment.h: what is gathered of one deployment.
 * Owner: the caller; objects are the platform's. Thread: the platform's. */
#ifndef RENDER_DEPLOYMENT_INTERNAL_H
#define RENDER_DEPLOYMENT_INTERNAL_H

#include "render/deployment.h"
#include "render/environment.h"

struct inputs {
    const struct platform *platform;
    const struct deployment *d;
    struct arena *arena;
    struct cel_cache *programs;
    struct trace *trace;
    struct render_identity id;
    struct environment environment;
    const json_t *plane; /* specs, or NULL */
    const json_t *cluster;
    const json_t *organization;
    const json_t *annotations; /* of the plane */
    const json_t *binding;     /* whole objects, once they were looked for */
    const json_t *release;
    const json_t *project; /* what it says of the environment */
};

void deployment__inputs(struct inputs *in, const struct platform *p, const struct deployment *d,
                        struct arena *arena);
const json_t *deployment__get(const struct inputs *in, const char *kind, struct slice name);
const json_t *deployment__get_global(const struct inputs *in, const char *kind, struct slice name);
struct slice deployment__uid(const struct inputs *in, const char *kind, struct slice ns,
                             struct slice name);

/* Errors: ERR_NOT_FOUND, of the environment or its template. */
int deployment__check_environment(const struct inputs *in, const char **reason, struct err *err);

/* What a component's release depends on, as render_component() takes it. */
struct deployment_needs {
    json_t *endpoints;
    json_t *resources;
    json_t *problems; /* rows of deployment_unresolved() */
};
/* in->release is there. The first problem is the error: ERR_NOT_FOUND. */
int deployment__resolve(const struct inputs *in, struct deployment_needs *out, const char **reason,
                        struct err *err);
void deployment__needs_free(struct deployment_needs *needs);

int deployment__render_resource(struct inputs *in, json_t **manifests, const char **reason,
                                struct err *err);
/* Fills out. Errors: as deployment_resource()'s. */
int deployment__resource(struct inputs *in, struct render_resource *out, const char **reason,
                         struct err *err);

#endif
