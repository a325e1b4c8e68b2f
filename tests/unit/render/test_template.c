/* The template language: what golden files do not reach. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/yaml.h"
#include "render/resources.h"

struct fixture {
    struct arena arena;
    struct template_scope scope;
    json_t *variable;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    template_init(&f->scope, &f->arena, 100000);
    f->variable = json_pack("{s:i, s:[i,i], s:s, s:n}", "n", 3, "list", 1, 2, "text", "t", "none");
    template_set(&f->scope, SLICE("v"), cel_of_json(&f->arena, f->variable));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->variable);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static int render(struct fixture *f, const char *yaml, struct buf *out, struct err *err)
{
    json_t *tree;
    json_t *result = NULL;
    assert_ok(yaml_parse(slice_of(yaml), "t", &tree, err), err);
    int rc = template_render(&f->scope, tree, SLICE("t"), &result, err);
    if (rc == 0) {
        json_canonical(result, out);
    } else {
        assert_null(result);
    }
    json_decref(result);
    json_decref(tree);
    return rc;
}

static void gives(struct fixture *f, const char *yaml, const char *expected)
{
    struct buf out = {0};
    struct err err = {0};
    assert_ok(render(f, yaml, &out, &err), &err);
    assert_slice(buf_slice(&out), expected);
    buf_free(&out);
}

static void fails(struct fixture *f, const char *yaml, int code, const char *message)
{
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(render(f, yaml, &out, &err), code);
    assert_string_equal(err.message, message);
    buf_free(&out);
}

static void values_keep_their_types_and_text_joins_them(void **state)
{
    struct fixture *f = *state;
    gives(f, "a: ${v.n}\nb: ' ${v.list} '\nc: x${v.n}y${v.list}\nd: ${v.none}\ne: 5\nf: null",
          "{\"a\":3,\"b\":[1,2],\"c\":\"x3y[1,2]\",\"d\":null,\"e\":5,\"f\":null}");
    gives(f, "${v.text}-${v.n}: [1, '${1.5}', '${true} ${2.0}']", "{\"t-3\":[1,1.5,\"true 2\"]}");
    gives(f, "a: \"${'}' + \\\"{\\\" + 'it\\\\'s'}\"", "{\"a\":\"}{it's\"}");
    gives(f, "a: 'no $expression { here }'", "{\"a\":\"no $expression { here }\"}");
    gives(f, "a: ${optional.none()}\nb: [\"${optional.of(1)}\", '${v.?missing}']", "{\"b\":[1]}");
}

static void errors_say_where(void **state)
{
    struct fixture *f = *state;
    fails(f, "a: {b: ['${v.n +}']}", ERR_UNPROCESSABLE,
          "t.a.b[0], column 8: expected an expression, found the end");
    fails(f, "a: '${v.n} ${ ${v.n} }'", ERR_UNPROCESSABLE,
          "t.a, column 11: \"${\" inside an expression: it is one already");
    fails(f, "a: '${v.n'", ERR_UNPROCESSABLE, "t.a, column 1: \"${\" without its \"}\"");
    fails(f, "a: 'x ${v.?missing}'", ERR_UNPROCESSABLE,
          "t.a, column 3: an omitted value cannot be part of a text");
    fails(f, "${v.n}: 1", ERR_UNPROCESSABLE, "t.${v.n}, column 1: a key must be a string");
    fails(f, "${v.text}: 1\nt: 2", ERR_UNPROCESSABLE, "t.t, column 1: this key is there already");
    fails(f, "b: ${v.x}\na: ${v.y}", ERR_UNPROCESSABLE,
          "t.a, column 5: no such key: y; there are: list, n, none, text");
    fails(f, "a: '${{1.5: 2}}'", ERR_UNPROCESSABLE, "t.a, column 3: unsupported key type: double");
}

static void conditions_are_single_expressions_of_bools(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    bool value;
    assert_ok(template_bool(&f->scope, SLICE(" ${v.n == 3}\n"), SLICE("p"), &value, &err), &err);
    assert_true(value);
    assert_err(template_bool(&f->scope, SLICE("${v.n}"), SLICE("p"), &value, &err), &err,
               ERR_UNPROCESSABLE, "p: must be a bool, not int");
    assert_err(template_bool(&f->scope, SLICE("true"), SLICE("p"), &value, &err), &err,
               ERR_UNPROCESSABLE, "one expression is wanted here");
    assert_err(template_bool(&f->scope, SLICE("${true}x"), SLICE("p"), &value, &err), &err,
               ERR_UNPROCESSABLE, "one expression is wanted here");
}

static void numbers_are_written_as_go_writes_them(void **state)
{
    struct fixture *f = *state;
    gives(f, "'${0.5} ${3.0} ${1000000.0} ${999999.0} ${0.0001} ${0.00001} ${-2.5} ${1.0/3.0}'",
          "\"0.5 3 1e+06 999999 0.0001 1e-05 -2.5 0.3333333333333333\"");
    gives(f, "'${1000000} ${true} ${[1, 2.0]} ${{\"a\": 1.5}}'",
          "\"1000000 true [1,2] {\\\"a\\\":1.5}\"");
    gives(f, "[3.0, 2.5, '${6.0 / 2.0}']", "[3,2.5,3]");
}

static void what_is_copied_is_paid_for(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    for (int i = 0; i < 1000; i++) {
        buf_add_cstr(&text, "0123456789");
    }
    json_t *large = json_str(buf_slice(&text));
    f->scope.cost_left = 1900;
    template_set(&f->scope, SLICE("large"), cel_of_json(&f->arena, large));
    fails(f, "['x${large}${large}', 'x${large}${large}']", ERR_TOO_LARGE,
          "t[1]: the templates cost more than their limit");
    buf_free(&text);
    json_decref(large);
}

static void all_expressions_share_one_budget(void **state)
{
    struct fixture *f = *state;
    f->scope.cost_left = 48; /* of which the array and its texts cost eight */
    fails(f, "['${v.list + v.list}', '${v.list + v.list}', '${v.list + v.list}']", ERR_TOO_LARGE,
          "t[2], column 1: the templates cost more than their limit");
}

