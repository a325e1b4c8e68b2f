/* The engine and git repositories: what plans ask is looked up and written once, shared, asked
 * again, refused and taken up again; leaders that change. The components of these tests follow a
 * branch, which asks; the repositories are a real git's. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconcile/engine_internal.h"
#include "tests/lib/git_server.h"
#include "tests/unit/reconcile/engine_rig.h"

static struct git_server server;
static struct buf commit;

static int start_server(void **state)
{
    (void)state;
    git_server_start(&server, (struct slice){0}, (struct slice){0});
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    buf_free(&commit);
    git_server_stop(&server);
    return 0;
}

static const json_t *source(struct fixture *f)
{
    return json_at(component(f), "status", "source", NULL);
}

static struct slice error(struct fixture *f)
{
    return json_text(json_at(source(f), "error", "message", NULL));
}

static bool has_error(struct fixture *f)
{
    return error(f).len > 0;
}

static bool has_commit(struct fixture *f)
{
    return slice_eq(json_text_at(source(f), "commit"), buf_slice(&commit)) && !has_error(f);
}

static void put_following(struct fixture *f, const char *name, const char *path, const char *more)
{
    struct buf yaml = {0};
    buf_addf(&yaml,
             "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: %s, namespace: acme}\n"
             "spec: {autoBuild: true, source: {git: {repository: \"%s\"%s}}}\n",
             name, git_server_url(&server, path), more);
    put(f, buf_cstr(&yaml));
    buf_free(&yaml);
}

/* In the middle of what it does: how often a repository was asked since, by the server's log. */
static size_t asked(const char *path)
{
    struct slice rest = git_server_log(&server);
    struct buf wanted = {0};
    struct slice line;
    size_t count = 0;
    buf_addf(&wanted, "GET /%s/info/refs ", path);
    while (slice_split(&rest, '\n', &line)) {
        count += slice_starts_with(line, buf_slice(&wanted)) ? 1 : 0;
    }
    buf_free(&wanted);
    return count;
}

static void test_a_branch_becomes_a_commit(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    git_server_commit(&server, "refs/heads/dev", &commit);
    put_following(f, "web", "plain/shop", ", branch: dev");
    assert_true(happens(f, has_commit, LIMIT_MS));
    assert_slice(json_text_at(source(f), "repository"), git_server_url(&server, "plain/shop"));
    assert_slice(json_text_at(source(f), "ref"), "dev");
    assert_int_equal(json_text_at(source(f), "resolvedAt").len, 20);
    assert_null(json_object_get(source(f), "error"));
}

static void test_an_error_is_told_once_and_tried_again(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    put_following(f, "web", "plain/shop", ", branch: later");
    assert_true(happens(f, has_error, LIMIT_MS));
    assert_true(slice_find(error(f), SLICE("\"later\": it has no such branch or tag")) != SIZE_MAX);
    settle(f);
    size_t writes = f->memory.writes;
    size_t before = asked("plain/shop");
    uint64_t until_ms = loop_now_ms(&f->loop) + LIMIT_MS;
    while (asked("plain/shop") == before && loop_now_ms(&f->loop) < until_ms) {
        wait_ms(f, 50);
    }
    assert_true(asked("plain/shop") > before);
    settle(f);
    assert_int_equal(f->memory.writes, writes);
    git_server_push(&server, "later", &commit);
    assert_true(happens(f, has_commit, 2 * LIMIT_MS));
}

static void test_one_question_for_many(void **state)
{
    struct fixture *f = *state;
    char name[16];
    put(f, platform);
    lead(f);
    git_server_commit(&server, "refs/heads/main", &commit);
    size_t before = asked("v0/shop");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        put_following(f, name, "v0/shop", "");
    }
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        f->component = name;
        assert_true(happens(f, has_commit, LIMIT_MS));
    }
    /* Those that came while it was asked wanted another answer. */
    assert_true(asked("v0/shop") - before <= 10);
}

/* What comes of the commit: a run, which has nowhere to push to. */
static bool build_is_told(struct fixture *f)
{
    const json_t *built = object_condition(component(f), "Built");
    return slice_eq_cstr(json_text_at(built, "reason"), "BuildFailed");
}

static void test_a_new_leader_does_not_ask_at_once(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    git_server_commit(&server, "refs/heads/main", &commit);
    put_following(f, "web", "plain/shop", "");
    assert_true(happens(f, has_commit, LIMIT_MS));
    assert_true(happens(f, build_is_told, LIMIT_MS));
    settle(f);
    size_t writes = f->memory.writes;
    size_t before = asked("plain/shop");
    unlead(f);
    lead(f);
    settle(f);
    assert_int_equal(asked("plain/shop"), before);
    assert_int_equal(f->memory.writes, writes);
}

