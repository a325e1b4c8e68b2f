/* h1.c: HTTP/1.1 (and 1.0), parsed by http_parser: one request at a time.
 *
 * Happy path: the parser's callbacks build one stream; when its message is complete the parser is
 * paused, what came behind it (pipelining) waits in `rest` with reading off, and once the response
 * has gone to the wire the next request is parsed. Responses of unknown length are chunked; to 1.0
 * clients they end with the connection.
 * Failure path: malformed bytes get 400 (431 for too large a head) if no response has begun, and
 * the connection closes; a response that begins before its request is whole closes it, too, once
 * the rest of the body has been read and dropped (up to a limit): closing earlier would reset the
 * connection and take the answer with it.
 * Invariants: at most one stream; `rest` is non-empty only while the parser is paused. */
#include <assert.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/http/conn.h"

enum {
    PIECE_BYTES = 64 * 1024,
    TARGET_MAX_BYTES = 16 * 1024,
    DROPPED_MAX_BYTES = 8 * 1024 * 1024, /* of a body that was refused */
};

struct h1 {
    http_parser parser;
    struct http_conn *conn;
    struct http_stream *stream; /* NULL between requests */
    struct buf rest;
    struct buf target;
    struct buf field;
    struct buf value;
    bool valued; /* value has come, though it may be empty */
    bool paused; /* a whole request is being answered */
    bool routed;
    bool reset;
    bool last;     /* the connection ends with this response */
    bool answered; /* a refusal of ours was written */
    bool end_written;
    struct err err; /* of a callback */
};

static struct h1 *h1_of(http_parser *parser)
{
    return parser->data;
}

/* ---- parsing ---- */

static int on_message_begin(http_parser *parser)
{
    struct h1 *h = h1_of(parser);
    buf_clear(&h->target);
    buf_clear(&h->field);
    buf_clear(&h->value);
    h->routed = false;
    h->end_written = false;
    h->stream = http_stream_new(h->conn);
    h->conn->head_ms = http_conn_now(h->conn);
    return 0;
}

static int add_part(struct h1 *h, struct buf *to, const char *at, size_t len)
{
    if (to->len + len > h->conn->server->limits.header_bytes || h->target.len > TARGET_MAX_BYTES) {
        return err_set(&h->err, ERR_TOO_LARGE, "request head too large");
    }
    buf_add(to, slice_make(at, len));
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
    return add_part(h1_of(parser), &h1_of(parser)->target, at, len);
}

static int end_header(struct h1 *h)
{
    if (h->field.len == 0) {
        return 0;
    }
    int rc = http_stream_add_header(h->stream, buf_slice(&h->field), buf_slice(&h->value), &h->err);
    buf_clear(&h->field);
    buf_clear(&h->value);
    h->valued = false;
    return rc;
}

static int on_field(http_parser *parser, const char *at, size_t len)
{
    struct h1 *h = h1_of(parser);
    if (h->routed) {
        return 0; /* a chunked body's trailers: of no use to anyone here */
    }
    if (h->valued && end_header(h) != 0) {
        return -1;
    }
    return add_part(h, &h->field, at, len);
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct h1 *h = h1_of(parser);
    h->valued = !h->routed;
    return h->routed ? 0 : add_part(h, &h->value, at, len);
}

