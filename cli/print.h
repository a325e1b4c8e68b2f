/* print.h: everything that choreo says: aligned tables, JSON, YAML, lines.
 *
 * What objects and servers say may hold anything; what may not be shown (base/text.h) is never
 * written: it is '?' in tables and lines, an escape in JSON and YAML, which so mean the same.
 * The machine's own output goes to stdout, what is for people only to stderr.
 *
 * A table that is too wide for its terminal is made to fit: its last column is wrapped if it is a
 * sentence, else the widest are cut, with an ellipsis; names never are. Files and pipes get all.
 * Owner: the caller; print_free(). Thread: main's. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include "base/json.h"

enum { PRINT_COLUMNS_MAX = 24 };

/* Rows are kept until print_flush(), which knows how wide each column is. */
struct print_table {
    struct arena arena;
    const char *titles[PRINT_COLUMNS_MAX];
    size_t columns;
    size_t widths[PRINT_COLUMNS_MAX]; /* private: of all rows so far, so that later ones line up */
    const char **cells;
    size_t rows;
    int indent;    /* of every line; 0 at first */
    bool sentence; /* the last column is one: wrapped, not cut */
    bool whole;    /* not made to fit */
    size_t cap;    /* private */
};

void print_init(struct print_table *t, const char *const *titles, size_t columns);
/* Copies; NULL is an empty cell. */
void print_row(struct print_table *t, const char *const *cells);
/* Titles and rows to stdout, and forgets the rows. */
void print_flush(struct print_table *t, bool titles);
void print_free(struct print_table *t);

/* Columns of the terminal that stdout is; 0: it is none. */
size_t print_terminal_width(void);

/* A line or more, with its breaks, and nothing else that is not to be shown; flushed. */
void print_out(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_err(const char *format, ...) __attribute__((format(printf, 1, 2)));

void print_json(const json_t *tree);
void print_json_line(const json_t *tree); /* for streams: one line, keys sorted */
void print_yaml(const json_t *tree);

#endif
