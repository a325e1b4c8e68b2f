/* join.h: a node that is not a voter everywhere yet asks to become one, until it is.
 *
 * `choreod join` leaves DIR/joining; while it is there, the running node asks the members it knows,
 * one after the other, to be added. Gone with the last shard's vote, so that a node that is removed
 * later does not come back by itself.
 * Owner: the caller embeds struct join and keeps it until closed. Thread: the loop's. */
#ifndef NODE_JOIN_H
#define NODE_JOIN_H

#include "base/fetch.h"
#include "node/credentials.h"
#include "node/shard/node.h"

struct join {
    struct loop *loop;
    struct node *node;
    const char *dir;
    void (*closed)(struct join *join);
    /* private */
    struct fetcher fetcher;
    struct fetch fetch;
    struct loop_timer timer;
    struct buf url;
    struct buf body;
    size_t next; /* the member to ask next */
    bool asking;
    bool closing;
    bool timer_open;
    bool fetcher_open;
};

/* Does nothing if DIR/joining is absent. */
int join_start(struct join *j, struct loop *loop, struct node *node, const char *dir,
               const struct credentials *credentials, struct err *err);
void join_close(struct join *j, void (*closed)(struct join *join));

#endif
