/* door.c: calls over HTTP/2 streams.
 *
 * Happy path: grpc_accept() finds the method by the path and the subject by its credentials; the
 * stream is read as a sequence of length-prefixed messages; a unary method runs when its one
 * message is whole and the client has closed its side; the response is messages and trailers.
 * Failure path: every failure is trailers with a grpc-status and google.rpc.Status details; a
 * client that goes away, or a deadline, finishes the call and cancels what the method has under
 * way; the call's memory goes when the last hold is dropped. Invariants: exactly one set of
 * trailers; nothing is written after it; the stream is released once, after the method's last
 * asynchronous operation. */
#include "node/api/grpc/door.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "proto/google/rpc/error_details.pb-c.h"
#include "proto/google/rpc/status.pb-c.h"

enum { FRAME_HEAD_BYTES = 5, DETAILS_MAX = 3, VIOLATIONS_MAX = 100 };

void grpc_init(struct grpc *g)
{
    *g = (struct grpc){0};
}

void grpc_add(struct grpc *g, const struct grpc_service *service)
{
    assert(g->count < GRPC_SERVICES_MAX);
    g->services[g->count++] = service;
}

/* ---- life of a call ---- */

static void free_call(struct loop_timer *timer)
{
    struct grpc_call *call = CONTAINER_OF(timer, struct grpc_call, timer);
    buf_free(&call->in);
    free(call);
}

static void maybe_release(struct grpc_call *call)
{
    if (call->finished && call->holds == 0 && !call->released) {
        call->released = true;
        http_stream_release(call->stream);
        loop_timer_close(&call->timer, free_call);
    }
}

void grpc_hold(struct grpc_call *call)
{
    assert(!call->released);
    call->holds++;
}

void grpc_drop(struct grpc_call *call)
{
    assert(call->holds > 0);
    call->holds--;
    maybe_release(call);
}

bool grpc_done(const struct grpc_call *call)
{
    return call->finished;
}

/* ---- out ---- */

static void start_response(struct grpc_call *call)
{
    static const struct http_header headers[] = {
        {{"content-type", 12}, {"application/grpc+proto", 22}},
        {{"grpc-accept-encoding", 20}, {"identity", 8}},
    };
    if (!call->started) {
        call->started = true;
        http_stream_start(call->stream, 200, headers, 2);
    }
}

bool grpc_send(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (call->finished) {
        return true;
    }
    start_response(call);
    size_t len = protobuf_c_message_get_packed_size(message);
    struct buf *out = http_stream_out(call->stream);
    buf_add_u8(out, 0);
    buf_add_be32(out, (uint32_t)len);
    buf_reserve(out, len);
    out->len += protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
    return http_stream_push(call->stream);
}

/* gRPC's percent encoding: printable ASCII but '%' stays. */
static struct slice encode_message(struct arena *arena, const char *message)
{
    struct buf out = {0};
    for (const char *p = message; *p != '\0'; p++) {
        if (*p >= ' ' && *p <= '~' && *p != '%') {
            buf_add_char(&out, *p);
        } else {
            buf_addf(&out, "%%%02X", (unsigned)(unsigned char)*p);
        }
    }
    struct slice copy = arena_copy(arena, buf_slice(&out));
    buf_free(&out);
    return copy;
}

static Google__Protobuf__Any *pack_detail(struct arena *arena, const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = ARENA_NEW(arena, Google__Protobuf__Any);
    google__protobuf__any__init(any);
    any->type_url = arena_printf(arena, "type.googleapis.com/%s", message->descriptor->name);
    any->value.len = protobuf_c_message_get_packed_size(message);
    any->value.data = arena_alloc(arena, any->value.len);
    (void)protobuf_c_message_pack(message, any->value.data);
    return any;
}

