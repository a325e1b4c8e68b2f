/* map.h: a hash map from byte strings to pointers; open addressing, keys copied.
 *
 * A zeroed struct is empty. Iteration order is unspecified: never let it reach stored or replicated
 * bytes.
 * Owner: the caller; values are never freed here. Thread: the owner's. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map {
    struct map_slot *slots; /* private */
    size_t count;
    size_t cap;  /* private */
    size_t gone; /* private: tombstones */
};

void map_free(struct map *m);
void *map_get(const struct map *m, struct slice key); /* NULL if absent */
/* Stores value (not NULL); returns the one it replaces, or NULL. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_remove(struct map *m, struct slice key); /* the removed value, or NULL */
/* Start with *cursor = 0; false at the end. The current key may be removed while iterating. */
bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value);

/* Hashes are keyed at random per process, so that clients cannot choose colliding keys; iteration
 * order therefore differs between runs. A seeded simulation fixes it before it makes any map. */
void map_fix_order(uint64_t key);

#endif
