/* HTTP/2 on bytes: a client session of the same library talks to a connection through buffers. */
#include <nghttp2/nghttp2.h>

#include "tests/unit/node/http/wire.h"

struct client {
    struct fixture f;
    nghttp2_session *session;
    struct buf log; /* what the client saw, one line each */
    struct buf body;
    size_t body_at;
};

static int saw_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                      void *user)
{
    (void)session;
    (void)flags;
    struct client *c = user;
    if (name_len != 4 || memcmp(name, "date", 4) != 0) {
        buf_addf(&c->log, "%d %.*s: %.*s\n", frame->hd.stream_id, (int)name_len, (const char *)name,
                 (int)value_len, (const char *)value);
    }
    return 0;
}

static int saw_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *user)
{
    (void)session;
    (void)flags;
    struct client *c = user;
    if (len < 100) {
        buf_addf(&c->log, "%d data %.*s\n", id, (int)len, (const char *)data);
    }
    return 0;
}

static int saw_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)session;
    struct client *c = user;
    buf_addf(&c->log, "%d closed %u\n", id, code);
    return 0;
}

static int saw_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct client *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        buf_addf(&c->log, "goaway %u\n", frame->goaway.error_code);
    }
    return 0;
}

static int setup(void **state)
{
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    fixture_open(&c->f, true, NULL);
    nghttp2_session_callbacks *cb = NULL;
    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    nghttp2_session_callbacks_set_on_header_callback(cb, saw_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, saw_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, saw_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, saw_frame);
    assert_int_equal(nghttp2_session_client_new(&c->session, cb, c), 0);
    nghttp2_session_callbacks_del(cb);
    assert_int_equal(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct client *c = *state;
    fixture_close(&c->f);
    nghttp2_session_del(c->session);
    buf_free(&c->log);
    buf_free(&c->body);
    free(c);
    return 0;
}

/* Carries bytes both ways until neither side has any. */
static void talk(struct client *c)
{
    bool moved = true;
    while (moved) {
        moved = false;
        const uint8_t *data;
        ssize_t len;
        while ((len = nghttp2_session_mem_send(c->session, &data)) > 0) {
            http_conn_input(&c->f.conn, slice_make(data, (size_t)len));
            moved = true;
        }
        http_conn_pump(&c->f.conn);
        if (c->f.wire.sent.len != 0) {
            ssize_t took = nghttp2_session_mem_recv(
                c->session, (const uint8_t *)c->f.wire.sent.data, c->f.wire.sent.len);
            assert_int_equal(took, c->f.wire.sent.len);
            buf_clear(&c->f.wire.sent);
            moved = true;
        }
    }
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)id;
    (void)source;
    struct client *c = user;
    size_t left = c->body.len - c->body_at;
    size_t take = left < len ? left : len;
    memcpy(to, c->body.data + c->body_at, take);
    c->body_at += take;
    *flags = c->body_at == c->body.len ? NGHTTP2_DATA_FLAG_EOF : NGHTTP2_DATA_FLAG_NONE;
    return (ssize_t)take;
}

#define NV(n, v)                                                                                   \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0              \
    }

static int32_t request(struct client *c, const char *method, const char *path)
{
    nghttp2_nv nv[] = {NV(":method", method), NV(":scheme", "https"), NV(":authority", "h"),
                       NV(":path", path)};
    nghttp2_data_provider body = {.read_callback = read_body};
    int32_t id =
        nghttp2_submit_request(c->session, NULL, nv, 4, c->body.len != 0 ? &body : NULL, NULL);
    assert_true(id > 0);
    return id;
}

static void requests_share_a_connection(void **state)
{
    struct client *c = *state;
    (void)request(c, "GET", "/a?b=c");
    (void)request(c, "GET", "/d");
    talk(c);
    assert_string_equal(buf_cstr(&c->f.seen),
                        "GET /a?b=c body= rc=ERR_OK\nGET /d? body= rc=ERR_OK\n");
    const char *want = "1 :status: 200\n1 content-type: text/plain\n1 content-length: 5\n";
    assert_true(slice_find(buf_slice(&c->log), slice_of(want)) != SIZE_MAX);
    assert_true(slice_find(buf_slice(&c->log), SLICE("1 data hello\n1 closed 0\n")) != SIZE_MAX);
    assert_true(slice_find(buf_slice(&c->log), SLICE("3 data hello\n3 closed 0\n")) != SIZE_MAX);
}

