/* keeper.c: entries into transactions, transactions into checkpoints.
 *
 * Happy path: each entry comes as a message and joins the queue; the first one posts `work` to the
 * loop itself, so that by the time it runs, every entry that was in the mailbox is queued, and all
 * (up to BATCH_*) go into one SQLite transaction. When enough has gathered in SQLite's log, or
 * after CHECKPOINT_MS, a checkpoint makes it durable, and the Raft log below it may go.
 *
 * Failure path: an error, a full disk too, ends the process: nothing was committed, the entries are
 * in the log, and a leader that cannot apply must make room for one that can.
 *
 * Invariants: entries are applied in order, once; durable() only names indexes below which
 * everything is synced. */
#include "node/shard/keeper.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum {
    BATCH_ENTRIES_MAX = 128,
    BATCH_BYTES_MAX = 4 << 20,
    CHECKPOINT_BYTES = 4 << 20,
    CHECKPOINT_MS = 10000,
};

struct item {
    struct loop_msg msg;
    struct list link;
    struct keeper *keeper;
    uint64_t index;
    uint64_t term;
    struct payload *data;
    struct payload *configuration;
    bool report;
};

static void item_free(struct item *item)
{
    payload_unref(item->data);
    payload_unref(item->configuration);
    free(item);
}

static void fail(struct keeper *k, struct err *err)
{
    err_wrap(err, "shard %u", k->config.shard);
    k->config.ops->failed(k->config.user, err);
}

static void checkpoint(struct keeper *k)
{
    struct err err;
    uint64_t index = 0;
    int rc = db_checkpoint(&k->db, &index, &err);
    if (rc == ERR_BUSY) {
        log_warn("shard.checkpoint", "shard=%u error=%s", k->config.shard, log_q(err.message));
        return; /* the timer tries again */
    }
    if (rc != 0) {
        fail(k, &err);
        return;
    }
    k->checkpoint_wanted = false;
    if (index > k->durable_index) {
        k->durable_index = index;
        k->config.ops->durable(k->config.user, index);
    }
}

static struct keeper_applied *applied_new(const struct keeper *k, const struct apply_result *result,
                                          const bool *report)
{
    size_t spans = 0;
    size_t outcomes = 0;
    for (size_t i = 0; i < result->span_count; i++) {
        if (report[i]) {
            spans++;
            outcomes += result->spans[i].count;
        }
    }
    struct keeper_applied *a = mem_zero(sizeof(*a) + spans * sizeof(struct apply_span) +
                                        outcomes * sizeof(struct outcome));
    a->user = k->config.user;
    a->state = k->db.state;
    a->index = k->db.state.applied_index;
    a->present = db_present(&k->db.state);
    a->spans = (struct apply_span *)(a + 1);
    a->outcomes = (struct outcome *)(a->spans + spans);
    for (size_t i = 0; i < result->span_count; i++) {
        const struct apply_span *span = &result->spans[i];
        if (!report[i]) {
            continue;
        }
        a->spans[a->span_count++] = (struct apply_span){
            .index = span->index, .first = a->outcome_count, .count = span->count};
        if (span->count > 0) {
            memcpy(&a->outcomes[a->outcome_count], &result->outcomes[span->first],
                   span->count * sizeof(struct outcome));
        }
        a->outcome_count += span->count;
    }
    return a;
}

/* Applies the first entries of the queue in one transaction. False: the process is to end. */
static bool apply_some(struct keeper *k)
{
    struct apply_entry entries[BATCH_ENTRIES_MAX];
    bool report[BATCH_ENTRIES_MAX];
    size_t count = 0;
    size_t bytes = 0;
    struct slice meta = {0};
    LIST_FOREACH(link, &k->queue)
    {
        struct item *item = CONTAINER_OF(link, struct item, link);
        struct slice data = item->data != NULL ? payload_slice(item->data) : (struct slice){0};
        if (count == BATCH_ENTRIES_MAX || (count > 0 && bytes + data.len > BATCH_BYTES_MAX)) {
            break;
        }
        bytes += data.len;
        report[count] = item->report;
        entries[count++] =
            (struct apply_entry){.index = item->index, .term = item->term, .payload = data};
        if (item->configuration != NULL) {
            meta = payload_slice(item->configuration);
        }
    }
    struct arena arena;
    arena_init(&arena);
    struct apply_result result = {0};
    struct err err;
    int rc = apply_entries(&k->db, entries, count, meta, &arena, &result, &err);
    if (rc == 0) {
        struct keeper_applied *applied = applied_new(k, &result, report);
        for (size_t i = 0; i < count; i++) {
            item_free(CONTAINER_OF(list_pop_front(&k->queue), struct item, link));
        }
        k->queued -= count;
        k->config.ops->applied(k->config.user, applied);
    } else {
        fail(k, &err);
    }
    arena_free(&arena);
    return rc == 0;
}

static void finish_close(struct loop_timer *timer)
{
    struct keeper *k = CONTAINER_OF(timer, struct keeper, timer);
    k->closed(k->closed_user);
}

