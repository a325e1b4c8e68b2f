/* h2.c: HTTP/2 by nghttp2, a library without I/O.
 *
 * Happy path: mem_recv() turns bytes into callbacks, which build streams; mem_send() is pulled once
 * per turn of the loop while the wire has room (h2_send.c).
 * So many requests of a connection begin in one turn of the loop: what came behind them waits in
 * `left` for the next, unread, so that who opens and resets streams by the thousand does it between
 * the requests of others.
 * Failure path: a malformed frame makes the library queue a GOAWAY, which is flushed before the
 * connection closes. What does no work is counted (flood.h). Too large a head resets its stream.
 * Invariants: stream_user_data is the http_stream until it is detached; mem_send() never runs
 * inside mem_recv(). */
#include <stdlib.h>
#include <string.h>

#include "node/http/h2_internal.h"

enum {
    WINDOW_STREAM_BYTES = 256 * 1024,
    WINDOW_CONN_BYTES = 1024 * 1024,
    DROPPED_MAX_BYTES = 8 * 1024 * 1024, /* of a body that was refused */
    TURN_REQUESTS = 32,                  /* a millisecond's work */
};

static struct http_stream *stream_at(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static bool had_its_turn(const struct h2 *h)
{
    return h->begun > TURN_REQUESTS;
}

/* ---- requests ---- */

/* what is NULL if all is well. */
static int flood(struct h2 *h, const char *what)
{
    if (what == NULL || h->calmed) { /* what is still queued goes before the GOAWAY */
        return 0;
    }
    if (h->flood == NULL) {
        h->flood = what;
        flood_tell(&h->conn->server->measure, what, h->conn->remote, http_conn_now(h->conn));
    }
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Another stream ended, or will, for nothing. */
static int count_reset(struct h2 *h)
{
    struct http_conn *conn = h->conn;
    return flood(h, flood_reset(&conn->flood, &conn->server->limits, http_conn_now(conn)));
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    struct h2 *h = user;
    struct http_conn *conn = h->conn;
    const struct http_limits *limits = &conn->server->limits;
    uint64_t now = http_conn_now(conn);
    bool ends = (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    bool ack = (hd->flags & NGHTTP2_FLAG_ACK) != 0;
    if (hd->type == NGHTTP2_HEADERS) {
        bool over =
            conn->stream_count >= limits->streams && stream_at(session, hd->stream_id) == NULL;
        return over ? count_reset(h) : 0;
    }
    if (hd->type == NGHTTP2_DATA && (ends || hd->length >= FLOOD_SMALL_BYTES)) {
        return 0;
    }
    int rc = flood(h, flood_frame(&conn->flood, limits, now));
    if (rc == 0 && hd->type == NGHTTP2_PING && !ack) {
        rc = flood(h, flood_ping(&conn->flood, limits, now));
    }
    return rc;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct http_stream *s = http_stream_new(h->conn);
    s->http2 = true;
    s->id = frame->hd.stream_id;
    h->heading = s;
    h->target = (struct slice){0};
    h->begun++;
    h->conn->head_ms = http_conn_now(h->conn);
    return nghttp2_session_set_stream_user_data(session, s->id, s);
}

/* The head is too large: its stream is reset, and the rest of it ignored. */
static int too_large(struct h2 *h)
{
    struct http_conn *conn = h->conn;
    const char *what = flood_head(&conn->flood, &conn->server->limits, http_conn_now(conn));
    int rc = flood(h, what);
    return rc != 0 ? rc : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int add_pseudo(struct h2 *h, struct http_stream *s, struct slice name, struct slice value)
{
    s->head_bytes += name.len + value.len + 32;
    if (s->head_bytes > h->conn->server->limits.header_bytes) {
        return too_large(h);
    }
    if (slice_eq_cstr(name, ":method")) {
        s->method = arena_copy(&s->arena, value);
    } else if (slice_eq_cstr(name, ":path")) {
        h->target = arena_copy(&s->arena, value);
    } else if (slice_eq_cstr(name, ":authority")) {
        s->authority = arena_copy(&s->arena, value);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void)session;
    (void)flags;
    struct h2 *h = user;
    struct http_stream *s = h->heading;
    if (s == NULL || s->id != frame->hd.stream_id) {
        return 0; /* trailers of a request */
    }
    struct slice n = slice_make(name, name_len);
    struct slice v = slice_make(value, value_len);
    struct err ignored = {0};
    bool pseudo = name_len != 0 && name[0] == ':';
    int rc = pseudo                                           ? add_pseudo(h, s, n, v)
             : http_stream_add_header(s, n, v, &ignored) == 0 ? 0
                                                              : too_large(h);
    if (rc == 0 && had_its_turn(h)) {
        h->conn->head_ms = 0;     /* we keep it waiting, not the client us */
        return NGHTTP2_ERR_PAUSE; /* which of all callbacks this one alone may say */
    }
    return rc;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    struct http_conn *conn = h->conn;
    bool request = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (request && h->heading != NULL && h->heading->id == frame->hd.stream_id) {
        struct http_stream *s = h->heading;
        h->heading = NULL;
        conn->head_ms = 0;
        flood_request(&conn->flood);
        if (!http_stream_route(s, h->target)) {
            return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id,
                                             NGHTTP2_PROTOCOL_ERROR);
        }
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        struct http_stream *s = stream_at(session, frame->hd.stream_id);
        if (s != NULL && s->handler != NULL) {
            http_stream_whole(s, 0);
        }
    }
    return frame->hd.type == NGHTTP2_RST_STREAM ? count_reset(h) : 0;
}

/* We reset a stream: a mistake of the client's, or its slowness. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct h2 *h = user;
    bool reset = frame->hd.type == NGHTTP2_RST_STREAM;
    return reset && frame->rst_stream.error_code != NGHTTP2_NO_ERROR ? count_reset(h) : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user)
{
    (void)flags;
    (void)user;
    struct http_stream *s = stream_at(session, id);
    if (s == NULL || s->handler == NULL) {
        return nghttp2_session_consume(session, id, len);
    }
    if (s->paused) {
        s->unconsumed += len;
        (void)nghttp2_session_consume_connection(session, len);
    } else {
        (void)nghttp2_session_consume(session, id, len);
    }
    http_stream_take_body(s, slice_make(data, len));
    if (s->dropped > DROPPED_MAX_BYTES) {
        /* Answered long ago: told to stop sending what nobody reads. */
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2 *h = user;
    struct http_stream *s = stream_at(session, id);
    if (h->heading != NULL && h->heading->id == id) {
        h->heading = NULL;
        h->conn->head_ms = 0;
    }
    if (s != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, id, NULL);
        struct err why = {.code = ERR_CANCELED};
        (void)err_set(&why, ERR_CANCELED, "the client reset the stream: %s",
                      nghttp2_http2_strerror(code));
        http_stream_detach(s, &why);
    }
    return 0;
}

/* ---- turns ---- */

/* Says why the connection ends, as the client's library may understand it. */
static int calm(struct h2 *h, struct err *err)
{
    if (!h->calmed) {
        h->calmed = true;
        (void)nghttp2_submit_goaway(
            h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
            NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)h->flood, strlen(h->flood));
    }
    return err_set(err, ERR_BUSY, "%s", h->flood);
}

