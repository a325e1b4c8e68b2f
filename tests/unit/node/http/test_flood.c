/* Floods, frame by frame: what a connection takes of frames that do no work, and how it ends. */
#include "tests/unit/node/http/wire.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY };
enum { WINDOW_UPDATE = 8, CONTINUATION = 9 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { NO_ERROR = 0, ENHANCE_YOUR_CALM = 11 };

/* GET https://h/ in HPACK's static table. */
static const char request_block[] = "\x82\x87\x84\x41\x01h";

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_open(f, true, NULL);
    feed(f, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    buf_clear(&f->wire.sent);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    free(f);
    return 0;
}

static void send_frame(struct fixture *f, uint8_t type, uint8_t flags, uint32_t id,
                       struct slice payload)
{
    struct buf frame = {0};
    buf_add_be32(&frame, (uint32_t)payload.len << 8 | type);
    buf_add_u8(&frame, flags);
    buf_add_be32(&frame, id);
    buf_add(&frame, payload);
    http_conn_input(&f->conn, buf_slice(&frame));
    buf_free(&frame);
}

static void open_stream(struct fixture *f, uint32_t id, uint8_t flags)
{
    send_frame(f, HEADERS, END_HEADERS | flags, id,
               slice_make(request_block, sizeof request_block - 1));
}

/* The last frame of that type that the server sent: its payload, or nothing. */
static struct slice sent_frame(const struct fixture *f, uint8_t type)
{
    struct slice rest = buf_slice(&f->wire.sent);
    struct slice found = {0};
    while (rest.len >= 9) {
        size_t len = be32_get(rest.data) >> 8;
        found = (uint8_t)rest.data[3] == type ? slice_sub(rest, 9, len) : found;
        rest = slice_sub(rest, 9 + len, SIZE_MAX);
    }
    return found;
}

static void expect_goaway(struct fixture *f, const char *reason)
{
    http_conn_pump(&f->conn);
    struct slice goaway = sent_frame(f, GOAWAY);
    assert_true(f->wire.finished);
    assert_true(goaway.len >= 8);
    assert_int_equal(be32_get(goaway.data + 4), ENHANCE_YOUR_CALM);
    assert_true(slice_eq_cstr(slice_sub(goaway, 8, SIZE_MAX), reason));
}

static void expect_peace(struct fixture *f)
{
    http_conn_pump(&f->conn);
    assert_false(f->wire.finished);
    assert_int_equal(sent_frame(f, GOAWAY).len, 0);
}

/* ---- frames that do no work ---- */

static void useless_frames_have_a_budget(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint8_t type;
        struct slice payload;
    } kinds[] = {
        {SETTINGS, {"", 0}},
        {PRIORITY, {"\0\0\0\0\0", 5}},
        {WINDOW_UPDATE, {"\0\0\0\1", 4}},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        void *fresh;
        assert_int_equal(setup(&fresh), 0);
        struct fixture *g = fresh;
        g->server.limits.control_per_minute = 100;
        for (int i = 0; i < 90; i++) {
            uint32_t id = kinds[k].type == PRIORITY ? 3 : 0;
            send_frame(g, kinds[k].type, 0, id, kinds[k].payload);
        }
        expect_peace(g);
        for (int i = 0; i < 20; i++) {
            uint32_t id = kinds[k].type == PRIORITY ? 3 : 0;
            send_frame(g, kinds[k].type, 0, id, kinds[k].payload);
        }
        expect_goaway(g, "too_many_frames");
        teardown(&fresh);
    }
    expect_peace(f);
}

static void empty_data_and_drops_of_a_body_count_too(void **state)
{
    struct fixture *f = *state;
    f->server.limits.control_per_minute = 100;
    f->streaming = true;
    f->manual = true;
    open_stream(f, 1, 0);
    for (int i = 0; i < 50; i++) {
        send_frame(f, DATA, 0, 1, SLICE(""));
        send_frame(f, DATA, 0, 1, SLICE("x"));
    }
    expect_peace(f); /* a request earns something */
    for (int i = 0; i < 10; i++) {
        send_frame(f, DATA, 0, 1, SLICE("x"));
    }
    expect_goaway(f, "too_many_frames");
    http_stream_release(f->stream);
}

