/* conn.h: one connection: a protocol (h1, h2) between a wire and its streams.
 *
 * Knows no socket: bytes come in by http_conn_input() and go out through struct http_wire, so that
 * both protocols are tested on byte buffers. Private to node/http and its tests.
 * Owner: the server (or a test) embeds it. Thread: the loop's. */
#ifndef NODE_HTTP_CONN_H
#define NODE_HTTP_CONN_H

#include "node/http/flood.h"
#include "node/http/server.h"

struct http_wire;

struct http_wire_ops {
    void (*write)(struct http_wire *wire, struct slice bytes); /* queues a copy */
    size_t (*pending)(const struct http_wire *wire);
    void (*read)(struct http_wire *wire, bool on); /* back-pressure */
    void (*finish)(struct http_wire *wire);        /* flush, then close */
    void (*close)(struct http_wire *wire);         /* now */
};

struct http_wire {
    const struct http_wire_ops *ops;
};

struct http_proto {
    /* 0, or an error: what was queued is still flushed, then the connection closes. */
    int (*input)(struct http_conn *conn, struct slice bytes, struct err *err);
    /* Moves what the streams have ready to the wire, up to its limit. */
    int (*pump)(struct http_conn *conn, struct err *err);
    void (*head)(struct http_conn *conn, struct http_stream *s, int status,
                 const struct http_header *headers, size_t count, bool whole);
    void (*wake)(struct http_conn *conn, struct http_stream *s); /* more bytes, or the end */
    void (*reset)(struct http_conn *conn, struct http_stream *s);
    void (*consumed)(struct http_conn *conn, struct http_stream *s, size_t bytes);
    void (*drain)(struct http_conn *conn); /* no new requests, please */
    void (*ping)(struct http_conn *conn);  /* NULL: TCP finds dead clients by itself */
    void (*free)(struct http_conn *conn);
};

struct http_conn {
    struct http_server *server;
    struct http_wire *wire;
    const struct http_proto *proto;
    void *impl; /* the protocol's */
    const struct tls_peer *peer;
    const char *remote;
    struct list streams;
    struct list ready; /* streams to be told that they may write */
    struct list dirty_link;
    size_t stream_count;
    uint64_t written; /* bytes ever given to the wire */
    uint64_t taken;   /* of these, by the kernel, when last looked */
    uint64_t taken_ms;
    uint64_t active_ms; /* the last request began or ended */
    uint64_t head_ms;   /* a head has been coming since; 0: none */
    uint64_t heard_ms;  /* something came */
    uint64_t pinged_ms; /* we asked whether the client is there; 0: not since it was heard */
    struct flood flood;
    bool draining;
    bool finished; /* finish or close was asked of the wire */
};

extern const struct http_proto http_h1;
extern const struct http_proto http_h2;

void http_conn_init(struct http_conn *conn, struct http_server *server, struct http_wire *wire,
                    bool http2, const struct tls_peer *peer, const char *remote);
/* The wire is gone: resets every stream. The memory is the caller's again. */
void http_conn_free(struct http_conn *conn, const struct err *why);
void http_conn_input(struct http_conn *conn, struct slice bytes);
void http_conn_pump(struct http_conn *conn);
/* Something to send: http_conn_pump() will be called soon. */
void http_conn_dirty(struct http_conn *conn);
void http_conn_drain(struct http_conn *conn);
/* The handlers, that their responses should end. */
void http_conn_tell_drain(struct http_conn *conn);
/* Looks at the clocks; called once a second. */
void http_conn_tick(struct http_conn *conn);

/* ---- for the protocols ---- */

uint64_t http_conn_now(const struct http_conn *conn);
void http_conn_write(struct http_conn *conn, struct slice bytes);
bool http_conn_full(const struct http_conn *conn); /* the wire holds out_bytes */
struct slice http_conn_date(struct http_conn *conn);
/* A server without a listener, for tests of connections. */
void http_server_init(struct http_server *server, struct loop *loop,
                      const struct http_server_config *config);
void http_limits_default(struct http_limits *limits);
/* Pumps what is dirty, before the loop next polls. */
void http_server_wake(struct http_server *server);

struct http_stream *http_stream_new(struct http_conn *conn);
/* Adds a header of the request, copied; name in any case. Errors: ERR_TOO_LARGE. */
int http_stream_add_header(struct http_stream *s, struct slice name, struct slice value,
                           struct err *err);
/* The head is whole: routes it. target is path and query. False: no usable path. */
bool http_stream_route(struct http_stream *s, struct slice target);
/* False if the body is over its limit: what else comes is dropped. */
void http_stream_take_body(struct http_stream *s, struct slice data);
void http_stream_whole(struct http_stream *s, int rc); /* tells the handler, once */
/* What may be sent now, and that it was. */
struct slice http_stream_ready(const struct http_stream *s);
void http_stream_sent(struct http_stream *s, size_t bytes);
/* The transport is done with it: why NULL is a response that was sent whole. */
void http_stream_detach(struct http_stream *s, const struct err *why);

#endif
