/* snapshot.h: the consistent view that controllers read.
 *
 * One shard's live objects of the kinds that controllers know, as canonical bytes in memory, with
 * indexes by what refers to what; trees are parsed on demand and some are kept. It is fed
 * from the shard's change feed between plans, never during one, so a plan sees one version.
 *
 * The frozen type in a Release, which is most of it, is kept once for all releases that share it.
 *
 * Why bytes: 50,000 parsed trees are some 500 MB, as many canonical bodies about 60 MB with their
 * indexes; reading SQLite for each object would cost a query per reference, and a shard's leader
 * would compete with its own applies. A node pays only for the shards that it leads.
 *
 * Of ConfigMaps and Secrets, which may be large or confidential, only their being there is kept.
 * What a plan reads of them comes from the database (snapshot_source), and is forgotten after the
 * plan.
 *
 * A snapshot of another shard than the system's has the system's behind it: cluster-scoped kinds
 * and the namespace choreo-system are looked up there.
 * Owner: the caller embeds; entries and trees are the snapshot's. Thread: the owner's. */
#ifndef RECONCILE_SNAPSHOT_H
#define RECONCILE_SNAPSHOT_H

#include "base/json.h"
#include "base/list.h"
#include "base/map.h"

struct cel_cache;

#define SNAPSHOT_SYSTEM_NS "choreo-system"

/* kind, GroupResource, cluster-scoped */
#define SNAPSHOT_KINDS(X)                                                                          \
    X(SNAPSHOT_ORGANIZATION, "Organization", "organizations.choreo.dev", true)                     \
    X(SNAPSHOT_DATAPLANE, "DataPlane", "dataplanes.choreo.dev", true)                              \
    X(SNAPSHOT_CLUSTER_TYPE, "ClusterComponentType", "clustercomponenttypes.choreo.dev", true)     \
    X(SNAPSHOT_CLUSTER_TRAIT, "ClusterTrait", "clustertraits.choreo.dev", true)                    \
    X(SNAPSHOT_TYPE, "ComponentType", "componenttypes.choreo.dev", false)                          \
    X(SNAPSHOT_TRAIT, "Trait", "traits.choreo.dev", false)                                         \
    X(SNAPSHOT_CLUSTER_RESOURCE_TYPE, "ClusterResourceType", "clusterresourcetypes.choreo.dev",    \
      true)                                                                                        \
    X(SNAPSHOT_RESOURCE_TYPE, "ResourceType", "resourcetypes.choreo.dev", false)                   \
    X(SNAPSHOT_RESOURCE, "Resource", "resources.choreo.dev", false)                                \
    X(SNAPSHOT_RESOURCE_RELEASE, "ResourceRelease", "resourcereleases.choreo.dev", false)          \
    X(SNAPSHOT_RESOURCE_BINDING, "ResourceReleaseBinding", "resourcereleasebindings.choreo.dev",   \
      false)                                                                                       \
    X(SNAPSHOT_CLUSTER_PROJECT_TYPE, "ClusterProjectType", "clusterprojecttypes.choreo.dev", true) \
    X(SNAPSHOT_PROJECT, "Project", "projects.choreo.dev", false)                                   \
    X(SNAPSHOT_COMPONENT, "Component", "components.choreo.dev", false)                             \
    X(SNAPSHOT_ENVIRONMENT, "Environment", "environments.choreo.dev", false)                       \
    X(SNAPSHOT_ENVIRONMENT_TEMPLATE, "EnvironmentTemplate", "environmenttemplates.choreo.dev",     \
      true)                                                                                        \
    X(SNAPSHOT_PIPELINE, "DeploymentPipeline", "deploymentpipelines.choreo.dev", false)            \
    X(SNAPSHOT_RELEASE, "Release", "releases.choreo.dev", false)                                   \
    X(SNAPSHOT_BINDING, "ReleaseBinding", "releasebindings.choreo.dev", false)                     \
    X(SNAPSHOT_RENDERED, "RenderedRelease", "renderedreleases.choreo.dev", false)                  \
    X(SNAPSHOT_RELEASE_SET, "ReleaseSet", "releasesets.choreo.dev", false)                         \
    X(SNAPSHOT_APPROVAL, "ReleaseApproval", "releaseapprovals.choreo.dev", false)                  \
    X(SNAPSHOT_TEST, "TestResult", "testresults.choreo.dev", false)                                \
    X(SNAPSHOT_CLUSTER_WORKFLOW, "ClusterWorkflow", "clusterworkflows.choreo.dev", true)           \
    X(SNAPSHOT_WORKFLOW, "Workflow", "workflows.choreo.dev", false)                                \
    X(SNAPSHOT_RUN, "WorkflowRun", "workflowruns.choreo.dev", false)                               \
    X(SNAPSHOT_SECRET, "Secret", "secrets", false)                                                 \
    X(SNAPSHOT_CONFIG_MAP, "ConfigMap", "configmaps", false)                                       \
    X(SNAPSHOT_SECRET_REFERENCE, "SecretReference", "secretreferences.openchoreo.dev", false)      \
    SNAPSHOT_OPENCHOREO_KINDS(X)

