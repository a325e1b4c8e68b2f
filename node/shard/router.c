/* router.c: struct backend over the shards: which shard, how fresh, then the view.
 *
 * Happy path: a read wants the freshness that was asked for (front.h) of its shard, or of all of
 * them, and is then answered from the front's own databases. Writes are submit.c's.
 * A list is read in turns, and all that are under way share SCANS_US of each wake, so that neither
 * a long one nor many short ones delay a read or write; who has many waits behind who has one. A
 * list over all namespaces takes the greatest clock T of all leaders, each confirmed after the list
 * came, has every shard close T, and reads each as of T. A stale one reads at once, as of the least
 * present of the shards; only where history does not reach back to that, they are asked.
 *
 * Failure path: at the deadline a read is ERR_TIMEOUT, or ERR_UNAVAILABLE without a leader.
 *
 * Invariants: done runs once, never inside the backend's functions; every run is in front.runs. */
#include "node/shard/router.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/selector.h"

enum { SCANS_US = 500 };

/* ---- where things live ---- */

/* Lamping and Veach's jump consistent hash. */
static uint32_t jump_hash(uint64_t key, uint32_t buckets)
{
    int64_t b = -1;
    int64_t j = 0;
    while (j < (int64_t)buckets) {
        b = j;
        key = key * UINT64_C(2862933555777941757) + 1;
        j = (int64_t)((double)(b + 1) * ((double)(INT64_C(1) << 31) / (double)((key >> 33) + 1)));
    }
    return (uint32_t)b;
}

uint32_t router_shard_of(const struct node_impl *n, struct slice ns)
{
    uint32_t shards = n->identity.shards;
    if (shards == 1 || ns.len == 0 || slice_eq(ns, SLICE("choreo-system"))) {
        return 0;
    }
    return 1 + jump_hash(slice_hash(ns), shards - 1);
}

uint32_t node_shard_of(const struct node *handle, struct slice ns)
{
    return router_shard_of(handle->impl, ns);
}

static bool cluster_scoped(const struct node_impl *n, struct slice resource)
{
    if (slice_ends_with(resource, SLICE(".cluster.choreo.dev"))) {
        return true; /* the node's own, whoever decides for the others */
    }
    if (n->config.cluster_scoped != NULL) {
        return n->config.cluster_scoped(resource);
    }
    const struct kind *kind = kind_by_resource(&n->kinds, resource);
    return kind != NULL && !kind->namespaced;
}

/* The one namespace that a list or watch can be about; empty: any. */
static struct slice target_ns(struct slice ns, const struct selector *selector)
{
    return ns.len > 0 ? ns : selector_exact_ns(selector);
}

/* Does a list or watch of that resource and namespace reach over several shards? */
static bool reaches_all(const struct node_impl *n, struct slice resource, struct slice ns)
{
    return ns.len == 0 && n->identity.shards > 1 && !cluster_scoped(n, resource);
}

/* ---- runs ---- */

struct front *router_front(struct backend *b, const struct loop *loop)
{
    struct node_impl *n = CONTAINER_OF(b, struct node_impl, backend);
    struct front *f = front_of(n, loop);
    assert(f != NULL && "the loop was not attached, or is detached");
    return f;
}

struct run *run_new(struct front *f, enum run_kind kind, void *request, uint64_t deadline_ms,
                    size_t wants)
{
    struct run *run = mem_zero(sizeof(*run) + wants * sizeof(struct want));
    run->front = f;
    run->kind = kind;
    run->request = request;
    run->deadline_ms = deadline_ms != 0 ? deadline_ms : loop_now_ms(f->loop) + DEADLINE_DEFAULT_MS;
    run->wants = (struct want *)(run + 1);
    run->want_count = wants;
    list_push_back(&f->runs, &run->link);
    return run;
}

void run_free(struct run *run)
{
    for (size_t i = 0; i < run->want_count; i++) {
        front_want_cancel(&run->wants[i]);
    }
    if (run->call != NULL) {
        run->call->user = NULL; /* it goes on; its answer is dropped */
    }
    view_scan_free(&run->scan);
    list_remove(&run->link);
    free(run);
}

