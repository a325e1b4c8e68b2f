/* Loops: the mailbox under a flood, stopping, timers, jobs, and work put off to the iteration's
 * end. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "tests/lib/onloop.h"

enum { SENDERS = 4, MESSAGES = 20000 };

/* ---- the mailbox ---- */

struct flood_msg {
    struct loop_msg msg;
    struct flood *flood;
    int sender;
    int number;
};

struct flood {
    struct loop loop;
    int next[SENDERS]; /* the number expected of each, on the loop's thread */
    int received;
    bool in_order;
    bool on_loop;
};

struct sender {
    struct flood *flood;
    int number;
    pthread_t thread;
};

static void on_flood(struct loop_msg *msg)
{
    struct flood_msg *m = CONTAINER_OF(msg, struct flood_msg, msg);
    struct flood *f = m->flood;
    f->in_order = f->in_order && m->number == f->next[m->sender];
    f->on_loop = f->on_loop && loop_is_current(&f->loop) && loop_current() == &f->loop;
    f->next[m->sender] = m->number + 1;
    f->received++;
    free(m);
}

static void *send_flood(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct flood_msg *m = mem_alloc(sizeof *m);
        *m = (struct flood_msg){{.run = on_flood}, s->flood, s->number, i};
        loop_post(&s->flood->loop, &m->msg);
    }
    return NULL;
}

static void a_flood_from_many_threads_arrives_whole_and_in_order(void **state)
{
    (void)state;
    struct flood f = {.in_order = true, .on_loop = true};
    struct sender senders[SENDERS];
    struct err err;
    assert_ok(loop_init(&f.loop, "flood", &err), &err);
    assert_ok(loop_start(&f.loop, &err), &err);
    assert_null(loop_current());
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.flood = &f, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_flood, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
    }
    /* All were posted before the stop: all must have run when join returns. */
    loop_stop(&f.loop);
    loop_join(&f.loop);
    assert_int_equal(f.received, SENDERS * MESSAGES);
    assert_true(f.in_order);
    assert_true(f.on_loop);
}

struct chain {
    struct loop_msg msg;
    struct loop *loop;
    int left;
    bool inside;
    bool ran_inside;
};

static void on_chain(struct loop_msg *msg)
{
    struct chain *c = CONTAINER_OF(msg, struct chain, msg);
    c->ran_inside = c->ran_inside || c->inside;
    if (c->left-- > 0) {
        c->inside = true;
        loop_post(c->loop, &c->msg); /* the message may be posted again as it runs */
        c->inside = false;
    }
}

static void messages_that_post_messages_run_before_the_loop_ends(void **state)
{
    (void)state;
    struct loop loop;
    struct err err;
    struct chain c = {.msg.run = on_chain, .loop = &loop, .left = 1000};
    assert_ok(loop_init(&loop, "chain", &err), &err);
    loop_post(&loop, &c.msg); /* before it runs */
    loop_stop(&loop);
    loop_run(&loop); /* on this thread */
    assert_int_equal(c.left, -1);
    assert_false(c.ran_inside);
    loop_stop(&loop); /* once more does no harm */
    assert_null(loop_current());
    loop_join(&loop);
}

static void a_loop_that_never_ran_can_be_given_up(void **state)
{
    (void)state;
    struct loop loop;
    struct err err;
    assert_ok(loop_init(&loop, "unused", &err), &err);
    loop_join(&loop);
}

/* ---- timers ---- */

struct ticks {
    struct onloop o;
    struct loop_timer once;
    struct loop_timer repeated;
    struct loop_timer stopped;
    int fired_once;
    int fired_repeated;
    int fired_stopped;
    uint64_t start_ns;
    uint64_t once_after_ns;
};

static void on_once(struct loop_timer *t)
{
    struct ticks *k = CONTAINER_OF(t, struct ticks, once);
    k->fired_once++;
    k->once_after_ns = clock_mono_ns() - k->start_ns;
}

