/* Types and traits of somebody who means harm: refused before anything is sent, with the place; and
 * never much work. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/pipeline.h"
#include "render/resource_type.h"

struct attack {
    const char *resources; /* of the type, beside its deployment */
    const char *trait;     /* spec of an embedded one, or NULL */
    int code;
    const char *message; /* begins so */
};

#define CELL "dp-acme-shop-dev-1c11194b"
#define DEPLOYMENT                                                                                 \
    "- id: deployment\n"                                                                           \
    "  template:\n"                                                                                \
    "    apiVersion: apps/v1\n"                                                                    \
    "    kind: Deployment\n"                                                                       \
    "    metadata: {name: web, labels: \"${metadata.labels}\"}\n"                                  \
    "    spec: {selector: {matchLabels: \"${metadata.podSelectors}\"}, template: {metadata: "      \
    "{labels: \"${metadata.podSelectors}\"}, spec: {containers: [{name: m, image: i}]}}}\n"
#define OBJECT(text) "- {id: x, template: {" text "}}"
#define CONFIG(metadata) OBJECT("apiVersion: v1, kind: ConfigMap, metadata: {" metadata "}")
#define PATCH(operation)                                                                           \
    "{patches: [{target: {group: apps, version: v1, kind: Deployment}, operations: [" operation    \
    "]}]}"
/* Ten expressions of ten elements each, one inside the other. */
#define TEN "[0,1,2,3,4,5,6,7,8,9]"
#define NESTED(body)                                                                               \
    TEN ".map(a, " TEN ".map(b, " TEN ".map(c, " TEN ".map(d, " TEN ".map(e, " body ")))))"

