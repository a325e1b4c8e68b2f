/* Which of a list of pods is told of, and in which words; and volumes of which nothing is known. */
#include "tests/lib/test.h"

#include "reconcile/drivers/kubernetes/cluster.h"

static void says(const char *json, const char *expected)
{
    struct err err;
    struct buf text = {0};
    json_t *pods = NULL;
    assert_ok(json_parse(slice_of(json), &pods, &err), &err);
    pod_trouble(pods, &text);
    assert_slice(buf_slice(&text), expected);
    buf_free(&text);
    json_decref(pods);
}

#define POD(name, status) "{\"metadata\": {\"name\": \"" name "\"}, \"status\": {" status "}}"
#define WAITING(container, why)                                                                    \
    "[{\"name\": \"" container "\", \"state\": {\"waiting\": {" why "}}}]"

static void what_is_well_says_nothing(void **state)
{
    (void)state;
    says("{}", "");
    says("{\"items\": []}", "");
    says("{\"items\": [" POD("a", "\"containerStatuses\": [{\"name\": \"main\", \"state\": "
                                  "{\"running\": {}}}]") "]}",
         "");
}

static void what_is_on_its_way_says_nothing(void **state)
{
    (void)state;
    says("{\"items\": [" POD(
             "a",
             "\"containerStatuses\": " WAITING(
                 "main",
                 "\"reason\": \"ContainerCreating\"")) ", " POD("b",
                                                                "\"containerStatuses\": " WAITING(
                                                                    "main",
                                                                    "\"reason\": "
                                                                    "\"PodInitializing\"")) "]}",
         "");
}

static void the_first_in_trouble_is_told_of(void **state)
{
    (void)state;
    says("{\"items\": [" POD(
             "a", "\"containerStatuses\": " WAITING(
                      "main",
                      "\"reason\": "
                      "\"ContainerCreating"
                      "\"")) ", " POD("b",
                                      "\"containerStatuses\": " WAITING(
                                          "main",
                                          "\"reason\": \"ErrImagePull\", \"message\": \"not "
                                          "found\"")) ", " POD("c", "\"containerStatuses\":"
                                                                    " " WAITING("main",
                                                                                "\"reason\": "
                                                                                "\"CrashLoopBackOff"
                                                                                "\"")) "]}",
         "pod b, container main: ErrImagePull: not found");
    says("{\"items\": [" POD("a", "\"initContainerStatuses\": " WAITING(
                                      "init", "\"reason\": \"CrashLoopBackOff\"")) "]}",
         "pod a, container init: CrashLoopBackOff");
    says("{\"items\": [" POD("a", "\"conditions\": [{\"type\": \"PodScheduled\", \"status\": "
                                  "\"False\", \"reason\": \"Unschedulable\", \"message\": \"0/3 "
                                  "nodes have room\"}]") "]}",
         "pod a: Unschedulable: 0/3 nodes have room");
}

/* A cluster may say as much as it likes. */
static void its_words_are_cut(void **state)
{
    struct buf text = {0};
    char long_text[2000];
    (void)state;
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    json_t *pods = json_pack("{s:[{s:{s:s}, s:{s:[{s:s, s:{s:{s:s, s:s}}}]}}]}", "items",
                             "metadata", "name", "a", "status", "containerStatuses", "name", "main",
                             "state", "waiting", "reason", "ErrImagePull", "message", long_text);
    assert_non_null(pods);
    pod_trouble(pods, &text);
    assert_int_equal(text.len, 300);
    json_decref(pods);
    buf_free(&text);
}

/* Nobody may take volumes for grown because there was no room to ask. */
static void what_is_not_asked_is_open(void **state)
{
    (void)state;
    struct driver_cluster full = {.look_open = true, .look_count = 1000000};
    struct driver_seen seen = {0};
    json_t *plain = json_object();
    json_t *grown = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", DRIVER_ANNOTATION_GROWN,
                              "data from 1Gi to 5Gi");
    volume_look(&full, SLICE("a"), &seen, plain);
    assert_false(seen.volumes_open);
    volume_look(&full, SLICE("a"), &seen, grown);
    assert_true(seen.volumes_open && !seen.volumes_asked);
    json_decref(plain);
    json_decref(grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_says_nothing),
        cmocka_unit_test(what_is_on_its_way_says_nothing),
        cmocka_unit_test(the_first_in_trouble_is_told_of),
        cmocka_unit_test(its_words_are_cut),
        cmocka_unit_test(what_is_not_asked_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
