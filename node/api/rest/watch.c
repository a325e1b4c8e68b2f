/* watch.c: the change feed as Kubernetes' watch.
 *
 *   PROBE ----> HEADS ----> LIVE ----> ENDING ----> done
 *     at or      synthetic    events     the backend's watch is
 *     after N    ADDEDs       as they    being stopped
 *
 * Happy path: with resourceVersion N the present is first made sure to have reached N (PROBE), for
 * a version from the future must be an HTTP error; the response's head then leaves at once, before
 * any event (informers wait for it). Without N, or with 0, what exists is listed as ADDED events
 * (HEADS), and the watch goes on from the list's version (LIVE). Events are spliced from stored
 * bytes. Bookmarks tell how far the stream is, each minute and two seconds before its end.
 * Failure path: once the head has left, an error is an ERROR event and a clean end. A client that
 * reads slowly pauses the backend's watch; the feed holds nothing for it.
 * Invariants: at most one backend request is under way; the call is done only when none is and the
 * timer is closed. */
#include "node/api/rest/rest.h"

#include <assert.h>

#include "base/crypto.h"
#include "base/sm.h"

enum { BOOKMARK_MS = 60000, BOOKMARK_LEAD_MS = 2000, WATCH_MIN_S = 1800, WATCH_MAX_S = 86400 };

enum watch_state { WATCH_PROBE, WATCH_HEADS, WATCH_LIVE, WATCH_ENDING, WATCH_DONE, WATCH_STATES };

static const struct sm_state states[WATCH_STATES] = {
    [WATCH_PROBE] = {"probe", SM_TO(WATCH_HEADS) | SM_TO(WATCH_LIVE) | SM_TO(WATCH_DONE)},
    [WATCH_HEADS] = {"heads", SM_TO(WATCH_LIVE) | SM_TO(WATCH_DONE)},
    [WATCH_LIVE] = {"live", SM_TO(WATCH_ENDING) | SM_TO(WATCH_DONE)},
    [WATCH_ENDING] = {"ending", SM_TO(WATCH_DONE)},
    [WATCH_DONE] = {"done", 0},
};

struct watch_job {
    struct rest_call *call;
    struct sm sm;
    struct backend_list list;
    struct backend_watch watch;
    struct selector *selector;
    struct loop_timer timer;
    uint64_t deadline_ms;
    uint64_t bookmark_ms; /* when the next is due */
    uint64_t progress;    /* all at or below has been sent */
    uint64_t bookmarked;  /* the last bookmark's version */
    bool synthetic;       /* ADDEDs for what exists come first */
    bool marked;          /* and a bookmark at their end */
    bool started;         /* the response's head has left */
    bool columns_sent;
    bool reading; /* a list page is under way */
    bool full;    /* the client reads slowly */
    int rc;
    struct err err;
    struct backend_cursor last;
};

/* ---- the end ---- */

static void on_timer_closed(struct loop_timer *timer)
{
    struct watch_job *job = CONTAINER_OF(timer, struct watch_job, timer);
    selector_free(job->selector);
    rest_done(job->call);
}

static void finish(struct watch_job *job)
{
    sm_move(&job->sm, WATCH_DONE);
    job->call->gone = NULL;
    job->call->writable = NULL;
    job->call->drain = NULL;
    http_stream_end(job->call->stream, NULL, 0);
    loop_timer_close(&job->timer, on_timer_closed);
}

/* Before the head: a Status of its own. */
static void refuse(struct watch_job *job, int rc, const struct err *err)
{
    struct rest_call *call = job->call;
    struct status status;
    rest_status_init(call, rc, err, &status);
    rest_explain_version(call, rc, &status);
    rest_send_status(call, &status);
    finish(job);
}

static void send_error(struct watch_job *job, int rc, const struct err *err)
{
    struct status status;
    rest_status_init(job->call, rc, err, &status);
    status.name = (struct slice){0};
    struct buf *out = http_stream_out(job->call->stream);
    buf_add_cstr(out, "{\"type\":\"ERROR\",\"object\":");
    status_write(&status, out);
    out->data[out->len - 1] = '}'; /* in place of the Status' newline */
    buf_add_char(out, '\n');
    (void)http_stream_push(job->call->stream);
}

static void stop(struct watch_job *job);

/* ---- events ---- */

static int emit_event_table(struct watch_job *job, const struct backend_object *object,
                            struct buf *out)
{
    struct rest_call *call = job->call;
    buf_add_char(out, '{');
    rest_emit_table_type(call, out);
    buf_addf(out, ",\"metadata\":{\"resourceVersion\":\"%llu\"},\"columnDefinitions\":",
             (unsigned long long)object->version);
    if (job->columns_sent) {
        buf_add_cstr(out, "[]");
    } else {
        table_columns(call->kind, out);
    }
    job->columns_sent = true;
    buf_add_cstr(out, ",\"rows\":[");
    int rc = rest_emit_row(call, object, out, &job->err);
    buf_add_cstr(out, "]}");
    return rc;
}

