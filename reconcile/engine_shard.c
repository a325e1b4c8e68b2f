/* engine_shard.c: one led shard: take a key, plan it, hand the plan to a task.
 *
 * Keys are "<kind letter><namespace>/<name>". RenderedReleases wait in the lane of their cluster,
 * everything else in the shard's own, so that a cluster that does not answer holds up its own lane
 * alone. Closing: timers first, then clusters (which cancels what is under way), then tasks end;
 * when nothing is left the memory goes. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/heap.h"
#include "base/log.h"
#include "reconcile/controllers/common.h"
#include "reconcile/engine_internal.h"

static void tick(struct loop_timer *timer);

static uint64_t random_u64(void *user)
{
    uint64_t value;
    (void)user;
    crypto_random(&value, sizeof(value));
    return value;
}

bool shard_owns(void *user, struct slice ns)
{
    struct engine_shard *s = user;
    const struct engine_config *c = &s->e->config;
    return c->shard_of == NULL || c->shard_of(c->user, ns) == s->id;
}

struct engine_shard *shard_open(struct engine_impl *e, uint32_t id, uint64_t term,
                                uint64_t incarnation)
{
    struct engine_shard *s = mem_zero(sizeof(*s));
    s->e = e;
    s->id = id;
    s->epoch = (struct epoch){
        .cluster = e->config.cluster, .incarnation = incarnation, .shard = id, .term = term};
    epoch_text(&s->epoch, &s->epoch_text);
    engine_snapshot(e, id, &s->source, &s->own);
    s->snap = id == 0 ? &e->system : &s->own;
    s->world = (struct world){.user = s,
                              .owns = shard_owns,
                              .object = cluster_world_object,
                              .run = cluster_world_run,
                              .release = work_world,
                              .cluster = cluster_world_state};
    s->snap->world = &s->world;
    s->snap->abandon_after_ms = e->config.abandon_after_ms;
    s->snap->shard = id;
    const struct queue_config queue = {.random = random_u64};
    queue_init(&s->queue, &queue);
    list_init(&s->settling);
    loop_timer_init(e->config.loop, &s->tick, tick);
    s->timers_open = 1;
    s->bootstrap_due_ms = id == 0 ? 0 : UINT64_MAX;
    e->shards_open++;
    clusters_tick_start(s);
    sources_open(s);
    return s;
}

/* ---- closing ---- */

static void on_timer_closed(struct loop_timer *timer)
{
    struct engine_shard *s = CONTAINER_OF(timer, struct engine_shard, tick);
    s->timers_open--;
    shard_check_closed(s);
}

void shard_close(struct engine_shard *s)
{
    s->closing = true;
    if (s->snap->world == &s->world) {
        s->snap->world = NULL;
    }
    loop_timer_close(&s->tick, on_timer_closed);
    clusters_close(s);
    sources_close(s);
    tasks_settle(s);
}

void shard_check_closed(struct engine_shard *s)
{
    if (!s->closing || s->tasks > 0 || s->clusters_open > 0 || s->timers_open > 0 ||
        s->sources.busy_count > 0) {
        return;
    }
    struct engine_impl *e = s->e;
    works_free(s);
    sources_free(s);
    map_free(&s->clusters);
    queue_free(&s->queue);
    snapshot_free(&s->own);
    buf_free(&s->epoch_text);
    free(s);
    e->shards_open--;
    engine_check_stopped(e);
}

/* ---- the queue ---- */

static void key_of(struct buf *out, enum snapshot_kind kind, struct slice ns, struct slice name)
{
    buf_add_char(out, (char)('A' + (int)kind));
    buf_add(out, ns);
    buf_add_char(out, '/');
    buf_add(out, name);
}

static void key_parse(struct slice key, enum snapshot_kind *kind, struct slice *ns,
                      struct slice *name)
{
    struct slice rest = slice_sub(key, 1, key.len);
    *kind = (enum snapshot_kind)((unsigned char)key.data[0] - 'A');
    slice_split(&rest, '/', ns);
    *name = rest;
}

static void lane_of(const struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                    struct slice name, struct buf *out)
{
    const json_t *o = kind == SNAPSHOT_RENDERED ? snapshot_get(s->snap, kind, ns, name) : NULL;
    if (o != NULL) {
        buf_addf(out, "%.*s/%.*s", SLICE_ARG(spec_text(o, "dataPlane")),
                 SLICE_ARG(spec_text(o, "cluster")));
    }
}

