/* heap.c: jemalloc's settings, and giving memory back.
 *
 * narenas:1             threads share one heap instead of having four for each core: fewer half
 *                       empty pages, and the few threads here hardly ever meet in one.
 * lg_tcache_max:14      up to 16 KB, what arenas and HTTP buffers ask for, stays with its thread.
 * dirty_decay_ms:1000   freed pages go back within a second, not ten;
 * muzzy_decay_ms:0      at once, so that what is resident is what is used;
 * background_thread     by a thread that sees to it: else they go with the next thousand calls, and
 *                       a node that idles after a burst would keep the burst's memory. */
#include "base/heap.h"

#include <malloc.h>
#include <stddef.h>

/* Read by jemalloc when the process starts. */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1,lg_tcache_max:14,dirty_decay_ms:1000,muzzy_decay_ms:0,"
                          "background_thread:true";

/* jemalloc's, where it is linked. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

void heap_trim(void)
{
    if (mallctl == NULL) {
        malloc_trim(0);
        return;
    }
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096: all arenas */
}
