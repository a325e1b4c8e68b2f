/* commands.h: what a command of choreo is, and one run of it.
 *
 * A struct command says everything about itself; parsing, --help and completion follow from it.
 * commands.def lists the commands, options.def their options. Data goes to stdout, progress and
 * errors to stderr. Thread: main's. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdio.h>

#include "base/args.h"
#include "cli/client.h"
#include "cli/output.h"

/* What a word of a command line can be. */
enum complete {
    COMPLETE_NOTHING,
    COMPLETE_FILE,
    COMPLETE_KIND,      /* of objects, one word */
    COMPLETE_OBJECTS,   /* KIND, then names of that kind; or KIND/NAME */
    COMPLETE_COMPONENT, /* a name */
    COMPLETE_ENVIRONMENT,
    COMPLETE_RELEASE, /* of the component that stands before it */
    COMPLETE_CONTEXT,
    COMPLETE_NAMESPACE,
    COMPLETE_NODE,
    COMPLETE_FIELD, /* KIND.field.field */
    COMPLETE_FORM,  /* those of the command */
    COMPLETE_DRY_RUN,
    COMPLETE_PATCH_TYPE,
    COMPLETE_SUBRESOURCE,
    COMPLETE_CASCADE,
    COMPLETE_SHELL,
};

enum option_id {
    OPTION_END,
#define OPTION(id, name, letter, type, value, complete, help) OPTION_##id,
#include "cli/options.def"
#undef OPTION
    OPTION_COUNT,
    OPTION_COMMON_LAST = OPTION_timeout_ms, /* every command has the options up to this one */
};

struct option_info {
    const char *name;
    char letter;
    enum args_type type;
    const char *value; /* in help; NULL: a flag */
    enum complete complete;
    const char *help;
    size_t offset; /* in struct options */
};
extern const struct option_info option_infos[OPTION_COUNT];

/* The options' values, a field each. */
typedef bool option_FLAG;
typedef const char *option_STRING;
typedef const char *option_OPTIONAL;
typedef uint64_t option_DURATION;
typedef struct args_list option_LIST;
struct options {
#define OPTION(id, name, letter, type, value, complete, help) option_##type id;
#include "cli/options.def"
#undef OPTION
};

struct cli;

enum { COMMAND_OPTIONS_MAX = 16, COMMANDS_MAX = 32 };

struct command {
    const char *name;
    const char *summary;  /* a line of the list */
    const char *usage;    /* what follows "choreo NAME"; alternatives on lines of their own */
    const char *about;    /* paragraphs, or NULL */
    const char *examples; /* "comment" and command lines, or NULL */
    uint8_t options[COMMAND_OPTIONS_MAX]; /* enum option_id; its own, ended by 0 */
    uint32_t forms;                       /* 1 << enum output_form: those that -o takes */
    enum complete args;
    bool offline;     /* talks to no server, or asks for the connection itself: cli_connect() */
    bool hidden;      /* neither in help nor completed */
    int failure_exit; /* of every failure; 0: by its code (err.def) */
    const struct command *const *subcommands; /* NULL-terminated, or NULL: then run */
    /* Returns 0 or an error's code, with err; cli->exit_code may say more than 0. */
    int (*run)(struct cli *cli, struct err *err);
};

#define GROUP(title)
#define COMMAND(id) extern const struct command command_##id;
#include "cli/commands.def"
#undef COMMAND
#undef GROUP

/* One run of a command. */
struct cli {
    const struct command *parent; /* of a subcommand, or NULL */
    const struct command *command;
    struct options options;
    struct args_list args;
    struct output output;
    const char *ns; /* the one in force */
    int exit_code;  /* of a run that did not fail */
    struct settings settings;
    struct client client;
    struct arena arena;
    bool loaded;    /* settings are */
    bool connected; /* client is */
};

/* The whole program: its exit code. */
int cli_main(int argc, char **argv);
/* commands.def as a list. */
const struct command *const *cli_commands(size_t *count);
/* The command that words name; *used of them. NULL: there is none (or a subcommand is missing:
 * then *parent is set). */
const struct command *cli_find(const struct command **parent, int count, char **words, int *used);
/* Parses argv (argv[0] is the command's name). False: --help was asked for. Errors: ERR_INVALID. */
int cli_parse(struct cli *c, int argc, char **argv, bool *help, struct err *err);

/* Reads the contexts; connects. What a command that is not `offline` has when it runs.
 * Errors: settings_load()'s, client_open()'s. */
int cli_load(struct cli *c, struct err *err);
int cli_connect(struct cli *c, struct err *err);
/* Releases everything. */
void cli_free(struct cli *c);

/* help.c: `choreo --help` and `choreo COMMAND --help`. */
void help_program(FILE *to);
void help_command(FILE *to, const struct command *parent, const struct command *command);

#endif
