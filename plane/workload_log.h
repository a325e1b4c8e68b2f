/* workload_log.h: what a simulated container says, as a pure function.
 *
 * Lines follow from the pod alone: what its containers are called, when they began and ended, and
 * what its annotations say of the end. The same pod always said the same. Of what runs for ever
 * only the last WORKLOAD_LOG_KEPT lines are there, as of any log that is rotated. Thread: any. */
#ifndef PLANE_WORKLOAD_LOG_H
#define PLANE_WORKLOAD_LOG_H

#include "base/json.h"

enum { WORKLOAD_LOG_KEPT = 10000, WORKLOAD_LOG_EVERY_MS = 1000 };

struct workload_log {
    const json_t *pod; /* borrowed */
    const json_t *container;
    uint64_t from_ms; /* wall clock */
    uint64_t to_ms;   /* 0: it runs */
    uint64_t run_ms;  /* so long it will take, if it ends at all */
    bool ends;        /* it is a Job's */
    bool last;        /* of its pod's containers: the one that fails, if the pod does */
    uint64_t first;   /* lines from here on are kept */
    uint64_t count;   /* up to here there are some by now */
    uint64_t more;    /* the annotation plane.choreo.dev/log-lines: so many lines more */
    bool over;        /* there will be no others */
};

/* Errors, as a kubelet words them: ERR_INVALID (no such container; which of several; it has not
 * begun). delay_ms: as struct workload_view. */
int workload_log_open(struct workload_log *l, const json_t *pod, struct slice container,
                      uint64_t now_ms, uint64_t delay_ms, struct err *err);
/* The text of line i, first <= i < count, without newline, and when it was said. */
void workload_log_line(const struct workload_log *l, uint64_t i, struct buf *out, uint64_t *at_ms);

/* What a kubelet takes for the termination message of one that failed: the end of its log. */
void workload_log_end(const json_t *pod, const json_t *container, struct buf *out);

#endif
