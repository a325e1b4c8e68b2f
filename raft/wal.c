/* wal.c: what the groups see of the log: memory changes at once, records are queued.
 *
 * Happy path: a change alters memory and queues a record. At the end of the loop's iteration, if
 * the log thread is idle, everything queued becomes one batch and one job for it; what is queued
 * meanwhile waits for the next. The job comes back durable, and the waiters it covers fire.
 * Rotation: when a segment has taken its share of bytes, the job also begins the next segment, with
 * the groups' state as of the end of its batch. Live entries that stand in older segments are then
 * carried over, a megabyte with each job, and when none is left the older segments are removed. So
 * an idle group never pins a segment, and no single job is long.
 * Failure path: an error of a job is final. `failed` is called, and no waiter ever fires again.
 * Invariants: one job at a time; records are queued in the order of the changes; waiters fire in
 * the order of their positions. */
#include "raft/wal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "raft/wal_internal.h"

static void on_log_thread(struct loop_msg *message);
static void on_job_done(struct loop_msg *message);
static void on_idle(struct loop_timer *timer);

/* ---- jobs ---- */

/* What this iteration of the loop queues goes out together, at its end. What is queued before the
 * loop runs goes out with its first (on_first). */
static void want_flush(struct wal *w)
{
    if (w->log_started && !w->writing && loop_is_current(w->config.loop)) {
        loop_defer(w->config.loop, &w->flush);
    }
}

static void queued(struct wal *w)
{
    w->position++;
    want_flush(w);
}

static void put_batch(struct wal *w, struct buf *out, uint32_t flags, struct slice body)
{
    struct wal_batch batch = {
        .flags = flags,
        .salt = w->salt,
        .offset = w->end,
        .synced = w->end, /* one job at a time: everything before this batch is durable */
        .body = body,
    };
    size_t before = out->len;
    wal__batch_put(out, &batch);
    w->end += out->len - before;
}

/* Queues records for live entries that still stand in older segments; true once none does. */
static bool carry(struct wal *w)
{
    size_t limit = w->pending.len + WAL__CARRY_BYTES;
    LIST_FOREACH(link, &w->groups)
    {
        struct wal_group *g = CONTAINER_OF(link, struct wal_group, link);
        if (g->carry_next < g->first) {
            g->carry_next = g->first;
        }
        for (; g->carry_next <= g->last; g->carry_next++) {
            struct wal_entry *e = wal__slot(g, g->carry_next);
            if (e->segment == w->segment_start) {
                continue;
            }
            if (w->pending.len >= limit) {
                return false;
            }
            wal__put_entry(&w->pending, WAL_RECORD_CARRY, g, g->carry_next, e);
            e->segment = w->segment_start;
        }
    }
    buf_add_u8(&w->pending, WAL_RECORD_CARRIED);
    return true;
}

static bool rotation_due(const struct wal *w)
{
    if (w->carrying || w->closing) {
        return false;
    }
    uint64_t live = wal__live_bytes(w);
    return w->segment_used >= (live > w->segment_bytes ? live : w->segment_bytes);
}

static void put_group(const struct wal *w, struct buf *body, struct wal_group *g)
{
    struct wal_group told = *g;
    if ((w->config.test_faults & WAL_TEST_FORGET_OTHER_GROUPS) != 0 && &g->link != w->groups.next) {
        told.term = g->first <= g->last ? wal__slot(g, g->last)->term : g->snapshot.term;
        told.vote = 0;
    }
    wal__put_group(body, &told);
}

static void rotate(struct wal *w, struct wal_job *job)
{
    struct buf body = {0};
    wal__put_identity(&body, buf_slice(&w->identity));
    LIST_FOREACH(link, &w->groups)
    {
        struct wal_group *g = CONTAINER_OF(link, struct wal_group, link);
        put_group(w, &body, g);
        g->carry_next = g->first;
    }
    job->head_offset = w->end;
    w->segment_start = w->end;
    w->segment_used = 0;
    w->carrying = true;
    put_batch(w, &job->head, WAL__FIRST_OF_SEGMENT, buf_slice(&body));
    w->marked = false;
    buf_free(&body);
}

