/* door.c: calls over HTTP/2 streams.
 *
 * Happy path: grpc_accept() finds the method by the path and the subject by its credentials; the
 * stream is read as a sequence of length-prefixed messages; a unary method runs when its one
 * message is whole and the client has closed its side; the response is messages and trailers.
 * Failure path: every failure is trailers with a grpc-status and google.rpc.Status details; a
 * client that goes away, a deadline, or for a stream without an end the server's, finishes the call
 * and cancels what the method has under way; the call's memory goes when the last hold is dropped.
 * A call that is refused while its request still comes is told when that is whole: clients whose
 * upload an early answer interrupts (libcurl 7.88) would wait for ever for what they had got.
 * Invariants: exactly one set of trailers; nothing is written after it; the stream is released
 * once, after the method's last asynchronous operation. */
#include "node/api/grpc/door.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/api/grpc/trailers.h"

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
    const struct http_header headers[] = {
        {SLICE("content-type"), SLICE("application/grpc+proto")},
        {SLICE("grpc-accept-encoding"), SLICE(FRAME_ENCODINGS)},
        {SLICE("grpc-encoding"), SLICE("gzip")},
    };
    if (!call->started) {
        call->started = true;
        http_stream_start(call->stream, 200, headers, call->frames.packs_out ? 3 : 2);
    }
}

void grpc_open(struct grpc_call *call)
{
    if (!call->finished) {
        start_response(call);
    }
}

bool grpc_send(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (call->finished) {
        return true;
    }
    start_response(call);
    frames_add(&call->frames, message, http_stream_out(call->stream));
    return http_stream_push(call->stream);
}

void grpc_finish(struct grpc_call *call, int rc, const struct err *err, const struct causes *causes)
{
    if (call->finished) {
        return;
    }
    call->finished = true;
    start_response(call);
    struct http_header trailers[GRPC_TRAILERS_MAX];
    size_t count = grpc_trailers(call->arena, rc, rc != 0 ? err->message : "", causes, trailers);
    http_stream_end(call->stream, trailers, count);
    maybe_release(call);
}

void grpc_finish_field(struct grpc_call *call, int rc, const struct err *err, const char *field)
{
    struct causes causes = {.arena = call->arena};
    if (err_grpc_status(rc) == err_grpc_status(ERR_INVALID)) {
        cause_add(&causes, CAUSE_INVALID, slice_of(field), "%s", err->message);
    }
    grpc_finish(call, rc, err, &causes);
}

