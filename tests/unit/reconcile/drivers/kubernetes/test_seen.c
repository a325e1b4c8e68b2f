/* What is remembered of a cluster has limits, whatever the cluster says. */
#include "tests/lib/test.h"

#include "reconcile/drivers/kubernetes/cluster.h"
#include "render/run.h"

static void see(struct driver_cluster *c, const char *name, size_t status_bytes)
{
    char *text = mem_alloc(status_bytes + 1);
    memset(text, 'x', status_bytes);
    text[status_bytes] = '\0';
    json_t *live =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:{s:s}}, s:{s:s}}", "apiVersion", "v1",
                  "kind", "Pod", "metadata", "name", name, "namespace", "ns", "uid", "u",
                  "resourceVersion", "1", "labels", RUN_LABEL, "run", "status", "text", text);
    assert_non_null(live);
    seen_put(c, live, false, NULL, NULL);
    json_decref(live);
    free(text);
}

static const struct driver_seen *of(struct driver_cluster *c, const char *name)
{
    struct buf key = {0};
    buf_addf(&key, "v1/Pod/ns/%s", name);
    const struct driver_seen *seen = seen_find(c, buf_slice(&key));
    buf_free(&key);
    return seen;
}

static void test_so_many_objects(void **state)
{
    struct driver_cluster c = {.config = {.objects_max = 2}};
    (void)state;
    see(&c, "a", 1);
    see(&c, "b", 1);
    see(&c, "c", 1);
    assert_non_null(of(&c, "a"));
    assert_non_null(of(&c, "b"));
    assert_null(of(&c, "c"));
    seen_drop(&c, SLICE("v1/Pod/ns/a"), false);
    see(&c, "c", 1);
    assert_non_null(of(&c, "c"));
    seen_free(&c);
}

static void test_no_name_is_that_long(void **state)
{
    struct driver_cluster c = {0};
    char name[2000];
    (void)state;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    see(&c, name, 1);
    assert_int_equal(c.seen.count, 0);
    seen_free(&c);
}

static void test_so_much_of_their_statuses(void **state)
{
    struct driver_cluster c = {.config = {.status_bytes_max = 1000}};
    (void)state;
    see(&c, "a", 600);
    see(&c, "b", 600);
    assert_non_null(of(&c, "a")->status);
    assert_null(of(&c, "b")->status);
    see(&c, "a", 100); /* which makes room */
    see(&c, "b", 600);
    assert_non_null(of(&c, "b")->status);
    seen_drop(&c, SLICE("v1/Pod/ns/b"), false);
    see(&c, "c", 700);
    assert_non_null(of(&c, "c")->status);
    assert_int_equal(c.status_bytes, strlen(of(&c, "a")->status) + strlen(of(&c, "c")->status));
    seen_free(&c);
}

struct told {
    int all;
    int replicas;
};

static void on_object(void *user, const struct driver_object *object, bool deleted)
{
    struct told *told = user;
    assert_false(deleted);
    told->all++;
    told->replicas += object->replicas_changed ? 1 : 0;
}

static void see_deployment(struct driver_cluster *c, int wanted, int ready)
{
    json_t *live =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s}, s:{s:i}, s:{s:i, s:i, s:i}}", "apiVersion",
                  "apps/v1", "kind", "Deployment", "metadata", "name", "d", "namespace", "ns",
                  "uid", "u", "resourceVersion", "1", "spec", "replicas", wanted, "status",
                  "updatedReplicas", ready, "readyReplicas", ready, "availableReplicas", ready);
    assert_non_null(live);
    seen_put(c, live, true, NULL, NULL);
    json_decref(live);
}

/* While they come up nobody is told of each. */
static void test_replicas_are_told_when_they_have_settled(void **state)
{
    struct told told = {0};
    struct driver_cluster c = {.config = {.user = &told, .on_object = on_object}};
    (void)state;
    see_deployment(&c, 2, 2);
    assert_int_equal(told.replicas, 0);
    int before = told.all;
    see_deployment(&c, 2, 2);
    assert_int_equal(told.all, before);
    see_deployment(&c, 4, 2); /* another spec, and on its way */
    before = told.all;
    see_deployment(&c, 4, 3);
    assert_int_equal(told.all, before);
    assert_int_equal(told.replicas, 0);
    see_deployment(&c, 4, 4);
    assert_int_equal(told.replicas, 1);
    const struct driver_seen *seen = seen_find(&c, SLICE("apps/v1/Deployment/ns/d"));
    assert_true(seen->has_replicas);
    assert_int_equal(seen->replicas, 4);
    assert_int_equal(seen->ready_replicas, 4);
    seen_free(&c);
}

/* An event without an object, or whose object is none. */
static void test_what_is_no_object(void **state)
{
    struct driver_cluster c = {0};
    json_t *others[] = {NULL, json_null(), json_integer(1), json_array(), json_string("x")};
    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        seen_put(&c, others[i], true, NULL, NULL);
        assert_int_equal(c.seen.count, 0);
        json_decref(others[i]);
    }
    seen_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_objects),
        cmocka_unit_test(test_no_name_is_that_long),
        cmocka_unit_test(test_so_much_of_their_statuses),
        cmocka_unit_test(test_replicas_are_told_when_they_have_settled),
        cmocka_unit_test(test_what_is_no_object),
        cmocka_unit_test(test_replicas_are_told_when_they_have_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
