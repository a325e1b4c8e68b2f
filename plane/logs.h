/* logs.h: pods/log of a simulated cluster.
 *
 * Owner:  the caller embeds struct plane_logs until the servers have closed.
 * Thread: any front loop, as struct log_source. */
#ifndef PLANE_LOGS_H
#define PLANE_LOGS_H

#include <stdatomic.h>

#include "base/clock.h"
#include "proto/logs.h"

struct plane_logs {
    struct log_source source; /* api_config.logs */
    /* private */
    struct backend *backend;
    const struct clock *clock;
    const atomic_uint_least64_t *delay_ms; /* until workloads are ready */
};

/* All borrowed. clock NULL: the system's. */
void plane_logs_init(struct plane_logs *l, struct backend *backend, const struct clock *clock,
                     const atomic_uint_least64_t *delay_ms);

#endif
