/* cel.h: the Common Expression Language: compile once, evaluate often.
 *
 *     source -> lexer -> parser (tree, macros) -> checker (names, functions, types) -> eval
 *
 * Types are checked gradually: what is ill-typed for certain does not compile, what is dyn is found
 * out when it is evaluated. Limits make hostile expressions harmless: source length, depth, the
 * size of types, and a cost that evaluation spends. Protobuf messages are not known: an error that
 * says so. Regular expressions are PCRE2's; whether one matches, never takes exponentially long.
 *
 * Owner:  the caller's arenas: a program lives in one, results in another, and both borrow the
 *         variables' JSON trees and the source.
 * Thread: any; a program may be evaluated by several threads at once, each with its own arena. */
#ifndef RENDER_CEL_CEL_H
#define RENDER_CEL_CEL_H

#include "render/cel/shape.h"
#include "render/cel/value.h"

enum {
    CEL_COST_DEFAULT = 250 * 1000, /* for one expression: 10 MB and tenths of a second at worst */
};

/* args holds count values, a receiver first; count is that of one of the function's overloads. What
 * was dyn may be of any type. */
typedef bool (*cel_call)(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                         struct cel_value *out);

struct cel_function {
    const char *name;  /* "size", "math.greatest" */
    const char *types; /* all overloads: "(string) int | string.() int" (signature.h) */
    cel_call call;
};

struct cel_env {
    const struct slice *names;             /* variables; may be qualified: "a.b" */
    const struct cel_shape *const *shapes; /* parallel to names; NULL, there or here: dyn */
    size_t count;
    struct slice container; /* names are looked up in it and in its parents first; empty: none */
    const struct cel_function *functions; /* the host's own, before the language's */
    size_t function_count;
    enum cel_shape_kind wanted; /* the expression's type, of those without parts; DYN: any */
    bool unchecked; /* unknown names and wrong types are errors only where they are evaluated */
};

/* What Kubernetes adds for the rules of schemas, as a host's functions. */
const struct cel_function *cel_kubernetes_functions(void);
size_t cel_kubernetes_function_count(void);

struct cel_program;

/* *offset is the byte of source that an error is about. Errors: ERR_UNPROCESSABLE (syntax, unknown
 * names, functions and fields, wrong types), ERR_TOO_LARGE (a limit). */
int cel_compile(struct arena *arena, const struct cel_env *env, struct slice source,
                const struct cel_program **program, uint32_t *offset, struct err *err);

/* The type that the expression has, as far as it is known. */
const struct cel_shape *cel_program_shape(const struct cel_program *program);

struct cel_input {
    const struct cel_value
        *variables;      /* parallel to the environment's names; CEL_OMIT: undefined */
    void *host;          /* cel_ctx.host of the host's functions */
    uint64_t cost_limit; /* 0: CEL_COST_DEFAULT */
};

/* *cost is what it took, also on failure. Errors: ERR_UNPROCESSABLE (no such key, no such overload,
 * division by zero, ...), ERR_TOO_LARGE (cost). */
int cel_eval(const struct cel_program *program, const struct cel_input *input, struct arena *arena,
             struct cel_value *value, uint64_t *cost, uint32_t *offset, struct err *err);

/* Puts "column 7: " or, in a text of several lines, "line 2, column 7: " before err's message;
 * columns count code points from 1. */
int cel_locate(struct err *err, struct slice text, size_t offset);

#endif
