/* A tenant's traits on the platform's types and the other way round, copies of built-in types, and
 * releases that were written by hand. */
#include "tests/unit/render/tenant_rig.h"

#include <stdio.h>
#include <string.h>

#include "render/builtin.h"
#include "render/resource_type.h"

/* The platform's type: an agent that may reach into its node beside a program that may not, what
 * opens the cell to them, and a route. */
#define PLATFORMS                                                                                  \
    "componentType:\n"                                                                             \
    "  kind: ClusterComponentType\n"                                                               \
    "  name: monitored\n"                                                                          \
    "  spec:\n"                                                                                    \
    "    workloadType: deployment\n"                                                               \
    "    resources:\n"                                                                             \
    "      - id: deployment\n"                                                                     \
    "        template:\n"                                                                          \
    "          apiVersion: apps/v1\n"                                                              \
    "          kind: Deployment\n"                                                                 \
    "          metadata: {name: it}\n"                                                             \
    "          spec:\n"                                                                            \
    "            selector: {matchLabels: {a: b}}\n"                                                \
    "            template:\n"                                                                      \
    "              metadata: {labels: {a: b}}\n"                                                   \
    "              spec:\n"                                                                        \
    "                containers:\n"                                                                \
    "                  - {name: main, image: 'web:1', env: []}\n"                                  \
    "                  - {name: agent, image: 'agent:1', securityContext: {privileged: true},\n"   \
    "                     volumeMounts: [{name: host, mountPath: /host},\n"                        \
    "                                    {name: config, mountPath: /etc/agent}]}\n"                \
    "                volumes: [{name: host, hostPath: {path: /var/log}},\n"                        \
    "                          {name: config, configMap: {name: agent}}]\n"                        \
    "      - id: policy\n"                                                                         \
    "        template:\n"                                                                          \
    "          apiVersion: networking.k8s.io/v1\n"                                                 \
    "          kind: NetworkPolicy\n"                                                              \
    "          metadata: {name: it}\n"                                                             \
    "          spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}\n"                  \
    "      - id: service\n"                                                                        \
    "        template: {apiVersion: v1, kind: Service, metadata: {name: it},\n"                    \
    "                   spec: {type: LoadBalancer, ports: [{name: http, port: 80}]}}\n"            \
    "      - id: route\n"                                                                          \
    "        template:\n"                                                                          \
    "          apiVersion: gateway.networking.k8s.io/v1\n"                                         \
    "          kind: HTTPRoute\n"                                                                  \
    "          metadata: {name: it}\n"                                                             \
    "          spec: {parentRefs: [{name: gw, namespace: gateways}], hostnames: "                  \
    "[www.example.com]}\n"

/* That type with one trait, of kind, whose spec is in flow style. */
static struct outcome with_trait(const char *kind, const char *spec, const char *organization)
{
    struct buf release = {0};
    buf_addf(&release,
             "%scomponentProfile: {traits: [{kind: %s, name: more, instanceName: one}]}\n"
             "traits: [{kind: %s, name: more, spec: %s}]\n",
             PLATFORMS, kind, kind, spec);
    struct outcome out = tenant_render(buf_cstr(&release), organization, false);
    buf_free(&release);
    return out;
}

#define ON_DEPLOYMENT "target: {group: apps, version: v1, kind: Deployment}"
#define ON_POLICY "target: {group: networking.k8s.io, version: v1, kind: NetworkPolicy}"
#define ON_ROUTE "target: {group: gateway.networking.k8s.io, version: v1, kind: HTTPRoute}"
#define PATCH(target, operations) "{patches: [{" target ", operations: [" operations "]}]}"
#define PODS "/spec/template/spec"
#define MAIN PODS "/containers[?(@.name=='main')]"
#define AGENT PODS "/containers[?(@.name=='agent')]"

