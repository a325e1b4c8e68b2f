/* gzip: there and back, within a limit, and what is no gzip. */
#include "base/gzip.h"
#include "tests/lib/test.h"

static struct slice packed_zeros(struct buf *out, size_t bytes)
{
    struct buf zeros = {0};
    buf_reserve(&zeros, bytes);
    memset(zeros.data, 0, bytes);
    zeros.len = bytes;
    gzip_pack(buf_slice(&zeros), out);
    buf_free(&zeros);
    return buf_slice(out);
}

static void there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf text = {0};
        struct buf packed = {0};
        struct arena arena = {0};
        struct slice back;
        struct err err;
        for (size_t n = 0; n < sizes[i]; n++) {
            buf_add_char(&text, (char)(n * n >> 3));
        }
        gzip_pack(buf_slice(&text), &packed);
        assert_int_equal(gzip_unpack(buf_slice(&packed), sizes[i], &arena, &back, &err), 0);
        assert_true(slice_eq(back, buf_slice(&text)));
        arena_free(&arena);
        buf_free(&packed);
        buf_free(&text);
    }
}

static void a_bomb_takes_no_memory(void **state)
{
    (void)state;
    struct buf packed = {0};
    struct arena arena = {0};
    struct slice text;
    struct err err;
    struct slice bomb = packed_zeros(&packed, 64 * 1024 * 1024);
    assert_true(bomb.len < 512 * 1024);
    assert_int_equal(gzip_unpack(bomb, 4096, &arena, &text, &err), ERR_TOO_LARGE);
    assert_string_equal(err.message, "unpacked it is larger than 4096 bytes");
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(text.len, 0);
    buf_free(&packed);
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    struct buf packed = {0};
    struct arena arena = {0};
    struct slice text;
    struct err err;
    struct slice whole = packed_zeros(&packed, 20000);
    assert_int_equal(gzip_unpack(whole, 19999, &arena, &text, &err), ERR_TOO_LARGE);
    assert_int_equal(gzip_unpack(whole, 20000, &arena, &text, &err), 0);
    assert_int_equal(text.len, 20000);
    arena_free(&arena);
    buf_free(&packed);
}

static void what_is_no_gzip_is_refused(void **state)
{
    (void)state;
    struct buf packed = {0};
    struct arena arena = {0};
    struct slice text;
    struct err err;
    struct slice whole = packed_zeros(&packed, 100000);
    for (size_t len = 0; len < whole.len; len++) { /* cut anywhere */
        assert_int_equal(gzip_unpack(slice_sub(whole, 0, len), 200000, &arena, &text, &err),
                         ERR_INVALID);
    }
    buf_add_char(&packed, 'x'); /* and something behind it */
    assert_int_equal(gzip_unpack(buf_slice(&packed), 200000, &arena, &text, &err), ERR_INVALID);
    packed.len--;
    packed.data[packed.len - 5] ^= 1; /* its checksum */
    assert_int_equal(gzip_unpack(buf_slice(&packed), 200000, &arena, &text, &err), ERR_INVALID);
    assert_int_equal(gzip_unpack(SLICE("not gzip at all"), 9, &arena, &text, &err), ERR_INVALID);
    assert_int_equal(arena.used_bytes, 0);
    buf_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(a_bomb_takes_no_memory),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(what_is_no_gzip_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
