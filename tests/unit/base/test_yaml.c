/* YAML: the core schema, what is refused and where, and output that reads back the same. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/yaml.h"

static void assert_reads(const char *text, const char *expected)
{
    json_t *tree;
    struct err err;
    struct buf out = {0};
    assert_ok(yaml_parse(slice_of(text), "t.yaml", &tree, &err), &err);
    json_canonical(tree, &out);
    assert_slice(buf_slice(&out), expected);
    json_decref(tree);
    buf_free(&out);
}

static void assert_refused(const char *text, const char *why)
{
    json_t *tree;
    struct err err;
    int rc = yaml_parse(slice_of(text), "t.yaml", &tree, &err);
    assert_err(rc, &err, ERR_INVALID, why);
    assert_null(tree);
}

static void plain_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    assert_reads("[null, ~, Null, NULL, true, True, FALSE, false]",
                 "[null,null,null,null,true,true,false,false]");
    assert_reads("[0, -1, +2, 007, 0o17, 0x1F, 0xabCD, 9223372036854775807]",
                 "[0,-1,2,7,15,31,43981,9223372036854775807]");
    /* A file's mode, as manifests have it; no octal digits, no octal number. */
    assert_reads("[0755, 010, 00, 080]", "[493,8,0,80]");
    assert_reads("[1.5, -.5, 1., 1e3, +1.0E-2, 0.1]", "[1.5,-0.5,1.0,1000.0,0.01,0.1]");
    assert_reads(
        "[yes, no, on, off, 1_000, 1:20, 0o8, 0xg, '1', \"true\", nUll, 1.2.3, 12e, e3, .]",
        "[\"yes\",\"no\",\"on\",\"off\",\"1_000\",\"1:20\",\"0o8\",\"0xg\",\"1\",\"true\","
        "\"nUll\",\"1.2.3\",\"12e\",\"e3\",\".\"]");
    assert_reads("a:\nb: ''\nc: |\n  x\n  y\nd: >-\n  x\n  y\n",
                 "{\"a\":null,\"b\":\"\",\"c\":\"x\\ny\\n\",\"d\":\"x y\"}");
    assert_reads("[!!str 1, ! 2, !!int 3, !!str , !!float 1.5]", "[\"1\",\"2\",3,\"\",1.5]");
}

static void collections_nest_in_both_styles(void **state)
{
    (void)state;
    assert_reads("a:\n- b: 1\n  c: [x, {y: z}]\n- - 2\n  - {}\n",
                 "{\"a\":[{\"b\":1,\"c\":[\"x\",{\"y\":\"z\"}]},[2,{}]]}");
    assert_reads("{\"a\":{\"b\":[1,2,{\"c\":\"\\u00e9\\n\"}]}}",
                 "{\"a\":{\"b\":[1,2,{\"c\":\"\xc3\xa9\\n\"}]}}");
}

static void single_quotes_are_doubled_and_lines_folded(void **state)
{
    (void)state;
    assert_reads("a: 'it''s'\n'k''': ''''\n", "{\"a\":\"it's\",\"k'\":\"'\"}");
    assert_reads("a: '''x  \n   \n\n  line\t\n  y '' '\n", "{\"a\":\"'x\\n\\nline y ' \"}");
    assert_reads("a: '  ''lead\n\n  '\n", "{\"a\":\"  'lead\\n\"}");
    assert_reads("a: '''\r\n  b'\r\n", "{\"a\":\"' b\"}");
    /* The library's own decoder loses megabytes here, which the sanitizer would show. */
    struct buf text = {0};
    buf_add_cstr(&text, "a: '");
    for (int i = 0; i < 100000; i++) {
        buf_add_cstr(&text, "''");
    }
    buf_add_cstr(&text, "'\n");
    json_t *tree;
    struct err err;
    assert_ok(yaml_parse(buf_slice(&text), "t", &tree, &err), &err);
    assert_int_equal(json_text_at(tree, "a").len, 100000);
    json_decref(tree);
    buf_free(&text);
}

static void folded_blocks_keep_what_is_indented_more(void **state)
{
    (void)state;
    assert_reads("a: >\n  one\n  two\n\n  three\n\n    more\n   again\n  end\n\n\nb: 1\n",
                 "{\"a\":\"one two\\nthree\\n\\n  more\\n again\\nend\\n\",\"b\":1}");
    assert_reads("a: >- # why > not\n\n  x\n\n", "{\"a\":\"\\nx\"}");
    assert_reads("a: >+\n  x\n\n\nb: 1", "{\"a\":\"x\\n\\n\\n\",\"b\":1}");
    assert_reads("\"x>\": >\r\n  a\r\n  b\r\n", "{\"x>\":\"a b\\n\"}");
    assert_reads("- >2\n    x\n   y\n  z\n- >\n\n- >-\n", "[\"  x\\n y\\nz\\n\",\"\",\"\"]");
}

