/* The alerts' door over memory: an Alertmanager's messages, which become TestResults of which
 * releases, and what is said of the others. Messages have the Alertmanager's shape (version 4). */
#include "node/api/hooks/alerts.h"
#include "proto/object.h"
#include "tests/unit/node/api/door.h"

#define PATH "/webhooks/v1/alertmanager"
#define API "/apis/choreo.dev/v1/namespaces/acme/"
#define CELL "dp-acme-shop-production-1a2b3c4d"

/* As controllers keep them; nobody else may write their like. */
static const struct {
    const char *resource, *name, *body;
} kept[] = {
    {"releasebindings.choreo.dev", "web-production",
     "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"ReleaseBinding\",\"metadata\":{\"name\":"
     "\"web-production\",\"namespace\":\"acme\",\"uid\":\"b\"},\"spec\":{\"environment\":"
     "\"production\",\"owner\":{\"componentName\":\"web\",\"projectName\":\"shop\"}},"
     "\"status\":{\"history\":[{\"release\":\"web-2\",\"startedAt\":"
     "\"2026-01-02T02:00:00Z\"}],\"releaseName\":\"web-2\"}}"},
    {"renderedreleases.choreo.dev", "web-production-eu",
     "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"RenderedRelease\",\"metadata\":{"
     "\"name\":\"web-production-eu\",\"namespace\":\"acme\",\"uid\":\"r\"},\"spec\":{"
     "\"bindingName\":\"web-production\",\"environmentName\":\"production\",\"namespace\":"
     "\"" CELL "\",\"owner\":{\"componentName\":\"web\",\"projectName\":\"shop\"}}}"},
};

static int setup(void **state)
{
    int rc = door_setup(state);
    struct door *d = *state;
    alerts_init(&d->api);
    return rc;
}

static void make(struct door *d, const char *path, const char *body)
{
    door_ask(d, "POST", path, "content-type: application/json\r\nauthorization: Bearer admin\r\n",
             body);
    if (strncmp(buf_cstr(&d->seen), "HTTP/1.1 201", 12) != 0) {
        fail_msg("%s: %s", path, buf_cstr(&d->seen));
    }
}

struct keeping {
    struct door *door;
    struct backend_submit submit;
};

static void on_kept(struct backend_submit *submit, int rc, const struct err *err)
{
    (void)err;
    assert_int_equal(rc, 0);
    onloop_done(&((struct keeping *)submit->user)->door->o);
}

static void keep(void *user)
{
    struct keeping *k = user;
    struct memory *m = &k->door->memory;
    k->submit.loop = m->loop;
    m->backend.ops->submit(&m->backend, &k->submit);
}

/* Component web, release web-2, which came to production at 02:00. */
static void make_world(struct door *d)
{
    make(d, API "components",
         "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{\"name\":\"web\"},"
         "\"spec\":{\"project\":\"shop\",\"image\":\"nginx\"}}");
    make(
        d, API "releases",
        "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Release\",\"metadata\":{\"name\":\"web-2\"},"
        "\"spec\":{\"owner\":{\"projectName\":\"shop\",\"componentName\":\"web\"},"
        "\"componentType\":{\"kind\":\"ClusterComponentType\",\"name\":\"service\",\"spec\":{"
        "\"workloadType\":\"deployment\",\"resources\":[{\"id\":\"deployment\",\"template\":{}}]}},"
        "\"workload\":{\"container\":{\"image\":\"nginx\"}}}}");
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        struct keeping k = {.door = d};
        k.submit = (struct backend_submit){
            .key = {slice_of(kept[i].resource), SLICE("acme"), slice_of(kept[i].name)},
            .verb = BACKEND_CREATE,
            .body = slice_of(kept[i].body),
            .subject = SLICE("system:shard-1"),
            .request_id = SLICE("kept by a controller"),
            .request_digest = SLICE("0123456789abcdef0123456789abcdef"),
            .user = &k,
            .done = on_kept};
        assert_int_equal(object_splice(k.submit.body, &k.submit.splice, NULL), 0);
        onloop_call(&d->o, keep, &k);
        onloop_wait(&d->o, "it is kept");
    }
}

