/* driver.h: what reaches a data plane: apply, delete, observe, probe.
 *
 * A driver_cluster is one shard's connection to one cluster. Operations are asynchronous and end
 * exactly once, never inside the call that starts them. What the cluster's objects are, and that
 * they change, is told through on_object from a watch that is filtered by shard; the engine decides
 * what that means.
 *
 * Fencing (DESIGN, section 8): every object carries the epoch of the leader that wrote it. An
 * update or delete carries the uid and resourceVersion that were seen, so a deposed leader's is
 * refused. A create is sent only while config.may_create() says that a majority confirmed this
 * leader within one election timeout.
 *
 * Owner:  open() allocates, close() frees after closed(). Thread: the loop's. */
#ifndef RECONCILE_DRIVERS_DRIVER_H
#define RECONCILE_DRIVERS_DRIVER_H

#include "base/json.h"
#include "base/loop.h"
#include "reconcile/snapshot.h"

/* Labels and annotations of every object that choreod puts on a cluster. */
#define DRIVER_LABEL_CONTROL_PLANE "choreo.dev/control-plane" /* cluster id */
#define DRIVER_LABEL_SHARD "choreo.dev/shard"
#define DRIVER_ANNOTATION_EPOCH "choreo.dev/epoch"       /* cluster id/incarnation/shard/term */
#define DRIVER_ANNOTATION_RELEASE "choreo.dev/release"   /* NAMESPACE/NAME of the RenderedRelease */
#define DRIVER_ANNOTATION_REVISION "choreo.dev/revision" /* hash of what it was rendered to */

struct epoch {
    const char *cluster; /* cluster id */
    uint64_t incarnation;
    uint32_t shard;
    uint64_t term;
};
/* "cluster/incarnation/shard/term" */
void epoch_text(const struct epoch *epoch, struct buf *out);

struct driver_cluster;

/* One object on a cluster, as its watch or an answer shows it. */
struct driver_object {
    struct slice key;     /* "apps/v1/Deployment/ns/name" */
    struct slice release; /* "ns/name" of the RenderedRelease that it belongs to; may be empty */
    struct slice uid;
    uint64_t fingerprint; /* of all but status and the server's own bookkeeping */
    enum world_health health;
    const char *message;
    const json_t *live; /* the whole object; borrowed for the call */
};

struct driver_config {
    struct loop *loop;
    const char *plane;
    const char *cluster;
    struct slice kubeconfig;
    struct epoch epoch;
    uint32_t requests_per_second; /* this shard's share; 0: 50 */
    void *user;
    bool (*may_create)(void *user);
    /* The object is there, new or changed (deleted: it is gone). */
    void (*on_object)(void *user, const struct driver_object *object, bool deleted);
    /* A kind's list has been read whole: what was not told is not there. */
    void (*on_synced)(void *user, struct slice api_version, struct slice kind);
};

enum driver_verb { DRIVER_APPLY, DRIVER_DELETE, DRIVER_PROBE };

/* Errors to done: ERR_UNAVAILABLE (cannot connect, 429, 503), ERR_TIMEOUT, ERR_UNAUTHENTICATED,
 * ERR_FORBIDDEN, ERR_CONFLICT (someone else changed it, or it is another control plane's),
 * ERR_UNPROCESSABLE (the cluster refuses the manifest), ERR_NOT_FOUND (no such kind, or its
 * namespace is missing), ERR_NOT_LEADER (not confirmed: create not sent), ERR_CANCELED. */
struct driver_op {
    enum driver_verb verb;
    const json_t *manifest; /* APPLY: borrowed until done */
    const char *release;    /* APPLY: "ns/name" */
    const char *revision;   /* APPLY */
    const json_t *resource; /* DELETE: {group, version, kind, namespace, name, uid}; borrowed.
                               Done with 0 once the object is gone, not only marked. */
    void *user;
    void (*done)(struct driver_op *op, int rc, const struct err *err);
    /* results */
    struct driver_object object; /* APPLY: borrowed until done returns */
    char version[64];            /* PROBE: "v1.32.5" */
    uint64_t retry_after_ms;     /* on ERR_UNAVAILABLE: the cluster asked for it; 0: not */
    void *impl;                  /* private */
};

struct driver_ops {
    const char *name;
    /* Errors: ERR_INVALID (the kubeconfig: says where and what to do). */
    int (*open)(const struct driver_config *config, struct driver_cluster **out, struct err *err);
    void (*start)(struct driver_cluster *c, struct driver_op *op);
    void (*cancel)(struct driver_cluster *c, struct driver_op *op);
    /* Keeps a watch on that kind from now on. Idempotent. */
    void (*watch)(struct driver_cluster *c, struct slice api_version, struct slice kind);
    /* Lists this shard's objects of the common kinds: each is told by on_object, so that what
     * nothing plans can be found. done as an operation's. */
    void (*sweep)(struct driver_cluster *c, void *user, void (*done)(void *user, int rc));
    void (*close)(struct driver_cluster *c, void *user, void (*closed)(void *user));
};

extern const struct driver_ops driver_kubernetes;

#endif
