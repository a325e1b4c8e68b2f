/* client.c: gRPC over base/fetch.
 *
 * A request is one frame in the body of a POST; a response is frames, then the status in the
 * trailers, or in the headers if there was no message. HTTP errors without a grpc-status (a proxy,
 * no gRPC server) count as gRPC's protocol says. */
#include "cli/client.h"
#include "cli/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/list.h"
#include "proto/google/rpc/error_details.pb-c.h"
#include "proto/google/rpc/status.pb-c.h"

enum {
    FRAME_HEAD_BYTES = 5,
    RESPONSE_MAX = 64 << 20,
    TRY_TIMEOUT_MS = 10 * 1000, /* one try; the next goes to another node */
    CONNECT_TIMEOUT_MS = 2000,
    PAUSE_MS = 200,     /* after a whole round of endpoints failed */
    PATIENCE_MS = 2000, /* a wait of less is not worth a word */
};

struct attempt {
    struct client *client;
    struct loop_msg start;
    struct fetch fetch;
    struct buf frames; /* of a stream: what is not yet whole */
    const ProtobufCMessageDescriptor *type;
    bool (*each)(const ProtobufCMessage *message, void *user);
    void *user;
    bool delivered; /* each() has run: going on is the caller's business */
    bool stopped;   /* by each(), or because it is broken */
    bool broken;    /* a message that does not decode */
    bool done;
    int rc;
    struct err err;
};

int client_open(struct client *c, const struct settings *settings, uint32_t timeout_ms,
                struct err *err)
{
    *c = (struct client){.settings = settings, .timeout_ms = timeout_ms};
    const struct fetcher_config config = {.ca_pem = buf_slice(&settings->ca_pem),
                                          .cert_pem = buf_slice(&settings->cert_pem),
                                          .key_pem = buf_slice(&settings->key_pem),
                                          .connect_timeout_ms = CONNECT_TIMEOUT_MS};
    int rc = loop_init(&c->loop, "choreo", err);
    if (rc != 0) {
        return rc;
    }
    rc = fetcher_init(&c->fetcher, &c->loop, &config, err);
    if (rc != 0) {
        loop_join(&c->loop);
        return rc;
    }
    struct buf line = {0};
    buf_addf(&line, "authorization: Bearer %s", settings->token != NULL ? settings->token : "");
    c->authorization = buf_take(&line);
    return 0;
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    loop_stop(fetcher->loop);
}

static void on_close(struct loop_msg *msg)
{
    struct client *c = CONTAINER_OF(msg, struct client, close);
    fetcher_close(&c->fetcher, on_fetcher_closed);
}

void client_close(struct client *c)
{
    c->close.run = on_close;
    loop_post(&c->loop, &c->close);
    loop_run(&c->loop);
    loop_join(&c->loop);
    free(c->authorization);
}

void client_request_id(char out[37])
{
    crypto_uuid(out);
}

/* ---- errors ---- */

/* The code whose reason the server named, else the first of that gRPC status. */
static int code_of(int status, const char *reason)
{
    for (int code = 1; code < ERR_COUNT && reason != NULL; code++) {
        if (strcmp(err_reason(code), reason) == 0) {
            return code;
        }
    }
    for (int code = 1; code < ERR_COUNT; code++) {
        if (err_grpc_status(code) == status) {
            return code;
        }
    }
    return ERR_INTERNAL;
}

static void unpercent(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        struct buf byte = {0};
        if (in.data[i] == '%' && i + 2 < in.len && hex_decode(&byte, slice_sub(in, i + 1, 2))) {
            buf_add(out, buf_slice(&byte));
            i += 2;
        } else {
            buf_add_char(out, in.data[i]);
        }
        buf_free(&byte);
    }
}

/* Field violations as lines behind the message, but for those that it tells itself. */
static void add_violations(const Google__Rpc__BadRequest *bad, struct buf *message)
{
    struct buf line = {0};
    size_t told = message->len;
    for (size_t v = 0; bad != NULL && bad->n_field_violations > 1 && v < bad->n_field_violations;
         v++) {
        const Google__Rpc__BadRequest__FieldViolation *one = bad->field_violations[v];
        buf_clear(&line);
        buf_addf(&line, "%s: %s", one->field, one->description);
        if (slice_find(slice_sub(buf_slice(message), 0, told), buf_slice(&line)) == SIZE_MAX) {
            buf_addf(message, "\n  %s", buf_cstr(&line));
        }
    }
    buf_free(&line);
}

