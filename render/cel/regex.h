/* regex.h: matches(): regular expressions with bounded work (PCRE2; owner of its header).
 * Thread: any. */
#ifndef RENDER_CEL_REGEX_H
#define RENDER_CEL_REGEX_H

#include "render/cel/value.h"

enum {
    REGEX_PATTERN_MAX = 4096,
    REGEX_STEPS_MIN = 10 * 1000, /* of a match, */
    REGEX_STEPS_PER_BYTE = 20    /* and for every byte of the text */
};

/* Whether pattern matches anywhere in text. False with ctx->err on a malformed pattern, or one that
 * takes more steps than that. The caller charges for it. */
bool cel_regex_match(struct cel_ctx *ctx, struct slice text, struct slice pattern, bool *match);

#endif