static void send_event(struct watch_job *job, const char *type, const struct backend_object *object)
{
    struct rest_call *call = job->call;
    struct buf *out = http_stream_out(call->stream);
    size_t before = out->len;
    int rc = 0;
    buf_addf(out, "{\"type\":\"%s\",\"object\":", type);
    if (call->accept.form == REST_TABLE) {
        rc = emit_event_table(job, object, out);
    } else if (call->accept.form == REST_PARTIAL) {
        rc = table_partial(object, call->accept.version, out, &job->err);
    } else {
        object_emit_as(out, call->kind, object);
    }
    buf_add_cstr(out, "}\n");
    if (rc != 0) {
        out->len = before;
        job->rc = rc;
        return;
    }
    job->full = !http_stream_push(call->stream);
}

static void send_bookmark(struct watch_job *job, uint64_t version, bool initial_end)
{
    struct rest_call *call = job->call;
    struct buf *out = http_stream_out(call->stream);
    const struct kind *kind = call->kind;
    buf_add_cstr(out, "{\"type\":\"BOOKMARK\",\"object\":{");
    if (call->accept.form == REST_TABLE) {
        rest_emit_table_type(call, out);
        buf_add_cstr(out, ",\"columnDefinitions\":[],\"rows\":[]");
    } else if (call->accept.form == REST_PARTIAL) {
        buf_addf(out, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/%.*s\"",
                 SLICE_ARG(call->accept.version));
    } else {
        buf_addf(out, "\"kind\":\"%.*s\",\"apiVersion\":\"%.*s\"", SLICE_ARG(kind->kind),
                 SLICE_ARG(kind->api_version));
    }
    buf_addf(out, ",\"metadata\":{\"resourceVersion\":\"%llu\",\"creationTimestamp\":null%s}}}\n",
             (unsigned long long)version,
             initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    job->bookmarked = version;
    (void)http_stream_push(call->stream);
}

/* ---- live ---- */

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    static const char *const types[] = {
        [BACKEND_ADDED] = "ADDED",
        [BACKEND_MODIFIED] = "MODIFIED",
        [BACKEND_DELETED] = "DELETED",
    };
    struct watch_job *job = watch->user;
    if (job->sm.state != WATCH_LIVE || job->rc != 0) {
        return;
    }
    send_event(job, types[event], object);
    if (job->rc != 0) {
        send_error(job, job->rc, &job->err);
        stop(job);
        return;
    }
    job->progress = object->version;
    watch->paused = job->full;
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    struct watch_job *job = watch->user;
    if (version > job->progress) {
        job->progress = version;
    }
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct watch_job *job = watch->user;
    bool tell =
        rc == ERR_GONE && job->sm.state == WATCH_LIVE && http_stream_alive(job->call->stream);
    if (tell) {
        send_error(job, rc, err);
    }
    /* Anything else (no leader for long, shutdown, our own stop) is a clean end: clients resume
     * from the last version that they saw. */
    finish(job);
}

static void go_live(struct watch_job *job, uint64_t since)
{
    struct rest_call *call = job->call;
    sm_move(&job->sm, WATCH_LIVE);
    job->progress = since;
    job->watch = (struct backend_watch){
        .loop = call->loop,
        .resource = call->kind->resource,
        .ns = call->path.ns,
        .selector = job->selector,
        .since = since,
        .user = job,
        .on_event = on_event,
        .on_progress = on_progress,
        .ended = on_ended,
    };
    call->api->backend->ops->watch_start(call->api->backend, &job->watch);
}

static void stop(struct watch_job *job)
{
    if (job->sm.state == WATCH_LIVE) {
        sm_move(&job->sm, WATCH_ENDING);
        job->call->api->backend->ops->watch_stop(job->call->api->backend, &job->watch);
    } else if (job->reading) {
        job->call->api->backend->ops->cancel(job->call->api->backend, &job->list);
    } else if (job->sm.state != WATCH_ENDING && job->sm.state != WATCH_DONE) {
        finish(job);
    }
}

/* ---- what exists ---- */

static void start(struct watch_job *job)
{
    if (!job->started) {
        job->started = true;
        rest_start(job->call);
    }
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct watch_job *job = list->user;
    if (job->sm.state != WATCH_HEADS || job->rc != 0 || !http_stream_alive(job->call->stream)) {
        return;
    }
    start(job);
    send_event(job, "ADDED", object);
    backend_cursor_set(&job->last, &object->key);
}

static void read_page(struct watch_job *job)
{
    job->reading = true;
    job->list.more = false;
    job->list.deadline_ms = rest_deadline(job->call);
    job->call->api->backend->ops->list(job->call->api->backend, &job->list);
}

static void next_page(struct watch_job *job)
{
    backend_list_next(&job->list, &job->last);
    read_page(job);
}

