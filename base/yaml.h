/* yaml.h: YAML 1.2 into JSON trees (libfyaml; owner of its header).
 *
 * Core schema: null, booleans, integers, floats, strings. Aliases are expanded, to YAML_ALIASES_MAX
 * bytes of values at most (YAML bombs are refused, not survived); tags beyond the core schema,
 * duplicate and non-string keys are errors.
 * Thread: any. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/json.h"

enum {
    YAML_NODES_MAX = 200000,
    YAML_BODY_NODES_MAX = 50000, /* libfyaml takes some 3 us for each, and a client waits */
    YAML_ALIASES_MAX = 1024 * 1024,
};

/* Calls each(document, line, user) for every document in text, in order (empty ones are skipped);
 * the document is borrowed for the call; a nonzero return ends with it. name is for messages:
 * "file.yaml:12:3: ...". line is the document's first, from 1. JSON text is YAML too.
 * Errors: ERR_INVALID. */
int yaml_each(struct slice text, const char *name,
              int (*each)(json_t *document, int line, void *user, struct err *err), void *user,
              struct err *err);
/* Exactly one document. */
int yaml_parse(struct slice text, const char *name, json_t **tree, struct err *err);
/* The same of what a client sent: YAML_BODY_NODES_MAX values at most. JSON is taken for what it is.
 */
int yaml_parse_body(struct slice text, const char *name, json_t **tree, struct err *err);
/* The line (from 1) of the key that a path like "peers.listen" or "planes[2].name" names, or 0. */
int yaml_line_of(struct slice text, const char *path);
/* Block-style YAML for people: no anchors, strings quoted only where needed. */
void yaml_emit(const json_t *tree, struct buf *out);

#endif
