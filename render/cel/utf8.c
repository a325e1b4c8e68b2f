/* utf8.c: code points of UTF-8 text.
 *
 * Strings of JSON and of checked literals are valid; bytes may be anything, so every function here
 * takes a stray byte as one unit and never reads past the end. */
#include "render/cel/value.h"

size_t cel_utf8_next(struct slice text, size_t at, uint32_t *point)
{
    const unsigned char *p = (const unsigned char *)text.data + at;
    size_t left = text.len - at;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    *point = p[0];
    if (need == 1 || need == 0 || need > left || p[0] > 0xf4) {
        return 1;
    }
    uint32_t v = p[0] & (0xffU >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 1;
        }
        v = v << 6 | (p[i] & 0x3fU);
    }
    if (v < least[need] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) {
        return 1;
    }
    *point = v;
    return need;
}

size_t cel_utf8_count(struct slice text)
{
    size_t count = 0;
    uint32_t point;
    for (size_t at = 0; at < text.len; at += cel_utf8_next(text, at, &point)) {
        count++;
    }
    return count;
}

void cel_utf8_add(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_add_char(out, (char)point);
    } else if (point < 0x800) {
        buf_add_u8(out, (uint8_t)(0xc0 | point >> 6));
        buf_add_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else if (point < 0x10000) {
        buf_add_u8(out, (uint8_t)(0xe0 | point >> 12));
        buf_add_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        buf_add_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else {
        buf_add_u8(out, (uint8_t)(0xf0 | point >> 18));
        buf_add_u8(out, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
        buf_add_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        buf_add_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    }
}
