/* namespaces.h: Namespace as a view of Organization.
 *
 * On the control plane a namespace is an Organization: there is one stored object, and this alias
 * of it shows it as a Namespace too. Reads and watches of "namespaces" become those of
 * "organizations.choreo.dev" with the bodies turned; writes keep the Organization's spec and status
 * and change what a Namespace can say: labels, annotations, finalizers, its existence.
 *
 * choreo-system, the control plane's own namespace, is no Organization: it is shown as a Namespace
 * that is always there, and cannot be written.
 * Owner:  the caller embeds struct namespaces, keeps it until the doors have closed, then frees it.
 * Thread: any front loop; immutable after namespaces_init(). */
#ifndef NODE_API_NAMESPACES_H
#define NODE_API_NAMESPACES_H

#include "node/api/alias.h"
#include "proto/kind.h"

struct namespaces {
    union {
        struct backend backend; /* what the doors get: */
        struct alias alias;     /* the first member of this */
    };
    const struct kind *organization;
    struct buf own_body;
    struct backend_object own; /* choreo-system */
};

/* since_ms: when the cluster was made (wall clock), which is as old as choreo-system is. */
void namespaces_init(struct namespaces *n, struct backend *under, const struct kind_registry *kinds,
                     uint64_t since_ms);
void namespaces_free(struct namespaces *n);

#endif
