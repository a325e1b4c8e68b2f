/* print.h: objects on a terminal: aligned tables, JSON, YAML, names.
 *
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
    size_t cap; /* private */
};

void print_init(struct print_table *t, const char *const *titles, size_t columns);
/* Copies; NULL is an empty cell. */
void print_row(struct print_table *t, const char *const *cells);
/* Titles and rows to stdout, and forgets the rows. Control characters are shown as '?'. */
void print_flush(struct print_table *t, bool titles);
void print_free(struct print_table *t);

void print_json(const json_t *tree);
void print_yaml(const json_t *tree);

#endif
