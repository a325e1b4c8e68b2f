/* The gRPC door in HTTP/2 bytes: a client session of nghttp2 talks to it through buffers, and
 * chooses in which order its bytes come. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "node/api/grpc/door.h"
#include "proto/choreo/v1/services.pb-c.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"
#include "tests/unit/node/api/door.h"

#define RESOURCES "/choreo.v1.ResourceService/"
#define REFLECTION "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

struct caller {
    struct door *d;
    struct grpc grpc;
    nghttp2_session *session;
    struct buf log;  /* what the client saw, one line each */
    struct buf body; /* of the one request, as far as it may be sent */
    size_t body_at;
    bool whole; /* the body ends where it ends now */
    bool deaf;  /* takes nothing that the server sends */
    size_t data_bytes;
    const char *until;
};

static int saw_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                      void *user)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct caller *c = user;
    buf_addf(&c->log, "%.*s: %.*s\n", (int)name_len, (const char *)name, (int)value_len,
             (const char *)value);
    return 0;
}

static int saw_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *user)
{
    (void)session;
    (void)flags;
    (void)id;
    (void)data;
    ((struct caller *)user)->data_bytes += len;
    return 0;
}

static int saw_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct caller *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        buf_add_cstr(&c->log, "goaway\n");
    }
    return 0;
}

static int saw_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)session;
    (void)id;
    buf_addf(&((struct caller *)user)->log, "closed %u\n", code);
    return 0;
}

/* Carries bytes both ways until neither side has any. On the loop. */
static void talk(void *arg)
{
    struct caller *c = arg;
    struct door *d = c->d;
    bool moved = true;
    while (moved) {
        const uint8_t *data;
        ssize_t len;
        moved = false;
        while ((len = nghttp2_session_mem_send(c->session, &data)) > 0) {
            http_conn_input(&d->conn, slice_make(data, (size_t)len));
            moved = true;
        }
        http_conn_pump(&d->conn);
        if (!c->deaf && d->sent.len > 0) {
            (void)nghttp2_session_mem_recv(c->session, (const uint8_t *)d->sent.data, d->sent.len);
            buf_clear(&d->sent);
            moved = true;
        }
        d->pending = c->deaf ? d->sent.len : 0;
    }
}

static bool said(void *arg)
{
    struct caller *c = arg;
    talk(c);
    return slice_find(buf_slice(&c->log), slice_of(c->until)) != SIZE_MAX;
}

static void wait_for(struct caller *c, const char *text)
{
    c->until = text;
    onloop_until(&c->d->o, said, c, text);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)id;
    (void)source;
    struct caller *c = user;
    size_t left = c->body.len - c->body_at;
    size_t take = left < len ? left : len;
    if (take == 0 && !c->whole) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (take > 0) {
        memcpy(to, c->body.data + c->body_at, take);
    }
    c->body_at += take;
    *flags = c->whole && c->body_at == c->body.len ? NGHTTP2_DATA_FLAG_EOF : NGHTTP2_DATA_FLAG_NONE;
    return (ssize_t)take;
}

#define NV(n, v)                                                                                   \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0              \
    }

static void open_call(struct caller *c, const char *path, const char *authorization)
{
    nghttp2_nv nv[] = {NV(":method", "POST"),
                       NV(":scheme", "https"),
                       NV(":authority", "h"),
                       NV(":path", path),
                       NV("te", "trailers"),
                       NV("content-type", "application/grpc+proto"),
                       NV("authorization", authorization)};
    nghttp2_data_provider body = {.read_callback = read_body};
    assert_int_equal(nghttp2_submit_request(c->session, NULL, nv, 7, &body, NULL), 1);
    onloop_call(&c->d->o, talk, c);
}

/* The next message of the call, framed. */
static void add_message(struct caller *c, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    buf_add_u8(&c->body, 0);
    buf_add_be32(&c->body, (uint32_t)len);
    buf_reserve(&c->body, len);
    c->body.len += protobuf_c_message_pack(message, (uint8_t *)c->body.data + c->body.len);
}

