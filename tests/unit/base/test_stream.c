/* TLS streams over loopback: two ends on one loop. What the loop's thread sees is recorded in the
 * ends and asserted on the test's thread. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/stream_internal.h"
#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"

struct end {
    struct stream stream;
    struct onloop *o;
    struct buf got;
    size_t got_bytes;
    bool keep; /* put what comes into got */
    bool echo;
    bool stop_reading; /* at the first data */
    bool close_on_data;
    bool finish_on_data;
    size_t want_bytes;  /* onloop_done() once so much has come */
    size_t chunk_bytes; /* of a long upload, refilled in on_drain */
    size_t left_bytes;
    int opened;
    int drained;
    int closed;
    int data_calls;
    bool in_call; /* a call of the stream's is under way: no callback may come */
    bool called_back_inside;
    bool was_lingering;
    struct err why;
    bool failed;
    char alpn[32];
    char peer_name[64];
    char peer_org[64];
    char peer_uri[128];
};

struct fixture {
    struct onloop o;
    struct certs certs;
    struct stream_listener listener;
    struct tls *server_tls;
    struct tls *client_tls;
    struct end server;
    struct end client;
    struct end *next; /* who gets the next connection; NULL: reject it */
    char address[64];
    const char *server_name;
    bool listening;
    struct err err;
    int rc;
};

static void enter(struct end *e)
{
    e->called_back_inside = e->called_back_inside || e->in_call;
}

static void copy(char *to, size_t cap, struct slice from)
{
    (void)snprintf(to, cap, "%.*s", SLICE_ARG(from));
}

static void upload_more(struct end *e)
{
    while (e->left_bytes > 0 && stream_pending_bytes(&e->stream) < 256 * 1024) {
        size_t len = e->left_bytes < e->chunk_bytes ? e->left_bytes : e->chunk_bytes;
        char *bytes = mem_alloc(len);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)(e->left_bytes - i);
        }
        e->in_call = true;
        stream_write(&e->stream, slice_make(bytes, len));
        e->in_call = false;
        e->left_bytes -= len;
        free(bytes);
    }
}

static void on_open(struct stream *s)
{
    struct end *e = s->user;
    enter(e);
    e->opened++;
    copy(e->alpn, sizeof e->alpn, stream_alpn(s));
    const struct tls_peer *peer = stream_peer(s);
    copy(e->peer_name, sizeof e->peer_name, peer->common_name);
    copy(e->peer_org, sizeof e->peer_org,
         peer->organization_count > 0 ? peer->organizations[0] : SLICE(""));
    copy(e->peer_uri, sizeof e->peer_uri, peer->uri_count > 0 ? peer->uris[0] : SLICE(""));
    upload_more(e);
}

static void on_data(struct stream *s, struct slice in)
{
    struct end *e = s->user;
    enter(e);
    e->data_calls++;
    size_t before = e->got_bytes;
    e->got_bytes += in.len;
    if (e->keep) {
        buf_add(&e->got, in);
    }
    if (e->echo) {
        e->in_call = true;
        stream_write(s, in);
        e->in_call = false;
    }
    if (e->stop_reading) {
        e->stop_reading = false;
        stream_read_stop(s);
        onloop_done(e->o);
    }
    if (e->close_on_data) {
        e->in_call = true;
        stream_close(s);
        e->in_call = false;
    }
    if (e->finish_on_data) {
        stream_finish(s);
    }
    if (e->want_bytes > 0 && before < e->want_bytes && e->got_bytes >= e->want_bytes) {
        onloop_done(e->o);
    }
}

static void on_drain(struct stream *s)
{
    struct end *e = s->user;
    enter(e);
    e->drained++;
    upload_more(e);
}

static void on_close(struct stream *s, const struct err *why)
{
    struct end *e = s->user;
    enter(e);
    e->closed++;
    e->failed = why != NULL;
    if (why != NULL) {
        e->why = *why;
    }
    onloop_done(e->o);
}

