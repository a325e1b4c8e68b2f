/* `choreod join` against a cluster that is a script: what it asks, whom it trusts, what it makes of
 * the answers; and members as JSON, which both sides exchange. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "node/cluster.h"
#include "node/commands.h"
#include "node/http/server.h"
#include "node/setup.h"
#include "tests/lib/capture.h"
#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"
#include "tests/lib/tmpdir.h"

enum { WORDS_MAX = 24 };

struct fixture {
    struct onloop o;
    struct certs certs;
    struct tls *tls;
    struct http_server server;
    struct tmpdir tmp;
    struct credentials credentials; /* the cluster's */
    struct buf ca_hash;
    char address[64];
    struct err err;
    int rc;
    /* the script */
    int status;
    struct buf answer;
    struct slice ca; /* what it says its CA is */
    /* what was asked, on the server's loop */
    struct buf asked;
    struct buf authorization;
    int requests;
};

/* ---- the cluster ---- */

static void on_request(struct http_stream *s, int rc)
{
    struct fixture *f = s->user;
    if (rc == 0 && slice_eq(s->path, SLICE("/pki/ca.crt"))) {
        http_stream_respond(s, 200, NULL, 0, f->ca);
    } else {
        f->requests++;
        buf_clear(&f->asked);
        buf_add(&f->asked, s->body);
        buf_clear(&f->authorization);
        buf_add(&f->authorization, http_stream_header(s, "authorization"));
        http_stream_respond(s, f->status, NULL, 0, buf_slice(&f->answer));
    }
    http_stream_release(s);
}

static void on_reset(struct http_stream *s, const struct err *why)
{
    (void)why;
    http_stream_release(s);
}

static const struct http_handler handler = {.on_request = on_request, .on_reset = on_reset};

static void route(struct http_server *server, struct http_stream *s)
{
    s->handler = &handler;
    s->user = server->user;
}

static void start_fn(void *arg)
{
    struct fixture *f = arg;
    const struct http_server_config config = {
        .tls = f->tls, .address = "127.0.0.1:0", .route = route};
    f->server.user = f;
    f->rc = http_server_start(&f->server, &f->o.loop, &config, &f->err);
}

static void on_closed(struct http_server *server)
{
    struct fixture *f = server->user;
    onloop_done(&f->o);
}

static void stop_fn(void *arg)
{
    struct fixture *f = arg;
    http_server_close(&f->server, 0, on_closed);
}

/* What the cluster says to a node that it admits. */
static json_t *welcome(struct fixture *f)
{
    struct node_member self;
    struct node_member other;
    struct buf jwk = {0};
    assert_ok(setup_member(&self, "node-9", "local", "h9:7444", "h9:7443", &f->err), &f->err);
    assert_ok(setup_member(&other, "node-1", "local", "h1:7444", "h1:7443", &f->err), &f->err);
    token_key_save(f->credentials.token_key, &jwk);
    json_t *tree =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:o, s:[o]}", "cluster", "c-1", "shards", 4,
                  "incarnation", 1, "electionTimeoutMs", 500, "heartbeatMs", 50, "member",
                  cluster_member_json(&self), "members", cluster_member_json(&other));
    json_object_set_new(tree, "caKey", json_str(buf_slice(&f->credentials.ca_key)));
    json_object_set_new(tree, "cert", json_str(buf_slice(&f->credentials.node_cert)));
    json_object_set_new(tree, "tokenKey", json_str(buf_slice(&jwk)));
    buf_free(&jwk);
    return tree;
}

static void answer_with(struct fixture *f, int status, json_t *tree)
{
    f->status = status;
    buf_clear(&f->answer);
    json_canonical(tree, &f->answer);
    json_decref(tree);
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    struct node_member member;
    onloop_start(&f->o);
    certs_make(&f->certs);
    tmpdir_make(&f->tmp);
    f->tls = certs_server(&f->certs, TLS_PEER_OPTIONAL, NULL, http_alpn);
    assert_ok(credentials_create(&f->credentials, "c-1", &f->err), &f->err);
    assert_ok(setup_member(&member, "node-9", "local", "h9:7444", "h9:7443", &f->err), &f->err);
    assert_ok(credentials_issue_node(&f->credentials, "c-1", &member, &f->err), &f->err);
    assert_ok(pki_cert_hash(buf_slice(&f->certs.ca_cert), &f->ca_hash, &f->err), &f->err);
    f->ca = buf_slice(&f->certs.ca_cert);
    onloop_call(&f->o, start_fn, f);
    assert_ok(f->rc, &f->err);
    (void)snprintf(f->address, sizeof f->address, "127.0.0.1:%u", http_server_port(&f->server));
    answer_with(f, 200, welcome(f));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->o, stop_fn, f);
    onloop_wait(&f->o, "the server's end");
    onloop_stop(&f->o);
    tls_unref(f->tls);
    certs_free(&f->certs);
    credentials_free(&f->credentials);
    buf_free(&f->ca_hash);
    buf_free(&f->answer);
    buf_free(&f->asked);
    buf_free(&f->authorization);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