void run_answer(struct run *run, int rc, const struct err *err)
{
    void *request = run->request;
    enum run_kind kind = run->kind;
    struct err own = {0};
    if (rc != 0 && err != NULL) {
        own = *err;
    }
    own.code = rc;
    run_free(run);
    if (kind == RUN_GET) {
        struct backend_get *get = request;
        get->done(get, rc, &own);
    } else if (kind == RUN_LIST) {
        struct backend_list *list = request;
        list->done(list, rc, &own);
    } else {
        struct backend_submit *submit = request;
        submit->done(submit, rc, &own);
    }
}

void run_later(struct run *run, int rc, const struct err *err)
{
    run->over = true;
    run->rc = rc;
    run->err = err != NULL ? *err : (struct err){0};
    front_wake(run->front);
}

static void scan_turn(struct run *run);

static uint64_t *last_turn_of(struct front *f, const struct run *run)
{
    const struct backend_list *list = run->request;
    return &f->scanned[list->whose % FRONT_CALLERS];
}

/* Of the caller whose last turn is longest ago, the list that has waited longest. */
static struct run *next_scan(struct front *f)
{
    struct run *next = NULL;
    LIST_FOREACH(link, &f->runs)
    {
        struct run *run = CONTAINER_OF(link, struct run, link);
        if (run->scanning && !run->over &&
            (next == NULL || *last_turn_of(f, run) < *last_turn_of(f, next))) {
            next = run;
        }
    }
    return next;
}

/* Turns of lists until they have had their time. Callers take turns, and the lists of each do. */
static void scan_some(struct front *f)
{
    uint64_t until_ns = clock_mono_ns() + SCANS_US * UINT64_C(1000);
    for (struct run *run = next_scan(f); run != NULL; run = next_scan(f)) {
        if (clock_mono_ns() >= until_ns) {
            front_wake(f);
            return;
        }
        list_remove(&run->link);
        list_push_back(&f->runs, &run->link);
        *last_turn_of(f, run) = ++f->scans;
        scan_turn(run);
    }
}

void router_wake(struct front *f)
{
    struct list due;
    list_init(&due);
    LIST_FOREACH(link, &f->runs)
    {
        struct run *run = CONTAINER_OF(link, struct run, link);
        if (run->over) {
            list_remove(&run->link);
            list_push_back(&due, &run->link);
        }
    }
    struct list *link;
    while ((link = list_pop_front(&due)) != NULL) {
        struct run *run = CONTAINER_OF(link, struct run, link);
        struct err err = run->err;
        run_answer(run, run->rc, &err);
    }
    scan_some(f);
}

void router_tick(struct front *f, uint64_t now_ms)
{
    LIST_FOREACH(link, &f->runs)
    {
        struct run *run = CONTAINER_OF(link, struct run, link);
        /* Dispatch knows better whether a write may have been carried out: it has the first word.
         */
        uint64_t grace_ms = run->call != NULL ? CALL_GRACE_MS : 0;
        if (!run->over && now_ms >= run->deadline_ms + grace_ms) {
            struct err err;
            err_set(&err, ERR_TIMEOUT, "shard %u: no answer in time%s", run->shard,
                    run->kind == RUN_SUBMIT ? "; the outcome is unknown" : "");
            run_later(run, ERR_TIMEOUT, &err);
        }
    }
}

void router_close(struct front *f)
{
    LIST_FOREACH(link, &f->runs)
    {
        struct run *run = CONTAINER_OF(link, struct run, link);
        if (!run->over) {
            struct err err;
            err_set(&err, ERR_CLOSED, "the node is shutting down");
            run_later(run, ERR_CLOSED, &err);
        }
    }
}

static void router_cancel(struct backend *b, void *request)
{
    struct node_impl *n = CONTAINER_OF(b, struct node_impl, backend);
    struct front *f = front_of(n, loop_current());
    if (f == NULL) {
        return; /* detaching: its end is on its way */
    }
    LIST_FOREACH(link, &f->runs)
    {
        struct run *run = CONTAINER_OF(link, struct run, link);
        if (run->request == request && !run->over) {
            struct err err;
            err_set(&err, ERR_CANCELED, "the caller went away");
            run_later(run, ERR_CANCELED, &err);
            return;
        }
    }
}

/* ---- reads of one shard ---- */

