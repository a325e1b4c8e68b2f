/* test_transport.c: two nodes on real sockets and real TLS, on one loop. */
#include "raft/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"

enum { LARGE = 3 << 20, IMAGE = 10 << 20 };

struct side {
    struct fixture *f;
    const char *name;
    struct transport *_Atomic t;
    struct tls *server;
    struct tls *client;
    char listen[64];
    _Atomic unsigned connected; /* looked at by the test's thread, as all atomics here */
    _Atomic unsigned disconnected;
    unsigned messages;
    unsigned small_before_large;
    bool large_came;
    bool wrong;
    unsigned notes;
    struct transport_served *served;
    unsigned canceled;
    size_t respond_bytes;
    _Atomic size_t responded;
    int image_mode; /* 0: take it; 1: refuse; 2: fail while writing; 3: fail at the end */
    size_t image_bytes;
    bool image_wrong;
    bool image_finished;
    bool image_aborted;
};

struct fixture {
    struct onloop on;
    struct certs certs;
    struct side a;
    struct side b;
    struct transport_call call;
    size_t call_bytes;
    bool call_wrong;
    bool pause;
    unsigned pauses;
    _Atomic int call_status;
    char call_message[ERR_MESSAGE_MAX];
    struct transport_image image;
    size_t image_sent;
    size_t image_fail_at;
    int image_status;
};

static char pattern(size_t at)
{
    return (char)(at * 31 >> 3);
}

/* ---- what a side does when asked ---- */

static void on_message(void *user, const char *peer, uint32_t group, struct slice bytes)
{
    struct side *s = user;
    (void)peer;
    s->messages++;
    s->wrong = s->wrong || group != 7;
    if (bytes.len == LARGE) {
        s->large_came = true;
        for (size_t i = 0; i < bytes.len; i++) {
            s->wrong = s->wrong || bytes.data[i] != pattern(i);
        }
    } else if (!s->large_came) {
        s->small_before_large++;
    }
    onloop_done(&s->f->on);
}

static void on_note(void *user, const char *peer, uint32_t kind, struct slice bytes)
{
    struct side *s = user;
    (void)peer;
    s->notes++;
    s->wrong = s->wrong || kind != 3 || !slice_eq(bytes, SLICE("tick"));
    onloop_done(&s->f->on);
}

static void on_connected(void *user, const char *peer)
{
    struct side *s = user;
    (void)peer;
    s->connected++;
    onloop_done(&s->f->on);
}

static void on_disconnected(void *user, const char *peer, const struct err *why)
{
    struct side *s = user;
    (void)peer;
    (void)why;
    s->disconnected++;
    onloop_done(&s->f->on);
}

static void go_on_responding(struct transport_served *served)
{
    struct side *s = served->user;
    char chunk[10000];
    bool room = true;
    while (room && s->responded < s->respond_bytes) {
        size_t len = s->respond_bytes - s->responded;
        len = len < sizeof chunk ? len : sizeof chunk;
        for (size_t i = 0; i < len; i++) {
            chunk[i] = pattern(s->responded + i);
        }
        s->responded += len;
        room = transport_respond(served, slice_make(chunk, len));
    }
    if (s->responded == s->respond_bytes) {
        transport_end(served, 0, NULL);
    }
}

static void on_canceled(struct transport_served *served)
{
    struct side *s = served->user;
    s->canceled++;
    s->served = NULL;
    onloop_done(&s->f->on);
}

static void on_request(void *user, struct transport_served *served, const char *peer,
                       uint32_t channel, struct slice request)
{
    struct side *s = user;
    (void)peer;
    served->user = s;
    served->canceled = on_canceled;
    served->drained = go_on_responding;
    if (channel == 1) { /* echo */
        (void)transport_respond(served, request);
        transport_end(served, 0, NULL);
    } else if (channel == 2) { /* an error */
        transport_end(served, ERR_CONFLICT, "two of them");
    } else if (channel == 3) { /* a long stream */
        s->responded = 0;
        go_on_responding(served);
    } else { /* never */
        s->served = served;
        onloop_done(&s->f->on);
    }
}

static int arrival_write(struct transport_arrival *arrival, struct slice bytes, struct err *err)
{
    struct side *s = arrival->user;
    for (size_t i = 0; i < bytes.len; i++) {
        s->image_wrong = s->image_wrong || bytes.data[i] != pattern(s->image_bytes + i);
    }
    s->image_bytes += bytes.len;
    if (s->image_mode == 2 && s->image_bytes > IMAGE / 2) {
        return err_set(err, ERR_FULL, "no room");
    }
    return 0;
}

