/* tenant_kinds.c: the kinds that a tenant's types may make, and what each may not say.
 *
 * Left out are kinds that give rights (Role, RoleBinding), that open what the cell's policies close
 * (they add up: one more opens; only among the project's own pods may it), that say how others'
 * traffic goes (Gateway, Ingress, Endpoints, a mesh's), that take shares (ResourceQuota), that run
 * on every node (DaemonSet), and all that nobody here knows. */
#include <string.h>

#include "render/manifest.h"
#include "render/name.h"
#include "render/plane_access.h"
#include "render/tenant_internal.h"

enum { HOSTS_MAX = 8 };

struct group_kind {
    const char *group;
    const char *kind;
};

static const struct group_kind usual[] = {
    {"", "ConfigMap"},
    {"", "PersistentVolumeClaim"},
    {"", "Pod"},
    {"", "Secret"},
    {"", "Service"},
    {"", "ServiceAccount"},
    {"apps", "Deployment"},
    {"apps", "StatefulSet"},
    {"argoproj.io", "Workflow"},
    {"autoscaling", "HorizontalPodAutoscaler"},
    {"batch", "CronJob"},
    {"batch", "Job"},
    {"external-secrets.io", "ExternalSecret"},
    {"gateway.networking.k8s.io", "GRPCRoute"},
    {"gateway.networking.k8s.io", "HTTPRoute"},
    {"generators.external-secrets.io", "Password"},
    {"monitoring.coreos.com", "PodMonitor"},
    {"monitoring.coreos.com", "ServiceMonitor"},
    {"policy", "PodDisruptionBudget"},
};

static struct slice group_of(const json_t *object)
{
    struct slice api = json_text_at(object, "apiVersion");
    size_t slash = slice_find(api, SLICE("/"));
    return slash == SIZE_MAX ? SLICE("") : slice_sub(api, 0, slash);
}

bool tenant__may_make(const struct tenancy *t, const json_t *object)
{
    struct slice group = group_of(object);
    struct slice kind = json_text_at(object, "kind");
    const json_t *more = json_object_get(t->own_types, "kinds");
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (slice_eq_cstr(group, usual[i].group) && slice_eq_cstr(kind, usual[i].kind)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(more); i++) {
        const json_t *one = json_array_get(more, i);
        if (slice_eq(group, json_text_at(one, "group")) &&
            slice_eq(kind, json_text_at(one, "kind"))) {
            return true;
        }
    }
    return false;
}

/* Nobody from elsewhere is let in, and nobody of the pods out. */
static bool only_from_the_cell(const json_t *rules)
{
    static const char *const elsewhere[] = {"namespaceSelector", "ipBlock"};
    size_t i, k;
    json_t *rule, *peer;
    json_array_foreach(rules, i, rule)
    {
        if (json_array_size(json_object_get(rule, "from")) == 0) {
            return false;
        }
        json_array_foreach(json_object_get(rule, "from"), k, peer)
        {
            if (json_object_get(peer, elsewhere[0]) != NULL ||
                json_object_get(peer, elsewhere[1]) != NULL ||
                !json_is_object(json_object_get(peer, "podSelector"))) {
                return false;
            }
        }
    }
    return rules == NULL || json_is_array(rules);
}

/* A policy of its own pods alone, that lets in those of the cell. */
static bool stays_in_the_cell(const struct tenancy *t, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec");
    const json_t *labels = json_at(spec, "podSelector", "matchLabels", NULL);
    const json_t *egress = json_object_get(spec, "egress");
    bool component = t->id->component.len > 0;
    struct slice own = component ? t->id->component : t->id->resource;
    struct slice said =
        json_text_at(labels, component ? "openchoreo.dev/component" : "openchoreo.dev/resource");
    return slice_eq_cstr(json_text_at(object, "kind"), "NetworkPolicy") &&
           slice_eq_cstr(json_text_at(object, "apiVersion"), "networking.k8s.io/v1") &&
           own.len > 0 && slice_eq(own, said) && (egress == NULL || json_is_array(egress)) &&
           json_array_size(egress) == 0 && only_from_the_cell(json_object_get(spec, "ingress"));
}

