/* What simulated containers say: steps over their time, reasons at their end, and what serves. */
#include "tests/lib/test.h"

#include "plane/workload_log.h"

#define NOON UINT64_C(1767268800000) /* 2026-01-01T12:00:00Z */

static json_t *pod(const char *annotation, const char *value, const char *state)
{
    json_t *init = json_pack("[{s:s, s:{s:{s:s, s:s, s:i}}}]", "name", "checkout", "state",
                             "terminated", "startedAt", "2026-01-01T12:00:00Z", "finishedAt",
                             "2026-01-01T12:00:10Z", "exitCode", 0);
    json_t *main =
        json_pack("[{s:s, s:{s:{s:s, s:s}}}]", "name", "build", "state", state, "startedAt",
                  "2026-01-01T12:00:10Z", "finishedAt", "2026-01-01T12:00:20Z");
    return json_pack("{s:{s:s, s:{s:s, s:s}, s:[{s:s}]}, s:{s:[{s:s}], s:[{s:s}]}, s:{s:o, s:o}}",
                     "metadata", "name", "p", "annotations", "plane.choreo.dev/seconds", "20",
                     annotation, value, "ownerReferences", "kind", "Job", "spec", "initContainers",
                     "name", "checkout", "containers", "name", "build", "status",
                     "initContainerStatuses", init, "containerStatuses", main);
}

static void line_is(const struct workload_log *l, uint64_t i, const char *text, uint64_t at_ms)
{
    struct buf out = {0};
    uint64_t said_ms = 0;
    workload_log_line(l, i, &out, &said_ms);
    assert_slice(buf_slice(&out), text);
    assert_true(said_ms == at_ms);
    buf_free(&out);
}

static void a_build_says_its_steps_over_its_time(void **state)
{
    (void)state;
    json_t *p = pod("a", "b", "running");
    struct workload_log l;
    struct err err;
    uint64_t before = 0;
    for (uint64_t s = 10; s <= 30; s += 5) {
        assert_ok(workload_log_open(&l, p, SLICE("build"), NOON + s * 1000, 0, &err), &err);
        assert_true(l.count >= before && !l.over);
        before = l.count;
    }
    assert_int_equal(l.count, 9); /* how it went, it does not say before it has ended */
    line_is(&l, 0, "#1 [internal] load build definition from Dockerfile", NOON + 10000);
    json_decref(p);
}

static void what_failed_says_why_at_its_end(void **state)
{
    (void)state;
    json_t *p = pod("plane.choreo.dev/fail", "no Makefile", "terminated");
    struct workload_log l;
    struct err err;
    struct buf tail = {0};
    assert_ok(workload_log_open(&l, p, SLICE("build"), NOON + 60000, 0, &err), &err);
    assert_true(l.over);
    line_is(&l, l.count - 1, "error: failed to solve: no Makefile", NOON + 20000);
    assert_ok(workload_log_open(&l, p, SLICE("checkout"), NOON + 60000, 0, &err), &err);
    assert_int_equal(l.count, 4); /* it was not this one */
    workload_log_end(p, l.container, &tail);
    assert_true(tail.len > 0 && tail.len <= 2048);
    buf_free(&tail);
    json_decref(p);
}

static void who_asks_wrongly_is_told_as_a_kubelet_does(void **state)
{
    (void)state;
    json_t *p = pod("a", "b", "waiting");
    struct workload_log l;
    struct err err;
    assert_err(workload_log_open(&l, p, SLICE("x"), NOON, 0, &err), &err, ERR_INVALID,
               "container x is not valid for pod p");
    assert_err(workload_log_open(&l, p, SLICE("build"), NOON, 0, &err), &err, ERR_INVALID,
               "container \"build\" in pod \"p\" is waiting to start");
    json_array_append_new(json_at(p, "spec", "containers", NULL), json_pack("{s:s}", "name", "c"));
    assert_err(workload_log_open(&l, p, SLICE(""), NOON, 0, &err), &err, ERR_INVALID,
               "a container name must be specified for pod p");
    json_decref(p);
}

static void what_serves_says_so_for_ever_and_keeps_the_last(void **state)
{
    (void)state;
    json_t *p = pod("a", "b", "running");
    struct workload_log l;
    struct err err;
    json_object_del(json_object_get(p, "metadata"), "ownerReferences");
    assert_ok(workload_log_open(&l, p, SLICE("build"), NOON + 12500, 0, &err), &err);
    assert_int_equal(l.count, 3);
    line_is(&l, 0, "build: ready to serve", NOON + 10000);
    uint64_t month_ms = UINT64_C(30) * 24 * 3600 * 1000;
    assert_ok(workload_log_open(&l, p, SLICE("build"), NOON + month_ms, 0, &err), &err);
    assert_int_equal(l.count - l.first, WORKLOAD_LOG_KEPT);
    assert_false(l.over);
    json_decref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_build_says_its_steps_over_its_time),
        cmocka_unit_test(what_failed_says_why_at_its_end),
        cmocka_unit_test(who_asks_wrongly_is_told_as_a_kubelet_does),
        cmocka_unit_test(what_serves_says_so_for_ever_and_keeps_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
