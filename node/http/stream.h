/* stream.h: one HTTP request and its response, over HTTP/2 and HTTP/1.1 alike.
 *
 *   route(stream) -> on_request (or on_data ..., on_request) -> respond, or start, write ..., end
 *                                                            -> release
 *
 * The server makes a stream when a request's head has come and gives it to route(), which sets
 * `handler` and `user`. From then on the handler owns it until it calls http_stream_release():
 * exactly once, at any time later, after which it does not touch it again. What has been written is
 * still sent; a response that was not ended is reset. When the client goes away, on_reset says so
 * once; calls on such a stream do nothing. So a handler that waits for something asynchronous
 * keeps the stream and its arena until that came, whatever became of the connection.
 *
 * Thread: the loop's. Callbacks never come inside a call of this header. */
#ifndef NODE_HTTP_STREAM_H
#define NODE_HTTP_STREAM_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/sm.h"
#include "base/tls.h"

struct http_conn;
struct http_stream;

/* Names are lower case. */
struct http_header {
    struct slice name;
    struct slice value;
};

/* What a reader that takes nothing makes us hold: its share of HTTP_OUT_CONN_BYTES, which the
 * connection's streams have together, within LOW and HIGH, and what the writer added at once behind
 * that (an event, a page of a list): http_stream_write() said false then. A watch goes on from
 * where it is when the client has read; nothing is kept for it meanwhile. */
enum {
    HTTP_BODY_MAX_BYTES = 1536 * 1024,
    HTTP_OUT_CONN_BYTES = 4 * 1024 * 1024,
    HTTP_OUT_HIGH_BYTES = 256 * 1024,
    HTTP_OUT_LOW_BYTES = 16 * 1024,
};

struct http_handler {
    /* The request is whole: its body stands in stream->body, or was given to on_data. rc is 0,
     * ERR_TOO_LARGE (the body exceeds body_max; what is left of it is discarded), on_keep's, or
     * ERR_TIMEOUT (the body did not come in time). */
    void (*on_request)(struct http_stream *stream, int rc);
    /* Streaming requests only: a piece of the body, borrowed for the call. */
    void (*on_data)(struct http_stream *stream, struct slice data);
    /* The queue of a response fell to half of its share after http_stream_write() had said false.
     * May be NULL. */
    void (*on_writable)(struct http_stream *stream);
    /* The client reset the stream or its connection is gone (why says which). Not called once the
     * response has been ended. The handler still has to release. */
    void (*on_reset)(struct http_stream *stream, const struct err *why);
    /* The server is closing: a response without an end of its own (a watch) should end now, for
     * at the end of the grace it is cut. May be NULL. */
    void (*on_drain)(struct http_stream *stream);
    /* So many bytes more of a collected body are about to be kept: 0, or ERR_BUSY, which on_request
     * then gets at once. May be NULL. */
    int (*on_keep)(struct http_stream *stream, size_t bytes);
};

enum http_recv { HTTP_RECV_BODY, HTTP_RECV_WHOLE, HTTP_RECV_STATES };
enum http_send {
    HTTP_SEND_NONE,
    HTTP_SEND_BODY,
    HTTP_SEND_ENDED,
    HTTP_SEND_GONE,
    HTTP_SEND_STATES
};

struct http_stream {
    struct loop *loop;
    struct arena arena; /* the request's and the handler's; freed after release */

    /* Set by route(). */
    const struct http_handler *handler;
    void *user;
    bool streaming;  /* give the body to on_data instead of collecting it */
    size_t body_max; /* of a collected body; HTTP_BODY_MAX_BYTES unless route() sets another */

    /* The request. */
    bool http2;
    struct slice method;    /* "GET" */
    struct slice path;      /* as sent, percent-encoded, without the query */
    struct slice query;     /* behind the '?', or empty */
    struct slice authority; /* Host */
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    const struct tls_peer *peer; /* verified client certificate; NULL: none. Until on_reset */
    const char *remote;          /* "127.0.0.1:4711", the arena's */

    /* private */
    struct http_conn *conn; /* NULL once the transport is done with it */
    struct list link;       /* in the connection's streams */
    struct list ready_link; /* in the connection's list of streams with news */
    struct sm recv;
    struct sm send;
    struct buf in;
    struct buf out;
    size_t out_sent;     /* bytes of out that the transport has taken */
    uint64_t started_ns; /* for the metrics */
    uint64_t begun_ms;
    uint64_t progress_ms; /* when the client last took enough, or there was nothing to take */
    size_t moved_bytes;   /* since */
    struct http_header *trailers;
    size_t trailer_count;
    int32_t id;   /* HTTP/2's */
    bool waiting; /* for the client to take what is queued: the slow reader's clock runs */
    bool wants_writable;
    bool paused;
    bool slow;       /* reset because the client does not read */
    bool head_only;  /* HEAD: the body is not sent */
    bool chunked;    /* HTTP/1.1 framing of the response */
    bool keep_alive; /* HTTP/1.1 */
    bool deferred;   /* HTTP/2: the data provider waits for bytes */
    bool released;
    bool told;                      /* on_request has run */
    bool over;                      /* the body exceeded body_max */
    size_t head_bytes;              /* of the request's header so far */
    size_t dropped;                 /* of a body that nobody wants any more */
    size_t unconsumed;              /* HTTP/2 flow control held back while paused */
    struct http_header *head_items; /* grows while the head comes */
    size_t head_cap;
};

/* The first header of that (lower case) name, or empty. */
struct slice http_stream_header(const struct http_stream *s, const char *name);
/* A decoded query parameter, in the arena: the first of that name. False if absent. */
bool http_stream_param(struct http_stream *s, const char *name, struct slice *value);

/* Streaming requests: no more on_data until resumed (the client is held by flow control). */
void http_stream_pause(struct http_stream *s);
void http_stream_resume(struct http_stream *s);

/* A whole response: body is copied behind what http_stream_out() already holds; content-length is
 * added. Ends it. */
void http_stream_respond(struct http_stream *s, int status, const struct http_header *headers,
                         size_t count, struct slice body);
/* The head of a response of unknown length; it leaves at once, before any body. */
void http_stream_start(struct http_stream *s, int status, const struct http_header *headers,
                       size_t count);
/* Queues a copy. False: enough for now, on_writable will come (nothing was refused). */
bool http_stream_write(struct http_stream *s, struct slice bytes);
/* The queue itself, to build large bodies in place; only append. After http_stream_start() call
 * http_stream_push(), whose result is http_stream_write()'s. */
struct buf *http_stream_out(struct http_stream *s);
bool http_stream_push(struct http_stream *s);
size_t http_stream_pending(const struct http_stream *s); /* queued and not yet taken */
bool http_stream_full(const struct http_stream *s);      /* more than its share is queued */
/* Ends the response; trailers only reach HTTP/2 clients and chunked HTTP/1.1. */
void http_stream_end(struct http_stream *s, const struct http_header *trailers, size_t count);
/* Gives the response up: RST_STREAM, or the connection's end for HTTP/1.1. */
void http_stream_reset(struct http_stream *s);
/* False once the client is gone or the response has ended. */
bool http_stream_alive(const struct http_stream *s);
void http_stream_release(struct http_stream *s);

#endif
