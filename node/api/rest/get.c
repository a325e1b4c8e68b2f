/* get.c: one object, and how any object is put into a response.
 *
 * Happy path: the backend's stored bytes are spliced with their version straight into the
 * response's queue; nothing is parsed. Tables and partial metadata are written from the same bytes.
 * Failure path: an error of the backend is a Status; a client that has gone lets the read end. */
#include "node/api/rest/rest.h"

/* ---- forms ---- */

void rest_emit_table_type(struct rest_call *call, struct buf *out)
{
    struct slice version = call->accept.version;
    buf_addf(out, "\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/%.*s\"", SLICE_ARG(version));
}

int rest_emit_row(struct rest_call *call, const struct backend_object *object, struct buf *out,
                  struct err *err)
{
    const struct table_form form = {
        .include = call->query.include_object ? TABLE_OBJECT
                   : call->query.include_none ? TABLE_NONE
                                              : TABLE_METADATA,
        .version = call->accept.version,
        .now_ms = call->api->clock->wall_ms(call->api->clock),
    };
    return table_row(call->kind, object, &form, out, err);
}

static int emit_table(struct rest_call *call, const struct backend_object *object, struct buf *out,
                      struct err *err)
{
    buf_add_char(out, '{');
    rest_emit_table_type(call, out);
    buf_addf(out, ",\"metadata\":{\"resourceVersion\":\"%llu\"},\"columnDefinitions\":",
             (unsigned long long)object->version);
    table_columns(call->kind, out);
    buf_add_cstr(out, ",\"rows\":[");
    int rc = rest_emit_row(call, object, out, err);
    buf_add_cstr(out, "]}\n");
    return rc;
}

int rest_emit(struct rest_call *call, const struct backend_object *object, struct buf *out,
              struct err *err)
{
    int rc = 0;
    if (call->accept.form == REST_TABLE) {
        return emit_table(call, object, out, err);
    }
    if (call->accept.form == REST_PARTIAL) {
        rc = table_partial(object, call->accept.version, out, err);
    } else {
        object_emit_as(out, call->kind, object);
    }
    buf_add_char(out, '\n');
    return rc;
}

int rest_consistency(struct rest_call *call, enum backend_consistency *consistency,
                     uint64_t *version, struct err *err)
{
    struct slice text = call->query.version;
    *version = 0;
    *consistency = BACKEND_LINEARIZABLE;
    if (text.len == 0) {
        return 0;
    }
    if (!slice_u64(text, version)) {
        return err_set(err, ERR_INVALID, "invalid resourceVersion \"%.*s\": not a number",
                       (int)(text.len < 64 ? text.len : 64), text.data);
    }
    *consistency = *version == 0 ? BACKEND_STALE : BACKEND_AT_LEAST;
    return 0;
}

int rest_read_query(struct rest_call *call, struct backend_list *list, struct selector **selector,
                    struct err *err)
{
    const struct rest_query *q = &call->query;
    list->whose = slice_hash(call->subject->user);
    unsigned forms = (1U << REST_OBJECT) | (1U << REST_TABLE) | (1U << REST_PARTIAL);
    int rc =
        rest_accept_parse(http_stream_header(call->stream, "accept"), forms, &call->accept, err);
    rc = rc != 0 ? rc : selector_parse(q->labels, q->fields, call->kind, selector, err);
    return rc != 0 ? rc : rest_consistency(call, &list->consistency, &list->version, err);
}

void rest_explain_version(struct rest_call *call, int rc, struct status *status)
{
    struct slice version = call->query.version;
    if (rc == ERR_TIMEOUT && version.len != 0 && !slice_eq_cstr(version, "0")) {
        status->cause_reason = "ResourceVersionTooLarge";
        status->message = SLICE("Timeout: Too large resource version");
    }
}

/* ---- get ---- */

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct rest_call *call = get->user;
    struct err why = {0};
    if (!http_stream_alive(call->stream)) {
        rest_done(call);
        return;
    }
    if (rc == ERR_TIMEOUT) {
        struct status status;
        rest_status_init(call, rc, err, &status);
        rest_explain_version(call, rc, &status);
        rest_fail_status(call, &status);
        return;
    }
    if (rc != 0) {
        rest_fail(call, rc, err);
        return;
    }
    struct buf *out = http_stream_out(call->stream);
    if (slice_eq_cstr(call->path.sub, "scale")) {
        rc = admit_scale(call->kind, &get->object, out, &why);
    } else {
        rc = rest_emit(call, &get->object, out, &why);
    }
    if (rc != 0) {
        rest_fail(call, rc, &why);
        return;
    }
    rest_respond_out(call, 200, NULL, 0);
}

static void on_gone(struct rest_call *call)
{
    call->api->backend->ops->cancel(call->api->backend, call->job);
}

void rest_get(struct rest_call *call)
{
    struct err err = {0};
    struct backend_get *get = ARENA_NEW(call->arena, struct backend_get);
    unsigned forms = (1U << REST_OBJECT) | (1U << REST_TABLE) | (1U << REST_PARTIAL);
    int rc =
        rest_accept_parse(http_stream_header(call->stream, "accept"), forms, &call->accept, &err);
    rc = rc != 0 ? rc : rest_consistency(call, &get->consistency, &get->version, &err);
    if (rc != 0) {
        struct status status;
        rest_status_init(call, rc, &err, &status);
        rest_fail_status(call, &status);
        return;
    }
    get->loop = call->loop;
    get->key = (struct backend_key){call->kind->resource, call->path.ns, call->path.name};
    get->deadline_ms = rest_deadline(call);
    get->user = call;
    get->done = on_got;
    call->job = get;
    call->gone = on_gone;
    call->api->backend->ops->get(call->api->backend, get);
}
