/* identity.h: the files that say who a node is and whom it knows.
 *
 * node.yaml holds the identity, written once (node_create, node_load in node.h); founders.json the
 * first voters, where this node is one; peers.json the members as last seen, rewritten whenever the
 * system shard's member objects change, so that a restarted node can dial before it has applied.
 * Thread: any; pure file functions. */
#ifndef NODE_SHARD_IDENTITY_H
#define NODE_SHARD_IDENTITY_H

#include "base/json.h"
#include "node/shard/node.h"

/* A member as the JSON object of files and of member objects' spec: {id, name, region, peer, api}.
 * The id is text, being 64 bits wide. */
json_t *identity_member_json(const struct node_member *member);
/* Errors: ERR_INVALID, naming the field. */
int identity_member_parse(const json_t *tree, struct node_member *member, struct err *err);

/* At most cap members; a missing file is an empty list. Errors: ERR_INVALID, ERR_IO. */
int identity_read_members(const char *dir, const char *file, struct node_member *members,
                          size_t cap, size_t *count, struct err *err);
/* Errors: ERR_IO, ERR_FULL. */
int identity_write_members(const char *dir, const char *file, const struct node_member *members,
                           size_t count, struct err *err);

#define IDENTITY_FILE "node.yaml"
#define IDENTITY_FOUNDERS "founders.json"
#define IDENTITY_PEERS "peers.json"

#endif
