/* layers.h: values that are said in several places, one over the other.
 *
 * Members of a later layer take the place of an earlier one's, whole; below them are the schema's
 * defaults. Owner: layers borrow their values. Thread: any. */
#ifndef RENDER_LAYERS_H
#define RENDER_LAYERS_H

#include "render/trace.h"

enum { LAYERS_MAX = 8 };

struct layers {
    struct {
        const char *name; /* "component", "environment", "binding", ...: for eyes */
        const json_t *values;
    } items[LAYERS_MAX];
    size_t count;
};

/* values may be NULL: nothing is said there. */
void layers_add(struct layers *l, const char *name, const json_t *values);
/* A new object; NULL if no layer says anything. */
json_t *layers_merge(const struct layers *l);

/* Notes for each leaf of value (what the layers came to, with defaults) which layer set it and what
 * it hides. path is "parameters". trace may be NULL. */
void layers_trace(const struct layers *l, struct trace *trace, struct slice scope,
                  struct slice path, const json_t *schema, const json_t *value);

#endif