static void aliases_are_copies(void **state)
{
    (void)state;
    assert_reads("a: &x {k: [1]}\nb: *x\nc: &y s\nd: *y\n",
                 "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":\"s\",\"d\":\"s\"}");
    assert_refused("a: *x\n", "t.yaml:1:5: alias *x has no anchor");
    assert_refused("a: &x [*x]\n", "alias *x");
}

static void bombs_are_refused(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_add_cstr(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++) {
        buf_addf(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) {
            buf_addf(&text, "%s*a%d", j > 0 ? "," : "", i - 1);
        }
        buf_add_cstr(&text, "]\n");
    }
    assert_refused(buf_cstr(&text), "aliases add more than 1048576 bytes of values");
    buf_clear(&text);
    buf_add_cstr(&text, "a: &a \"");
    for (int i = 0; i < 10000; i++) {
        buf_add_cstr(&text, "0123456789");
    }
    buf_add_cstr(&text, "\"\nb: [*a");
    for (int i = 0; i < 100000; i++) { /* 300 KB that would be 10 GB */
        buf_add_cstr(&text, ",*a");
    }
    buf_add_cstr(&text, "]\n");
    assert_refused(buf_cstr(&text), "aliases add more than 1048576 bytes of values");
    buf_clear(&text);
    buf_add_cstr(&text, "[x");
    for (int i = 0; i < 200000; i++) {
        buf_add_cstr(&text, ",x");
    }
    buf_add_cstr(&text, "]\n");
    assert_refused(buf_cstr(&text), "more than 200000 values");
    json_t *body = NULL;
    struct err why;
    assert_err(yaml_parse_body(buf_slice(&text), "body", &body, &why), &why, ERR_INVALID,
               "more than 50000 values");
    buf_clear(&text);
    buf_add_cstr(&text, "a0: &a0 [[[[x]]]]\n");
    for (int i = 1; i < 60; i++) {
        buf_addf(&text, "a%d: &a%d [[[*a%d]]]\n", i, i, i - 1);
    }
    assert_refused(buf_cstr(&text), "nested more than 128 deep");
    buf_clear(&text);
    for (int i = 0; i < 5000; i++) {
        buf_add_char(&text, '[');
    }
    assert_refused(buf_cstr(&text), "t.yaml:1:");
    buf_clear(&text);
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < i; j++) {
            buf_add_char(&text, ' ');
        }
        buf_add_cstr(&text, "a:\n");
    }
    assert_refused(buf_cstr(&text), "nested more than 128 deep");
    buf_free(&text);
}

static void errors_name_file_line_and_column(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: key \"a\" is given twice");
    assert_refused("a:\n  1: x\n", "t.yaml:2:3: key 1 is not a string: quote it");
    assert_refused("? [a]\n: b\n", "a key must be a string");
    assert_refused("a: !thing x\n", "t.yaml:1:");
    assert_refused("a: !thing x\n", "is not of the core schema");
    assert_refused("a: !!int x\n", "is not what its tag says");
    assert_refused("a: [1,\nb: {\n", "t.yaml:");
    assert_refused("a: 99999999999999999999\n",
                   "t.yaml:1:4: 99999999999999999999 is too large for an integer");
    assert_refused("a: 1e999\n", "too large");
    assert_refused("a: .inf\n", "no JSON form");
    assert_refused("a: \"x\\0y\"\n", "NUL");
    assert_refused("a: 1\nb: \xff\xfe\n", "t.yaml:2:4: this is not UTF-8");
    assert_refused("a: b: c\n", "t.yaml:1:");
    assert_refused("", "empty");
    assert_refused("# only a comment\n", "empty");
    assert_refused("a: 1\n---\nb: 2\n", "t.yaml:3:1: a second document");
}

struct seen {
    int count;
    int lines[8];
    int stop_at;
};

static int note(json_t *document, int line, void *user, struct err *err)
{
    struct seen *s = user;
    if (!json_is_object(document)) {
        return err_set(err, ERR_INVALID, "no object");
    }
    s->lines[s->count++] = line;
    return s->count == s->stop_at ? err_set(err, ERR_BUSY, "enough") : 0;
}

