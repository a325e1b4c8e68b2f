/* help.c: help texts, from what commands and options say of themselves, for 80 columns. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

enum { WIDTH = 80, MARGIN = 30 };

/* Words from column `at` on, wrapped to `margin`. */
static void wrap(FILE *to, struct slice text, size_t at, size_t margin)
{
    struct slice word;
    bool first = true;
    while (slice_split(&text, ' ', &word)) {
        if (!first && at + 1 + word.len > WIDTH) {
            (void)fprintf(to, "\n%*s", (int)margin, "");
            at = margin;
            first = true;
        }
        (void)fprintf(to, "%s%.*s", first ? "" : " ", SLICE_ARG(word));
        at += word.len + (first ? 0 : 1);
        first = false;
    }
    (void)fputc('\n', to);
}

static void print_option(FILE *to, const struct command *command, int id)
{
    const struct option_info *o = &option_infos[id];
    struct buf left = {0};
    struct buf help = {0};
    bool optional = o->type == ARGS_OPTIONAL;
    if (o->letter != 0) {
        buf_addf(&left, "  -%c, --%s", o->letter, o->name);
    } else {
        buf_addf(&left, "  --%s", o->name);
    }
    if (o->value != NULL) {
        buf_addf(&left, "%s%s%s", optional ? "[=" : " ", o->value, optional ? "]" : "");
    }
    if (id == OPTION_output) {
        output_names(command->forms, &help);
    } else {
        buf_add_cstr(&help, o->help);
    }
    bool fits = left.len + 2 <= MARGIN;
    (void)fprintf(to, "%s%*s", buf_cstr(&left), fits ? (int)(MARGIN - left.len) : 1,
                  fits ? "" : "\n");
    if (!fits) {
        (void)fprintf(to, "%*s", MARGIN, "");
    }
    wrap(to, buf_slice(&help), MARGIN, MARGIN);
    buf_free(&left);
    buf_free(&help);
}

/* Each line behind the command's name. */
static void print_usage(FILE *to, const struct command *parent, const struct command *command)
{
    struct slice lines = slice_of(command->usage);
    struct slice line;
    const char *lead = "usage:";
    do {
        line = (struct slice){0};
        (void)slice_split(&lines, '\n', &line);
        (void)fprintf(to, "%-6s choreo %s%s%s%s%.*s\n", lead, parent != NULL ? parent->name : "",
                      parent != NULL ? " " : "", command->name, line.len > 0 ? " " : "",
                      SLICE_ARG(line));
        lead = "";
    } while (lines.len > 0);
}

static void print_list(FILE *to, const struct command *const *commands)
{
    (void)fputc('\n', to);
    for (; *commands != NULL; commands++) {
        (void)fprintf(to, "  %-14s %s\n", (*commands)->name, (*commands)->summary);
    }
}

void help_command(FILE *to, const struct command *parent, const struct command *command)
{
    print_usage(to, parent, command);
    (void)fprintf(to, "\n%s\n", command->about != NULL ? command->about : command->summary);
    if (command->subcommands != NULL) {
        print_list(to, command->subcommands);
        return;
    }
    if (command->examples != NULL) {
        (void)fprintf(to, "\nExamples:\n%s\n", command->examples);
    }
    if (command->options[0] != 0 || command->forms != 0) {
        (void)fputs("\nOptions:\n", to);
    }
    for (int id = OPTION_COMMON_LAST + 1; id < OPTION_COUNT; id++) {
        if ((id == OPTION_output && command->forms != 0) ||
            memchr(command->options, id, COMMAND_OPTIONS_MAX) != NULL) {
            print_option(to, command, id);
        }
    }
    (void)fputs("\nOptions of every command:\n", to);
    for (int id = 1; id <= OPTION_COMMON_LAST; id++) {
        print_option(to, command, id);
    }
}

static void print_line(FILE *to, const struct command *command)
{
    if (!command->hidden) {
        (void)fprintf(to, "  %-14s  %s\n", command->name, command->summary);
    }
}

void help_program(FILE *to)
{
    (void)fputs("choreo talks to a choreod cluster, by any of its nodes.\n\n"
                "usage: choreo COMMAND [OPTION...]      choreo COMMAND --help tells more\n",
                to);
#define GROUP(title) (void)fputs("\n" title ":\n", to);
#define COMMAND(id) print_line(to, &command_##id);
#include "cli/commands.def"
#undef COMMAND
#undef GROUP
    (void)fputs(
        "\nData goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1 failed,\n"
        "2 wrong usage, 3 timed out, 4 not allowed, 5 conflict.\n",
        to);
}