static void on_page(struct backend_list *list, int rc, const struct err *err)
{
    struct watch_job *job = list->user;
    job->reading = false;
    if (!http_stream_alive(job->call->stream)) {
        finish(job);
        return;
    }
    if (rc != 0 && !job->started) {
        refuse(job, rc, err);
        return;
    }
    if (rc != 0) {
        send_error(job, rc, err);
        finish(job);
        return;
    }
    start(job);
    if (job->sm.state == WATCH_PROBE) {
        go_live(job, list->version != 0 ? list->version : list->read_version);
        return;
    }
    if (list->more) {
        if (!job->full) {
            next_page(job);
        }
        return;
    }
    if (job->marked) {
        send_bookmark(job, list->read_version, true);
    }
    go_live(job, list->read_version);
}

/* ---- the stream's and the clock's calls ---- */

static void on_writable(struct rest_call *call)
{
    struct watch_job *job = call->job;
    job->full = false;
    if (job->sm.state == WATCH_LIVE && job->watch.paused) {
        job->watch.paused = false;
        call->api->backend->ops->watch_resume(call->api->backend, &job->watch);
    } else if (job->sm.state == WATCH_HEADS && !job->reading) {
        next_page(job);
    }
}

static void on_gone(struct rest_call *call)
{
    stop(call->job);
}

static void on_timer(struct loop_timer *timer)
{
    struct watch_job *job = CONTAINER_OF(timer, struct watch_job, timer);
    uint64_t now = loop_now_ms(job->call->loop);
    bool last = now + BOOKMARK_LEAD_MS >= job->deadline_ms;
    if (job->sm.state == WATCH_LIVE && job->call->query.bookmarks && job->started && !job->full &&
        (last || now >= job->bookmark_ms) && job->progress > job->bookmarked) {
        send_bookmark(job, job->progress, false);
    }
    if (now >= job->bookmark_ms) {
        job->bookmark_ms = now + BOOKMARK_MS;
    }
    if (now >= job->deadline_ms) {
        stop(job);
        return;
    }
    uint64_t next = job->bookmark_ms;
    uint64_t lead = job->deadline_ms - BOOKMARK_LEAD_MS;
    if (now < lead && lead < next) {
        next = lead;
    } else if (job->deadline_ms < next) {
        next = job->deadline_ms;
    }
    loop_timer_start(timer, next > now ? next - now : 1, 0);
}

/* ---- what is asked ---- */

static int check_initial(struct watch_job *job, struct err *err)
{
    const struct rest_query *q = &job->call->query;
    if (q->has_send_initial && !slice_eq_cstr(q->match, "NotOlderThan")) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                       "resourceVersionMatch to NotOlderThan");
    }
    if (!q->has_send_initial && q->match.len != 0) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "resourceVersionMatch: Forbidden: "
                       "resourceVersionMatch is forbidden for watch "
                       "unless sendInitialEvents is provided");
    }
    job->marked = q->send_initial && q->bookmarks;
    return 0;
}

static int prepare(struct watch_job *job, struct err *err)
{
    struct rest_call *call = job->call;
    const struct rest_query *q = &call->query;
    struct backend_list *list = &job->list;
    int rc = rest_read_query(call, list, &job->selector, err);
    rc = rc != 0 ? rc : check_initial(job, err);
    bool from_version = list->consistency == BACKEND_AT_LEAST;
    job->synthetic = q->has_send_initial ? q->send_initial : !from_version;
    return rc;
}

static uint64_t choose_deadline(const struct rest_call *call)
{
    uint64_t seconds = call->query.timeout_s;
    if (seconds == 0) {
        uint16_t random;
        crypto_random(&random, sizeof(random));
        seconds = WATCH_MIN_S + random % WATCH_MIN_S;
    }
    return loop_now_ms(call->loop) + 1000 * (seconds < WATCH_MAX_S ? seconds : WATCH_MAX_S);
}

void rest_watch(struct rest_call *call)
{
    struct err err = {0};
    struct watch_job *job = ARENA_NEW(call->arena, struct watch_job);
    job->call = call;
    sm_init(&job->sm, states, WATCH_PROBE);
    loop_timer_init(call->loop, &job->timer, on_timer);
    int rc = prepare(job, &err);
    if (rc != 0) {
        refuse(job, rc, &err);
        return;
    }
    job->deadline_ms = choose_deadline(call);
    job->bookmark_ms = loop_now_ms(call->loop) + BOOKMARK_MS;
    call->job = job;
    call->gone = on_gone;
    call->writable = on_writable;
    call->drain = on_gone; /* ends it cleanly: clients resume elsewhere */
    job->list.loop = call->loop;
    job->list.resource = call->kind->resource;
    job->list.ns = call->path.ns;
    job->list.selector = job->selector;
    job->list.limit = BACKEND_PAGE_ROWS_MAX;
    job->list.bytes = BACKEND_PAGE_BYTES_FEW;
    job->list.user = job;
    job->list.row = on_row;
    job->list.done = on_page;
    on_timer(&job->timer);
    if (job->synthetic) {
        sm_move(&job->sm, WATCH_HEADS);
    } else {
        job->list.limit = 1; /* only to see that the present has come so far */
    }
    read_page(job);
}
