/* What test_gateway.c shows: both forms of a gateway are one, and who has the first word. */
#include "tests/lib/test.h"

#include "render/gateway.h"

static json_t *tree(const char *json)
{
    struct err err;
    json_t *t = NULL;
    assert_ok(json_parse(slice_of(json), &t, &err), &err);
    return t;
}

static void merges_to(const char *environment, const char *cluster, const char *plane,
                      const char *wanted)
{
    json_t *specs[] = {tree(environment), tree(cluster), tree(plane), tree(wanted)};
    json_t *is = gateway_merge(specs[0], specs[1], specs[2]);
    struct buf text = {0};
    json_canonical(is, &text);
    if (!json_equal(is, specs[3])) {
        print_error("%.*s\n", SLICE_ARG(buf_slice(&text)));
    }
    assert_true(json_equal(is, specs[3]));
    buf_free(&text);
    json_decref(is);
    for (size_t i = 0; i < 4; i++) {
        json_decref(specs[i]);
    }
}

static void none_is_none(void **state)
{
    (void)state;
    json_t *none = gateway_merge(NULL, NULL, NULL);
    assert_int_equal(json_object_size(none), 0);
    json_decref(none);
    merges_to("{}", "{\"gateway\": {}}", "{}", "{}");
}

static void flat_form_is_the_external_one(void **state)
{
    (void)state;
    merges_to("{}", "{}",
              "{\"gateway\": {\"name\": \"g\", \"namespace\": \"n\", \"domain\": \"d\"}}",
              "{\"ingress\": {\"external\": {\"name\": \"g\", \"namespace\": \"n\", "
              "\"http\": {\"host\": \"d\", \"port\": 80}}}}");
    merges_to("{}", "{}",
              "{\"gateway\": {\"name\": \"g\", \"namespace\": \"n\", \"domain\": \"d\", "
              "\"listenerName\": \"l\", \"httpsPort\": 443}}",
              "{\"ingress\": {\"external\": {\"name\": \"g\", \"namespace\": \"n\", "
              "\"https\": {\"host\": \"d\", \"port\": 443, \"listenerName\": \"l\"}}}}");
}

static void first_that_names_a_reach_gives_all_of_it(void **state)
{
    (void)state;
    merges_to("{\"gateway\": {\"ingress\": {\"external\": {\"name\": \"e\"}}}}",
              "{\"gateway\": {\"ingress\": {\"external\": {\"name\": \"c\", \"http\": {}}, "
              "\"internal\": {\"name\": \"ci\"}}}}",
              "{\"gateway\": {\"ingress\": {\"internal\": {\"name\": \"pi\"}}, "
              "\"egress\": {\"external\": {\"name\": \"pe\"}}}}",
              "{\"ingress\": {\"external\": {\"name\": \"e\"}, \"internal\": {\"name\": \"ci\"}}, "
              "\"egress\": {\"external\": {\"name\": \"pe\"}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_none),
        cmocka_unit_test(flat_form_is_the_external_one),
        cmocka_unit_test(first_that_names_a_reach_gives_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