static void work_earns_frames(void **state)
{
    struct fixture *f = *state;
    f->server.limits.control_per_minute = 50;
    for (uint32_t i = 0; i < 1000; i++) {
        open_stream(f, 2 * i + 1, END_STREAM);
        for (int k = 0; k < FLOOD_REQUEST_EARNS; k++) {
            send_frame(f, WINDOW_UPDATE, 0, 0, SLICE("\0\0\0\1"));
        }
        http_conn_pump(&f->conn);
    }
    expect_peace(f);
    assert_int_equal(f->routed, 1000);
}

static void bytes_earn_frames(void **state)
{
    struct fixture *f = *state;
    f->server.limits.control_per_minute = 50;
    f->streaming = true;
    f->manual = true;
    char block[4096] = {0};
    open_stream(f, 1, 0);
    for (int i = 0; i < 500; i++) {
        send_frame(f, DATA, 0, 1, slice_make(block, sizeof block));
        for (int k = 0; k < 4; k++) {
            send_frame(f, WINDOW_UPDATE, 0, 0, SLICE("\0\0\0\1"));
        }
        http_conn_pump(&f->conn);
    }
    expect_peace(f);
    http_stream_release(f->stream);
}

/* ---- resets ---- */

static void streams_that_the_client_has_us_reset_are_counted(void **state)
{
    struct fixture *f = *state;
    f->server.limits.resets_per_minute = 20;
    f->manual = true;
    uint32_t id = 1;
    for (; id < 201 && !f->wire.finished; id += 2) {
        open_stream(f, id, END_STREAM);
        if (f->stream != NULL && http_stream_alive(f->stream)) {
            send_frame(f, WINDOW_UPDATE, 0, id, SLICE("\x7f\xff\xff\xff")); /* overflows */
            http_conn_pump(&f->conn);
            assert_true(f->wire.finished || !http_stream_alive(f->stream));
            http_stream_release(f->stream);
        }
    }
    expect_goaway(f, "too_many_resets");
    assert_true(id < 60);
}

/* However much is queued before it, the client is told why. */
static void the_reason_comes_behind_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct http_stream *streams[30]; /* one turn */
    f->server.limits.resets_per_minute = 20;
    f->manual = true;
    for (uint32_t i = 0; i < 30; i++) {
        open_stream(f, 2 * i + 1, END_STREAM);
        streams[i] = f->stream;
        send_frame(f, WINDOW_UPDATE, 0, 2 * i + 1, SLICE("\x7f\xff\xff\xff"));
    }
    expect_goaway(f, "too_many_resets");
    for (size_t i = 0; i < 30; i++) {
        http_stream_release(streams[i]);
    }
}

static void streams_beyond_the_limit_are_counted(void **state)
{
    struct fixture *f = *state;
    struct http_stream *streams[250];
    f->server.limits.resets_per_minute = 20;
    f->manual = true;
    f->server.limits.streams = 250;
    size_t count = 0;
    uint32_t id = 1;
    for (; id < 2000 && !f->wire.finished; id += 2) {
        int before = f->routed;
        open_stream(f, id, END_STREAM);
        if (f->routed != before) {
            assert_true(count < 250);
            streams[count++] = f->stream;
        }
        http_conn_pump(&f->conn);
    }
    expect_goaway(f, "too_many_resets");
    assert_int_equal(count, 250);
    for (size_t i = 0; i < count; i++) {
        http_stream_release(streams[i]);
    }
}

/* ---- pings ---- */

static void pings_without_data_are_too_many(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1 + FLOOD_PING_STRIKES; i++) {
        send_frame(f, PING, 0, 0, SLICE("abcdefgh"));
        expect_peace(f);
        assert_true(slice_eq_cstr(sent_frame(f, PING), "abcdefgh")); /* answered */
    }
    send_frame(f, PING, 0, 0, SLICE("abcdefgh"));
    expect_goaway(f, "too_many_pings");
}

