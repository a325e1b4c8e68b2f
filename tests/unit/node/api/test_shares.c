/* What a subject may have at a time, at the REST door: 429, who is counted as who, and until when.
 */
#include "tests/unit/node/api/door.h"

static struct quota quota;
static struct quota few; /* the strangers' */

/* How much is had: the loop says it, which changes it. */
static bool nothing_of_few(void *arg)
{
    (void)arg;
    return few.had[QUOTA_REQUESTS] == 0;
}

static bool nobody_is_known(void *arg)
{
    (void)arg;
    return quota.callers.count == 0;
}

static bool one_watch(void *arg)
{
    (void)arg;
    return quota.had[QUOTA_WATCHES] == 1 && quota.had[QUOTA_REQUESTS] == 0;
}

static bool no_watch(void *arg)
{
    (void)arg;
    return quota.had[QUOTA_WATCHES] == 0;
}

static void limit(struct door *d, struct quota_limits limits)
{
    quota_init(&quota, "", &limits);
    d->api.config.quota = &quota;
}

static int teardown(void **state)
{
    int rc = door_teardown(state);
    quota_free(&quota); /* which asserts that nothing is had any more */
    return rc;
}

static void too_many_are_told_when_to_come_back(void **state)
{
    struct door *d = *state;
    limit(d, (struct quota_limits){.per_second = 1});
    door_ask(d, "GET", "/api/v1/namespaces/default/configmaps", "", NULL);
    assert_int_equal(door_status(d), 200);
    door_ask(d, "GET", "/api", "", NULL);
    assert_int_equal(door_status(d), 200);
    door_ask(d, "GET", "/api/v1/namespaces/default/configmaps", "", NULL);
    assert_int_equal(door_status(d), 429);
    door_says(d, "\r\nretry-after: 1\r\n");
    door_says(d, "\"reason\":\"TooManyRequests\"");
    door_says(d, "\"retryAfterSeconds\":1");
    door_says(d, "too many requests a second of this caller");
    door_ask(d, "GET", "/api/v1/namespaces/default/configmaps", "authorization: Bearer viewer\r\n",
             NULL);
    assert_int_equal(door_status(d), 200); /* another's share is another's */
    door_ask(d, "GET", "/version", "authorization: \r\n", NULL);
    assert_int_equal(door_status(d), 200); /* a stranger's, too */
}

/* However many of them there are. */
static void strangers_take_nothing_of_the_others(void **state)
{
    struct door *d = *state;
    limit(d, (struct quota_limits){.per_second = 1});
    quota_init(&few, "callers=\"anonymous\"", &(struct quota_limits){.per_second = 2});
    d->api.config.strangers = &few;
    for (int i = 0; i < 4; i++) { /* a burst is twice the rate */
        door_ask(d, "GET", "/version", "authorization: \r\n", NULL);
        assert_int_equal(door_status(d), 200);
    }
    door_ask(d, "GET", "/version", "authorization: \r\n", NULL);
    assert_int_equal(door_status(d), 429);
    onloop_until(&d->o, nobody_is_known, NULL, "a quota that no stranger has entered");
    door_ask(d, "GET", "/version", "", NULL);
    assert_int_equal(door_status(d), 200);
    onloop_until(&d->o, nothing_of_few, NULL, "the end of the strangers' requests");
    d->api.config.strangers = NULL;
    quota_free(&few);
}

static void a_watch_is_had_until_it_ends(void **state)
{
    struct door *d = *state;
    const char *path = "/api/v1/namespaces/default/configmaps?watch=true";
    limit(d, (struct quota_limits){.most = {[QUOTA_WATCHES] = 1, [QUOTA_REQUESTS] = 1}});
    door_ask_until(d, "GET", path, "", NULL, "\r\n\r\n");
    assert_int_equal(door_status(d), 200);
    onloop_until(&d->o, one_watch, NULL, "one watch, and no request beside it");
    onloop_call(&d->o, door_hang_up, d);
    onloop_until(&d->o, no_watch, NULL, "the end of the watch");
    door_ask_until(d, "GET", path, "", NULL, "\r\n\r\n");
    assert_int_equal(door_status(d), 200);
}