static void depth_is_limited(void **state)
{
    struct fixture *f = *state;
    json_t *tree = json_array();
    for (int i = 0; i < TEMPLATE_DEPTH_MAX + 1; i++) {
        tree = json_pack("[o]", tree);
    }
    struct err err = {0};
    json_t *out;
    assert_err(template_render(&f->scope, tree, SLICE("t"), &out, &err), &err, ERR_TOO_LARGE,
               "nested too deeply");
    json_decref(tree);
}

static void resources_must_be_objects_within_limits(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *yaml;
        int code;
        const char *message;
    } cases[] = {
        {"[{template: 5}]", ERR_UNPROCESSABLE, "r[0].template: must be an object"},
        {"[{id: x, template: '${v.?none.filter}'}]", ERR_UNPROCESSABLE, "r[x].template, column"},
        {"[{forEach: '${v.n}', template: {}}]", ERR_UNPROCESSABLE,
         "r[0].forEach: must be a list or a map, not int"},
        {"[{forEach: '${{1: 2}}', template: {}}]", ERR_UNPROCESSABLE,
         "r[0].forEach: a map's keys must be strings"},
        {"[{forEach: '${lists.range(1001)}', template: {}}]", ERR_TOO_LARGE,
         "r[0].forEach: more than 1000 items"},
        {"[{forEach: '${lists.range(600)}', template: {}}, {forEach: '${lists.range(600)}', "
         "template: {}}]",
         ERR_TOO_LARGE, "r[1].template: more than 1000 objects"},
        {"[{includeWhen: '${v.n}', template: {}}]", ERR_UNPROCESSABLE,
         "r[0].includeWhen: must be a bool, not int"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct resource_list list = {0};
        struct err err = {0};
        json_t *templates;
        assert_ok(yaml_parse(slice_of(cases[i].yaml), "t", &templates, &err), &err);
        assert_err(resources_render(&f->scope, templates, SLICE("r"), &list, &err), &err,
                   cases[i].code, cases[i].message);
        resources_free(&list);
        json_decref(templates);
    }
}

static void a_loops_variable_lives_as_long_as_the_loop(void **state)
{
    struct fixture *f = *state;
    struct resource_list list = {0};
    struct err err = {0};
    json_t *templates;
    assert_ok(yaml_parse(SLICE("[{forEach: '${v.list}', var: v, template: {a: '${v}'}},"
                               " {targetPlane: observabilityplane, template: '${nonsense}'},"
                               " {template: {b: '${v.n}'}}]"),
                         "t", &templates, &err),
              &err);
    assert_ok(resources_render(&f->scope, templates, SLICE("r"), &list, &err), &err);
    assert_int_equal(list.count, 3);
    assert_int_equal(json_integer_value(json_object_get(list.items[1].object, "a")), 2);
    assert_int_equal(json_integer_value(json_object_get(list.items[2].object, "b")), 3);
    resources_free(&list);
    json_decref(templates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_keep_their_types_and_text_joins_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(errors_say_where, setup, teardown),
        cmocka_unit_test_setup_teardown(conditions_are_single_expressions_of_bools, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(numbers_are_written_as_go_writes_them, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_copied_is_paid_for, setup, teardown),
        cmocka_unit_test_setup_teardown(all_expressions_share_one_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(resources_must_be_objects_within_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loops_variable_lives_as_long_as_the_loop, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
