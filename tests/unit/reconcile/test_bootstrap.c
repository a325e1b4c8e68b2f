/* What a cluster starts with is what a user might have written: the strictest door takes it. */
#include "tests/lib/test.h"

#include "proto/admit.h"
#include "proto/kind.h"
#include "reconcile/plan.h"
#include "render/check.h"
#include "render/expressions.h"

/* Whether a spec is as choreod makes it is seen by comparing them. */
static void stored_as_it_reads(const json_t *object, const json_t *stored)
{
    bool builtin = json_at(object, "status", "builtIn", NULL) != NULL;
    if (builtin && !json_equal(json_object_get(object, "spec"), json_object_get(stored, "spec"))) {
        struct buf text = {0};
        json_canonical(json_object_get(stored, "spec"), &text);
        fail_msg("%.*s is stored as %s", SLICE_ARG(object_name(object)), buf_cstr(&text));
    }
}

static void admitted(const struct kind_registry *kinds, const json_t *object)
{
    struct arena arena = {0};
    struct err err = {0};
    struct admit_result result = {.causes.arena = &arena};
    const struct kind *kind = kind_by_type(kinds, object_api_version(object), object_kind(object));
    assert_non_null(kind);
    const struct admit_request request = {.arena = &arena,
                                          .kind = kind,
                                          .op = ADMIT_CREATE,
                                          .incoming = object,
                                          .field_manager = SLICE("test"),
                                          .validate = check_object,
                                          .validation = ADMIT_STRICT,
                                          .expressions = &expressions_cel,
                                          .now_ms = 1,
                                          .uid = "00000000-0000-4000-8000-000000000000",
                                          .suffix = "00000"};
    if (admit(&request, &result, &err) != 0) {
        fail_msg("%.*s: %s", SLICE_ARG(object_name(object)), err.message);
    }
    assert_int_equal(result.warning_count, 0);
    stored_as_it_reads(object, result.object);
    arena_free(&arena);
}

static void all_that_is_made_at_the_start_is_admitted(void **state)
{
    (void)state;
    struct snapshot s;
    struct plan plan;
    struct kind_registry kinds;
    kind_registry_init(&kinds);
    kind_registry_builtin(&kinds);
    snapshot_init(&s, NULL);
    plan_init(&plan);
    bootstrap_plan(&s, &plan);
    assert_true(plan.write_count > 10);
    for (size_t i = 0; i < plan.write_count; i++) {
        assert_int_equal(plan.writes[i].verb, PLAN_CREATE);
        admitted(&kinds, plan.writes[i].object);
    }
    plan_free(&plan);
    snapshot_free(&s);
    kind_registry_free(&kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_made_at_the_start_is_admitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
