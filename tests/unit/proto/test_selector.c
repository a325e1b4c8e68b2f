/* Selectors: every operator, over canonical bytes. */
#include "tests/unit/proto/fixture.h"

#include "proto/selector.h"

static const char body[] =
    "{\"kind\":\"Event\",\"metadata\":{\"labels\":{\"app\":\"web\",\"empty\":\"\",\"t/q\":\"1\"},"
    "\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u\"},\"reason\":\"R\",\"spec\":{\"project\":"
    "\"p\"}}";

static bool matches(struct fixture *f, const char *labels, const char *fields)
{
    struct selector *s = NULL;
    assert_ok(
        selector_parse(slice_of(labels), slice_of(fields), kind_named(f, "component"), &s, &f->err),
        &f->err);
    struct selector *copy = selector_copy(s);
    bool result = selector_matches(s, slice_of(body));
    assert_int_equal(result, selector_matches(copy, slice_of(body)));
    selector_free(s);
    selector_free(copy);
    return result;
}

static void labels(void **state)
{
    struct fixture *f = *state;
    assert_true(matches(f, "", ""));
    assert_true(matches(f, "app=web", ""));
    assert_true(matches(f, "app==web,t/q=1", ""));
    assert_false(matches(f, "app=we", ""));
    assert_false(matches(f, "app=web,t/q=2", ""));
    assert_true(matches(f, "app!=db", ""));
    assert_true(matches(f, "absent!=db", ""));
    assert_false(matches(f, "app!=web", ""));
    assert_true(matches(f, "app in (db, web)", ""));
    assert_true(matches(f, "app in (db,web),t/q", ""));
    assert_false(matches(f, "app in (db)", ""));
    assert_false(matches(f, "absent in (a)", ""));
    assert_true(matches(f, "app notin (db,x)", ""));
    assert_true(matches(f, "absent notin (db)", ""));
    assert_false(matches(f, "app notin (web)", ""));
    assert_true(matches(f, "app", ""));
    assert_false(matches(f, "absent", ""));
    assert_true(matches(f, "!absent", ""));
    assert_false(matches(f, "!app", ""));
    assert_true(matches(f, "empty=", ""));
    assert_false(matches(f, "app=", ""));
    assert_false(matches(f, "absent=", ""));
}

static void fields(void **state)
{
    struct fixture *f = *state;
    assert_true(matches(f, "", "metadata.name=n"));
    assert_true(matches(f, "", "metadata.name==n,metadata.namespace=ns"));
    assert_false(matches(f, "", "metadata.name!=n"));
    assert_true(matches(f, "app", "metadata.name!=m"));
    assert_true(matches(f, "", "spec.project=p"));
    assert_true(matches(f, "", "spec.type="));
    struct selector *s = NULL;
    assert_ok(
        selector_parse(SLICE(""), SLICE("metadata.name=n,metadata.namespace=q"), NULL, &s, &f->err),
        &f->err);
    assert_slice(selector_exact_name(s), "n");
    assert_slice(selector_exact_ns(s), "q");
    selector_free(s);
}

static void refusals(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"a=b=c", "-x", "a in b", "a in (",  "=b",
                                      "a,,b",  "!",  "a=b c",  "a/b/c=d", "a notin (_)"};
    struct selector *s = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_err(selector_parse(slice_of(bad[i]), SLICE(""), NULL, &s, &f->err), &f->err,
                   ERR_INVALID, "");
        assert_null(s);
    }
    assert_err(selector_parse(SLICE(""), SLICE("spec.x=1"), NULL, &s, &f->err), &f->err,
               ERR_INVALID, "field label not supported: spec.x");
    struct buf big = {0};
    for (int i = 0; i < 300; i++) {
        buf_add_cstr(&big, "a,");
    }
    assert_err(selector_parse(buf_slice(&big), SLICE(""), NULL, &s, &f->err), &f->err, ERR_INVALID,
               "too many");
    buf_free(&big);
}

static void from_json(void **state)
{
    struct fixture *f = *state;
    struct selector *s = NULL;
    assert_ok(selector_from_json(tree(f, "{'matchLabels':{'app':'web'},'matchExpressions':[{'key':"
                                         "'t/q','operator':'In','values':['1','2']},{'key':'z',"
                                         "'operator':'DoesNotExist'}]}"),
                                 &s, &f->err),
              &f->err);
    assert_true(selector_matches_labels(s, SLICE("{\"app\":\"web\",\"t/q\":\"2\"}")));
    assert_false(selector_matches_labels(s, SLICE("{\"app\":\"web\"}")));
    selector_free(s);
    assert_ok(selector_from_json(NULL, &s, &f->err), &f->err);
    assert_false(selector_matches_labels(s, SLICE("{}")));
    selector_free(s);
    assert_ok(selector_from_json(tree(f, "{}"), &s, &f->err), &f->err);
    assert_true(selector_matches_labels(s, SLICE("")));
    selector_free(s);
    assert_err(selector_from_json(tree(f, "{'matchExpressions':[{'key':'a','operator':'In'}]}"), &s,
                                  &f->err),
               &f->err, ERR_INVALID, "no valid operator");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(labels), T(fields), T(refusals), T(from_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