static const struct stream_ops ops = {on_open, on_data, on_drain, on_close};

static _Atomic uint32_t limit_ms = 10000; /* of the next handshakes */
static const char *_Atomic plain_answer = "";

static struct stream_config config_of(struct tls *tls)
{
    return (struct stream_config){.tls = tls,
                                  .ops = &ops,
                                  .low_water_bytes = 64 * 1024,
                                  .handshake_timeout_ms = limit_ms,
                                  .plain_answer = slice_of(plain_answer)};
}

static void on_accept(struct stream_listener *l)
{
    struct fixture *f = l->user;
    if (f->next == NULL) {
        stream_reject(l);
        return;
    }
    const struct stream_config config = config_of(f->server_tls);
    stream_accept(l, &f->next->stream, &config);
}

static void listen_fn(void *arg)
{
    struct fixture *f = arg;
    f->listener.user = f;
    f->listener.on_accept = on_accept;
    f->rc = stream_listen(&f->listener, &f->o.loop, "127.0.0.1:0", STREAM_PORT_OWN, &f->err);
    if (f->rc == 0) {
        f->listening = true;
        (void)snprintf(f->address, sizeof f->address, "127.0.0.1:%u",
                       stream_listener_port(&f->listener));
    }
}

static void connect_fn(void *arg)
{
    struct fixture *f = arg;
    const struct stream_config config = config_of(f->client_tls);
    f->client.in_call = true;
    stream_connect(&f->client.stream, &f->o.loop, f->address, f->server_name, &config);
    f->client.in_call = false;
}

static void on_listener_closed(struct stream_listener *l)
{
    struct fixture *f = l->user;
    onloop_done(&f->o);
}

static void unlisten_fn(void *arg)
{
    struct fixture *f = arg;
    stream_listener_close(&f->listener, on_listener_closed);
}

static int setup(void **state)
{
    static const char *const server_alpn[] = {"h2", "http/1.1", NULL};
    static const char *const client_alpn[] = {"http/1.1", "h2", NULL};
    struct fixture *f = mem_zero(sizeof *f);
    onloop_start(&f->o);
    certs_make(&f->certs);
    f->server_tls = certs_server(&f->certs, TLS_PEER_OPTIONAL, "choreod://c/node/n1", server_alpn);
    f->client_tls = certs_client(&f->certs, "ann", "devs", "choreod://c/node/n2", client_alpn);
    f->server_name = "localhost";
    f->server.stream.user = &f->server;
    f->client.stream.user = &f->client;
    f->server.o = f->client.o = &f->o;
    f->next = &f->server;
    onloop_call(&f->o, listen_fn, f);
    assert_ok(f->rc, &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->listening) {
        onloop_call(&f->o, unlisten_fn, f);
        onloop_wait(&f->o, "the listener to close");
    }
    onloop_stop(&f->o);
    tls_unref(f->server_tls);
    tls_unref(f->client_tls);
    certs_free(&f->certs);
    buf_free(&f->server.got);
    buf_free(&f->client.got);
    assert_false(f->server.called_back_inside);
    assert_false(f->client.called_back_inside);
    assert_true(f->server.closed <= 1 && f->client.closed <= 1);
    free(f);
    return 0;
}

static void write_hello(void *arg)
{
    struct end *e = arg;
    stream_write(&e->stream, SLICE("hel"));
    stream_write(&e->stream, SLICE("lo"));
}

static void connect_and_hello(void *arg)
{
    struct fixture *f = arg;
    connect_fn(f);
    write_hello(&f->client); /* waits for the handshake */
}

static void finish_fn(void *arg)
{
    struct end *e = arg;
    e->in_call = true;
    stream_finish(&e->stream);
    e->in_call = false;
}

static void close_fn(void *arg)
{
    struct end *e = arg;
    e->in_call = true;
    stream_close(&e->stream);
    e->in_call = false;
}

