/* tls_internal.h: between tls.c (contexts), tls_session.c (one connection's TLS, without I/O),
 * stream.c (its TCP) and pki.c. Nobody else includes it.
 * Owner: the stream embeds the session. Thread: the stream's. */
#ifndef BASE_TLS_INTERNAL_H
#define BASE_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/tls.h"

struct tls {
    SSL_CTX *ctx;
    atomic_uint refs;
    bool server;
    bool insecure;
    struct buf alpn; /* wire form: length, name, length, name... */
};

/* err_set() with what OpenSSL's error queue says behind the message; empties the queue. */
int tls__error(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The first private key of a PEM text, NULL if there is none; never asks for a pass phrase. */
EVP_PKEY *tls__read_key(struct slice pem);
/* A read-only BIO over the text. */
BIO *tls__bio(struct slice pem);

/* TLS as a machine: ciphertext goes in by in, comes out appended to out; plaintext by calls. */
struct tls_session {
    SSL *ssl;
    struct tls *tls;      /* a reference */
    struct slice in;      /* what the peer sent and the session has not consumed; set by the user */
    struct buf *out;      /* the user's; what is to be sent */
    char *server_name;    /* a choreod:// URI to be checked after the handshake, or NULL */
    struct tls_peer peer; /* in arena, valid from the end of the handshake */
    struct arena arena;
};

enum tls_result { TLS_DONE, TLS_WANT_INPUT, TLS_END, TLS_FAILED };

/* server_name as in stream_connect(), NULL on a server. Errors: ERR_INTERNAL, ERR_INVALID. */
int tls__session_init(struct tls_session *s, struct tls *tls, const char *server_name,
                      struct buf *out, struct err *err);
void tls__session_free(struct tls_session *s); /* accepts a zeroed one */
enum tls_result tls__handshake(struct tls_session *s, struct err *err);
/* Reads up to cap bytes, TLS_DONE with *len > 0. TLS_END: the peer said that it ends. */
enum tls_result tls__read(struct tls_session *s, char *data, size_t cap, size_t *len,
                          struct err *err);
enum tls_result tls__write(struct tls_session *s, struct slice plain, struct err *err);
void tls__say_goodbye(struct tls_session *s); /* close_notify, once */

#endif
