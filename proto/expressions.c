/* The words of CEL that are no names. */
#include "proto/expressions.h"

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
