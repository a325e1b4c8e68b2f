/* context.h: what templates see.
 *
 *     metadata        name, namespace, componentName, ..., labels, annotations, podSelectors
 *     workload        container {image, command, args}, endpoints {NAME: {port, targetPort, type,
 *                     basePath, visibility[]}}
 *     configurations  configs and secrets: {envs[], files[]}
 *     dependencies    envVars[]
 *     environment, dataplane, gateway, organization
 *
 * Names and shapes are OpenChoreo's; `organization` ({defaultDeny, allowed[]}) is ours. Parameters
 * and environmentConfigs are added by the pipeline. Owner: the caller frees. Thread: any. */
#ifndef RENDER_CONTEXT_H
#define RENDER_CONTEXT_H

#include "render/oc_functions.h"
#include "render/pipeline.h"
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
int context_cell(struct arena *arena, const struct render_cell *in, struct context *context,
                 struct err *err);
void context_free(struct context *context);

/* Makes every member of variables a variable of scope, and the host's functions known. */
void context_enter(const struct context *context, struct template_scope *scope);

/* The type's environmentConfigs for this component: the environment's overrides, then the
 * binding's. schema tells which of the environment's general ones the type knows at all. A new
 * tree. */
json_t *context_environment_configs(const struct render_component *in, const json_t *schema);

/* Labels of every object of a component or, without one, of a cell. A new tree. */
json_t *context_labels(const struct render_identity *id);

#endif
