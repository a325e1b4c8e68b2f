/* What the checker deduces, what it refuses, and that no table holds a signature that is none. */
#include "tests/lib/test.h"

#include <string.h>

#include "render/cel/functions.h"
#include "render/cel/signature.h"
#include "render/oc_functions.h"

/* A record: {n: int, next: (the same), l: list(int)}. */
static const struct cel_shape *node_field(struct arena *arena, const void *record,
                                          struct slice name)
{
    if (slice_eq_cstr(name, "next")) {
        return cel_shape_record(arena, record, node_field);
    }
    return slice_eq_cstr(name, "n")   ? cel_shape_of(CEL_S_INT)
           : slice_eq_cstr(name, "l") ? cel_shape_list(arena, cel_shape_of(CEL_S_INT))
                                      : NULL;
}

/* Compiled over variables of several types; the message has the column. */
static int compile(const char *source, enum cel_shape_kind wanted, struct buf *type,
                   struct err *err)
{
    struct arena arena = {0};
    const struct slice names[] = {SLICE("i"), SLICE("s"), SLICE("l"), SLICE("m"),
                                  SLICE("d"), SLICE("r"), SLICE("z"), SLICE("t")};
    const struct cel_shape *shapes[] = {
        cel_shape_of(CEL_S_INT),
        cel_shape_of(CEL_S_STRING),
        cel_shape_list(&arena, cel_shape_of(CEL_S_STRING)),
        cel_shape_map(&arena, cel_shape_of(CEL_S_STRING), cel_shape_of(CEL_S_DOUBLE)),
        NULL, /* dyn */
        cel_shape_record(&arena, "node", node_field),
        cel_shape_nullable(&arena, cel_shape_of(CEL_S_INT)),
        cel_shape_of(CEL_S_TIMESTAMP),
    };
    const struct cel_env env = {.names = names,
                                .shapes = shapes,
                                .count = sizeof names / sizeof *names,
                                .functions = cel_kubernetes_functions(),
                                .function_count = cel_kubernetes_function_count(),
                                .wanted = wanted};
    const struct cel_program *program;
    uint32_t offset = 0;
    int rc = cel_compile(&arena, &env, slice_of(source), &program, &offset, err);
    if (rc == 0) {
        cel_shape_text(cel_program_shape(program), type);
    } else {
        (void)cel_locate(err, slice_of(source), offset);
    }
    arena_free(&arena);
    return rc;
}

static void is(const char *source, const char *expected)
{
    struct buf type = {0};
    struct err err = {0};
    if (compile(source, CEL_S_DYN, &type, &err) != 0) {
        fail_msg("%s: %s", source, err.message);
    }
    if (strcmp(buf_cstr(&type), expected) != 0) {
        fail_msg("%s is %s, not %s", source, buf_cstr(&type), expected);
    }
    buf_free(&type);
}

static void refused(const char *source, const char *expected)
{
    struct buf type = {0};
    struct err err = {0};
    if (compile(source, CEL_S_DYN, &type, &err) == 0) {
        fail_msg("%s is %s instead of being refused", source, buf_cstr(&type));
    }
    assert_int_equal(err.code, ERR_UNPROCESSABLE);
    if (strcmp(err.message, expected) != 0) {
        fail_msg("%s: \"%s\", not \"%s\"", source, err.message, expected);
    }
    buf_free(&type);
}

static void operators_have_a_type(void **state)
{
    (void)state;
    is("i + 1", "int");
    is("1.5 / 2.0", "double");
    is("t - t", "duration");
    is("t - duration('1s') > t", "bool");
    is("s + s", "string");
    is("l + ['x']", "list(string)");
    is("[] + [1]", "list(int)");
    is("1 < 2u && 1.5 > 1 && 2u >= 2.0", "bool");
    is("i in [1] || s in m || 'x' in l", "bool");
    is("true ? 1 : 2", "int");
    is("d + 1", "int");
    is("d + d", "dyn");
    is("d == 'x' && !d", "bool");
    is("-d", "dyn");
    is("z == null ? 0 : z + 1", "int");
}

static void values_are_made_and_taken_apart(void **state)
{
    (void)state;
    is("[1, 2]", "list(int)");
    is("[1, 'x']", "list(dyn)");
    is("[[], [1], []]", "list(list(int))");
    is("[]", "list(dyn)");
    is("{'a': 1, 'b': 2}", "map(string, int)");
    is("{'a': 1, 'b': 'x'}", "map(string, dyn)");
    is("{?'a': optional.of(1)}", "map(string, int)");
    is("[?optional.of(1), 2]", "list(int)");
    is("l[0]", "string");
    is("m.x + m['y']", "double");
    is("m[?'x']", "optional_type(double)");
    is("optional.of(l)[0]", "optional_type(string)");
    is("r.next.next.n", "int");
    is("r.?next.l", "optional_type(list(int))");
    is("has(r.n)", "bool");
    is("d.x.y[1]", "dyn");
    is("type(1)", "type(int)");
    is("type(l) == list", "bool");
    is("null", "null");
    is("type(ip('::1')) == net.IP && type(1) != kubernetes.Quantity", "bool");
}

