/* commands.h: choreod's commands; main.c lists them.
 *
 * Each gets its own argv (argv[0] is the command's name) and returns the process's exit code:
 * 0, or err_exit_code() after one line on stderr.
 * Thread: main's. */
#ifndef NODE_COMMANDS_H
#define NODE_COMMANDS_H

#include "base/args.h"

int command_run(int argc, char **argv);
int command_init(int argc, char **argv);
int command_join(int argc, char **argv);
int command_token(int argc, char **argv);
int command_dev(int argc, char **argv);

/* Parses; prints help (exit code 0) or the error (2) itself. Returns true to go on. */
bool command_options(int argc, char **argv, const struct args_option *options, size_t count,
                     const char *help, struct args_list *args, int *exit_code);
/* "choreod COMMAND: message" on stderr; returns the exit code. */
int command_fail(const char *command, const struct err *err);

#endif
