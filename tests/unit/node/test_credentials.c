/* The keys of a cluster: made, signed with, saved, loaded; what is missing or damaged is named. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pki.h"
#include "base/tls.h"
#include "base/yaml.h"
#include "node/credentials.h"
#include "node/setup.h"
#include "tests/lib/tmpdir.h"

struct fixture {
    struct tmpdir tmp;
    const char *dir;
    struct credentials c;
    struct node_member member;
    struct err err;
};

static int make(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    tmpdir_make(&f->tmp);
    f->dir = f->tmp.path;
    assert_ok(credentials_create(&f->c, "c-1", &f->err), &f->err);
    assert_ok(setup_member(&f->member, "node-1", "local", "10.1.2.3:7444", "cp.example.com:7443",
                           &f->err),
              &f->err);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    credentials_free(&f->c);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

static void issue(struct fixture *f)
{
    assert_ok(credentials_issue_node(&f->c, "c-1", &f->member, &f->err), &f->err);
}

static void assert_mode(struct fixture *f, const char *name, unsigned mode)
{
    struct stat st;
    assert_int_equal(stat(tmpdir_path(&f->tmp, name), &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void what_is_saved_loads_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct credentials back;
    issue(f);
    assert_ok(credentials_save(&f->c, f->dir, &f->err), &f->err);
    assert_mode(f, "pki", 0700);
    assert_mode(f, "pki/ca.key", 0600);
    assert_mode(f, "pki/node.key", 0600);
    assert_mode(f, "pki/token.jwk", 0600);
    assert_mode(f, "pki/ca.crt", 0644);
    assert_mode(f, "pki/node.crt", 0644);
    assert_ok(credentials_load(&back, f->dir, &f->err), &f->err);
    assert_true(slice_eq(buf_slice(&back.ca_key), buf_slice(&f->c.ca_key)));
    assert_true(slice_eq(buf_slice(&back.ca_cert), buf_slice(&f->c.ca_cert)));
    assert_true(slice_eq(buf_slice(&back.node_key), buf_slice(&f->c.node_key)));
    assert_true(slice_eq(buf_slice(&back.node_cert), buf_slice(&f->c.node_cert)));
    struct buf token = {0};
    struct arena arena = {0};
    struct subject subject;
    struct subject ann = {.user = SLICE("ann")};
    (void)subject_add_group(&ann, SLICE(GROUP_VIEWER));
    assert_ok(credentials_issue_token(&f->c, "c-1", &ann, 60000, &token, &f->err), &f->err);
    assert_ok(token_check(back.token_key, "c-1", buf_slice(&token),
                          clock_system.wall_ms(&clock_system), &arena, &subject, &f->err),
              &f->err);
    assert_slice(subject.user, "ann");
    assert_true(subject_in(&subject, GROUP_VIEWER));
    arena_free(&arena);
    buf_free(&token);
    credentials_free(&back);
}

static void each_missing_file_is_named(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"pki/ca.key", "pki/ca.crt", "pki/node.key", "pki/node.crt",
                                        "pki/token.jwk"};
    struct credentials back;
    issue(f);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_ok(credentials_save(&f->c, f->dir, &f->err), &f->err);
        assert_int_equal(unlink(tmpdir_path(&f->tmp, names[i])), 0);
        assert_err(credentials_load(&back, f->dir, &f->err), &f->err, ERR_NOT_FOUND, names[i]);
        assert_null(back.token_key);
        assert_int_equal(back.ca_key.len, 0); /* nothing is held */
    }
}

static void a_damaged_token_key_is_named(void **state)
{
    struct fixture *f = *state;
    struct credentials back;
    issue(f);
    assert_ok(credentials_save(&f->c, f->dir, &f->err), &f->err);
    (void)tmpdir_write(&f->tmp, "pki/token.jwk", SLICE("{}"));
    assert_err(credentials_load(&back, f->dir, &f->err), &f->err, ERR_INVALID, "pki/token.jwk");
}

