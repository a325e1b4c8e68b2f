/* sides.c: two nodes' transports, made, introduced and ended. */
#include "tests/unit/raft/sides.h"

char pattern(size_t at)
{
    return (char)(at * 31 >> 3);
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

static void on_ousted(void *user, const char *peer, const struct err *why)
{
    struct side *s = user;
    (void)peer;
    s->ousted = why->code;
    onloop_done(&s->f->on);
}

void side_open(void *arg)
{
    struct side *s = arg;
    struct transport_config config = {.loop = &s->f->on.loop,
                                      .cluster = "test",
                                      .node = s->name,
                                      .listen = s->listen,
                                      .server_tls = s->server,
                                      .client_tls = s->client,
                                      .ops = &s->f->ops,
                                      .user = s,
                                      .ping_ms = 1500, /* a machine may stop for seconds */
                                      .ousted_ms = 600,
                                      .features = s->features};
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

void side_close(void *arg)
{
    struct side *s = arg;
    transport_close(s->t, on_side_closed, s);
}

void sides_introduce(void *arg)
{
    struct fixture *f = arg;
    if (transport_set_peer(f->a.t, "node-b", f->b.listen, NULL) != 0 ||
        transport_set_peer(f->b.t, "node-a", f->a.listen, NULL) != 0) {
        abort();
    }
}

void side_make(struct fixture *f, struct side *s, const char *name, const char *uri)
{
    *s = (struct side){.f = f, .name = name, .listen = "127.0.0.1:0", .features = 1};
    s->server = certs_server(&f->certs, TLS_PEER_REQUIRED, uri, NULL);
    s->client = certs_client(&f->certs, name, NULL, uri, NULL);
    onloop_call(&f->on, side_open, s);
}

void sides_make(struct fixture *f, const struct transport_ops *ops)
{
    f->ops = *ops;
    f->ops.connected = on_connected;
    f->ops.disconnected = on_disconnected;
    f->ops.ousted = on_ousted;
    certs_make(&f->certs);
    onloop_start(&f->on);
    side_make(f, &f->a, "node-a", "choreod://test/node/node-a");
    side_make(f, &f->b, "node-b", "choreod://test/node/node-b");
}

void sides_connect(struct fixture *f)
{
    onloop_call(&f->on, sides_introduce, f);
    onloop_wait(&f->on, "the first connection");
    onloop_wait(&f->on, "the second connection");
    assert_int_equal(f->a.connected, 1);
    assert_int_equal(f->b.connected, 1);
}

void side_end(struct fixture *f, struct side *s)
{
    if (s->t != NULL) {
        onloop_post(&f->on, side_close, s);
        while (s->t != NULL) {
            onloop_wait(&f->on, "closing");
        }
    }
    tls_unref(s->server);
    tls_unref(s->client);
    s->server = s->client = NULL;
}

void sides_end(struct fixture *f)
{
    side_end(f, &f->a);
    side_end(f, &f->b);
    onloop_stop(&f->on);
    certs_free(&f->certs);
}
