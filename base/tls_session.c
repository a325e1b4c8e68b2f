/* tls_session.c: one connection's TLS, without I/O.
 *
 * OpenSSL reads and writes through a BIO of ours that takes from the session's in slice and appends
 * to the user's out buffer, so no byte is copied that need not be. Who the peer is, is known once
 * the handshake is done: the chain is checked by OpenSSL, a host name or address too; a choreod://
 * URI is compared here, before anybody may use the connection. */
#include "base/tls_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *bio, char *data, size_t cap, size_t *len)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (s->in.len == 0) {
        BIO_set_retry_read(bio);
        *len = 0;
        return 0;
    }
    *len = s->in.len < cap ? s->in.len : cap;
    memcpy(data, s->in.data, *len);
    s->in = slice_sub(s->in, *len, SIZE_MAX);
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *written)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_add(s->out, slice_make(data, len));
    *written = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "choreod session");
    assert(method != NULL);
    (void)BIO_meth_set_read_ex(method, bio_read);
    (void)BIO_meth_set_write_ex(method, bio_write);
    (void)BIO_meth_set_ctrl(method, bio_ctrl);
}

static bool is_address(const char *name)
{
    struct in6_addr any;
    return inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
}

/* Has OpenSSL (or, for URIs, us later) compare the server's certificate with its name. */
static int expect_server(struct tls_session *s, const char *name, struct err *err)
{
    if (s->tls->insecure) {
        return 0;
    }
    if (strncmp(name, "choreod://", strlen("choreod://")) == 0) {
        s->server_name = mem_strdup(name);
        return 0;
    }
    bool ok;
    if (is_address(name)) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), name) == 1;
    } else {
        SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        ok = SSL_set1_host(s->ssl, name) == 1;
    }
    return ok ? 0 : tls__error(err, ERR_INVALID, "server name \"%s\"", name);
}

int tls__session_init(struct tls_session *s, struct tls *tls, const char *server_name,
                      struct buf *out, struct err *err)
{
    (void)pthread_once(&method_once, make_method);
    *s = (struct tls_session){.tls = tls_ref(tls), .out = out};
    ERR_clear_error();
    s->ssl = SSL_new(tls->ctx);
    BIO *bio = BIO_new(method);
    if (s->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return tls__error(err, ERR_INTERNAL, "start TLS");
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    if (tls->server) {
        SSL_set_accept_state(s->ssl);
        return 0;
    }
    SSL_set_connect_state(s->ssl);
    if (server_name == NULL || server_name[0] == '\0') {
        return err_set(err, ERR_INVALID, "a client must say which server it expects");
    }
    bool dns = !is_address(server_name) && strchr(server_name, '/') == NULL;
    char *sni = arena_cstr(&s->arena, slice_of(server_name)); /* OpenSSL's macro drops const */
    if (dns && SSL_set_tlsext_host_name(s->ssl, sni) != 1) {
        return tls__error(err, ERR_INVALID, "server name \"%s\"", server_name);
    }
    return expect_server(s, server_name, err);
}

void tls__session_free(struct tls_session *s)
{
    SSL_free(s->ssl);
    tls_unref(s->tls);
    free(s->server_name);
    arena_free(&s->arena);
    *s = (struct tls_session){0};
}

/* A name's value in UTF-8, in the arena; empty if it holds a NUL, which no honest name does. */
static struct slice name_value(struct tls_session *s, const ASN1_STRING *string)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, string);
    struct slice value = {NULL, 0};
    if (len > 0 && memchr(utf8, '\0', (size_t)len) == NULL) {
        value = arena_copy(&s->arena, slice_make(utf8, (size_t)len));
    }
    OPENSSL_free(utf8);
    return value;
}

static void read_subject(struct tls_session *s, const X509 *cert)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    struct tls_peer *peer = &s->peer;
    const size_t most = sizeof peer->organizations / sizeof *peer->organizations;
    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        struct slice value = name_value(s, X509_NAME_ENTRY_get_data(entry));
        if (nid == NID_commonName) {
            peer->common_name = value;
        } else if (nid == NID_organizationName && value.len > 0 &&
                   peer->organization_count < most) {
            peer->organizations[peer->organization_count++] = value;
        }
    }
}

static void read_uris(struct tls_session *s, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    struct tls_peer *peer = &s->peer;
    const size_t most = sizeof peer->uris / sizeof *peer->uris;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *string = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        struct slice value = type == GEN_URI ? name_value(s, string) : (struct slice){NULL, 0};
        if (value.len > 0 && peer->uri_count < most) {
            peer->uris[peer->uri_count++] = value;
        }
    }
    GENERAL_NAMES_free(names);
}

static bool has_uri(const struct tls_peer *peer, const char *uri)
{
    for (size_t i = 0; i < peer->uri_count; i++) {
        if (slice_eq_cstr(peer->uris[i], uri)) {
            return true;
        }
    }
    return false;
}

static enum tls_result identify_peer(struct tls_session *s, struct err *err)
{
    X509 *cert = SSL_get0_peer_certificate(s->ssl);
    bool verified = cert != NULL && (SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER) != 0 &&
                    SSL_get_verify_result(s->ssl) == X509_V_OK;
    if (verified) {
        read_subject(s, cert);
        read_uris(s, cert);
    }
    if (s->server_name != NULL && !has_uri(&s->peer, s->server_name)) {
        (void)err_set(err, ERR_UNAUTHENTICATED, "the server is not %s, but %.*s", s->server_name,
                      SLICE_ARG(s->peer.uri_count > 0 ? s->peer.uris[0] : s->peer.common_name));
        return TLS_FAILED;
    }
    return TLS_DONE;
}

/* What a failed SSL call means. */
static enum tls_result failure(struct tls_session *s, int rc, const char *what, struct err *err)
{
    long verdict = SSL_get_verify_result(s->ssl);
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_INPUT;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_END;
    case SSL_ERROR_SSL:
        if (!SSL_is_init_finished(s->ssl) && verdict != X509_V_OK) {
            ERR_clear_error();
            (void)err_set(err, ERR_UNAUTHENTICATED, "%s: the peer's certificate: %s", what,
                          X509_verify_cert_error_string(verdict));
            return TLS_FAILED;
        }
        (void)tls__error(err, ERR_UNAUTHENTICATED, "%s", what);
        return TLS_FAILED;
    default:
        (void)tls__error(err, ERR_INTERNAL, "%s", what);
        return TLS_FAILED;
    }
}

enum tls_result tls__handshake(struct tls_session *s, struct err *err)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    return rc == 1 ? identify_peer(s, err) : failure(s, rc, "TLS handshake", err);
}

enum tls_result tls__read(struct tls_session *s, char *data, size_t cap, size_t *len,
                          struct err *err)
{
    ERR_clear_error();
    int rc = SSL_read_ex(s->ssl, data, cap, len);
    return rc == 1 ? TLS_DONE : failure(s, rc, "TLS input", err);
}

enum tls_result tls__write(struct tls_session *s, struct slice plain, struct err *err)
{
    size_t len = 0;
    ERR_clear_error();
    int rc = SSL_write_ex(s->ssl, plain.data, plain.len, &len);
    if (rc != 1) {
        return failure(s, rc, "TLS output", err);
    }
    assert(len == plain.len); /* our BIO takes everything */
    return TLS_DONE;
}

void tls__say_goodbye(struct tls_session *s)
{
    ERR_clear_error();
    if (s->ssl != NULL && SSL_is_init_finished(s->ssl) &&
        (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN) == 0) {
        (void)SSL_shutdown(s->ssl); /* fails only if the session already has */
    }
    ERR_clear_error();
}
