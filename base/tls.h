/* tls.h: TLS connections on a loop (OpenSSL over libuv TCP).
 *
 * struct tls is a context (certificates, who is trusted, ALPN), shared by loops, immutable.
 * struct stream is one connection: bytes in by callback, bytes out through a queue whose length the
 * user watches. TLS 1.2 and 1.3, sessions are never resumed. TCP_NODELAY and keep-alive always.
 * A program that uses this must ignore SIGPIPE (signal(SIGPIPE, SIG_IGN) first thing in main()): a
 * write to a peer that has gone is an error here, and must not be the end of the process.
 * Owner:  the user embeds struct stream; its memory is the user's again from on_close.
 * Thread: contexts any; a stream its loop's. No callback is ever made inside a call of the user's:
 *         all come from the loop. */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include "base/loop.h"
#include "base/str.h"

struct tls; /* counted: tls_ref/tls_unref are thread-safe, being an immutable shared snapshot */

struct tls_config {
    bool server;
    const char *ca_file;   /* PEM; whom we trust. NULL: the system's store */
    const char *cert_file; /* PEM chain; NULL for a client without certificate */
    const char *key_file;
    struct slice ca_pem; /* instead of the files, where set */
    struct slice cert_pem;
    struct slice key_pem;
    enum { TLS_PEER_NONE, TLS_PEER_OPTIONAL, TLS_PEER_REQUIRED } peer; /* server: client's cert */
    bool insecure; /* client: accept any server (a kubeconfig's insecure-skip-tls-verify) */
    const char *const *alpn; /* NULL-terminated, in order of preference; may be NULL */
};

/* Errors: ERR_INVALID naming the file and what is wrong with it (unreadable, not PEM, key does not
 * fit the certificate, expired). */
int tls_new(const struct tls_config *config, struct tls **tls, struct err *err);
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);

/* Who the other side proved to be; empty without a verified certificate. */
struct tls_peer {
    struct slice common_name;
    struct slice organizations[8]; /* O= values: Kubernetes' groups */
    size_t organization_count;
    struct slice uris[4]; /* subjectAltName URIs: "choreod://CLUSTER/node/NAME" */
    size_t uri_count;
};

struct stream;
struct stream_ops {
    void (*on_open)(struct stream *s);                  /* handshake done; may be NULL */
    void (*on_data)(struct stream *s, struct slice in); /* borrowed for the call */
    void (*on_drain)(struct stream *s); /* the queue, once above, fell to low_water; may be NULL */
    /* The last callback: why is NULL after our own stream_close() or stream_finish(), or the peer's
     * clean end. Errors: ERR_UNAVAILABLE (no such host, refused, reset), ERR_UNAUTHENTICATED
     * (handshake failed, wrong peer), ERR_TIMEOUT (handshake, or a finish that the peer did not
     * take), ERR_CLOSED (ended without TLS's goodbye), ERR_INVALID (address). What the peer proved
     * and stream_remote() can still be asked here. */
    void (*on_close)(struct stream *s, const struct err *why);
};

struct stream_config {
    struct tls *tls;              /* the stream takes a reference of its own */
    const struct stream_ops *ops; /* must live as long as the stream */
    size_t low_water_bytes;
    uint32_t handshake_timeout_ms; /* connecting and handshake together; 0: 10 s */
    /* Server: sent as it is to a client that begins with an HTTP request in the clear; then the
     * connection ends (on_close: ERR_INVALID). May be empty; lives as long as the stream. */
    struct slice plain_answer;
};

struct stream {
    struct loop *loop;
    void *user;
    struct stream_impl *impl; /* private */
};

/* Several listeners of one process may have one port, among which the kernel spreads connections
 * (one for each front loop): the first is FIRST, so that a port of another program is never shared.
 */
enum stream_port { STREAM_PORT_OWN, STREAM_PORT_FIRST, STREAM_PORT_SHARED };

/* Listens; each on_accept must call stream_accept() or stream_reject() before it returns. */
struct stream_listener {
    void *user;
    void (*on_accept)(struct stream_listener *l);
    struct stream_listener_impl *impl; /* private */
};

/* address is "host:port" or "[v6]:port", numeric or a name (which blocks: for start-up); an empty
 * host means every address. user and on_accept are set before. With port 0 the kernel chooses;
 * stream_listener_port() tells. Errors: ERR_INVALID, ERR_IO ("address in use"). */
int stream_listen(struct stream_listener *l, struct loop *loop, const char *address,
                  enum stream_port sharing, struct err *err);
uint16_t stream_listener_port(const struct stream_listener *l);
void stream_listener_close(struct stream_listener *l, void (*closed)(struct stream_listener *l));
/* Failure arrives through on_close. s->user is the user's and is kept. */
void stream_accept(struct stream_listener *l, struct stream *s, const struct stream_config *config);
void stream_reject(struct stream_listener *l); /* closes the connection at once */
/* Failure arrives through on_close. All addresses of a name are tried. server_name is verified
 * against the certificate: a host name, an address, or a "choreod://" URI. */
void stream_connect(struct stream *s, struct loop *loop, const char *address,
                    const char *server_name, const struct stream_config *config);

/* Queues a copy; sent (encrypted, coalesced) at the end of the loop's iteration. Before on_open it
 * waits; after finish or close it is dropped. */
void stream_write(struct stream *s, struct slice bytes);
/* Queued and not yet taken by the kernel. A peer that does not read makes this grow: whoever writes
 * looks at it, stops above a mark of its own, and goes on in on_drain. */
size_t stream_pending_bytes(const struct stream *s);
/* Back-pressure: no on_data until start. What has come stays in the kernel's buffers (at most 64 KB
 * are held here), and the peer's end is noticed only after start. */
void stream_read_stop(struct stream *s);
void stream_read_start(struct stream *s);
/* Flushes what is queued, says goodbye, waits for the peer's end, then closes; bounded by 5 s. No
 * on_data and on_drain from here on. Before on_open it is stream_close(). */
void stream_finish(struct stream *s);
void stream_close(struct stream *s); /* now; on_close follows, never inside this call */

const struct tls_peer *stream_peer(const struct stream *s);
struct slice stream_alpn(const struct stream *s);
const char *stream_remote(const struct stream *s); /* "127.0.0.1:4711" */

#endif
