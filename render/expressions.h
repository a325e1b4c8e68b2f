/* expressions.h: CEL for the schemas of custom kinds: render/'s evaluator behind
 * proto/expressions.h.
 * Owner: a constant. Thread: any. */
#ifndef RENDER_EXPRESSIONS_H
#define RENDER_EXPRESSIONS_H

#include "proto/expressions.h"

extern const struct expressions expressions_cel;

#endif