static void pings_about_answers_are_welcome(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 50; i++) {
        open_stream(f, 2 * i + 1, END_STREAM);
        send_frame(f, PING, 0, 0, SLICE("abcdefgh"));
        http_conn_pump(&f->conn);
        send_frame(f, PING, 0, 0, SLICE("abcdefgh"));
        http_conn_pump(&f->conn);
    }
    expect_peace(f);
}

static void pings_far_enough_apart_are_welcome(void **state)
{
    struct fixture *f = *state;
    f->server.limits.ping_ms = 1;
    for (int i = 0; i < 20; i++) {
        f->conn.flood.pinged_ms -= f->conn.flood.pinged_ms != 0 ? 2 : 0;
        send_frame(f, PING, 0, 0, SLICE("abcdefgh"));
    }
    expect_peace(f);
}

/* ---- keepalive ---- */

static void a_silent_client_with_requests_is_asked_and_then_dropped(void **state)
{
    struct fixture *f = *state;
    f->server.limits.keepalive_ms = 0;
    http_conn_tick(&f->conn);
    http_conn_pump(&f->conn);
    assert_int_equal(sent_frame(f, PING).len, 0); /* it waits for nothing */
    f->manual = true;
    open_stream(f, 1, END_STREAM);
    http_conn_tick(&f->conn);
    http_conn_pump(&f->conn);
    assert_int_equal(sent_frame(f, PING).len, 8);
    send_frame(f, PING, ACK, 0, SLICE("\0\0\0\0\0\0\0\0"));
    f->server.limits.dead_ms = 0;
    f->server.limits.keepalive_ms = UINT32_MAX;
    http_conn_tick(&f->conn);
    assert_false(f->wire.closed); /* it answered */
    f->server.limits.keepalive_ms = 0;
    http_conn_tick(&f->conn);
    assert_false(f->wire.closed);
    http_conn_pump(&f->conn); /* the question is on its way, which proves nothing */
    http_conn_tick(&f->conn);
    assert_true(f->wire.closed); /* it did not */
    http_stream_release(f->stream);
}

/* Its answer stands behind what it has not taken yet. */
static void a_client_that_takes_what_is_sent_is_not_dropped(void **state)
{
    struct fixture *f = *state;
    f->server.limits.keepalive_ms = 0;
    f->manual = true;
    open_stream(f, 1, END_STREAM);
    http_conn_tick(&f->conn);
    http_conn_pump(&f->conn);
    assert_int_equal(sent_frame(f, PING).len, 8);
    f->server.limits.dead_ms = 0;
    f->server.limits.keepalive_ms = UINT32_MAX;
    f->conn.written += 1000;
    f->wire.pending = 500;
    http_conn_tick(&f->conn);
    assert_false(f->wire.closed);
    f->wire.pending = 0;
    http_stream_release(f->stream);
}

/* ---- heads ---- */

static void continuations_end(void **state)
{
    struct fixture *f = *state;
    send_frame(f, HEADERS, END_STREAM, 1, slice_make(request_block, sizeof request_block - 1));
    for (int i = 0; i < 100 && !f->wire.finished; i++) {
        send_frame(f, CONTINUATION, 0, 1, SLICE("\x00\x01x\x01y"));
    }
    assert_true(f->wire.finished);
    assert_int_equal(f->routed, 0);
}

/* One small frame whose block names a large field a thousand times by its index. */
static void heads_that_grow_while_they_are_read_are_soon_too_many(void **state)
{
    struct fixture *f = *state;
    struct buf block = {0};
    buf_add(&block, slice_make(request_block, sizeof request_block - 1));
    buf_add(&block, SLICE("\x40\x01x\x7f\x81\x1e")); /* x: 4000 bytes, kept in the table */
    for (int i = 0; i < 4000; i++) {
        buf_add_char(&block, 'v');
    }
    for (int i = 0; i < 10000; i++) {
        buf_add_u8(&block, 0xbe); /* the newest of the table */
    }
    send_frame(f, HEADERS, END_HEADERS | END_STREAM, 1, buf_slice(&block));
    open_stream(f, 3, END_STREAM);
    expect_peace(f);
    assert_int_equal(f->routed, 1);
    assert_int_equal(sent_frame(f, RST_STREAM).len, 4);
    uint32_t id = 5;
    for (; id < 2000 && !f->wire.finished; id += 2) {
        send_frame(f, HEADERS, END_HEADERS | END_STREAM, id, buf_slice(&block));
    }
    expect_goaway(f, "too_large_heads");
    assert_true(id < 40);
    buf_free(&block);
}

