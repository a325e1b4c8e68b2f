/* The webhooks' door over memory: three providers' pushes, who is believed, which components are
 * built, and what is answered. Payloads have the providers' shapes. */
#include "node/api/hooks/hooks.h"
#include "base/crypto.h"
#include "node/api/hooks/payload.h"
#include "tests/unit/node/api/door.h"

#define SECRET "a secret of 24 characters"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER "89abcdef0123456789abcdef0123456789abcdef"
#define ZERO "0000000000000000000000000000000000000000"
#define HOOK(provider) "/webhooks/v1/namespaces/acme/" provider "/" provider

static struct hooks hooks;

static int setup(void **state)
{
    int rc = door_setup(state);
    struct door *d = *state;
    hooks_init(&hooks, &d->api);
    return rc;
}

static int teardown(void **state)
{
    int rc = door_teardown(state);
    hooks_free(&hooks);
    return rc;
}

/* ---- what is there ---- */

static void make(struct door *d, const char *path, const char *body)
{
    door_ask(d, "POST", path, "content-type: application/json\r\n", body);
    if (strncmp(buf_cstr(&d->seen), "HTTP/1.1 201", 12) != 0) {
        fail_msg("%s", buf_cstr(&d->seen));
    }
}

static void make_component(struct door *d, const char *name, const char *spec)
{
    struct buf body = {0};
    buf_addf(
        &body,
        "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{\"name\":\"%s\"}"
        ",\"spec\":%s}",
        name, spec);
    make(d, "/apis/choreo.dev/v1/namespaces/acme/components", buf_cstr(&body));
    buf_free(&body);
}

static void make_hook(struct door *d, const char *name, const char *provider, const char *secret,
                      const char *more)
{
    struct buf body = {0};
    buf_addf(
        &body,
        "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"GitWebhook\",\"metadata\":{\"name\":\"%s\"}"
        ",\"spec\":{\"provider\":\"%s\",\"secretRef\":\"%s\"%s}}",
        name, provider, secret, more);
    make(d, "/apis/choreo.dev/v1/namespaces/acme/gitwebhooks", buf_cstr(&body));
    buf_free(&body);
}

static void make_secret(struct door *d, const char *name, const char *secret)
{
    struct buf encoded = {0};
    struct buf body = {0};
    base64_encode(&encoded, slice_of(secret));
    buf_addf(&body,
             "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"%s\"},"
             "\"data\":{\"secret\":\"%s\"}}",
             name, buf_cstr(&encoded));
    make(d, "/api/v1/namespaces/acme/secrets", buf_cstr(&body));
    buf_free(&encoded);
    buf_free(&body);
}

#define SHOP "\"repository\":\"github.com/acme/shop\""

static void make_world(struct door *d)
{
    make_secret(d, "hook", SECRET);
    make_hook(d, "github", "github", "hook", "");
    make_hook(d, "gitlab", "gitlab", "hook", "");
    make_hook(d, "bitbucket", "bitbucket", "hook", "");
    make_component(d, "api",
                   "{\"autoBuild\":true,\"source\":{\"git\":{" SHOP
                   ",\"branch\":\"main\",\"path\":\"services/api\"}}}");
    make_component(d, "web",
                   "{\"autoBuild\":true,\"source\":{\"git\":{" SHOP ",\"path\":\"web\"}}}");
    make_component(d, "dev",
                   "{\"autoBuild\":true,\"source\":{\"git\":{" SHOP ",\"branch\":\"dev\"}}}");
    make_component(d, "tag", "{\"autoBuild\":true,\"source\":{\"git\":{" SHOP ",\"tag\":\"v1\"}}}");
    make_component(d, "manual", "{\"source\":{\"git\":{" SHOP ",\"branch\":\"main\"}}}");
    make_component(d, "other",
                   "{\"autoBuild\":true,\"source\":{\"git\":{\"repository\":"
                   "\"github.com/acme/other\",\"branch\":\"main\"}}}");
}

/* ---- deliveries ---- */

static void sign(const char *secret, const char *body, struct buf *out)
{
    uint8_t mac[SHA256_BYTES];
    crypto_hmac_sha256(slice_of(secret), slice_of(body), mac);
    buf_add_cstr(out, "sha256=");
    hex_encode(out, slice_make(mac, sizeof(mac)));
}