/* Hands bytes to the library, until enough requests have begun; *taken says how many it took. */
static int take(struct h2 *h, struct slice bytes, size_t *taken, struct err *err)
{
    ssize_t len = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.data, bytes.len);
    *taken = len > 0 ? (size_t)len : 0;
    if (len < 0 && h->flood != NULL) {
        return calm(h, err);
    }
    return len >= 0 ? 0 : err_set(err, ERR_INVALID, "HTTP/2: %s", nghttp2_strerror((int)len));
}

/* A new turn: first what the last one left. The library may hold a head that lacks no more bytes.
 */
static int take_left(struct h2 *h, struct err *err)
{
    bool held = had_its_turn(h);
    size_t taken = 0;
    h->begun = 0;
    if (!held) {
        return 0;
    }
    h->conn->head_ms = h->heading != NULL ? http_conn_now(h->conn) : 0;
    struct slice left = slice_sub(buf_slice(&h->left), h->left_taken, h->left.len);
    int rc = take(h, left.len > 0 ? left : SLICE(""), &taken, err);
    h->left_taken += taken;
    if (!had_its_turn(h)) {
        buf_free(&h->left);
        h->left_taken = 0;
    }
    http_conn_dirty(h->conn);
    return rc;
}

static int h2_pump(struct http_conn *conn, struct err *err)
{
    struct h2 *h = conn->impl;
    if (h == NULL) {
        return 0;
    }
    while (!http_conn_full(conn)) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(h->session, &data);
        if (len < 0 && h->flood != NULL) {
            return calm(h, err);
        }
        if (len < 0) {
            return err_set(err, ERR_INTERNAL, "HTTP/2: %s", nghttp2_strerror((int)len));
        }
        if (len == 0) {
            break;
        }
        http_conn_write(conn, slice_make(data, (size_t)len));
    }
    if (nghttp2_session_want_read(h->session) == 0 && nghttp2_session_want_write(h->session) == 0) {
        return err_set(err, ERR_CLOSED, "the session has ended");
    }
    /* Who does not read what we say is not listened to: its frames would only queue up answers. */
    if (http_conn_full(conn)) {
        conn->wire->ops->read(conn->wire, false);
        return 0;
    }
    int rc = take_left(h, err);
    conn->wire->ops->read(conn->wire, !had_its_turn(h));
    return rc;
}

