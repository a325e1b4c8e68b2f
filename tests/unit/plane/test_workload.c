/* What becomes of workloads with time, as pure functions; and schedules. */
#include "plane/cron.h"
#include "plane/workload.h"
#include "proto/object.h"
#include "tests/lib/test.h"

#define T0 UINT64_C(1790000000000)
enum { DELAY = 1000 };

static json_t *parse(const char *text)
{
    json_t *tree;
    struct err err;
    assert_ok(json_parse(slice_of(text), &tree, &err), &err);
    return tree;
}

static json_t *deployment(void)
{
    return parse(
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
        "\"namespace\":\"shop\",\"uid\":\"u1\",\"generation\":2},\"spec\":{\"replicas\":3,"
        "\"progressDeadlineSeconds\":60,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":"
        "[{\"name\":\"c\",\"image\":\"reg/web:1\"}]}}}}");
}

static struct workload_view view_at(uint64_t ms)
{
    return (struct workload_view){
        .now_ms = T0 + ms, .since_ms = T0, .delay_ms = DELAY, .pods_max = 2};
}

static int64_t number(const json_t *o, const char *key)
{
    const json_t *v = json_at(o, "status", key, NULL);
    return v != NULL ? json_integer_value(v) : -1;
}

static void a_deployment_rolls_out_after_its_delay(void **state)
{
    (void)state;
    json_t *o = deployment();
    uint64_t next;
    struct workload_view view = view_at(10);
    assert_true(workload_look(WORKLOAD_DEPLOYMENT, o, &view, &next));
    assert_true(next == T0 + DELAY);
    assert_int_equal(number(o, "observedGeneration"), 2);
    assert_int_equal(number(o, "updatedReplicas"), -1);
    assert_int_equal(number(o, "unavailableReplicas"), 3);
    assert_false(object_condition_true(o, "Available"));
    assert_true(object_condition_true(o, "Progressing"));
    assert_false(workload_settled(WORKLOAD_DEPLOYMENT, o));
    assert_false(workload_look(WORKLOAD_DEPLOYMENT, o, &view, &next)); /* twice is once */

    view = view_at(DELAY);
    assert_true(workload_look(WORKLOAD_DEPLOYMENT, o, &view, &next));
    assert_true(next == 0);
    assert_int_equal(number(o, "updatedReplicas"), 3);
    assert_int_equal(number(o, "availableReplicas"), 3);
    assert_int_equal(number(o, "unavailableReplicas"), -1);
    assert_true(object_condition_true(o, "Available"));
    assert_true(workload_settled(WORKLOAD_DEPLOYMENT, o));

    /* The next generation keeps the old replicas while it starts. */
    json_object_set_new(json_child(o, "metadata"), "generation", json_integer(3));
    assert_false(workload_settled(WORKLOAD_DEPLOYMENT, o));
    view = view_at(20);
    assert_true(workload_look(WORKLOAD_DEPLOYMENT, o, &view, &next));
    assert_int_equal(number(o, "updatedReplicas"), -1);
    assert_int_equal(number(o, "availableReplicas"), 3);
    assert_true(object_condition_true(o, "Available"));
    json_decref(o);
}

static void an_image_that_is_not_there_never_becomes_ready(void **state)
{
    (void)state;
    static const char *const patterns[] = {"other", "*/web:*", NULL};
    json_t *o = deployment();
    uint64_t next;
    struct workload_view view = view_at(30 * 1000);
    view.never_ready = patterns;
    assert_true(workload_look(WORKLOAD_DEPLOYMENT, o, &view, &next));
    assert_true(next == T0 + 60 * 1000);
    assert_int_equal(number(o, "updatedReplicas"), -1);
    view.now_ms = next;
    assert_true(workload_look(WORKLOAD_DEPLOYMENT, o, &view, &next));
    assert_slice(json_text_at(object_condition(o, "Progressing"), "reason"),
                 "ProgressDeadlineExceeded");
    assert_slice(json_text_at(object_condition(o, "Progressing"), "status"), "False");
    json_decref(o);

    assert_true(workload_matches("*", SLICE("")) && workload_matches("a*c*e", SLICE("abcde")));
    assert_true(workload_matches("*ab", SLICE("aab")) && !workload_matches("a*b", SLICE("abc")));
    assert_false(workload_matches("", SLICE("a")));
}

