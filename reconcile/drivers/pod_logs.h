/* pod_logs.h: the logs of pods of one cluster, as they come.
 *
 * Which pods is a namespace and a label selector, asked of the cluster again and again as long as
 * there may be more of them. Apart from the driver: nothing is written, so nothing is fenced, and
 * any node may do it, with connections of its own.
 *
 * Owner:  open() allocates; it is gone when done runs. Thread: the loop's. */
#ifndef RECONCILE_DRIVERS_POD_LOGS_H
#define RECONCILE_DRIVERS_POD_LOGS_H

#include "proto/logs.h"

enum {
    POD_LOGS_AT_ONCE_MAX = 20,          /* containers read at a time; more wait for their turn */
    POD_LOGS_LINE_BYTES_MAX = 64 << 10, /* a longer line comes as several */
};

struct pod_logs;

struct pod_logs_config {
    struct loop *loop;
    struct slice kubeconfig;
    bool refuse_local;    /* a tenant's: as of driver_config */
    struct slice plane;   /* for words */
    struct slice cluster; /* likewise, and in origins */
    struct slice ns;
    struct slice selector; /* "a=b,c=d" */
    /* Steps of something that ends: initContainers too, and one container after the other, each to
     * its end. Else all of what serves, at once. */
    bool steps;
    bool many_clusters;                /* labels name the cluster, too */
    const struct log_options *options; /* copied */
    uint64_t wait_ms; /* with follow: so long a container may take to start; 0: two minutes */
    void *user;
    /* As those of struct log_read. on_lines: false pauses, as pod_logs_pause() does. */
    void (*on_open)(void *user);
    bool (*on_lines)(void *user, const struct log_origin *origin, struct slice lines);
    void (*on_notice)(void *user, struct slice text);
    /* With follow, each time that the cluster's pods have been looked at: whoever knows that there
     * will be no more of them says so. May be NULL. */
    void (*on_look)(void *user);
    void (*done)(void *user, int rc, const struct err *err);
};

/* done follows, never inside a call of this header. Errors: ERR_INVALID (the kubeconfig). */
int pod_logs_open(const struct pod_logs_config *config, struct pod_logs **out, struct err *err);
/* There will be no more pods: ends when those that are there have been read. */
void pod_logs_finish(struct pod_logs *p);
void pod_logs_pause(struct pod_logs *p);
void pod_logs_resume(struct pod_logs *p);
void pod_logs_close(struct pod_logs *p); /* done comes, with ERR_CANCELED if it was not over */

#endif
