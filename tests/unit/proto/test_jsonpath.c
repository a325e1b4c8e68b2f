/* JSONPath templates. Every line of `same` is what kubectl 1.32 prints for the same object. */
#include "tests/unit/proto/fixture.h"

#include "proto/jsonpath.h"

static const char object_text[] =
    "{'apiVersion':'choreo.dev/v1','kind':'Component','metadata':{'labels':{'a.b/c':'x','plain':"
    "'yy'},'name':'p','namespace':'d'},'spec':{'arr':[1,2,3,4,5],'big':12345678901,'e':'','f':1.5,"
    "'items':[{'name':'a','s':'x y','v':1},{'name':'b','v':2},{'name':'c','q':{'d':'e'},'v':3},"
    "{'w':9}],'m':{'k1':'v1','k2':'v2'},'num':3,'t':true,'z':null}}";

struct line {
    const char *path;
    const char *text;
};

static const struct line same[] = {
    {"{.spec.num}", "3"},
    {"{.spec.f}", "1.5"},
    {"{.spec.big}", "12345678901"},
    {"{.spec.t}", "true"},
    {"{.spec.z}", "null"},
    {"{.spec.e}", ""},
    {"{@.kind}", "Component"},
    {"{$.kind}", "Component"},
    {"plain", "plain"},
    {".kind", ".kind"},
    {"", ""},
    {"{.spec.arr[-1]}", "5"},
    {"{.spec.arr[0:2]}", "1 2"},
    {"{.spec.arr[::2]}", "1 3 5"},
    {"{.spec.arr[-2:]}", "4 5"},
    {"{.spec.arr[:-1]}", "1 2 3 4"},
    {"{.spec.arr[0:0]}", ""},
    {"{.spec.arr[0,2]}", "1 3"},
    {"{.spec.arr[1,-1]}", "2 5"},
    {"{.spec.arr[:]}", "1 2 3 4 5"},
    {"{.spec.arr[*]}", "1 2 3 4 5"},
    {"{.spec.arr[?(@>2)]}", "3 4 5"},
    {"{.spec.items[?(@.v>1)].name}", "b c"},
    {"{.spec.items[?(@.v!=1)].name}", "b c"},
    {"{.spec.items[?(@.v<=2)].name}", "a b"},
    {"{.spec.items[?(@.name==\"b\")].v}", "2"},
    {"{.spec.items[?(@.name=='c')].q.d}", "e"},
    {"{.spec.items[?(@.q.d==\"e\")].name}", "c"},
    {"{.spec.items[?(@.s=='x y')].name}", "a"},
    {"{.spec.items[?(@.w)]}", "{\"w\":9}"},
    {"{.spec.items[?(@.name)].name}", "a b c"},
    {"{.spec.items[1:3].name}", "b c"},
    {"{.spec.items[*]['name','v']}", "a b c 1 2 3"},
    {"{.spec..v}", "1 2 3"},
    {"{.spec.m.*}", "v1 v2"},
    {"{.spec.items[0].*}", "a x y 1"},
    {"{.spec['m'].k1}", "v1"},
    {"{.metadata.labels['a\\.b/c']}", "x"},
    {"{.metadata.labels.a\\.b/c}", "x"},
    {"{['metadata.name']}", "p"},
    {"{['kind','apiVersion']}", "Component choreo.dev/v1"},
    {"{.spec.items[*].name}{\"\\n\"}", "a b c\n"},
    {"{range .spec.items[*]}{.name}{\"\\t\"}{.v}{\"\\n\"}{end}", "a\t1\nb\t2\nc\t3\n\t\n"},
    {"{range .spec.items[0:2]}[{.name}{range .x[*]}!{end}]{end}{.kind}", "[a][b]Component"},
    {"{range .spec.items[*]}{range .q.*}{@}{end},{end}", ",,e,,"},
    {"{range .spec.items[*]}{.name}", "abc"},
    {"{.missing}", ""},
    {"{.missing.deeper}", ""},
    {"{.kind .name}", ""},
    {"{.kind \"x\"}", "x"},
    {"{\"a\\\"b\"}", "a\"b"},
    {"{true}", "true"},
    {"{3}", "3"},
    {"{-1.5}", "-1.5"},
    {"{.kind}}", "Component}"},
    {"{.spec.m.k1}-{.spec.m.k2}", "v1-v2"},
    {"{.metadata.labels}", "{\"a.b/c\":\"x\",\"plain\":\"yy\"}"},
};

