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

/* As whom fields are applied. */
#define DRIVER_FIELD_MANAGER "choreod"

/* Labels and annotations of every object that choreod puts on a cluster. */
#define DRIVER_LABEL_CONTROL_PLANE "choreo.dev/control-plane" /* cluster id */
#define DRIVER_LABEL_SHARD "choreo.dev/shard"
/* Of objects of resources: their statuses are kept. */
#define DRIVER_LABEL_RESOURCE "openchoreo.dev/resource"
#define DRIVER_ANNOTATION_EPOCH "choreo.dev/epoch"       /* cluster id/incarnation/shard/term */
#define DRIVER_ANNOTATION_RELEASE "choreo.dev/release"   /* NAMESPACE/NAME of the RenderedRelease */
#define DRIVER_ANNOTATION_REVISION "choreo.dev/revision" /* hash of what it was rendered to */
/* Of a StatefulSet that was made again so that its volumes may grow: "data from 1Gi to 5Gi". */
#define DRIVER_ANNOTATION_GROWN "choreo.dev/volumes-grown"

struct epoch {
    const char *cluster; /* cluster id */
    uint64_t incarnation;
    uint32_t shard;
    uint64_t term;
};
/* "cluster/incarnation/shard/term" */
void epoch_text(const struct epoch *epoch, struct buf *out);

/* What tells one object on a cluster from another: "apps/v1/Deployment/ns/name"; the namespace of a
 * cluster-scoped one is empty: "v1/Namespace//name". */
void manifest_key(const json_t *object, struct buf *out);
/* {KEY: where in the list}, a new tree: for whoever asks of many. */
json_t *manifest_keys(const json_t *manifests);
/* The same from an inventory's {group, version, kind, namespace, name}. */
void resource_key(const json_t *resource, struct buf *out);
/* apiVersion of an inventory's resource: "apps/v1". */
void resource_api_version(const json_t *resource, struct buf *out);
/* What is there under that key belongs to RenderedRelease other, so own, another, may not have it
 * (both "ns/name"). Another tenant's names are told to nobody. Always ERR_EXISTS. */
int driver_refuse_anothers(struct slice key, struct slice own, struct slice other, struct err *err);
/* An inventory row {id, group, version, kind, namespace, name, uid, hash} of an object on a
 * cluster.
 */
json_t *resource_new(const json_t *live, uint64_t fingerprint);

struct driver_cluster;

/* What is remembered of an object that was seen on the cluster. */
struct driver_seen {
    char *uid;
    char *version; /* resourceVersion */
    char *release; /* "ns/name" of the RenderedRelease that it belongs to; may be empty */
    uint64_t fingerprint;
    enum world_health health;
    char *message;
    char *pods;   /* what pods of it say, that do not come up; NULL: nothing */
    char *status; /* of a resource's or run's object or pod: as JSON; NULL: of others, or none */
    bool has_replicas; /* of a workload: how many are wanted, and ready */
    uint32_t replicas;
    uint32_t ready_replicas;
    char *volumes;             /* how far they have grown; "": as asked; NULL: not, or not known */
    bool volumes_open;         /* it was made so that they may grow; how far is not known yet */
    bool volumes_asked;        /* private: they were, or are */
    bool pods_asked;           /* private: they are, again and again */
    uint32_t settled_replicas; /* private: those that were ready when it was healthy last */
    uint64_t at;               /* private: which sight of all this was */
};

/* One object on a cluster, as its watch or an answer shows it. */
struct driver_object {
    struct slice key;     /* "apps/v1/Deployment/ns/name" */
    struct slice release; /* "ns/name" of the RenderedRelease that it belongs to; may be empty */
    struct slice uid;
    uint64_t fingerprint; /* of all but status and the server's own bookkeeping */
    enum world_health health;
    const char *message;
    bool status_changed;   /* of a resource's or run's object, or what pods say of theirs */
    bool replicas_changed; /* it is healthy with another number of them than when it was last */
    const json_t *live;    /* the whole object, borrowed for the call; NULL: as before, or gone */
};

