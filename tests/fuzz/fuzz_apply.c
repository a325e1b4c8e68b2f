/* Three lines: a managedFields list, an object that has it, and an intent. The sets of fields in
 * the list obey the algebra of sets; an apply over whatever the list claims ends, leaves books that
 * can be read, and changes nothing when it is repeated. */
#include "proto/apply.h"
#include "proto/fieldset.h"
#include "proto/kind.h"
#include "proto/schema_build.h"
#include "tests/fuzz/fuzz.h"

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"
    "\"a\":{\"type\":\"string\"},\"n\":{\"type\":\"object\",\"properties\":{"
    "\"x\":{\"type\":\"integer\",\"default\":1}}},"
    "\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
    "\"l\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
    "\"x-kubernetes-list-map-keys\":[\"k\",\"p\"],\"items\":{\"type\":\"object\","
    "\"required\":[\"k\"],\"properties\":{\"k\":{\"type\":\"string\"},"
    "\"p\":{\"type\":\"integer\",\"default\":1},\"v\":{\"type\":\"integer\"}}}},"
    "\"s\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\","
    "\"items\":{\"type\":\"string\"}},"
    "\"t\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"f\":{\"x-kubernetes-preserve-unknown-fields\":true}}}}}";

static void check_equal(json_t *a, json_t *b)
{
    PROPERTY(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

/* a and b are sets: what is read can be written, and the laws of sets hold. */
static void check_algebra(const json_t *a, const json_t *b)
{
    json_t *written = fieldset_write(a);
    check_equal(fieldset_read(written), json_incref((json_t *)(uintptr_t)a));
    json_decref(written);
    check_equal(fieldset_union(a, b), fieldset_union(b, a));
    check_equal(fieldset_intersection(a, b), fieldset_intersection(b, a));
    json_t *left = fieldset_difference(a, b);
    json_t *both = fieldset_intersection(a, b);
    json_t *none = fieldset_intersection(left, b);
    PROPERTY(fieldset_empty(none));
    check_equal(fieldset_union(left, both), json_incref((json_t *)(uintptr_t)a));
    json_decref(none);
    json_decref(both);
    json_decref(left);
}

static void check_sets(const json_t *list)
{
    json_t *sets[4] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list) && count < 4; i++) {
        sets[count] = fieldset_read(json_object_get(json_array_get(list, i), "fieldsV1"));
        count += sets[count] != NULL;
    }
    for (size_t i = 0; i < count; i++) {
        check_algebra(sets[i], sets[(i + 1) % count]);
    }
    for (size_t i = 0; i < count; i++) {
        json_decref(sets[i]);
    }
}

static void check_books(const json_t *object)
{
    const json_t *list = json_at(object, "metadata", "managedFields", NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *set = fieldset_read(json_object_get(json_array_get(list, i), "fieldsV1"));
        PROPERTY(set != NULL && !fieldset_empty(set));
        json_decref(set);
    }
}

static void check_apply(const struct schema *schema, const json_t *live, const json_t *intent)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    struct err err = {0};
    struct apply_context ctx = {
        .schema = schema,
        .api_version = SLICE("e/v1"),
        .manager = SLICE("a"),
        .subresource = SLICE(""),
        .now = SLICE("2026-01-01T00:00:00Z"),
        .force = true,
    };
    json_t *once = NULL;
    json_t *twice = NULL;
    if (apply_merge(&ctx, live, intent, &once, &causes, &err) == 0) {
        check_books(once);
        ctx.now = SLICE("2027-01-01T00:00:00Z");
        PROPERTY(apply_merge(&ctx, once, intent, &twice, &causes, &err) == 0);
        PROPERTY(json_equal(once, twice));
        json_t *updated = json_deep_copy(once);
        apply_track_update(&ctx, live, updated);
        check_books(updated);
        json_decref(updated);
    } else {
        PROPERTY(once == NULL && err.message[0] != '\0');
    }
    json_decref(twice);
    json_decref(once);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena forever;
    static const struct schema *schema;
    struct err err;
    if (schema == NULL) {
        json_t *tree = NULL;
        PROPERTY(json_parse(slice_of(schema_text), &tree, &err) == 0);
        schema = schema_build(&forever, tree, NULL);
        json_decref(tree);
    }
    struct slice rest = slice_make(data, size);
    struct slice lines[2] = {{0}};
    json_t *trees[3] = {NULL};
    (void)(slice_split(&rest, '\n', &lines[0]) && slice_split(&rest, '\n', &lines[1]));
    if (json_parse(lines[0], &trees[0], &err) == 0) {
        check_sets(trees[0]);
        if (json_parse(lines[1], &trees[1], &err) == 0 && json_parse(rest, &trees[2], &err) == 0 &&
            json_is_object(trees[1]) && json_is_object(trees[2]) &&
            json_depth(trees[1]) < JSON_DEPTH_MAX) {
            json_t *meta = json_child(trees[1], "metadata");
            json_object_set(meta, "managedFields", trees[0]);
            check_apply(schema, trees[1], trees[2]);
            check_apply(NULL, trees[1], trees[2]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        json_decref(trees[i]);
    }
    return 0;
}