/* Reads ErrorInfo's reason, and adds the violations that the message leaves out. */
static int read_details(struct slice encoded, int status, struct buf *message)
{
    struct buf bytes = {0};
    int code = code_of(status, NULL);
    Google__Rpc__Status *whole = NULL;
    if (base64_decode(&bytes, encoded)) {
        whole = google__rpc__status__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    }
    for (size_t i = 0; whole != NULL && i < whole->n_details; i++) {
        const Google__Protobuf__Any *any = whole->details[i];
        struct slice url = slice_of(any->type_url);
        if (slice_ends_with(url, SLICE("google.rpc.ErrorInfo"))) {
            Google__Rpc__ErrorInfo *info =
                google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
            code = info != NULL ? code_of(status, info->reason) : code;
            google__rpc__error_info__free_unpacked(info, NULL);
        } else if (slice_ends_with(url, SLICE("google.rpc.BadRequest"))) {
            Google__Rpc__BadRequest *bad =
                google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
            add_violations(bad, message);
            google__rpc__bad_request__free_unpacked(bad, NULL);
        }
    }
    google__rpc__status__free_unpacked(whole, NULL);
    buf_free(&bytes);
    return code;
}

/* An answer without a grpc-status, as gRPC's protocol reads it: a proxy's, or of no gRPC server. */
static int code_of_http(int status)
{
    switch (status) {
    case 401:
        return ERR_UNAUTHENTICATED;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_METHOD;
    default:
        return ERR_UNAVAILABLE;
    }
}

static void take_status(struct attempt *a)
{
    struct fetch *f = &a->fetch;
    struct slice text = fetch_header(f, "grpc-status");
    uint64_t status = 0;
    if (!slice_u64(text, &status)) {
        a->rc = err_set(&a->err, code_of_http(f->status), "%s: HTTP %d, which is no gRPC answer",
                        f->url, f->status);
    } else if (status != 0) {
        struct buf message = {0};
        unpercent(fetch_header(f, "grpc-message"), &message);
        int code = read_details(fetch_header(f, "grpc-status-details-bin"), (int)status, &message);
        a->rc = err_set(&a->err, code, "%s", buf_cstr(&message));
        buf_free(&message);
    }
}

/* ---- one try ---- */

static int does_not_decode(const struct attempt *a, struct err *err)
{
    const struct client *c = a->client;
    return err_set(err, ERR_INTERNAL, "%s: the answer does not decode as %s",
                   c->settings->endpoints[c->endpoint], a->type->name);
}

static void on_done(struct fetch *f, int rc, const struct err *err)
{
    struct attempt *a = f->user;
    a->done = true;
    if (a->broken) {
        a->rc = does_not_decode(a, &a->err);
    } else if (a->stopped) {
        a->rc = 0;
    } else if (rc != 0) {
        bool kept = rc == ERR_TIMEOUT || rc == ERR_UNAUTHENTICATED || rc == ERR_TOO_LARGE;
        a->rc = err_set(&a->err, kept ? rc : ERR_UNAVAILABLE, "%s", err->message);
    } else {
        take_status(a);
    }
}

