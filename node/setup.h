/* setup.h: makes a node's data directory, for init, join and dev alike.
 *
 *   DIR/node.yaml peers.json   who it is and whom it knows (node/shard)
 *   DIR/pki/                   its keys (credentials.h)
 *   DIR/choreod.yaml           the configuration that `choreod run` takes
 * Thread: main's. */
#ifndef NODE_SETUP_H
#define NODE_SETUP_H

#include "node/credentials.h"
#include "node/shard/node.h"

enum {
    SETUP_ELECTION_TIMEOUT_MS = 500,
    SETUP_HEARTBEAT_MS = 50,
    SETUP_SHARDS = 4,
};

struct setup {
    const char *dir;
    struct node_identity identity;
    const struct node_member *founders; /* none: joins a running cluster */
    size_t founder_count;
    const struct node_member *known; /* members to dial first, when joining */
    size_t known_count;
    const struct credentials *credentials;
    bool local_sources; /* sources.allowLocal: everything is on this machine */
};

/* Random, positive, never to be used twice. */
uint64_t setup_new_id(void);
/* Fills a member in. Errors: ERR_INVALID: a name that is no DNS label, an address without port. */
int setup_member(struct node_member *member, const char *name, const char *region, const char *peer,
                 const char *api, struct err *err);
/* Errors: ERR_EXISTS (a node lives there already), ERR_IO, ERR_FULL. */
int setup_write(const struct setup *s, struct err *err);
/* The https:// URL of a member's API. */
void setup_api_url(const struct node_member *member, struct buf *url);

#endif