static void deliver(struct door *d, const char *path, const char *headers, const char *body)
{
    struct buf all = {0};
    buf_addf(&all, "authorization: none\r\n%s", headers); /* nobody's */
    door_ask(d, "POST", path, buf_cstr(&all), body);
    buf_free(&all);
}

static void deliver_github(struct door *d, const char *secret, const char *event, const char *body)
{
    struct buf headers = {0};
    buf_add_cstr(&headers, "x-hub-signature-256: ");
    sign(secret, body, &headers);
    buf_addf(&headers, "\r\nx-github-event: %s\r\nx-github-delivery: d-1\r\n", event);
    deliver(d, HOOK("github"), buf_cstr(&headers), body);
    buf_free(&headers);
}

static void assert_answer(struct door *d, int status, const char *holds)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(buf_cstr(&d->seen), line, strlen(line)) != 0 ||
        strstr(buf_cstr(&d->seen), holds) == NULL) {
        fail_msg("expected %d with %s, got %s", status, holds, buf_cstr(&d->seen));
    }
}

static bool says(struct door *d, const char *text)
{
    return strstr(buf_cstr(&d->seen), text) != NULL;
}

#define GITHUB(ref, more)                                                                          \
    "{\"ref\":\"" ref "\",\"before\":\"" OTHER "\",\"after\":\"" COMMIT "\"" more                  \
    ",\"repository\":{\"clone_url\":\"https://github.com/Acme/shop.git\",\"ssh_url\":"             \
    "\"git@github.com:Acme/shop.git\",\"default_branch\":\"main\"}}"
#define CHANGED(file)                                                                              \
    ",\"commits\":[{\"id\":\"" COMMIT "\",\"added\":[],\"removed\":[],\"modified\":[\"" file "\"]" \
    "}]"

static void test_a_push_builds_what_it_changes(void **state)
{
    struct door *d = *state;
    make_world(d);
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("services/api/main.go")));
    assert_answer(d, 200, "\"run\":\"api-build-0123456789ab\"");
    assert_answer(d, 200, "\"result\":\"made\"");
    assert_false(says(d, "web-build"));
    assert_false(says(d, "dev-build"));
    assert_false(says(d, "manual-build"));
    assert_false(says(d, "other-build"));
    door_ask(d, "GET", "/apis/choreo.dev/v1/namespaces/acme/workflowruns/api-build-0123456789ab",
             "", NULL);
    assert_answer(d, 200, "\"commit\":\"" COMMIT "\"");
    assert_answer(d, 200, "\"triggeredBy\":\"system:webhook:acme/github\"");
    door_ask(d, "GET", "/apis/choreo.dev/v1/namespaces/acme/gitwebhooks/github", "", NULL);
    assert_answer(d, 200, "\"id\":\"d-1\"");
    assert_answer(d, 200, "\"message\":\"1 made, 0 were there, 0 refused\"");
}

static void test_a_second_delivery_makes_nothing(void **state)
{
    struct door *d = *state;
    make_world(d);
    const char *push = GITHUB("refs/heads/main", CHANGED("web/index.html"));
    deliver_github(d, SECRET, "push", push);
    assert_answer(d, 200, "\"message\":\"1 made, 0 were there, 0 refused\"");
    unsigned submits = d->memory.submits;
    deliver_github(d, SECRET, "push", push);
    assert_answer(d, 200, "\"message\":\"0 made, 1 were there, 0 refused\"");
    assert_true(d->memory.submits <= submits + 1); /* nor is the webhook's status written again */
}

static void test_what_is_not_known_to_be_untouched_is_built(void **state)
{
    struct door *d = *state;
    static const char *const pushes[] = {
        GITHUB("refs/heads/main", ""),
        GITHUB("refs/heads/main", ",\"forced\":true" CHANGED("README.md")),
        GITHUB("refs/heads/main", ",\"created\":true" CHANGED("README.md")),
        GITHUB("refs/heads/main", ",\"commits\":[{\"id\":\"" OTHER "\",\"added\":[],\"removed\":[],"
                                  "\"modified\":[\"README.md\"]}]"),
    };
    make_world(d);
    for (size_t i = 0; i < sizeof(pushes) / sizeof(pushes[0]); i++) {
        deliver_github(d, SECRET, "push", pushes[i]);
        assert_answer(d, 200, "api-build-0123456789ab");
        assert_answer(d, 200, "web-build-0123456789ab");
    }
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("webother/x")));
    assert_answer(d, 200, "none of its files is below source.path of the 2 components that follow");
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/new", CHANGED("web/x")));
    assert_answer(d, 200, "no component with spec.autoBuild follows");
}