static void what_cannot_be_read_or_written_is_named(void **state)
{
    struct fixture *f = *state;
    struct credentials back;
    issue(f);
    assert_ok(credentials_save(&f->c, f->dir, &f->err), &f->err);
    const char *path = tmpdir_path(&f->tmp, "pki/ca.key");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_err(credentials_load(&back, f->dir, &f->err), &f->err, ERR_IO, "pki/ca.key");
    assert_err(credentials_save(&f->c, f->dir, &f->err), &f->err, ERR_IO, "pki/ca.key");
    const struct kubeconfig k = {.name = "x", .server = "https://x:1", .token = SLICE("t")};
    assert_err(kubeconfig_write(path, &k, &f->err), &f->err, ERR_IO, "pki/ca.key");
}

/* The certificate says what the cluster knows of the node, never what its request claims. */
static void a_request_is_signed_for_the_member_and_not_for_its_claims(void **state)
{
    struct fixture *f = *state;
    struct buf csr = {0};
    struct buf cert = {0};
    assert_ok(credentials_request(&f->c, "somebody-else", &csr, &f->err), &f->err);
    assert_ok(credentials_sign_node(&f->c, "c-1", &f->member, buf_slice(&csr), &cert, &f->err),
              &f->err);
    assert_ok(pki_cert_check_uri(buf_slice(&cert), "choreod://c-1/node/node-1", &f->err), &f->err);
    assert_err(pki_cert_check_uri(buf_slice(&cert), "choreod://c-1/node/somebody-else", &f->err),
               &f->err, ERR_NOT_FOUND, "choreod://c-1/node/node-1");
    /* With its key it makes a server. */
    const struct tls_config config = {.server = true,
                                      .ca_pem = buf_slice(&f->c.ca_cert),
                                      .cert_pem = buf_slice(&cert),
                                      .key_pem = buf_slice(&f->c.node_key)};
    struct tls *tls = NULL;
    assert_ok(tls_new(&config, &tls, &f->err), &f->err);
    tls_unref(tls);
    assert_err(credentials_sign_node(&f->c, "c-1", &f->member, SLICE("no request"), &cert, &f->err),
               &f->err, ERR_INVALID, "");
    buf_free(&csr);
    buf_free(&cert);
}

static void a_node_issued_twice_has_one_certificate(void **state)
{
    struct fixture *f = *state;
    issue(f);
    issue(f);
    struct slice cert = buf_slice(&f->c.node_cert);
    size_t first = slice_find(cert, SLICE("BEGIN CERTIFICATE"));
    assert_int_not_equal(first, SIZE_MAX);
    assert_int_equal(slice_find(slice_sub(cert, first + 1, SIZE_MAX), SLICE("BEGIN CERTIFICATE")),
                     SIZE_MAX);
}

static void kubeconfigs_hold_a_token_or_a_certificate(void **state)
{
    struct fixture *f = *state;
    struct buf cert = {0};
    struct buf key = {0};
    json_t *tree;
    assert_ok(credentials_issue_user(&f->c, "ann", GROUP_ADMIN, 3600, &cert, &key, &f->err),
              &f->err);
    struct kubeconfig k = {.name = "choreod",
                           .server = "https://h:7443",
                           .ca_pem = SLICE("CA"),
                           .cert_pem = buf_slice(&cert),
                           .key_pem = buf_slice(&key)};
    const char *path = tmpdir_path(&f->tmp, "kubeconfig");
    assert_ok(kubeconfig_write(path, &k, &f->err), &f->err);
    assert_mode(f, "kubeconfig", 0600);
    struct buf text = {0};
    kubeconfig_render(&k, &text);
    assert_true(slice_eq(tmpdir_read(&f->tmp, "kubeconfig"), buf_slice(&text)));
    assert_ok(yaml_parse(buf_slice(&text), "kubeconfig", &tree, &f->err), &f->err);
    const json_t *user = json_at(json_array_get(json_at(tree, "users", NULL), 0), "user", NULL);
    assert_true(json_text_at(user, "client-key-data").len > 0);
    assert_null(json_object_get(user, "token"));
    json_decref(tree);

    k.token = SLICE("t: 1");
    buf_clear(&text);
    kubeconfig_render(&k, &text);
    assert_ok(yaml_parse(buf_slice(&text), "kubeconfig", &tree, &f->err), &f->err);
    user = json_at(json_array_get(json_at(tree, "users", NULL), 0), "user", NULL);
    assert_slice(json_text_at(user, "token"), "t: 1");
    assert_null(json_object_get(user, "client-key-data"));
    const json_t *cluster =
        json_at(json_array_get(json_at(tree, "clusters", NULL), 0), "cluster", NULL);
    assert_slice(json_text_at(cluster, "server"), "https://h:7443");
    assert_slice(json_text_at(cluster, "certificate-authority-data"), "Q0E=");
    json_decref(tree);
    buf_free(&text);
    buf_free(&cert);
    buf_free(&key);
}

