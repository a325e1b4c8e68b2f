/* The queue: de-duplication, fairness, lanes, backoff and delays, on a clock that is a number. */
#include <stdio.h>

#include "tests/lib/test.h"

#include "reconcile/queue.h"

static uint64_t zero(void *user)
{
    (void)user;
    return 0;
}

static uint64_t huge(void *user)
{
    (void)user;
    return UINT64_MAX - 1;
}

struct fixture {
    struct queue q;
    struct queue_item item;
};

static int setup(void **state)
{
    static struct fixture f;
    const struct queue_config config = {
        .backoff_min_ms = 100, .backoff_max_ms = 1000, .lane_workers = 2, .random = zero};
    f = (struct fixture){0};
    queue_init(&f.q, &config);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    queue_free(&f->q);
    return 0;
}

static void add(struct fixture *f, const char *key, const char *tenant, const char *lane)
{
    queue_add(&f->q, slice_of(key), slice_of(tenant), slice_of(lane), 0);
}

/* Takes the next key, which must be this one. */
static struct queue_item take(struct fixture *f, uint64_t now_ms, const char *key)
{
    struct queue_item item;
    assert_true(queue_take(&f->q, now_ms, &item));
    assert_slice(item.key, key);
    return item;
}

static void nothing(struct fixture *f, uint64_t now_ms)
{
    struct queue_item item;
    assert_false(queue_take(&f->q, now_ms, &item));
}

static void test_a_key_waits_once(void **state)
{
    struct fixture *f = *state;
    add(f, "a", "t", "");
    add(f, "a", "t", "");
    struct queue_item item = take(f, 0, "a");
    nothing(f, 0);
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    nothing(f, 0);
    assert_int_equal(f->q.entries.count, 0);
    assert_int_equal(f->q.lanes.count, 0);
}

static void test_added_while_worked_on_comes_again(void **state)
{
    struct fixture *f = *state;
    add(f, "a", "t", "");
    struct queue_item item = take(f, 0, "a");
    add(f, "a", "t", "");
    add(f, "a", "t", "");
    nothing(f, 0); /* never twice at once */
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    item = take(f, 0, "a");
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    nothing(f, 0);
}

static void test_tenants_take_turns(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"big1", "small", "big2", "big3"};
    add(f, "big1", "big", "");
    add(f, "big2", "big", "");
    add(f, "big3", "big", "");
    add(f, "small", "small", "");
    for (size_t i = 0; i < 4; i++) {
        struct queue_item item = take(f, 0, expected[i]);
        queue_done(&f->q, &item, QUEUE_DONE, 0);
    }
}

static void test_a_full_lane_holds_up_nobody_else(void **state)
{
    struct fixture *f = *state;
    add(f, "dead1", "t", "dead");
    add(f, "dead2", "t", "dead");
    add(f, "dead3", "t", "dead");
    struct queue_item one = take(f, 0, "dead1");
    struct queue_item two = take(f, 0, "dead2");
    nothing(f, 0); /* its two workers hang */
    add(f, "live", "t", "live");
    struct queue_item live = take(f, 0, "live");
    queue_done(&f->q, &live, QUEUE_DONE, 0);
    queue_done(&f->q, &one, QUEUE_RETRY, 0);
    struct queue_item three = take(f, 0, "dead3");
    queue_done(&f->q, &two, QUEUE_DONE, 0);
    queue_done(&f->q, &three, QUEUE_DONE, 0);
}

static void test_what_can_wait_waits(void **state)
{
    struct fixture *f = *state;
    add(f, "old1", "t", "~");
    add(f, "old2", "t", "~");
    add(f, "news", "t", "");
    struct queue_item item = take(f, 0, "news");
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    add(f, "old2", "t", ""); /* becomes news */
    item = take(f, 0, "old2");
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    add(f, "news", "t", "");
    add(f, "news", "t", "~"); /* stays news */
    item = take(f, 0, "news");
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    item = take(f, 0, "old1");
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    nothing(f, 0);
}

static void test_failures_back_off_and_success_forgets(void **state)
{
    struct fixture *f = *state;
    add(f, "a", "t", "");
    struct queue_item item = take(f, 0, "a");
    queue_done(&f->q, &item, QUEUE_RETRY, 0);
    assert_int_equal(queue_due_ms(&f->q), 100);
    nothing(f, 99);
    item = take(f, 100, "a");
    assert_int_equal(item.failures, 1);
    queue_done(&f->q, &item, QUEUE_RETRY, 100);
    assert_int_equal(queue_due_ms(&f->q), 300);
    item = take(f, 300, "a");
    queue_done(&f->q, &item, QUEUE_DONE, 300);
    add(f, "a", "t", "");
    item = take(f, 300, "a");
    assert_int_equal(item.failures, 0);
    queue_done(&f->q, &item, QUEUE_DONE, 300);
}

