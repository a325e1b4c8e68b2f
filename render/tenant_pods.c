/* tenant_pods.c: Kubernetes' Pod Security Standard "baseline", wherever a pod is described.
 *
 * The controls are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/
 * (as of Kubernetes 1.34), field by field. Where in an object its pods are depends on the kind, and
 * of operators' kinds nobody knows all; so the whole object is walked, and a field is known by its
 * name and its parent's, without regard to case, as some that read objects know it.
 * Beyond the standard: a pod chooses no node by name (which passes the scheduler by), no priority
 * of the system's, and a claim no volume by name (which may hold another's data). Nothing has a
 * finalizer, which pods and claims would have of their templates: a cell with it cannot go. */
#include <string.h>

#include "render/tenant_internal.h"

#define BASELINE "podSecurity: privileged"

/* Allowed values, besides what is absent. */
static const char *const profiles[] = {"RuntimeDefault", "Localhost", NULL};
static const char *const proc_mounts[] = {"Default", NULL};
static const char *const selinux_types[] = {
    "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", NULL};
static const char *const empty[] = {"", NULL};
static const char *const capabilities[] = {
    "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "MKNOD",
    "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT", NULL};
static const char *const sysctls[] = {"kernel.shm_rmid_forced",
                                      "net.ipv4.ip_local_port_range",
                                      "net.ipv4.ip_local_reserved_ports",
                                      "net.ipv4.ip_unprivileged_port_start",
                                      "net.ipv4.ping_group_range",
                                      "net.ipv4.tcp_fin_timeout",
                                      "net.ipv4.tcp_keepalive_intvl",
                                      "net.ipv4.tcp_keepalive_probes",
                                      "net.ipv4.tcp_keepalive_time",
                                      "net.ipv4.tcp_rmem",
                                      "net.ipv4.tcp_syncookies",
                                      "net.ipv4.tcp_wmem",
                                      NULL};

struct control {
    const char *key;
    const char *parent;         /* of the member; NULL: any */
    const char *const *allowed; /* texts, or all of a list of texts; NULL: false and 0 only */
    const char *reason;
};

#define NODE "lets a pod into its node (Pod Security Standard baseline)"
#define CONFINEMENT "takes from a pod's confinement (Pod Security Standard baseline)"

static const struct control controls[] = {
    {"hostProcess", NULL, NULL, NODE},
    {"hostNetwork", NULL, NULL, NODE},
    {"hostPID", NULL, NULL, NODE},
    {"hostIPC", NULL, NULL, NODE},
    {"hostPath", NULL, NULL, NODE},
    {"hostPort", NULL, NULL, NODE},
    {"host", "httpGet", empty, "asks another host than the pod (Pod Security Standard baseline)"},
    {"host", "tcpSocket", empty, "asks another host than the pod (Pod Security Standard baseline)"},
    {"privileged", NULL, NULL, CONFINEMENT},
    {"add", "capabilities", capabilities, CONFINEMENT},
    {"type", "appArmorProfile", profiles, CONFINEMENT},
    {"type", "seccompProfile", profiles, CONFINEMENT},
    {"type", "seLinuxOptions", selinux_types, CONFINEMENT},
    {"user", "seLinuxOptions", empty, CONFINEMENT},
    {"role", "seLinuxOptions", empty, CONFINEMENT},
    {"procMount", NULL, proc_mounts, CONFINEMENT},
    {"name", "sysctls", sysctls, CONFINEMENT},
    {"nodeName", NULL, empty, "passes the cluster's scheduler by"},
    {"podSpecPatch", NULL, empty, "changes pods where nobody looks"},
};

/* What a fault is about: the container around it, else what has a name (a volume), else the pod. */
struct holder {
    const json_t *container;
    const json_t *named;
    const json_t *pod;
    const json_t *object; /* right around it */
};

static bool may_do_anything(const struct tenant_look *look)
{
    return slice_eq_cstr(json_text_at(look->t->own_types, "podSecurity"), "privileged");
}

/* The next letter of a key, as Go's decoders see it: without case, and the long s and the Kelvin
 * sign (of two and three bytes) as the letters that they are forms of. */
static char next_letter(const char **key)
{
    const char *at = *key;
    bool long_s = strncmp(at, "\xc5\xbf", 2) == 0;
    bool kelvin = strncmp(at, "\xe2\x84\xaa", 3) == 0;
    *key = at + (long_s ? 2 : kelvin ? 3 : 1);
    return long_s ? 's' : kelvin ? 'k' : *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
}

static bool same(const char *key, const char *name)
{
    bool equal = true;
    while (equal && *key != '\0' && *name != '\0') {
        equal = next_letter(&key) == next_letter(&name);
    }
    return equal && *key == *name;
}

static bool among(const json_t *value, const char *const *allowed)
{
    size_t i = 0;
    while (allowed[i] != NULL && !slice_eq_cstr(json_text(value), allowed[i])) {
        i++;
    }
    return json_is_string(value) && allowed[i] != NULL;
}