static void contexts_name_all_servers(void **state)
{
    struct fixture *f = *state;
    static const char *const others[] = {"https://h2:7443", "https://h3:7443"};
    struct kubeconfig k = {
        .name = "dev", .server = "https://h1:7443", .ca_pem = SLICE("CA"), .token = SLICE("t")};
    json_t *tree;
    const char *path = tmpdir_path(&f->tmp, "choreo.yaml");
    assert_ok(contexts_write(path, &k, others, 2, &f->err), &f->err);
    assert_mode(f, "choreo.yaml", 0600);
    assert_ok(yaml_parse(tmpdir_read(&f->tmp, "choreo.yaml"), "choreo.yaml", &tree, &f->err),
              &f->err);
    assert_slice(json_text_at(tree, "current-context"), "dev");
    const json_t *context = json_array_get(json_at(tree, "contexts", NULL), 0);
    assert_slice(json_text_at(context, "name"), "dev");
    assert_int_equal(json_array_size(json_at(context, "endpoints", NULL)), 3);
    assert_slice(json_text(json_array_get(json_at(context, "endpoints", NULL), 2)), others[1]);
    assert_slice(json_text_at(context, "certificateAuthorityData"), "Q0E=");
    assert_slice(json_text_at(context, "token"), "t");
    json_decref(tree);
    k.token = (struct slice){0};
    k.cert_pem = SLICE("CRT");
    k.key_pem = SLICE("KEY");
    assert_ok(contexts_write(path, &k, NULL, 0, &f->err), &f->err);
    assert_ok(yaml_parse(tmpdir_read(&f->tmp, "choreo.yaml"), "choreo.yaml", &tree, &f->err),
              &f->err);
    context = json_array_get(json_at(tree, "contexts", NULL), 0);
    assert_slice(json_text_at(context, "clientCertificateData"), "Q1JU");
    assert_slice(json_text_at(context, "clientKeyData"), "S0VZ");
    assert_null(json_object_get(context, "token"));
    json_decref(tree);
    assert_err(contexts_write(f->dir, &k, NULL, 0, &f->err), &f->err, ERR_IO, f->dir);
}

int main(void)
{
#define CREDENTIALS_TEST(name) cmocka_unit_test_setup_teardown(name, make, end)
    const struct CMUnitTest tests[] = {
        CREDENTIALS_TEST(what_is_saved_loads_as_it_was),
        CREDENTIALS_TEST(each_missing_file_is_named),
        CREDENTIALS_TEST(a_damaged_token_key_is_named),
        CREDENTIALS_TEST(what_cannot_be_read_or_written_is_named),
        CREDENTIALS_TEST(a_request_is_signed_for_the_member_and_not_for_its_claims),
        CREDENTIALS_TEST(a_node_issued_twice_has_one_certificate),
        CREDENTIALS_TEST(kubeconfigs_hold_a_token_or_a_certificate),
        CREDENTIALS_TEST(contexts_name_all_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