static void work(struct keeper *k)
{
    while (!list_empty(&k->queue)) {
        if (!apply_some(k)) {
            return;
        }
    }
    if (db_wal_bytes(&k->db) > CHECKPOINT_BYTES) {
        checkpoint(k);
    }
    k->checkpoint_wanted = k->db.state.applied_index > k->durable_index;
}

static void on_work(struct loop_msg *msg)
{
    struct keeper *k = CONTAINER_OF(msg, struct keeper, work);
    k->work_posted = false;
    if (!k->closing) {
        work(k);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct keeper *k = CONTAINER_OF(timer, struct keeper, timer);
    work(k);
    if (k->checkpoint_wanted && list_empty(&k->queue)) {
        checkpoint(k);
    }
}

static void on_entry(struct loop_msg *msg)
{
    struct item *item = CONTAINER_OF(msg, struct item, msg);
    struct keeper *k = item->keeper;
    list_push_back(&k->queue, &item->link);
    k->queued++;
    if (!k->work_posted) {
        k->work_posted = true;
        loop_post(k->config.loop, &k->work);
    }
}

/* Runs on the shard loop before anything else of the keeper: timers belong to their thread. */
static void on_begin(struct loop_msg *msg)
{
    struct keeper *k = CONTAINER_OF(msg, struct keeper, work);
    k->work.run = on_work;
    k->work_posted = false;
    loop_timer_init(k->config.loop, &k->timer, on_timer);
    loop_timer_start(&k->timer, k->config.checkpoint_ms, k->config.checkpoint_ms);
}

int keeper_open(struct keeper *k, const struct keeper_config *config, struct err *err)
{
    *k = (struct keeper){.config = *config};
    if (k->config.checkpoint_ms == 0) {
        k->config.checkpoint_ms = CHECKPOINT_MS;
    }
    list_init(&k->queue);
    int rc = db_open(&k->db,
                     &(struct db_config){
                         .path = config->path, .shard = config->shard, .cluster = config->cluster},
                     err);
    if (rc != 0) {
        return rc;
    }
    k->work.run = on_begin;
    k->work_posted = true;
    loop_post(config->loop, &k->work);
    return 0;
}

void keeper_apply(struct keeper *k, const struct group_entry *entry, bool report)
{
    struct item *item = mem_zero(sizeof(*item));
    *item = (struct item){.msg.run = on_entry,
                          .keeper = k,
                          .index = entry->index,
                          .term = entry->term,
                          .report = report};
    if (entry->command && entry->data != NULL) {
        item->data = payload_ref(entry->data);
    }
    if (entry->configuration != NULL) {
        item->configuration = payload_ref(entry->configuration);
    }
    loop_post(k->config.loop, &item->msg);
}

struct install {
    struct loop_msg msg;
    struct keeper *keeper;
    char *path;
};

static void on_install(struct loop_msg *msg)
{
    struct install *in = CONTAINER_OF(msg, struct install, msg);
    struct keeper *k = in->keeper;
    assert(list_empty(&k->queue));
    struct image_header header = {0};
    struct err err;
    db_close(&k->db);
    int rc =
        image_install(in->path, k->config.path, k->config.shard, k->config.cluster, &header, &err);
    if (rc == 0) {
        image_header_free(&header);
    } else {
        /* The old database stands as it was; the leader will send again. */
        log_error("shard.install", "shard=%u error=%s", k->config.shard, log_q(err.message));
    }
    int opened =
        db_open(&k->db,
                &(struct db_config){
                    .path = k->config.path, .shard = k->config.shard, .cluster = k->config.cluster},
                &err);
    if (opened != 0) {
        fail(k, &err);
    } else {
        k->durable_index = rc == 0 ? k->db.state.applied_index : k->durable_index;
        k->config.ops->installed(k->config.user, rc, &k->db.state);
    }
    free(in->path);
    free(in);
}

void keeper_install(struct keeper *k, const char *image_path)
{
    struct install *in = mem_zero(sizeof(*in));
    *in = (struct install){.msg.run = on_install, .keeper = k, .path = mem_strdup(image_path)};
    loop_post(k->config.loop, &in->msg);
}

struct closing {
    struct loop_msg msg;
    struct keeper *keeper;
    bool clean;
};

static void on_close(struct loop_msg *msg)
{
    struct closing *c = CONTAINER_OF(msg, struct closing, msg);
    struct keeper *k = c->keeper;
    k->closing = true;
    if (c->clean) {
        while (!list_empty(&k->queue) && apply_some(k)) {
        }
        checkpoint(k);
    }
    free(c);
    struct list *link;
    while ((link = list_pop_front(&k->queue)) != NULL) {
        item_free(CONTAINER_OF(link, struct item, link));
    }
    db_close(&k->db);
    loop_timer_close(&k->timer, finish_close);
}

void keeper_close(struct keeper *k, bool clean, void (*closed)(void *user), void *user)
{
    k->closed = closed;
    k->closed_user = user;
    struct closing *c = mem_zero(sizeof(*c));
    *c = (struct closing){.msg.run = on_close, .keeper = k, .clean = clean};
    loop_post(k->config.loop, &c->msg);
}
