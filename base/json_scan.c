/* json_scan.c: values in stored bytes, without a tree (declared in json.h).
 *
 * Scanning walks canonical bytes value by value and stops early, since keys are sorted. It never
 * reads outside the slice, whatever the bytes are; malformed ones are "absent". */
#include "base/json.h"

#include <assert.h>
#include <string.h>

/* Where the string ends whose opening quote is before `at`: behind its closing quote; 0 if it does
 * not. */
static size_t string_end(struct slice text, size_t at)
{
    const char *quote;
    while (at < text.len && (quote = memchr(text.data + at, '"', text.len - at)) != NULL) {
        at = (size_t)(quote - text.data) + 1;
        size_t slashes = 0;
        while (quote[-1 - (ptrdiff_t)slashes] ==
               '\\') { /* stops at the opening quote at the latest */
            slashes++;
        }
        if (slashes % 2 == 0) {
            return at;
        }
    }
    return 0;
}

/* The string that text starts with, quotes included; empty if it does not. */
static struct slice raw_string(struct slice text)
{
    bool quoted = text.len >= 2 && text.data[0] == '"';
    return slice_make(text.data, quoted ? string_end(text, 1) : 0);
}

/* The value that text starts with; empty if it is cut short. */
static struct slice raw_value(struct slice text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len;) {
        char c = text.data[i++];
        if (c == '"') {
            i = string_end(text, i);
            if (i == 0) {
                return (struct slice){NULL, 0};
            }
            if (depth == 0) {
                return slice_make(text.data, i);
            }
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']' || c == ',') {
            if (depth == 0) {
                return slice_make(text.data, i - 1); /* the end of a number or word */
            }
            if (c != ',' && --depth == 0) {
                return slice_make(text.data, i);
            }
        }
    }
    return depth == 0 ? text : (struct slice){NULL, 0};
}

static struct slice behind(struct slice s, size_t count)
{
    return slice_make(s.data + count, s.len - count);
}

/* A walk over the members of canonical object bytes. */
struct members {
    struct slice rest;
    struct slice key; /* as it is written between its quotes */
    struct slice value;
};

static struct members members_of(struct slice object)
{
    bool is_object = object.len >= 2 && object.data[0] == '{';
    return (struct members){.rest = is_object ? behind(object, 1) : (struct slice){0}};
}

/* Moves on to the next key; false if there is none. */
static bool next_key(struct members *m)
{
    struct slice key = raw_string(m->rest);
    if (key.len == 0 || m->rest.len == key.len || m->rest.data[key.len] != ':') {
        return false;
    }
    m->rest = behind(m->rest, key.len + 1);
    m->key = slice_make(key.data + 1, key.len - 2);
    return true;
}

/* Takes that key's value, and what separates it from the next key; false if it is cut short. */
static bool take_value(struct members *m)
{
    m->value = raw_value(m->rest);
    m->rest = behind(m->rest, m->value.len);
    if (m->rest.len > 0 && m->rest.data[0] == ',') {
        m->rest = behind(m->rest, 1);
    } else {
        m->rest = (struct slice){0};
    }
    return m->value.len > 0;
}

/* Has the walk gone past where the key would be? Raw bytes sort like keys only where nothing is
 * escaped. */
static bool is_past(const struct members *m, struct slice wanted)
{
    return slice_cmp(m->key, wanted) > 0 && memchr(m->key.data, '\\', m->key.len) == NULL &&
           memchr(wanted.data, '\\', wanted.len) == NULL;
}

static bool scan_member(struct slice object, struct slice wanted, struct slice *value)
{
    struct members m = members_of(object);
    while (next_key(&m)) {
        bool found = slice_eq(m.key, wanted);
        if ((!found && is_past(&m, wanted)) || !take_value(&m)) {
            return false;
        }
        if (found) {
            *value = m.value;
            return true;
        }
    }
    return false;
}

static bool written_as_it_is(struct slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        if ((unsigned char)key.data[i] < 0x20 || key.data[i] == '"' || key.data[i] == '\\') {
            return false;
        }
    }
    return true;
}

bool json_scan(struct slice canonical, struct slice *value, ...)
{
    bool found = true;
    struct slice at = canonical;
    va_list keys;
    va_start(keys, value);
    for (const char *key = va_arg(keys, const char *); key != NULL && found;
         key = va_arg(keys, const char *)) {
        struct slice wanted = slice_of(key);
        struct buf quoted = {0};
        if (!written_as_it_is(wanted)) {
            json_quote(&quoted, wanted);
            wanted = slice_sub(buf_slice(&quoted), 1, quoted.len - 2);
        }
        found = scan_member(at, wanted, &at);
        buf_free(&quoted);
    }
    va_end(keys);
    if (found) {
        *value = at;
    }
    return found;
}

void json_scan_members(struct slice canonical, const char *const *keys, struct slice *values)
{
    struct members m = members_of(canonical);
    bool more = next_key(&m);
    for (size_t i = 0; keys[i] != NULL; i++) {
        struct slice wanted = slice_of(keys[i]);
        assert(written_as_it_is(wanted));
        values[i] = (struct slice){0};
        while (more && !slice_eq(m.key, wanted) && !is_past(&m, wanted)) {
            more = take_value(&m) && next_key(&m);
        }
        if (more && slice_eq(m.key, wanted)) {
            more = take_value(&m);
            values[i] = m.value;
            more = more && next_key(&m);
        }
    }
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
