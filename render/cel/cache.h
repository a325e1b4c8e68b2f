/* cache.h: programs kept by their source, for templates that are rendered again and again.
 *
 * A program depends on its source, the names in scope in their order, and the host's functions:
 * those are its key, so nothing ever has to be invalidated. What does not compile is not kept. The
 * cache holds some CEL_CACHE_BYTES_MAX; once it is full others are compiled as without it, until
 * cel_cache_trim() empties it.
 *
 * Owner:  the caller embeds; a zeroed struct is an empty cache. Programs, and values that hold
 * their literals, live until the next trim or free. Thread: the owner's. */
#ifndef RENDER_CEL_CACHE_H
#define RENDER_CEL_CACHE_H

#include "base/map.h"
#include "render/cel/cel.h"

enum { CEL_CACHE_BYTES_MAX = 1024 * 1024 };

struct cel_cache {
    struct map programs; /* private: key -> program */
    struct arena arena;  /* private: of the programs */
};

void cel_cache_free(struct cel_cache *cache);
/* Empties it if it is full. Only while no evaluation's values are alive. */
void cel_cache_trim(struct cel_cache *cache);

/* cel_compile() for an environment without a container or types; cache may be NULL. The arena takes
 * what the cache does not. Errors: those of cel_compile(). */
int cel_cache_compile(struct cel_cache *cache, struct arena *arena, const struct cel_env *env,
                      struct slice source, const struct cel_program **program, uint32_t *offset,
                      struct err *err);

#endif
