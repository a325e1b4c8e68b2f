/* commands.c: what all commands share: options, help and the last word on stderr. */
#include "node/commands.h"

#include <stdio.h>

bool command_options(int argc, char **argv, const struct args_option *options, size_t count,
                     const char *help, struct args_list *args, int *exit_code)
{
    struct err err = {0};
    bool asked = false;
    *exit_code = 0;
    if (args_parse(argc, argv, options, count, args, &asked, &err) != 0) {
        (void)fprintf(stderr, "choreod %s: %s (choreod %s --help)\n", argv[0], err.message,
                      argv[0]);
        *exit_code = 2;
        return false;
    }
    if (asked) {
        (void)fputs(help, stdout);
        return false;
    }
    return true;
}

int command_fail(const char *command, const struct err *err)
{
    (void)fprintf(stderr, "choreod %s: %s\n", command, err->message);
    return err_exit_code(err->code);
}
