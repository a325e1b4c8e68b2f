/* certs.c: base/pki with the values that tests want. */
#include "tests/lib/certs.h"

#include "tests/lib/test.h"

void certs_make(struct certs *c)
{
    struct err err;
    *c = (struct certs){0};
    assert_ok(pki_new_key(&c->ca_key, &err), &err);
    assert_ok(pki_new_ca(buf_slice(&c->ca_key), "test CA", 1, &c->ca_cert, &err), &err);
}

void certs_free(struct certs *c)
{
    buf_free(&c->ca_key);
    buf_free(&c->ca_cert);
}

void certs_issue(struct certs *c, const struct pki_subject *subject, struct buf *cert,
                 struct buf *key)
{
    struct err err;
    struct buf csr = {0};
    size_t start = key->len;
    assert_ok(pki_new_key(key, &err), &err);
    struct slice own = slice_sub(buf_slice(key), start, SIZE_MAX);
    assert_ok(pki_new_csr(own, subject, &csr, &err), &err);
    assert_ok(pki_sign(buf_slice(&c->ca_cert), buf_slice(&c->ca_key), buf_slice(&csr), subject,
                       3600, cert, &err),
              &err);
    buf_free(&csr);
}

static struct tls *context(struct certs *c, struct tls_config *config,
                           const struct pki_subject *subject)
{
    struct err err;
    struct buf cert = {0};
    struct buf key = {0};
    struct tls *tls = NULL;
    if (subject->common_name != NULL) {
        certs_issue(c, subject, &cert, &key);
    }
    config->ca_pem = buf_slice(&c->ca_cert);
    config->cert_pem = buf_slice(&cert);
    config->key_pem = buf_slice(&key);
    assert_ok(tls_new(config, &tls, &err), &err);
    buf_free(&cert);
    buf_free(&key);
    return tls;
}

struct tls *certs_server(struct certs *c, int peer, const char *uri, const char *const *alpn)
{
    struct pki_subject subject = {
        .common_name = "server",
        .dns = {"localhost"},
        .dns_count = 1,
        .ips = {"127.0.0.1", "::1"},
        .ip_count = 2,
        .uris = {uri},
        .uri_count = uri != NULL,
        .server = true,
        .client = true,
    };
    struct tls_config config = {.server = true, .alpn = alpn};
    config.peer = peer == TLS_PEER_NONE       ? TLS_PEER_NONE
                  : peer == TLS_PEER_OPTIONAL ? TLS_PEER_OPTIONAL
                                              : TLS_PEER_REQUIRED;
    return context(c, &config, &subject);
}

struct tls *certs_client(struct certs *c, const char *cn, const char *organization, const char *uri,
                         const char *const *alpn)
{
    struct pki_subject subject = {
        .common_name = cn,
        .organizations = {organization},
        .organization_count = organization != NULL,
        .uris = {uri},
        .uri_count = uri != NULL,
        .client = true,
    };
    struct tls_config config = {.alpn = alpn};
    return context(c, &config, &subject);
}
