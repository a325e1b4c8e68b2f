/* Lookups in repositories of a real git, old and new, private, moved, empty, huge and broken. */
#include "tests/lib/test.h"

#include <signal.h>

#include "base/git.h"
#include "tests/lib/certs.h"
#include "tests/lib/git_server.h"

struct fixture {
    struct loop loop;
    struct git_server server;
    struct git_client client;
    struct git_lookup lookup;
    struct certs certs;
    struct buf commit;
    bool done;
    bool closed;
    int rc;
    struct err err;
};

static void on_done(struct git_lookup *l, int rc, const struct err *err)
{
    struct fixture *f = l->user_data;
    f->rc = rc;
    f->err = rc != 0 ? *err : (struct err){0};
    f->done = true;
}

static void on_closed(struct git_client *c)
{
    struct fixture *f = CONTAINER_OF(c, struct fixture, client);
    f->closed = true;
    f->done = true;
}

struct call {
    struct loop_msg msg;
    struct fixture *f;
    void (*fn)(struct fixture *f);
};

static void on_call(struct loop_msg *msg)
{
    struct call *c = CONTAINER_OF(msg, struct call, msg);
    c->fn(c->f);
}

static void run(struct fixture *f, void (*fn)(struct fixture *f))
{
    struct call c = {.msg.run = on_call, .f = f, .fn = fn};
    f->done = false;
    loop_post(&f->loop, &c.msg);
    loop_run_until(&f->loop, &f->done);
}

static void open_public(struct fixture *f)
{
    f->rc = git_client_init(&f->client, &f->loop, false, &f->err);
    f->done = true;
}

static void open_local(struct fixture *f)
{
    f->rc = git_client_init(&f->client, &f->loop, true, &f->err);
    f->client.answer_max_mb = 4;
    f->done = true;
}

static void close_client(struct fixture *f)
{
    git_client_close(&f->client, on_closed);
}

static void look(struct fixture *f)
{
    git_lookup(&f->client, &f->lookup);
}

static void look_and_cancel(struct fixture *f)
{
    git_lookup(&f->client, &f->lookup);
    git_cancel(&f->lookup);
}

static void look_and_close(struct fixture *f)
{
    git_lookup(&f->client, &f->lookup);
    git_client_close(&f->client, on_closed);
}

static int resolve(struct fixture *f, const char *repository, const char *ref)
{
    f->lookup.repository = slice_of(repository);
    f->lookup.ref = slice_of(ref);
    f->lookup.done = on_done;
    f->lookup.user_data = f;
    run(f, look);
    assert_null(f->lookup.impl);
    return f->rc;
}

static struct fixture shared; /* the server of most tests takes a second to start */

static int start_server(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    git_server_start(&shared.server, (struct slice){0}, (struct slice){0});
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    git_server_stop(&shared.server);
    return 0;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.server = shared.server};
    assert_ok(loop_init(&f.loop, "test", &f.err), &f.err);
    run(&f, open_local);
    assert_ok(f.rc, &f.err);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (!f->closed) {
        run(f, close_client);
        assert_true(f->closed);
    }
    loop_stop(&f->loop);
    loop_run(&f->loop);
    loop_join(&f->loop);
    buf_free(&f->commit);
    shared.server.dir = f->server.dir;
    return 0;
}

static int setup_tls(void **state)
{
    const struct pki_subject subject = {.common_name = "git",
                                        .dns = {"localhost"},
                                        .dns_count = 1,
                                        .ips = {"127.0.0.1"},
                                        .ip_count = 1,
                                        .server = true};
    struct buf cert = {0};
    struct buf key = {0};
    (void)setup(state);
    struct fixture *f = *state;
    certs_make(&f->certs);
    certs_issue(&f->certs, &subject, &cert, &key);
    git_server_start(&f->server, buf_slice(&cert), buf_slice(&key));
    buf_free(&cert);
    buf_free(&key);
    return 0;
}

static int teardown_tls(void **state)
{
    struct fixture *f = *state;
    git_server_stop(&f->server);
    certs_free(&f->certs);
    f->server = shared.server;
    return teardown(state);
}

static void assert_resolves(struct fixture *f, const char *path, const char *ref, const char *name)
{
    assert_ok(resolve(f, git_server_url(&f->server, path), ref), &f->err);
    git_server_commit(&f->server, name, &f->commit);
    assert_string_equal(f->lookup.commit, buf_cstr(&f->commit));
    assert_string_equal(f->lookup.name, name);
}

