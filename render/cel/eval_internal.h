/* eval_internal.h: what eval.c and eval_macro.c share. Thread: one evaluation's. */
#ifndef RENDER_CEL_EVAL_INTERNAL_H
#define RENDER_CEL_EVAL_INTERNAL_H

#include "render/cel/checker.h"

struct cel_program {
    const struct cel_expr *tree;
    struct slice source;
    struct cel_checked checked;
};

/* A map in the making. */
struct cel__entries {
    struct cel_entry *items;
    size_t count;
    size_t cap;
    json_t *names; /* of many entries: which strings are keys; the arena's */
};

bool cel__eval(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out);
/* Evaluates an operand that must be a bool. */
bool cel__eval_bool(struct cel_ctx *ctx, const struct cel_expr *e, bool *value);
/* Whether the failure in ctx may be outvoted by another operand; a passed limit may not. */
bool cel__absorbable(struct cel_ctx *ctx);
bool cel__eval_macro(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out);

/* Errors: a key of no map's type, one that is there already. */
bool cel__add_entry(struct cel_ctx *ctx, struct cel__entries *entries, struct cel_value key,
                    struct cel_value value);
struct cel_value cel__map_of_entries(struct cel_ctx *ctx, const struct cel__entries *entries);

#endif