/* OpenChoreo's kinds that ours are made of. Its SecretReference is read as it is. */
#define SNAPSHOT_OPENCHOREO_KINDS(X)                                                               \
    X(SNAPSHOT_OC_CLUSTER_TYPE, "openchoreo.dev/ClusterComponentType",                             \
      "clustercomponenttypes.openchoreo.dev", true)                                                \
    X(SNAPSHOT_OC_TYPE, "openchoreo.dev/ComponentType", "componenttypes.openchoreo.dev", false)    \
    X(SNAPSHOT_OC_CLUSTER_TRAIT, "openchoreo.dev/ClusterTrait", "clustertraits.openchoreo.dev",    \
      true)                                                                                        \
    X(SNAPSHOT_OC_TRAIT, "openchoreo.dev/Trait", "traits.openchoreo.dev", false)                   \
    X(SNAPSHOT_OC_PROJECT, "openchoreo.dev/Project", "projects.openchoreo.dev", false)             \
    X(SNAPSHOT_OC_COMPONENT, "openchoreo.dev/Component", "components.openchoreo.dev", false)       \
    X(SNAPSHOT_OC_WORKLOAD, "openchoreo.dev/Workload", "workloads.openchoreo.dev", false)          \
    X(SNAPSHOT_OC_ENVIRONMENT, "openchoreo.dev/Environment", "environments.openchoreo.dev", false) \
    X(SNAPSHOT_OC_PIPELINE, "openchoreo.dev/DeploymentPipeline",                                   \
      "deploymentpipelines.openchoreo.dev", false)                                                 \
    X(SNAPSHOT_OC_PLANE, "openchoreo.dev/DataPlane", "dataplanes.openchoreo.dev", false)           \
    X(SNAPSHOT_OC_CLUSTER_PLANE, "openchoreo.dev/ClusterDataPlane",                                \
      "clusterdataplanes.openchoreo.dev", true)                                                    \
    X(SNAPSHOT_OC_RELEASE, "openchoreo.dev/ComponentRelease", "componentreleases.openchoreo.dev",  \
      false)                                                                                       \
    X(SNAPSHOT_OC_BINDING, "openchoreo.dev/ReleaseBinding", "releasebindings.openchoreo.dev",      \
      false)                                                                                       \
    X(SNAPSHOT_OC_CELL, "openchoreo.dev/ProjectReleaseBinding",                                    \
      "projectreleasebindings.openchoreo.dev", false)                                              \
    X(SNAPSHOT_OC_RESOURCE, "openchoreo.dev/Resource", "resources.openchoreo.dev", false)          \
    X(SNAPSHOT_OC_RESOURCE_TYPE, "openchoreo.dev/ResourceType", "resourcetypes.openchoreo.dev",    \
      false)                                                                                       \
    X(SNAPSHOT_OC_CLUSTER_RESOURCE_TYPE, "openchoreo.dev/ClusterResourceType",                     \
      "clusterresourcetypes.openchoreo.dev", true)                                                 \
    X(SNAPSHOT_OC_RESOURCE_RELEASE, "openchoreo.dev/ResourceRelease",                              \
      "resourcereleases.openchoreo.dev", false)                                                    \
    X(SNAPSHOT_OC_RESOURCE_BINDING, "openchoreo.dev/ResourceReleaseBinding",                       \
      "resourcereleasebindings.openchoreo.dev", false)                                             \
    X(SNAPSHOT_OC_WORKFLOW, "openchoreo.dev/Workflow", "workflows.openchoreo.dev", false)          \
    X(SNAPSHOT_OC_CLUSTER_WORKFLOW, "openchoreo.dev/ClusterWorkflow",                              \
      "clusterworkflows.openchoreo.dev", true)                                                     \
    X(SNAPSHOT_OC_WORKFLOW_RUN, "openchoreo.dev/WorkflowRun", "workflowruns.openchoreo.dev",       \
      false)                                                                                       \
    X(SNAPSHOT_OC_PROJECT_TYPE, "openchoreo.dev/ProjectType", "projecttypes.openchoreo.dev",       \
      false)                                                                                       \
    X(SNAPSHOT_OC_CLUSTER_PROJECT_TYPE, "openchoreo.dev/ClusterProjectType",                       \
      "clusterprojecttypes.openchoreo.dev", true)                                                  \
    X(SNAPSHOT_OC_PROJECT_RELEASE, "openchoreo.dev/ProjectRelease",                                \
      "projectreleases.openchoreo.dev", false)                                                     \
    X(SNAPSHOT_OC_WORKFLOW_PLANE, "openchoreo.dev/WorkflowPlane", "workflowplanes.openchoreo.dev", \
      false)                                                                                       \
    X(SNAPSHOT_OC_CLUSTER_WORKFLOW_PLANE, "openchoreo.dev/ClusterWorkflowPlane",                   \
      "clusterworkflowplanes.openchoreo.dev", true)                                                \
    SNAPSHOT_OPENCHOREO_IDLE(X)
