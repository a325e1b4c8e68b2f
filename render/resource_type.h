/* resource_type.h: a Resource (a database, a queue) in one environment, by its ResourceType.
 *
 * Beside pipeline.h, and as pure. Templates see metadata (resourceName, resourceNamespace,
 * resourceUID instead of a component's), parameters, environmentConfigs, environment, dataplane and
 * gateway, organization and credentials; outputs and readyWhen see `applied` too: applied.ID.status
 * is the status of what the template of that id made, and no credentials. Owner: results are the
 * caller's to json_decref(). Thread: any. */
#ifndef RENDER_RESOURCE_TYPE_H
#define RENDER_RESOURCE_TYPE_H

#include "render/pipeline.h"

struct render_resource {
    struct render_identity id; /* resource instead of component */
    const json_t *type;        /* ResourceType.spec */
    struct render_maker maker; /* the type */
    const json_t *parameters;  /* Resource.spec.parameters, or NULL */
    const json_t *configs;     /* the binding's resourceTypeEnvironmentConfigs, or NULL */
    const json_t *environment; /* as a component's */
    const json_t *cluster;
    const json_t *dataplane;
    const json_t *dataplane_annotations;
    const json_t *organization; /* as a component's */
    /* {name: text}, or NULL: what templates of Secrets, and nothing else, may say. */
    const json_t *credentials;
    const json_t *labels;
    const json_t *annotations;
    /* Of what was applied, by the id of its template: {ID: status}. Only outputs and readiness see
     * it; NULL: nothing was. */
    const json_t *applied;
    uint64_t cost_limit; /* 0: RENDER_COST_MAX */
    /* Of all calls that share it together: what is left is put back; NULL: each has cost_limit. */
    uint64_t *cost_left;
    bool tolerant; /* as a component's */
    struct cel_cache *programs;
    struct trace *trace;
};

/* The objects of a ResourceType in order of application, in the cell's namespace. ids, if not NULL,
 * gets the id of each one's template. Errors: as render_component()'s. */
int render_resource(const struct render_resource *in, json_t **manifests, json_t **ids,
                    struct err *err);
/* What the type gives to those who depend on the resource: [{name, value | secretKeyRef |
 * configMapKeyRef}]. Those that cannot be said yet (what they ask of applied objects is not there)
 * are left out; *missing is how many, and err says why of the first. Errors: as
 * render_component()'s, of the type itself. */
int render_outputs(const struct render_resource *in, json_t **outputs, size_t *missing,
                   struct err *err);
/* What readyWhen says of one template's object: READY_UNKNOWN without one (its health decides) or
 * if it cannot be said yet; then err says why. */
enum render_ready { READY_UNKNOWN, READY_YES, READY_NO };
int render_ready(const struct render_resource *in, struct slice id, enum render_ready *ready,
                 struct err *err);

/* Whether its objects stay when the resource goes: the binding's retainPolicy, or else the type's,
 * is Retain. binding is a spec, or NULL. */
bool render_retains(const json_t *type, const json_t *binding);

#endif
