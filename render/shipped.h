/* shipped.h: the built-in objects that a control plane stores, for its clients to see and to
 * change: types of components, resources and cells, the trait of OpenChoreo's components,
 * workflows.
 *
 * Each has a version, the number of its texts so far (render/builtin/versions), so that of two
 * programs it is known whose is the newer one. Thread: any; constant. */
#ifndef RENDER_SHIPPED_H
#define RENDER_SHIPPED_H

#include "base/json.h"

struct shipped {
    const char *kind;
    struct slice name;
    int version; /* from 1 */
    /* private */
    struct slice yaml;
};

size_t shipped_count(void);
/* In no order that means anything; index below shipped_count(). */
struct shipped shipped_at(size_t index);
/* False: there is none of that kind and name. */
bool shipped_find(struct slice kind, struct slice name, struct shipped *out);
/* The whole object ({apiVersion, kind, metadata, spec}) with its defaults, as it is stored; a new
 * tree. */
json_t *shipped_load(const struct shipped *shipped);

#endif
