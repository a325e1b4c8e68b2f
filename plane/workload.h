/* workload.h: what becomes of workloads on a simulated cluster, as pure functions.
 *
 * A workload (and a Pod, a Service, a claim, an operator's database) is looked at whenever it or
 * the time changes: its status follows from its spec, from how long its present generation has been
 * there, and from whether its images exist. Nothing here waits, writes or knows a clock. Thread:
 * any. */
#ifndef PLANE_WORKLOAD_H
#define PLANE_WORKLOAD_H

#include "base/json.h"

/* The resources that are looked at; the order is that of `workload_resources`. */
enum workload_kind {
    WORKLOAD_DEPLOYMENT,
    WORKLOAD_STATEFUL_SET,
    WORKLOAD_DAEMON_SET,
    WORKLOAD_REPLICA_SET,
    WORKLOAD_JOB,
    WORKLOAD_CRON_JOB,
    WORKLOAD_POD,
    WORKLOAD_SERVICE,
    WORKLOAD_CLAIM,
    WORKLOAD_POSTGRES, /* CloudNativePG's, as if that were there */
    WORKLOAD_REDIS,    /* the redis-operator's */
    WORKLOAD_ARGO,
    WORKLOAD_KINDS,
};

/* GroupResources: "deployments.apps", ... */
extern const char *const workload_resources[WORKLOAD_KINDS];
bool workload_is_one(struct slice resource);

enum { WORKLOAD_PODS_MAX = 50, WORKLOAD_NODES = 3 };

struct workload_view {
    uint64_t now_ms;                /* wall clock */
    uint64_t since_ms;              /* wall clock when this generation was first seen */
    uint64_t delay_ms;              /* so long it takes until it is ready */
    const char *const *never_ready; /* image patterns ("*broken*"), NULL-terminated */
    uint32_t pods_max;              /* Pods made per workload; 0: no ReplicaSets and Pods at all */
};

/* Brings status (for a Service also spec.clusterIP) up to date; true if that changed something.
 * *next_ms is when to look again, 0: only when it changes. */
bool workload_look(enum workload_kind kind, json_t *object, const struct workload_view *view,
                   uint64_t *next_ms);

/* Does its status say that its present generation is ready? */
bool workload_settled(enum workload_kind kind, const json_t *object);

/* The objects that it makes, complete but for uid, creationTimestamp and ownerReferences: a new
 * array. It owns them, but for claims. */
json_t *workload_children(enum workload_kind kind, const json_t *object,
                          const struct workload_view *view);
/* The resource of a child by its kind member. */
enum workload_kind workload_kind_of(const json_t *child);

/* The Job that a CronJob starts for this minute (wall clock / 60 s); NULL if none is due. */
json_t *workload_due_job(const json_t *cron_job, uint64_t minute);

/* '*' stands for any run of characters. */
bool workload_matches(const char *pattern, struct slice text);

#endif
