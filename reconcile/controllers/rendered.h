/* rendered.h: what a RenderedRelease should be on its cluster, as manifests.
 * Pure. Owner: results are the caller's to json_decref(). Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RENDERED_H
#define RECONCILE_CONTROLLERS_RENDERED_H

#include "reconcile/controllers/common.h"

/* The Kubernetes objects of a RenderedRelease (a component's, or a cell's), in order of
 * application. On failure reason is a condition's. Errors: ERR_NOT_FOUND (something it refers to is
 * not there), ERR_UNPROCESSABLE and ERR_TOO_LARGE (rendering). */
int rendered_manifests(const struct snapshot *s, const json_t *rendered, struct arena *arena,
                       json_t **manifests, const char **reason, struct err *err);
void rendered_hash(const json_t *manifests, char out[65]);
bool rendered_is_cell(const json_t *rendered);

#endif
