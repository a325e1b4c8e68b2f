/* Which claims grow, and how far they have got. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "reconcile/drivers/kubernetes/growth.h"

static json_t *tree(const char *yaml)
{
    struct err err;
    json_t *t = NULL;
    assert_ok(yaml_parse(slice_of(yaml), "test", &t, &err), &err);
    return t;
}

#define SET(size)                                                                                  \
    "{kind: StatefulSet, metadata: {name: db-1, namespace: cell}, spec: {volumeClaimTemplates: ["  \
    "{metadata: {name: data}, spec: {resources: {requests: {storage: " size "}}}}, "               \
    "{metadata: {name: log}, spec: {resources: {requests: {storage: 1Gi}}}}]}}"

static const char claims[] =
    "- {metadata: {name: data-db-1-0}, spec: {resources: {requests: {storage: 5Gi}}}, "
    "status: {capacity: {storage: 1Gi}}}\n"
    "- {metadata: {name: log-db-1-0}, spec: {resources: {requests: {storage: 1Gi}}}, "
    "status: {capacity: {storage: 1Gi}}}\n"
    "- {metadata: {name: data-db-1-1}, spec: {resources: {requests: {storage: 2Gi}}}, status: "
    "{capacity: {storage: 1Gi}, conditions: [{type: Resizing, status: 'True'}, "
    "{type: FileSystemResizePending, status: 'True', message: waits for a pod}]}}\n"
    "- {metadata: {name: data-db-1-x}, spec: {resources: {requests: {storage: 2Gi}}}, "
    "status: {capacity: {storage: 1Gi}}}\n"
    "- {metadata: {name: data-db-10-0}, spec: {resources: {requests: {storage: 2Gi}}}, "
    "status: {capacity: {storage: 1Gi}}}\n"
    "- {metadata: {name: data-db-0}, spec: {resources: {requests: {storage: 2Gi}}}}\n"
    "- {metadata: {name: data-db-1-2, deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: "
    "{resources: {requests: {storage: 2Gi}}}}\n"
    "- {metadata: {name: data-db-1-11}, spec: {resources: {requests: {storage: 10Gi}}}}\n";

static void test_its_own_claims_that_are_smaller_grow(void **state)
{
    (void)state;
    static const char *const sizes[] = {"", "", "5Gi", "", "", "", "", ""};
    json_t *set = tree(SET("5Gi"));
    json_t *all = tree(claims);
    assert_int_equal(json_array_size(all), sizeof sizes / sizeof *sizes);
    for (size_t i = 0; i < json_array_size(all); i++) {
        assert_slice(growth_of(set, json_array_get(all, i)), sizes[i]);
    }
    json_decref(set);
    json_decref(all);
}

static void test_what_grows_is_told(void **state)
{
    (void)state;
    struct buf text = {0};
    json_t *was = tree(SET("1Gi"));
    json_t *set = tree(SET("5Gi"));
    json_t *all = tree(claims);
    growth_note(was, set, &text);
    assert_string_equal(buf_cstr(&text), "data from 1Gi to 5Gi");
    buf_clear(&text);
    growth_progress(set, all, &text);
    assert_string_equal(buf_cstr(&text), "data-db-1-0 has 1Gi of 5Gi, data-db-1-1 has 1Gi of 2Gi "
                                         "(FileSystemResizePending: waits for a pod)");
    json_array_clear(all);
    buf_clear(&text);
    growth_progress(set, all, &text);
    assert_int_equal(text.len, 0);
    for (int i = 0; i < 5; i++) {
        json_array_append_new(all,
                              json_pack("{s:{s:s}, s:{s:{s:{s:s}}}, s:{s:{s:s}}}", "metadata",
                                        "name", "data-db-1-7", "spec", "resources", "requests",
                                        "storage", "2Gi", "status", "capacity", "storage", "1Gi"));
    }
    growth_progress(set, all, &text);
    assert_true(slice_ends_with(buf_slice(&text), SLICE("has 1Gi of 2Gi, and 2 more")));
    buf_free(&text);
    json_decref(was);
    json_decref(set);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_own_claims_that_are_smaller_grow),
        cmocka_unit_test(test_what_grows_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
