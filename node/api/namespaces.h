/* namespaces.h: Namespace as a view of Organization.
 *
 * On the control plane a namespace is an Organization: there is one stored object, and this
 * backend, laid over the real one, shows it under both names. Reads and watches of "namespaces"
 * become those of "organizations.choreo.dev" with the bodies turned; writes keep the Organization's
 * spec and status and change what a Namespace can say: labels, annotations, finalizers, its
 * existence. Everything else passes through untouched. Owner:  the caller embeds struct namespaces
 * and keeps it until the doors have closed. Thread: any front loop; immutable after
 * namespaces_init(). */
#ifndef NODE_API_NAMESPACES_H
#define NODE_API_NAMESPACES_H

#include "proto/backend.h"
#include "proto/kind.h"

struct namespaces {
    struct backend backend; /* what the doors get */
    struct backend *under;
    const struct kind *organization;
};

void namespaces_init(struct namespaces *n, struct backend *under,
                     const struct kind_registry *kinds);

#endif
