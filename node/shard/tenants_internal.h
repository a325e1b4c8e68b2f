/* tenants_internal.h: what tenants.c and tenants_spaces.c share. Thread: the node's internal loop.
 */
#ifndef NODE_SHARD_TENANTS_INTERNAL_H
#define NODE_SHARD_TENANTS_INTERNAL_H

#include "base/map.h"
#include "node/shard/front.h"
#include "node/shard/preferences.h"
#include "proto/object.h"

enum { TENANTS_WRITE_MS = 5000 };

struct tenants {
    struct node_impl *node;
    struct loop_timer timer;
    size_t busy;     /* requests under way */
    uint64_t looked; /* present of the system shard at the last look at members */
    uint64_t repair_at_ms;
    struct node_member members[NODE_MEMBERS_MAX];
    bool seen[NODE_MEMBERS_MAX]; /* as an object; then its absence means removal */
    size_t member_count;
    struct node_member found[NODE_MEMBERS_MAX]; /* by the list under way */
    size_t found_count;
    struct preferences preferences;
    struct backend_list list;
    struct map spaces;          /* name -> struct space, by the repair under way */
    struct backend_cursor last; /* the key that the list under way has come to */
    struct loop_msg detach;
    uv_sem_t detached;
};

/* Creates a cluster-scoped object; takes the tree. */
void tenants__create(struct tenants *t, struct slice resource, const char *name, json_t *tree);
json_t *tenants__new_object(const struct tenants *t, const char *api_version, const char *kind,
                            const char *name);
/* Lists from t->last on, as t->list; done takes t->busy back. */
void tenants__list(struct tenants *t, struct slice resource, enum backend_consistency consistency,
                   void (*row)(struct backend_list *list, const struct backend_object *object),
                   void (*done)(struct backend_list *list, int rc, const struct err *err));

/* ---- tenants_spaces.c ---- */

/* Repairs, in the background, what lies between Organizations and their namespaces' rows. */
void tenants__look_at_namespaces(struct tenants *t);
void tenants__forget_spaces(struct tenants *t);

#endif