/* What no kind is, or one of the cluster, is refused for that when all is done (manifest.h). */
static void look_at_kind(struct tenant_look *look)
{
    const json_t *object = look->r->object;
    struct slice group = group_of(object);
    struct slice kind = json_text_at(object, "kind");
    bool judged = manifest_kind(kind) && manifest_api_version(json_text_at(object, "apiVersion")) &&
                  !manifest_cluster_scoped(kind);
    if (judged && !tenant__may_make(look->t, object) && !stays_in_the_cell(look->t, object)) {
        tenant__fault(look, "kind", object, "is of a kind that the platform makes",
                      arena_printf(look->arena, "kinds: [{group: \"%.*s\", kind: %.*s}]",
                                   SLICE_ARG(group), SLICE_ARG(kind)));
    }
}

/* ---- services ---- */

static void look_at_service(struct tenant_look *look)
{
    const json_t *spec = json_object_get(look->r->object, "spec");
    const json_t *allowed = json_object_get(look->t->own_types, "serviceTypes");
    struct slice type = json_text_at(spec, "type");
    bool may = type.len == 0 || slice_eq_cstr(type, "ClusterIP");
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        may = may || slice_eq(type, json_text(json_array_get(allowed, i)));
    }
    if (!may) {
        tenant__fault_at(look, "spec.type", look->r->object,
                         "reaches beyond the cluster's own addresses",
                         arena_printf(look->arena, "serviceTypes: [%.*s]", SLICE_ARG(type)));
    }
    if (json_array_size(json_object_get(spec, "externalIPs")) > 0) {
        tenant__fault_at(look, "spec.externalIPs", json_object_get(spec, "externalIPs"),
                         "takes traffic that is another's", NULL);
    }
}

/* ---- routes ---- */

/* The hosts of the gateway's listeners that a parentRef means; 0: none that the environment has. */
static size_t hosts_of(const struct tenancy *t, const json_t *parent, struct slice hosts[HOSTS_MAX])
{
    static const char *const reaches[] = {"external", "internal"};
    static const char *const listeners[] = {"http", "https", "tls"};
    const json_t *ingress = json_at(t->variables, "gateway", "ingress", NULL);
    struct slice kind = json_text_at(parent, "kind");
    struct slice ns = json_text_at(parent, "namespace");
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        const json_t *gateway = json_object_get(ingress, reaches[i]);
        if ((kind.len > 0 && !slice_eq_cstr(kind, "Gateway")) ||
            json_text_at(gateway, "name").len == 0 ||
            !slice_eq(json_text_at(gateway, "name"), json_text_at(parent, "name")) ||
            !slice_eq(json_text_at(gateway, "namespace"), ns)) {
            continue;
        }
        for (size_t k = 0; k < 3; k++) {
            struct slice host = json_text(json_at(gateway, listeners[k], "host", NULL));
            if (host.len > 0 && count < HOSTS_MAX) {
                hosts[count++] = host;
            }
        }
    }
    return count;
}

/* Whether a host's first label is its own: ENVIRONMENT-NAMESPACE, the same after its own name, or
 * what oc_dns_label() makes of one of its endpoints. Names are joined by the dashes that they may
 * hold themselves, as everywhere in OpenChoreo: that two tenants come to one is for whoever names
 * organizations to avoid. */
static bool is_own_label(const struct tenant_look *look, struct slice label)
{
    const struct render_identity *id = look->t->id;
    struct slice name = id->component.len > 0 ? id->component : id->resource;
    struct slice end = slice_of(
        arena_printf(look->arena, "%.*s-%.*s", SLICE_ARG(id->environment), SLICE_ARG(id->ns)));
    struct slice own = slice_of(arena_printf(look->arena, "-%.*s", SLICE_ARG(end)));
    bool named = slice_starts_with(label, name) && slice_ends_with(label, own) &&
                 label.len >= name.len + own.len &&
                 (label.len == name.len + own.len || label.data[name.len] == '-');
    bool found = slice_eq(label, end) || (name.len > 0 && named);
    const char *endpoint;
    json_t *ignored;
    json_object_foreach(json_at(look->t->variables, "workload", "endpoints", NULL), endpoint,
                        ignored)
    {
        const struct slice parts[] = {slice_of(endpoint), name, id->environment, id->ns};
        found = found || slice_eq(label, name_join(look->arena, NAME_LABEL_MAX, parts, 4));
    }
    return found;
}

/* "www.acme.com", or "*.acme.com" for all below. */
static bool is_allowed_host(const struct tenant_look *look, struct slice host)
{
    const json_t *allowed = json_object_get(look->t->own_types, "hostnames");
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        struct slice one = json_text(json_array_get(allowed, i));
        bool below = slice_starts_with(one, SLICE("*.")) && host.len > one.len - 1 &&
                     slice_ends_with(host, slice_sub(one, 1, SIZE_MAX));
        if (below || slice_eq(one, host)) {
            return true;
        }
    }
    return false;
}