static void wait_both_closed(struct fixture *f)
{
    onloop_wait(&f->o, "one end to close");
    onloop_wait(&f->o, "the other end to close");
}

static void bytes_go_both_ways_and_both_end_cleanly(void **state)
{
    struct fixture *f = *state;
    f->server.echo = f->server.keep = f->client.keep = true;
    f->client.want_bytes = 5;
    onloop_call(&f->o, connect_and_hello, f);
    onloop_wait(&f->o, "the echo");
    onloop_call(&f->o, finish_fn, &f->client);
    wait_both_closed(f);
    assert_slice(buf_slice(&f->server.got), "hello");
    assert_slice(buf_slice(&f->client.got), "hello");
    assert_int_equal(f->server.data_calls, 1); /* two writes, one record */
    assert_false(f->server.failed || f->client.failed);
    assert_string_equal(f->server.alpn, "h2"); /* the server's preference */
    assert_string_equal(f->client.alpn, "h2");
    assert_string_equal(f->server.peer_name, "ann");
    assert_string_equal(f->server.peer_org, "devs");
    assert_string_equal(f->server.peer_uri, "choreod://c/node/n2");
    assert_string_equal(f->client.peer_name, "server");
}

static void what_is_queued_is_flushed_before_the_end(void **state)
{
    struct fixture *f = *state;
    f->client.left_bytes = 8 * 1024 * 1024;
    f->client.chunk_bytes = 8 * 1024 * 1024;
    f->server.want_bytes = 1;
    onloop_call(&f->o, connect_fn, f);
    onloop_wait(&f->o, "the first bytes");
    onloop_call(&f->o, finish_fn, &f->client);
    wait_both_closed(f);
    assert_int_equal(f->server.got_bytes, 8 * 1024 * 1024);
    assert_false(f->server.failed || f->client.failed);
}

