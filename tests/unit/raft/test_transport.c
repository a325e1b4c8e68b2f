/* Two nodes' connections: messages and notes on them, who may speak, peers that die, that break the
 * protocol or stop reading. */
#include <unistd.h>

#include "tests/unit/raft/sides.h"

enum { LARGE = 3 << 20 };

struct talk {
    struct fixture f;
    /* node-a */
    bool unsent; /* something that should have been taken was not, or the other way round */
    size_t sent; /* messages that were taken */
    _Atomic unsigned heard; /* messages that came to it */
    /* node-b */
    unsigned messages;
    unsigned notes;
    unsigned small_before_large;
    bool large_came;
    bool wrong; /* what came was not what was sent */
};

static struct talk *talk_of(struct side *s)
{
    return CONTAINER_OF(s->f, struct talk, f);
}

static void fill(struct buf *large)
{
    for (size_t i = 0; i < LARGE; i++) {
        buf_add_char(large, pattern(i));
    }
}

/* ---- what comes ---- */

static void on_message(void *user, const char *peer, uint32_t group, struct slice bytes)
{
    struct side *s = user;
    struct talk *k = talk_of(s);
    (void)peer;
    if (s == &s->f->a) {
        k->heard++;
        return;
    }
    k->messages++;
    k->wrong = k->wrong || group != 7;
    if (bytes.len == LARGE) {
        k->large_came = true;
        for (size_t i = 0; i < bytes.len; i++) {
            k->wrong = k->wrong || bytes.data[i] != pattern(i);
        }
    } else if (!k->large_came) {
        k->small_before_large++;
    }
    onloop_done(&s->f->on);
}

static void on_note(void *user, const char *peer, uint32_t kind, struct slice bytes)
{
    struct side *s = user;
    struct talk *k = talk_of(s);
    (void)peer;
    k->notes++;
    k->wrong = k->wrong || kind != 3 || !slice_eq(bytes, SLICE("tick"));
    onloop_done(&s->f->on);
}

static int setup(void **state)
{
    struct talk *k = mem_zero(sizeof *k);
    const struct transport_ops ops = {.message = on_message, .note = on_note};
    sides_make(&k->f, &ops);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    struct talk *k = *state;
    sides_end(&k->f);
    free(k);
    return 0;
}

/* ---- messages ---- */

static void send_some(void *arg)
{
    struct talk *k = arg;
    struct transport *a = k->f.a.t;
    struct buf large = {0};
    fill(&large);
    bool ok = transport_send(a, "node-b", 7, SLICE("small")) &&
              transport_send(a, "node-b", 7, buf_slice(&large)) &&
              transport_send(a, "node-b", 7, SLICE("heartbeat")) &&
              transport_note(a, "node-b", 3, SLICE("tick"));
    k->unsent = !ok || transport_send(a, "node-x", 7, SLICE("nobody"));
    buf_free(&large);
}

static bool all_came(void *arg)
{
    struct talk *k = arg;
    return k->messages == 3 && k->notes == 1;
}

static void test_messages(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    sides_connect(f);
    onloop_call(&f->on, send_some, k);
    onloop_until(&f->on, all_came, k, "three messages and a note");
    assert_false(k->unsent);
    assert_false(k->wrong);
    assert_int_equal(k->small_before_large, 2); /* the heartbeat overtook */
}

static void flood(void *arg)
{
    struct talk *k = arg;
    struct buf large = {0};
    fill(&large);
    k->sent = 0;
    while (k->sent < 1000 && transport_send(k->f.a.t, "node-b", 7, buf_slice(&large))) {
        k->sent++;
    }
    buf_free(&large);
}

static void test_a_group_queues_only_so_much(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    sides_connect(f);
    onloop_call(&f->on, flood, k);
    assert_in_range(k->sent, 1, 4);
    for (size_t i = 0; i < k->sent; i++) {
        onloop_wait(&f->on, "what was taken");
    }
    assert_false(k->wrong);
}

/* ---- who may speak ---- */

static void introduce_intruder(void *arg)
{
    struct fixture *f = arg;
    (void)transport_set_peer(f->a.t, "node-b", f->b.listen, NULL);
}

