/* quota: limits of one, the whole of all, and what is fair between them. */
#include "base/quota.h"
#include "tests/lib/test.h"

#include <stdio.h>

struct fixture {
    struct quota quota;
    struct quota_ticket tickets[1000];
    size_t count;
};

static void open_quota(struct fixture *f, struct quota_limits limits)
{
    *f = (struct fixture){0};
    quota_init(&f->quota, "", &limits);
}

static int enter(struct fixture *f, const char *name, enum quota_kind kind)
{
    struct err err;
    int rc = quota_enter(&f->quota, slice_of(name), kind, 1000, &f->tickets[f->count], &err);
    f->count += rc == 0 ? 1 : 0;
    return rc;
}

static void leave_all(struct fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        quota_leave(&f->tickets[i]);
    }
    f->count = 0;
}

static void one_caller_has_its_limit(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    open_quota(&f, (struct quota_limits){.most = {3, 2}});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter(&f, "a", QUOTA_REQUESTS), 0);
    }
    assert_err(quota_enter(&f.quota, SLICE("a"), QUOTA_REQUESTS, 1, &f.tickets[10], &err), &err,
               ERR_BUSY, "too many requests of this caller");
    assert_int_equal(enter(&f, "a", QUOTA_WATCHES), 0); /* which are counted apart */
    assert_int_equal(enter(&f, "b", QUOTA_REQUESTS), 0);
    quota_leave(&f.tickets[0]);
    assert_int_equal(enter(&f, "a", QUOTA_REQUESTS), 0);
    assert_int_equal(enter(&f, "a", QUOTA_REQUESTS), ERR_BUSY);
    leave_all(&f);
    quota_free(&f.quota);
}

static void a_rate_is_a_burst_and_a_rate(void **state)
{
    (void)state;
    struct fixture f;
    struct quota_ticket t;
    struct err err;
    open_quota(&f, (struct quota_limits){.per_second = 10});
    for (int i = 0; i < 20; i++) {
        assert_ok(quota_enter(&f.quota, SLICE("a"), QUOTA_REQUESTS, 1000, &t, &err), &err);
        quota_leave(&t); /* which does not give it back */
    }
    assert_err(quota_enter(&f.quota, SLICE("a"), QUOTA_REQUESTS, 1000, &t, &err), &err, ERR_BUSY,
               "too many requests a second");
    assert_ok(quota_enter(&f.quota, SLICE("b"), QUOTA_REQUESTS, 1000, &t, &err), &err);
    quota_leave(&t);
    assert_ok(quota_enter(&f.quota, SLICE("a"), QUOTA_REQUESTS, 1100, &t, &err), &err);
    quota_leave(&t);
    quota_free(&f.quota);
}

/* Five that want all they may: the sixth, who wants little, gets it; and none gets all. */
static void the_whole_is_shared_fairly(void **state)
{
    (void)state;
    struct fixture f;
    open_quota(&f, (struct quota_limits){.most = {10, 0}});
    char name[2] = {'a', '\0'};
    for (; name[0] <= 'd'; name[0]++) { /* the whole is 40 */
        for (int i = 0; i < 10; i++) {
            assert_int_equal(enter(&f, name, QUOTA_REQUESTS), 0);
        }
    }
    for (int i = 0; i < 8; i++) { /* a fifth each */
        assert_int_equal(enter(&f, "e", QUOTA_REQUESTS), 0);
    }
    assert_int_equal(enter(&f, "e", QUOTA_REQUESTS), ERR_BUSY);
    quota_leave(&f.tickets[0]); /* a has nine, which is more than its share */
    assert_int_equal(enter(&f, "a", QUOTA_REQUESTS), ERR_BUSY);
    assert_int_equal(enter(&f, "f", QUOTA_REQUESTS), 0);
    leave_all(&f);
    quota_free(&f.quota);
}

/* Many that want all they may, one after the other: who comes last with one request gets it. */
static void the_greedy_leave_something(void **state)
{
    (void)state;
    struct fixture f;
    open_quota(&f, (struct quota_limits){.most = {100, 0}});
    char name[32];
    for (int greedy = 0; greedy < 50; greedy++) { /* the whole is 400 */
        (void)snprintf(name, sizeof name, "greedy-%d", greedy);
        while (enter(&f, name, QUOTA_REQUESTS) == 0) {
        }
    }
    assert_int_equal(enter(&f, "modest", QUOTA_REQUESTS), 0);
    assert_int_equal(enter(&f, "modest", QUOTA_REQUESTS), ERR_BUSY);
    leave_all(&f);
    quota_free(&f.quota);
}

static void nobody_passes_twice_the_whole(void **state)
{
    (void)state;
    struct fixture f;
    char name[32];
    int had = 0;
    open_quota(&f, (struct quota_limits){.most = {1, 0}});
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "caller-%d", i);
        had += enter(&f, name, QUOTA_REQUESTS) == 0 ? 1 : 0;
    }
    assert_int_equal(had, 2 * QUOTA_WHOLE);
    leave_all(&f);
    quota_free(&f.quota);
}

static void bytes_are_held_until_the_ticket_is_left(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    open_quota(&f, (struct quota_limits){.bytes = 1000});
    assert_int_equal(enter(&f, "a", QUOTA_REQUESTS), 0);
    assert_int_equal(enter(&f, "a", QUOTA_REQUESTS), 0);
    assert_ok(quota_hold(&f.tickets[0], 600, &err), &err);
    assert_err(quota_hold(&f.tickets[1], 600, &err), &err, ERR_BUSY, "bytes in requests");
    assert_ok(quota_hold(&f.tickets[1], 400, &err), &err);
    quota_leave(&f.tickets[0]);
    assert_ok(quota_hold(&f.tickets[1], 600, &err), &err);
    leave_all(&f);
    assert_int_equal(f.quota.bytes, 0);
    assert_int_equal(f.quota.holding, 0);
    struct quota_ticket nothing = {0};
    assert_ok(quota_hold(&nothing, 1000000, &err), &err);
    quota_leave(&nothing);
    quota_free(&f.quota);
}

/* Any number of names costs what QUOTA_NAMES_MAX do. */
static void names_are_forgotten(void **state)
{
    (void)state;
    struct fixture f;
    struct quota_ticket t;
    struct err err;
    char name[400];
    open_quota(&f, (struct quota_limits){.per_second = 10});
    assert_int_equal(enter(&f, "stays", QUOTA_WATCHES), 0);
    for (int i = 0; i < 3 * QUOTA_NAMES_MAX; i++) {
        (void)snprintf(name, sizeof name, "%d-%0380d", i, 0); /* longer than what is kept */
        assert_ok(quota_enter(&f.quota, slice_of(name), QUOTA_REQUESTS, 1, &t, &err), &err);
        quota_leave(&t);
        assert_true(f.quota.callers.count <= QUOTA_NAMES_MAX);
    }
    leave_all(&f);
    quota_free(&f.quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_caller_has_its_limit),
        cmocka_unit_test(a_rate_is_a_burst_and_a_rate),
        cmocka_unit_test(the_whole_is_shared_fairly),
        cmocka_unit_test(the_greedy_leave_something),
        cmocka_unit_test(nobody_passes_twice_the_whole),
        cmocka_unit_test(bytes_are_held_until_the_ticket_is_left),
        cmocka_unit_test(names_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