static void uploads_flow_by_drain_in_order(void **state)
{
    struct fixture *f = *state;
    const size_t total = 24 * 1024 * 1024;
    f->client.left_bytes = total;
    f->client.chunk_bytes = 10007;
    f->server.keep = true;
    f->server.want_bytes = total;
    onloop_call(&f->o, connect_fn, f);
    onloop_wait(&f->o, "the upload");
    onloop_call(&f->o, close_fn, &f->client);
    wait_both_closed(f);
    assert_int_equal(f->server.got.len, total);
    assert_true(f->client.drained > 10);
    for (size_t i = 0; i < total; i++) {
        if (f->server.got.data[i] != (char)(total - i)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
    assert_false(f->server.failed);
}

struct pending {
    struct end *end;
    size_t bytes;
};

static void ask_pending(void *arg)
{
    struct pending *p = arg;
    p->bytes = stream_pending_bytes(&p->end->stream);
}

static void read_start_fn(void *arg)
{
    struct end *e = arg;
    e->in_call = true;
    stream_read_start(&e->stream);
    e->in_call = false;
}

static void a_peer_that_does_not_read_is_seen_and_resumes(void **state)
{
    struct fixture *f = *state;
    const size_t total = 32 * 1024 * 1024;
    f->client.left_bytes = total;
    f->client.chunk_bytes = total; /* one huge write: all of it is pending at first */
    f->server.stop_reading = true;
    f->server.want_bytes = total;
    onloop_call(&f->o, connect_fn, f);
    onloop_wait(&f->o, "the server to stop reading");
    size_t stopped_at = f->server.got_bytes;
    struct pending p = {.end = &f->client};
    usleep(200000);
    onloop_call(&f->o, ask_pending, &p);
    size_t first = p.bytes;
    assert_true(first > 8 * 1024 * 1024 && first < total);
    usleep(100000);
    onloop_call(&f->o, ask_pending, &p);
    assert_int_equal(p.bytes, first); /* nothing moves, nothing grows */
    assert_int_equal(f->server.got_bytes, stopped_at);
    assert_int_equal(f->client.drained, 0);
    onloop_call(&f->o, read_start_fn, &f->server);
    onloop_wait(&f->o, "the rest");
    onloop_call(&f->o, ask_pending, &p);
    assert_int_equal(p.bytes, 0);
    assert_int_equal(f->server.got_bytes, total);
    assert_int_equal(f->client.drained, 1);
    onloop_call(&f->o, close_fn, &f->server);
    wait_both_closed(f);
}

static void a_close_inside_on_data_ends_at_once(void **state)
{
    struct fixture *f = *state;
    f->server.close_on_data = true;
    onloop_call(&f->o, connect_and_hello, f);
    wait_both_closed(f);
    assert_int_equal(f->server.data_calls, 1);
    assert_false(f->server.failed);
    assert_false(f->client.failed); /* it got the goodbye */
}

static void a_finish_inside_on_data_ends_both(void **state)
{
    struct fixture *f = *state;
    f->server.finish_on_data = f->server.echo = f->client.keep = true;
    onloop_call(&f->o, connect_and_hello, f);
    wait_both_closed(f);
    assert_slice(buf_slice(&f->client.got), "hello");
    assert_false(f->server.failed || f->client.failed);
}

static void break_lingering(void *arg)
{
    struct end *e = arg;
    struct err why;
    (void)err_set(&why, ERR_UNAVAILABLE, "connection reset by peer");
    e->was_lingering = e->stream.impl->sm.state == LINGERING;
    stream__fail(e->stream.impl, &why);
}

/* A peer that closes with bytes unread makes its kernel reset the connection: but the server has
 * said all and only waits. */
static void a_break_after_all_is_said_is_a_clean_end(void **state)
{
    struct fixture *f = *state;
    f->server.left_bytes = 200 * 1024;
    f->server.chunk_bytes = 200 * 1024;
    f->client.stop_reading = true; /* does not see the goodbye */
    f->server.finish_on_data = true;
    onloop_call(&f->o, connect_and_hello, f);
    onloop_wait(&f->o, "the client to stop reading");
    usleep(50000);
    onloop_call(&f->o, break_lingering, &f->server);
    onloop_wait(&f->o, "the server to close");
    assert_true(f->server.was_lingering);
    assert_int_equal(f->server.closed, 1);
    assert_false(f->server.failed);
    onloop_call(&f->o, close_fn, &f->client);
    onloop_wait(&f->o, "the client to close");
}

static void connect_and_close(void *arg)
{
    struct fixture *f = arg;
    connect_fn(f);
    close_fn(&f->client);
    stream_write(&f->client.stream, SLICE("too late"));
    stream_read_stop(&f->client.stream);
    stream_read_start(&f->client.stream);
    stream_finish(&f->client.stream);
    stream_close(&f->client.stream);
}

static void closing_while_connecting_calls_back_once(void **state)
{
    struct fixture *f = *state;
    f->next = NULL; /* should the connection come in anyway */
    (void)snprintf(f->address, sizeof f->address, "localhost:%u", 1U);
    onloop_call(&f->o, connect_and_close, f); /* while the name is being resolved */
    onloop_wait(&f->o, "the close");
    assert_int_equal(f->client.closed, 1);
    assert_false(f->client.failed);
}

static void expect_client_failure(struct fixture *f, int code, const char *text)
{
    onloop_call(&f->o, connect_fn, f);
    onloop_wait(&f->o, "the client to fail");
    assert_int_equal(f->client.opened, 0);
    assert_true(f->client.failed);
    assert_err(f->client.why.code, &f->client.why, code, text);
}

static void the_server_must_be_whom_we_expect(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        bool right;
    } cases[] = {
        {"localhost", true},
        {"127.0.0.1", true},
        {"::1", true},
        {"choreod://c/node/n1", true},
        {"example.com", false},
        {"127.0.0.2", false},
        {"choreod://c/node/n2", false},
        {"choreod://c/node/n", false},
        {"server", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->server_name = cases[i].name;
        f->server.echo = true;
        f->client.want_bytes = 5;
        f->client.closed = f->server.closed = f->client.opened = 0;
        f->client.got_bytes = 0;
        onloop_call(&f->o, connect_and_hello, f);
        if (cases[i].right) {
            onloop_wait(&f->o, cases[i].name);
            onloop_call(&f->o, close_fn, &f->client);
        }
        wait_both_closed(f);
        assert_int_equal(f->client.opened, cases[i].right);
        if (!cases[i].right) {
            assert_int_equal(f->client.why.code, ERR_UNAUTHENTICATED);
        }
        f->client.closed = f->server.closed = 1;
    }
}

static void a_stranger_s_certificate_is_refused_by_both(void **state)
{
    struct fixture *f = *state;
    struct certs other;
    certs_make(&other);
    tls_unref(f->client_tls);
    f->client_tls = certs_client(&other, NULL, NULL, NULL, NULL);
    onloop_call(&f->o, connect_fn, f);
    wait_both_closed(f);
    assert_int_equal(f->client.opened + f->server.opened, 0);
    assert_err(f->client.why.code, &f->client.why, ERR_UNAUTHENTICATED, "certificate");
    assert_err(f->server.why.code, &f->server.why, ERR_UNAUTHENTICATED, "unknown ca");

    /* The other way: the client trusts the server, but has a certificate of another CA. */
    struct buf cert = {0};
    struct buf key = {0};
    const struct pki_subject subject = {.common_name = "eve", .client = true};
    certs_issue(&other, &subject, &cert, &key);
    const struct tls_config config = {.ca_pem = buf_slice(&f->certs.ca_cert),
                                      .cert_pem = buf_slice(&cert),
                                      .key_pem = buf_slice(&key)};
    tls_unref(f->client_tls);
    assert_ok(tls_new(&config, &f->client_tls, &f->err), &f->err);
    f->client.closed = f->server.closed = 0;
    onloop_call(&f->o, connect_fn, f);
    wait_both_closed(f);
    assert_int_equal(f->server.opened, 0);
    assert_non_null(strstr(f->server.why.message, "certificate"));
    /* It hears why, though it took the connection for open and the server had closed it. */
    assert_err(f->client.why.code, &f->client.why, ERR_UNAUTHENTICATED, "unknown ca");
    buf_free(&cert);
    buf_free(&key);
    certs_free(&other);
}

static void client_certificates_are_asked_for_as_configured(void **state)
{
    struct fixture *f = *state;
    tls_unref(f->client_tls);
    f->client_tls = certs_client(&f->certs, NULL, NULL, NULL, NULL);
    f->server.echo = true;
    f->client.want_bytes = 5;
    onloop_call(&f->o, connect_and_hello, f); /* optional: an anonymous client is let in */
    onloop_wait(&f->o, "the echo");
    onloop_call(&f->o, close_fn, &f->client);
    wait_both_closed(f);
    assert_string_equal(f->server.peer_name, "");
    assert_int_equal(f->server.opened, 1);

    tls_unref(f->server_tls);
    f->server_tls = certs_server(&f->certs, TLS_PEER_REQUIRED, NULL, NULL);
    f->client.closed = f->server.closed = f->server.opened = 0;
    onloop_call(&f->o, connect_fn, f);
    wait_both_closed(f);
    assert_int_equal(f->server.opened, 0);
    assert_non_null(strstr(f->server.why.message, "peer did not return a certificate"));
    assert_err(f->client.why.code, &f->client.why, ERR_UNAUTHENTICATED, "certificate required");
}

static void nobody_there_is_an_error_that_names_the_address(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->o, unlisten_fn, f);
    onloop_wait(&f->o, "the listener to close");
    f->listening = false;
    expect_client_failure(f, ERR_UNAVAILABLE, f->address);
    assert_non_null(strstr(f->client.why.message, "connection refused"));
    f->client.closed = 0;
    (void)snprintf(f->address, sizeof f->address, "name.invalid:1");
    expect_client_failure(f, ERR_UNAVAILABLE, "name.invalid:1: resolve");
    static const char *const bad[] = {"nonsense", "host:", "host:99999", "host:x", ":1", "::1:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->client.closed = 0;
        (void)snprintf(f->address, sizeof f->address, "%s", bad[i]);
        expect_client_failure(f, ERR_INVALID, bad[i]);
    }
}

/* localhost is ::1 first on many machines, where nobody listens here. */
static void names_are_resolved_and_each_address_is_tried(void **state)
{
    struct fixture *f = *state;
    char port[16];
    (void)snprintf(port, sizeof port, "%s", strchr(f->address, ':'));
    (void)snprintf(f->address, sizeof f->address, "localhost%s", port);
    f->server.echo = true;
    f->client.want_bytes = 5;
    onloop_call(&f->o, connect_and_hello, f);
    onloop_wait(&f->o, "the echo");
    onloop_call(&f->o, close_fn, &f->client);
    wait_both_closed(f);
    assert_false(f->client.failed);
}

static void rejected_connections_end(void **state)
{
    struct fixture *f = *state;
    f->next = NULL;
    onloop_call(&f->o, connect_fn, f);
    onloop_wait(&f->o, "the client to notice");
    assert_true(f->client.failed);
    assert_int_equal(f->client.opened, 0);
}

static int raw_connect(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)strtol(strchr(f->address, ':') + 1, NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void speech_that_is_not_tls_is_refused(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    onloop_wait(&f->o, "the server to refuse");
    assert_true(f->server.failed);
    assert_err(f->server.why.code, &f->server.why, ERR_UNAUTHENTICATED, "http request");
    assert_non_null(strstr(f->server.why.message, "127.0.0.1:"));
    (void)close(fd);
}

static void plain_http_is_answered_in_its_own_language(void **state)
{
    struct fixture *f = *state;
    static const char *const begins[] = {"GET / HTTP/1.1\r\n\r\n", "DELETE /x HTTP/1.1\r\n\r\n",
                                         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
    plain_answer = "HTTP/1.1 400 Bad Request\r\n\r\nspeak TLS";
    for (size_t n = 0; n < sizeof begins / sizeof begins[0]; n++) {
        char got[128];
        size_t len = 0;
        int fd = raw_connect(f);
        assert_int_equal(write(fd, begins[n], strlen(begins[n])), strlen(begins[n]));
        for (ssize_t more = 1; more > 0; len += (size_t)more) {
            more = read(fd, got + len, sizeof got - len);
            assert_true(more >= 0);
        }
        assert_true(slice_eq_cstr(slice_make(got, len), plain_answer));
        (void)close(fd);
        onloop_wait(&f->o, "the server to end");
        assert_err(f->server.why.code, &f->server.why, ERR_INVALID, "HTTP without TLS");
        assert_int_equal(f->server.closed, 1);
        f->server.closed = 0;
    }
    plain_answer = "";
}

static void a_silent_client_is_dropped_in_time(void **state)
{
    struct fixture *f = *state;
    limit_ms = 200;
    int fd = raw_connect(f);
    onloop_wait(&f->o, "the handshake's time limit");
    assert_err(f->server.why.code, &f->server.why, ERR_TIMEOUT, "no TLS handshake in time");
    limit_ms = 10000;
    (void)close(fd);
}

static void a_connection_cut_without_goodbye_is_told(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    (void)close(fd);
    onloop_wait(&f->o, "the server to notice");
    assert_true(f->server.failed);
    assert_err(f->server.why.code, &f->server.why, ERR_CLOSED, "goodbye");
}

static void listen_twice(void *arg)
{
    struct fixture *f = arg;
    struct stream_listener second = {.on_accept = on_accept};
    f->rc = stream_listen(&second, &f->o.loop, f->address, STREAM_PORT_OWN, &f->err);
}

static void a_taken_port_is_told(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->o, listen_twice, f);
    assert_err(f->rc, &f->err, ERR_IO, "address already in use");
    assert_non_null(strstr(f->err.message, f->address));
    (void)snprintf(f->address, sizeof f->address, "nonsense");
    onloop_call(&f->o, listen_twice, f);
    assert_err(f->rc, &f->err, ERR_INVALID, "nonsense");
}

enum { SHARERS = 3 };

struct shared {
    struct fixture *f;
    struct stream_listener listeners[SHARERS];
    int rc[SHARERS];
    unsigned listening;
};

static void shared_closed(struct stream_listener *l)
{
    struct fixture *f = l->user;
    onloop_done(&f->o);
}

/* One that takes the port, one that shares it, and one that would take it too. */
static void listen_shared(void *arg)
{
    static const enum stream_port sharing[SHARERS] = {STREAM_PORT_FIRST, STREAM_PORT_SHARED,
                                                      STREAM_PORT_FIRST};
    struct shared *s = arg;
    char address[32] = ":0";
    for (size_t i = 0; i < SHARERS; i++) {
        struct stream_listener *l = &s->listeners[i];
        l->user = s->f;
        l->on_accept = on_accept;
        s->rc[i] = stream_listen(l, &s->f->o.loop, address, sharing[i], &s->f->err);
        if (i == 0 && s->rc[i] == 0) {
            (void)snprintf(address, sizeof address, ":%u", stream_listener_port(l));
        }
    }
    for (size_t i = 0; i < SHARERS; i++) {
        if (s->rc[i] == 0) {
            s->listening++;
            stream_listener_close(&s->listeners[i], shared_closed);
        }
    }
}

static void listeners_share_a_port_that_one_of_them_took(void **state)
{
    struct fixture *f = *state;
    struct shared s = {.f = f};
    onloop_call(&f->o, listen_shared, &s);
    for (unsigned i = 0; i < s.listening; i++) {
        onloop_wait(&f->o, "a listener to close");
    }
    assert_int_equal(s.rc[0], 0);
    assert_int_equal(s.rc[1], 0);
    assert_err(s.rc[2], &f->err, ERR_IO, "address already in use");
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STREAM_TEST(bytes_go_both_ways_and_both_end_cleanly),
        STREAM_TEST(what_is_queued_is_flushed_before_the_end),
        STREAM_TEST(uploads_flow_by_drain_in_order),
        STREAM_TEST(a_peer_that_does_not_read_is_seen_and_resumes),
        STREAM_TEST(a_close_inside_on_data_ends_at_once),
        STREAM_TEST(a_finish_inside_on_data_ends_both),
        STREAM_TEST(a_break_after_all_is_said_is_a_clean_end),
        STREAM_TEST(closing_while_connecting_calls_back_once),
        STREAM_TEST(the_server_must_be_whom_we_expect),
        STREAM_TEST(a_stranger_s_certificate_is_refused_by_both),
        STREAM_TEST(client_certificates_are_asked_for_as_configured),
        STREAM_TEST(nobody_there_is_an_error_that_names_the_address),
        STREAM_TEST(names_are_resolved_and_each_address_is_tried),
        STREAM_TEST(rejected_connections_end),
        STREAM_TEST(speech_that_is_not_tls_is_refused),
        STREAM_TEST(plain_http_is_answered_in_its_own_language),
        STREAM_TEST(a_silent_client_is_dropped_in_time),
        STREAM_TEST(a_connection_cut_without_goodbye_is_told),
        STREAM_TEST(a_taken_port_is_told),
        STREAM_TEST(listeners_share_a_port_that_one_of_them_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
