/* pki.c: keys, certificate requests and certificates.
 *
 * Every function reads PEM, builds one OpenSSL object, writes PEM, and frees all on one way out.
 * Names go in as values, never as OpenSSL configuration text, so that no comma in a name can add
 * another. What a request claims about itself is ignored but for its key and the proof that its
 * sender holds the private half. */
#include "base/pki.h"

#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/crypto.h"
#include "base/tls_internal.h"

enum { BACKDATE_S = 60, SERIAL_BYTES = 16 };

static void take_pem(BIO *bio, struct buf *out)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    buf_add(out, slice_make(data, len > 0 ? (size_t)len : 0));
}

static int read_key(struct slice pem, EVP_PKEY **key, struct err *err)
{
    *key = tls__read_key(pem);
    return *key != NULL ? 0
                        : tls__error(err, ERR_INVALID, "no unencrypted private key in PEM form");
}

static int read_cert(struct slice pem, X509 **cert, struct err *err)
{
    BIO *bio = tls__bio(pem);
    *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return *cert != NULL ? 0 : tls__error(err, ERR_INVALID, "no certificate in PEM form");
}

int pki_new_key(struct buf *key_pem, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    int rc = 0;
    if (key == NULL || bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        rc = tls__error(err, ERR_INTERNAL, "make a key");
    } else {
        take_pem(bio, key_pem);
    }
    BIO_free(bio);
    EVP_PKEY_free(key);
    return rc;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                      -1, 0) == 1;
}

static int fill_name(X509_NAME *name, const struct pki_subject *subject, struct err *err)
{
    for (size_t i = 0; i < subject->organization_count; i++) {
        if (!add_name(name, "O", subject->organizations[i])) {
            return tls__error(err, ERR_INVALID, "organization \"%s\"", subject->organizations[i]);
        }
    }
    if (!add_name(name, "CN", subject->common_name)) {
        return tls__error(err, ERR_INVALID, "common name \"%s\"", subject->common_name);
    }
    return 0;
}

