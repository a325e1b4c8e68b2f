/* rendered_internal.h: what the files of the RenderedRelease's controller share, and no others. */
#ifndef RECONCILE_CONTROLLERS_RENDERED_INTERNAL_H
#define RECONCILE_CONTROLLERS_RENDERED_INTERNAL_H

#include "reconcile/controllers/rendered.h"

#define RENDERED_UNREACHABLE "ClusterUnreachable"

struct rendered_work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *rendered;
    struct plan *plan;
    bool cell;
    struct slice project;
    struct slice environment;
    struct slice plane;
    struct slice cluster;
    struct world_release world;
    const json_t *inventory;              /* the newest known */
    const struct rendered_resource *type; /* of a resource, while it is reported on; or NULL */
    const char *applied;                  /* hash, or "" */
};

/* ---- rendered.c ---- */

const json_t *rendered__plane_of(const struct rendered_work *w);
/* Does the system shard's leader see the cluster answer? True while it does not know. */
bool rendered__answers(const struct rendered_work *w, struct slice *why);
void rendered__not_ready(struct rendered_work *w, enum condition_status ready, bool progressing,
                         const char *reason, struct slice message);

/* ---- rendered_end.c ---- */

/* Does nobody want it any more? */
bool rendered__orphaned(const struct rendered_work *w);
/* Of one that is being deleted. */
void rendered__end(struct rendered_work *w);

#endif
