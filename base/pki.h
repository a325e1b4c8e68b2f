/* pki.h: keys and certificates of a cluster (OpenSSL, ECDSA P-256).
 *
 * All functions are pure over PEM texts; nothing is read from or written to disk.
 * Thread: any. */
#ifndef BASE_PKI_H
#define BASE_PKI_H

#include "base/err.h"
#include "base/str.h"

struct pki_subject {
    const char *common_name;
    const char *organizations[8];
    size_t organization_count;
    const char *dns[16]; /* subjectAltNames */
    size_t dns_count;
    const char *ips[16];
    size_t ip_count;
    const char *uris[4];
    size_t uri_count;
    bool server; /* extended key usages */
    bool client;
};

int pki_new_key(struct buf *key_pem, struct err *err);
int pki_new_ca(struct slice key_pem, const char *common_name, uint32_t days, struct buf *cert_pem,
               struct err *err);
int pki_new_csr(struct slice key_pem, const struct pki_subject *subject, struct buf *csr_pem,
                struct err *err);
/* Signs the request's public key for subject (never the request's own claims). not_before is
 * backdated by a minute. Errors: ERR_INVALID (bad request or signature). */
int pki_sign(struct slice ca_cert_pem, struct slice ca_key_pem, struct slice csr_pem,
             const struct pki_subject *subject, uint32_t valid_seconds, struct buf *cert_pem,
             struct err *err);
/* "sha256:<hex>" of the certificate's public key (SubjectPublicKeyInfo), as kubeadm's. */
int pki_cert_hash(struct slice cert_pem, struct buf *out, struct err *err);
/* From when on the certificate is valid, in ms since 1970. Errors: ERR_INVALID (unreadable). */
int pki_cert_since(struct slice cert_pem, uint64_t *since_ms, struct err *err);
/* Errors: ERR_INVALID (unreadable), ERR_NOT_FOUND: it does not carry this URI; names those it has.
 */
int pki_cert_check_uri(struct slice cert_pem, const char *uri, struct err *err);

#endif
