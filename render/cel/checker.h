/* checker.h: names to variables, calls to functions, and the type of everything.
 *
 * Resolves the tree in place: macros' variables, the environment's variables (qualified ones too,
 * the longest that is declared, within the container and its parents), type names, and functions by
 * name, form and types. Owner: the tree's arena. Thread: any. */
#ifndef RENDER_CEL_CHECKER_H
#define RENDER_CEL_CHECKER_H

#include "render/cel/ast.h"
#include "render/cel/cel.h"

struct cel_checked {
    size_t locals;                 /* slots that macros' variables need */
    const struct cel_shape *shape; /* of the whole, in the arena */
    bool dynamic;                  /* some value's type is seen only when it is evaluated */
};

/* Errors: ERR_UNPROCESSABLE (at *offset), ERR_TOO_LARGE (types that grow without end). */
int cel_check(struct arena *arena, const struct cel_env *env, struct cel_expr *tree,
              struct cel_checked *checked, uint32_t *offset, struct err *err);

#endif
