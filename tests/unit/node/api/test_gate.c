/* The write path against a backend that refuses, is stale, or loses races. */
#include <stdio.h>

#include "tests/unit/node/api/door.h"

struct write {
    struct door *d;
    struct gate_write gate;
    struct arena arena;
    struct subject subject;
    json_t *object;
    int done;
    int rc;
    bool inside;
    bool called_inside;
    char message[ERR_MESSAGE_MAX];
};

static void on_written(struct gate_write *w, int rc, const struct err *err)
{
    struct write *t = w->user;
    t->done++;
    t->rc = rc;
    t->called_inside |= t->inside;
    (void)snprintf(t->message, sizeof(t->message), "%s", err != NULL ? err->message : "");
    onloop_done(&t->d->o);
}

static void start(void *arg)
{
    struct write *t = arg;
    t->gate.loop = &t->d->o.loop;
    t->inside = true;
    gate_write(&t->gate);
    t->inside = false;
}

static void prepare(struct door *d, struct write *t, enum admit_op op, const char *name,
                    const char *body)
{
    struct err err;
    *t = (struct write){.d = d, .subject = {.user = SLICE("tester")}};
    if (body != NULL) {
        assert_ok(json_parse(slice_of(body), &t->object, &err), &err);
    }
    t->gate = (struct gate_write){
        .api = &d->api,
        .arena = &t->arena,
        .subject = &t->subject,
        .kind = kind_by_resource(&d->kinds, SLICE("configmaps")),
        .op = op,
        .ns = SLICE("default"),
        .name = slice_of(name),
        .incoming = t->object,
        .user = t,
        .done = on_written,
    };
}

static void run(struct write *t)
{
    onloop_call(&t->d->o, start, t);
    onloop_wait(&t->d->o, "a write");
    assert_int_equal(t->done, 1);
    assert_false(t->called_inside);
}

static void clear(struct write *t)
{
    json_decref(t->object);
    arena_free(&t->arena);
}

static int do_write(struct door *d, enum admit_op op, const char *name, const char *body)
{
    struct write t;
    prepare(d, &t, op, name, body);
    run(&t);
    clear(&t);
    return t.rc;
}

