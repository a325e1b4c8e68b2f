/* list.c: lists, page by page at one snapshot, without ever holding a long one in memory.
 *
 * Happy path: the first page is read at the consistency asked for; its rows are spliced into the
 * response as they come. If the client wants more than a page, the response starts at once and the
 * following pages are read at the first one's version, each when the client has taken most of what
 * is queued. `metadata` follows `items`, since only the end knows whether there is more.
 * Failure path: an error before the first byte is a Status; later it resets the response, so that
 * a client never takes a cut list for a whole one. An outlived continue token is 410 with a fresh
 * one.
 * Invariants: one page is under way at a time; every page after the first is BACKEND_EXACT. */
#include "node/api/rest/rest.h"

struct list_job {
    struct rest_call *call;
    struct backend_list list;
    struct selector *selector;
    struct slice identity; /* what a continue token belongs to */
    uint64_t left;         /* rows that the client still wants; UINT64_MAX: all */
    bool limited;
    bool started; /* the response's head has left */
    bool any;     /* a row has been written */
    bool reading; /* a page is under way */
    int rc;       /* of a row */
    struct err err;
    struct backend_cursor last;
};

static void next_page(struct list_job *job);

static void end(struct list_job *job)
{
    selector_free(job->selector);
}

static void fail(struct list_job *job, int rc, const struct err *err)
{
    struct rest_call *call = job->call;
    if (job->started) {
        http_stream_reset(call->stream);
        end(job);
        rest_done(call);
        return;
    }
    struct status status;
    rest_status_init(call, rc, err, &status);
    rest_explain_version(call, rc, &status);
    struct buf token = {0};
    if (rc == ERR_GONE && call->query.continued.len != 0) {
        const struct page_token fresh = {0, job->list.after_ns, job->list.after_name};
        page_token_write(&fresh, call->api->token_key, job->identity, &token);
        status.continued = buf_slice(&token);
        status.message = SLICE("The provided continue parameter is too old to display a "
                               "consistent list result. You can start a new list without the "
                               "continue parameter, or use the continue token in this response "
                               "to retrieve the remainder of the results.");
    }
    end(job);
    rest_fail_status(call, &status);
    buf_free(&token);
}

static void write_head(struct list_job *job, struct buf *out)
{
    struct rest_call *call = job->call;
    const struct kind *kind = call->kind;
    if (call->accept.form == REST_TABLE) {
        buf_add_char(out, '{');
        rest_emit_table_type(call, out);
        buf_add_cstr(out, ",\"columnDefinitions\":");
        table_columns(kind, out);
        buf_add_cstr(out, ",\"rows\":[");
    } else if (call->accept.form == REST_PARTIAL) {
        buf_addf(out,
                 "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/%.*s\","
                 "\"items\":[",
                 SLICE_ARG(call->accept.version));
    } else {
        buf_addf(out, "{\"kind\":\"%.*s\",\"apiVersion\":\"%.*s\",\"items\":[",
                 SLICE_ARG(kind->list_kind), SLICE_ARG(kind->api_version));
    }
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct list_job *job = list->user;
    struct rest_call *call = job->call;
    if (job->rc != 0 || !http_stream_alive(call->stream)) {
        return;
    }
    struct buf *out = http_stream_out(call->stream);
    if (!job->any && !job->started && out->len == 0) {
        write_head(job, out);
    }
    if (job->any) {
        buf_add_char(out, ',');
    }
    job->any = true;
    if (call->accept.form == REST_TABLE) {
        job->rc = rest_emit_row(call, object, out, &job->err);
    } else if (call->accept.form == REST_PARTIAL) {
        job->rc = table_partial(object, call->accept.version, out, &job->err);
    } else {
        object_emit_as(out, call->kind, object);
    }
    backend_cursor_set(&job->last, &object->key);
    job->left -= job->left != UINT64_MAX ? 1 : 0;
}

static void write_tail(struct list_job *job, struct buf *out)
{
    struct backend_list *list = &job->list;
    buf_addf(out, "],\"metadata\":{\"resourceVersion\":\"%llu\"",
             (unsigned long long)list->read_version);
    if (list->more && job->any) {
        const struct page_token token = {list->read_version, slice_of(job->last.ns),
                                         slice_of(job->last.name)};
        buf_add_cstr(out, ",\"continue\":\"");
        page_token_write(&token, job->call->api->token_key, job->identity, out);
        buf_add_char(out, '"');
        if (list->remaining >= 0) {
            buf_addf(out, ",\"remainingItemCount\":%lld", (long long)list->remaining);
        }
    }
    buf_add_cstr(out, "}}\n");
}

static void start(struct list_job *job)
{
    job->started = true;
    rest_start(job->call);
}

