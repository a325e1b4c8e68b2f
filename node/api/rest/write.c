/* write.c: POST, PUT, PATCH and DELETE: from bodies to the gate and back.
 *
 * Happy path: the content type chooses the operation and how the body is read; the gate does the
 * rest; the answer is the object as stored (201 if created), or a Status for what is gone.
 * Failure path: a body that cannot be read is 400, a type that is not taken 415, broken rules 422
 * with each field among the causes.
 * Invariants: the body's tree belongs to the arena; a client's going away never undoes a write that
 * was submitted: its outcome is then simply not told. */
#include "node/api/rest/rest.h"

#include <string.h>

#define PATCH_TYPES                                                                                \
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"

struct write_job {
    struct rest_call *call;
    struct gate_write gate;
};

/* ---- answers ---- */

static void set_message(struct write_job *job, int rc, struct status *status, struct err *text)
{
    struct rest_call *call = job->call;
    const struct kind *kind = call->kind;
    struct slice name = job->gate.result.name.len != 0 ? job->gate.result.name : call->path.name;
    /* What was not found by a create is its namespace. */
    bool creating = job->gate.result.changed && job->gate.result.verb == BACKEND_CREATE;
    if (job->gate.result.message.len != 0 && rc == job->gate.result_rc) {
        status->message = job->gate.result.message;
    } else if (rc == ERR_NOT_FOUND && creating && call->path.ns.len != 0) {
        (void)err_set(text, rc, "namespaces \"%.*s\" not found", SLICE_ARG(call->path.ns));
        status->message = slice_of(text->message);
    } else if (rc == ERR_EXISTS) {
        (void)err_set(text, rc, "%.*s \"%.*s\" already exists", SLICE_ARG(kind->resource),
                      SLICE_ARG(name));
        status->message = slice_of(text->message);
    } else if (rc == ERR_NOT_FOUND && call->path.name.len != 0) {
        (void)err_set(text, rc, "%.*s \"%.*s\" not found", SLICE_ARG(kind->resource),
                      SLICE_ARG(name));
        status->message = slice_of(text->message);
    } else if (rc == ERR_CONFLICT) {
        (void)err_set(text, rc,
                      "Operation cannot be fulfilled on %.*s \"%.*s\": the object has been "
                      "modified; please apply your changes to the latest version and try again",
                      SLICE_ARG(kind->resource), SLICE_ARG(name));
        status->message = slice_of(text->message);
    }
    status->name = name;
}

static void answer_error(struct write_job *job, int rc, const struct err *err)
{
    struct status status;
    struct err text;
    rest_status_init(job->call, rc, err, &status);
    set_message(job, rc, &status, &text);
    status.causes = &job->gate.result.causes;
    if (rc == ERR_TIMEOUT || rc == ERR_CLOSED) {
        /* The outcome is unknown, and client-go repeats by itself what it is told to retry. */
        status.retry_after_s = 0;
    }
    if (rc == ERR_UNPROCESSABLE) {
        status.kind = job->call->kind->kind; /* as Kubernetes: the kind, not the plural */
    }
    rest_fail_status(job->call, &status);
}

static void answer_deleted(struct write_job *job)
{
    struct rest_call *call = job->call;
    struct status status = {
        .code = ERR_OK,
        .http = 200,
        .name = call->path.name,
        .group = call->kind->group,
        .kind = call->kind->plural,
    };
    struct object_meta meta = {0};
    struct err ignored = {0};
    if (job->gate.object.body.len != 0 &&
        object_meta(job->gate.object.body, call->arena, &meta, &ignored) == 0) {
        status.uid = meta.uid;
    }
    status_write(&status, http_stream_out(call->stream));
    rest_respond_out(call, 200, job->gate.result.warnings, job->gate.result.warning_count);
}

static void on_written(struct gate_write *w, int rc, const struct err *err)
{
    struct write_job *job = w->user;
    struct rest_call *call = job->call;
    struct err why = {0};
    if (!http_stream_alive(call->stream)) {
        rest_done(call);
        return;
    }
    if (rc != 0) {
        answer_error(job, rc, err);
        return;
    }
    if (w->deleted && w->op == ADMIT_DELETE) {
        answer_deleted(job);
        return;
    }
    struct buf *out = http_stream_out(call->stream);
    if (w->sub == ADMIT_SCALE) {
        rc = admit_scale(call->kind, &w->object, out, &why);
    } else {
        rc = rest_emit(call, &w->object, out, &why);
    }
    if (rc != 0) {
        rest_fail(call, rc, &why);
        return;
    }
    rest_respond_out(call, w->created ? 201 : 200, w->result.warnings, w->result.warning_count);
}

/* ---- bodies ---- */

