/* regex.c: one pattern, compiled, matched, freed.
 *
 * CEL's patterns are RE2's; PCRE2 understands them and more. What RE2 guarantees by construction
 * (linear time) a step limit guarantees here: a pattern that backtracks too much is an error. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "render/cel/regex.h"

#include <pcre2.h>
#include <stdlib.h>

#include "render/cel/functions.h"

struct cel_regex {
    struct cel_ctx *ctx;
    const char *function;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

void cel_regex_free(struct cel_regex *regex)
{
    pcre2_match_context_free(regex->context);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    free(regex);
}

struct cel_regex *cel_regex_new(struct cel_ctx *ctx, const char *function, struct slice pattern)
{
    int error;
    PCRE2_SIZE offset;
    if (pattern.len > REGEX_PATTERN_MAX) {
        cel_fail(ctx, "%s(): the pattern is longer than %d bytes", function, REGEX_PATTERN_MAX);
        return NULL;
    }
    const char *source = pattern.data != NULL ? pattern.data : "";
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)source, pattern.len,
                                     PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, NULL);
    if (code == NULL) {
        PCRE2_UCHAR why[120];
        (void)pcre2_get_error_message(error, why, sizeof why);
        cel_fail(ctx, "%s(): invalid pattern at %zu: %s", function, (size_t)offset,
                 (const char *)why);
        return NULL;
    }
    /* Repetitions make a small pattern large. */
    size_t size = 0;
    (void)pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size);
    if (!cel_charge_bytes(ctx, size)) {
        pcre2_code_free(code);
        return NULL;
    }
    struct cel_regex *regex = mem_alloc(sizeof *regex);
    *regex = (struct cel_regex){.ctx = ctx,
                                .function = function,
                                .code = code,
                                .data = pcre2_match_data_create(1, NULL),
                                .context = pcre2_match_context_create(NULL)};
    if (regex->data == NULL || regex->context == NULL) {
        cel_fail(ctx, "%s(): out of memory", function);
        cel_regex_free(regex);
        return NULL;
    }
    return regex;
}

bool cel_regex_find(struct cel_regex *regex, struct slice text, size_t from, bool *found,
                    size_t *start, size_t *end)
{
    size_t steps = REGEX_STEPS_MIN + REGEX_STEPS_PER_BYTE * text.len;
    pcre2_set_match_limit(regex->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    pcre2_set_depth_limit(regex->context, REGEX_STEPS_MIN);
    const char *subject = text.data != NULL ? text.data : "";
    int rc = pcre2_match(regex->code, (PCRE2_SPTR)subject, text.len, from, 0, regex->data,
                         regex->context);
    const PCRE2_SIZE *where = pcre2_get_ovector_pointer(regex->data);
    *found = rc >= 0;
    *start = *found ? where[0] : 0;
    *end = *found && where[1] > where[0] ? where[1] : *start; /* \K may set them crosswise */
    return rc >= 0 || rc == PCRE2_ERROR_NOMATCH ||
           cel_fail(regex->ctx, "%s(): the pattern takes too many steps on this text",
                    regex->function);
}

bool cel_regex_match(struct cel_ctx *ctx, struct slice text, struct slice pattern, bool *match)
{
    size_t start;
    size_t end;
    struct cel_regex *regex = cel_regex_new(ctx, "matches", pattern);
    if (regex == NULL) {
        return false;
    }
    bool ok = cel_regex_find(regex, text, 0, match, &start, &end);
    cel_regex_free(regex);
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