static void assert_noted(struct door *d, const char *holds)
{
    door_ask(d, "GET", "/apis/choreo.dev/v1/namespaces/acme/gitwebhooks/github", "", NULL);
    assert_answer(d, 200, holds);
}

/* A provider pings as it is set up, and whoever did that pushes at once to try it. */
static void test_what_tells_more_is_noted_at_once(void **state)
{
    struct door *d = *state;
    make_world(d);
    deliver_github(d, SECRET, "ping", "{}");
    assert_noted(d, "\"message\":\"ignored: ping: only pushes are acted on\"");
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/new", ""));
    assert_noted(d, "\"message\":\"no component with spec.autoBuild follows what was pushed\"");
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_noted(d, "\"message\":\"1 made, 0 were there, 0 refused\"");
    unsigned submits = d->memory.submits;
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/new", ""));
    deliver_github(d, SECRET, "ping", "{}");
    assert_int_equal(d->memory.submits, submits);
    assert_noted(d, "\"message\":\"1 made, 0 were there, 0 refused\"");
}

/* The newest run decides: what was built before is built again when a branch goes back to it. */
static void test_a_branch_that_goes_back_is_built_again(void **state)
{
    struct door *d = *state;
    const char *back = GITHUB("refs/heads/main", ",\"forced\":true,\"commits\":[]");
    make_world(d);
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_answer(d, 200, "\"run\":\"web-build-0123456789ab\"");
    deliver_github(d, SECRET, "push", back);
    assert_answer(d, 200, "\"run\":\"web-build-0123456789ab-89abcde\"");
    assert_false(says(d, "was there"));
    deliver_github(d, SECRET, "push", back);
    assert_answer(d, 200, "\"message\":\"0 made, 2 were there, 0 refused\"");
}

/* What a run of the component web, or of that name, says of its push. */
static void assert_run_says(struct door *d, const char *name, const char *holds)
{
    struct buf path = {0};
    buf_addf(&path, "/apis/choreo.dev/v1/namespaces/acme/workflowruns/%s", name);
    door_ask(d, "GET", buf_cstr(&path), "", NULL);
    assert_answer(d, 200, holds);
    buf_free(&path);
}

/* Deliveries may overtake each other: where a push came from tells their order (build.c). */
static void test_a_run_says_where_the_branch_was(void **state)
{
    struct door *d = *state;
    make_world(d);
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_run_says(d, "web-build-0123456789ab", "\"choreo.dev/pushed-from\":\"" OTHER "\"");
    assert_false(says(d, "pushed-over"));
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", ",\"forced\":true"));
    assert_run_says(d, "web-build-0123456789ab-89abcde",
                    "\"choreo.dev/pushed-over\":\"" OTHER "\"");
    assert_false(says(d, "pushed-from"));
    deliver_github(d, SECRET, "push",
                   "{\"ref\":\"refs/heads/dev\",\"before\":\"" ZERO "\",\"after\":\"" COMMIT
                   "\",\"repository\":{\"clone_url\":\"https://github.com/Acme/shop.git\"}}");
    assert_run_says(d, "dev-build-0123456789ab", "");
    assert_false(says(d, "pushed-"));
}

/* Whose provider does not say that a push was forced: from elsewhere it has come back. */
static void test_a_commit_that_another_push_led_to(void **state)
{
    struct door *d = *state;
    make_world(d);
#define FROM(before)                                                                               \
    "{\"ref\":\"refs/heads/dev\",\"before\":\"" before "\",\"after\":\"" COMMIT                    \
    "\",\"repository\":{\"clone_url\":\"https://github.com/Acme/shop.git\"}}"
#define THIRD "fedcba9876543210fedcba9876543210fedcba98"
    deliver_github(d, SECRET, "push", FROM(OTHER));
    assert_answer(d, 200, "\"run\":\"dev-build-0123456789ab\"");
    deliver_github(d, SECRET, "push", FROM(THIRD));
    assert_answer(d, 200, "\"run\":\"dev-build-0123456789ab-fedcba9\"");
    assert_answer(d, 200, "\"message\":\"1 made, 0 were there, 0 refused\"");
    assert_run_says(d, "dev-build-0123456789ab", "\"choreo.dev/pushed-from\":\"" OTHER "\"");
    assert_run_says(d, "dev-build-0123456789ab-fedcba9",
                    "\"choreo.dev/pushed-from\":\"" THIRD "\"");
    deliver_github(d, SECRET, "push", FROM(THIRD));
    assert_answer(d, 200, "\"message\":\"0 made, 1 were there, 0 refused\"");
    deliver_github(d, SECRET, "push", FROM(OTHER));
    assert_answer(d, 200, "\"message\":\"0 made, 1 were there, 0 refused\"");
}

