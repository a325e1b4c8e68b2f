/* shape.h: whether a cluster would take an object of one of Kubernetes' own kinds.
 *
 * A release goes out object by object: what a server would refuse halfway is refused before.
 * Owner: as said. Thread: any. */
#ifndef RENDER_SHAPE_H
#define RENDER_SHAPE_H

#include "render/resources.h"

/* Values of the wrong type or form, members that Kubernetes requires and are not there, selectors
 * that do not match their own pods, schedules that are none. Members that nobody knows are let
 * through (the cluster may be newer), as are all objects of kinds without a schema, and nulls,
 * which are as good as absent. Errors: ERR_UNPROCESSABLE, with the place of the template and the
 * path of what is wrong. */
int shape_check(const struct resource *r, struct err *err);

#endif
