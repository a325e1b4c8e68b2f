/* quota.h: what each of many callers may have of one process, so that none has all of it.
 *
 * A caller, known by name, begins so many requests a second, and has so many things of a kind, and
 * so many bytes held for it, at a time. What all have together is bounded, too, and there fairness
 * begins: while there is room, anybody may have up to its own limit; once there is none, only who
 * has less than its share, which is the whole divided by those that have any, gets more (up to
 * one and a half times the whole); and then only who has next to nothing (up to twice the whole).
 * So those who take all they may delay nobody that takes little. Names under which nothing is had
 * are remembered for their rate, so many at most.
 *
 * Owner:  the caller embeds struct quota; tickets are embedded by who holds them.
 * Thread: any, for every call but init and free. Time is any monotonic clock in milliseconds. */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include <uv.h>

#include "base/bucket.h"
#include "base/err.h"
#include "base/map.h"
#include "base/metrics.h"

enum quota_kind { QUOTA_REQUESTS, QUOTA_WATCHES, QUOTA_KINDS };

enum {
    QUOTA_WHOLE = 4,            /* what all callers have together, in one's limits */
    QUOTA_LITTLE = 64,          /* so many of it are a caller's limit: next to nothing */
    QUOTA_NAMES_MAX = 4096,     /* remembered only for their rate */
    QUOTA_NAME_BYTES_MAX = 256, /* of a longer name, its beginning */
};

/* Of one caller; 0: no limit. */
struct quota_limits {
    uint32_t per_second; /* begun; twice as many at once */
    uint32_t most[QUOTA_KINDS];
    uint64_t bytes;
};

struct quota {
    /* private */
    struct quota_limits limits;
    uv_mutex_t mutex;
    struct map callers;
    uint64_t had[QUOTA_KINDS];
    uint32_t having[QUOTA_KINDS]; /* callers that have some */
    uint64_t bytes;
    uint32_t holding;
    struct metric *gauges[QUOTA_KINDS];
    struct metric *gauge_bytes;
    struct metric *refused;
};

/* Something that a caller has, until quota_leave(). */
struct quota_ticket {
    /* private */
    struct quota *quota; /* NULL: nothing is had */
    struct quota_caller *caller;
    enum quota_kind kind;
    uint64_t bytes;
};

/* labels: of its metrics, where a process has several quotas; static, may be "". */
void quota_init(struct quota *q, const char *labels, const struct quota_limits *limits);
void quota_free(struct quota *q); /* every ticket was left */

/* On error nothing is had. Errors: ERR_BUSY, which says what there is too much of. */
int quota_enter(struct quota *q, struct slice name, enum quota_kind kind, uint64_t now_ms,
                struct quota_ticket *ticket, struct err *err);
/* So many bytes more are held for the caller, until the ticket is left. Errors: ERR_BUSY. */
int quota_hold(struct quota_ticket *ticket, size_t bytes, struct err *err);
void quota_leave(struct quota_ticket *ticket); /* takes a ticket that has nothing, too */

#endif