static void test_a_run_that_is_there_learns_of_its_push(void **state)
{
    struct door *d = *state;
    make_world(d);
    make(d, "/apis/choreo.dev/v1/namespaces/acme/workflowruns",
         "{\"metadata\":{\"name\":\"web-build-0123456789ab\"},\"spec\":{\"owner\":{"
         "\"componentName\":"
         "\"web\"},\"workflow\":{\"name\":\"dockerfile-builder\"},\"source\":{\"git\":{" SHOP
         ",\"commit\":\"" COMMIT "\"}}}}");
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_answer(d, 200, "\"message\":\"0 made, 1 were there, 0 refused\"");
    assert_run_says(d, "web-build-0123456789ab", "\"choreo.dev/pushed-from\":\"" OTHER "\"");
    unsigned submits = d->memory.submits;
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_int_equal(d->memory.submits, submits + 1); /* the run again, in vain: it knows */
}

/* A push that is told again when its run is gone builds no old commit, unless the branch is where
 * it came from. */
static void told_again(struct door *d, const char *newest, const char *answer)
{
    struct err err;
    json_t *o = NULL;
    struct buf text = {0};
    buf_addf(
        &text,
        "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{\"name\":"
        "\"web\",\"namespace\":\"acme\",\"uid\":\"u\"},\"spec\":{\"autoBuild\":true,\"source\":"
        "{\"git\":{" SHOP
        "}}},\"status\":{\"pushes\":[\"main 89abcdef0123..0123456789ab\",\"%s\"]}}",
        newest);
    assert_ok(json_parse(buf_slice(&text), &o, &err), &err);
    make_secret(d, "hook", SECRET);
    make_hook(d, "github", "github", "hook", "");
    door_put(d, "components.choreo.dev", o);
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_answer(d, 200, answer);
    json_decref(o);
    buf_free(&text);
}

static void test_an_old_push_that_is_told_again(void **state)
{
    told_again(*state, "main 0123456789ab..fedcba987654",
               "\"message\":\"0 made, 1 were there, 0 refused\"");
    assert_true(says(*state, "\"run\":\"web-build-0123456789ab\""));
}

static void test_a_push_that_goes_there_once_more(void **state)
{
    told_again(*state, "main 0123456789ab...89abcdef0123",
               "\"message\":\"1 made, 0 were there, 0 refused\"");
}

static void test_branches_tags_and_deletions(void **state)
{
    struct door *d = *state;
    make_world(d);
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/dev", CHANGED("any")));
    assert_answer(d, 200, "dev-build-0123456789ab");
    assert_false(says(d, "api-build"));
    deliver_github(d, SECRET, "push",
                   GITHUB("refs/tags/v1", ",\"head_commit\":{\"id\":\"" OTHER "\"}"));
    assert_answer(d, 200, "tag-build-89abcdef0123");
    assert_false(says(d, "api-build"));
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", ",\"deleted\":true"));
    assert_answer(d, 202, "ignored: push: a branch or tag was deleted");
    deliver_github(d, SECRET, "ping", "{\"zen\":\"x\"}");
    assert_answer(d, 202, "ignored: ping");
}

/* A header may be any bytes; what is told and noted of it is text. */
static void test_an_event_that_is_no_text(void **state)
{
    struct door *d = *state;
    make_world(d);
    deliver_github(d, SECRET, "no \xff text", "{}");
    assert_answer(d, 202, "ignored: no \xef\xbf\xbd text");
    door_ask(d, "GET", "/apis/choreo.dev/v1/namespaces/acme/gitwebhooks/github", "", "");
    assert_answer(d, 200, "\"event\":\"no \xef\xbf\xbd text\"");
}

