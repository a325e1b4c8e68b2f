/* Completion without a server: commands, options, values, kinds and fields that are compiled in. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"

static char answer[65536];

/* The whole program's answer for a line; its last word is the unfinished one. */
static const char *complete(const char *line)
{
    char copy[256];
    char *argv[16] = {"choreo", "__complete", "--"};
    int argc = 3;
    char path[] = "/tmp/choreo-completion-XXXXXX";
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *word = copy; word != NULL;) {
        argv[argc++] = word;
        char *space = strchr(word, ' ');
        if (space != NULL) {
            *space++ = '\0';
        }
        word = space;
    }
    (void)fflush(stdout);
    int before = dup(STDOUT_FILENO);
    int file = mkstemp(path);
    assert_true(file >= 0 && dup2(file, STDOUT_FILENO) >= 0);
    int code = cli_main(argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    ssize_t got = pread(file, answer, sizeof answer - 1, 0);
    (void)close(before);
    (void)close(file);
    (void)unlink(path);
    assert_int_equal(code, 0);
    assert_true(got >= 0);
    answer[got] = '\0';
    return answer;
}

/* Each of the words, ended by NULL, is a candidate; `end` is the last line. */
static void offers(const char *line, const char *const *words, const char *end)
{
    const char *text = complete(line);
    print_message("%s\n", line);
    for (; *words != NULL; words++) {
        char wanted[128];
        (void)snprintf(wanted, sizeof wanted, "\n%s\t", *words);
        bool first = strncmp(text, wanted + 1, strlen(wanted) - 1) == 0;
        if (!first && strstr(text, wanted) == NULL) {
            fail_msg("\"%s\" is not in:\n%s", *words, text);
        }
    }
    struct slice all = slice_of(text);
    assert_true(slice_ends_with(all, slice_of(end)));
}
#define W(...) ((const char *const[]){__VA_ARGS__, NULL})

static void words(void **state)
{
    (void)state;
    offers("", W("get", "apply", "completion"), ":end\n");
    assert_null(strstr(complete(""), "__complete"));
    offers("context ", W("use", "set"), ":end\n");
    assert_string_equal(complete("vers"),
                        "version\tprint the versions of choreo and of the server\n"
                        ":end\n");
    assert_string_equal(complete("nonsense x"), ":end\n");
    offers("get -", W("--output", "--selector", "--namespace", "--help"), ":end\n");
    assert_null(strstr(complete("get --"), "--overwrite"));
    offers("promote web --", W("--to", "--release", "--reason", "--wait"), ":end\n");
    offers("history web -", W("--environment"), ":end\n");
    assert_string_equal(complete("promote web --to "), ":end\n"); /* no server, no environments */
}

static void values(void **state)
{
    (void)state;
    offers("get comp -o ", W("table", "jsonpath="), ":end\n");
    assert_string_equal(complete("get comp -o js"), "json\t\njsonpath=\t\n:end\n");
    assert_string_equal(complete("get comp --output=ya"), "--output=yaml\t\n:end\n");
    assert_string_equal(complete("apply -o na"), "name\t\n:end\n");
    assert_string_equal(complete("apply --dry-run=c"), "--dry-run=client\t\n:end\n");
    assert_string_equal(complete("delete cm x --cascade or"), "orphan\t\n:end\n");
    assert_string_equal(complete("patch cm x --type st"), "strategic\t\n:end\n");
    assert_string_equal(complete("completion b"), "bash\t\n:end\n");
    assert_string_equal(complete("apply -f "), ":files\n");
    assert_string_equal(complete("apply --filename=x"), ":files\n");
}

static void kinds_and_fields(void **state)
{
    (void)state;
    offers("get compo", W("components", "componenttypes"), ":end\n");
    offers("explain environme", W("environments"), ":open\n");
    offers("explain comp.spec.", W("comp.spec.endpoints", "comp.spec.image"), ":open\n");
    offers("explain comp.spec.endpoints.p", W("comp.spec.endpoints.port"), ":open\n");
    assert_string_equal(complete("explain comp.nothing.x"), ":open\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words), cmocka_unit_test(values),
                                       cmocka_unit_test(kinds_and_fields)};
    (void)setenv("CHOREO_CONFIG", "/nonexistent", 1); // NOLINT(concurrency-mt-unsafe)
    return cmocka_run_group_tests(tests, NULL, NULL);
}
