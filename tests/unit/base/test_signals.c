/* The signals that ask a program to stop: the first, the second, and after closing. */
#include "tests/lib/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/signals.h"

enum { ASKED_MAX = 4 };

struct fixture {
    struct loop loop;
    struct stop_signals signals;
    int asked[ASKED_MAX];
    bool again[ASKED_MAX];
    size_t count;
    size_t wanted;
    bool done;
};

static void on_asked(struct stop_signals *signals, int signal, bool again)
{
    struct fixture *f = CONTAINER_OF(signals, struct fixture, signals);
    f->asked[f->count] = signal;
    f->again[f->count++] = again;
    f->done = f->count == f->wanted;
}

static void wait_for(struct fixture *f, size_t count)
{
    f->wanted = count;
    f->done = f->count == count;
    loop_run_until(&f->loop, &f->done);
}

static void start(struct fixture *f)
{
    struct err err = {0};
    assert_ok(loop_init(&f->loop, "signals", &err), &err);
    stop_signals_init(&f->signals, &f->loop, on_asked);
}

static void finish(struct fixture *f)
{
    stop_signals_close(&f->signals);
    loop_stop(&f->loop);
    loop_run(&f->loop);
    loop_join(&f->loop);
}

static void both_signals_ask_and_the_second_says_so(void **state)
{
    (void)state;
    struct fixture f = {0};
    start(&f);
    (void)raise(SIGTERM);
    wait_for(&f, 1);
    (void)raise(SIGINT);
    wait_for(&f, 2);
    finish(&f);
    assert_int_equal(f.asked[0], SIGTERM);
    assert_false(f.again[0]);
    assert_int_equal(f.asked[1], SIGINT);
    assert_true(f.again[1]);
}

static void raise_after_closing(void)
{
    struct fixture f = {0};
    struct err err = {0};
    (void)loop_init(&f.loop, "signals", &err);
    stop_signals_init(&f.signals, &f.loop, on_asked);
    finish(&f);
    (void)raise(SIGTERM);
}

static void once_closed_a_signal_ends_the_process_again(void **state)
{
    (void)state;
    int status = test_child(raise_after_closing);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_signals_ask_and_the_second_says_so),
        cmocka_unit_test(once_closed_a_signal_ends_the_process_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
