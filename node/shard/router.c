/* router.c: struct backend over the shards: which shard, how fresh, then the view.
 *
 * Happy path: a read wants the freshness that was asked for (front.h) of its shard, or of all of
 * them, and is then answered from the front's own databases. A write is encoded once and called to
 * the shard's leader; whoever leads, it is executed once.
 * A list over all namespaces takes the greatest clock T of all leaders, each confirmed after the
 * list came, has every shard close T, and reads each as of T. An Organization's namespace has a row
 * in its home shard: made before its creation is answered, marked before its deletion. What is left
 * half-done by a crash is repaired (tenants.c). Failure path: at the deadline a read is ERR_TIMEOUT
 * or ERR_UNAVAILABLE, a write ERR_TIMEOUT: its call may still be under way, and a retry of the same
 * id finds its outcome. Invariants: done runs once, never inside the backend's functions; every run
 * is in front.runs. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "node/shard/front.h"
#include "store/command.h"

enum run_kind { RUN_GET, RUN_LIST, RUN_SUBMIT, RUN_OUTCOME };
enum { AT_LEAST_WAIT_MS = 3000, CALL_GRACE_MS = 200, DEADLINE_DEFAULT_MS = 30000 };

struct run {
    struct list link; /* front.runs */
    struct front *front;
    enum run_kind kind;
    void *request; /* backend_get, _list or _submit */
    uint64_t deadline_ms;
    bool over; /* rc is the answer; done comes with the next wake */
    bool all;  /* a list over all shards */
    int rc;
    struct err err;
    uint32_t shard;
    /* reads */
    struct want *wants; /* one, or one for each shard */
    size_t want_count;
    size_t wanted; /* still under way */
    uint64_t version;
    bool closing; /* a list's second phase */
    /* writes */
    struct call *call; /* under way */
    int step;
};

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

static uint32_t shard_of(const struct node_impl *n, struct slice ns)
{
    uint32_t shards = n->identity.shards;
    if (shards == 1 || ns.len == 0 || slice_eq(ns, SLICE("choreo-system"))) {
        return 0;
    }
    return 1 + jump_hash(slice_hash(ns), shards - 1);
}

uint32_t node_shard_of(const struct node *handle, struct slice ns)
{
    return shard_of(handle->impl, ns);
}

static bool cluster_scoped(const struct node_impl *n, struct slice resource)
{
    if (n->config.cluster_scoped != NULL) {
        return n->config.cluster_scoped(resource);
    }
    if (slice_eq(resource, SLICE(NODE_MEMBER_RESOURCE))) {
        return true;
    }
    const struct kind *kind = kind_by_resource(&n->kinds, resource);
    return kind != NULL && !kind->namespaced;
}

/* Does a list or watch of that resource and namespace reach over several shards? */
static bool reaches_all(const struct node_impl *n, struct slice resource, struct slice ns)
{
    return ns.len == 0 && n->identity.shards > 1 && !cluster_scoped(n, resource);
}

/* ---- runs ---- */

static struct front *front_for(struct backend *b, const struct loop *loop)
{
    struct node_impl *n = CONTAINER_OF(b, struct node_impl, backend);
    struct front *f = front_of(n, loop);
    assert(f != NULL && "the loop was not attached, or is detached");
    return f;
}