static void on_data(struct fetch *f, struct slice in)
{
    struct attempt *a = f->user;
    buf_add(&a->frames, in);
    while (!a->stopped && a->frames.len >= FRAME_HEAD_BYTES) {
        uint32_t len = be32_get(a->frames.data + 1);
        if (len <= RESPONSE_MAX && a->frames.len - FRAME_HEAD_BYTES < len) {
            break; /* the rest of it will come */
        }
        ProtobufCMessage *message =
            len > RESPONSE_MAX
                ? NULL
                : protobuf_c_message_unpack(a->type, NULL, len,
                                            (const uint8_t *)a->frames.data + FRAME_HEAD_BYTES);
        if (message == NULL) {
            a->stopped = a->broken = true;
            break;
        }
        buf_shift(&a->frames, FRAME_HEAD_BYTES + len);
        a->delivered = true;
        a->stopped = !a->each(message, a->user);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    if (a->stopped) {
        fetch_cancel(f);
    }
}

static void on_start(struct loop_msg *msg)
{
    struct attempt *a = CONTAINER_OF(msg, struct attempt, start);
    fetch_start(&a->client->fetcher, &a->fetch);
}

static void try_once(struct client *c, struct attempt *a, const char *method, struct slice body,
                     uint32_t timeout_ms)
{
    struct buf url = {0};
    buf_addf(&url, "%s/%s", c->settings->endpoints[c->endpoint], method);
    const char *headers[5] = {"content-type: application/grpc+proto", "te: trailers"};
    char timeout[48];
    size_t count = 2;
    if (timeout_ms != 0) {
        (void)snprintf(timeout, sizeof timeout, "grpc-timeout: %um", timeout_ms);
        headers[count++] = timeout;
    }
    if (c->settings->token != NULL) {
        headers[count++] = c->authorization;
    }
    a->client = c;
    a->done = false;
    a->rc = 0;
    buf_clear(&a->frames);
    a->fetch = (struct fetch){.method = "POST",
                              .url = buf_cstr(&url),
                              .headers = headers,
                              .body = body,
                              .timeout_ms = timeout_ms,
                              .response_max = RESPONSE_MAX,
                              .user = a,
                              .on_data = a->each != NULL ? on_data : NULL,
                              .done = on_done};
    a->start.run = on_start;
    loop_post(&c->loop, &a->start);
    loop_run_until(&c->loop, &a->done);
    buf_free(&url);
}

static bool worth_another_node(int rc)
{
    return rc == ERR_UNAVAILABLE || rc == ERR_NOT_LEADER || rc == ERR_CLOSED;
}

static struct buf frame_of(const ProtobufCMessage *request)
{
    struct buf frame = {0};
    size_t len = protobuf_c_message_get_packed_size(request);
    buf_add_u8(&frame, 0);
    buf_add_be32(&frame, (uint32_t)len);
    buf_reserve(&frame, len);
    frame.len += protobuf_c_message_pack(request, (uint8_t *)frame.data + frame.len);
    return frame;
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* A person who waits may know for what. */
static void tell_once(struct client *c, const struct attempt *a, uint64_t left_ms)
{
    if (!c->told && isatty(STDERR_FILENO) && left_ms > PATIENCE_MS) {
        print_err("choreo: no node answers yet (%s); trying for another %llu s\n", a->err.message,
                  (unsigned long long)left_ms / 1000);
        c->told = true;
    }
}

/* Tries one endpoint after the other until one answers or the time is over. */
static void go_round(struct client *c, struct attempt *a, const char *method, struct slice body,
                     uint32_t limit_ms, bool stream)
{
    bool endless = limit_ms == 0;
    uint64_t end_ms = now_ms() + (endless ? c->timeout_ms : limit_ms);
    for (size_t tries = 1;; tries++) {
        uint64_t left_ms = end_ms > now_ms() ? end_ms - now_ms() : 1;
        uint32_t timeout_ms = endless ? 0 : (uint32_t)left_ms;
        if (!stream && c->settings->endpoint_count > 1 && timeout_ms > TRY_TIMEOUT_MS) {
            timeout_ms = TRY_TIMEOUT_MS;
        }
        try_once(c, a, method, body, timeout_ms);
        bool again = worth_another_node(a->rc) || (!stream && a->rc == ERR_TIMEOUT);
        if (!again || a->delivered || now_ms() + PAUSE_MS > end_ms) {
            return;
        }
        fetch_clear(&a->fetch);
        c->endpoint = (c->endpoint + 1) % c->settings->endpoint_count;
        if (tries % c->settings->endpoint_count == 0) {
            tell_once(c, a, end_ms - now_ms());
            uv_sleep(PAUSE_MS);
        }
    }
}

static void *arena_take(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void arena_give_back(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static int read_response(struct attempt *a, struct arena *arena, ProtobufCMessage **response,
                         struct err *err)
{
    ProtobufCAllocator allocator = {arena_take, arena_give_back, arena};
    struct slice in = buf_slice(&a->fetch.response);
    *response = NULL;
    if (in.len >= FRAME_HEAD_BYTES && be32_get(in.data + 1) == in.len - FRAME_HEAD_BYTES) {
        *response = protobuf_c_message_unpack(a->type, &allocator, in.len - FRAME_HEAD_BYTES,
                                              (const uint8_t *)in.data + FRAME_HEAD_BYTES);
    }
    return *response != NULL ? 0 : does_not_decode(a, err);
}

int client_call(struct client *c, const char *method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *response_type, struct arena *arena,
                ProtobufCMessage **response, struct err *err)
{
    struct attempt a = {.type = response_type};
    struct buf frame = frame_of(request);
    go_round(c, &a, method, buf_slice(&frame), c->timeout_ms, false);
    if (a.rc != 0) {
        *err = a.err;
    } else {
        a.rc = read_response(&a, arena, response, err);
    }
    fetch_clear(&a.fetch);
    buf_free(&frame);
    return a.rc;
}

int client_stream(struct client *c, const char *method, const ProtobufCMessage *request,
                  const ProtobufCMessageDescriptor *response_type, uint32_t timeout_ms,
                  bool (*each)(const ProtobufCMessage *message, void *user), void *user,
                  struct err *err)
{
    struct attempt a = {.type = response_type, .each = each, .user = user};
    struct buf frame = frame_of(request);
    go_round(c, &a, method, buf_slice(&frame), timeout_ms, true);
    if (a.rc != 0) {
        *err = a.err;
    }
    fetch_clear(&a.fetch);
    buf_free(&a.frames);
    buf_free(&frame);
    return a.rc;
}
