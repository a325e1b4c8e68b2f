/* context.h: what templates see.
 *
 *     metadata        name, shortName, namespace, componentName, ..., labels, annotations,
 * podSelectors workload        container {image, command, args}, endpoints {NAME: {port,
 * targetPort, type, basePath, visibility[]}} configurations  configs and secrets: {envs[], files[]}
 *     dependencies    items[], resources[], and of all of them: envVars[], volumeMounts[],
 * volumes[] dataplane       secretStore, gateway (its own), observabilityPlaneRef, annotations
 *     environment     gateway (the environment's over the plane's), defaultNotificationChannel
 *     gateway         environment.gateway
 *     organization
 *
 * Names and shapes are OpenChoreo's; `organization` ({defaultDeny, allowed[]}) is ours. Parameters
 * and environmentConfigs are added by the pipeline. Owner: the caller frees. Thread: any. */
#ifndef RENDER_CONTEXT_H
#define RENDER_CONTEXT_H

#include "render/layers.h"
#include "render/oc_functions.h"
#include "render/pipeline.h"
#include "render/resource_type.h"
#include "render/template.h"

struct context {
    json_t *variables; /* by name */
    json_t *derived;   /* of struct oc_host */
    struct oc_host host;
    struct slice cell; /* the namespace; in the arena */
};

/* Errors: ERR_UNPROCESSABLE (a dependency, secret or key that is not there). Frees nothing on
 * error: context_free() always. */
int context_component(struct arena *arena, const struct render_component *in,
                      struct context *context, struct err *err);
/* For a ProjectType: metadata, organization, environment, dataplane, gateway. */
void context_project(struct arena *arena, const struct render_cell *in, struct context *context);
/* For a ClusterProjectType: the same, and quotas, limits, access[]. */
void context_cell(struct arena *arena, const struct render_cell *in, struct context *context);
/* For a ResourceType: metadata (resourceName, resourceNamespace, resourceUID instead of the
 * component's), environment, dataplane, gateway. */
void context_resource(struct arena *arena, const struct render_resource *in,
                      struct context *context);
void context_free(struct context *context);

/* Makes every member of variables a variable of scope, and the host's functions known. */
void context_enter(const struct context *context, struct template_scope *scope);

/* Who says what of the type's environmentConfigs for this component: the environment, then the
 * binding. schema tells which of the environment's general ones the type knows at all. What is made
 * for it is the arena's. */
void context_environment_configs(struct arena *arena, const struct render_component *in,
                                 const json_t *schema, struct layers *layers);

/* Labels of every object of a component or, without one, of a cell. A new tree. */
json_t *context_labels(const struct render_identity *id);
/* Who may talk, as templates see it, new: {strict, defaultDeny, allowed}. The environment's word
 * comes before the organization's (specs, or NULL); strict alone allows `internal`. */
json_t *context_organization(const json_t *organization, const json_t *environment);

#endif