static void documents_come_in_order_with_their_lines(void **state)
{
    (void)state;
    struct slice text = SLICE("# head\na: 1\n---\n---\n# nothing\n---\n\nb: 2\n...\n---\nc: 3\n");
    struct seen s = {0};
    struct err err;
    assert_ok(yaml_each(text, "x", note, &s, &err), &err);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.lines[0], 2);
    assert_int_equal(s.lines[1], 8);
    assert_int_equal(s.lines[2], 11);
    struct seen stopped = {.stop_at = 2};
    assert_err(yaml_each(text, "x", note, &stopped, &err), &err, ERR_BUSY, "enough");
    assert_int_equal(stopped.count, 2);
    /* What comes before a malformed document has been seen. */
    struct seen before = {0};
    int rc = yaml_each(SLICE("a: 1\n---\nb: [\n"), "x", note, &before, &err);
    assert_err(rc, &err, ERR_INVALID, "x:");
    assert_int_equal(before.count, 1);
    assert_ok(yaml_each(SLICE(""), "x", note, &s, &err), &err);
}

static void lines_of_paths_are_found(void **state)
{
    (void)state;
    struct slice text = SLICE("peers:\n  listen: x\n\nplanes:\n- name: a\n  n: [1, 2]\n- k: 1\n"
                              "  name: b\nflow: {a: {b: 1}}\nbad: [\n");
    assert_int_equal(yaml_line_of(text, "peers"), 1);
    assert_int_equal(yaml_line_of(text, "peers.listen"), 2);
    assert_int_equal(yaml_line_of(text, "planes[0].name"), 5);
    assert_int_equal(yaml_line_of(text, "planes[1]"), 7);
    assert_int_equal(yaml_line_of(text, "planes[1].name"), 8);
    assert_int_equal(yaml_line_of(text, "flow.a.b"), 9);
    assert_int_equal(yaml_line_of(text, "planes[2]"), 0);
    assert_int_equal(yaml_line_of(text, "listen"), 0);
}

static void output_is_for_people(void **state)
{
    (void)state;
    json_t *tree;
    struct err err;
    struct buf out = {0};
    struct slice json = SLICE(
        "{\"kind\":\"X\",\"n\":1,\"items\":[{\"a\":\"b c\",\"l\":[1,[2,3]]},\"yes\",{}],\"e\":[],"
        "\"ip\":\"10.0.0.1\",\"ver\":\"1.10\",\"oct\":\"0755\",\"t\":\"12:30\",\"s\":"
        "\"l1\\nl2\\n\","
        "\"m\":\"l1\\n\\nl2\",\"c\":\"a: b\",\"h\":\"#x\",\"empty\":\"\",\"null\":null,\"r\":1.0,"
        "\"url\":\"http://x:1/\"}");
    assert_ok(json_parse(json, &tree, &err), &err);
    yaml_emit(tree, &out);
    assert_slice(
        buf_slice(&out),
        "kind: X\n\"n\": 1\nitems:\n- a: b c\n  l:\n  - 1\n  - - 2\n    - 3\n- \"yes\"\n- {}\n"
        "e: []\nip: 10.0.0.1\nver: \"1.10\"\noct: \"0755\"\nt: \"12:30\"\ns: |\n  l1\n  l2\n"
        "m: |-\n  l1\n\n  l2\nc: \"a: b\"\nh: \"#x\"\nempty: \"\"\n\"null\": null\nr: 1.0\n"
        "url: http://x:1/\n");
    json_decref(tree);
    buf_free(&out);
}

static void output_hides_nothing(void **state)
{
    (void)state;
    json_t *tree =
        json_pack("{s:s, s:s, s:s, s:s}", "k\xc2\x9b", "a\x7f", "b", "l1\nl2\xe2\x80\xae\n", "c",
                  "dash \xe2\x80\x94\nand\n", "d", "\xf3\xa0\x81\x81");
    struct buf out = {0};
    yaml_emit(tree, &out);
    assert_slice(buf_slice(&out),
                 "\"k\\u009b\": \"a\\u007f\"\nb: \"l1\\nl2\\u202e\\n\"\nc: |\n  dash "
                 "\xe2\x80\x94\n  and\nd: \"\\U000e0041\"\n");
    json_decref(tree);
    buf_free(&out);
}

static void assert_round_trip(json_t *tree)
{
    struct buf out = {0};
    struct err err;
    json_t *back;
    yaml_emit(tree, &out);
    int rc = yaml_parse(buf_slice(&out), "round", &back, &err);
    if (rc != 0 || !json_equal(tree, back)) {
        print_error("this does not come back:\n%s\n", buf_cstr(&out));
    }
    assert_ok(rc, &err);
    assert_true(json_equal(tree, back));
    json_decref(back);
    buf_free(&out);
}