static void test_patches(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        const char *message; /* NULL: may be */
    } rows[] = {
        /* What the platform said stays, whatever is changed beside it. */
        {PATCH(ON_DEPLOYMENT, "{op: add, path: /spec/replicas, value: 3}"), NULL},
        {PATCH(ON_DEPLOYMENT, "{op: add, path: \"" MAIN "/env/-\", value: {name: A, value: b}}"),
         NULL},
        {PATCH(ON_DEPLOYMENT,
               "{op: add, path: " PODS "/volumes/-, value: {name: v, emptyDir: {}}}"),
         NULL},
        {PATCH(ON_DEPLOYMENT, "{op: add, path: " PODS "/containers/0, value: {name: s, image: s}}"),
         NULL},
        {PATCH(ON_DEPLOYMENT, "{op: remove, path: " PODS "/containers/1}"), NULL},
        {PATCH(ON_ROUTE, "{op: add, path: /spec/rules, value: [{}]}"), NULL},
        /* More of the same is not. */
        {PATCH(ON_DEPLOYMENT,
               "{op: add, path: " PODS "/volumes/-, value: {name: v, hostPath: {path: "
               "/}}}"),
         "traits[one]: resources[deployment]: Deployment it has "
         "spec.template.spec.volumes[v].hostPath, which lets a pod into its node (Pod Security "
         "Standard baseline): a trait of a namespace (Trait more) may not, unless Organization "
         "acme "
         "says ownTypes.podSecurity: privileged; a ClusterTrait may"},
        {PATCH(ON_DEPLOYMENT, "{op: replace, path: " PODS "/volumes/0/hostPath/path, value: /}"),
         "changes what has"},
        {PATCH(ON_DEPLOYMENT, "{op: remove, path: " PODS "/volumes/0}, {op: add, path: " PODS
                              "/volumes/-, value: {name: host, hostPath: {path: /}}}"),
         "changes what has"},
        {PATCH(ON_DEPLOYMENT, "{op: add, path: " PODS "/hostNetwork, value: true}"), "hostNetwork"},
        {PATCH(ON_DEPLOYMENT, "{op: add, path: \"" MAIN "/securityContext\", value: {privileged: "
                              "true}}"),
         "containers[main].securityContext.privileged"},
        {PATCH(ON_DEPLOYMENT, "{op: add, path: \"" MAIN "/volumeMounts\", value: [{name: host, "
                              "mountPath: /host}]}"),
         "containers[main], which lets a pod into its node"},
        {PATCH(ON_DEPLOYMENT,
               "{op: add, path: " PODS "/initContainers, value: [{name: i, image: i, "
               "volumeMounts: [{name: host, mountPath: /host}]}]}"),
         "initContainers[i]"},
        /* Nor is another program in what may do more. */
        {PATCH(ON_DEPLOYMENT, "{op: replace, path: \"" AGENT "/image\", value: 'mine:1'}"),
         "containers[agent]"},
        {PATCH(ON_DEPLOYMENT, "{op: add, path: \"" AGENT "/command\", value: [sh]}"),
         "containers[agent]"},
        {PATCH(ON_DEPLOYMENT, "{op: remove, path: " PODS "/volumes/1}, {op: add, path: " PODS
                              "/volumes/-, value: {name: config, configMap: {name: mine}}}"),
         "changes what has spec.template.spec.containers[agent].securityContext.privileged"},
        {PATCH("target: {group: '', version: v1, kind: Service}",
               "{op: add, path: /spec/ports/-, value: {name: ssh, port: 22}}"),
         "changes what has spec.type"},
        /* What the platform alone makes, it alone changes and takes away. */
        {PATCH(ON_POLICY, "{op: add, path: /spec/ingress/-, value: {}}"), "is of a kind"},
        {"{removes: [{" ON_POLICY "}]}",
         "traits[one]: takes away NetworkPolicy it: a trait of a namespace (Trait more) may not; a "
         "ClusterTrait may"},
        {PATCH(ON_POLICY, "{op: replace, path: /apiVersion, value: v1}, {op: replace, path: /kind, "
                          "value: ConfigMap}"),
         "traits[one]: changes NetworkPolicy it: a trait of a namespace (Trait more) may not; a "
         "ClusterTrait may"},
        {PATCH(ON_POLICY, "{op: add, path: /metadata/labels, value: {a: b}}"), "NetworkPolicy it"},
        {PATCH(ON_ROUTE, "{op: add, path: /spec/hostnames/-, value: other.example.com}"),
         "hostnames[1]"},
        {PATCH(ON_ROUTE, "{op: replace, path: /spec/parentRefs/0/name, value: other}"),
         "parentRefs[0]"},
        {PATCH(ON_ROUTE, "{op: remove, path: /spec/hostnames}"), "takes all hosts"},
        /* What is made as something harmless stays that. */
        {"{creates: [{template: {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}}], patches: "
         "[{target: {group: '', version: v1, kind: ConfigMap}, operations: [{op: replace, path: "
         "/kind, value: ResourceQuota}]}]}",
         "ResourceQuota c is of a kind"},
        {"{creates: [{template: {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}}], patches: "
         "[{target: {group: '', version: v1, kind: ConfigMap}, operations: [{op: replace, path: "
         "/apiVersion, value: networking.istio.io/v1}, {op: replace, path: /kind, value: "
         "Sidecar}]}]}",
         "Sidecar c is of a kind"},
        {"{creates: [{forEach: '${[\"a\", \"b\"]}', template: {apiVersion: v1, kind: LimitRange, "
         "metadata: {name: '${item}'}}}]}",
         "traits[one].creates[0]: LimitRange a is of a kind"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome out = with_trait("Trait", rows[i].spec, NULL);
        tenant_expect(rows[i].spec, &out, rows[i].message);
        out = with_trait("ClusterTrait", rows[i].spec, NULL);
        if (out.rc != 0 && strstr(out.err.message, " may not") != NULL) {
            fail_msg("%s: the platform is refused: %s", rows[i].spec, out.err.message);
        }
    }
}