static int arrival_finish(struct transport_arrival *arrival, struct err *err)
{
    struct side *s = arrival->user;
    s->image_finished = true;
    return s->image_mode == 3 ? err_set(err, ERR_CORRUPT, "bad digest") : 0;
}

static void arrival_abort(struct transport_arrival *arrival)
{
    struct side *s = arrival->user;
    s->image_aborted = true;
    onloop_done(&s->f->on);
}

static void on_image(void *user, struct transport_arrival *arrival, const char *peer,
                     uint32_t group, struct slice header)
{
    struct side *s = user;
    (void)peer;
    s->image_wrong = group != 4 || !slice_eq(header, SLICE("header"));
    s->image_bytes = 0;
    s->image_finished = s->image_aborted = false;
    if (s->image_mode != 1) {
        *arrival = (struct transport_arrival){s, arrival_write, arrival_finish, arrival_abort};
    }
}

static const struct transport_ops ops = {on_message,      on_note,    on_connected,
                                         on_disconnected, on_request, on_image};

/* ---- the two of them ---- */

static void open_side(void *arg)
{
    struct side *s = arg;
    struct transport_config config = {.loop = &s->f->on.loop,
                                      .cluster = "test",
                                      .node = s->name,
                                      .listen = s->listen,
                                      .server_tls = s->server,
                                      .client_tls = s->client,
                                      .ops = &ops,
                                      .user = s,
                                      .ping_ms = 100};
    struct err err = {0};
    struct transport *t = NULL;
    int rc = transport_open(&config, &t, &err);
    if (rc != 0) {
        print_error("%s\n", err.message);
        abort();
    }
    s->t = t;
    (void)snprintf(s->listen, sizeof s->listen, "127.0.0.1:%u", transport_port(s->t));
}

static void on_side_closed(void *user)
{
    struct side *s = user;
    s->t = NULL;
    onloop_done(&s->f->on);
}

static void close_side(void *arg)
{
    struct side *s = arg;
    transport_close(s->t, on_side_closed, s);
}

static void introduce(void *arg)
{
    struct fixture *f = arg;
    if (transport_set_peer(f->a.t, "node-b", f->b.listen, NULL) != 0 ||
        transport_set_peer(f->b.t, "node-a", f->a.listen, NULL) != 0) {
        abort();
    }
}

static void make_side(struct fixture *f, struct side *s, const char *name, const char *uri)
{
    *s = (struct side){.f = f, .name = name, .listen = "127.0.0.1:0"};
    s->server = certs_server(&f->certs, TLS_PEER_REQUIRED, uri, NULL);
    s->client = certs_client(&f->certs, name, NULL, uri, NULL);
    onloop_call(&f->on, open_side, s);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    certs_make(&f->certs);
    onloop_start(&f->on);
    make_side(f, &f->a, "node-a", "choreod://test/node/node-a");
    make_side(f, &f->b, "node-b", "choreod://test/node/node-b");
    return 0;
}

static void connect_both(struct fixture *f)
{
    onloop_call(&f->on, introduce, f);
    onloop_wait(&f->on, "the first connection");
    onloop_wait(&f->on, "the second connection");
    assert_int_equal(f->a.connected, 1);
    assert_int_equal(f->b.connected, 1);
}

static void end_side(struct fixture *f, struct side *s)
{
    if (s->t != NULL) {
        onloop_post(&f->on, close_side, s);
        while (s->t != NULL) {
            onloop_wait(&f->on, "closing");
        }
    }
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    end_side(f, &f->a);
    end_side(f, &f->b);
    onloop_stop(&f->on);
    tls_unref(f->a.server);
    tls_unref(f->a.client);
    tls_unref(f->b.server);
    tls_unref(f->b.client);
    certs_free(&f->certs);
    free(f);
    return 0;
}

/* ---- messages ---- */

static void send_some(void *arg)
{
    struct fixture *f = arg;
    struct buf large = {0};
    for (size_t i = 0; i < LARGE; i++) {
        buf_add_char(&large, pattern(i));
    }
    bool ok = transport_send(f->a.t, "node-b", 7, SLICE("small")) &&
              transport_send(f->a.t, "node-b", 7, buf_slice(&large)) &&
              transport_send(f->a.t, "node-b", 7, SLICE("heartbeat")) &&
              transport_note(f->a.t, "node-b", 3, SLICE("tick"));
    f->a.wrong = !ok || transport_send(f->a.t, "node-x", 7, SLICE("nobody"));
    buf_free(&large);
}

