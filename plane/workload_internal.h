/* workload_internal.h: between workload.c (statuses) and workload_children.c.
 * Thread: any. */
#ifndef PLANE_WORKLOAD_INTERNAL_H
#define PLANE_WORKLOAD_INTERNAL_H

#include "base/json.h"

/* A count that spec or status gives, within what is believed of one; absent: otherwise. */
int64_t workload__number(const json_t *section, const char *key, int64_t otherwise);

#endif
