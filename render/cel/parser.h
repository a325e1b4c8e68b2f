/* parser.h: tokens to a tree, macros expanded.
 *
 * Limits: CEL_SOURCE_MAX bytes, CEL_DEPTH_MAX levels. Owner: the tree is the arena's, and borrows
 * the source. Thread: any. */
#ifndef RENDER_CEL_PARSER_H
#define RENDER_CEL_PARSER_H

#include "render/cel/ast.h"

enum { CEL_SOURCE_MAX = 64 * 1024 };

/* *offset is where an error was found. Errors: ERR_UNPROCESSABLE (syntax), ERR_TOO_LARGE. */
int cel_parse(struct arena *arena, struct slice source, struct cel_expr **tree, uint32_t *offset,
              struct err *err);

#endif
