/* preferences.h: where the shards' leaders should be, by region: one replicated object.
 *
 *   preferences.cluster.choreo.dev/leaders, in the system shard:
 *       {"spec": {"regions": {"3": "eu-west-1"}}}
 *
 * node_prefer() writes it, every node reads it as it changes, the balancer (members.c) honours it.
 * Shards that are not named, or that this cluster does not have, prefer nothing.
 * Thread: any; but struct preferences is the internal loop's. */
#ifndef NODE_SHARD_PREFERENCES_H
#define NODE_SHARD_PREFERENCES_H

#include "base/err.h"
#include "node/shard/node.h"

#define PREFERENCES_RESOURCE "preferences.cluster.choreo.dev"
#define PREFERENCES_NAME "leaders"

struct node_impl;

typedef char preferences_region[NODE_NAME_MAX + 1]; /* empty: none */

/* Fills regions, one for each of so many shards. Errors: ERR_CORRUPT (nothing is filled then). */
int preferences_parse(struct slice body, preferences_region *regions, uint32_t shards,
                      struct err *err);
/* The object with one preference changed. body: as it is, empty if there is none yet; region "":
 * no preference any more. *changed tells whether out differs from body. Errors: ERR_CORRUPT. */
int preferences_edit(struct slice body, uint64_t wall_ms, uint32_t shard, const char *region,
                     struct buf *out, uint32_t *splice, bool *changed, struct err *err);

/* The node's own look at the object. */
struct preferences {
    struct node_impl *node;
    void *user;
    void (*looked)(void *user, bool failed); /* ends each preferences_look() */
    /* private */
    struct backend_get get;
    preferences_region *regions; /* as last published */
};

void preferences_init(struct preferences *p, struct node_impl *n);
void preferences_free(struct preferences *p);
/* Reads this node's copy and, if it has changed, tells the consensus loop. One at a time. */
void preferences_look(struct preferences *p, uint64_t deadline_ms);

#endif
