/* What types of a namespace may not put on a cluster, and how it is told. */
#include "tests/unit/render/tenant_rig.h"

#include <string.h>

/* One object of a type named shipper, in flow style. */
static struct outcome made_in(const char *environment, const char *kind, const char *object,
                              const char *organization)
{
    struct buf release = {0};
    buf_addf(
        &release,
        "componentType: {kind: %s, name: shipper, spec: {workloadType: proxy, resources: [{id: "
        "it, template: %s}]}}",
        kind, object);
    struct outcome out = tenant_render_in(environment, buf_cstr(&release), organization, false);
    buf_free(&release);
    return out;
}

static struct outcome made_by(const char *kind, const char *object, const char *organization)
{
    return made_in(NULL, kind, object, organization);
}

#define OBJECT(api, kind, rest)                                                                    \
    "{apiVersion: " api ", kind: " kind ", metadata: {name: it}, " rest "}"
#define POD(rest) OBJECT("v1", "Pod", "spec: {containers: [{name: c, image: i}], " rest "}")
#define CONTAINER(rest) OBJECT("v1", "Pod", "spec: {containers: [{name: c, image: i, " rest "}]}")
#define TEMPLATE(spec)                                                                             \
    "selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {" spec "}}"
#define CONTAINERS "containers: [{name: c, image: i}]"
#define HOST_PATH "volumes: [{name: host, hostPath: {path: /}}]"
#define ROUTE(parent, hosts)                                                                       \
    OBJECT("gateway.networking.k8s.io/v1", "HTTPRoute",                                            \
           "spec: {parentRefs: [" parent "], hostnames: " hosts "}")
#define OWN_GATEWAY "{name: gw, namespace: gateways}"
#define EXTERNAL(rest)                                                                             \
    OBJECT("external-secrets.io/v1", "ExternalSecret",                                             \
           "spec: {secretStoreRef: {kind: ClusterSecretStore, name: vault}, " rest "}")
#define POLICY(pods, rest)                                                                         \
    OBJECT("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: " pods ", " rest "}")
#define OWN_PODS "{matchLabels: {openchoreo.dev/component: web}}"

/* ---- kinds ---- */