/* Those that nothing acts on yet: read for the condition that says so. */
#define SNAPSHOT_OPENCHOREO_IDLE(X)                                                                \
    X(SNAPSHOT_OC_RENDERED, "openchoreo.dev/RenderedRelease", "renderedreleases.openchoreo.dev",   \
      false)                                                                                       \
    X(SNAPSHOT_OC_OBSERVABILITY_PLANE, "openchoreo.dev/ObservabilityPlane",                        \
      "observabilityplanes.openchoreo.dev", false)                                                 \
    X(SNAPSHOT_OC_CLUSTER_OBSERVABILITY_PLANE, "openchoreo.dev/ClusterObservabilityPlane",         \
      "clusterobservabilityplanes.openchoreo.dev", true)                                           \
    X(SNAPSHOT_OC_ALERT_RULE, "openchoreo.dev/ObservabilityAlertRule",                             \
      "observabilityalertrules.openchoreo.dev", false)                                             \
    X(SNAPSHOT_OC_ALERT_CHANNEL, "openchoreo.dev/ObservabilityAlertsNotificationChannel",          \
      "observabilityalertsnotificationchannels.openchoreo.dev", false)

enum snapshot_kind {
#define X(id, kind, resource, cluster) id,
    SNAPSHOT_KINDS(X)
#undef X
        SNAPSHOT_KIND_COUNT
};

const char *snapshot_kind_name(enum snapshot_kind kind);
const char *snapshot_resource(enum snapshot_kind kind);
bool snapshot_cluster_scoped(enum snapshot_kind kind);
/* SNAPSHOT_KIND_COUNT if controllers do not read that resource or kind. */
enum snapshot_kind snapshot_kind_of(struct slice resource);
enum snapshot_kind snapshot_kind_named(struct slice kind);

