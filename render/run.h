/* run.h: one run of a workflow, as objects of a cluster.
 *
 * Beside pipeline.h, and as pure. Templates see
 *
 *     metadata      workflowRunName, namespace (on the cluster), namespaceName, projectName,
 *                   componentName, labels, annotations
 *     parameters    with the schema's defaults
 *     source        git: url, branch, tag, commit, ref (what to fetch), path (never empty), and
 *                   credentials ({key: base64}) if a Secret is named
 *     run           name (of objects), image (that it is to push), timeLimitSeconds,
 *                   test: name, environment, releaseName (empty of a run that is none),
 *                   endpoints (run_test.h)
 *     dataplane, workflowplane   secretStore, annotations
 *     externalRefs  by id
 *
 * Owner: results are the caller's to json_decref(). Thread: the platform's. */
#ifndef RENDER_RUN_H
#define RENDER_RUN_H

#include "base/arena.h"
#include "render/platform.h"

struct cel_cache;

/* Runs have cells like components: one for a namespace, on each cluster that they run on. No
 * project and no environment can be called so: their names have no capitals. */
#define RUN_PROJECT "Workflows"
#define RUN_ENVIRONMENT "Runs"

/* On every object of a run, and on its pods: the name of its objects. */
#define RUN_LABEL "choreo.dev/workflow-run"
/* Annotation of a DataPlane: whether runs are Argo's Workflows on its clusters ("true", "false"),
 * instead of what was found of each. Of a run's RenderedRelease: that they are ("true"). */
#define RUN_ARGO_ANNOTATION "choreo.dev/argo-workflows"

enum { RUN_TIME_LIMIT_DEFAULT_S = 3600 };

/* The run's Workflow or ClusterWorkflow; NULL: there is none. */
const json_t *run_workflow(const struct platform *p, const json_t *run);
/* The commit that it runs on: what it names, else what was found; empty: none yet. */
struct slice run_commit(const json_t *run);
/* Its time limit, and how long it is kept (0: as long as there is room). */
uint64_t run_time_limit_ms(const json_t *run, const json_t *workflow);
uint64_t run_ttl_ms(const json_t *run, const json_t *workflow);
/* The name of its objects, the arena's; and their namespace. */
struct slice run_object_name(struct arena *arena, struct slice name);
struct slice run_cell(struct arena *arena, struct slice ns);

/* Where it runs, and as what: decided once, when it is sent there. */
struct run_place {
    struct slice plane;
    bool argo; /* as Argo's Workflow, else as a Job where the workflow has one */
};
bool run_uses_argo(const json_t *plane, struct slice cluster);

/* The objects in order of application, all in the run's cell, and the image that it is to make (the
 * arena's; empty: none). On failure reason is a condition's. Errors: ERR_NOT_FOUND (the workflow or
 * a Secret), ERR_UNPROCESSABLE (parameters, validations, templates: the message says where),
 * ERR_TOO_LARGE. */
int run_render(const struct platform *p, const json_t *run, const struct run_place *place,
               struct arena *arena, struct cel_cache *programs, json_t **manifests,
               struct slice *image, const char **reason, struct err *err);

#endif
