/* promotion_internal.h: what promotion.c, promotion_set.c and promotion_run.c share. See
 * promotion.h. */
#ifndef NODE_API_PROMOTION_INTERNAL_H
#define NODE_API_PROMOTION_INTERNAL_H

#include "node/api/promotion.h"

enum promotion_step {
    READ_RELEASE,
    READ_OWNER,
    READ_PROJECT,
    READ_PIPELINE,
    LIST_BINDINGS,
    READ_WORKFLOW
};

/* Reads the object of the step. */
void promotion__read(struct promotion_check *c, const char *resource, struct slice name);
/* One of the cluster. */
void promotion__read_shared(struct promotion_check *c, const char *resource, struct slice name);
/* The end, well or not; why is freed. */
void promotion__end(struct promotion_check *c, int rc);
void promotion__refuse(struct promotion_check *c, int code, struct buf *why);

/* Of a ReleaseSet: whether there is something to check, the first question, what was read for the
 * step, and that it is not there. */
bool promotion__set_concerns(const json_t *after);
void promotion__set_start(struct promotion_check *c);
void promotion__set_took(struct promotion_check *c);
void promotion__set_missing(struct promotion_check *c);
/* The same of a WorkflowRun. */
bool promotion__run_concerns(const json_t *after);
void promotion__run_start(struct promotion_check *c);
void promotion__run_took(struct promotion_check *c);
void promotion__run_missing(struct promotion_check *c);

#endif
