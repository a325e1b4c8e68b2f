/* Fault points, and (test_sm has no more to it) state machines that stop at an illegal move. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sm.h"

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

/* Runs fn in a child whose stderr is closed; returns how it ended. */
static int status_of_child(void (*fn)(void))
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void arm_rubbish(void)
{
    (void)setenv("CHOREOD_FAULTS", "x=none", 1);
    fault_from_environment();
}

static void a_malformed_environment_ends_the_program(void **state)
{
    (void)state;
    int status = status_of_child(arm_rubbish);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

enum { IDLE, BUSY, DONE };
static const struct sm_state machine[] = {
    [IDLE] = {"idle", SM_TO(BUSY)},
    [BUSY] = {"busy", SM_TO(IDLE) | SM_TO(DONE)},
    [DONE] = {"done", 0},
};

static void legal_moves_are_made(void **state)
{
    (void)state;
    struct sm sm;
    sm_init(&sm, machine, IDLE);
    assert_false(sm_can(&sm, DONE));
    sm_move(&sm, BUSY);
    assert_string_equal(sm_name(&sm), "busy");
    sm_move(&sm, DONE);
    assert_false(sm_can(&sm, IDLE));
}

static void move_illegally(void)
{
    struct sm sm;
    sm_init(&sm, machine, IDLE);
    sm_move(&sm, DONE);
}

static void an_illegal_move_aborts(void **state)
{
    (void)state;
    int status = status_of_child(move_illegally);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_unarmed_point_never_fails, teardown),
        cmocka_unit_test_teardown(a_point_fails_once_at_its_nth_passing, teardown),
        cmocka_unit_test_teardown(a_sticky_point_keeps_failing_until_disarmed, teardown),
        cmocka_unit_test_teardown(the_environment_arms_points, teardown),
        cmocka_unit_test_teardown(a_malformed_environment_ends_the_program, teardown),
        cmocka_unit_test(legal_moves_are_made),
        cmocka_unit_test(an_illegal_move_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