static void test_gitlab(void **state)
{
    struct door *d = *state;
    make_world(d);
#define GITLAB(total)                                                                              \
    "{\"object_kind\":\"push\",\"ref\":\"refs/heads/main\",\"before\":\"" OTHER                    \
    "\",\"after\":\"" COMMIT "\",\"checkout_sha\":\"" COMMIT "\",\"total_commits_count\":" total   \
    ",\"project\":{\"git_http_url\":\"https://github.com/acme/shop.git\",\"default_branch\":"      \
    "\"main\"}" CHANGED("web/x") "}"
#define GITLAB_HEADERS "x-gitlab-event: Push Hook\r\nidempotency-key: k\r\n"
    deliver(d, HOOK("gitlab"), "x-gitlab-token: " SECRET "\r\n" GITLAB_HEADERS, GITLAB("1"));
    assert_answer(d, 200, "web-build-0123456789ab");
    assert_false(says(d, "api-build"));
    assert_run_says(d, "web-build-0123456789ab", "\"choreo.dev/pushed-from\":\"" OTHER "\"");
    deliver(d, HOOK("gitlab"), "x-gitlab-token: " SECRET "\r\n" GITLAB_HEADERS, GITLAB("25"));
    assert_answer(d, 200, "api-build-0123456789ab");
#define GITLAB_BACK                                                                                \
    "{\"object_kind\":\"push\",\"ref\":\"refs/heads/main\",\"before\":\"" OTHER                    \
    "\",\"after\":\"" COMMIT "\",\"checkout_sha\":\"" COMMIT "\",\"total_commits_count\":0"        \
    ",\"commits\":[],\"project\":{\"git_http_url\":\"https://github.com/acme/shop.git\"}}"
    deliver(d, HOOK("gitlab"), "x-gitlab-token: " SECRET "\r\n" GITLAB_HEADERS, GITLAB_BACK);
    assert_answer(d, 200, "\"run\":\"api-build-0123456789ab-89abcde\"");
    deliver(d, HOOK("gitlab"), "x-gitlab-token: " SECRET "x\r\n" GITLAB_HEADERS, GITLAB("1"));
    assert_answer(d, 401, "not signed");
    deliver(d, HOOK("gitlab"), GITLAB_HEADERS, GITLAB("1"));
    assert_answer(d, 401, "not signed");
}

static void deliver_bitbucket(struct door *d, const char *event, const char *body)
{
    struct buf headers = {0};
    buf_add_cstr(&headers, "x-hub-signature: ");
    sign(SECRET, body, &headers);
    buf_addf(&headers, "\r\nx-event-key: %s\r\nx-request-uuid: u\r\n", event);
    deliver(d, HOOK("bitbucket"), buf_cstr(&headers), body);
    buf_free(&headers);
}

static void test_bitbucket(void **state)
{
    struct door *d = *state;
    make_world(d);
    deliver_bitbucket(
        d, "repo:push",
        "{\"push\":{\"changes\":[{\"new\":null,\"old\":{\"name\":\"x\"}},"
        "{\"new\":{\"type\":\"branch\",\"name\":\"main\",\"target\":{\"hash\":\"" COMMIT
        "\"}}},{\"new\":{\"type\":\"tag\",\"name\":\"v1\",\"target\":{\"hash\":\"" OTHER
        "\"}}}]},\"repository\":{\"links\":{\"html\":{\"href\":"
        "\"https://github.com/acme/shop\"}}}}");
    assert_answer(d, 200, "api-build-0123456789ab");
    assert_answer(d, 200, "web-build-0123456789ab"); /* main, for want of a default branch */
    assert_answer(d, 200, "tag-build-89abcdef0123");
    deliver_bitbucket(d, "repo:refs_changed",
                      "{\"changes\":[{\"ref\":{\"id\":\"refs/heads/dev\"},\"type\":\"UPDATE\","
                      "\"fromHash\":\"" OTHER "\",\"toHash\":\"" COMMIT
                      "\"}],\"repository\":{\"links\":{\"clone\":[{\"href\":"
                      "\"ssh://git@github.com/acme/shop.git\"}]}}}");
    assert_answer(d, 200, "dev-build-0123456789ab");
    assert_run_says(d, "dev-build-0123456789ab", "\"choreo.dev/pushed-from\":\"" OTHER "\"");
    deliver_bitbucket(
        d, "repo:push",
        "{\"push\":{\"changes\":[{\"forced\":true,\"new\":{\"type\":\"branch\",\"name\":\"main\","
        "\"target\":{\"hash\":\"" COMMIT "\"}},\"old\":{\"target\":{\"hash\":\"" OTHER
        "\"}}}]},\"repository\":{\"links\":{\"html\":{\"href\":"
        "\"https://github.com/acme/shop\"}}}}");
    assert_answer(d, 200, "\"run\":\"api-build-0123456789ab-89abcde\"");
    deliver_bitbucket(d, "diagnostics:ping", "{\"test\":true}");
    assert_answer(d, 202, "ignored: diagnostics:ping");
}

