/* What all commands share, without a server: options, help, exit codes, words that name objects. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "tests/lib/capture.h"
#include "tests/lib/tmpdir.h"

enum { WORDS_MAX = 12 };

struct run {
    struct capture capture;
    int code;
};

/* Runs a command with these words, which end with NULL, and keeps what it says. */
static void run(struct run *r, int (*command)(int argc, char **argv), const char *const *words)
{
    char *argv[WORDS_MAX];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = mem_strdup(words[argc]);
    }
    argv[argc] = NULL;
    capture_start(&r->capture);
    r->code = command(argc, argv);
    capture_end(&r->capture);
    while (argc > 0) {
        free(argv[--argc]);
    }
}

static void expect(int (*command)(int argc, char **argv), const char *const *words, int code,
                   const char *out, const char *err)
{
    struct run r;
    run(&r, command, words);
    if (r.code != code || strstr(buf_cstr(&r.capture.out), out) == NULL ||
        strstr(buf_cstr(&r.capture.err), err) == NULL || (*err == '\0' && r.capture.err.len > 0)) {
        print_error("%s: exit %d\nstdout: %s\nstderr: %s\n", words[0], r.code,
                    buf_cstr(&r.capture.out), buf_cstr(&r.capture.err));
    }
    assert_int_equal(r.code, code);
    assert_non_null(strstr(buf_cstr(&r.capture.out), out));
    assert_non_null(strstr(buf_cstr(&r.capture.err), err));
    capture_free(&r.capture);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    struct tmpdir *t = mem_zero(sizeof *t);
    tmpdir_make(t);
    assert_int_equal(chdir(t->path), 0);
    assert_int_equal(setenv("HOME", t->path, 1), 0);
    assert_int_equal(unsetenv("CHOREO_CONFIG"), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct tmpdir *t = *state;
    assert_int_equal(chdir("/"), 0);
    tmpdir_remove(t);
    free(t);
    return 0;
}

static void help_goes_to_stdout_and_is_no_failure(void **state)
{
    (void)state;
    expect(command_apply, WORDS("apply", "--help"), 0, "usage: choreo apply", "");
    expect(command_get, WORDS("get", "-h"), 0, "usage: choreo get", "");
    expect(command_watch, WORDS("watch", "--help"), 0, "usage: choreo watch", "");
    expect(command_wait, WORDS("wait", "--help"), 0, "usage: choreo wait", "");
    expect(command_delete, WORDS("delete", "--help"), 0, "usage: choreo delete", "");
    expect(command_status, WORDS("status", "--help"), 0, "usage: choreo status", "");
    expect(command_cluster, WORDS("cluster", "--help"), 0, "usage: choreo cluster", "");
    expect(command_kubeconfig, WORDS("kubeconfig", "--help"), 0, "usage: choreo kubeconfig", "");
    expect(command_context, WORDS("context", "--help"), 0, "usage: choreo context", "");
    expect(command_version, WORDS("version", "--help"), 0, "usage: choreo version", "");
}

static void help_is_all_that_is_said(void **state)
{
    (void)state;
    struct run r;
    run(&r, command_version, WORDS("version", "--help"));
    assert_true(slice_starts_with(buf_slice(&r.capture.out), SLICE("usage:")));
    capture_free(&r.capture);
}

static void wrong_usage_is_exit_code_2(void **state)
{
    (void)state;
    expect(command_get, WORDS("get", "--nonsense"), 2, "", "choreo get: --nonsense");
    expect(command_get, WORDS("get", "-o", "xml", "components"), 2, "", "-o xml: must be table");
    expect(command_get, WORDS("get", "--timeout", "soon", "components"), 2, "",
           "--timeout: must be a duration");
    expect(command_get, WORDS("get", "--timeout", "0s", "components"), 2, "",
           "--timeout: must be from 1ms to 500h");
    expect(command_get, WORDS("get", "--timeout", "1200h", "components"), 2, "",
           "--timeout: must be from 1ms to 500h");
    expect(command_kubeconfig, WORDS("kubeconfig", "-n", "\xff"), 2, "", "argument 2 is not UTF-8");
    expect(command_version, WORDS("version", "--endpoint", "http://a:1"), 2, "",
           "--endpoint http://a:1: must be https://HOST:PORT");
    expect(command_context, WORDS("context", "us", "dev"), 2, "", "usage: choreo context");
}

static void no_cluster_is_exit_code_1_and_says_what_to_do(void **state)
{
    (void)state;
    expect(command_get, WORDS("get", "components"), 1, "", "`choreod dev`");
    expect(command_version, WORDS("version"), 1, "choreo " CHOREO_VERSION "\n", "`choreod dev`");
}

static void the_own_version_needs_no_cluster(void **state)
{
    (void)state;
    expect(command_version, WORDS("version", "--client"), 0, "choreo " CHOREO_VERSION "\n", "");
}

static void nobody_there_is_exit_code_1_within_the_time_limit(void **state)
{
    (void)state;
    expect(command_version,
           WORDS("version", "--endpoint", "https://127.0.0.1:1", "--timeout", "500ms"), 1, "",
           "127.0.0.1");
}

/* A current context that cannot be used does not stand in the way of another. */
static void contexts_are_chosen_without_a_cluster(void **state)
{
    struct tmpdir *t = *state;
    (void)tmpdir_write(t, "c.yaml",
                       SLICE("contexts:\n- name: a\n  clientKey: absent.key\n- name: b\n"
                             "  endpoints: [https://127.0.0.1:1]\n"));
    expect(command_context, WORDS("context", "--config", "c.yaml"), 0, "  a\n  b\n", "");
    expect(command_context, WORDS("context", "--config", "c.yaml", "use", "c"), 1, "",
           "no context named c");
    expect(command_context, WORDS("context", "--config", "c.yaml", "use", "a"), 0, "", "");
    expect(command_context, WORDS("context", "--config", "c.yaml", "use", "b"), 0, "", "");
    expect(command_context, WORDS("context", "--config", "c.yaml"), 0, "  a\n* b\n", "");
    expect(command_kubeconfig, WORDS("kubeconfig", "--config", "c.yaml", "-n", "acme"), 0,
           "namespace: acme", "");
}

static void exit_codes_follow_from_the_error(void **state)
{
    (void)state;
    static const struct {
        int error;
        int code;
    } cases[] = {{ERR_NOT_FOUND, 1},       {ERR_INVALID, 2},    {ERR_TIMEOUT, 3},
                 {ERR_FORBIDDEN, 4},       {ERR_CONFLICT, 5},   {ERR_EXISTS, 5},
                 {ERR_UNAUTHENTICATED, 4}, {ERR_UNAVAILABLE, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cli c = {.command = "get"};
        struct err err;
        struct capture said;
        (void)err_set(&err, cases[i].error, "no \x1b[2J such");
        capture_start(&said);
        int code = cli_end(&c, cases[i].error, &err);
        capture_end(&said);
        assert_int_equal(code, cases[i].code);
        assert_slice(buf_slice(&said.err), "choreo get: no ?[2J such\n");
        capture_free(&said);
    }
}

static void words_become_refs(void **state)
{
    (void)state;
    struct cli c = {0};
    Choreo__V1__Ref ref;
    cli_ref(&c, "component/web", "acme", &ref);
    assert_string_equal(ref.resource, "component");
    assert_string_equal(ref.name, "web");
    assert_string_equal(ref.namespace_, "acme");
    cli_ref(&c, "components.choreo.dev", "", &ref);
    assert_string_equal(ref.resource, "components.choreo.dev");
    assert_true(ref.name == NULL || *ref.name == '\0');
    cli_ref(&c, "component/a/b", "acme", &ref);
    assert_string_equal(ref.name, "a/b"); /* the server says what is wrong with it */
    arena_free(&c.arena);
}

static void an_answer_without_json_is_the_servers_fault(void **state)
{
    (void)state;
    struct err err;
    json_t *tree;
    Choreo__V1__Object object = CHOREO__V1__OBJECT__INIT;
    assert_err(cli_object(NULL, &tree, &err), &err, ERR_INTERNAL, "no JSON");
    assert_err(cli_object(&object, &tree, &err), &err, ERR_INTERNAL, "no JSON");
    assert_null(tree);
    object.form_case = CHOREO__V1__OBJECT__FORM_JSON;
    object.json = (ProtobufCBinaryData){7, (uint8_t *)(uintptr_t) "{\"a\":1}"};
    assert_ok(cli_object(&object, &tree, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(tree, "a")), 1);
    json_decref(tree);
}

static void assert_first(const char *const *words, const char *const *expected)
{
    char *argv[WORDS_MAX];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    cli_command_first(argc, argv);
    for (int i = 0; i < argc; i++) {
        assert_string_equal(argv[i], expected[i]);
    }
}

static void the_command_is_found_behind_options(void **state)
{
    (void)state;
    assert_first(WORDS("choreo", "-n", "web", "get", "components"),
                 WORDS("choreo", "get", "-n", "web", "components"));
    assert_first(WORDS("choreo", "--namespace=web", "-ojson", "get"),
                 WORDS("choreo", "get", "--namespace=web", "-ojson"));
    assert_first(WORDS("choreo", "--help"), WORDS("choreo", "--help"));
    assert_first(WORDS("choreo", "--help", "get"), WORDS("choreo", "get", "--help"));
    assert_first(WORDS("choreo", "get", "-n", "web"), WORDS("choreo", "get", "-n", "web"));
    assert_first(WORDS("choreo", "-n"), WORDS("choreo", "-n"));
    assert_first(WORDS("choreo"), WORDS("choreo"));
}

int main(void)
{
#define COMMAND_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        COMMAND_TEST(help_goes_to_stdout_and_is_no_failure),
        COMMAND_TEST(help_is_all_that_is_said),
        COMMAND_TEST(wrong_usage_is_exit_code_2),
        COMMAND_TEST(no_cluster_is_exit_code_1_and_says_what_to_do),
        COMMAND_TEST(the_own_version_needs_no_cluster),
        COMMAND_TEST(nobody_there_is_exit_code_1_within_the_time_limit),
        COMMAND_TEST(contexts_are_chosen_without_a_cluster),
        cmocka_unit_test(exit_codes_follow_from_the_error),
        cmocka_unit_test(words_become_refs),
        cmocka_unit_test(an_answer_without_json_is_the_servers_fault),
        cmocka_unit_test(the_command_is_found_behind_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
