/* Names of members in CEL: which are words of the language, and how the others are said. */
#include "proto/expressions.h"

#include <string.h>

bool expression_keyword(struct slice name)
{
    static const char *const keywords[] = {
        "true",     "false", "null", "in",    "as",       "break",   "const",
        "continue", "else",  "for",  "if",    "import",   "let",     "loop",
        "return",   "var",   "void", "while", "function", "package", "namespace"};
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (slice_eq_cstr(name, keywords[i])) {
            return true;
        }
    }
    return false;
}

struct slice expression_member(struct arena *arena, struct slice name)
{
    static const struct {
        const char *from;
        const char *to;
    } escapes[] = {
        {"__", "__underscores__"}, {".", "__dot__"}, {"-", "__dash__"}, {"/", "__slash__"}};
    enum { COUNT = sizeof(escapes) / sizeof(escapes[0]) };
    if (expression_keyword(name)) {
        return slice_of(arena_printf(arena, "__%.*s__", SLICE_ARG(name)));
    }
    struct buf text = {0};
    for (size_t at = 0; at < name.len;) {
        struct slice rest = slice_sub(name, at, SIZE_MAX);
        size_t k = 0;
        while (k < COUNT && !slice_starts_with(rest, slice_of(escapes[k].from))) {
            k++;
        }
        if (k < COUNT) {
            buf_add_cstr(&text, escapes[k].to);
            at += strlen(escapes[k].from);
        } else {
            buf_add_char(&text, name.data[at++]);
        }
    }
    struct slice copy = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}
