/* lexer.h: CEL's text to tokens.
 *
 * Owner: the caller; tokens borrow the source, unescaped literals live in the arena. Thread: any.
 */
#ifndef RENDER_CEL_LEXER_H
#define RENDER_CEL_LEXER_H

#include "render/cel/value.h"

enum cel_token_type {
    CEL_T_END,
    CEL_T_LITERAL, /* value: int, uint, double, string, bytes, bool, null */
    CEL_T_IDENT,   /* text; also reserved words, see `reserved` */
    CEL_T_QUOTED,  /* text between back quotes: a field's name */
    CEL_T_IN,
    CEL_T_PUNCT, /* text: one of "+ - * / % ! ? : . , ( ) [ ] { } < > <= >= == != && || .? [?" */
};

struct cel_token {
    enum cel_token_type type;
    uint32_t offset; /* in bytes */
    struct slice text;
    struct cel_value value;
    bool reserved; /* an IDENT that may only be a field */
};

struct cel_lexer {
    struct slice source;
    size_t at;
    struct arena *arena;
};

/* The next token; a '-' is always punctuation. Errors: ERR_UNPROCESSABLE with *offset set to where.
 */
int cel_lex(struct cel_lexer *lexer, struct cel_token *token, uint32_t *offset, struct err *err);
/* The number that token (a LITERAL that is an int or double) stands for when '-' precedes it: the
 * one way to write the least int. False if it is no such number. */
bool cel_lex_negate(struct cel_token *token);

#endif
