/* get_internal.h: between get.c, which asks for objects, and get_show.c, which shows them.
 * Owner: one run of a command. Thread: main's. */
#ifndef CLI_GET_INTERNAL_H
#define CLI_GET_INTERNAL_H

#include "cli/ask.h"
#include "cli/print.h"

struct getting {
    struct cli *cli;
    bool all;
    bool watch;
    bool events; /* a column, or a line, tells what happened */
    const char *fields;
    const char *prefix; /* of names in tables, where several kinds are looked at; or NULL */
    Choreo__V1__Ref ref;
    struct print_table table;
    bool titled; /* the table has its columns */
    bool printed_titles;
    int wanted[PRINT_COLUMNS_MAX]; /* the server's column for each of ours; < 0: one of our own */
    json_t *items;                 /* json, yaml and jsonpath: collected */
    uint64_t version;              /* seen up to here */
    struct err err;
    int rc;
};

/* In which the server is to answer. */
Choreo__V1__Form get__form(const struct getting *g);
/* Takes an object into the table, or into items, or prints it; event, of a watch, tells what
 * happened (NULL: a list). Errors, in g->err too: ask_tree()'s, columns_row()'s. */
int get__take(struct getting *g, const Choreo__V1__Object *object, const char *event);
/* Prints the rows so far. */
void get__flush(struct getting *g);
/* Another kind has other columns: its rows make a table of their own. */
void get__end_table(struct getting *g);

#endif
