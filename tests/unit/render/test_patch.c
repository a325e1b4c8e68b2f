/* JSON Patch with filters. */
#include "tests/lib/test.h"

#include "render/patch.h"

static const char document[] =
    "{\"a\":{\"b~/c\":1},\"list\":[1,2],\"items\":[{\"n\":\"x\",\"v\":1},"
    "{\"n\":\"y\",\"v\":2,\"in\":{\"deep\":true}}],\"empty\":[],\"urls\":[{\"u\":\"http://x/y\"}],"
    "\"rows\":[{\"cells\":[{\"n\":\"a\"},{\"n\":\"b\"}]},{\"cells\":[{\"n\":\"b\"}]}]}";

static int patch(const char *op, const char *path, const char *value, struct buf *out,
                 struct err *err)
{
    json_t *tree;
    json_t *v = NULL;
    assert_ok(json_parse(slice_of(document), &tree, err), err);
    if (value != NULL) {
        assert_ok(json_parse(slice_of(value), &v, err), err);
    }
    const struct patch_operation operation = {
        .op = slice_of(op), .path = slice_of(path), .value = v};
    int rc = patch_apply(tree, NULL, &operation, err);
    json_canonical(tree, out);
    json_decref(v);
    json_decref(tree);
    return rc;
}

static void gives(const char *op, const char *path, const char *value, const char *part)
{
    struct buf out = {0};
    struct err err = {0};
    assert_ok(patch(op, path, value, &out, &err), &err);
    if (strstr(buf_cstr(&out), part) == NULL) {
        fail_msg("%s %s gives %s, without %s", op, path, buf_cstr(&out), part);
    }
    buf_free(&out);
}

static void fails(const char *op, const char *path, const char *value, const char *message)
{
    struct buf out = {0};
    struct err err = {0};
    assert_err(patch(op, path, value, &out, &err), &err, ERR_UNPROCESSABLE, message);
    buf_free(&out);
}

static void members_and_elements_are_changed(void **state)
{
    (void)state;
    gives("replace", "/a/b~0~1c", "5", "\"a\":{\"b~/c\":5}");
    gives("remove", "/a/b~0~1c", NULL, "\"a\":{}");
    gives("add", "/list/-", "3", "\"list\":[1,2,3]");
    gives("add", "/list/0", "0", "\"list\":[0,1,2]");
    gives("replace", "/list/1", "{}", "\"list\":[1,{}]");
    gives("remove", "/list/0", NULL, "\"list\":[2]");
    gives("add", "/new/deep/value", "1", "\"new\":{\"deep\":{\"value\":1}}");
    gives("add", "/new/-", "1", "\"new\":[1]");
}

static void filters_choose_elements(void **state)
{
    (void)state;
    gives("add", "/items[?(@.n=='y')]/w", "1", "\"v\":2,\"w\":1");
    gives("add", "/items/[?(@.n==\"x\")]/w", "1", "\"v\":1,\"w\":1");
    gives("remove", "/items[?(@.v==1)]", NULL, "\"items\":[{\"in\"");
    gives("replace", "/items[?(@.in.deep==true)]/n", "\"z\"", "\"n\":\"z\",\"v\":2");
    gives("replace", "/items[?(@.n=='x')]", "null", "\"items\":[null,");
}

static void every_element_can_be_meant(void **state)
{
    (void)state;
    gives("add", "/items/[*]/w", "1", "{\"n\":\"x\",\"v\":1,\"w\":1},{\"in\":");
    gives("replace", "/items[*]/v", "7",
          "{\"n\":\"x\",\"v\":7},{\"in\":{\"deep\":true},\"n\":\"y\",\"v\":7}");
    gives("remove", "/list/[*]", NULL, "\"list\":[]");
    gives("replace", "/rows/[*]/cells/[?(@.n=='b')]", "{\"n\":\"c\"}",
          "\"rows\":[{\"cells\":[{\"n\":\"a\"},{\"n\":\"c\"}]},{\"cells\":[{\"n\":\"c\"}]}]");
    gives("replace", "/items[0]/v", "9", "{\"n\":\"x\",\"v\":9}");
    gives("add", "/list[-]", "3", "\"list\":[1,2,3]");
    gives("add", "/items[?(@.n=='y')]", "null", "\"v\":1},null,{\"in\"");
    fails("add", "/empty/[*]/x", "1", "the list is empty");
    fails("add", "/a/[*]/x", "1", "a filter wants a list");
    fails("add", "/items[x]/y", "1", "brackets hold a number, * or a filter");
    fails("add", "/items[0/y", "1", "brackets hold a number, * or a filter");
    fails("add", "/none[*]/y", "1", "there is no such path");
}