/* ---- turns ---- */

static void add_request(struct buf *to, uint32_t id)
{
    buf_add_be32(to, (uint32_t)(sizeof request_block - 1) << 8 | HEADERS);
    buf_add_u8(to, END_HEADERS | END_STREAM);
    buf_add_be32(to, id);
    buf_add(to, slice_make(request_block, sizeof request_block - 1));
}

/* How many are routed by the time that the connection reads again; each turn is a pump. */
static int turns_of(struct fixture *f, int each)
{
    int turns = 0;
    for (; !f->wire.reading; turns++) {
        int before = f->routed;
        http_conn_pump(&f->conn);
        assert_true(f->routed - before <= each);
    }
    return turns;
}

static void requests_that_come_together_begin_in_turns(void **state)
{
    struct fixture *f = *state;
    struct buf many = {0};
    for (uint32_t i = 0; i < 200; i++) {
        add_request(&many, 2 * i + 1);
    }
    http_conn_input(&f->conn, buf_slice(&many));
    int each = f->routed;
    assert_true(each > 0 && each < 100);
    assert_false(f->wire.reading);
    assert_int_equal(turns_of(f, each + 1), (200 - each + each) / (each + 1));
    assert_int_equal(f->routed, 200);
    expect_peace(f);
    buf_free(&many);
}

/* The last byte of the last head has come, but its turn has not. */
static void a_whole_head_that_waits_is_not_forgotten(void **state)
{
    struct fixture *f = *state;
    for (int count = 30; count < 40; count++) {
        struct buf some = {0};
        uint32_t first = f->routed > 0 ? (uint32_t)f->routed : 0;
        for (uint32_t i = 0; i < (uint32_t)count; i++) {
            add_request(&some, 2 * (first + i) + 1);
        }
        http_conn_input(&f->conn, buf_slice(&some));
        (void)turns_of(f, 40);
        http_conn_pump(&f->conn);
        assert_int_equal(f->routed, first + (uint32_t)count);
        buf_free(&some);
    }
    expect_peace(f);
}

/* Its head has come, or will: that we do not look at it yet is not its client's slowness. */
static void who_waits_for_a_turn_is_not_late(void **state)
{
    struct fixture *f = *state;
    struct buf many = {0};
    for (uint32_t i = 0; i < 100; i++) {
        add_request(&many, 2 * i + 1);
    }
    f->server.limits.head_ms = 0; /* whose head is coming is late */
    f->wire.pending = f->server.limits.out_bytes;
    http_conn_input(&f->conn, buf_slice(&many));
    http_conn_pump(&f->conn); /* the wire is full: no turn */
    http_conn_tick(&f->conn);
    assert_false(f->wire.closed);
    f->wire.pending = 0;
    (void)turns_of(f, 40);
    assert_int_equal(f->routed, 100);
    buf_free(&many);
}

static void what_comes_meanwhile_waits_behind(void **state)
{
    struct fixture *f = *state;
    struct buf many = {0};
    for (uint32_t i = 0; i < 40; i++) {
        add_request(&many, 2 * i + 1);
    }
    http_conn_input(&f->conn, buf_slice(&many));
    int before = f->routed;
    assert_true(before < 40);
    for (uint32_t id = 81; id < 161; id += 2) { /* bytes that had been on their way */
        open_stream(f, id, END_STREAM);
    }
    assert_int_equal(f->routed, before);
    (void)turns_of(f, 40);
    assert_int_equal(f->routed, 80);
    expect_peace(f);
    buf_free(&many);
}

/* ---- who does not read ---- */

