/* Maps against a plain table, through growth, removal and reuse. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "base/map.h"

enum { KEYS = 500 };

static struct slice key_of(int i, char *text)
{
    return slice_make(text, (size_t)snprintf(text, 16, "key-%d", i));
}

static void puts_gets_and_removals_agree_with_a_table(void **state)
{
    (void)state;
    struct map m = {0};
    int values[2] = {0, 1};
    int *table[KEYS] = {0};
    size_t count = 0;
    uint32_t r = 7;
    for (int step = 0; step < 50000; step++) {
        r = r * 1664525 + 1013904223;
        int i = (int)(r >> 8) % KEYS;
        int *value = &values[r >> 31];
        char text[16];
        struct slice key = key_of(i, text);
        assert_ptr_equal(map_get(&m, key), table[i]);
        if ((r >> 4 & 3) == 0) {
            assert_ptr_equal(map_remove(&m, key), table[i]);
            count -= table[i] != NULL;
            table[i] = NULL;
        } else if ((r >> 4 & 3) == 1) {
            assert_ptr_equal(map_put(&m, key, value), table[i]);
            count += table[i] == NULL;
            table[i] = value;
        }
        assert_int_equal(m.count, count);
    }
    map_free(&m);
}

static void churn_of_keys_does_not_grow_the_table(void **state)
{
    (void)state;
    struct map m = {0};
    int value;
    for (int i = 0; i < 100000; i++) {
        char text[16];
        map_put(&m, key_of(i, text), &value);
        assert_ptr_equal(map_remove(&m, key_of(i, text)), &value);
    }
    assert_true(m.cap <= 16);
    map_free(&m);
}

static void iteration_sees_each_once_and_may_remove(void **state)
{
    (void)state;
    struct map m = {0};
    int seen[KEYS] = {0};
    for (int i = 0; i < KEYS; i++) {
        char text[16];
        map_put(&m, key_of(i, text), &seen[i]);
    }
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&m, &cursor, &key, &value)) {
        ++*(int *)value;
        assert_ptr_equal(map_remove(&m, key), value);
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(seen[i], 1);
    }
    assert_int_equal(m.count, 0);
    cursor = 0;
    assert_false(map_next(&m, &cursor, &key, &value));
    map_free(&m);
}

static void keys_are_bytes(void **state)
{
    (void)state;
    struct map m = {0};
    int a;
    int b;
    int c;
    map_put(&m, slice_make("x\0y", 3), &a);
    map_put(&m, slice_make("x\0z", 3), &b);
    map_put(&m, (struct slice){NULL, 0}, &c);
    assert_ptr_equal(map_get(&m, slice_make("x\0y", 3)), &a);
    assert_ptr_equal(map_get(&m, slice_make("x\0z", 3)), &b);
    assert_ptr_equal(map_get(&m, SLICE("")), &c);
    assert_null(map_get(&m, SLICE("x")));
    map_free(&m);
}

static void fixed_order_is_the_same_for_equal_maps(void **state)
{
    (void)state;
    map_fix_order(1);
    struct map m[2] = {{0}, {0}};
    int value;
    for (int i = 0; i < KEYS; i++) {
        char text[16];
        map_put(&m[0], key_of(i, text), &value);
        map_put(&m[1], key_of(i, text), &value);
    }
    size_t cursors[2] = {0, 0};
    struct slice keys[2];
    void *values[2];
    while (map_next(&m[0], &cursors[0], &keys[0], &values[0])) {
        assert_true(map_next(&m[1], &cursors[1], &keys[1], &values[1]));
        assert_true(slice_eq(keys[0], keys[1]));
    }
    /* The first key with this hash key, as every process must see it. */
    cursors[0] = 0;
    assert_true(map_next(&m[0], &cursors[0], &keys[0], &values[0]));
    assert_slice(keys[0], "key-186");
    map_free(&m[0]);
    map_free(&m[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_order_is_the_same_for_equal_maps), /* before any other hashes */
        cmocka_unit_test(puts_gets_and_removals_agree_with_a_table),
        cmocka_unit_test(churn_of_keys_does_not_grow_the_table),
        cmocka_unit_test(iteration_sees_each_once_and_may_remove),
        cmocka_unit_test(keys_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
