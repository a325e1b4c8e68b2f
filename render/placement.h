/* placement.h: on which clusters of its plane an environment is.
 *
 *   a cluster qualifies  by name, region, provider and labels; with policy primary, by being so
 *   all, primary         every one that qualifies
 *   spread               count of them, or without a count one of each region: different regions
 *                        first, then lower cost (1 where none is stated), then by name
 *
 *   lost                 those are left out, unless no other is left; for a primary that is lost
 *                        another cluster stands in, chosen as by spread
 *
 * Who was chosen before and still qualifies stays, so that a spread does not move when another
 * cluster comes or changes. Pure and deterministic. Owner: results are the arena's, or point into
 * the plane. Thread: any. */
#ifndef RENDER_PLACEMENT_H
#define RENDER_PLACEMENT_H

#include "base/arena.h"
#include "render/platform.h"

struct placement {
    struct plane_cluster *clusters; /* in the plane's order */
    size_t count;
    /* Why there are fewer than asked for, or none: what excluded each of the others. NULL: there
     * are not. */
    const char *shortage;
};

/* placement: a Placement, or NULL: all. before: names of clusters, or NULL. lost: [{cluster}] of
 * those that are not to be counted on, or NULL. */
void placement_choose(const json_t *plane, const json_t *placement, const json_t *before,
                      const json_t *lost, struct arena *arena, struct placement *out);

#endif
