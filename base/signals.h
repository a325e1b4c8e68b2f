/* signals.h: SIGINT and SIGTERM, which ask a program to stop, as events of a loop.
 *
 * Owner:  the caller embeds struct stop_signals; its memory is the caller's again when its loop has
 *         ended.
 * Thread: the loop's. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include "base/loop.h"

struct stop_signals {
    void *user;
    /* private */
    /* again: asked before; whoever asks twice wants no more waiting. */
    void (*asked)(struct stop_signals *signals, int signal, bool again);
    uv_signal_t on_int;
    uv_signal_t on_term;
    bool seen;
};

void stop_signals_init(struct stop_signals *signals, struct loop *loop,
                       void (*asked)(struct stop_signals *signals, int signal, bool again));
/* The signals end the process again. */
void stop_signals_close(struct stop_signals *signals);

#endif
