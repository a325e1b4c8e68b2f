/* Types and traits are checked before anybody uses them. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/builtin.h"
#include "render/check.h"

static int check_yaml(const char *yaml, int (*check)(const json_t *spec, struct err *err),
                      struct err *err)
{
    json_t *spec;
    assert_ok(yaml_parse(slice_of(yaml), "test", &spec, err), err);
    int rc = check(spec, err);
    json_decref(spec);
    return rc;
}

static void every_built_in_type_is_right(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(builtin_count(), 4);
    for (size_t i = 0; i < builtin_count(); i++) {
        json_t *object;
        assert_ok(builtin_load(builtin_name(i), &object, &err), &err);
        assert_slice(json_text_at(object, "kind"), "ClusterComponentType");
        assert_true(
            slice_eq(json_text(json_at(object, "metadata", "name", NULL)), builtin_name(i)));
        assert_ok(check_component_type(json_object_get(object, "spec"), &err), &err);
        json_decref(object);
    }
    json_t *object;
    assert_err(builtin_load(SLICE("nothing"), &object, &err), &err, ERR_NOT_FOUND,
               "no built-in type nothing");
    assert_int_equal(builtin_name(99).len, 0);
}

static void names_and_syntax_are_found_wrong_where_they_stand(void **state)
{
    (void)state;
    struct err err = {0};
    assert_err(check_yaml("resources: [{id: d, template: {a: [\"${metadta.name}\"]}}]",
                          check_component_type, &err),
               &err, ERR_UNPROCESSABLE,
               "spec.resources[d].template.a[0], column 3: undeclared reference to 'metadta'");
    assert_err(
        check_yaml("resources: [{id: d, template: {\"x${1 +}\": 1}}]", check_component_type, &err),
        &err, ERR_UNPROCESSABLE, "column 7: expected an expression");
    assert_err(
        check_yaml("validations: [{rule: \"${size()}\", message: x}]", check_component_type, &err),
        &err, ERR_UNPROCESSABLE,
        "spec.validations[0].rule, column 3: found no matching overload for 'size'");
    assert_err(
        check_yaml("resources: [{forEach: \"${item}\", template: {}}]", check_component_type, &err),
        &err, ERR_UNPROCESSABLE, "spec.resources[0].forEach, column 3: undeclared");
    assert_err(
        check_yaml("traits: [{parameters: {a: \"${trait.name}\"}}]", check_component_type, &err),
        &err, ERR_UNPROCESSABLE, "undeclared reference to 'trait'");
    assert_err(check_yaml("patches: [{operations: [{value: \"${resource}\"}]}]", check_trait, &err),
               &err, ERR_UNPROCESSABLE, "spec.patches[0].operations[0].value, column 3");
}

static void loops_and_targets_bring_their_variables(void **state)
{
    (void)state;
    struct err err = {0};
    assert_ok(
        check_yaml("resources:\n"
                   "- {forEach: \"${parameters.list}\", template: {a: \"${item}\"}}\n"
                   "- {forEach: \"${[1]}\", var: n, template: {a: \"${n} ${oc_omit()}\"}}\n"
                   "postRenderValidations:\n"
                   "- {target: {where: \"${resource.kind == ''}\"}, rule: \"${has(resource.x)}\"}",
                   check_component_type, &err),
        &err);
    assert_ok(check_yaml("creates: [{template: {a: \"${trait.instanceName}\"}}]\n"
                         "removes: [{target: {where: \"${resource.kind == ''}\"}}]",
                         check_trait, &err),
              &err);
}

static size_t causes_of(const char *yaml, struct causes *causes)
{
    json_t *object;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(yaml), "test", &object, &err), &err);
    check_object(object, causes);
    json_decref(object);
    return causes->count;
}

static void an_objects_cause_names_field_and_column(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    assert_int_equal(causes_of("{apiVersion: choreo.dev/v1, kind: ClusterComponentType, spec: "
                               "{resources: [{id: d, template: {a: 'x ${1 + }'}}]}}",
                               &causes),
                     1);
    assert_slice(causes.items[0].field, "spec.resources[d].template.a");
    assert_true(slice_starts_with(causes.items[0].message, SLICE("Invalid value: column ")));
    assert_int_equal(causes_of("{apiVersion: choreo.dev/v1, kind: Trait, spec: "
                               "{creates: [{template: {a: '${nobody}'}}]}}",
                               &causes),
                     2);
    assert_slice(causes.items[1].field, "spec.creates[0].template.a");
    /* other kinds may say ${ as they like */
    assert_int_equal(causes_of("{apiVersion: v1, kind: ConfigMap, data: {a: '${'}}", &causes), 2);
    assert_int_equal(causes_of("{apiVersion: other.dev/v1, kind: Trait, spec: "
                               "{creates: [{template: {a: '${nobody}'}}]}}",
                               &causes),
                     2);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_in_type_is_right),
        cmocka_unit_test(names_and_syntax_are_found_wrong_where_they_stand),
        cmocka_unit_test(loops_and_targets_bring_their_variables),
        cmocka_unit_test(an_objects_cause_names_field_and_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