static void bytes_of_bodies_and_their_trees_are_counted(void **state)
{
    struct door *d = *state;
    struct buf body = {0};
    limit(d, (struct quota_limits){.bytes = 100000});
    buf_add_cstr(&body,
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},"
                 "\"data\":{\"a\":\"");
    for (int i = 0; i < 40000; i++) {
        buf_add_char(&body, 'x');
    }
    buf_add_cstr(&body, "\"}}");
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", "", buf_cstr(&body));
    assert_int_equal(door_status(d), 201);
    buf_clear(&body);
    buf_add_cstr(&body, "{\"a\":[{}");
    for (int i = 0; i < 5000; i++) { /* 15 KB of text, a megabyte as a tree */
        buf_add_cstr(&body, ",{}");
    }
    buf_add_cstr(&body, "]}");
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", "", buf_cstr(&body));
    assert_int_equal(door_status(d), 429);
    door_says(d, "too many bytes in requests");
    buf_clear(&body);
    for (int i = 0; i < 100001; i++) {
        buf_add_char(&body, ' ');
    }
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", "", buf_cstr(&body));
    assert_int_equal(door_status(d), 429);
    buf_free(&body);
}

/* YAML says in five bytes what takes hundreds. */
static void trees_of_yaml_are_weighed(void **state)
{
    struct door *d = *state;
    struct buf body = {0};
    const char *yaml = "content-type: application/yaml\r\n";
    limit(d, (struct quota_limits){.bytes = 400000});
    buf_add_cstr(&body, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n");
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", yaml, buf_cstr(&body));
    assert_int_equal(door_status(d), 201);
    buf_add_cstr(&body, "data:\n");
    for (int i = 0; i < 2000; i++) { /* 10 KB of text, 700 KB as a tree */
        buf_add_cstr(&body, "- a:\n");
    }
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", yaml, buf_cstr(&body));
    assert_int_equal(door_status(d), 429);
    door_says(d, "too many bytes in requests");
    buf_free(&body);
}

/* What a stranger or a bad token sends is not kept. */
static void bodies_of_strangers_are_not_kept(void **state)
{
    struct door *d = *state;
    struct buf body = {0};
    limit(d, (struct quota_limits){.bytes = 0});
    for (int i = 0; i < 5000; i++) {
        buf_add_char(&body, ' ');
    }
    door_ask(d, "POST", "/version", "authorization: \r\n", buf_cstr(&body));
    assert_int_equal(door_status(d), 413);
    door_says(d, "over the limit of 4096 bytes");
    onloop_call(&d->o, door_hang_up, d);
    door_ask(d, "POST", "/version", "authorization: Bearer forged\r\n", "x");
    assert_int_equal(door_status(d), 401);
    buf_free(&body);
}

/* Nothing is unpacked here, so nothing can be a bomb. */
static void packed_bodies_are_refused(void **state)
{
    struct door *d = *state;
    limit(d, (struct quota_limits){.bytes = 0});
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", "content-encoding: gzip\r\n",
             "\x1f\x8b\x08");
    assert_int_equal(door_status(d), 415);
    door_says(d, "content-encoding");
}

int main(void)
{
#define SHARES_TEST(name) cmocka_unit_test_setup_teardown(name, door_setup, teardown)
    const struct CMUnitTest tests[] = {
        SHARES_TEST(too_many_are_told_when_to_come_back),
        SHARES_TEST(strangers_take_nothing_of_the_others),
        SHARES_TEST(a_watch_is_had_until_it_ends),
        SHARES_TEST(bytes_of_bodies_and_their_trees_are_counted),
        SHARES_TEST(trees_of_yaml_are_weighed),
        SHARES_TEST(bodies_of_strangers_are_not_kept),
        SHARES_TEST(packed_bodies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