#define LABELS(ns, cell, component)                                                                \
    "{\"alertname\":\"ErrorBudgetBurn\",\"severity\":\"page\",\"test\":\"error-budget\","          \
    "\"organization\":\"" ns "\",\"namespace\":\"" cell "\",\"component\":\"" component            \
    "\",\"environment\":\"production\"}"
#define ALERT(status, labels, starts)                                                              \
    "{\"status\":\"" status "\",\"labels\":" labels ",\"annotations\":{},\"startsAt\":\"" starts   \
    "\",\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://prometheus/graph?g0\","      \
    "\"fingerprint\":\"c0ffee\"}"
#define MESSAGE(alerts)                                                                            \
    "{\"version\":\"4\",\"groupKey\":\"{}\",\"truncatedAlerts\":0,\"status\":\"firing\","          \
    "\"receiver\":\"choreod\",\"alerts\":[" alerts "]}"
#define OURS LABELS("acme", CELL, "web")

static void tell(struct door *d, const char *who, const char *body)
{
    struct buf headers = {0};
    buf_addf(&headers, "content-type: application/json\r\nauthorization: %s\r\n", who);
    door_ask(d, "POST", PATH, buf_cstr(&headers), body);
    buf_free(&headers);
}

static void assert_seen(struct door *d, const char *status, const char *holds)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %s", status);
    if (strncmp(buf_cstr(&d->seen), line, strlen(line)) != 0 ||
        strstr(buf_cstr(&d->seen), holds) == NULL) {
        fail_msg("expected %s with %s, got %s", status, holds, buf_cstr(&d->seen));
    }
}

static size_t results(struct door *d)
{
    size_t count = 0;
    door_ask(d, "GET", API "testresults", "authorization: Bearer admin\r\n", "");
    for (const char *at = buf_cstr(&d->seen); (at = strstr(at, "\"releaseUID\"")) != NULL; at++) {
        count++;
    }
    return count;
}

