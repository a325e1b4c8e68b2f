/* Kubernetes' own workload, service and policy kinds, as a simulated cluster serves them.
 *
 * Known by name and printer columns; their fields are Kubernetes' business (lenient, no schema).
 * The columns are those that kubectl's users know. */
#include "proto/kind.h"

#include "proto/tree_internal.h"

#define S(literal)                                                                                 \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define COLUMN(n, p)                                                                               \
    {                                                                                              \
        .name = S(n), .type = S("string"), .format = S(""), .doc = S(""), .path = S(p)             \
    }
#define NUMBER(n, p)                                                                               \
    {                                                                                              \
        .name = S(n), .type = S("integer"), .format = S(""), .doc = S(""), .path = S(p)            \
    }
#define DATE(n, p)                                                                                 \
    {                                                                                              \
        .name = S(n), .type = S("date"), .format = S(""), .doc = S(""), .path = S(p)               \
    }
#define WIDE(n, p)                                                                                 \
    {                                                                                              \
        .name = S(n), .type = S("string"), .format = S(""), .doc = S(""), .path = S(p),            \
        .priority = 1                                                                              \
    }
#define AGE DATE("Age", ".metadata.creationTimestamp")
#define IMAGES                                                                                     \
    WIDE("Containers", ".spec.template.spec.containers[0].name"),                                  \
        WIDE("Images", ".spec.template.spec.containers[0].image")

static const struct kind_column pod[] = {
    COLUMN("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
    COLUMN("Status", "{.status.phase:Pending}"),
    NUMBER("Restarts", ".status.containerStatuses[0].restartCount"),
    AGE,
    WIDE("IP", ".status.podIP"),
    WIDE("Node", ".spec.nodeName"),
};
static const struct kind_column deployment[] = {
    COLUMN("Ready", "{.status.readyReplicas:0}/{.spec.replicas:1}"),
    NUMBER("Up-to-date", "{.status.updatedReplicas:0}"),
    NUMBER("Available", "{.status.availableReplicas:0}"),
    AGE,
    IMAGES,
};
static const struct kind_column stateful_set[] = {
    COLUMN("Ready", "{.status.readyReplicas:0}/{.spec.replicas:1}"), AGE, IMAGES};
static const struct kind_column replica_set[] = {
    NUMBER("Desired", "{.spec.replicas:1}"), NUMBER("Current", "{.status.replicas:0}"),
    NUMBER("Ready", "{.status.readyReplicas:0}"), AGE, IMAGES};
static const struct kind_column daemon_set[] = {
    NUMBER("Desired", "{.status.desiredNumberScheduled:0}"),
    NUMBER("Current", "{.status.currentNumberScheduled:0}"),
    NUMBER("Ready", "{.status.numberReady:0}"),
    NUMBER("Available", "{.status.numberAvailable:0}"),
    AGE,
    IMAGES,
};
static const struct kind_column job[] = {
    COLUMN("Status", "{.status.conditions[0].type:Running}"),
    COLUMN("Completions", "{.status.succeeded:0}/{.spec.completions:1}"), AGE, IMAGES};
static const struct kind_column cron_job[] = {
    COLUMN("Schedule", ".spec.schedule"), COLUMN("Suspend", "{.spec.suspend:false}"),
    NUMBER("Active", "len(.status.active)"), DATE("Last Schedule", ".status.lastScheduleTime"),
    AGE};
static const struct kind_column service[] = {
    COLUMN("Type", "{.spec.type:ClusterIP}"), COLUMN("Cluster-IP", "{.spec.clusterIP:<none>}"),
    COLUMN("External-IP", "{.status.loadBalancer.ingress[0].ip:<none>}"),
    COLUMN("Port(s)", "{.spec.ports[0].port}/{.spec.ports[0].protocol:TCP}"), AGE};
static const struct kind_column policy[] = {AGE};
static const struct kind_column claim[] = {COLUMN("Status", ".status.phase"),
                                           COLUMN("Volume", ".spec.volumeName"),
                                           COLUMN("Capacity", ".status.capacity.storage"),
                                           COLUMN("StorageClass", ".spec.storageClassName"), AGE};
static const struct kind_column node[] = {
    COLUMN("Status", "{.status.conditions[?(@.type==\"Ready\")].reason:NotReady}"),
    COLUMN("Version", ".status.nodeInfo.kubeletVersion"), AGE};
static const struct kind_column ingress[] = {COLUMN("Class", ".spec.ingressClassName"),
                                             COLUMN("Hosts", ".spec.rules[0].host"), AGE};
static const struct kind_column scaler[] = {
    COLUMN("Reference", "{.spec.scaleTargetRef.kind}/{.spec.scaleTargetRef.name}"),
    NUMBER("MinPods", ".spec.minReplicas"), NUMBER("MaxPods", ".spec.maxReplicas"),
    NUMBER("Replicas", ".status.currentReplicas"), AGE};
static const struct kind_column budget[] = {
    COLUMN("Min Available", ".spec.minAvailable"),
    COLUMN("Max Unavailable", ".spec.maxUnavailable"),
    NUMBER("Allowed Disruptions", ".status.disruptionsAllowed"), AGE};
static const struct kind_column binding[] = {COLUMN("Role", "{.roleRef.kind}/{.roleRef.name}"),
                                             AGE};
static const struct kind_column route[] = {COLUMN("Hostnames", ".spec.hostnames"), AGE};
static const struct kind_column gateway[] = {
    COLUMN("Class", ".spec.gatewayClassName"), COLUMN("Address", ".status.addresses[0].value"),
    COLUMN("Programmed", ".status.conditions[?(@.type==\"Programmed\")].status"), AGE};

struct row {
    const char *api_version;
    const char *kind;
    const char *plural;
    const char *short_name; /* NULL: none */
    const struct kind_column *columns;
    size_t column_count;
    bool cluster_scoped;
    bool all; /* in category "all" */
    bool scale;
    bool status;
    bool path_names; /* names may be any path segment */
};

#define C(columns) columns, sizeof(columns) / sizeof((columns)[0])

static const struct row rows[] = {
    {"v1", "Pod", "pods", "po", C(pod), .all = true, .status = true},
    {"v1", "Service", "services", "svc", C(service), .all = true, .status = true},
    {"v1", "Endpoints", "endpoints", "ep", C(policy)},
    {"v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", C(claim), .status = true},
    {"v1", "PersistentVolume", "persistentvolumes", "pv", C(policy), .cluster_scoped = true,
     .status = true},
    {"v1", "Node", "nodes", "no", C(node), .cluster_scoped = true, .status = true},
    {"v1", "ResourceQuota", "resourcequotas", "quota", C(policy), .status = true},
    {"v1", "LimitRange", "limitranges", "limits", C(policy)},
    {"apps/v1", "Deployment", "deployments", "deploy", C(deployment), .all = true, .scale = true,
     .status = true},
    {"apps/v1", "StatefulSet", "statefulsets", "sts", C(stateful_set), .all = true, .scale = true,
     .status = true},
    {"apps/v1", "DaemonSet", "daemonsets", "ds", C(daemon_set), .all = true, .status = true},
    {"apps/v1", "ReplicaSet", "replicasets", "rs", C(replica_set), .all = true, .scale = true,
     .status = true},
    {"batch/v1", "Job", "jobs", NULL, C(job), .all = true, .status = true},
    {"batch/v1", "CronJob", "cronjobs", "cj", C(cron_job), .all = true, .status = true},
    {"networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol", C(policy)},
    {"networking.k8s.io/v1", "Ingress", "ingresses", "ing", C(ingress), .status = true},
    {"autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", C(scaler),
     .all = true, .status = true},
    {"policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", C(budget), .status = true},
    {"rbac.authorization.k8s.io/v1", "Role", "roles", NULL, C(policy), .path_names = true},
    {"rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", NULL, C(binding),
     .path_names = true},
    {"rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", NULL, C(policy),
     .cluster_scoped = true, .path_names = true},
    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", NULL, C(binding),
     .cluster_scoped = true, .path_names = true},
    {"storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", C(policy),
     .cluster_scoped = true},
    {"discovery.k8s.io/v1", "EndpointSlice", "endpointslices", NULL, C(policy)},
    {"gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", "gc", C(policy),
     .cluster_scoped = true, .status = true},
    {"gateway.networking.k8s.io/v1", "Gateway", "gateways", "gtw", C(gateway), .status = true},
    {"gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", NULL, C(route), .status = true},
    {"gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes", NULL, C(route), .status = true},
    {"external-secrets.io/v1", "ExternalSecret", "externalsecrets", "es", C(policy),
     .status = true},
    {"cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "cnp", C(policy),
     .status = true},
};

