/* tls.c: contexts, that is, who we are and whom we trust.
 *
 * Texts in PEM come from files or from the caller, and from there on are treated alike. Everything
 * that could only fail in the first handshake is checked here instead: the key fits the
 * certificate, the certificate has not expired, there is somebody to trust.
 * Sessions are never resumed: a resumed one would outlive its certificate, and a handshake with
 * P-256 is cheap. */
#include "base/tls_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/file.h"

enum { PEM_FILE_MAX_BYTES = 4 * 1024 * 1024 };

int tls__error(struct err *err, int code, const char *format, ...)
{
    char context[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof context, format, args);
    va_end(args);
    unsigned long why = ERR_peek_last_error();
    const char *reason = why != 0 ? ERR_reason_error_string(why) : NULL;
    (void)err_set(err, code, "%s%s%s", context, reason != NULL ? ": " : "",
                  reason != NULL ? reason : "");
    ERR_clear_error();
    return code;
}

BIO *tls__bio(struct slice pem)
{
    assert(pem.len <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(pem.data != NULL ? pem.data : "", (int)pem.len);
    assert(bio != NULL);
    return bio;
}

static int no_pass_phrase(char *data, int cap, int writing, void *user)
{
    (void)data;
    (void)cap;
    (void)writing;
    (void)user;
    return -1; /* OpenSSL would ask on the terminal */
}

EVP_PKEY *tls__read_key(struct slice pem)
{
    BIO *bio = tls__bio(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    return key;
}

/* One PEM text of the configuration: where it comes from, for messages, and what it is. */
struct pem {
    const char *name;
    struct slice text;
    struct buf file;
};

static int load_pem(struct pem *p, const char *file, struct slice given, const char *what,
                    struct err *err)
{
    *p = (struct pem){.name = what, .text = given};
    if (given.len > 0 || file == NULL) {
        return 0;
    }
    p->name = file;
    int rc = file_read(file, PEM_FILE_MAX_BYTES, &p->file, err);
    if (rc != 0) {
        err->code = ERR_INVALID;
        return ERR_INVALID;
    }
    p->text = buf_slice(&p->file);
    return p->text.len > 0 ? 0 : err_set(err, ERR_INVALID, "%s: the file is empty", file);
}

static void free_pem(struct pem *p)
{
    if (p->file.data != NULL) {
        OPENSSL_cleanse(p->file.data, p->file.len); /* it may have been a key */
    }
    buf_free(&p->file);
}

static int check_expiry(const struct pem *p, const X509 *cert, struct err *err)
{
    const ASN1_TIME *end = X509_get0_notAfter(cert);
    if (X509_cmp_current_time(end) > 0) {
        return 0;
    }
    struct tm tm = {0};
    (void)ASN1_TIME_to_tm(end, &tm);
    return err_set(err, ERR_INVALID, "%s: the certificate expired on %04d-%02d-%02d", p->name,
                   tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/* Our certificate, then those that lead from it to the CA. */
static int use_chain(SSL_CTX *ctx, const struct pem *p, struct err *err)
{
    BIO *bio = tls__bio(p->text);
    int rc = 0;
    int count = 0;
    for (X509 *cert; rc == 0 && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;
         count++) {
        if (count == 0) {
            rc = check_expiry(p, cert, err);
        }
        if (rc == 0 && (count == 0 ? SSL_CTX_use_certificate(ctx, cert)
                                   : (int)SSL_CTX_add1_chain_cert(ctx, cert)) != 1) {
            rc = tls__error(err, ERR_INVALID, "%s: the certificate cannot be used", p->name);
        }
        X509_free(cert);
    }
    if (rc == 0 && count == 0) {
        rc = err_set(err, ERR_INVALID, "%s: no certificate in PEM form", p->name);
    }
    ERR_clear_error(); /* "no start line" is how reading ends */
    BIO_free(bio);
    return rc;
}

static int use_key(SSL_CTX *ctx, const struct pem *p, struct err *err)
{
    EVP_PKEY *key = tls__read_key(p->text);
    int rc = 0;
    if (key == NULL) {
        rc = err_set(err, ERR_INVALID, "%s: no unencrypted private key in PEM form", p->name);
    } else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        rc = err_set(err, ERR_INVALID, "%s: the key does not fit the certificate", p->name);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    return rc;
}

static int use_identity(SSL_CTX *ctx, const struct tls_config *config, struct err *err)
{
    struct pem cert = {0};
    struct pem key = {0};
    int rc = load_pem(&cert, config->cert_file, config->cert_pem, "certificate", err);
    if (rc == 0) {
        rc = load_pem(&key, config->key_file, config->key_pem, "key", err);
    }
    if (rc == 0 && (cert.text.len > 0) != (key.text.len > 0)) {
        rc = err_set(err, ERR_INVALID, "a certificate and its key are needed together");
    }
    if (rc == 0 && config->server && cert.text.len == 0) {
        rc = err_set(err, ERR_INVALID, "a server needs a certificate");
    }
    if (rc == 0 && cert.text.len > 0) {
        rc = use_chain(ctx, &cert, err);
        if (rc == 0) {
            rc = use_key(ctx, &key, err);
        }
    }
    free_pem(&cert);
    free_pem(&key);
    return rc;
}

static int trust_each(SSL_CTX *ctx, const struct pem *p, bool server, struct err *err)
{
    BIO *bio = tls__bio(p->text);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int count = 0;
    int rc = 0;
    for (X509 *cert; rc == 0 && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;
         count++) {
        /* Clients choose their certificate by the names that the server lists. */
        if (X509_STORE_add_cert(store, cert) != 1 ||
            (server && SSL_CTX_add_client_CA(ctx, cert) != 1)) {
            rc = tls__error(err, ERR_INVALID, "%s: the CA certificate cannot be used", p->name);
        }
        X509_free(cert);
    }
    if (rc == 0 && count == 0) {
        rc = err_set(err, ERR_INVALID, "%s: no certificate in PEM form", p->name);
    }
    ERR_clear_error();
    BIO_free(bio);
    return rc;
}

static int use_trust(SSL_CTX *ctx, const struct tls_config *config, struct err *err)
{
    struct pem ca = {0};
    int rc = load_pem(&ca, config->ca_file, config->ca_pem, "CA", err);
    if (rc == 0 && ca.text.len > 0) {
        rc = trust_each(ctx, &ca, config->server, err);
    } else if (rc == 0 && config->server && config->peer != TLS_PEER_NONE) {
        rc = err_set(err, ERR_INVALID, "to ask for client certificates, a server needs a CA");
    } else if (rc == 0 && !config->server && !config->insecure &&
               SSL_CTX_set_default_verify_paths(ctx) != 1) {
        rc = tls__error(err, ERR_INVALID, "the system's CA certificates");
    }
    free_pem(&ca);
    return rc;
}

static void set_verification(SSL_CTX *ctx, const struct tls_config *config)
{
    int mode = SSL_VERIFY_NONE;
    if (!config->server) {
        mode = config->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    } else if (config->peer == TLS_PEER_OPTIONAL) {
        mode = SSL_VERIFY_PEER;
    } else if (config->peer == TLS_PEER_REQUIRED) {
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(ctx, mode, NULL);
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offered, unsigned offered_len, void *user)
{
    (void)ssl;
    const struct tls *tls = user;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)tls->alpn.data,
                              (unsigned)tls->alpn.len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int set_alpn(struct tls *tls, const char *const *names, struct err *err)
{
    for (; names != NULL && *names != NULL; names++) {
        size_t len = strlen(*names);
        if (len == 0 || len > 255) {
            return err_set(err, ERR_INVALID, "protocol name \"%s\" is empty or too long", *names);
        }
        buf_add_u8(&tls->alpn, (uint8_t)len);
        buf_add_cstr(&tls->alpn, *names);
    }
    if (tls->alpn.len == 0) {
        return 0;
    }
    if (tls->server) {
        SSL_CTX_set_alpn_select_cb(tls->ctx, select_alpn, tls);
    } else if (SSL_CTX_set_alpn_protos(tls->ctx, (const unsigned char *)tls->alpn.data,
                                       (unsigned)tls->alpn.len) != 0) {
        return tls__error(err, ERR_INTERNAL, "set the protocols");
    }
    return 0;
}

static int set_up(struct tls *tls, const struct tls_config *config, struct err *err)
{
    tls->ctx = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    if (tls->ctx == NULL || SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) != 1 ||
        (config->server && SSL_CTX_set_num_tickets(tls->ctx, 0) != 1)) {
        return tls__error(err, ERR_INTERNAL, "set up TLS");
    }
    (void)SSL_CTX_set_options(tls->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                            SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    /* Thousands of idle watchers must not hold 34 KB of buffers each. */
    (void)SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
    set_verification(tls->ctx, config);
    int rc = use_identity(tls->ctx, config, err);
    if (rc == 0) {
        rc = use_trust(tls->ctx, config, err);
    }
    if (rc == 0) {
        rc = set_alpn(tls, config->alpn, err);
    }
    return rc;
}

int tls_new(const struct tls_config *config, struct tls **tls, struct err *err)
{
    struct tls *t = mem_zero(sizeof *t);
    struct err ignored;
    t->server = config->server;
    t->insecure = config->insecure;
    atomic_init(&t->refs, 1);
    int rc = set_up(t, config, err != NULL ? err : &ignored);
    if (rc != 0) {
        tls_unref(t);
        t = NULL;
    }
    *tls = t;
    return rc;
}

struct tls *tls_ref(struct tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void tls_unref(struct tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(tls->ctx);
    buf_free(&tls->alpn);
    free(tls);
}