static void an_alert_is_a_failed_test_once(void **state)
{
    struct door *d = *state;
    make_world(d);
    tell(d, "Bearer admin", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00.123456789Z")));
    assert_seen(d, "200", "\"result\":\"made\"");
    tell(d, "Bearer admin", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00.123456789Z")));
    assert_seen(d, "200", "\"result\":\"was there\"");
    assert_int_equal(results(d), 1);
    assert_seen(d, "200", "\"test\":\"error-budget\"");
    assert_seen(d, "200", "\"release\":\"web-2\"");
    assert_seen(d, "200", "\"passed\":false");
    assert_seen(d, "200", "\"url\":\"http://prometheus/graph?g0\"");
    /* That it starts again is another one, in whatever zone the time is told. */
    tell(d, "Bearer admin", MESSAGE(ALERT("firing", OURS, "2026-01-02T05:00:00+02:00")));
    assert_seen(d, "200", "\"result\":\"made\"");
    assert_int_equal(results(d), 2);
}

static void what_says_nothing_of_the_release_is_told(void **state)
{
    struct door *d = *state;
    make_world(d);
    tell(
        d, "Bearer admin",
        MESSAGE(ALERT("firing", OURS, "2026-01-02T01:59:59Z") "," ALERT(
            "resolved", OURS,
            "2026-01-02T02:30:00Z") "," ALERT("firing", "{\"test\":\"error-budget\"}",
                                              "2026-01-02T02:30:00Z") "," ALERT("firing", OURS,
                                                                                "yesterday") ",7,{"
                                                                                             "\"sta"
                                                                                             "tus\""
                                                                                             ":\"fi"
                                                                                             "ring"
                                                                                             "\","
                                                                                             "\"lab"
                                                                                             "els\""
                                                                                             ":3"
                                                                                             "}"));
    assert_seen(d, "200",
                "it began before the release that runs there came (2026-01-02T02:00:00Z)");
    assert_seen(d, "200", "it is not firing");
    assert_seen(d, "200", "it has no label \\\"organization\\\"");
    assert_seen(d, "200", "startsAt is no time");
    assert_int_equal(results(d), 0);
}

/* A rule in one cell says nothing of what runs in another, whatever its labels. */
static void only_its_own_cell_speaks_of_a_component(void **state)
{
    struct door *d = *state;
    make_world(d);
    tell(
        d, "Bearer admin",
        MESSAGE(ALERT(
            "firing", LABELS("acme", "dp-evil-shop-production-9", "web"),
            "2026-01-02T02:30:00Z") "," ALERT("firing", LABELS("acme", CELL, "api"),
                                              "2026-01-02T02:30:00Z") "," ALERT("firing",
                                                                                LABELS("evil", CELL,
                                                                                       "web"),
                                                                                "2026-01-02T02:30:"
                                                                                "00Z")));
    assert_seen(d, "200", "no such component is in that namespace of a cluster");
    assert_int_equal(results(d), 0);
}

static void who_may_not_report_is_refused(void **state)
{
    struct door *d = *state;
    make_world(d);
    tell(d, "Bearer viewer", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00Z")));
    assert_seen(d, "403", "");
    assert_int_equal(results(d), 0);
    tell(d, "none", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00Z")));
    assert_seen(d, "401", "");
}

static void what_is_no_message_is_refused(void **state)
{
    struct door *d = *state;
    tell(d, "Bearer admin", "{\"alerts\":{}}");
    assert_seen(d, "400", "webhook_configs");
    tell(d, "Bearer admin", "[1");
    assert_seen(d, "400", "");
    tell(d, "Bearer admin", MESSAGE(""));
    assert_seen(d, "200", "{\"alerts\":[]}");
}

/* No more than there is room for; it says so. */
static void many_at_once(void **state)
{
    struct door *d = *state;
    struct buf body = {0};
    make_world(d);
    buf_add_cstr(&body, "{\"alerts\":[");
    for (int i = 0; i < ALERTS_MAX + 50; i++) {
        buf_addf(
            &body,
            "%s{\"status\":\"firing\",\"labels\":%s,\"startsAt\":\"2026-01-02T02:%02d:%02dZ\"}",
            i > 0 ? "," : "", OURS, 1 + i / 60, i % 60);
    }
    buf_add_cstr(&body, "]}");
    tell(d, "Bearer admin", buf_cstr(&body));
    assert_seen(d, "200", "\"result\":\"made\"");
    assert_seen(d, "200", "\"leftOut\":50");
    size_t made = 0;
    for (const char *at = buf_cstr(&d->seen); (at = strstr(at, "\"made\"")) != NULL; at++) {
        made++;
    }
    assert_int_equal(made, ALERTS_MAX);
    buf_free(&body);
}

static void a_shard_without_a_leader(void **state)
{
    struct door *d = *state;
    make_world(d);
    d->memory.failing = 1;
    tell(d, "Bearer admin", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00Z")));
    assert_seen(d, "503", "\"result\":\"failed\"");
    d->memory.lost = 1; /* the result is made, and nobody knows */
    tell(d, "Bearer admin", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00Z")));
    assert_seen(d, "504", "\"result\":\"failed\"");
    tell(d, "Bearer admin", MESSAGE(ALERT("firing", OURS, "2026-01-02T02:30:00Z")));
    assert_seen(d, "200", "\"result\":\"was there\"");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, door_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_alert_is_a_failed_test_once),
        TEST(what_says_nothing_of_the_release_is_told),
        TEST(only_its_own_cell_speaks_of_a_component),
        TEST(who_may_not_report_is_refused),
        TEST(what_is_no_message_is_refused),
        TEST(many_at_once),
        TEST(a_shard_without_a_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
