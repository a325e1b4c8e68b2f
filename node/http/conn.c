/* conn.c: what both protocols share: the wire, the clocks and the counts of a connection.
 *
 * Happy path: input is parsed, which routes streams; handlers answer and mark the connection
 * dirty; once per turn of the loop it is pumped, and streams that wait for room are told.
 * Failure path: a protocol error flushes what the protocol had to say and closes. A connection is
 * closed, too, when the kernel takes nothing for stall_ms, a head does not end within head_ms, the
 * client does not answer a PING, or sends too much of nothing (flood.h); a single stream that does
 * not move is reset; an idle connection is told to go away and closed.
 * Invariants: nothing is written after finish; a pump never runs inside an input. */
#include "node/http/conn.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

uint64_t http_conn_now(const struct http_conn *conn)
{
    return loop_now_ms(conn->server->loop);
}

void http_conn_init(struct http_conn *conn, struct http_server *server, struct http_wire *wire,
                    bool http2, const struct tls_peer *peer, const char *remote)
{
    *conn = (struct http_conn){
        .server = server,
        .wire = wire,
        .proto = http2 ? &http_h2 : &http_h1,
        .peer = peer,
        .remote = remote,
    };
    list_init(&conn->streams);
    list_init(&conn->ready);
    list_init(&conn->dirty_link);
    conn->active_ms = http_conn_now(conn);
    conn->taken_ms = conn->active_ms;
    conn->heard_ms = conn->active_ms;
    conn->draining = server->draining;
}

void http_conn_free(struct http_conn *conn, const struct err *why)
{
    conn->finished = true;
    LIST_FOREACH(link, &conn->streams)
    {
        http_stream_detach(CONTAINER_OF(link, struct http_stream, link), why);
    }
    list_remove(&conn->dirty_link);
    if (conn->impl != NULL) {
        conn->proto->free(conn);
    }
}

static void finish(struct http_conn *conn)
{
    if (!conn->finished) {
        conn->finished = true;
        conn->wire->ops->finish(conn->wire);
    }
}

static void fail(struct http_conn *conn, const struct err *err)
{
    log_debug("http.connection", "remote=%s error=%s", conn->remote, log_q(err->message));
    struct err ignored = {0};
    if (!conn->finished && conn->impl != NULL) {
        /* The protocol's last words: GOAWAY, or 400 Bad Request. */
        (void)conn->proto->pump(conn, &ignored);
    }
    finish(conn);
}

void http_conn_input(struct http_conn *conn, struct slice bytes)
{
    if (conn->finished) {
        return;
    }
    struct err err = {0};
    conn->heard_ms = http_conn_now(conn);
    conn->pinged_ms = 0;
    if (conn->proto->input(conn, bytes, &err) != 0) {
        fail(conn, &err);
        return;
    }
    http_conn_dirty(conn);
}

static void tell_ready(struct http_conn *conn)
{
    struct list ready;
    list_init(&ready);
    list_splice_back(&ready, &conn->ready);
    struct list *link;
    while ((link = list_pop_front(&ready)) != NULL) {
        struct http_stream *s = CONTAINER_OF(link, struct http_stream, ready_link);
        if (!s->released && s->handler->on_writable != NULL && s->send.state == HTTP_SEND_BODY) {
            s->handler->on_writable(s);
        }
    }
}

void http_conn_pump(struct http_conn *conn)
{
    list_remove(&conn->dirty_link);
    if (conn->finished) {
        return;
    }
    struct err err = {0};
    if (conn->proto->pump(conn, &err) != 0) {
        fail(conn, &err);
        return;
    }
    tell_ready(conn);
    if (conn->draining && conn->stream_count == 0) {
        finish(conn);
    }
}

void http_conn_dirty(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->finished || list_linked(&conn->dirty_link)) {
        return;
    }
    list_push_back(&server->dirty, &conn->dirty_link);
    http_server_wake(server);
}

void http_conn_drain(struct http_conn *conn)
{
    if (!conn->draining) {
        conn->draining = true;
        if (conn->impl != NULL) {
            conn->proto->drain(conn);
        }
    }
    http_conn_dirty(conn);
}