static void expect_refused(struct fixture *f, const char *uri)
{
    side_end(f, &f->a);
    side_make(f, &f->a, "node-a", uri);
    onloop_call(&f->on, introduce_intruder, f);
    (void)usleep(300000);
    assert_int_equal(f->a.connected, 0);
}

static void test_refuses_other_certificates(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    expect_refused(f, NULL);                          /* a client of the same CA */
    expect_refused(f, "choreod://other/node/node-a"); /* another cluster's node */
    expect_refused(f, "choreod://test/node/node-b");  /* itself, come back */
    expect_refused(f, "choreod://test/nodes/node-a"); /* nothing of ours */
}

/* ---- two processes under one name ---- */

static void introduce_copy(void *arg)
{
    struct side *copy = arg;
    if (transport_set_peer(copy->t, "node-a", copy->f->a.listen, NULL) != 0) {
        abort();
    }
}

static void make_b(struct fixture *f, struct side *s)
{
    side_make(f, s, "node-b", "choreod://test/node/node-b");
}

static void test_a_second_process_is_ousted(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    struct side copy;
    sides_connect(f);
    make_b(f, &copy);
    onloop_call(&f->on, introduce_copy, &copy);
    while (copy.ousted == 0) {
        onloop_wait(&f->on, "the copy to be ousted");
    }
    assert_int_equal(copy.ousted, ERR_CONFLICT);
    assert_int_equal(copy.connected, 0);
    assert_int_equal(f->b.ousted, 0);
    assert_int_equal(f->a.disconnected + f->b.disconnected, 0);
    side_end(f, &copy);
}

/* The copy came first, while the node at the address was away: once that is back, it is the peer.
 */
static void test_who_answers_at_the_address_is_the_peer(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    struct side copy;
    side_end(f, &f->b);
    make_b(f, &copy);
    onloop_call(&f->on, introduce_copy, &copy);
    while (copy.connected == 0) {
        onloop_wait(&f->on, "the copy to be taken for the node");
    }
    make_b(f, &f->b);
    onloop_call(&f->on, sides_introduce, f);
    while (copy.ousted == 0) {
        onloop_wait(&f->on, "the copy to be ousted");
    }
    assert_int_equal(f->b.ousted, 0);
    while (f->b.connected == 0) {
        onloop_wait(&f->on, "the node to be back");
    }
    side_end(f, &copy);
}

/* The same process may come anew at any time: its number is the same. */
static void test_a_process_is_no_second_to_itself(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    sides_connect(f);
    side_end(f, &f->b);
    make_b(f, &f->b); /* as after a crash: another number, the old one gone */
    onloop_call(&f->on, sides_introduce, f);
    while (f->b.connected == 0) {
        onloop_wait(&f->on, "the restarted one to be taken");
    }
    assert_int_equal(f->b.ousted, 0);
}

static void remove_b(void *arg)
{
    struct fixture *f = arg;
    transport_remove_peer(f->a.t, "node-b");
}

static void test_removed_peer_stays_out(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    sides_connect(f);
    onloop_call(&f->on, remove_b, f);
    onloop_wait(&f->on, "one side's end");
    onloop_wait(&f->on, "the other side's end");
    (void)usleep(300000);
    assert_true(f->a.disconnected >= 1);
    assert_int_equal(f->a.connected, 1);
    assert_int_equal(f->b.connected, 1);
}

/* ---- a peer that dies and comes back ---- */

struct asked {
    struct side *side;
    uint32_t features;
};

static bool all_can(void *arg)
{
    const struct asked *a = arg;
    return a->side->t != NULL && transport_all_can(a->side->t, a->features);
}

static bool not_all_can(void *arg)
{
    const struct asked *a = arg;
    return a->side->t != NULL && !transport_all_can(a->side->t, a->features);
}

