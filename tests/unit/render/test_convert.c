/* A Component's spec into a workload and a profile. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/convert.h"

static void workload_gives(const char *spec_yaml, const char *image, const char *expected)
{
    struct err err = {0};
    struct buf out = {0};
    json_t *spec;
    json_t *workload;
    assert_ok(yaml_parse(slice_of(spec_yaml), "spec", &spec, &err), &err);
    assert_ok(convert_workload(spec, SLICE("shop"), slice_of(image), &workload, &err), &err);
    json_canonical(workload, &out);
    assert_slice(buf_slice(&out), expected);
    json_decref(workload);
    json_decref(spec);
    buf_free(&out);
}

static void workload_fails(const char *spec_yaml, const char *message)
{
    struct err err = {0};
    json_t *spec;
    json_t *workload;
    assert_ok(yaml_parse(slice_of(spec_yaml), "spec", &spec, &err), &err);
    assert_err(convert_workload(spec, SLICE("shop"), SLICE(""), &workload, &err), &err,
               ERR_UNPROCESSABLE, message);
    assert_null(workload);
    json_decref(spec);
}

static void containers_keep_what_they_say(void **state)
{
    (void)state;
    workload_gives("{image: a:1, command: [x], args: [y], runtime: go, build: {buildpacks: true}}",
                   "", "{\"container\":{\"args\":[\"y\"],\"command\":[\"x\"],\"image\":\"a:1\"}}");
    workload_gives("{image: a:1}", "b:2", "{\"container\":{\"image\":\"b:2\"}}");
    workload_gives("{image: a, env: [{name: A, value: b}, {key: C, valueFrom: {secretKeyRef: "
                   "{name: s, key: k}}}], files: [{name: f, mountPath: /x, value: v}]}",
                   "",
                   "{\"container\":{\"env\":[{\"key\":\"A\",\"value\":\"b\"},{\"key\":\"C\","
                   "\"valueFrom\":{\"secretKeyRef\":{\"key\":\"k\",\"name\":\"s\"}}}],"
                   "\"files\":[{\"key\":\"f\",\"mountPath\":\"/x\",\"value\":\"v\"}],"
                   "\"image\":\"a\"}}");
}

static void endpoints_become_a_map_in_openchoreos_words(void **state)
{
    (void)state;
    workload_gives("{image: a, endpoints: [{name: api, port: 80, targetPort: 8080, path: /v1, "
                   "visibility: public}, {name: rpc, type: gRPC, port: 90, visibility: "
                   "[organization, internal]}]}",
                   "",
                   "{\"container\":{\"image\":\"a\"},\"endpoints\":{\"api\":{\"basePath\":\"/v1\","
                   "\"port\":80,\"targetPort\":8080,\"type\":\"HTTP\",\"visibility\":"
                   "[\"external\"]},\"rpc\":{\"port\":90,\"type\":\"gRPC\",\"visibility\":"
                   "[\"namespace\",\"internal\"]}}}");
}

/* A map has no order; the first of the list is still the first. */
static void the_order_of_endpoints_is_said_where_names_do_not(void **state)
{
    (void)state;
    workload_gives("{image: a, endpoints: [{name: web, port: 80}, {name: admin, port: 90}]}", "",
                   "{\"container\":{\"image\":\"a\"},\"endpointOrder\":[\"web\",\"admin\"],"
                   "\"endpoints\":{\"admin\":{\"port\":90,\"type\":\"HTTP\"},"
                   "\"web\":{\"port\":80,\"type\":\"HTTP\"}}}");
}

static void dependencies_are_endpoints_or_resources(void **state)
{
    (void)state;
    workload_gives(
        "{image: a, dependencies: [{name: order-db, type: postgres}, {name: billing, type: "
        "component, project: finance}]}",
        "",
        "{\"container\":{\"image\":\"a\"},\"dependencies\":{\"endpoints\":[{\"component\":"
        "\"billing\",\"envBindings\":{\"address\":\"BILLING_ADDRESS\",\"host\":\"BILLING_HOST\","
        "\"port\":\"BILLING_PORT\"},\"name\":\"\",\"project\":\"finance\",\"visibility\":"
        "\"namespace\"}],\"resources\":[{\"name\":\"order-db\",\"ref\":\"shop-order-db\",\"type\":"
        "\"postgres\"}]}}");
}

static void what_a_resource_puts_out_goes_where_it_is_said(void **state)
{
    (void)state;
    workload_gives(
        "{image: a, dependencies: [{name: db, type: postgres, resource: orders, env: {uri: DSN}, "
        "files: {ca: /etc/ca.pem}}, {name: a-name-that-is-longer-than-labels-may-be, type: "
        "redis}]}",
        "",
        "{\"container\":{\"image\":\"a\"},\"dependencies\":{\"resources\":[{\"envBindings\":{"
        "\"uri\":"
        "\"DSN\"},\"fileBindings\":{\"ca\":\"/etc/ca.pem\"},\"name\":\"db\",\"ref\":\"orders\","
        "\"type\":\"postgres\"},{\"name\":\"a-name-that-is-longer-than-labels-may-be\",\"ref\":"
        "\"shop-a-name-tha-09172d08\",\"type\":\"redis\"}]}}");
}

static void what_is_impossible_is_named(void **state)
{
    (void)state;
    workload_fails("{}", "spec.image: there is no image to run");
    workload_fails("{image: a, env: [{value: x}]}", "spec.env[0].name: is required");
    workload_fails("{image: a, files: [{name: x}]}", "spec.files[0].mountPath: is required");
    workload_fails("{image: a, endpoints: [{port: 1}]}", "spec.endpoints[0].name: is required");
    workload_fails("{image: a, endpoints: [{name: x, port: y}]}",
                   "spec.endpoints[0].port: is required");
    workload_fails("{image: a, endpoints: [{name: x, port: 1}, {name: x, port: 2}]}",
                   "spec.endpoints[1].name: another endpoint has this name");
    workload_fails("{image: a, dependencies: [{type: redis}]}",
                   "spec.dependencies[0].name: is required");
}

static void profiles_hold_parameters_and_traits(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = {0};
    json_t *spec;
    json_t *profile;
    assert_ok(yaml_parse(SLICE("{replicas: 2, schedule: x, resources: null, parameters: {replicas: "
                               "3, extra: 1}, traits: [{name: t}]}"),
                         "spec", &spec, &err),
              &err);
    assert_ok(convert_profile(spec, &profile, &err), &err);
    json_canonical(profile, &out);
    assert_slice(buf_slice(&out), "{\"parameters\":{\"extra\":1,\"replicas\":3,\"schedule\":\"x\"},"
                                  "\"traits\":[{\"name\":\"t\"}]}");
    json_decref(profile);
    json_object_set_new(spec, "parameters", json_integer(1));
    assert_err(convert_profile(spec, &profile, &err), &err, ERR_UNPROCESSABLE,
               "spec.parameters: must be an object");
    json_decref(spec);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_keep_what_they_say),
        cmocka_unit_test(endpoints_become_a_map_in_openchoreos_words),
        cmocka_unit_test(the_order_of_endpoints_is_said_where_names_do_not),
        cmocka_unit_test(dependencies_are_endpoints_or_resources),
        cmocka_unit_test(what_a_resource_puts_out_goes_where_it_is_said),
        cmocka_unit_test(what_is_impossible_is_named),
        cmocka_unit_test(profiles_hold_parameters_and_traits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