static void test_news_overtake_a_backoff(void **state)
{
    struct fixture *f = *state;
    add(f, "a", "t", "");
    struct queue_item item = take(f, 0, "a");
    queue_done(&f->q, &item, QUEUE_RETRY, 0);
    add(f, "a", "t", "");
    item = take(f, 0, "a");
    assert_int_equal(item.failures, 1);
    queue_done(&f->q, &item, QUEUE_DONE, 0);
    assert_int_equal(queue_due_ms(&f->q), UINT64_MAX);
}

static void test_backoff_is_bounded_and_jittered(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(queue_backoff_ms(&f->q, 1), 100);
    assert_int_equal(queue_backoff_ms(&f->q, 4), 800);
    assert_int_equal(queue_backoff_ms(&f->q, 5), 1000);
    assert_int_equal(queue_backoff_ms(&f->q, 4000000000u), 1000);
    f->q.config.random = huge;
    uint64_t jittered = queue_backoff_ms(&f->q, 5);
    assert_in_range(jittered, 500, 1000);
}

static void test_delays_wake_in_order_and_the_soonest_counts(void **state)
{
    struct fixture *f = *state;
    const char *const order[] = {"b", "c", "a"};
    queue_add_at(&f->q, SLICE("a"), SLICE("t"), SLICE(""), 500);
    queue_add_at(&f->q, SLICE("b"), SLICE("t"), SLICE(""), 100);
    queue_add_at(&f->q, SLICE("c"), SLICE("t"), SLICE(""), 900);
    queue_add_at(&f->q, SLICE("c"), SLICE("t"), SLICE(""), 300);
    queue_add_at(&f->q, SLICE("b"), SLICE("t"), SLICE(""), 800); /* due sooner already */
    assert_int_equal(queue_due_ms(&f->q), 100);
    nothing(f, 99);
    for (size_t i = 0; i < 3; i++) {
        struct queue_item item = take(f, 100 + 200 * i, order[i]);
        queue_done(&f->q, &item, QUEUE_DONE, 100 + 200 * i);
    }
    assert_int_equal(queue_due_ms(&f->q), UINT64_MAX);
}

static void test_gone_forgets_delays(void **state)
{
    struct fixture *f = *state;
    add(f, "a", "t", "");
    struct queue_item item = take(f, 0, "a");
    queue_add_at(&f->q, SLICE("a"), SLICE("t"), SLICE(""), 500);
    queue_done(&f->q, &item, QUEUE_GONE, 0);
    nothing(f, 1000);
    assert_int_equal(f->q.entries.count, 0);
}

static void test_a_key_can_move_to_another_lane(void **state)
{
    struct fixture *f = *state;
    add(f, "x", "t", "one");
    add(f, "y", "t", "one");
    add(f, "x", "t", "two");
    struct queue_item a;
    struct queue_item b;
    assert_true(queue_take(&f->q, 0, &a));
    assert_true(queue_take(&f->q, 0, &b));
    struct queue_item *x = slice_eq_cstr(a.key, "x") ? &a : &b;
    assert_slice(x->lane, "two");
    queue_done(&f->q, &a, QUEUE_DONE, 0);
    queue_done(&f->q, &b, QUEUE_DONE, 0);
}

static void test_thousands_of_keys(void **state)
{
    struct fixture *f = *state;
    char key[32];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        queue_add_at(&f->q, slice_of(key), slice_of(i % 2 ? "odd" : "even"),
                     slice_of(i % 3 ? "l1" : "l2"), (i * 7919) % 1000);
    }
    size_t taken = 0;
    struct queue_item item;
    for (uint64_t now_ms = 0; now_ms <= 1000; now_ms += 50) {
        while (queue_take(&f->q, now_ms, &item)) {
            taken++;
            queue_done(&f->q, &item, QUEUE_DONE, now_ms);
        }
    }
    assert_int_equal(taken, 5000);
    assert_int_equal(f->q.entries.count, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_waits_once),
        TEST(test_added_while_worked_on_comes_again),
        TEST(test_tenants_take_turns),
        TEST(test_a_full_lane_holds_up_nobody_else),
        TEST(test_what_can_wait_waits),
        TEST(test_failures_back_off_and_success_forgets),
        TEST(test_news_overtake_a_backoff),
        TEST(test_backoff_is_bounded_and_jittered),
        TEST(test_delays_wake_in_order_and_the_soonest_counts),
        TEST(test_gone_forgets_delays),
        TEST(test_a_key_can_move_to_another_lane),
        TEST(test_thousands_of_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
