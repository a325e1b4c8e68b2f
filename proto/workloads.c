/* What clusters serve: Kubernetes' own workload, service and policy kinds, and some of its
 * neighbours', as a simulated cluster has them.
 *
 * Kubernetes' kinds that we put on clusters are messages in proto/k8s/workloads: their tables are
 * generated. The others are known by name and printer columns only (lenient, no schema), the
 * columns being those that kubectl's users know. */
#include "proto/kind_internal.h"

#include "proto/tree_internal.h"

#define S(literal)                                                                                 \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define COLUMN(n, p)                                                                               \
    {                                                                                              \
        .name = S(n), .type = S("string"), .format = S(""), .doc = S(""), .path = S(p)             \
    }
#define DATE(n, p)                                                                                 \
    {                                                                                              \
        .name = S(n), .type = S("date"), .format = S(""), .doc = S(""), .path = S(p)               \
    }
#define AGE DATE("Age", ".metadata.creationTimestamp")

static const struct kind_column policy[] = {AGE};
static const struct kind_column node[] = {
    COLUMN("Status", "{.status.conditions[?(@.type==\"Ready\")].reason:NotReady}"),
    COLUMN("Version", ".status.nodeInfo.kubeletVersion"), AGE};
static const struct kind_column route[] = {COLUMN("Hostnames", ".spec.hostnames"), AGE};
static const struct kind_column gateway[] = {
    COLUMN("Class", ".spec.gatewayClassName"), COLUMN("Address", ".status.addresses[0].value"),
    COLUMN("Programmed", ".status.conditions[?(@.type==\"Programmed\")].status"), AGE};

static const struct kind_column postgres[] = {COLUMN("Instances", ".status.instances"),
                                              COLUMN("Ready", ".status.readyInstances"),
                                              COLUMN("Status", ".status.phase"), AGE};
static const struct kind_column redis[] = {COLUMN("Master", ".status.masterNode"), AGE};

struct row {
    const char *api_version;
    const char *kind;
    const char *plural;
    const char *short_name; /* NULL: none */
    const struct kind_column *columns;
    size_t column_count;
    bool cluster_scoped;
    bool status;
};

#define C(columns) columns, sizeof(columns) / sizeof((columns)[0])

static const struct row rows[] = {
    {"v1", "Endpoints", "endpoints", "ep", C(policy)},
    {"v1", "PersistentVolume", "persistentvolumes", "pv", C(policy), .cluster_scoped = true,
     .status = true},
    {"v1", "Node", "nodes", "no", C(node), .cluster_scoped = true, .status = true},
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
    {"generators.external-secrets.io/v1alpha1", "Password", "passwords", NULL, C(policy)},
    {"postgresql.cnpg.io/v1", "Cluster", "clusters", NULL, C(postgres), .status = true},
    {"redis.redis.opstreelabs.in/v1beta2", "RedisReplication", "redisreplications", NULL, C(redis),
     .status = true},
    {"cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "cnp", C(policy),
     .status = true},
    {"monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", "smon", C(policy)},
    {"monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", "promrule", C(policy)},
    {"networking.istio.io/v1", "VirtualService", "virtualservices", "vs", C(policy)},
    {"networking.istio.io/v1", "DestinationRule", "destinationrules", "dr", C(policy)},
    {"security.istio.io/v1", "PeerAuthentication", "peerauthentications", "pa", C(policy)},
    {"velero.io/v1", "Schedule", "schedules", NULL, C(policy), .status = true},
};

static void fill_row(struct kind_registry *r, const struct row *row, struct kind *k)
{
    k->columns = row->columns;
    k->column_count = row->column_count;
    k->status = row->status;
    k->strategic = !slice_starts_with(k->group, SLICE("gateway.")) &&
                   (slice_find(k->group, SLICE(".")) == SIZE_MAX ||
                    slice_ends_with(k->group, SLICE(".k8s.io")));
    if (row->short_name != NULL) {
        struct slice *name = ARENA_NEW(kind_registry_arena(r), struct slice);
        *name = slice_of(row->short_name);
        k->short_names = name;
        k->short_name_count = 1;
    }
}

void kind_registry_workloads(struct kind_registry *r)
{
    for (size_t i = 0; i < kind__workloads_count; i++) {
        (void)kind_registry_add(r, &kind__workloads[i], NULL); /* again: no change */
    }
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

static const struct kind *find(const struct kind *kinds, size_t count, struct slice api_version,
                               struct slice kind)
{
    for (size_t i = 0; i < count; i++) {
        if (kinds[i].strategic && kinds[i].part_of.len == 0 && slice_eq(kinds[i].kind, kind) &&
            slice_eq(kinds[i].api_version, api_version)) {
            return &kinds[i];
        }
    }
    return NULL;
}

const struct kind *kind_of_kubernetes(struct slice api_version, struct slice kind)
{
    const struct kind *found = find(kind__workloads, kind__workloads_count, api_version, kind);
    return found != NULL ? found : find(kind__builtin, kind__builtin_count, api_version, kind);
}