/* ---- the joining machine ---- */

static int join(struct fixture *f, const char *const *words, struct capture *said)
{
    char *argv[WORDS_MAX];
    int argc = 0;
    (void)f;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = mem_strdup(words[argc]);
    }
    argv[argc] = NULL;
    capture_start(said);
    int code = command_join(argc, argv);
    capture_end(said);
    while (argc > 0) {
        free(argv[--argc]);
    }
    return code;
}

static int join_in(struct fixture *f, const char *dir, struct capture *said)
{
    const char *const words[] = {"join",      f->address,
                                 "--token",   "t0k3n",
                                 "--ca-hash", buf_cstr(&f->ca_hash),
                                 "--dir",     tmpdir_path(&f->tmp, dir),
                                 "--api",     "h9:7443",
                                 "--peers",   "h9:7444",
                                 "--name",    "node-9",
                                 "--region",  "local",
                                 NULL};
    return join(f, words, said);
}

static void refused(struct fixture *f, int code, const char *message)
{
    struct capture said;
    int got = join_in(f, "data", &said);
    if (got != code || strstr(buf_cstr(&said.err), message) == NULL) {
        print_error("exit %d: %s\n", got, buf_cstr(&said.err));
    }
    assert_int_equal(got, code);
    assert_non_null(strstr(buf_cstr(&said.err), message));
    assert_int_equal(access(tmpdir_path(&f->tmp, "data/node.yaml"), F_OK), -1);
    capture_free(&said);
}

static void a_machine_is_admitted(void **state)
{
    struct fixture *f = *state;
    struct capture said;
    struct node_identity id;
    assert_int_equal(join_in(f, "data", &said), 0);
    assert_non_null(strstr(buf_cstr(&said.out), "node node-9 is admitted to cluster c-1"));
    capture_free(&said);
    const char *dir = tmpdir_path(&f->tmp, "data");
    assert_ok(node_load(dir, &id, &f->err), &f->err);
    assert_string_equal(id.self.name, "node-9");
    assert_string_equal(id.cluster, "c-1");
    assert_int_equal(id.shards, 4);
    assert_int_equal(access(tmpdir_path(&f->tmp, "data/joining"), F_OK), 0);
    /* It showed its token, and asked for a certificate under its own name. */
    json_t *asked;
    assert_slice(buf_slice(&f->authorization), "Bearer t0k3n");
    assert_ok(json_parse(buf_slice(&f->asked), &asked, &f->err), &f->err);
    assert_slice(json_text_at(asked, "name"), "node-9");
    assert_slice(json_text_at(asked, "peer"), "h9:7444");
    assert_true(slice_starts_with(json_text_at(asked, "csr"), SLICE("-----BEGIN")));
    json_decref(asked);
    /* A second time there is a node already, and nobody is asked. */
    assert_int_equal(join_in(f, "data", &said), 5);
    assert_non_null(strstr(buf_cstr(&said.err), "already holds node node-9 of cluster c-1"));
    assert_int_equal(f->requests, 1);
    capture_free(&said);
}

static void another_cluster_never_sees_the_token(void **state)
{
    struct fixture *f = *state;
    buf_clear(&f->ca_hash);
    buf_add_cstr(&f->ca_hash, "sha256:00");
    refused(f, 4, "it is another cluster, or somebody is between");
    assert_int_equal(f->requests, 0);
    /* Nor one that shows the right CA but does not have its certificate. */
    f->ca = buf_slice(&f->credentials.ca_cert);
    buf_clear(&f->ca_hash);
    assert_ok(pki_cert_hash(f->ca, &f->ca_hash, &f->err), &f->err);
    refused(f, 4, "");
    assert_int_equal(f->requests, 0);
    f->ca = SLICE("no certificate");
    refused(f, 2, "");
    assert_int_equal(f->requests, 0);
}

