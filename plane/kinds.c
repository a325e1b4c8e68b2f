/* kinds.c: Kubernetes' kinds, without choreo's. Custom kinds are the doors' business, as on the
 * control plane. */
#include "plane/kinds.h"

#include "base/log.h"

static void add_fixed(struct kinds *k)
{
    struct err err;
    for (size_t i = 0; i < kind_registry_count(&k->builtin); i++) {
        const struct kind *kind = kind_registry_at(&k->builtin, i);
        if (!slice_ends_with(kind->group, SLICE("choreo.dev")) &&
            kind_registry_add(&k->fixed, kind, &err) != 0) {
            log_warn("plane.kinds", "kind=%.*s error=%s", SLICE_ARG(kind->kind),
                     log_q(err.message));
        }
    }
    kind_registry_workloads(&k->fixed);
}

void kinds_init(struct kinds *k)
{
    *k = (struct kinds){0};
    kind_registry_init(&k->builtin);
    kind_registry_builtin(&k->builtin);
    kind_registry_init(&k->fixed);
    add_fixed(k);
    kind_board_init(&k->board, &k->fixed);
}

void kinds_free(struct kinds *k)
{
    kind_board_free(&k->board);
    kind_registry_free(&k->fixed);
    kind_registry_free(&k->builtin);
}

void kinds_watch(struct kinds *k, struct api *api, struct loop *loop)
{
    const struct definitions_config config = {.api = api, .loop = loop};
    definitions_start(&k->definitions, &config);
}

static void on_closed(struct definitions *d)
{
    struct kinds *k = CONTAINER_OF(d, struct kinds, definitions);
    k->closed(k);
}

void kinds_close(struct kinds *k, void (*closed)(struct kinds *kinds))
{
    k->closed = closed;
    definitions_close(&k->definitions, on_closed);
}
