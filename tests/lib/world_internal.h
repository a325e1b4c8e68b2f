/* world_internal.h: what the files of the simulated cluster share. */
#ifndef TESTS_LIB_WORLD_INTERNAL_H
#define TESTS_LIB_WORLD_INTERNAL_H

#include "tests/lib/world.h"

enum event_kind {
    EVENT_TICK,
    EVENT_SYNC,
    EVENT_MARK,
    EVENT_APPLY,
    EVENT_MESSAGE,
    EVENT_IMAGE,
    EVENT_IMAGE_SENT,
    EVENT_INSTALLED,
    EVENT_CLIENT,
    EVENT_READ,
    EVENT_PEER_LOST,
    EVENT_PEER_FOUND,
};

struct image {
    struct machine state;
    const struct world_hooks *hooks;
    void *store;
};

struct world_event {
    uint64_t at_us;
    uint64_t sequence;
    enum event_kind kind;
    int node;
    int group;
    uint64_t life; /* of the replica, or of the node where the kind is the node's */
    int from;
    uint64_t number;
    struct payload *bytes;
    void *pointer;
};

/* world_time.c: events in order of their virtual time. */
void world__push(struct world *w, uint64_t after_us, struct world_event e);
struct world_event world__pop(struct world *w);
void world__push_for(struct world_node *n, uint64_t after_us, enum event_kind kind);
void world__push_for_replica(struct world_replica *r, uint64_t after_us, enum event_kind kind);
uint64_t world__delay_us(struct world *w); /* of one message */

/* world_replica.c: what a group asks for. */
extern const struct group_ops world__group_ops;
void world__apply_turn(struct world_replica *r);
void world__installed(struct world_replica *r, struct image *image);
void world__offer(struct world_replica *r, struct image *image);
void world__drop_apply_queue(struct world_replica *r);

/* world_node.c: the lives of nodes. */
struct world_node *world__node_named(struct world *w, const char *name);
void world__pump(struct world_node *n);
void world__start_life(struct world *w, int node, bool bootstrap);
/* Opens a group that its running node has just been given a place in. */
void world__start_replica(struct world_replica *r);
void world__end_life(struct world_node *n);
/* It is no member any more; a node that is a member of nothing loses its disk. */
void world__forget(struct world_replica *r);
void world__image_free(struct image *image);

/* world_ask.c: clients, reads, changes. */
void world__client_next(struct world_client *c, uint64_t after_us);
void world__client_turn(struct world_client *c);
void world__read_turn(struct world *w, struct world_replica *r, struct world_read *read);

#endif
