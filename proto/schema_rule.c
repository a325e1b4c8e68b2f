/* Rules of custom kinds' schemas: what proto/ itself must know of an expression (declared in
 * schema_build_internal.h). A rule that names oldSelf holds for changes only, so whoever asks must
 * be told before there is anybody who could compile it: the words of the expression are looked at,
 * outside of its texts and comments. */
#include "proto/expressions.h"
#include "proto/schema_build_internal.h"

static bool is_word(char c)
{
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Behind the text that begins with the quote at `at`: raw or not, in one quote or in three. */
static size_t text_end(struct slice s, size_t at, bool raw)
{
    char quote = s.data[at];
    bool thrice = at + 2 < s.len && s.data[at + 1] == quote && s.data[at + 2] == quote;
    size_t quotes = thrice ? 3 : 1;
    for (size_t i = at + quotes; i < s.len; i++) {
        size_t run = 0;
        while (run < quotes && i + run < s.len && s.data[i + run] == quote) {
            run++;
        }
        if (run == quotes) {
            return i + quotes;
        }
        i += !raw && s.data[i] == '\\' ? 1 : 0;
    }
    return s.len;
}

/* Does the expression name the variable, outside of texts and comments, and not as a member? */
static bool names(struct slice s, const char *name)
{
    char last = '\0'; /* the last character that is no space */
    for (size_t i = 0; i < s.len;) {
        char c = s.data[i];
        if (c == '"' || c == '\'') {
            i = text_end(s, i, false);
        } else if (c == '/' && i + 1 < s.len && s.data[i + 1] == '/') {
            while (i < s.len && s.data[i] != '\n') {
                i++;
            }
            continue;
        } else if (is_word(c)) {
            size_t from = i;
            while (i < s.len && is_word(s.data[i])) {
                i++;
            }
            struct slice word = slice_make(s.data + from, i - from);
            bool quoted = i < s.len && (s.data[i] == '"' || s.data[i] == '\'');
            if (quoted && word.len <= 2) { /* r'', b"", br'' */
                i = text_end(s, i,
                             slice_find(word, SLICE("r")) != SIZE_MAX ||
                                 slice_find(word, SLICE("R")) != SIZE_MAX);
            } else if (slice_eq_cstr(word, name) && last != '.') {
                return true;
            }
        } else {
            i++;
        }
        last = c == ' ' || c == '\t' || c == '\n' || c == '\r' ? last : c;
    }
    return false;
}

bool schema__rule_transition(const json_t *rule)
{
    return names(json_text_at(rule, "rule"), "oldSelf");
}

enum cause_kind schema__rule_kind(struct slice reason)
{
    return slice_eq_cstr(reason, "FieldValueRequired")    ? CAUSE_REQUIRED
           : slice_eq_cstr(reason, "FieldValueForbidden") ? CAUSE_FORBIDDEN
           : slice_eq_cstr(reason, "FieldValueDuplicate") ? CAUSE_DUPLICATE
                                                          : CAUSE_INVALID;
}

int schema__rule_compile(struct arena *arena, const struct expressions *x,
                         const struct schema_rule_source *source, const struct expression **out,
                         struct err *err)
{
    const struct expression_variable variables[] = {
        {.name = SLICE("self"), .schema = source->self},
        {.name = SLICE("oldSelf"), .schema = source->self, .optional = source->optional_old}};
    const struct expression_source all = {
        .text = source->text,
        .variables = variables,
        .count = 2,
        .wanted = source->message ? EXPRESSION_TEXT : EXPRESSION_BOOL,
        .stored = source->stored,
    };
    *out = NULL;
    return x != NULL && all.text.len > 0 ? x->compile(arena, &all, out, err) : 0;
}
