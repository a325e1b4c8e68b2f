/* manifest.h: whether an object may leave the renderer.
 *
 * A type is written by people who may not be trusted with the cluster: what their templates make
 * must be an object of Kubernetes' form, inside its cell, and must not pretend to be another's or
 * ours. Owner: as said. Thread: any. */
#ifndef RENDER_MANIFEST_H
#define RENDER_MANIFEST_H

#include "render/resources.h"

struct manifest_rules {
    struct slice cell;      /* the one namespace that objects may be in */
    bool cell_itself;       /* the Namespace of that name may be among them */
    const json_t *standard; /* the labels of ours, which may be repeated but not contradicted */
};

/* Checks the object, and puts it into the cell if it names no namespace. Errors:
 * ERR_UNPROCESSABLE, with the place of its template: no apiVersion, kind or name, or none that
 * Kubernetes would take; another namespace than the cell, or a kind that belongs to none; labels or
 * annotations that are ours to set; metadata that is the cluster's to set. */
int manifest_check(const struct manifest_rules *rules, const struct resource *r, struct err *err);
/* Of all labels and annotations, ours included. Errors: ERR_UNPROCESSABLE: one that Kubernetes
 * would not take. */
int manifest_check_texts(const struct resource *r, struct err *err);

/* "resources[web]: Deployment name WHAT". */
int manifest_refuse(struct err *err, const struct resource *r, const char *what);

/* Whether objects of the kind belong to no namespace, as far as can be known without asking a
 * cluster. */
bool manifest_cluster_scoped(struct slice kind);
/* The first member of an object's metadata that only its cluster can know; NULL: it has none. One
 * that is null says nothing: kubectl writes "creationTimestamp: null". */
const char *manifest_clusters_own(const json_t *metadata);
/* "v1", "apps/v1"; "Deployment". */
bool manifest_api_version(struct slice text);
bool manifest_kind(struct slice text);
/* Deployment, StatefulSet, DaemonSet, CronJob, Job of apps and batch. */
bool manifest_workload(struct slice group, struct slice kind);

#endif
