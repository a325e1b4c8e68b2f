/* regex.h: regular expressions with bounded work (PCRE2; owner of its header).
 * Owner: the caller; a regex is freed by cel_regex_free(). Thread: one evaluation's. */
#ifndef RENDER_CEL_REGEX_H
#define RENDER_CEL_REGEX_H

#include "render/cel/value.h"

enum {
    REGEX_PATTERN_MAX = 4096,
    REGEX_TEST_STEPS_MIN = 1000, /* of backtracking, to know whether, */
    REGEX_STEPS_MIN = 10 * 1000, /* and to know where; */
    REGEX_STEPS_PER_BYTE = 20    /* and for every byte of the text */
};

/* Whether pattern matches anywhere in text. Errors as below. */
bool cel_regex_match(struct cel_ctx *ctx, struct slice text, struct slice pattern, bool *match);

struct cel_regex; /* a compiled one */

/* For the function of that name, which errors begin with. NULL with ctx->err if the pattern is
 * malformed or too long. The caller charges for it; pattern must live as long. */
struct cel_regex *cel_regex_new(struct cel_ctx *ctx, const char *function, struct slice pattern);
void cel_regex_free(struct cel_regex *regex);
/* Whether it matches anywhere in text. Charges for what backtracking does not find out. False with
 * ctx->err if that is more than the limit. */
bool cel_regex_test(struct cel_regex *regex, struct slice text, bool *match);
/* The first match at or behind byte `from`: text[*start..*end). False with ctx->err if it takes
 * more steps than that. */
bool cel_regex_find(struct cel_regex *regex, struct slice text, size_t from, bool *found,
                    size_t *start, size_t *end);

#endif
