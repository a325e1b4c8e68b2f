/* pipeline.h: from a release to Kubernetes manifests.
 *
 * Pure functions: the same input gives the same bytes, on the server and offline in the CLI. No
 * clock, no I/O, no randomness. The objects come from YAML templates (component types, traits, and
 * the cell's template), never from C.
 *
 *     release + binding -> schema defaults and validation -> context -> validations
 *       -> the type's resources -> traits (creates, patches, removes) -> checks, labels, order
 *
 * Owner:  inputs are borrowed for the call and never changed; the result is the caller's to
 *         json_decref(). A json_t tree belongs to one thread at a time, inputs included.
 * Thread: any, one call at a time per tree. */
#ifndef RENDER_PIPELINE_H
#define RENDER_PIPELINE_H

#include "base/json.h"

struct cel_cache;
struct trace;

#define RENDER_POLICY "openchoreo-policy"

enum {
    RENDER_COST_MAX = 1000 * 1000, /* CEL cost of one call, all expressions together; the built-in
                                    * types need some thousands */
    RENDER_MANIFESTS_MAX = 1000,   /* objects of one call */
    RENDER_PATCHES_MAX = 10 * 1000 /* trait patch operations of one call, all targets together */
};

/* Who is rendered, where to. Names are objects' names; uids may be empty offline. */
struct render_identity {
    struct slice ns; /* the control plane's namespace, which is the organization */
    struct slice project;
    struct slice component; /* empty for a cell, and for a resource */
    struct slice resource;  /* of a resource */
    struct slice environment;
    struct slice dataplane;
    struct slice project_uid;
    struct slice component_uid;
    struct slice resource_uid;
    struct slice environment_uid;
    struct slice dataplane_uid;
};

/* Whose word the templates are (tenant.h): a type's kind and name. */
struct render_maker {
    struct slice kind; /* "ResourceType", "ClusterResourceType" */
    struct slice name;
    bool by_hand; /* what froze the type, kind and all, was not written by the control plane */
};

struct render_component {
    struct render_identity id;
    /* Release.spec: {componentType: {kind, name, spec}, componentProfile: {parameters, traits[]},
     * traits: [{kind, name, spec}], workload: {container, endpoints, dependencies}, project: {env,
     * files}}. */
    const json_t *release;
    bool by_hand; /* a client wrote the release: what it says of kinds is nobody's word */
    /* What its project says of this environment, {env, files}, or NULL. */
    const json_t *project;
    /* ReleaseBinding.spec or NULL: {componentTypeEnvironmentConfigs, traitEnvironmentConfigs,
     * workloadOverrides}. */
    const json_t *binding;
    /* What holds in the environment (environment.h), the cluster's entry in
     * DataPlane.spec.clusters, and DataPlane.spec, or NULL. Each reach of the gateway (external,
     * internal) is of the first that has it; the environment's overrides change what the release
     * says, and the binding's change both. */
    const json_t *environment;
    /* The specs that it is made of, if it has a template: the trace names them; else NULL. */
    const json_t *environment_own;
    const json_t *environment_template;
    const json_t *cluster;
    const json_t *dataplane;
    const json_t *dataplane_annotations; /* DataPlane.metadata.annotations, or NULL */
    /* Organization.spec or NULL: isolation, networkPolicies, ownTypes. */
    const json_t *organization;
    /* The endpoints that workload.dependencies.endpoints may mean, or NULL: [{component, project,
     * name, port, targetPort, basePath, type, host}]; host may be missing (the component's Service
     * in its cell of the same environment). A dependency without a name means the first of its
     * component. One that is not here is an error naming it. */
    const json_t *dependencies;
    /* Outputs of the resources that workload.dependencies.resources may mean, or NULL: [{ref,
     * outputs: [{name, value | secretKeyRef | configMapKeyRef}]}]. A resource that is not here is
     * left out. */
    const json_t *resources;
    /* What secretKeyRefs and configMapKeyRefs may name, in one array, or NULL: Secrets ({kind,
     * metadata: {name}, data: {key: base64}}), SecretReferences ({kind, metadata: {name}, spec:
     * {data: [...]}}), ConfigMaps ({kind, metadata: {name}, data: {key: text}}). A missing one is
     * an error naming it. */
    const json_t *sources;
    /* Added to metadata of every manifest (not to pods); ours win. Objects of strings, or NULL. */
    const json_t *labels;
    const json_t *annotations;
    /* As OpenChoreo renders its components: who may talk to the component is added, by a
     * ClusterTrait called RENDER_POLICY, after all others. policy is that object; NULL: the
     * built-in one. To others it is added where the cell denies by default and a tenant's type,
     * which may open nothing, made no policy (builtin/own-policies.yaml). */
    bool openchoreo;
    const json_t *policy;
    uint64_t cost_limit; /* 0: RENDER_COST_MAX */
    /* Parameters that a type or trait does not know are dropped, as OpenChoreo does; otherwise they
     * are errors, since a misspelt one would be lost silently. */
    bool tolerant;
    /* Compiled expressions of former renderings, trimmed here; NULL: none are kept. The result is
     * the same. */
    struct cel_cache *programs;
    /* Takes where every field comes from and who set which parameter (trace.h), initialized;
     * NULL: nobody asks. */
    struct trace *trace;
};

/* One component in one environment, on one cluster: *manifests is an array of objects in order of
 * application (configuration, services, workloads, the rest; then by kind, apiVersion, name); all
 * in the cell's namespace, with the standard labels. Only the gateway differs between clusters.
 * Errors: ERR_NOT_FOUND (a key of a source, or the source, is missing: the message names them),
 * ERR_UNPROCESSABLE (message says where: "resources[deployment].template.spec.replicas,
 * column 3: no such key: replica"; also failed validations and schema violations with their paths),
 * ERR_TOO_LARGE (a cost, depth or count limit). */
int render_component(const struct render_component *in, json_t **manifests, struct err *err);

struct render_cell {
    struct render_identity id; /* component is ignored */
    /* What makes it: a ClusterProjectType (cell.h says which); NULL: the built-in one. */
    const json_t *cell_type;
    const json_t *environment;  /* what holds in the environment, or NULL */
    const json_t *organization; /* Organization.spec or NULL */
    const json_t *cluster;      /* as a component's, and so on */
    const json_t *dataplane;
    const json_t *dataplane_annotations;
    const json_t *labels;
    const json_t *annotations;
    struct cel_cache *programs;
    struct trace *trace;
    /* What the project's type adds (project_type.h), or NULL: a ProjectType's spec with the
     * project's parameters and the environment's configs. */
    const json_t *type;
    struct render_maker maker;
    const json_t *parameters;
    const json_t *configs;
};

/* What every component of a cell needs first, in order: its Namespace, which is always there; what
 * else its ClusterProjectType makes; what the project's type adds. The built-in one makes: when
 * quotas are given (the environment's, else the organization's), a ResourceQuota and a LimitRange;
 * when the organization is strict, or it or the environment denies by default, the default-deny
 * policy (DNS stays allowed, and what allowedCommunication says); a Role and a RoleBinding for each
 * role that the environment gives; what its mesh and backup need. Objects may be in another
 * namespace than the cell's, as the backup's is, which is where its controller looks. Errors: as
 * render_component()'s, with the type named. */
int render_cell(const struct render_cell *in, json_t **manifests, struct err *err);

/* "apps/v1/Deployment/ns/name": what tells one manifest from another. Appends to out. */
void render_key(const json_t *manifest, struct buf *out);

#endif
