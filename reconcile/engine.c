/* engine.c: the hooks, and keeping snapshots up to date.
 *
 *   on_lead:   scan the system shard (once) and the shard, then everything is looked at once
 *   on_change: read what changed since, put it into the snapshot, ask the route whom it concerns
 *   on_unlead: cancel what is under way; the snapshot goes with the shard
 *
 * The system snapshot is fed on every node that leads anything, and is behind all of its shards'
 * snapshots. A feed whose history was compacted away, or whose database was replaced, is scanned
 * anew: what is not in the scan is removed. A scan that fails is logged and tried again with the
 * next change; the shard reconciles nothing until one succeeded. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "reconcile/engine_internal.h"

uint64_t engine_wall_ms(const struct engine_impl *e)
{
    return e->clock->wall_ms(e->clock);
}

uint64_t engine_mono_ms(const struct engine_impl *e)
{
    return loop_now_ms(e->config.loop);
}

/* ---- what snapshots do not keep ---- */

static void take_body(void *arg, const struct feed_row *row)
{
    buf_add(arg, row->body);
}

static int read_body(void *user, enum snapshot_kind kind, struct slice ns, struct slice name,
                     struct buf *out, struct err *err)
{
    const struct engine_source *source = user;
    const struct feed *feed = source->e->feed;
    const struct feed_row wanted = {
        .resource = slice_of(snapshot_resource(kind)), .ns = ns, .name = name};
    return feed->read(feed->user, source->shard, &wanted, take_body, out, err);
}

void engine_snapshot(struct engine_impl *e, uint32_t shard, struct engine_source *source,
                     struct snapshot *s)
{
    *source = (struct engine_source){.e = e, .shard = shard};
    snapshot_init(s, s == &e->system ? NULL : &e->system);
    s->source = (struct snapshot_source){.user = source, .read = read_body};
    s->programs = &e->programs;
}

/* ---- feeding ---- */

struct feeding {
    struct engine_impl *e;
    struct snapshot *snap;
    struct engine_shard *only; /* route to this shard; NULL: to all (the system's rows) */
    struct map *seen;          /* of a scan: keys that are there */
    bool route;
};

static void add_to_shard(void *user, enum snapshot_kind kind, struct slice ns, struct slice name,
                         uint64_t delay_ms)
{
    struct engine_shard *s = user;
    /* Another shard's leader sees to the system shard's objects; this one reads them. */
    bool ours =
        s->snap->system == s->snap || !snapshot_cluster_scoped(kind) || plan_of_every_shard(kind);
    /* Whoever sums up can wait for more news while there is much to do. */
    uint64_t more_ms = delay_ms * s->queue.waiting_count / BACKLOG_DOUBLES_DELAY;
    delay_ms += more_ms < BACKLOG_DELAY_MAX_MS ? more_ms : BACKLOG_DELAY_MAX_MS;
    if (ours) {
        shard_enqueue_after(s, kind, ns, name, delay_ms);
    }
}

static void route(const struct feeding *f, enum snapshot_kind kind, struct slice ns,
                  struct slice name, bool whole)
{
    if (!f->route) {
        return;
    }
    if (f->only != NULL) {
        route_change(f->only->snap, kind, ns, name, whole, add_to_shard, f->only);
        return;
    }
    for (uint32_t i = 0; i < f->e->config.shard_count; i++) {
        struct engine_shard *s = f->e->shards[i];
        if (s != NULL && !s->closing) {
            route_change(s->snap, kind, ns, name, whole, add_to_shard, s);
        }
    }
}

static void scan_key(struct buf *out, enum snapshot_kind kind, struct slice ns, struct slice name)
{
    buf_addf(out, "%d/%.*s/%.*s", (int)kind, SLICE_ARG(ns), SLICE_ARG(name));
}

/* Did more than the object's status change? */
static bool whole_change(const struct feeding *f, enum snapshot_kind kind,
                         const struct feed_row *row)
{
    const struct snapshot_entry *before = snapshot_find(f->snap, kind, row->ns, row->name);
    if (before == NULL || row->deleted) {
        return true;
    }
    struct snapshot_shape after = snapshot_shape_of(kind, row->body);
    return after.generation == 0 || after.generation != before->generation ||
           after.deleting != before->deleting || after.applied != before->applied;
}