static Google__Protobuf__Any *bad_request(struct arena *arena, const struct causes *causes)
{
    typedef Google__Rpc__BadRequest__FieldViolation violation;
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    size_t count = causes->count < VIOLATIONS_MAX ? causes->count : VIOLATIONS_MAX;
    bad.field_violations = arena_alloc(arena, count * sizeof(violation *));
    for (size_t i = 0; i < count; i++) {
        violation *v = ARENA_NEW(arena, violation);
        google__rpc__bad_request__field_violation__init(v);
        v->field = arena_cstr(arena, causes->items[i].field);
        v->description = arena_cstr(arena, causes->items[i].message);
        bad.field_violations[bad.n_field_violations++] = v;
    }
    return pack_detail(arena, &bad.base);
}

static Google__Protobuf__Any *error_info(struct arena *arena, int rc)
{
    Google__Rpc__ErrorInfo info;
    char domain[] = "choreo.dev";
    google__rpc__error_info__init(&info);
    info.reason = arena_cstr(arena, slice_of(err_reason(rc)));
    info.domain = domain;
    return pack_detail(arena, &info.base);
}

static Google__Protobuf__Any *retry_info(struct arena *arena)
{
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration second = GOOGLE__PROTOBUF__DURATION__INIT;
    second.seconds = 1;
    retry.retry_delay = &second;
    return pack_detail(arena, &retry.base);
}