/* Where we go further, as the header says. */
static const struct line further[] = {
    {"{..name}", "p a b c"},
    {"{.metadata.labels['a.b/c']}", "x"},
    {"{.spec.items[*][\"name\"]}", "a b c"},
    {"{.spec.items[?(@.v==1.0)].name}", "a"},
    {"{.spec.m}{.}", NULL},
    {"{.spec.items[?(@.name == \"b\")].v}", "2"},
    {"{ .spec.num }", "3"},
    {"{.metadata.labels[?(@.x)]}", NULL},
};

static const char *printed(struct fixture *f, const char *path)
{
    struct jsonpath p;
    struct buf out = {0};
    assert_ok(jsonpath_parse(&p, slice_of(path), &f->err), &f->err);
    assert_ok(jsonpath_print(&p, tree(f, object_text), &out, &f->err), &f->err);
    const char *copy = arena_cstr(&f->arena, buf_slice(&out));
    buf_free(&out);
    jsonpath_free(&p);
    return copy;
}

static void as_kubectl(void **state)
{
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        print_message("%s\n", same[i].path);
        assert_string_equal(printed(*state, same[i].path), same[i].text);
    }
}

static void further_than_kubectl(void **state)
{
    for (size_t i = 0; i < sizeof further / sizeof further[0]; i++) {
        if (further[i].text != NULL) {
            print_message("%s\n", further[i].path);
            assert_string_equal(printed(*state, further[i].path), further[i].text);
        }
    }
    assert_string_equal(printed(*state, "{.}"), printed(*state, "{}"));
}

