/* Service accounts' tokens: asked for, used, and worth nothing without their account. */
#include <stdio.h>

#include "tests/unit/node/api/door.h"

#define ACCOUNTS "/api/v1/namespaces/acme/serviceaccounts"

static int setup(void **state)
{
    int rc = door_setup(state);
    door_accept_tokens(*state);
    return rc;
}

static void make_robot(struct door *d)
{
    door_ask(d, "POST", ACCOUNTS, "", "{\"metadata\":{\"name\":\"robot\"}}");
    assert_int_equal(door_status(d), 201);
}

/* The text of a member of what was answered, as "status.token". */
static struct slice answered(struct door *d, const char *first, const char *second)
{
    struct slice value = {0};
    assert_true(json_scan(slice_trim(door_body(d)), &value, first, second, NULL));
    return slice_sub(value, 1, value.len - 2);
}

/* An Authorization header with a token for the robot. */
static void ask_token(struct door *d, const char *request, char header[2048])
{
    door_ask(d, "POST", ACCOUNTS "/robot/token", "", request);
    assert_int_equal(door_status(d), 201);
    struct slice token = answered(d, "status", "token");
    (void)snprintf(header, 2048, "authorization: Bearer %.*s\r\n", SLICE_ARG(token));
}

static int status_with(struct door *d, const char *header, const char *target)
{
    door_ask(d, "GET", target, header, NULL);
    return door_status(d);
}

static void a_token_makes_its_account_known(void **state)
{
    struct door *d = *state;
    char header[2048];
    make_robot(d);
    struct slice uid = answered(d, "metadata", "uid");
    char expected[256];
    (void)snprintf(expected, sizeof(expected),
                   "\"uid\":\"%.*s\",\"username\":\"system:serviceaccount:acme:robot\"",
                   SLICE_ARG(uid));
    ask_token(d, "{\"spec\":{\"expirationSeconds\":600}}", header);
    door_says(d, "\"expirationTimestamp\":\"2026-01-02T03:14:05Z\"");
    door_says(d, "\"audiences\":[\"test\"]");
    door_says(d, "\"kind\":\"TokenRequest\",\"metadata\":{\"creationTimestamp\":null,"
                 "\"name\":\"robot\",\"namespace\":\"acme\"}");
    door_ask(d, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", header, "{}");
    assert_int_equal(door_status(d), 201);
    door_says(d, expected);
    door_says(d, "\"groups\":[\"system:serviceaccounts\",\"system:serviceaccounts:acme\","
                 "\"system:authenticated\"]");
    assert_int_equal(status_with(d, header, ACCOUNTS), 403);
    clock_fake_advance(&d->clock, 600 * 1000);
    assert_int_equal(status_with(d, header, "/api"), 401);
    door_says(d, "expired");
}

static void a_dry_run_issues_no_token(void **state)
{
    struct door *d = *state;
    make_robot(d);
    door_ask(d, "POST", ACCOUNTS "/robot/token?dryRun=All", "",
             "{\"spec\":{\"expirationSeconds\":600}}");
    assert_int_equal(door_status(d), 201);
    assert_slice(answered(d, "status", "token"), "");
    door_says(d, "\"expirationTimestamp\":\"2026-01-02T03:14:05Z\"");
}

static void a_deleted_accounts_token_is_worth_nothing(void **state)
{
    struct door *d = *state;
    char header[2048];
    make_robot(d);
    ask_token(d, "{}", header);
    assert_int_equal(status_with(d, header, "/api"), 200);
    assert_int_equal(status_with(d, header, "/api"), 200);
    door_ask(d, "DELETE", ACCOUNTS "/robot", "", NULL);
    assert_int_equal(door_status(d), 200);
    assert_int_equal(status_with(d, header, "/api"), 401);
    door_says(d, "system:serviceaccount:acme:robot, has been deleted");
    make_robot(d); /* of the same name, but another */
    assert_int_equal(status_with(d, header, "/api"), 401);
    char other[2048];
    ask_token(d, "{}", other);
    assert_int_equal(status_with(d, other, "/api"), 200);
    assert_int_equal(status_with(d, header, "/api"), 401);
}

static void an_account_that_ends_is_as_good_as_gone(void **state)
{
    struct door *d = *state;
    char header[2048];
    make_robot(d);
    ask_token(d, "{}", header);
    door_ask(d, "PATCH", ACCOUNTS "/robot", "content-type: application/merge-patch+json\r\n",
             "{\"metadata\":{\"finalizers\":[\"example.com/hold\"]}}");
    assert_int_equal(status_with(d, header, "/api"), 200);
    door_ask(d, "DELETE", ACCOUNTS "/robot", "", NULL);
    assert_int_equal(door_status(d), 200);
    door_ask(d, "GET", ACCOUNTS "/robot", "", NULL);
    door_says(d, "deletionTimestamp"); /* held by its finalizer */
    assert_int_equal(status_with(d, header, "/api"), 401);
    door_ask(d, "POST", ACCOUNTS "/robot/token", "",
             "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{}}");
    assert_int_equal(door_status(d), 409);
    door_says(d, "is being deleted");
}

static void a_stale_view_is_no_verdict(void **state)
{
    struct door *d = *state;
    char header[2048];
    make_robot(d);
    ask_token(d, "{}", header);
    assert_int_equal(status_with(d, header, "/api"), 200); /* confirmed: from here on it is local */
    d->memory.stale = 1;
    assert_int_equal(status_with(d, header, "/api"), 200);
    assert_int_equal(d->memory.stale, 0);
    d->memory.failing = 1;
    assert_int_equal(status_with(d, header, "/api"), 503);
    assert_int_equal(status_with(d, header, "/api"), 200);
}

static void who_asks_in_anothers_name_is_checked(void **state)
{
    struct door *d = *state;
    char header[2048];
    struct slice said;
    make_robot(d);
    ask_token(d, "{}", header);
    struct buf both = {0};
    buf_addf(&both, "%simpersonate-user: ann\r\n", header);
    assert_int_equal(status_with(d, buf_cstr(&both), "/api"), 403);
    door_says(d, "User \\\"system:serviceaccount:acme:robot\\\" cannot impersonate");
    /* Nobody is made an account by being named one: there is no token to be bound. */
    said = SLICE("impersonate-user: system:serviceaccount:acme:gone\r\n");
    assert_int_equal(status_with(d, said.data, "/api"), 200);
    buf_free(&both);
}

static void requests_that_are_refused(void **state)
{
    struct door *d = *state;
    static const struct {
        const char *name;
        const char *body;
        int status;
        const char *says;
    } cases[] = {
        {"robot", "{\"spec\":{\"expirationSeconds\":599}}", 422,
         "\"field\":\"spec.expirationSeconds\""},
        {"robot", "{\"spec\":{\"expirationSeconds\":4294967297}}", 422, "larger than 2^32"},
        {"robot", "{\"spec\":{\"expirationSeconds\":0}}", 422, "less than 10 minutes"},
        {"robot", "{\"spec\":{\"audiences\":[\"\"]}}", 422, "\"field\":\"spec.audiences[0]\""},
        {"robot", "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"name\":\"p\"}}}", 422,
         "\"field\":\"spec.boundObjectRef\""},
        {"robot", "{\"metadata\":{\"name\":\"other\"}}", 400, "does not match the name on the URL"},
        {"robot", "{\"kind\":\"ServiceAccount\"}", 400, "does not match the expected kind"},
        {"nobody", "{}", 404, "serviceaccounts \\\"nobody\\\" not found"},
    };
    make_robot(d);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char target[128];
        (void)snprintf(target, sizeof(target), ACCOUNTS "/%s/token", cases[i].name);
        door_ask(d, "POST", target, "", cases[i].body);
        assert_int_equal(door_status(d), cases[i].status);
        door_says(d, cases[i].says);
    }
    door_ask(d, "GET", ACCOUNTS "/robot/token", "", NULL);
    assert_int_equal(door_status(d), 405);
    door_ask(d, "POST", ACCOUNTS "/robot/token", "authorization: Bearer viewer\r\n", "{}");
    assert_int_equal(door_status(d), 403);
    door_says(d, "cannot create resource \\\"serviceaccounts/token\\\"");
    door_ask(d, "GET", "/api/v1", "", NULL);
    door_says(d, "{\"name\":\"serviceaccounts/token\",\"singularName\":\"\",\"namespaced\":true,"
                 "\"group\":\"authentication.k8s.io\",\"version\":\"v1\",\"kind\":\"TokenRequest\","
                 "\"verbs\":[\"create\"]}");
    door_ask(d, "GET", "/openapi/v3/api/v1", "", NULL);
    door_says(d, "serviceaccounts/{name}/token\":{\"parameters\":");
}

