/* uri.c: percent-encoding and query strings.
 *
 * Most values hold no escape and are returned as they stand; the others are copied once.
 * Malformed escapes are refused, never passed through: what was checked is what is used. */
#include "node/http/uri.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool uri_decode(struct slice raw, bool plus_is_space, struct arena *arena, struct slice *out)
{
    if (raw.len != 0 && memchr(raw.data, '\0', raw.len) != NULL) {
        return false;
    }
    bool escaped = raw.len != 0 && (memchr(raw.data, '%', raw.len) != NULL ||
                                    (plus_is_space && memchr(raw.data, '+', raw.len) != NULL));
    if (!escaped) {
        *out = raw;
        return true;
    }
    char *text = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '%') {
            int high = raw.len - i > 2 ? hex_digit(raw.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(raw.data[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        text[len++] = c;
    }
    text[len] = '\0';
    *out = slice_make(text, len);
    return true;
}

bool uri_next_param(struct slice *query, struct arena *arena, struct slice *name,
                    struct slice *value)
{
    struct slice pair;
    while (slice_split(query, '&', &pair)) {
        size_t equals = slice_find(pair, SLICE("="));
        struct slice raw_value = {0};
        struct slice raw_name = pair;
        if (equals != SIZE_MAX) {
            raw_name = slice_sub(pair, 0, equals);
            raw_value = slice_sub(pair, equals + 1, pair.len);
        }
        if (raw_name.len != 0 && uri_decode(raw_name, true, arena, name) &&
            uri_decode(raw_value, true, arena, value)) {
            return true;
        }
    }
    return false;
}

bool uri_split_target(struct slice target, struct slice *path, struct slice *query)
{
    if (target.len != 0 && target.data[0] != '/') {
        size_t scheme = slice_find(target, SLICE("://"));
        if (scheme == SIZE_MAX) {
            return false;
        }
        target = slice_sub(target, scheme + 3, target.len);
        size_t slash = slice_find(target, SLICE("/"));
        target = slash == SIZE_MAX ? SLICE("/") : slice_sub(target, slash, target.len);
    }
    size_t mark = slice_find(target, SLICE("?"));
    *path = mark == SIZE_MAX ? target : slice_sub(target, 0, mark);
    *query = mark == SIZE_MAX ? (struct slice){0} : slice_sub(target, mark + 1, target.len);
    return path->len != 0;
}