static void test_patches_that_are_allowed(void **state)
{
    (void)state;
    struct outcome out = with_trait(
        "Trait", PATCH(ON_DEPLOYMENT, "{op: add, path: " PODS "/hostNetwork, value: true}"),
        "ownTypes: {podSecurity: privileged}");
    tenant_expect("pods", &out, NULL);
    out = with_trait("Trait", PATCH(ON_POLICY, "{op: add, path: /spec/ingress/-, value: {}}"),
                     "ownTypes: {kinds: [{group: networking.k8s.io, kind: NetworkPolicy}]}");
    tenant_expect("kinds", &out, NULL);
}

/* What the platform's trait does to a tenant's type is the platform's word. */
static void test_the_platforms_trait_on_a_tenants_type(void **state)
{
    (void)state;
    static const char release[] =
        "componentType: {kind: ComponentType, name: own, spec: {workloadType: proxy, resources: "
        "[{id: "
        "pod, template: {apiVersion: v1, kind: Pod, metadata: {name: it}, spec: {containers: "
        "[{name: "
        "c, image: i}]}}}]}}\n"
        "traits: [{kind: ClusterTrait, name: node, spec: {patches: [{target: {group: '', version: "
        "v1, "
        "kind: Pod}, operations: [{op: add, path: /spec/hostPID, value: true}]}]}},\n"
        "  {kind: Trait, name: mine, spec: {patches: [{target: {group: '', version: v1, kind: "
        "Pod}, "
        "operations: [{op: add, path: /metadata/labels, value: {a: b}}]}]}},\n"
        "  {kind: Trait, name: more, spec: {patches: [{target: {group: '', version: v1, kind: "
        "Pod}, "
        "operations: [{op: add, path: /spec/hostIPC, value: true}]}]}}]\n"
        "componentProfile: {traits: [{kind: ClusterTrait, name: node, instanceName: n}, {kind: "
        "Trait, "
        "name: %s, instanceName: m}]}\n";
    char text[sizeof release + 16];
    (void)snprintf(text, sizeof text, release, "mine");
    struct outcome out = tenant_render(text, NULL, false);
    tenant_expect("then a tenant's", &out, NULL);
    out = tenant_render(text, NULL, true);
    tenant_expect(
        "by hand", &out,
        "traits[n]: resources[pod]: Pod it has spec.hostPID, which lets a pod into its node "
        "(Pod Security Standard baseline): a release that was written by hand may not, "
        "unless Organization acme says ownTypes.podSecurity: privileged; one that the "
        "control plane makes of a type of the cluster may");
    (void)snprintf(text, sizeof text, release, "more");
    out = tenant_render(text, NULL, false);
    tenant_expect("then a tenant's that asks for more", &out, "changes what has spec.hostPID");
}

