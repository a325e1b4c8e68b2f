/* derived.h: workload, configurations and dependencies, and what templates' methods make of them.
 * Owner: the caller. Thread: any. */
#ifndef RENDER_DERIVED_H
#define RENDER_DERIVED_H

#include "base/map.h"
#include "render/pipeline.h"

/* Sets variables.workload, .configurations, .dependencies, and fills derived by variable and
 * method. variables.metadata is there already. Errors: ERR_UNPROCESSABLE. */
int derive(struct arena *arena, const struct render_component *in, json_t *variables,
           json_t *derived, struct err *err);

/* endpoints.c. Errors also: ERR_TOO_LARGE. */
int derive_workload(struct arena *arena, const struct render_component *in, json_t *variables,
                    json_t *derived, struct err *err);
/* dependencies.c */
int derive_dependencies(struct arena *arena, const struct render_component *in, json_t *variables,
                        json_t *derived, struct err *err);
/* One key of two texts: of kind and name in a map of sources. */
struct slice derive_key(struct arena *arena, struct slice a, struct slice b);
/* pull_secrets.c: appends to list {name}, as pods refer to it, of each Secret that the release's
 * imagePullSecrets name; with type and data if it is among the sources. Errors: ERR_UNPROCESSABLE
 * (it holds something else). */
int derive_pull_secrets(struct arena *arena, const struct render_component *in,
                        const struct map *sources, json_t *list, struct err *err);
/* The names, or NULL. release is a Release's spec. */
const json_t *derive_pull_names(const json_t *release);
/* Whether a Secret holds credentials for images, by its type. */
bool derive_is_pull_secret(const json_t *secret);
/* Of the variables that dependencies set, takes out those whose names are in the map. */
void derive_dependencies_without(json_t *variables, const struct map *names);

#endif
