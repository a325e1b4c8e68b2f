/* arena.c: chunks that grow, released together.
 *
 * Small requests share chunks; one larger than half a chunk gets its own, so little is wasted.
 * Objects of libraries registered with arena_own() are released before any memory goes, newest
 * first, because a later one may point into an earlier one. */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_MIN_BYTES = 4096, CHUNK_MAX_BYTES = 256 * 1024 };

struct arena_owned {
    struct arena_owned *next;
    void *object;
    void (*release)(void *object);
};

struct arena_chunk {
    struct arena_chunk *next;
    struct arena_owned *owned; /* of the whole arena, kept in its newest chunk */
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_free(struct arena *a)
{
    struct arena_owned *owned = a->chunks != NULL ? a->chunks->owned : NULL;
    for (; owned != NULL; owned = owned->next) {
        owned->release(owned->object);
    }
    while (a->chunks != NULL) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    arena_init(a);
}

static void add_chunk(struct arena *a, size_t need)
{
    size_t size = a->chunks != NULL ? a->chunks->size * 2 : CHUNK_MIN_BYTES;
    if (size > CHUNK_MAX_BYTES) {
        size = CHUNK_MAX_BYTES;
    }
    if (size < need) {
        size = need;
    }
    struct arena_chunk *chunk = mem_alloc(sizeof *chunk + size);
    chunk->owned = a->chunks != NULL ? a->chunks->owned : NULL;
    chunk->next = a->chunks;
    chunk->used = 0;
    chunk->size = size;
    a->chunks = chunk;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    assert(bytes < SIZE_MAX - align);
    size_t need = (bytes + align - 1) / align * align;
    if (need == 0) {
        need = align;
    }
    if (a->chunks == NULL || a->chunks->size - a->chunks->used < need) {
        add_chunk(a, need);
    }
    void *p = a->chunks->bytes + a->chunks->used;
    a->chunks->used += need;
    a->used_bytes += need;
    return p;
}

void *arena_zero(struct arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

char *arena_cstr(struct arena *a, struct slice s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    return slice_make(arena_cstr(a, s), s.len);
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

void arena_own(struct arena *a, void *object, void (*release)(void *object))
{
    struct arena_owned *owned = arena_alloc(a, sizeof *owned);
    owned->object = object;
    owned->release = release;
    owned->next = a->chunks->owned;
    a->chunks->owned = owned;
}
