/* jsonpath.h: JSONPath templates in kubectl's dialect.
 *
 * Text with expressions in braces: "{.metadata.name}{"\t"}{range .items[*]}{.kind} {end}". Inside:
 * .field, ['field'], [3], [-1], [0:4:2], [*], .*, [0,2], ['a','b'], ..field (recursive descent),
 * [?(@.type=="Ready")] with == != < <= > >= or nothing (is it there?), quoted texts with escapes,
 * numbers, true, false, $ and @ for the present value. A backslash in a field's name takes the next
 * character as it is: .labels.app\.kubernetes\.io/name.
 *
 * Where we go further than kubectl: names may stand in double quotes, a quoted name with dots is
 * first looked for as it is, {.} is the present value, and members come in the object's order,
 * never at random. What is absent is empty, as kubectl has it; an index out of bounds is an error.
 *
 * Owner: the caller; jsonpath_free(). Thread: any, one at a time (jansson's counts are plain). */
#ifndef PROTO_JSONPATH_H
#define PROTO_JSONPATH_H

#include "base/json.h"

enum { JSONPATH_TEXT_MAX = 64 * 1024, JSONPATH_RESULTS_MAX = 1000000 };

struct jsonpath {
    /* private */
    struct arena arena;
    const struct jsonpath_node *parts;
};

/* The values that an expression found: borrowed from the object and the path. */
struct jsonpath_values {
    const json_t **items;
    size_t count;
    size_t cap; /* private */
};

/* A template. On error nothing is held. Errors: ERR_INVALID, with the column. */
int jsonpath_parse(struct jsonpath *path, struct slice text, struct err *err);
/* One path, with or without its braces, leading '$' and dot: ".spec.type", "spec.type",
 * "{.spec.type}". What it finds is of the object, never a text of the path. Errors: ERR_INVALID. */
int jsonpath_parse_path(struct jsonpath *path, struct slice text, struct err *err);
void jsonpath_free(struct jsonpath *path);

/* Appends what the template makes of the object: several values of one expression with spaces
 * between them, texts as they are, everything else as JSON.
 * Errors: ERR_INVALID (index out of bounds, incomparable values), ERR_TOO_LARGE. */
int jsonpath_print(const struct jsonpath *path, const json_t *object, struct buf *out,
                   struct err *err);
/* Appends the values of every expression, in order; texts of the template are values too. The
 * caller jsonpath_values_free()s, also after an error. Errors as jsonpath_print()'s. */
int jsonpath_find(const struct jsonpath *path, const json_t *object, struct jsonpath_values *values,
                  struct err *err);
void jsonpath_values_free(struct jsonpath_values *values);

/* One value as jsonpath_print() writes it. */
void jsonpath_value_text(const json_t *value, struct buf *out);

#endif
