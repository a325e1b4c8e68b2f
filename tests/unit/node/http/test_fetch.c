/* base/fetch against the real server: HTTP/2, many requests on one connection, trailers, a stream
 * that stays open. The rest of fetch is tested in tests/unit/base. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fetch.h"
#include "node/http/server.h"
#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"

enum { FETCHES = 100 };

struct one {
    struct fetch fetch;
    struct fixture *f;
    char url[128];
    int rc;
    struct err err;
    size_t streamed;
};

struct fixture {
    struct onloop o;
    struct certs certs;
    struct tls *tls;
    struct http_server server;
    struct fetcher fetcher;
    struct list waiting; /* streams that answer once all have come */
    int requests;
    int http2;
    int resets;
    struct http_stream *streams[FETCHES];
    struct one ones[FETCHES];
    char base[64];
    struct err err;
    int rc;
};

/* ---- the server's side ---- */

static void answer_all(struct fixture *f)
{
    static const struct http_header trailer = {{"grpc-status", 11}, {"7", 1}};
    for (int i = 0; i < f->requests; i++) {
        struct http_stream *s = f->streams[i];
        http_stream_start(s, 200, NULL, 0);
        (void)http_stream_write(s, s->path);
        (void)http_stream_write(s, s->body);
        http_stream_end(s, &trailer, 1);
        http_stream_release(s);
    }
    f->requests = 0;
}

static void on_request(struct http_stream *s, int rc)
{
    struct fixture *f = s->user;
    f->http2 += rc == 0 && s->http2;
    if (slice_eq(s->path, SLICE("/watch"))) {
        http_stream_start(s, 200, NULL, 0);
        (void)http_stream_write(s, SLICE("event 1\n"));
        f->streams[0] = s;
        return;
    }
    f->streams[f->requests++] = s;
    if (f->requests == FETCHES) {
        answer_all(f);
    }
}

static void on_reset(struct http_stream *s, const struct err *why)
{
    (void)why;
    struct fixture *f = s->user;
    f->resets++;
    http_stream_release(s);
    onloop_done(&f->o);
}

static const struct http_handler handler = {.on_request = on_request, .on_reset = on_reset};

static void route(struct http_server *server, struct http_stream *s)
{
    s->handler = &handler;
    s->user = server->user;
}

/* ---- the client's side ---- */

static void on_done(struct fetch *fetch, int rc, const struct err *err)
{
    struct one *one = fetch->user;
    one->rc = rc;
    if (err != NULL) {
        one->err = *err;
    }
    onloop_done(&one->f->o);
}

static void on_data(struct fetch *fetch, struct slice in)
{
    struct one *one = fetch->user;
    one->streamed += in.len;
    onloop_done(&one->f->o);
}

static void prepare(struct fixture *f, int n, const char *path)
{
    struct one *one = &f->ones[n];
    one->f = f;
    (void)snprintf(one->url, sizeof one->url, "%s%s", f->base, path);
    one->fetch.method = "POST";
    one->fetch.url = one->url;
    one->fetch.body = SLICE("-body");
    one->fetch.response_max = 1000;
    one->fetch.user = one;
    one->fetch.done = on_done;
}

static void start_fn(void *arg)
{
    struct fixture *f = arg;
    const struct fetcher_config client = {.ca_pem = buf_slice(&f->certs.ca_cert),
                                          .connections_max = 1};
    const struct http_server_config config = {
        .tls = f->tls, .address = "127.0.0.1:0", .route = route};
    f->server.user = f;
    f->rc = http_server_start(&f->server, &f->o.loop, &config, &f->err);
    if (f->rc == 0) {
        (void)snprintf(f->base, sizeof f->base, "https://127.0.0.1:%u",
                       http_server_port(&f->server));
        f->rc = fetcher_init(&f->fetcher, &f->o.loop, &client, &f->err);
    }
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    onloop_start(&f->o);
    certs_make(&f->certs);
    f->tls = certs_server(&f->certs, TLS_PEER_OPTIONAL, NULL, http_alpn);
    onloop_call(&f->o, start_fn, f);
    assert_ok(f->rc, &f->err);
    *state = f;
    return 0;
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    onloop_done(&CONTAINER_OF(fetcher, struct fixture, fetcher)->o);
}

static void on_server_closed(struct http_server *server)
{
    onloop_done(&((struct fixture *)server->user)->o);
}

static void stop_fn(void *arg)
{
    struct fixture *f = arg;
    fetcher_close(&f->fetcher, on_fetcher_closed);
    http_server_close(&f->server, 100, on_server_closed);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->o, stop_fn, f);
    onloop_wait(&f->o, "the fetcher or the server to close");
    onloop_wait(&f->o, "the other to close");
    onloop_stop(&f->o);
    for (int i = 0; i < FETCHES; i++) {
        fetch_clear(&f->ones[i].fetch);
    }
    tls_unref(f->tls);
    certs_free(&f->certs);
    free(f);
    return 0;
}

static void start_all_fn(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < FETCHES; i++) {
        fetch_start(&f->fetcher, &f->ones[i].fetch);
    }
}

/* The server answers only once all have arrived, and there is one connection: so they share it. */
static void many_requests_share_one_connection(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < FETCHES; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/n/%d", i);
        prepare(f, i, path);
    }
    onloop_call(&f->o, start_all_fn, f);
    for (int i = 0; i < FETCHES; i++) {
        onloop_wait(&f->o, "all of many");
    }
    assert_int_equal(f->http2, FETCHES);
    for (int i = 0; i < FETCHES; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "/n/%d-body", i);
        assert_ok(f->ones[i].rc, &f->ones[i].err);
        assert_int_equal(f->ones[i].fetch.status, 200);
        assert_slice(buf_slice(&f->ones[i].fetch.response), expected);
        assert_slice(fetch_header(&f->ones[i].fetch, "grpc-status"), "7");
    }
}

static void start_watch_fn(void *arg)
{
    struct fixture *f = arg;
    fetch_start(&f->fetcher, &f->ones[0].fetch);
}

static void second_event_fn(void *arg)
{
    struct fixture *f = arg;
    (void)http_stream_write(f->streams[0], SLICE("event 2\n"));
}

static void cancel_fn(void *arg)
{
    struct fixture *f = arg;
    fetch_cancel(&f->ones[0].fetch);
}

static void start_second_fn(void *arg)
{
    struct fixture *f = arg;
    fetch_start(&f->fetcher, &f->ones[1].fetch);
}

static void a_watch_streams_until_it_is_canceled(void **state)
{
    struct fixture *f = *state;
    prepare(f, 0, "/watch");
    f->ones[0].fetch.on_data = on_data;
    onloop_call(&f->o, start_watch_fn, f);
    onloop_wait(&f->o, "the first event");
    onloop_call(&f->o, second_event_fn, f);
    onloop_wait(&f->o, "the second event");
    onloop_call(&f->o, cancel_fn, f);
    onloop_wait(&f->o, "done");
    /* curl 7.88 keeps the news for the server until it has something else to send. */
    prepare(f, 1, "/watch");
    f->ones[1].fetch.on_data = on_data;
    onloop_call(&f->o, start_second_fn, f);
    onloop_wait(&f->o, "the second watch's event, or the server to hear of the first's end");
    onloop_wait(&f->o, "the other of the two");
    assert_int_equal(f->resets, 1);
    assert_err(f->ones[0].rc, &f->ones[0].err, ERR_CANCELED, "/watch: canceled");
    assert_int_equal(f->ones[0].streamed, 16);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_requests_share_one_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_streams_until_it_is_canceled, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
