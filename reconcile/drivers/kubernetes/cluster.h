/* cluster.h: a driver_cluster from inside: shared by the files of this folder, and by no others.
 *
 *   operations (apply.c, remove.c, claims.c, probe in cluster.c) and watches (watch.c)
 *     -> requests (request.c): authenticated, rate limited, answered as JSON
 *       -> base/fetch
 *
 * What the cluster's objects were last seen like is kept in `seen`, by key: for preconditions,
 * health and drift. Thread: the loop's. */
#ifndef RECONCILE_DRIVERS_KUBERNETES_CLUSTER_H
#define RECONCILE_DRIVERS_KUBERNETES_CLUSTER_H

#include "base/fetch.h"
#include "base/list.h"
#include "reconcile/drivers/driver.h"
#include "reconcile/drivers/kubernetes/kubeconfig.h"

enum {
    REQUEST_TIMEOUT_MS = 10 * 1000,
    RESPONSE_BYTES_MAX = 8 * 1024 * 1024,
    REQUESTS_AT_ONCE_MAX = 64,
    SELECTOR_PAGE = 100, /* small: what comes of a page is done in one turn of the loop */
};

struct driver_cluster {
    struct driver_config config; /* strings are ours */
    struct kubeconfig kubeconfig;
    struct fetcher fetcher;
    struct loop_timer pace; /* the rate limit's next token, or the end of a Retry-After */
    struct list queued;     /* requests not sent yet */
    struct list sent;
    size_t sent_count;
    double tokens;
    uint64_t tokens_at_ms;
    uint64_t paused_until_ms;
    struct map kinds;    /* "apps/v1/Deployment" -> struct resource_kind */
    struct map groups;   /* "apps/v1" -> struct discovery under way or done */
    struct map seen;     /* key -> struct driver_seen */
    size_t status_bytes; /* of those in seen */
    uint64_t sights;     /* of objects so far */
    struct list watches;
    struct list applies; /* under way */
    struct list waits;   /* deletes waiting for their objects to be gone */
    struct list looks;   /* workloads that do not come up, whose pods are asked why */
    size_t look_count;
    struct loop_timer look_tick;
    bool look_open;
    struct buf epoch;
    char *user_agent;    /* header line */
    char *authorization; /* header line, or NULL */
    char *selector;      /* URL-encoded label selector */
    bool closing;
    bool pace_open;
    size_t posted; /* answers on their way through the mailbox */
    void *close_user;
    void (*closed)(void *user);
};

/* ---- request.c ---- */

struct request {
    struct fetch fetch;
    struct driver_cluster *c;
    struct list link;
    char *url;
    struct buf body;
    const char *headers[6];
    void *user;
    /* rc 0: a 2xx answer, tree is its JSON (or NULL). Else err has the server's own message. The
     * request is freed afterwards. */
    void (*done)(struct request *r, int rc, const struct err *err);
    json_t *tree;
    int status;
    uint64_t retry_after_ms;
};

enum body_type { BODY_NONE, BODY_JSON, BODY_APPLY, BODY_MERGE };

struct request *request_new(struct driver_cluster *c, const char *method, struct slice path,
                            void *user,
                            void (*done)(struct request *r, int rc, const struct err *err));
void request_body(struct request *r, enum body_type type, const json_t *body);
/* Queues it behind those that wait for their turn. urgent: before them. */
void request_start(struct request *r, bool urgent);
/* The error that an HTTP answer amounts to; 0 for 2xx. */
int response_error(int status, struct slice body, struct err *err);
void requests_drop(struct driver_cluster *c); /* those not sent yet, with ERR_CANCELED */
void requests_pace(struct loop_timer *timer);
void url_encode(struct buf *out, struct slice s);

/* ---- discovery.c ---- */

struct resource_kind {
    char *plural;
    bool namespaced;
};

/* Finds the kind's plural: at once from what is known, else after asking the cluster. found's rc:
 * 0, ERR_NOT_FOUND (no such kind there), or a request's. Never inside this call. */
struct lookup {
    struct list link;
    struct driver_cluster *c;
    char *api_version;
    char *kind;
    const struct resource_kind *resource;
    void *user;
    void (*found)(struct lookup *l, int rc, const struct err *err);
    struct loop_msg msg;
};
void discovery_find(struct driver_cluster *c, struct lookup *l, struct slice api_version,
                    struct slice kind);
void lookup_free(struct lookup *l); /* its strings */
void discovery_free(struct driver_cluster *c);
/* "/apis/apps/v1/namespaces/ns/deployments/name"; name may be empty. */
void resource_path(struct buf *out, struct slice api_version, const struct resource_kind *kind,
                   struct slice ns, struct slice name);

/* ---- seen.c ---- */

/* Notes what an object is like now, and tells the engine if that is news. */
void seen_put(struct driver_cluster *c, const json_t *live, bool tell, struct driver_object *out,
              struct buf *message);
void seen_drop(struct driver_cluster *c, struct slice key, bool tell);
const struct driver_seen *seen_find(struct driver_cluster *c, struct slice key);
void seen_each(struct driver_cluster *c, void *user,
               void (*object)(void *user, struct slice key, const struct driver_seen *seen));
void seen_free(struct driver_cluster *c);

/* ---- pod_look.c ---- */

void pod_looks_init(struct driver_cluster *c);
/* Asks the pods of a workload from some seconds on, if it has not come up until then. */
void pod_look(struct driver_cluster *c, struct slice key, struct driver_seen *seen,
              const json_t *live);
/* "pod web-1, container main: ImagePullBackOff: no such image" of the first in a PodList that says
 * why it does not come up; appends nothing if none does. */
void pod_trouble(const json_t *pods, struct buf *out);
/* Asks how far the volumes of a StatefulSet have got that was made so that they grow. */
void volume_look(struct driver_cluster *c, struct slice key, struct driver_seen *seen,
                 const json_t *live);
void pod_looks_free(struct driver_cluster *c);

/* ---- cluster.c ---- */

void cluster_check_closed(struct driver_cluster *c);

/* ---- apply.c, remove.c, claims.c, watch.c ---- */

void apply_start(struct driver_cluster *c, struct driver_op *op);
/* A watch says that the object is gone: an answer that comes only now may know less. */
void applies_note_gone(struct driver_cluster *c, struct slice key);
void remove_start(struct driver_cluster *c, struct driver_op *op);
void removes_drop(struct driver_cluster *c);
void claims_start(struct driver_cluster *c, struct driver_op *op);
void watch_kind(struct driver_cluster *c, struct slice api_version, struct slice kind);
/* Has the kind been listed whole, so that what was not seen is not there? */
bool watch_synced(struct driver_cluster *c, struct slice api_version, struct slice kind);
/* All kinds, at least once. */
bool watches_synced(struct driver_cluster *c);
void watches_close(struct driver_cluster *c);

#endif