static bool is_own_host(const struct tenant_look *look, struct slice host,
                        const struct slice hosts[HOSTS_MAX], size_t count)
{
    size_t dot = slice_find(host, SLICE("."));
    if (is_allowed_host(look, host)) {
        return true;
    }
    for (size_t i = 0; dot != SIZE_MAX && i < count; i++) {
        if (slice_eq(slice_sub(host, dot + 1, SIZE_MAX), hosts[i]) &&
            is_own_label(look, slice_sub(host, 0, dot))) {
            return true;
        }
    }
    return false;
}

static void look_at_route(struct tenant_look *look)
{
    const json_t *spec = json_object_get(look->r->object, "spec");
    const json_t *parents = json_object_get(spec, "parentRefs");
    const json_t *names = json_object_get(spec, "hostnames");
    struct slice hosts[HOSTS_MAX] = {{0}};
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(parents); i++) {
        struct slice one[HOSTS_MAX];
        const json_t *parent = json_array_get(parents, i);
        size_t more = hosts_of(look->t, parent, one);
        if (more == 0) {
            tenant__fault_at(look, arena_printf(look->arena, "spec.parentRefs[%zu]", i), parent,
                             "is no gateway of its environment", NULL);
        }
        for (size_t k = 0; k < more && count < HOSTS_MAX; k++) {
            hosts[count++] = one[k];
        }
    }
    if (json_array_size(names) == 0 && parents != NULL) {
        tenant__fault_at(look, "spec.hostnames", parents, "takes all hosts, since it names none",
                         NULL);
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        if (!is_own_host(look, json_text(name), hosts, count)) {
            const char *knob =
                arena_printf(look->arena, "hostnames: [%.*s]", SLICE_ARG(json_text(name)));
            tenant__fault_at(
                look, arena_printf(look->arena, "spec.hostnames[%zu]", i), name,
                "is not among its own (ENVIRONMENT-NAMESPACE.DOMAIN, or its name and a "
                "dash before that)",
                knob);
        }
    }
}

/* ---- secrets ---- */

static void look_at_secret(struct tenant_look *look)
{
    const json_t *type = json_object_get(look->r->object, "type");
    if (slice_eq_cstr(json_text(type), "kubernetes.io/service-account-token") ||
        slice_eq_cstr(json_text(type), "bootstrap.kubernetes.io/token")) {
        tenant__fault_at(look, "type", type, "makes the cluster give out a token", NULL);
    }
}

/* Stores and generators of the cluster are the platform's: templates are told which is theirs. */
static void look_at_store(struct tenant_look *look, const char *member, const json_t *ref)
{
    struct slice kind = json_text_at(ref, "kind");
    struct slice name = json_text_at(ref, "name");
    struct slice plane = json_text(json_at(look->t->variables, "dataplane", "secretStore", NULL));
    struct slice builds =
        json_text(json_at(look->t->variables, "workflowplane", "secretStore", NULL));
    bool of_cluster = slice_starts_with(kind, SLICE("Cluster"));
    bool theirs = slice_eq_cstr(kind, "ClusterSecretStore") && name.len > 0 &&
                  (slice_eq(name, plane) || slice_eq(name, builds));
    if (of_cluster && !theirs) {
        tenant__fault_at(look, member, ref, "is not the data plane's secret store", NULL);
    }
}

static void look_at_source(struct tenant_look *look, const char *member, const json_t *entry)
{
    const json_t *source = json_object_get(entry, "sourceRef");
    look_at_store(look, member, json_object_get(source, "storeRef"));
    look_at_store(look, member, json_object_get(source, "generatorRef"));
}

/* Keys of a store of the cluster: one, or all that are found. kind is the store's. */
static void look_at_keys(struct tenant_look *look, const char *member, const json_t *entry,
                         struct slice kind)
{
    static const char *const ways[] = {"remoteRef", "extract"};
    const json_t *found = json_object_get(entry, "find");
    struct slice own = json_text(json_at(entry, "sourceRef", "storeRef", "kind", NULL));
    const json_t *plane = look->t->dataplane;
    bool judged = slice_starts_with(own.len > 0 ? own : kind, SLICE("Cluster")) &&
                  !plane_allows_all_keys(plane);
    const char *reason =
        arena_printf(look->arena, "takes what does not begin with %s from the plane's secret store",
                     plane_key_prefixes(plane, look->t->id->ns, look->arena));
    for (size_t i = 0; judged && i < 2; i++) {
        const json_t *ref = json_object_get(entry, ways[i]);
        if (ref != NULL && !plane_allows_key(plane, look->t->id->ns, json_text_at(ref, "key"))) {
            tenant__fault_at(look, member, ref, reason, NULL);
        }
    }
    if (judged && found != NULL &&
        !plane_allows_key(plane, look->t->id->ns, json_text_at(found, "path"))) {
        tenant__fault_at(look, member, found, reason, NULL);
    }
}