static void on_row(void *arg, const struct feed_row *row)
{
    struct feeding *f = arg;
    enum snapshot_kind kind = snapshot_kind_of(row->resource);
    struct err err;
    if (kind == SNAPSHOT_KIND_COUNT) {
        return;
    }
    if (f->seen != NULL) {
        struct buf key = {0};
        scan_key(&key, kind, row->ns, row->name);
        map_put(f->seen, buf_slice(&key), f);
        buf_free(&key);
    }
    bool whole = whole_change(f, kind, row);
    if (whole) { /* a status makes no new neighbours */
        route(f, kind, row->ns, row->name, whole);
    }
    if (row->deleted) {
        snapshot_remove(f->snap, kind, row->ns, row->name);
    } else if (snapshot_put(f->snap, kind, row->ns, row->name, row->body, row->version, &err) !=
               0) {
        log_error("reconcile.row", "error=%s", log_q(err.message));
        return;
    }
    route(f, kind, row->ns, row->name, whole);
    if (kind == SNAPSHOT_SECRET && f->only != NULL) {
        source_secret_changed(f->only, row->ns, row->name);
    }
    if (kind == SNAPSHOT_RENDERED && f->only != NULL) {
        work_forget(f->only, row->ns, row->name);
    }
}

static void drop_unseen(struct feeding *f)
{
    struct arena arena = {0};
    struct buf key = {0};
    for (int kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
        const struct map *map = &f->snap->kinds[kind];
        size_t cursor = 0;
        struct slice name;
        void *value;
        size_t count = 0;
        const struct snapshot_entry **gone =
            arena_alloc(&arena, (map->count + 1) * sizeof(struct snapshot_entry *));
        while (map_next(map, &cursor, &name, &value)) {
            const struct snapshot_entry *e = value;
            buf_clear(&key);
            scan_key(&key, e->kind, e->ns, e->name);
            if (map_get(f->seen, buf_slice(&key)) == NULL) {
                gone[count++] = e;
            }
        }
        for (size_t i = 0; i < count; i++) {
            route(f, gone[i]->kind, gone[i]->ns, gone[i]->name, true);
            snapshot_remove(f->snap, gone[i]->kind, gone[i]->ns, gone[i]->name);
        }
    }
    buf_free(&key);
    arena_free(&arena);
}

/* Reads a shard whole into f->snap. */
static int load(struct feeding *f, uint32_t shard, uint64_t *version)
{
    struct map seen = {0};
    struct err err;
    f->seen = &seen;
    int rc = f->e->feed->scan(f->e->feed->user, shard, on_row, f, version, &err);
    if (rc == 0) {
        drop_unseen(f);
    } else {
        log_warn("reconcile.scan", "shard=%u error=%s", shard, log_q(err.message));
    }
    map_free(&seen);
    f->seen = NULL;
    return rc;
}

/* Changes are copied first: what they lead to is not done while a view of the database is pinned.
 */
struct batch {
    struct arena arena;
    struct feed_row *rows;
    size_t count;
    size_t cap;
};

static void gather_row(void *arg, const struct feed_row *row)
{
    struct batch *b = arg;
    if (snapshot_kind_of(row->resource) == SNAPSHOT_KIND_COUNT) {
        return;
    }
    if (b->count == b->cap) {
        b->cap = b->cap == 0 ? 16 : b->cap * 2;
        b->rows = mem_resize(b->rows, b->cap * sizeof(*b->rows));
    }
    struct feed_row *copy = &b->rows[b->count++];
    *copy = *row;
    copy->resource = arena_copy(&b->arena, row->resource);
    copy->ns = arena_copy(&b->arena, row->ns);
    copy->name = arena_copy(&b->arena, row->name);
    copy->body = arena_copy(&b->arena, row->body);
}

static void advance(struct feeding *f, uint32_t shard, uint64_t *since, uint64_t to)
{
    struct err err;
    struct batch batch = {0};
    if (to <= *since) {
        return;
    }
    int rc = f->e->feed->changes(f->e->feed->user, shard, *since, to, gather_row, &batch, &err);
    for (size_t i = 0; rc == 0 && i < batch.count; i++) {
        on_row(f, &batch.rows[i]);
    }
    arena_free(&batch.arena);
    free(batch.rows);
    if (rc == ERR_GONE) {
        rc = load(f, shard, since);
    } else if (rc == 0) {
        *since = to;
    }
    if (rc != 0) {
        log_warn("reconcile.feed", "shard=%u error=%s", shard, log_q(err.message));
    }
}

/* ---- shards ---- */

static bool leads_anything(const struct engine_impl *e)
{
    for (uint32_t i = 0; i < e->config.shard_count; i++) {
        if (e->shards[i] != NULL) {
            return true;
        }
    }
    return false;
}