void shard_enqueue_after(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                         struct slice name, uint64_t after_ms)
{
    if (s->closing || !plan_has_controller(kind)) {
        return;
    }
    uint64_t now_ms = engine_mono_ms(s->e);
    struct buf key = {0};
    struct buf lane = {0};
    key_of(&key, kind, ns, name);
    lane_of(s, kind, ns, name, &lane);
    if (after_ms == 0) {
        queue_add(&s->queue, buf_slice(&key), ns, buf_slice(&lane), now_ms);
    } else {
        queue_add_at(&s->queue, buf_slice(&key), ns, buf_slice(&lane), now_ms + after_ms);
    }
    buf_free(&key);
    buf_free(&lane);
    shard_pump(s);
}

void shard_enqueue(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                   struct slice name)
{
    /* Whoever asks for it knows of news that the snapshot does not show. */
    snapshot_forget(s->snap, kind, ns, name);
    shard_enqueue_after(s, kind, ns, name, 0);
}

/* In a lane of its own: what was there when the shard was taken over does not hold up news. */
void shard_enqueue_later(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                         struct slice name)
{
    struct buf key = {0};
    struct buf lane = {0};
    if (plan_has_controller(kind) && !s->closing) {
        snapshot_forget(s->snap, kind, ns, name);
        key_of(&key, kind, ns, name);
        lane_of(s, kind, ns, name, &lane);
        buf_add_cstr(&lane, "~");
        queue_add(&s->queue, buf_slice(&key), ns, buf_slice(&lane), engine_mono_ms(s->e));
    }
    buf_free(&key);
    buf_free(&lane);
    shard_pump(s);
}

void shard_enqueue_all(struct engine_shard *s)
{
    struct arena arena = {0};
    for (int kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
        bool system_kind = snapshot_cluster_scoped((enum snapshot_kind)kind);
        if (system_kind && s->id != 0 && !plan_of_every_shard((enum snapshot_kind)kind)) {
            continue;
        }
        const struct snapshot_entry **all;
        size_t count = snapshot_all(s->snap, (enum snapshot_kind)kind, &arena, &all);
        for (size_t i = 0; i < count; i++) {
            /* What nobody has acted on yet goes first. */
            if (all[i]->settled) {
                shard_enqueue_later(s, (enum snapshot_kind)kind, all[i]->ns, all[i]->name);
            } else {
                shard_enqueue(s, (enum snapshot_kind)kind, all[i]->ns, all[i]->name);
            }
        }
    }
    arena_free(&arena);
    shard_pump(s);
}

/* What a cluster starts with has no key of its own: once per leadership, until it succeeds. */
static void bootstrap(struct engine_shard *s)
{
    struct plan *plan = mem_zero(sizeof(*plan));
    s->bootstrap_due_ms = UINT64_MAX;
    plan_init(plan);
    s->snap->now_ms = engine_wall_ms(s->e);
    bootstrap_plan(s->snap, plan);
    task_start(s, NULL, SNAPSHOT_ORGANIZATION, plan);
}

void shard_pump(struct engine_shard *s)
{
    if (!s->closing) {
        loop_timer_start(&s->tick, 0, 0);
    }
}

static bool is_empty(const struct plan *plan)
{
    return plan->write_count == 0 && plan->event_count == 0 && plan->drain_ns.len == 0 &&
           plan->desired.action == PLAN_NOTHING;
}

enum { ANSWERED_DELAY_MS = 10 };

/* Writes what was found for the key's object in a git repository, if that is news to it. The key
 * comes back soon: as a status of its own, the write alone would not be in a hurry. */
static bool run_answer(struct engine_shard *s, const struct queue_item *item,
                       const struct snapshot_entry *entry)
{
    struct plan *plan = mem_zero(sizeof(*plan));
    plan_init(plan);
    if (source_answer(s, entry, plan)) {
        shard_enqueue_after(s, entry->kind, entry->ns, entry->name, ANSWERED_DELAY_MS);
        task_start(s, item, entry->kind, plan);
        return true;
    }
    plan_free(plan);
    free(plan);
    return false;
}

