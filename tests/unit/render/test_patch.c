/* JSON Patch with filters. */
#include "tests/lib/test.h"

#include "render/patch.h"

static const char document[] =
    "{\"a\":{\"b~/c\":1},\"list\":[1,2],\"items\":[{\"n\":\"x\",\"v\":1},"
    "{\"n\":\"y\",\"v\":2,\"in\":{\"deep\":true}}]}";

static int patch(const char *op, const char *path, const char *value, struct buf *out,
                 struct err *err)
{
    json_t *tree;
    json_t *v = NULL;
    assert_ok(json_parse(slice_of(document), &tree, err), err);
    if (value != NULL) {
        assert_ok(json_parse(slice_of(value), &v, err), err);
    }
    int rc = patch_apply(tree, slice_of(op), slice_of(path), v, err);
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

static void what_cannot_be_done_is_said(void **state)
{
    (void)state;
    fails("move", "/a", "1", "op must be add, replace or remove");
    fails("add", "/a", NULL, "there is no value");
    fails("add", "a", "1", "a path starts with '/'");
    fails("remove", "/nothing", NULL, "there is no such member");
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
        cmocka_unit_test(what_cannot_be_done_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
