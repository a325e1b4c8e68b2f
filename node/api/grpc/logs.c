/* logs.c: LogService.Read.
 *
 * Happy path: the source (proto/logs.h) finds the log; lines and notices are messages as they come.
 * Flow control: when the stream's queue is full the source is paused, and goes on when the client
 * has read. The call is held until the source is done, whatever became of the client. */
#include "node/api/grpc/resource.h"
#include "proto/choreo/v1/logs.pb-c.h"
#include "proto/logs.h"

struct reading {
    struct grpc_call *call;
    struct log_read read;
    bool over;
};

static struct log_source *source_of(const struct grpc_call *call)
{
    return call->api->config.logs;
}

/* ---- out ---- */

static char *text_of(struct arena *arena, struct slice text)
{
    return text.len > 0 ? arena_cstr(arena, text) : NULL;
}

static void on_open(struct log_read *read)
{
    struct reading *r = read->user;
    grpc_open(r->call);
}

static void on_lines(struct log_read *read, const struct log_origin *origin, struct slice lines)
{
    struct reading *r = read->user;
    struct arena arena = {0};
    Choreo__V1__LogLines message = CHOREO__V1__LOG_LINES__INIT;
    if (grpc_done(r->call)) {
        return;
    }
    message.cluster = text_of(&arena, origin->cluster);
    message.pod = text_of(&arena, origin->pod);
    message.container = text_of(&arena, origin->container);
    message.label = text_of(&arena, origin->label);
    message.has_lines = true;
    message.lines.data = (uint8_t *)(uintptr_t)lines.data;
    message.lines.len = lines.len;
    read->paused = !grpc_send(r->call, &message.base);
    arena_free(&arena);
}

static void on_notice(struct log_read *read, struct slice text)
{
    struct reading *r = read->user;
    struct arena arena = {0};
    Choreo__V1__LogLines message = CHOREO__V1__LOG_LINES__INIT;
    message.notice = text_of(&arena, text);
    if (!grpc_done(r->call)) {
        (void)grpc_send(r->call, &message.base);
    }
    arena_free(&arena);
}

static void on_done(struct log_read *read, int rc, const struct err *err)
{
    struct reading *r = read->user;
    r->over = true;
    grpc_finish(r->call, rc, err, NULL);
    grpc_drop(r->call);
}

static void on_writable(struct grpc_call *call)
{
    struct reading *r = call->state;
    if (r->read.paused && !r->over) {
        r->read.paused = false;
        source_of(call)->ops->resume(source_of(call), &r->read);
    }
}

static void on_cancel(struct grpc_call *call)
{
    struct reading *r = call->state;
    if (!r->over) {
        source_of(call)->ops->stop(source_of(call), &r->read);
    }
}

/* ---- in ---- */

static void read_options(const Choreo__V1__LogRequest *request, struct log_options *o)
{
    *o = (struct log_options){
        .follow = request->follow,
        .previous = request->previous,
        .timestamps = request->timestamps,
        .has_tail = request->has_tail_lines,
        .tail_lines = request->tail_lines,
        .since_s = request->since_seconds,
        .since_time = slice_of(request->since_time),
        .limit_bytes = request->limit_bytes,
        .container = slice_of(request->container),
    };
}

static int find_log(struct grpc_call *call, const Choreo__V1__Ref *ref, struct backend_key *key,
                    struct err *err)
{
    const struct kind *kind;
    if (ref == NULL || ref->name == NULL || *ref->name == '\0') {
        return err_set(err, ERR_INVALID, "ref and its name are required");
    }
    int rc = resource_kind(api_kinds(call->api, call->arena), ref, &kind, err);
    if (rc != 0) {
        return rc;
    }
    struct slice ns = slice_of(ref->namespace_);
    key->resource = kind->resource;
    key->ns = !kind->namespaced ? (struct slice){0} : ns.len > 0 ? ns : SLICE("default");
    key->name = slice_of(ref->name);
    const struct auth_request request = {.subject = &call->subject,
                                         .verb = SLICE("get"),
                                         .group = kind->group,
                                         .resource = kind->plural,
                                         .subresource = SLICE("log"),
                                         .ns = key->ns,
                                         .name = key->name};
    rc = api_authorize(call->api, &request, err);
    if (rc == 0 && (!kind->log || source_of(call) == NULL)) {
        rc = err_set(err, ERR_METHOD, "%.*s have no log", SLICE_ARG(kind->resource));
    }
    return rc;
}

static void serve_read(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__LogRequest *request = (const Choreo__V1__LogRequest *)message;
    struct reading *r = ARENA_NEW(call->arena, struct reading);
    struct err err = {0};
    int rc = find_log(call, request->ref, &r->read.key, &err);
    if (rc != 0) {
        grpc_finish_field(call, rc, &err, "ref");
        return;
    }
    read_options(request, &r->read.options);
    rc = log_options_check(&r->read.options, &err);
    if (rc != 0) {
        grpc_finish(call, rc, &err, NULL);
        return;
    }
    r->call = call;
    r->read.loop = call->loop;
    r->read.user = r;
    r->read.on_open = on_open;
    r->read.on_lines = on_lines;
    r->read.on_notice = on_notice;
    r->read.done = on_done;
    call->state = r;
    call->cancel = on_cancel;
    call->writable = on_writable;
    call->endless = request->follow;
    grpc_hold(call);
    source_of(call)->ops->start(source_of(call), &r->read);
}

static const grpc_method methods[] = {serve_read};

const struct grpc_service grpc_log_service = {
    .descriptor = &choreo__v1__log_service__descriptor,
    .methods = methods,
    .authorizes = true,
    .open_ended = true,
    .watches = 1U << 0,
};