/* PATCH: the content type is the operation. */
static int choose_patch(struct write_job *job, struct slice type, struct err *err)
{
    struct rest_call *call = job->call;
    struct gate_write *w = &job->gate;
    if (slice_eq_cstr(type, "application/json-patch+json")) {
        w->op = ADMIT_PATCH_JSON;
    } else if (slice_eq_cstr(type, "application/merge-patch+json")) {
        w->op = ADMIT_PATCH_MERGE;
    } else if (slice_eq_cstr(type, "application/strategic-merge-patch+json") &&
               call->kind->strategic) {
        w->op = ADMIT_PATCH_STRATEGIC;
    } else if (slice_eq_cstr(type, "application/apply-patch+yaml") ||
               slice_eq_cstr(type, "application/apply-patch+json")) {
        w->op = ADMIT_APPLY;
    } else {
        return rest_unsupported(type,
                                call->kind->strategic ? PATCH_TYPES
                                    ", application/strategic-merge-patch+json"
                                                      : PATCH_TYPES,
                                err);
    }
    if (w->op == ADMIT_APPLY && call->query.manager.len == 0) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is "
                       "required for apply patch");
    }
    if (w->op != ADMIT_APPLY && call->query.force) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be "
                       "specified for non-apply patch");
    }
    return 0;
}

static int choose_op(struct write_job *job, struct err *err)
{
    struct rest_call *call = job->call;
    struct gate_write *w = &job->gate;
    struct slice method = call->stream->method;
    struct slice type = rest_media_type(http_stream_header(call->stream, "content-type"));
    int rc = 0;
    if (slice_eq_cstr(method, "DELETE")) {
        w->op = ADMIT_DELETE;
        return rest_delete_options(call, &w->incoming, &w->dry_run, err);
    }
    if (slice_eq_cstr(method, "PATCH")) {
        rc = choose_patch(job, type, err);
    } else if (!rest_is_object_type(type)) {
        rc = rest_unsupported(type, REST_OBJECT_TYPES, err);
    } else {
        w->op = slice_eq_cstr(method, "POST") ? ADMIT_CREATE : ADMIT_UPDATE;
    }
    return rc != 0 ? rc : rest_parse_body(call, type, &w->incoming, err);
}

/* ---- options ---- */

static int set_validation(struct rest_call *call, struct gate_write *w, struct err *err)
{
    struct slice text = call->query.validation;
    if (text.len == 0 || slice_eq_cstr(text, "Warn")) {
        w->validation = ADMIT_WARN;
    } else if (slice_eq_cstr(text, "Strict")) {
        w->validation = ADMIT_STRICT;
    } else if (slice_eq_cstr(text, "Ignore")) {
        w->validation = ADMIT_IGNORE;
    } else {
        return err_set(err, ERR_UNPROCESSABLE,
                       "fieldValidation: Unsupported value: supported values: \"Ignore\", "
                       "\"Strict\", \"Warn\"");
    }
    return 0;
}

/* A client that retries names its request: 16 to 64 bytes, and when it was first made. */
static int set_request_id(struct rest_call *call, struct gate_write *w, struct err *err)
{
    struct slice id = http_stream_header(call->stream, "x-choreo-request-id");
    struct slice issued = http_stream_header(call->stream, "x-choreo-request-issued-ms");
    if (id.len == 0) {
        return 0;
    }
    if (id.len < 16 || id.len > 64 || !slice_u64(issued, &w->issued_ms) || w->issued_ms == 0) {
        return err_set(err, ERR_INVALID,
                       "x-choreo-request-id is 16 to 64 bytes, and comes with "
                       "x-choreo-request-issued-ms, the milliseconds since 1970 of its first use");
    }
    w->request_id = id;
    return 0;
}

static enum admit_subresource subresource(struct slice sub)
{
    if (slice_eq_cstr(sub, "status")) {
        return ADMIT_STATUS;
    }
    if (slice_eq_cstr(sub, "scale")) {
        return ADMIT_SCALE;
    }
    return slice_eq_cstr(sub, "finalize") ? ADMIT_FINALIZE : ADMIT_MAIN;
}

static int fill_gate(struct write_job *job, struct err *err)
{
    struct rest_call *call = job->call;
    struct gate_write *w = &job->gate;
    *w = (struct gate_write){
        .api = call->api,
        .loop = call->loop,
        .arena = call->arena,
        .subject = call->subject,
        .kind = call->kind,
        .sub = subresource(call->path.sub),
        .ns = call->path.ns,
        .name = call->path.name,
        .field_manager = call->query.manager,
        .user_agent = http_stream_header(call->stream, "user-agent"),
        .remote = slice_of(call->stream->remote),
        .force = call->query.force,
        .dry_run = call->query.dry_run,
        .raw = call->stream->body,
        .deadline_ms = rest_deadline(call),
        .user = job,
        .done = on_written,
    };
    int rc = set_validation(call, w, err);
    rc = rc != 0 ? rc : set_request_id(call, w, err);
    return rc != 0 ? rc : choose_op(job, err);
}

static void on_gone(struct rest_call *call)
{
    struct write_job *job = call->job;
    gate_cancel(&job->gate);
}

void rest_write(struct rest_call *call)
{
    struct err err = {0};
    struct write_job *job = ARENA_NEW(call->arena, struct write_job);
    unsigned forms = (1U << REST_OBJECT) | (1U << REST_TABLE) | (1U << REST_PARTIAL);
    job->call = call;
    int rc =
        rest_accept_parse(http_stream_header(call->stream, "accept"), forms, &call->accept, &err);
    rc = rc != 0 ? rc : fill_gate(job, &err);
    if (rc != 0) {
        struct status status;
        rest_status_init(call, rc, &err, &status);
        rest_fail_status(call, &status);
        return;
    }
    call->job = job;
    call->gone = on_gone;
    gate_write(&job->gate);
}
