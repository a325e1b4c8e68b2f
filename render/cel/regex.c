/* regex.c: one pattern, compiled, matched, freed.
 *
 * CEL's patterns are RE2's; PCRE2 understands them and more. RE2 follows all ways through a pattern
 * at once, so no text makes it take exponentially long. Here backtracking is tried first, the
 * faster for nearly all patterns, with few steps; if they do not suffice, PCRE2's other matcher,
 * which follows all ways too, says whether there is a match. What that one cannot do, or only
 * dearly (RE2 has no looking ahead, no atomic groups), may backtrack for longer; beyond that, and
 * where a match is wanted itself (find()), a pattern that backtracks too much is an error. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "render/cel/regex.h"

#include <pcre2.h>
#include <stdlib.h>

#include "render/cel/functions.h"

/* Ways that are followed at once: for each byte every one is compared with all others. */
enum {
    WAYS_MIN = 64,
    WAYS_GROW = 4,
    WAYS_SQUARED_PER_UNIT = 16 * 1024, /* and byte; a microsecond at worst */
    WAYS_COST_MAX = 20 * 1000,
    INTS_PER_WAY = 6, /* of pcre2_dfa_match()'s workspace */
    INTS_MORE = 2,
};

enum { LONGER = 16, STEPS_PER_UNIT = 64 }; /* backtracking that is paid for */

struct cel_regex {
    struct cel_ctx *ctx;
    const char *function;
    struct slice pattern;
    pcre2_code *code;
    pcre2_code *all_ways; /* once backtracking did not suffice: from then on, only this */
    pcre2_match_data *data;
    pcre2_match_context *context;
};

void cel_regex_free(struct cel_regex *regex)
{
    pcre2_match_context_free(regex->context);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->all_ways);
    pcre2_code_free(regex->code);
    free(regex);
}

static pcre2_code *compile(struct cel_ctx *ctx, const char *function, struct slice pattern,
                           uint32_t options)
{
    int error;
    PCRE2_SIZE offset;
    const char *source = pattern.data != NULL ? pattern.data : "";
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)source, pattern.len,
                      PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options, &error, &offset, NULL);
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
    return code;
}

struct cel_regex *cel_regex_new(struct cel_ctx *ctx, const char *function, struct slice pattern)
{
    if (pattern.len > REGEX_PATTERN_MAX) {
        cel_fail(ctx, "%s(): the pattern is longer than %d bytes", function, REGEX_PATTERN_MAX);
        return NULL;
    }
    pcre2_code *code = compile(ctx, function, pattern, 0);
    if (code == NULL) {
        return NULL;
    }
    struct cel_regex *regex = mem_alloc(sizeof *regex);
    *regex = (struct cel_regex){.ctx = ctx,
                                .function = function,
                                .pattern = pattern,
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

/* pcre2_match() from a byte on, with so many steps at each place where a match could begin. */
static int backtrack(struct cel_regex *regex, struct slice text, size_t from, size_t steps)
{
    const char *subject = text.data != NULL ? text.data : "";
    pcre2_set_match_limit(regex->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    pcre2_set_depth_limit(regex->context, REGEX_STEPS_MIN);
    return pcre2_match(regex->code, (PCRE2_SPTR)subject, text.len, from, 0, regex->data,
                       regex->context);
}

static bool is_answer(int rc)
{
    return rc >= 0 || rc == PCRE2_ERROR_NOMATCH;
}

static bool too_many_steps(struct cel_regex *regex)
{
    return cel_fail(regex->ctx, "%s(): the pattern takes too many steps on this text",
                    regex->function);
}

bool cel_regex_find(struct cel_regex *regex, struct slice text, size_t from, bool *found,
                    size_t *start, size_t *end)
{
    int rc = backtrack(regex, text, from, REGEX_STEPS_MIN + REGEX_STEPS_PER_BYTE * text.len);
    const PCRE2_SIZE *where = pcre2_get_ovector_pointer(regex->data);
    *found = rc >= 0;
    *start = *found ? where[0] : 0;
    *end = *found && where[1] > where[0] ? where[1] : *start; /* \K may set them crosswise */
    return is_answer(rc) || too_many_steps(regex);
}

/* Where it may begin anywhere is part of the pattern, so that the text is read once. */
static bool compile_all_ways(struct cel_regex *regex)
{
    struct buf source = {0};
    buf_add_cstr(&source, "(?s:.*?)(?:");
    buf_add(&source, regex->pattern);
    buf_add_cstr(&source, "\\E)"); /* ends a \Q, else means nothing */
    regex->all_ways = compile(regex->ctx, regex->function, buf_slice(&source), PCRE2_ANCHORED);
    buf_free(&source);
    return regex->all_ways != NULL;
}

static int follow(struct cel_regex *regex, struct slice text, size_t ways)
{
    const char *subject = text.data != NULL ? text.data : "";
    size_t count = ways * INTS_PER_WAY + INTS_MORE;
    int *space = mem_alloc(count * sizeof *space);
    /* Looking ahead and atomic groups would begin anew for each of their places. */
    pcre2_set_match_limit(regex->context, 1);
    int rc = pcre2_dfa_match(regex->all_ways, (PCRE2_SPTR)subject, text.len, 0, PCRE2_DFA_SHORTEST,
                             regex->data, regex->context, space, count);
    free(space);
    return rc;
}

/* Gives the matcher more room until that suffices. *rc is an error if it never does. */
static bool follow_all_ways(struct cel_regex *regex, struct slice text, int *rc)
{
    *rc = PCRE2_ERROR_DFA_WSSIZE;
    for (size_t ways = WAYS_MIN; *rc == PCRE2_ERROR_DFA_WSSIZE; ways *= WAYS_GROW) {
        size_t cost = (text.len + 1) * ways * ways / WAYS_SQUARED_PER_UNIT;
        if (cost > WAYS_COST_MAX) {
            return true;
        }
        if (!cel_charge(regex->ctx, cost)) {
            return false;
        }
        *rc = follow(regex, text, ways);
    }
    return true;
}

bool cel_regex_test(struct cel_regex *regex, struct slice text, bool *match)
{
    uint32_t options = 0;
    int rc = PCRE2_ERROR_MATCHLIMIT;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
    size_t starts = (options & PCRE2_ANCHORED) != 0 ? 1 : text.len + 1;
    size_t steps = REGEX_TEST_STEPS_MIN + REGEX_STEPS_PER_BYTE * text.len;
    if (regex->all_ways == NULL) {
        rc = backtrack(regex, text, 0, steps / starts + 1);
    }
    if (!is_answer(rc)) {
        bool ready = regex->all_ways != NULL || compile_all_ways(regex);
        if (!ready || !follow_all_ways(regex, text, &rc)) {
            return false;
        }
    }
    if (!is_answer(rc)) {
        if (!cel_charge(regex->ctx, LONGER * steps / STEPS_PER_UNIT)) {
            return false;
        }
        rc = backtrack(regex, text, 0, LONGER * steps / starts + 1);
    }
    *match = rc >= 0;
    return is_answer(rc) || too_many_steps(regex);
}

bool cel_regex_match(struct cel_ctx *ctx, struct slice text, struct slice pattern, bool *match)
{
    struct cel_regex *regex = cel_regex_new(ctx, "matches", pattern);
    if (regex == NULL) {
        return false;
    }
    bool ok = cel_regex_test(regex, text, match);
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
