/* The run that builds a component: its name, source and workflow. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "proto/object.h"
#include "proto/workflow_run.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static json_t *parse(const char *yaml)
{
    json_t *tree = NULL;
    struct err err;
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static struct slice at(const json_t *run, const char *a, const char *b, const char *c)
{
    return json_text(json_at(run, "spec", a, b, c, NULL));
}

static void test_of_a_commit(void **state)
{
    (void)state;
    json_t *component =
        parse("metadata: {name: web, namespace: acme, uid: u1}\n"
              "spec: {source: {git: {repository: git.example.com/web, branch: main, path: ./src/}, "
              "path: web}, build: {dockerfile: {path: Containerfile}}}\n");
    const struct workflow_run_request r = {.component = component,
                                           .project_name = SLICE("shop"),
                                           .commit = SLICE(COMMIT),
                                           .triggered_by = SLICE("push")};
    json_t *run = workflow_run_of(&r);
    assert_true(slice_eq_cstr(object_name(run), "web-build-0123456789ab"));
    assert_true(slice_eq_cstr(object_ns(run), "acme"));
    assert_true(slice_eq_cstr(at(run, "source", "git", "commit"), COMMIT));
    assert_true(slice_eq_cstr(at(run, "source", "git", "branch"), "main"));
    assert_true(slice_eq_cstr(at(run, "source", "git", "path"), "src/web"));
    assert_true(slice_eq_cstr(at(run, "owner", "projectName", NULL), "shop"));
    assert_true(slice_eq_cstr(at(run, "workflow", "name", NULL), "dockerfile-builder"));
    assert_true(slice_eq_cstr(
        json_text(json_at(run, "spec", "workflow", "parameters", "docker", "filePath", NULL)),
        "Containerfile"));
    assert_true(slice_eq_cstr(json_text(json_at(run, "spec", "triggeredBy", NULL)), "push"));
    assert_int_equal(json_array_size(json_at(run, "metadata", "ownerReferences", NULL)), 1);
    json_decref(run);
    json_decref(component);
}

static void test_source_of_the_project(void **state)
{
    (void)state;
    json_t *component = parse("metadata: {name: user, namespace: acme}\n"
                              "spec: {runtime: go, source: {path: ./services/user}, build: {env: "
                              "[{name: A, value: b}, {name: S, valueFrom: {}}]}}\n");
    json_t *project =
        parse("spec: {source: {git: {repository: git.example.com/mono, tag: v1}, path: src}}\n");
    const struct workflow_run_request r = {
        .component = component, .project = project, .branch = SLICE("fix")};
    json_t *run = workflow_run_of(&r);
    assert_true(slice_eq_cstr(at(run, "source", "git", "repository"), "git.example.com/mono"));
    assert_true(slice_eq_cstr(at(run, "source", "git", "path"), "src/services/user"));
    assert_true(slice_eq_cstr(at(run, "source", "git", "branch"), "fix"));
    assert_null(json_at(run, "spec", "source", "git", "tag", NULL));
    assert_true(slice_eq_cstr(at(run, "workflow", "name", NULL), "buildpacks-builder"));
    const json_t *env = json_at(run, "spec", "workflow", "parameters", "buildEnv", NULL);
    assert_int_equal(json_array_size(env), 2);
    assert_true(slice_eq_cstr(json_text_at(json_array_get(env, 0), "name"), "A"));
    assert_true(slice_eq_cstr(json_text_at(json_array_get(env, 1), "name"), "GOOGLE_RUNTIME"));
    assert_true(slice_eq_cstr(json_text_at(json_array_get(env, 1), "value"), "go"));
    assert_int_equal(object_name(run).len, strlen("user-build-") + 12);
    assert_null(json_at(run, "metadata", "ownerReferences", NULL));
    json_decref(run);
    json_decref(component);
    json_decref(project);
}

static json_t *target_env(const char *spec)
{
    json_t *component = parse(spec);
    json_t *target = workflow_run_target(component);
    json_t *env = json_incref(json_at(target, "parameters", "buildEnv", NULL));
    json_decref(target);
    json_decref(component);
    return env;
}

/* Buildpacks alone are told it, and what the build's own environment says stands. */
static void test_runtime_is_told(void **state)
{
    (void)state;
    assert_null(target_env("spec: {runtime: go, build: {dockerfile: {path: D}}}\n"));
    assert_null(target_env("spec: {build: {buildpacks: true}}\n"));
    json_t *env = target_env("spec: {runtime: java, build: {env: [{name: GOOGLE_RUNTIME, value: "
                             "go}]}}\n");
    assert_int_equal(json_array_size(env), 1);
    assert_true(slice_eq_cstr(json_text_at(json_array_get(env, 0), "value"), "go"));
    json_decref(env);
}

