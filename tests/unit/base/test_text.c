/* What may be shown, what stands in for the rest, and how wide it is. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "base/json.h"
#include "base/text.h"

#define OVERRIDE "\xe2\x80\xae" /* U+202E */

static void characters_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        struct text_char expected;
    } cases[] = {
        {"a", {'a', 1, true}},
        {"~", {'~', 1, true}},
        {"\x1f", {0x1f, 1, false}},
        {"\x7f", {0x7f, 1, false}},
        {"\xc2\x80", {0x80, 2, false}},
        {"\xc2\x9f", {0x9f, 2, false}},
        {"\xc2\xa0", {0xa0, 2, true}},
        {"\xc3\xa9", {0xe9, 2, true}},
        {"\xd8\x9c", {0x61c, 2, false}},
        {"\xe2\x80\x8b", {0x200b, 3, false}},
        {"\xe2\x80\x8d", {0x200d, 3, true}}, /* emoji are joined with it */
        {"\xe2\x80\x8e", {0x200e, 3, false}},
        {"\xe2\x80\x94", {0x2014, 3, true}},
        {"\xe2\x80\xa8", {0x2028, 3, false}},
        {OVERRIDE, {0x202e, 3, false}},
        {"\xe2\x80\xaf", {0x202f, 3, true}},
        {"\xe2\x81\xa6", {0x2066, 3, false}},
        {"\xe6\xbc\xa2", {0x6f22, 3, true}},
        {"\xef\xbb\xbf", {0xfeff, 3, false}},
        {"\xf0\x9f\x98\x80", {0x1f600, 4, true}},
        {"\xf3\xa0\x81\x81", {0xe0041, 4, false}},
        {"\x80", {0x80, 1, false}},         /* goes on from nothing */
        {"\xc3", {0xc3, 1, false}},         /* cut off */
        {"\xc0\xaf", {0xc0, 1, false}},     /* longer than it need be */
        {"\xed\xa0\x80", {0xed, 1, false}}, /* half a pair */
        {"\xf8\x88\x80\x80\x80", {0xf8, 1, false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text_char c = text_first(slice_of(cases[i].bytes));
        if (c.code != cases[i].expected.code || c.len != cases[i].expected.len ||
            c.shown != cases[i].expected.shown) {
            fail_msg("case %zu: U+%04x, %u bytes, shown %d", i, c.code, c.len, c.shown);
        }
    }
    assert_false(text_first(SLICE("\0x")).shown);
}

static void a_prefix_ends_where_something_hides(void **state)
{
    (void)state;
    assert_int_equal(text_shown(SLICE("")), 0);
    assert_int_equal(text_shown(SLICE("h\xc3\xa9llo")), 6);
    assert_int_equal(text_shown(SLICE("ab\ncd")), 2);
    assert_int_equal(text_shown(SLICE("ab\xe2\x80")), 2);
}

static void assert_shown(struct slice s, const char *keep, const char *expected)
{
    struct buf out = {0};
    text_add_shown(&out, s, keep);
    assert_slice(buf_slice(&out), expected);
    buf_free(&out);
}

static void what_hides_is_one_question_mark_each(void **state)
{
    (void)state;
    assert_shown(SLICE("plain"), "", "plain");
    assert_shown(SLICE("a\x1b[31mb" OVERRIDE "c\xc2\x9b"
                       "d\xff\xfe"),
                 "", "a?[31mb?c?d??");
    assert_shown(SLICE("a\n\tb\r"), "\n", "a\n?b?");
    assert_shown(SLICE("a\0b"), "\n", "a?b");
}

static void assert_escaped(struct slice s, enum text_escape escape, const char *expected)
{
    struct buf out = {0};
    text_add_escaped(&out, s, escape);
    assert_slice(buf_slice(&out), expected);
    buf_free(&out);
}

static void escapes_mean_the_same(void **state)
{
    (void)state;
    assert_escaped(SLICE("a" OVERRIDE "\x7f\xc2\x9b!"), TEXT_JSON, "a\\u202e\\u007f\\u009b!");
    assert_escaped(SLICE("\xf3\xa0\x81\x81"), TEXT_JSON, "\\udb40\\udc41");
    assert_escaped(SLICE("\xf3\xa0\x81\x81"), TEXT_YAML, "\\U000e0041");
    /* A parser gives the character back. */
    struct buf json = {0};
    struct err err;
    json_t *tree;
    buf_add_char(&json, '"');
    text_add_escaped(&json, SLICE("\xf3\xa0\x81\x81" OVERRIDE), TEXT_JSON);
    buf_add_char(&json, '"');
    assert_ok(json_parse(buf_slice(&json), &tree, &err), &err);
    assert_slice(json_text(tree), "\xf3\xa0\x81\x81" OVERRIDE);
    json_decref(tree);
    buf_free(&json);
}

static void marks_take_no_column(void **state)
{
    (void)state;
    assert_int_equal(text_columns(SLICE("")), 0);
    assert_int_equal(text_columns(SLICE("h\xc3\xa9llo")), 5);
    assert_int_equal(text_columns(SLICE("e\xcc\x81")), 1);
    assert_int_equal(text_columns(SLICE("\xff?")), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_told_apart),
        cmocka_unit_test(a_prefix_ends_where_something_hides),
        cmocka_unit_test(what_hides_is_one_question_mark_each),
        cmocka_unit_test(escapes_mean_the_same),
        cmocka_unit_test(marks_take_no_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
