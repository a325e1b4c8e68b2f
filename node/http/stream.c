/* stream.c: one request and its response, whatever carries them.
 *
 * Happy path: a protocol makes the stream, adds headers, routes it, feeds the body and says when
 * it is whole; the handler answers into `out`, from which the protocol sends as the client takes
 * it; at the response's end the protocol detaches the stream, and the handler releases it.
 *
 *   receiving:  BODY --> WHOLE
 *   sending:    NONE --> BODY --> ENDED         (ENDED also straight from NONE)
 *                 \--------\---------\---> GONE  reset by either side, or sent whole
 *
 * Failure path: a body over its limit is dropped and reported by on_request(ERR_TOO_LARGE); a
 * client that goes away moves the stream to GONE and is reported by on_reset, once, unless the
 * response had ended.
 * Invariants: the memory goes when both the handler has released and the connection has detached;
 * nothing is sent from a GONE stream; the handler is called only between routing and release. */
#include "node/http/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/http/conn.h"
#include "node/http/uri.h"

static const struct sm_state recv_states[HTTP_RECV_STATES] = {
    [HTTP_RECV_BODY] = {"body", SM_TO(HTTP_RECV_WHOLE)},
    [HTTP_RECV_WHOLE] = {"whole", 0},
};

static const struct sm_state send_states[HTTP_SEND_STATES] = {
    [HTTP_SEND_NONE] = {"none", SM_TO(HTTP_SEND_BODY) | SM_TO(HTTP_SEND_GONE)},
    [HTTP_SEND_BODY] = {"body", SM_TO(HTTP_SEND_ENDED) | SM_TO(HTTP_SEND_GONE)},
    [HTTP_SEND_ENDED] = {"ended", SM_TO(HTTP_SEND_GONE)},
    [HTTP_SEND_GONE] = {"gone", 0},
};

enum { HEADERS_FIRST = 16, OUT_SHIFT_BYTES = 128 * 1024, PROGRESS_BYTES = 4096 };

struct http_stream *http_stream_new(struct http_conn *conn)
{
    struct http_stream *s = mem_zero(sizeof(*s));
    s->loop = conn->server->loop;
    s->conn = conn;
    s->body_max = HTTP_BODY_MAX_BYTES;
    s->peer = conn->peer;
    s->keep_alive = true;
    s->begun_ms = http_conn_now(conn);
    s->progress_ms = s->begun_ms;
    s->started_ns = clock_mono_ns();
    sm_init(&s->recv, recv_states, HTTP_RECV_BODY);
    sm_init(&s->send, send_states, HTTP_SEND_NONE);
    list_init(&s->ready_link);
    list_push_back(&conn->streams, &s->link);
    conn->stream_count++;
    conn->active_ms = s->progress_ms;
    return s;
}

static void stream_free(struct http_stream *s)
{
    assert(s->conn == NULL && !list_linked(&s->ready_link));
    arena_free(&s->arena);
    buf_free(&s->in);
    buf_free(&s->out);
    free(s);
}