static void macros_and_functions_have_a_type(void **state)
{
    (void)state;
    is("l.map(x, x.size())", "list(int)");
    is("l.filter(x, x == '')", "list(string)");
    is("m.map(k, m[k])", "list(double)");
    is("m.filter(k, k > 'a')", "list(string)");
    is("l.all(i, x, i > 0 && x != '')", "bool");
    is("m.transformMap(k, v, string(v))", "map(string, string)");
    is("l.transformMap(i, x, x)", "map(int, string)");
    is("l.transformMapEntry(i, x, {x: i})", "map(string, int)");
    is("l.transformList(i, x, i)", "list(int)");
    is("l.sortBy(x, x.size())", "list(string)");
    is("d.map(x, x + 1)", "list(int)");
    is("optional.of(1).optMap(x, string(x))", "optional_type(string)");
    is("optional.of(m).optFlatMap(x, x.?a)", "optional_type(double)");
    is("optional.none().orValue(1)", "int");
    is("cel.bind(x, [i], x[0] + 1)", "int");
    is("s.split(',').join('-')", "string");
    is("[[1], [2]].flatten().distinct().first()", "optional_type(int)");
    is("math.greatest(1, 2, 3)", "int");
    is("math.greatest(1, 2u)", "dyn");
    is("math.least([1.5])", "double");
    is("sets.contains([1], [])", "bool");
    is("lists.range(3).max()", "int");
    is("t.getHours('UTC') + duration('1h').getHours()", "int");
    is("url('https://x').getQuery()", "map(string, list(string))");
    is("cidr('::/0').ip()", "net.IP");
    is("string(ip('::')) + string(1)", "string");
    is("quantity('1').add(1).asInteger()", "int");
    is("format.named('uuid').value().validate('x')", "optional_type(list(string))");
    is("'abc'.findAll('b')", "list(string)");
    is("dyn(1).indexOf('x')", "int");
}

static void what_is_ill_typed_is_refused_where_it_stands(void **state)
{
    (void)state;
    refused("i + 'x'", "column 3: found no matching overload for '_+_' applied to '(int, string)'");
    refused("1 == 1.0", "column 3: found no matching overload for '_==_' applied to '(int, "
                        "double)'");
    refused("i == null", "column 3: found no matching overload for '_==_' applied to '(int, "
                         "null)'");
    refused("!i", "column 1: found no matching overload for '!_' applied to '(int)'");
    refused("-s", "column 1: found no matching overload for '-_' applied to '(string)'");
    refused("s && true", "column 3: found no matching overload for '_&&_' applied to '(string, "
                         "bool)'");
    refused("true ? 1 : 'x'", "column 6: found no matching overload for '_?_:_' applied to "
                              "'(bool, int, string)'");
    refused("1 in s", "column 3: found no matching overload for '@in' applied to '(int, string)'");
    refused("l['x']", "column 3: found no matching overload for '_[_]' applied to '(list(string), "
                      "string)'");
    refused("s.contains(1)", "column 3: found no matching overload for 'contains' applied to "
                             "'string.(int)'");
    refused("l.join(1)", "column 3: found no matching overload for 'join' applied to "
                         "'list(string).(int)'");
    refused("[[1]].max()", "column 7: found no matching overload for 'max' applied to "
                           "'list(list(int)).()'");
    refused("math.greatest('a')", "column 6: found no matching overload for 'math.greatest' "
                                  "applied to '(string)'");
    refused("net.I", "column 1: undeclared reference to 'net'");
    refused("i.x", "column 3: type 'int' does not support field selection");
    refused("r.next.nothing", "column 8: undefined field 'nothing'");
    refused("has(r.nothing)", "column 1: undefined field 'nothing'");
    refused("i.all(x, true)", "column 1: expression of type 'int' cannot be range of a "
                              "comprehension (must be list, map, or dynamic)");
    refused("l.all(x, x)", "column 10: expected type 'bool' but found 'string'");
    refused("l.filter(x, 1)", "column 13: expected type 'bool' but found 'int'");
    refused("l.map(x, x > 1, x)", "column 12: found no matching overload for '_>_' applied to "
                                  "'(string, int)'");
    refused("l.sortBy(x, [x])", "column 13: found no matching overload for 'sortBy' applied to "
                                "'list(list(string)).()'");
    refused("i.optMap(x, x)", "column 1: expected type 'optional_type(dyn)' but found 'int'");
    refused("optional.of(1).optFlatMap(x, x)",
            "column 30: expected type 'optional_type(dyn)' but found 'int'");
    refused("[?1]", "column 3: expected type 'optional_type(int)' but found 'int'");
    refused("l.transformMapEntry(i, x, x)", "column 27: expected type 'map' but found 'string'");
    refused("semver('1.0.0').compareTo(quantity('1'))",
            "column 17: found no matching overload for 'compareTo' applied to "
            "'kubernetes.Semver.(kubernetes.Quantity)'");
}