static void test_no_source(void **state)
{
    (void)state;
    json_t *component = parse("metadata: {name: web}\nspec: {source: {path: ./web}}\n");
    const struct workflow_run_request r = {.component = component};
    assert_null(workflow_run_of(&r));
    json_decref(component);
}

static void test_workflow_of_its_own(void **state)
{
    (void)state;
    json_t *component =
        parse("metadata: {name: web}\nspec: {build: {buildpacks: true}, workflow: {kind: Workflow, "
              "name: mine, parameters: {a: 1}}}\n");
    json_t *target = workflow_run_target(component);
    assert_true(json_equal(target, json_at(component, "spec", "workflow", NULL)));
    json_decref(target);
    json_decref(component);
}

static void test_long_names_differ(void **state)
{
    (void)state;
    json_t *a = parse("metadata: {name: "
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1}\n"
                      "spec: {source: {git: {repository: r}}}\n");
    json_t *b = parse("metadata: {name: "
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2}\n"
                      "spec: {source: {git: {repository: r}}}\n");
    struct workflow_run_request r = {.component = a, .commit = SLICE(COMMIT), .suffix = SLICE("2")};
    json_t *first = workflow_run_of(&r);
    r.component = b;
    json_t *second = workflow_run_of(&r);
    assert_int_equal(object_name(first).len, 63);
    assert_int_equal(object_name(second).len, 63);
    assert_false(slice_eq(object_name(first), object_name(second)));
    assert_true(slice_ends_with(object_name(first), SLICE("-build-0123456789ab-2")));
    json_decref(first);
    json_decref(second);
    json_decref(a);
    json_decref(b);
}

/* A component that OpenChoreo's workflow builds: its run, with the commit in its parameters. */
static void test_of_openchoreo(void **state)
{
    (void)state;
    json_t *component = parse(
        "metadata:\n"
        "  {name: web, namespace: acme, uid: u1, ownerReferences: [{kind: Component, uid: u2}]}\n"
        "spec:\n"
        "  source: {git: {repository: git.example.com/web, branch: main}}\n"
        "  workflow:\n"
        "    {group: openchoreo.dev, kind: Workflow, name: docker, parameters: {url: "
        "git.example.com/web}, sourceParameters: {repository: url, branch: at.branch, commit: "
        "at.commit}}\n");
    const struct workflow_run_request r = {.component = component,
                                           .project_name = SLICE("shop"),
                                           .branch = SLICE("fix"),
                                           .commit = SLICE(COMMIT),
                                           .triggered_by = SLICE("push")};
    json_t *run = workflow_run_of(&r);
    json_t *expected = parse("workflow: {kind: Workflow, name: docker, parameters: {url: "
                             "git.example.com/web, at: {branch: fix, commit: " COMMIT "}}}");
    assert_true(workflow_run_is_openchoreo(run));
    assert_true(slice_eq_cstr(object_name(run), "web-build-0123456789ab"));
    assert_true(json_equal(json_object_get(run, "spec"), expected));
    assert_true(slice_eq_cstr(object_label(run, "openchoreo.dev/project"), "shop"));
    assert_true(slice_eq_cstr(workflow_run_component(run), "web"));
    assert_true(slice_eq_cstr(object_annotation(run, WORKFLOW_RUN_TRIGGER), "push"));
    /* It goes with the component of OpenChoreo's, and not with its counterpart. */
    const json_t *owners = json_at(run, "metadata", "ownerReferences", NULL);
    assert_int_equal(json_array_size(owners), 1);
    assert_true(slice_eq_cstr(json_text_at(json_array_get(owners, 0), "uid"), "u2"));
    json_decref(expected);
    json_decref(run);
    json_decref(component);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_a_commit),       cmocka_unit_test(test_source_of_the_project),
        cmocka_unit_test(test_runtime_is_told),   cmocka_unit_test(test_workflow_of_its_own),
        cmocka_unit_test(test_no_source),         cmocka_unit_test(test_workflow_of_its_own),
        cmocka_unit_test(test_long_names_differ), cmocka_unit_test(test_of_openchoreo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
