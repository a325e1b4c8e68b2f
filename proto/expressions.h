/* expressions.h: expressions (CEL) for those who may not know their evaluator.
 *
 * Schemas of custom kinds carry rules as expressions; render/ evaluates them, and proto/ may not
 * include it. The process gives this struct of functions; where it gives none (NULL), expressions
 * are neither checked nor enforced.
 * Owner: the process; immutable. Thread: any, several at once. */
#ifndef PROTO_EXPRESSIONS_H
#define PROTO_EXPRESSIONS_H

#include "base/json.h"

struct schema;
struct expression; /* a compiled one: the evaluator's own */

/* A variable's value: JSON, and the shape that it is known to have. */
struct expression_value {
    const json_t *json; /* NULL: absent */
    const struct schema *schema;
    bool optional; /* the variable is an optional: of json, or none */
};

/* Words of the language: no member's name in an expression. */
bool expression_keyword(struct slice name);
/* A member's name as expressions say it, with Kubernetes' escapes: "a-b" is a__dash__b. The
 * arena's. */
struct slice expression_member(struct arena *arena, struct slice name);

/* A variable: what it is called, and the shape of its values (NULL: unknown). */
struct expression_variable {
    struct slice name;
    const struct schema *schema;
    bool optional; /* an optional of such a value */
};

enum expression_result { EXPRESSION_ANY, EXPRESSION_BOOL, EXPRESSION_TEXT };

struct expression_source {
    struct slice text;
    const struct expression_variable *variables;
    size_t count;
    enum expression_result wanted;
    bool stored; /* accepted once: what its types are is found out when it is evaluated */
};

struct expressions {
    /* Compiled into the arena, which must outlive it. The message begins with the place: "column 7:
     * ...". Errors: ERR_UNPROCESSABLE (syntax, unknown names, functions and fields, wrong types),
     * ERR_TOO_LARGE. */
    int (*compile)(struct arena *arena, const struct expression_source *source,
                   const struct expression **out, struct err *err);
    /* values stand parallel to the variables. *budget is lowered by what it cost; *result is a new
     * tree. Errors: ERR_UNPROCESSABLE (what went wrong, and where), ERR_TOO_LARGE (the budget). */
    int (*eval)(const struct expression *expression, const struct expression_value *values,
                uint64_t *budget, json_t **result, struct err *err);
};

#endif