/* Strings of the characters that mean something, in every place where a string can stand. */
static void any_string_survives_a_round_trip(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         " ",
                                         "\n",
                                         ":",
                                         "#",
                                         "-",
                                         "'",
                                         "\"",
                                         "\\",
                                         "\t",
                                         "?",
                                         "|",
                                         ">",
                                         "%",
                                         "@",
                                         "&",
                                         "*",
                                         "!",
                                         "[",
                                         "}",
                                         ",",
                                         "1",
                                         ".",
                                         "0x",
                                         "~",
                                         "é",
                                         "\r",
                                         "=",
                                         "\x7f",
                                         "\xc2\x85",
                                         "null",
                                         "\x01",
                                         "e",
                                         "_",
                                         "---",
                                         "\xe2\x80\xa8",
                                         "\xef\xbb\xbf",
                                         "\xc2\x9b",
                                         "\xe2\x80\xae",
                                         "\xe2\x80\x94",
                                         "\xe2\x81\xa6",
                                         "\xf0\x9f\x98\x80",
                                         "\xf3\xa0\x81\x81",
                                         "\xef\xbf\xbf",
                                         "..."};
    uint32_t r = 42;
    for (int i = 0; i < 4000; i++) {
        struct buf text = {0};
        r = r * 1664525 + 1013904223;
        for (uint32_t left = r >> 28; left > 0; left--) {
            r = r * 1664525 + 1013904223;
            buf_add_cstr(&text, pieces[(r >> 8) % (sizeof pieces / sizeof *pieces)]);
        }
        const char *s = buf_cstr(&text);
        json_t *tree =
            json_pack("{s:s, s:[s, [s], {s:s}], s:{s:[s]}}", "k", s, "l", s, s, s, s, "z", s, s);
        assert_non_null(tree);
        assert_round_trip(tree);
        json_decref(tree);
        tree = json_string(s);
        if (json_string_length(tree) > 0) {
            assert_round_trip(tree);
        }
        json_decref(tree);
        buf_free(&text);
    }
}

static void long_keys_survive_a_round_trip(void **state)
{
    (void)state;
    char key[3000];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    json_t *tree = json_pack("{s:[{s:s, s:i}]}", "a", key, "v", "b", 1);
    assert_round_trip(tree);
    json_decref(tree);
}

/* A body that is JSON does not pay for being called YAML. */
static void bodies_are_taken_for_what_they_are(void **state)
{
    (void)state;
    json_t *body = NULL;
    struct err err;
    assert_ok(yaml_parse_body(SLICE(" {\"a\": [1]}\n"), "body", &body, &err), &err);
    assert_int_equal(json_integer_value(json_array_get(json_at(body, "a", NULL), 0)), 1);
    json_decref(body);
    assert_ok(yaml_parse_body(SLICE("{a: b}"), "body", &body, &err), &err);
    assert_slice(json_text_at(body, "a"), "b");
    json_decref(body);
    assert_ok(yaml_parse_body(SLICE("a:\n- b\n"), "body", &body, &err), &err);
    json_decref(body);
    assert_err(yaml_parse_body(SLICE("{\"a\":1,\"a\":2}"), "body", &body, &err), &err, ERR_INVALID,
               "body:1:");
    struct buf bomb = {0};
    buf_add_cstr(&bomb, "{\"a\":[{}");
    for (int i = 0; i < 400000; i++) {
        buf_add_cstr(&bomb, ",{}");
    }
    buf_add_cstr(&bomb, "]}");
    assert_err(yaml_parse_body(buf_slice(&bomb), "body", &body, &err), &err, ERR_TOO_LARGE, "");
    buf_free(&bomb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(collections_nest_in_both_styles),
        cmocka_unit_test(single_quotes_are_doubled_and_lines_folded),
        cmocka_unit_test(folded_blocks_keep_what_is_indented_more),
        cmocka_unit_test(aliases_are_copies),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(bodies_are_taken_for_what_they_are),
        cmocka_unit_test(errors_name_file_line_and_column),
        cmocka_unit_test(documents_come_in_order_with_their_lines),
        cmocka_unit_test(lines_of_paths_are_found),
        cmocka_unit_test(output_is_for_people),
        cmocka_unit_test(output_hides_nothing),
        cmocka_unit_test(any_string_survives_a_round_trip),
        cmocka_unit_test(long_keys_survive_a_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
