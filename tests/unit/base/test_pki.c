/* Keys and certificates, read back by OpenSSL through tls contexts and by their texts. */
#include <time.h>

#include "tests/lib/test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/crypto.h"
#include "tests/lib/certs.h"
#include "tests/lib/tmpdir.h"

static X509 *read_back(const struct buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

static const struct pki_subject node = {
    .common_name = "node-1",
    .organizations = {"choreod:nodes", "b,O=system:masters"},
    .organization_count = 2,
    .dns = {"node-1.example.com", "*.svc"},
    .dns_count = 2,
    .ips = {"10.1.2.3", "fd00::1"},
    .ip_count = 2,
    .uris = {"choreod://c1/node/node-1"},
    .uri_count = 1,
    .server = true,
    .client = true,
};

static void a_certificate_holds_its_subject_and_nothing_else(void **state)
{
    (void)state;
    struct certs c;
    struct buf cert_pem = {0};
    struct buf key = {0};
    struct err err;
    certs_make(&c);
    certs_issue(&c, &node, &cert_pem, &key);
    X509 *cert = read_back(&cert_pem);
    X509 *ca = read_back(&c.ca_cert);
    char *name = X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0);
    assert_string_equal(name, "/O=choreod:nodes/O=b,O=system:masters/CN=node-1");
    OPENSSL_free(name);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 3);
    assert_int_equal(X509_check_host(cert, "node-1.example.com", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "node-2.example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "10.1.2.3", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "fd00:0::1", 0), 1);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(names), 5);
    GENERAL_NAMES_free(names);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_check_issued(ca, cert), X509_V_OK);
    EVP_PKEY *ca_key = X509_get_pubkey(ca);
    assert_int_equal(X509_verify(cert, ca_key), 1);
    EVP_PKEY_free(ca_key);
    assert_ok(pki_cert_check_uri(buf_slice(&cert_pem), node.uris[0], &err), &err);
    assert_err(pki_cert_check_uri(buf_slice(&cert_pem), "choreod://c/node/other", &err), &err,
               ERR_NOT_FOUND, node.uris[0]);
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER | XKU_SSL_CLIENT);
    time_t in_30s = time(NULL) - 30;
    assert_true(X509_cmp_time(X509_get0_notBefore(cert), &in_30s) < 0);
    time_t later = time(NULL) + 3600 + 60;
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), &later) < 0);
    X509_free(cert);
    X509_free(ca);
    buf_free(&cert_pem);
    buf_free(&key);
    certs_free(&c);
}

/* What a request claims is not what its sender gets. */
static void signing_ignores_the_claims_of_a_request(void **state)
{
    (void)state;
    struct certs c;
    struct err err;
    struct buf key = {0};
    struct buf csr = {0};
    struct buf cert_pem = {0};
    certs_make(&c);
    assert_ok(pki_new_key(&key, &err), &err);
    assert_ok(pki_new_csr(buf_slice(&key), &node, &csr, &err), &err);
    const struct pki_subject plain = {.common_name = "visitor", .client = true};
    assert_ok(pki_sign(buf_slice(&c.ca_cert), buf_slice(&c.ca_key), buf_slice(&csr), &plain, 60,
                       &cert_pem, &err),
              &err);
    assert_err(pki_cert_check_uri(buf_slice(&cert_pem), node.uris[0], &err), &err, ERR_NOT_FOUND,
               "no node at all");
    X509 *cert = read_back(&cert_pem);
    char *name = X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0);
    assert_string_equal(name, "/CN=visitor");
    OPENSSL_free(name);
    assert_null(X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL));
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT);
    X509_free(cert);
    buf_free(&key);
    buf_free(&csr);
    buf_free(&cert_pem);
    certs_free(&c);
}