static void read_now(struct run *run)
{
    if (run->kind == RUN_LIST) {
        run->scanning = true; /* by the wake that this is part of */
        return;
    }
    struct view *view = &run->front->shards[run->shard].view;
    void *request = run->request;
    enum run_kind kind = run->kind;
    run_free(run);
    if (kind == RUN_GET) {
        view_get(view, request);
    } else {
        view_outcome(view, request);
    }
}

static void want_all(struct run *run, enum want_kind kind, uint64_t version, bool trusted);

static void scan_turn(struct run *run)
{
    struct front *f = run->front;
    struct backend_list *list = run->request;
    bool finished = true;
    struct err err = {0};
    run->scanning = false;
    int rc = run->all
                 ? merge_list_turn(&f->merge, list, run->version, &run->scan, &finished, &err)
                 : view_list_turn(&f->shards[run->shard].view, list, &run->scan, &finished, &err);
    if (rc == ERR_GONE && run->stale) {
        run->stale = false;
        view_scan_free(&run->scan);
        want_all(run, WANT_CLOCK, 0, true);
        return;
    }
    run->stale = false; /* rows may have been given */
    if (rc == 0 && !finished) {
        run->scanning = true;
        front_wake(f);
        return;
    }
    run_free(run);
    list->done(list, rc, rc == 0 ? NULL : &err);
}

static void on_reached(struct want *want, int rc, const struct err *err)
{
    struct run *run = want->user;
    if (run->over) {
        return;
    }
    if (rc != 0) {
        run_answer(run, rc, err);
    } else {
        read_now(run);
    }
}

/* Sets the run's one want off. */
static void read_at(struct run *run, enum backend_consistency consistency, uint64_t version)
{
    struct want *want = &run->wants[0];
    *want = (struct want){.kind = WANT_FRESH, .shard = run->shard, .deadline_ms = run->deadline_ms};
    want->user = run;
    want->done = on_reached;
    if (consistency == BACKEND_AT_LEAST || consistency == BACKEND_EXACT) {
        uint64_t soon = loop_now_ms(run->front->loop) + AT_LEAST_WAIT_MS + CALL_GRACE_MS;
        want->kind = WANT_CLOSED;
        want->version = version;
        want->deadline_ms = soon < run->deadline_ms ? soon : run->deadline_ms;
    } else if (consistency == BACKEND_STALE) {
        want->kind = WANT_CLOSED; /* of version 0: which is always there */
        want->version = 0;
    }
    front_want(run->front, want);
}

static void router_get(struct backend *b, struct backend_get *get)
{
    struct front *f = router_front(b, get->loop);
    struct run *run = run_new(f, RUN_GET, get, get->deadline_ms, 1);
    run->shard = router_shard_of(f->node, get->key.ns);
    read_at(run, get->consistency, get->version);
}

static void router_outcome(struct backend *b, struct backend_submit *submit)
{
    struct front *f = router_front(b, submit->loop);
    struct run *run = run_new(f, RUN_OUTCOME, submit, submit->deadline_ms, 1);
    run->shard = router_shard_of(f->node, submit->key.ns);
    read_at(run, BACKEND_LINEARIZABLE, 0);
}

/* ---- lists over all shards ---- */

static void on_one_reached(struct want *want, int rc, const struct err *err)
{
    struct run *run = want->user;
    if (run->over) {
        return;
    }
    if (rc != 0) {
        run_answer(run, rc, err);
        return;
    }
    if (!run->closing && want->clock > run->version) {
        run->version = want->clock;
    }
    if (--run->wanted > 0) {
        return;
    }
    if (run->closing) {
        run->scanning = true;
    } else {
        want_all(run, WANT_CLOSED, run->version, true);
    }
}

static void want_all(struct run *run, enum want_kind kind, uint64_t version, bool trusted)
{
    run->closing = kind == WANT_CLOSED;
    run->version = version;
    run->wanted = run->want_count;
    uint64_t deadline_ms = run->deadline_ms;
    uint64_t soon = loop_now_ms(run->front->loop) + AT_LEAST_WAIT_MS + CALL_GRACE_MS;
    if (run->closing && !trusted && soon < deadline_ms) {
        deadline_ms = soon;
    }
    for (size_t i = 0; i < run->want_count; i++) {
        run->wants[i] = (struct want){.kind = kind,
                                      .shard = (uint32_t)i,
                                      .deadline_ms = deadline_ms,
                                      .version = version,
                                      .trusted = trusted,
                                      .user = run,
                                      .done = on_one_reached};
    }
    for (size_t i = 0; i < run->want_count; i++) {
        front_want(run->front, &run->wants[i]);
    }
}

