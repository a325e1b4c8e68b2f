/* onloop.h: a loop in a test.
 *
 * onloop_start() starts a loop on a thread of its own. onloop_call() runs a function there and
 * waits until it returns; onloop_wait() waits until something on the loop calls onloop_done().
 * All fail the test after ONLOOP_LIMIT_MS, naming what was waited for. Use cmocka's assertions on
 * the test's thread only: on the loop, record what was seen and assert it afterwards.
 * Thread: the test's; onloop_done() from any. */
#ifndef TESTS_LIB_ONLOOP_H
#define TESTS_LIB_ONLOOP_H

#include "base/loop.h"

enum { ONLOOP_LIMIT_MS = 60000 };

struct onloop {
    struct loop loop;
    /* private */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned done; /* under mutex: calls of onloop_done() not yet waited for */
};

void onloop_start(struct onloop *o);
void onloop_call(struct onloop *o, void (*fn)(void *arg), void *arg);
/* Runs fn on the loop without waiting. */
void onloop_post(struct onloop *o, void (*fn)(void *arg), void *arg);
/* Consumes one onloop_done(), waiting for it. */
void onloop_wait(struct onloop *o, const char *what);
void onloop_done(struct onloop *o);
/* Waits until holds(arg), asked on the loop's thread every few milliseconds, says true: for states
 * that no single event announces. */
void onloop_until(struct onloop *o, bool (*holds)(void *arg), void *arg, const char *what);
/* Stops and joins the loop; every handle must have been closed. */
void onloop_stop(struct onloop *o);

#endif
