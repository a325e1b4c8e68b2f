/* RFC 6902's and RFC 7396's own examples, and patches that mean harm. */
#include "tests/unit/proto/fixture.h"

#include "proto/patch.h"

static void check(struct fixture *f, bool merge, const char *target, const char *patch,
                  const char *expected)
{
    json_t *value = json_deep_copy(tree(f, target));
    int rc = merge ? patch_merge(&value, tree(f, patch), &f->err)
                   : patch_json(&value, tree(f, patch), &f->err);
    assert_ok(rc, &f->err);
    assert_string_equal(text_of(f, value), expected);
    json_decref(value);
}

static void json_patch(void **state)
{
    struct fixture *f = *state;
    check(f, false, "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]",
          "{'baz':'qux','foo':'bar'}");
    check(f, false, "{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]",
          "{'foo':['bar','qux','baz']}");
    check(f, false, "{'a':1,'b':2}", "[{'op':'remove','path':'/a'}]", "{'b':2}");
    check(f, false, "{'foo':['a','b','c']}", "[{'op':'remove','path':'/foo/1'}]",
          "{'foo':['a','c']}");
    check(f, false, "{'a':1}", "[{'op':'replace','path':'/a','value':null}]", "{'a':null}");
    check(f, false, "{'foo':['a','b']}", "[{'op':'replace','path':'/foo/1','value':{'x':1}}]",
          "{'foo':['a',{'x':1}]}");
    check(f, false, "{'foo':{'bar':'x'},'qux':{}}",
          "[{'op':'move','from':'/foo/bar','path':'/qux/thud'}]", "{'foo':{},'qux':{'thud':'x'}}");
    check(f, false, "{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'}]",
          "{'a':{'b':1},'c':{'b':1}}");
    check(f, false, "{'a':[1]}", "[{'op':'add','path':'/a/-','value':2}]", "{'a':[1,2]}");
    check(f, false, "{'/':9,'~1':10}",
          "[{'op':'test','path':'/~01','value':10},{'op':'replace','path':'/~1','value':3}]",
          "{'/':3,'~1':10}");
    check(f, false, "{'a':1}", "[{'op':'replace','path':'','value':[]}]", "[]");
}

static void refuse(struct fixture *f, const char *patch, int code, const char *text)
{
    json_t *value = json_deep_copy(tree(f, "{'a':[1,2],'b':{'c':'d'}}"));
    assert_err(patch_json(&value, tree(f, patch), &f->err), &f->err, code, text);
    assert_string_equal(text_of(f, value), "{'a':[1,2],'b':{'c':'d'}}"); /* all or nothing */
    json_decref(value);
}

static void json_patch_refusals(void **state)
{
    struct fixture *f = *state;
    refuse(f, "{}", ERR_INVALID, "list of operations");
    refuse(f, "[{'op':'remove','path':'/b'},{'op':'remove','path':'/zz'}]", ERR_UNPROCESSABLE,
           "operation 1");
    refuse(f, "[{'op':'add','path':'/a/9','value':1}]", ERR_UNPROCESSABLE, "outside");
    refuse(f, "[{'op':'add','path':'/a/01','value':1}]", ERR_UNPROCESSABLE, "");
    refuse(f, "[{'op':'add','path':'/z/y','value':1}]", ERR_UNPROCESSABLE, "does not exist");
    refuse(f, "[{'op':'add','path':'/b/c/e','value':1}]", ERR_UNPROCESSABLE, "scalar");
    refuse(f, "[{'op':'replace','path':'/zz','value':1}]", ERR_UNPROCESSABLE, "does not exist");
    refuse(f, "[{'op':'test','path':'/b/c','value':'x'}]", ERR_UNPROCESSABLE, "test failed");
    refuse(f, "[{'op':'add','path':'/a'}]", ERR_INVALID, "value is missing");
    refuse(f, "[{'op':'add','path':'a','value':1}]", ERR_INVALID, "starts with /");
    refuse(f, "[{'op':'add','path':'/~2','value':1}]", ERR_INVALID, "malformed");
    refuse(f, "[{'op':'jump','path':'/a','value':1}]", ERR_INVALID, "no such operation");
    refuse(f, "[{'op':'move','from':'/b','path':'/b/c'}]", ERR_INVALID, "into itself");
    refuse(f, "[{'op':'remove','path':''}]", ERR_UNPROCESSABLE, "");
}

/* Each copy doubles the document, or deepens it: both end early. */
static void bombs(void **state)
{
    struct fixture *f = *state;
    json_t *wide = json_array();
    json_t *deep = json_array();
    for (int i = 0; i < 200; i++) {
        char path[16];
        (void)snprintf(path, sizeof(path), "/a/k%d", i);
        json_array_append_new(wide,
                              json_pack("{ss ss ss}", "op", "copy", "from", "/a", "path", path));
        json_array_append_new(deep,
                              json_pack("{ss ss ss}", "op", "copy", "from", "/a", "path", "/a/k"));
    }
    json_t *value = json_deep_copy(tree(f, "{'a':{'b':1}}"));
    assert_err(patch_json(&value, wide, &f->err), &f->err, ERR_TOO_LARGE, "");
    assert_err(patch_json(&value, deep, &f->err), &f->err, ERR_TOO_LARGE, "");
    json_decref(value);
    json_decref(wide);
    json_decref(deep);
}

/* Few nodes, and long: copies are paid for by what they take. */
static void copies_of_long_strings_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    json_t *patch = json_array();
    for (int i = 0; i < 100000; i++) {
        buf_add_char(&text, 'x');
    }
    json_t *value = json_pack("{s{so}}", "a", "b", json_str(buf_slice(&text)));
    for (int i = 0; i < 40; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "/a/k%d", i);
        json_array_append_new(patch,
                              json_pack("{ss ss ss}", "op", "copy", "from", "/a", "path", path));
    }
    assert_err(patch_json(&value, patch, &f->err), &f->err, ERR_TOO_LARGE, "copies too much");
    assert_true(json_array_size(patch) == 40 && json_object_size(json_at(value, "a", NULL)) == 1);
    json_decref(patch);
    patch = json_pack("[{ss ss ss}]", "op", "copy", "from", "/a/b", "path", "/c");
    assert_ok(patch_json(&value, patch, &f->err), &f->err);
    json_decref(patch);
    json_decref(value);
    buf_free(&text);
}

static void merge_patch(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][3] = {
        {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
        {"{'a':'b'}", "{'a':null}", "{}"},
        {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
        {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
        {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
        {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
        {"{'e':null}", "{'a':1}", "{'a':1,'e':null}"},
        {"{'a':'foo'}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(f, true, cases[i][0], cases[i][1], cases[i][2]);
    }
    json_t *value = json_object();
    assert_err(patch_merge(&value, tree(f, "[]"), &f->err), &f->err, ERR_INVALID, "object");
    json_decref(value);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(json_patch), T(json_patch_refusals), T(bombs),
                                       T(copies_of_long_strings_are_bounded), T(merge_patch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