bool wal_pending(const struct wal *w)
{
    return !w->writing && !w->failed &&
           (w->pending.len > 0 || w->carrying || w->wake_asked || (w->mark_asked && !w->marked));
}

/* Keeps the memory for the next batch, unless a rare one made it large. */
static void empty(struct buf *b)
{
    if (b->cap > WAL__KEPT_BYTES) {
        buf_free(b);
    } else {
        buf_clear(b);
    }
}

/* Makes a job of everything queued. */
static void cut(struct wal *w)
{
    assert(!w->writing);
    struct wal_job *job = &w->job;
    buf_clear(&job->batch);
    buf_clear(&job->head);
    job->remove_below = 0;
    w->segment_used += w->pending.len;
    if (w->carrying && carry(w)) {
        job->remove_below = w->segment_start;
        w->carrying = false;
    }
    /* An empty batch is a mark: its header says what was synced. */
    bool mark = w->pending.len == 0 && w->mark_asked && !w->marked;
    if (w->pending.len > 0 || mark) {
        put_batch(w, &job->batch, 0, buf_slice(&w->pending));
        w->marked = mark;
    }
    empty(&w->pending);
    w->mark_asked = false;
    w->wake_asked = false;
    if (rotation_due(w)) {
        rotate(w, job);
    }
    job->covers = w->position;
    w->writing = true;
}

static void fail(struct wal *w)
{
    w->failed = true;
    if (w->config.failed != NULL) {
        w->config.failed(w->config.user, &w->job.err);
        return;
    }
    log_error("wal.failed", "error=%s", log_q(w->job.err.message));
    abort();
}

static void fire_waiters(struct wal *w)
{
    while (!list_empty(&w->waiters)) {
        struct wal_waiter *waiter = CONTAINER_OF(w->waiters.next, struct wal_waiter, link);
        if (waiter->position > w->synced) {
            break;
        }
        list_remove(&waiter->link);
        waiter->fire(waiter);
    }
}

static void finished(struct wal *w)
{
    w->writing = false;
    empty(&w->job.batch);
    empty(&w->job.head);
    if (w->job.err.code != 0) {
        fail(w);
        return;
    }
    w->synced = w->job.covers;
    fire_waiters(w);
}

/* ---- with a loop: the log thread ---- */

static void submit(struct wal *w)
{
    cut(w);
    w->job.message.run = on_log_thread;
    loop_post(&w->log_loop, &w->job.message);
}

static void on_log_thread(struct loop_msg *message)
{
    struct wal_job *job = CONTAINER_OF(message, struct wal_job, message);
    struct wal *w = job->wal;
    uint64_t start_ns = clock_mono_ns();
    if (wal__job_write(&w->segments, job) == 0) {
        (void)wal__job_sync(&w->segments, job);
    }
    metric_observe_ns(w->sync_seconds, clock_mono_ns() - start_ns);
    metric_add(w->written_bytes, (int64_t)(job->batch.len + job->head.len));
    job->message.run = on_job_done;
    loop_post(w->config.loop, &job->message);
}

static void on_idle_closed(struct loop_timer *timer)
{
    struct wal *w = CONTAINER_OF(timer, struct wal, idle);
    w->closed(w->closed_user);
}

static void end_log_thread(struct wal *w)
{
    loop_stop(&w->log_loop);
    loop_join(&w->log_loop);
    w->log_started = false;
    loop_task_cancel(&w->flush);
    loop_timer_close(&w->idle, on_idle_closed);
}

static void on_flush(struct loop_task *task)
{
    struct wal *w = CONTAINER_OF(task, struct wal, flush);
    if (w->writing) {
        return;
    }
    if (w->closing && w->pending.len == 0) {
        w->mark_asked = true;
    }
    if (wal_pending(w)) {
        submit(w);
    } else if (w->closing) {
        end_log_thread(w);
    }
}

static void on_job_done(struct loop_msg *message)
{
    struct wal *w = CONTAINER_OF(message, struct wal_job, message)->wal;
    finished(w);
    if (w->closing || wal_pending(w)) {
        want_flush(w);
    }
    if (!w->closing && !w->failed && !w->marked) {
        loop_timer_start(&w->idle, WAL_IDLE_MS, 0);
    }
}