static void test_messages(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, send_some, f);
    for (int i = 0; i < 4; i++) {
        onloop_wait(&f->on, "messages");
    }
    assert_false(f->a.wrong);
    assert_false(f->b.wrong);
    assert_int_equal(f->b.messages, 3);
    assert_int_equal(f->b.notes, 1);
    assert_int_equal(f->b.small_before_large, 2); /* the heartbeat overtook */
}

static void flood(void *arg)
{
    struct fixture *f = arg;
    struct buf large = {0};
    for (size_t i = 0; i < LARGE; i++) {
        buf_add_char(&large, pattern(i));
    }
    unsigned taken = 0;
    while (taken < 1000 && transport_send(f->a.t, "node-b", 7, buf_slice(&large))) {
        taken++;
    }
    f->image_sent = taken;
    buf_free(&large);
}

static void test_a_group_queues_only_so_much(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, flood, f);
    assert_in_range(f->image_sent, 1, 4);
    for (size_t i = 0; i < f->image_sent; i++) {
        onloop_wait(&f->on, "what was taken");
    }
    assert_false(f->b.wrong);
}

/* ---- who may speak ---- */

static void introduce_intruder(void *arg)
{
    struct fixture *f = arg;
    (void)transport_set_peer(f->a.t, "node-b", f->b.listen, NULL);
}

static void expect_refused(struct fixture *f, const char *uri)
{
    end_side(f, &f->a);
    tls_unref(f->a.server);
    tls_unref(f->a.client);
    make_side(f, &f->a, "node-a", uri);
    onloop_call(&f->on, introduce_intruder, f);
    (void)usleep(300000);
    assert_int_equal(f->a.connected, 0);
}

static void test_refuses_other_certificates(void **state)
{
    struct fixture *f = *state;
    expect_refused(f, NULL);                          /* a client of the same CA */
    expect_refused(f, "choreod://other/node/node-a"); /* another cluster's node */
    expect_refused(f, "choreod://test/node/node-b");  /* itself, come back */
    expect_refused(f, "choreod://test/nodes/node-a"); /* nothing of ours */
}

static void remove_b(void *arg)
{
    struct fixture *f = arg;
    transport_remove_peer(f->a.t, "node-b");
}

static void test_removed_peer_stays_out(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, remove_b, f);
    onloop_wait(&f->on, "one side's end");
    onloop_wait(&f->on, "the other side's end");
    (void)usleep(300000);
    assert_true(f->a.disconnected >= 1);
    assert_int_equal(f->a.connected, 1);
    assert_int_equal(f->b.connected, 1);
}

/* ---- a peer that dies and comes back ---- */

static void test_reconnects(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_post(&f->on, close_side, &f->b);
    while (f->b.t != NULL || f->a.disconnected == 0) {
        onloop_wait(&f->on, "the news of the end");
    }
    assert_int_equal(f->a.connected, 1);
    onloop_call(&f->on, open_side, &f->b); /* the same port */
    onloop_call(&f->on, introduce, f);
    while (f->a.connected < 2 || f->b.connected < 2) {
        onloop_wait(&f->on, "connections anew");
    }
}

/* ---- calls ---- */

static bool call_data(struct transport_call *call, struct slice bytes)
{
    struct fixture *f = call->user;
    for (size_t i = 0; i < bytes.len; i++) {
        f->call_wrong = f->call_wrong || bytes.data[i] != pattern(f->call_bytes + i);
    }
    f->call_bytes += bytes.len;
    if (f->pause) {
        f->pauses++;
        return false;
    }
    return true;
}

static void call_done(struct transport_call *call, int status, const struct err *err)
{
    struct fixture *f = call->user;
    f->call_status = status;
    (void)snprintf(f->call_message, sizeof f->call_message, "%s", err != NULL ? err->message : "");
    onloop_done(&f->on);
}

static void call_with(struct fixture *f, uint32_t channel, size_t request, uint32_t timeout_ms)
{
    struct buf bytes = {0};
    for (size_t i = 0; i < request; i++) {
        buf_add_char(&bytes, pattern(i));
    }
    f->call = (struct transport_call){.user = f, .data = call_data, .done = call_done};
    f->call_bytes = 0;
    f->call_status = -1;
    transport_call(f->a.t, &f->call, "node-b", channel, buf_slice(&bytes), timeout_ms);
    f->call_wrong = f->call_status != -1; /* never inside the call */
    buf_free(&bytes);
}

