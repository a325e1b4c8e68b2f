/* cache.c: looks a program up, or compiles it into the cache's own arena.
 *
 * The source is copied with the program, which borrows it. What is new is compiled into the
 * caller's arena first, so that errors leave nothing in the cache. */
#include "render/cel/cache.h"

#include <assert.h>

void cel_cache_free(struct cel_cache *cache)
{
    map_free(&cache->programs);
    arena_free(&cache->arena);
}

static bool is_full(const struct cel_cache *cache)
{
    return cache->arena.used_bytes >= CEL_CACHE_BYTES_MAX;
}

void cel_cache_trim(struct cel_cache *cache)
{
    if (is_full(cache)) {
        cel_cache_free(cache);
    }
}

/* Lengths stand before names, so that no two environments have the same key. */
static void key_of(const struct cel_env *env, struct slice source, struct buf *key)
{
    assert(env->container.len == 0 && env->shapes == NULL && env->wanted == CEL_S_DYN);
    buf_add(key, slice_make(&env->functions, sizeof(env->functions)));
    buf_add_u8(key, env->unchecked ? 1 : 0);
    for (size_t i = 0; i < env->count; i++) {
        buf_add(key, slice_make(&env->names[i].len, sizeof(env->names[i].len)));
        buf_add(key, env->names[i]);
    }
    buf_add(key, slice_make(&source.len, sizeof(source.len)));
    buf_add(key, source);
}

int cel_cache_compile(struct cel_cache *cache, struct arena *arena, const struct cel_env *env,
                      struct slice source, const struct cel_program **program, uint32_t *offset,
                      struct err *err)
{
    if (cache == NULL) {
        return cel_compile(arena, env, source, program, offset, err);
    }
    struct buf key = {0};
    key_of(env, source, &key);
    int rc = 0;
    *program = map_get(&cache->programs, buf_slice(&key));
    if (*program == NULL) {
        rc = cel_compile(arena, env, source, program, offset, err);
        if (rc == 0 && !is_full(cache)) {
            rc = cel_compile(&cache->arena, env, arena_copy(&cache->arena, source), program, offset,
                             err);
            map_put(&cache->programs, buf_slice(&key), (void *)(uintptr_t)*program);
        }
    }
    buf_free(&key);
    return rc;
}