/* What objects refer to, by which they can be listed. */
enum snapshot_index {
    SNAPSHOT_BY_NS,      /* every kind: its namespace */
    SNAPSHOT_BY_PROJECT, /* Component ("-": names none), Release, Binding, Rendered, Set; Resource;
                          * OpenChoreo's Component, Resource, and ProjectReleaseBinding */
    SNAPSHOT_BY_LISTED,  /* Project: each component that it lists */
    SNAPSHOT_BY_COMPONENT,   /* Release, Binding, Rendered, Run; OpenChoreo's Workload, Release,
                                Binding; Environment: each that its overrides name */
    SNAPSHOT_BY_ENVIRONMENT, /* Binding, Rendered; Pipeline: each one that it names */
    SNAPSHOT_BY_RELEASE,     /* Binding, Approval, Test */
    SNAPSHOT_BY_PIPELINE,    /* Project */
    SNAPSHOT_BY_RESOURCE,   /* Resource's Release, Binding, Rendered; Release: each that it needs */
    SNAPSHOT_BY_BINDING,    /* Rendered; of a resource: "resource/NAME" */
    SNAPSHOT_BY_RUN,        /* Rendered */
    SNAPSHOT_BY_PLANE,      /* Environment, Rendered, over all namespaces */
    SNAPSHOT_BY_CELL,       /* both Bindings, Set, and Rendered of cells: "PROJECT/ENVIRONMENT" */
    SNAPSHOT_BY_MEMBER,     /* Rendered of what is in cells: "PROJECT/ENVIRONMENT/PLANE/CLUSTER" */
    SNAPSHOT_BY_CLUSTER,    /* Rendered, over all namespaces: "PLANE/CLUSTER" */
    SNAPSHOT_BY_DEPENDENCY, /* Release: each component that it depends on */
    SNAPSHOT_BY_TYPE,       /* Component, Resource, over all namespaces: the type that it names, by
                             * either field; Rendered: "cell", if it is one */
    SNAPSHOT_BY_TEMPLATE,   /* Environment, over all namespaces */
    SNAPSHOT_INDEX_COUNT
};

struct snapshot_entry {
    enum snapshot_kind kind;
    struct slice ns;
    struct slice name;
    struct slice uid;
    uint64_t version;
    uint64_t generation; /* 0: of a kind that does not count */
    struct slice body;   /* canonical; snapshot_body() has it whole */
    bool deleting;
    bool applied; /* Rendered: has a status.appliedHash */
    bool settled; /* its status speaks of its newest spec, and it is not being deleted */
    /* private */
    json_t *tree;
    struct list recent;
    struct snapshot_ref *refs;
    size_t ref_count;
    struct snapshot_shared *shared; /* cut out of body at `cut`, or NULL */
    size_t cut;
    struct snapshot_memo *memo;     /* of a plan that came to nothing */
    struct snapshot_memo *computed; /* outlives what changes the status alone */
};

/* How the world looks, beside the objects: what drivers know. NULL functions know nothing. */
enum world_health { HEALTH_UNKNOWN, HEALTH_PROGRESSING, HEALTH_HEALTHY, HEALTH_DEGRADED };
const char *world_health_name(enum world_health health);

struct world_object {
    bool missing;         /* it is known that it is not there */
    uint64_t fingerprint; /* of what it is like; compared with the inventory's hash */
    enum world_health health;
    const char *message; /* why it is not healthy; "" */
    const char *pods;    /* what its pods say of that; NULL: they were not asked, or nothing */
    const char *volumes; /* how far those are that grow; "": as large as asked; NULL: none grew */
    bool volumes_open;   /* some grew, and how far is not known yet */
    const char *status;  /* of a resource's object: its status as JSON; NULL: not known */
    bool has_replicas;   /* of a workload: how many are wanted, and ready */
    uint32_t replicas;
    uint32_t ready_replicas;
};