static void a_wanted_type_is_demanded(void **state)
{
    (void)state;
    struct buf type = {0};
    struct err err = {0};
    assert_int_equal(compile("i > 1", CEL_S_BOOL, &type, &err), 0);
    assert_int_equal(compile("d.x", CEL_S_BOOL, &type, &err), 0);
    assert_err(compile("i", CEL_S_BOOL, &type, &err), &err, ERR_UNPROCESSABLE,
               "column 1: expected type 'bool' but found 'int'");
    buf_free(&type);
}

/* Each of so many bindings doubles the type's size as it is written out. */
static int compile_doubling(int bindings, const char *body, struct err *err)
{
    struct buf source = {0};
    struct buf type = {0};
    buf_add_cstr(&source, "cel.bind(a0, {1: 1}, ");
    for (int k = 1; k <= bindings; k++) {
        buf_addf(&source, "cel.bind(a%d, {a%d: a%d}, ", k, k - 1, k - 1);
    }
    buf_addf(&source, "cel.bind(a, a%d, cel.bind(b, a%d, %s", bindings, bindings - 1, body);
    for (int k = 0; k <= bindings + 2; k++) {
        buf_add_char(&source, ')');
    }
    int rc = compile(buf_cstr(&source), CEL_S_DYN, &type, err);
    buf_free(&source);
    buf_free(&type);
    return rc;
}

static void types_that_grow_without_end_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    static const char *const bodies[] = {"a == {b: b}", "a", "[a, {b: [b]}]", "a.x == 1", "a + 1"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_err(compile_doubling(100, bodies[i], &err), &err, ERR_TOO_LARGE,
                   "the types of the expression grow without end");
    }
    assert_int_equal(compile_doubling(5, bodies[0], &err), 0);
}

static void check_table(const struct cel_function *functions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice overload;
        size_t overloads = 0;
        for (const char *at = functions[i].types; cel_signature_next(&at, &overload);) {
            for (size_t v = 0; v < cel_signature_variants(overload); v++) {
                struct arena arena = {0};
                struct cel_unify u = {.arena = &arena};
                struct cel_signature s;
                if (!cel_signature_read(&u, overload, v, &s)) {
                    fail_msg("%s: \"%.*s\"", functions[i].name, SLICE_ARG(overload));
                }
                assert_true(cel_signature_takes(overload, s.receiver, s.count));
                assert_int_equal(cel_signature_takes(overload, s.receiver, s.count + 1),
                                 s.variadic);
                assert_false(cel_signature_takes(overload, !s.receiver, s.count));
                arena_free(&arena);
            }
            overloads++;
        }
        assert_true(overloads > 0);
    }
}

static void every_signature_of_the_tables_is_one(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct cel_unify u = {.arena = &arena};
    struct cel_signature s;
    static const char *const wrong[] = {
        "int",        "(int",         "(int)",           "() int x",
        "(list) int", "(int(A)) int", "list(int.() int", "(int,) int",
        "() list()"};
    check_table(cel_functions(), cel_function_count());
    check_table(cel_kubernetes_functions(), cel_kubernetes_function_count());
    check_table(oc_functions(), oc_function_count());
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (cel_signature_read(&u, slice_of(wrong[i]), 0, &s)) {
            fail_msg("\"%s\" is taken for a signature", wrong[i]);
        }
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_have_a_type),
        cmocka_unit_test(values_are_made_and_taken_apart),
        cmocka_unit_test(macros_and_functions_have_a_type),
        cmocka_unit_test(what_is_ill_typed_is_refused_where_it_stands),
        cmocka_unit_test(a_wanted_type_is_demanded),
        cmocka_unit_test(types_that_grow_without_end_are_refused),
        cmocka_unit_test(every_signature_of_the_tables_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
