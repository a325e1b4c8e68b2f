/* derived.h: workload, configurations and dependencies, and what templates' methods make of them.
 * Owner: the caller. Thread: any. */
#ifndef RENDER_DERIVED_H
#define RENDER_DERIVED_H

#include "render/pipeline.h"

/* Sets variables.workload, .configurations, .dependencies, and fills derived by variable and
 * method. variables.metadata is there already. Errors: ERR_UNPROCESSABLE. */
int derive(struct arena *arena, const struct render_component *in, json_t *variables,
           json_t *derived, struct err *err);

/* endpoints.c */
int derive_workload(struct arena *arena, const struct render_component *in, json_t *variables,
                    json_t *derived, struct err *err);
/* dependencies.c */
int derive_dependencies(struct arena *arena, const struct render_component *in, json_t *variables,
                        json_t *derived, struct err *err);

#endif
