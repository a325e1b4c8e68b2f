/* ast.h: the tree between parser, checker and evaluator.
 *
 * Nodes live in the program's arena. The parser makes names and calls as written; the checker
 * resolves them in place (CEL_E_NAME becomes a variable, a local, a type or, with the selections
 * around it, a qualified name; calls get their function). No node is deeper than CEL_DEPTH_MAX, so
 * walking the tree may recurse. Owner: the program. Thread: any after compilation; nothing changes
 * then. */
#ifndef RENDER_CEL_AST_H
#define RENDER_CEL_AST_H

#include "render/cel/value.h"

enum { CEL_DEPTH_MAX = 300 };

enum cel_kind {
    CEL_E_LITERAL,
    CEL_E_NAME,     /* as parsed */
    CEL_E_VARIABLE, /* slot in the environment */
    CEL_E_LOCAL,    /* slot of a macro's variable */
    CEL_E_SELECT,   /* operand.field, operand.?field */
    CEL_E_HAS,      /* has(operand.field) */
    CEL_E_INDEX,    /* operand[key], operand[?key] */
    CEL_E_CALL,     /* function(args), args[0].function(...) once checked */
    CEL_E_LIST,
    CEL_E_MAP,
    CEL_E_STRUCT, /* Name{field: value} */
    CEL_E_NOT,
    CEL_E_NEGATE,
    CEL_E_BINARY,
    CEL_E_AND,
    CEL_E_OR,
    CEL_E_CHOICE, /* condition ? left : right */
    CEL_E_MACRO,
};

enum cel_op {
    CEL_OP_ADD,
    CEL_OP_SUB,
    CEL_OP_MUL,
    CEL_OP_DIV,
    CEL_OP_MOD,
    CEL_OP_EQ,
    CEL_OP_NE,
    CEL_OP_LT,
    CEL_OP_LE,
    CEL_OP_GT,
    CEL_OP_GE,
    CEL_OP_IN,
};

enum cel_macro {
    CEL_M_ALL,
    CEL_M_EXISTS,
    CEL_M_EXISTS_ONE,
    CEL_M_MAP,    /* over one variable: list of results */
    CEL_M_FILTER, /* over one variable */
    CEL_M_TRANSFORM_LIST,
    CEL_M_TRANSFORM_MAP,
    CEL_M_TRANSFORM_MAP_ENTRY,
    CEL_M_SORT_BY,
    CEL_M_OPT_MAP,
    CEL_M_OPT_FLAT_MAP,
    CEL_M_BIND, /* cel.bind(var1, range, body) */
};

struct cel_function;
struct cel_expr;

/* One element of a list, map or struct literal. */
struct cel_item {
    struct cel_expr *key; /* maps */
    struct slice field;   /* structs */
    struct cel_expr *value;
    bool optional; /* "?": present only if the optional value has one */
};

struct cel_expr {
    enum cel_kind kind;
    uint32_t offset; /* in the source, bytes */
    uint16_t depth;
    bool optional; /* .? and [?] */
    union {
        struct cel_value literal;
        struct {
            struct slice text;
            bool rooted; /* ".name": not relative to the container, not a local */
        } name;
        size_t slot;
        struct {
            struct cel_expr *operand;
            struct slice field;
        } select;
        struct {
            struct cel_expr *operand;
            struct cel_expr *key;
        } index;
        struct {
            struct slice name;
            const struct cel_function *function; /* once checked */
            struct cel_expr **args;              /* a receiver is args[0] */
            size_t count;
            bool receiver;
        } call;
        struct {
            struct slice type; /* structs: as written */
            struct cel_item *items;
            size_t count;
        } aggregate;
        struct {
            enum cel_op op;
            struct cel_expr *left;
            struct cel_expr *right;
            struct cel_expr *condition;
        } binary; /* also NOT, NEGATE (left), AND, OR, CHOICE */
        struct {
            enum cel_macro macro;
            struct cel_expr *range;
            struct slice var1;
            struct slice var2;       /* empty: one variable */
            size_t slot;             /* of var1; var2's is the next */
            struct cel_expr *filter; /* NULL: none */
            struct cel_expr *body;
        } macro;
    } as;
};

#endif
