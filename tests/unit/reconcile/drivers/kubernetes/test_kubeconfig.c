/* Kubeconfigs: what reaches a cluster, and what each wrong one is told. */
#include "tests/lib/test.h"

#include "reconcile/drivers/kubernetes/kubeconfig.h"

#define CONTEXT                                                                                    \
    "current-context: c\n"                                                                         \
    "contexts: [{name: c, context: {cluster: k, user: u}}]\n"

static void parse_ok(const char *text, struct kubeconfig *k)
{
    struct err err;
    assert_ok(kubeconfig_parse(slice_of(text), k, &err), &err);
}

static void refused(const char *text, const char *why)
{
    struct kubeconfig k;
    struct err err;
    int rc = kubeconfig_parse(slice_of(text), &k, &err);
    assert_err(rc, &err, ERR_INVALID, why);
    assert_null(k.server); /* nothing is held */
}

static void test_token_and_ca(void **state)
{
    struct kubeconfig k;
    (void)state;
    parse_ok(CONTEXT "clusters: [{name: k, cluster: {server: 'https://1.2.3.4:6443/', "
                     "certificate-authority-data: aGVsbG8=}}]\n"
                     "users: [{name: u, user: {token: abc}}]\n",
             &k);
    assert_string_equal(k.server, "https://1.2.3.4:6443");
    assert_slice(buf_slice(&k.ca_pem), "hello");
    assert_string_equal(k.token, "abc");
    assert_false(k.insecure);
    kubeconfig_free(&k);
}

static void test_client_certificate(void **state)
{
    struct kubeconfig k;
    (void)state;
    parse_ok(CONTEXT "clusters: [{name: k, cluster: {server: 'https://h', "
                     "insecure-skip-tls-verify: true}}]\n"
                     "users: [{name: u, user: {client-certificate-data: Y2VydA==, "
                     "client-key-data: a2V5}}]\n",
             &k);
    assert_slice(buf_slice(&k.cert_pem), "cert");
    assert_slice(buf_slice(&k.key_pem), "key");
    assert_true(k.insecure);
    assert_null(k.token);
    kubeconfig_free(&k);
}

static void test_the_only_context_is_current(void **state)
{
    struct kubeconfig k;
    (void)state;
    parse_ok("contexts: [{name: x, context: {cluster: k}}]\n"
             "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]\n",
             &k);
    assert_string_equal(k.server, "http://127.0.0.1:1");
    kubeconfig_free(&k);
}

static void test_json_is_yaml_too(void **state)
{
    struct kubeconfig k;
    (void)state;
    parse_ok("{\"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"k\"}}], "
             "\"clusters\": [{\"name\": \"k\", \"cluster\": {\"server\": \"https://h\"}}]}",
             &k);
    kubeconfig_free(&k);
}

#define ANONYMOUS "contexts: [{name: c, context: {cluster: k}}]\n"
#define CLUSTER "clusters: [{name: k, cluster: {server: 'https://h'}}]\n"

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    refused("", "it is empty");
    refused("- a\n- b\n", "no context");
    refused("a: [", "kubeconfig");
    refused("current-context: other\n" CLUSTER, "no context \"other\"");
    refused(CONTEXT "users: []\n", "no cluster \"k\"");
    refused(CONTEXT CLUSTER, "no user \"u\"");
    refused(ANONYMOUS "clusters: [{name: k, cluster: {server: nowhere}}]\n",
            "not a https:// address");
    refused(ANONYMOUS "clusters: [{name: k, cluster: {server: 'https://a b'}}]\n", "no address");
    refused(ANONYMOUS "clusters: [{name: k, cluster: {server: 'https://h', "
                      "certificate-authority: /etc/ca.crt}}]\n",
            "embed the file");
    refused(ANONYMOUS "clusters: [{name: k, cluster: {server: 'https://h', "
                      "certificate-authority-data: '***'}}]\n",
            "is not base64");
    refused(CONTEXT CLUSTER "users: [{name: u, user: {exec: {command: aws}}}]\n",
            "credentials from a command");
    refused(CONTEXT CLUSTER "users: [{name: u, user: {tokenFile: /var/run/token}}]\n",
            "put the token itself");
    refused(CONTEXT CLUSTER "users: [{name: u, user: {token: \"a\\nb\"}}]\n", "white space");
    refused(CONTEXT CLUSTER "users: [{name: u, user: {client-certificate-data: Y2VydA==}}]\n",
            "needs its key");
}

static void test_too_large(void **state)
{
    struct buf text = {0};
    struct kubeconfig k;
    struct err err;
    (void)state;
    for (size_t i = 0; i < 600 * 1024; i++) {
        buf_add_char(&text, '#');
    }
    int rc = kubeconfig_parse(buf_slice(&text), &k, &err);
    assert_err(rc, &err, ERR_INVALID, "over");
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_and_ca),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_the_only_context_is_current),
        cmocka_unit_test(test_json_is_yaml_too),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
