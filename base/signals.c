/* signals.c: one handler for the signals that ask a program to stop. */
#include "base/signals.h"

#include <assert.h>
#include <signal.h>

static void on_signal(uv_signal_t *handle, int signal)
{
    struct stop_signals *s = handle->data;
    bool again = s->seen;
    s->seen = true;
    s->asked(s, signal, again);
}

static void watch(struct stop_signals *s, struct loop *loop, uv_signal_t *handle, int signal)
{
    int rc = uv_signal_init(&loop->uv, handle);
    handle->data = s;
    rc |= uv_signal_start(handle, on_signal, signal);
    assert(rc == 0); /* both signals can be caught, and the loop has its pipe for them already */
}

void stop_signals_init(struct stop_signals *s, struct loop *loop,
                       void (*asked)(struct stop_signals *signals, int signal, bool again))
{
    s->asked = asked;
    s->seen = false;
    watch(s, loop, &s->on_int, SIGINT);
    watch(s, loop, &s->on_term, SIGTERM);
}

void stop_signals_close(struct stop_signals *s)
{
    uv_close((uv_handle_t *)&s->on_int, NULL);
    uv_close((uv_handle_t *)&s->on_term, NULL);
}