static void tokens_are_reviewed(void **state)
{
    struct door *d = *state;
    char header[2048];
    char body[2300];
    make_robot(d);
    ask_token(d, "{\"spec\":{\"audiences\":[\"vault\",\"test\"]}}", header);
    const char *token = header + strlen("authorization: Bearer ");
    int len = (int)strcspn(token, "\r");
    (void)snprintf(body, sizeof(body), "{\"spec\":{\"token\":\"%.*s\"}}", len, token);
    door_ask(d, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", "", body);
    door_says(d, "\"status\":{\"audiences\":[\"test\"],\"authenticated\":true");
    (void)snprintf(body, sizeof(body),
                   "{\"spec\":{\"audiences\":[\"other\",\"vault\"],\"token\":\"%.*s\"}}", len,
                   token);
    door_ask(d, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", "", body);
    door_says(d, "\"status\":{\"audiences\":[\"vault\"],\"authenticated\":true");
    door_says(d, "\"username\":\"system:serviceaccount:acme:robot\"");
    door_ask(d, "DELETE", ACCOUNTS "/robot", "", NULL);
    door_ask(d, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", "", body);
    assert_int_equal(door_status(d), 201);
    door_says(d,
              "\"status\":{\"authenticated\":false,\"error\":\"the service account of the token");
    (void)snprintf(body, sizeof(body), "{\"spec\":{\"audiences\":[\"other\"],\"token\":\"%.*s\"}}",
                   len, token);
    door_ask(d, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", "", body);
    door_says(d, "\"authenticated\":false,\"error\":\"the token is for another");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, door_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_token_makes_its_account_known),
        TEST(a_dry_run_issues_no_token),
        TEST(a_deleted_accounts_token_is_worth_nothing),
        TEST(an_account_that_ends_is_as_good_as_gone),
        TEST(a_stale_view_is_no_verdict),
        TEST(who_asks_in_anothers_name_is_checked),
        TEST(requests_that_are_refused),
        TEST(tokens_are_reviewed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
