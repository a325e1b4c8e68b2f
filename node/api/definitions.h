/* definitions.h: CustomResourceDefinitions: followed by every process, looked after by one.
 *
 * Every process follows the definitions in its own view of the system shard and publishes the kinds
 * of those that are established (proto/kind_board.h). The one that leads also judges which names a
 * definition gets, so that it becomes established, and, when one is deleted, deletes its objects
 * before it lets the definition go.
 * Owner:  the caller embeds struct definitions until closed() ran.
 * Thread: the loop given, which is attached to the backend; definitions_start() also before it
 *         runs. */
#ifndef NODE_API_DEFINITIONS_H
#define NODE_API_DEFINITIONS_H

#include "node/api/gate.h"

struct definitions_config {
    struct api *api; /* its backend, its board of kinds, its evaluator */
    struct loop *loop;
    /* Does this process lead the shard of the definitions? NULL: it does. */
    bool (*leads)(void *user);
    void *user;
};

struct definition;

struct definitions {
    /* private */
    struct definitions_config config;
    const struct kind *kind; /* CustomResourceDefinition */
    struct subject self;
    struct definition **items; /* in order of group and name */
    size_t count;
    size_t cap;
    struct backend_list list;
    struct backend_watch watch;
    struct backend_cursor last;
    struct loop_timer timer;
    struct loop_task task; /* publish and look, after a batch of changes */
    uint64_t retry_at_ms;
    bool listing;
    bool watching;
    bool changed; /* since the kinds were last published */
    bool leading; /* at the last look */
    struct definitions_keeping *keeping;
    bool closing;
    void (*closed)(struct definitions *d);
};

void definitions_start(struct definitions *d, const struct definitions_config *config);
/* Nothing more is written; closed runs later, once. */
void definitions_close(struct definitions *d, void (*closed)(struct definitions *d));

#endif
