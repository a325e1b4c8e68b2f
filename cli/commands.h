/* commands.h: choreo's commands and what they share; main.c lists them.
 *
 * Data goes to stdout, progress and errors to stderr. Each command returns the process's exit code.
 * Thread: main's. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "base/args.h"
#include "cli/client.h"
#include "proto/choreo/v1/services.pb-c.h"

enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };

/* One run of a command: its options, then its connection. */
struct cli {
    const char *command;
    /* options that every command has */
    const char *config;
    const char *context;
    const char *endpoint;
    const char *ns;
    const char *output_name;
    uint64_t timeout_ms;
    /* what follows from them */
    enum output output;
    struct args_list args;
    struct settings settings;
    struct client client;
    struct arena arena;
    bool connected;
};

/* "choreo -n web get components" is "choreo get -n web components": moves the command to the front.
 * The options before it are common ones: all take a value. */
void cli_command_first(int argc, char **argv);
/* Parses the common options and the command's own, prints help, connects unless offline. False: the
 * command is over, with *exit_code. */
bool cli_begin(struct cli *c, int argc, char **argv, const struct args_option *options,
               size_t count, const char *help, bool offline, int *exit_code);
/* For a command that began offline. Errors: settings_load()'s, ERR_INVALID (credentials). */
int cli_connect(struct cli *c, struct err *err);
/* Releases everything; rc 0, or prints err and gives its exit code. */
int cli_end(struct cli *c, int rc, const struct err *err);

/* "components", "component/web", "comp": a Ref of the server's by words; the name part, if any,
 * goes to ref->name. The server resolves what the words mean. */
void cli_ref(struct cli *c, const char *words, const char *ns, Choreo__V1__Ref *ref);
/* An Object's JSON as a tree (new). Errors: ERR_INTERNAL. */
int cli_object(const Choreo__V1__Object *object, json_t **tree, struct err *err);

int command_apply(int argc, char **argv);
int command_get(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_delete(int argc, char **argv);
int command_wait(int argc, char **argv);
int command_status(int argc, char **argv);
int command_cluster(int argc, char **argv);
int command_kubeconfig(int argc, char **argv);
int command_context(int argc, char **argv);
int command_version(int argc, char **argv);

#endif
