/* Events under both of their names: one object, with its members renamed. */
#include <stdio.h>

#include "node/api/events_view.h"
#include "proto/object.h"
#include "tests/unit/node/api/door.h"

#define CORE "/api/v1/namespaces/acme/events"
#define NEWER "/apis/events.k8s.io/v1/namespaces/acme/events"

static struct events_view view;

static int setup(void **state)
{
    int rc = door_setup(state);
    struct door *d = *state;
    events_view_init(&view, &d->memory.backend);
    d->api.backend = &view.backend;
    return rc;
}

static const char newer[] =
    "{\"metadata\":{\"name\":\"n\"},\"eventTime\":\"2026-01-02T03:04:00.000001Z\","
    "\"regarding\":{\"kind\":\"Pod\",\"name\":\"web\",\"namespace\":\"acme\"},\"note\":\"so it "
    "is\","
    "\"reportingController\":\"c.io/x\",\"reportingInstance\":\"i-1\",\"action\":\"Start\","
    "\"reason\":\"Started\",\"type\":\"Normal\"}";

static void what_is_written_as_one_is_read_as_the_other(void **state)
{
    struct door *d = *state;
    door_ask(d, "POST", NEWER, "", newer);
    assert_int_equal(door_status(d), 201);
    door_says(d, "\"apiVersion\":\"events.k8s.io/v1\"");
    door_says(d, "\"regarding\":{\"kind\":\"Pod\"");
    door_ask(d, "GET", CORE "/n", "", NULL);
    assert_int_equal(door_status(d), 200);
    door_says(d, "\"apiVersion\":\"v1\",\"eventTime\":\"2026-01-02T03:04:00.000001Z\","
                 "\"involvedObject\":{\"kind\":\"Pod\"");
    door_says(d, "\"message\":\"so it is\"");
    door_says(d, "\"reportingComponent\":\"c.io/x\"");
    door_hides(d, "\"note\"");
    door_ask(d, "PATCH", CORE "/n", "content-type: application/merge-patch+json\r\n",
             "{\"count\":4,\"source\":{\"component\":\"old\"}}");
    assert_int_equal(door_status(d), 200);
    door_ask(d, "GET", NEWER "/n", "", NULL);
    door_says(d, "\"deprecatedCount\":4,\"deprecatedSource\":{\"component\":\"old\"}");
    door_says(d, "\"note\":\"so it is\"");
    door_says(d, "\"resourceVersion\":\"1002\"");
    door_ask(d, "PATCH", NEWER "/n", "content-type: application/merge-patch+json\r\n",
             "{\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:04:01.000000Z\"}}");
    assert_int_equal(door_status(d), 200);
    door_ask(d, "GET", CORE "/n", "", NULL);
    door_says(d, "\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:04:01.000000Z\"}");
    door_ask(d, "DELETE", NEWER "/n", "", NULL);
    assert_int_equal(door_status(d), 200);
    door_ask(d, "GET", CORE "/n", "", NULL);
    assert_int_equal(door_status(d), 404);
    door_ask(d, "GET", NEWER "/n", "", NULL);
    assert_int_equal(door_status(d), 404);
    door_says(d, "events.events.k8s.io \\\"n\\\" not found");
}

static void lists_and_watches_are_of_one_form(void **state)
{
    struct door *d = *state;
    door_ask(d, "POST", NEWER, "", newer);
    door_ask(d, "POST", CORE, "",
             "{\"metadata\":{\"name\":\"c\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"db\","
             "\"namespace\":\"acme\"},\"reason\":\"Stopped\",\"message\":\"m\","
             "\"lastTimestamp\":\"2026-01-02T03:04:04Z\"}");
    assert_int_equal(door_status(d), 201);
    door_ask(d, "GET", NEWER "?fieldSelector=regarding.name%3Ddb,reason%3DStopped", "", NULL);
    door_says(d, "\"kind\":\"EventList\",\"apiVersion\":\"events.k8s.io/v1\"");
    door_says(d, "\"note\":\"m\"");
    door_hides(d, "so it is");
    door_ask(d, "GET", NEWER "?fieldSelector=involvedObject.name%3Ddb", "", NULL);
    assert_int_equal(door_status(d), 400);
    door_ask(d, "GET", NEWER, "accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", NULL);
    door_says(d, "[\"c\",\"1s\",null,\"Stopped\",\"pod/db\",null,null,\"m\",null,null]");
    door_says(d, "[\"n\",\"5s\",\"Normal\",\"Started\",\"pod/web\",null,\"c.io/x\",\"so it is\","
                 "\"5s\",null]");
    struct buf text = {0};
    buf_addf(&text, "GET " NEWER "?watch=1&resourceVersion=1001 HTTP/1.1\r\nhost: h\r\n"
                    "authorization: Bearer admin\r\n\r\n");
    door_send(d, buf_slice(&text), "\"note\":\"m\"");
    door_says(d, "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"events.k8s.io/v1\"");
    door_hides(d, "\"message\"");
    buf_free(&text);
}

