/* output.h: the forms in which data is shown: -o table, wide, json, yaml, name, jsonpath=...,
 * custom-columns=....
 *
 * Owner: the caller; output_free(). Thread: main's. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/columns.h"
#include "proto/jsonpath.h"

enum output_form {
    OUTPUT_TABLE,
    OUTPUT_WIDE,
    OUTPUT_JSON,
    OUTPUT_YAML,
    OUTPUT_NAME,
    OUTPUT_JSONPATH,
    OUTPUT_COLUMNS,
};

enum {
    OUTPUT_TREES = 1 << OUTPUT_JSON | 1 << OUTPUT_YAML | 1 << OUTPUT_JSONPATH,
    OUTPUT_ALL = OUTPUT_TREES | 1 << OUTPUT_TABLE | 1 << OUTPUT_WIDE | 1 << OUTPUT_NAME |
                 1 << OUTPUT_COLUMNS,
};

struct output {
    enum output_form form;
    struct jsonpath path;   /* OUTPUT_JSONPATH */
    struct columns columns; /* OUTPUT_COLUMNS */
};

/* allowed: 1 << enum output_form, ORed. text may be NULL: a table. "jsonpath-file=F" and
 * "custom-columns-file=F" read their template from F. Errors: ERR_INVALID, file_read()'s. */
int output_parse(struct output *o, const char *text, uint32_t allowed, struct err *err);
void output_free(struct output *o);
/* "table, wide, json, ..." of those allowed; appends. */
void output_names(uint32_t allowed, struct buf *out);
const char *output_name(enum output_form form); /* with its '=' where one follows */

/* Whether trees are shown whole (json, yaml, jsonpath). */
bool output_is_tree(const struct output *o);
/* A tree in the form that output_is_tree(). Errors: jsonpath_print()'s. */
int output_tree(const struct output *o, const json_t *tree, struct err *err);

/* Colours only for a person: stdout is a terminal and NO_COLOR is not set. */
bool output_colours(void);

#endif
