/* lexer.c: one token at a time, without look-back.
 *
 * Numbers are checked for range here; the int 9223372036854775808 is let through as an unsigned
 * mark (natural, type CEL_INT with `reserved`), because only a '-' before it makes it valid: the
 * parser calls cel_lex_negate() or refuses it. Strings are unescaped into the arena; one without
 * escapes borrows the source. */
#include "render/cel/lexer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int lex_error(struct cel_lexer *lx, size_t at, uint32_t *offset, struct err *err,
                     const char *what)
{
    (void)lx;
    *offset = (uint32_t)at;
    return err_set(err, ERR_UNPROCESSABLE, "%s", what);
}

static bool is_ident_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct cel_lexer *lx, size_t ahead)
{
    return lx->at + ahead < lx->source.len ? lx->source.data[lx->at + ahead] : '\0';
}

static void skip_space(struct cel_lexer *lx)
{
    for (;;) {
        char c = peek(lx, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            lx->at++;
        } else if (c == '/' && peek(lx, 1) == '/') {
            while (lx->at < lx->source.len && peek(lx, 0) != '\n') {
                lx->at++;
            }
        } else {
            return;
        }
    }
}

static int lex_integer(struct cel_lexer *lx, struct cel_token *t, int base, uint32_t *offset,
                       struct err *err)
{
    size_t from = lx->at + (base == 16 ? 2 : 0);
    size_t to = from;
    while (to < lx->source.len && (base == 16 ? isxdigit((unsigned char)lx->source.data[to]) != 0
                                              : is_digit(lx->source.data[to]))) {
        to++;
    }
    char *digits = arena_cstr(lx->arena, slice_sub(lx->source, from, to - from));
    errno = 0;
    unsigned long long v = strtoull(digits, NULL, base);
    bool overflow = errno == ERANGE || to == from;
    lx->at = to;
    if (peek(lx, 0) == 'u' || peek(lx, 0) == 'U') {
        lx->at++;
        t->value = cel_uint(v);
    } else {
        t->value = (struct cel_value){.type = CEL_INT, .as.natural = v};
        t->reserved = v == (unsigned long long)INT64_MAX + 1;
        overflow = overflow || v > (unsigned long long)INT64_MAX + 1;
        if (!t->reserved) {
            t->value.as.integer = (int64_t)v;
        }
    }
    if (overflow || is_ident_start(peek(lx, 0))) {
        return lex_error(lx, t->offset, offset, err, "invalid or too large integer");
    }
    return 0;
}

static int lex_number(struct cel_lexer *lx, struct cel_token *t, uint32_t *offset, struct err *err)
{
    t->type = CEL_T_LITERAL;
    if (peek(lx, 0) == '0' && (peek(lx, 1) == 'x' || peek(lx, 1) == 'X')) {
        return lex_integer(lx, t, 16, offset, err);
    }
    size_t n = 0;
    while (is_digit(peek(lx, n))) {
        n++;
    }
    bool real = false;
    if (peek(lx, n) == '.' && is_digit(peek(lx, n + 1))) {
        real = true;
        n++;
        while (is_digit(peek(lx, n))) {
            n++;
        }
    }
    if (peek(lx, n) == 'e' || peek(lx, n) == 'E') {
        size_t sign = peek(lx, n + 1) == '+' || peek(lx, n + 1) == '-' ? 1 : 0;
        if (is_digit(peek(lx, n + 1 + sign))) {
            real = true;
            n += 1 + sign;
            while (is_digit(peek(lx, n))) {
                n++;
            }
        }
    }
    if (!real) {
        return lex_integer(lx, t, 10, offset, err);
    }
    t->value = cel_double(strtod(arena_cstr(lx->arena, slice_sub(lx->source, lx->at, n)), NULL));
    lx->at += n;
    return 0;
}

struct string_form {
    bool raw;
    bool bytes;
    char quote;
    size_t quotes; /* 1 or 3 */
};

static int hex_digits(struct cel_lexer *lx, size_t count, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = peek(lx, i);
        if (!isxdigit((unsigned char)c)) {
            return -1;
        }
        *value = *value * 16 + (uint32_t)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    lx->at += count;
    return 0;
}

