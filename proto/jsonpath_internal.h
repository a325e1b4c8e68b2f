/* jsonpath_internal.h: a parsed template, between jsonpath.c and jsonpath_eval.c.
 *
 * Parts (text, action, range) follow each other at the top and in a range's body; steps follow each
 * other in an action, in a range's head, in a union's alternatives and on a filter's sides.
 * Owner: the path's arena. Thread: as jsonpath.h. */
#ifndef PROTO_JSONPATH_INTERNAL_H
#define PROTO_JSONPATH_INTERNAL_H

#include "proto/jsonpath.h"

enum jsonpath_type {
    /* parts */
    JSONPATH_ACTION, /* first: its steps */
    JSONPATH_RANGE,  /* first: its steps; second: the parts of its body */
    /* steps, and LITERAL also a part */
    JSONPATH_LITERAL,
    JSONPATH_FIELD, /* name; second: steps to try where there is no such member */
    JSONPATH_WILDCARD,
    JSONPATH_SLICE,     /* from, to, step */
    JSONPATH_UNION,     /* first: a chain of ACTIONs */
    JSONPATH_FILTER,    /* first, op, second */
    JSONPATH_RECURSIVE, /* the value and everything in it that holds something */
};

enum jsonpath_op {
    JSONPATH_EXISTS,
    JSONPATH_EQ,
    JSONPATH_NE,
    JSONPATH_LT,
    JSONPATH_LE,
    JSONPATH_GT,
    JSONPATH_GE,
};

struct jsonpath_node {
    enum jsonpath_type type;
    struct slice name;
    json_t *literal;
    int64_t from, to, step;
    bool has_from, has_to;
    bool single; /* [from] */
    enum jsonpath_op op;
    const struct jsonpath_node *first;
    const struct jsonpath_node *second;
    struct jsonpath_node *next;
};

#endif
