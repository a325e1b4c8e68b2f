/* JSON: the canonical form, the limits of the parser, and scanning stored bytes. */
#include "tests/lib/test.h"

#include <float.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/json.h"

static json_t *parse(const char *text)
{
    json_t *tree;
    struct err err;
    assert_ok(json_parse(slice_of(text), &tree, &err), &err);
    return tree;
}

static void assert_canonical(const char *text, const char *expected)
{
    struct buf out = {0};
    json_t *tree = parse(text);
    json_canonical(tree, &out);
    assert_slice(buf_slice(&out), expected);
    json_decref(tree);
    buf_free(&out);
}

static void canonical_sorts_bytewise_and_has_no_space(void **state)
{
    (void)state;
    assert_canonical(" { \"b\" : [ 1 , { } , [ ] ] , \"a\" : null, \"B\": true, \"aa\": false }",
                     "{\"B\":true,\"a\":null,\"aa\":false,\"b\":[1,{},[]]}");
    assert_canonical("{\"\xc3\xa9\":1,\"z\":2,\"\":3}", "{\"\":3,\"z\":2,\"\xc3\xa9\":1}");
}

static void canonical_keeps_integers_and_reals_apart(void **state)
{
    (void)state;
    assert_canonical("[0,-7,9223372036854775807,-9223372036854775808]",
                     "[0,-7,9223372036854775807,-9223372036854775808]");
    assert_canonical("[1.0,0.1,-0.0,1e2,1E+300,5e-324,2.2250738585072014e-308]",
                     "[1.0,0.1,-0.0,100.0,1e+300,5e-324,2.2250738585072014e-308]");
    assert_canonical("[0.30000000000000004,123456789012345680000.0,1.7976931348623157e308]",
                     "[0.30000000000000004,1.2345678901234568e+20,1.7976931348623157e+308]");
}

static void canonical_escapes_only_what_must_be(void **state)
{
    (void)state;
    assert_canonical("\"\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\\\/\\u007f\\u20ac\\ud83d\\ude00\"",
                     "\"\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void reals_survive_a_round_trip(void **state)
{
    (void)state;
    uint64_t bits = 0x3ff0000000000001;
    for (int i = 0; i < 20000; i++, bits = bits * 6364136223846793005U + 1442695040888963407U) {
        double value;
        memcpy(&value, &bits, sizeof value);
        json_t *real = json_real(value);
        if (real == NULL) {
            continue; /* no number or infinite */
        }
        struct buf out = {0};
        json_canonical(real, &out);
        json_t *back = parse(buf_cstr(&out));
        assert_true(json_is_real(back));
        assert_true(json_real_value(back) == value);
        json_decref(back);
        json_decref(real);
        buf_free(&out);
    }
}

static void assert_refused(const char *text, const char *why)
{
    json_t *tree;
    struct err err;
    int rc = json_parse(slice_of(text), &tree, &err);
    assert_err(rc, &err, ERR_INVALID, why);
    assert_null(tree);
}

static void bad_documents_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_refused("", "line 1, column 1");
    assert_refused("{\"a\":1,\n \"a\":2}", "line 2, column 4: duplicate object key");
    assert_refused("{} x", "end of file expected");
    assert_refused("[1,\n2,\n\"\xff\"]", "line 3, column 1: unable to decode byte 0xff");
    assert_refused("\"\xed\xa0\x80\"", "unable to decode");
    assert_refused("{\"a\":", "line 1");
    assert_refused("[1e999]", "real number overflow");
    assert_refused("[9223372036854775808]", "too big integer");
    assert_refused("\"\\u0000\"", "NUL");
    assert_refused("\"\\ud800\"", "Unicode");
    assert_refused("nul", "invalid token");
}

static void depth_is_bounded_but_not_by_brackets_in_strings(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        buf_add_char(&text, '[');
    }
    buf_add_cstr(&text, "\"[[[[\\\"[[[\"");
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        buf_add_char(&text, ']');
    }
    json_t *tree = parse(buf_cstr(&text));
    assert_int_equal(json_depth(tree), JSON_DEPTH_MAX);
    json_t *deeper = json_pack("[[o]]", tree);
    assert_int_equal(json_depth(deeper), JSON_DEPTH_MAX + 1);
    json_decref(deeper);
    buf_clear(&text);
    buf_add_char(&text, '\n');
    for (int i = 0; i <= JSON_DEPTH_MAX; i++) {
        buf_add_char(&text, '[');
    }
    assert_refused(buf_cstr(&text), "line 2, column 129: nested more than 128 deep");
    buf_free(&text);
}

