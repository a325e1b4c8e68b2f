/* kinds.h: what a simulated cluster serves: Kubernetes' own kinds, and whatever
 * CustomResourceDefinitions bring (node/api/definitions.h).
 * Owner:  the caller embeds struct kinds. Thread: init, free: the owner's; the rest: the loop given
 *         to kinds_watch(). */
#ifndef PLANE_KINDS_H
#define PLANE_KINDS_H

#include "node/api/definitions.h"

struct kinds {
    struct kind_board board; /* what the doors serve */
    /* private */
    struct kind_registry builtin; /* choreod's, of which some are shared */
    struct kind_registry fixed;
    struct definitions definitions;
    void (*closed)(struct kinds *kinds);
};

void kinds_init(struct kinds *k);
void kinds_free(struct kinds *k);
/* From now on definitions are followed. The loop may not run yet. */
void kinds_watch(struct kinds *k, struct api *api, struct loop *loop);
void kinds_close(struct kinds *k, void (*closed)(struct kinds *kinds));

#endif