static void run_one(struct engine_shard *s, const struct queue_item *item)
{
    enum snapshot_kind kind;
    struct slice ns;
    struct slice name;
    struct err err;
    key_parse(item->key, &kind, &ns, &name);
    const struct snapshot_entry *entry = snapshot_find(s->snap, kind, ns, name);
    /* An entry of another snapshot has no memory of plans on this one. */
    bool own = entry != NULL && (s->snap->system == s->snap || !snapshot_cluster_scoped(kind));
    if (entry == NULL) {
        source_forget(s, kind, ns, name);
    } else if (s->sources.wishes.count > 0 && run_answer(s, item, entry)) {
        return;
    }
    if (own && snapshot_unchanged(s->snap, entry)) {
        metric_add(s->e->metrics.skipped, 1);
        queue_done(&s->queue, item, QUEUE_DONE, engine_mono_ms(s->e));
        return;
    }
    struct plan *plan = mem_zero(sizeof(*plan));
    plan_init(plan);
    metric_add(s->e->metrics.plans[kind], 1);
    snapshot_trace_begin(s->snap);
    s->snap->now_ms = engine_wall_ms(s->e);
    if (plan_run(s->snap, kind, ns, name, plan, &err) != 0) {
        log_error("reconcile.plan", "shard=%u error=%s", s->id, log_q(err.message));
    }
    if (entry != NULL) {
        source_wish(s, entry, &plan->source);
    }
    bool nothing = is_empty(plan) && plan->requeue_after_ms == 0;
    snapshot_trace_end(s->snap, entry, own && nothing);
    if (plan->requeue_after_ms > 0) {
        shard_enqueue_after(s, kind, ns, name, plan->requeue_after_ms);
    }
    if (!is_empty(plan)) {
        task_start(s, item, kind, plan);
        return;
    }
    plan_free(plan);
    free(plan);
    queue_done(&s->queue, item, entry == NULL ? QUEUE_GONE : QUEUE_DONE, engine_mono_ms(s->e));
}

/* A burst of plans leaves trees behind, and a heap full of holes: they go once it is over. Returns
 * when that is to be looked at again. */
static uint64_t give_back(struct engine_shard *s, size_t done)
{
    uint64_t now_ms = engine_mono_ms(s->e);
    s->plans_since_trim += done;
    s->planned_ms = done > 0 || s->tasks > 0 ? now_ms : s->planned_ms;
    if (s->plans_since_trim < PLANS_BEFORE_TRIM) {
        return UINT64_MAX;
    }
    if (now_ms < s->planned_ms + QUIET_BEFORE_TRIM_MS) {
        return s->planned_ms + QUIET_BEFORE_TRIM_MS;
    }
    s->plans_since_trim = 0;
    snapshot_trim(s->snap, SNAPSHOT_TREES_IDLE_BYTES);
    snapshot_trim(&s->e->system, SNAPSHOT_TREES_IDLE_BYTES);
    heap_trim();
    return UINT64_MAX;
}

static void tick(struct loop_timer *timer)
{
    struct engine_shard *s = CONTAINER_OF(timer, struct engine_shard, tick);
    struct queue_item item;
    size_t done = 0;
    if (!s->loaded) {
        return; /* not loaded yet: the next change tries again */
    }
    tasks_settle(s);
    if (engine_mono_ms(s->e) >= s->bootstrap_due_ms) {
        bootstrap(s);
    }
    /* One at least, however late it is already: what is left over is taken up only after work. */
    uint64_t until_ns = clock_mono_ns() + PLANS_AT_ONCE_MS * UINT64_C(1000000);
    while (done < PLANS_AT_ONCE_MAX && (done == 0 || clock_mono_ns() < until_ns) &&
           queue_take(&s->queue, engine_mono_ms(s->e), &item)) {
        run_one(s, &item);
        done++;
    }
    snapshot_trim(s->snap, SNAPSHOT_TREES_MAX_BYTES);
    snapshot_trim(&s->e->system, SNAPSHOT_TREES_MAX_BYTES);
    metric_set(s->e->metrics.waiting, (int64_t)s->queue.waiting_count);
    uint64_t quiet_ms = give_back(s, done);
    uint64_t now_ms = engine_mono_ms(s->e);
    uint64_t due_ms = queue_due_ms(&s->queue);
    due_ms = due_ms < quiet_ms ? due_ms : quiet_ms;
    uint64_t settle_ms = list_empty(&s->settling) ? UINT64_MAX : now_ms + SETTLE_TIMEOUT_MS / 4;
    due_ms = due_ms < settle_ms ? due_ms : settle_ms;
    due_ms = due_ms < s->bootstrap_due_ms ? due_ms : s->bootstrap_due_ms;
    if (s->queue.waiting_count > 0 && done > 0) {
        loop_timer_start(&s->tick, 0, 0);
    } else if (due_ms != UINT64_MAX) {
        loop_timer_start(&s->tick, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    }
}
