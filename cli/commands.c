/* commands.c: finds the command, parses its options, runs it, has the last word. */
#include "cli/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

enum { TIMEOUT_MS = 30 * 1000, TIMEOUT_MAX_MS = 500 * 3600 * 1000 };

const struct option_info option_infos[OPTION_COUNT] = {
#define OPTION(id, name, letter, type, value, complete, help)                                      \
    [OPTION_##id] = {name,                                                                         \
                     letter,                                                                       \
                     ARGS_##type,                                                                  \
                     value,                                                                        \
                     COMPLETE_##complete,                                                          \
                     help,                                                                         \
                     offsetof(struct options, id)},
#include "cli/options.def"
#undef OPTION
};

const struct command *const *cli_commands(size_t *count)
{
    static const struct command *const commands[] = {
#define GROUP(title)
#define COMMAND(id) &command_##id,
#include "cli/commands.def"
#include "cli/print.h"
#undef COMMAND
#undef GROUP
    };
    *count = sizeof commands / sizeof commands[0];
    return commands;
}

static const struct command *find_in(const struct command *const *list, size_t count,
                                     const char *name)
{
    for (size_t i = 0; i < count && list[i] != NULL; i++) {
        if (strcmp(list[i]->name, name) == 0) {
            return list[i];
        }
    }
    return NULL;
}

const struct command *cli_find(const struct command **parent, int count, char **words, int *used)
{
    size_t all;
    const struct command *const *list = cli_commands(&all);
    const struct command *command = count > 0 ? find_in(list, all, words[0]) : NULL;
    *parent = NULL;
    *used = command != NULL ? 1 : 0;
    if (command != NULL && command->subcommands != NULL) {
        *parent = command;
        command = count > 1 ? find_in(command->subcommands, SIZE_MAX, words[1]) : NULL;
        *used += command != NULL ? 1 : 0;
    }
    return command;
}

/* ---- options ---- */

static size_t gather(struct cli *c, struct args_option all[ARGS_OPTIONS_MAX])
{
    size_t count = 0;
    for (int id = 1; id < OPTION_COUNT; id++) {
        const uint8_t *own = c->command->options;
        if (id > OPTION_COMMON_LAST && memchr(own, id, COMMAND_OPTIONS_MAX) == NULL &&
            (id != OPTION_output || c->command->forms == 0)) {
            continue;
        }
        const struct option_info *info = &option_infos[id];
        all[count++] = (struct args_option){
            info->name, info->letter, info->type, (char *)&c->options + info->offset, 0, 0};
    }
    return count;
}

/* What every option and argument must be. */
static int check_words(const struct cli *c, int argc, char **argv, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        struct slice word = slice_of(argv[i]);
        if (slice_utf8(word) != word.len) {
            return err_set(err, ERR_INVALID, "argument %d is not UTF-8", i);
        }
    }
    uint64_t timeout_ms = c->options.timeout_ms;
    return timeout_ms > 0 && timeout_ms <= TIMEOUT_MAX_MS
               ? 0
               : err_set(err, ERR_INVALID, "--timeout: must be from 1ms to 500h");
}

int cli_parse(struct cli *c, int argc, char **argv, bool *help, struct err *err)
{
    struct args_option all[ARGS_OPTIONS_MAX];
    size_t count = gather(c, all);
    c->options.timeout_ms = TIMEOUT_MS;
    int rc = args_parse(argc, argv, all, count, &c->args, help, err);
    rc = rc != 0 || *help ? rc : check_words(c, argc, argv, err);
    if (rc == 0 && !*help) {
        rc = output_parse(&c->output, c->options.output, c->command->forms, err);
        c->ns = c->options.ns;
    }
    return rc;
}

/* ---- the connection ---- */

int cli_load(struct cli *c, struct err *err)
{
    const struct options *o = &c->options;
    int rc = c->loaded ? 0 : settings_load(&c->settings, o->config, o->context, &o->endpoint, err);
    if (rc == 0) {
        c->loaded = true;
        c->ns = o->ns != NULL ? o->ns : c->settings.ns;
    }
    return rc;
}

int cli_connect(struct cli *c, struct err *err)
{
    int rc = cli_load(c, err);
    if (rc == 0 && !c->connected) {
        rc = client_open(&c->client, &c->settings, (uint32_t)c->options.timeout_ms, err);
        c->connected = rc == 0;
    }
    return rc;
}

/* ---- the program ---- */

