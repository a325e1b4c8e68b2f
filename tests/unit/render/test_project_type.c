/* What a project's type adds to a cell, and what it may not. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/pipeline.h"

#define CELL "dp-acme-shop-development-12d45ec4"

static json_t *parse(const char *yaml)
{
    json_t *tree = NULL;
    struct err err;
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static struct render_cell cell_of(const json_t *type, const json_t *configs)
{
    return (struct render_cell){
        .id = {.ns = SLICE("acme"), .project = SLICE("shop"), .environment = SLICE("development")},
        .type = type,
        .maker = {.kind = SLICE("ClusterProjectType"), .name = SLICE("own")},
        .configs = configs};
}

static const char *text_at(const json_t *manifest, const char *a, const char *b, const char *c)
{
    return json_string_value(json_at(manifest, a, b, c, NULL));
}

static void test_namespace_is_the_cells(void **state)
{
    (void)state;
    json_t *type = parse("resources:\n"
                         "  - id: ns\n"
                         "    template:\n"
                         "      apiVersion: v1\n"
                         "      kind: Namespace\n"
                         "      metadata:\n"
                         "        name: ${metadata.namespace}\n"
                         "        labels: '${oc_merge(metadata.labels, {\"tier\": \"gold\"})}'\n"
                         "        annotations: {team: '${parameters.team}'}\n"
                         "      spec: {finalizers: [mine]}\n"
                         "  - id: config\n"
                         "    template: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, "
                         "data: {env: '${metadata.environmentName}'}}\n"
                         "parameters: {openAPIV3Schema: {type: object, properties: {team: {type: "
                         "string, default: red}}}}\n");
    const struct render_cell in = cell_of(type, NULL);
    json_t *manifests = NULL;
    struct err err;
    assert_ok(render_cell(&in, &manifests, &err), &err);
    assert_int_equal(json_array_size(manifests), 2);
    const json_t *ns = json_array_get(manifests, 0);
    assert_string_equal(text_at(ns, "metadata", "name", NULL), CELL);
    assert_string_equal(text_at(ns, "metadata", "labels", "tier"), "gold");
    assert_string_equal(text_at(ns, "metadata", "labels", "openchoreo.dev/project"), "shop");
    assert_string_equal(text_at(ns, "metadata", "annotations", "team"), "red");
    assert_null(json_object_get(ns, "spec")); /* nothing but labels and annotations */
    const json_t *config = json_array_get(manifests, 1);
    assert_string_equal(text_at(config, "metadata", "namespace", NULL), CELL);
    assert_string_equal(text_at(config, "metadata", "labels", "openchoreo.dev/project"), "shop");
    assert_string_equal(text_at(config, "data", "env", NULL), "development");
    json_decref(manifests);
    json_decref(type);
}

static void refused(const char *type_yaml, const char *configs_yaml, const char *why)
{
    json_t *type = parse(type_yaml);
    json_t *configs = configs_yaml != NULL ? parse(configs_yaml) : NULL;
    const struct render_cell in = cell_of(type, configs);
    json_t *manifests = NULL;
    struct err err;
    assert_int_equal(render_cell(&in, &manifests, &err), ERR_UNPROCESSABLE);
    assert_null(manifests);
    if (strstr(err.message, why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.message, why);
    }
    json_decref(configs);
    json_decref(type);
}

#define NAMESPACE(labels)                                                                          \
    "resources: [{id: ns, template: {apiVersion: v1, kind: Namespace, metadata: {name: "           \
    "'${metadata.namespace}', " labels "}}}]"

static void test_what_it_may_not(void **state)
{
    (void)state;
    refused(NAMESPACE("labels: {pod-security.kubernetes.io/enforce: baseline}"), NULL, "confined");
    refused(NAMESPACE("annotations: {openshift.io/sa.scc.uid-range: 0/10000}"), NULL, "confined");
    refused(NAMESPACE("labels: {openchoreo.dev/project: other}"), NULL, "not theirs to say");
    refused(NAMESPACE("labels: {tier: 'no label value'}"), NULL, "tier");
    refused("resources: [{id: ns, template: {apiVersion: v1, kind: Namespace, metadata: {name: "
            "kube-system}}}]",
            NULL, "belongs to no namespace");
    refused("resources: [{id: a, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, "
            "namespace: kube-system}}}]",
            NULL, "must be in the namespace " CELL);
    refused("resources: [{id: a, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}},"
            " {id: b, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}]",
            NULL, "is made twice");
    refused("validations: [{rule: '${false}', message: never}]\nresources: []", NULL, "never");
    refused("environmentConfigs: {openAPIV3Schema: {type: object, properties: {n: {type: "
            "integer}}}}\nresources: []",
            "{n: text}", "environmentConfigs.n");
}

/* What every cell has by itself no type makes again. */
static void test_apart_from_the_cells_own(void **state)
{
    (void)state;
    json_t *type = parse("resources: [{id: q, template: {apiVersion: v1, kind: ResourceQuota, "
                         "metadata: {name: choreo-quota}, spec: {hard: {}}}}]");
    json_t *environment = parse("quotas: {cpu: 4}");
    struct render_cell in = cell_of(type, NULL);
    json_t *manifests = NULL;
    struct err err;
    assert_ok(render_cell(&in, &manifests, &err), &err); /* there is none by itself */
    json_decref(manifests);
    in.environment = environment;
    assert_int_equal(render_cell(&in, &manifests, &err), ERR_UNPROCESSABLE);
    assert_non_null(strstr(err.message, "ResourceQuota/" CELL "/choreo-quota is what every cell"));
    json_decref(environment);
    json_decref(type);
}

static void test_restricted_may_be_asked_for(void **state)
{
    (void)state;
    json_t *type = parse(NAMESPACE("labels: {pod-security.kubernetes.io/enforce: restricted}"));
    const struct render_cell in = cell_of(type, NULL);
    json_t *manifests = NULL;
    struct err err;
    assert_ok(render_cell(&in, &manifests, &err), &err);
    assert_string_equal(text_at(json_array_get(manifests, 0), "metadata", "labels",
                                "pod-security.kubernetes.io/enforce"),
                        "restricted");
    json_decref(manifests);
    json_decref(type);
}

/* The same type is a tenant's if it is of a namespace. */
static void test_of_a_namespace(void **state)
{
    (void)state;
    json_t *quota = parse("resources: [{id: q, template: {apiVersion: v1, kind: ResourceQuota, "
                          "metadata: {name: more}, spec: {hard: {}}}}]");
    json_t *space = parse(NAMESPACE("labels: {tier: gold}"));
    struct render_cell in = cell_of(quota, NULL);
    json_t *manifests = NULL;
    struct err err;
    in.maker.kind = SLICE("ProjectType");
    assert_int_equal(render_cell(&in, &manifests, &err), ERR_UNPROCESSABLE);
    assert_non_null(strstr(err.message, "(ProjectType own) may not, unless Organization acme says "
                                        "ownTypes.kinds: [{group: \"\", kind: ResourceQuota}]"));
    in.type = space;
    assert_ok(render_cell(&in, &manifests, &err), &err);
    assert_string_equal(text_at(json_array_get(manifests, 0), "metadata", "labels", "tier"),
                        "gold");
    json_decref(manifests);
    json_decref(space);
    json_decref(quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespace_is_the_cells),
        cmocka_unit_test(test_what_it_may_not),
        cmocka_unit_test(test_apart_from_the_cells_own),
        cmocka_unit_test(test_restricted_may_be_asked_for),
        cmocka_unit_test(test_of_a_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