static struct run *run_new(struct front *f, enum run_kind kind, void *request, uint64_t deadline_ms,
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

static void run_free(struct run *run)
{
    for (size_t i = 0; i < run->want_count; i++) {
        front_want_cancel(&run->wants[i]);
    }
    if (run->call != NULL) {
        run->call->user = NULL; /* it goes on; its answer is dropped */
    }
    list_remove(&run->link);
    free(run);
}

/* Ends a run with an error, or a write or outcome with what it has. Not inside backend_ops. */
static void run_answer(struct run *run, int rc, const struct err *err)
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

/* The same from inside backend_ops: with the next wake. */
static void run_later(struct run *run, int rc, const struct err *err)
{
    run->over = true;
    run->rc = rc;
    run->err = err != NULL ? *err : (struct err){0};
    front_wake(run->front);
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
    struct view *view = &run->front->shards[run->shard].view;
    void *request = run->request;
    enum run_kind kind = run->kind;
    run_free(run);
    if (kind == RUN_GET) {
        view_get(view, request);
    } else if (kind == RUN_LIST) {
        view_list(view, request);
    } else {
        view_outcome(view, request);
    }
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
    struct front *f = front_for(b, get->loop);
    struct run *run = run_new(f, RUN_GET, get, get->deadline_ms, 1);
    run->shard = shard_of(f->node, get->key.ns);
    read_at(run, get->consistency, get->version);
}

static void router_outcome(struct backend *b, struct backend_submit *submit)
{
    struct front *f = front_for(b, submit->loop);
    struct run *run = run_new(f, RUN_OUTCOME, submit, submit->deadline_ms, 1);
    run->shard = shard_of(f->node, submit->key.ns);
    read_at(run, BACKEND_LINEARIZABLE, 0);
}

/* ---- lists over all shards ---- */

static void list_all_now(struct run *run, uint64_t version)
{
    struct front *f = run->front;
    struct backend_list *list = run->request;
    run_free(run);
    merge_list(&f->merge, list, version);
}

static void want_all(struct run *run, enum want_kind kind, uint64_t version, bool trusted);

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
        list_all_now(run, run->version);
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
    uint64_t closed = merge_closed(&run->front->merge);
    if (!named) {
        /* Stale too: the shards' own presents are no one point in time. */
        want_all(run, WANT_CLOCK, 0, true);
    } else if (list->consistency == BACKEND_AT_LEAST && list->version <= closed) {
        want_all(run, WANT_CLOSED, closed, true);
    } else {
        want_all(run, WANT_CLOSED, list->version, false);
    }
}

