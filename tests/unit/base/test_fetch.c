/* Fetches from a small HTTP/1.1 server on our own streams. HTTP/2 is tested with the real server,
 * in tests/unit/node/http. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/fetch_internal.h"
#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"

/* HUGE: more than the kernel keeps between two sockets. */
enum { BIG_BYTES = 1024 * 1024, HUGE_BYTES = 32 * BIG_BYTES, FETCHES = 40 };

struct conn {
    struct stream stream;
    struct list link;
    struct fixture *f;
    struct buf in;
};

struct one {
    struct fetch fetch;
    struct fixture *f;
    int done;
    int rc;
    struct err err;
    struct buf streamed;
    int data_calls;
    int cancel_at_call; /* fetch_cancel() in that on_data */
    int pause_at_call;
    int heads;
    bool restart; /* fetch_start() again in done */
    bool in_call;
    bool called_back_inside;
    int status_at_data;
};

struct fixture {
    struct onloop o;
    struct certs certs;
    struct stream_listener listener;
    struct tls *server_tls;
    struct tls *client_tls;
    struct list conns;
    int accepted;
    struct fetcher fetcher;
    struct fetcher_config config;
    struct buf cert;
    struct buf key;
    char base[64];
    size_t left; /* that the server has not got rid of */
    char urls[FETCHES][128];
    struct one ones[FETCHES];
    struct err err;
    int rc;
};

/* ---- the server ---- */

static void reply(struct conn *c, const char *text)
{
    stream_write(&c->stream, slice_of(text));
}

