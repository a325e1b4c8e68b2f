/* Sets of kinds, counted (see base/shared.h). A set keeps the definitions that its kinds lie in. */
#include "proto/kind_board.h"

#include <stdlib.h>

#include "base/list.h"

static void release(struct shared_value *value)
{
    struct kind_set *set = CONTAINER_OF(value, struct kind_set, shared);
    kind_registry_free(&set->registry);
    for (size_t i = 0; i < set->crd_count; i++) {
        shared_value_unref(&set->crds[i]->shared);
    }
    free(set->crds);
    free(set);
}

static struct kind_set *set_new(const struct kind_registry *fixed, struct crd *const *crds,
                                size_t count)
{
    struct kind_set *set = mem_zero(sizeof(*set));
    shared_value_init(&set->shared, release);
    kind_registry_init_over(&set->registry, fixed);
    set->crds = count > 0 ? mem_alloc(count * sizeof(*set->crds)) : NULL;
    for (size_t i = 0; i < count; i++) {
        (void)shared_value_ref(&crds[i]->shared);
        set->crds[set->crd_count++] = crds[i];
        for (size_t k = 0; k < crds[i]->kind_count; k++) {
            (void)kind_registry_add(&set->registry, &crds[i]->kinds[k], NULL);
        }
        if (crds[i]->stored != NULL) { /* its scope is asked for as long as it has objects */
            kind_registry_add_unserved(&set->registry, crds[i]->stored);
        }
    }
    return set;
}

void kind_board_init(struct kind_board *b, const struct kind_registry *fixed)
{
    b->fixed = fixed;
    shared_init(&b->sets, &set_new(fixed, NULL, 0)->shared);
}

void kind_board_free(struct kind_board *b)
{
    shared_free(&b->sets);
}

const struct kind_set *kind_board_get(struct kind_board *b)
{
    return CONTAINER_OF(shared_get(&b->sets), struct kind_set, shared);
}

static void give_back(void *set)
{
    kind_set_unref(set);
}

const struct kind_set *kind_board_use(struct kind_board *b, struct arena *arena)
{
    struct kind_set *set = CONTAINER_OF(shared_get(&b->sets), struct kind_set, shared);
    arena_own(arena, set, give_back);
    return set;
}

const struct kind_set *kind_set_ref(const struct kind_set *set)
{
    struct kind_set *counted = (struct kind_set *)(uintptr_t)set;
    (void)shared_value_ref(&counted->shared);
    return set;
}

void kind_set_unref(const struct kind_set *set)
{
    struct kind_set *counted = (struct kind_set *)(uintptr_t)set;
    shared_value_unref(&counted->shared);
}

void kind_board_publish(struct kind_board *b, struct crd *const *crds, size_t count)
{
    shared_set(&b->sets, &set_new(b->fixed, crds, count)->shared);
}