/* The value of grpc-status-details-bin: google.rpc.Status in base64. */
static struct slice encode_details(struct arena *arena, int rc, const char *message,
                                   const struct causes *causes)
{
    Google__Rpc__Status status;
    Google__Protobuf__Any *details[DETAILS_MAX];
    google__rpc__status__init(&status);
    status.code = err_grpc_status(rc);
    status.message = arena_cstr(arena, slice_of(message));
    status.details = details;
    details[status.n_details++] = error_info(arena, rc);
    if (causes != NULL && causes->count > 0) {
        details[status.n_details++] = bad_request(arena, causes);
    }
    if (rc == ERR_BUSY || rc == ERR_UNAVAILABLE || rc == ERR_NOT_LEADER) {
        details[status.n_details++] = retry_info(arena);
    }
    size_t len = google__rpc__status__get_packed_size(&status);
    uint8_t *packed = arena_alloc(arena, len);
    (void)google__rpc__status__pack(&status, packed);
    struct buf text = {0};
    base64_encode(&text, slice_make(packed, len));
    struct slice copy = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

void grpc_finish(struct grpc_call *call, int rc, const struct err *err, const struct causes *causes)
{
    if (call->finished) {
        return;
    }
    call->finished = true;
    start_response(call);
    struct http_header trailers[3];
    size_t count = 1;
    trailers[0].name = SLICE("grpc-status");
    trailers[0].value =
        slice_of(arena_printf(call->arena, "%d", rc == 0 ? 0 : err_grpc_status(rc)));
    if (rc != 0) {
        trailers[1].name = SLICE("grpc-message");
        trailers[1].value = encode_message(call->arena, err->message);
        trailers[2].name = SLICE("grpc-status-details-bin");
        trailers[2].value = encode_details(call->arena, rc, err->message, causes);
        count = 3;
    }
    http_stream_end(call->stream, trailers, count);
    maybe_release(call);
}

void grpc_reply(struct grpc_call *call, const ProtobufCMessage *message)
{
    (void)grpc_send(call, message);
    grpc_finish(call, 0, NULL, NULL);
}

static void fail(struct grpc_call *call, int code, const char *message)
{
    struct err err;
    (void)err_set(&err, code, "%s", message);
    grpc_finish(call, code, &err, NULL);
}

/* Finishes a call from outside its method, then lets the method give up what it has under way. */
static void abandon(struct grpc_call *call, int code, const char *message)
{
    if (call->finished) {
        return;
    }
    grpc_hold(call);
    fail(call, code, message);
    if (call->cancel != NULL) {
        call->cancel(call);
    }
    grpc_drop(call);
}

/* ---- in ---- */

static void *arena_allocator_alloc(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void arena_allocator_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static void dispatch(struct grpc_call *call, struct slice message)
{
    const ProtobufCMethodDescriptor *method = &call->service->descriptor->methods[call->method];
    ProtobufCAllocator allocator = {arena_allocator_alloc, arena_allocator_free, call->arena};
    ProtobufCMessage *request = protobuf_c_message_unpack(method->input, &allocator, message.len,
                                                          (const uint8_t *)message.data);
    if (request == NULL) {
        fail(call, ERR_INVALID, "the message does not decode as the method's request");
        return;
    }
    call->service->methods[call->method](call, request);
}

/* Takes the first whole message off the buffer. False: none is there (yet), or the call failed. */
static bool next_message(struct grpc_call *call, struct slice *message)
{
    if (call->in.len < FRAME_HEAD_BYTES) {
        return false;
    }
    uint32_t len = be32_get(call->in.data + 1);
    if (call->in.data[0] != 0) {
        fail(call, ERR_METHOD, "compressed messages are not accepted: use grpc-encoding identity");
        return false;
    }
    if (len > GRPC_MESSAGE_MAX) {
        fail(call, ERR_TOO_LARGE, "the message is larger than 4 MiB");
        return false;
    }
    if (call->in.len - FRAME_HEAD_BYTES < len) {
        return false;
    }
    *message = arena_copy(call->arena, slice_make(call->in.data + FRAME_HEAD_BYTES, len));
    buf_shift(&call->in, FRAME_HEAD_BYTES + len);
    return true;
}

static void on_data(struct http_stream *stream, struct slice data)
{
    struct grpc_call *call = stream->user;
    struct slice message;
    if (call->finished) {
        return;
    }
    if (call->in.len + data.len > GRPC_MESSAGE_MAX + 2 * FRAME_HEAD_BYTES + HTTP_OUT_HIGH_BYTES) {
        fail(call, ERR_TOO_LARGE, "the message is larger than 4 MiB");
        return;
    }
    buf_add(&call->in, data);
    grpc_hold(call);
    while (call->service->bidirectional && !call->finished && next_message(call, &message)) {
        dispatch(call, message);
    }
    grpc_drop(call);
}

/* The client has said all. */
static void on_request(struct http_stream *stream, int rc)
{
    struct grpc_call *call = stream->user;
    struct slice message;
    if (call->finished) {
        return;
    }
    grpc_hold(call);
    if (rc != 0) {
        fail(call, rc, "the request stopped coming");
    } else if (call->service->bidirectional) {
        if (call->in.len > 0) {
            fail(call, ERR_INVALID, "the request ends inside a message");
        } else {
            grpc_finish(call, 0, NULL, NULL);
        }
    } else if (!next_message(call, &message)) {
        if (!call->finished) {
            fail(call, ERR_INVALID, "the request holds no whole message");
        }
    } else if (call->in.len > 0) {
        fail(call, ERR_INVALID, "the request holds more than one message");
    } else {
        dispatch(call, message);
    }
    grpc_drop(call);
}

static void on_writable(struct http_stream *stream)
{
    struct grpc_call *call = stream->user;
    if (!call->finished && call->writable != NULL) {
        call->writable(call);
    }
}

static void on_reset(struct http_stream *stream, const struct err *why)
{
    (void)why;
    abandon(stream->user, ERR_CANCELED, "the client went away");
}

static void on_deadline(struct loop_timer *timer)
{
    struct grpc_call *call = CONTAINER_OF(timer, struct grpc_call, timer);
    abandon(call, ERR_TIMEOUT, "the deadline passed; the outcome is unknown");
}

static const struct http_handler handler = {
    .on_request = on_request, .on_data = on_data, .on_writable = on_writable, .on_reset = on_reset};

/* ---- accepting ---- */

/* grpc-timeout: up to eight digits and one of H M S m u n. False: malformed. */
static bool parse_timeout(struct slice s, uint64_t *ms)
{
    uint64_t n;
    if (s.len < 2 || s.len > 9 || !slice_u64(slice_sub(s, 0, s.len - 1), &n)) {
        return false;
    }
    switch (s.data[s.len - 1]) {
    case 'H':
        *ms = n * 3600 * 1000;
        return true;
    case 'M':
        *ms = n * 60 * 1000;
        return true;
    case 'S':
        *ms = n * 1000;
        return true;
    case 'm':
        *ms = n;
        return true;
    case 'u':
        *ms = (n + 999) / 1000;
        return true;
    case 'n':
        *ms = (n + 999999) / 1000000;
        return true;
    default:
        return false;
    }
}

/* "/package.Service/Method" */
static bool find_method(const struct grpc *g, struct slice path, struct grpc_call *call)
{
    struct slice rest = slice_sub(path, 1, SIZE_MAX);
    struct slice service;
    struct slice method;
    if (path.len == 0 || path.data[0] != '/' || !slice_split(&rest, '/', &service) ||
        !slice_split(&rest, '/', &method) || rest.len > 0) {
        return false;
    }
    for (size_t i = 0; i < g->count; i++) {
        const ProtobufCServiceDescriptor *d = g->services[i]->descriptor;
        if (!slice_eq_cstr(service, d->name)) {
            continue;
        }
        for (unsigned m = 0; m < d->n_methods; m++) {
            if (slice_eq_cstr(method, d->methods[m].name) && g->services[i]->methods[m] != NULL) {
                call->service = g->services[i];
                call->method = m;
                return true;
            }
        }
    }
    return false;
}

static int admit_caller(struct grpc_call *call, struct err *err)
{
    int rc = api_authenticate(call->api, call->stream, &call->subject, err);
    if (rc != 0 || call->service->authorizes) {
        return rc;
    }
    const struct auth_request request = {
        .subject = &call->subject, .verb = SLICE("get"), .path = call->stream->path};
    return api_authorize(call->api, &request, err);
}

static void begin(struct grpc_call *call)
{
    struct slice timeout = http_stream_header(call->stream, "grpc-timeout");
    uint64_t ms = GRPC_DEADLINE_MS;
    struct err err = {0};
    bool limited = timeout.len > 0 || !call->service->open_ended;
    if (timeout.len > 0 && !parse_timeout(timeout, &ms)) {
        fail(call, ERR_INVALID, "grpc-timeout is malformed");
        return;
    }
    int rc = admit_caller(call, &err);
    if (rc != 0) {
        grpc_finish(call, rc, &err, NULL);
        return;
    }
    call->deadline_ms = UINT64_MAX;
    if (limited) {
        call->deadline_ms = loop_now_ms(call->loop) + ms;
        loop_timer_start(&call->timer, ms, 0);
    }
}

void grpc_accept(struct api *api, struct http_stream *stream)
{
    struct grpc_call *call = mem_zero(sizeof *call);
    *call = (struct grpc_call){
        .api = api, .stream = stream, .loop = stream->loop, .arena = &stream->arena};
    stream->handler = &handler;
    stream->user = call;
    stream->streaming = true;
    loop_timer_init(call->loop, &call->timer, on_deadline);
    if (!stream->http2) {
        static const struct http_header text = {{"content-type", 12}, {"text/plain", 10}};
        call->finished = true;
        http_stream_respond(stream, 505, &text, 1, SLICE("gRPC needs HTTP/2\n"));
        maybe_release(call);
    } else if (!slice_eq_cstr(stream->method, "POST")) {
        fail(call, ERR_METHOD, "gRPC methods are called by POST");
    } else if (!find_method(api->config.grpc_user, stream->path, call)) {
        fail(call, ERR_METHOD, "no such method here; server reflection lists them");
    } else {
        begin(call);
    }
}