static bool need_system(struct engine_impl *e)
{
    struct feeding f = {.e = e, .snap = &e->system};
    if (!e->system_loaded) {
        e->system_loaded = load(&f, 0, &e->system_version) == 0;
    }
    return e->system_loaded;
}

static void load_shard(struct engine_shard *s)
{
    if (!need_system(s->e)) {
        return;
    }
    if (s->id == 0) {
        s->version = s->e->system_version;
    } else {
        struct feeding f = {.e = s->e, .snap = s->snap, .only = s};
        if (load(&f, s->id, &s->version) != 0) {
            return;
        }
    }
    s->loaded = true;
    clusters_refresh(s);
    clusters_watch_inventories(s);
    shard_enqueue_all(s);
}

void engine_on_lead(void *user, uint32_t shard, uint64_t term, uint64_t incarnation, uint64_t index)
{
    struct engine *engine = user;
    struct engine_impl *e = engine->impl;
    (void)index;
    if (e == NULL || e->stopping || shard >= e->config.shard_count) {
        return;
    }
    if (e->shards[shard] != NULL) {
        shard_close(e->shards[shard]);
    }
    struct engine_shard *s = shard_open(e, shard, term, incarnation);
    e->shards[shard] = s;
    load_shard(s);
    log_info("reconcile.lead", "shard=%u term=%" PRIu64 " objects_bytes=%zu", shard, term,
             s->snap->body_bytes);
}

void engine_on_unlead(void *user, uint32_t shard)
{
    struct engine *engine = user;
    struct engine_impl *e = engine->impl;
    if (e == NULL || shard >= e->config.shard_count || e->shards[shard] == NULL) {
        return;
    }
    struct engine_shard *s = e->shards[shard];
    e->shards[shard] = NULL;
    log_info("reconcile.unlead", "shard=%u term=%" PRIu64, shard, s->epoch.term);
    shard_close(s);
    /* Whoever leads nothing follows nothing: what is written meanwhile is read with the next lead.
     */
    e->system_loaded = e->system_loaded && leads_anything(e);
}

static void system_changed(struct engine_impl *e, uint64_t version)
{
    if (!leads_anything(e)) {
        return;
    }
    struct feeding f = {.e = e, .snap = &e->system, .only = NULL, .route = true};
    if (!e->system_loaded) {
        for (uint32_t i = 0; i < e->config.shard_count; i++) {
            if (e->shards[i] != NULL) {
                load_shard(e->shards[i]);
            }
        }
        return;
    }
    advance(&f, 0, &e->system_version, version);
    for (uint32_t i = 0; i < e->config.shard_count; i++) {
        if (e->shards[i] != NULL) {
            clusters_refresh(e->shards[i]);
            shard_pump(e->shards[i]);
        }
    }
    if (e->shards[0] != NULL) {
        e->shards[0]->version = e->system_version;
        tasks_settle(e->shards[0]);
    }
}

void engine_on_change(void *user, uint32_t shard, uint64_t version)
{
    struct engine *engine = user;
    struct engine_impl *e = engine->impl;
    if (e == NULL || e->stopping || shard >= e->config.shard_count) {
        return;
    }
    if (shard == 0) {
        system_changed(e, version);
        return;
    }
    struct engine_shard *s = e->shards[shard];
    if (s == NULL || s->closing) {
        return;
    }
    if (!s->loaded) {
        load_shard(s);
        return;
    }
    struct feeding f = {.e = e, .snap = s->snap, .only = s, .route = true};
    advance(&f, shard, &s->version, version);
    tasks_settle(s);
    shard_pump(s);
}

void engine_on_reset(void *user, uint32_t shard)
{
    struct engine *engine = user;
    struct engine_impl *e = engine->impl;
    if (e == NULL || shard >= e->config.shard_count) {
        return;
    }
    e->feed->reset(e->feed->user, shard);
    if (shard == 0) {
        struct feeding f = {.e = e, .snap = &e->system, .route = true};
        e->system_loaded = e->system_loaded && load(&f, 0, &e->system_version) == 0;
    } else if (e->shards[shard] != NULL) {
        load_shard(e->shards[shard]);
    }
}

/* ---- start and stop ---- */

