/* How long to wait before what somebody else undoes is put right again. */
#include "tests/lib/test.h"

#include "reconcile/dispute.h"

enum { BEGIN_MS = 1000 * 1000 };

static void test_the_first_is_put_right_at_once(void **state)
{
    (void)state;
    struct dispute d = {0};
    assert_int_equal(dispute_due_ms(&d), 0);
    assert_int_equal(dispute_over_ms(&d), 0);
    assert_false(dispute_is_plain(&d, BEGIN_MS));
}

static void test_pauses_grow_up_to_a_minute(void **state)
{
    (void)state;
    static const uint64_t pauses_ms[] = {250,  500,   1000,  2000,  4000,
                                         8000, 16000, 32000, 60000, 60000};
    struct dispute d = {0};
    uint64_t now_ms = BEGIN_MS;
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        dispute_note(&d, now_ms);
        assert_int_equal(dispute_due_ms(&d), now_ms + pauses_ms[i]);
        assert_int_equal(dispute_is_plain(&d, now_ms), i >= 5);
        now_ms = dispute_due_ms(&d);
    }
    d.corrections = UINT32_MAX - 1;
    dispute_note(&d, now_ms);
    assert_int_equal(dispute_due_ms(&d), now_ms + DISPUTE_PAUSE_MAX_MS);
}

static void test_what_held_is_forgotten(void **state)
{
    (void)state;
    struct dispute d = {0};
    for (size_t i = 0; i < DISPUTE_IS_PLAIN; i++) {
        dispute_note(&d, BEGIN_MS);
    }
    assert_true(dispute_is_plain(&d, BEGIN_MS + DISPUTE_HELD_MS - 1));
    assert_false(dispute_is_plain(&d, BEGIN_MS + DISPUTE_HELD_MS));
    dispute_note(&d, BEGIN_MS + DISPUTE_HELD_MS);
    assert_int_equal(d.corrections, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_is_put_right_at_once),
        cmocka_unit_test(test_pauses_grow_up_to_a_minute),
        cmocka_unit_test(test_what_held_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