static void a_filter_may_hold_slashes(void **state)
{
    (void)state;
    gives("replace", "/urls[?(@.u=='http:~1~1x/y')]/u", "\"z\"", "\"urls\":[{\"u\":\"z\"}]");
}

static void what_is_not_there_need_not_be_removed(void **state)
{
    (void)state;
    gives("remove", "/nothing", NULL, "\"a\":{\"b~/c\":1}");
    gives("remove", "/a/nothing", NULL, "\"a\":{\"b~/c\":1}");
    gives("remove", "/nothing/at/all", NULL, "\"a\":{\"b~/c\":1}");
    fails("remove", "/list/2", NULL, "the list is shorter");
    fails("remove", "/nothing[?(@.n=='x')]", NULL, "there is no such path");
}

/* Where each leaf of the document comes from after the patch, "path=path of source", in order. */
static void on_leaf(void *user, struct slice path, const json_t *value, const json_t *source)
{
    (void)value;
    buf_addf(user, "%.*s=%.*s ", SLICE_ARG(path), SLICE_ARG(json_text_at(source, "path")));
}

static void origins_move_with_what_they_speak_of(void **state)
{
    (void)state;
    struct trace trace;
    struct err err = {0};
    struct buf out = {0};
    json_t *tree;
    trace_init(&trace);
    assert_ok(json_parse(SLICE("{\"l\":[1,2,3],\"m\":{\"k\":1}}"), &tree, &err), &err);
    json_t *node = trace_node(&trace, SLICE("type"), SLICE("T"), SLICE("${t}"));
    json_t *value = json_pack("{s:[i]}", "n", 9);
    json_t *origin = trace_node(&trace, SLICE("trait"), SLICE("P"), SLICE(""));
    trace_set(origin, SLICE("n"), trace_node(&trace, SLICE("trait"), SLICE("P.n"), SLICE("")));
    static const char *const steps[][2] = {
        {"add", "/l/1"}, {"remove", "/l/0"}, {"replace", "/m/k"}, {"add", "/new/way"}};
    for (size_t i = 0; i < 4; i++) {
        const struct patch_operation operation = {slice_of(steps[i][0]), slice_of(steps[i][1]),
                                                  value, origin};
        assert_ok(patch_apply(tree, node, &operation, &err), &err);
    }
    trace_each(&trace, node, tree, on_leaf, &out);
    assert_string_equal(buf_cstr(&out),
                        "l[0].n[0]=P.n l[1]=T l[2]=T m.k.n[0]=P.n new.way.n[0]=P.n ");
    buf_free(&out);
    json_decref(node);
    json_decref(origin);
    json_decref(value);
    json_decref(tree);
    trace_free(&trace);
}

static void what_cannot_be_done_is_said(void **state)
{
    (void)state;
    fails("move", "/a", "1", "op must be add, replace or remove");
    fails("add", "/a", NULL, "there is no value");
    fails("add", "a", "1", "a path starts with '/'");
    fails("replace", "/nothing", "1", "there is no such member");
    fails("replace", "/a/x/y", "1", "there is no such path");
    fails("add", "/list/7", "1", "the list is shorter");
    fails("replace", "/list/-", "1", "the list is shorter");
    fails("remove", "/list/01", NULL, "the list is shorter");
    fails("add", "/list/0/x", "1", "there is no such path");
    fails("replace", "/items[?(@.n=='q')]/n", "1", "no element fits the filter");
    fails("replace", "/items[?(@.n)]/n", "1", "a filter must look like");
    fails("replace", "/items[?(@.n=='x]/n", "1", "a filter must look like");
    fails("replace", "/items[?(@.n=='x)]/n", "1", "a filter's text has no closing quote");
    fails("replace", "/a[?(@.n=='x')]/n", "1", "a filter wants a list");
    struct buf path = {0};
    for (int i = 0; i < 100; i++) {
        buf_add_cstr(&path, "/a");
    }
    fails("add", buf_cstr(&path), "1", "the path is too long");
    buf_free(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_changed),
        cmocka_unit_test(filters_choose_elements),
        cmocka_unit_test(every_element_can_be_meant),
        cmocka_unit_test(a_filter_may_hold_slashes),
        cmocka_unit_test(what_is_not_there_need_not_be_removed),
        cmocka_unit_test(origins_move_with_what_they_speak_of),
        cmocka_unit_test(what_cannot_be_done_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
