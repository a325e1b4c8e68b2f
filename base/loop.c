/* loop.c: a libuv loop with a mailbox.
 *
 * Happy path: loop_post() appends under the mutex and, if the mailbox was empty, wakes the loop;
 * the wake handler takes the whole chain at once and runs it outside the lock, so a message may
 * post again and a flood of senders costs one wake-up.
 * Failure path: libuv only fails on set-up, for want of file descriptors; that is reported. Later
 * failures cannot happen by libuv's contract and are asserted.
 * Invariants: messages run in the order posted; after loop_stop() the thread leaves only once the
 * mailbox has been seen empty, so nothing posted before the stop is dropped. */
#include "base/loop.h"

#include <assert.h>
#include <signal.h>

static _Thread_local struct loop *current;

static void run_mailbox(uv_async_t *handle)
{
    struct loop *l = handle->data;
    pthread_mutex_lock(&l->mutex);
    struct loop_msg *msg = l->head;
    l->head = NULL;
    l->tail = NULL;
    pthread_mutex_unlock(&l->mutex);

    while (msg != NULL) {
        struct loop_msg *next = msg->next; /* run() may free msg */
        msg->run(msg);
        msg = next;
    }

    pthread_mutex_lock(&l->mutex);
    bool leave = l->stopping && l->head == NULL;
    pthread_mutex_unlock(&l->mutex);
    if (leave && !uv_is_closing((uv_handle_t *)&l->wake)) {
        uv_close((uv_handle_t *)&l->wake, NULL);
    }
}

/* Tasks that ask again as they run are left for the next round, so that events get their turn. */
static void run_deferred(struct loop *l)
{
    struct list now;
    list_init(&now);
    list_splice_back(&now, &l->deferred);
    for (struct list *link = list_pop_front(&now); link != NULL; link = list_pop_front(&now)) {
        struct loop_task *task = CONTAINER_OF(link, struct loop_task, link);
        task->run(task);
    }
    if (list_empty(&l->deferred)) {
        (void)uv_idle_stop(&l->no_sleep);
    }
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* being active is its work: the loop polls without sleeping */
}

static void on_before_sleep(uv_prepare_t *handle)
{
    struct loop *l = handle->data;
    run_deferred(l);
    if (l->until != NULL && *l->until) {
        uv_stop(&l->uv); /* a timer has made it true: there may be nothing left to wake us */
    }
}

static void on_after_sleep(uv_check_t *handle)
{
    run_deferred(handle->data);
}

static void init_deferring(struct loop *l)
{
    list_init(&l->deferred);
    int rc = uv_prepare_init(&l->uv, &l->before_sleep);
    rc |= uv_check_init(&l->uv, &l->after_sleep);
    rc |= uv_idle_init(&l->uv, &l->no_sleep);
    l->before_sleep.data = l;
    l->after_sleep.data = l;
    rc |= uv_prepare_start(&l->before_sleep, on_before_sleep);
    rc |= uv_check_start(&l->after_sleep, on_after_sleep);
    assert(rc == 0); /* these take no resources */
    /* They alone do not keep the loop running. */
    uv_unref((uv_handle_t *)&l->before_sleep);
    uv_unref((uv_handle_t *)&l->after_sleep);
}

static void close_deferring(struct loop *l)
{
    uv_close((uv_handle_t *)&l->before_sleep, NULL);
    uv_close((uv_handle_t *)&l->after_sleep, NULL);
    uv_close((uv_handle_t *)&l->no_sleep, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task))
{
    list_init(&task->link);
    task->run = run;
}

void loop_defer(struct loop *l, struct loop_task *task)
{
    assert(loop_is_current(l));
    if (list_linked(&task->link)) {
        return;
    }
    if (list_empty(&l->deferred)) {
        int rc = uv_idle_start(&l->no_sleep, on_idle);
        assert(rc == 0);
    }
    list_push_back(&l->deferred, &task->link);
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->link);
}

int loop_init(struct loop *l, const char *name, struct err *err)
{
    *l = (struct loop){.name = name};
    int rc = uv_loop_init(&l->uv);
    if (rc != 0) {
        return err_set(err, ERR_IO, "loop %s: %s", name, uv_strerror(rc));
    }
    rc = uv_async_init(&l->uv, &l->wake, run_mailbox);
    if (rc != 0) {
        (void)uv_loop_close(&l->uv);
        return err_set(err, ERR_IO, "loop %s: %s", name, uv_strerror(rc));
    }
    l->wake.data = l;
    pthread_mutex_init(&l->mutex, NULL);
    init_deferring(l);
    return 0;
}

