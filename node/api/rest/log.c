/* log.c: the log subresource, in the shape of Kubernetes' pods/log.
 *
 * Happy path: the source (proto/logs.h) finds the log, the response's head leaves, and lines follow
 * as they come; a label stands before each where they are of several. A client that reads slowly
 * pauses the source.
 * Failure path: before the head, an error is a Status; after it the response is cut, for one that
 * ends as it should would say that this was all. Words about the log are Warning headers, as long
 * as there is a head to put them into.
 * Invariant: the call is done when the source is. */
#include "node/api/rest/rest.h"

#include "node/http/uri.h"
#include "proto/logs.h"

enum { NOTICES_MAX = 4 };

struct log_job {
    struct rest_call *call;
    struct log_read read;
    bool started;
    struct slice notices[NOTICES_MAX];
    size_t notice_count;
};

/* ---- what is asked ---- */

static bool truth(struct slice value)
{
    return !slice_eq_cstr(value, "false") && !slice_eq_cstr(value, "0");
}

static int bad_number(struct err *err, const char *name, const char *least)
{
    return err_set(err, ERR_UNPROCESSABLE, "%s: must be a number, %s at least", name, least);
}

static int set_option(struct log_options *o, struct slice name, struct slice value, struct err *err)
{
    if (slice_eq_cstr(name, "follow")) {
        o->follow = truth(value);
    } else if (slice_eq_cstr(name, "previous")) {
        o->previous = truth(value);
    } else if (slice_eq_cstr(name, "timestamps")) {
        o->timestamps = truth(value);
    } else if (slice_eq_cstr(name, "container")) {
        o->container = value;
    } else if (slice_eq_cstr(name, "sinceTime")) {
        o->since_time = value;
    } else if (slice_eq_cstr(name, "tailLines")) {
        o->has_tail = slice_u64(value, &o->tail_lines);
        return o->has_tail ? 0 : bad_number(err, "tailLines", "0");
    } else if (slice_eq_cstr(name, "sinceSeconds")) {
        bool good = slice_u64(value, &o->since_s) && o->since_s > 0;
        return good ? 0 : bad_number(err, "sinceSeconds", "1");
    } else if (slice_eq_cstr(name, "limitBytes")) {
        bool good = slice_u64(value, &o->limit_bytes) && o->limit_bytes > 0;
        return good ? 0 : bad_number(err, "limitBytes", "1");
    }
    return 0;
}

int rest_log_options(struct slice query, struct arena *arena, struct log_options *out,
                     struct err *err)
{
    struct slice name;
    struct slice value;
    int rc = 0;
    *out = (struct log_options){0};
    while (rc == 0 && uri_next_param(&query, arena, &name, &value)) {
        rc = value.len > 0 ? set_option(out, name, value, err) : 0;
    }
    return rc != 0 ? rc : log_options_check(out, err);
}

/* ---- the answer ---- */

static void start(struct log_job *job)
{
    struct http_header headers[1 + NOTICES_MAX];
    size_t count = 0;
    if (job->started || !http_stream_alive(job->call->stream)) {
        return;
    }
    job->started = true;
    headers[count++] = (struct http_header){SLICE("content-type"), SLICE("text/plain")};
    for (size_t i = 0; i < job->notice_count; i++) {
        headers[count++] = (struct http_header){
            SLICE("warning"), rest_warning_value(job->call->arena, job->notices[i])};
    }
    http_stream_start(job->call->stream, 200, headers, count);
}

static void on_open(struct log_read *read)
{
    start(read->user);
}

static void on_lines(struct log_read *read, const struct log_origin *origin, struct slice lines)
{
    struct log_job *job = read->user;
    struct http_stream *stream = job->call->stream;
    if (!http_stream_alive(stream)) {
        return;
    }
    start(job);
    struct buf *out = http_stream_out(stream);
    struct slice line;
    if (origin->label.len == 0) {
        buf_add(out, lines);
    }
    while (origin->label.len > 0 && slice_split(&lines, '\n', &line)) {
        buf_add_char(out, '[');
        buf_add(out, origin->label);
        buf_add_cstr(out, "] ");
        buf_add(out, line);
        buf_add_char(out, '\n');
    }
    read->paused = !http_stream_push(stream);
}

static void on_notice(struct log_read *read, struct slice text)
{
    struct log_job *job = read->user;
    if (!job->started && job->notice_count < NOTICES_MAX) {
        job->notices[job->notice_count++] = arena_copy(job->call->arena, text);
    }
}

static void on_done(struct log_read *read, int rc, const struct err *err)
{
    struct log_job *job = read->user;
    struct rest_call *call = job->call;
    if (!http_stream_alive(call->stream)) {
        rest_done(call);
        return;
    }
    if (rc == 0) {
        start(job);
        http_stream_end(call->stream, NULL, 0);
    } else if (job->started) {
        http_stream_reset(call->stream);
    } else {
        struct status status;
        rest_status_init(call, rc, err, &status);
        rest_send_status(call, &status);
    }
    rest_done(call);
}

/* ---- the stream's calls ---- */

static void on_writable(struct rest_call *call)
{
    struct log_job *job = call->job;
    if (job->read.paused) {
        job->read.paused = false;
        call->api->config.logs->ops->resume(call->api->config.logs, &job->read);
    }
}

static void on_gone(struct rest_call *call)
{
    struct log_job *job = call->job;
    call->api->config.logs->ops->stop(call->api->config.logs, &job->read);
}

void rest_log(struct rest_call *call)
{
    struct err err = {0};
    struct log_job *job = ARENA_NEW(call->arena, struct log_job);
    struct log_source *logs = call->api->config.logs;
    int rc = rest_log_options(call->stream->query, call->arena, &job->read.options, &err);
    if (rc == 0 && logs == NULL) {
        rc = err_set(&err, ERR_METHOD, "no logs are served here");
    }
    if (rc != 0) {
        struct status status;
        rest_status_init(call, rc, &err, &status);
        rest_fail_status(call, &status);
        return;
    }
    job->call = call;
    job->read.loop = call->loop;
    job->read.key = (struct backend_key){call->kind->resource, call->path.ns, call->path.name};
    job->read.user = job;
    job->read.on_open = on_open;
    job->read.on_lines = on_lines;
    job->read.on_notice = on_notice;
    job->read.done = on_done;
    call->job = job;
    call->gone = on_gone;
    call->writable = on_writable;
    call->drain = on_gone;
    logs->ops->start(logs, &job->read);
}
