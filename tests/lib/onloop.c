/* onloop.c: a loop, a mutex and a condition. */
#include "tests/lib/onloop.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "tests/lib/test.h"

struct call {
    struct loop_msg msg;
    struct onloop *o;
    void (*fn)(void *arg);
    void *arg;
    bool waited;   /* the caller waits: signal onloop_done() and leave the memory to it */
    bool returned; /* under mutex */
};

void onloop_start(struct onloop *o)
{
    struct err err;
    o->done = 0;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->changed, &attr);
    pthread_condattr_destroy(&attr);
    assert_ok(loop_init(&o->loop, "test", &err), &err);
    assert_ok(loop_start(&o->loop, &err), &err);
}

/* Waits under the mutex until *flag is not 0; false if that took too long. */
static bool wait_for(struct onloop *o, const volatile unsigned *count, const volatile bool *flag)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ONLOOP_LIMIT_MS / 1000;
    while (!(count != NULL && *count > 0) && !(flag != NULL && *flag)) {
        if (pthread_cond_timedwait(&o->changed, &o->mutex, &until) != 0) {
            return false;
        }
    }
    return true;
}

static void run_call(struct loop_msg *msg)
{
    struct call *c = CONTAINER_OF(msg, struct call, msg);
    struct onloop *o = c->o;
    c->fn(c->arg);
    if (!c->waited) {
        free(c);
        return;
    }
    pthread_mutex_lock(&o->mutex);
    c->returned = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->mutex);
}

void onloop_call(struct onloop *o, void (*fn)(void *arg), void *arg)
{
    struct call c = {.msg.run = run_call, .o = o, .fn = fn, .arg = arg, .waited = true};
    loop_post(&o->loop, &c.msg);
    pthread_mutex_lock(&o->mutex);
    bool in_time = wait_for(o, NULL, &c.returned);
    pthread_mutex_unlock(&o->mutex);
    if (!in_time) {
        print_error("the loop is stuck: a call did not return\n");
        abort(); /* c is on this stack and still the loop's */
    }
}

void onloop_post(struct onloop *o, void (*fn)(void *arg), void *arg)
{
    struct call *c = mem_alloc(sizeof *c);
    *c = (struct call){.msg.run = run_call, .o = o, .fn = fn, .arg = arg};
    loop_post(&o->loop, &c->msg);
}

void onloop_wait(struct onloop *o, const char *what)
{
    pthread_mutex_lock(&o->mutex);
    bool in_time = wait_for(o, &o->done, NULL);
    if (in_time) {
        o->done--;
    }
    pthread_mutex_unlock(&o->mutex);
    if (!in_time) {
        print_error("waited in vain for: %s\n", what);
        abort(); /* handles are open, nothing can be torn down */
    }
}

struct condition {
    bool (*holds)(void *arg);
    void *arg;
    bool held;
};

static void ask_condition(void *arg)
{
    struct condition *c = arg;
    c->held = c->holds(c->arg);
}

void onloop_until(struct onloop *o, bool (*holds)(void *arg), void *arg, const char *what)
{
    struct condition c = {.holds = holds, .arg = arg};
    for (int waited_ms = 0; !c.held; waited_ms += 5) {
        if (waited_ms > ONLOOP_LIMIT_MS) {
            print_error("waited in vain for: %s\n", what);
            abort();
        }
        onloop_call(o, ask_condition, &c);
        if (!c.held) {
            (void)usleep(5000);
        }
    }
}

void onloop_done(struct onloop *o)
{
    pthread_mutex_lock(&o->mutex);
    o->done++;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->mutex);
}

void onloop_stop(struct onloop *o)
{
    loop_stop(&o->loop);
    loop_join(&o->loop);
    pthread_mutex_destroy(&o->mutex);
    pthread_cond_destroy(&o->changed);
}
