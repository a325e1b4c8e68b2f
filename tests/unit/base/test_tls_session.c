/* TLS without I/O: two sessions in memory, whose bytes travel in pieces of any size, or damaged. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/tls_internal.h"
#include "tests/lib/certs.h"

struct side {
    struct tls_session session;
    struct buf out;     /* what it wants to send */
    struct buf arrived; /* what has come and is not consumed */
    struct buf plain;   /* what it has read */
    enum tls_result handshake;
    enum tls_result read;
    struct err err;
};

struct fixture {
    struct certs certs;
    struct tls *server_tls;
    struct tls *client_tls;
    struct side server;
    struct side client;
};

static void begin(struct fixture *f)
{
    struct err err;
    assert_ok(tls__session_init(&f->server.session, f->server_tls, NULL, &f->server.out, &err),
              &err);
    assert_ok(tls__session_init(&f->client.session, f->client_tls, "choreod://c/node/n1",
                                &f->client.out, &err),
              &err);
    f->server.handshake = f->client.handshake = TLS_WANT_INPUT;
    f->server.read = f->client.read = TLS_WANT_INPUT;
}

static void end_side(struct side *s)
{
    tls__session_free(&s->session);
    buf_clear(&s->out);
    buf_clear(&s->arrived);
    buf_clear(&s->plain);
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    certs_make(&f->certs);
    f->server_tls = certs_server(&f->certs, TLS_PEER_REQUIRED, "choreod://c/node/n1", NULL);
    f->client_tls = certs_client(&f->certs, "n2", NULL, "choreod://c/node/n2", NULL);
    begin(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct side *sides[] = {&f->server, &f->client};
    for (size_t i = 0; i < 2; i++) {
        end_side(sides[i]);
        buf_free(&sides[i]->out);
        buf_free(&sides[i]->arrived);
        buf_free(&sides[i]->plain);
    }
    tls_unref(f->server_tls);
    tls_unref(f->client_tls);
    certs_free(&f->certs);
    free(f);
    return 0;
}

/* Lets a side work on what has arrived. */
static void work(struct side *s)
{
    s->session.in = buf_slice(&s->arrived);
    if (s->handshake == TLS_WANT_INPUT) {
        s->handshake = tls__handshake(&s->session, &s->err);
    }
    while (s->handshake == TLS_DONE) {
        char data[1000];
        size_t len = 0;
        s->read = tls__read(&s->session, data, sizeof data, &len, &s->err);
        if (s->read != TLS_DONE) {
            break;
        }
        assert_in_range(len, 1, sizeof data);
        buf_add(&s->plain, slice_make(data, len));
    }
    buf_shift(&s->arrived, s->arrived.len - s->session.in.len);
}

/* Moves up to piece bytes to the other side; false if there was nothing. */
static bool carry(struct side *from, struct side *to, size_t piece)
{
    struct slice bytes = slice_sub(buf_slice(&from->out), 0, piece);
    if (bytes.len == 0) {
        return false;
    }
    buf_add(&to->arrived, bytes);
    buf_shift(&from->out, bytes.len);
    work(to);
    return true;
}

static void talk(struct fixture *f, size_t piece)
{
    work(&f->client);
    for (bool moved = true; moved;) {
        moved = carry(&f->client, &f->server, piece);
        moved = carry(&f->server, &f->client, piece) || moved;
    }
}

static void pieces_of_any_size_make_the_same_conversation(void **state)
{
    struct fixture *f = *state;
    static const size_t pieces[] = {1, 7, 100, 1000000};
    struct buf large = {0};
    for (int i = 0; i < 60000; i++) {
        buf_add_char(&large, (char)i);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        talk(f, pieces[i]);
        assert_int_equal(f->client.handshake, TLS_DONE);
        assert_int_equal(f->server.handshake, TLS_DONE);
        assert_slice(f->server.session.peer.uris[0], "choreod://c/node/n2");
        struct err err;
        assert_int_equal(tls__write(&f->client.session, buf_slice(&large), &err), TLS_DONE);
        assert_int_equal(tls__write(&f->server.session, SLICE("short"), &err), TLS_DONE);
        talk(f, pieces[i]);
        assert_true(slice_eq(buf_slice(&f->server.plain), buf_slice(&large)));
        assert_slice(buf_slice(&f->client.plain), "short");
        tls__say_goodbye(&f->client.session);
        tls__say_goodbye(&f->client.session);
        talk(f, pieces[i]);
        assert_int_equal(f->server.read, TLS_END);
        assert_int_equal(f->client.read, TLS_WANT_INPUT);
        end_side(&f->client);
        end_side(&f->server);
        begin(f);
    }
    buf_free(&large);
}

/* Once flipped, a bit of a record is found out, and the session stays failed. */
static void damaged_records_are_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t at = 0; at < 60; at++) {
        struct err err;
        talk(f, 1000000);
        assert_int_equal(tls__write(&f->client.session, SLICE("twenty bytes of text"), &err),
                         TLS_DONE);
        if (at < f->client.out.len && at != 1 && at != 2 && at != 3 &&
            at != 4) { /* not its length */
            f->client.out.data[at] ^= 0x20;
            talk(f, 1000000);
            assert_int_equal(f->server.read, TLS_FAILED);
            assert_int_equal(f->server.err.code, ERR_UNAUTHENTICATED);
            assert_int_equal(f->server.plain.len, 0);
            work(&f->server);
            assert_int_equal(f->server.read, TLS_FAILED);
        }
        end_side(&f->client);
        end_side(&f->server);
        begin(f);
    }
}

/* Whatever is flipped in the first flight: no crash, and never a server that takes the client for
 * somebody whom it did not prove to be. */
static void damaged_handshakes_do_no_harm(void **state)
{
    struct fixture *f = *state;
    size_t length = 1;
    for (size_t at = 0; at < length; at += 3) {
        work(&f->client);
        length = f->client.out.len;
        f->client.out.data[at] ^= 0x55;
        talk(f, 1000000);
        assert_int_not_equal(f->server.handshake, TLS_DONE);
        assert_int_equal(f->server.session.peer.uri_count, 0);
        end_side(&f->client);
        end_side(&f->server);
        begin(f);
    }
    assert_true(length > 100);
}

static void clients_must_name_the_server(void **state)
{
    struct fixture *f = *state;
    struct tls_session s;
    struct buf out = {0};
    struct err err;
    assert_err(tls__session_init(&s, f->client_tls, NULL, &out, &err), &err, ERR_INVALID, "which");
    tls__session_free(&s);
    assert_err(tls__session_init(&s, f->client_tls, "", &out, &err), &err, ERR_INVALID, "which");
    tls__session_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_any_size_make_the_same_conversation, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damaged_records_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_handshakes_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_must_name_the_server, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
