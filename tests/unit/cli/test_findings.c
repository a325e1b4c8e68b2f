/* Findings: each once, in order, as texts and as a tree. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "cli/findings.h"
#include "proto/object.h"

struct fixture {
    struct findings findings;
    json_t *tree;
    json_t *object;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    f->object = object_new("choreo.dev/v1", "Component", SLICE("acme"), SLICE("web"));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    findings_free(&f->findings);
    json_decref(f->tree);
    json_decref(f->object);
    free(f);
    return 0;
}

static void add(struct fixture *f, enum severity severity, const char *file, int line,
                const char *message, const char *where)
{
    const struct finding finding = {.severity = severity,
                                    .file = file,
                                    .line = line,
                                    .object = f->object,
                                    .reason = "Invalid",
                                    .message = message,
                                    .where = where};
    findings_add(&f->findings, &finding);
}

static const json_t *row(struct fixture *f, size_t i)
{
    if (f->tree == NULL) {
        f->tree = findings_tree(&f->findings);
    }
    return json_array_get(f->tree, i);
}

static void they_are_told_in_order_of_their_places(void **state)
{
    struct fixture *f = *state;
    add(f, SEVERITY_ERROR, NULL, 0, "nowhere", NULL);
    add(f, SEVERITY_WARNING, "b.yaml", 1, "second file", NULL);
    add(f, SEVERITY_ERROR, "a.yaml", 10, "tenth line", NULL);
    add(f, SEVERITY_NOTE, "a.yaml", 9, "ninth line", NULL);
    add(f, SEVERITY_ERROR, "a.yaml", 9, "ninth line, too", NULL);
    static const char *const expected[] = {"ninth line", "ninth line, too", "tenth line",
                                           "second file", "nowhere"};
    for (size_t i = 0; i < 5; i++) {
        assert_slice(json_text_at(row(f, i), "message"), expected[i]);
    }
    assert_int_equal(f->findings.errors, 3);
    assert_int_equal(f->findings.warnings, 1);
    assert_slice(json_text_at(row(f, 0), "severity"), "note");
    assert_slice(json_text(json_at(row(f, 0), "object", "name", NULL)), "web");
    assert_null(json_object_get(row(f, 4), "file"));
}

static void the_same_is_kept_once(void **state)
{
    struct fixture *f = *state;
    add(f, SEVERITY_ERROR, "a.yaml", 3, "wrong", "in environment test");
    add(f, SEVERITY_ERROR, "a.yaml", 3, "wrong", "in environment prod");
    add(f, SEVERITY_ERROR, "a.yaml", 4, "wrong", "in environment prod");
    add(f, SEVERITY_ERROR, "a.yaml", 3, "wrong", "in environment live");
    assert_int_equal(f->findings.errors, 2);
    assert_int_equal(json_integer_value(json_object_get(row(f, 0), "others")), 2);
    assert_slice(json_text_at(row(f, 0), "where"), "in environment test");
    assert_null(json_object_get(row(f, 1), "others"));
    assert_null(row(f, 2));
}

static void what_is_the_same_can_be_said(void **state)
{
    struct fixture *f = *state;
    struct finding finding = {.reason = "R", .message = "wrong in test", .same = "wrong in"};
    findings_add(&f->findings, &finding);
    finding.message = "wrong in prod";
    findings_add(&f->findings, &finding);
    assert_int_equal(f->findings.errors, 1);
}

static void faults_of_files_are_taken_apart(void **state)
{
    struct fixture *f = *state;
    findings_add_fault(&f->findings, SLICE("a:b/c.yaml:12:3: tab: none"));
    findings_add_fault(&f->findings, SLICE("d.yaml:7: a manifest is a map of keys"));
    findings_add_fault(&f->findings, SLICE("open /x: No such file or directory"));
    findings_add_fault(&f->findings, SLICE("no manifest"));
    assert_slice(json_text_at(row(f, 0), "file"), "a:b/c.yaml");
    assert_int_equal(json_integer_value(json_object_get(row(f, 0), "line")), 12);
    assert_int_equal(json_integer_value(json_object_get(row(f, 0), "column")), 3);
    assert_slice(json_text_at(row(f, 0), "message"), "tab: none");
    assert_slice(json_text_at(row(f, 1), "file"), "d.yaml");
    assert_int_equal(json_integer_value(json_object_get(row(f, 1), "line")), 7);
    assert_null(json_object_get(row(f, 1), "column"));
    assert_slice(json_text_at(row(f, 2), "message"), "open /x: No such file or directory");
    assert_null(json_object_get(row(f, 2), "file"));
    assert_slice(json_text_at(row(f, 3), "message"), "no manifest");
    assert_int_equal(f->findings.errors, 4);
}

static void columns_of_expressions_are_told(void **state)
{
    struct fixture *f = *state;
    add(f, SEVERITY_ERROR, "a.yaml", 1, "resources[x].template.y, column 14: no such key: b", NULL);
    add(f, SEVERITY_ERROR, "a.yaml", 2, "the column is gone", NULL);
    assert_int_equal(json_integer_value(json_object_get(row(f, 0), "expressionColumn")), 14);
    assert_null(json_object_get(row(f, 1), "expressionColumn"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(they_are_told_in_order_of_their_places), T(the_same_is_kept_once),
        T(what_is_the_same_can_be_said),           T(faults_of_files_are_taken_apart),
        T(columns_of_expressions_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