static void register_metrics(struct engine_metrics *m)
{
    for (size_t kind = 0; kind <= SNAPSHOT_KIND_COUNT; kind++) {
        char label[64];
        bool other = kind == SNAPSHOT_KIND_COUNT;
        snprintf(label, sizeof(label), "kind=\"%s\"",
                 other ? "other" : snapshot_kind_name((enum snapshot_kind)kind));
        m->writes[kind] =
            metric_counter("choreod_reconcile_writes_total", label, "Writes that plans asked for.");
        if (!other && plan_has_controller((enum snapshot_kind)kind)) {
            m->plans[kind] = metric_counter("choreod_reconcile_plans_total", label,
                                            "Plans that controllers made.");
        }
    }
    m->skipped =
        metric_counter("choreod_reconcile_skipped_total", "",
                       "Keys not planned again, since nothing that they read had changed.");
    m->conflicts = metric_counter("choreod_reconcile_write_failures_total", "",
                                  "Writes of plans that did not succeed.");
    m->applies = metric_counter("choreod_reconcile_applies_total", "",
                                "Objects applied to data-plane clusters.");
    m->apply_failures = metric_counter("choreod_reconcile_apply_failures_total", "",
                                       "Objects that a cluster did not take.");
    m->drifts = metric_counter("choreod_reconcile_drifts_total", "",
                               "Objects that somebody changed on a cluster.");
    m->swept = metric_counter("choreod_reconcile_swept_total", "", "Left-over objects deleted.");
    m->lookups = metric_counter("choreod_reconcile_source_lookups_total", "",
                                "Times that a git repository was asked for a commit.");
    m->lookup_failures = metric_counter("choreod_reconcile_source_lookup_failures_total", "",
                                        "Those that did not find one.");
    m->waiting = metric_gauge("choreod_reconcile_queue_keys", "", "Keys that wait to be planned.");
}

int engine_start(struct engine *engine, const struct engine_config *config, struct err *err)
{
    if (config->loop == NULL || config->backend == NULL || config->kinds == NULL ||
        config->shard_count == 0 || config->shard_count > ENGINE_SHARDS_MAX ||
        (config->feed == NULL && config->database == NULL)) {
        return err_set(err, ERR_INVALID,
                       "reconcile: engine without loop, backend, kinds or shards");
    }
    struct engine_impl *e = mem_zero(sizeof(*e));
    e->engine = engine;
    e->config = *config;
    if (e->config.abandon_after_ms == 0) {
        e->config.abandon_after_ms = UINT64_C(10) * 60 * 1000;
    }
    if (e->config.probe_interval_ms == 0) {
        e->config.probe_interval_ms = 5000;
    }
    if (e->config.sweep_delay_ms == 0) {
        e->config.sweep_delay_ms = 15 * 1000;
    }
    if (e->config.cluster_requests_per_second == 0) {
        e->config.cluster_requests_per_second = 4000;
    }
    if (e->config.sweep_interval_ms == 0) {
        e->config.sweep_interval_ms = 60 * 1000;
    }
    e->clock = config->clock != NULL ? config->clock : &clock_system;
    e->feed = config->feed;
    if (e->feed == NULL) {
        feed_store_init(&e->store_feed, &e->config);
        e->feed = &e->store_feed;
    }
    engine_snapshot(e, 0, &e->system_source, &e->system);
    register_metrics(&e->metrics);
    engine->impl = e;
    return 0;
}

static void on_git_closed(struct git_client *git)
{
    struct engine_impl *e = CONTAINER_OF(git, struct engine_impl, git);
    e->git_open = false;
    engine_check_stopped(e);
}

void engine_check_stopped(struct engine_impl *e)
{
    if (!e->stopping || e->shards_open > 0) {
        return;
    }
    if (e->git_open) {
        if (!e->git.closing) {
            git_client_close(&e->git, on_git_closed);
        }
        return;
    }
    struct engine *engine = e->engine;
    void (*stopped)(struct engine *) = e->stopped;
    snapshot_free(&e->system);
    cel_cache_free(&e->programs);
    if (e->feed == &e->store_feed) {
        feed_store_free(&e->store_feed);
    }
    engine->impl = NULL;
    free(e);
    if (stopped != NULL) {
        stopped(engine);
    }
}

void engine_stop(struct engine *engine, void (*stopped)(struct engine *e))
{
    struct engine_impl *e = engine->impl;
    e->stopping = true;
    e->stopped = stopped;
    for (uint32_t i = 0; i < e->config.shard_count; i++) {
        if (e->shards[i] != NULL) {
            struct engine_shard *s = e->shards[i];
            e->shards[i] = NULL;
            shard_close(s);
        }
    }
    engine_check_stopped(e);
}