/* What was answered but for the second in which it was. */
static struct slice but_its_date(struct door *d)
{
    char *date = strstr(buf_cstr(&d->seen), "date: ");
    assert_non_null(date);
    memset(date, '-', strcspn(date, "\r"));
    return buf_slice(&d->seen);
}

static void test_strangers_learn_nothing(void **state)
{
    struct door *d = *state;
    struct buf refused = {0};
    const char *push = GITHUB("refs/heads/main", "");
    make_world(d);
    make_secret(d, "short", "0123456789abcde");
    make_hook(d, "weak", "github", "short", "");
    make_hook(d, "lost", "github", "no-such-secret", "");
    deliver_github(d, "another secret", "push", push);
    assert_answer(d, 401, "not signed");
    buf_add(&refused, but_its_date(d));
    static const char *const paths[] = {
        "/webhooks/v1/namespaces/acme/github/nothing", "/webhooks/v1/namespaces/no/github/github",
        "/webhooks/v1/namespaces/acme/gitlab/github",  "/webhooks/v1/namespaces/acme/svn/github",
        "/webhooks/v1/namespaces/acme/github/weak",    "/webhooks/v1/namespaces/acme/github/lost",
        "/webhooks/v1/namespaces/acme/github/",        "/webhooks/v1/namespaces/acme",
        "/webhooks/v1/namespaces/acme/github/github/x"};
    struct buf headers = {0};
    buf_add_cstr(&headers, "x-hub-signature-256: ");
    sign("0123456789abcde", push, &headers); /* right, of "weak" */
    buf_add_cstr(&headers, "\r\nx-github-event: push\r\n");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        deliver(d, paths[i], buf_cstr(&headers), push);
        assert_slice(but_its_date(d), buf_cstr(&refused));
    }
    static const char *const bad[] = {"", "x-hub-signature-256: sha256=\r\n",
                                      "x-hub-signature-256: sha1=00\r\n",
                                      "x-hub-signature-256: sha256=zz\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        deliver(d, HOOK("github"), bad[i], push);
        assert_slice(but_its_date(d), buf_cstr(&refused));
    }
    assert_int_equal(d->memory.submits, 13); /* of make_world() and here: nothing came of these */
    buf_free(&headers);
    buf_free(&refused);
}

static void test_only_its_repositories(void **state)
{
    struct door *d = *state;
    static const struct {
        const char *name;
        const char *repositories;
        int status;
    } cases[] = {{"one", "\"github.com/acme/shop\"", 200},
                 {"all", "\"https://github.com/acme/*\"", 200},
                 {"none", "\"github.com/acme/other\", \"github.com/ac/*\"", 202}};
    const char *push = GITHUB("refs/heads/main", "");
    make_world(d);
    for (size_t i = 0; i < 3; i++) {
        struct buf text = {0};
        buf_addf(&text, ",\"repositories\":[%s]", cases[i].repositories);
        make_hook(d, cases[i].name, "github", "hook", buf_cstr(&text));
        buf_clear(&text);
        buf_add_cstr(&text, "x-hub-signature-256: ");
        sign(SECRET, push, &text);
        buf_add_cstr(&text, "\r\nx-github-event: push\r\n");
        char path[80];
        snprintf(path, sizeof(path), "/webhooks/v1/namespaces/acme/github/%s", cases[i].name);
        deliver(d, path, buf_cstr(&text), push);
        assert_answer(d, cases[i].status, cases[i].status == 200 ? "api-build" : "ignored");
        buf_free(&text);
    }
}

/* As when a branch of months is merged: commits name so many files that which changed is not asked,
 * and everything that follows the branch is built. */
