/* Protobuf and JSON: lossless both ways for every kind; hostile bytes are refused. */
#include "tests/unit/proto/fixture.h"
#include "tests/unit/proto/random.h"

#include "proto/typed.h"

static void every_kind_survives(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct random r = {seed};
        for (size_t i = 0; i < kind_registry_count(&f->registry); i++) {
            const struct kind *k = kind_registry_at(&f->registry, i);
            json_t *before = random_value(&r, k->schema, 8);
            json_object_set_new(before, "apiVersion", json_str(k->api_version));
            json_object_set_new(before, "kind", json_str(k->kind));
            struct buf wire = {0};
            json_t *after = NULL;
            assert_ok(typed_from_json(k, before, &wire, &f->err), &f->err);
            assert_ok(typed_to_json(k, buf_slice(&wire), &after, &f->err), &f->err);
            if (!json_equal(before, after)) {
                print_error("seed %llu, %s:\n%s\n%s\n", (unsigned long long)seed, k->kind.data,
                            text_of(f, before), text_of(f, after));
            }
            assert_true(json_equal(before, after));
            json_decref(before);
            json_decref(after);
            buf_free(&wire);
        }
    }
}

static void cut_and_flipped_bytes_are_survived(void **state)
{
    struct fixture *f = *state;
    const struct kind *k = kind_named(f, "component");
    struct random r = {7};
    json_t *object = random_value(&r, k->schema, 8);
    struct buf wire = {0};
    assert_ok(typed_from_json(k, object, &wire, &f->err), &f->err);
    size_t refused = 0;
    for (size_t i = 0; i < wire.len; i++) {
        json_t *after = NULL;
        if (typed_to_json(k, slice_make(wire.data, i), &after, &f->err) != 0) {
            refused++;
        }
        json_decref(after);
        wire.data[i] = (char)(wire.data[i] ^ 0x55);
        after = NULL;
        (void)typed_to_json(k, buf_slice(&wire), &after, &f->err);
        json_decref(after);
        wire.data[i] = (char)(wire.data[i] ^ 0x55);
    }
    assert_true(refused > wire.len / 2);
    json_decref(object);
    buf_free(&wire);
}

static void unknown_fields_are_not_lost_in_silence(void **state)
{
    struct fixture *f = *state;
    json_t *after = NULL;
    /* field 99, varint 1 */
    struct slice wire = SLICE("\x98\x06\x01");
    assert_err(typed_to_json(kind_named(f, "component"), wire, &after, &f->err), &f->err,
               ERR_INVALID, "no field number 99");
    struct buf out = {0};
    assert_err(
        typed_from_json(kind_named(f, "component"), tree(f, "{'spec':{'nope':1}}"), &out, &f->err),
        &f->err, ERR_INVALID, "spec.nope");
    buf_clear(&out);
    assert_err(typed_from_json(kind_named(f, "component"), tree(f, "{'spec':{'replicas':'1'}}"),
                               &out, &f->err),
               &f->err, ERR_INVALID, "spec.replicas");
    buf_free(&out);
}

/* Component.spec with so many endpoints, each of them empty: two bytes. */
static struct buf component_with_endpoints(uint32_t count)
{
    struct buf wire = {0};
    uint32_t len = 2 * count;
    buf_add_u8(&wire, 0x12);
    for (; len >= 0x80; len >>= 7) {
        buf_add_u8(&wire, (uint8_t)(len | 0x80));
    }
    buf_add_u8(&wire, (uint8_t)len);
    for (uint32_t i = 0; i < count; i++) {
        buf_add(&wire, slice_make("\x6a", 2));
    }
    return wire;
}

static void a_tree_out_of_proportion_is_refused(void **state)
{
    struct fixture *f = *state;
    json_t *after = NULL;
    struct buf wire = component_with_endpoints(20000);
    assert_ok(typed_to_json(kind_named(f, "component"), buf_slice(&wire), &after, &f->err),
              &f->err);
    assert_int_equal(json_array_size(json_at(after, "spec", "endpoints", NULL)), 20000);
    json_decref(after);
    buf_free(&wire);
    wire = component_with_endpoints(500000); /* 1 MB of them: a tree of 120 */
    assert_err(typed_to_json(kind_named(f, "component"), buf_slice(&wire), &after, &f->err),
               &f->err, ERR_TOO_LARGE, "too many values");
    assert_null(after);
    buf_free(&wire);
}

