/* Parameters: defaults and rules. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/schema.h"

static const char rules[] =
    "type: object\n"
    "$defs:\n"
    "  Size: {type: object, default: {}, properties: {cpu: {type: string, default: 100m}}}\n"
    "  Loop: {type: object, properties: {next: {$ref: '#/$defs/Loop', default: {}}}}\n"
    "required: [name]\n"
    "properties:\n"
    "  name: {type: string, pattern: '^[a-z]+$', minLength: 2, maxLength: 5}\n"
    "  count: {type: integer, default: 3, minimum: 1, maximum: 9, multipleOf: 3}\n"
    "  ratio: {type: number, exclusiveMinimum: 0, maximum: 1, exclusiveMaximum: true}\n"
    "  mode: {type: string, enum: [a, b]}\n"
    "  size: {$ref: '#/$defs/Size'}\n"
    "  broken: {$ref: '#/$defs/Nothing'}\n"
    "  loop: {$ref: '#/$defs/Loop'}\n"
    "  list: {type: array, maxItems: 3, uniqueItems: true, items: {type: integer}}\n"
    "  map: {type: object, maxProperties: 1, additionalProperties: {type: string}}\n"
    "  any: {type: object}\n"
    "  amount: {x-kubernetes-int-or-string: true}\n"
    "  maybe: {type: string, nullable: true, default: x}\n"
    "  either: {oneOf: [{type: string}, {type: integer}]}\n"
    "  some: {type: object, properties: {a: {type: integer}, b: {type: integer}},\n"
    "         anyOf: [{required: [a]}, {required: [b]}], not: {required: [a, b]}}\n";

static uint64_t cost; /* of the last apply_by() */

static int apply_by(const char *by, const char *value, struct buf *out, struct err *err)
{
    json_t *schema;
    json_t *input = NULL;
    json_t *result;
    assert_ok(yaml_parse(slice_of(by), "rules", &schema, err), err);
    assert_ok(yaml_parse(slice_of(value), "value", &input, err), err);
    uint64_t left = SCHEMA_COST_MAX;
    int rc = schema_apply(schema, input, SLICE("p"), &left, &result, err);
    cost = SCHEMA_COST_MAX - left;
    if (rc == 0) {
        json_canonical(result, out);
    }
    json_decref(result);
    json_decref(input);
    json_decref(schema);
    return rc;
}

static int apply(const char *value, struct buf *out, struct err *err)
{
    return apply_by(rules, value, out, err);
}

static void gives(const char *value, const char *expected)
{
    struct buf out = {0};
    struct err err = {0};
    assert_ok(apply(value, &out, &err), &err);
    assert_slice(buf_slice(&out), expected);
    buf_free(&out);
}

static void fails(const char *value, const char *message)
{
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(apply(value, &out, &err), ERR_UNPROCESSABLE);
    assert_string_equal(err.message, message);
    buf_free(&out);
}

static void what_is_missing_takes_its_default(void **state)
{
    (void)state;
    gives("{name: abc}",
          "{\"count\":3,\"maybe\":\"x\",\"name\":\"abc\",\"size\":{\"cpu\":\"100m\"}}");
    gives("{name: abc, count: 6, size: {cpu: '2'}, maybe: null}",
          "{\"count\":6,\"maybe\":null,\"name\":\"abc\",\"size\":{\"cpu\":\"2\"}}");
    gives("{name: abc, count: null, any: {x: [1]}, amount: 5, either: 1}",
          "{\"amount\":5,\"any\":{\"x\":[1]},\"count\":3,\"either\":1,\"maybe\":\"x\","
          "\"name\":\"abc\",\"size\":{\"cpu\":\"100m\"}}");
}

static void whole_numbers_become_integers_where_integers_are_wanted(void **state)
{
    (void)state;
    gives("{name: abc, count: 6.0, size: {}}",
          "{\"count\":6,\"maybe\":\"x\",\"name\":\"abc\",\"size\":{\"cpu\":\"100m\"}}");
    fails("{name: abc, count: 6.5}", "p.count: must be of type integer");
}

static void what_stands_beside_a_ref_takes_its_place(void **state)
{
    (void)state;
    static const char by[] =
        "type: object\n"
        "$defs:\n"
        "  Size: {type: object, default: {}, properties: {cpu: {type: string, default: 100m}}}\n"
        "  Alias: {$ref: '#/$defs/Size', maxProperties: 1}\n"
        "properties:\n"
        "  same: {$ref: '#/$defs/Size'}\n"
        "  more: {$ref: '#/$defs/Size', default: {cpu: '2'}, x-widget: {a: b}}\n"
        "  other: {$ref: '#/$defs/Alias', properties: {n: {type: integer, default: 1}}}\n"
        "  none: {$ref: '#/$defs/Size', nullable: true, default: null}\n";
    struct buf out = {0};
    struct err err = {0};
    assert_ok(apply_by(by, "{}", &out, &err), &err);
    assert_slice(buf_slice(&out), "{\"more\":{\"cpu\":\"2\"},\"none\":null,\"other\":{\"n\":1},"
                                  "\"same\":{\"cpu\":\"100m\"}}");
    buf_clear(&out);
    assert_err(apply_by(by, "{other: {cpu: x, n: 2}, more: {cpu: 1}}", &out, &err), &err,
               ERR_UNPROCESSABLE,
               "p.more.cpu: must be of type string; p.other: must have at most 1 members; "
               "p.other.cpu: unknown field");
    buf_free(&out);
}