#define DENY_BY_CILIUM "networkPolicies: {provider: cilium, defaultDeny: true}"

/* What a component declares is open where its cell denies by default, though its type cannot say
 * so. */
static void test_what_is_declared_is_open(void **state)
{
    (void)state;
    static const char *const pod =
        "componentType: {kind: %s, name: own, spec: {workloadType: proxy, resources: [{id: pod, "
        "template: {apiVersion: v1, kind: Pod, metadata: {name: it}, spec: {containers: [{name: c, "
        "image: i}]}}}]}}";
    static const struct {
        const char *kind;
        const char *organization;
        size_t count;
    } rows[] = {
        {"ComponentType", "{}", 1},
        {"ComponentType", "isolation: strict", 2},
        {"ComponentType", DENY_BY_CILIUM, 2},
        {"ClusterComponentType", "isolation: strict", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[400];
        (void)snprintf(text, sizeof text, pod, rows[i].kind);
        struct outcome out = tenant_render(text, rows[i].organization, false);
        tenant_expect(rows[i].organization, &out, NULL);
        assert_int_equal(out.count, rows[i].count);
    }
}

/* A built-in type that is copied into a namespace makes what it made, whatever the cell denies. */
static void test_copies_of_built_in_types(void **state)
{
    (void)state;
    static const char *const organizations[] = {"{}", "isolation: strict", DENY_BY_CILIUM};
    struct arena names = {0};
    for (size_t i = 0; i < builtin_count(); i++) {
        for (size_t k = 0; k < sizeof organizations / sizeof *organizations; k++) {
            struct buf release = {0};
            struct err err = {0};
            json_t *type;
            struct buf spec = {0};
            assert_ok(builtin_load(builtin_name(i), &type, &err), &err);
            json_canonical(json_object_get(type, "spec"), &spec);
            bool task = slice_eq_cstr(builtin_name(i), "scheduled-task");
            buf_addf(&release,
                     "{\"componentType\": {\"kind\": \"ComponentType\", \"name\": \"copy\", "
                     "\"spec\": %s}, \"componentProfile\": {\"parameters\": %s}%s}",
                     buf_cstr(&spec), task ? "{\"schedule\": \"@daily\"}" : "{}",
                     task || slice_eq_cstr(builtin_name(i), "worker")
                         ? ", \"workload\": {\"container\": {\"image\": \"w:1\"}}"
                         : "");
            struct outcome of_tenant = tenant_render(buf_cstr(&release), organizations[k], false);
            tenant_expect(arena_cstr(&names, builtin_name(i)), &of_tenant, NULL);
            assert_true(of_tenant.count > 1);
            buf_free(&release);
            buf_free(&spec);
            json_decref(type);
        }
    }
    arena_free(&names);
}

/* But for what hangs on parameters, whose schema is the copy's own. */
static void test_a_copy_that_alerts(void **state)
{
    (void)state;
    struct buf release = {0};
    struct buf spec = {0};
    struct err err = {0};
    json_t *type;
    assert_ok(builtin_load(SLICE("service"), &type, &err), &err);
    json_canonical(json_object_get(type, "spec"), &spec);
    buf_addf(
        &release,
        "{\"componentType\": {\"kind\": \"ComponentType\", \"name\": \"copy\", \"spec\": %s}, "
        "\"componentProfile\": {\"parameters\": {\"slo\": {\"availability\": 99.9}}}, "
        "\"workload\": {\"container\": {\"image\": \"web\"}, \"endpoints\": {\"http\": {\"type\": "
        "\"HTTP\", \"port\": 80, \"metrics\": {}}}}}",
        buf_cstr(&spec));
    struct outcome out = tenant_render(buf_cstr(&release), NULL, false);
    tenant_expect("refused", &out, "PrometheusRule web-slo is of a kind");
    out = tenant_render(buf_cstr(&release),
                        "ownTypes: {kinds: [{group: monitoring.coreos.com, kind: PrometheusRule}]}",
                        false);
    tenant_expect("allowed", &out, NULL);
    buf_free(&release);
    buf_free(&spec);
    json_decref(type);
}

/* Resource types likewise; operators' kinds have to be allowed. */
static void test_resource_types(void **state)
{
    (void)state;
    json_t *type = tenant_parse(
        "resources: [{id: db, template: {apiVersion: v1, kind: Pod, metadata: {name: db}, spec: "
        "{containers: [{name: c, image: i, securityContext: {privileged: true}}]}}}]");
    struct render_resource in = {.id = {.ns = SLICE("acme"),
                                        .project = SLICE("shop"),
                                        .resource = SLICE("db"),
                                        .environment = SLICE("development")},
                                 .type = type,
                                 .maker = {.kind = SLICE("ResourceType"), .name = SLICE("own")}};
    json_t *manifests;
    struct err err = {0};
    assert_int_equal(render_resource(&in, &manifests, NULL, &err), ERR_UNPROCESSABLE);
    assert_non_null(strstr(err.message, "resources[db]: Pod db has "
                                        "spec.containers[c].securityContext.privileged"));
    assert_non_null(strstr(err.message, "(ResourceType own)"));
    in.maker.kind = SLICE("ClusterResourceType");
    assert_ok(render_resource(&in, &manifests, NULL, &err), &err);
    json_decref(manifests);
    in.maker.by_hand = true;
    assert_int_equal(render_resource(&in, &manifests, NULL, &err), ERR_UNPROCESSABLE);
    json_decref(type);
}

static void test_copies_of_built_in_resource_types(void **state)
{
    (void)state;
    static const char *const single[] = {"postgres", "redis"};
    for (size_t i = 0; i < 2; i++) {
        json_t *type;
        json_t *manifests = NULL;
        json_t *credentials = tenant_parse("{password: hunter-7391, adminPassword: hunter-7391}");
        struct err err = {0};
        assert_ok(builtin_load(slice_of(single[i]), &type, &err), &err);
        const struct render_resource in = {
            .id = {.ns = SLICE("acme"),
                   .project = SLICE("shop"),
                   .resource = SLICE("db"),
                   .environment = SLICE("development")},
            .type = json_object_get(type, "spec"),
            .credentials = credentials,
            .maker = {.kind = SLICE("ResourceType"), .name = SLICE("copy")}};
        assert_ok(render_resource(&in, &manifests, NULL, &err), &err);
        assert_true(json_array_size(manifests) > 2);
        json_decref(manifests);
        json_decref(credentials);
        json_decref(type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_patches_that_are_allowed),
        cmocka_unit_test(test_the_platforms_trait_on_a_tenants_type),
        cmocka_unit_test(test_what_is_declared_is_open),
        cmocka_unit_test(test_copies_of_built_in_types),
        cmocka_unit_test(test_a_copy_that_alerts),
        cmocka_unit_test(test_resource_types),
        cmocka_unit_test(test_copies_of_built_in_resource_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