static void the_other_kinds_get_where_they_belong(void **state)
{
    (void)state;
    static const struct {
        enum workload_kind kind;
        const char *spec;
        const char *path; /* of the status, when ready */
        const char *value;
    } cases[] = {
        {WORKLOAD_STATEFUL_SET, "{\"replicas\":2}", "{.status.updatedReplicas}", "2"},
        {WORKLOAD_REPLICA_SET, "{\"replicas\":2}", "{.status.readyReplicas}", "2"},
        {WORKLOAD_DAEMON_SET, "{}", "{.status.numberAvailable}", "3"},
        {WORKLOAD_JOB, "{\"completions\":4}", "{.status.succeeded}", "4"},
        {WORKLOAD_POD, "{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}", "{.status.phase}",
         "\"Running\""},
        {WORKLOAD_CLAIM, "{}", "{.status.phase}", "\"Bound\""},
        {WORKLOAD_POSTGRES, "{\"instances\":3}", "{.status.readyInstances}", "3"},
        {WORKLOAD_REDIS, "{\"clusterSize\":3}", "{.status.masterNode}", "\"x-0\""},
        {WORKLOAD_SERVICE, "{\"type\":\"LoadBalancer\"}", "{.status.loadBalancer.ingress[0].ip}",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *o = parse("{\"kind\":\"X\",\"metadata\":{\"name\":\"x\",\"uid\":\"u\","
                          "\"generation\":1}}");
        json_object_set_new(o, "spec", parse(cases[i].spec));
        uint64_t next;
        struct workload_view view = view_at(0);
        (void)workload_look(cases[i].kind, o, &view, &next);
        assert_true(next == T0 + DELAY && !workload_settled(cases[i].kind, o));
        view = view_at(DELAY);
        assert_true(workload_look(cases[i].kind, o, &view, &next));
        assert_true(workload_settled(cases[i].kind, o));
        const json_t *found = object_path(o, slice_of(cases[i].path));
        struct buf text = {0};
        assert_non_null(found);
        json_canonical(found, &text);
        if (cases[i].value != NULL) {
            assert_string_equal(buf_cstr(&text), cases[i].value);
        }
        assert_false(workload_look(cases[i].kind, o, &view, &next));
        buf_free(&text);
        json_decref(o);
    }
}

static void a_claim_that_is_larger_grows_for_a_while(void **state)
{
    (void)state;
    static const char size[] = "{.status.capacity.storage}";
    json_t *o =
        parse("{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"x\",\"uid\":"
              "\"u\",\"generation\":2},\"spec\":{\"resources\":{\"requests\":{\"storage\":"
              "\"2Gi\"}}},\"status\":{\"phase\":\"Bound\",\"capacity\":{\"storage\":\"1Gi\"}}}");
    uint64_t next;
    struct workload_view view = view_at(0);
    assert_false(workload_settled(WORKLOAD_CLAIM, o));
    assert_true(workload_look(WORKLOAD_CLAIM, o, &view, &next));
    assert_true(object_condition_true(o, "Resizing") && next == T0 + DELAY);
    assert_slice(json_text(object_path(o, SLICE("{.status.phase}"))), "Bound");
    assert_slice(json_text(object_path(o, slice_of(size))), "1Gi");
    view = view_at(DELAY);
    assert_true(workload_look(WORKLOAD_CLAIM, o, &view, &next));
    assert_slice(json_text(object_path(o, slice_of(size))), "2Gi");
    assert_null(object_condition(o, "Resizing"));
    assert_true(workload_settled(WORKLOAD_CLAIM, o));
    json_decref(o);
}

static void children_have_stable_names_and_follow_the_template(void **state)
{
    (void)state;
    json_t *o = deployment();
    struct workload_view view = view_at(0);
    json_t *sets = workload_children(WORKLOAD_DEPLOYMENT, o, &view);
    assert_int_equal(json_array_size(sets), 1);
    json_t *set = json_array_get(sets, 0);
    assert_int_equal(workload_kind_of(set), WORKLOAD_REPLICA_SET);
    assert_slice(object_ns(set), "shop");
    json_t *again = workload_children(WORKLOAD_DEPLOYMENT, o, &view);
    assert_true(json_equal(sets, again));
    json_decref(again);

    json_object_set_new(json_child(set, "metadata"), "uid", json_string("u2"));
    json_t *pods = workload_children(WORKLOAD_REPLICA_SET, set, &view);
    assert_int_equal(json_array_size(pods), 2); /* of 3: pods_max */
    assert_slice(object_label(json_array_get(pods, 0), "app"), "web");
    assert_false(
        slice_eq(object_name(json_array_get(pods, 0)), object_name(json_array_get(pods, 1))));
    json_decref(pods);

    json_t *containers = json_at(o, "spec", "template", "spec", "containers", NULL);
    json_object_set_new(json_array_get(containers, 0), "image", json_string("reg/web:2"));
    again = workload_children(WORKLOAD_DEPLOYMENT, o, &view);
    assert_false(slice_eq(object_name(set), object_name(json_array_get(again, 0))));
    json_decref(again);
    view.pods_max = 0;
    again = workload_children(WORKLOAD_DEPLOYMENT, o, &view);
    assert_int_equal(json_array_size(again), 0);
    json_decref(again);
    json_decref(sets);
    json_decref(o);
}

/* 2026-11-23T05:30Z, a Monday, in minutes. */
static const uint64_t monday = UINT64_C(1795411800) / 60;

static void schedules_are_due_when_cron_says(void **state)
{
    (void)state;
    static const char *const due[] = {"* * * * *",       "30 5 * * *",     "*/10 * * * *",
                                      "0-40/15 5 * * 1", "30 5 23 11 *",   "5,30 * * * *",
                                      "30 5 1 * 1",      " 30  5 * * 1-5 "};
    static const char *const not_due[] = {
        "31 * * * *",   "30 6 * * *",  "*/7 * * * *", "30 5 * * 0",
        "30 5 22 11 *", "@hourly",     "30 5 1 12 *", "",
        "30 5 * *",     "61 * * * *",  "x * * * *",   "30 5 * * * *",
        "*/0 * * * *",  "30-x * * * *"};
    for (size_t i = 0; i < sizeof due / sizeof due[0]; i++) {
        if (!cron_due(slice_of(due[i]), monday)) {
            fail_msg("\"%s\" should be due", due[i]);
        }
    }
    for (size_t i = 0; i < sizeof not_due / sizeof not_due[0]; i++) {
        if (cron_due(slice_of(not_due[i]), monday)) {
            fail_msg("\"%s\" should not be due", not_due[i]);
        }
    }
    assert_true(cron_due(SLICE("@hourly"), monday - 30));
    assert_true(cron_due(SLICE("0 0 * * 7"), monday - 330 - 24 * 60)); /* Sunday is 0 and 7 */
}

static void a_cron_job_starts_a_job_for_the_minute(void **state)
{
    (void)state;
    json_t *o = parse("{\"kind\":\"CronJob\",\"metadata\":{\"name\":\"tick\",\"namespace\":\"n\","
                      "\"uid\":\"u\"},\"spec\":{\"schedule\":\"*/5 * * * *\",\"jobTemplate\":{"
                      "\"spec\":{\"completions\":2}}}}");
    assert_null(workload_due_job(o, monday + 1));
    json_t *job = workload_due_job(o, monday);
    assert_non_null(job);
    assert_slice(object_name(job), "tick-29923530");
    assert_int_equal(json_integer_value(json_at(job, "spec", "completions", NULL)), 2);
    json_decref(job);
    json_object_set_new(json_child(o, "spec"), "suspend", json_true());
    assert_null(workload_due_job(o, monday));
    json_decref(o);
}

/* A Job of a checkout and a build, and its pod. */
static json_t *run_job(const char *annotations)
{
    struct buf text = {0};
    buf_addf(&text,
             "{\"kind\":\"Job\",\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"uid\":\"u\","
             "\"generation\":1,\"labels\":{\"choreo.dev/workflow-run\":\"b\"}},\"spec\":{"
             "\"activeDeadlineSeconds\":60,\"template\":{\"metadata\":{\"annotations\":{%s}},"
             "\"spec\":{\"initContainers\":[{\"name\":\"checkout\",\"image\":\"git\",\"env\":[{"
             "\"name\":\"GIT_REF\",\"value\":\"0123456789abcdef0123456789abcdef01234567\"}]}],"
             "\"containers\":[{\"name\":\"build\",\"image\":\"kit\"}]}}}}",
             annotations);
    json_t *job = parse(buf_cstr(&text));
    buf_free(&text);
    return job;
}

static json_t *pod_of_job(const json_t *job)
{
    struct workload_view view = view_at(0);
    view.pods_max = 0; /* a run's is made all the same */
    json_t *children = workload_children(WORKLOAD_JOB, job, &view);
    assert_int_equal(json_array_size(children), 1);
    json_t *pod = json_incref(json_array_get(children, 0));
    json_decref(children);
    object_add_owner(pod, job, true);
    return pod;
}

static struct slice at(const json_t *o, const char *path)
{
    return json_text(object_path(o, slice_of(path)));
}

static void a_run_takes_its_time_and_says_what_it_made(void **state)
{
    (void)state;
    uint64_t next;
    json_t *job = run_job("\"plane.choreo.dev/seconds\":\"4\"");
    json_t *pod = pod_of_job(job);
    struct workload_view view = view_at(1000);
    assert_true(workload_look(WORKLOAD_JOB, job, &view, &next));
    assert_true(next == T0 + 4000 && !workload_settled(WORKLOAD_JOB, job));
    assert_true(workload_look(WORKLOAD_POD, pod, &view, &next));
    assert_true(next == T0 + 2000);
    assert_slice(at(pod, "{.status.phase}"), "Running");
    assert_non_null(
        object_path(pod, SLICE("{.status.initContainerStatuses[0].state.running.startedAt}")));
    assert_slice(at(pod, "{.status.containerStatuses[0].state.waiting.reason}"), "PodInitializing");

    view = view_at(4000);
    assert_true(workload_look(WORKLOAD_JOB, job, &view, &next));
    assert_true(object_condition_true(job, "Complete"));
    assert_true(workload_look(WORKLOAD_POD, pod, &view, &next));
    assert_slice(at(pod, "{.status.phase}"), "Succeeded");
    assert_slice(at(pod, "{.status.initContainerStatuses[0].state.terminated.message}"),
                 "0123456789abcdef0123456789abcdef01234567");
    struct slice digest = at(pod, "{.status.containerStatuses[0].state.terminated.message}");
    assert_true(slice_starts_with(digest, SLICE("sha256:")) && digest.len == 7 + 64);
    /* Somebody who starts anew changes nothing of what has ended. */
    view.since_ms = 0;
    assert_false(workload_look(WORKLOAD_POD, pod, &view, &next));
    json_decref(pod);
    json_decref(job);
}

static void a_run_fails_when_it_is_told_to(void **state)
{
    (void)state;
    uint64_t next;
    json_t *job = run_job("\"plane.choreo.dev/fail\":\"no Dockerfile\"");
    json_t *pod = pod_of_job(job);
    struct workload_view view = view_at(DELAY);
    assert_true(workload_look(WORKLOAD_JOB, job, &view, &next));
    assert_true(object_condition_true(job, "Failed"));
    assert_int_equal(number(job, "failed"), 1);
    assert_true(workload_look(WORKLOAD_POD, pod, &view, &next));
    assert_slice(at(pod, "{.status.phase}"), "Failed");
    assert_slice(at(pod, "{.status.containerStatuses[0].state.terminated.message}"),
                 "no Dockerfile");
    json_decref(pod);
    json_decref(job);
}

static void a_run_is_ended_at_its_deadline(void **state)
{
    (void)state;
    uint64_t next;
    json_t *job = run_job("\"plane.choreo.dev/seconds\":\"3600\"");
    struct workload_view view = view_at(60 * 1000);
    assert_true(workload_look(WORKLOAD_JOB, job, &view, &next));
    assert_slice(at(job, "{.status.conditions[0].reason}"), "DeadlineExceeded");
    assert_true(workload_settled(WORKLOAD_JOB, job));
    json_decref(job);
}

static void argo_puts_out_what_its_templates_name(void **state)
{
    (void)state;
    uint64_t next;
    json_t *o = parse("{\"kind\":\"Workflow\",\"metadata\":{\"name\":\"w\",\"uid\":\"u\","
                      "\"generation\":1},\"spec\":{\"templates\":[{\"name\":\"all\",\"steps\":[]},"
                      "{\"name\":\"build\",\"container\":{},\"outputs\":{\"parameters\":[{\"name\":"
                      "\"digest\"}]}}]}}");
    struct workload_view view = view_at(1);
    assert_true(workload_look(WORKLOAD_ARGO, o, &view, &next));
    assert_true(next == T0 + DELAY);
    assert_slice(at(o, "{.status.phase}"), "Running");
    view = view_at(DELAY);
    assert_true(workload_look(WORKLOAD_ARGO, o, &view, &next));
    assert_slice(at(o, "{.status.phase}"), "Succeeded");
    assert_int_equal(json_object_size(json_at(o, "status", "nodes", NULL)), 1);
    assert_true(slice_starts_with(at(o, "{.status.nodes.build.outputs.parameters[0].value}"),
                                  SLICE("sha256:")));
    assert_false(workload_look(WORKLOAD_ARGO, o, &view, &next));
    json_object_set_new(json_child(json_child(o, "metadata"), "annotations"),
                        "plane.choreo.dev/fail", json_string("no"));
    json_object_del(o, "status");
    assert_true(workload_look(WORKLOAD_ARGO, o, &view, &next));
    assert_slice(at(o, "{.status.phase}"), "Failed");
    assert_slice(at(o, "{.status.nodes.build.message}"), "no");
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_rolls_out_after_its_delay),
        cmocka_unit_test(an_image_that_is_not_there_never_becomes_ready),
        cmocka_unit_test(the_other_kinds_get_where_they_belong),
        cmocka_unit_test(a_claim_that_is_larger_grows_for_a_while),
        cmocka_unit_test(children_have_stable_names_and_follow_the_template),
        cmocka_unit_test(schedules_are_due_when_cron_says),
        cmocka_unit_test(a_cron_job_starts_a_job_for_the_minute),
        cmocka_unit_test(a_run_takes_its_time_and_says_what_it_made),
        cmocka_unit_test(a_run_fails_when_it_is_told_to),
        cmocka_unit_test(a_run_is_ended_at_its_deadline),
        cmocka_unit_test(argo_puts_out_what_its_templates_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
