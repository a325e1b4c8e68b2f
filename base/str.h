/* str.h: bytes with a length.
 *
 * struct slice borrows, struct buf owns. C strings appear only at library edges: buf_cstr() gives
 * one, slice_of() takes one. Out of memory aborts (inputs are bounded before they get here).
 * Thread: any; nothing is shared. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *data; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).len, (s).data != NULL ? (s).data : ""

struct slice slice_of(const char *cstr); /* NULL gives an empty slice */
struct slice slice_make(const void *data, size_t len);
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_cstr(struct slice a, const char *b);
int slice_cmp(struct slice a, struct slice b); /* bytewise; a prefix sorts first */
bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);
struct slice slice_sub(struct slice s, size_t from, size_t len); /* clamped to s */
struct slice slice_trim(struct slice s);                         /* ASCII white space, both ends */
/* Cuts *rest at the first separator and returns what stood before it; false once *rest is used up.
 * "a,,b" gives a, "", b; "a," gives a; "" gives nothing. */
bool slice_split(struct slice *rest, char separator, struct slice *part);
/* Offset of the first needle, or SIZE_MAX. */
size_t slice_find(struct slice s, struct slice needle);
/* Whole-slice decimal; false on anything else or on overflow. */
bool slice_u64(struct slice s, uint64_t *value);
bool slice_i64(struct slice s, int64_t *value);
uint64_t slice_hash(struct slice s); /* FNV-1a, 64 bits; stable across processes and versions */
size_t slice_utf8(struct slice s);   /* length of the prefix that is well-formed UTF-8 */
char *slice_dup(struct slice s);     /* NUL-terminated copy; free() it */

struct buf {
    char *data; /* NULL until something is written */
    size_t len;
    size_t cap;
};

void buf_init(struct buf *b);  /* a zeroed struct buf is as good */
void buf_free(struct buf *b);  /* leaves it empty and usable */
void buf_clear(struct buf *b); /* keeps the memory */
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, struct slice s);
void buf_add_cstr(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_be32(struct buf *b, uint32_t v);
void buf_add_be64(struct buf *b, uint64_t v);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal digits */
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void buf_shift(struct buf *b, size_t count); /* drops the first count bytes */
struct slice buf_slice(const struct buf *b); /* valid until b is next written */
const char *buf_cstr(struct buf *b);         /* NUL-terminated, likewise */
char *buf_take(struct buf *b);               /* NUL-terminated; the caller free()s it; b is empty */

uint32_t be32_get(const void *p);
uint64_t be64_get(const void *p);

/* malloc and friends that abort when memory is gone. */
void *mem_alloc(size_t bytes); /* uninitialised */
void *mem_zero(size_t bytes);
void *mem_resize(void *p, size_t bytes);
char *mem_strdup(const char *s);

#endif