struct driver_config {
    struct loop *loop;
    const char *plane;
    const char *cluster;
    struct slice kubeconfig;
    bool refuse_local; /* a tenant's: no address of this machine or its link (base/address.h) */
    struct epoch epoch;
    uint32_t requests_per_second; /* this shard's share; 0: 50 */
    size_t objects_max;           /* that are remembered of the cluster; 0: 250,000 */
    size_t status_bytes_max;      /* of their statuses; 0: 256 MB */
    uint32_t pods_after_ms;       /* those of what has not come up until then are asked; 0: 5 s */
    void *user;
    bool (*may_create)(void *user);
    /* The object is there, new or changed (deleted: it is gone). Not told of what a kind's first
     * list holds. */
    void (*on_object)(void *user, const struct driver_object *object, bool deleted);
    /* One more kind's list has been read whole. */
    void (*on_synced)(void *user, struct slice api_version, struct slice kind);
};

enum driver_verb { DRIVER_APPLY, DRIVER_DELETE, DRIVER_DELETE_CLAIMS, DRIVER_PROBE };

/* Errors to done: ERR_UNAVAILABLE (cannot connect, 429, 5xx), ERR_TIMEOUT, ERR_UNAUTHENTICATED,
 * ERR_FORBIDDEN, ERR_CONFLICT (someone else changed it meanwhile), ERR_EXISTS (it is another
 * control plane's, or another RenderedRelease's), ERR_UNPROCESSABLE (the cluster refuses the
 * manifest, or knows the kind as one of no namespace while the manifest has one), ERR_NOT_FOUND (no
 * such kind, or its namespace is missing), ERR_NOT_LEADER (not confirmed: create not sent),
 * ERR_BUSY (marked for deletion, and not gone yet: says what holds it), ERR_CANCELED. */
struct driver_op {
    enum driver_verb verb;
    const json_t *manifest; /* APPLY: borrowed until done */
    const char *release;    /* APPLY, DELETE, DELETE_CLAIMS: "ns/name" */
    const char *revision;   /* APPLY */
    bool look_first;        /* APPLY: after a conflict: what is remembered may be stale */
    const json_t *resource; /* DELETE: {group, version, kind, namespace, name, uid}; borrowed.
                               Done with 0 once the object is gone, not only marked.
                               DELETE_CLAIMS: {namespace, name} of a resource (the value of
                               DRIVER_LABEL_RESOURCE), whose volumes' claims are deleted. */
    bool orphans;           /* DELETE: by that uid alone, and what it owns stays */
    void *user;
    void (*done)(struct driver_op *op, int rc, const struct err *err);
    /* results */
    struct driver_object object; /* APPLY: borrowed until done returns */
    char version[64];            /* PROBE: "v1.32.5" */
    char identity[64];           /* PROBE: the cluster's own id, or "" */
    bool argo;                   /* PROBE: it serves Argo's Workflows */
    uint64_t retry_after_ms;     /* on ERR_UNAVAILABLE: the cluster asked for it; 0: not */
    bool quoted; /* APPLY, on errors: told in the cluster's words, which may quote the manifest */
};

struct driver_ops {
    const char *name;
    /* Errors: ERR_INVALID (the kubeconfig: says where and what to do). */
    int (*open)(const struct driver_config *config, struct driver_cluster **out, struct err *err);
    void (*start)(struct driver_cluster *c, struct driver_op *op);
    /* Keeps a watch on that kind from now on. Idempotent. */
    void (*watch)(struct driver_cluster *c, struct slice api_version, struct slice kind);
    /* NULL: not there, as far as is known. Valid until the loop's next turn. */
    const struct driver_seen *(*seen)(struct driver_cluster *c, struct slice key);
    /* Has every watched kind been listed whole, so that what was not seen is not there? */
    bool (*synced)(struct driver_cluster *c);
    /* Every object that is known: those of releases that are no more are left-overs. */
    void (*each)(struct driver_cluster *c, void *user,
                 void (*object)(void *user, struct slice key, const struct driver_seen *seen));
    /* Is everything that manifest says true of the live object? */
    bool (*satisfies)(const json_t *live, const json_t *manifest);
    /* Ends what is under way with ERR_CANCELED, then calls closed. */
    void (*close)(struct driver_cluster *c, void *user, void (*closed)(void *user));
};

extern const struct driver_ops driver_kubernetes;

#endif
