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

struct expressions {
    /* source over the named variables, compiled into the arena, which must outlive it. The message
     * begins with the place: "column 7: ...". Errors: ERR_UNPROCESSABLE, ERR_TOO_LARGE. */
    int (*compile)(struct arena *arena, const struct slice *names, size_t name_count,
                   struct slice source, const struct expression **out, struct err *err);
    /* values stand parallel to the names. *budget is lowered by what it cost; *result is a new
     * tree. Errors: ERR_UNPROCESSABLE (what went wrong, and where), ERR_TOO_LARGE (the budget). */
    int (*eval)(const struct expression *expression, const struct expression_value *values,
                uint64_t *budget, json_t **result, struct err *err);
};

#endif