static void what_a_new_one_must_say(void **state)
{
    struct door *d = *state;
    door_ask(d, "POST", NEWER, "",
             "{\"metadata\":{\"name\":\"n\"},\"regarding\":{\"namespace\":\"other\"},"
             "\"type\":\"Loud\"}");
    assert_int_equal(door_status(d), 422);
    static const char *const fields[] = {
        "eventTime", "reportingController", "reportingInstance", "action", "reason",
        "type",      "regarding.namespace"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "\"field\":\"%s\"", fields[i]);
        door_says(d, text);
    }
    door_ask(d, "POST", NEWER "?dryRun=All", "", newer);
    assert_int_equal(door_status(d), 201);
    door_ask(d, "GET", CORE "/n", "", NULL);
    assert_int_equal(door_status(d), 404);
    door_ask(d, "GET", "/apis/events.k8s.io/v1", "", NULL);
    door_says(d, "\"name\":\"events\",\"singularName\":\"event\",\"namespaced\":true");
}

/* An Event of the core group with a message of so many bytes. */
static void post_long(struct door *d, size_t message_bytes)
{
    struct buf body = {0};
    buf_add(&body,
            SLICE("{\"metadata\":{\"name\":\"n\"},\"involvedObject\":{\"namespace\":\"acme\"},"
                  "\"count\":1,\"firstTimestamp\":\"2026-01-02T03:04:00Z\","
                  "\"lastTimestamp\":\"2026-01-02T03:04:00Z\",\"message\":\""));
    for (size_t i = 0; i < message_bytes; i++) {
        buf_add_char(&body, 'm');
    }
    buf_add(&body, SLICE("\"}"));
    door_ask(d, "POST", CORE, "", buf_cstr(&body));
    assert_int_equal(door_status(d), 201);
    buf_free(&body);
}

/* The newer form's names are longer: that is no reason to fail a list. */
static void a_full_one_is_read_as_the_other(void **state)
{
    struct door *d = *state;
    post_long(d, 1);
    size_t room = OBJECT_BYTES_MAX - door_body(d).len; /* which has a resourceVersion besides */
    door_ask(d, "DELETE", CORE "/n", "", NULL);
    post_long(d, 1 + room);
    door_ask(d, "GET", NEWER "/n", "", NULL);
    assert_int_equal(door_status(d), 200);
    assert_true(door_body(d).len > OBJECT_BYTES_MAX);
    door_ask(d, "GET", NEWER, "", NULL);
    assert_int_equal(door_status(d), 200);
    door_says(d, "\"deprecatedFirstTimestamp\":\"2026-01-02T03:04:00Z\"");
}

static void everything_else_passes(void **state)
{
    struct door *d = *state;
    door_ask(d, "POST", "/api/v1/namespaces/acme/configmaps", "",
             "{\"metadata\":{\"name\":\"a\"},\"data\":{\"message\":\"m\"}}");
    assert_int_equal(door_status(d), 201);
    door_ask(d, "GET", "/api/v1/namespaces/acme/configmaps/a", "", NULL);
    door_says(d, "\"data\":{\"message\":\"m\"}");
    d->memory.failing = 1;
    door_ask(d, "GET", NEWER "/n", "", NULL);
    assert_int_equal(door_status(d), 503);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, door_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_as_one_is_read_as_the_other),
        TEST(lists_and_watches_are_of_one_form),
        TEST(what_a_new_one_must_say),
        TEST(a_full_one_is_read_as_the_other),
        TEST(everything_else_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
