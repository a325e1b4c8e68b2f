/* Fault points: armed by tests and by the environment. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "base/fault.h"

static int teardown(void **state)
{
    (void)state;
    fault_disarm_all();
    return 0;
}

static void an_unarmed_point_never_fails(void **state)
{
    (void)state;
    assert_false(fault_hit("a"));
    fault_arm("b", 1, false);
    assert_false(fault_hit("a"));
}

static void a_point_fails_once_at_its_nth_passing(void **state)
{
    (void)state;
    fault_arm("a", 3, false);
    assert_false(fault_hit("a"));
    assert_false(fault_hit("a"));
    assert_true(fault_hit("a"));
    assert_false(fault_hit("a"));
}

static void a_sticky_point_keeps_failing_until_disarmed(void **state)
{
    (void)state;
    fault_arm("a", 2, true);
    assert_false(fault_hit("a"));
    assert_true(fault_hit("a"));
    assert_true(fault_hit("a"));
    fault_disarm_all();
    assert_false(fault_hit("a"));
}

static void the_environment_arms_points(void **state)
{
    (void)state;
    assert_int_equal(setenv("CHOREOD_FAULTS", "x.sync=2, y=1+,z", 1), 0);
    fault_from_environment();
    assert_false(fault_hit("x.sync"));
    assert_true(fault_hit("x.sync"));
    assert_false(fault_hit("x.sync"));
    assert_true(fault_hit("y"));
    assert_true(fault_hit("y"));
    assert_true(fault_hit("z"));
    assert_false(fault_hit("z"));
    unsetenv("CHOREOD_FAULTS");
    fault_from_environment();
}

static void arm_rubbish(void)
{
    (void)setenv("CHOREOD_FAULTS", "x=none", 1);
    fault_from_environment();
}

static void a_malformed_environment_ends_the_program(void **state)
{
    (void)state;
    int status = test_child(arm_rubbish);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_unarmed_point_never_fails, teardown),
        cmocka_unit_test_teardown(a_point_fails_once_at_its_nth_passing, teardown),
        cmocka_unit_test_teardown(a_sticky_point_keeps_failing_until_disarmed, teardown),
        cmocka_unit_test_teardown(the_environment_arms_points, teardown),
        cmocka_unit_test_teardown(a_malformed_environment_ends_the_program, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