static int octal_digits(struct cel_lexer *lx, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < 3; i++) {
        char c = peek(lx, i);
        if (c < '0' || c > '7') {
            return -1;
        }
        *value = *value * 8 + (uint32_t)(c - '0');
    }
    lx->at += 3;
    return *value <= 0377 ? 0 : -1;
}

/* The escape behind a backslash at lx->at. */
static int lex_escape(struct cel_lexer *lx, bool bytes, struct buf *out)
{
    static const char plain[] = "abfnrtv\\?\"'`";
    static const char meaning[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek(lx, 0);
    const char *found = c != '\0' ? strchr(plain, c) : NULL;
    if (found != NULL) {
        lx->at++;
        buf_add_char(out, meaning[found - plain]);
        return 0;
    }
    uint32_t point;
    int rc = -1;
    if (c == 'x' || c == 'X') {
        lx->at++;
        rc = hex_digits(lx, 2, &point);
    } else if ((c == 'u' || c == 'U') && !bytes) {
        lx->at++;
        rc = hex_digits(lx, c == 'u' ? 4 : 8, &point);
        if (rc == 0 && (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))) {
            rc = -1;
        }
    } else if (c >= '0' && c <= '3') {
        rc = octal_digits(lx, &point);
    }
    if (rc != 0) {
        return rc;
    }
    if (bytes) {
        buf_add_char(out, (char)point);
    } else {
        cel_utf8_add(out, point);
    }
    return 0;
}

static bool at_close(const struct cel_lexer *lx, const struct string_form *form)
{
    for (size_t i = 0; i < form->quotes; i++) {
        if (peek(lx, i) != form->quote) {
            return false;
        }
    }
    return true;
}

static int lex_string(struct cel_lexer *lx, struct cel_token *t, const struct string_form *form,
                      uint32_t *offset, struct err *err)
{
    struct buf text = {0};
    const char *wrong = NULL;
    lx->at += form->quotes;
    while (wrong == NULL && !at_close(lx, form)) {
        char c = peek(lx, 0);
        if (lx->at >= lx->source.len || (form->quotes == 1 && (c == '\n' || c == '\r'))) {
            wrong = "unterminated string";
        } else if (c == '\\' && !form->raw) {
            size_t at = lx->at++;
            if (lex_escape(lx, form->bytes, &text) != 0) {
                lx->at = at;
                wrong = "invalid escape sequence";
            }
        } else {
            buf_add_char(&text, c);
            lx->at++;
        }
    }
    size_t stopped = lx->at;
    lx->at += form->quotes;
    struct slice copy = arena_copy(lx->arena, buf_slice(&text));
    buf_free(&text);
    if (wrong == NULL && !form->bytes && slice_utf8(copy) != copy.len) {
        wrong = "the string is no valid UTF-8";
    }
    if (wrong != NULL) {
        return lex_error(lx, stopped < lx->source.len ? stopped : t->offset, offset, err, wrong);
    }
    t->type = CEL_T_LITERAL;
    t->value = form->bytes ? cel_bytes(copy) : cel_string(copy);
    return 0;
}

/* Whether a string literal starts here: optional r and b in any order and case, then a quote. */
static bool string_starts(struct cel_lexer *lx, struct string_form *form)
{
    size_t n = 0;
    *form = (struct string_form){.quotes = 1};
    for (; n < 2; n++) {
        char c = peek(lx, n);
        if ((c == 'r' || c == 'R') && !form->raw) {
            form->raw = true;
        } else if ((c == 'b' || c == 'B') && !form->bytes) {
            form->bytes = true;
        } else {
            break;
        }
    }
    form->quote = peek(lx, n);
    if (form->quote != '"' && form->quote != '\'') {
        return false;
    }
    if (peek(lx, n + 1) == form->quote && peek(lx, n + 2) == form->quote) {
        form->quotes = 3;
    }
    lx->at += n;
    return true;
}