/* ---- the session ---- */

static void set_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(cb, h2__send_data);
}

static int h2_open(struct http_conn *conn, struct err *err)
{
    struct h2 *h = mem_zero(sizeof(*h));
    h->conn = conn;
    conn->impl = h;
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&cb);
    if (rc == 0) {
        set_callbacks(cb);
        rc = nghttp2_option_new(&option);
    }
    if (rc == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_send_header_block_length(option, 64 * 1024);
        rc = nghttp2_session_server_new2(&h->session, cb, h, option);
    }
    if (rc == 0) {
        const nghttp2_settings_entry entries[] = {
            {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conn->server->limits.streams},
            {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_STREAM_BYTES},
            {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, conn->server->limits.header_bytes},
        };
        rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, entries, 3);
    }
    if (rc == 0) {
        rc = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                                   WINDOW_CONN_BYTES);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    return rc == 0 ? 0 : err_set(err, ERR_INTERNAL, "HTTP/2: %s", nghttp2_strerror(rc));
}

static int h2_input(struct http_conn *conn, struct slice bytes, struct err *err)
{
    if (conn->impl == NULL && h2_open(conn, err) != 0) {
        return err->code;
    }
    struct h2 *h = conn->impl;
    size_t taken = 0;
    int rc = had_its_turn(h) ? 0 : take(h, bytes, &taken, err);
    if (rc == 0 && had_its_turn(h)) {
        buf_add(&h->left, slice_sub(bytes, taken, bytes.len));
        conn->wire->ops->read(conn->wire, false);
    }
    return rc;
}

static void h2_drain(struct http_conn *conn)
{
    struct h2 *h = conn->impl;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

static void h2_ping(struct http_conn *conn)
{
    struct h2 *h = conn->impl;
    (void)nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
    http_conn_dirty(conn);
}

static void h2_free(struct http_conn *conn)
{
    struct h2 *h = conn->impl;
    nghttp2_session_del(h->session);
    buf_free(&h->left);
    free(h);
    conn->impl = NULL;
}

const struct http_proto http_h2 = {
    .input = h2_input,
    .pump = h2_pump,
    .head = h2__head,
    .wake = h2__wake,
    .reset = h2__reset,
    .consumed = h2__consumed,
    .drain = h2_drain,
    .ping = h2_ping,
    .free = h2_free,
};