static void call_small(void *arg)
{
    call_with(arg, 1, 100, 5000);
}

static void call_large(void *arg)
{
    call_with(arg, 1, 700000, 5000);
}

static void call_error(void *arg)
{
    call_with(arg, 2, 10, 5000);
}

static void call_stream(void *arg)
{
    call_with(arg, 3, 10, 0);
}

static void call_never(void *arg)
{
    call_with(arg, 4, 10, 150);
}

static void call_forever(void *arg)
{
    call_with(arg, 4, 10, 0);
}

static void resume(void *arg)
{
    struct fixture *f = arg;
    transport_call_resume(&f->call);
}

static void cancel(void *arg)
{
    struct fixture *f = arg;
    transport_call_cancel(&f->call);
}

static void test_calls(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, call_small, f);
    onloop_wait(&f->on, "the echo");
    assert_int_equal(f->call_status, 0);
    assert_int_equal(f->call_bytes, 100);
    onloop_call(&f->on, call_large, f);
    onloop_wait(&f->on, "the large echo");
    assert_int_equal(f->call_status, 0);
    assert_int_equal(f->call_bytes, 700000);
    onloop_call(&f->on, call_error, f);
    onloop_wait(&f->on, "the error");
    assert_int_equal(f->call_status, ERR_CONFLICT);
    assert_string_equal(f->call_message, "two of them");
    assert_false(f->call_wrong);
}

static void test_long_response_with_pauses(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    f->b.respond_bytes = 9 << 20;
    f->pause = true;
    onloop_call(&f->on, call_stream, f);
    (void)usleep(200000);
    assert_true(f->b.responded < 4 << 20); /* a window, not the whole */
    for (int i = 0; i < 10000 && f->call_status == -1; i++) {
        onloop_call(&f->on, resume, f);
    }
    onloop_wait(&f->on, "the end of the stream");
    assert_int_equal(f->call_status, 0);
    assert_int_equal(f->call_bytes, 9 << 20);
    assert_false(f->call_wrong);
    assert_true(f->pauses > 5);
}

static void test_deadline_and_cancel(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, call_never, f);
    onloop_wait(&f->on, "the request");
    onloop_wait(&f->on, "the deadline, or the cancellation");
    onloop_wait(&f->on, "the other of the two");
    assert_int_equal(f->call_status, ERR_TIMEOUT);
    assert_int_equal(f->b.canceled, 1);
    onloop_call(&f->on, call_forever, f);
    onloop_wait(&f->on, "the request");
    onloop_call(&f->on, cancel, f);
    onloop_wait(&f->on, "the cancellation");
    assert_int_equal(f->b.canceled, 2);
    assert_int_equal(f->call_status, -1);
}

static void test_calls_end_with_the_connection(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, call_forever, f);
    onloop_wait(&f->on, "the request");
    onloop_post(&f->on, close_side, &f->b);
    while (f->b.t != NULL || f->call_status == -1) {
        onloop_wait(&f->on, "the call's end");
    }
    assert_int_equal(f->call_status, ERR_UNAVAILABLE);
    assert_true(f->call.sent);
    onloop_call(&f->on, call_small, f);
    while (f->call_status == -1) {
        onloop_wait(&f->on, "a refusal");
    }
    assert_int_equal(f->call_status, ERR_UNAVAILABLE);
    assert_false(f->call.sent);
}

/* ---- images ---- */

static int image_read(struct transport_image *image, char *bytes, size_t cap, size_t *len,
                      struct err *err)
{
    struct fixture *f = image->user;
    if (f->image_fail_at != 0 && f->image_sent >= f->image_fail_at) {
        return err_set(err, ERR_IO, "disk gone");
    }
    *len = IMAGE - f->image_sent < cap ? IMAGE - f->image_sent : cap;
    for (size_t i = 0; i < *len; i++) {
        bytes[i] = pattern(f->image_sent + i);
    }
    f->image_sent += *len;
    return 0;
}

static void image_done(struct transport_image *image, int status, const struct err *err)
{
    struct fixture *f = image->user;
    f->image_status = status;
    (void)snprintf(f->call_message, sizeof f->call_message, "%s", err != NULL ? err->message : "");
    onloop_done(&f->on);
}