static void who_does_not_read_is_not_listened_to(void **state)
{
    struct fixture *f = *state;
    open_stream(f, 1, END_STREAM);
    http_conn_pump(&f->conn);
    assert_true(f->wire.reading);
    f->wire.pending = f->server.limits.out_bytes;
    open_stream(f, 3, END_STREAM);
    http_conn_pump(&f->conn);
    assert_false(f->wire.reading);
    f->wire.pending = 0;
    http_conn_pump(&f->conn);
    assert_true(f->wire.reading);
}

/* A window opened byte by byte keeps no stream alive. */
static void a_dribbled_window_is_no_progress(void **state)
{
    struct fixture *f = *state;
    char block[100000] = {0};
    f->manual = true;
    open_stream(f, 1, END_STREAM);
    http_stream_start(f->stream, 200, NULL, 0);
    (void)http_stream_write(f->stream, slice_make(block, sizeof block));
    http_conn_pump(&f->conn); /* the first 64 KiB */
    assert_true(http_stream_pending(f->stream) > 30000);
    uint64_t then = f->stream->progress_ms = 1;
    for (int i = 0; i < 100; i++) {
        send_frame(f, WINDOW_UPDATE, 0, 0, SLICE("\0\0\0\1"));
        send_frame(f, WINDOW_UPDATE, 0, 1, SLICE("\0\0\0\1"));
        http_conn_pump(&f->conn);
    }
    assert_int_equal(f->stream->progress_ms, then);
    f->server.limits.stall_ms = 1;
    http_conn_tick(&f->conn);
    http_conn_pump(&f->conn);
    assert_int_equal(f->resets, 1);
    struct slice reset = sent_frame(f, RST_STREAM);
    assert_int_equal(reset.len, 4);
    assert_int_equal(be32_get(reset.data), ENHANCE_YOUR_CALM);
    http_stream_release(f->stream);
}

static void many_streams_share_what_may_be_queued(void **state)
{
    struct fixture *f = *state;
    struct http_stream *streams[250];
    char block[1024] = {0};
    size_t queued = 0;
    f->manual = true;
    for (uint32_t i = 0; i < 250; i++) {
        open_stream(f, 2 * i + 1, END_STREAM);
        streams[i] = f->stream;
        http_stream_start(f->stream, 200, NULL, 0);
        http_conn_pump(&f->conn);
    }
    f->wire.pending = SIZE_MAX; /* the kernel takes nothing */
    for (size_t i = 0; i < 250; i++) {
        while (http_stream_write(streams[i], slice_make(block, sizeof block))) {
            assert_true(http_stream_pending(streams[i]) <= HTTP_OUT_HIGH_BYTES);
        }
        queued += http_stream_pending(streams[i]);
    }
    assert_true(queued <= HTTP_OUT_CONN_BYTES + 250 * sizeof block);
    for (size_t i = 0; i < 250; i++) {
        http_stream_release(streams[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(useless_frames_have_a_budget),
        TEST(empty_data_and_drops_of_a_body_count_too),
        TEST(work_earns_frames),
        TEST(bytes_earn_frames),
        TEST(streams_that_the_client_has_us_reset_are_counted),
        TEST(the_reason_comes_behind_what_is_queued),
        TEST(streams_beyond_the_limit_are_counted),
        TEST(pings_without_data_are_too_many),
        TEST(pings_about_answers_are_welcome),
        TEST(pings_far_enough_apart_are_welcome),
        TEST(a_silent_client_with_requests_is_asked_and_then_dropped),
        TEST(a_client_that_takes_what_is_sent_is_not_dropped),
        TEST(continuations_end),
        TEST(heads_that_grow_while_they_are_read_are_soon_too_many),
        TEST(requests_that_come_together_begin_in_turns),
        TEST(a_whole_head_that_waits_is_not_forgotten),
        TEST(who_waits_for_a_turn_is_not_late),
        TEST(what_comes_meanwhile_waits_behind),
        TEST(who_does_not_read_is_not_listened_to),
        TEST(a_dribbled_window_is_no_progress),
        TEST(many_streams_share_what_may_be_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
