/* -o custom-columns: what is read of it, and the cells. */
#include "tests/lib/test.h"

#include "cli/columns.h"

static const char *const object_text =
    "{\"kind\":\"Pod\",\"a\":{\"b\":[1,2],\"c\":\"x\"},\"l\":[{\"t\":\"R,y\",\"s\":\"True\"}]}";

static void row(const char *spec, size_t count, const char *const *titles, const char *const *cells)
{
    struct columns c;
    struct err err = {0};
    struct arena arena = {0};
    json_t *object = NULL;
    const char *found[PRINT_COLUMNS_MAX];
    assert_ok(json_parse(slice_of(object_text), &object, &err), &err);
    assert_ok(columns_parse(&c, slice_of(spec), &err), &err);
    assert_int_equal(c.count, count);
    assert_ok(columns_row(&c, object, &arena, found, &err), &err);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(c.titles[i], titles[i]);
        assert_string_equal(found[i], cells[i]);
    }
    columns_free(&c);
    arena_free(&arena);
    json_decref(object);
}

static void cells(void **state)
{
    (void)state;
    row("KIND:.kind", 1, (const char *[]){"KIND"}, (const char *[]){"Pod"});
    row("K:kind,B:.a.b,ALL:.a.b[*],NO:.x.y", 4, (const char *[]){"K", "B", "ALL", "NO"},
        (const char *[]){"Pod", "[1,2]", "1,2", "<none>"});
    /* commas in brackets and quotes are the path's */
    row("S:.l[?(@.t==\"R,y\")].s,U:.a['c','b'],C:{.a.c}", 3, (const char *[]){"S", "U", "C"},
        (const char *[]){"True", "x,[1,2]", "x"});
}

static void refused(void **state)
{
    static const char *const bad[][2] = {{"", "TITLE:PATH"},
                                         {"NAME", "\"NAME\" must be TITLE:PATH"},
                                         {":.a", "must be TITLE:PATH"},
                                         {"A:", "column A"},
                                         {"A:.b[", "column A"},
                                         {"A:.a,,B:.b", "\"\" must be TITLE:PATH"}};
    struct columns c;
    struct err err = {0};
    struct buf many = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_err(columns_parse(&c, slice_of(bad[i][0]), &err), &err, ERR_INVALID, bad[i][1]);
    }
    for (int i = 0; i <= PRINT_COLUMNS_MAX; i++) {
        buf_addf(&many, "%sC%d:.a", i > 0 ? "," : "", i);
    }
    assert_err(columns_parse(&c, buf_slice(&many), &err), &err, ERR_INVALID, "more than");
    buf_free(&many);
}

static void files(void **state)
{
    struct columns c;
    struct err err = {0};
    (void)state;
    assert_ok(columns_parse_file(&c, SLICE("NAME   KIND\n.a.c \t {.kind}\n"), &err), &err);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.titles[1], "KIND");
    columns_free(&c);
    assert_err(columns_parse_file(&c, SLICE("A B\n.a\n"), &err), &err, ERR_INVALID,
               "no path for B");
    assert_err(columns_parse_file(&c, SLICE("A\n.a .b\n"), &err), &err, ERR_INVALID, "a line of");
    assert_err(columns_parse_file(&c, SLICE(""), &err), &err, ERR_INVALID, "a line of");
}

static void wrong_values(void **state)
{
    struct columns c;
    struct err err = {0};
    struct arena arena = {0};
    const char *found[PRINT_COLUMNS_MAX];
    json_t *object = json_pack("{s:[i]}", "a", 1);
    (void)state;
    assert_ok(columns_parse(&c, SLICE("A:.a[5]"), &err), &err);
    assert_err(columns_row(&c, object, &arena, found, &err), &err, ERR_INVALID, "index 5");
    columns_free(&c);
    arena_free(&arena);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cells), cmocka_unit_test(refused),
                                       cmocka_unit_test(files), cmocka_unit_test(wrong_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
