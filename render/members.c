/* members.c: one sort. */
#include "render/members.h"

#include <stdlib.h>

static int by_key(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    return slice_cmp(x->key, y->key);
}

size_t members_sorted(struct arena *arena, const json_t *object, struct member **members)
{
    /* jansson iterates only over objects that are not const, though it changes nothing. */
    union {
        const json_t *in;
        json_t *out;
    } mutable = {.in = object};
    struct member *all = arena_alloc(arena, (json_object_size(object) + 1) * sizeof *all);
    size_t n = 0;
    const char *key;
    size_t len;
    json_t *value;
    json_object_keylen_foreach(mutable.out, key, len, value)
    {
        all[n++] = (struct member){slice_make(key, len), value};
    }
    if (n > 1) {
        qsort(all, n, sizeof *all, by_key);
    }
    *members = all;
    return n;
}
