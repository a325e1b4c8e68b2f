/* What holds in an environment: field by field its own word, then its template's. */
#include "tests/lib/test.h"

#include "base/arena.h"
#include "render/environment.h"

static json_t *tree(const char *json)
{
    json_t *t = NULL;
    struct err err;
    assert_ok(json_parse(slice_of(json), &t, &err), &err);
    return t;
}

static void assert_tree(json_t *actual, const char *expected)
{
    struct buf a = {0};
    struct buf b = {0};
    json_t *wanted = tree(expected);
    json_canonical(actual, &a);
    json_canonical(wanted, &b);
    assert_string_equal(buf_cstr(&a), buf_cstr(&b));
    json_decref(wanted);
    buf_free(&a);
    buf_free(&b);
}

/* What comes of own over template, and what the template gave of it. */
static void assert_merge(const char *own, const char *template, const char *result,
                         const char *taken)
{
    json_t *a = tree(own);
    json_t *b = tree(template);
    json_t *names = json_array();
    json_t *merged = environment_merge(a, b, names);
    assert_tree(merged, result);
    assert_tree(names, taken);
    json_decref(a);
    json_decref(b);
    json_decref(names);
    json_decref(merged);
}

static void what_is_left_out_comes_from_the_template(void **state)
{
    (void)state;
    assert_merge("{\"dataPlane\": \"p\"}",
                 "{\"isProduction\": true, \"mesh\": \"istio\", \"access\": [{\"group\": \"a\", "
                 "\"role\": \"viewer\"}], \"description\": \"of the template\"}",
                 "{\"dataPlane\": \"p\", \"isProduction\": true, \"mesh\": \"istio\", \"access\": "
                 "[{\"group\": \"a\", \"role\": \"viewer\"}]}",
                 "[\"access\", \"isProduction\", \"mesh\"]");
}

static void what_is_said_holds(void **state)
{
    (void)state;
    assert_merge("{\"isProduction\": false, \"mesh\": \"none\", \"access\": [], \"gateway\": "
                 "{\"domain\": \"b\"}}",
                 "{\"isProduction\": true, \"mesh\": \"istio\", \"access\": [{\"group\": \"a\"}], "
                 "\"gateway\": {\"name\": \"g\", \"domain\": \"a\"}}",
                 "{\"isProduction\": false, \"mesh\": \"none\", \"access\": [], \"gateway\": "
                 "{\"domain\": \"b\"}}",
                 "[]");
}

static void null_says_nothing(void **state)
{
    (void)state;
    assert_merge("{\"quotas\": null}", "{\"quotas\": {\"cpu\": \"1\"}, \"mesh\": null}",
                 "{\"quotas\": {\"cpu\": \"1\"}, \"mesh\": null}", "[\"quotas.cpu\"]");
}

static void maps_are_merged_by_their_members(void **state)
{
    (void)state;
    assert_merge(
        "{\"quotas\": {\"cpu\": \"9\"}, \"placement\": {\"regions\": [\"eu\"]}, \"limits\": "
        "{\"max\": {\"cpu\": \"2\"}}, \"networkPolicy\": {\"defaultDeny\": false}}",
        "{\"quotas\": {\"cpu\": \"1\", \"pods\": \"5\"}, \"placement\": {\"policy\": \"spread\", "
        "\"regions\": [\"us\", \"ap\"]}, \"limits\": {\"max\": {\"cpu\": \"1\", \"memory\": "
        "\"1Gi\"}, \"min\": {\"cpu\": \"1m\"}}, \"networkPolicy\": {\"defaultDeny\": true, "
        "\"allowedCommunication\": [\"dns\"]}}",
        "{\"quotas\": {\"cpu\": \"9\", \"pods\": \"5\"}, \"placement\": {\"policy\": \"spread\", "
        "\"regions\": [\"eu\"]}, \"limits\": {\"max\": {\"cpu\": \"2\", \"memory\": \"1Gi\"}, "
        "\"min\": {\"cpu\": \"1m\"}}, \"networkPolicy\": {\"defaultDeny\": false, "
        "\"allowedCommunication\": [\"dns\"]}}",
        "[\"limits.max.memory\", \"limits.min.cpu\", \"networkPolicy.allowedCommunication\", "
        "\"placement.policy\", \"quotas.pods\"]");
}

