/* trace.h: where each field of what was rendered comes from, noted by the renderer as it goes.
 *
 * Whoever wants to know hands a struct trace to the renderer; without one nothing is kept and
 * nothing costs. A rendered object has a tree of origins of (at most) its own shape; a node says
 * what made the value there and all of it that no node below claims:
 *
 *     node:    {"by": N, "in": {KEY: node} or [node]}; N counts in sources
 *     source:  {"template": "type", "path": "resources[deployment].template.spec.replicas",
 *               "text": "${parameters.replicas}"}
 *     value:   {"scope": "type", "path": "environmentConfigs.replicas", "value": 2,
 *               "layer": "binding", "hides": [{"layer": "default", "value": 1}]}
 *
 * A source's template is "type", "trait NAME/INSTANCE", of a cell "ClusterProjectType NAME", or
 * "built-in" (then path says what of us it was, and there is no text). Functions that take a node
 * tolerate NULL: nothing is traced.
 * Owner: the caller; trace_free(). Thread: the rendering's. */
#ifndef RENDER_TRACE_H
#define RENDER_TRACE_H

#include "base/json.h"

struct trace {
    json_t *sources;
    json_t *values;
    json_t *manifests; /* a node for each manifest, in their order */
};

void trace_init(struct trace *t);
void trace_free(struct trace *t);

/* A new node, or NULL without a trace. text may be empty: no expression, or one of ours. */
json_t *trace_node(struct trace *t, struct slice template_name, struct slice path,
                   struct slice text);
/* trace_node() of what no template says. */
json_t *trace_builtin(struct trace *t, const char *what);

/* Children. `count` is how many elements the value has at that moment; child is taken. */
json_t *trace_member(json_t *node, struct slice key);
json_t *trace_element(json_t *node, size_t index, size_t count);
void trace_set(json_t *node, struct slice key, json_t *child);
void trace_unset(json_t *node, struct slice key);
void trace_replace(json_t *node, size_t index, size_t count, json_t *child);
void trace_insert(json_t *node, size_t index, size_t count, json_t *child);
void trace_remove(json_t *node, size_t index, size_t count);
/* The node itself comes from elsewhere: takes all of `from` over. */
void trace_become(json_t *node, json_t *from);

/* Calls each() for every leaf of value in the order of its keys: scalars, and what is empty; path
 * is "spec.template.spec.containers[0].image", a key with dots or slashes is in brackets:
 * "metadata.labels[openchoreo.dev/project]". */
typedef void (*trace_leaf)(void *user, struct slice path, const json_t *value,
                           const json_t *source);
void trace_each(const struct trace *t, const json_t *node, const json_t *value, trace_leaf each,
                void *user);

#endif