static void bad_requests_keys_and_names_are_refused(void **state)
{
    (void)state;
    struct certs c;
    struct certs other;
    struct err err;
    struct buf key = {0};
    struct buf csr = {0};
    struct buf out = {0};
    certs_make(&c);
    certs_make(&other);
    assert_ok(pki_new_key(&key, &err), &err);
    assert_ok(pki_new_csr(buf_slice(&key), &node, &csr, &err), &err);
    struct slice ca = buf_slice(&c.ca_cert);
    struct slice ca_key = buf_slice(&c.ca_key);
    assert_err(pki_sign(ca, ca_key, SLICE("rubbish"), &node, 60, &out, &err), &err, ERR_INVALID,
               "certificate request");
    assert_err(pki_sign(ca, buf_slice(&other.ca_key), buf_slice(&csr), &node, 60, &out, &err), &err,
               ERR_INVALID, "does not fit");
    assert_err(pki_sign(SLICE(""), ca_key, buf_slice(&csr), &node, 60, &out, &err), &err,
               ERR_INVALID, "no certificate");
    struct pki_subject bad = node;
    bad.ips[0] = "10.1.2.300";
    assert_err(pki_sign(ca, ca_key, buf_slice(&csr), &bad, 60, &out, &err), &err, ERR_INVALID,
               "10.1.2.300");
    bad = node;
    bad.common_name = "sixty-four characters are the most that X.509 allows in a common name";
    assert_err(pki_new_csr(buf_slice(&key), &bad, &out, &err), &err, ERR_INVALID, "common name");
    assert_err(pki_new_ca(SLICE("no key"), "x", 1, &out, &err), &err, ERR_INVALID, "private key");
    assert_int_equal(out.len, 0);
    /* A flipped bit in the request breaks its own signature. */
    struct buf tampered = {0};
    struct slice marker = SLICE("REQUEST-----\n");
    buf_add(&tampered, buf_slice(&csr));
    size_t body = slice_find(buf_slice(&tampered), marker) + marker.len;
    tampered.data[body + 60] = tampered.data[body + 60] == 'A' ? 'B' : 'A';
    int rc = pki_sign(ca, ca_key, buf_slice(&tampered), &node, 60, &out, &err);
    assert_int_equal(rc, ERR_INVALID);
    buf_free(&tampered);
    buf_free(&key);
    buf_free(&csr);
    buf_free(&out);
    certs_free(&c);
    certs_free(&other);
}

static void a_certificate_says_since_when(void **state)
{
    (void)state;
    struct certs c;
    struct err err;
    uint64_t since_ms = 0;
    certs_make(&c);
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    assert_ok(pki_cert_since(buf_slice(&c.ca_cert), &since_ms, &err), &err);
    assert_in_range(since_ms, now_ms - 3600 * 1000, now_ms);
    assert_int_equal(pki_cert_since(SLICE("rubbish"), &since_ms, &err), ERR_INVALID);
    certs_free(&c);
}

static void the_hash_names_the_key_not_the_certificate(void **state)
{
    (void)state;
    struct certs c;
    struct err err;
    struct buf again = {0};
    struct buf a = {0};
    struct buf b = {0};
    certs_make(&c);
    assert_ok(pki_new_ca(buf_slice(&c.ca_key), "renewed", 5, &again, &err), &err);
    assert_ok(pki_cert_hash(buf_slice(&c.ca_cert), &a, &err), &err);
    assert_ok(pki_cert_hash(buf_slice(&again), &b, &err), &err);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    assert_int_equal(a.len, 7 + 64);
    assert_true(slice_starts_with(buf_slice(&a), SLICE("sha256:")));
    X509 *cert = read_back(&c.ca_cert);
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    uint8_t hash[SHA256_BYTES];
    crypto_sha256(slice_make(der, (size_t)len), hash);
    buf_clear(&b);
    hex_encode(&b, slice_make(hash, sizeof hash));
    assert_true(slice_eq(slice_sub(buf_slice(&a), 7, 64), buf_slice(&b)));
    OPENSSL_free(der);
    X509_free(cert);
    assert_err(pki_cert_check_uri(SLICE("x"), "u", &err), &err, ERR_INVALID, "no certificate");
    assert_err(pki_cert_hash(SLICE("x"), &a, &err), &err, ERR_INVALID, "no certificate");
    buf_free(&again);
    buf_free(&a);
    buf_free(&b);
    certs_free(&c);
}