static void test_another_branch_is_another_question(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    git_server_commit(&server, "refs/heads/main", &commit);
    put_following(f, "web", "plain/shop", "");
    assert_true(happens(f, has_commit, LIMIT_MS));
    git_server_commit(&server, "refs/heads/both", &commit);
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"source\": {\"git\": {\"branch\": \"both\"}}}}");
    assert_true(happens(f, has_commit, LIMIT_MS));
    assert_int_equal(f->engine.impl->shards[0]->sources.questions.count, 1);
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"autoBuild\": false}}");
    settle(f);
    assert_int_equal(f->engine.impl->shards[0]->sources.questions.count, 0);
    assert_int_equal(f->engine.impl->shards[0]->sources.wishes.count, 0);
}

static void test_a_secret_that_comes_later(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    put_following(f, "web", "plain/shop", ", secretRef: robot");
    assert_true(happens(f, has_error, LIMIT_MS));
    assert_true(slice_find(error(f), SLICE("there is no Secret \"robot\"")) != SIZE_MAX);
    /* A database's passwords go to nobody's host. */
    put(f, "apiVersion: v1\nkind: Secret\nmetadata: {name: robot, namespace: acme}\n"
           "type: choreo.dev/resource-credentials\ndata: {token: czNjcmV0}\n");
    wait_ms(f, 300);
    assert_true(slice_find(error(f), SLICE("there is no Secret \"robot\"")) != SIZE_MAX);
    put(f, "apiVersion: v1\nkind: Secret\nmetadata: {name: robot, namespace: acme}\n"
           "data: {token: czNjcmV0}\n");
    uint64_t until_ms = loop_now_ms(&f->loop) + LIMIT_MS;
    while (slice_find(error(f), SLICE("over https only")) == SIZE_MAX &&
           loop_now_ms(&f->loop) < until_ms) {
        wait_ms(f, 20);
    }
    assert_true(slice_find(error(f), SLICE("credentials are sent over https only")) != SIZE_MAX);
}

static bool conflicted(struct fixture *f)
{
    return f->memory.fail_count == 0;
}

static void test_a_write_that_fails_comes_again(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    put_following(f, "web", "silent/shop", "");
    settle(f);
    git_server_commit(&server, "refs/heads/main", &commit);
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"source\": {\"git\": {\"branch\": \"main\"}}}}");
    settle(f);
    struct buf patch = {0};
    buf_addf(&patch, "{\"spec\": {\"source\": {\"git\": {\"repository\": \"%s\"}}}}",
             git_server_url(&server, "plain/shop"));
    f->memory.fail = ERR_CONFLICT;
    f->memory.fail_count = 3;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web", buf_cstr(&patch));
    assert_true(happens(f, conflicted, LIMIT_MS));
    assert_true(happens(f, has_commit, LIMIT_MS));
    buf_free(&patch);
}

static void test_unleading_cancels_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    lead(f);
    size_t before = asked("silent/shop");
    put_following(f, "web", "silent/shop", "");
    uint64_t until_ms = loop_now_ms(&f->loop) + LIMIT_MS;
    while (asked("silent/shop") == before && loop_now_ms(&f->loop) < until_ms) {
        wait_ms(f, 20);
    }
    assert_true(asked("silent/shop") > before);
    change(f, ADMIT_DELETE, "components.choreo.dev", "acme", "web", NULL);
    assert_true(happens(f, is_gone, LIMIT_MS));
    put_following(f, "web", "silent/shop", "");
    settle(f);
    unlead(f); /* teardown waits for the engine to have stopped */
}

/* Listens on all addresses, and never says a word. */
static int mute_server(char port[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(port, 8, "%u", ntohs(address.sin_port));
    return fd;
}

/* One tenant's repositories, each at a host of its own that does not answer, keep nobody
 * waiting but that tenant. */
static void test_one_tenant_does_not_take_every_place(void **state)
{
    struct fixture *f = *state;
    char port[8];
    int mute = mute_server(port);
    put(f, platform);
    put(f, "apiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: evil}\nspec: {}\n");
    lead(f);
    for (int i = 0; i < 2 * SOURCE_LOOKUPS_MAX; i++) {
        char yaml[400];
        snprintf(yaml, sizeof(yaml),
                 "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: c%d, namespace: "
                 "evil}\nspec: {autoBuild: true, source: {git: {repository: "
                 "\"http://127.0.0.%d:%s/x/y\"}}}\n",
                 i, 2 + i, port);
        put(f, yaml);
    }
    settle(f);
    git_server_commit(&server, "refs/heads/dev", &commit);
    put_following(f, "web", "plain/shop", ", branch: dev");
    assert_true(happens(f, has_commit, LIMIT_MS));
    close(mute);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_branch_becomes_a_commit),
        TEST(test_an_error_is_told_once_and_tried_again),
        TEST(test_one_question_for_many),
        TEST(test_a_new_leader_does_not_ask_at_once),
        TEST(test_another_branch_is_another_question),
        TEST(test_a_secret_that_comes_later),
        TEST(test_a_write_that_fails_comes_again),
        TEST(test_unleading_cancels_what_is_under_way),
        TEST(test_one_tenant_does_not_take_every_place),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
