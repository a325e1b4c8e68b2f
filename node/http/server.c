/* server.c: listens, gives each TLS connection its protocol, and keeps the clocks.
 *
 * Happy path: accept -> handshake -> ALPN chooses h2 or http/1.1 -> bytes to conn.c; connections
 * with something to send are pumped together once per turn of the loop, before it polls.
 * Failure path: where there are too many connections an idle one makes room, or the new one is
 * closed at once; a failed handshake ends in on_close like everything else, is counted, and logged
 * at most once a second.
 * Closing: the listener closes, connections drain; at the deadline they are closed; `closed` comes
 * when the last connection and both handles are gone.
 * Invariants: a client lives from accept to on_close; its conn exists exactly between on_open and
 * on_close. */
#include "node/http/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/http/conn.h"

const char *const http_alpn[] = {"h2", "http/1.1", NULL};

/* To whoever forgets the s of https. */
#define PLAIN_BODY                                                                                 \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","           \
    "\"message\":\"this port speaks HTTPS\",\"reason\":\"BadRequest\",\"code\":400}\n"
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                   "content-type: application/json\r\n"
                                   "connection: close\r\n"
                                   "\r\n" PLAIN_BODY;

enum {
    TICK_MS = 1000,
    DRAIN_TICK_MS = 50,
    IDLE_LEAST_MS = 1000, /* a client that is between two requests is not idle */
    LOW_WATER_BYTES = 128 * 1024
};

struct client {
    struct http_wire wire;
    struct stream stream;
    struct http_conn conn;
    struct http_server *server;
    struct list link;
    bool open;
    bool reading;
};

/* ---- the wire: a TLS stream ---- */

static struct client *client_of_wire(const struct http_wire *wire)
{
    return CONTAINER_OF((struct http_wire *)(uintptr_t)wire, struct client, wire);
}

static void wire_write(struct http_wire *wire, struct slice bytes)
{
    stream_write(&client_of_wire(wire)->stream, bytes);
}

static size_t wire_pending(const struct http_wire *wire)
{
    return stream_pending_bytes(&client_of_wire(wire)->stream);
}

static void wire_read(struct http_wire *wire, bool on)
{
    struct client *c = client_of_wire(wire);
    if (c->reading == on) {
        return;
    }
    c->reading = on;
    if (on) {
        stream_read_start(&c->stream);
    } else {
        stream_read_stop(&c->stream);
    }
}

static void wire_finish(struct http_wire *wire)
{
    stream_finish(&client_of_wire(wire)->stream);
}

static void wire_close(struct http_wire *wire)
{
    stream_close(&client_of_wire(wire)->stream);
}

static const struct http_wire_ops wire_ops = {
    .write = wire_write,
    .pending = wire_pending,
    .read = wire_read,
    .finish = wire_finish,
    .close = wire_close,
};

/* ---- connections ---- */

static void maybe_closed(struct http_server *server)
{
    if (server->draining && server->conn_count == 0 && server->handles_open == 0) {
        tls_unref(server->tls);
        server->tls = NULL;
        server->closed(server);
    }
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct http_server *server = CONTAINER_OF(timer, struct http_server, tick);
    server->handles_open--;
    maybe_closed(server);
}

/* The last connection is gone: the clocks may stop. */
static void close_handles(struct http_server *server)
{
    if (server->draining && server->conn_count == 0 && server->ticking) {
        server->ticking = false;
        loop_task_cancel(&server->flush);
        loop_timer_close(&server->tick, on_timer_closed);
    }
}

static void on_open(struct stream *stream)
{
    struct client *c = stream->user;
    const struct tls_peer *peer = stream_peer(stream);
    if (peer != NULL && peer->common_name.len == 0) {
        peer = NULL;
    }
    bool http2 = slice_eq_cstr(stream_alpn(stream), "h2");
    http_conn_init(&c->conn, c->server, &c->wire, http2, peer, stream_remote(stream));
    c->open = true;
    if (c->server->draining) {
        stream_close(stream);
    }
}

static void on_data(struct stream *stream, struct slice in)
{
    struct client *c = stream->user;
    http_conn_input(&c->conn, in);
}

static void on_drain(struct stream *stream)
{
    struct client *c = stream->user;
    if (c->open) {
        http_conn_dirty(&c->conn);
    }
}

static void handshake_failed(struct http_server *server, const struct err *why)
{
    static struct log_limit limit; /* of all servers together */
    uint64_t times = log_limit(&limit, loop_now_ms(server->loop));
    metric_add(server->measure.handshakes_failed, 1);
    if (times > 0) {
        log_info("http.handshake", "failed=%llu error=%s", (unsigned long long)times,
                 log_q(why->message));
    }
}

static void on_close(struct stream *stream, const struct err *why)
{
    struct client *c = stream->user;
    struct http_server *server = c->server;
    struct err gone = {.code = ERR_CANCELED, .message = "the client closed the connection"};
    if (c->open) {
        http_conn_free(&c->conn, why != NULL ? why : &gone);
    } else if (why != NULL) {
        handshake_failed(server, why);
    }
    list_remove(&c->link);
    server->conn_count--;
    metric_add(server->measure.connections, -1);
    free(c);
    close_handles(server);
}

static const struct stream_ops stream_ops = {
    .on_open = on_open,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_close = on_close,
};

/* ---- how many there may be ---- */

/* "192.0.2.1:4711" and "192.0.2.1:4712" are. */
static bool same_address(const char *a, const char *b)
{
    const char *colon = strrchr(a, ':');
    size_t len = colon != NULL ? (size_t)(colon - a) + 1 : 0;
    return strncmp(a, b, len) == 0 && strchr(b + len, ':') == NULL;
}