static void look_at_external_secret(struct tenant_look *look)
{
    static const char *const lists[] = {"data", "dataFrom"};
    const json_t *spec = json_object_get(look->r->object, "spec");
    const json_t *manifest = json_at(spec, "target", "manifest", NULL);
    look_at_store(look, "spec.secretStoreRef", json_object_get(spec, "secretStoreRef"));
    if (manifest != NULL && !json_is_null(manifest)) {
        tenant__fault_at(look, "spec.target.manifest", manifest, "makes objects of any kind", NULL);
    }
    for (size_t k = 0; k < 2; k++) {
        const json_t *entries = json_object_get(spec, lists[k]);
        for (size_t i = 0; i < json_array_size(entries); i++) {
            const json_t *entry = json_array_get(entries, i);
            const char *member = arena_printf(look->arena, "spec.%s[%zu]", lists[k], i);
            look_at_source(look, member, entry);
            look_at_keys(look, member, entry,
                         json_text(json_at(spec, "secretStoreRef", "kind", NULL)));
        }
    }
}

/* ---- the rest ---- */

/* Prometheus reads files, and calls whom it is told to, as itself. */
static void look_at_monitor(struct tenant_look *look, const char *path, const json_t *value)
{
    static const char *const refused[] = {"namespaceSelector", "bearerTokenFile", "caFile",
                                          "certFile", "keyFile"};
    const char *key;
    json_t *member;
    for (size_t i = 0; i < json_array_size(value); i++) {
        look_at_monitor(look, arena_printf(look->arena, "%s[%zu]", path, i),
                        json_array_get(value, i));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const char *at = arena_printf(look->arena, "%s.%s", path, key);
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            if (strcmp(key, refused[i]) == 0 && !json_is_null(member)) {
                tenant__fault_at(look, at, member, "is not Prometheus's to be told by it", NULL);
            }
        }
        look_at_monitor(look, at, member);
    }
}

/* If it may be made at all: of a Role that the cell has, for accounts that the cell has. */
static void look_at_binding(struct tenant_look *look)
{
    const json_t *object = look->r->object;
    const json_t *role = json_object_get(object, "roleRef");
    const json_t *subjects = json_object_get(object, "subjects");
    if (!slice_eq_cstr(json_text_at(role, "kind"), "Role")) {
        tenant__fault_at(look, "roleRef", role, "is a role of the cluster", NULL);
    }
    for (size_t i = 0; i < json_array_size(subjects); i++) {
        const json_t *one = json_array_get(subjects, i);
        struct slice ns = json_text_at(one, "namespace");
        if (!slice_eq_cstr(json_text_at(one, "kind"), "ServiceAccount") ||
            !slice_eq(ns, look->t->cell)) {
            tenant__fault_at(look, arena_printf(look->arena, "subjects[%zu]", i), one,
                             "is no ServiceAccount of its cell", NULL);
        }
    }
}

void tenant__look_at_kind(struct tenant_look *look)
{
    const json_t *object = look->r->object;
    struct slice kind = json_text_at(object, "kind");
    look_at_kind(look);
    if (slice_eq_cstr(kind, "Service")) {
        look_at_service(look);
    } else if (slice_eq_cstr(kind, "HTTPRoute") || slice_eq_cstr(kind, "GRPCRoute") ||
               slice_eq_cstr(kind, "TLSRoute")) {
        look_at_route(look);
    } else if (slice_eq_cstr(kind, "Secret")) {
        look_at_secret(look);
    } else if (slice_eq_cstr(kind, "ExternalSecret")) {
        look_at_external_secret(look);
    } else if (slice_ends_with(kind, SLICE("Monitor"))) {
        look_at_monitor(look, "spec", json_object_get(object, "spec"));
    } else if (slice_eq_cstr(kind, "RoleBinding")) {
        look_at_binding(look);
    }
}