static void every_wrong_field_is_named(void **state)
{
    (void)state;
    fails("{}", "p.name: is required");
    fails("{name: abc, nam: x, size: {cpi: 1}}",
          "p.nam: unknown field (did you mean name?); p.size.cpi: unknown field (did you mean "
          "cpu?)");
    fails("{name: abc, colour: x}", "p.colour: unknown field");
    fails("{name: A}", "p.name: must have at least 2 characters; p.name: must match ^[a-z]+$");
    fails("{name: abcdef}", "p.name: must have at most 5 characters");
    fails("{name: 5, count: x}",
          "p.count: must be of type integer; p.name: must be of type string");
    fails("{name: abc, count: 10}", "p.count: must be at most 9; p.count: must be a multiple of 3");
    fails("{name: abc, ratio: 0}", "p.ratio: must be greater than 0");
    fails("{name: abc, ratio: 1}", "p.ratio: must be less than 1");
    fails("{name: abc, mode: c}", "p.mode: must be one of [\"a\",\"b\"]");
    fails("{name: abc, list: [1, x, 1, 2]}",
          "p.list: must have at most 3 items; p.list[1]: must be of type integer; "
          "p.list[2]: is the same as element 0");
    fails("{name: abc, map: {a: 1, b: c}}",
          "p.map: must have at most 1 members; p.map.a: must be of type string");
    fails("{name: abc, amount: [1]}", "p.amount: must be an integer or a string");
    fails("{name: abc, either: []}", "p.either: must satisfy exactly one of oneOf");
    fails("{name: abc, some: {}}", "p.some: must satisfy one of anyOf");
    fails("{name: abc, some: {a: 1, b: 2}}", "p.some: must not be this");
    fails("{name: abc, broken: 1}", "p.broken: its schema's $ref points nowhere");
    fails("[1]", "p: must be an object");
}

static void what_is_unknown_can_be_dropped(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = {0};
    json_t *schema;
    json_t *value;
    assert_ok(yaml_parse(slice_of(rules), "rules", &schema, &err), &err);
    assert_ok(
        yaml_parse(SLICE("{name: 5, nam: x, size: {cpi: 1, cpu: x}, map: {a: b}, any: {x: 1}, "
                         "some: {a: 1, z: 2}}"),
                   "value", &value, &err),
        &err);
    schema_drop_unknown(schema, value);
    json_canonical(value, &out);
    assert_slice(buf_slice(&out), "{\"any\":{\"x\":1},\"map\":{\"a\":\"b\"},\"name\":5,"
                                  "\"size\":{\"cpu\":\"x\"},\"some\":{\"a\":1}}");
    schema_drop_unknown(NULL, value);
    assert_int_equal(json_object_size(value), 0);
    buf_free(&out);
    json_decref(value);
    json_decref(schema);
}

static void a_schema_that_never_ends_is_met_by_a_limit(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err err = {0};
    assert_err(apply("{name: abc, loop: {}}", &out, &err), &err, ERR_TOO_LARGE,
               "p: the schema refers to itself too often");
    buf_free(&out);
}

/* Definitions, each of which has the one below it twice, with a default: 2^levels places. */
static void add_levels(struct buf *out, int levels)
{
    buf_add_cstr(out,
                 "type: object\n$defs:\n  d0: {type: object, properties: {t: {default: x}}}\n");
    for (int i = 1; i <= levels; i++) {
        buf_addf(out,
                 "  d%d: {type: object, properties: {a: {$ref: '#/$defs/d%d', default: {}}, b: "
                 "{$ref: '#/$defs/d%d', default: {}}}}\n",
                 i, i - 1, i - 1);
    }
    buf_addf(out, "properties: {all: {$ref: '#/$defs/d%d', default: {}}}\n", levels);
}

static void defaults_within_defaults_are_paid_for(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = {0};
    struct buf by = {0};
    add_levels(&by, 4);
    assert_ok(apply_by(buf_cstr(&by), "{}", &out, &err), &err);
    assert_in_range(cost, 31 * JSON_WEIGHT_OBJECT / 16, 1000);
    buf_clear(&by);
    add_levels(&by, 40);
    assert_err(apply_by(buf_cstr(&by), "{}", &out, &err), &err, ERR_TOO_LARGE,
               "p: it is too large, with what its schema's defaults add");
    assert_int_equal(cost, SCHEMA_COST_MAX);
    buf_free(&by);
    buf_free(&out);
}