static void send_image(void *arg)
{
    struct fixture *f = arg;
    f->image = (struct transport_image){.user = f, .read = image_read, .done = image_done};
    f->image_sent = 0;
    f->image_status = -1;
    transport_image_send(f->a.t, &f->image, "node-b", 4, SLICE("header"));
}

static void test_images(void **state)
{
    struct fixture *f = *state;
    connect_both(f);
    onloop_call(&f->on, send_image, f);
    onloop_wait(&f->on, "the image");
    assert_int_equal(f->image_status, 0);
    assert_int_equal(f->b.image_bytes, IMAGE);
    assert_true(f->b.image_finished);
    assert_false(f->b.image_wrong);

    f->b.image_mode = 1;
    onloop_call(&f->on, send_image, f);
    onloop_wait(&f->on, "the refusal");
    assert_int_equal(f->image_status, ERR_UNAVAILABLE);

    f->b.image_mode = 2;
    onloop_call(&f->on, send_image, f);
    onloop_wait(&f->on, "the writer's failure");
    onloop_wait(&f->on, "both ends of it");
    assert_int_equal(f->image_status, ERR_FULL);
    assert_string_equal(f->call_message, "no room");
    assert_true(f->b.image_aborted);

    f->b.image_mode = 3;
    onloop_call(&f->on, send_image, f);
    onloop_wait(&f->on, "the verdict");
    assert_int_equal(f->image_status, ERR_CORRUPT);

    f->b.image_mode = 0;
    f->image_fail_at = IMAGE / 3;
    onloop_call(&f->on, send_image, f);
    onloop_wait(&f->on, "the reader's failure");
    onloop_wait(&f->on, "both ends of it");
    assert_int_equal(f->image_status, ERR_IO);
    assert_true(f->b.image_aborted);
    assert_false(f->b.image_finished);
}

/* ---- a peer that breaks the protocol ---- */

struct rogue {
    struct stream stream;
    struct fixture *f;
    struct slice bytes;
    _Atomic bool closed;
};

static void rogue_open(struct stream *s)
{
    struct rogue *r = s->user;
    stream_write(s, r->bytes);
}

static void rogue_data(struct stream *s, struct slice in)
{
    (void)s;
    (void)in;
}

static void rogue_close(struct stream *s, const struct err *why)
{
    struct rogue *r = s->user;
    (void)why;
    r->closed = true;
    onloop_done(&r->f->on);
}

static const struct stream_ops rogue_ops = {rogue_open, rogue_data, NULL, rogue_close};

static void start_rogue(void *arg)
{
    struct rogue *r = arg;
    r->stream.user = r;
    struct stream_config config = {.tls = r->f->b.client, .ops = &rogue_ops};
    stream_connect(&r->stream, &r->f->on.loop, r->f->a.listen, "choreod://test/node/node-a",
                   &config);
}

static void test_broken_frames_end_the_connection(void **state)
{
    struct fixture *f = *state;
    static const struct slice cases[] = {
        {"\xff\xff\xff\xff....", 8},              /* impossible length */
        {"\0\0\0\0", 4},                          /* no type */
        {"\0\0\0\5\5\0\0\0\1", 9},                /* a message before HELLO */
        {"\0\0\0\5\1\0\0\0\x63", 9},              /* another version */
        {"\0\0\0\5\1\0\0\0\1\0\0\0\1\x63", 14},   /* an unknown type */
        {"\0\0\0\5\1\0\0\0\1\0\0\0\3\5\0\0", 16}, /* a message cut short */
        {"\0\0\0\5\1\0\0\0\1\0\0\0\x11\x6\0\0\0\0\0\0\0\1\0\0\0\1\x7f\0\0\0", 30}, /* 2 GB */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rogue r = {.f = f, .bytes = cases[i]};
        onloop_call(&f->on, start_rogue, &r);
        while (!r.closed) {
            onloop_wait(&f->on, "the rogue to be hung up");
        }
        assert_int_equal(f->a.messages, 0);
    }
}

/* ---- what is refused at once ---- */

