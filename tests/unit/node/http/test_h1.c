/* HTTP/1.1 on bytes: requests whole, cut anywhere, pipelined, malformed; responses framed right. */
#include "tests/unit/node/http/wire.h"

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fixture_open(f, false, NULL);
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

static void assert_sent(struct fixture *f, const char *text)
{
    if (slice_find(buf_slice(&f->wire.sent), slice_of(text)) == SIZE_MAX) {
        fail_msg("\"%s\" is not in: %s", text, buf_cstr(&f->wire.sent));
    }
}

static size_t count_sent(struct fixture *f, const char *text)
{
    size_t count = 0;
    struct slice rest = buf_slice(&f->wire.sent);
    size_t at;
    while ((at = slice_find(rest, slice_of(text))) != SIZE_MAX) {
        rest = slice_sub(rest, at + 1, rest.len);
        count++;
    }
    return count;
}

static const char post[] = "POST /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\nX-Many: 1\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

static void a_request_cut_at_every_byte_is_the_same_request(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(post) - 1; i++) {
        feed(f, slice_make(post + i, 1));
    }
    assert_string_equal(buf_cstr(&f->seen), "POST /a%20b?x=1&y body=abcde rc=ERR_OK\n");
    assert_sent(f, "HTTP/1.1 200 OK\r\n");
    assert_sent(f, "content-length: 5\r\n\r\nhello");
    assert_false(f->wire.finished);
}

