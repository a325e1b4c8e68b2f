/* Unified diffs: against diff -u's own answers, and back again by applying what they say. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "cli/udiff.h"

static void shows(const char *before, const char *after, const char *expected)
{
    struct buf out = {0};
    bool differs = udiff(slice_of(before), slice_of(after), "a", "b", false, &out);
    assert_string_equal(buf_cstr(&out), expected);
    assert_int_equal(differs, *expected != '\0');
    buf_free(&out);
}

static void hunks(void **state)
{
    (void)state;
    shows("", "", "");
    shows("x\ny\n", "x\ny\n", "");
    shows("", "x\n", "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
    shows("x\n", "", "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-x\n");
    shows("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
          "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    shows("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
          "--- a\n+++ b\n@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n");
}

/* Two changes seven lines apart are two hunks, six apart are one. */
static void distance(void **state)
{
    (void)state;
    static const struct {
        int apart;
        int hunks;
    } cases[] = {{6, 1}, {7, 2}};
    for (size_t i = 0; i < 2; i++) {
        struct buf before = {0};
        struct buf after = {0};
        struct buf out = {0};
        for (int line = 0; line < 30; line++) {
            bool changed = line == 10 || line == 10 + cases[i].apart + 1;
            buf_addf(&before, "line %d\n", line);
            buf_addf(&after, "%s %d\n", changed ? "other" : "line", line);
        }
        assert_true(udiff(buf_slice(&before), buf_slice(&after), "a", "b", false, &out));
        int found = 0;
        for (const char *p = buf_cstr(&out); (p = strstr(p, "@@ -")) != NULL; p++) {
            found++;
        }
        assert_int_equal(found, cases[i].hunks);
        buf_free(&before);
        buf_free(&after);
        buf_free(&out);
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void random_text(uint32_t *seed, struct buf *out)
{
    uint32_t lines = next_random(seed) % 30;
    for (uint32_t i = 0; i < lines; i++) {
        buf_addf(out, "%c\n", 'a' + (char)(next_random(seed) % 4));
    }
}

/* What patch(1) does: the old text with the hunks put in. */
static void apply(struct slice before, struct slice diff, struct buf *out)
{
    struct slice line;
    struct slice old;
    size_t at = 1; /* the old text's next line */
    while (slice_split(&diff, '\n', &line)) {
        size_t from = 0;
        size_t count = 0;
        if (slice_starts_with(line, SLICE("--- ")) || slice_starts_with(line, SLICE("+++ "))) {
            continue;
        }
        if (line.data[0] == '@') {
            assert_int_equal(sscanf(line.data, "@@ -%zu,%zu", &from, &count), 2);
            for (from += count == 0 ? 1 : 0; at < from; at++) {
                assert_true(slice_split(&before, '\n', &old));
                buf_addf(out, "%.*s\n", SLICE_ARG(old));
            }
        } else if (line.data[0] == '+') {
            buf_addf(out, "%.*s\n", SLICE_ARG(slice_sub(line, 1, SIZE_MAX)));
        } else {
            assert_true(slice_split(&before, '\n', &old));
            assert_true(slice_eq(old, slice_sub(line, 1, SIZE_MAX)));
            at++;
            if (line.data[0] == ' ') {
                buf_addf(out, "%.*s\n", SLICE_ARG(old));
            }
        }
    }
    buf_add(out, before);
}

static void applied_it_gives_the_new_text(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 5000; round++) {
        struct buf a = {0};
        struct buf b = {0};
        struct buf out = {0};
        struct buf again = {0};
        random_text(&seed, &a);
        random_text(&seed, &b);
        bool differs = udiff(buf_slice(&a), buf_slice(&b), "a", "b", false, &out);
        assert_int_equal(differs, !slice_eq(buf_slice(&a), buf_slice(&b)));
        apply(buf_slice(&a), buf_slice(&out), &again);
        assert_string_equal(buf_cstr(&again), buf_cstr(&b));
        buf_free(&a);
        buf_free(&b);
        buf_free(&out);
        buf_free(&again);
    }
}

/* More differences than are worth a search: a replacement, and no quadratic hour. */
static void very_different(void **state)
{
    (void)state;
    struct buf a = {0};
    struct buf b = {0};
    struct buf out = {0};
    for (int i = 0; i < 20000; i++) {
        buf_addf(&a, "a%d\n", i);
        buf_addf(&b, "b%d\n", i);
    }
    assert_true(udiff(buf_slice(&a), buf_slice(&b), "a", "b", false, &out));
    assert_true(slice_find(buf_slice(&out), SLICE("@@ -1,20000 +1,20000 @@")) != SIZE_MAX);
    buf_free(&a);
    buf_free(&b);
    buf_free(&out);
}

static void colours(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_true(udiff(SLICE("x\n"), SLICE("y\n"), "a", "b", true, &out));
    assert_true(slice_find(buf_slice(&out), SLICE("\033[31m-x\033[0m\n")) != SIZE_MAX);
    assert_true(slice_find(buf_slice(&out), SLICE("\033[32m+y\033[0m\n")) != SIZE_MAX);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hunks),
        cmocka_unit_test(distance),
        cmocka_unit_test(applied_it_gives_the_new_text),
        cmocka_unit_test(very_different),
        cmocka_unit_test(colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
