/* cluster_service.h: choreo.v1.ClusterService, the cluster itself for operators, over gRPC.
 *
 * Owner: the caller keeps the struct cluster and the service until the servers have closed.
 * Thread: front loops. */
#ifndef NODE_CLUSTER_SERVICE_H
#define NODE_CLUSTER_SERVICE_H

#include "node/api/grpc/door.h"
#include "node/cluster.h"

/* Fills in a service over c, to be given to grpc_add(). */
void cluster_service_init(struct grpc_service *service, struct cluster *c);

#endif