static void a_header_may_be_empty(void **state)
{
    struct fixture *f = *state;
    feed(f, SLICE("GET / HTTP/1.1\r\nX-Empty:\r\nHost: h\r\nX-Last: \r\n\r\n"));
    assert_string_equal(buf_cstr(&f->seen), "GET /? body= rc=ERR_OK\n");
    assert_sent(f, "HTTP/1.1 200 OK\r\n");
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    feed(f, SLICE("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
                  "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    assert_string_equal(buf_cstr(&f->seen), "GET /1? body= rc=ERR_OK\nGET /2? body= rc=ERR_OK\n"
                                            "GET /3? body= rc=ERR_OK\n");
    assert_int_equal(count_sent(f, "HTTP/1.1 200 OK"), 3);
    assert_int_equal(count_sent(f, "connection: close"), 1);
    assert_true(f->wire.finished);
}

static void a_second_request_waits_until_the_first_is_answered(void **state)
{
    struct fixture *f = *state;
    f->manual = true;
    feed(f, SLICE("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_int_equal(f->routed, 1);
    assert_false(f->wire.reading);
    struct http_stream *first = f->stream;
    http_stream_start(first, 200, NULL, 0);
    http_conn_pump(&f->conn);
    assert_sent(f, "transfer-encoding: chunked\r\n\r\n"); /* the head leaves at once */
    assert_true(http_stream_write(first, SLICE("one")));
    http_conn_pump(&f->conn);
    assert_sent(f, "3\r\none\r\n");
    assert_int_equal(f->routed, 1);
    http_stream_end(first, NULL, 0);
    http_stream_release(first);
    http_conn_pump(&f->conn);
    assert_sent(f, "0\r\n\r\n");
    assert_int_equal(f->routed, 2);
    assert_true(f->wire.reading);
    http_stream_respond(f->stream, 204, NULL, 0, (struct slice){0});
    http_stream_release(f->stream);
    http_conn_pump(&f->conn);
    assert_sent(f, "HTTP/1.1 204 No Content\r\n");
    assert_int_equal(count_sent(f, "content-length"), 0);
}

static void malformed_input_is_refused_and_the_connection_ends(void **state)
{
    static const struct {
        const char *bytes;
        const char *answer;
    } cases[] = {
        {"\x16\x03\x01\x02", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "}, /* no Host */
        {"GET nowhere HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: h\r\nBad\x01Name: x\r\n\r\n", "HTTP/1.1 400 "},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_close(f);
        *f = (struct fixture){0};
        fixture_open(f, false, NULL);
        feed(f, slice_of(cases[i].bytes));
        assert_int_equal(f->routed, 0);
        assert_sent(f, cases[i].answer);
        assert_true(f->wire.finished);
    }
}

static void too_large_a_head_is_431(void **state)
{
    struct fixture *f = *state;
    struct buf head = {0};
    buf_add_cstr(&head, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++) {
        buf_addf(&head, "x-%d: y\r\n", i);
    }
    buf_add_cstr(&head, "\r\n");
    feed(f, buf_slice(&head));
    buf_free(&head);
    assert_int_equal(f->routed, 0);
    assert_sent(f, "HTTP/1.1 431 ");
    assert_true(f->wire.finished);
}

static void too_large_a_body_reaches_the_handler_as_an_error(void **state)
{
    struct fixture *f = *state;
    f->body_max = 4;
    feed(f, SLICE("PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123456789"));
    assert_string_equal(buf_cstr(&f->seen), "PUT /big? body= rc=ERR_TOO_LARGE\n");
    assert_sent(f, "HTTP/1.1 413 ");
    assert_true(f->wire.finished); /* what is left of the body is not worth reading */
}

static void a_refused_body_is_read_to_its_end_before_the_connection_closes(void **state)
{
    struct fixture *f = *state;
    f->body_max = 4;
    feed(f, SLICE("PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12345"));
    assert_sent(f, "HTTP/1.1 413 ");
    assert_sent(f, "connection: close");
    assert_false(f->wire.finished);
    feed(f, SLICE("6789"));
    assert_true(f->wire.finished);
}

static void a_vanished_client_resets_the_stream_which_lives_until_release(void **state)
{
    struct fixture *f = *state;
    f->manual = true;
    feed(f, SLICE("GET /w HTTP/1.1\r\nHost: h\r\n\r\n"));
    struct http_stream *s = f->stream;
    http_stream_start(s, 200, NULL, 0);
    struct err why = {.code = ERR_IO, .message = "gone"};
    http_conn_free(&f->conn, &why);
    assert_int_equal(f->resets, 1);
    assert_false(http_stream_alive(s));
    assert_true(http_stream_write(s, SLICE("into the void")));
    http_stream_end(s, NULL, 0);
    assert_true(slice_eq_cstr(s->path, "/w")); /* the arena is still there */
    http_stream_release(s);
}

static void a_large_response_waits_for_the_wire(void **state)
{
    struct fixture *f = *state;
    f->manual = true;
    feed(f, SLICE("GET /l HTTP/1.1\r\nHost: h\r\n\r\n"));
    f->wire.pending = 8 * 1024 * 1024;
    http_stream_start(f->stream, 200, NULL, 0);
    char *block = calloc(1, HTTP_OUT_HIGH_BYTES);
    assert_non_null(block);
    assert_true(http_stream_write(f->stream, slice_make(block, HTTP_OUT_HIGH_BYTES)));
    assert_false(http_stream_write(f->stream, slice_make(block, 10)));
    http_conn_pump(&f->conn);
    assert_int_equal(http_stream_pending(f->stream), HTTP_OUT_HIGH_BYTES + 10);
    assert_int_equal(f->writables, 0);
    f->wire.pending = 0;
    http_conn_pump(&f->conn);
    assert_int_equal(http_stream_pending(f->stream), 0);
    assert_int_equal(f->writables, 1);
    http_stream_end(f->stream, NULL, 0);
    http_stream_release(f->stream);
    http_conn_pump(&f->conn);
    free(block);
}

static void slow_clients_are_let_go(void **state)
{
    struct fixture *f = *state;
    f->server.limits.head_ms = 0; /* whatever the clock says, it is late */
    f->server.limits.stall_ms = 1000000;
    feed(f, SLICE("GET / HT"));
    f->conn.head_ms = 1;
    http_conn_tick(&f->conn);
    assert_true(f->wire.closed);
}

static void expect_continue_is_honoured(void **state)
{
    struct fixture *f = *state;
    feed(f, SLICE("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\n"));
    assert_sent(f, "HTTP/1.1 100 Continue\r\n\r\n");
    feed(f, SLICE("ok"));
    assert_sent(f, "HTTP/1.1 200 OK\r\n");
}

static void a_body_that_does_not_end_in_time_is_answered(void **state)
{
    struct fixture *f = *state;
    feed(f, SLICE("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"));
    for (int i = 0; i < 100; i++) {
        feed(f, SLICE("x"));
    }
    http_conn_tick(&f->conn);
    assert_int_equal(f->seen.len, 0);
    f->server.limits.body_ms = 0; /* whatever it has sent meanwhile */
    http_conn_tick(&f->conn);
    http_conn_pump(&f->conn);
    assert_sent(f, "HTTP/1.1 504");
}

/* Whatever comes in small pieces behind a body is bounded by the parser. */
static void trailers_and_chunk_extensions_end(void **state)
{
    struct fixture *f = *state;
    feed(f, SLICE("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "1\r\nx\r\n0\r\n"));
    size_t bytes = 0;
    while (!f->wire.finished && bytes < 1000000) {
        feed(f, SLICE("a: bcdefghi\r\n"));
        bytes += 13;
    }
    assert_true(bytes < 200000);
    assert_string_equal(buf_cstr(&f->seen), "");
    assert_int_equal(f->resets, 1);
}

static void a_flood_of_pipelined_requests_is_held(void **state)
{
    struct fixture *f = *state;
    size_t fed = 0;
    f->manual = true;
    feed(f, SLICE("GET /first HTTP/1.1\r\nHost: h\r\n\r\n"));
    while (f->wire.reading && fed < 1000) {
        feed(f, SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        fed++;
    }
    assert_int_equal(fed, 1); /* one is kept, and nothing more is read */
    f->manual = false;
    http_stream_respond(f->stream, 200, NULL, 0, SLICE("done"));
    http_stream_release(f->stream);
    http_conn_pump(&f->conn);
    assert_int_equal(f->routed, 2);
    assert_true(f->wire.reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_request_cut_at_every_byte_is_the_same_request),
        TEST(a_header_may_be_empty),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_second_request_waits_until_the_first_is_answered),
        TEST(malformed_input_is_refused_and_the_connection_ends),
        TEST(too_large_a_head_is_431),
        TEST(too_large_a_body_reaches_the_handler_as_an_error),
        TEST(a_refused_body_is_read_to_its_end_before_the_connection_closes),
        TEST(a_vanished_client_resets_the_stream_which_lives_until_release),
        TEST(a_large_response_waits_for_the_wire),
        TEST(slow_clients_are_let_go),
        TEST(a_body_that_does_not_end_in_time_is_answered),
        TEST(trailers_and_chunk_extensions_end),
        TEST(a_flood_of_pipelined_requests_is_held),
        TEST(expect_continue_is_honoured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