static void try_nonsense(void *arg)
{
    struct fixture *f = arg;
    struct err err = {0};
    int codes[8];
    codes[0] = transport_set_peer(f->a.t, "node-a", "127.0.0.1:1", &err); /* itself */
    codes[1] = transport_set_peer(f->a.t, "a b", "127.0.0.1:1", &err);
    codes[2] = transport_set_peer(f->a.t, "node-c", "nowhere", &err);
    codes[3] = transport_set_peer(f->a.t, "node-c", NULL, &err);
    for (int i = 0; i < 4; i++) {
        f->call_wrong = f->call_wrong || codes[i] != ERR_INVALID;
    }
    int rc = 0;
    for (int i = 0; i <= TRANSPORT_PEERS_MAX && rc == 0; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "crowd-%d", i);
        rc = transport_set_peer(f->a.t, name, "127.0.0.1:1", &err);
    }
    f->call_wrong = f->call_wrong || rc != ERR_FULL;
    struct transport_config config = {.loop = &f->on.loop,
                                      .cluster = "test",
                                      .node = "node-x",
                                      .listen = f->a.listen, /* taken */
                                      .server_tls = f->a.server,
                                      .client_tls = f->a.client,
                                      .ops = &ops};
    struct transport *t;
    f->call_wrong = f->call_wrong || transport_open(&config, &t, &err) != ERR_IO;
    config.node = "node/x";
    f->call_wrong = f->call_wrong || transport_open(&config, &t, &err) != ERR_INVALID;
}

static void test_nonsense_is_refused(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->on, try_nonsense, f);
    assert_false(f->call_wrong);
}

/* ---- a peer that stops reading ---- */

struct sleeper {
    struct stream_listener listener;
    struct stream stream;
    struct fixture *f;
    char address[64];
    size_t taken;
    bool connected;
};

static void sleeper_data(struct stream *s, struct slice in)
{
    (void)in;
    stream_write(s, slice_make("\0\0\0\5\2\0\0\0\1", 9)); /* WELCOME; then it dozes off */
    stream_read_stop(s);
}

static void sleeper_closed(struct stream *s, const struct err *why)
{
    struct sleeper *z = s->user;
    (void)why;
    onloop_done(&z->f->on);
}

static const struct stream_ops sleeper_ops = {NULL, sleeper_data, NULL, sleeper_closed};

static void sleeper_accept(struct stream_listener *l)
{
    struct sleeper *z = l->user;
    if (z->connected) {
        stream_reject(l); /* once is enough */
        return;
    }
    z->connected = true;
    z->stream.user = z;
    struct stream_config config = {.tls = z->f->b.server, .ops = &sleeper_ops};
    stream_accept(l, &z->stream, &config);
}

static void start_sleeper(void *arg)
{
    struct sleeper *z = arg;
    z->listener.user = z;
    z->listener.on_accept = sleeper_accept;
    if (stream_listen(&z->listener, &z->f->on.loop, "127.0.0.1:0", false, NULL) != 0) {
        abort();
    }
    (void)snprintf(z->address, sizeof z->address, "127.0.0.1:%u",
                   stream_listener_port(&z->listener));
    if (transport_set_peer(z->f->a.t, "node-b", z->address, NULL) != 0) {
        abort();
    }
}

static void flood_sleeper(void *arg)
{
    struct sleeper *z = arg;
    static char bytes[30000];
    while (z->taken < (size_t)200 << 20 &&
           transport_send(z->f->a.t, "node-b", 7, slice_make(bytes, sizeof bytes))) {
        z->taken += sizeof bytes;
    }
}

static void listener_closed(struct stream_listener *l)
{
    struct sleeper *z = l->user;
    onloop_done(&z->f->on);
}

static void stop_sleeper(void *arg)
{
    struct sleeper *z = arg;
    transport_remove_peer(z->f->a.t, "node-b");
    stream_close(&z->stream);
    stream_listener_close(&z->listener, listener_closed);
}

static void test_peer_that_stops_reading_is_hung_up(void **state)
{
    struct fixture *f = *state;
    end_side(f, &f->b);
    struct sleeper z = {.f = f};
    onloop_call(&f->on, start_sleeper, &z);
    onloop_wait(&f->on, "the sleeper's welcome");
    assert_int_equal(f->a.connected, 1);
    onloop_call(&f->on, flood_sleeper, &z);
    assert_in_range(z.taken, 1 << 20, 40 << 20); /* its queue is bounded */
    onloop_wait(&f->on, "the sleeper to be hung up");
    assert_int_equal(f->a.disconnected, 1);
    onloop_call(&f->on, stop_sleeper, &z);
    onloop_wait(&f->on, "the sleeper's listener");
    onloop_wait(&f->on, "the sleeper's stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_group_queues_only_so_much, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_other_certificates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_peer_stays_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_response_with_pauses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_and_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_end_with_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_images, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_that_stops_reading_is_hung_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_frames_end_the_connection, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
