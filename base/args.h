/* args.h: command lines, for all our programs alike.
 *
 * A command lists its options with the variables that they set, and its help as one text; parsing
 * is getopt_long()'s (options anywhere, --name=value or --name value, -- ends them), and -n=value
 * is -n value.
 * Owner: values borrow argv. Thread: main's, before others start. */
#ifndef BASE_ARGS_H
#define BASE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum args_type {
    ARGS_FLAG,     /* bool *: set to true */
    ARGS_STRING,   /* const char ** */
    ARGS_COUNT,    /* uint32_t *: least..most */
    ARGS_DURATION, /* uint64_t *, ms: "90s", "15m", "1h30m" */
    ARGS_LIST,     /* struct args_list *: may be given several times */
    ARGS_OPTIONAL, /* const char **: "--name" alone sets "", "--name=value" the value */
};

enum { ARGS_LIST_MAX = 64, ARGS_OPTIONS_MAX = 40 };

struct args_list {
    const char *items[ARGS_LIST_MAX];
    size_t count;
};

struct args_option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    enum args_type type;
    void *value;
    uint32_t least; /* ARGS_COUNT */
    uint32_t most;
};

/* Reads argv[1..]; what is no option stays, in order, in args. `--help` and `-h` set *help and
 * stop. Errors: ERR_INVALID, for a person: "--nodes: must be from 1 to 5". */
int args_parse(int argc, char **argv, const struct args_option *options, size_t option_count,
               struct args_list *args, bool *help, struct err *err);

/* "90s", "15m", "1h30m", "250ms" in milliseconds; a bare number is refused. */
bool args_duration(const char *text, uint64_t *ms);

#endif
