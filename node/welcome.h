/* welcome.h: what a cluster answers to a machine that may join it.
 *
 * The machine stands on it for good, and the answer came over the network: every field is checked.
 * Owner: the caller. Thread: any. */
#ifndef NODE_WELCOME_H
#define NODE_WELCOME_H

#include "node/credentials.h"
#include "node/shard/node.h"

struct welcome {
    struct node_identity identity;
    struct node_member known[NODE_MEMBERS_MAX];
    size_t known_count;
};

/* Reads the answer; the CA's key, the node's certificate and the token key go to credentials.
 * Errors: ERR_INVALID naming the field. */
int welcome_parse(struct welcome *welcome, struct slice text, struct credentials *credentials,
                  struct err *err);

#endif
