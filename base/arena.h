/* arena.h: memory that is freed all at once.
 *
 * One arena per request, gone with the response; one per parse, gone with the tree.
 * Owner: the caller. Thread: one at a time. A zeroed struct arena is an empty one. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>

#include "base/str.h"

struct arena {
    struct arena_chunk *chunks; /* private: newest first */
    size_t used_bytes;          /* handed out, in total */
};

void arena_init(struct arena *a);
void arena_free(struct arena *a); /* everything; leaves an empty, usable arena */

void *arena_alloc(struct arena *a, size_t bytes); /* aligned for any type, uninitialised */
void *arena_zero(struct arena *a, size_t bytes);
struct slice arena_copy(struct arena *a, struct slice s); /* also NUL-terminated */
char *arena_cstr(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Calls release(object) from arena_free(), newest first: for a library's object that lives as long.
 */
void arena_own(struct arena *a, void *object, void (*release)(void *object));

#define ARENA_NEW(arena, type) ((type *)arena_zero((arena), sizeof(type)))

#endif
