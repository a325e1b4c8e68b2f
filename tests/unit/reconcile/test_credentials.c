/* Passwords that are made up: as long as asked for, of letters and digits, never the same, and
 * never in place of one that is there. */
#include "tests/lib/test.h"

#include <ctype.h>

#include "base/crypto.h"
#include "base/yaml.h"
#include "reconcile/credentials.h"

static json_t *made(const char *secret_yaml, const char *wanted_yaml)
{
    struct err err = {0};
    json_t *secret;
    json_t *wanted;
    assert_ok(yaml_parse(slice_of(secret_yaml), "secret", &secret, &err), &err);
    assert_ok(yaml_parse(slice_of(wanted_yaml), "wanted", &wanted, &err), &err);
    credentials_make(secret, wanted);
    json_decref(wanted);
    return secret;
}

static void text_of(const json_t *secret, const char *name, struct buf *out)
{
    buf_clear(out);
    assert_true(base64_decode(out, json_text(json_at(secret, "data", name, NULL))));
}

static void they_are_letters_and_digits_of_their_length(void **state)
{
    (void)state;
    struct buf text = {0};
    json_t *secret =
        made("{kind: Secret}", "[{name: a}, {name: b, length: 128}, {name: c, length: 16}]");
    static const struct {
        const char *name;
        size_t length;
    } cases[] = {{"a", CREDENTIAL_LENGTH}, {"b", 128}, {"c", 16}};
    assert_int_equal(json_object_size(json_object_get(secret, "data")), 3);
    for (size_t i = 0; i < 3; i++) {
        text_of(secret, cases[i].name, &text);
        assert_int_equal(text.len, cases[i].length);
        for (size_t k = 0; k < text.len; k++) {
            assert_true(isalnum((unsigned char)text.data[k]));
        }
    }
    json_decref(secret);
    buf_free(&text);
}

/* 62 letters in 6,400 places: one that were left out, or twice as likely, would show. */
static void every_letter_is_as_likely(void **state)
{
    (void)state;
    size_t seen[256] = {0};
    struct buf text = {0};
    for (int i = 0; i < 50; i++) {
        json_t *secret = made("{kind: Secret}", "[{name: a, length: 128}]");
        text_of(secret, "a", &text);
        for (size_t k = 0; k < text.len; k++) {
            seen[(unsigned char)text.data[k]]++;
        }
        json_decref(secret);
    }
    size_t kinds = 0;
    for (size_t c = 0; c < 256; c++) {
        kinds += seen[c] > 0 ? 1 : 0;
        assert_true(seen[c] < 220); /* 103 are to be expected */
    }
    assert_int_equal(kinds, 62);
    buf_free(&text);
}

static void what_is_there_stays(void **state)
{
    (void)state;
    json_t *secret = made("{kind: Secret, data: {a: b2xk}}", "[{name: a}, {name: b}]");
    struct buf a = {0};
    text_of(secret, "a", &a);
    assert_slice(buf_slice(&a), "old");
    assert_non_null(json_at(secret, "data", "b", NULL));
    json_decref(secret);
    buf_free(&a);
}

static void two_are_never_the_same(void **state)
{
    (void)state;
    json_t *one = made("{kind: Secret}", "[{name: a}, {name: b}]");
    json_t *two = made("{kind: Secret}", "[{name: a}, {name: b}]");
    assert_false(json_equal(json_object_get(one, "data"), json_object_get(two, "data")));
    assert_false(json_equal(json_at(one, "data", "a", NULL), json_at(one, "data", "b", NULL)));
    json_decref(one);
    json_decref(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_letters_and_digits_of_their_length),
        cmocka_unit_test(every_letter_is_as_likely),
        cmocka_unit_test(what_is_there_stays),
        cmocka_unit_test(two_are_never_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
