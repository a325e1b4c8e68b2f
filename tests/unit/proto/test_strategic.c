/* Strategic merge patches: each row is a target, a patch and what becomes of it. */
#include "proto/kind.h"
#include "proto/strategic.h"
#include "tests/lib/test.h"

static json_t *parse(const char *text)
{
    json_t *tree = NULL;
    struct err err = {0};
    assert_ok(json_parse(slice_of(text), &tree, &err), &err);
    return tree;
}

static void assert_merge(const char *target, const char *patch, const struct schema *schema,
                         const char *expected)
{
    json_t *t = parse(target);
    json_t *p = parse(patch);
    struct err err = {0};
    struct buf text = {0};
    assert_ok(strategic_merge(&t, p, schema, &err), &err);
    json_canonical(t, &text);
    assert_slice(buf_slice(&text), expected);
    buf_free(&text);
    json_decref(t);
    json_decref(p);
}

/* Of a PodSpec, or one of its containers: kinds that live as long as the test. */
static const struct schema *pod_spec(struct kind_registry *kinds)
{
    kind_registry_init(kinds);
    kind_registry_workloads(kinds);
    const struct kind *pod = kind_by_resource(kinds, SLICE("pods"));
    assert_non_null(pod);
    return schema_member(pod->schema, SLICE("spec"));
}

static void objects_merge_and_null_removes(void **state)
{
    (void)state;
    assert_merge("{\"a\":{\"b\":1,\"c\":2},\"d\":[1,2]}", "{\"a\":{\"b\":null,\"e\":3},\"d\":[3]}",
                 NULL, "{\"a\":{\"c\":2,\"e\":3},\"d\":[3]}");
    assert_merge("{\"a\":{\"b\":1}}", "{\"a\":{\"$patch\":\"replace\",\"c\":2}}", NULL,
                 "{\"a\":{\"c\":2}}");
    assert_merge("{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"$retainKeys\":[\"c\"],\"c\":3}}", NULL,
                 "{\"a\":{\"c\":3}}");
}

static void lists_of_objects_merge_by_their_key(void **state)
{
    (void)state;
    struct kind_registry kinds;
    const struct schema *spec = pod_spec(&kinds);
    const struct schema *container = schema_member(spec, SLICE("containers"))->items;
    const char *pod = "{\"containers\":[{\"image\":\"a:1\",\"name\":\"a\"},"
                      "{\"image\":\"b:1\",\"name\":\"b\"}]}";
    assert_merge(pod, "{\"containers\":[{\"name\":\"b\",\"image\":\"b:2\"}]}", spec,
                 "{\"containers\":[{\"image\":\"a:1\",\"name\":\"a\"},"
                 "{\"image\":\"b:2\",\"name\":\"b\"}]}");
    assert_merge(pod, "{\"containers\":[{\"$patch\":\"delete\",\"name\":\"a\"},{\"name\":\"c\"}]}",
                 spec, "{\"containers\":[{\"image\":\"b:1\",\"name\":\"b\"},{\"name\":\"c\"}]}");
    assert_merge(pod,
                 "{\"$setElementOrder/containers\":[{\"name\":\"c\"},{\"name\":\"b\"}],"
                 "\"containers\":[{\"name\":\"c\"}]}",
                 spec,
                 "{\"containers\":[{\"name\":\"c\"},{\"image\":\"b:1\",\"name\":\"b\"},"
                 "{\"image\":\"a:1\",\"name\":\"a\"}]}");
    assert_merge(pod, "{\"containers\":[{\"$patch\":\"replace\"},{\"name\":\"z\"}]}", spec,
                 "{\"containers\":[{\"name\":\"z\"}]}");
    assert_merge("{\"ports\":[{\"containerPort\":80}]}",
                 "{\"ports\":[{\"containerPort\":80,\"name\":\"web\"}]}", container,
                 "{\"ports\":[{\"containerPort\":80,\"name\":\"web\"}]}");
    kind_registry_free(&kinds);
}

static void sets_grow_and_shrink(void **state)
{
    (void)state;
    assert_merge("{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
                 "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}", NULL,
                 "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}");
    assert_merge("{\"finalizers\":[\"a\",\"b\"]}",
                 "{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}", NULL,
                 "{\"finalizers\":[\"b\"]}");
}

static void the_schema_knows_best(void **state)
{
    (void)state;
    struct kind_registry kinds;
    kind_registry_init(&kinds);
    kind_registry_builtin(&kinds);
    const struct kind *kind = kind_by_resource(&kinds, SLICE("configmaps"));
    assert_non_null(kind);
    assert_merge("{\"data\":{\"a\":\"1\"},\"metadata\":{\"ownerReferences\":[{\"uid\":\"x\"}]}}",
                 "{\"data\":{\"b\":\"2\"},\"metadata\":{\"ownerReferences\":[{\"uid\":\"y\"}]}}",
                 kind->schema,
                 "{\"data\":{\"a\":\"1\",\"b\":\"2\"},"
                 "\"metadata\":{\"ownerReferences\":[{\"uid\":\"x\"},{\"uid\":\"y\"}]}}");
    kind_registry_free(&kinds);
}

static void malformed_patches_leave_the_target_alone(void **state)
{
    (void)state;
    struct kind_registry kinds;
    const struct schema *spec = pod_spec(&kinds);
    static const char *const patches[] = {
        "[]",
        "{\"a\":{\"$patch\":\"shred\"}}",
        "{\"$retainKeys\":1}",
        "{\"$wish\":1}",
        "{\"containers\":[{\"name\":\"a\"},{\"image\":\"x\"}]}",
    };
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        json_t *t = parse("{\"a\":{\"b\":1}}");
        json_t *p = parse(patches[i]);
        json_t *before = t;
        struct err err = {0};
        assert_err(strategic_merge(&t, p, spec, &err), &err, ERR_INVALID, "strategic merge patch");
        assert_ptr_equal(t, before);
        json_decref(t);
        json_decref(p);
    }
    kind_registry_free(&kinds);
}

static void long_lists_are_refused_not_walked(void **state)
{
    (void)state;
    struct kind_registry kinds;
    const struct schema *spec = pod_spec(&kinds);
    struct buf text = {0};
    buf_add_cstr(&text, "{\"env\":[");
    for (int i = 0; i < 20000; i++) {
        buf_addf(&text, "%s{\"name\":\"n%d\"}", i > 0 ? "," : "", i);
    }
    buf_add_cstr(&text, "]}");
    json_t *t = parse(buf_cstr(&text));
    json_t *p = parse(buf_cstr(&text));
    struct err err = {0};
    assert_err(strategic_merge(&t, p, schema_member(spec, SLICE("containers"))->items, &err), &err,
               ERR_TOO_LARGE, "too long to merge");
    json_decref(t);
    json_decref(p);
    buf_free(&text);
    kind_registry_free(&kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_merge_and_null_removes),
        cmocka_unit_test(lists_of_objects_merge_by_their_key),
        cmocka_unit_test(sets_grow_and_shrink),
        cmocka_unit_test(the_schema_knows_best),
        cmocka_unit_test(malformed_patches_leave_the_target_alone),
        cmocka_unit_test(long_lists_are_refused_not_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
