/* macro.h: calls that are syntax: has(), all(), map(), cel.bind() and their kin.
 * Owner: the arena's. Thread: any. */
#ifndef RENDER_CEL_MACRO_H
#define RENDER_CEL_MACRO_H

#include "render/cel/ast.h"

/* Turns a parsed call into the macro's node in place, if it is one: known name, right number of
 * arguments, names where names must stand. target is NULL for a global call. *wrong is what a
 * macro's misuse is, else NULL: "has() wants a field selection". False if the call is no macro. */
bool cel_macro_expand(struct cel_expr *call, struct cel_expr *target, struct cel_expr **args,
                      size_t count, const char **wrong);

#endif