static void test_refs_of_every_kind(void **state)
{
    struct fixture *f = *state;
    static const char *const servers[] = {"plain/shop", "plain/shop.git", "v0/shop", "moved/shop",
                                          "away/shop"};
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        assert_resolves(f, servers[i], "main", "refs/heads/main");
        assert_resolves(f, servers[i], "dev", "refs/heads/dev");
        assert_resolves(f, servers[i], "v1", "refs/tags/v1"); /* peeled */
        assert_resolves(f, servers[i], "refs/tags/both", "refs/tags/both");
        assert_resolves(f, servers[i], "both", "refs/heads/both"); /* a branch before a tag */
        assert_resolves(f, servers[i], "", "refs/heads/main");
        assert_resolves(f, servers[i], "HEAD", "refs/heads/main");
    }
}

static void test_versions_are_asked_as_they_are(void **state)
{
    struct fixture *f = *state;
    assert_resolves(f, "plain/shop", "main", "refs/heads/main");
    assert_resolves(f, "v0/shop", "main", "refs/heads/main");
    struct slice log = git_server_log(&f->server);
    assert_true(slice_find(log, SLICE("POST /plain/shop/git-upload-pack host=127.0.0.1 "
                                      "protocol=version=2")) != SIZE_MAX);
    assert_true(slice_find(log, SLICE("POST /v0/")) == SIZE_MAX);
}

static void test_a_push_is_seen(void **state)
{
    struct fixture *f = *state;
    struct buf pushed = {0};
    assert_resolves(f, "plain/shop", "main", "refs/heads/main");
    git_server_push(&f->server, "main", &pushed);
    assert_ok(resolve(f, git_server_url(&f->server, "plain/shop"), "main"), &f->err);
    assert_string_equal(f->lookup.commit, buf_cstr(&pushed));
    buf_free(&pushed);
}

static void test_twenty_thousand_branches(void **state)
{
    struct fixture *f = *state;
    static const char *const servers[] = {"plain/big", "v0/big"};
    for (size_t i = 0; i < 2; i++) {
        const char *url = git_server_url(&f->server, servers[i]);
        assert_ok(resolve(f, url, "topic-19999"), &f->err);
        assert_string_equal(f->lookup.name, "refs/heads/topic-19999");
        assert_err(resolve(f, url, "topic-20000"), &f->err, ERR_NOT_FOUND, "no such branch or tag");
    }
}

static void test_errors_say_what_and_where(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        const char *ref;
        int code;
        const char *says;
    } cases[] = {
        {"plain/shop", "gone", ERR_NOT_FOUND,
         "/plain/shop, \"gone\": it has no such branch or tag"},
        {"v0/shop", "gone", ERR_NOT_FOUND, "no such branch"},
        {"plain/shop", "refs/heads/v1", ERR_NOT_FOUND, "no such branch"},
        {"plain/empty", "main", ERR_NOT_FOUND, "it is empty"},
        {"v0/empty", "main", ERR_NOT_FOUND, "it is empty"},
        {"plain/empty", "", ERR_NOT_FOUND, "it is empty"},
        {"plain/nothing", "main", ERR_NOT_FOUND, "there is no such repository"},
        {"private/shop", "main", ERR_FORBIDDEN, "name a Secret"},
        {"html/shop", "main", ERR_UNPROCESSABLE, "does not speak git's protocol"},
        {"garbage/shop", "main", ERR_UNPROCESSABLE, "does not speak git's protocol"},
        {"cut/shop", "main", ERR_UNPROCESSABLE, "cut short"},
        {"endless/shop", "main", ERR_TOO_LARGE, "larger than 4 MB"},
        {"round/shop", "main", ERR_UNPROCESSABLE, "redirects"},
        {"broken/shop", "main", ERR_UNAVAILABLE, "the server failed (500)"},
        {"busy/shop", "main", ERR_BUSY, "come back later"},
        {"plain/shop", "a b", ERR_INVALID, "no branch or tag can be called so"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *url = git_server_url(&f->server, cases[i].path);
        assert_err(resolve(f, url, cases[i].ref), &f->err, cases[i].code, cases[i].says);
        assert_string_equal(f->lookup.commit, "");
    }
    assert_err(resolve(f, git_server_url(&f->server, "busy/shop"), "main"), &f->err, ERR_BUSY, "");
    assert_int_equal(f->lookup.retry_after_ms, 7000);
}

static void test_addresses_that_cannot_be(void **state)
{
    struct fixture *f = *state;
    assert_err(resolve(f, "git@github.com:acme/shop.git", "main"), &f->err, ERR_INVALID,
               "give its https address");
    assert_err(resolve(f, "https://bob:hunter2@example.com/x", "main"), &f->err, ERR_INVALID,
               "credentials");
    assert_true(slice_find(slice_of(f->err.message), SLICE("hunter2")) == SIZE_MAX);
    assert_err(resolve(f, "nonsense", "main"), &f->err, ERR_INVALID, "no address of a repository");
    f->lookup.user = SLICE("robot");
    f->lookup.password = SLICE("s3cret");
    assert_err(resolve(f, git_server_url(&f->server, "private/shop"), "main"), &f->err, ERR_INVALID,
               "over https only");
}