static void on_idle(struct loop_timer *timer)
{
    wal_mark(CONTAINER_OF(timer, struct wal, idle));
}

static void on_first(struct loop_msg *message)
{
    want_flush(CONTAINER_OF(message, struct wal, first));
}

static int start_log_thread(struct wal *w, struct err *err)
{
    int rc = loop_init(&w->log_loop, "log", err);
    if (rc != 0) {
        return rc;
    }
    rc = loop_start(&w->log_loop, err);
    if (rc != 0) {
        loop_join(&w->log_loop);
        return rc;
    }
    w->sync_seconds = metric_histogram("choreod_wal_sync_seconds", NULL,
                                       "Writing and syncing one batch of the write-ahead log.");
    w->written_bytes = metric_counter("choreod_wal_written_bytes_total", NULL,
                                      "Bytes written to the write-ahead log.");
    loop_task_init(&w->flush, on_flush);
    loop_timer_init(w->config.loop, &w->idle, on_idle);
    w->log_started = true;
    w->first.run = on_first;
    loop_post(w->config.loop, &w->first);
    return 0;
}

/* ---- lifecycle ---- */

int wal_open(const struct wal_config *config, struct wal **wal, struct err *err)
{
    if (config->identity.len > WAL_IDENTITY_MAX) {
        return err_set(err, ERR_INVALID, "wal: identity is longer than %d bytes", WAL_IDENTITY_MAX);
    }
    struct wal *w = mem_zero(sizeof *w);
    w->config = *config;
    buf_add(&w->identity, config->identity);
    w->config.identity = buf_slice(&w->identity);
    w->segment_bytes = config->segment_bytes != 0 ? config->segment_bytes : WAL_SEGMENT_BYTES;
    list_init(&w->groups);
    list_init(&w->waiters);
    w->job.wal = w;
    w->segments = (struct wal_segments){
        .fs = config->fs,
        .file = -1,
        .segment_bytes = w->segment_bytes,
        .skip_sync = (config->test_faults & WAL_TEST_SKIP_SYNC) != 0,
    };
    int rc = wal__recover(w, err);
    if (rc == 0 && config->loop != NULL) {
        rc = start_log_thread(w, err);
    }
    if (rc != 0) {
        wal_free(w);
        return rc;
    }
    *wal = w;
    return 0;
}

void wal_close(struct wal *w, void (*closed)(void *user), void *user)
{
    assert(!w->closing);
    w->closing = true;
    w->closed = closed;
    w->closed_user = user;
    if (w->config.loop != NULL) {
        loop_timer_stop(&w->idle);
        want_flush(w); /* if it is writing, the end of that goes on */
        return;
    }
    while (w->writing || wal_pending(w)) {
        if (!w->writing) {
            wal_write(w);
        }
        if (w->writing) {
            wal_finish(w);
        }
    }
    wal_mark(w);
    if (wal_pending(w)) {
        wal_write(w);
        wal_finish(w);
    }
    closed(user);
}

void wal_free(struct wal *w)
{
    if (w == NULL) {
        return;
    }
    assert(!w->log_started);
    while (!list_empty(&w->groups)) {
        wal__group_drop(CONTAINER_OF(w->groups.next, struct wal_group, link));
    }
    if (w->segments.file >= 0) {
        w->segments.fs->close(w->segments.fs, w->segments.file);
    }
    free(w->segments.starts);
    buf_free(&w->pending);
    buf_free(&w->job.batch);
    buf_free(&w->job.head);
    buf_free(&w->identity);
    free(w);
}

/* ---- changes ---- */

struct wal_group *wal_group_create(struct wal *w, uint32_t id, uint64_t server_id)
{
    assert(server_id != 0);
    struct wal_group *g = wal__group_add(w, id, server_id);
    g->carry_next = 1;
    wal__put_group(&w->pending, g);
    queued(w);
    return g;
}

void wal_group_remove(struct wal_group *g)
{
    struct wal *w = g->wal;
    wal__put_simple(&w->pending, WAL_RECORD_REMOVE, g->id);
    queued(w);
    wal__group_drop(g);
}