static bool is_allowed(const struct control *c, const json_t *value)
{
    if (json_is_null(value)) {
        return true;
    }
    if (c->allowed == NULL) {
        return json_is_false(value) || (json_is_integer(value) && json_integer_value(value) == 0);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!among(json_array_get(value, i), c->allowed)) {
            return false;
        }
    }
    return json_is_array(value) || among(value, c->allowed);
}

/* Maps whose keys are anybody's: a text in one is no field of a pod. */
static bool is_free(const char *key)
{
    static const char *const maps[] = {"labels",       "annotations", "matchLabels",
                                       "nodeSelector", "data",        "stringData"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        if (same(key, maps[i])) {
            return true;
        }
    }
    return false;
}

/* Orders that others on a cluster take from annotations, for pods and against the cell. */
static const struct {
    const char *prefix;
    const char *reason;
} orders[] = {
    {"sidecar.istio.io/user", "gives a sidecar what nobody looks at"}, /* userVolume: a hostPath */
    {"sidecar.istio.io/proxyImage", "gives a sidecar what nobody looks at"},
    {"sidecar.istio.io/bootstrapOverride", "gives a sidecar what nobody looks at"},
    {"inject.istio.io/", "gives a sidecar what nobody looks at"},
    {"k8s.v1.cni.cncf.io/", "takes a pod to networks without the cell's policies"},
    {"v1.multus-cni.io/", "takes a pod to networks without the cell's policies"},
    {"k8s.ovn.org/", "takes a pod to networks without the cell's policies"},
    {"cni.projectcalico.org/", "takes addresses that may be another's"},
    {"traffic.sidecar.istio.io/", "leads traffic past the mesh's policies"},
    {"external-dns.alpha.kubernetes.io/", "takes a name that may be another's"},
};

/* What takes pods out of a mesh of Istio's, whose policies then hold for nobody. */
static const struct {
    const char *key;
    const char *harmless; /* the one value; or NULL */
} ways_out[] = {
    {"sidecar.istio.io/inject", "true"}, /* Istio takes what is no yes for a no */
    {"sidecar.istio.io/interceptionMode", NULL},
    {"proxy.istio.io/config", NULL}, /* the same among much else */
    {"istio.io/dataplane-mode", NULL},
};

static void look_at_mesh(struct tenant_look *look, const char *key, const json_t *value)
{
    struct slice mesh = json_text(json_at(look->t->variables, "environment", "mesh", NULL));
    for (size_t i = 0; i < sizeof ways_out / sizeof *ways_out; i++) {
        const char *harmless = ways_out[i].harmless;
        if (slice_eq_cstr(mesh, "istio") && strcmp(key, ways_out[i].key) == 0 &&
            (harmless == NULL || !slice_eq_cstr(json_text(value), harmless))) {
            tenant__fault(look, key, value, "takes it out of its environment's mesh", NULL);
        }
    }
}

/* Those of an object itself nobody may set (manifest.h): these are of what comes of it. */
static void look_at_reserved(struct tenant_look *look, const char *key, const json_t *value)
{
    bool own = slice_starts_with(buf_slice(&look->path), SLICE("metadata."));
    if (!own && slice_starts_with(slice_of(key), SLICE("choreo.dev/"))) {
        tenant__fault(look, key, value, "is the control plane's to set", NULL);
    }
}

/* How profiles were said before they were fields. */
static bool says_profile(struct slice key, struct slice text)
{
    static const char *const prefixes[] = {"container.apparmor.security.beta.kubernetes.io",
                                           "seccomp.security.alpha.kubernetes.io",
                                           "container.seccomp.security.alpha.kubernetes.io"};
    bool says = false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        says = says || slice_starts_with(key, slice_of(prefixes[i]));
    }
    return says && !slice_eq_cstr(text, "runtime/default") &&
           !slice_eq_cstr(text, "docker/default") && !slice_starts_with(text, SLICE("localhost/"));
}

static void look_at_annotations(struct tenant_look *look, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        if (says_profile(slice_of(key), json_text(value)) && !may_do_anything(look)) {
            tenant__fault_at(look, key, value, CONFINEMENT, BASELINE);
        }
        for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
            if (slice_starts_with(slice_of(key), slice_of(orders[i].prefix))) {
                tenant__fault_at(look, key, value, orders[i].reason, NULL);
            }
        }
    }
}

/* Who has it is let in where only the platform's own pods are (builtin/openchoreo-policy.yaml). */
#define SYSTEM_COMPONENT "openchoreo.dev/system-component"

static bool mounts(const json_t *container, const json_t *volume)
{
    size_t i;
    json_t *mount;
    json_array_foreach(json_object_get(container, "volumeMounts"), i, mount)
    {
        if (slice_eq(json_text_at(mount, "name"), json_text_at(volume, "name"))) {
            return true;
        }
    }
    return false;
}

