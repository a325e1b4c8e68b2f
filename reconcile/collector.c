/* collector.c: the collector's hooks, and what is to be looked at.
 *
 *   on_lead:   go through the shard's index once; follow the changes of the shards that matter
 *   on_change: read what changed (collector_feed.c); what it concerns becomes items
 *   turn:      read on, then give items to jobs (collector_job.c), so many at a time
 *   on_unlead: forget the shard's items; jobs under way end, their writes find other versions
 *
 * Failure path: who could not be dealt with is looked at again (collector_items.c).
 * Who waits for others is not kept: the index knows them, and is asked every COLLECTOR_PASS_MS
 * while there are any, besides what changes tell.
 * Invariants: an object is one item at most, with one job at most; while there are too many items,
 * nothing more is read, so memory is bounded and the database is the queue. */
#include "reconcile/collector_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

uint32_t collector__shard_of(const struct collector_impl *c, struct slice ns)
{
    const struct collector_config *config = &c->config;
    return config->shard_of != NULL ? config->shard_of(config->user, ns) : 0;
}

/* ---- objects that were seen to go ---- */

static bool holds_gone(const struct collector_impl *c, struct slice uid, struct slice ns)
{
    struct buf key = {0};
    buf_addf(&key, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(uid));
    bool there = map_get(&c->gone, buf_slice(&key)) != NULL;
    buf_free(&key);
    return there;
}

bool collector__is_gone(const struct collector_impl *c, struct slice uid, struct slice ns)
{
    return holds_gone(c, uid, ns) || (ns.len > 0 && holds_gone(c, uid, SLICE("")));
}

void collector__seen_gone(struct collector_impl *c, struct slice uid, struct slice ns)
{
    if (uid.len == 0 || holds_gone(c, uid, ns)) {
        return;
    }
    struct buf key = {0};
    buf_addf(&key, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(uid));
    char **place = &c->gone_order[c->gone_next++ % COLLECTOR_GONE_MAX];
    if (*place != NULL) {
        (void)map_remove(&c->gone, slice_of(*place));
        free(*place);
    }
    *place = buf_take(&key);
    (void)map_put(&c->gone, slice_of(*place), c);
}

/* ---- readers ---- */

static void close_reader(struct collector_shard *s)
{
    if (s->reader != NULL) {
        reader_close(s->reader);
        free(s->reader);
        s->reader = NULL;
    }
    s->reset = false;
}

struct reader *collector__reader(struct collector_impl *c, uint32_t shard)
{
    struct collector_shard *s = &c->shards[shard];
    struct err err;
    int rc = 0;
    if (s->reader != NULL && s->reader->pinned) {
        return s->reader;
    }
    if (s->reset) {
        close_reader(s);
    }
    if (s->reader == NULL) {
        s->reader = mem_zero(sizeof(*s->reader));
        rc = reader_open(s->reader, c->config.database(c->config.user, shard), shard, &err);
        if (rc != 0) {
            free(s->reader);
            s->reader = NULL;
        }
    }
    rc = rc == 0 ? reader_begin(s->reader, &err) : rc;
    if (rc != 0) {
        log_warn("collector.read", "shard=%u error=%s", shard, log_q(err.message));
        return NULL;
    }
    return s->reader;
}

void collector__unpin(struct collector_impl *c)
{
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        struct reader *r = c->shards[i].reader;
        if (r != NULL && r->pinned) {
            reader_end(r);
        }
    }
}

/* ---- turns ---- */

void collector__wake(struct collector_impl *c)
{
    if (!c->stopping) {
        loop_defer(c->config.loop, &c->turn);
    }
}

void collector__note_waiting(struct collector_impl *c, uint32_t shard)
{
    c->shards[shard].waiting = true;
}

void collector__note_undecided(struct collector_impl *c, uint32_t shard,
                               const struct kind_set *kinds)
{
    c->shards[shard].undecided = true;
    if (c->kinds == NULL) {
        c->kinds = kind_set_ref(kinds);
    } else if (c->kinds != kinds) {
        c->kinds_differ = true;
    }
}

static void start_jobs(struct collector_impl *c)
{
    struct list *link;
    size_t left = COLLECTOR_ROWS_PER_TURN; /* a job that ends at once frees its place */
    while (left > 0 && c->job_count < COLLECTOR_JOBS_MAX &&
           (link = list_pop_front(&c->ready)) != NULL) {
        struct collector_item *item = CONTAINER_OF(link, struct collector_item, link);
        item->busy = true;
        left--;
        collector__job_start(c, item);
    }
}

/* Is there anything that time alone brings? */
static bool wants_time(const struct collector_impl *c)
{
    bool wants = c->behind || !list_empty(&c->later);
    for (uint32_t i = 0; i < c->config.shard_count && !wants; i++) {
        const struct collector_shard *s = &c->shards[i];
        wants = s->led && (s->waiting || s->undecided || s->scanning || s->missed);
    }
    return wants;
}

static void take_turn(struct collector_impl *c)
{
    bool more = collector__feed(c);
    collector__unpin(c);
    start_jobs(c);
    more |= !list_empty(&c->ready) && c->job_count < COLLECTOR_JOBS_MAX;
    if (more) {
        loop_timer_start(&c->tick, 0, COLLECTOR_TICK_MS);
    } else if (!wants_time(c)) {
        loop_timer_stop(&c->tick);
    } else if (!uv_is_active((uv_handle_t *)&c->tick.uv)) {
        loop_timer_start(&c->tick, COLLECTOR_TICK_MS, COLLECTOR_TICK_MS);
    }
}

static void on_turn(struct loop_task *task)
{
    take_turn(CONTAINER_OF(task, struct collector_impl, turn));
}