static void a_body_over_the_limit_is_refused_without_reading_it_all(void **state)
{
    struct client *c = *state;
    c->f.body_max = 1000;
    size_t bytes = 20 * 1024 * 1024; /* more than is discarded out of politeness */
    char *block = calloc(1, bytes);
    assert_non_null(block);
    buf_add(&c->body, slice_make(block, bytes));
    free(block);
    (void)request(c, "POST", "/");
    talk(c);
    assert_string_equal(buf_cstr(&c->f.seen), "POST /? body= rc=ERR_TOO_LARGE\n");
    assert_true(slice_find(buf_slice(&c->log), SLICE("1 :status: 413\n")) != SIZE_MAX);
    assert_true(slice_find(buf_slice(&c->log), SLICE("1 closed 0\n")) != SIZE_MAX);
    assert_true(c->body_at < c->body.len);
}

static void trailers_end_a_streamed_response(void **state)
{
    struct client *c = *state;
    c->f.manual = true;
    c->f.streaming = true;
    buf_add_cstr(&c->body, "ping");
    (void)request(c, "POST", "/grpc");
    talk(c);
    assert_string_equal(buf_cstr(&c->f.seen), "data ping\nPOST /grpc? body= rc=ERR_OK\n");
    http_stream_start(c->f.stream, 200, NULL, 0);
    talk(c);
    assert_true(slice_find(buf_slice(&c->log), SLICE("1 :status: 200\n")) != SIZE_MAX);
    (void)http_stream_write(c->f.stream, SLICE("pong"));
    talk(c);
    const struct http_header trailer = {SLICE("grpc-status"), SLICE("0")};
    http_stream_end(c->f.stream, &trailer, 1);
    http_stream_release(c->f.stream);
    talk(c);
    assert_true(slice_find(buf_slice(&c->log),
                           SLICE("1 data pong\n1 grpc-status: 0\n1 closed 0\n")) != SIZE_MAX);
}

static void a_paused_stream_holds_its_client_by_flow_control(void **state)
{
    struct client *c = *state;
    c->f.manual = true;
    c->f.streaming = true;
    char *block = calloc(1, 1000000);
    assert_non_null(block);
    buf_add(&c->body, slice_make(block, 1000000));
    free(block);
    c->body.data[0] = 'x';
    int32_t id = request(c, "POST", "/grpc");
    const uint8_t *data;
    ssize_t len = nghttp2_session_mem_send(c->session, &data); /* preface, settings, head */
    while (c->f.stream == NULL && len > 0) {
        http_conn_input(&c->f.conn, slice_make(data, (size_t)len));
        len = c->f.stream == NULL ? nghttp2_session_mem_send(c->session, &data) : 0;
    }
    http_stream_pause(c->f.stream);
    talk(c);
    assert_true(c->body_at <= 256 * 1024);
    http_stream_resume(c->f.stream);
    talk(c);
    assert_int_equal(c->body_at, 1000000);
    assert_int_equal(id, 1);
    http_stream_respond(c->f.stream, 200, NULL, 0, (struct slice){0});
    http_stream_release(c->f.stream);
    talk(c);
}

static void a_reset_reaches_the_handler_once(void **state)
{
    struct client *c = *state;
    c->f.manual = true;
    int32_t id = request(c, "GET", "/w");
    talk(c);
    http_stream_start(c->f.stream, 200, NULL, 0);
    talk(c);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, id, NGHTTP2_CANCEL), 0);
    talk(c);
    assert_int_equal(c->f.resets, 1);
    assert_false(http_stream_alive(c->f.stream));
    http_stream_release(c->f.stream);
    assert_int_equal(c->f.conn.stream_count, 0);
}

