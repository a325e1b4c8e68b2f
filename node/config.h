/* config.h: a node's configuration file (YAML), documented key by key in deploy/choreod.yaml.
 *
 * The file says where and how this process runs; who it is (name, cluster, shards) stands in
 * the data directory since `choreod init` or `choreod join`.
 * Owner: the caller; config_free() releases. Thread: any. */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

struct config {
    const char *data_dir;
    const char *api_listen;    /* host:port of the API */
    const char *api_cert_file; /* NULL: the node's own certificate in pki/ */
    const char *api_key_file;
    uint32_t api_loops;       /* threads that serve the API */
    uint32_t api_connections; /* to each of them */
    uint32_t subject_rate;    /* what one subject may have, base/quota.h; 0: no limit */
    uint32_t subject_requests;
    uint32_t subject_watches;
    uint32_t subject_megabytes;
    const char *peer_listen; /* NULL: the address that the cluster knows */
    uint32_t shard_loops;    /* 0: chosen by the number of shards */
    uint64_t history_ms;
    uint64_t event_ttl_ms;
    enum log_level log_level;
    enum log_format log_format;
    uint32_t cluster_requests_per_second; /* to one cluster, all shards together */
    bool allow_local_sources; /* git repositories, and clusters of one namespace, may be at this
                                 machine's or its link's addresses */
    bool reconcile;           /* false: this node never reconciles, it only replicates and serves */
    struct arena arena;       /* private: holds the strings */
};

/* Reads and checks the file: an unknown key, a value of the wrong type or out of range, a file it
 * names that cannot be read. Errors: ERR_INVALID "FILE:LINE: KEY: what is wrong". */
int config_load(struct config *c, const char *file, struct err *err);
/* The same of text; name stands for the file in messages. Relative paths are left as they are. */
int config_parse(struct config *c, struct slice text, const char *name, struct err *err);
void config_free(struct config *c);

#endif