static const struct attack attacks[] = {
    /* no object at all */
    {"- {id: x, template: \"${[1]}\"}", NULL, ERR_UNPROCESSABLE,
     "resources[x].template: must be an object"},
    {OBJECT("kind: ConfigMap, metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has no apiVersion"},
    {OBJECT("apiVersion: v1, metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: x has no kind"},
    {OBJECT("apiVersion: 1, kind: ConfigMap, metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has no valid apiVersion"},
    {OBJECT("apiVersion: v1, kind: [Pod], metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: x has no valid kind"},
    {OBJECT("apiVersion: v1, kind: ConfigMap"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap has no metadata"},
    {CONFIG("name: 5"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap has no valid metadata.name"},
    {CONFIG("name: ../x"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap ../x has no valid metadata.name"},
    /* paths out of what the driver makes of them */
    {OBJECT("apiVersion: v1/namespaces/kube-system, kind: ConfigMap, metadata: {name: x}"), NULL,
     ERR_UNPROCESSABLE, "resources[x]: ConfigMap x has no valid apiVersion"},
    {OBJECT("apiVersion: \"v1?x=\", kind: ConfigMap, metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has no valid apiVersion"},
    {OBJECT("apiVersion: v1, kind: ../../Pod, metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ../../Pod x has no valid kind"},
    {OBJECT("apiVersion: v1, kind: List, metadata: {name: x}, items: []"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: List x has no valid kind"},
    /* out of the cell */
    {OBJECT("apiVersion: v1, kind: Namespace, metadata: {name: x}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: Namespace x belongs to no namespace"},
    {OBJECT("apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: x}"),
     NULL, ERR_UNPROCESSABLE, "resources[x]: ClusterRole x belongs to no namespace"},
    {CONFIG("name: x, namespace: kube-system"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x: must be in the namespace " CELL ", not in kube-system"},
    {"", PATCH("{op: add, path: /metadata/namespace, value: kube-system}"), ERR_UNPROCESSABLE,
     "resources[deployment]: Deployment web: must be in the namespace " CELL},
    {"", PATCH("{op: replace, path: /kind, value: ClusterRole}"), ERR_UNPROCESSABLE,
     "resources[deployment]: ClusterRole web belongs to no namespace"},
    {"", "{creates: [{template: {apiVersion: v1, kind: Node, metadata: {name: n}}}]}",
     ERR_UNPROCESSABLE, "traits[t].creates[0]: Node n belongs to no namespace"},
    {CONFIG(
         "name: a") "\n- {id: y, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}",
     NULL, ERR_UNPROCESSABLE, "resources[y]: ConfigMap a is made twice"},
    /* in another's name */
    {CONFIG("name: x, labels: {openchoreo.dev/component: bank}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has the label openchoreo.dev/component: bank, which is not"},
    {CONFIG("name: x, labels: {openchoreo.dev/project-uid: u}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has the label openchoreo.dev/project-uid: u, which is not"},
    {"",
     PATCH("{op: replace, path: /spec/template/metadata/labels/openchoreo.dev~1component, "
           "value: bank}"),
     ERR_UNPROCESSABLE,
     "resources[deployment]: Deployment web has pods with the label openchoreo.dev/component: "
     "bank"},
    {OBJECT("apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: "
            "{template: {metadata: {labels: {openchoreo.dev/project: bank}}}}}}"),
     NULL, ERR_UNPROCESSABLE,
     "resources[x]: CronJob x has pods with the label openchoreo.dev/proj"},
    {CONFIG("name: x, labels: {choreo.dev/shard: '1'}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has the label choreo.dev/shard"},
    {CONFIG("name: x, annotations: {choreo.dev/epoch: e}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has the annotation choreo.dev/epoch"},
    {CONFIG("name: x, labels: [a]"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has labels or annotations that are no map"},
    {CONFIG("name: x, annotations: {a: 1}"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has an annotation a that is no text"},
    {CONFIG("name: x, uid: u"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has metadata.uid, which is the cluster's to set"},
    {CONFIG("name: x, managedFields: []"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has metadata.managedFields, which is the cluster's to set"},
    {CONFIG("name: x, generateName: y"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has metadata.generateName, which is the cluster's to set"},
    {CONFIG("name: x, creationTimestamp: '2026-01-01T00:00:00Z'"), NULL, ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has metadata.creationTimestamp, which is the cluster's to set"},
    {CONFIG("name: x, ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: u}]"), NULL,
     ERR_UNPROCESSABLE,
     "resources[x]: ConfigMap x has metadata.ownerReferences, which is the cluster's to set"},
    {"", PATCH("{op: add, path: /metadata/ownerReferences, value: [{uid: u}]}"), ERR_UNPROCESSABLE,
     "resources[deployment]: Deployment web has metadata.ownerReferences, which is"},
    /* without end */
    {"- {id: x, forEach: \"${" NESTED("a") "}\", template: {}}", NULL, ERR_TOO_LARGE,
     "resources[x].forEach, column 119: "},
    {"- {id: x, forEach: \"${'x'.replace('x', 'xxxxxxxxxx').split('')"
     ".map(i, " TEN ".map(j, " TEN ".map(k, k))).flatten().map(i, 1)"
     ".map(i, " TEN ").flatten()}\", template: {}}",
     NULL, ERR_TOO_LARGE, "resources[x].template: more than 1000 objects"},
    {"- {id: x, forEach: \"${" TEN ".map(a, " TEN ".map(b, " TEN ")).flatten()}\", template: "
     "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: \"${" NESTED("a") "}\"}}",
     NULL, ERR_TOO_LARGE, "resources[x].template.data, column "},
    {"",
     "{patches: [{target: {group: apps, version: v1, kind: Deployment}, forEach: \"${" TEN
     ".map(a, " TEN ".map(b, " TEN ")).flatten()}\", operations: [{op: add, path: /spec/a/-, "
     "value: \"${" TEN ".map(a, " TEN ".map(b, " TEN ".map(c, " TEN ")))}\"}]}]}",
     ERR_TOO_LARGE, "traits[t].patches[0].operations[0]"},
    {"",
     "{postRenderValidations: [{forEach: \"${" TEN ".map(a, " TEN ".map(b, " TEN
     ")).flatten()}\", target: {group: apps, version: v1, kind: Deployment}, rule: \"${" TEN
     ".all(a, " TEN ".all(b, " TEN ".all(c, " TEN ".all(d, true))))}\", message: m}]}",
     ERR_TOO_LARGE, "traits[t].postRenderValidations[0].rule, column "},
    {"- {id: x, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: "
     "\"${'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^((?=a)a+)+$')}\"}}}",
     NULL, ERR_UNPROCESSABLE,
     "resources[x].template.data.a, column 52: matches(): the pattern takes too many steps"},
    {"",
     "{parameters: {openAPIV3Schema: {type: object, $defs: {L: {type: object, properties: {n: "
     "{$ref: '#/$defs/L', default: {}}}}}, properties: {l: {$ref: '#/$defs/L', default: {}}}}}}",
     ERR_TOO_LARGE, "traits[t].parameters: the schema refers to itself too often"},
    {"",
     "{parameters: {openAPIV3Schema: {type: object, $defs: {A: {$ref: '#/$defs/B'}, B: {$ref: "
     "'#/$defs/A'}}, properties: {l: {$ref: '#/$defs/A'}}, required: [l]}}}",
     ERR_UNPROCESSABLE, "traits[t].parameters.l: is required"},
};

/* A type of the deployment and what else is given, with one embedded trait. */
static json_t *release_of(const char *resources, const char *trait)
{
    struct buf yaml = {0};
    struct err err = {0};
    json_t *release;
    buf_addf(&yaml,
             "componentType:\n"
             "  kind: ClusterComponentType\n"
             "  spec:\n"
             "    workloadType: deployment\n"
             "    traits: [%s]\n"
             "    resources:\n",
             trait != NULL ? "{name: t, instanceName: t}" : "");
    struct slice text = slice_of(DEPLOYMENT);
    struct slice line;
    while (slice_split(&text, '\n', &line)) {
        buf_addf(&yaml, "    %.*s\n", SLICE_ARG(line));
    }
    text = slice_of(resources);
    while (slice_split(&text, '\n', &line)) {
        buf_addf(&yaml, "    %.*s\n", SLICE_ARG(line));
    }
    buf_addf(&yaml,
             "traits: [{kind: ClusterTrait, name: t, spec: %s}]\n"
             "workload: {container: {image: u:1}}\n",
             trait != NULL ? trait : "{}");
    assert_ok(yaml_parse(buf_slice(&yaml), "attack", &release, &err), &err);
    buf_free(&yaml);
    return release;
}

static int render(const json_t *release, json_t **manifests, struct err *err)
{
    const struct render_component in = {.id = {.ns = SLICE("acme"),
                                               .project = SLICE("shop"),
                                               .component = SLICE("web"),
                                               .environment = SLICE("dev")},
                                        .release = release};
    return render_component(&in, manifests, err);
}

static void every_attack_is_refused_with_its_place(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        const struct attack *a = &attacks[i];
        struct err err = {0};
        json_t *manifests = NULL;
        json_t *release = release_of(a->resources, a->trait);
        int rc = render(release, &manifests, &err);
        if (rc != a->code || !slice_starts_with(slice_of(err.message), slice_of(a->message))) {
            print_error("%zu: %s: %s\n     not %s\n", i, err_name(rc), err.message, a->message);
            wrong++;
        }
        json_decref(manifests);
        json_decref(release);
    }
    assert_int_equal(wrong, 0);
}

/* Copies cost, too: a large literal in a loop, alone or in a text, and one that is patched in. */
static void what_is_copied_ends_at_the_limit(void **state)
{
    (void)state;
    static const char *const before[] = {
        "- {id: x, forEach: \"${" TEN ".map(a, " TEN ".map(b, " TEN
        ")).flatten()}\", template: {apiVersion: v1, kind: ConfigMap, metadata: "
        "{name: x}, data: {a: '",
        "- {id: x, forEach: \"${" TEN ".map(a, " TEN ".map(b, " TEN
        ")).flatten()}\", template: {apiVersion: v1, kind: ConfigMap, metadata: "
        "{name: x}, data: {a: '${item} ",
        "{patches: [{target: {group: apps, version: v1, kind: Deployment}, forEach: \"${" TEN
        ".map(a, " TEN ".map(b, " TEN ")).flatten()}\", "
        "operations: [{op: add, path: /spec/a/-, value: '"};
    static const char *const after[] = {"'}}}", "'}}}", "'}]}]}"};
    for (size_t i = 0; i < 3; i++) {
        struct buf text = {0};
        struct err err = {0};
        json_t *manifests = NULL;
        buf_add_cstr(&text, before[i]);
        for (int k = 0; k < 50000; k++) {
            buf_add_cstr(&text, "large ");
        }
        buf_add_cstr(&text, after[i]);
        json_t *release =
            i < 2 ? release_of(buf_cstr(&text), NULL) : release_of("", buf_cstr(&text));
        assert_err(render(release, &manifests, &err), &err, ERR_TOO_LARGE,
                   "the templates cost more than their limit");
        json_decref(release);
        buf_free(&text);
    }
}

/* So do those that a patch puts into each element of a list that it chooses. */
static void each_element_that_is_patched_is_paid_for(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err err = {0};
    json_t *manifests = NULL;
    buf_add_cstr(&text, "{patches: [{target: {group: apps, version: v1, kind: Deployment}, "
                        "operations: [{op: add, path: /spec/l, value: \"${lists.range(9999)"
                        ".map(i, {'i': i})}\"}, {op: add, path: '/spec/l[*]/x', value: '");
    for (int k = 0; k < 10000; k++) {
        buf_add_cstr(&text, "large ");
    }
    buf_add_cstr(&text, "'}]}]}");
    json_t *release = release_of("", buf_cstr(&text));
    int rc = render(release, &manifests, &err);
    assert_err(rc, &err, ERR_TOO_LARGE, "traits[t].patches[0].operations[1]");
    json_decref(manifests);
    json_decref(release);
    buf_free(&text);
}

/* A thousand objects whose readiness is dear are as dear as one. */
static void readiness_of_all_objects_has_one_limit(void **state)
{
    (void)state;
    struct err err = {0};
    json_t *type;
    enum render_ready ready;
    uint64_t left = 10 * 1000;
    size_t answered = 0;
    assert_ok(yaml_parse(SLICE("resources: [{id: a, readyWhen: \"${" TEN ".all(a, " TEN
                               ".all(b, a + b >= 0))}\", template: {}}]"),
                         "attack", &type, &err),
              &err);
    const struct render_resource in = {
        .id = {.ns = SLICE("acme"), .resource = SLICE("db")}, .type = type, .cost_left = &left};
    while (render_ready(&in, SLICE("a"), &ready, &err) == 0 && answered < 1000) {
        assert_int_equal(ready, READY_YES);
        answered++;
    }
    assert_in_range(answered, 1, 100);
    assert_err(err.code, &err, ERR_TOO_LARGE, "cost more than their limit");
    json_decref(type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attack_is_refused_with_its_place),
        cmocka_unit_test(what_is_copied_ends_at_the_limit),
        cmocka_unit_test(each_element_that_is_patched_is_paid_for),
        cmocka_unit_test(readiness_of_all_objects_has_one_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