/* b comes back as a program that cannot do what it could, and then as one that can it again. */
static void test_what_all_can(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    struct asked one = {&f->a, 1};
    struct asked more = {&f->a, 3};
    static const uint32_t later[] = {0, 5};
    bool (*const expected[])(void *) = {not_all_can, all_can};
    onloop_until(&f->on, all_can, &one, "nobody else is known, so all can");
    sides_connect(f);
    onloop_until(&f->on, all_can, &one, "b says so");
    onloop_until(&f->on, not_all_can, &more, "but no more than that");
    for (int i = 0; i < 2; i++) {
        unsigned connected = f->a.connected;
        onloop_post(&f->on, side_close, &f->b);
        while (f->b.t != NULL) {
            onloop_wait(&f->on, "b to be closed");
        }
        f->b.features = later[i];
        onloop_call(&f->on, side_open, &f->b);
        onloop_call(&f->on, sides_introduce, f);
        while (f->a.connected == connected) {
            onloop_wait(&f->on, "connections anew");
        }
        onloop_until(&f->on, expected[i], &one, "what b says as it comes back counts");
    }
}

static void test_reconnects(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    sides_connect(f);
    onloop_post(&f->on, side_close, &f->b);
    while (f->b.t != NULL || f->a.disconnected == 0) {
        onloop_wait(&f->on, "the news of the end");
    }
    assert_int_equal(f->a.connected, 1);
    onloop_call(&f->on, side_open, &f->b); /* the same port */
    onloop_call(&f->on, sides_introduce, f);
    while (f->a.connected < 2 || f->b.connected < 2) {
        onloop_wait(&f->on, "connections anew");
    }
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
    struct talk *k = *state;
    struct fixture *f = &k->f;
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
        assert_int_equal(k->heard, 0);
    }
}

/* ---- what is refused at once ---- */

static void try_nonsense(void *arg)
{
    struct talk *k = arg;
    struct fixture *f = &k->f;
    struct err err = {0};
    int codes[8];
    codes[0] = transport_set_peer(f->a.t, "node-a", "127.0.0.1:1", &err); /* itself */
    codes[1] = transport_set_peer(f->a.t, "a b", "127.0.0.1:1", &err);
    codes[2] = transport_set_peer(f->a.t, "node-c", "nowhere", &err);
    codes[3] = transport_set_peer(f->a.t, "node-c", NULL, &err);
    for (int i = 0; i < 4; i++) {
        k->wrong = k->wrong || codes[i] != ERR_INVALID;
    }
    int rc = 0;
    for (int i = 0; i <= TRANSPORT_PEERS_MAX && rc == 0; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "crowd-%d", i);
        rc = transport_set_peer(f->a.t, name, "127.0.0.1:1", &err);
    }
    k->wrong = k->wrong || rc != ERR_FULL;
    struct transport_config config = {.loop = &f->on.loop,
                                      .cluster = "test",
                                      .node = "node-x",
                                      .listen = f->a.listen, /* taken */
                                      .server_tls = f->a.server,
                                      .client_tls = f->a.client,
                                      .ops = &f->ops};
    struct transport *t;
    k->wrong = k->wrong || transport_open(&config, &t, &err) != ERR_IO;
    config.node = "node/x";
    k->wrong = k->wrong || transport_open(&config, &t, &err) != ERR_INVALID;
}

static void test_nonsense_is_refused(void **state)
{
    struct talk *k = *state;
    struct fixture *f = &k->f;
    onloop_call(&f->on, try_nonsense, k);
    assert_false(k->wrong);
}

/* ---- a peer that stops reading ---- */

struct sleeper {
    struct tls *tls;
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
    struct stream_config config = {.tls = z->tls, .ops = &sleeper_ops};
    stream_accept(l, &z->stream, &config);
}

static void start_sleeper(void *arg)
{
    struct sleeper *z = arg;
    z->listener.user = z;
    z->listener.on_accept = sleeper_accept;
    if (stream_listen(&z->listener, &z->f->on.loop, "127.0.0.1:0", STREAM_PORT_OWN, NULL) != 0) {
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
    struct talk *k = *state;
    struct fixture *f = &k->f;
    side_end(f, &f->b);
    struct sleeper z = {.f = f};
    z.tls = certs_server(&f->certs, TLS_PEER_REQUIRED, "choreod://test/node/node-b", NULL);
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
    tls_unref(z.tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_group_queues_only_so_much, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_other_certificates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_second_process_is_ousted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_answers_at_the_address_is_the_peer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_process_is_no_second_to_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_peer_stays_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_all_can, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_that_stops_reading_is_hung_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_frames_end_the_connection, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