static void test_kinds(void **state)
{
    (void)state;
    static const char *const refused[] = {
        OBJECT("apps/v1", "DaemonSet", "spec: {" TEMPLATE(CONTAINERS) "}"),
        OBJECT("extensions/v1beta1", "Deployment", "spec: {" TEMPLATE(CONTAINERS) "}"),
        OBJECT("apps/v1", "deployment", "spec: {}"),
        OBJECT("example.com/v1", "Deployment", "spec: {}"),
        OBJECT("rbac.authorization.k8s.io/v1", "Role", "rules: []"),
        OBJECT("rbac.authorization.k8s.io/v1", "RoleBinding",
               "roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: []"),
        OBJECT("v1", "ResourceQuota", "spec: {}"),
        OBJECT("v1", "LimitRange", "spec: {}"),
        OBJECT("v1", "Endpoints", "subsets: []"),
        OBJECT("discovery.k8s.io/v1", "EndpointSlice", "endpoints: []"),
        OBJECT("networking.k8s.io/v1", "Ingress", "spec: {}"),
        OBJECT("gateway.networking.k8s.io/v1", "Gateway", "spec: {}"),
        OBJECT("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "spec: {}"),
        OBJECT("cilium.io/v2", "CiliumNetworkPolicy", "spec: {endpointSelector: {}}"),
        OBJECT("security.istio.io/v1", "AuthorizationPolicy", "spec: {}"),
        OBJECT("security.istio.io/v1", "PeerAuthentication", "spec: {mtls: {mode: DISABLE}}"),
        OBJECT("networking.istio.io/v1alpha3", "EnvoyFilter", "spec: {}"),
        OBJECT("networking.istio.io/v1", "Sidecar", "spec: {}"),
        OBJECT("networking.istio.io/v1", "VirtualService", "spec: {hosts: [other.ns]}"),
        OBJECT("external-secrets.io/v1", "SecretStore", "spec: {}"),
        OBJECT("external-secrets.io/v1alpha1", "PushSecret", "spec: {}"),
        OBJECT("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "spec: {}"),
        OBJECT("postgresql.cnpg.io/v1", "Cluster", "spec: {instances: 1}"),
        OBJECT("monitoring.coreos.com/v1", "PrometheusRule", "spec: {groups: []}"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct outcome out = made_by("ComponentType", refused[i], NULL);
        tenant_expect(refused[i], &out, "is of a kind that the platform makes");
        out = made_by("ClusterComponentType", refused[i], NULL);
        if (out.rc != 0 && strstr(out.err.message, "platform") != NULL) {
            fail_msg("%s: the platform is refused: %s", refused[i], out.err.message);
        }
    }
}

static void test_kinds_say_who_allows_them(void **state)
{
    (void)state;
    const char *object = OBJECT("apps/v1", "DaemonSet", "spec: {" TEMPLATE(CONTAINERS) "}");
    struct outcome out = made_by("ComponentType", object, NULL);
    assert_int_equal(out.rc, ERR_UNPROCESSABLE);
    assert_string_equal(
        out.err.message,
        "resources[it]: DaemonSet it is of a kind that the platform makes: a type of a namespace "
        "(ComponentType shipper) may not, unless Organization acme says ownTypes.kinds: [{group: "
        "\"apps\", kind: DaemonSet}]; a ClusterComponentType may");
    out = made_by("ComponentType", object, "ownTypes: {kinds: [{group: apps, kind: DaemonSet}]}");
    tenant_expect("allowed", &out, NULL);
    out = made_by("ComponentType", object,
                  "ownTypes: {kinds: [{group: extensions, kind: DaemonSet}]}");
    tenant_expect("of another group", &out, "is of a kind");
    out = made_by("ComponentType",
                  OBJECT("apps/v1", "DaemonSet", "spec: {" TEMPLATE(CONTAINERS ", " HOST_PATH) "}"),
                  "ownTypes: {kinds: [{group: apps, kind: DaemonSet}]}");
    tenant_expect("its pods are looked at all the same", &out, "hostPath");
}

/* What is no object at all, or of the cluster, is refused in its own words, whoever allows it. */
static void test_kinds_of_the_cluster(void **state)
{
    (void)state;
    const char *allowed = "ownTypes: {kinds: [{group: rbac.authorization.k8s.io, kind: "
                          "ClusterRoleBinding}, {group: '', kind: List}]}";
    struct outcome out = made_by(
        "ComponentType",
        OBJECT("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "subjects: []"), allowed);
    tenant_expect("ClusterRoleBinding", &out, "belongs to no namespace");
    out = made_by("ComponentType", OBJECT("v1", "List", "items: []"), allowed);
    tenant_expect("List", &out, "has no valid kind");
    out = made_by("ComponentType", "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a}}",
                  allowed);
    tenant_expect("generateName", &out, "has no valid metadata.name");
}

/* ---- pods ---- */

static void test_pods(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *field; /* NULL: may be */
    } rows[] = {
        {POD("hostNetwork: true"), "has spec.hostNetwork, which"},
        {POD("hostNetwork: false"), NULL},
        {POD("hostPID: true"), "has spec.hostPID, which"},
        {POD("hostIPC: true"), "has spec.hostIPC, which"},
        {POD("nodeName: n1"), "has spec.nodeName, which passes the cluster's scheduler by"},
        {POD("priorityClassName: system-node-critical"), "has spec.priorityClassName"},
        {POD("priorityClassName: high"), NULL},
        {POD(HOST_PATH), "has spec.volumes[host].hostPath, which lets a pod into its node"},
        {POD("volumes: [{name: v, emptyDir: {}}]"), NULL},
        {POD("securityContext: {windowsOptions: {hostProcess: true}}"),
         "windowsOptions.hostProcess"},
        {POD("securityContext: {seccompProfile: {type: Unconfined}}"), "seccompProfile.type"},
        {POD("securityContext: {seccompProfile: {type: RuntimeDefault}}"), NULL},
        {POD("securityContext: {appArmorProfile: {type: Unconfined}}"), "appArmorProfile.type"},
        {POD("securityContext: {appArmorProfile: {type: Localhost}}"), NULL},
        {POD("securityContext: {seLinuxOptions: {type: spc_t}}"), "seLinuxOptions.type"},
        {POD("securityContext: {seLinuxOptions: {type: container_t}}"), NULL},
        {POD("securityContext: {seLinuxOptions: {user: system_u}}"), "seLinuxOptions.user"},
        {POD("securityContext: {seLinuxOptions: {role: system_r}}"), "seLinuxOptions.role"},
        {POD("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"),
         "sysctls[kernel.msgmax].name"},
        {POD("securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}"), NULL},
        {CONTAINER("securityContext: {privileged: true}"),
         "has spec.containers[c].securityContext.privileged, which takes from a pod's confinement"},
        {CONTAINER("securityContext: {privileged: false}"), NULL},
        {CONTAINER("securityContext: {procMount: Unmasked}"), "securityContext.procMount"},
        {CONTAINER("securityContext: {capabilities: {add: [SYS_ADMIN]}}"), "capabilities.add"},
        {CONTAINER("securityContext: {capabilities: {add: [NET_RAW]}}"), "capabilities.add"},
        {CONTAINER("securityContext: {capabilities: {add: [ALL]}}"), "capabilities.add"},
        {CONTAINER("securityContext: {capabilities: {add: [CHOWN, SETUID], drop: [ALL]}}"), NULL},
        {CONTAINER("ports: [{containerPort: 80, hostPort: 80}]"), "ports[0].hostPort"},
        {CONTAINER("ports: [{containerPort: 80, hostPort: 0}]"), NULL},
        {CONTAINER("livenessProbe: {httpGet: {port: 80, host: 10.0.0.1}}"), "httpGet.host"},
        {CONTAINER("lifecycle: {preStop: {tcpSocket: {port: 80, host: 10.0.0.1}}}"),
         "tcpSocket.host"},
        {CONTAINER("env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]"), NULL},
        {POD("initContainers: [{name: i, image: i, securityContext: {privileged: true}}]"),
         "spec.initContainers[i].securityContext.privileged"},
        {POD("ephemeralContainers: [{name: e, image: i, securityContext: {privileged: true}}]"),
         "spec.ephemeralContainers[e].securityContext.privileged"},
        {"{apiVersion: v1, kind: Pod, metadata: {name: it, annotations: "
         "{container.apparmor.security.beta.kubernetes.io/c: unconfined}}, spec: {" CONTAINERS "}}",
         "metadata.annotations.container.apparmor"},
        {"{apiVersion: v1, kind: Pod, metadata: {name: it, labels: {privileged: 'true', hostPath: "
         "a}},"
         " spec: {" CONTAINERS ", nodeSelector: {nodeName: a}}}",
         NULL},
        {OBJECT("v1", "ConfigMap", "data: {hostPath: /, privileged: 'true'}"), NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome out = made_by("ComponentType", rows[i].object, NULL);
        tenant_expect(rows[i].object, &out, rows[i].field);
        out = made_by("ClusterComponentType", rows[i].object, NULL);
        tenant_expect(rows[i].object, &out, NULL);
        out = made_by("ComponentType", rows[i].object, "ownTypes: {podSecurity: privileged}");
        tenant_expect(rows[i].object, &out, NULL);
    }
}

/* Wherever pods are. */
static void test_pods_of_all_kinds(void **state)
{
    (void)state;
    const char *kinds = "ownTypes: {kinds: [{group: example.com, kind: Database}, {group: batch, "
                        "kind: Set}, {group: '', kind: PodTemplate}]}";
    static const char *const objects[] = {
        OBJECT("apps/v1", "Deployment", "spec: {" TEMPLATE(CONTAINERS ", " HOST_PATH) "}"),
        OBJECT("apps/v1", "StatefulSet", "spec: {" TEMPLATE(CONTAINERS ", " HOST_PATH) "}"),
        OBJECT("batch/v1", "Job", "spec: {template: {spec: {" CONTAINERS ", " HOST_PATH "}}}"),
        OBJECT("batch/v1", "CronJob",
               "spec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {" CONTAINERS
               ", " HOST_PATH "}}}}}"),
        OBJECT("batch/v1", "Set",
               "spec: {cronJobTemplate: {spec: {jobTemplate: {spec: {template: {spec: {" HOST_PATH
               "}}}}}}}"),
        OBJECT("v1", "PodTemplate", "template: {spec: {" CONTAINERS ", " HOST_PATH "}}"),
        OBJECT("example.com/v1", "Database", "spec: {podOverride: {" HOST_PATH "}}"),
        OBJECT("example.com/v1", "Database",
               "spec: {podOverride: {Volumes: [{HOSTPATH: {path: /}}]}}"),
        OBJECT("example.com/v1", "Database", "spec: {podOverride: {volumes: {v: {hostPath: /}}}}"),
        OBJECT("example.com/v1", "Database",
               "spec: {ho\xc5\xbf"
               "tPath: /}"),
        OBJECT("example.com/v1", "Database", "spec: {hostNetwor\xe2\x84\xaa: true}"),
        OBJECT("argoproj.io/v1alpha1", "Workflow",
               "spec: {entrypoint: m, templates: [{name: m, container: {image: i}, " HOST_PATH
               "}]}"),
        OBJECT("argoproj.io/v1alpha1", "Workflow",
               "spec: {entrypoint: m, templates: [{name: m, podSpecPatch: 'hostPath: /'}]}"),
    };
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        struct outcome out = made_by("ComponentType", objects[i], kinds);
        tenant_expect(objects[i], &out,
                      "(ComponentType shipper) may not, unless Organization acme says "
                      "ownTypes.podSecurity: privileged");
    }
}

/* ---- what single kinds may not say ---- */

static void test_single_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *message;
    } rows[] = {
        {OBJECT("v1", "Service", "spec: {ports: [{port: 80}]}"), NULL},
        {OBJECT("v1", "Service", "spec: {type: LoadBalancer, ports: [{port: 80}]}"),
         "has spec.type, which reaches beyond the cluster's own addresses: a type of a namespace "
         "(ComponentType shipper) may not, unless Organization acme says ownTypes.serviceTypes: "
         "[LoadBalancer]"},
        {OBJECT("v1", "Service", "spec: {type: NodePort, ports: [{port: 80}]}"), "[NodePort]"},
        {OBJECT("v1", "Service", "spec: {type: ExternalName, externalName: a.b}"),
         "[ExternalName]"},
        {OBJECT("v1", "Service", "spec: {externalIPs: [10.0.0.1], ports: [{port: 80}]}"),
         "has spec.externalIPs"},
        {OBJECT("v1", "Secret", "type: kubernetes.io/service-account-token"), "has type, which"},
        {OBJECT("v1", "Secret", "type: Opaque"), NULL},
        {OBJECT("v1", "PersistentVolumeClaim",
                "spec: {accessModes: [ReadWriteOnce], volumeName: pv-7, resources: {requests: "
                "{storage: 1Gi}}}"),
         "has spec.volumeName, which takes a volume by name"},
        {OBJECT(
             "v1", "PersistentVolumeClaim",
             "spec: {accessModes: [ReadWriteOnce], dataSourceRef: {kind: VolumeSnapshot, name: a, "
             "namespace: other}, resources: {requests: {storage: 1Gi}}}"),
         "has spec.dataSourceRef.namespace"},
        {EXTERNAL("data: []"), NULL},
        {OBJECT("external-secrets.io/v1", "ExternalSecret",
                "spec: {secretStoreRef: {kind: ClusterSecretStore, name: other}}"),
         "has spec.secretStoreRef, which is not the data plane's secret store"},
        {EXTERNAL("dataFrom: [{sourceRef: {storeRef: {kind: ClusterSecretStore, name: other}}}]"),
         "has spec.dataFrom[0]"},
        {EXTERNAL("dataFrom: [{sourceRef: {generatorRef: {kind: ClusterGenerator, name: g}}}]"),
         "has spec.dataFrom[0]"},
        {EXTERNAL("dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: g}}}]"), NULL},
        {EXTERNAL("data: [{secretKey: a, remoteRef: {key: acme/db}}]"), NULL},
        {EXTERNAL("data: [{secretKey: a, remoteRef: {key: globex/db}}]"),
         "has spec.data[0], which takes what does not begin with acme/ from the plane's secret "
         "store"},
        {EXTERNAL("dataFrom: [{extract: {key: acme/db}}, {extract: {key: acme/../globex/db}}]"),
         "has spec.dataFrom[1]"},
        {EXTERNAL("dataFrom: [{find: {name: {regexp: .}}}]"), "has spec.dataFrom[0]"},
        {EXTERNAL("dataFrom: [{find: {path: acme/, name: {regexp: .}}}]"), NULL},
        {OBJECT(
             "external-secrets.io/v1", "ExternalSecret",
             "spec: {secretStoreRef: {name: own}, data: [{secretKey: a, remoteRef: {key: any}}]}"),
         NULL},
        {EXTERNAL("target: {manifest: {apiVersion: v1, kind: Pod}}"), "has spec.target.manifest"},
        {ROUTE(OWN_GATEWAY, "[development-acme.apps.example.com]"), NULL},
        {ROUTE(OWN_GATEWAY, "[web-development-acme.apps.example.com]"), NULL},
        {ROUTE(OWN_GATEWAY, "[web-admin-development-acme.apps.example.com]"), NULL},
        {ROUTE(OWN_GATEWAY, "[production-acme.apps.example.com]"), "has spec.hostnames[0]"},
        {ROUTE(OWN_GATEWAY, "[development-acme.apps.example.com, '*.apps.example.com']"),
         "has spec.hostnames[1], which is not among its own"},
        {ROUTE(OWN_GATEWAY, "[apps.example.com]"), "has spec.hostnames[0]"},
        {ROUTE(OWN_GATEWAY, "[development-acme.apps.other.com]"), "has spec.hostnames[0]"},
        {ROUTE(OWN_GATEWAY, "['${oc_dns_label(\"api\", \"web\", \"development\", \"acme\")}"
                            ".apps.example.com']"),
         NULL},
        {ROUTE(OWN_GATEWAY, "['${oc_dns_label(\"api\", \"web\", \"development\", \"other\")}"
                            ".apps.example.com']"),
         "has spec.hostnames[0]"},
        {ROUTE(OWN_GATEWAY, "[]"), "has spec.hostnames, which takes all hosts"},
        {ROUTE("{name: gw, namespace: other}", "[development-acme.apps.example.com]"),
         "has spec.parentRefs[0], which is no gateway of its environment"},
        {ROUTE("{name: gw}", "[development-acme.apps.example.com]"), "has spec.parentRefs[0]"},
        {ROUTE("{kind: Service, name: gw, namespace: gateways}",
               "[development-acme.apps.example.com]"),
         "has spec.parentRefs[0]"},
        {OBJECT("monitoring.coreos.com/v1", "ServiceMonitor",
                "spec: {selector: {}, endpoints: [{port: a}]}"),
         NULL},
        {OBJECT("monitoring.coreos.com/v1", "ServiceMonitor",
                "spec: {selector: {}, endpoints: [{port: a, bearerTokenFile: /token}]}"),
         "has spec.endpoints[0].bearerTokenFile"},
        {OBJECT("monitoring.coreos.com/v1", "PodMonitor",
                "spec: {selector: {}, namespaceSelector: {any: true}}"),
         "has spec.namespaceSelector"},
        {POLICY(OWN_PODS, "ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]"), NULL},
        {POLICY(OWN_PODS, "policyTypes: [Ingress, Egress]"), NULL},
        {POLICY("{}", "ingress: [{from: [{podSelector: {}}]}]"), "is of a kind"},
        {POLICY(OWN_PODS, "ingress: [{}]"), "is of a kind"},
        {POLICY(OWN_PODS, "ingress: [{from: [{namespaceSelector: {}}]}]"), "is of a kind"},
        {POLICY(OWN_PODS, "ingress: [{from: [{podSelector: {}, namespaceSelector: {}}]}]"),
         "is of a kind"},
        {POLICY(OWN_PODS, "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]"), "is of a kind"},
        {POLICY(OWN_PODS, "egress: [{}]"), "is of a kind"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome out = made_by("ComponentType", rows[i].object, NULL);
        tenant_expect(rows[i].object, &out, rows[i].message);
        out = made_by("ClusterComponentType", rows[i].object, NULL);
        tenant_expect(rows[i].object, &out, NULL);
    }
    struct outcome out = made_by(
        "ComponentType", OBJECT("v1", "Service", "spec: {type: LoadBalancer, ports: [{port: 80}]}"),
        "ownTypes: {serviceTypes: [LoadBalancer]}");
    tenant_expect("allowed", &out, NULL);
}

static void test_hostnames_that_are_allowed(void **state)
{
    (void)state;
    const char *allowed = "ownTypes: {hostnames: [www.acme.com, '*.acme.org']}";
    struct outcome out =
        made_by("ComponentType", ROUTE(OWN_GATEWAY, "[www.acme.com, a.acme.org]"), allowed);
    tenant_expect("named", &out, NULL);
    out = made_by("ComponentType", ROUTE(OWN_GATEWAY, "[api.acme.com]"), allowed);
    tenant_expect("another", &out,
                  "unless Organization acme says ownTypes.hostnames: [api.acme.com]");
    out = made_by("ComponentType", ROUTE(OWN_GATEWAY, "[acme.org]"), allowed);
    tenant_expect("not below", &out, "hostnames[0]");
    out = made_by("ComponentType", ROUTE(OWN_GATEWAY, "[notacme.org]"), allowed);
    tenant_expect("not below either", &out, "hostnames[0]");
}

#define ANNOTATED(annotation)                                                                      \
    "{apiVersion: batch/v1, kind: Job, metadata: {name: it}, spec: {template: {metadata: "         \
    "{annotations: {" annotation "}}, spec: {restartPolicy: Never, " CONTAINERS "}}}}"

/* Orders to others on the cluster, which they take from where nobody looks. */
static void test_annotations_and_labels(void **state)
{
    (void)state;
    static const char *const refused[] = {
        ANNOTATED("sidecar.istio.io/userVolume: '{\"h\": {\"hostPath\": {\"path\": \"/\"}}}'"),
        ANNOTATED("sidecar.istio.io/proxyImage: mine"),
        ANNOTATED("inject.istio.io/templates: mine"),
        ANNOTATED("k8s.v1.cni.cncf.io/networks: kube-system/host"),
        ANNOTATED("v1.multus-cni.io/default-network: kube-system/host"),
        ANNOTATED("k8s.ovn.org/pod-networks: mine"),
        ANNOTATED("cni.projectcalico.org/ipAddrs: mine"),
        ANNOTATED("traffic.sidecar.istio.io/excludeOutboundPorts: '443'"),
        "{apiVersion: v1, kind: Service, metadata: {name: it, annotations: "
        "{external-dns.alpha.kubernetes.io/hostname: www.globex.com}}, spec: {ports: [{port: "
        "80}]}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: it, labels: "
        "{openchoreo.dev/system-component: "
        "gateway}}, spec: {" CONTAINERS "}}",
        OBJECT(
            "argoproj.io/v1alpha1", "Workflow",
            "spec: {entrypoint: m, podMetadata: {labels: {openchoreo.dev/system-component: a}}}"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct outcome out =
            made_by("ComponentType", refused[i], "ownTypes: {podSecurity: privileged}");
        tenant_expect(refused[i], &out,
                      "(ComponentType shipper) may not; a ClusterComponentType may");
        out = made_by("ClusterComponentType", refused[i], NULL);
        tenant_expect(refused[i], &out, NULL);
    }
    struct outcome out =
        made_by("ComponentType",
                ANNOTATED("sidecar.istio.io/inject: 'false', prometheus.io/scrape: 'true'"), NULL);
    tenant_expect("others", &out, NULL);
}

#define LABELLED(label)                                                                            \
    "{apiVersion: batch/v1, kind: Job, metadata: {name: it}, spec: {template: {metadata: "         \
    "{labels: {" label "}}, spec: {restartPolicy: Never, " CONTAINERS "}}}}"

/* No pod leaves the mesh that its environment says; where it says none, there is none to leave. */
static void test_ways_out_of_the_mesh(void **state)
{
    (void)state;
    static const char *const refused[] = {
        ANNOTATED("sidecar.istio.io/inject: 'false'"),
        LABELLED("sidecar.istio.io/inject: 'false'"),
        LABELLED("sidecar.istio.io/inject: 'off'"),
        LABELLED("istio.io/dataplane-mode: none"),
        ANNOTATED("sidecar.istio.io/interceptionMode: NONE"),
        ANNOTATED("proxy.istio.io/config: '{\"interceptionMode\": \"NONE\"}'"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct outcome out = made_in("mesh: istio", "ComponentType", refused[i],
                                     "ownTypes: {podSecurity: privileged}");
        tenant_expect(refused[i], &out,
                      ", which takes it out of its environment's mesh: a type of a namespace "
                      "(ComponentType shipper) may not; a ClusterComponentType may");
        out = made_in("mesh: istio", "ClusterComponentType", refused[i], NULL);
        tenant_expect(refused[i], &out, NULL);
        out = made_in("mesh: none", "ComponentType", refused[i], NULL);
        tenant_expect(refused[i], &out, NULL);
    }
    struct outcome out =
        made_in("mesh: istio", "ComponentType", LABELLED("sidecar.istio.io/inject: 'true'"), NULL);
    tenant_expect("into it", &out, NULL);
}

/* By ours, policies let pods in, and the driver knows what is its own. */
static void test_labels_of_the_control_plane(void **state)
{
    (void)state;
    struct outcome out = made_by("ComponentType", LABELLED("choreo.dev/tests: victim"), NULL);
    tenant_expect("a label", &out,
                  "has spec.template.metadata.labels.choreo.dev/tests, which is the control "
                  "plane's to set: a type of a namespace (ComponentType shipper) may not; a "
                  "ClusterComponentType may");
    out = made_by("ComponentType", ANNOTATED("choreo.dev/release: acme/other"), NULL);
    tenant_expect("an annotation", &out,
                  "has spec.template.metadata.annotations.choreo.dev/release, which is");
    out = made_by("ComponentType",
                  OBJECT("argoproj.io/v1alpha1", "Workflow",
                         "spec: {entrypoint: m, templates: [{name: m, metadata: "
                         "{labels: {choreo.dev/tests: a}}}]}"),
                  NULL);
    tenant_expect("a step's", &out, "has spec.templates[m].metadata.labels.choreo.dev/tests");
    out = made_by("ClusterComponentType", LABELLED("choreo.dev/tests: victim"), NULL);
    tenant_expect("the platform's", &out, NULL);
    out = made_by("ComponentType",
                  "{apiVersion: v1, kind: ConfigMap, metadata: {name: it, labels: "
                  "{choreo.dev/tests: a}}}",
                  NULL);
    tenant_expect("the object's own", &out, "those of choreo.dev/ are the control plane's to set");
}

/* What keeps an object on its cluster until somebody lets go of it, in whatever is made of it. */
static void test_finalizers(void **state)
{
    (void)state;
#define HELD "finalizers: [a.b/c]"
    static const char *const refused[] = {
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: it, " HELD "}}",
        OBJECT("batch/v1", "Job",
               "spec: {template: {metadata: {" HELD "}, spec: {restartPolicy: Never, " CONTAINERS
               "}}}"),
        OBJECT("apps/v1", "StatefulSet",
               "spec: {serviceName: it, volumeClaimTemplates: [{metadata: {name: v, " HELD
               "}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: "
               "1Gi}}}}], " TEMPLATE(CONTAINERS) "}"),
    };
    static const char *const places[] = {
        "has metadata.finalizers, which",
        "has spec.template.metadata.finalizers, which",
        "has spec.volumeClaimTemplates[0].metadata.finalizers, which",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct outcome out =
            made_by("ComponentType", refused[i], "ownTypes: {podSecurity: privileged}");
        tenant_expect(refused[i], &out, places[i]);
        tenant_expect(refused[i], &out, "(ComponentType shipper) may not; a ClusterComponentType");
        out = made_by("ClusterComponentType", refused[i], NULL);
        tenant_expect(refused[i], &out, NULL);
    }
    struct outcome out =
        made_by("ComponentType",
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: it, finalizers: []}}", NULL);
    tenant_expect("none", &out, NULL);
}

#define BINDING(role, subject)                                                                     \
    OBJECT("rbac.authorization.k8s.io/v1", "RoleBinding",                                          \
           "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: " role                            \
           ", name: admin}, subjects: [" subject "]")

/* Where a tenant may bind roles, they are its cell's. */
static void test_bindings(void **state)
{
    (void)state;
    const char *allowed =
        "ownTypes: {kinds: [{group: rbac.authorization.k8s.io, kind: RoleBinding}]}";
    struct outcome out = made_by(
        "ComponentType",
        BINDING("Role", "{kind: ServiceAccount, name: a, namespace: '${metadata.namespace}'}"),
        allowed);
    tenant_expect("its own", &out, NULL);
    out = made_by("ComponentType",
                  BINDING("ClusterRole",
                          "{kind: ServiceAccount, name: a, namespace: '${metadata.namespace}'}"),
                  allowed);
    tenant_expect("a role of the cluster", &out, "has roleRef, which is a role of the cluster");
    out = made_by("ComponentType",
                  BINDING("Role", "{kind: ServiceAccount, name: a, namespace: kube-system}"),
                  allowed);
    tenant_expect("somebody else", &out, "has subjects[0]");
    out = made_by("ComponentType", BINDING("Role", "{kind: Group, name: 'system:authenticated'}"),
                  allowed);
    tenant_expect("everybody", &out, "has subjects[0]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_kinds_say_who_allows_them),
        cmocka_unit_test(test_kinds_of_the_cluster),
        cmocka_unit_test(test_pods),
        cmocka_unit_test(test_pods_of_all_kinds),
        cmocka_unit_test(test_single_kinds),
        cmocka_unit_test(test_hostnames_that_are_allowed),
        cmocka_unit_test(test_annotations_and_labels),
        cmocka_unit_test(test_ways_out_of_the_mesh),
        cmocka_unit_test(test_labels_of_the_control_plane),
        cmocka_unit_test(test_finalizers),
        cmocka_unit_test(test_bindings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