static void add_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        buf_add_u8(out, (uint8_t)(value | 0x80));
    }
    buf_add_u8(out, (uint8_t)value);
}

/* A field of bytes; takes what is inside. */
static void add_field(struct buf *out, uint32_t number, struct buf *inside)
{
    add_varint(out, (uint64_t)number << 3 | 2);
    add_varint(out, inside->len);
    buf_add(out, buf_slice(inside));
    buf_free(inside);
}

/* Promotion paths, each with nothing but an empty list of targets. */
static void lists_that_are_only_present_count_too(void **state)
{
    struct fixture *f = *state;
    json_t *after = NULL;
    struct buf spec = {0};
    struct buf wire = {0};
    for (size_t i = 0; i < 40000; i++) { /* half a MB: objects of 13 MB, lists of 10 */
        struct buf path = {0};
        struct buf present = {0};
        add_varint(&present, 2);
        add_field(&path, TYPED_EMPTY_FIELD, &present);
        add_field(&spec, 3, &path);
    }
    add_field(&wire, 2, &spec);
    int rc = typed_to_json(kind_named(f, "deploymentpipeline"), buf_slice(&wire), &after, &f->err);
    json_decref(after);
    assert_err(rc, &f->err, ERR_TOO_LARGE, "too many values");
    buf_free(&wire);
}

static void raw_json_counts_with_the_rest(void **state)
{
    struct fixture *f = *state;
    json_t *after = NULL;
    struct buf meta = {0};
    struct buf wire = {0};
    for (size_t i = 0; i < 4; i++) { /* each of them a tree of 5 MB */
        struct buf raw = {0};
        struct buf fields = {0};
        struct buf entry = {0};
        buf_add_cstr(&raw, "{\"a\":[");
        for (size_t k = 0; k < 40000; k++) {
            buf_add_cstr(&raw, k == 0 ? "[]" : ",[]");
        }
        buf_add_cstr(&raw, "]}");
        add_field(&fields, 1, &raw);
        add_field(&entry, 7, &fields);
        add_field(&meta, 17, &entry);
    }
    add_field(&wire, 1, &meta);
    int rc = typed_to_json(kind_named(f, "component"), buf_slice(&wire), &after, &f->err);
    json_decref(after);
    assert_err(rc, &f->err, ERR_TOO_LARGE, "too many values");
    buf_free(&wire);
}

static void deep_nesting_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf inner = {0};
    /* Values in Lists in Values, each one level around the last; lengths stay below 2^14 */
    for (int i = 0; i < 400; i++) {
        struct buf outer = {0};
        buf_add_u8(&outer, i % 2 == 0 ? 0x32 : 0x0a);
        buf_add_u8(&outer, (uint8_t)(inner.len | 0x80));
        buf_add_u8(&outer, (uint8_t)(inner.len >> 7));
        buf_add(&outer, buf_slice(&inner));
        buf_free(&inner);
        inner = outer;
    }
    struct buf wire = {0}; /* ComponentType.spec.traits[0].parameters */
    const uint8_t tags[] = {0x22, 0x22, 0x12};
    for (size_t i = 0; i < 3; i++) {
        struct buf outer = {0};
        buf_add_u8(&outer, tags[i]);
        buf_add_u8(&outer, (uint8_t)(inner.len | 0x80));
        buf_add_u8(&outer, (uint8_t)(inner.len >> 7));
        buf_add(&outer, buf_slice(&inner));
        buf_free(&inner);
        inner = outer;
    }
    json_t *after = NULL;
    assert_err(typed_to_json(kind_named(f, "componenttype"), buf_slice(&inner), &after, &f->err),
               &f->err, ERR_INVALID, "deep");
    buf_free(&wire);
    buf_free(&inner);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(every_kind_survives),
        T(cut_and_flipped_bytes_are_survived),
        T(unknown_fields_are_not_lost_in_silence),
        T(a_tree_out_of_proportion_is_refused),
        T(lists_that_are_only_present_count_too),
        T(raw_json_counts_with_the_rest),
        T(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
