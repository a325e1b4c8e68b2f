/* credentials.h: the files under DIR/pki, and what they sign.
 *
 *   ca.crt ca.key    the cluster's CA; every node holds both, for every node can admit another
 *   node.crt node.key  this node's: serves the API, and is its identity among peers
 *   token.jwk        the cluster's token key
 *
 * Keys are 0600 in a 0700 directory.
 * Owner: the caller; credentials_free() releases. Thread: any. */
#ifndef NODE_CREDENTIALS_H
#define NODE_CREDENTIALS_H

#include "base/err.h"
#include "base/str.h"
#include "node/auth/token.h"

struct node_member;

struct credentials {
    struct buf ca_cert; /* PEM */
    struct buf ca_key;
    struct buf node_cert;
    struct buf node_key;
    struct token_key *token_key;
};

/* A new cluster's CA and token key; no node certificate yet. */
int credentials_create(struct credentials *c, const char *cluster, struct err *err);
/* A new node.key, and a certificate request for it. */
int credentials_request(struct credentials *c, const char *node, struct buf *csr, struct err *err);
/* Signs a node's request: for its name, addresses and the choreod://CLUSTER/node/NAME identity. */
int credentials_sign_node(const struct credentials *c, const char *cluster,
                          const struct node_member *member, struct slice csr, struct buf *cert,
                          struct err *err);
/* The two above for the node that holds the CA already. */
int credentials_issue_node(struct credentials *c, const char *cluster,
                           const struct node_member *member, struct err *err);
/* A client certificate and key for a user, by the cluster's CA. */
int credentials_issue_user(const struct credentials *c, const char *user, const char *group,
                           uint32_t valid_seconds, struct buf *cert, struct buf *key,
                           struct err *err);
/* A bearer token of that user and those groups. */
int credentials_issue_token(const struct credentials *c, const char *cluster,
                            const struct subject *subject, uint64_t valid_ms, struct buf *token,
                            struct err *err);

/* Errors: ERR_NOT_FOUND naming the file that is missing, ERR_INVALID, ERR_IO, ERR_FULL. */
int credentials_load(struct credentials *c, const char *dir, struct err *err);
int credentials_save(const struct credentials *c, const char *dir, struct err *err);
void credentials_free(struct credentials *c);

/* Writes a kubeconfig (0600): one cluster, one user, one context named `name`. */
struct kubeconfig {
    const char *name;
    const char *server; /* https://host:port */
    struct slice ca_pem;
    struct slice token; /* or the two below */
    struct slice cert_pem;
    struct slice key_pem;
};
int kubeconfig_write(const char *path, const struct kubeconfig *k, struct err *err);
void kubeconfig_render(const struct kubeconfig *k, struct buf *out);
/* The same for choreo (0600): one context, with the server and more of its cluster's. */
int contexts_write(const char *path, const struct kubeconfig *k, const char *const *more_servers,
                   size_t more_count, struct err *err);

#endif