/* What reaches into the node by a volume of the pod is about each container that mounts it. */
static void look_at_mounts(struct tenant_look *look, const json_t *pod, const json_t *volume)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        size_t i;
        json_t *container;
        json_array_foreach(json_object_get(pod, lists[k]), i, container)
        {
            if (mounts(container, volume)) {
                const char *member = arena_printf(look->arena, "%s[%.*s]", lists[k],
                                                  SLICE_ARG(json_text_at(container, "name")));
                tenant__fault_at(look, member, container, NODE, BASELINE);
            }
        }
    }
}

static void look_at_volumes(struct tenant_look *look, const json_t *pod)
{
    size_t i;
    json_t *volume;
    json_array_foreach(json_object_get(pod, "volumes"), i, volume)
    {
        if (json_object_get(volume, "hostPath") != NULL && !may_do_anything(look)) {
            look_at_mounts(look, pod, volume);
        }
    }
}

/* A container is what it is with the volumes that it mounts. */
static void fault_in_container(struct tenant_look *look, const char *rule,
                               const struct holder *holder, const char *reason)
{
    json_t *whole = json_pack("[O]", (json_t *)(uintptr_t)holder->container);
    size_t i;
    json_t *volume;
    json_array_foreach(json_object_get(holder->pod, "volumes"), i, volume)
    {
        if (mounts(holder->container, volume)) {
            json_array_append(whole, volume);
        }
    }
    tenant__fault(look, rule, whole, reason, BASELINE);
    json_decref(whole);
}

static void fault(struct tenant_look *look, const char *rule, const struct holder *holder,
                  const char *reason)
{
    if (may_do_anything(look)) {
        return;
    }
    if (holder->container != NULL) {
        fault_in_container(look, rule, holder, reason);
        return;
    }
    const json_t *about = holder->named != NULL ? holder->named
                          : holder->pod != NULL ? holder->pod
                                                : holder->object;
    tenant__fault(look, rule, about, reason, BASELINE);
}

static void judge_member(struct tenant_look *look, const char *parent, const char *key,
                         const json_t *value, const struct holder *holder)
{
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        const struct control *c = &controls[i];
        if (same(key, c->key) && (c->parent == NULL || same(parent, c->parent)) &&
            !is_allowed(c, value)) {
            fault(look, c->key, holder, c->reason);
        }
    }
    if (same(key, "priorityClassName") && slice_starts_with(json_text(value), SLICE("system-"))) {
        fault(look, key, holder, "comes before what the cluster itself needs");
    }
    if (same(key, "volumeName") && json_text(value).len > 0) {
        tenant__fault(look, key, value, "takes a volume by name, which may be another's", NULL);
    }
    if ((same(parent, "dataSource") || same(parent, "dataSourceRef")) && same(key, "namespace") &&
        json_text(value).len > 0 && !slice_eq(json_text(value), look->t->cell)) {
        tenant__fault(look, key, holder->object, "takes what another namespace has", NULL);
    }
    if (same(parent, "metadata") && same(key, "finalizers") && json_array_size(value) > 0) {
        tenant__fault(look, key, value, "keeps it on the cluster when all around it goes", NULL);
    }
}

static void walk(struct tenant_look *look, const char *parent, const json_t *value,
                 struct holder holder);

static void walk_object(struct tenant_look *look, const char *parent, const json_t *object,
                        struct holder holder)
{
    const char *key;
    json_t *value;
    size_t len = look->path.len;
    holder.container = json_is_string(json_object_get(object, "image")) ? object : holder.container;
    holder.named = json_is_string(json_object_get(object, "name")) ? object : holder.named;
    if (json_is_array(json_object_get(object, "containers"))) {
        holder.pod = object;
        look_at_volumes(look, object);
    }
    holder.object = object;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        buf_addf(&look->path, "%s%s", len > 0 ? "." : "", key);
        if (!is_free(parent) || !json_is_string(value)) {
            judge_member(look, parent, key, value, &holder);
        }
        if (same(key, "annotations")) {
            look_at_annotations(look, value);
        }
        if (same(parent, "labels") || same(parent, "annotations")) {
            look_at_mesh(look, key, value);
            look_at_reserved(look, key, value);
        }
        if (same(parent, "labels") && strcmp(key, SYSTEM_COMPONENT) == 0) {
            tenant__fault(look, key, value, "says that it is the platform's own", NULL);
        }
        walk(look, key, value, holder);
        look->path.len = len;
    }
}

/* Members of a list have its key for their parent's. Templates are no deeper than JSON_DEPTH_MAX.
 */
static void walk(struct tenant_look *look, const char *parent, const json_t *value,
                 struct holder holder)
{
    size_t len = look->path.len;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        struct slice name = json_text_at(one, "name");
        if (name.len > 0) {
            buf_addf(&look->path, "[%.*s]", SLICE_ARG(name));
        } else {
            buf_addf(&look->path, "[%zu]", i);
        }
        walk(look, parent, one, holder);
        look->path.len = len;
    }
    if (json_is_object(value)) {
        walk_object(look, parent, value, holder);
    }
}

void tenant__look_at_pods(struct tenant_look *look)
{
    walk(look, "", look->r->object, (struct holder){0});
}
