/* run_builtin.h: the ClusterWorkflows that are compiled in.
 *
 * The YAML files of render/builtin/workflows/, parsed once per call. Thread: any. */
#ifndef RENDER_RUN_BUILTIN_H
#define RENDER_RUN_BUILTIN_H

#include "base/json.h"

/* Sorted by name: buildpacks-builder, dockerfile-builder, run-command. */
size_t run_builtin_count(void);
struct slice run_builtin_name(size_t index); /* empty: there are fewer */
/* The whole object, a new tree. Errors: ERR_NOT_FOUND. */
int run_builtin_load(struct slice name, json_t **object, struct err *err);

#endif
