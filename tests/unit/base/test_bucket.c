/* bucket: bursts, refilling, waiting. */
#include "base/bucket.h"
#include "tests/lib/test.h"

static void a_burst_and_then_a_rate(void **state)
{
    (void)state;
    struct bucket b = {0};
    for (int i = 0; i < 10; i++) {
        assert_true(bucket_take(&b, 1000, 10, 2, 1));
    }
    assert_false(bucket_take(&b, 1000, 10, 2, 1));
    assert_int_equal(bucket_wait_ms(&b, 10, 2, 1), 500);
    assert_false(bucket_take(&b, 1499, 10, 2, 1));
    assert_true(bucket_take(&b, 1500, 10, 2, 1));
    assert_false(bucket_take(&b, 1500, 10, 2, 1));
    assert_true(bucket_take(&b, 1000000, 10, 2, 10)); /* full again, and no fuller */
    assert_false(bucket_take(&b, 1000000, 10, 2, 1));
}

static void what_is_given_back_counts_up_to_full(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_true(bucket_take(&b, 1, 10, 0, 10));
    bucket_give(&b, 3);
    assert_true(bucket_take(&b, 1, 10, 0, 3));
    assert_false(bucket_take(&b, 1, 10, 0, 1));
    bucket_give(&b, 1000);
    assert_false(bucket_take(&b, 1, 10, 0, 11));
    assert_true(bucket_take(&b, 1, 10, 0, 10));
}

static void what_never_comes_is_told(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_int_equal(bucket_wait_ms(&b, 10, 1, 11), UINT32_MAX);
    assert_int_equal(bucket_wait_ms(&b, 10, 1, 10), 0);
    assert_true(bucket_take(&b, 5, 10, 0, 1));
    assert_int_equal(bucket_wait_ms(&b, 10, 0, 10), UINT32_MAX);
    assert_int_equal(bucket_wait_ms(&b, 10, 3, 10), 334);
}

/* Clocks that go back, and long silences, do no harm. */
static void odd_clocks_do_no_harm(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_true(bucket_take(&b, UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX));
    assert_false(bucket_take(&b, 5, UINT32_MAX, UINT32_MAX, 1));
    assert_false(bucket_take(&b, UINT64_MAX, UINT32_MAX, UINT32_MAX, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_a_rate),
        cmocka_unit_test(what_is_given_back_counts_up_to_full),
        cmocka_unit_test(what_never_comes_is_told),
        cmocka_unit_test(odd_clocks_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
