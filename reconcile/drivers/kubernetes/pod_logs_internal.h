/* pod_logs_internal.h: the containers whose logs are read, between pod_logs.c (reading them) and
 * pod_steps.c (which there are, and in what order).
 * Owner: struct pod_logs embeds the steps. Thread: its loop's. */
#ifndef RECONCILE_DRIVERS_KUBERNETES_POD_LOGS_INTERNAL_H
#define RECONCILE_DRIVERS_KUBERNETES_POD_LOGS_INTERNAL_H

#include "reconcile/drivers/kubernetes/cluster.h"
#include "reconcile/drivers/pod_logs.h"

enum step_state { STEP_WAITING, STEP_READING, STEP_READ };

/* One container of one pod. */
struct pod_step {
    struct list link; /* in order of the pods' creation, and of the containers in them */
    struct pod_logs *logs;
    char *pod;
    char *uid; /* of the pod */
    char *container;
    enum step_state state;
    bool begun; /* the cluster has something to read */
    bool over;  /* its pod has ended: what has not begun never will */
    bool seen;  /* in the last list */
    int64_t restarts;
    unsigned times; /* that it has been read: afterwards, restarted, it is read whole */
    struct fetch fetch;
    char *url;
    struct buf line; /* not yet whole; or an error's body */
};

struct pod_steps {
    struct list list;
    bool steps;           /* initContainers too */
    struct slice cluster; /* for labels; empty: not in them */
    size_t pods;          /* in the last list */
    size_t pods_ever;
    bool many_containers; /* some pod has several */
    struct buf label;
};

void pod_steps_init(struct pod_steps *s, bool steps, struct slice cluster);
void pod_steps_free(struct pod_steps *s);
/* From a list of pods. why gets what those that have not begun wait for, in words. */
void pod_steps_update(struct pod_steps *s, const json_t *pods, const struct log_options *options,
                      struct buf *why);
/* As struct log_origin's: "build", "web-7d4b9", "eu-1/web-7d4b9/proxy"; valid until the next. */
struct slice pod_step_label(struct pod_steps *s, const struct pod_step *step);
/* "/api/v1/namespaces/NS/pods/POD/log?container=C&..." */
void pod_step_path(struct buf *out, const struct pod_step *step, struct slice ns,
                   const struct log_options *options);

#endif