static void rapid_resets_end_the_connection(void **state)
{
    struct client *c = *state;
    c->f.server.limits.resets_per_minute = 50;
    for (int i = 0; i < 200 && !c->f.wire.finished; i++) {
        int32_t id = request(c, "GET", "/r");
        const uint8_t *data;
        ssize_t len;
        while ((len = nghttp2_session_mem_send(c->session, &data)) > 0) {
            http_conn_input(&c->f.conn, slice_make(data, (size_t)len));
        }
        (void)nghttp2_submit_rst_stream(c->session, 0, id, NGHTTP2_CANCEL);
    }
    talk(c);
    assert_true(c->f.wire.finished);
    assert_true(c->f.routed <= 60);
    assert_true(slice_find(buf_slice(&c->log), SLICE("goaway 11\n")) != SIZE_MAX);
}

static void rubbish_is_answered_with_goaway(void **state)
{
    struct client *c = *state;
    http_conn_input(&c->f.conn, SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_true(c->f.wire.finished);
    assert_int_equal(c->f.routed, 0);
}

static void a_bad_frame_after_the_preface_ends_the_connection(void **state)
{
    struct client *c = *state;
    talk(c);
    http_conn_input(&c->f.conn, SLICE("\0\0\4\0\0\0\0\0\0zzzz")); /* DATA on stream 0 */
    http_conn_pump(&c->f.conn);
    assert_true(c->f.wire.sent.len != 0); /* GOAWAY */
    talk(c);
    assert_true(c->f.wire.finished);
    assert_true(slice_find(buf_slice(&c->log), SLICE("goaway 1\n")) != SIZE_MAX);
}

static void too_large_a_head_resets_its_stream_alone(void **state)
{
    struct client *c = *state;
    char *big = malloc(40001);
    assert_non_null(big);
    memset(big, 'a', 40000);
    big[40000] = '\0';
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "h"),
                       NV(":path", "/"),     NV("x-big", big),       NV("x-big2", big)};
    assert_int_equal(nghttp2_submit_request(c->session, NULL, nv, 6, NULL, NULL), 1);
    (void)request(c, "GET", "/ok");
    talk(c);
    free(big);
    assert_string_equal(buf_cstr(&c->f.seen), "GET /ok? body= rc=ERR_OK\n");
    assert_true(slice_find(buf_slice(&c->log), SLICE("3 :status: 200\n")) != SIZE_MAX);
}

static void draining_lets_running_requests_end(void **state)
{
    struct client *c = *state;
    c->f.manual = true;
    (void)request(c, "GET", "/slow");
    talk(c);
    http_conn_drain(&c->f.conn);
    talk(c);
    assert_false(c->f.wire.finished);
    assert_true(slice_find(buf_slice(&c->log), SLICE("goaway 0\n")) != SIZE_MAX);
    http_stream_respond(c->f.stream, 200, NULL, 0, SLICE("done"));
    http_stream_release(c->f.stream);
    talk(c);
    assert_true(slice_find(buf_slice(&c->log), SLICE("1 data done\n")) != SIZE_MAX);
    assert_true(c->f.wire.finished);
}

static void a_reader_that_stops_is_reset(void **state)
{
    struct client *c = *state;
    c->f.manual = true;
    (void)request(c, "GET", "/l");
    talk(c);
    char *block = calloc(1, 200000);
    assert_non_null(block);
    http_stream_start(c->f.stream, 200, NULL, 0);
    c->f.wire.pending = 8 * 1024 * 1024;
    (void)http_stream_write(c->f.stream, slice_make(block, 200000));
    free(block);
    c->f.wire.pending = 0;
    talk(c); /* the client's window is 64 KiB and it gives no more: it never reads a stream */
    c->f.stream->progress_ms = 0;
    c->f.server.limits.stall_ms = 0;
    struct http_stream *s = c->f.stream;
    if (http_stream_pending(s) != 0) {
        http_conn_tick(&c->f.conn);
        assert_true(c->f.resets == 1 || c->f.wire.closed);
    }
    http_stream_release(s);
    talk(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(requests_share_a_connection),
        TEST(a_body_over_the_limit_is_refused_without_reading_it_all),
        TEST(trailers_end_a_streamed_response),
        TEST(a_paused_stream_holds_its_client_by_flow_control),
        TEST(a_reset_reaches_the_handler_once),
        TEST(rapid_resets_end_the_connection),
        TEST(rubbish_is_answered_with_goaway),
        TEST(a_bad_frame_after_the_preface_ends_the_connection),
        TEST(too_large_a_head_resets_its_stream_alone),
        TEST(draining_lets_running_requests_end),
        TEST(a_reader_that_stops_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
