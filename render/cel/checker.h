/* checker.h: names to variables, calls to functions.
 *
 * Resolves the tree in place: macros' variables, the environment's variables (qualified ones too,
 * the longest that is declared, within the container and its parents), type names, and functions by
 * name, form and number of arguments. Types of arguments are checked when evaluated. Owner: the
 * tree's arena. Thread: any. */
#ifndef RENDER_CEL_CHECKER_H
#define RENDER_CEL_CHECKER_H

#include "render/cel/ast.h"
#include "render/cel/cel.h"

/* *locals is how many slots macros' variables need. Errors: ERR_UNPROCESSABLE at *offset. */
int cel_check(struct arena *arena, const struct cel_env *env, struct cel_expr *tree, size_t *locals,
              uint32_t *offset, struct err *err);

#endif
