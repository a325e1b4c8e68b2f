/* Whom a status concerns, and how soon: what went well or wrong at once, what is under way late. */
#include "tests/lib/test.h"

#include "proto/object.h"
#include "reconcile/engine_internal.h"

enum { SOON_MS = 50, LATE_MS = 1000 };
enum { NOT_TOLD = -1 };

struct fixture {
    struct snapshot s;
    int64_t told_ms[SNAPSHOT_KIND_COUNT]; /* the soonest of a kind, or NOT_TOLD */
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    snapshot_init(&f.s, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    snapshot_free(&f->s);
    return 0;
}

/* One called "web" of namespace "a"; takes spec. is: the condition's status, or NULL. */
static void put_condition(struct fixture *f, enum snapshot_kind kind, json_t *spec,
                          const char *condition, const char *is)
{
    static uint64_t version;
    struct buf body = {0};
    struct err err;
    uint32_t splice;
    json_t *o = object_new("choreo.dev/v1", snapshot_kind_name(kind), SLICE("a"), SLICE("web"));
    json_object_set_new(json_object_get(o, "metadata"), "uid", json_string("u"));
    json_object_set_new(o, "spec", spec);
    if (is != NULL) {
        json_object_set_new(
            o, "status",
            json_pack("{s:[{s:s, s:s}]}", "conditions", "type", condition, "status", is));
    }
    assert_ok(object_canonical(o, &body, &splice, &err), &err);
    assert_ok(
        snapshot_put(&f->s, kind, SLICE("a"), SLICE("web"), buf_slice(&body), ++version, &err),
        &err);
    buf_free(&body);
    json_decref(o);
}

static void put(struct fixture *f, enum snapshot_kind kind, json_t *spec, const char *progressing)
{
    put_condition(f, kind, spec, "Progressing", progressing);
}

static void on_told(void *user, enum snapshot_kind kind, struct slice ns, struct slice name,
                    uint64_t delay_ms)
{
    struct fixture *f = user;
    assert_slice(ns, "a");
    assert_slice(name, "web");
    int64_t *told = &f->told_ms[kind];
    *told = *told == NOT_TOLD || (int64_t)delay_ms < *told ? (int64_t)delay_ms : *told;
}

static void forget(struct fixture *f)
{
    for (size_t i = 0; i < SNAPSHOT_KIND_COUNT; i++) {
        f->told_ms[i] = NOT_TOLD;
    }
}

static void change(struct fixture *f, enum snapshot_kind kind, bool whole)
{
    forget(f);
    route_change(&f->s, kind, SLICE("a"), SLICE("web"), whole, on_told, f);
}

static void platform(struct fixture *f, const char *rendered, const char *binding)
{
    put(f, SNAPSHOT_COMPONENT, json_object(), NULL);
    put(f, SNAPSHOT_BINDING,
        json_pack("{s:{s:s}, s:s}", "owner", "componentName", "web", "environment", "dev"),
        binding);
    put(f, SNAPSHOT_RENDERED,
        json_pack("{s:{s:s}, s:s, s:s}", "owner", "componentName", "web", "environmentName", "dev",
                  "bindingName", "web"),
        rendered);
}

static void what_is_under_way_is_told_late(void **state)
{
    struct fixture *f = *state;
    platform(f, "True", "True");
    change(f, SNAPSHOT_RENDERED, false);
    assert_true(f->told_ms[SNAPSHOT_BINDING] >= LATE_MS);
    int64_t binding_ms = f->told_ms[SNAPSHOT_BINDING];
    change(f, SNAPSHOT_BINDING, false);
    assert_true(f->told_ms[SNAPSHOT_COMPONENT] > binding_ms); /* which sums the binding up */
}

static void what_came_of_it_is_told_soon(void **state)
{
    struct fixture *f = *state;
    platform(f, "False", "False");
    change(f, SNAPSHOT_RENDERED, false);
    assert_in_range(f->told_ms[SNAPSHOT_BINDING], 0, SOON_MS);
    change(f, SNAPSHOT_BINDING, false);
    assert_in_range(f->told_ms[SNAPSHOT_COMPONENT], 0, SOON_MS);
}

/* Who needs a resource that cannot be released says so; what else a resource's status says is told
 * by its bindings. */
static void why_a_resource_is_not_released_is_told_to_its_users(void **state)
{
    struct fixture *f = *state;
    platform(f, "True", "True");
    put(f, SNAPSHOT_RELEASE,
        json_pack("{s:{s:s}, s:{s:{s:[{s:s}]}}}", "owner", "componentName", "web", "workload",
                  "dependencies", "resources", "ref", "web"),
        NULL);
    put(f, SNAPSHOT_BINDING,
        json_pack("{s:{s:s}, s:s, s:s}", "owner", "componentName", "web", "environment", "dev",
                  "releaseName", "web"),
        NULL);
    for (size_t i = 0; i < 2; i++) {
        put_condition(f, SNAPSHOT_RESOURCE, json_object(), "Released", i == 0 ? "True" : "False");
        change(f, SNAPSHOT_RESOURCE, false);
        assert_int_equal(f->told_ms[SNAPSHOT_BINDING] != NOT_TOLD, i == 1);
        assert_int_equal(f->told_ms[SNAPSHOT_RENDERED] != NOT_TOLD, i == 1);
    }
}

static void an_own_status_waits_and_an_own_spec_does_not(void **state)
{
    struct fixture *f = *state;
    platform(f, "False", "False");
    change(f, SNAPSHOT_BINDING, false);
    assert_true(f->told_ms[SNAPSHOT_BINDING] >= LATE_MS);
    change(f, SNAPSHOT_BINDING, true);
    assert_int_equal(f->told_ms[SNAPSHOT_BINDING], 0);
}

static void a_type_of_cells_concerns_cells_and_environments(void **state)
{
    struct fixture *f = *state;
    platform(f, "False", "False");
    put(f, SNAPSHOT_ENVIRONMENT, json_object(), NULL);
    change(f, SNAPSHOT_CLUSTER_PROJECT_TYPE, true);
    assert_int_equal(f->told_ms[SNAPSHOT_ENVIRONMENT], 0);
    assert_int_equal(f->told_ms[SNAPSHOT_RENDERED], NOT_TOLD); /* it is a component's */
    put(f, SNAPSHOT_RENDERED,
        json_pack("{s:{s:s}, s:s}", "owner", "projectName", "shop", "environmentName", "dev"),
        "False");
    change(f, SNAPSHOT_CLUSTER_PROJECT_TYPE, true);
    assert_int_equal(f->told_ms[SNAPSHOT_RENDERED], 0);
    assert_int_equal(f->told_ms[SNAPSHOT_BINDING], NOT_TOLD);
}

/* By its short name and in full: what is told of a type reaches all that are of it. */
static void a_type_concerns_whoever_names_it(void **state)
{
    static const struct {
        enum snapshot_kind of;
        enum snapshot_kind type;
        const char *full;
    } named[] = {
        {SNAPSHOT_COMPONENT, SNAPSHOT_TYPE, "componentType"},
        {SNAPSHOT_COMPONENT, SNAPSHOT_CLUSTER_TYPE, "componentType"},
        {SNAPSHOT_RESOURCE, SNAPSHOT_RESOURCE_TYPE, "resourceType"},
        {SNAPSHOT_RESOURCE, SNAPSHOT_CLUSTER_RESOURCE_TYPE, "resourceType"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        put(f, named[i].of, json_pack("{s:s}", "type", "web"), NULL);
        change(f, named[i].type, true);
        assert_int_equal(f->told_ms[named[i].of], 0);
        put(f, named[i].of,
            json_pack("{s:s, s:{s:s}}", "type", "other", named[i].full, "name", "web"), NULL);
        change(f, named[i].type, true);
        assert_int_equal(f->told_ms[named[i].of], 0);
        put(f, named[i].of, json_pack("{s:s}", "type", "other"), NULL);
        change(f, named[i].type, true);
        assert_int_equal(f->told_ms[named[i].of], NOT_TOLD);
    }
}

/* The trait that every component of OpenChoreo's has is not in its release. */
static void a_trait_of_all_concerns_what_is_rendered(void **state)
{
    struct fixture *f = *state;
    platform(f, "False", "False");
    change(f, SNAPSHOT_CLUSTER_TRAIT, true); /* it is called web */
    assert_int_equal(f->told_ms[SNAPSHOT_COMPONENT], 0);
    assert_int_equal(f->told_ms[SNAPSHOT_RENDERED], NOT_TOLD);
    forget(f);
    route_change(&f->s, SNAPSHOT_CLUSTER_TRAIT, (struct slice){0}, SLICE("openchoreo-policy"), true,
                 on_told, f);
    assert_int_equal(f->told_ms[SNAPSHOT_RENDERED], 0);
}

/* A release of ours is kept as long as it is shown. */
static void what_shows_a_release_concerns_it(void **state)
{
    struct fixture *f = *state;
    put(f, SNAPSHOT_RELEASE, json_object(), NULL);
    change(f, SNAPSHOT_OC_RELEASE, false);
    assert_int_equal(f->told_ms[SNAPSHOT_RELEASE], NOT_TOLD);
    change(f, SNAPSHOT_OC_RELEASE, true);
    assert_int_equal(f->told_ms[SNAPSHOT_RELEASE], 20);
}

/* It may name the type of its cells, which environments tell of. */
static void an_organization_concerns_its_environments(void **state)
{
    struct fixture *f = *state;
    put(f, SNAPSHOT_ENVIRONMENT, json_object(), NULL);
    forget(f);
    route_change(&f->s, SNAPSHOT_ORGANIZATION, (struct slice){0}, SLICE("a"), true, on_told, f);
    assert_int_equal(f->told_ms[SNAPSHOT_ENVIRONMENT], 0);
}

/* Whether it is there, and not how it is, is what environments tell of. */
static void a_component_concerns_environments_that_name_it(void **state)
{
    struct fixture *f = *state;
    put(f, SNAPSHOT_ENVIRONMENT,
        json_pack("{s:{s:[{s:s}]}}", "overrides", "components", "name", "web"), NULL);
    change(f, SNAPSHOT_COMPONENT, true); /* it is gone */
    assert_int_equal(f->told_ms[SNAPSHOT_ENVIRONMENT], 0);
    put(f, SNAPSHOT_COMPONENT, json_object(), NULL);
    change(f, SNAPSHOT_COMPONENT, false);
    assert_int_equal(f->told_ms[SNAPSHOT_ENVIRONMENT], NOT_TOLD);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_under_way_is_told_late),
        T(what_came_of_it_is_told_soon),
        T(why_a_resource_is_not_released_is_told_to_its_users),
        T(an_own_status_waits_and_an_own_spec_does_not),
        T(a_type_of_cells_concerns_cells_and_environments),
        T(a_type_concerns_whoever_names_it),
        T(an_organization_concerns_its_environments),
        T(a_component_concerns_environments_that_name_it),
        T(a_trait_of_all_concerns_what_is_rendered),
        T(what_shows_a_release_concerns_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