static struct buf repeated(const char *open, const char *part, size_t bytes, const char *close)
{
    struct buf text = {0};
    buf_add_cstr(&text, open);
    for (size_t i = 0; text.len < bytes; i++) {
        const char *number = strstr(part, "%zu");
        if (number == NULL) {
            buf_add_cstr(&text, part);
        } else {
            buf_addf(&text, "%.*s%zu%s", (int)(number - part), part, i, number + 3);
        }
    }
    buf_add_cstr(&text, close);
    return text;
}

/* What a tree weighs is what it takes, or somewhat more. */
static void a_tree_takes_what_it_weighs(void **state)
{
    static const char *const cases[][3] = {
        {"[", "{},", "0]"},
        {"[", "[],", "0]"},
        {"[", "1,", "0]"},
        {"[", "true,", "0]"},
        {"[", "\"\",", "0]"},
        {"[", "\"some text of no great length, %zu\",", "0]"},
        {"{", "\"k%zu\":1,", "\"\":1}"},
        {"{", "\"k%zu\":{\"name\":\"value\"},", "\"\":1}"},
        {"[", "{\"name\":\"PORT\",\"value\":\"%zu\",\"nested\":{\"a\":[1,2,{\"b\":null}]}},", "0]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf text = repeated(cases[i][0], cases[i][1], 200000, cases[i][2]);
        struct err err;
        size_t weight;
        assert_ok(json_weigh(buf_slice(&text), &weight, &err), &err);
        struct mallinfo2 before = mallinfo2();
        json_t *tree;
        assert_ok(json_parse(buf_slice(&text), &tree, &err), &err);
        struct mallinfo2 after = mallinfo2();
        size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
        size_t tree_bytes = json_tree_bytes(tree, SIZE_MAX);
        assert_true(tree_bytes <= weight && tree_bytes + 1000 >= weight / 2);
        assert_true(json_tree_bytes(tree, 1000) < 2000); /* it stops */
        json_decref(tree);
        buf_free(&text);
#ifndef __SANITIZE_ADDRESS__ /* which has an allocator of its own */
        if (weight < taken || (taken > 100000 && weight > 3 * taken)) {
            fail_msg("case %zu: weighs %zu, takes %zu", i, weight, taken);
        }
#else
        (void)taken;
#endif
    }
}

static void a_client_s_tree_is_bounded(void **state)
{
    static const char *const bombs[][3] = {{"[", "{},", "{}]"},
                                           {"[", "[],", "[]]"},
                                           {"[", "1,", "1]"},
                                           {"{\"a\":[", "[{}],", "[{}]]}"}};
    static const char *const manifests[][3] = {
        {"{\"data\":{", "\"%zu\":\"some value\",", "\"\":\"\"}}"},
        {"{\"data\":{\"a\":\"", "x", "\"}}"},
        {"{\"items\":[",
         "{\"name\":\"component-%zu\",\"image\":\"registry.example.com/team/"
         "component:1.27.3-alpine\","
         "\"args\":[\"--listen\",\"0.0.0.0:8080\",\"--verbose\"],\"resources\":{\"cpu\":\"250m\","
         "\"memory\":\"128Mi\"},\"description\":\"What it is for, in a sentence or two, as people "
         "write them.\",\"replicas\":3},",
         "{}]}"},
    };
    enum { BODY = 1500000 };
    struct err err;
    json_t *tree;
    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        struct buf text = repeated(bombs[i][0], bombs[i][1], BODY, bombs[i][2]);
        assert_err(json_parse_body(buf_slice(&text), &tree, &err), &err, ERR_TOO_LARGE,
                   "too many values");
        assert_null(tree);
        buf_free(&text);
    }
    for (size_t i = 0; i < sizeof manifests / sizeof manifests[0]; i++) {
        struct buf text = repeated(manifests[i][0], manifests[i][1], BODY, manifests[i][2]);
        assert_ok(json_parse_body(buf_slice(&text), &tree, &err), &err);
        json_decref(tree);
        buf_free(&text);
    }
}

