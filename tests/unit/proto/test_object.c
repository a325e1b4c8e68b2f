/* Stored bytes: the splice, meta, conditions, paths; and the rows of tables. */
#include "tests/unit/proto/fixture.h"

#include "proto/table.h"

static void splice_and_back(void **state)
{
    struct fixture *f = *state;
    json_t *object =
        tree(f, "{'metadata':{'uid':'u','name':'n','resourceVersion':'5','selfLink':'x',"
                "'namespace':'s','labels':{'a':'b'},'zz':1},'kind':'K'}");
    uint32_t splice = 0;
    struct buf out = {0};
    assert_ok(object_canonical(object, &f->body, &splice, &f->err), &f->err);
    assert_slice(buf_slice(&f->body),
                 "{\"kind\":\"K\",\"metadata\":{\"labels\":{\"a\":\"b\"},\"name\":\"n\","
                 "\"namespace\":\"s\",\"uid\":\"u\",\"zz\":1}}");
    object_emit(&out, buf_slice(&f->body), splice, 77);
    json_t *again = NULL;
    assert_ok(object_parse(buf_slice(&f->body), 77, &again, &f->err), &f->err);
    struct buf whole = {0};
    json_canonical(again, &whole);
    assert_slice(buf_slice(&out), buf_cstr(&whole)); /* what is emitted is canonical too */
    assert_int_equal(object_version(again), 77);
    json_decref(again);
    uint32_t found = 0;
    assert_ok(object_splice(buf_slice(&f->body), &found, &f->err), &f->err);
    assert_int_equal(found, splice);
    assert_err(object_splice(SLICE("{\"metadata\":{}}"), &found, &f->err), &f->err, ERR_CORRUPT,
               "uid");
    assert_err(object_parse(SLICE("{"), 1, &again, &f->err), &f->err, ERR_CORRUPT, "stored object");
    assert_err(object_canonical(tree(f, "{'metadata':{}}"), &out, &splice, &f->err), &f->err,
               ERR_INVALID, "uid");
    object = tree(f, "{'metadata':{'uid':'u'},'a':'\\\\u0000'}"); /* a backslash, not a NUL */
    assert_ok(object_canonical(object, &out, &splice, &f->err), &f->err);
    json_object_set_new(object, "a", json_stringn("x\0y", 3));
    assert_err(object_canonical(object, &out, &splice, &f->err), &f->err, ERR_INVALID, "NUL");
    buf_free(&whole);
    buf_free(&out);
}

static void meta(void **state)
{
    struct fixture *f = *state;
    struct object_meta m;
    assert_ok(
        object_meta(SLICE("{\"apiVersion\":\"v1\",\"kind\":\"K\",\"metadata\":{\"finalizers\":"
                          "[\"f\"],\"generation\":3,\"labels\":{\"a\":\"b\"},\"name\":\"n\","
                          "\"uid\":\"u\\u0041\"}}"),
                    &f->arena, &m, &f->err),
        &f->err);
    assert_slice(m.kind, "K");
    assert_slice(m.name, "n");
    assert_slice(m.uid, "uA");
    assert_slice(m.ns, "");
    assert_int_equal(m.generation, 3);
    assert_slice(m.labels, "{\"a\":\"b\"}");
    assert_slice(m.finalizers, "[\"f\"]");
    assert_err(object_meta(SLICE("{}"), &f->arena, &m, &f->err), &f->err, ERR_CORRUPT, "metadata");
}

static void conditions(void **state)
{
    struct fixture *f = *state;
    json_t *object = tree(f, "{'metadata':{'generation':2}}");
    assert_true(object_set_condition(object, "Ready", "False", "Wait", "waiting", 1000));
    assert_false(object_set_condition(object, "Ready", "False", "Wait", "waiting", 99000));
    assert_true(object_set_condition(object, "Ready", "False", "Other", "waiting", 99000));
    assert_string_equal(text_of(f, object_path(object, SLICE(".status.conditions[0]"))),
                        "{'lastTransitionTime':'1970-01-01T00:00:01Z','message':'waiting',"
                        "'observedGeneration':2,'reason':'Other','status':'False','type':'Ready'}");
    assert_true(object_set_condition(object, "Ready", "True", "Ok", "", 99000));
    assert_true(object_condition_true(object, "Ready"));
    assert_false(object_condition_true(object, "Other"));
    assert_slice(json_text_at(object_condition(object, "Ready"), "lastTransitionTime"),
                 "1970-01-01T00:01:39Z");
}