/* Why a removal failed, if the cluster has taken it and is not done with it. */
#define WORLD_STILL_THERE "StillThere"

/* Why an apply failed, if what is there belongs to another. */
#define WORLD_OWNED_ELSEWHERE "OwnedElsewhere"

/* What this process did for a RenderedRelease since it leads the shard. */
struct world_release {
    bool busy;               /* an apply or delete is under way */
    bool gone;               /* everything of it has been deleted from the cluster */
    bool drifted;            /* the cluster's objects were changed: apply again */
    const char *hash;        /* of the last apply that succeeded as a whole, or "" */
    const char *epoch;       /* in which that was */
    const json_t *resources; /* its inventory, as status.resources without health; or NULL */
    /* The last failure, if nothing succeeded since; reason is "" without one. */
    const char *reason;
    const char *message;
    const char *failed_hash; /* of what could not be applied */
    uint64_t retry_at_ms;    /* wall clock: not before */
    /* Somebody else undoes what is applied (reconcile/dispute.h; wall clock). */
    uint64_t correct_at_ms;   /* not before; 0: at once */
    uint64_t disputed_for_ms; /* that is plain, and for so long; 0: it is not */
    const char *undoes;       /* "deletes ConfigMap "web"": the last of it that was seen; or "" */
};

struct world {
    void *user;
    /* Does the namespace live in the snapshot's shard? NULL: all do. */
    bool (*owns)(void *user, struct slice ns);
    bool (*object)(void *user, struct slice plane, struct slice cluster, const json_t *resource,
                   struct world_object *out);
    bool (*release)(void *user, struct slice ns, struct slice name, struct world_release *out);
    /* What was seen of a WorkflowRun, the RenderedRelease "NAMESPACE/NAME", in the namespace that
     * runs have on the cluster: [{kind, name, status}] of its objects and their pods in no order, a
     * fresh tree; NULL: there is no connection. */
    json_t *(*run)(void *user, struct slice plane, struct slice cluster, struct slice release,
                   struct slice ns);
    /* Probes: the cluster's state as the system shard's leader sees it; a fresh tree
     * {state, reason, message, version} or NULL. */
    json_t *(*cluster)(void *user, struct slice plane, struct slice cluster);
};

/* Where bodies that are not kept are read. */
struct snapshot_source {
    void *user;
    /* Appends the canonical bytes of an object as it is now. Errors: ERR_NOT_FOUND, ERR_IO, ... */
    int (*read)(void *user, enum snapshot_kind kind, struct slice ns, struct slice name,
                struct buf *out, struct err *err);
};

struct snapshot {
    struct snapshot *system;   /* another, or itself */
    const struct world *world; /* may be NULL */
    /* Set before anything is put. read NULL: every body is kept. */
    struct snapshot_source source;
    /* Compiled expressions, the owner's, which make plans cheaper and never different; or NULL. */
    struct cel_cache *programs;
    /* Uids that begin so were made up where there is no server: what is rendered is not told of
     * them. NULL: none. */
    const char *made_up;
    uint64_t now_ms; /* wall clock: what plans call now */
    uint64_t abandon_after_ms;
    uint32_t shard; /* by its number: one of several that look after a data plane */
    struct map kinds[SNAPSHOT_KIND_COUNT]; /* private: "ns/name" -> entry */
    struct map index;                      /* private */
    struct list recent;                    /* private: entries with a tree, newest first */
    struct list passing;                   /* private: those whose tree goes with the plan */
    struct map shared;                     /* private: raw bytes -> struct snapshot_shared */
    size_t tree_bytes;                     /* of the bodies whose trees are kept */
    size_t body_bytes;
    uint32_t *stamps;             /* private: when what was last changed, by hash */
    uint32_t clock;               /* private: changes so far */
    struct snapshot_trace *trace; /* private: what the plan under way has read */
};