static void test_a_large_push_is_taken(void **state)
{
    struct door *d = *state;
    struct buf more = {0};
    struct buf push = {0};
    make_world(d);
    buf_add_cstr(&more, ",\"head_commit\":{\"id\":\"" COMMIT "\",\"added\":[\"docs/a \\\"]\"");
    for (int i = 0; i < 200000; i++) {
        buf_addf(&more, ",\"docs/chapter-%d.md\"", i);
    }
    buf_add_cstr(&more, "]}");
    buf_addf(&push, GITHUB("refs/heads/main", ",\"commits\": [{\"id\":\"" COMMIT "\"}]%s"),
             buf_cstr(&more));
    assert_true(push.len > 4 * 1024 * 1024);
    deliver_github(d, SECRET, "push", buf_cstr(&push));
    assert_answer(d, 200, "api-build-0123456789ab");
    assert_answer(d, 200, "web-build-0123456789ab");
    deliver_github(d, "not the secret of that hook", "push", buf_cstr(&push));
    assert_answer(d, 401, "Unauthorized");
    buf_free(&push);
    buf_free(&more);
}

static void test_lists_of_files_are_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *thin;
    } cases[] = {
        {"{\"a\":[1],\"commits\" : [{\"x\":\"]\\\"\"},[2]],\"b\":\"commits\"}",
         "{\"a\":[1],\"commits\" : [],\"b\":\"commits\"}"},
        {"{\"h\":{\"added\":[\"a\"],\"removed\":[],\"modified\":[\"b\",\"c\"]},\"commits\":null}",
         "{\"h\":{\"added\":[],\"removed\":[],\"modified\":[]},\"commits\":null}"},
        {"[\"commits\",[1]]", "[\"commits\",[1]]"},
        {"{\"commits\":[[", "{\"commits\":[]"},
        {"{\"commits\":[\"", "{\"commits\":[]"},
        {"{\"commits\":", "{\"commits\":"},
        {"{\"commits", "{\"commits"},
        {"\"\\", "\"\\"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf thin = {0};
        hook_thin(slice_of(cases[i].body), &thin);
        assert_string_equal(buf_cstr(&thin), cases[i].thin);
        buf_free(&thin);
    }
}

static void test_malformed_and_huge(void **state)
{
    struct door *d = *state;
    make_world(d);
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      GITHUB("main", ""),
                                      GITHUB("refs/heads/a..b", ""),
                                      "{\"ref\":\"refs/heads/main\",\"after\":\"xyz\","
                                      "\"repository\":{\"clone_url\":\"https://a/b\"}}",
                                      "{\"ref\":\"refs/heads/main\",\"after\":\"" COMMIT "\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        deliver_github(d, SECRET, "push", bad[i]);
        assert_answer(d, 400, "Status");
    }
    char *huge = calloc(1, HOOK_BODY_MAX_BYTES + 100);
    assert_non_null(huge);
    memset(huge, ' ', HOOK_BODY_MAX_BYTES + 99);
    deliver_github(d, SECRET, "push", huge);
    assert_answer(d, 413, "over the limit");
    free(huge);
}

static void test_a_shard_without_a_leader(void **state)
{
    struct door *d = *state;
    make_world(d);
    d->memory.lost = 1; /* the run is made, and nobody knows */
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_answer(d, 504, "\"result\":\"refused\"");
    deliver_github(d, SECRET, "push", GITHUB("refs/heads/main", CHANGED("web/x")));
    assert_answer(d, 200, "\"result\":\"was there\"");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_push_builds_what_it_changes),
        TEST(test_a_second_delivery_makes_nothing),
        TEST(test_what_is_not_known_to_be_untouched_is_built),
        TEST(test_what_tells_more_is_noted_at_once),
        TEST(test_a_branch_that_goes_back_is_built_again),
        TEST(test_a_run_says_where_the_branch_was),
        TEST(test_a_commit_that_another_push_led_to),
        TEST(test_a_run_that_is_there_learns_of_its_push),
        TEST(test_an_old_push_that_is_told_again),
        TEST(test_a_push_that_goes_there_once_more),
        TEST(test_branches_tags_and_deletions),
        TEST(test_an_event_that_is_no_text),
        TEST(test_gitlab),
        TEST(test_bitbucket),
        TEST(test_strangers_learn_nothing),
        TEST(test_only_its_repositories),
        TEST(test_a_large_push_is_taken),
        TEST(test_lists_of_files_are_left_out),
        TEST(test_malformed_and_huge),
        TEST(test_a_shard_without_a_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