static void reply_big(struct conn *c)
{
    char *body = mem_alloc(BIG_BYTES);
    memset(body, 'b', BIG_BYTES);
    reply(c, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    stream_write(&c->stream, slice_make(body, BIG_BYTES));
    free(body);
}

static void reply_huge(struct conn *c)
{
    char *body = mem_alloc(HUGE_BYTES);
    memset(body, 'h', HUGE_BYTES);
    reply(c, "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n");
    stream_write(&c->stream, slice_make(body, HUGE_BYTES));
    free(body);
}

static void reply_echo(struct conn *c, struct slice head, struct slice body)
{
    struct buf out = {0};
    buf_addf(&out, "HTTP/1.1 201 Created\r\nContent-Length: %zu\r\n\r\n", head.len + 1 + body.len);
    buf_add(&out, head);
    buf_add_char(&out, '|');
    buf_add(&out, body);
    stream_write(&c->stream, buf_slice(&out));
    buf_free(&out);
}

static void answer(struct conn *c, struct slice head, struct slice body)
{
    size_t start = slice_find(head, SLICE(" ")) + 1;
    struct slice path = slice_sub(head, start, SIZE_MAX);
    path = slice_sub(path, 0, slice_find(path, SLICE(" ")));
    if (slice_eq(path, SLICE("/hello"))) {
        reply(c, "HTTP/1.1 200 OK\r\nX-Test: A b \r\nContent-Length: 5\r\n\r\nhello");
    } else if (slice_starts_with(path, SLICE("/echo"))) {
        reply_echo(c, head, body);
    } else if (slice_eq(path, SLICE("/chunks"))) {
        reply(c,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-Sum: early\r\n"
              "\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: late\r\n\r\n");
    } else if (slice_eq(path, SLICE("/hints"))) {
        reply(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                 "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    } else if (slice_eq(path, SLICE("/big"))) {
        reply_big(c);
    } else if (slice_eq(path, SLICE("/huge"))) {
        reply_huge(c);
    } else if (slice_eq(path, SLICE("/drip"))) {
        reply(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    } else if (slice_eq(path, SLICE("/cut"))) {
        reply(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        stream_finish(&c->stream);
    } else if (!slice_starts_with(path, SLICE("/silence"))) {
        reply(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
}

static void on_data(struct stream *s, struct slice in)
{
    struct conn *c = s->user;
    buf_add(&c->in, in);
    for (;;) {
        struct slice all = buf_slice(&c->in);
        size_t end = slice_find(all, SLICE("\r\n\r\n"));
        if (end == SIZE_MAX) {
            return;
        }
        struct slice head = slice_sub(all, 0, end);
        uint64_t length = 0;
        size_t at = slice_find(head, SLICE("Content-Length: "));
        if (at != SIZE_MAX) {
            length = strtoull(head.data + at + 16, NULL, 10);
        }
        if (all.len < end + 4 + length) {
            return;
        }
        answer(c, head, slice_sub(all, end + 4, length));
        buf_shift(&c->in, end + 4 + length);
    }
}

static void on_close(struct stream *s, const struct err *why)
{
    (void)why;
    struct conn *c = s->user;
    list_remove(&c->link);
    buf_free(&c->in);
    free(c);
}

static const struct stream_ops ops = {NULL, on_data, NULL, on_close};

static void on_accept(struct stream_listener *l)
{
    struct fixture *f = l->user;
    struct conn *c = mem_zero(sizeof *c);
    c->stream.user = c;
    c->f = f;
    f->accepted++;
    list_push_back(&f->conns, &c->link);
    const struct stream_config config = {.tls = f->server_tls, .ops = &ops};
    stream_accept(l, &c->stream, &config);
}

/* ---- the client ---- */

static void on_fetched(struct fetch *fetch, struct slice in)
{
    struct one *one = fetch->user;
    buf_add(&one->streamed, in);
    one->status_at_data = fetch->status;
    if (one->data_calls + 1 == one->pause_at_call) {
        fetch_pause(fetch);
    }
    if (++one->data_calls == one->cancel_at_call) {
        one->in_call = true;
        fetch_cancel(fetch);
        one->in_call = false;
    }
}

static void on_head(struct fetch *fetch)
{
    struct one *one = fetch->user;
    one->heads += fetch->status == 200 && one->data_calls == 0 ? 1 : 100;
}

static void on_done(struct fetch *fetch, int rc, const struct err *err)
{
    struct one *one = fetch->user;
    one->called_back_inside = one->called_back_inside || one->in_call;
    one->done++;
    one->rc = rc;
    if (err != NULL) {
        one->err = *err;
    }
    if (one->restart) {
        one->restart = false;
        fetch_start(&one->f->fetcher, fetch);
        return;
    }
    onloop_done(&one->f->o);
}

static void start_fn(void *arg)
{
    struct one *one = arg;
    one->in_call = true;
    fetch_start(&one->f->fetcher, &one->fetch);
    one->in_call = false;
}

static void cancel_fn(void *arg)
{
    struct one *one = arg;
    one->in_call = true;
    fetch_cancel(&one->fetch);
    fetch_cancel(&one->fetch);
    one->in_call = false;
}

/* Readies fetch n for that path. */
static struct one *prepare(struct fixture *f, int n, const char *method, const char *path)
{
    struct one *one = &f->ones[n];
    (void)snprintf(f->urls[n], sizeof f->urls[n], "%s%s", f->base, path);
    one->f = f;
    one->fetch.method = method;
    one->fetch.url = f->urls[n];
    one->fetch.user = one;
    one->fetch.done = on_done;
    one->fetch.response_max = BIG_BYTES;
    return one;
}

static struct one *run(struct fixture *f, const char *method, const char *path)
{
    struct one *one = prepare(f, 0, method, path);
    onloop_call(&f->o, start_fn, one);
    onloop_wait(&f->o, path);
    return one;
}

static void listen_fn(void *arg)
{
    struct fixture *f = arg;
    list_init(&f->conns);
    f->listener.user = f;
    f->listener.on_accept = on_accept;
    f->rc = stream_listen(&f->listener, &f->o.loop, "127.0.0.1:0", STREAM_PORT_OWN, &f->err);
    if (f->rc == 0) {
        (void)snprintf(f->base, sizeof f->base, "https://127.0.0.1:%u",
                       stream_listener_port(&f->listener));
        f->rc = fetcher_init(&f->fetcher, &f->o.loop, &f->config, &f->err);
    }
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    const struct pki_subject subject = {.common_name = "ann", .client = true};
    onloop_start(&f->o);
    certs_make(&f->certs);
    certs_issue(&f->certs, &subject, &f->cert, &f->key);
    f->server_tls = certs_server(&f->certs, TLS_PEER_REQUIRED, NULL, NULL);
    f->config = (struct fetcher_config){.ca_pem = buf_slice(&f->certs.ca_cert),
                                        .cert_pem = buf_slice(&f->cert),
                                        .key_pem = buf_slice(&f->key)};
    onloop_call(&f->o, listen_fn, f);
    assert_ok(f->rc, &f->err);
    *state = f;
    return 0;
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    struct fixture *f = CONTAINER_OF(fetcher, struct fixture, fetcher);
    onloop_done(&f->o);
}

static void close_fetcher_fn(void *arg)
{
    struct fixture *f = arg;
    fetcher_close(&f->fetcher, on_fetcher_closed);
}

static void on_listener_closed(struct stream_listener *l)
{
    struct fixture *f = l->user;
    onloop_done(&f->o);
}

static void unlisten_fn(void *arg)
{
    struct fixture *f = arg;
    LIST_FOREACH(link, &f->conns)
    {
        stream_close(&CONTAINER_OF(link, struct conn, link)->stream);
    }
    stream_listener_close(&f->listener, on_listener_closed);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->fetcher.impl != NULL) {
        onloop_call(&f->o, close_fetcher_fn, f);
        onloop_wait(&f->o, "the fetcher to close");
    }
    onloop_call(&f->o, unlisten_fn, f);
    onloop_wait(&f->o, "the listener to close");
    onloop_stop(&f->o);
    for (int i = 0; i < FETCHES; i++) {
        assert_false(f->ones[i].called_back_inside);
        fetch_clear(&f->ones[i].fetch);
        buf_free(&f->ones[i].streamed);
    }
    tls_unref(f->server_tls);
    certs_free(&f->certs);
    buf_free(&f->cert);
    buf_free(&f->key);
    free(f);
    return 0;
}

static void a_response_comes_with_status_headers_and_body(void **state)
{
    struct fixture *f = *state;
    struct one *one = run(f, "GET", "/hello");
    assert_ok(one->rc, &one->err);
    assert_int_equal(one->fetch.status, 200);
    assert_slice(buf_slice(&one->fetch.response), "hello");
    assert_slice(fetch_header(&one->fetch, "x-test"), "A b");
    assert_slice(fetch_header(&one->fetch, "x-tes"), "");
    one = run(f, "GET", "/none");
    assert_ok(one->rc, &one->err);
    assert_int_equal(one->fetch.status, 404);
    assert_slice(buf_slice(&one->fetch.response), "");
    assert_int_equal(f->accepted, 1); /* the connection was kept */
}

static void requests_carry_method_headers_and_body(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {"Content-Type: application/json", "X-A: 1", NULL};
    struct one *one = prepare(f, 0, "PATCH", "/echo?x=1");
    one->fetch.headers = headers;
    one->fetch.body = slice_make("{\"a\":\0}", 7);
    onloop_call(&f->o, start_fn, one);
    onloop_wait(&f->o, "PATCH");
    assert_ok(one->rc, &one->err);
    assert_int_equal(one->fetch.status, 201);
    struct slice got = buf_slice(&one->fetch.response);
    assert_true(slice_starts_with(got, SLICE("PATCH /echo?x=1 HTTP/1.1\r\n")));
    assert_true(slice_ends_with(got, slice_make("|{\"a\":\0}", 8)));
    assert_true(slice_find(got, SLICE("X-A: 1\r\n")) != SIZE_MAX);
    assert_true(slice_find(got, SLICE("Content-Type: application/json\r\n")) != SIZE_MAX);
    assert_true(slice_find(got, SLICE("Expect:")) == SIZE_MAX);
    one->fetch.headers = NULL;
    one->fetch.body = SLICE("");
    one = run(f, "POST", "/echo");
    got = buf_slice(&one->fetch.response);
    assert_true(slice_find(got, SLICE("Content-Length: 0")) != SIZE_MAX);
    assert_true(slice_find(got, SLICE("Content-Type:")) == SIZE_MAX);
    one = run(f, "DELETE", "/echo");
    got = buf_slice(&one->fetch.response);
    assert_true(slice_starts_with(got, SLICE("DELETE /echo")));
}

static void trailers_are_found_before_headers(void **state)
{
    struct fixture *f = *state;
    struct one *one = run(f, "GET", "/chunks");
    assert_ok(one->rc, &one->err);
    assert_slice(buf_slice(&one->fetch.response), "abcde");
    assert_slice(fetch_header(&one->fetch, "x-sum"), "late");
}

static void interim_responses_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct one *one = run(f, "GET", "/hints");
    assert_ok(one->rc, &one->err);
    assert_int_equal(one->fetch.status, 404);
    assert_slice(fetch_header(&one->fetch, "link"), "");
}

static void a_body_can_be_taken_as_it_comes(void **state)
{
    struct fixture *f = *state;
    struct one *one = prepare(f, 0, "GET", "/big");
    one->fetch.on_data = on_fetched;
    one->fetch.response_max = 10; /* does not matter then */
    onloop_call(&f->o, start_fn, one);
    onloop_wait(&f->o, "the stream");
    assert_ok(one->rc, &one->err);
    assert_int_equal(one->streamed.len, BIG_BYTES);
    assert_int_equal(one->fetch.response.len, 0);
    assert_int_equal(one->status_at_data, 200);
    assert_true(one->data_calls > 1);
}

static void assert_ended(struct one *one, int code, const char *text)
{
    assert_int_equal(one->done, 1);
    assert_err(one->rc, &one->err, code, text);
    assert_null(one->fetch.impl);
}

static void a_larger_response_than_allowed_is_refused(void **state)
{
    struct fixture *f = *state;
    struct one *one = prepare(f, 0, "GET", "/big");
    one->fetch.response_max = BIG_BYTES - 1;
    onloop_call(&f->o, start_fn, one);
    onloop_wait(&f->o, "the refusal");
    assert_ended(one, ERR_TOO_LARGE, "/big: the response is larger");
    assert_true(one->fetch.response.len < BIG_BYTES);
}

static void time_limits_end_fetches(void **state)
{
    struct fixture *f = *state;
    struct one *whole = prepare(f, 0, "GET", "/silence?token=secret");
    struct one *idle = prepare(f, 1, "GET", "/drip");
    struct one *quiet = prepare(f, 2, "GET", "/silence");
    (void)snprintf(f->urls[0], sizeof f->urls[0], "%s/silence?token=secret", f->base);
    whole->fetch.timeout_ms = 150;
    idle->fetch.idle_timeout_ms = 1500; /* long enough for its first bytes */
    quiet->fetch.idle_timeout_ms = 300;
    onloop_call(&f->o, start_fn, whole);
    onloop_call(&f->o, start_fn, idle);
    onloop_call(&f->o, start_fn, quiet);
    onloop_wait(&f->o, "one time limit");
    onloop_wait(&f->o, "a second time limit");
    onloop_wait(&f->o, "a third time limit");
    assert_int_equal(whole->rc, ERR_TIMEOUT);
    assert_null(strstr(whole->err.message, "secret"));
    assert_ended(idle, ERR_TIMEOUT, "nothing came for too long");
    assert_slice(buf_slice(&idle->fetch.response), "abc"); /* what came is kept */
    assert_ended(quiet, ERR_TIMEOUT, "nothing came");
}

/* Of two attempts that fail alike the errors are equal. */
static void errors_do_not_tell_the_time(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"Failed to connect to a.example.com port 6443 after 131 ms: Couldn't connect to server",
         "Failed to connect to a.example.com port 6443: Couldn't connect to server"},
        {"Operation timed out after 5001 milliseconds with 0 bytes received",
         "Operation timed out"},
        {"Operation timed out after 1 milliseconds with 12 out of 345 bytes received",
         "Operation timed out"},
        {"closed after 3 msgs, with 1 out of 2 bytes",
         "closed after 3 msgs, with 1 out of 2 bytes"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[128];
        (void)snprintf(why, sizeof why, "%s", cases[i][0]);
        fetch__steady(why);
        assert_string_equal(why, cases[i][1]);
    }
    struct one *short_one = prepare(f, 0, "GET", "/silence");
    struct one *long_one = prepare(f, 1, "GET", "/silence");
    short_one->fetch.timeout_ms = 50;
    long_one->fetch.timeout_ms = 150;
    onloop_call(&f->o, start_fn, short_one);
    onloop_call(&f->o, start_fn, long_one);
    onloop_wait(&f->o, "one time limit");
    onloop_wait(&f->o, "the other");
    assert_string_equal(short_one->err.message, long_one->err.message);
}

static void fetches_can_be_canceled_at_any_point(void **state)
{
    struct fixture *f = *state;
    struct one *queued = prepare(f, 0, "GET", "/silence");
    onloop_call(&f->o, start_fn, queued);
    onloop_call(&f->o, cancel_fn, queued);
    onloop_wait(&f->o, "the first");
    assert_ended(queued, ERR_CANCELED, "GET https://127.0.0.1");
    struct one *waiting = prepare(f, 1, "GET", "/drip");
    onloop_call(&f->o, start_fn, waiting);
    usleep(150000);
    onloop_call(&f->o, cancel_fn, waiting);
    onloop_wait(&f->o, "the second");
    assert_ended(waiting, ERR_CANCELED, "canceled");
    struct one *streaming = prepare(f, 2, "GET", "/big");
    streaming->fetch.on_data = on_fetched;
    streaming->cancel_at_call = 2;
    onloop_call(&f->o, start_fn, streaming);
    onloop_wait(&f->o, "the third");
    assert_ended(streaming, ERR_CANCELED, "canceled");
    assert_int_equal(streaming->data_calls, 2);
    onloop_call(&f->o, cancel_fn, streaming); /* over already: nothing */
    usleep(20000);
    assert_int_equal(streaming->done, 1);
}

static void broken_answers_and_absent_servers_are_told(void **state)
{
    struct fixture *f = *state;
    struct one *one = run(f, "GET", "/cut");
    assert_ended(one, ERR_UNAVAILABLE, "/cut");
    one = prepare(f, 1, "GET", "");
    (void)snprintf(f->urls[1], sizeof f->urls[1], "https://127.0.0.1:1/x");
    onloop_call(&f->o, start_fn, one);
    onloop_wait(&f->o, "the refused connection");
    assert_ended(one, ERR_UNAVAILABLE, "127.0.0.1:1/x");
    static const char *const bad[] = {"not a url", "ftp://127.0.0.1/", "https://"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        one = prepare(f, 2 + (int)i, "GET", "");
        (void)snprintf(f->urls[2 + i], sizeof f->urls[0], "%s", bad[i]);
        onloop_call(&f->o, start_fn, one);
        onloop_wait(&f->o, "the refused URL");
        assert_ended(one, ERR_INVALID, bad[i]);
    }
}

static void replace_fetcher_fn(void *arg)
{
    struct fixture *f = arg;
    f->rc = fetcher_init(&f->fetcher, &f->o.loop, &f->config, &f->err);
}

static void use_config(struct fixture *f)
{
    onloop_call(&f->o, close_fetcher_fn, f);
    onloop_wait(&f->o, "the fetcher to close");
    onloop_call(&f->o, replace_fetcher_fn, f);
}

static void both_sides_must_be_trusted(void **state)
{
    struct fixture *f = *state;
    struct certs other;
    certs_make(&other);
    f->config.ca_pem = buf_slice(&other.ca_cert);
    use_config(f);
    struct one *one = run(f, "GET", "/hello");
    assert_ended(one, ERR_UNAUTHENTICATED, "certificate");
    f->config.insecure = true;
    use_config(f);
    one->done = 0;
    one = run(f, "GET", "/hello");
    assert_ok(one->rc, &one->err);
    f->config = (struct fetcher_config){.ca_pem = buf_slice(&f->certs.ca_cert)};
    use_config(f);
    one->done = 0;
    one = run(f, "GET", "/hello"); /* the server demands a certificate */
    assert_ended(one, ERR_UNAUTHENTICATED, "alert");
    f->config.ca_pem = SLICE("rubbish");
    use_config(f);
    assert_err(f->rc, &f->err, ERR_INVALID, "CA: no certificate in PEM form");
    certs_free(&other);
}

static void start_all_fn(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < FETCHES; i++) {
        start_fn(&f->ones[i]);
    }
}

static void many_share_few_connections(void **state)
{
    struct fixture *f = *state;
    f->config.connections_max = 3;
    use_config(f);
    for (int i = 0; i < FETCHES; i++) {
        (void)prepare(f, i, "GET", "/hello");
    }
    onloop_call(&f->o, start_all_fn, f);
    for (int i = 0; i < FETCHES; i++) {
        onloop_wait(&f->o, "one of many");
    }
    for (int i = 0; i < FETCHES; i++) {
        assert_ok(f->ones[i].rc, &f->ones[i].err);
        assert_slice(buf_slice(&f->ones[i].fetch.response), "hello");
    }
    assert_true(f->accepted <= 3);
}

static void start_and_close_fn(void *arg)
{
    struct fixture *f = arg;
    start_fn(&f->ones[2]);
    close_fetcher_fn(f);
}

static void closing_ends_all_and_refuses_new_ones(void **state)
{
    struct fixture *f = *state;
    struct one *a = prepare(f, 0, "GET", "/silence");
    struct one *b = prepare(f, 1, "GET", "/drip");
    struct one *c = prepare(f, 2, "GET", "/hello");
    onloop_call(&f->o, start_fn, a);
    onloop_call(&f->o, start_fn, b);
    usleep(100000);
    a->restart = true;
    onloop_call(&f->o, start_and_close_fn, f);
    for (int i = 0; i < 4; i++) {
        onloop_wait(&f->o, "three ends and the close");
    }
    assert_int_equal(a->done, 2);
    assert_err(a->rc, &a->err, ERR_CLOSED, "closing");
    assert_ended(b, ERR_CANCELED, "canceled");
    assert_ended(c, ERR_CANCELED, "canceled");
    assert_null(f->fetcher.impl);
}

/* ---- pausing ---- */

static bool is_paused(void *arg)
{
    struct one *one = arg;
    return one->data_calls == one->pause_at_call;
}

static void resume_fn(void *arg)
{
    struct one *one = arg;
    one->in_call = true;
    fetch_resume(&one->fetch);
    one->in_call = false;
}

static void left_fn(void *arg)
{
    struct fixture *f = arg;
    f->left = 0;
    LIST_FOREACH(link, &f->conns)
    {
        f->left += stream_pending_bytes(&CONTAINER_OF(link, struct conn, link)->stream);
    }
}

static void a_paused_fetch_stops_its_server(void **state)
{
    struct fixture *f = *state;
    struct one *one = prepare(f, 0, "GET", "/huge");
    one->fetch.on_data = on_fetched;
    one->fetch.on_head = on_head;
    one->pause_at_call = 2;
    onloop_call(&f->o, start_fn, one);
    onloop_until(&f->o, is_paused, one, "two pieces");
    for (int i = 1; i < 4; i++) { /* others go on meanwhile */
        struct one *other = prepare(f, i, "GET", "/hello");
        onloop_call(&f->o, start_fn, other);
        onloop_wait(&f->o, "another");
        assert_ok(other->rc, &other->err);
    }
    onloop_call(&f->o, left_fn, f);
    assert_int_equal(one->data_calls, 2);
    assert_int_equal(one->done, 0);
    assert_true(f->left > BIG_BYTES); /* it stays where it comes from */
    onloop_call(&f->o, resume_fn, one);
    onloop_wait(&f->o, "the rest");
    assert_ok(one->rc, &one->err);
    assert_int_equal(one->streamed.len, HUGE_BYTES);
    assert_int_equal(one->heads, 1);
}

static void a_paused_fetch_can_be_canceled(void **state)
{
    struct fixture *f = *state;
    struct one *one = prepare(f, 0, "GET", "/huge");
    one->fetch.on_data = on_fetched;
    one->pause_at_call = 1;
    onloop_call(&f->o, start_fn, one);
    onloop_until(&f->o, is_paused, one, "a piece");
    onloop_call(&f->o, cancel_fn, one);
    onloop_wait(&f->o, "the end");
    assert_int_equal(one->rc, ERR_CANCELED);
    assert_int_equal(one->data_calls, 1);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
#define FETCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FETCH_TEST(a_response_comes_with_status_headers_and_body),
        FETCH_TEST(requests_carry_method_headers_and_body),
        FETCH_TEST(trailers_are_found_before_headers),
        FETCH_TEST(interim_responses_leave_nothing),
        FETCH_TEST(a_body_can_be_taken_as_it_comes),
        FETCH_TEST(a_larger_response_than_allowed_is_refused),
        FETCH_TEST(time_limits_end_fetches),
        FETCH_TEST(errors_do_not_tell_the_time),
        FETCH_TEST(fetches_can_be_canceled_at_any_point),
        FETCH_TEST(broken_answers_and_absent_servers_are_told),
        FETCH_TEST(both_sides_must_be_trusted),
        FETCH_TEST(many_share_few_connections),
        FETCH_TEST(a_paused_fetch_stops_its_server),
        FETCH_TEST(a_paused_fetch_can_be_canceled),
        FETCH_TEST(closing_ends_all_and_refuses_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
