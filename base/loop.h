/* loop.h: one thread, one libuv loop, one mailbox.
 *
 * A loop owns its data; the only way across is loop_post(), which moves a message to the loop's
 * thread and runs it there. Messages from one sender run in the order posted.
 * Owner:  whoever embeds struct loop. Timers and messages are embedded by their users.
 * Thread: loop_post() and loop_stop() from any thread; all else on the loop's own (loop_init,
 *         loop_start and loop_join: on the owner's). Entry points assert it.
 *
 * Closing, in order: the owner closes its handles and timers, loop_stop(), loop_join(). The thread
 * returns when the mailbox is empty, stop was asked, and no handle is left. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"

/* Embedded in what is sent; whoever runs it may reuse or free it. */
struct loop_msg {
    struct loop_msg *next;             /* private */
    void (*run)(struct loop_msg *msg); /* on the receiving loop's thread */
};

/* Embedded in what wants a word before the loop sleeps. */
struct loop_task {
    struct list link; /* private */
    void (*run)(struct loop_task *task);
};

struct loop {
    uv_loop_t uv; /* for libuv handles of the owner, on the loop's thread */
    const char *name;
    /* private */
    uv_async_t wake;
    pthread_t thread;
    bool started;  /* loop_start() made a thread */
    bool stopping; /* under mutex */
    pthread_mutex_t mutex;
    struct loop_msg *head; /* under mutex: the mailbox */
    struct loop_msg *tail;
    struct list deferred; /* of struct loop_task */
    uv_prepare_t before_sleep;
    uv_check_t after_sleep;
    const bool *until;  /* of loop_run_until(), while it runs */
    uv_idle_t no_sleep; /* active while tasks wait that must not wait for an event */
};

/* name is at most 15 bytes, static, and becomes the thread's. Errors: ERR_IO. */
int loop_init(struct loop *l, const char *name, struct err *err);
/* Runs the loop on a thread of its own, with all signals blocked. Errors: ERR_IO. */
int loop_start(struct loop *l, struct err *err);
/* Runs the loop on this thread until loop_stop(); for a program's main thread. */
void loop_run(struct loop *l);
/* Runs the loop on this thread until *done, which its callbacks set; may be called again. For
 * programs that do one thing after the other. */
void loop_run_until(struct loop *l, const bool *done);
/* Takes msg; msg->run(msg) runs on the loop's thread, never inside this call. */
void loop_post(struct loop *l, struct loop_msg *msg);
/* Runs the task once, on this thread, at the end of the iteration: after the callbacks of all
 * events that had come, before the loop sleeps. For work that many callbacks ask for and that is
 * done better together. Asking again while it waits changes nothing; it may ask again as it runs.
 */
void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task));
void loop_defer(struct loop *l, struct loop_task *task);
void loop_task_cancel(struct loop_task *task);
void loop_stop(struct loop *l);
/* Waits for the thread (if there is one) and frees what loop_init() took. */
void loop_join(struct loop *l);
/* The loop whose thread this is, or NULL. */
struct loop *loop_current(void);
bool loop_is_current(const struct loop *l);
/* Monotonic milliseconds, cached at the start of the iteration. */
uint64_t loop_now_ms(struct loop *l);

/* A timer. Zero it, start it as often as you like, close it once before its memory goes. */
struct loop_timer {
    uv_timer_t uv; /* private */
    struct loop *loop;
    void (*fire)(struct loop_timer *timer);
    void (*closed)(struct loop_timer *timer);
};

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fire)(struct loop_timer *timer));
/* Fires once after delay_ms (0: next iteration), then every repeat_ms unless that is 0. Restarts a
 * running timer. */
void loop_timer_start(struct loop_timer *t, uint64_t delay_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
/* closed (may be NULL) runs when the memory is the caller's again. */
void loop_timer_close(struct loop_timer *t, void (*closed)(struct loop_timer *timer));

/* Blocking work on the worker pool: work() runs there on input that it owns, done() back on the
 * loop, exactly once. */
struct loop_job {
    uv_work_t uv; /* private */
    void (*work)(struct loop_job *job);
    void (*done)(struct loop_job *job);
};

void loop_submit(struct loop *l, struct loop_job *job, void (*work)(struct loop_job *job),
                 void (*done)(struct loop_job *job));

#endif
