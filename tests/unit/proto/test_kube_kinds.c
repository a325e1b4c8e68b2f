/* Kubernetes' own kinds at admission: what their fields may hold, beyond what every kind has. */
#include "tests/unit/proto/fixture.h"

static void leases(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "lease", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'holderIdentity':'a',"
                       "'leaseDurationSeconds':15,'leaseTransitions':0,"
                       "'renewTime':'2026-01-02T03:04:05.000001Z'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.renewTime"), "'2026-01-02T03:04:05.000001Z'");
    static const char *const bad_times[] = {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1Z",
                                            "2026-01-02T03:04:05.1234567Z", "yesterday"};
    for (size_t i = 0; i < sizeof(bad_times) / sizeof(bad_times[0]); i++) {
        char patch[128];
        (void)snprintf(patch, sizeof(patch), "{'spec':{'acquireTime':'%s'}}", bad_times[i]);
        assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, patch), ERR_UNPROCESSABLE);
        assert_true(has_cause(&f->result.causes, "spec.acquireTime", "must "));
    }
    assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, "{'spec':{'leaseDurationSeconds':0}}"),
                     ERR_UNPROCESSABLE);
    assert_true(has_cause(&f->result.causes, "spec.leaseDurationSeconds", "greater than"));
    assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, "{'spec':{'leaseTransitions':-1}}"),
                     ERR_UNPROCESSABLE);
    assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, "{'spec':{'preferredHolder':'b'}}"),
                     ERR_UNPROCESSABLE);
    assert_true(has_cause(&f->result.causes, "spec.preferredHolder", "Forbidden"));
    assert_ok(write_op(f, "lease", ADMIT_PATCH_MERGE,
                       "{'spec':{'preferredHolder':'b','strategy':'OldestEmulationVersion',"
                       "'holderIdentity':'','acquireTime':'2026-01-02T03:04:05.000000+02:00'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.holderIdentity"), "''"); /* given up */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(leases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