void loop_run(struct loop *l)
{
    assert(current == NULL);
    current = l;
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    close_deferring(l);
    current = NULL;
}

void loop_run_until(struct loop *l, const bool *done)
{
    assert(current == NULL);
    current = l;
    l->until = done;
    while (!*done) {
        (void)uv_run(&l->uv, UV_RUN_ONCE);
    }
    l->until = NULL;
    current = NULL;
}

static void *thread_main(void *arg)
{
    struct loop *l = arg;
    (void)pthread_setname_np(pthread_self(), l->name);
    loop_run(l);
    return NULL;
}

int loop_start(struct loop *l, struct err *err)
{
    assert(!l->started);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&l->thread, NULL, thread_main, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return err_errno(err, ERR_IO, rc, "loop %s: start its thread", l->name);
    }
    l->started = true;
    return 0;
}

void loop_post(struct loop *l, struct loop_msg *msg)
{
    assert(msg->run != NULL);
    msg->next = NULL;
    pthread_mutex_lock(&l->mutex);
    bool was_empty = l->head == NULL;
    if (was_empty) {
        l->head = msg;
    } else {
        l->tail->next = msg;
    }
    l->tail = msg;
    /* Woken under the lock: a loop that sees this message may end and be freed at once. */
    if (was_empty) {
        (void)uv_async_send(&l->wake);
    }
    pthread_mutex_unlock(&l->mutex);
}

void loop_stop(struct loop *l)
{
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    (void)uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->mutex);
}

void loop_join(struct loop *l)
{
    if (l->started) {
        (void)pthread_join(l->thread, NULL);
        l->started = false;
    } else if (!uv_is_closing((uv_handle_t *)&l->wake)) {
        /* Never run: let libuv finish with the wake handle here. */
        uv_close((uv_handle_t *)&l->wake, NULL);
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
        close_deferring(l);
    }
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0 && "a handle was left open");
    pthread_mutex_destroy(&l->mutex);
}

struct loop *loop_current(void)
{
    return current;
}

bool loop_is_current(const struct loop *l)
{
    return current == l;
}

uint64_t loop_now_ms(struct loop *l)
{
    return uv_now(&l->uv);
}

static void on_timer(uv_timer_t *handle)
{
    struct loop_timer *t = handle->data;
    t->fire(t);
}

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fire)(struct loop_timer *timer))
{
    t->loop = l;
    t->fire = fire;
    t->closed = NULL;
    int rc = uv_timer_init(&l->uv, &t->uv);
    assert(rc == 0);
    t->uv.data = t;
}

void loop_timer_start(struct loop_timer *t, uint64_t delay_ms, uint64_t repeat_ms)
{
    assert(loop_is_current(t->loop) || !t->loop->started);
    int rc = uv_timer_start(&t->uv, on_timer, delay_ms, repeat_ms);
    assert(rc == 0);
}

void loop_timer_stop(struct loop_timer *t)
{
    (void)uv_timer_stop(&t->uv);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct loop_timer *t = handle->data;
    if (t->closed != NULL) {
        t->closed(t);
    }
}

void loop_timer_close(struct loop_timer *t, void (*closed)(struct loop_timer *timer))
{
    t->closed = closed;
    uv_close((uv_handle_t *)&t->uv, on_timer_closed);
}

static void on_work(uv_work_t *req)
{
    struct loop_job *job = CONTAINER_OF(req, struct loop_job, uv);
    job->work(job);
}

static void on_work_done(uv_work_t *req, int status)
{
    struct loop_job *job = CONTAINER_OF(req, struct loop_job, uv);
    assert(status == 0); /* nothing cancels */
    job->done(job);
}

void loop_submit(struct loop *l, struct loop_job *job, void (*work)(struct loop_job *job),
                 void (*done)(struct loop_job *job))
{
    assert(loop_is_current(l));
    job->work = work;
    job->done = done;
    int rc = uv_queue_work(&l->uv, &job->uv, on_work, on_work_done);
    assert(rc == 0);
}
