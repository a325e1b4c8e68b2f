/* Slices and buffers: edges that callers rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/str.h"

static void split_gives_each_part(void **state)
{
    (void)state;
    struct slice rest = SLICE("a,,b");
    struct slice part;
    assert_true(slice_split(&rest, ',', &part) && slice_eq_cstr(part, "a"));
    assert_true(slice_split(&rest, ',', &part) && part.len == 0);
    assert_true(slice_split(&rest, ',', &part) && slice_eq_cstr(part, "b"));
    assert_false(slice_split(&rest, ',', &part));
    rest = SLICE("");
    assert_false(slice_split(&rest, ',', &part));
}

static void numbers_refuse_overflow_and_rubbish(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    assert_true(slice_u64(SLICE("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(slice_u64(SLICE("18446744073709551616"), &u));
    assert_false(slice_u64(SLICE(""), &u));
    assert_false(slice_u64(SLICE("1x"), &u));
    assert_true(slice_i64(SLICE("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(slice_i64(SLICE("9223372036854775808"), &i));
}

static void utf8_is_told_from_other_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t valid;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9},
        {"a\x80", 1},
        {"a\xc0\x80", 1},        /* overlong */
        {"\xe0\x80\x80", 0},     /* overlong */
        {"\xed\xa0\x80", 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 0}, /* beyond U+10FFFF */
        {"ok\xe2\x82", 2},       /* cut short */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(slice_utf8(slice_of(cases[i].text)), cases[i].valid);
    }
}

static void buffers_grow_shift_and_give_cstrings(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_string_equal(buf_cstr(&b), "");
    for (int i = 0; i < 1000; i++) {
        buf_addf(&b, "%d,", i);
    }
    assert_true(slice_starts_with(buf_slice(&b), SLICE("0,1,2,")));
    assert_true(slice_ends_with(buf_slice(&b), SLICE("998,999,")));
    buf_shift(&b, 2);
    assert_true(slice_starts_with(buf_slice(&b), SLICE("1,2,")));
    buf_clear(&b);
    buf_add_be32(&b, 0x01020304);
    buf_add_be64(&b, 0x0102030405060708);
    assert_int_equal(be32_get(b.data), 0x01020304);
    assert_true(be64_get(b.data + 4) == 0x0102030405060708);
    buf_free(&b);
}

static void count_release(void *object)
{
    ++*(int *)object;
}

static void arenas_give_aligned_memory_and_release_what_they_own(void **state)
{
    (void)state;
    struct arena a = {0};
    int released = 0;
    for (size_t i = 0; i < 300; i++) {
        char *p = arena_zero(&a, i * 7);
        assert_int_equal((uintptr_t)p % sizeof(void *), 0);
        if (i % 100 == 0) {
            arena_own(&a, &released, count_release);
        }
    }
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
    arena_free(&a);
    assert_int_equal(released, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_gives_each_part),
        cmocka_unit_test(numbers_refuse_overflow_and_rubbish),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
        cmocka_unit_test(buffers_grow_shift_and_give_cstrings),
        cmocka_unit_test(arenas_give_aligned_memory_and_release_what_they_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
