/* kinds.h: what a simulated cluster serves: Kubernetes' own kinds, and whatever
 * CustomResourceDefinitions bring.
 *
 * The first registry is made at start. When a CustomResourceDefinition appears, a larger registry
 * is built and published to the door; earlier ones stay until the end, because requests may hold
 * them. Owner:  the caller embeds struct kinds. Thread: init, free: the owner's; the rest: the loop
 * given to kinds_watch(). */
#ifndef PLANE_KINDS_H
#define PLANE_KINDS_H

#include "node/api/api.h"

#define KINDS_CRD "customresourcedefinitions.apiextensions.k8s.io"

struct kinds {
    /* private */
    struct kind_registry builtin; /* choreod's, of which some are shared */
    struct kinds_generation *newest;
    struct api *api;
    struct loop *loop;
    struct backend_list list;
    struct backend_watch watch;
    struct loop_timer retry;
    json_t *found; /* definitions seen by it */
    bool listing;
    bool watching;
    bool closing;
    void (*closed)(struct kinds *kinds);
};

void kinds_init(struct kinds *k);
void kinds_free(struct kinds *k);
const struct kind_registry *kinds_first(const struct kinds *k);
/* From now on definitions are followed. The loop may not run yet. */
void kinds_watch(struct kinds *k, struct api *api, struct loop *loop);
void kinds_close(struct kinds *k, void (*closed)(struct kinds *kinds));

#endif
