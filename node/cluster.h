/* cluster.h: the few paths with which nodes and scripts deal with the cluster itself, as JSON.
 *
 *   GET  /pki/ca.crt            the cluster's CA certificate (anyone)
 *   GET  /cluster/v1/status     members, shards, leaders (viewers, nodes)
 *   POST /cluster/v1/join       a join token's holder asks for a certificate and the cluster's keys
 *   POST /cluster/v1/members    a node asks, with that certificate, to be added to every shard
 *
 * People and programs use choreo and gRPC's ClusterService; these are what works before a machine
 * is a node.
 * Owner:  the caller keeps what it passes until the api's servers have closed.
 * Thread: cluster_routes(): before servers run; requests on their front loops. */
#ifndef NODE_CLUSTER_H
#define NODE_CLUSTER_H

#include "base/json.h"
#include "node/api/api.h"
#include "node/credentials.h"
#include "node/shard/node.h"

struct cluster {
    struct node *node;
    const struct credentials *credentials;
};

void cluster_routes(struct cluster *c, struct api *api);

/* Members as JSON, in answers and in the files of a joining node. */
json_t *cluster_member_json(const struct node_member *member);
/* Errors: ERR_INVALID, naming the field. */
int cluster_member_parse(const json_t *tree, struct node_member *member, struct err *err);
/* "voters ready" for /readyz: 0, or which shards have no leader or lag. */
int cluster_check_ready(struct node *node, struct err *err);

#endif
