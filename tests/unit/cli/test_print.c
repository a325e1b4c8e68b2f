/* What choreo writes: aligned tables, JSON, YAML, lines; and that nothing in them can fool whoever
 * looks at them, while machines read what was said. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "base/yaml.h"
#include "cli/print.h"
#include "tests/lib/capture.h"

#define OVERRIDE "\xe2\x80\xae" /* U+202E */
#define CSI "\xc2\x9b"          /* U+009B: begins terminals' commands, as ESC [ does */

struct fixture {
    struct capture capture;
    struct print_table table;
};

static void table_of(struct fixture *f, const char *const *titles, size_t columns)
{
    print_init(&f->table, titles, columns);
    capture_start(&f->capture);
}

static void assert_table(struct fixture *f, const char *expected)
{
    capture_end(&f->capture);
    assert_slice(buf_slice(&f->capture.out), expected);
    assert_slice(buf_slice(&f->capture.err), "");
    capture_free(&f->capture);
    print_free(&f->table);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const titles[] = {"NAME", "READY", "MESSAGE"};
    table_of(&f, titles, 3);
    print_row(&f.table, (const char *const[]){"user-service", "True", "all is well"});
    print_row(&f.table, (const char *const[]){"web", "False", NULL});
    print_flush(&f.table, true);
    assert_table(&f, "NAME           READY   MESSAGE\n"
                     "user-service   True    all is well\n"
                     "web            False\n");
}

static void later_rows_line_up_with_earlier_ones(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const titles[] = {"A", "B"};
    table_of(&f, titles, 2);
    print_row(&f.table, (const char *const[]){"long-name", "1"});
    print_flush(&f.table, true);
    print_row(&f.table, (const char *const[]){"x", "2"});
    print_flush(&f.table, false);
    assert_table(&f, "A           B\nlong-name   1\nx           2\n");
}

static void many_rows_are_kept(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const titles[] = {"N"};
    table_of(&f, titles, 1);
    for (int i = 0; i < 1000; i++) {
        char cell[16];
        (void)snprintf(cell, sizeof cell, "%d", i);
        print_row(&f.table, (const char *const[]){cell});
    }
    print_flush(&f.table, false);
    capture_end(&f.capture);
    assert_true(slice_starts_with(buf_slice(&f.capture.out), SLICE("0\n1\n2\n")));
    assert_true(slice_ends_with(buf_slice(&f.capture.out), SLICE("\n998\n999\n")));
    capture_free(&f.capture);
    print_free(&f.table);
}

static void accents_do_not_push_columns_about(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const titles[] = {"NAME", "X"};
    table_of(&f, titles, 2);
    print_row(&f.table, (const char *const[]){"caf\xc3\xa9", "1"});
    print_row(&f.table, (const char *const[]){"cafe\xcc\x81", "2"}); /* the accent on its own */
    print_row(&f.table, (const char *const[]){"cafe", "3"});
    print_flush(&f.table, true);
    assert_table(&f, "NAME   X\ncaf\xc3\xa9   1\ncafe\xcc\x81   2\ncafe   3\n");
}

static void cells_and_titles_cannot_drive_a_terminal(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const titles[] = {"A\x1b[2J", "B"};
    table_of(&f, titles, 2);
    print_row(&f.table, (const char *const[]){"x\ny\x7f", CSI "31mred"});
    print_row(&f.table, (const char *const[]){"abc" OVERRIDE "def", "\x9b\xff"});
    print_row(&f.table, (const char *const[]){"\xe2\x81\xa6iso", "\xef\xbb\xbfmark"});
    print_flush(&f.table, true);
    assert_table(&f, "A?[2J     B\nx?y?      ?31mred\nabc?def   ??\n?iso      ?mark\n");
}

static void lines_keep_their_breaks_and_nothing_else(void **state)
{
    (void)state;
    struct capture c;
    capture_start(&c);
    print_out("%s is\n  %s\n", "web", "fine" CSI "2K\r" OVERRIDE);
    print_err("Warning: %s\n", "\x1b]0;title\x07");
    capture_end(&c);
    assert_slice(buf_slice(&c.out), "web is\n  fine?2K??\n");
    assert_slice(buf_slice(&c.err), "Warning: ?]0;title?\n");
    capture_free(&c);
}

static json_t *spoof(void)
{
    return json_pack("{s:s, s:s}", "message", "a" CSI "b\x7f" OVERRIDE "\xf3\xa0\x81\x81", "lines",
                     "one\ntwo\n");
}

static int from_json(struct slice text, json_t **tree, struct err *err)
{
    return json_parse(text, tree, err);
}

static int from_yaml(struct slice text, json_t **tree, struct err *err)
{
    return yaml_parse(text, "out", tree, err);
}

/* What is written is this, and reads back as what was said. */
static void assert_written(void (*print)(const json_t *tree), const char *expected,
                           int (*parse)(struct slice text, json_t **tree, struct err *err))
{
    struct capture c;
    struct err err;
    json_t *tree = spoof();
    json_t *back;
    capture_start(&c);
    print(tree);
    capture_end(&c);
    assert_slice(buf_slice(&c.out), expected);
    assert_ok(parse(buf_slice(&c.out), &back, &err), &err);
    assert_true(json_equal(tree, back));
    json_decref(back);
    json_decref(tree);
    capture_free(&c);
}

static void json_says_the_same_in_escapes(void **state)
{
    (void)state;
    assert_written(print_json,
                   "{\n  \"message\": \"a\\u009bb\\u007f\\u202e\\udb40\\udc41\",\n"
                   "  \"lines\": \"one\\ntwo\\n\"\n}\n",
                   from_json);
    assert_written(print_json_line,
                   "{\"lines\":\"one\\ntwo\\n\",\"message\":"
                   "\"a\\u009bb\\u007f\\u202e\\udb40\\udc41\"}\n",
                   from_json);
}

static void yaml_says_the_same_in_escapes(void **state)
{
    (void)state;
    assert_written(print_yaml,
                   "message: \"a\\u009bb\\u007f\\u202e\\U000e0041\"\n"
                   "lines: |\n  one\n  two\n",
                   from_yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(later_rows_line_up_with_earlier_ones),
        cmocka_unit_test(many_rows_are_kept),
        cmocka_unit_test(accents_do_not_push_columns_about),
        cmocka_unit_test(cells_and_titles_cannot_drive_a_terminal),
        cmocka_unit_test(lines_keep_their_breaks_and_nothing_else),
        cmocka_unit_test(json_says_the_same_in_escapes),
        cmocka_unit_test(yaml_says_the_same_in_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