static void test_nobody_there(void **state)
{
    struct fixture *f = *state;
    assert_err(resolve(f, "http://127.0.0.1:1/acme/shop", "main"), &f->err, ERR_UNAVAILABLE,
               "repository http://127.0.0.1:1/acme/shop, \"main\": ");
}

static void test_local_addresses_are_refused(void **state)
{
    struct fixture *f = *state;
    run(f, close_client);
    f->closed = false;
    run(f, open_public);
    assert_ok(f->rc, &f->err);
    assert_err(resolve(f, git_server_url(&f->server, "plain/shop"), "main"), &f->err, ERR_FORBIDDEN,
               "its address is this machine's");
    char named[64];
    snprintf(named, sizeof(named), "http://localhost:%u/plain/shop", f->server.port);
    assert_err(resolve(f, named, "main"), &f->err, ERR_FORBIDDEN, "its address is this machine's");
    assert_err(resolve(f, "http://[::ffff:127.0.0.1]:1/x/y", "main"), &f->err, ERR_FORBIDDEN, "");
    assert_err(resolve(f, "http://0.0.0.0:1/x/y", "main"), &f->err, ERR_FORBIDDEN, "");
}

static void test_canceling_and_closing_end_it_once(void **state)
{
    struct fixture *f = *state;
    const char *url = git_server_url(&f->server, "silent/shop");
    f->lookup = (struct git_lookup){.repository = slice_of(url), .done = on_done, .user_data = f};
    run(f, look_and_cancel);
    assert_err(f->rc, &f->err, ERR_CANCELED, "canceled");
    f->rc = 0;
    run(f, look_and_close);
    loop_run_until(&f->loop, &f->closed);
    assert_int_equal(f->rc, ERR_CANCELED);
}

static void test_credentials_go_to_their_host_alone(void **state)
{
    struct fixture *f = *state;
    f->lookup.ca_pem = buf_slice(&f->certs.ca_cert);
    assert_err(resolve(f, git_server_url(&f->server, "private/shop"), "main"), &f->err,
               ERR_FORBIDDEN, "wants credentials");
    f->lookup.user = SLICE("robot");
    f->lookup.password = SLICE("wrong");
    assert_err(resolve(f, git_server_url(&f->server, "private/shop"), "main"), &f->err,
               ERR_FORBIDDEN, "refuses the credentials");
    f->lookup.password = SLICE("s3cret");
    assert_resolves(f, "private/shop", "main", "refs/heads/main");
    assert_resolves(f, "moved/shop", "main", "refs/heads/main");
    assert_resolves(f, "away/shop", "main", "refs/heads/main");
    struct slice log = git_server_log(&f->server);
    assert_true(slice_find(log, SLICE("host=127.0.0.1 protocol=version=2 user=robot:s3cret")) !=
                SIZE_MAX);
    assert_true(slice_find(log, SLICE("host=localhost protocol=version=2 user=\n")) != SIZE_MAX);
    assert_true(slice_find(log, SLICE("host=localhost protocol=version=2 user=r")) == SIZE_MAX);
    assert_err(resolve(f, git_server_url(&f->server, "down/shop"), "main"), &f->err,
               ERR_UNPROCESSABLE, "no repository over https");
    f->lookup.ca_pem = (struct slice){0};
    assert_err(resolve(f, git_server_url(&f->server, "private/shop"), "main"), &f->err,
               ERR_UNAUTHENTICATED, "certificate");
    f->lookup.ca_pem = SLICE("no certificate");
    assert_err(resolve(f, git_server_url(&f->server, "private/shop"), "main"), &f->err, ERR_INVALID,
               "ca.crt");
}

int main(void)
{
#define OVER_HTTP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        OVER_HTTP(test_refs_of_every_kind),
        OVER_HTTP(test_versions_are_asked_as_they_are),
        OVER_HTTP(test_a_push_is_seen),
        OVER_HTTP(test_twenty_thousand_branches),
        OVER_HTTP(test_errors_say_what_and_where),
        OVER_HTTP(test_addresses_that_cannot_be),
        OVER_HTTP(test_nobody_there),
        OVER_HTTP(test_local_addresses_are_refused),
        OVER_HTTP(test_canceling_and_closing_end_it_once),
        cmocka_unit_test_setup_teardown(test_credentials_go_to_their_host_alone, setup_tls,
                                        teardown_tls),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
