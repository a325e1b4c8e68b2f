/* template.h: JSON trees with ${...} in their strings and keys.
 *
 *     replicas: ${parameters.replicas}            the value, of its own type
 *     host: ${metadata.name}.${gateway.domain}    text
 *     ${config.name}: |                           a key
 *       ${config.value}
 *
 * A string that is one expression, white space around it aside, becomes the expression's value; in
 * any other string each expression becomes text. What an expression makes of oc_omit() is left out:
 * the member, the element, or the whole tree. Expressions are CEL; quoted strings in them may hold
 * braces.
 *
 * Every error says where: the path in the template, then the column in the string.
 *
 * Owner:  the caller's arena holds all that is computed; results are new trees. Variables borrow
 * their JSON trees. Thread: one at a time. */
#ifndef RENDER_TEMPLATE_H
#define RENDER_TEMPLATE_H

#include "render/cel/cache.h"
#include "render/trace.h"

enum {
    TEMPLATE_DEPTH_MAX = JSON_DEPTH_MAX,
    TEMPLATE_VARIABLES_MAX = 32,
    TEMPLATE_COST_BYTES = 16 /* of text, or of a tree that is copied, cost one, as in CEL */
};

struct template_scope {
    struct arena *arena;
    struct slice names[TEMPLATE_VARIABLES_MAX];
    struct cel_value values[TEMPLATE_VARIABLES_MAX];
    size_t count;
    const struct cel_function *functions; /* the host's */
    size_t function_count;
    void *host;
    struct cel_cache *programs;  /* NULL: every expression is compiled anew */
    uint64_t cost_left;          /* of all expressions together */
    bool tolerant;               /* parameters that no schema knows are dropped, not refused */
    struct trace *trace;         /* NULL: nobody asks where things come from */
    struct slice trace_template; /* whose templates these are: "type" */
};

void template_init(struct template_scope *scope, struct arena *arena, uint64_t cost);
/* Adds or replaces a variable. */
void template_set(struct template_scope *scope, struct slice name, struct cel_value value);
void template_unset(struct template_scope *scope, struct slice name);
#define TEMPLATE_OVER_BUDGET "the templates cost more than their limit"
/* Takes cost for work that no expression is charged for. Errors: ERR_TOO_LARGE, naming path. */
int template_charge(struct template_scope *scope, struct slice path, uint64_t cost,
                    struct err *err);

/* *out is a new tree, or NULL if all of it is omitted. path names the tree in errors.
 * Errors: ERR_UNPROCESSABLE, ERR_TOO_LARGE. */
int template_render(struct template_scope *scope, const json_t *tree, struct slice path,
                    json_t **out, struct err *err);
/* The same; *origin is the node of what was made (trace.h), or NULL without a trace. */
int template_render_traced(struct template_scope *scope, const json_t *tree, struct slice path,
                           json_t **out, json_t **origin, struct err *err);
/* text must be exactly one expression: "${...}". */
int template_value(struct template_scope *scope, struct slice text, struct slice path,
                   struct cel_value *value, struct err *err);
/* template_value() of a bool. */
int template_bool(struct template_scope *scope, struct slice text, struct slice path, bool *value,
                  struct err *err);
/* Compiles every expression of tree without evaluating any: names in scope, syntax, functions. each
 * is called for every fault, which says its place as errors of template_render() do. */
typedef void (*template_fault)(void *user, const struct err *fault);
void template_check(struct template_scope *scope, const json_t *tree, struct slice path,
                    template_fault each, void *user);
/* The same of a text that must be exactly one expression. */
void template_check_value(struct template_scope *scope, struct slice text, struct slice path,
                          template_fault each, void *user);
/* Whether a text holds an expression at all. */
bool template_dynamic(struct slice text);

#endif
