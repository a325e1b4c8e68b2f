/* text.c: characters that may be shown, and something harmless in place of the others. */
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct range {
    uint32_t from;
    uint32_t to;
};

static const struct range hidden[] = {
    {0x00, 0x1f},       /* C0 */
    {0x7f, 0x9f},       /* DEL, C1 */
    {0x61c, 0x61c},     /* Arabic letter mark */
    {0x200b, 0x200b},   /* zero width space */
    {0x200e, 0x200f},   /* left-to-right and right-to-left marks */
    {0x2028, 0x202e},   /* line and paragraph separators, embeddings, overrides */
    {0x2060, 0x206f},   /* word joiner, invisible operators, isolates, deprecated ones */
    {0xfeff, 0xfeff},   /* byte order mark */
    {0xfff9, 0xfffb},   /* interlinear annotation */
    {0xe0000, 0xe007f}, /* tags */
};

/* Marks that stand on the character before: the common blocks, variation selectors, joiners. */
static const struct range combining[] = {
    {0x300, 0x36f},   {0x200c, 0x200d}, {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},
    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xe0100, 0xe01ef},
};

static bool is_in(uint32_t code, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].from && code <= ranges[i].to) {
            return true;
        }
    }
    return false;
}

struct text_char text_first(struct slice s)
{
    assert(s.len > 0);
    const unsigned char *p = (const unsigned char *)s.data;
    if (p[0] >= ' ' && p[0] < 0x7f) {
        return (struct text_char){p[0], 1, true};
    }
    unsigned len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (slice_utf8(slice_sub(s, 0, len)) != len) { /* cut off, or malformed */
        return (struct text_char){p[0], 1, false};
    }
    uint32_t code = len == 1 ? p[0] : p[0] & (0x7fU >> len);
    for (unsigned i = 1; i < len; i++) {
        code = code << 6 | (p[i] & 0x3fU);
    }
    return (struct text_char){code, len, !is_in(code, hidden, sizeof hidden / sizeof hidden[0])};
}

size_t text_shown(struct slice s)
{
    size_t at = 0;
    while (at < s.len) {
        struct text_char c = text_first(slice_sub(s, at, SIZE_MAX));
        if (!c.shown) {
            break;
        }
        at += c.len;
    }
    return at;
}

size_t text_columns(struct slice s)
{
    size_t columns = 0;
    for (size_t at = 0; at < s.len;) {
        struct text_char c = text_first(slice_sub(s, at, SIZE_MAX));
        columns += is_in(c.code, combining, sizeof combining / sizeof combining[0]) ? 0 : 1;
        at += c.len;
    }
    return columns;
}

void text_add_shown(struct buf *out, struct slice s, const char *keep)
{
    while (s.len > 0) {
        size_t shown = text_shown(s);
        buf_add(out, slice_sub(s, 0, shown));
        s = slice_sub(s, shown, SIZE_MAX);
        if (s.len > 0) {
            bool kept = s.data[0] != '\0' && strchr(keep, s.data[0]) != NULL;
            buf_add_char(out, kept ? s.data[0] : '?');
            s = slice_sub(s, text_first(s).len, SIZE_MAX);
        }
    }
}

size_t text_escape(char out[TEXT_ESCAPE_MAX], uint32_t code, enum text_escape escape)
{
    int len;
    if (code <= 0xffff) {
        len = snprintf(out, TEXT_ESCAPE_MAX, "\\u%04x", code);
    } else if (escape == TEXT_YAML) {
        len = snprintf(out, TEXT_ESCAPE_MAX, "\\U%08x", code);
    } else {
        len = snprintf(out, TEXT_ESCAPE_MAX, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10),
                       0xdc00 + (code & 0x3ff));
    }
    return (size_t)len;
}

void text_add_escaped(struct buf *out, struct slice s, enum text_escape escape)
{
    while (s.len > 0) {
        size_t shown = text_shown(s);
        buf_add(out, slice_sub(s, 0, shown));
        s = slice_sub(s, shown, SIZE_MAX);
        if (s.len > 0) {
            struct text_char c = text_first(s);
            char text[TEXT_ESCAPE_MAX];
            buf_add(out, slice_make(text, text_escape(text, c.code, escape)));
            s = slice_sub(s, c.len, SIZE_MAX);
        }
    }
}