static int on_headers_complete(http_parser *parser)
{
    struct h1 *h = h1_of(parser);
    struct http_stream *s = h->stream;
    if (end_header(h) != 0) {
        return -1;
    }
    h->conn->head_ms = 0;
    s->method = slice_of(http_method_str((enum http_method)parser->method));
    s->authority = http_stream_header(s, "host");
    s->keep_alive = http_should_keep_alive(parser) != 0 && !h->conn->draining;
    s->chunked = parser->http_major == 1 && parser->http_minor >= 1;
    if (s->chunked && s->authority.len == 0) {
        (void)err_set(&h->err, ERR_INVALID, "HTTP/1.1 request without Host");
        return -1; /* 1 and 2 would mean something else to the parser */
    }
    if (parser->upgrade) {
        /* We speak no other protocol on this connection: ignore the wish, as RFC 9110 allows. */
        parser->upgrade = 0;
    }
    h->routed = true;
    struct slice target = arena_copy(&s->arena, buf_slice(&h->target));
    if (!http_stream_route(s, target)) {
        h->routed = false;
        (void)err_set(&h->err, ERR_INVALID, "malformed request target");
        return -1;
    }
    if (slice_eq_cstr(http_stream_header(s, "expect"), "100-continue") && http_stream_alive(s) &&
        s->send.state == HTTP_SEND_NONE) {
        http_conn_write(h->conn, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct h1 *h = h1_of(parser);
    struct http_stream *s = h->stream;
    if (s->paused) {
        s->unconsumed += len;
        h->conn->wire->ops->read(h->conn->wire, false);
    }
    http_stream_take_body(s, slice_make(at, len));
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct h1 *h = h1_of(parser);
    h->paused = true;
    http_parser_pause(parser, 1);
    http_stream_whole(h->stream, 0);
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static struct h1 *h1_get(struct http_conn *conn)
{
    if (conn->impl == NULL) {
        struct h1 *h = mem_zero(sizeof(*h));
        h->conn = conn;
        http_parser_init(&h->parser, HTTP_REQUEST);
        h->parser.data = h;
        conn->impl = h;
    }
    return conn->impl;
}

/* The stream that could not be routed, or whose parsing failed, has no handler to answer. */
static void refuse(struct h1 *h, struct err *err)
{
    struct http_stream *s = h->stream;
    if (s == NULL || (s->send.state == HTTP_SEND_NONE && !h->answered)) {
        h->answered = true;
        int status = err->code == ERR_TOO_LARGE ? 431 : 400;
        struct buf text = {0};
        buf_addf(&text,
                 "HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %zu\r\n"
                 "connection: close\r\n\r\n%s",
                 status, http_status_str((enum http_status)status), strlen(err->message),
                 err->message);
        http_conn_write(h->conn, buf_slice(&text));
        buf_free(&text);
    }
    if (s != NULL) {
        h->stream = NULL;
        if (!h->routed) {
            s->handler = NULL;
        }
        http_stream_detach(s, err);
    }
}

static int parse(struct h1 *h, struct slice bytes, struct err *err)
{
    if (h->paused) {
        if (h->rest.len + bytes.len > h->conn->server->limits.header_bytes + PIECE_BYTES) {
            return err_set(err, ERR_TOO_LARGE, "too many pipelined requests");
        }
        buf_add(&h->rest, bytes);
        h->conn->wire->ops->read(h->conn->wire, false);
        return 0;
    }
    h->err = (struct err){0};
    size_t parsed = http_parser_execute(&h->parser, &settings, bytes.data, bytes.len);
    enum http_errno code = HTTP_PARSER_ERRNO(&h->parser);
    if (code == HPE_PAUSED) {
        struct slice behind = slice_sub(bytes, parsed, bytes.len);
        buf_add(&h->rest, behind);
        if (behind.len != 0) {
            h->conn->wire->ops->read(h->conn->wire, false);
        }
        return 0;
    }
    if (code != HPE_OK) {
        *err = h->err;
        if (err->code == 0) {
            (void)err_set(err, code == HPE_HEADER_OVERFLOW ? ERR_TOO_LARGE : ERR_INVALID,
                          "malformed HTTP/1 request: %s", http_errno_description(code));
        }
        refuse(h, err);
        return err->code;
    }
    return 0;
}

static int h1_input(struct http_conn *conn, struct slice bytes, struct err *err)
{
    return parse(h1_get(conn), bytes, err);
}

/* ---- answering ---- */

static void h1_head(struct http_conn *conn, struct http_stream *s, int status,
                    const struct http_header *headers, size_t count, bool whole)
{
    struct h1 *h = conn->impl;
    bool no_body = status == 204 || status == 304;
    s->chunked = s->chunked && !whole && !s->head_only && !no_body;
    h->last = !s->keep_alive || conn->draining || s->recv.state != HTTP_RECV_WHOLE ||
              (!whole && !s->chunked && !s->head_only && !no_body);
    struct slice date = http_conn_date(conn);
    struct buf text = {0};
    buf_addf(&text, "HTTP/1.1 %d %s\r\ndate: %.*s\r\n", status,
             http_status_str((enum http_status)status), SLICE_ARG(date));
    for (size_t i = 0; i < count; i++) {
        buf_add(&text, headers[i].name);
        buf_add(&text, SLICE(": "));
        buf_add(&text, headers[i].value);
        buf_add(&text, SLICE("\r\n"));
    }
    if (whole && !no_body) {
        buf_addf(&text, "content-length: %zu\r\n", s->out.len);
    } else if (s->chunked) {
        buf_add(&text, SLICE("transfer-encoding: chunked\r\n"));
    }
    if (h->last) {
        buf_add(&text, SLICE("connection: close\r\n"));
    }
    buf_add(&text, SLICE("\r\n"));
    http_conn_write(conn, buf_slice(&text));
    buf_free(&text);
}

static void h1_wake(struct http_conn *conn, struct http_stream *s)
{
    (void)s;
    http_conn_dirty(conn);
}

static void h1_reset(struct http_conn *conn, struct http_stream *s)
{
    (void)s;
    struct h1 *h = conn->impl;
    h->reset = true;
    http_conn_dirty(conn);
}

static void send_body(struct h1 *h, struct http_stream *s)
{
    struct http_conn *conn = h->conn;
    struct slice ready = http_stream_ready(s);
    while (ready.len != 0 && !http_conn_full(conn)) {
        struct slice piece = slice_sub(ready, 0, PIECE_BYTES);
        if (s->chunked) {
            char size[24];
            int len = snprintf(size, sizeof(size), "%zx\r\n", piece.len);
            http_conn_write(conn, slice_make(size, (size_t)len));
        }
        http_conn_write(conn, piece);
        if (s->chunked) {
            http_conn_write(conn, SLICE("\r\n"));
        }
        http_stream_sent(s, piece.len);
        ready = http_stream_ready(s);
    }
}

static void send_end(struct h1 *h, struct http_stream *s)
{
    if (!s->chunked || h->end_written) {
        return;
    }
    h->end_written = true;
    http_conn_write(h->conn, SLICE("0\r\n"));
    for (size_t i = 0; i < s->trailer_count; i++) {
        http_conn_write(h->conn, s->trailers[i].name);
        http_conn_write(h->conn, SLICE(": "));
        http_conn_write(h->conn, s->trailers[i].value);
        http_conn_write(h->conn, SLICE("\r\n"));
    }
    http_conn_write(h->conn, SLICE("\r\n"));
}

/* The response is on the wire: on to what was pipelined behind it. False: the connection ends. */
static bool next_request(struct h1 *h, struct err *err)
{
    struct http_stream *s = h->stream;
    h->stream = NULL;
    http_stream_detach(s, NULL);
    if (h->last) {
        return false;
    }
    h->paused = false;
    http_parser_pause(&h->parser, 0);
    struct buf rest = h->rest;
    h->rest = (struct buf){0};
    int rc = rest.len != 0 ? parse(h, buf_slice(&rest), err) : 0;
    buf_free(&rest);
    if (rc == 0 && h->rest.len == 0) {
        h->conn->wire->ops->read(h->conn->wire, true);
    }
    return rc == 0;
}

static int h1_pump(struct http_conn *conn, struct err *err)
{
    struct h1 *h = conn->impl;
    while (h != NULL && h->stream != NULL) {
        struct http_stream *s = h->stream;
        if (h->reset) {
            return err_set(err, ERR_CANCELED, "the response was given up");
        }
        send_body(h, s);
        if (s->send.state != HTTP_SEND_ENDED || http_stream_pending(s) != 0) {
            return 0;
        }
        send_end(h, s);
        if (s->recv.state == HTTP_RECV_BODY && s->dropped < DROPPED_MAX_BYTES) {
            return 0;
        }
        if (!next_request(h, err)) {
            return err->code != 0 ? err->code
                                  : err_set(err, ERR_CLOSED, "the last response was sent");
        }
    }
    return 0;
}

static void h1_consumed(struct http_conn *conn, struct http_stream *s, size_t bytes)
{
    (void)s;
    (void)bytes;
    conn->wire->ops->read(conn->wire, true);
}

static void h1_drain(struct http_conn *conn)
{
    struct h1 *h = conn->impl;
    if (h->stream != NULL) {
        h->stream->keep_alive = false;
        h->last = true;
    }
}

static void h1_free(struct http_conn *conn)
{
    struct h1 *h = conn->impl;
    buf_free(&h->rest);
    buf_free(&h->target);
    buf_free(&h->field);
    buf_free(&h->value);
    free(h);
    conn->impl = NULL;
}

const struct http_proto http_h1 = {
    .input = h1_input,
    .pump = h1_pump,
    .head = h1_head,
    .wake = h1_wake,
    .reset = h1_reset,
    .consumed = h1_consumed,
    .drain = h1_drain,
    .free = h1_free,
};
