/* quota.c: callers by name, each with its counts and its purse.
 *
 * Happy path: entering finds or makes the caller, takes from its purse, counts; leaving counts
 * back.
 * Failure path: nothing is changed. Names that are remembered for their purse alone are bounded:
 * when there are too many, those go, and begin anew when they return.
 *
 * Invariants: had[], having[], bytes and holding are the sums over callers. */
#include "base/quota.h"

#include <assert.h>
#include <stdlib.h>

struct quota_caller {
    struct slice name;
    struct bucket rate;
    uint64_t had[QUOTA_KINDS];
    uint64_t bytes;
};

static const char *const kind_names[] = {"requests", "watches"};

void quota_init(struct quota *q, const char *labels, const struct quota_limits *limits)
{
    *q = (struct quota){.limits = *limits};
    int rc = uv_mutex_init(&q->mutex);
    assert(rc == 0);
    q->gauges[QUOTA_REQUESTS] = metric_gauge("choreod_api_requests", labels, "Requests under way.");
    q->gauges[QUOTA_WATCHES] =
        metric_gauge("choreod_api_watches", labels, "Watches and other endless streams.");
    q->gauge_bytes = metric_gauge("choreod_api_request_bytes", labels,
                                  "Held for requests under way: bodies, and what is made of them.");
    q->refused = metric_counter("choreod_api_busy_total", labels,
                                "Requests refused because their caller has its share.");
}

static void forget(struct quota *q, struct quota_caller *c)
{
    (void)map_remove(&q->callers, c->name);
    free((void *)(uintptr_t)c->name.data);
    free(c);
}

static bool has_any(const struct quota_caller *c)
{
    return c->had[QUOTA_REQUESTS] + c->had[QUOTA_WATCHES] > 0;
}

/* Drops all who have nothing. */
static void sweep(struct quota *q)
{
    size_t cursor = 0;
    struct slice name;
    void *value;
    while (map_next(&q->callers, &cursor, &name, &value)) {
        if (!has_any(value)) {
            forget(q, value);
        }
    }
}

void quota_free(struct quota *q)
{
    sweep(q);
    assert(q->callers.count == 0);
    map_free(&q->callers);
    uv_mutex_destroy(&q->mutex);
}

static struct quota_caller *caller_of(struct quota *q, struct slice name)
{
    struct slice key = slice_sub(name, 0, QUOTA_NAME_BYTES_MAX);
    struct quota_caller *c = map_get(&q->callers, key);
    if (c == NULL) {
        if (q->callers.count >= QUOTA_NAMES_MAX) {
            sweep(q);
        }
        c = mem_zero(sizeof *c);
        c->name = slice_make(slice_dup(key), key.len);
        (void)map_put(&q->callers, c->name, c);
    }
    return c;
}

/* May one who has so much have more of what all share? Up to the whole, anybody; up to half as much
 * again, who has less than its share; and the rest is for those who have next to nothing, whoever
 * the others are and however many. */
static bool may_have(uint64_t own, uint64_t more, uint64_t most, uint64_t all, uint64_t sharers)
{
    uint64_t whole = most * QUOTA_WHOLE;
    if (most == 0) {
        return true;
    }
    if (own + more > most || all + more > 2 * whole) {
        return false;
    }
    uint64_t share = sharers > 0 ? whole / sharers : whole;
    uint64_t little = most / QUOTA_LITTLE;
    return all + more <= whole || (own + more <= share && all + more <= whole + whole / 2) ||
           own + more <= (little > 0 ? little : 1);
}

static const char *find_excess(struct quota *q, struct quota_caller *c, enum quota_kind kind,
                               uint64_t now_ms)
{
    uint32_t rate = q->limits.per_second;
    uint64_t sharers = q->having[kind] + (c->had[kind] == 0 ? 1 : 0);
    if (!may_have(c->had[kind], 1, q->limits.most[kind], q->had[kind], sharers)) {
        return kind_names[kind];
    }
    if (rate != 0 && !bucket_take(&c->rate, now_ms, 2 * rate, rate, 1)) {
        return "requests a second";
    }
    return NULL;
}

static void count(struct quota *q, struct quota_ticket *t, int direction)
{
    struct quota_caller *c = t->caller;
    bool before = c->had[t->kind] > 0;
    c->had[t->kind] += (uint64_t)(int64_t)direction;
    q->had[t->kind] += (uint64_t)(int64_t)direction;
    bool after = c->had[t->kind] > 0;
    q->having[t->kind] += (uint32_t)((int)after - (int)before);
    metric_add(q->gauges[t->kind], direction);
}

static int refuse(struct quota *q, const char *what, struct err *err)
{
    metric_add(q->refused, 1);
    return err_set(err, ERR_BUSY, "too many %s of this caller: try again later", what);
}

int quota_enter(struct quota *q, struct slice name, enum quota_kind kind, uint64_t now_ms,
                struct quota_ticket *ticket, struct err *err)
{
    *ticket = (struct quota_ticket){.kind = kind};
    uv_mutex_lock(&q->mutex);
    struct quota_caller *c = caller_of(q, name);
    const char *excess = find_excess(q, c, kind, now_ms);
    if (excess == NULL) {
        ticket->quota = q;
        ticket->caller = c;
        count(q, ticket, 1);
    }
    uv_mutex_unlock(&q->mutex);
    return excess == NULL ? 0 : refuse(q, excess, err);
}

int quota_hold(struct quota_ticket *t, size_t bytes, struct err *err)
{
    struct quota *q = t->quota;
    if (q == NULL) {
        return 0;
    }
    uv_mutex_lock(&q->mutex);
    struct quota_caller *c = t->caller;
    uint64_t sharers = q->holding + (c->bytes == 0 ? 1 : 0);
    bool fits = may_have(c->bytes, bytes, q->limits.bytes, q->bytes, sharers);
    if (fits) {
        q->holding += c->bytes == 0 && bytes > 0 ? 1 : 0;
        t->bytes += bytes;
        c->bytes += bytes;
        q->bytes += bytes;
        metric_set(q->gauge_bytes, (int64_t)q->bytes);
    }
    uv_mutex_unlock(&q->mutex);
    return fits ? 0 : refuse(q, "bytes in requests", err);
}

void quota_leave(struct quota_ticket *t)
{
    struct quota *q = t->quota;
    if (q == NULL) {
        return;
    }
    uv_mutex_lock(&q->mutex);
    struct quota_caller *c = t->caller;
    count(q, t, -1);
    c->bytes -= t->bytes;
    q->bytes -= t->bytes;
    q->holding -= t->bytes > 0 && c->bytes == 0 ? 1 : 0;
    metric_set(q->gauge_bytes, (int64_t)q->bytes);
    if (!has_any(c) && q->limits.per_second == 0) {
        forget(q, c);
    }
    *t = (struct quota_ticket){0};
    uv_mutex_unlock(&q->mutex);
}
