/* State machines: legal moves are made, an illegal one stops the program. */
#include "tests/lib/test.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/sm.h"

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
    int status = test_child(move_illegally);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_moves_are_made),
        cmocka_unit_test(an_illegal_move_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