static void pretty_keeps_the_order_of_keys(void **state)
{
    (void)state;
    json_t *tree = parse("{\"z\":1,\"a\":[1,{\"k\":\"v\"}],\"e\":{},\"l\":[]}");
    struct buf out = {0};
    json_pretty(tree, &out);
    assert_slice(buf_slice(&out),
                 "{\n  \"z\": 1,\n  \"a\": [\n    1,\n    {\n      \"k\": \"v\"\n    "
                 "}\n  ],\n  \"e\": {},\n  \"l\": []\n}");
    json_decref(tree);
    buf_free(&out);
}

static void pretty_hides_nothing(void **state)
{
    (void)state;
    json_t *tree = parse("{\"k\xc2\x9b\":\"a\xe2\x80\xae\\\"\x7f\",\"tag\":\"\xf3\xa0\x81\x81\"}");
    struct buf out = {0};
    json_pretty(tree, &out);
    assert_slice(buf_slice(&out), "{\n  \"k\\u009b\": \"a\\u202e\\\"\\u007f\",\n"
                                  "  \"tag\": \"\\udb40\\udc41\"\n}");
    json_t *back = parse(buf_cstr(&out));
    assert_true(json_equal(tree, back));
    /* What is stored keeps the bytes. */
    buf_clear(&out);
    json_canonical(tree, &out);
    assert_int_not_equal(slice_find(buf_slice(&out), SLICE("\xe2\x80\xae")), SIZE_MAX);
    json_decref(back);
    json_decref(tree);
    buf_free(&out);
}

static void strings_are_made_of_any_bytes(void **state)
{
    (void)state;
    json_t *text = json_str(SLICE("a\xff"));
    json_t *bytes = json_base64(SLICE("\0\xff\x10"));
    json_t *none = json_base64(SLICE(""));
    assert_slice(json_text(text), "a\xef\xbf\xbd");
    assert_slice(json_text(bytes), "AP8Q");
    assert_slice(json_text(none), "");
    json_decref(text);
    json_decref(bytes);
    json_decref(none);
}

static void lookups_tolerate_absence(void **state)
{
    (void)state;
    json_t *tree = parse("{\"metadata\":{\"name\":\"x\",\"n\":3}}");
    assert_slice(json_text(json_at(tree, "metadata", "name", NULL)), "x");
    assert_slice(json_text_at(json_at(tree, "metadata", NULL), "n"), "");
    assert_null(json_at(tree, "metadata", "name", "deeper", NULL));
    assert_null(json_at(NULL, "a", NULL));
    assert_non_null(json_child(tree, "spec"));
    assert_ptr_equal(json_child(tree, "spec"), json_object_get(tree, "spec"));
    assert_null(json_child(json_object_get(tree, "metadata"), "name"));
    json_decref(tree);
}

static void strings_from_anywhere_become_utf8(void **state)
{
    (void)state;
    json_t *s = json_str(slice_make("a\0b", 3));
    assert_int_equal(json_string_length(s), 3);
    json_decref(s);
    s = json_str(SLICE("ok\xff\xe2\x82\xac\xe2\x82"));
    assert_slice(json_text(s), "ok\xef\xbf\xbd\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(s);
    s = json_str((struct slice){NULL, 0});
    assert_int_equal(json_string_length(s), 0);
    json_decref(s);
}

static void scan_finds_members_in_stored_bytes(void **state)
{
    (void)state;
    struct slice body =
        SLICE("{\"a\":\"x\\\\\",\"b\\\"\":{\"}\":[1,\"]\"]},\"metadata\":{\"labels\":{"
              "\"app\":\"web\"},\"name\":\"n\"},\"n\":-1.5,\"z\":true}");
    struct slice v;
    assert_true(json_scan(body, &v, "metadata", "labels", NULL));
    assert_slice(v, "{\"app\":\"web\"}");
    assert_true(json_scan(body, &v, "a", NULL));
    assert_slice(v, "\"x\\\\\"");
    assert_true(json_scan(body, &v, "b\"", "}", NULL));
    assert_slice(v, "[1,\"]\"]");
    assert_true(json_scan(body, &v, "n", NULL));
    assert_slice(v, "-1.5");
    assert_true(json_scan(body, &v, "z", NULL));
    assert_slice(v, "true");
    assert_false(json_scan(body, &v, "metadata", "annotations", NULL));
    assert_false(json_scan(body, &v, "metadata", "name", "x", NULL));
    assert_false(json_scan(body, &v, "zz", NULL));
    assert_true(json_scan(body, &v, NULL));
    assert_slice(v, body.data);
    assert_false(json_scan(SLICE("{}"), &v, "a", NULL));
}

static void scan_finds_several_members_in_one_pass(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "m", "n", "z", NULL};
    static const char *const expected[] = {"{\"b\":1}", "", "[2]", "-1.5", "\"\""};
    struct slice body =
        SLICE("{\"a\":{\"b\":1},\"aa\":0,\"k\\\"\":1,\"m\":[2],\"n\":-1.5,\"z\":\"\"}");
    struct slice values[5];
    json_scan_members(body, keys, values);
    for (size_t i = 0; i < 5; i++) {
        assert_slice(values[i], expected[i]);
    }
    json_scan_members(SLICE("[1]"), keys, values);
    assert_int_equal(values[0].len + values[4].len, 0);
    /* Cut anywhere it finds what json_scan() finds. */
    for (size_t len = 0; len < body.len; len++) {
        json_scan_members(slice_sub(body, 0, len), keys, values);
        for (size_t i = 0; i < 5; i++) {
            struct slice alone = {0};
            (void)json_scan(slice_sub(body, 0, len), &alone, keys[i], NULL);
            assert_true(slice_eq(values[i], alone));
        }
    }
}