static const struct slice all_category = {"all", 3};
static const struct kind_selectable pod_selectables[] = {{S("status.phase")}, {S("spec.nodeName")}};

static void fill_row(struct kind_registry *r, const struct row *row, struct kind *k)
{
    k->columns = row->columns;
    k->column_count = row->column_count;
    k->status = row->status;
    k->strategic = !slice_starts_with(k->group, SLICE("gateway.")) &&
                   (slice_find(k->group, SLICE(".")) == SIZE_MAX ||
                    slice_ends_with(k->group, SLICE(".k8s.io")));
    if (row->path_names) {
        k->name_format = SCHEMA_FORMAT_PATH_SEGMENT;
    }
    if (row->short_name != NULL) {
        struct slice *name = ARENA_NEW(kind_registry_arena(r), struct slice);
        *name = slice_of(row->short_name);
        k->short_names = name;
        k->short_name_count = 1;
    }
    if (row->all) {
        k->categories = &all_category;
        k->category_count = 1;
    }
    if (row->scale) {
        k->scale_spec_replicas = SLICE(".spec.replicas");
        k->scale_status_replicas = SLICE(".status.replicas");
    }
    if (row->columns == pod) {
        k->selectables = pod_selectables;
        k->selectable_count = sizeof(pod_selectables) / sizeof(pod_selectables[0]);
    }
}

void kind_registry_workloads(struct kind_registry *r)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice group;
        struct slice version;
        const struct kind *kind = NULL;
        kind_split_api_version(slice_of(rows[i].api_version), &group, &version);
        int rc =
            kind_registry_define(r, group, version, slice_of(rows[i].kind),
                                 slice_of(rows[i].plural), !rows[i].cluster_scoped, &kind, NULL);
        if (rc == 0) { /* ours to change: it was made a moment ago in the registry's arena */
            fill_row(r, &rows[i], (struct kind *)(uintptr_t)kind);
        }
    }
}