static size_t count_address(const struct http_server *server, const char *remote)
{
    size_t count = 0;
    LIST_FOREACH(link, &server->conns)
    {
        const struct client *c = CONTAINER_OF(link, struct client, link);
        count += same_address(remote, stream_remote(&c->stream)) ? 1 : 0;
    }
    return count;
}

/* The connection that has been without a request for longest. */
static struct client *find_idle(const struct http_server *server)
{
    uint64_t before_ms = loop_now_ms(server->loop) - IDLE_LEAST_MS;
    struct client *idle = NULL;
    LIST_FOREACH(link, &server->conns)
    {
        struct client *c = CONTAINER_OF(link, struct client, link);
        if (c->open && !c->conn.finished && !c->conn.draining && c->conn.stream_count == 0 &&
            c->conn.active_ms <= before_ms) {
            before_ms = c->conn.active_ms;
            idle = c;
        }
    }
    return idle;
}

/* NULL if the newest connection may stay. One address may have half of them: what one client opens
 * must not shut others out. When all are taken, one that nobody uses is told to go. */
static const char *find_room(struct http_server *server, const struct client *newest)
{
    size_t most = server->limits.connections;
    if (server->conn_count <= most / 2) {
        return NULL;
    }
    if (count_address(server, stream_remote(&newest->stream)) > most / 2) {
        return "address";
    }
    if (server->conn_count <= most) {
        return NULL;
    }
    struct client *idle = find_idle(server);
    if (idle != NULL) {
        http_conn_drain(&idle->conn);
    }
    return idle != NULL && server->conn_count <= most + most / 8 ? NULL : "connections";
}

static void refuse(struct http_server *server, struct client *c, const char *why)
{
    static struct log_limit limit; /* of all servers together */
    uint64_t times = log_limit(&limit, loop_now_ms(server->loop));
    metric_add(server->measure.refused, 1);
    if (times > 0) {
        log_warn("http.refused", "remote=%s reason=%s limit=%u times=%llu",
                 stream_remote(&c->stream), why, server->limits.connections,
                 (unsigned long long)times);
    }
    stream_close(&c->stream);
}

static void on_accept(struct stream_listener *listener)
{
    struct http_server *server = listener->user;
    struct client *c = mem_zero(sizeof(*c));
    c->wire.ops = &wire_ops;
    c->server = server;
    c->reading = true;
    c->stream.user = c;
    list_push_back(&server->conns, &c->link);
    server->conn_count++;
    metric_add(server->measure.connections, 1);
    const struct stream_config config = {
        .tls = server->tls,
        .ops = &stream_ops,
        .low_water_bytes = LOW_WATER_BYTES,
        .handshake_timeout_ms = server->limits.handshake_ms,
        .plain_answer = slice_of(plain_answer),
    };
    stream_accept(listener, &c->stream, &config);
    const char *why = find_room(server, c);
    if (why != NULL) {
        refuse(server, c, why);
    }
}

/* ---- the clocks ---- */

static void on_tick(struct loop_timer *timer)
{
    struct http_server *server = CONTAINER_OF(timer, struct http_server, tick);
    bool late = server->draining && loop_now_ms(server->loop) >= server->drain_deadline_ms;
    LIST_FOREACH(link, &server->conns)
    {
        struct client *c = CONTAINER_OF(link, struct client, link);
        if (late) {
            stream_close(&c->stream);
        } else if (c->open && !c->conn.finished) {
            http_conn_tick(&c->conn);
        }
    }
}

/* ---- start and end ---- */

int http_server_start(struct http_server *server, struct loop *loop,
                      const struct http_server_config *config, struct err *err)
{
    server->listener = (struct stream_listener){.user = server, .on_accept = on_accept};
    int rc = stream_listen(&server->listener, loop, config->address, config->port, err);
    if (rc != 0) {
        return err_wrap(err, "listen for the API");
    }
    http_server_init(server, loop, config);
    server->tls = tls_ref(config->tls);
    server->listener_open = true;
    loop_timer_init(loop, &server->tick, on_tick);
    server->handles_open = 2; /* the listener and the clock */
    server->ticking = true;
    loop_timer_start(&server->tick, TICK_MS, TICK_MS);
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    return stream_listener_port(&server->listener);
}

void http_server_set_tls(struct http_server *server, struct tls *tls)
{
    struct tls *before = server->tls;
    server->tls = tls_ref(tls);
    tls_unref(before);
}

static void on_listener_closed(struct stream_listener *listener)
{
    struct http_server *server = CONTAINER_OF(listener, struct http_server, listener);
    server->handles_open--;
    maybe_closed(server);
}

void http_server_close(struct http_server *server, uint32_t grace_ms,
                       void (*closed)(struct http_server *server))
{
    uint64_t deadline = loop_now_ms(server->loop) + grace_ms;
    if (!server->draining || deadline < server->drain_deadline_ms) {
        server->drain_deadline_ms = deadline;
    }
    server->closed = closed;
    if (server->draining) {
        return;
    }
    server->draining = true;
    if (server->listener_open) {
        server->listener_open = false;
        stream_listener_close(&server->listener, on_listener_closed);
    }
    LIST_FOREACH(link, &server->conns)
    {
        struct client *c = CONTAINER_OF(link, struct client, link);
        if (c->open) {
            http_conn_drain(&c->conn);
            http_conn_tell_drain(&c->conn);
        }
    }
    if (server->conn_count == 0) {
        close_handles(server);
    } else {
        loop_timer_start(&server->tick, DRAIN_TICK_MS, DRAIN_TICK_MS);
    }
}