static void send_body(struct caller *c, bool whole)
{
    c->whole = whole;
    (void)nghttp2_session_resume_data(c->session, 1);
    onloop_call(&c->d->o, talk, c);
}

static void ask_services(struct caller *c)
{
    Grpc__Reflection__V1__ServerReflectionRequest ask;
    char empty[] = "";
    grpc__reflection__v1__server_reflection_request__init(&ask);
    ask.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    ask.list_services = empty;
    add_message(c, &ask.base);
}

static void over_http2(void *arg)
{
    struct door *d = arg;
    struct err why = {.code = ERR_CANCELED, .message = "the client speaks HTTP/2"};
    http_conn_free(&d->conn, &why);
    http_conn_init(&d->conn, &d->server, &d->wire, true, NULL, "192.0.2.1:9");
}

static int setup(void **state)
{
    struct caller *c = calloc(1, sizeof *c);
    nghttp2_session_callbacks *cb = NULL;
    assert_non_null(c);
    assert_int_equal(door_setup((void **)&c->d), 0);
    grpc_init(&c->grpc);
    grpc_add(&c->grpc, &grpc_resource_service);
    grpc_add(&c->grpc, &grpc_reflection_service);
    c->d->api.config.grpc = grpc_accept;
    c->d->api.config.grpc_user = &c->grpc;
    onloop_call(&c->d->o, over_http2, c->d);
    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    nghttp2_session_callbacks_set_on_header_callback(cb, saw_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, saw_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, saw_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, saw_close);
    assert_int_equal(nghttp2_session_client_new(&c->session, cb, c), 0);
    nghttp2_session_callbacks_del(cb);
    assert_int_equal(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct caller *c = *state;
    int rc = door_teardown((void **)&c->d);
    nghttp2_session_del(c->session);
    buf_free(&c->log);
    buf_free(&c->body);
    free(c);
    return rc;
}

static void assert_says(const struct caller *c, const char *text)
{
    if (slice_find(buf_slice(&c->log), slice_of(text)) == SIZE_MAX) {
        fail_msg("\"%s\" is not in: %.*s", text, SLICE_ARG(buf_slice(&c->log)));
    }
}

static void a_refusal_waits_for_the_whole_request(void **state)
{
    struct caller *c = *state;
    Choreo__V1__ListRequest list = CHOREO__V1__LIST_REQUEST__INIT;
    open_call(c, RESOURCES "List", "Bearer nobody");
    assert_int_equal(c->log.len, 0); /* an answer now would stall libcurl's upload */
    add_message(c, &list.base);
    send_body(c, false);
    assert_int_equal(c->log.len, 0);
    send_body(c, true);
    assert_says(c, "grpc-status: 16\n");
    assert_says(c, "closed 0\n");
}

static void a_refused_request_without_end_is_told_early(void **state)
{
    struct caller *c = *state;
    open_call(c, RESOURCES "List", "Bearer nobody");
    char *block = calloc(1, GRPC_MESSAGE_MAX + 1);
    assert_non_null(block);
    buf_add(&c->body, slice_make(block, GRPC_MESSAGE_MAX + 1));
    free(block);
    send_body(c, false);
    assert_says(c, "grpc-status: 16\n");
}

static void what_may_have_no_end_is_refused_at_its_first_bytes(void **state)
{
    struct caller *c = *state;
    open_call(c, REFLECTION, "Bearer nobody");
    ask_services(c);
    send_body(c, false);
    assert_says(c, "grpc-status: 16\n");
}

static void an_unknown_method_is_refused(void **state)
{
    struct caller *c = *state;
    open_call(c, RESOURCES "Nothing", "Bearer admin");
    send_body(c, true);
    assert_says(c, "grpc-status: 12\n");
}

static void a_reflection_call_has_so_many_messages(void **state)
{
    struct caller *c = *state;
    open_call(c, REFLECTION, "Bearer admin");
    for (int i = 0; i < GRPC_MESSAGES_MAX; i++) {
        ask_services(c);
    }
    send_body(c, false);
    wait_for(c, ":status: 200\n");
    assert_true(slice_find(buf_slice(&c->log), SLICE("grpc-status")) == SIZE_MAX);
    ask_services(c);
    send_body(c, false);
    wait_for(c, "grpc-status: 8\n");
    assert_true(c->data_bytes > (size_t)GRPC_MESSAGES_MAX * 20);
}

static void a_reflection_message_is_small(void **state)
{
    struct caller *c = *state;
    open_call(c, REFLECTION, "Bearer admin");
    buf_add(&c->body, SLICE("\0\0\1\0\0")); /* 64 KiB are announced */
    send_body(c, false);
    wait_for(c, "grpc-status: 8\n");
    assert_says(c, "grpc-message: a message of 65536 bytes: at most 8192\n");
}

/* A client that asks and does not read is answered no further than the queue allows. */
static void reflection_waits_for_its_reader(void **state)
{
    struct caller *c = *state;
    Grpc__Reflection__V1__ServerReflectionRequest ask;
    grpc__reflection__v1__server_reflection_request__init(&ask);
    char name[] = "choreo.v1.ResourceService";
    ask.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
    ask.file_containing_symbol = name;
    open_call(c, REFLECTION, "Bearer admin");
    for (int i = 0; i < GRPC_MESSAGES_MAX; i++) {
        add_message(c, &ask.base);
    }
    c->deaf = true;
    send_body(c, true);
    struct http_stream *s = CONTAINER_OF(c->d->conn.streams.next, struct http_stream, link);
    assert_true(http_stream_pending(s) > HTTP_OUT_HIGH_BYTES / 2);
    assert_true(http_stream_pending(s) < HTTP_OUT_HIGH_BYTES + 64 * 1024);
    c->deaf = false;
    wait_for(c, "grpc-status: 0\n");
    assert_true(c->data_bytes > (size_t)GRPC_MESSAGES_MAX * 1000);
}

static void drain(void *arg)
{
    struct door *d = arg;
    http_conn_drain(&d->conn);
    http_conn_tell_drain(&d->conn);
}

static void a_stopping_server_ends_watches(void **state)
{
    struct caller *c = *state;
    Choreo__V1__WatchRequest watch = CHOREO__V1__WATCH_REQUEST__INIT;
    Choreo__V1__Ref ref = CHOREO__V1__REF__INIT;
    char resource[] = "configmaps";
    ref.resource = resource;
    watch.ref = &ref;
    watch.has_resource_version = true;
    watch.resource_version = 1000;
    open_call(c, RESOURCES "Watch", "Bearer admin");
    add_message(c, &watch.base);
    send_body(c, true);
    wait_for(c, "");
    assert_true(slice_find(buf_slice(&c->log), SLICE("grpc-status")) == SIZE_MAX);
    onloop_call(&c->d->o, drain, c->d);
    wait_for(c, "grpc-status: 14\n");
    assert_says(c, "grpc-message: this node is stopping: go on at another\n");
    size_t goaway = slice_find(buf_slice(&c->log), SLICE("goaway\n"));
    assert_true(goaway < slice_find(buf_slice(&c->log), SLICE("grpc-status")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_refusal_waits_for_the_whole_request),
        TEST(a_refused_request_without_end_is_told_early),
        TEST(what_may_have_no_end_is_refused_at_its_first_bytes),
        TEST(an_unknown_method_is_refused),
        TEST(a_reflection_call_has_so_many_messages),
        TEST(a_reflection_message_is_small),
        TEST(reflection_waits_for_its_reader),
        TEST(a_stopping_server_ends_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