static struct slice copy_lower(struct arena *arena, struct slice name)
{
    char *text = arena_alloc(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        text[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    text[name.len] = '\0';
    return slice_make(text, name.len);
}

int http_stream_add_header(struct http_stream *s, struct slice name, struct slice value,
                           struct err *err)
{
    const struct http_limits *limits = &s->conn->server->limits;
    s->head_bytes += name.len + value.len + 32; /* as RFC 9113, 6.5.2 counts */
    if (s->head_bytes > limits->header_bytes || s->header_count >= limits->header_count) {
        return err_set(err, ERR_TOO_LARGE, "request header over %u bytes or %u fields",
                       limits->header_bytes, limits->header_count);
    }
    if (s->header_count == s->head_cap) {
        size_t cap = s->head_cap == 0 ? HEADERS_FIRST : s->head_cap * 2;
        struct http_header *items = arena_alloc(&s->arena, cap * sizeof(*items));
        if (s->header_count != 0) {
            memcpy(items, s->head_items, s->header_count * sizeof(*items));
        }
        s->head_items = items;
        s->head_cap = cap;
    }
    s->head_items[s->header_count++] =
        (struct http_header){copy_lower(&s->arena, name), arena_copy(&s->arena, value)};
    s->headers = s->head_items;
    return 0;
}

bool http_stream_route(struct http_stream *s, struct slice target)
{
    if (!uri_split_target(target, &s->path, &s->query)) {
        return false;
    }
    s->remote = arena_cstr(&s->arena, slice_of(s->conn->remote));
    s->head_only = slice_eq_cstr(s->method, "HEAD");
    s->conn->server->route(s->conn->server, s);
    assert(s->handler != NULL && s->handler->on_request != NULL && s->handler->on_reset != NULL);
    return true;
}

/* A byte now and then is no progress: else a stream could be held for a day with a kilobyte. */
static void progress(struct http_stream *s, size_t bytes, bool enough)
{
    s->moved_bytes += bytes;
    if (enough || s->moved_bytes >= PROGRESS_BYTES) {
        s->moved_bytes = 0;
        s->progress_ms = http_conn_now(s->conn);
    }
}

void http_stream_take_body(struct http_stream *s, struct slice data)
{
    progress(s, data.len, false);
    flood_moved(&s->conn->flood, data.len);
    if (s->released || s->told || s->over) {
        s->dropped += data.len;
        return;
    }
    if (s->streaming) {
        s->handler->on_data(s, data);
        return;
    }
    int rc = data.len > s->body_max - s->in.len ? ERR_TOO_LARGE
             : s->handler->on_keep != NULL      ? s->handler->on_keep(s, data.len)
                                                : 0;
    if (rc != 0) {
        s->over = true;
        buf_free(&s->in);
        http_stream_whole(s, rc);
        return;
    }
    buf_add(&s->in, data);
}

void http_stream_whole(struct http_stream *s, int rc)
{
    if (rc == 0 && s->recv.state == HTTP_RECV_BODY) {
        sm_move(&s->recv, HTTP_RECV_WHOLE);
    }
    if (s->told || s->released) {
        return;
    }
    s->told = true;
    s->body = buf_slice(&s->in);
    s->handler->on_request(s, rc);
}

/* ---- the response ---- */

bool http_stream_alive(const struct http_stream *s)
{
    return s->send.state == HTTP_SEND_NONE || s->send.state == HTTP_SEND_BODY;
}

void http_stream_respond(struct http_stream *s, int status, const struct http_header *headers,
                         size_t count, struct slice body)
{
    if (s->send.state != HTTP_SEND_NONE) {
        return;
    }
    buf_add(&s->out, body);
    sm_move(&s->send, HTTP_SEND_BODY);
    sm_move(&s->send, HTTP_SEND_ENDED);
    http_measure_answer(&s->conn->server->measure, s->method, status, s->started_ns);
    s->conn->proto->head(s->conn, s, status, headers, count, true);
    if (s->head_only) {
        buf_clear(&s->out);
    }
    s->progress_ms = http_conn_now(s->conn);
    s->conn->proto->wake(s->conn, s);
}

void http_stream_start(struct http_stream *s, int status, const struct http_header *headers,
                       size_t count)
{
    if (s->send.state != HTTP_SEND_NONE) {
        return;
    }
    sm_move(&s->send, HTTP_SEND_BODY);
    http_measure_answer(&s->conn->server->measure, s->method, status, s->started_ns);
    s->conn->proto->head(s->conn, s, status, headers, count, false);
    http_conn_dirty(s->conn);
}

struct buf *http_stream_out(struct http_stream *s)
{
    return &s->out;
}

size_t http_stream_pending(const struct http_stream *s)
{
    return s->out.len - s->out_sent;
}

/* How much may be queued before the writer is to wait. */
static size_t share_of(const struct http_stream *s)
{
    size_t streams = s->conn != NULL ? s->conn->stream_count : 1;
    size_t share = HTTP_OUT_CONN_BYTES / (streams > 0 ? streams : 1);
    return share > HTTP_OUT_HIGH_BYTES  ? HTTP_OUT_HIGH_BYTES
           : share < HTTP_OUT_LOW_BYTES ? HTTP_OUT_LOW_BYTES
                                        : share;
}

bool http_stream_full(const struct http_stream *s)
{
    return http_stream_pending(s) > share_of(s);
}

bool http_stream_push(struct http_stream *s)
{
    if (s->send.state != HTTP_SEND_BODY) {
        buf_clear(&s->out);
        s->out_sent = 0;
        return true;
    }
    if (s->head_only) {
        buf_clear(&s->out);
    }
    if (http_stream_pending(s) == 0) {
        return true;
    }
    if (!s->waiting) {
        s->waiting = true;
        s->progress_ms = http_conn_now(s->conn);
    }
    s->conn->proto->wake(s->conn, s);
    s->wants_writable = http_stream_full(s);
    return !s->wants_writable;
}

bool http_stream_write(struct http_stream *s, struct slice bytes)
{
    if (s->send.state != HTTP_SEND_BODY) {
        return true;
    }
    buf_add(&s->out, bytes);
    return http_stream_push(s);
}

void http_stream_end(struct http_stream *s, const struct http_header *trailers, size_t count)
{
    if (s->send.state != HTTP_SEND_BODY) {
        return;
    }
    if (count != 0) {
        s->trailers = arena_alloc(&s->arena, count * sizeof(*trailers));
        for (size_t i = 0; i < count; i++) {
            s->trailers[i].name = arena_copy(&s->arena, trailers[i].name);
            s->trailers[i].value = arena_copy(&s->arena, trailers[i].value);
        }
        s->trailer_count = count;
    }
    sm_move(&s->send, HTTP_SEND_ENDED);
    s->conn->proto->wake(s->conn, s);
}

void http_stream_reset(struct http_stream *s)
{
    if (http_stream_alive(s)) {
        sm_move(&s->send, HTTP_SEND_GONE);
        s->conn->proto->reset(s->conn, s);
    }
}

void http_stream_release(struct http_stream *s)
{
    assert(!s->released);
    http_stream_reset(s);
    s->released = true;
    if (s->conn == NULL) {
        stream_free(s);
    } else if (s->paused) {
        http_stream_resume(s);
    }
}

struct slice http_stream_ready(const struct http_stream *s)
{
    if (s->send.state == HTTP_SEND_GONE || s->send.state == HTTP_SEND_NONE) {
        return (struct slice){0};
    }
    return slice_sub(buf_slice(&s->out), s->out_sent, s->out.len);
}

void http_stream_sent(struct http_stream *s, size_t bytes)
{
    s->out_sent += bytes;
    assert(s->out_sent <= s->out.len);
    progress(s, bytes, s->out_sent == s->out.len);
    flood_moved(&s->conn->flood, bytes);
    if (s->out_sent == s->out.len) {
        buf_clear(&s->out);
        s->out_sent = 0;
        s->waiting = false;
    } else if (s->out_sent > OUT_SHIFT_BYTES) {
        buf_shift(&s->out, s->out_sent);
        s->out_sent = 0;
    }
    if (s->wants_writable && http_stream_pending(s) <= share_of(s) / 2) {
        s->wants_writable = false;
        list_remove(&s->ready_link);
        list_push_back(&s->conn->ready, &s->ready_link);
    }
}

void http_stream_detach(struct http_stream *s, const struct err *why)
{
    struct http_conn *conn = s->conn;
    bool tell = http_stream_alive(s) && s->handler != NULL && !s->released;
    list_remove(&s->link);
    list_remove(&s->ready_link);
    conn->stream_count--;
    conn->active_ms = http_conn_now(conn);
    s->conn = NULL;
    s->peer = NULL;
    if (s->send.state != HTTP_SEND_GONE) {
        sm_move(&s->send, HTTP_SEND_GONE);
    }
    if (s->handler == NULL || s->released) {
        stream_free(s);
        return;
    }
    buf_free(&s->out);
    if (tell) {
        struct err gone = {.code = ERR_CANCELED, .message = "the client closed the stream"};
        s->handler->on_reset(s, why != NULL ? why : &gone);
    }
}

/* ---- the request ---- */

void http_stream_pause(struct http_stream *s)
{
    s->paused = true;
}

void http_stream_resume(struct http_stream *s)
{
    s->paused = false;
    if (s->conn != NULL && s->unconsumed != 0) {
        size_t bytes = s->unconsumed;
        s->unconsumed = 0;
        s->conn->proto->consumed(s->conn, s, bytes);
    }
}

struct slice http_stream_header(const struct http_stream *s, const char *name)
{
    for (size_t i = 0; i < s->header_count; i++) {
        if (slice_eq_cstr(s->headers[i].name, name)) {
            return s->headers[i].value;
        }
    }
    return (struct slice){0};
}

bool http_stream_param(struct http_stream *s, const char *name, struct slice *value)
{
    struct slice rest = s->query;
    struct slice found;
    while (uri_next_param(&rest, &s->arena, &found, value)) {
        if (slice_eq_cstr(found, name)) {
            return true;
        }
    }
    *value = (struct slice){0};
    return false;
}