void wal_set_term(struct wal_group *g, uint64_t term, uint64_t vote)
{
    assert(term >= g->term);
    assert(term > g->term || g->vote == 0 || g->vote == vote);
    if (term == g->term && vote == g->vote) {
        return;
    }
    g->term = term;
    g->vote = vote;
    wal__put_term(&g->wal->pending, g);
    queued(g->wal);
}

void wal_append(struct wal_group *g, uint64_t term, enum wal_entry_type type, struct payload *data)
{
    assert(term > 0 && data->len <= WAL_ENTRY_MAX);
    struct wal_entry *slot = wal__push(g);
    wal__fill(g, slot, term, type, payload_ref(data), g->wal->segment_start);
    wal__put_entry(&g->wal->pending, WAL_RECORD_ENTRY, g, g->last, slot);
    queued(g->wal);
}

void wal_truncate(struct wal_group *g, uint64_t from)
{
    assert(from > g->snapshot.index && from >= g->first && from <= g->last);
    wal__pop_to(g, from - 1);
    if (g->carry_next > g->last + 1) {
        g->carry_next = g->last + 1;
    }
    wal__put_truncate(&g->wal->pending, g, from);
    queued(g->wal);
}

void wal_snapshot(struct wal_group *g, uint64_t index, struct slice configuration,
                  uint64_t trailing)
{
    uint64_t term = wal_term_at(g, index);
    assert(index >= g->snapshot.index && index <= g->last && term != 0);
    assert(configuration.len <= WAL_CONFIGURATION_MAX);
    wal__snapshot_set(&g->snapshot, index, term, payload_new(configuration));
    if (index > trailing) {
        uint64_t first = index - trailing + 1;
        wal__shift_to(g, first < g->first ? g->first : first);
    }
    wal__put_mark(&g->wal->pending, WAL_RECORD_SNAPSHOT, g, &g->snapshot);
    queued(g->wal);
}

void wal_install_begin(struct wal_group *g, uint64_t index, uint64_t term,
                       struct slice configuration)
{
    assert(index > g->snapshot.index && term != 0);
    assert(configuration.len <= WAL_CONFIGURATION_MAX);
    wal__snapshot_set(&g->install, index, term, payload_new(configuration));
    wal__put_mark(&g->wal->pending, WAL_RECORD_INSTALL_BEGIN, g, &g->install);
    queued(g->wal);
}

void wal_install_finish(struct wal_group *g)
{
    assert(g->install.index != 0);
    wal__install_done(g);
    g->carry_next = g->first;
    wal__put_simple(&g->wal->pending, WAL_RECORD_INSTALL_FINISH, g->id);
    queued(g->wal);
}

void wal_install_cancel(struct wal_group *g)
{
    if (g->install.index == 0) {
        return;
    }
    wal__snapshot_set(&g->install, 0, 0, NULL);
    wal__put_simple(&g->wal->pending, WAL_RECORD_INSTALL_CANCEL, g->id);
    queued(g->wal);
}

/* ---- waiting ---- */

void wal_wait(struct wal *w, struct wal_waiter *waiter)
{
    waiter->position = w->position;
    list_push_back(&w->waiters, &waiter->link);
    if (w->position <= w->synced && !w->writing && w->pending.len == 0) {
        want_flush(w);
        w->wake_asked = true; /* all is durable already: an empty job brings the callback */
    }
}

void wal_wait_cancel(struct wal *w, struct wal_waiter *waiter)
{
    (void)w;
    if (list_linked(&waiter->link)) {
        list_remove(&waiter->link);
    }
}

uint64_t wal_position(const struct wal *w)
{
    return w->position;
}

uint64_t wal_synced(const struct wal *w)
{
    return w->synced;
}

/* ---- by hand ---- */

void wal_write(struct wal *w)
{
    assert(w->config.loop == NULL && !w->failed);
    cut(w);
    if (wal__job_write(&w->segments, &w->job) != 0) {
        finished(w);
    }
}

bool wal_writing(const struct wal *w)
{
    return w->writing;
}

void wal_finish(struct wal *w)
{
    assert(w->config.loop == NULL && w->writing);
    (void)wal__job_sync(&w->segments, &w->job);
    finished(w);
}

void wal_mark(struct wal *w)
{
    w->mark_asked = true;
    want_flush(w);
}
