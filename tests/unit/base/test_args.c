/* Command lines: what is set, what is left, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/args.h"

struct values {
    bool quick;
    const char *dir;
    uint32_t nodes;
    uint64_t ttl_ms;
    struct args_list files;
    const char *dry_run;
    struct args_list rest;
    bool help;
    struct err err;
};

static int parse(struct values *v, const char *line)
{
    static char text[512];
    char *argv[32];
    int argc = 0;
    *v = (struct values){0};
    (void)strncpy(text, line, sizeof text - 1);
    for (char *at = text; *at != '\0';) {
        argv[argc++] = at;
        char *space = strchr(at, ' ');
        if (space == NULL) {
            break;
        }
        *space = '\0';
        at = space + 1;
    }
    argv[argc] = NULL;
    const struct args_option options[] = {
        {"quick", 0, ARGS_FLAG, &v->quick, 0, 0},
        {"dir", 'd', ARGS_STRING, &v->dir, 0, 0},
        {"nodes", 0, ARGS_COUNT, &v->nodes, 1, 5},
        {"ttl", 0, ARGS_DURATION, &v->ttl_ms, 0, 0},
        {"file", 'f', ARGS_LIST, &v->files, 0, 0},
        {"dry-run", 'x', ARGS_OPTIONAL, &v->dry_run, 0, 0},
    };
    return args_parse(argc, argv, options, 6, &v->rest, &v->help, &v->err);
}

static void options_set_their_variables(void **state)
{
    (void)state;
    struct values v;
    assert_int_equal(parse(&v, "p a --quick -d x --nodes=3 b --ttl 1h30m -f 1 --file 2 -- --c"), 0);
    assert_true(v.quick);
    assert_string_equal(v.dir, "x");
    assert_int_equal(v.nodes, 3);
    assert_int_equal(v.ttl_ms, 5400000);
    assert_int_equal(v.files.count, 2);
    assert_string_equal(v.files.items[1], "2");
    assert_int_equal(v.rest.count, 3);
    assert_string_equal(v.rest.items[2], "--c");
    assert_int_equal(parse(&v, "p --dry-run a -d=x -d =y"), 0);
    assert_string_equal(v.dry_run, ""); /* the word after it is no value */
    assert_string_equal(v.rest.items[0], "a");
    assert_string_equal(v.dir, "=y"); /* only a joined one loses its mark */
    assert_int_equal(parse(&v, "p --dry-run=client -d=x"), 0);
    assert_string_equal(v.dry_run, "client");
    assert_string_equal(v.dir, "x");
    assert_int_equal(parse(&v, "p --dir y --help"), 0);
    assert_true(v.help);
}

static void bad_lines_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"p --frob", "--frob: unknown option"},
        {"p --quik", "--quik: unknown option; did you mean --quick?"},
        {"p --dir", "--dir: wants a value"},
        {"p --nodes 6", "--nodes: must be"},
        {"p --nodes x", "--nodes: must be"},
        {"p --ttl 15", "--ttl: must be a dur"},
        {"p --ttl 1h1", "--ttl: must be a dur"},
        {"p --ttl 9x", "--ttl: must be a durati"},
        {"p -1", "-1: unknown option; what is none goes behind --"},
        {"p a -12+3", "-12+3: unknown option; what is none goes behind --"},
        {"p --quick -(1)", "-(1): unknown option; what is none"},
        {"p -qd x", "-qd: unknown option"},
        {"p -q", "-q: unknown option"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct values v;
        assert_int_equal(parse(&v, cases[i][0]), ERR_INVALID);
        if (strstr(v.err.message, cases[i][1]) != v.err.message) {
            fail_msg("%s: \"%s\"", cases[i][0], v.err.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_set_their_variables),
        cmocka_unit_test(bad_lines_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
