/* json_scan.c: values in stored bytes, without a tree (declared in json.h).
 *
 * Scanning walks canonical bytes value by value and stops early, since keys are sorted. It never
 * reads outside the slice, whatever the bytes are; malformed ones are "absent". */
#include "base/json.h"

#include <string.h>

/* The string that text starts with, quotes included; empty if it does not. */
static struct slice raw_string(struct slice text)
{
    if (text.len < 2 || text.data[0] != '"') {
        return (struct slice){NULL, 0};
    }
    for (size_t from = 1; from < text.len;) {
        const char *quote = memchr(text.data + from, '"', text.len - from);
        if (quote == NULL) {
            break;
        }
        size_t at = (size_t)(quote - text.data);
        size_t slashes = 0;
        while (text.data[at - 1 - slashes] == '\\') { /* stops at the opening quote at the latest */
            slashes++;
        }
        if (slashes % 2 == 0) {
            return slice_sub(text, 0, at + 1);
        }
        from = at + 1;
    }
    return (struct slice){NULL, 0};
}

/* The value that text starts with; empty if it is cut short. */
static struct slice raw_value(struct slice text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len;) {
        char c = text.data[i];
        if (c == '"') {
            size_t len = raw_string(slice_sub(text, i, SIZE_MAX)).len;
            if (len == 0) {
                break;
            }
            i += len;
            if (depth == 0) {
                return slice_sub(text, 0, i);
            }
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']' || c == ',') {
            if (depth == 0) {
                return slice_sub(text, 0, i); /* the end of a number or word */
            }
            if (c != ',' && --depth == 0) {
                return slice_sub(text, 0, i + 1);
            }
        }
        i++;
    }
    return depth == 0 ? text : (struct slice){NULL, 0};
}

/* Finds the member of canonical object bytes whose quoted key is given. */
static bool scan_member(struct slice object, struct slice quoted, struct slice *value)
{
    if (object.len < 2 || object.data[0] != '{') {
        return false;
    }
    bool plain = memchr(quoted.data, '\\', quoted.len) == NULL;
    struct slice wanted = slice_sub(quoted, 1, quoted.len - 2);
    struct slice rest = slice_sub(object, 1, SIZE_MAX);
    for (;;) {
        struct slice key = raw_string(rest);
        rest = slice_sub(rest, key.len, SIZE_MAX);
        if (key.len == 0 || rest.len == 0 || rest.data[0] != ':') {
            return false;
        }
        rest = slice_sub(rest, 1, SIZE_MAX);
        if (slice_eq(key, quoted)) {
            *value = raw_value(rest);
            return value->len > 0;
        }
        /* Raw bytes sort like keys only where nothing is escaped. */
        if (plain && memchr(key.data, '\\', key.len) == NULL &&
            slice_cmp(slice_sub(key, 1, key.len - 2), wanted) > 0) {
            return false;
        }
        struct slice skipped = raw_value(rest);
        rest = slice_sub(rest, skipped.len, SIZE_MAX);
        if (skipped.len == 0 || rest.len == 0 || rest.data[0] != ',') {
            return false;
        }
        rest = slice_sub(rest, 1, SIZE_MAX);
    }
}

bool json_scan(struct slice canonical, struct slice *value, ...)
{
    bool found = true;
    struct slice at = canonical;
    struct buf quoted = {0};
    va_list keys;
    va_start(keys, value);
    for (const char *key = va_arg(keys, const char *); key != NULL && found;
         key = va_arg(keys, const char *)) {
        buf_clear(&quoted);
        json_quote(&quoted, slice_of(key));
        found = scan_member(at, buf_slice(&quoted), &at);
    }
    va_end(keys);
    buf_free(&quoted);
    if (found) {
        *value = at;
    }
    return found;
}

/* Four hexadecimal digits, or -1. */
static long unhex4(struct slice s)
{
    long v = 0;
    if (s.len < 4) {
        return -1;
    }
    for (size_t i = 0; i < 4; i++) {
        char c = s.data[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        v = v * 16 + digit;
    }
    return v;
}

static size_t utf8_put(char *out, long c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Decodes the escape that s starts with, behind its backslash, to at most 4 bytes at out. Returns
 * how much of s it took, 0 if it is none. An escape is never shorter than what it stands for. */
static size_t unescape(struct slice s, char *out, size_t *written)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *simple = s.len > 0 && s.data[0] != '\0' ? strchr(from, s.data[0]) : NULL;
    if (simple != NULL) {
        *out = to[simple - from];
        *written = 1;
        return 1;
    }
    if (s.len < 5 || s.data[0] != 'u') {
        return 0;
    }
    long c = unhex4(slice_sub(s, 1, 4));
    size_t taken = 5;
    if (c >= 0xd800 && c < 0xdc00) {
        bool paired = s.len >= 11 && s.data[5] == '\\' && s.data[6] == 'u';
        long low = paired ? unhex4(slice_sub(s, 7, 4)) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            return 0;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        taken = 11;
    } else if (c < 0 || (c >= 0xdc00 && c <= 0xdfff)) {
        return 0;
    }
    *written = utf8_put(out, c);
    return taken;
}

struct slice json_unquote(struct slice raw, struct arena *arena)
{
    if (raw.len < 2 || raw_string(raw).len != raw.len) {
        return (struct slice){NULL, 0};
    }
    struct slice in = slice_sub(raw, 1, raw.len - 2);
    if (memchr(raw.data, '\\', raw.len) == NULL) {
        return arena_copy(arena, in);
    }
    char *out = arena_alloc(arena, in.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < in.len;) {
        if (in.data[i] != '\\') {
            out[len++] = in.data[i++];
            continue;
        }
        size_t written = 0;
        size_t taken = unescape(slice_sub(in, i + 1, SIZE_MAX), out + len, &written);
        if (taken == 0) {
            return (struct slice){NULL, 0};
        }
        i += 1 + taken;
        len += written;
    }
    out[len] = '\0';
    return slice_make(out, len);
}
