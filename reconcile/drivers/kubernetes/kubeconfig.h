/* kubeconfig.h: the part of a kubeconfig that reaches a cluster.
 * Owner: the caller frees. Thread: any. */
#ifndef RECONCILE_DRIVERS_KUBERNETES_KUBECONFIG_H
#define RECONCILE_DRIVERS_KUBERNETES_KUBECONFIG_H

#include "base/fetch.h"
#include "base/json.h"

struct kubeconfig {
    char *server; /* "https://host:port/path", without trailing slash */
    struct buf ca_pem;
    struct buf cert_pem;
    struct buf key_pem;
    char *token; /* NULL: none */
    bool insecure;
};

/* Takes the current context (or the only one). Errors: ERR_INVALID: no YAML, nothing named, files
 * of somebody's machine or commands instead of embedded data; says what to do about it. */
int kubeconfig_parse(struct slice text, struct kubeconfig *out, struct err *err);
/* The text in a Secret choreo-system/cluster-PLANE-CLUSTER; appends. Errors: ERR_INVALID. */
int kubeconfig_of_secret(const json_t *secret, struct buf *out, struct err *err);
/* Whom a fetcher to that server trusts, and who it is; all borrowed. */
void kubeconfig_trust(const struct kubeconfig *k, struct fetcher_config *out);
void kubeconfig_free(struct kubeconfig *k);

#endif
