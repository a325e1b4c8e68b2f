/* members.c: one sort, and what comes before it. */
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

size_t members_listed(struct arena *arena, const json_t *object, const json_t *order,
                      struct member **members)
{
    struct member *sorted;
    size_t count = members_sorted(arena, object, &sorted);
    struct member *all = arena_alloc(arena, (count + 1) * sizeof *all);
    size_t n = 0;
    for (size_t i = 0; count > 0 && i < json_array_size(order); i++) {
        const struct member wanted = {.key = json_text(json_array_get(order, i))};
        struct member *found = bsearch(&wanted, sorted, count, sizeof *sorted, by_key);
        if (found != NULL && found->value != NULL) {
            all[n++] = *found;
            found->value = NULL;
        }
    }
    for (size_t k = 0; k < count; k++) {
        if (sorted[k].value != NULL) {
            all[n++] = sorted[k];
        }
    }
    *members = all;
    return n;
}