/* The same of a list of so many objects that lack a text of 16 kB. */
static int apply_to_items(int count, struct err *err)
{
    struct buf out = {0};
    struct buf by = {0};
    struct buf value = {0};
    buf_add_cstr(&by, "{type: object, properties: {list: {type: array, items: {type: object, "
                      "properties: {a: {type: string, default: ");
    for (int i = 0; i < 1000; i++) {
        buf_add_cstr(&by, "0123456789abcdef");
    }
    buf_add_cstr(&by, "}}}}}}");
    buf_add_cstr(&value, "{list: [");
    for (int i = 0; i < count; i++) {
        buf_add_cstr(&value, "{}, ");
    }
    buf_add_cstr(&value, "]}");
    int rc = apply_by(buf_cstr(&by), buf_cstr(&value), &out, err);
    buf_free(&value);
    buf_free(&by);
    buf_free(&out);
    return rc;
}

static void a_default_costs_its_size_wherever_it_is_put(void **state)
{
    (void)state;
    struct err err = {0};
    assert_ok(apply_to_items(100, &err), &err);
    assert_in_range(cost, 100 * 1000, 110 * 1000);
    assert_err(apply_to_items(200, &err), &err, ERR_TOO_LARGE,
               "p: it is too large, with what its schema's defaults add");
}

/* Long lists, each item compared with all before it, or with all that is allowed. */
static void comparing_is_paid_for_and_not_quadratic(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = {0};
    struct buf list = {0};
    struct buf by = {0};
    struct buf value = {0};
    for (int i = 0; i < 5000; i++) {
        buf_addf(&list, "%sv%d", i > 0 ? ", " : "", i);
    }
    buf_addf(&value, "{list: [%s]}", buf_cstr(&list));
    assert_ok(apply_by("{type: object, properties: {list: {type: array, uniqueItems: true}}}",
                       buf_cstr(&value), &out, &err),
              &err);
    assert_in_range(cost, 5000, 20 * 1000);
    buf_addf(&by, "{type: object, properties: {list: {type: array, items: {enum: [%s]}}}}",
             buf_cstr(&list));
    assert_err(apply_by(buf_cstr(&by), buf_cstr(&value), &out, &err), &err, ERR_TOO_LARGE,
               "p: it is too large");
    buf_free(&value);
    buf_free(&by);
    buf_free(&list);
    buf_free(&out);
}

/* A list of so many texts. */
static int apply_pattern(const char *pattern, int count, const char *text, struct err *err)
{
    struct buf out = {0};
    struct buf by = {0};
    struct buf value = {0};
    buf_addf(&by,
             "{type: object, properties: {list: {type: array, items: {type: string, pattern: "
             "'%s'}}}}",
             pattern);
    buf_add_cstr(&value, "{list: [");
    for (int i = 0; i < count; i++) {
        buf_addf(&value, "%s, ", text);
    }
    buf_add_cstr(&value, "]}");
    int rc = apply_by(buf_cstr(&by), buf_cstr(&value), &out, err);
    buf_free(&value);
    buf_free(&by);
    buf_free(&out);
    return rc;
}

static void matching_is_paid_for(void **state)
{
    (void)state;
    struct err err = {0};
    assert_ok(apply_pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", 5000, "user-service", &err), &err);
    assert_in_range(cost, 50 * 1000, 100 * 1000);
    const char *hard = "^(a|aa){1,40}[bc]";
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_err(apply_pattern(hard, 10, text, &err), &err, ERR_UNPROCESSABLE, "p.list[0]: must");
    assert_in_range(cost, 10 * 100, 10 * 1000);
    assert_err(apply_pattern(hard, 10000, text, &err), &err, ERR_TOO_LARGE,
               "]: up to here, the schema's patterns take too many steps");
    assert_int_equal(cost, SCHEMA_COST_MAX);
}

static void without_a_schema_there_is_nothing_to_say(void **state)
{
    (void)state;
    struct err err = {0};
    json_t *out;
    json_t *one = json_pack("{s:i}", "a", 1);
    uint64_t left = SCHEMA_COST_MAX;
    assert_ok(schema_apply(NULL, NULL, SLICE("p"), &left, &out, &err), &err);
    assert_int_equal(json_object_size(out), 0);
    json_decref(out);
    assert_err(schema_apply(NULL, one, SLICE("p"), &left, &out, &err), &err, ERR_UNPROCESSABLE,
               "p.a: unknown field");
    json_decref(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_takes_its_default),
        cmocka_unit_test(whole_numbers_become_integers_where_integers_are_wanted),
        cmocka_unit_test(what_stands_beside_a_ref_takes_its_place),
        cmocka_unit_test(every_wrong_field_is_named),
        cmocka_unit_test(what_is_unknown_can_be_dropped),
        cmocka_unit_test(a_schema_that_never_ends_is_met_by_a_limit),
        cmocka_unit_test(defaults_within_defaults_are_paid_for),
        cmocka_unit_test(a_default_costs_its_size_wherever_it_is_put),
        cmocka_unit_test(comparing_is_paid_for_and_not_quadratic),
        cmocka_unit_test(matching_is_paid_for),
        cmocka_unit_test(without_a_schema_there_is_nothing_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