/* Whatever is cut off, scanning stays inside the slice (the sanitizer watches the copy's edges). */
static void scan_survives_bytes_cut_anywhere(void **state)
{
    (void)state;
    struct slice body = SLICE("{\"a\\\"\":{\"k\":[\"]\",1]},\"b\":\"\\\\\",\"c\":12}");
    for (size_t len = 0; len < body.len; len++) {
        char *copy = mem_alloc(len);
        memcpy(copy, body.data, len);
        struct slice v;
        struct arena arena = {0};
        if (json_scan(slice_make(copy, len), &v, "c", NULL)) {
            assert_true(v.data >= copy && v.data + v.len <= copy + len);
        }
        assert_false(json_scan(slice_make(copy, len), &v, "d", NULL));
        (void)json_unquote(slice_make(copy, len), &arena);
        arena_free(&arena);
        free(copy);
    }
}

static void assert_read_as_parsed(struct slice text)
{
    json_t *parsed;
    json_t *read;
    struct err parse_err = {0};
    struct err read_err = {0};
    int rc = json_parse(text, &parsed, &parse_err);
    assert_int_equal(json_read(text, &read, &read_err), rc);
    assert_string_equal(read_err.message, parse_err.message);
    assert_int_equal(read != NULL, parsed != NULL);
    assert_true(rc != 0 || json_equal(read, parsed));
    json_decref(parsed);
    json_decref(read);
}

/* Canonical or not, whole or not, it is read to what parsing makes of it. */
static void reading_comes_to_what_parsing_does(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "{\"a\":{\"b\":[],\"c\":[1,-2,0,10,true,false,null]},\"b\":{},\"longer than eight\":\"\"}",
        ("{\"\\\"k\":\"\\u0001\\\\ caf\xc3\xa9 "
         "\\ud83d\\ude00\",\"plain\":\"1234567\\n\",\"\xc3\xa9\":2}"),
        "[1.5,-0.0,1e+300,9223372036854775807,-9223372036854775808,\"12345678\"]",
        " { \"b\" : 1 , \"a\" : [ 2 , \"x, y\" ] } ",
        "\"text\"",
        "7",
        "{\"a\":1,\"a\":2}"};
    static const char others[] = "\"\\{}[],:019-. \n\x01\x7f\xc3\xff\0";
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct slice whole = slice_of(documents[i]);
        assert_read_as_parsed(whole);
        for (size_t at = 0; at < whole.len; at++) {
            char *copy = slice_dup(whole);
            for (size_t k = 0; k < sizeof others; k++) {
                copy[at] = others[k];
                assert_read_as_parsed(slice_make(copy, whole.len));
            }
            free(copy);
            copy = mem_alloc(at); /* the sanitizer watches its end */
            memcpy(copy, whole.data, at);
            assert_read_as_parsed(slice_make(copy, at));
            free(copy);
        }
    }
}