void http_conn_tell_drain(struct http_conn *conn)
{
    LIST_FOREACH(link, &conn->streams)
    {
        struct http_stream *s = CONTAINER_OF(link, struct http_stream, link);
        if (s->handler != NULL && s->handler->on_drain != NULL && !s->released &&
            http_stream_alive(s)) {
            s->handler->on_drain(s);
        }
    }
}

void http_conn_write(struct http_conn *conn, struct slice bytes)
{
    if (!conn->finished) {
        conn->written += bytes.len;
        conn->wire->ops->write(conn->wire, bytes);
    }
}

bool http_conn_full(const struct http_conn *conn)
{
    return conn->wire->ops->pending(conn->wire) >= conn->server->limits.out_bytes;
}

struct slice http_conn_date(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    time_t now = time(NULL);
    if ((uint64_t)now != server->date_s) {
        struct tm tm;
        server->date_s = (uint64_t)now;
        (void)gmtime_r(&now, &tm);
        (void)strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return slice_make(server->date, strlen(server->date));
}

/* A stream whose client neither sends its body nor takes its response. */
static void tick_stream(struct http_stream *s, uint64_t now, const struct http_limits *limits)
{
    bool coming = s->recv.state == HTTP_RECV_BODY;
    if (coming && !s->told && !s->streaming && now - s->begun_ms >= limits->body_ms) {
        http_stream_whole(s, ERR_TIMEOUT);
        return;
    }
    bool reader_slow = http_stream_pending(s) != 0 && s->send.state != HTTP_SEND_NONE;
    bool sender_slow = coming && s->send.state == HTTP_SEND_ENDED;
    bool stalled = now - s->progress_ms >= limits->stall_ms;
    if (stalled && (reader_slow || sender_slow) && s->send.state != HTTP_SEND_GONE) {
        struct http_conn *conn = s->conn;
        struct err why = {.code = ERR_TIMEOUT, .message = "the client does not read"};
        s->slow = true;
        if (!s->released && http_stream_alive(s)) {
            sm_move(&s->send, HTTP_SEND_GONE);
            conn->proto->reset(conn, s);
            s->handler->on_reset(s, &why);
        } else {
            sm_move(&s->send, HTTP_SEND_GONE);
            conn->proto->reset(conn, s);
        }
    }
}

/* A client that waits says nothing, and neither does one whose machine is gone. */
static void keep_alive(struct http_conn *conn, uint64_t now)
{
    bool silent = now - conn->heard_ms >= conn->server->limits.keepalive_ms;
    if (silent && conn->pinged_ms == 0 && conn->stream_count > 0 && conn->proto->ping != NULL &&
        !conn->finished) {
        conn->pinged_ms = now;
        conn->proto->ping(conn);
    }
}

void http_conn_tick(struct http_conn *conn)
{
    const struct http_limits *limits = &conn->server->limits;
    uint64_t now = http_conn_now(conn);
    size_t pending = conn->wire->ops->pending(conn->wire);
    uint64_t taken = conn->written - (pending < conn->written ? pending : conn->written);
    if (pending > 0 && taken != conn->taken) { /* the kernel was full, and has room: it lives */
        conn->heard_ms = now;
        conn->pinged_ms = 0;
    }
    if (pending == 0 || taken != conn->taken) {
        conn->taken = taken;
        conn->taken_ms = now;
    }
    bool stuck = now - conn->taken_ms >= limits->stall_ms;
    bool head_late = conn->head_ms != 0 && now - conn->head_ms >= limits->head_ms;
    bool dead = conn->pinged_ms != 0 && now - conn->pinged_ms >= limits->dead_ms;
    if (stuck || head_late || dead) {
        log_debug("http.timeout", "remote=%s what=%s", conn->remote,
                  stuck  ? "reading"
                  : dead ? "ping"
                         : "request-head");
        conn->finished = true;
        conn->wire->ops->close(conn->wire);
        return;
    }
    if (conn->stream_count == 0 && now - conn->active_ms >= limits->idle_ms) {
        http_conn_drain(conn);
        return;
    }
    LIST_FOREACH(link, &conn->streams)
    {
        tick_stream(CONTAINER_OF(link, struct http_stream, link), now, limits);
    }
    keep_alive(conn, now);
}
