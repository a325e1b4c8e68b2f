/* certs.h: a throw-away CA for tests, and TLS contexts signed by it.
 *
 * Thread: the test's. Failures fail the test. */
#ifndef TESTS_LIB_CERTS_H
#define TESTS_LIB_CERTS_H

#include "base/pki.h"
#include "base/tls.h"

struct certs {
    struct buf ca_key;
    struct buf ca_cert;
};

void certs_make(struct certs *c);
void certs_free(struct certs *c);
/* A key and a certificate of that subject, valid for an hour; appended. */
void certs_issue(struct certs *c, const struct pki_subject *subject, struct buf *cert,
                 struct buf *key);
/* For localhost, 127.0.0.1 and ::1, and with that URI if it is not NULL. */
struct tls *certs_server(struct certs *c, int peer, const char *uri, const char *const *alpn);
/* With a certificate for that common name, organization and URI; no certificate if cn is NULL. */
struct tls *certs_client(struct certs *c, const char *cn, const char *organization, const char *uri,
                         const char *const *alpn);

#endif