void grpc_bad_field(struct grpc_call *call, const char *field, const char *message)
{
    struct err err;
    (void)err_set(&err, ERR_INVALID, "%s", message);
    grpc_finish_field(call, ERR_INVALID, &err, field);
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

/* ---- refusing ---- */

/* Refuses a call whose request is still to come, or to end. */
static void refuse(struct grpc_call *call, int code, const char *message)
{
    call->refusal = ARENA_NEW(call->arena, struct err);
    (void)err_set(call->refusal, code, "%s", message);
    buf_free(&call->in);
    loop_timer_start(&call->timer, GRPC_DEADLINE_MS, 0);
}

static void tell_refusal(struct grpc_call *call)
{
    grpc_finish(call, call->refusal->code, call->refusal, NULL);
}

/* More of a request that nobody reads. Where no end is to be expected (the client may be waiting
 * for an answer to its first message), or far too much comes, the time has come to say so. */
static void drop_refused(struct grpc_call *call, size_t bytes)
{
    bool endless = call->service == NULL || call->service->bidirectional;
    call->refused_bytes += bytes;
    if (endless || call->refused_bytes > GRPC_MESSAGE_MAX) {
        tell_refusal(call);
    }
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
    struct err err = {0};
    size_t bytes;
    int rc = frames_look(&call->frames, buf_slice(&call->in), &bytes, &err);
    if (rc == 0 && (bytes == 0 || call->in.len < bytes)) {
        return false;
    }
    rc = rc != 0 ? rc : frames_take(&call->frames, &call->in, call->arena, message, &err);
    if (rc == 0 && !call->service->bidirectional) { /* what was packed is more now */
        rc = quota_hold(call->ticket, message->len, &err);
    }
    if (rc != 0) {
        grpc_finish(call, rc, &err, NULL);
    }
    return rc == 0;
}

/* One message of a bidirectional call, in an arena of its own: a client may send many. */
static bool serve_message(struct grpc_call *call)
{
    struct arena *calls = call->arena;
    struct arena own = {0};
    struct slice message;
    call->arena = &own;
    bool any = next_message(call, &message);
    if (any && ++call->messages > GRPC_MESSAGES_MAX) {
        fail(call, ERR_TOO_LARGE, "more messages than one call may have: open another");
    } else if (any) {
        dispatch(call, message);
    }
    call->arena = calls;
    arena_free(&own);
    return any;
}

/* Serves what has come, as long as the client takes the answers. */
static void serve_messages(struct grpc_call *call)
{
    bool full = false;
    grpc_hold(call);
    do {
        full = http_stream_full(call->stream);
    } while (!call->finished && !full && serve_message(call));
    if (call->finished) {
        /* It is over. */
    } else if (full) {
        http_stream_pause(call->stream); /* on_writable goes on */
    } else if (call->whole && call->in.len > 0) {
        fail(call, ERR_INVALID, "the request ends inside a message");
    } else if (call->whole) {
        grpc_finish(call, 0, NULL, NULL);
    }
    grpc_drop(call);
}

/* Refuses a request as soon as its first bytes say what is wrong with it: no more is kept than one
 * message may have. */
static void look_ahead(struct grpc_call *call)
{
    struct err err = {0};
    size_t bytes;
    int rc = frames_look(&call->frames, buf_slice(&call->in), &bytes, &err);
    if (rc == 0 && bytes != 0 && call->in.len > bytes) {
        rc = err_set(&err, ERR_INVALID, "the request holds more than one message");
    }
    if (rc != 0) {
        refuse(call, rc, err.message);
    }
}

static void on_data(struct http_stream *stream, struct slice data)
{
    struct grpc_call *call = stream->user;
    if (call->finished) {
        return;
    }
    if (call->refusal != NULL) {
        drop_refused(call, data.len);
        return;
    }
    struct err err;
    if (!call->service->bidirectional && quota_hold(call->ticket, data.len, &err) != 0) {
        refuse(call, err.code, err.message);
        return;
    }
    buf_add(&call->in, data);
    if (!call->service->bidirectional) {
        look_ahead(call);
    } else if (!call->checking) {
        serve_messages(call);
    }
}

/* The client has said all, and is known. */
static void serve_whole(struct grpc_call *call)
{
    struct slice message;
    if (call->refusal != NULL) {
        tell_refusal(call);
    } else if (call->service->bidirectional) {
        serve_messages(call);
    } else if (!next_message(call, &message)) {
        if (!call->finished) {
            fail(call, ERR_INVALID, "the request holds no whole message");
        }
    } else {
        if (call->deadline_ms == UINT64_MAX) {
            loop_timer_stop(&call->timer); /* it has come; the rest may take its time */
        }
        dispatch(call, message);
    }
}

static void on_request(struct http_stream *stream, int rc)
{
    struct grpc_call *call = stream->user;
    if (call->finished) {
        return;
    }
    grpc_hold(call);
    call->whole = true;
    if (rc != 0 && call->refusal == NULL) {
        fail(call, rc, "the request stopped coming");
    } else if (!call->checking) {
        serve_whole(call);
    }
    grpc_drop(call);
}

static void on_writable(struct http_stream *stream)
{
    struct grpc_call *call = stream->user;
    if (!call->finished && call->service->bidirectional && !call->checking) {
        http_stream_resume(stream);
        serve_messages(call);
    } else if (!call->finished && call->writable != NULL) {
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
    if (call->refusal != NULL) {
        tell_refusal(call);
    } else if (call->deadline_ms == UINT64_MAX) {
        abandon(call, ERR_TIMEOUT, "the request stopped coming");
    } else {
        abandon(call, ERR_TIMEOUT, "the deadline passed; the outcome is unknown");
    }
}

/* Calls that end by themselves may; the others would be cut. */
static void on_drain(struct http_stream *stream)
{
    struct grpc_call *call = stream->user;
    if (call->endless) {
        abandon(call, ERR_UNAVAILABLE, "this node is stopping: go on at another");
    }
}

static const struct http_handler handler = {.on_request = on_request,
                                            .on_data = on_data,
                                            .on_writable = on_writable,
                                            .on_reset = on_reset,
                                            .on_drain = on_drain};

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
        !slice_split(&rest, '/', &method) || rest.len > 0 || slice_ends_with(path, SLICE("/"))) {
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
    bool endless =
        call->service->bidirectional || (call->service->watches & (1U << call->method)) != 0;
    int rc = api_authenticate(call->api, call->stream, &call->subject, err);
    return rc != 0
               ? rc
               : api_enter(call->api, call->stream, &call->subject, endless, &call->ticket, err);
}

/* Who calls is known: may they? */
static int authorize(struct grpc_call *call, struct err *err)
{
    if (call->service->authorizes) {
        return 0;
    }
    const struct auth_request request = {
        .subject = &call->subject, .verb = SLICE("get"), .path = call->stream->path};
    return api_authorize(call->api, &request, err);
}

static void go_on(struct grpc_call *call, int rc, const struct err *why)
{
    struct err err = {0};
    if (rc == 0) {
        rc = authorize(call, &err);
        why = &err;
    }
    if (rc != 0) {
        refuse(call, rc, why->message);
    }
}

static void on_account(struct account_check *check, int rc, const struct err *err)
{
    struct grpc_call *call = CONTAINER_OF(check, struct grpc_call, check);
    bool talks = call->service->bidirectional;
    call->checking = false;
    if (!call->finished) {
        go_on(call, rc, err);
    }
    if (!call->finished && talks) {
        http_stream_resume(call->stream);
    }
    if (!call->finished && (call->whole || (talks && call->refusal != NULL))) {
        serve_whole(call);
    } else if (!call->finished && talks) {
        serve_messages(call);
    }
    grpc_drop(call);
}

/* A bound token's account is looked for while the request comes. */
static void check_account(struct grpc_call *call, const struct subject *bound)
{
    call->checking = true;
    if (call->service->bidirectional) {
        http_stream_pause(call->stream); /* it may say much meanwhile */
    }
    call->check = (struct account_check){
        .api = call->api, .loop = call->loop, .subject = bound, .done = on_account};
    grpc_hold(call);
    account_check_start(&call->check);
}

/* Everything that the head says. */
static int read_head(struct grpc_call *call, uint64_t *timeout_ms, struct err *err)
{
    uint32_t limit = call->service->message_max;
    struct slice timeout = http_stream_header(call->stream, "grpc-timeout");
    *timeout_ms = call->service->open_ended ? UINT64_MAX : GRPC_DEADLINE_MS;
    if (timeout.len > 0 && !parse_timeout(timeout, timeout_ms)) {
        return err_set(err, ERR_INVALID, "grpc-timeout is malformed");
    }
    int rc = frames_init(&call->frames, call->stream, limit != 0 ? limit : GRPC_MESSAGE_MAX, err);
    return rc != 0 ? rc : admit_caller(call, err);
}

static void begin(struct grpc_call *call)
{
    struct err err = {0};
    uint64_t ms;
    int rc = read_head(call, &ms, &err);
    if (rc != 0) {
        refuse(call, rc, err.message);
        return;
    }
    if (subject_in(&call->subject, GROUP_ANONYMOUS) &&
        call->frames.limit > API_STRANGER_BYTES_MAX) {
        call->frames.limit = API_STRANGER_BYTES_MAX;
    }
    call->endless = call->service->bidirectional;
    call->deadline_ms = UINT64_MAX;
    if (ms != UINT64_MAX) {
        call->deadline_ms = loop_now_ms(call->loop) + ms;
        loop_timer_start(&call->timer, ms, 0);
    } else if (!call->service->bidirectional) {
        loop_timer_start(&call->timer, GRPC_DEADLINE_MS, 0); /* until the request is whole */
    }
    const struct subject *bound = account_bound(&call->subject);
    if (bound != NULL) {
        check_account(call, bound);
    } else {
        go_on(call, 0, NULL);
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
        refuse(call, ERR_METHOD, "gRPC methods are called by POST");
    } else if (!find_method(api->config.grpc_user, stream->path, call)) {
        refuse(call, ERR_METHOD, "no such method here; server reflection lists them");
    } else {
        begin(call);
    }
}
