/* columns.h: -o custom-columns: titles and the JSONPaths below them.
 *
 * "NAME:.metadata.name,READY:.status.conditions[?(@.type=='Ready')].status". A file has the titles
 * in its first line and the paths in its second. Several values are joined by commas; none is
 * "<none>". Owner: the caller; columns_free(). Thread: main's. */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include "cli/print.h"
#include "proto/jsonpath.h"

struct columns {
    size_t count;
    const char *titles[PRINT_COLUMNS_MAX];
    struct jsonpath paths[PRINT_COLUMNS_MAX];
    struct arena arena; /* private */
};

/* Errors: ERR_INVALID, naming the column. On error nothing is held. */
int columns_parse(struct columns *c, struct slice text, struct err *err);
int columns_parse_file(struct columns *c, struct slice text, struct err *err);
void columns_free(struct columns *c);
/* One object's cells, the arena's. Errors: jsonpath_find()'s. */
int columns_row(const struct columns *c, const json_t *object, struct arena *arena,
                const char **cells, struct err *err);

#endif