static bool add_san(GENERAL_NAMES *names, int type, const char *value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    void *inner = NULL;
    if (type == GEN_IPADD) {
        inner = a2i_IPADDRESS(value);
    } else {
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();
        if (text != NULL && value[0] != '\0' && ASN1_STRING_set(text, value, -1) == 1) {
            inner = text;
        } else {
            ASN1_IA5STRING_free(text);
        }
    }
    if (name == NULL || inner == NULL) {
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, inner);
    if (sk_GENERAL_NAME_push(names, name) == 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static int fill_sans(GENERAL_NAMES *names, const struct pki_subject *s, struct err *err)
{
    for (size_t i = 0; i < s->dns_count; i++) {
        if (!add_san(names, GEN_DNS, s->dns[i])) {
            return tls__error(err, ERR_INVALID, "DNS name \"%s\"", s->dns[i]);
        }
    }
    for (size_t i = 0; i < s->ip_count; i++) {
        if (!add_san(names, GEN_IPADD, s->ips[i])) {
            return tls__error(err, ERR_INVALID, "\"%s\" is no IP address", s->ips[i]);
        }
    }
    for (size_t i = 0; i < s->uri_count; i++) {
        if (!add_san(names, GEN_URI, s->uris[i])) {
            return tls__error(err, ERR_INVALID, "URI \"%s\"", s->uris[i]);
        }
    }
    return 0;
}

static int add_sans(X509 *cert, const struct pki_subject *subject, struct err *err)
{
    if (subject->dns_count + subject->ip_count + subject->uri_count == 0) {
        return 0;
    }
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    int rc = fill_sans(names, subject, err);
    if (rc == 0 &&
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1) {
        rc = tls__error(err, ERR_INTERNAL, "add the alternative names");
    }
    GENERAL_NAMES_free(names);
    return rc;
}

/* An extension from OpenSSL's text form; only for our own constants. */
static bool add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool set_serial(X509 *cert)
{
    uint8_t random[SERIAL_BYTES];
    crypto_random(random, sizeof random);
    random[0] = (uint8_t)((random[0] & 0x7f) | 0x40); /* positive, and always of full length */
    BIGNUM *n = BN_bin2bn(random, sizeof random, NULL);
    bool ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return ok;
}

static bool set_basics(X509 *cert, EVP_PKEY *key, uint64_t valid_seconds)
{
    uint64_t days = valid_seconds / 86400; /* apart, for a long may have 32 bits */
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, (long)(valid_seconds % 86400),
                            NULL) != NULL &&
           X509_set_pubkey(cert, key) == 1;
}

static int sign_and_write(X509 *cert, EVP_PKEY *ca_key, struct buf *cert_pem, struct err *err)
{
    /* Ed25519 and the like bring their own digest. */
    int nid = NID_undef;
    const EVP_MD *md = EVP_sha256();
    if (EVP_PKEY_get_default_digest_nid(ca_key, &nid) == 2 && nid == NID_undef) {
        md = NULL;
    }
    BIO *bio = BIO_new(BIO_s_mem());
    int rc = 0;
    if (bio == NULL || X509_sign(cert, ca_key, md) == 0 || PEM_write_bio_X509(bio, cert) != 1) {
        rc = tls__error(err, ERR_INVALID, "sign the certificate");
    } else {
        take_pem(bio, cert_pem);
    }
    BIO_free(bio);
    return rc;
}

int pki_new_ca(struct slice key_pem, const char *common_name, uint32_t days, struct buf *cert_pem,
               struct err *err)
{
    EVP_PKEY *key = NULL;
    X509 *cert = X509_new();
    const struct pki_subject subject = {.common_name = common_name};
    int rc = read_key(key_pem, &key, err);
    if (rc != 0) {
        goto out;
    }
    rc = fill_name(X509_get_subject_name(cert), &subject, err);
    if (rc != 0) {
        goto out;
    }
    if (!set_basics(cert, key, (uint64_t)days * 86400) ||
        X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
        !add_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE") ||
        !add_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_ext(cert, cert, NID_subject_key_identifier, "hash")) {
        rc = tls__error(err, ERR_INTERNAL, "make a CA certificate");
        goto out;
    }
    rc = sign_and_write(cert, key, cert_pem, err);
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

int pki_new_csr(struct slice key_pem, const struct pki_subject *subject, struct buf *csr_pem,
                struct err *err)
{
    EVP_PKEY *key = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    X509_REQ *csr = X509_REQ_new();
    int rc = read_key(key_pem, &key, err);
    if (rc != 0) {
        goto out;
    }
    rc = fill_name(X509_REQ_get_subject_name(csr), subject, err);
    if (rc != 0) {
        goto out;
    }
    if (X509_REQ_set_version(csr, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(csr, key) != 1 ||
        X509_REQ_sign(csr, key, EVP_sha256()) == 0 || PEM_write_bio_X509_REQ(bio, csr) != 1) {
        rc = tls__error(err, ERR_INTERNAL, "make a certificate request");
        goto out;
    }
    take_pem(bio, csr_pem);
out:
    X509_REQ_free(csr);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return rc;
}

/* The request's public key, if its signature proves that the sender holds the private one. */
static int proven_key(struct slice csr_pem, EVP_PKEY **key, struct err *err)
{
    BIO *bio = tls__bio(csr_pem);
    X509_REQ *csr = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (csr == NULL) {
        return tls__error(err, ERR_INVALID, "no certificate request in PEM form");
    }
    int rc = 0;
    *key = X509_REQ_get_pubkey(csr);
    if (*key == NULL || X509_REQ_verify(csr, *key) != 1) {
        rc = tls__error(err, ERR_INVALID, "the certificate request is not signed by its own key");
    } else if (EVP_PKEY_get_security_bits(*key) < 112) {
        rc = tls__error(err, ERR_INVALID, "the key of the certificate request is too weak");
    }
    X509_REQ_free(csr);
    return rc;
}

static bool add_usages(X509 *cert, X509 *ca, const struct pki_subject *subject)
{
    const char *extended = subject->server && subject->client ? "serverAuth,clientAuth"
                           : subject->server                  ? "serverAuth"
                                                              : "clientAuth";
    return add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") &&
           (!(subject->server || subject->client) ||
            add_ext(cert, ca, NID_ext_key_usage, extended)) &&
           add_ext(cert, ca, NID_subject_key_identifier, "hash") &&
           add_ext(cert, ca, NID_authority_key_identifier, "keyid");
}

int pki_sign(struct slice ca_cert_pem, struct slice ca_key_pem, struct slice csr_pem,
             const struct pki_subject *subject, uint32_t valid_seconds, struct buf *cert_pem,
             struct err *err)
{
    X509 *ca = NULL;
    EVP_PKEY *ca_key = NULL;
    EVP_PKEY *key = NULL;
    X509 *cert = X509_new();
    int rc = read_cert(ca_cert_pem, &ca, err);
    if (rc == 0) {
        rc = read_key(ca_key_pem, &ca_key, err);
    }
    if (rc == 0 && X509_check_private_key(ca, ca_key) != 1) {
        rc = tls__error(err, ERR_INVALID, "the CA's key does not fit its certificate");
    }
    if (rc == 0) {
        rc = proven_key(csr_pem, &key, err);
    }
    if (rc == 0) {
        rc = fill_name(X509_get_subject_name(cert), subject, err);
    }
    if (rc == 0 && (!set_basics(cert, key, valid_seconds) ||
                    X509_set_issuer_name(cert, X509_get_subject_name(ca)) != 1 ||
                    !add_usages(cert, ca, subject))) {
        rc = tls__error(err, ERR_INTERNAL, "make a certificate");
    }
    if (rc == 0) {
        rc = add_sans(cert, subject, err);
    }
    if (rc == 0) {
        rc = sign_and_write(cert, ca_key, cert_pem, err);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    return rc;
}

int pki_cert_hash(struct slice cert_pem, struct buf *out, struct err *err)
{
    X509 *cert = NULL;
    int rc = read_cert(cert_pem, &cert, err);
    if (rc != 0) {
        return rc;
    }
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (len <= 0) {
        rc = tls__error(err, ERR_INVALID, "the certificate's public key");
    } else {
        uint8_t hash[SHA256_BYTES];
        crypto_sha256(slice_make(der, (size_t)len), hash);
        buf_add_cstr(out, "sha256:");
        hex_encode(out, slice_make(hash, sizeof hash));
    }
    OPENSSL_free(der);
    X509_free(cert);
    return rc;
}

int pki_cert_since(struct slice cert_pem, uint64_t *since_ms, struct err *err)
{
    X509 *cert = NULL;
    int days = 0;
    int seconds = 0;
    int rc = read_cert(cert_pem, &cert, err);
    if (rc != 0) {
        return rc;
    }
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    if (ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notBefore(cert)) != 1 || days < 0) {
        rc = err_set(err, ERR_INVALID, "the certificate's time");
    }
    *since_ms = rc == 0 ? ((uint64_t)days * 86400 + (uint64_t)seconds) * 1000 : 0;
    ASN1_TIME_free(epoch);
    X509_free(cert);
    return rc;
}

int pki_cert_check_uri(struct slice cert_pem, const char *uri, struct err *err)
{
    X509 *cert = NULL;
    int rc = read_cert(cert_pem, &cert, err);
    if (rc != 0) {
        return rc;
    }
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    struct buf others = {0};
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *string = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == GEN_URI) {
            struct slice has =
                slice_make(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
            found = found || slice_eq_cstr(has, uri);
            buf_addf(&others, "%s%.*s", others.len > 0 ? ", " : "", SLICE_ARG(has));
        }
    }
    if (!found) {
        rc = err_set(err, ERR_NOT_FOUND, "it is not for %s but for %s", uri,
                     others.len > 0 ? buf_cstr(&others) : "no node at all");
    }
    buf_free(&others);
    GENERAL_NAMES_free(names);
    X509_free(cert);
    return rc;
}
