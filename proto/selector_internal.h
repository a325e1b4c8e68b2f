/* selector_internal.h: a selector's terms, between selector_parse.c, which makes them, and
 * selector.c.
 *
 * A selector is one allocation and its arena, which all terms live in.
 * Owner: as selector.h. Thread: the maker's until it is given out; then any. */
#ifndef PROTO_SELECTOR_INTERNAL_H
#define PROTO_SELECTOR_INTERNAL_H

#include "base/arena.h"
#include "proto/selector.h"

enum selector__op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT };

struct selector__term {
    enum selector__op op;
    char *key; /* the label's, or the field's as it was named */
    /* Of a field: the path to it, NULL-terminated; unused for a label. */
    const char *steps[SELECTOR_STEPS_MAX + 1];
    struct slice *values; /* quoted */
    struct slice *plain;
    size_t value_count;
};

struct selector {
    struct arena arena;
    struct selector__term *labels;
    size_t label_count;
    struct selector__term *fields;
    size_t field_count;
    bool nothing;
    struct slice label_text; /* what it was made from, for copies and messages */
    struct slice field_text;
};

struct selector *selector__new(void); /* without terms: it matches everything */
/* value, and its quoted form, become one more of the term's. */
void selector__add_value(struct selector *s, struct selector__term *term, struct slice value);

#endif