static void small_helpers(void **state)
{
    struct fixture *f = *state;
    json_t *owner = tree(f, "{'apiVersion':'v1','kind':'K','metadata':{'name':'o','uid':'u'}}");
    json_t *object = object_new("v1", "K", SLICE("s"), SLICE("n"));
    object_add_finalizer(object, "a/b");
    object_add_finalizer(object, "a/b");
    object_set_label(object, "l", SLICE("1"));
    object_set_annotation(object, "n", SLICE("2"));
    object_add_owner(object, owner, true);
    object_add_owner(object, owner, false);
    assert_string_equal(
        text_of(f, object),
        "{'apiVersion':'v1','kind':'K','metadata':{'annotations':{'n':'2'},"
        "'finalizers':['a/b'],'labels':{'l':'1'},'name':'n','namespace':'s',"
        "'ownerReferences':[{'apiVersion':'v1','kind':'K','name':'o','uid':'u'}]}}");
    assert_slice(object_label(object, "l"), "1");
    object_remove_finalizer(object, "a/b");
    assert_false(object_has_finalizer(object, "a/b"));
    assert_null(json_at(object, "metadata", "finalizers", NULL));
    json_decref(object);
}

static const char *path(struct fixture *f, const char *text)
{
    const json_t *object =
        tree(f, "{'a':{'b':[{'t':'x','v':1},{'t':'y','v':2}],'c.d':true},'n':3}");
    const json_t *value = object_path(object, slice_of(text));
    return value == NULL ? "absent" : text_of(f, value);
}

static void paths(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(path(f, ".n"), "3");
    assert_string_equal(path(f, "{.n}"), "3");
    assert_string_equal(path(f, ".a.b[1].v"), "2");
    assert_string_equal(path(f, ".a.b[-1].v"), "2");
    assert_string_equal(path(f, ".a.b[?(@.t==\"y\")].v"), "2");
    assert_string_equal(path(f, ".a.b[?(@.v==1)].t"), "'x'");
    assert_string_equal(path(f, ".a['c.d']"), "true");
    assert_string_equal(path(f, ".a.c\\.d"), "true");
    assert_string_equal(path(f, ".a.b[9]"), "absent");
    assert_string_equal(path(f, ".a.b[?(@.t==\"z\")].v"), "absent");
    assert_string_equal(path(f, ".a.b["), "absent");
    assert_string_equal(path(f, ".n.x"), "absent");
    assert_string_equal(path(f, ".a.b[?(@.x[?(@.y==1)]==2)]"), "absent");
}

static void ages(void **state)
{
    (void)state;
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {{0, "0s"},      {119, "119s"},    {120, "2m"},         {127, "2m7s"},
                 {600, "10m"},   {10799, "179m"},  {10800, "3h"},       {12000, "3h20m"},
                 {28800, "8h"},  {172799, "47h"},  {172800, "2d"},      {183600, "2d3h"},
                 {691200, "8d"}, {63072000, "2y"}, {64000000, "2y10d"}, {300000000, "9y"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {0};
        table_age(1000, 1000 + cases[i].seconds * 1000, &out);
        assert_slice(buf_slice(&out), cases[i].text);
        buf_free(&out);
    }
}

static void rows(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        write_op(f, "event", ADMIT_CREATE,
                 "{'metadata':{'name':'x'},'involvedObject':{'kind':'Component','name':'c','"
                 "namespace':'acme'},"
                 "'reason':'R','message':'m','count':4,'lastTimestamp':'2023-11-14T22:13:13Z'}"),
        &f->err);
    struct buf out = {0};
    struct table_form form = {.version = SLICE("v1beta1"), .now_ms = f->now_ms};
    const struct kind *k = kind_named(f, "event");
    table_columns(k, &out);
    assert_true(slice_starts_with(buf_slice(&out), SLICE("[{\"name\":\"Name\",\"type\":\"string\","
                                                         "\"format\":\"name\"")));
    buf_clear(&out);
    assert_ok(table_row(k, &f->old, &form, &out, &f->err), &f->err);
    const char *expected =
        "{\"cells\":[\"x\",\"7s\",null,\"R\",\"component/c\",null,null,\"m\",null,4],"
        "\"object\":{\"apiVersion\":\"meta.k8s.io/v1beta1\","
        "\"kind\":\"PartialObjectMetadata\",\"metadata\":{";
    assert_slice(slice_sub(buf_slice(&out), 0, strlen(expected)), expected);
    assert_true(slice_find(buf_slice(&out), SLICE("\"resourceVersion\":\"1001\",\"uid\":")) !=
                SIZE_MAX);
    json_t *row = NULL;
    assert_ok(json_parse(buf_slice(&out), &row, &f->err), &f->err);
    json_decref(row);
    buf_clear(&out);
    form.include = TABLE_NONE;
    assert_ok(table_row(k, &f->old, &form, &out, &f->err), &f->err);
    assert_true(slice_ends_with(buf_slice(&out), SLICE("4]}")));
    struct slice cells[11];
    json_t *object = NULL;
    assert_ok(object_parse(f->old.body, 1, &object, &f->err), &f->err);
    assert_ok(table_cells(k, object, f->now_ms, &f->arena, cells, &f->err), &f->err);
    assert_slice(cells[4], "component/c");
    assert_slice(cells[2], "");
    json_decref(object);
    buf_free(&out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(splice_and_back), T(meta), T(conditions), T(small_helpers),
                                       T(paths),           T(ages), T(rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
