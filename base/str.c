/* str.c: slices and buffers.
 *
 * A buffer grows by doubling and keeps one spare byte, so that buf_cstr() only writes a NUL.
 * Sizes come from bounded inputs; running out of memory aborts, and failover is the recovery. */
#include "base/str.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t bytes)
{
    (void)fprintf(stderr, "out of memory: %zu bytes\n", bytes);
    abort();
}

void *mem_alloc(size_t bytes)
{
    void *p = malloc(bytes > 0 ? bytes : 1);
    if (p == NULL) {
        out_of_memory(bytes);
    }
    return p;
}

void *mem_zero(size_t bytes)
{
    void *p = calloc(1, bytes > 0 ? bytes : 1);
    if (p == NULL) {
        out_of_memory(bytes);
    }
    return p;
}

void *mem_resize(void *p, size_t bytes)
{
    void *grown = realloc(p, bytes > 0 ? bytes : 1);
    if (grown == NULL) {
        out_of_memory(bytes);
    }
    return grown;
}

char *mem_strdup(const char *s)
{
    return slice_dup(slice_of(s));
}

struct slice slice_of(const char *cstr)
{
    return (struct slice){cstr, cstr != NULL ? strlen(cstr) : 0};
}

struct slice slice_make(const void *data, size_t len)
{
    return (struct slice){data, len};
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_eq_cstr(struct slice a, const char *b)
{
    return slice_eq(a, slice_of(b));
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_ends_with(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && slice_eq(slice_sub(s, s.len - suffix.len, suffix.len), suffix);
}

struct slice slice_sub(struct slice s, size_t from, size_t len)
{
    if (from > s.len) {
        from = s.len;
    }
    if (len > s.len - from) {
        len = s.len - from;
    }
    return (struct slice){s.data != NULL ? s.data + from : NULL, len};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool slice_split(struct slice *rest, char separator, struct slice *part)
{
    if (rest->len == 0) {
        return false;
    }
    const char *end = memchr(rest->data, separator, rest->len);
    if (end == NULL) {
        *part = *rest;
        *rest = (struct slice){NULL, 0};
        return true;
    }
    *part = slice_make(rest->data, (size_t)(end - rest->data));
    *rest = slice_sub(*rest, part->len + 1, SIZE_MAX);
    return true;
}

size_t slice_find(struct slice s, struct slice needle)
{
    if (needle.len == 0) {
        return 0;
    }
    if (s.len < needle.len) {
        return SIZE_MAX;
    }
    const char *at = memmem(s.data, s.len, needle.data, needle.len);
    return at != NULL ? (size_t)(at - s.data) : SIZE_MAX;
}

bool slice_u64(struct slice s, uint64_t *value)
{
    uint64_t v = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.data[i] - '0'), &v)) {
            return false;
        }
    }
    *value = v;
    return true;
}

bool slice_i64(struct slice s, int64_t *value)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t magnitude;
    if (!slice_u64(negative ? slice_sub(s, 1, SIZE_MAX) : s, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

uint64_t slice_hash(struct slice s)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (uint8_t)s.data[i]) * 1099511628211ULL;
    }
    return hash;
}

/* Length of the UTF-8 character at s, 0 if there is none (overlong forms and surrogates are none).
 */
static size_t utf8_char(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;
    if (len > s.len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

size_t slice_utf8(struct slice s)
{
    size_t at = 0;
    while (at < s.len) {
        size_t len = (unsigned char)s.data[at] < 0x80 ? 1 : utf8_char(slice_sub(s, at, 4));
        if (len == 0) {
            break;
        }
        at += len;
    }
    return at;
}

char *slice_dup(struct slice s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void buf_free(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

void buf_reserve(struct buf *b, size_t extra)
{
    size_t need = b->len + extra + 1; /* one spare for the NUL of buf_cstr() */
    assert(need > extra);
    if (need <= b->cap) {
        return;
    }
    size_t cap = b->cap > 0 ? b->cap : 64;
    while (cap < need) {
        cap *= 2;
    }
    b->data = mem_resize(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, struct slice s)
{
    buf_reserve(b, s.len);
    if (s.len > 0) {
        memcpy(b->data + b->len, s.data, s.len);
        b->len += s.len;
    }
}

void buf_add_cstr(struct buf *b, const char *s)
{
    buf_add(b, slice_of(s));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, slice_make(&c, 1));
}

void buf_add_u8(struct buf *b, uint8_t v)
{
    buf_add(b, slice_make(&v, 1));
}

void buf_add_be32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_add(b, slice_make(&v, sizeof v));
}

void buf_add_be64(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_add(b, slice_make(&v, sizeof v));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_add(b, slice_make(digits + at, sizeof digits - at));
}

void buf_vaddf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert(len >= 0);
    buf_reserve(b, (size_t)len);
    (void)vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
    b->len += (size_t)len;
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vaddf(b, format, args);
    va_end(args);
}

void buf_shift(struct buf *b, size_t count)
{
    assert(count <= b->len);
    b->len -= count;
    if (b->len > 0 && count > 0) {
        memmove(b->data, b->data + count, b->len);
    }
}

struct slice buf_slice(const struct buf *b)
{
    return slice_make(b->data, b->len);
}

const char *buf_cstr(struct buf *b)
{
    buf_reserve(b, 0);
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_take(struct buf *b)
{
    (void)buf_cstr(b);
    char *data = b->data;
    buf_init(b);
    return data;
}

uint32_t be32_get(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

uint64_t be64_get(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
