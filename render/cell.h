/* cell.h: which type makes a cell (render_cell() of pipeline.h): its environment's, else its
 * organization's, else `cell`, which is built in until somebody replaces it.
 * Owner: everything is the platform's. Thread: the platform's. */
#ifndef RENDER_CELL_H
#define RENDER_CELL_H

#include "render/platform.h"

#define CELL_TYPE_MISSING "CellTypeNotFound" /* a condition's reason */

struct cell_type {
    struct slice name;
    const json_t *object; /* the ClusterProjectType; NULL: the built-in one, or missing */
    bool missing;
    bool named_by_environment;
};

/* environment, what holds there, and organization are specs, or NULL. */
void cell_type_find(const struct platform *p, const json_t *environment, const json_t *organization,
                    struct cell_type *out);
/* The sentence for one that is missing; the arena's. environment and organization are names. */
const char *cell_type_lacks(const struct cell_type *type, struct slice environment,
                            struct slice organization, struct arena *arena);

#endif
