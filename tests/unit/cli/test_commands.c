/* The command table: what it says of itself is whole, and command lines mean what they should. */
#include "tests/lib/test.h"

#include "cli/commands.h"

static void each_leaf(void (*check)(const struct command *parent, const struct command *command))
{
    size_t count;
    const struct command *const *list = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        if (list[i]->subcommands == NULL) {
            check(NULL, list[i]);
        }
        for (size_t s = 0; list[i]->subcommands != NULL && list[i]->subcommands[s] != NULL; s++) {
            check(list[i], list[i]->subcommands[s]);
        }
    }
}

static void check_whole(const struct command *parent, const struct command *command)
{
    print_message("%s %s\n", parent != NULL ? parent->name : "", command->name);
    assert_non_null(command->run);
    assert_true(strlen(command->summary) > 0 && strlen(command->summary) <= 62);
    assert_non_null(command->usage);
    assert_true(command->hidden || command->examples != NULL);
    assert_int_equal(command->options[COMMAND_OPTIONS_MAX - 1], 0);
    for (size_t i = 0; command->options[i] != 0; i++) {
        assert_true(command->options[i] > OPTION_COMMON_LAST && command->options[i] < OPTION_COUNT);
        assert_int_not_equal(command->options[i], OPTION_output); /* forms say it */
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(command->options[i], command->options[j]);
        }
    }
}

static void every_command_is_whole(void **state)
{
    (void)state;
    each_leaf(check_whole);
}

/* Two options of one command may not have the same letter. */
static void check_letters(const struct command *parent, const struct command *command)
{
    char seen[OPTION_COUNT + 1] = "h";
    (void)parent;
    for (int id = 1; id < OPTION_COUNT; id++) {
        const struct option_info *o = &option_infos[id];
        bool has = id <= OPTION_COMMON_LAST || (id == OPTION_output && command->forms != 0) ||
                   memchr(command->options, id, COMMAND_OPTIONS_MAX) != NULL;
        if (has && o->letter != 0) {
            assert_null(strchr(seen, o->letter));
            seen[strlen(seen)] = o->letter;
        }
    }
}

static void letters_are_unique(void **state)
{
    (void)state;
    each_leaf(check_letters);
}

static void found_by_words(void **state)
{
    const struct command *parent;
    int used;
    (void)state;
    assert_ptr_equal(cli_find(&parent, 2, (char *[]){"get", "x"}, &used), &command_get);
    assert_int_equal(used, 1);
    assert_null(parent);
    const struct command *use = cli_find(&parent, 3, (char *[]){"context", "use", "x"}, &used);
    assert_string_equal(use->name, "use");
    assert_int_equal(used, 2);
    assert_ptr_equal(parent, &command_context);
    assert_null(cli_find(&parent, 1, (char *[]){"context"}, &used));
    assert_ptr_equal(parent, &command_context);
    assert_int_equal(used, 1);
    assert_null(cli_find(&parent, 1, (char *[]){"nothing"}, &used));
    assert_null(parent);
}

static void parsed(void **state)
{
    struct cli c = {.command = &command_get};
    struct err err = {0};
    bool help = false;
    (void)state;
    char *line[] = {"get",       "comp", "-Al", "a=b",  "-n=ns", "--endpoint",
                    "https://a", "web",  "-o",  "name", NULL};
    assert_ok(cli_parse(&c, 10, line, &help, &err), &err);
    assert_false(help);
    assert_true(c.options.all_namespaces);
    assert_string_equal(c.options.selector, "a=b");
    assert_string_equal(c.ns, "ns");
    assert_int_equal(c.options.endpoint.count, 1);
    assert_int_equal(c.args.count, 2);
    assert_string_equal(c.args.items[1], "web");
    assert_int_equal(c.output.form, OUTPUT_NAME);
    assert_null(c.options.field_manager); /* which depends on what is written */
    cli_free(&c);

    static const char *const bad[][2] = {
        {"--overwrite", "unknown option"}, /* label's, not get's */
        {"-oxml", "-o xml: must be one of"},  {"--timeout=soon", "must be a duration"},
        {"--timeout=0s", "from 1ms to 500h"}, {"--timeout=501h", "from 1ms to 500h"},
        {"\xff", "argument 1 is not UTF-8"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cli other = {.command = &command_get};
        char *words[] = {"get", (char *)(uintptr_t)bad[i][0], NULL};
        assert_err(cli_parse(&other, 2, words, &help, &err), &err, ERR_INVALID, bad[i][1]);
        cli_free(&other);
    }
}

static void forms(void **state)
{
    struct output o;
    struct err err = {0};
    struct buf names = {0};
    (void)state;
    assert_ok(output_parse(&o, NULL, 0, &err), &err);
    assert_int_equal(o.form, OUTPUT_TABLE);
    assert_ok(output_parse(&o, "jsonpath={.a}", OUTPUT_ALL, &err), &err);
    assert_int_equal(o.form, OUTPUT_JSONPATH);
    output_free(&o);
    assert_err(output_parse(&o, "wide", OUTPUT_TREES, &err), &err, ERR_INVALID,
               "must be one of json, yaml, jsonpath=...");
    assert_err(output_parse(&o, "jsonpath={", OUTPUT_ALL, &err), &err, ERR_INVALID, "brace");
    assert_err(output_parse(&o, "jsonpath-file=/nonexistent", OUTPUT_ALL, &err), &err,
               ERR_NOT_FOUND, "/nonexistent");
    output_names(1 << OUTPUT_WIDE | 1 << OUTPUT_COLUMNS, &names);
    assert_string_equal(buf_cstr(&names), "wide, custom-columns=...");
    buf_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_whole), cmocka_unit_test(letters_are_unique),
        cmocka_unit_test(found_by_words), cmocka_unit_test(parsed), cmocka_unit_test(forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