static void lex_word(struct cel_lexer *lx, struct cel_token *t)
{
    static const char *const reserved[] = {
        "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
        "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};
    size_t n = 1;
    while (is_ident_start(peek(lx, n)) || is_digit(peek(lx, n))) {
        n++;
    }
    t->text = slice_sub(lx->source, lx->at, n);
    lx->at += n;
    t->type = CEL_T_IDENT;
    if (slice_eq_cstr(t->text, "in")) {
        t->type = CEL_T_IN;
    } else if (slice_eq_cstr(t->text, "true") || slice_eq_cstr(t->text, "false")) {
        t->type = CEL_T_LITERAL;
        t->value = cel_bool(t->text.data[0] == 't');
    } else if (slice_eq_cstr(t->text, "null")) {
        t->type = CEL_T_LITERAL;
        t->value = (struct cel_value){.type = CEL_NULL};
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        t->reserved = t->reserved ||
                      (reserved[i][0] == t->text.data[0] && slice_eq_cstr(t->text, reserved[i]));
    }
}

static int lex_quoted(struct cel_lexer *lx, struct cel_token *t, uint32_t *offset, struct err *err)
{
    size_t n = 1;
    while (lx->at + n < lx->source.len && peek(lx, n) != '`') {
        char c = peek(lx, n);
        if (!is_ident_start(c) && !is_digit(c) && strchr(".-/ ", c) == NULL) {
            break;
        }
        n++;
    }
    if (peek(lx, n) != '`' || n == 1) {
        return lex_error(lx, lx->at + n, offset, err, "invalid quoted field name");
    }
    t->type = CEL_T_QUOTED;
    t->text = slice_sub(lx->source, lx->at + 1, n - 1);
    lx->at += n + 1;
    return 0;
}

/* How many bytes of punctuation start with c, followed by next: 0, 1 or 2. */
static size_t punct_len(char c, char next)
{
    switch (c) {
    case '<':
    case '>':
        return next == '=' ? 2 : 1;
    case '!':
        return next == '=' ? 2 : 1;
    case '=':
        return next == '=' ? 2 : 0;
    case '&':
        return next == '&' ? 2 : 0;
    case '|':
        return next == '|' ? 2 : 0;
    case '.':
    case '[':
        return next == '?' ? 2 : 1;
    default:
        return c != '\0' && strchr("+-*/%?:,()]{}", c) != NULL ? 1 : 0;
    }
}

static int lex_punct(struct cel_lexer *lx, struct cel_token *t, uint32_t *offset, struct err *err)
{
    t->text = slice_sub(lx->source, lx->at, punct_len(peek(lx, 0), peek(lx, 1)));
    if (t->text.len > 0) {
        t->type = CEL_T_PUNCT;
        lx->at += t->text.len;
        return 0;
    }
    *offset = t->offset;
    uint32_t point;
    size_t len = cel_utf8_next(lx->source, lx->at, &point);
    return err_set(err, ERR_UNPROCESSABLE, "unexpected character '%.*s'",
                   SLICE_ARG(slice_sub(lx->source, lx->at, len)));
}

int cel_lex(struct cel_lexer *lx, struct cel_token *t, uint32_t *offset, struct err *err)
{
    skip_space(lx);
    *t = (struct cel_token){.offset = (uint32_t)lx->at};
    if (lx->at >= lx->source.len) {
        t->type = CEL_T_END;
        return 0;
    }
    struct string_form form;
    char c = peek(lx, 0);
    if (string_starts(lx, &form)) {
        return lex_string(lx, t, &form, offset, err);
    }
    if (is_ident_start(c)) {
        lex_word(lx, t);
        return 0;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1)))) {
        return lex_number(lx, t, offset, err);
    }
    if (c == '`') {
        return lex_quoted(lx, t, offset, err);
    }
    return lex_punct(lx, t, offset, err);
}

bool cel_lex_negate(struct cel_token *t)
{
    if (t->type != CEL_T_LITERAL) {
        return false;
    }
    if (t->value.type == CEL_DOUBLE) {
        t->value.as.real = -t->value.as.real;
        return true;
    }
    if (t->value.type != CEL_INT) {
        return false;
    }
    t->value = cel_int(t->reserved ? INT64_MIN : -t->value.as.integer);
    t->reserved = false;
    return true;
}
