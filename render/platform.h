/* platform.h: the platform's objects, as those see them who turn components into manifests.
 *
 * Controllers look into their snapshot (reconcile/controllers/common.h), which render/ does not
 * know: what becomes of a component is decided here and in release.h and deployment.h. Owner:
 * objects are the platform's, borrowed while nothing of it changes. Thread: the platform's. */
#ifndef RENDER_PLATFORM_H
#define RENDER_PLATFORM_H

#include "proto/object.h"

struct platform {
    void *user;
    /* The object of a kind ("Environment"; "openchoreo.dev/ComponentType" where the group is not
     * ours; ns empty for kinds of the cluster), or NULL. */
    const json_t *(*get)(void *user, const char *kind, struct slice ns, struct slice name);
    /* Its uid alone; empty if there is none. */
    struct slice (*uid)(void *user, const char *kind, struct slice ns, struct slice name);
    /* How many Projects list the component, and the names of the first two. */
    size_t (*listing)(void *user, struct slice ns, struct slice component, struct slice names[2]);
    /* The component's ReleaseBinding in an environment, if it is one of that project's; or NULL. */
    const json_t *(*binding)(void *user, struct slice ns, struct slice project,
                             struct slice component, struct slice environment);
    /* The resource's ResourceReleaseBinding in an environment; or NULL. */
    const json_t *(*resource_binding)(void *user, struct slice ns, struct slice resource,
                                      struct slice environment);
};

/* The project of a component: spec.project, else the sole project that lists it, else "default". */
struct platform_project {
    struct slice name;
    struct slice also; /* the second that lists it; then it is nobody's */
    bool named;        /* by the component itself */
};
struct platform_project platform_project(const struct platform *p, const json_t *component);

/* What a project says of one environment, or NULL: {env, files}. */
const json_t *project_environment(const json_t *project, struct slice environment);

/* The environment that releases start in: the first source that is nobody's target; empty: none. */
struct slice pipeline_first(const json_t *pipeline);
/* All that the pipeline names, in its order; the array is the arena's. */
size_t pipeline_environments(const json_t *pipeline, struct arena *arena, struct slice **out);

/* The clusters of a plane: those it lists, else one of the plane's own name. */
struct plane_cluster {
    struct slice name;
    struct slice region;
    const json_t *spec; /* NULL for a plane's implied one */
};
size_t plane_clusters(const json_t *plane, struct arena *arena, struct plane_cluster **out);
/* On a DataPlane that is made of one of a namespace (OpenChoreo's), and on the copy of its Secret
 * in choreo-system: "NAMESPACE/NAME" of that. */
#define PLANE_MADE_OF "choreo.dev/made-of"
/* That namespace; empty: it is made of none. */
struct slice plane_made_in(const json_t *object);

/* What the control plane makes of what is said elsewhere: new objects. The Component that a project
 * lists and nobody has made; the Environment and DeploymentPipeline that an organization starts
 * with. */
json_t *platform_listed_component(const json_t *project, const json_t *listed);
json_t *platform_first_environment(struct slice ns, struct slice plane);
json_t *platform_first_pipeline(struct slice ns);

#endif
