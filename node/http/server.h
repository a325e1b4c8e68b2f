/* server.h: an HTTP server on one loop: HTTP/2 and HTTP/1.1 over TLS, chosen by ALPN.
 *
 * Several servers, one per front loop, may share a port (config.port).
 * Owner:  the caller embeds struct http_server; its memory is the caller's again from closed on.
 * Thread: the loop's, for every call and callback. */
#ifndef NODE_HTTP_SERVER_H
#define NODE_HTTP_SERVER_H

#include "node/http/measure.h"
#include "node/http/stream.h"

/* Zero fields take the default. Every limit is per connection unless it says otherwise. */
struct http_limits {
    uint32_t streams;            /* concurrent; 250 */
    uint32_t header_bytes;       /* of one request's head, decoded; 64 KiB */
    uint32_t header_count;       /* 100 */
    uint32_t connections;        /* of the server; half of them of one address; 4096 */
    uint32_t resets_per_minute;  /* flood.h; 600 */
    uint32_t control_per_minute; /* flood.h; 6000 */
    uint32_t out_bytes;          /* written and not yet taken by the kernel: above it no stream is
                                    pulled from, and of HTTP/2 nothing is read; 1 MiB */
    uint32_t handshake_ms;       /* 10 s */
    uint32_t head_ms;            /* a request's head, once begun, comes within; 10 s */
    uint32_t body_ms;            /* and its body, unless the handler streams it; 60 s */
    uint32_t stall_ms;           /* a response of which the client takes less than 4 KiB; 60 s */
    uint32_t idle_ms;            /* no request on the connection; 300 s */
    uint32_t ping_ms;            /* HTTP/2: a client's PINGs come no closer; 5 s */
    uint32_t keepalive_ms; /* HTTP/2: a client with requests that says nothing is pinged; 60 s */
    uint32_t dead_ms;      /* and its connection closed if it does not answer; 20 s */
};

struct http_server;

struct http_server_config {
    struct tls *tls;     /* referenced. Its ALPN is http_alpn[] */
    const char *address; /* "host:port"; port 0: the kernel chooses */
    enum stream_port port;
    struct http_limits limits;
    /* Must set stream->handler; from here on the stream is the handler's. */
    void (*route)(struct http_server *server, struct http_stream *stream);
};

/* {"h2", "http/1.1", NULL} */
extern const char *const http_alpn[];

struct http_server {
    struct loop *loop;
    void *user;
    /* private */
    struct http_limits limits;
    void (*route)(struct http_server *server, struct http_stream *stream);
    void (*closed)(struct http_server *server);
    struct tls *tls;
    struct stream_listener listener;
    struct list conns;
    struct list dirty; /* connections with something to send */
    size_t conn_count;
    struct loop_task flush;
    bool by_hand; /* tests call http_conn_pump() themselves */
    struct loop_timer tick;
    struct http_measure measure;
    uint64_t drain_deadline_ms;
    bool draining;
    bool listener_open;
    bool ticking;
    int handles_open;
    char date[40]; /* RFC 9110's Date, of this second */
    uint64_t date_s;
};

/* Listens. Errors: ERR_IO (address in use, no such address). */
int http_server_start(struct http_server *server, struct loop *loop,
                      const struct http_server_config *config, struct err *err);
uint16_t http_server_port(const struct http_server *server);
/* New connections get these certificates. */
void http_server_set_tls(struct http_server *server, struct tls *tls);
/* Stops accepting, tells clients (GOAWAY, connection: close), lets running requests end for
 * grace_ms, then closes the rest and calls closed. A later call may shorten the grace. Streams
 * whose handlers have not released them stay valid. */
void http_server_close(struct http_server *server, uint32_t grace_ms,
                       void (*closed)(struct http_server *server));

#endif