struct context_case {
    struct tls_config config;
    const char *why; /* NULL: it works */
};

static void contexts_say_what_is_wrong_with_them(void **state)
{
    (void)state;
    struct certs c;
    struct tmpdir dir;
    struct err err;
    struct buf cert = {0};
    struct buf key = {0};
    struct buf other_cert = {0};
    struct buf other_key = {0};
    certs_make(&c);
    tmpdir_make(&dir);
    certs_issue(&c, &node, &cert, &key);
    certs_issue(&c, &node, &other_cert, &other_key);
    const char *cert_file = tmpdir_write(&dir, "a.crt", buf_slice(&cert));
    const char *key_file = tmpdir_write(&dir, "a.key", buf_slice(&key));
    const char *empty = tmpdir_write(&dir, "empty.pem", SLICE(""));
    const char *rubbish = tmpdir_write(&dir, "rubbish.pem", SLICE("not PEM"));
    const char *absent = tmpdir_path(&dir, "absent.pem");
    struct slice ca = buf_slice(&c.ca_cert);
    const struct context_case cases[] = {
        {{.server = true, .cert_file = cert_file, .key_file = key_file}, NULL},
        {{.ca_pem = ca}, NULL},
        {{.insecure = true}, NULL},
        {{.server = true}, "a server needs a certificate"},
        {{.server = true, .cert_file = cert_file}, "together"},
        {{.server = true, .cert_file = absent, .key_file = key_file}, "absent.pem"},
        {{.server = true, .cert_file = empty, .key_file = key_file},
         "empty.pem: the file is empty"},
        {{.server = true, .cert_file = rubbish, .key_file = key_file},
         "rubbish.pem: no certificate"},
        {{.server = true, .cert_file = cert_file, .key_file = rubbish},
         "rubbish.pem: no unencrypted"},
        {{.server = true, .cert_file = cert_file, .key_pem = buf_slice(&other_key)},
         "does not fit"},
        {{.server = true, .cert_file = cert_file, .key_file = key_file, .peer = TLS_PEER_REQUIRED},
         "needs a CA"},
        {{.ca_file = rubbish}, "rubbish.pem: no certificate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls *tls;
        int rc = tls_new(&cases[i].config, &tls, &err);
        if (cases[i].why == NULL) {
            assert_ok(rc, &err);
            tls_unref(tls_ref(tls));
            tls_unref(tls);
        } else {
            assert_err(rc, &err, ERR_INVALID, cases[i].why);
            assert_null(tls);
        }
    }
    buf_free(&cert);
    buf_free(&key);
    buf_free(&other_cert);
    buf_free(&other_key);
    tmpdir_remove(&dir);
    certs_free(&c);
}

static void an_expired_certificate_is_told_at_start(void **state)
{
    (void)state;
    struct certs c;
    struct err err;
    struct buf key = {0};
    struct buf csr = {0};
    struct buf cert = {0};
    certs_make(&c);
    assert_ok(pki_new_key(&key, &err), &err);
    assert_ok(pki_new_csr(buf_slice(&key), &node, &csr, &err), &err);
    assert_ok(pki_sign(buf_slice(&c.ca_cert), buf_slice(&c.ca_key), buf_slice(&csr), &node, 0,
                       &cert, &err),
              &err);
    const struct tls_config config = {
        .server = true, .cert_pem = buf_slice(&cert), .key_pem = buf_slice(&key)};
    struct tls *tls;
    assert_err(tls_new(&config, &tls, &err), &err, ERR_INVALID, "certificate expired on 2");
    buf_free(&key);
    buf_free(&csr);
    buf_free(&cert);
    certs_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_holds_its_subject_and_nothing_else),
        cmocka_unit_test(signing_ignores_the_claims_of_a_request),
        cmocka_unit_test(bad_requests_keys_and_names_are_refused),
        cmocka_unit_test(the_hash_names_the_key_not_the_certificate),
        cmocka_unit_test(a_certificate_says_since_when),
        cmocka_unit_test(contexts_say_what_is_wrong_with_them),
        cmocka_unit_test(an_expired_certificate_is_told_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
