/* text.h: what may be shown to people, in a terminal or a log.
 *
 * Not to be shown are control characters (C0, DEL, C1), which drive terminals and forge lines;
 * marks, embeddings and overrides of writing direction, separators of lines, tags and the
 * invisible, which make a text look like another one; and what is not well-formed UTF-8. The
 * joiners that scripts and emoji are written with may be.
 * Thread: any; nothing is shared. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/str.h"

struct text_char {
    uint32_t code; /* of a malformed byte: the byte */
    unsigned len;  /* bytes; a malformed byte stands for itself */
    bool shown;    /* may be */
};

/* The first character of s, which is not empty. */
struct text_char text_first(struct slice s);
/* Length of the longest prefix that may be shown as it is. */
size_t text_shown(struct slice s);
/* How many columns of a terminal: one for each character, none for marks that go on the one before.
 */
size_t text_columns(struct slice s);
/* Adds s with a '?' for each character that may not be shown and is not in keep ("\n\t"). */
void text_add_shown(struct buf *out, struct slice s, const char *keep);

enum text_escape { TEXT_JSON, TEXT_YAML }; /* how a character beyond U+FFFF is written */
enum { TEXT_ESCAPE_MAX = 13 };

/* A character's \u escape, NUL-terminated; its length. */
size_t text_escape(char out[TEXT_ESCAPE_MAX], uint32_t code, enum text_escape escape);
/* Adds s, which is JSON or YAML inside a double-quoted string, with \u escapes for the characters
 * that may not be shown: it means the same. */
void text_add_escaped(struct buf *out, struct slice s, enum text_escape escape);

#endif
