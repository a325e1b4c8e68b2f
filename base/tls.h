/* tls.h: TLS connections on a loop (OpenSSL, memory BIOs over libuv TCP).
 *
 * struct tls is a context (certificates, who is trusted, ALPN), shared by loops, immutable.
 * struct stream is one connection: bytes in by callback, bytes out through a queue whose length the
 * user watches. TLS 1.2 and 1.3. TCP_NODELAY always; SIGPIPE is ignored by the programs.
 * Owner:  the user embeds struct stream; its memory is the user's again from on_close.
 * Thread: contexts any; a stream its loop's. Callbacks are never made inside stream_write(). */
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
    void (*on_drain)(struct stream *s); /* the queue fell to or below low_water; may be NULL */
    /* The last callback: why is NULL after our own stream_close() or the peer's clean end. */
    void (*on_close)(struct stream *s, const struct err *why);
};

struct stream_config {
    struct tls *tls;
    const struct stream_ops *ops;
    size_t low_water_bytes;
    uint32_t handshake_timeout_ms;
};

struct stream {
    struct loop *loop;
    void *user;
    struct stream_impl *impl; /* private */
};

/* Listens; on_accept gets a connection to be adopted at once with stream_accept(). */
struct stream_listener {
    void *user;
    void (*on_accept)(struct stream_listener *l);
    struct stream_listener_impl *impl; /* private */
};

/* address is "host:port" or "[v6]:port"; numeric or a name. Errors: ERR_IO ("address in use").
 * With port 0 the kernel chooses; stream_listener_port() tells. */
int stream_listen(struct stream_listener *l, struct loop *loop, const char *address,
                  bool shared_port, struct err *err);
uint16_t stream_listener_port(const struct stream_listener *l);
void stream_listener_close(struct stream_listener *l, void (*closed)(struct stream_listener *l));
void stream_accept(struct stream_listener *l, struct stream *s, const struct stream_config *config);
/* Failure arrives through on_close. server_name is verified against the certificate: a host name,
 * an address, or a "choreod://" URI. */
void stream_connect(struct stream *s, struct loop *loop, const char *address,
                    const char *server_name, const struct stream_config *config);

/* Queues a copy; sent (encrypted, coalesced) at the end of the loop's iteration. */
void stream_write(struct stream *s, struct slice bytes);
size_t stream_pending_bytes(const struct stream *s); /* queued and not yet taken by the kernel */
void stream_read_stop(struct stream *s); /* back-pressure; close is still noticed on resume */
void stream_read_start(struct stream *s);
void stream_finish(struct stream *s); /* flush what is queued, then close; bounded by 5 s */
void stream_close(struct stream *s);  /* now; on_close follows, never inside this call */

const struct tls_peer *stream_peer(const struct stream *s);
struct slice stream_alpn(const struct stream *s);
const char *stream_remote(const struct stream *s); /* "127.0.0.1:4711" */

#endif