static void router_list(struct backend *b, struct backend_list *list)
{
    struct front *f = front_for(b, list->loop);
    bool all = reaches_all(f->node, list->resource, list->ns);
    struct run *run =
        run_new(f, RUN_LIST, list, list->deadline_ms, all ? f->shard_count : (size_t)1);
    run->all = all;
    run->shard = shard_of(f->node, list->ns);
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
    struct front *f = front_for(b, watch->loop);
    if (reaches_all(f->node, watch->resource, watch->ns)) {
        for (uint32_t i = 0; i < f->shard_count; i++) {
            reach(f, i, watch->since);
        }
        merge_watch_start(&f->merge, watch);
        front_nudge(f);
    } else {
        uint32_t shard = shard_of(f->node, watch->ns);
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
    if (reaches_all(n, watch->resource, watch->ns)) {
        merge_watch_stop(&f->merge, watch);
    } else {
        view_watch_stop(&f->shards[shard_of(n, watch->ns)].view, watch);
    }
}

static void router_watch_resume(struct backend *b, struct backend_watch *watch)
{
    struct node_impl *n = CONTAINER_OF(b, struct node_impl, backend);
    struct front *f = front_of(n, watch->loop);
    if (f == NULL) {
        return;
    }
    if (reaches_all(n, watch->resource, watch->ns)) {
        merge_watch_resume(&f->merge, watch);
    } else {
        view_watch_resume(&f->shards[shard_of(n, watch->ns)].view, watch);
    }
}

/* ---- writes ---- */

static bool owns_namespace(const struct backend_submit *submit)
{
    return submit->key.ns.len == 0 &&
           slice_eq(submit->key.resource, SLICE(NODE_ORGANIZATION_RESOURCE));
}

static bool deleting(const struct backend_submit *submit)
{
    struct slice value;
    return json_scan(submit->body, &value, "metadata", "deletionTimestamp", NULL);
}

/* What a write to a namespace's owner takes, in order. The marks follow the write, which may be
 * refused; a crash between them is repaired (tenants.c). */
enum step { STEP_WRITE, STEP_MARK_ACTIVE, STEP_MARK_TERMINATING, STEP_MARK_GONE, STEP_END };

static bool step_needed(const struct backend_submit *submit, int step)
{
    bool owner = owns_namespace(submit);
    switch ((enum step)step) {
    case STEP_WRITE:
        return true;
    case STEP_MARK_ACTIVE:
        return owner && submit->verb == BACKEND_CREATE;
    case STEP_MARK_TERMINATING:
        return owner && (submit->verb == BACKEND_DELETE ||
                         (submit->verb == BACKEND_UPDATE && deleting(submit)));
    case STEP_MARK_GONE:
        return owner && submit->verb == BACKEND_DELETE;
    case STEP_END:
        break;
    }
    return false;
}

static enum namespace_state mark_of(int step)
{
    if (step == STEP_MARK_ACTIVE) {
        return NAMESPACE_ACTIVE;
    }
    return step == STEP_MARK_GONE ? NAMESPACE_GONE : NAMESPACE_TERMINATING;
}

static int encode_step(const struct run *run, const struct backend_submit *submit,
                       struct call *call, struct err *err)
{
    struct command command = {0};
    if (run->step == STEP_WRITE) {
        command_from_submit(submit, &command);
    } else {
        command = (struct command){.kind = COMMAND_NAMESPACE,
                                   .mark = {.name = submit->key.name, .state = mark_of(run->step)}};
    }
    return command_encode(&command, &call->request, err);
}

static void on_step(struct call *call);

/* Starts the next step that is needed; false when the run is at its end, with *rc and err. */
static bool next_step(struct run *run, int *rc, struct err *err)
{
    struct backend_submit *submit = run->request;
    *rc = 0;
    while (run->step < STEP_END && !step_needed(submit, run->step)) {
        run->step++;
    }
    if (run->step == STEP_END) {
        return false;
    }
    struct front *f = run->front;
    uint32_t shard = run->step == STEP_WRITE ? run->shard : shard_of(f->node, submit->key.name);
    struct call *call = call_new(CALL_SUBMIT, shard, run->deadline_ms);
    *rc = encode_step(run, submit, call, err);
    if (*rc != 0) {
        call_free(call);
        return false;
    }
    call->home = f->loop;
    call->front = f;
    call->user = run;
    call->done = on_step;
    run->call = call;
    front_call(f, call);
    return true;
}

/* Of a mark only that it could not be made counts; "still holds objects" is a later mark's matter.
 */
static bool refused(const struct run *run, int rc)
{
    return rc != 0 && (run->step == STEP_WRITE || rc == ERR_TIMEOUT || rc == ERR_UNAVAILABLE ||
                       rc == ERR_CLOSED || rc == ERR_BUSY);
}

static void take_step(struct run *run, const struct call *call)
{
    struct backend_submit *submit = run->request;
    struct err err = call->err;
    int rc = call->rc;
    run->call = NULL;
    if (run->over) {
        return; /* its end is on its way */
    }
    if (refused(run, rc)) {
        run_answer(run, rc, &err);
        return;
    }
    if (run->step == STEP_WRITE) {
        submit->version = call->version;
    }
    run->step++;
    if (!next_step(run, &rc, &err)) {
        run_answer(run, rc, &err);
    }
}

static void on_step(struct call *call)
{
    struct front *f = call->front;
    if (call->user != NULL) {
        take_step(call->user, call);
    }
    call_free(call);
    front_call_done(f);
}

static void router_submit(struct backend *b, struct backend_submit *submit)
{
    struct front *f = front_for(b, submit->loop);
    struct run *run = run_new(f, RUN_SUBMIT, submit, submit->deadline_ms, 0);
    run->shard = shard_of(f->node, submit->key.ns);
    submit->version = 0;
    struct err err;
    int rc = 0;
    if (!next_step(run, &rc, &err)) {
        run_later(run, rc, &err);
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
