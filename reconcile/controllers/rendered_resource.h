/* rendered_resource.h: what a resource's type says of its objects on one cluster: whether they are
 * ready, and what they put out.
 *
 * Owner: the caller opens and closes; the snapshot's trees are borrowed. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RENDERED_RESOURCE_H
#define RECONCILE_CONTROLLERS_RENDERED_RESOURCE_H

#include "reconcile/controllers/common.h"
#include "render/resource_type.h"

struct rendered_resource {
    struct render_resource in;
    uint64_t
        cost_left; /* of whatever is asked of it: a report has one limit, however many objects */
    json_t *manifests;
    json_t *keys;    /* manifest_keys() */
    json_t *ids;     /* of the manifests' templates */
    json_t *applied; /* {ID: status} of what is seen */
    bool unseen;     /* something of the inventory is not seen (yet) */
};

/* Of a resource's RenderedRelease with that inventory; false if it cannot be rendered. */
bool rendered_resource_open(struct rendered_resource *r, const struct snapshot *s,
                            const json_t *rendered, const json_t *inventory, struct arena *arena);
void rendered_resource_close(struct rendered_resource *r);

/* The health of an object that is seen, when its template has a readyWhen; else as it is. */
enum world_health rendered_resource_health(const struct rendered_resource *r,
                                           const json_t *resource, enum world_health health,
                                           struct arena *arena, const char **why);
/* New: those that can be said; but what was told before, while something is unseen. */
json_t *rendered_resource_outputs(const struct rendered_resource *r, const json_t *told);

#endif
