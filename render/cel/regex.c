/* regex.c: one pattern, compiled, matched, freed.
 *
 * CEL's patterns are RE2's; PCRE2 understands them and more. What RE2 guarantees by construction
 * (linear time) a step limit guarantees here: a pattern that backtracks too much is an error. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "render/cel/regex.h"

#include <pcre2.h>

#include "render/cel/functions.h"

static bool run(struct cel_ctx *ctx, pcre2_code *code, struct slice text, bool *match)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    bool ok = false;
    if (data != NULL && context != NULL) {
        size_t steps = REGEX_STEPS_MIN + REGEX_STEPS_PER_BYTE * text.len;
        pcre2_set_match_limit(context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
        pcre2_set_depth_limit(context, REGEX_STEPS_MIN);
        const char *subject = text.data != NULL ? text.data : "";
        int rc = pcre2_match(code, (PCRE2_SPTR)subject, text.len, 0, 0, data, context);
        *match = rc >= 0;
        ok = rc >= 0 || rc == PCRE2_ERROR_NOMATCH;
        if (!ok) {
            cel_fail(ctx, "matches(): the pattern takes too many steps on this text");
        }
    } else {
        cel_fail(ctx, "matches(): out of memory");
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return ok;
}

bool cel_regex_match(struct cel_ctx *ctx, struct slice text, struct slice pattern, bool *match)
{
    int error;
    PCRE2_SIZE offset;
    if (pattern.len > REGEX_PATTERN_MAX) {
        return cel_fail(ctx, "matches(): the pattern is longer than %d bytes", REGEX_PATTERN_MAX);
    }
    const char *source = pattern.data != NULL ? pattern.data : "";
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)source, pattern.len,
                                     PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, NULL);
    if (code == NULL) {
        PCRE2_UCHAR why[120];
        (void)pcre2_get_error_message(error, why, sizeof why);
        return cel_fail(ctx, "matches(): invalid pattern at %zu: %s", (size_t)offset,
                        (const char *)why);
    }
    bool ok = run(ctx, code, text, match);
    pcre2_code_free(code);
    return ok;
}

CEL_FN(cel_fn_matches)
{
    bool match = false;
    if (args[0].type != CEL_STRING || args[1].type != CEL_STRING) {
        return cel_no_overload(ctx, "matches", args, count);
    }
    if (!cel_charge(ctx, 500 + args[0].as.text.len + args[1].as.text.len) ||
        !cel_regex_match(ctx, args[0].as.text, args[1].as.text, &match)) {
        return false;
    }
    *out = cel_bool(match);
    return true;
}
