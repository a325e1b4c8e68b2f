/* category.c: from a word to kinds, as kubectl does: by what discovery says of each. */
#include "cli/category.h"

#include <string.h>

static bool belongs(const Choreo__V1__KindInfo *kind, const char *word)
{
    for (size_t i = 0; i < kind->n_categories; i++) {
        if (strcmp(kind->categories[i], word) == 0) {
            return kind->namespaced;
        }
    }
    return false;
}

static bool is_known(const struct category *category, const char *resource)
{
    for (size_t i = 0; i < category->count; i++) {
        if (strcmp(category->resources[i], resource) == 0) {
            return true; /* another version of it */
        }
    }
    return false;
}

int category_find(struct cli *c, const char *word, struct category *out, struct err *err)
{
    Choreo__V1__KindsResponse *all = NULL;
    int rc = ask_kinds(c, &all, err);
    *out = (struct category){0};
    if (rc != 0) {
        return rc;
    }
    out->resources = arena_alloc(&c->arena, (all->n_kinds + 1) * sizeof(char *));
    out->prefixes = arena_alloc(&c->arena, (all->n_kinds + 1) * sizeof(char *));
    for (size_t i = 0; i < all->n_kinds; i++) {
        const Choreo__V1__KindInfo *kind = all->kinds[i];
        const char *resource = arena_printf(&c->arena, "%s%s%s", kind->plural,
                                            *kind->group != '\0' ? "." : "", kind->group);
        if (belongs(kind, word) && !is_known(out, resource)) {
            out->prefixes[out->count] = arena_printf(&c->arena, "%s/", kind->singular);
            out->resources[out->count++] = resource;
        }
    }
    return 0;
}