/* Looks again at those who wait, and at those whose owner's kind was not served, if that changed.
 */
static void pass(struct collector_impl *c)
{
    const struct kind_set *now = c->kinds != NULL ? kind_board_get(c->config.kinds) : NULL;
    bool news = c->kinds_differ || now != c->kinds;
    uint64_t now_ms = loop_now_ms(c->config.loop);
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        struct collector_shard *s = &c->shards[i];
        if (s->led && s->undecided && news) {
            s->undecided = false;
            collector__scan(c, i, true);
        } else if (s->led && s->missed && now_ms >= s->missed_at_ms && collector__room(c)) {
            s->missed = false;
            collector__scan(c, i, true);
        } else if (s->led && s->waiting && !s->scanning) {
            s->waiting = false;
            collector__scan(c, i, false);
        }
    }
    if (now != NULL) {
        kind_set_unref(c->kinds);
        c->kinds = now;
        c->kinds_differ = false;
    }
}

static void on_tick(struct loop_timer *timer)
{
    struct collector_impl *c = CONTAINER_OF(timer, struct collector_impl, tick);
    uint64_t now_ms = loop_now_ms(c->config.loop);
    collector__items_due(c, now_ms);
    if (now_ms >= c->pass_at_ms) {
        c->pass_at_ms = now_ms + COLLECTOR_PASS_MS;
        pass(c);
        collector__probe(c);
    }
    take_turn(c);
}

/* ---- hooks ---- */

void collector_on_lead(void *user, uint32_t shard, uint64_t term, uint64_t incarnation,
                       uint64_t index)
{
    struct collector_impl *c = ((struct collector *)user)->impl;
    (void)incarnation;
    (void)index;
    if (c == NULL || c->stopping) {
        return;
    }
    log_debug("collector.lead", "shard=%u term=%llu", shard, (unsigned long long)term);
    c->shards[shard].led = true;
    collector__scan(c, shard, true);
    collector__wake(c);
}

void collector_on_unlead(void *user, uint32_t shard)
{
    struct collector_impl *c = ((struct collector *)user)->impl;
    if (c == NULL || c->stopping) {
        return;
    }
    struct collector_shard *s = &c->shards[shard];
    s->led = s->scanning = s->waiting = s->undecided = s->missed = false;
    collector__forget(c, shard);
    collector__wake(c);
}

void collector_on_change(void *user, uint32_t shard, uint64_t version)
{
    struct collector_impl *c = ((struct collector *)user)->impl;
    if (c == NULL || c->stopping) {
        return;
    }
    (void)version; /* the database itself says what is there */
    if (c->shards[shard].followed) {
        collector__wake(c);
    }
}

void collector_on_reset(void *user, uint32_t shard)
{
    struct collector_impl *c = ((struct collector *)user)->impl;
    if (c != NULL) {
        c->shards[shard].reset = true;
    }
}

/* ---- start and stop ---- */

void collector_start(struct collector *handle, const struct collector_config *config)
{
    struct collector_impl *c = mem_zero(sizeof(*c));
    assert(config->shard_count > 0 && config->shard_count <= COLLECTOR_SHARDS_MAX);
    handle->impl = c;
    c->handle = handle;
    c->config = *config;
    c->clock = config->clock != NULL ? config->clock : &clock_system;
    c->shards = mem_zero((config->shard_count + 1) * sizeof(*c->shards));
    list_init(&c->ready);
    list_init(&c->later);
    list_init(&c->sweeps);
    list_init(&c->jobs);
    loop_task_init(&c->turn, on_turn);
    loop_timer_init(config->loop, &c->tick, on_tick);
    c->timer_open = true;
    c->deleted = metric_counter("choreod_collector_deletions_total", "",
                                "Objects deleted because their owners are gone.");
    c->updated = metric_counter("choreod_collector_updates_total", "",
                                "Owner references and finalizers taken off.");
    c->queued = metric_gauge("choreod_collector_items", "", "Objects to be looked at.");
}

static void free_all(struct collector_impl *c)
{
    struct list *link;
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        collector__forget(c, i);
    }
    while ((link = list_pop_front(&c->sweeps)) != NULL) {
        collector__sweep_free(CONTAINER_OF(link, struct collector_sweep, link));
    }
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        close_reader(&c->shards[i]);
        free(c->shards[i].after_owner);
        collector__key_free(&c->shards[i].after);
    }
    for (size_t i = 0; i < COLLECTOR_GONE_MAX; i++) {
        free(c->gone_order[i]);
    }
    if (c->kinds != NULL) {
        kind_set_unref(c->kinds);
    }
    map_free(&c->items);
    map_free(&c->gone);
    free(c->shards);
    free(c);
}

void collector__check_stopped(struct collector_impl *c)
{
    if (!c->stopping || c->job_count > 0 || c->timer_open) {
        return;
    }
    struct collector *handle = c->handle;
    void (*stopped)(struct collector * c) = c->stopped;
    free_all(c);
    handle->impl = NULL;
    stopped(handle);
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct collector_impl *c = CONTAINER_OF(timer, struct collector_impl, tick);
    c->timer_open = false;
    collector__check_stopped(c);
}

void collector_stop(struct collector *handle, void (*stopped)(struct collector *c))
{
    struct collector_impl *c = handle->impl;
    c->stopping = true;
    c->stopped = stopped;
    loop_task_cancel(&c->turn);
    LIST_FOREACH(link, &c->jobs)
    {
        collector__job_cancel(CONTAINER_OF(link, struct collector_job, link));
    }
    loop_timer_close(&c->tick, on_timer_closed);
}
