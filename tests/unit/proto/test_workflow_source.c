/* Where the parameters of a workflow say what is built. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "proto/workflow_source.h"

#define MARK "x-openchoreo-component-parameter-repository-"

static json_t *parse(const char *yaml)
{
    json_t *tree = NULL;
    struct err err;
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static json_t *workflow_new(void)
{
    return parse("spec:\n"
                 "  parameters:\n"
                 "    openAPIV3Schema:\n"
                 "      type: object\n"
                 "      properties:\n"
                 "        repo.url: {type: string, " MARK "url: true}\n"
                 "        repository:\n"
                 "          type: object\n"
                 "          properties:\n"
                 "            url: {type: string, " MARK "url: true}\n"
                 "            other: {type: string, " MARK "url: true}\n"
                 "            secret: {type: string, " MARK "secret-ref: \"true\"}\n"
                 "            revision:\n"
                 "              type: object\n"
                 "              properties:\n"
                 "                branch: {type: string, default: main, " MARK "branch: true}\n"
                 "                commit: {type: string, default: '', " MARK "commit: true}\n");
}

static struct slice git_at(const json_t *source, const char *key)
{
    return json_text(json_at(source, "git", key, NULL));
}

static void test_marks_are_found(void **state)
{
    (void)state;
    json_t *workflow = workflow_new();
    json_t *paths = workflow_source_paths(workflow);
    /* The first of two counts; a key with a dot, and a mark that is a text, are none. */
    assert_true(slice_eq_cstr(json_text_at(paths, "repository"), "repository.url"));
    assert_true(slice_eq_cstr(json_text_at(paths, "branch"), "repository.revision.branch"));
    assert_true(slice_eq_cstr(json_text_at(paths, "commit"), "repository.revision.commit"));
    assert_int_equal(json_object_size(paths), 3);
    json_decref(paths);
    json_decref(workflow);
}

static void test_source_is_read(void **state)
{
    (void)state;
    json_t *workflow = workflow_new();
    json_t *parameters =
        parse("repository: {url: git.example.com/web, secret: s, revision: {commit: 1a}}");
    json_t *source = workflow_source_read(workflow, parameters);
    assert_true(slice_eq_cstr(git_at(source, "repository"), "git.example.com/web"));
    assert_true(slice_eq_cstr(git_at(source, "branch"), "main"));
    assert_true(slice_eq_cstr(git_at(source, "commit"), "1a"));
    assert_int_equal(json_object_size(json_object_get(source, "git")), 3);
    json_decref(source);
    assert_null(workflow_source_read(workflow, NULL));
    json_decref(parameters);
    parameters = parse("repository: text");
    assert_null(workflow_source_read(workflow, parameters));
    assert_null(workflow_source_read(NULL, parameters));
    json_decref(parameters);
    json_decref(workflow);
}

static void test_commit_is_written(void **state)
{
    (void)state;
    json_t *workflow = workflow_new();
    json_t *paths = workflow_source_paths(workflow);
    json_t *parameters = parse("repository: {url: u}");
    json_t *git = parse("{branch: fix, commit: abc}");
    workflow_source_write(parameters, paths, git);
    json_t *expected = parse("repository: {url: u, revision: {branch: fix, commit: abc}}");
    assert_true(json_equal(parameters, expected));
    json_decref(expected);
    json_object_del(git, "commit"); /* a branch, wherever it is by then */
    workflow_source_write(parameters, paths, git);
    expected = parse("repository: {url: u, revision: {branch: fix}}");
    assert_true(json_equal(parameters, expected));
    json_decref(expected);
    json_decref(parameters);
    json_decref(git);
    json_decref(paths);
    json_decref(workflow);
}

static void test_what_is_in_the_way_stays(void **state)
{
    (void)state;
    json_t *paths = parse("{branch: a.b.c, commit: ''}");
    json_t *git = parse("{branch: fix, commit: abc}");
    static const char *const blocked[] = {"a: text", "a: {b: 3}", "a: {b: [x]}"};
    for (size_t i = 0; i < 3; i++) {
        json_t *parameters = parse(blocked[i]);
        json_t *before = json_deep_copy(parameters);
        workflow_source_write(parameters, paths, git);
        assert_true(json_equal(parameters, before));
        json_decref(before);
        json_decref(parameters);
    }
    workflow_source_write(NULL, paths, git);
    json_decref(git);
    json_decref(paths);
}

/* Whoever writes a component says its paths. */
static void test_deep_paths_are_left_out(void **state)
{
    (void)state;
    struct buf path = {0};
    for (int i = 0; i < WORKFLOW_SOURCE_DEPTH_MAX; i++) {
        buf_add_cstr(&path, i > 0 ? ".k" : "k");
    }
    json_t *git = parse("{commit: abc}");
    json_t *parameters = json_object();
    json_t *paths = json_pack("{s:o}", "commit", json_str(buf_slice(&path)));
    workflow_source_write(parameters, paths, git);
    assert_int_equal(json_depth(parameters), WORKFLOW_SOURCE_DEPTH_MAX);
    json_decref(parameters);
    json_decref(paths);
    buf_add_cstr(&path, ".k");
    parameters = json_object();
    paths = json_pack("{s:o}", "commit", json_str(buf_slice(&path)));
    workflow_source_write(parameters, paths, git);
    assert_int_equal(json_object_size(parameters), 0);
    json_decref(parameters);
    json_decref(paths);
    json_decref(git);
    buf_free(&path);
}

/* A schema may be nested deeper, and longer, than a component's source can say. */
static void test_limits(void **state)
{
    (void)state;
    json_t *schema = json_pack("{s:b}", MARK "url", true);
    for (int i = 0; i < WORKFLOW_SOURCE_DEPTH_MAX; i++) {
        schema = json_pack("{s:{s:o}}", "properties", "k", schema);
    }
    json_t *workflow = json_pack("{s:{s:{s:O}}}", "spec", "parameters", "openAPIV3Schema", schema);
    json_t *paths = workflow_source_paths(workflow);
    assert_int_equal(json_text_at(paths, "repository").len, 2 * WORKFLOW_SOURCE_DEPTH_MAX - 1);
    json_decref(paths);
    json_decref(workflow);
    schema = json_pack("{s:{s:o}}", "properties", "k", schema); /* one more */
    workflow = json_pack("{s:{s:{s:o}}}", "spec", "parameters", "openAPIV3Schema", schema);
    assert_null(workflow_source_paths(workflow));
    json_decref(workflow);

    char key[WORKFLOW_SOURCE_PATH_MAX + 2];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    workflow = json_pack("{s:{s:{s:{s:{s:{s:b}}}}}}", "spec", "parameters", "openAPIV3Schema",
                         "properties", key, MARK "url", true);
    assert_null(workflow_source_paths(workflow));
    json_decref(workflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_are_found),
        cmocka_unit_test(test_source_is_read),
        cmocka_unit_test(test_commit_is_written),
        cmocka_unit_test(test_what_is_in_the_way_stays),
        cmocka_unit_test(test_deep_paths_are_left_out),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
