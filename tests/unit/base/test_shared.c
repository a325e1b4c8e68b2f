/* Shared values: one release, with the last reference, whoever holds it; and no reader of what is
 * gone, with threads that read while one replaces. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/shared.h"

enum { ROUNDS = 20000, READERS = 3 };

struct number {
    struct shared_value shared;
    int value;
};

static atomic_int released;

static void release(struct shared_value *value)
{
    struct number *n = CONTAINER_OF(value, struct number, shared);
    n->value = -1;
    atomic_fetch_add(&released, 1);
    free(n);
}

static struct number *number_new(int value)
{
    struct number *n = mem_zero(sizeof(*n));
    shared_value_init(&n->shared, release);
    n->value = value;
    return n;
}

static void a_value_goes_with_its_last_reference(void **state)
{
    (void)state;
    struct shared s;
    released = 0;
    shared_init(&s, &number_new(1)->shared);
    struct shared_value *held = shared_get(&s);
    shared_set(&s, &number_new(2)->shared);
    assert_int_equal(released, 0);
    assert_int_equal(CONTAINER_OF(held, struct number, shared)->value, 1);
    (void)shared_value_ref(held);
    shared_value_unref(held);
    assert_int_equal(released, 0);
    shared_value_unref(held);
    assert_int_equal(released, 1);
    shared_value_unref(NULL);
    shared_free(&s);
    assert_int_equal(released, 2);
}

static void *read_all(void *arg)
{
    struct shared *s = arg;
    int last = 0;
    while (last < ROUNDS) {
        struct shared_value *v = shared_get(s);
        int now = CONTAINER_OF(v, struct number, shared)->value;
        if (now < last) {
            return arg; /* gone, or back in time */
        }
        last = now;
        shared_value_unref(v);
    }
    return NULL;
}

static void readers_never_see_what_is_gone(void **state)
{
    (void)state;
    struct shared s;
    pthread_t readers[READERS];
    released = 0;
    shared_init(&s, &number_new(0)->shared);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &s), 0);
    }
    for (int i = 1; i <= ROUNDS; i++) {
        shared_set(&s, &number_new(i)->shared);
    }
    for (size_t i = 0; i < READERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(readers[i], &failed), 0);
        assert_null(failed);
    }
    shared_free(&s);
    assert_int_equal(released, ROUNDS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_goes_with_its_last_reference),
        cmocka_unit_test(readers_never_see_what_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
