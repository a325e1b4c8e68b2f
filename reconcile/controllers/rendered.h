/* rendered.h: what a RenderedRelease should be on its cluster, as manifests.
 * Pure. Owner: results are the caller's to json_decref(). Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RENDERED_H
#define RECONCILE_CONTROLLERS_RENDERED_H

#include "reconcile/controllers/common.h"
#include "render/deployment.h"

/* What it says it is: texts are the object's. */
struct deployment rendered_deployment(const json_t *rendered);
/* deployment_render() of a RenderedRelease (a component's, a resource's or a cell's). */
int rendered_manifests(const struct snapshot *s, const json_t *rendered, struct arena *arena,
                       json_t **manifests, const char **reason, struct err *err);
/* Their hash, if nothing that they are made of has changed since it was computed without them: then
 * *manifests is NULL. */
int rendered_hash(const struct snapshot *s, const struct snapshot_entry *entry, struct arena *arena,
                  char hash[65], json_t **manifests, const char **reason, struct err *err);
bool rendered_is_cell(const json_t *rendered);
bool rendered_is_resource(const json_t *rendered);

#endif