static void conflicts_of_the_servers_making_are_retried(void **state)
{
    struct door *d = *state;
    assert_int_equal(do_write(d, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}"), 0);
    d->memory.conflicts = 8;
    assert_int_equal(do_write(d, ADMIT_PATCH_MERGE, "a", "{\"data\":{\"x\":\"1\"}}"), 0);
    assert_int_equal(d->memory.conflicts, 0);
    assert_int_equal(d->memory.submits, 1 + 9);
}

static void an_endless_race_is_given_up_as_busy(void **state)
{
    struct door *d = *state;
    assert_int_equal(do_write(d, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}"), 0);
    d->memory.conflicts = 1000;
    assert_int_equal(do_write(d, ADMIT_PATCH_MERGE, "a", "{\"data\":{\"x\":\"1\"}}"), ERR_BUSY);
    assert_int_equal(d->memory.submits, 1 + GATE_ATTEMPTS_MAX);
}

static void who_really_wrote_is_on_record(void **state)
{
    struct door *d = *state;
    struct write t;
    struct subject really = {.user = SLICE("root"), .groups = {SLICE("masters")}, .group_count = 1};
    prepare(d, &t, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}");
    (void)subject_add_group(&t.subject, SLICE("testers"));
    t.subject.really = &really;
    run(&t);
    assert_int_equal(t.rc, 0);
    assert_slice(buf_slice(&d->memory.author), "root");
    assert_slice(
        buf_slice(&d->memory.audit),
        "{\"user\":\"root\",\"groups\":[\"masters\"],\"impersonated\":{\"user\":\"tester\","
        "\"groups\":[\"testers\"]},\"verb\":\"create\",\"from\":\"\",\"agent\":\"\","
        "\"decision\":\"allow\"}");
    clear(&t);
}

static void a_conflict_of_the_clients_making_is_told(void **state)
{
    struct door *d = *state;
    assert_int_equal(do_write(d, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}"), 0);
    assert_int_equal(
        do_write(d, ADMIT_UPDATE, "a", "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}"),
        ERR_CONFLICT);
    assert_int_equal(d->memory.submits, 1);
}

static void not_found_is_only_believed_when_confirmed(void **state)
{
    struct door *d = *state;
    assert_int_equal(do_write(d, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}"), 0);
    d->memory.stale = 1; /* the local view does not know it yet */
    assert_int_equal(do_write(d, ADMIT_PATCH_MERGE, "a", "{\"data\":{\"x\":\"1\"}}"), 0);
    assert_int_equal(d->memory.stale, 0);
    assert_int_equal(do_write(d, ADMIT_PATCH_MERGE, "b", "{\"data\":{}}"), ERR_NOT_FOUND);
    assert_int_equal(do_write(d, ADMIT_DELETE, "b", NULL), ERR_NOT_FOUND);
}

static void writes_that_change_nothing_are_not_submitted(void **state)
{
    struct door *d = *state;
    struct write t;
    assert_int_equal(
        do_write(d, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"x\":\"1\"}}"), 0);
    prepare(d, &t, ADMIT_PATCH_MERGE, "a", "{\"data\":{\"x\":\"1\"}}");
    run(&t);
    assert_int_equal(t.rc, 0);
    assert_false(t.gate.changed);
    assert_true(t.gate.object.version == 1001);
    clear(&t);
    assert_int_equal(d->memory.submits, 1);
}

static void dry_runs_submit_nothing(void **state)
{
    struct door *d = *state;
    struct write t;
    prepare(d, &t, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}");
    t.gate.dry_run = true;
    run(&t);
    assert_int_equal(t.rc, 0);
    assert_true(t.gate.created);
    clear(&t);
    assert_int_equal(d->memory.submits, 0);
    assert_int_equal(do_write(d, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}"), 0);
    prepare(d, &t, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"a\"}}");
    t.gate.dry_run = true;
    run(&t);
    assert_int_equal(t.rc, ERR_EXISTS);
    clear(&t);
}

static void a_backend_that_fails_is_told(void **state)
{
    struct door *d = *state;
    d->memory.failing = 1;
    assert_int_equal(do_write(d, ADMIT_PATCH_MERGE, "a", "{}"), ERR_UNAVAILABLE);
}

static void an_unknown_outcome_is_not_to_be_retried_blindly(void **state)
{
    struct door *d = *state;
    d->memory.lost = 1;
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps", "",
             "{\"metadata\":{\"generateName\":\"a-\"}}");
    assert_int_equal(door_status(d), 504);
    door_hides(d, "retry-after"); /* client-go would, by itself, create a second one */
    door_hides(d, "retryAfterSeconds");
    d->memory.failing = 1;
    door_ask(d, "GET", "/api/v1/namespaces/default/configmaps", "", NULL);
    assert_int_equal(door_status(d), 503);
    door_says(d, "retry-after: 1");
}

static void bad_objects_never_reach_the_backend(void **state)
{
    struct door *d = *state;
    struct write t;
    prepare(d, &t, ADMIT_CREATE, "", "{\"metadata\":{\"name\":\"Bad_Name\"}}");
    run(&t);
    assert_int_equal(t.rc, ERR_UNPROCESSABLE);
    assert_true(t.gate.result.causes.count > 0);
    clear(&t);
    assert_int_equal(d->memory.submits, 0);
}

static void a_repeated_request_id_makes_the_same_names(void **state)
{
    struct door *d = *state;
    struct write t[2];
    for (int i = 0; i < 2; i++) {
        prepare(d, &t[i], ADMIT_CREATE, "", "{\"metadata\":{\"generateName\":\"g-\"}}");
        t[i].gate.request_id = SLICE("0123456789abcdef");
        t[i].gate.issued_ms = 1;
        t[i].gate.dry_run = true;
        run(&t[i]);
        assert_int_equal(t[i].rc, 0);
    }
    assert_true(slice_eq(t[0].gate.object.body, t[1].gate.object.body)); /* uid and name in it */
    assert_int_equal(t[0].gate.result.name.len, 7);
    clear(&t[0]);
    clear(&t[1]);
    door_ask(d, "POST", "/api/v1/namespaces/default/configmaps",
             "x-choreo-request-id: 0123456789abcdef\r\n", "{\"metadata\":{\"name\":\"a\"}}");
    assert_int_equal(door_status(d), 400); /* without the time of its issue it means nothing */
}

static void cancel(void *arg)
{
    struct write *t = arg;
    gate_cancel(&t->gate);
}

static void a_cancelled_write_still_ends_once(void **state)
{
    struct door *d = *state;
    struct write t;
    prepare(d, &t, ADMIT_PATCH_MERGE, "a", "{\"data\":{}}");
    onloop_call(&d->o, start, &t);
    onloop_call(&d->o, cancel, &t);
    onloop_wait(&d->o, "a cancelled write");
    assert_int_equal(t.done, 1);
    clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, door_setup, door_teardown)
        TEST(conflicts_of_the_servers_making_are_retried),
        TEST(an_endless_race_is_given_up_as_busy),
        TEST(who_really_wrote_is_on_record),
        TEST(a_conflict_of_the_clients_making_is_told),
        TEST(not_found_is_only_believed_when_confirmed),
        TEST(writes_that_change_nothing_are_not_submitted),
        TEST(dry_runs_submit_nothing),
        TEST(a_backend_that_fails_is_told),
        TEST(an_unknown_outcome_is_not_to_be_retried_blindly),
        TEST(bad_objects_never_reach_the_backend),
        TEST(a_cancelled_write_still_ends_once),
        TEST(a_repeated_request_id_makes_the_same_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
