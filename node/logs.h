/* logs.h: logs of WorkflowRuns and of components, read from clusters by the node that is asked.
 *
 * Where to read follows from what the control plane holds: a run's namespace and name give the
 * namespace and label of its pods, its status the cluster; a ReleaseBinding's RenderedReleases are
 * where the component is. Nothing that a caller says names a pod, so a log belongs to its tenant.
 * The objects and the cluster's credentials are this node's replica's, read round as by any GET: no
 * shard need be led here.
 *
 * Owner:  the caller embeds struct logs until the servers have closed.
 * Thread: any front loop, as struct log_source. */
#ifndef NODE_LOGS_H
#define NODE_LOGS_H

#include "base/quota.h"
#include "proto/kind_board.h"
#include "proto/logs.h"

enum {
    LOGS_TENANT_MAX = 32,      /* streams of one namespace at a time; of all, QUOTA_WHOLE as many */
    LOGS_WAIT_MS = 120 * 1000, /* that a followed log may take to begin */
};

struct logs {
    struct log_source source; /* api_config.logs */
    /* private */
    struct backend *backend;
    struct kind_board *kinds;
    bool allow_local;
    struct quota quota;
};

/* Borrows both. allow_local: clusters of one namespace may be at this machine's addresses. */
void logs_init(struct logs *l, struct backend *backend, struct kind_board *kinds, bool allow_local);
void logs_free(struct logs *l);

#endif