static void on_closed(struct loop_timer *t)
{
    struct ticks *k = CONTAINER_OF(t, struct ticks, repeated);
    onloop_done(&k->o);
}

static void on_repeated(struct loop_timer *t)
{
    struct ticks *k = CONTAINER_OF(t, struct ticks, repeated);
    if (++k->fired_repeated == 5) {
        loop_timer_close(&k->once, NULL);
        loop_timer_close(&k->stopped, NULL);
        loop_timer_close(&k->repeated, on_closed);
    }
}

static void on_stopped(struct loop_timer *t)
{
    CONTAINER_OF(t, struct ticks, stopped)->fired_stopped++;
}

static void start_timers(void *arg)
{
    struct ticks *k = arg;
    k->start_ns = clock_mono_ns();
    uv_update_time(&k->o.loop.uv);
    loop_timer_init(&k->o.loop, &k->once, on_once);
    loop_timer_init(&k->o.loop, &k->repeated, on_repeated);
    loop_timer_init(&k->o.loop, &k->stopped, on_stopped);
    loop_timer_start(&k->once, 60 * 1000, 0);
    loop_timer_start(&k->once, 20, 0); /* restarted: the first delay is forgotten */
    loop_timer_start(&k->repeated, 10, 10);
    loop_timer_start(&k->stopped, 1, 0);
    loop_timer_stop(&k->stopped);
}

static void timers_fire_restart_repeat_and_stop(void **state)
{
    (void)state;
    struct ticks *k = mem_zero(sizeof *k);
    onloop_start(&k->o);
    onloop_call(&k->o, start_timers, k);
    onloop_wait(&k->o, "the repeated timer to close");
    onloop_stop(&k->o);
    assert_int_equal(k->fired_once, 1);
    assert_true(k->once_after_ns >= 19 * 1000000U);
    assert_int_equal(k->fired_repeated, 5);
    assert_int_equal(k->fired_stopped, 0);
    free(k);
}

/* ---- jobs ---- */

struct work {
    struct loop_job job;
    struct onloop *o;
    bool worked;
    bool worked_off_loop;
    bool done_on_loop;
};

static void work_fn(struct loop_job *job)
{
    struct work *w = CONTAINER_OF(job, struct work, job);
    w->worked = true;
    w->worked_off_loop = loop_current() == NULL;
}

static void work_done(struct loop_job *job)
{
    struct work *w = CONTAINER_OF(job, struct work, job);
    w->done_on_loop = w->worked && loop_is_current(&w->o->loop);
    onloop_done(w->o);
}

static void submit_fn(void *arg)
{
    struct work *w = arg;
    loop_submit(&w->o->loop, &w->job, work_fn, work_done);
}

