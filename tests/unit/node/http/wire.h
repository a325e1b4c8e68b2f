/* wire.h: a connection whose wire is a buffer, and a handler that tells what it saw.
 * Owner: the test. Thread: the test's. */
#ifndef TESTS_UNIT_NODE_HTTP_WIRE_H
#define TESTS_UNIT_NODE_HTTP_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/http/conn.h"

struct wire {
    struct http_wire wire;
    struct buf sent;
    size_t pending; /* what the kernel is pretended not to have taken */
    bool reading;
    bool finished;
    bool closed;
};

struct fixture {
    struct loop loop;
    struct http_server server;
    struct http_conn conn;
    struct wire wire;
    struct buf seen;            /* what the handler was told, one line each */
    struct http_stream *stream; /* the latest */
    bool manual;                /* the test answers */
    bool streaming;
    size_t body_max;
    int routed;
    int resets;
    int writables;
};

static struct fixture *fixture_of(struct http_stream *s)
{
    return s->user;
}

static void wire_write(struct http_wire *wire, struct slice bytes)
{
    buf_add(&CONTAINER_OF(wire, struct wire, wire)->sent, bytes);
}

static size_t wire_pending(const struct http_wire *wire)
{
    return ((const struct wire *)(const void *)wire)->pending;
}

static void wire_read(struct http_wire *wire, bool on)
{
    CONTAINER_OF(wire, struct wire, wire)->reading = on;
}

static void wire_finish(struct http_wire *wire)
{
    CONTAINER_OF(wire, struct wire, wire)->finished = true;
}

static void wire_close(struct http_wire *wire)
{
    CONTAINER_OF(wire, struct wire, wire)->closed = true;
}

static const struct http_wire_ops wire_ops = {wire_write, wire_pending, wire_read, wire_finish,
                                              wire_close};

static void seen_request(struct http_stream *s, int rc)
{
    struct fixture *f = fixture_of(s);
    buf_addf(&f->seen, "%.*s %.*s?%.*s body=%.*s rc=%s\n", SLICE_ARG(s->method), SLICE_ARG(s->path),
             SLICE_ARG(s->query), SLICE_ARG(s->body), err_name(rc));
    if (!f->manual) {
        const struct http_header type = {SLICE("content-type"), SLICE("text/plain")};
        http_stream_respond(s, rc == 0 ? 200 : err_http_status(rc), &type, 1, SLICE("hello"));
        http_stream_release(s);
        f->stream = NULL;
    }
}

static void seen_data(struct http_stream *s, struct slice data)
{
    buf_addf(&fixture_of(s)->seen, "data %.*s\n", SLICE_ARG(data));
}

static void seen_writable(struct http_stream *s)
{
    fixture_of(s)->writables++;
}

static void seen_reset(struct http_stream *s, const struct err *why)
{
    struct fixture *f = fixture_of(s);
    assert_int_not_equal(why->code, 0);
    f->resets++;
    if (!f->manual) {
        http_stream_release(s);
    }
}

static const struct http_handler seen_handler = {seen_request, seen_data, seen_writable,
                                                 seen_reset};

static void seen_route(struct http_server *server, struct http_stream *s)
{
    struct fixture *f = server->user;
    f->routed++;
    s->handler = &seen_handler;
    s->user = f;
    s->streaming = f->streaming;
    if (f->body_max != 0) {
        s->body_max = f->body_max;
    }
    f->stream = s;
}

static void fixture_open(struct fixture *f, bool http2, const struct http_limits *limits)
{
    struct err err;
    assert_int_equal(loop_init(&f->loop, "test", &err), 0);
    struct http_server_config config = {.route = seen_route};
    if (limits != NULL) {
        config.limits = *limits;
    }
    f->server.user = f;
    http_server_init(&f->server, &f->loop, &config);
    f->server.by_hand = true;
    f->wire.wire.ops = &wire_ops;
    f->wire.reading = true;
    http_conn_init(&f->conn, &f->server, &f->wire.wire, http2, NULL, "127.0.0.1:1");
}

static void fixture_close(struct fixture *f)
{
    struct err why = {.code = ERR_CANCELED, .message = "the test is over"};
    http_conn_free(&f->conn, &why);
    assert_int_equal(f->conn.stream_count, 0);
    loop_stop(&f->loop);
    loop_run(&f->loop);
    loop_join(&f->loop);
    buf_free(&f->wire.sent);
    buf_free(&f->seen);
}

static inline void feed(struct fixture *f, struct slice bytes)
{
    http_conn_input(&f->conn, bytes);
    http_conn_pump(&f->conn);
}

#endif