static void refused_templates(void **state)
{
    static const struct line bad[] = {
        {"{.kind", "column 7: a brace is not closed"},
        {"{end}", "{end} without {range}"},
        {"{range .a}{end}{end}", "{end} without {range}"},
        {"{foo}", "column 2: \"foo\" needs a dot"},
        {"{.spec.items[?(@.name==b)]}", "\"b\" needs a dot (a field) or quotes"},
        {"{....name}", ".. twice"},
        {"{.a[x]}", "this is no index"},
        {"{.a[(1)]}", "this is no index"},
        {"{.a[1}", "expected ]"},
        {"{.a['x}", "not closed"},
        {"{\"x}", "not closed"},
        {"{.a[::0]}", "step"},
        {"{.a[99999999999]}", "this is no index"},
        {"{.a[?(@.x==)]}", "nothing to compare"},
        {"{.a[?(@.x==\"a\")&&(@.v==1)]}", "expected ]"},
        {"{.a[?(@.x==\"a\" && @.v==1)]}", "needs a dot"},
        {"{.a[?(@.x==\"a\"]}", "no meaning"},
        {"{1.2.3}", "no number"},
        {"{.a]}", "no meaning"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct jsonpath p;
        print_message("%s\n", bad[i].path);
        assert_err(jsonpath_parse(&p, slice_of(bad[i].path), &f->err), &f->err, ERR_INVALID,
                   bad[i].text);
    }
    struct jsonpath p;
    struct buf deep = {0};
    for (int i = 0; i < 40; i++) {
        buf_add_cstr(&deep, i == 0 ? "{.a" : "[?(@.a");
    }
    assert_err(jsonpath_parse(&p, buf_slice(&deep), &f->err), &f->err, ERR_INVALID, "too deep");
    buf_clear(&deep);
    for (int i = 0; i < 40; i++) {
        buf_add_cstr(&deep, "{range .a}");
    }
    assert_err(jsonpath_parse(&p, buf_slice(&deep), &f->err), &f->err, ERR_INVALID, "too deep");
    buf_clear(&deep);
    for (int i = 0; i < JSONPATH_TEXT_MAX; i++) {
        buf_add_char(&deep, 'x');
    }
    buf_add_char(&deep, 'x');
    assert_err(jsonpath_parse(&p, buf_slice(&deep), &f->err), &f->err, ERR_INVALID, "longer");
    buf_free(&deep);
}

static void refused_values(void **state)
{
    static const struct line bad[] = {
        {"{.spec.arr[7]}", "index 7 of a list of 5"},
        {"{.spec.arr[0:9]}", "index 8 of a list of 5"},
        {"{.spec.arr[-6]}", "index -1 of a list of 5"},
        {"{.spec.arr[3:1]}", "from 3 to 1 is no range"},
        {"{.spec.arr[-1:0]}", "from 4 to 0 is no range"},
        {"{.spec.m[*]}", "an object has no indices"},
        {"{.spec.m[?(@.a)]}", "an object cannot be filtered"},
        {"{.spec.items[?(@.v==\"1\")].name}", "cannot compare a number with a text"},
        {"{.spec.items[?(@.q<true)].name}", "cannot compare an object with a boolean"},
        {"{.spec[?(@.x)]}", "an object cannot be filtered"},
        {"{@[?(@.x)]}", "an object cannot be filtered"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct jsonpath p;
        struct buf out = {0};
        print_message("%s\n", bad[i].path);
        assert_ok(jsonpath_parse(&p, slice_of(bad[i].path), &f->err), &f->err);
        assert_err(jsonpath_print(&p, tree(f, object_text), &out, &f->err), &f->err, ERR_INVALID,
                   bad[i].text);
        jsonpath_free(&p);
        buf_free(&out);
    }
}

static void bounded(void **state)
{
    struct fixture *f = *state;
    struct jsonpath p;
    struct jsonpath_values values = {0};
    struct buf text = {0};
    buf_add_cstr(&text, "[1");
    for (int i = 0; i < 1100; i++) {
        buf_add_cstr(&text, ",1");
    }
    buf_add_char(&text, ']');
    assert_ok(jsonpath_parse(&p, SLICE("{[*,*][0:0,*]}{.}"), &f->err), &f->err);
    jsonpath_free(&p);
    json_t *wide = tree(f, buf_cstr(&text));
    json_t *square = json_array();
    for (int i = 0; i < 1100; i++) {
        json_array_append(square, wide);
    }
    assert_ok(jsonpath_parse(&p, SLICE("{[*][*]}"), &f->err), &f->err);
    assert_err(jsonpath_find(&p, square, &values, &f->err), &f->err, ERR_TOO_LARGE, "results");
    jsonpath_values_free(&values);
    jsonpath_free(&p);
    json_decref(square);
    buf_free(&text);
}

static void found(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {".spec.arr[0:2]", "spec.arr[0:2]", "{.spec.arr[0:2]}",
                                        "$.spec.arr[0:2]", " {.spec.arr[0:2]} "};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct jsonpath p;
        struct jsonpath_values values = {0};
        assert_ok(jsonpath_parse_path(&p, slice_of(paths[i]), &f->err), &f->err);
        assert_ok(jsonpath_find(&p, tree(f, object_text), &values, &f->err), &f->err);
        assert_int_equal(values.count, 2);
        assert_int_equal(json_integer_value(values.items[1]), 2);
        jsonpath_values_free(&values);
        jsonpath_free(&p);
    }
    struct jsonpath p;
    assert_err(jsonpath_parse_path(&p, SLICE(""), &f->err), &f->err, ERR_INVALID, "empty");
    assert_err(jsonpath_parse_path(&p, SLICE("{.a}{.b}"), &f->err), &f->err, ERR_INVALID,
               "one path");
    assert_err(jsonpath_parse_path(&p, SLICE("{\"text\"}"), &f->err), &f->err, ERR_INVALID,
               "one path");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_kubectl, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(further_than_kubectl, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refused_templates, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refused_values, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(bounded, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(found, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
