/* shape.h: whether a cluster would take an object of one of Kubernetes' own kinds.
 *
 * A release goes out object by object: what a server would refuse halfway is refused before.
 * Owner: as said. Thread: any. */
#ifndef RENDER_SHAPE_H
#define RENDER_SHAPE_H

#include "render/resources.h"

/* Values of the wrong type or form, members whose names are misspelt, and what a kube-apiserver
 * refuses besides (proto/kube_rules.h). Members that nobody knows are let through otherwise (the
 * cluster may be newer), as are all objects of kinds that are not known, and nulls, which are as
 * good as absent. Errors: ERR_UNPROCESSABLE, with the place of the template and the path of what is
 * wrong. */
int shape_check(const struct resource *r, struct err *err);

#endif