static void on_page(struct backend_list *list, int rc, const struct err *err)
{
    struct list_job *job = list->user;
    struct rest_call *call = job->call;
    job->reading = false;
    if (!http_stream_alive(call->stream)) {
        end(job);
        rest_done(call);
        return;
    }
    if (rc != 0 || job->rc != 0) {
        fail(job, rc != 0 ? rc : job->rc, rc != 0 ? err : &job->err);
        return;
    }
    struct buf *out = http_stream_out(call->stream);
    if (!job->any && !job->started && out->len == 0) {
        write_head(job, out);
    }
    if (!list->more || job->left == 0) {
        write_tail(job, out);
        if (!job->started) {
            end(job);
            rest_respond_out(call, 200, NULL, 0);
            return;
        }
        (void)http_stream_push(call->stream);
        http_stream_end(call->stream, NULL, 0);
        end(job);
        rest_done(call);
        return;
    }
    if (!job->started) {
        start(job);
    }
    if (http_stream_push(call->stream)) {
        next_page(job);
    }
}

static void on_writable(struct rest_call *call)
{
    struct list_job *job = call->job;
    if (job->started && !job->reading) {
        next_page(job);
    }
}

static void on_gone(struct rest_call *call)
{
    struct list_job *job = call->job;
    if (job->reading) {
        call->api->backend->ops->cancel(call->api->backend, &job->list);
    } else {
        end(job);
        rest_done(call);
    }
}

static void read_page(struct list_job *job)
{
    struct backend_list *list = &job->list;
    list->limit = job->left < BACKEND_PAGE_ROWS_MAX ? (size_t)job->left : BACKEND_PAGE_ROWS_MAX;
    list->count_remaining = job->limited && job->selector == NULL && job->left <= list->limit;
    list->deadline_ms = rest_deadline(job->call);
    list->more = false;
    list->remaining = -1;
    job->reading = true;
    job->call->api->backend->ops->list(job->call->api->backend, list);
}

static void next_page(struct list_job *job)
{
    backend_list_next(&job->list, &job->last);
    read_page(job);
}

/* ---- what is asked ---- */

static int set_match(struct rest_call *call, struct backend_list *list, struct err *err)
{
    const struct rest_query *q = &call->query;
    if (q->match.len == 0) {
        /* Kubernetes' older rule: a page at a version means exactly that version. */
        if (q->limit != 0 && list->consistency == BACKEND_AT_LEAST) {
            list->consistency = BACKEND_EXACT;
        }
        return 0;
    }
    if (q->version.len == 0) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "resourceVersionMatch: Forbidden: "
                       "resourceVersionMatch is forbidden unless "
                       "resourceVersion is provided");
    }
    if (slice_eq_cstr(q->match, "Exact")) {
        if (list->version == 0) {
            return err_set(err, ERR_UNPROCESSABLE,
                           "resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is "
                           "forbidden for resourceVersion \"0\"");
        }
        list->consistency = BACKEND_EXACT;
    } else if (!slice_eq_cstr(q->match, "NotOlderThan")) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "resourceVersionMatch: Unsupported value: supported values: \"Exact\", "
                       "\"NotOlderThan\"");
    }
    return 0;
}

static int set_continue(struct list_job *job, struct err *err)
{
    struct rest_call *call = job->call;
    struct backend_list *list = &job->list;
    struct page_token token;
    if (call->query.version.len != 0 && !slice_eq_cstr(call->query.version, "0")) {
        return err_set(err, ERR_INVALID,
                       "specifying resource version is not allowed when using continue");
    }
    int rc = page_token_read(call->query.continued, call->api->token_key, job->identity,
                             call->arena, &token, err);
    if (rc == 0) {
        list->consistency = token.version != 0 ? BACKEND_EXACT : BACKEND_LINEARIZABLE;
        list->version = token.version;
        list->after_ns = token.ns;
        list->after_name = token.name;
    }
    return rc;
}

static int prepare(struct list_job *job, struct err *err)
{
    struct rest_call *call = job->call;
    const struct rest_query *q = &call->query;
    struct backend_list *list = &job->list;
    int rc = rest_read_query(call, list, &job->selector, err);
    rc = rc != 0 ? rc : set_match(call, list, err);
    job->identity =
        page_token_identity(call->arena, call->kind->resource, call->path.ns, q->labels, q->fields);
    if (rc == 0 && q->continued.len != 0) {
        rc = set_continue(job, err);
    }
    if (rc == 0 && q->has_send_initial) {
        rc = err_set(err, ERR_UNPROCESSABLE,
                     "sendInitialEvents: Forbidden: sendInitialEvents is "
                     "forbidden for list");
    }
    return rc;
}

void rest_list(struct rest_call *call)
{
    struct err err = {0};
    struct list_job *job = ARENA_NEW(call->arena, struct list_job);
    job->call = call;
    int rc = prepare(job, &err);
    if (rc != 0) {
        fail(job, rc, &err);
        return;
    }
    job->limited = call->query.limit != 0;
    job->left = job->limited ? call->query.limit : UINT64_MAX;
    job->list.loop = call->loop;
    job->list.resource = call->kind->resource;
    job->list.ns = call->path.ns;
    job->list.selector = job->selector;
    job->list.bytes = BACKEND_PAGE_BYTES_FEW;
    job->list.user = job;
    job->list.row = on_row;
    job->list.done = on_page;
    call->job = job;
    call->gone = on_gone;
    call->writable = on_writable;
    read_page(job);
}