static void jobs_work_elsewhere_and_end_on_the_loop(void **state)
{
    (void)state;
    struct onloop o;
    struct work works[8] = {0};
    onloop_start(&o);
    for (size_t i = 0; i < 8; i++) {
        works[i].o = &o;
        onloop_call(&o, submit_fn, &works[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        onloop_wait(&o, "a job");
    }
    onloop_stop(&o);
    for (size_t i = 0; i < 8; i++) {
        assert_true(works[i].worked_off_loop && works[i].done_on_loop);
    }
}

/* ---- the iteration's end ---- */

struct late {
    struct onloop o;
    struct loop_task task;
    struct loop_task canceled;
    struct loop_msg msgs[3];
    int asked;
    int asked_when_run; /* how many messages had run by then */
    int ran;
    int ran_canceled;
    int again;
};

static void on_task(struct loop_task *task)
{
    struct late *l = CONTAINER_OF(task, struct late, task);
    l->ran++;
    l->asked_when_run = l->asked;
    if (l->again-- > 0) {
        loop_defer(&l->o.loop, task);
    } else {
        onloop_done(&l->o);
    }
}

static void on_canceled_task(struct loop_task *task)
{
    CONTAINER_OF(task, struct late, canceled)->ran_canceled++;
}

static void ask(struct late *l)
{
    l->asked++;
    loop_defer(&l->o.loop, &l->task);
    loop_defer(&l->o.loop, &l->task);
    loop_defer(&l->o.loop, &l->canceled);
    loop_task_cancel(&l->canceled);
}

static void on_ask_0(struct loop_msg *msg)
{
    ask(CONTAINER_OF(msg, struct late, msgs[0]));
}

static void on_ask_1(struct loop_msg *msg)
{
    ask(CONTAINER_OF(msg, struct late, msgs[1]));
}

static void on_ask_2(struct loop_msg *msg)
{
    ask(CONTAINER_OF(msg, struct late, msgs[2]));
}

/* Posted from the loop itself, the three arrive in one batch. */
static void post_three(void *arg)
{
    struct late *l = arg;
    l->msgs[0].run = on_ask_0;
    l->msgs[1].run = on_ask_1;
    l->msgs[2].run = on_ask_2;
    for (size_t i = 0; i < 3; i++) {
        loop_post(&l->o.loop, &l->msgs[i]);
    }
}

static void put_off_work_runs_once_after_the_events(void **state)
{
    (void)state;
    struct late *l = mem_zero(sizeof *l);
    onloop_start(&l->o);
    loop_task_init(&l->task, on_task);
    loop_task_init(&l->canceled, on_canceled_task);
    onloop_call(&l->o, post_three, l);
    onloop_wait(&l->o, "the task");
    assert_int_equal(l->ran, 1);
    assert_int_equal(l->asked_when_run, 3);
    /* A task that asks again as it runs does so without an event to wake the loop. */
    l->again = 10;
    onloop_call(&l->o, post_three, l);
    onloop_wait(&l->o, "the task that asks again");
    onloop_stop(&l->o);
    assert_int_equal(l->ran, 1 + 11);
    assert_int_equal(l->ran_canceled, 0);
    free(l);
}

static bool third_time(void *arg)
{
    return ++*(int *)arg == 3;
}

static void conditions_are_asked_until_they_hold(void **state)
{
    (void)state;
    struct onloop o;
    int asked = 0;
    onloop_start(&o);
    onloop_until(&o, third_time, &asked, "the third time");
    assert_int_equal(asked, 3);
    onloop_stop(&o);
}

/* ---- until ---- */

struct until {
    struct loop loop;
    struct loop_timer timer;
    bool done;
};

static void make_done(struct loop_timer *timer)
{
    CONTAINER_OF(timer, struct until, timer)->done = true;
}

/* The last timer fires before the loop sleeps, and nothing would wake it. */
static void running_until_ends_with_the_last_timer(void **state)
{
    static struct until u;
    struct err err;
    (void)state;
    alarm(20);
    assert_ok(loop_init(&u.loop, "test", &err), &err);
    loop_timer_init(&u.loop, &u.timer, make_done);
    loop_timer_start(&u.timer, 0, 0);
    loop_run_until(&u.loop, &u.done);
    assert_true(u.done);
    loop_timer_close(&u.timer, NULL);
    loop_stop(&u.loop);
    loop_run(&u.loop);
    loop_join(&u.loop);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_from_many_threads_arrives_whole_and_in_order),
        cmocka_unit_test(messages_that_post_messages_run_before_the_loop_ends),
        cmocka_unit_test(a_loop_that_never_ran_can_be_given_up),
        cmocka_unit_test(timers_fire_restart_repeat_and_stop),
        cmocka_unit_test(jobs_work_elsewhere_and_end_on_the_loop),
        cmocka_unit_test(conditions_are_asked_until_they_hold),
        cmocka_unit_test(put_off_work_runs_once_after_the_events),
        cmocka_unit_test(running_until_ends_with_the_last_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