static void overrides_are_merged_by_names(void **state)
{
    (void)state;
    assert_merge(
        "{\"overrides\": {\"env\": [{\"name\": \"B\", \"value\": \"own\"}, {\"name\": \"C\", "
        "\"value\": \"own\"}], \"components\": [{\"name\": \"web\", \"parameters\": {\"x\": 2}}]}}",
        "{\"overrides\": {\"replicas\": 2, \"env\": [{\"name\": \"A\", \"value\": \"t\"}, "
        "{\"name\": \"B\", \"valueFrom\": {\"secretKeyRef\": {\"name\": \"s\", \"key\": \"k\"}}}], "
        "\"components\": [{\"name\": \"web\", \"replicas\": 3, \"parameters\": {\"x\": 1, \"y\": "
        "1}}, {\"name\": \"api\", \"replicas\": 4}]}}",
        "{\"overrides\": {\"replicas\": 2, \"env\": [{\"name\": \"A\", \"value\": \"t\"}, "
        "{\"name\": \"B\", \"value\": \"own\"}, {\"name\": \"C\", \"value\": \"own\"}], "
        "\"components\": [{\"name\": \"web\", \"replicas\": 3, \"parameters\": {\"x\": 2, \"y\": "
        "1}}, {\"name\": \"api\", \"replicas\": 4}]}}",
        "[\"overrides.components[web].parameters.y\", \"overrides.components[web].replicas\", "
        "\"overrides.components[api]\", \"overrides.env[A]\", \"overrides.replicas\"]");
}

static void without_a_template_it_is_its_own(void **state)
{
    (void)state;
    json_t *own = tree("{\"quotas\": {\"cpu\": \"1\"}}");
    json_t *merged = environment_merge(own, NULL, NULL);
    assert_true(json_equal(own, merged));
    json_decref(own);
    json_decref(merged);
}

/* ---- on a platform ---- */

static const json_t *get(void *user, const char *kind, struct slice ns, struct slice name)
{
    char key[64];
    snprintf(key, sizeof key, "%s/%.*s/%.*s", kind, SLICE_ARG(ns), SLICE_ARG(name));
    return json_object_get(user, key);
}

static void a_missing_template_is_told(void **state)
{
    (void)state;
    json_t *objects = tree("{\"Environment/acme/dev\": {\"spec\": {\"template\": \"t\", \"mesh\": "
                           "\"none\"}}}");
    const struct platform p = {.user = objects, .get = get};
    struct arena arena;
    struct environment e;
    arena_init(&arena);
    environment_read(&p, SLICE("acme"), SLICE("dev"), &arena, &e);
    assert_slice(e.missing, "t");
    assert_null(e.template);
    environment_read(&p, SLICE("acme"), SLICE("prod"), &arena, &e);
    assert_null(e.object);
    assert_int_equal(e.missing.len, 0);
    json_object_set_new(objects, "EnvironmentTemplate//t",
                        tree("{\"spec\": {\"mesh\": \"istio\", "
                             "\"isProduction\": true}}"));
    environment_read(&p, SLICE("acme"), SLICE("dev"), &arena, &e);
    assert_int_equal(e.missing.len, 0);
    assert_true(json_is_true(json_object_get(e.spec, "isProduction")));
    assert_slice(json_text_at(e.spec, "mesh"), "none");
    arena_free(&arena);
    json_decref(objects);
}

static void levels_name_who_says_what(void **state)
{
    (void)state;
    json_t *own = tree("{\"overrides\": {\"replicas\": 1, \"components\": [{\"name\": \"web\", "
                       "\"replicas\": 2}]}}");
    json_t *template = tree("{\"overrides\": {\"replicas\": 3}}");
    json_t *merged = environment_merge(own, template, NULL);
    struct environment_level levels[ENVIRONMENT_LEVELS];
    assert_int_equal(environment_levels(merged, own, template, levels), 2);
    assert_string_equal(levels[0].name, "template");
    assert_true(levels[0].overrides == json_object_get(template, "overrides"));
    assert_string_equal(levels[1].components, "environment.components");
    assert_true(levels[1].overrides == json_object_get(own, "overrides"));
    assert_non_null(environment_component(levels[1].overrides, SLICE("web")));
    assert_null(environment_component(levels[1].overrides, SLICE("api")));
    assert_null(environment_component(levels[0].overrides, SLICE("web")));
    assert_int_equal(environment_levels(own, NULL, NULL, levels), 1);
    assert_string_equal(levels[0].name, "environment");
    json_decref(own);
    json_decref(template);
    json_decref(merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_comes_from_the_template),
        cmocka_unit_test(what_is_said_holds),
        cmocka_unit_test(null_says_nothing),
        cmocka_unit_test(maps_are_merged_by_their_members),
        cmocka_unit_test(overrides_are_merged_by_names),
        cmocka_unit_test(without_a_template_it_is_its_own),
        cmocka_unit_test(a_missing_template_is_told),
        cmocka_unit_test(levels_name_who_says_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
