/* What a release keeps of its type. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/prune.h"

/* The ids of what is kept of a type with one resource for each condition. */
static void keeps(const char *release, const char *expected)
{
    struct err err = {0};
    struct buf ids = {0};
    json_t *spec;
    assert_ok(yaml_parse(slice_of(release), "release", &spec, &err), &err);
    json_t *type = json_incref(json_object_get(spec, "componentType"));
    size_t before = json_array_size(json_at(type, "spec", "resources", NULL));
    prune_release(spec);
    size_t i;
    json_t *one;
    json_array_foreach(json_at(spec, "componentType", "spec", "resources", NULL), i, one)
    {
        buf_addf(&ids, "%s%s", i > 0 ? " " : "", json_string_value(json_object_get(one, "id")));
    }
    assert_slice(buf_slice(&ids), expected);
    /* The type itself, which others share, is as it was. */
    assert_int_equal(json_array_size(json_at(type, "spec", "resources", NULL)), before);
    buf_free(&ids);
    json_decref(type);
    json_decref(spec);
}

#define TYPE                                                                                       \
    "componentType:\n"                                                                             \
    "  name: t\n"                                                                                  \
    "  spec:\n"                                                                                    \
    "    parameters:\n"                                                                            \
    "      openAPIV3Schema:\n"                                                                     \
    "        type: object\n"                                                                       \
    "        properties: {slo: {type: object}, size: {type: integer, default: 1}}\n"               \
    "    resources:\n"                                                                             \
    "    - {id: always}\n"                                                                         \
    "    - {id: slo, includeWhen: '${has(parameters.slo)}'}\n"                                     \
    "    - {id: many, includeWhen: '${parameters.size > 1}'}\n"                                    \
    "    - {id: rpc, includeWhen: '${workload.endpoints.exists(n, e, e.type == \"gRPC\")}'}\n"     \
    "    - {id: mesh, includeWhen: '${has(environment.mesh)}'}\n"                                  \
    "    - {id: some, includeWhen: '${environmentConfigs.?size.orValue(parameters.size) > 1}'}\n"  \
    "    - {id: wrong, includeWhen: '${parameters.nothing > 1}'}\n"                                \
    "    - {id: files, includeWhen: '${has(workload.container.files)}'}\n"                         \
    "workload:\n"                                                                                  \
    "  container: {image: a}\n"

static void what_can_never_be_made_is_left_out(void **state)
{
    (void)state;
    keeps(TYPE "componentProfile: {parameters: {}}\n", "always mesh some wrong files");
}

static void what_is_asked_for_stays(void **state)
{
    (void)state;
    keeps(TYPE "  endpoints: {rpc: {type: gRPC, port: 1}}\n"
               "componentProfile: {parameters: {slo: {}, size: 2}}\n",
          "always slo many rpc mesh some wrong files");
}

static void what_cannot_be_judged_stays(void **state)
{
    (void)state;
    keeps(TYPE "componentProfile: {parameters: {size: large}}\n",
          "always slo many rpc mesh some wrong files");
}

static void a_type_that_would_make_nothing_is_left_alone(void **state)
{
    (void)state;
    keeps("componentType: {spec: {resources: [{id: one, includeWhen: '${false}'}]}}\n"
          "workload: {container: {image: a}}\n",
          "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_never_be_made_is_left_out),
        cmocka_unit_test(what_is_asked_for_stays),
        cmocka_unit_test(what_cannot_be_judged_stays),
        cmocka_unit_test(a_type_that_would_make_nothing_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