static void list_all(struct run *run, const struct backend_list *list)
{
    bool named = list->consistency == BACKEND_EXACT || list->consistency == BACKEND_AT_LEAST;
    struct front *f = run->front;
    uint64_t closed = merge_closed(&f->merge);
    uint64_t present = merge_present(&f->merge);
    if (list->consistency == BACKEND_STALE && present > 0) {
        run->stale = true;
        run->version = present;
        run->scanning = true;
        front_keep_up(f);
        front_wake(f);
    } else if (!named) {
        want_all(run, WANT_CLOCK, 0, true);
    } else if (list->consistency == BACKEND_AT_LEAST && list->version <= closed) {
        want_all(run, WANT_CLOSED, closed, true);
    } else {
        want_all(run, WANT_CLOSED, list->version, false);
    }
}

static void router_list(struct backend *b, struct backend_list *list)
{
    struct front *f = router_front(b, list->loop);
    struct slice ns = target_ns(list->ns, list->selector);
    bool all = reaches_all(f->node, list->resource, ns);
    struct run *run =
        run_new(f, RUN_LIST, list, list->deadline_ms, all ? f->shard_count : (size_t)1);
    run->all = all;
    run->shard = router_shard_of(f->node, ns);
    if (all) {
        list_all(run, list);
    } else {
        read_at(run, list->consistency, list->version);
    }
}

/* ---- watches ---- */

/* A watch from ahead of what is known here: the shard is asked to close that. Nobody waits for the
 * want itself; the watch goes on, or ends, by itself. */
static void on_ahead(struct want *want, int rc, const struct err *err)
{
    (void)rc;
    (void)err;
    free(want);
}

static void reach(struct front *f, uint32_t shard, uint64_t version)
{
    if (version <= view_present(&f->shards[shard].view)) {
        return;
    }
    struct want *want = mem_zero(sizeof(*want));
    *want = (struct want){.kind = WANT_CLOSED,
                          .shard = shard,
                          .deadline_ms = loop_now_ms(f->loop) + AT_LEAST_WAIT_MS,
                          .version = version,
                          .done = on_ahead};
    front_want(f, want);
}

static void router_watch_start(struct backend *b, struct backend_watch *watch)
{
    struct front *f = router_front(b, watch->loop);
    struct slice ns = target_ns(watch->ns, watch->selector);
    if (reaches_all(f->node, watch->resource, ns)) {
        for (uint32_t i = 0; i < f->shard_count; i++) {
            reach(f, i, watch->since);
        }
        merge_watch_start(&f->merge, watch);
        front_nudge(f);
    } else {
        uint32_t shard = router_shard_of(f->node, ns);
        reach(f, shard, watch->since);
        view_watch_start(&f->shards[shard].view, watch);
    }
}

static void router_watch_stop(struct backend *b, struct backend_watch *watch)
{
    struct node_impl *n = CONTAINER_OF(b, struct node_impl, backend);
    struct front *f = front_of(n, watch->loop);
    if (f == NULL) {
        return; /* detaching has ended it already */
    }
    struct slice ns = target_ns(watch->ns, watch->selector);
    if (reaches_all(n, watch->resource, ns)) {
        merge_watch_stop(&f->merge, watch);
    } else {
        view_watch_stop(&f->shards[router_shard_of(n, ns)].view, watch);
    }
}

static void router_watch_resume(struct backend *b, struct backend_watch *watch)
{
    struct node_impl *n = CONTAINER_OF(b, struct node_impl, backend);
    struct front *f = front_of(n, watch->loop);
    if (f == NULL) {
        return;
    }
    struct slice ns = target_ns(watch->ns, watch->selector);
    if (reaches_all(n, watch->resource, ns)) {
        merge_watch_resume(&f->merge, watch);
    } else {
        view_watch_resume(&f->shards[router_shard_of(n, ns)].view, watch);
    }
}

const struct backend_ops router_ops = {
    .get = router_get,
    .list = router_list,
    .watch_start = router_watch_start,
    .watch_stop = router_watch_stop,
    .watch_resume = router_watch_resume,
    .submit = router_submit,
    .outcome = router_outcome,
    .cancel = router_cancel,
};