static void reading_is_bounded_in_depth_as_parsing_is(void **state)
{
    (void)state;
    struct buf deep = {0};
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        buf_clear(&deep);
        for (int i = 0; i < 2 * depth; i++) {
            buf_add_char(&deep, i < depth ? '[' : ']');
        }
        assert_read_as_parsed(buf_slice(&deep));
    }
    buf_free(&deep);
}

/* Wherever it stands, and whatever stands around it. */
static void every_byte_is_quoted_by_itself(void **state)
{
    (void)state;
    static const char around[] = {'x', '\x7f', (char)0x80, (char)0xff, ' ', '!', '#', '[', ']'};
    struct buf out = {0};
    for (size_t i = 0; i < sizeof around * 256 * 18; i++) {
        char text[18];
        size_t at = i % 18;
        unsigned char c = (unsigned char)(i / 18 % 256);
        memset(text, around[i / 18 / 256], sizeof text);
        text[at] = (char)c;
        char escaped[7] = {(char)c};
        size_t escaped_len = 1;
        if (c < 0x20 || c == '"' || c == '\\') {
            static const char *const shorts[32] = {
                ['\b'] = "b", ['\f'] = "f", ['\n'] = "n", ['\r'] = "r", ['\t'] = "t"};
            escaped_len = c >= 0x20           ? (size_t)snprintf(escaped, 7, "\\%c", c)
                          : shorts[c] != NULL ? (size_t)snprintf(escaped, 7, "\\%s", shorts[c])
                                              : (size_t)snprintf(escaped, 7, "\\u%04x", c);
        }
        buf_clear(&out);
        json_quote(&out, slice_make(text, sizeof text));
        struct slice told = buf_slice(&out);
        assert_int_equal(told.len, sizeof text - 1 + escaped_len + 2);
        assert_memory_equal(told.data + 1, text, at);
        assert_memory_equal(told.data + 1 + at, escaped, escaped_len);
        assert_memory_equal(told.data + 1 + at + escaped_len, text + at + 1, sizeof text - at - 1);
    }
    buf_free(&out);
}

static void unquote_undoes_quote(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    char all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    json_quote(&out, slice_make(all, sizeof all));
    assert_true(slice_eq(json_unquote(buf_slice(&out), &arena), slice_make(all, sizeof all)));
    assert_slice(json_unquote(SLICE("\"\\ud83d\\ude00\\u00e9\\/\""), &arena),
                 "\xf0\x9f\x98\x80\xc3\xa9/");
    assert_slice(json_unquote(SLICE("\"plain\""), &arena), "plain");
    static const char *const bad[] = {
        "",           "\"",        "x",           "\"a",         "\"a\"b\"",
        "\"\\x\"",    "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
        "\"\\u00g0\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(json_unquote(slice_of(bad[i]), &arena).len, 0);
    }
    buf_free(&out);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_sorts_bytewise_and_has_no_space),
        cmocka_unit_test(canonical_keeps_integers_and_reals_apart),
        cmocka_unit_test(canonical_escapes_only_what_must_be),
        cmocka_unit_test(reals_survive_a_round_trip),
        cmocka_unit_test(bad_documents_are_refused_with_their_place),
        cmocka_unit_test(depth_is_bounded_but_not_by_brackets_in_strings),
        cmocka_unit_test(a_tree_takes_what_it_weighs),
        cmocka_unit_test(a_client_s_tree_is_bounded),
        cmocka_unit_test(pretty_keeps_the_order_of_keys),
        cmocka_unit_test(pretty_hides_nothing),
        cmocka_unit_test(strings_are_made_of_any_bytes),
        cmocka_unit_test(lookups_tolerate_absence),
        cmocka_unit_test(strings_from_anywhere_become_utf8),
        cmocka_unit_test(scan_finds_members_in_stored_bytes),
        cmocka_unit_test(scan_finds_several_members_in_one_pass),
        cmocka_unit_test(scan_survives_bytes_cut_anywhere),
        cmocka_unit_test(reading_comes_to_what_parsing_does),
        cmocka_unit_test(reading_is_bounded_in_depth_as_parsing_is),
        cmocka_unit_test(every_byte_is_quoted_by_itself),
        cmocka_unit_test(unquote_undoes_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
