/* common.h: what controllers share: conditions, and how objects find each other.
 *
 * Pure, over a snapshot. Owner: trees are the snapshot's or the plan's. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_COMMON_H
#define RECONCILE_CONTROLLERS_COMMON_H

#include "base/clock.h"
#include "proto/object.h"
#include "reconcile/plan.h"
#include "render/environment.h"

/* Held by whatever must clean up before it goes. */
#define FINALIZER "choreo.dev/cleanup"

#define READY "Ready"
#define PROGRESSING "Progressing"
/* Of a ReleaseBinding: whether what its release depends on can be said. */
#define DEPENDENCIES_READY "DependenciesReady"
/* Of a ReleaseBinding, and of its component: whether what is to be reached from outside has routes;
 * absent: nothing is to be. */
#define ENDPOINTS_EXPOSED "EndpointsExposed"

enum condition_status { STATUS_FALSE, STATUS_TRUE, STATUS_UNKNOWN };

/* Sets a condition on an object under edit. */
void condition_set(json_t *edit, const struct snapshot *s, const char *type,
                   enum condition_status status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void condition_drop(json_t *edit, const char *type);
/* status, reason and message of an object's condition; "Unknown", "" and "" without one, or if it
 * speaks of an older generation. */
struct condition {
    struct slice status;
    struct slice reason;
    struct slice message;
};
struct condition condition_of(const json_t *object, const char *type);
bool condition_is(const json_t *object, const char *type, const char *status);
/* Notes that the status speaks of this generation. */
void status_observe(json_t *edit);
/* edit.status, made if absent. */
json_t *status_of(json_t *edit);
void status_set(json_t *edit, const char *key, json_t *value); /* takes value; NULL removes */

/* Strings at spec.key, or spec.a.b. */
struct slice spec_text(const json_t *object, const char *key);
struct slice owner_text(const json_t *object, const char *key); /* spec.owner.key */

/* The snapshot as the renderer sees the platform. */
struct view {
    struct platform platform;
    /* private */
    const struct snapshot *s;
    struct arena *arena;
};
void view_init(struct view *v, const struct snapshot *s, struct arena *arena);

/* What holds in an environment, if it is there. */
void environment_find(const struct snapshot *s, struct slice ns, struct slice name,
                      struct arena *arena, struct environment *out);
/* The sentence for one whose template is missing; the arena's. */
const char *environment_lacks(const struct environment *e, struct arena *arena);

/* The project of a component, as platform_project() says, with what the snapshot has of it. With
 * two that list it, both are named and false is returned. */
struct membership {
    struct slice project;
    const struct snapshot_entry *entry; /* NULL: there is no such object */
    struct slice also;                  /* the second that lists it */
    bool named;                         /* by the component itself */
};
bool component_membership(const struct snapshot *s, const json_t *component, struct arena *arena,
                          struct membership *out);

/* The components that belong to a project, in order of name. */
size_t project_members(const struct snapshot *s, const json_t *project, struct arena *arena,
                       const struct snapshot_entry ***out);

/* The data plane, if what is in that namespace may be on it. Who reads one because somebody in a
 * namespace names it asks here, or asks plane_allows() and says why not. */
const json_t *plane_find(const struct snapshot *s, struct slice ns, struct slice name);

bool plane_has_cluster(const json_t *plane, struct slice cluster);
/* Names are joined to that of a Secret, "cluster-PLANE-CLUSTER", which two pairs may have in
 * common: why it is not this one's, in words, the arena's; or NULL. */
const char *cluster_secret_taken(const struct snapshot *s, struct slice plane, struct slice cluster,
                                 struct arena *arena);
/* The Secret with the cluster's kubeconfig; NULL: not connected. */
const struct snapshot_entry *cluster_secret(const struct snapshot *s, struct slice plane,
                                            struct slice cluster, struct arena *arena);
/* Where somebody has to put that Secret, "NAMESPACE/NAME"; the arena's. */
const char *cluster_secret_place(const struct snapshot *s, struct slice plane, struct slice cluster,
                                 struct arena *arena);
/* status.clusters[name] of a plane; NULL: nothing known. */
const json_t *cluster_status(const json_t *plane, struct slice cluster);

enum { ROLLUP_NAMES_MAX = 5 };

/* How a number of dependants is doing, for roll-ups. The worst one is told first, others that are
 * not ready by their names. */
struct rollup {
    size_t total;
    size_t ready;
    size_t progressing;
    struct slice worst_name; /* of the first that is not ready */
    struct condition worst;
    struct slice not_ready[ROLLUP_NAMES_MAX]; /* the first of them */
};
/* Adds one by its Ready and Progressing conditions. */
void rollup_add(struct rollup *r, const json_t *object, struct slice name);
/* Ready and Progressing on edit: "3 of 4 components are ready; user-service: ...". Of several that
 * are not: "1 of 4 components are ready; user-service: ...; nor are cart, web". */
void rollup_set(json_t *edit, const struct snapshot *s, const struct rollup *r, const char *noun);

/* The same of what is placed on so many clusters: why it is not as it is to be (reason NULL: it is;
 * "Progressing": it is on its way), else how the clusters are doing. */
void placed_set(json_t *edit, const struct snapshot *s, const char *reason, const char *message,
                const struct rollup *r, size_t clusters);

/* Of several bindings of one component in one environment the oldest counts; equal ages by name.
 * kind: SNAPSHOT_BINDING, a resource's, or OpenChoreo's, those of projects too. The one that counts
 * before entry, or NULL: entry does.
 */
const struct snapshot_entry *
binding_before(const struct snapshot *s, const struct snapshot_entry *entry, struct arena *arena);
/* The one that counts in an environment, of a component (SNAPSHOT_BINDING) or a resource, or NULL.
 */
const struct snapshot_entry *binding_first(const struct snapshot *s, enum snapshot_kind kind,
                                           struct slice ns, struct slice owner,
                                           struct slice environment, struct arena *arena);

/* The environment that releases of a project start in, by its pipeline; on failure empty, with a
 * condition's reason and message, the arena's. project NULL: there is none of that name. */
struct slice first_environment(const struct snapshot *s, struct slice ns,
                               const struct snapshot_entry *project, struct arena *arena,
                               const char **reason, const char **message);

/* The name that a component's binding in an environment has, or is to have: that of
 * deployment_binding_name(), unless that is another component's. */
struct slice binding_name(const struct snapshot *s, struct arena *arena, struct slice ns,
                          struct slice component, struct slice environment);

/* Notes who bound the release of a binding under edit; empty: the control plane. */
void binding_requested_by(json_t *edit, struct slice user);

/* True if object's controlling owner (an ownerReference) is an object of that uid. */
bool owned_by(const json_t *object, struct slice uid);
bool has_owner(const json_t *object);

#endif