void cli_free(struct cli *c)
{
    if (c->connected) {
        client_close(&c->client);
    }
    if (c->loaded) {
        settings_free(&c->settings);
    }
    output_free(&c->output);
    arena_free(&c->arena);
}

static int finish(struct cli *c, int rc, const struct err *err)
{
    cli_free(c);
    if (fflush(stdout) != 0 && rc == 0) {
        print_err("choreo: standard output was closed\n");
        return 1;
    }
    if (rc == 0) {
        return c->exit_code;
    }
    print_err("choreo %s%s%s: %s\n", c->parent != NULL ? c->parent->name : "",
              c->parent != NULL ? " " : "", c->command->name, err->message);
    return c->command->failure_exit != 0 ? c->command->failure_exit : err_exit_code(rc);
}

static int run(struct cli *c, int argc, char **argv)
{
    struct err err = {0};
    bool help = false;
    int rc = cli_parse(c, argc, argv, &help, &err);
    if (help) {
        help_command(stdout, c->parent, c->command);
        return finish(c, 0, NULL);
    }
    rc = rc != 0 || c->command->offline ? rc : cli_connect(c, &err);
    if (rc == 0 && c->ns == NULL) {
        c->ns = "default"; /* offline, and none was given */
    }
    rc = rc != 0 ? rc : c->command->run(c, &err);
    return finish(c, rc, &err);
}

/* Puts the `count` words behind the first `skip` before them. */
static void rotate(char **words, int skip, int count)
{
    for (int i = 0; i < count; i++) {
        char *word = words[skip + i];
        memmove(words + i + 1, words + i, (size_t)skip * sizeof *words);
        words[i] = word;
    }
}

/* "choreo -n web cluster status" is "choreo cluster status -n web": moves the command's one or two
 * words to the front. All common options take a value. */
static void command_first(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        bool help = strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0;
        bool joined = strchr(argv[at], '=') != NULL || (argv[at][1] != '-' && argv[at][2] != '\0');
        at += help || joined ? 1 : 2;
    }
    const struct command *parent;
    int used = 0;
    if (at > 1 && at < argc) {
        (void)cli_find(&parent, argc - at, argv + at, &used);
        used = used > 0 ? used : 1;
        rotate(argv + 1, at - 1, used);
    }
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* Says which command was meant, or where they are listed. */
static void tell_meant(const struct command *parent, const char *word)
{
    size_t count;
    const struct command *const *all = cli_commands(&count);
    const char *of = parent != NULL ? parent->name : "";
    const char *blank = parent != NULL ? " " : "";
    if (parent != NULL) {
        all = parent->subcommands;
        for (count = 0; all[count] != NULL; count++) {
        }
    }
    print_err("choreo: no command \"%s%s%s\"", of, blank, word);
    for (size_t i = 0; i < count; i++) {
        if (!all[i]->hidden && suggest_close(slice_of(all[i]->name), slice_of(word))) {
            print_err("; did you mean %s%s%s?\n", of, blank, all[i]->name);
            return;
        }
    }
    print_err("; choreo %s%s--help lists them\n", of, blank);
}

/* No such command, or none was given. */
static int not_found(const struct command *parent, int argc, char **argv)
{
    const char *word = parent != NULL ? argv[2] : argv[1];
    if (word == NULL || is_help(word)) {
        FILE *to = word != NULL ? stdout : stderr;
        if (parent != NULL) {
            help_command(to, NULL, parent);
        } else {
            help_program(to);
        }
        return word != NULL ? 0 : 2;
    }
    (void)argc;
    tell_meant(parent, word);
    return 2;
}

int cli_main(int argc, char **argv)
{
    struct cli c = {0};
    int used = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    command_first(argc, argv);
    if (argc > 2 && strcmp(argv[1], "help") == 0) { /* "choreo help get" is "choreo get --help" */
        argv[1] = "--help";
        c.command = cli_find(&c.parent, argc - 2, argv + 2, &used);
        if (c.command != NULL || c.parent != NULL) {
            help_command(stdout, c.command != NULL ? c.parent : NULL,
                         c.command != NULL ? c.command : c.parent);
            return 0;
        }
        return not_found(NULL, argc - 1, argv + 1);
    }
    c.command = cli_find(&c.parent, argc - 1, argv + 1, &used);
    if (c.command == NULL) {
        return not_found(c.parent, argc, argv);
    }
    return run(&c, argc - used, argv + used);
}