static void refusals_say_what_the_cluster_said(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status;
        int code;
    } cases[] = {{401, 4}, {403, 4}, {409, 5}, {400, 2}, {500, 1}, {503, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[64];
        answer_with(f, cases[i].status, json_pack("{s:s}", "message", "because"));
        (void)snprintf(message, sizeof message, "because (HTTP %d)", cases[i].status);
        refused(f, cases[i].code, message);
    }
    buf_clear(&f->answer);
    buf_add_cstr(&f->answer, "<html>a proxy</html>");
    refused(f, 1, "<html>a proxy</html> (HTTP 503)");
}

static void a_welcome_that_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const needed[] = {
        "member",      "tokenKey",    "cluster", "shards", "electionTimeoutMs",
        "heartbeatMs", "incarnation", "caKey",   "cert"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        json_t *tree = welcome(f);
        json_object_del(tree, needed[i]);
        answer_with(f, 200, tree);
        refused(f, 2, "");
    }
    json_t *tree = welcome(f);
    json_object_set_new(tree, "shards", json_integer(4294967297));
    answer_with(f, 200, tree);
    refused(f, 2, "the cluster's answer: shards: must be a whole number");
    tree = welcome(f);
    json_object_set_new(tree, "cert", json_str(f->ca)); /* which is nobody's */
    answer_with(f, 200, tree);
    refused(f, 1, "the cluster's answer: ");
    tree = welcome(f);
    json_object_set_new(tree, "members", json_pack("[{s:s}]", "name", "node-1"));
    answer_with(f, 200, tree);
    refused(f, 2, "a member has name, region, peer and api");
    f->status = 200;
    buf_clear(&f->answer);
    buf_add_cstr(&f->answer, "{");
    refused(f, 2, "the cluster's answer");
}

static void usage_is_checked_first(void **state)
{
    struct fixture *f = *state;
    struct capture said;
    const char *const nothing[] = {"join", NULL};
    assert_int_equal(join(f, nothing, &said), 2);
    assert_non_null(strstr(buf_cstr(&said.err), "ADDRESS, --token, --ca-hash"));
    capture_free(&said);
    const char *const bad_name[] = {"join",    f->address, "--token", "t",      "--ca-hash",
                                    "h",       "--dir",    "d",       "--api",  "h:1",
                                    "--peers", "h:1",      "--name",  "Node 9", NULL};
    assert_int_equal(join(f, bad_name, &said), 2);
    assert_non_null(strstr(buf_cstr(&said.err), "node name \"Node 9\""));
    capture_free(&said);
    const char *const nobody[] = {"join",    "127.0.0.1:1", "--token", "t",      "--ca-hash",
                                  "h",       "--dir",       "d",       "--api",  "h:1",
                                  "--peers", "h:1",         "--name",  "node-9", NULL};
    assert_int_equal(join(f, nobody, &said), 1);
    assert_non_null(strstr(buf_cstr(&said.err), "127.0.0.1"));
    capture_free(&said);
    assert_int_equal(f->requests, 0);
}

static void members_travel_as_json(void **state)
{
    struct fixture *f = *state;
    struct node_member m;
    struct node_member back;
    assert_ok(setup_member(&m, "node-1", "local", "h:1", "h:2", &f->err), &f->err);
    json_t *tree = cluster_member_json(&m);
    assert_ok(cluster_member_parse(tree, &back, &f->err), &f->err);
    assert_true(back.id == m.id);
    assert_string_equal(back.api, "h:2");
    /* An id that is none is a new one's. */
    json_object_set_new(tree, "id", json_integer(-1));
    assert_ok(cluster_member_parse(tree, &back, &f->err), &f->err);
    assert_true(back.id > 0 && back.id != m.id);
    static const char *const fields[] = {"name", "region", "peer", "api"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        json_t *copy = json_copy(tree);
        json_object_set_new(copy, fields[i], json_integer(1));
        assert_err(cluster_member_parse(copy, &back, &f->err), &f->err, ERR_INVALID, "all strings");
        json_object_set_new(copy, fields[i], json_string("@"));
        assert_err(cluster_member_parse(copy, &back, &f->err), &f->err, ERR_INVALID, "\"@\"");
        json_decref(copy);
    }
    assert_err(cluster_member_parse(NULL, &back, &f->err), &f->err, ERR_INVALID, "all strings");
    json_decref(tree);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_TEXT);
#define JOIN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        JOIN_TEST(a_machine_is_admitted),
        JOIN_TEST(another_cluster_never_sees_the_token),
        JOIN_TEST(refusals_say_what_the_cluster_said),
        JOIN_TEST(a_welcome_that_makes_no_sense_is_refused),
        JOIN_TEST(usage_is_checked_first),
        JOIN_TEST(members_travel_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
