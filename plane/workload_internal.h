/* workload_internal.h: between workload.c (statuses), workload_run.c (those that end) and
 * workload_children.c.
 * Thread: any. */
#ifndef PLANE_WORKLOAD_INTERNAL_H
#define PLANE_WORKLOAD_INTERNAL_H

#include "plane/workload.h"

/* A count that spec or status gives, within what is believed of one; absent: otherwise. */
int64_t workload__number(const json_t *section, const char *key, int64_t otherwise);

/* What annotations say of a run: that it fails, and how long it takes. */
bool workload__fails(const json_t *annotations);
uint64_t workload__run_ms(const json_t *annotations, uint64_t otherwise_ms);
/* Is it a Job's, or a step of Argo's? */
bool workload__runs_to_its_end(const json_t *pod);
/* phase and containers of such a pod whose images are there. */
void workload__look_run_pod(const json_t *pod, json_t *status, const struct workload_view *view,
                            uint64_t *next_ms);
void workload__look_argo(json_t *workflow, const struct workload_view *view, uint64_t *next_ms);

#endif
