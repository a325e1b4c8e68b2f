/* regex.h: matches(): regular expressions with bounded work (PCRE2; owner of its header).
 * Thread: any. */
#ifndef RENDER_CEL_REGEX_H
#define RENDER_CEL_REGEX_H

#include "render/cel/value.h"

enum { REGEX_PATTERN_MAX = 4096, REGEX_STEPS_MAX = 200 * 1000 };

/* Whether pattern matches anywhere in text. False with ctx->err on a malformed pattern, or one that
 * takes more than REGEX_STEPS_MAX steps. */
bool cel_regex_match(struct cel_ctx *ctx, struct slice text, struct slice pattern, bool *match);

#endif