/* Bytes of bodies whose trees are kept, which take some ten times as many. */
enum { SNAPSHOT_TREES_MAX_BYTES = 5 * 1024 * 1024, SNAPSHOT_TREES_IDLE_BYTES = 256 * 1024 };

/* system: NULL if this is the system shard's own. */
void snapshot_init(struct snapshot *s, struct snapshot *system);
void snapshot_free(struct snapshot *s);

/* Feeding. Trees and entries handed out before are void afterwards.
 * Errors: ERR_CORRUPT (body is no object with a uid); nothing changes then. */
int snapshot_put(struct snapshot *s, enum snapshot_kind kind, struct slice ns, struct slice name,
                 struct slice body, uint64_t version, struct err *err);
void snapshot_remove(struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name);
/* Forgets the trees of what is not kept, and those beyond max_bytes of bodies that were used
 * longest ago. Between plans. */
void snapshot_trim(struct snapshot *s, size_t max_bytes);

/* The stored bytes, whole. Appends to out. Errors: those of the source. */
int snapshot_body(const struct snapshot *s, const struct snapshot_entry *entry, struct buf *out,
                  struct err *err);

/* Memory of plans that came to nothing: between begin and end, what is read from s is noted; end
 * with keep stores that with the entry. As long as none of it changes, planning the entry again
 * would come to nothing again, and snapshot_unchanged() says so at the cost of some look-ups.
 * What a plan reads of the world is not noted: whoever changes that calls snapshot_forget(). */
void snapshot_trace_begin(struct snapshot *s);
void snapshot_trace_end(struct snapshot *s, const struct snapshot_entry *entry, bool keep);
bool snapshot_unchanged(const struct snapshot *s, const struct snapshot_entry *entry);
void snapshot_forget(struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name);

/* Memory of what was computed for an entry, a short text: what is read between begin and end is
 * noted with it, and snapshot_computed() gives it as long as none of that has changed, nor the
 * entry's spec; whatever else went in is the caller's to compare. A plan under way has then read
 * what it was computed from. An empty text is not remembered. */
void snapshot_compute_begin(const struct snapshot *s, const struct snapshot_entry *entry);
void snapshot_compute_end(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct slice text);
/* Empty: nothing. Borrowed until the snapshot is fed. */
struct slice snapshot_computed(const struct snapshot *s, const struct snapshot_entry *entry);

/* What of an object a plan that reads it from elsewhere depends on, beside its status. */
struct snapshot_shape {
    uint64_t generation;
    bool deleting;
    bool applied;
    bool settled;
};
struct snapshot_shape snapshot_shape_of(enum snapshot_kind kind, struct slice body);

/* Reading. NULL if absent. */
const struct snapshot_entry *snapshot_find(const struct snapshot *s, enum snapshot_kind kind,
                                           struct slice ns, struct slice name);
/* The same by one that reads of it no more than its identity and its spec: changes of nothing else
 * are not news to it. */
const struct snapshot_entry *snapshot_find_spec(const struct snapshot *s, enum snapshot_kind kind,
                                                struct slice ns, struct slice name);
/* The parsed object with its resourceVersion; borrowed, never to be changed, valid until the next
 * put, remove or trim. NULL if it went from the source meanwhile: its removal is on its way. */
const json_t *snapshot_tree(const struct snapshot *s, const struct snapshot_entry *entry);
const json_t *snapshot_get(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                           struct slice name);

/* Entries of a kind by an index, in order of name (then namespace); ns is empty for those indexes
 * that go over all namespaces. The array is the arena's. */
size_t snapshot_list(const struct snapshot *s, enum snapshot_kind kind, enum snapshot_index index,
                     struct slice ns, struct slice value, struct arena *arena,
                     const struct snapshot_entry ***out);
/* All of a kind, in order of namespace and name. */
size_t snapshot_all(const struct snapshot *s, enum snapshot_kind kind, struct arena *arena,
                    const struct snapshot_entry ***out);
size_t snapshot_count(const struct snapshot *s, enum snapshot_kind kind);

#endif
