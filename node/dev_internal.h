/* dev_internal.h: what the files of `choreod dev` share.
 *
 *   dev.c           the command: options, states, readiness, stopping
 *   dev_setup.c     the directory: keys, node directories, settings that a later start resumes
 *   dev_child.c     one child process: spawn, log file, exit
 *   dev_control.c   `choreod dev restart NAME`: a socket in the directory
 *   dev_connect.c   puts the simulated clusters' credentials in place; writes dev.json
 *
 * Thread: main's loop, for everything. */
#ifndef NODE_DEV_INTERNAL_H
#define NODE_DEV_INTERNAL_H

#include "base/fetch.h"
#include "base/signals.h"
#include "base/sm.h"
#include "node/setup.h"

enum {
    DEV_NODES_MAX = 5,
    DEV_SHARDS_MAX = 64,
    DEV_PORT_MIN = 1024, /* of --base-port */
    DEV_PORT_MAX = 65000,
    DEV_DIR_MAX = 98, /* a socket in it has a name of at most 107 bytes */
    DEV_PLANES_MAX = 32,
    DEV_CHILDREN_MAX = DEV_NODES_MAX + DEV_PLANES_MAX,
    DEV_PATH_MAX = 512,
    DEV_START_LIMIT_MS = 60 * 1000,
};

/* What was asked on the command line; kept in DIR/settings.json for later starts. */
struct dev_settings {
    uint32_t nodes;
    uint32_t shards;
    uint32_t base_port;
    const char *planes; /* "[PLANE/]CLUSTER[:REGION],..." */
};

struct dev;

struct dev_child {
    struct dev *dev;
    bool is_node;
    char name[NODE_NAME_MAX + 1];
    char plane[NODE_NAME_MAX + 1]; /* the DataPlane that a simulated cluster belongs to */
    char region[NODE_NAME_MAX + 1];
    char dir[DEV_PATH_MAX];
    char url[NODE_ADDRESS_MAX + 16];    /* of its API */
    char kubeconfig[DEV_PATH_MAX + 16]; /* planes */
    char token[65];                     /* planes: the administrator's */
    uint16_t port;
    struct node_member member; /* nodes */
    /* running */
    uv_process_t process;
    bool spawned; /* process is an open handle */
    bool running;
    bool ready;
    bool probing;
    struct fetch probe;
    uint64_t restart_at_ms; /* --supervise: 0 or when to start it again */
};

enum dev_state { DEV_STARTING, DEV_CONNECTING, DEV_READY, DEV_STOPPING_NODES, DEV_STOPPING_PLANES };

struct dev {
    struct loop loop;
    struct sm sm;
    const char *dir;
    bool supervise;
    struct dev_settings settings;
    struct credentials credentials;
    struct node_identity identity; /* what the nodes share */
    char token[2048];
    struct dev_child children[DEV_CHILDREN_MAX];
    size_t node_count;
    size_t child_count; /* nodes first, then planes */
    struct loop_timer tick;
    struct stop_signals signals;
    struct fetcher fetcher;
    struct fetch connect;
    struct buf connect_url;
    struct buf connect_body;
    char authorization[2200];
    size_t connecting;  /* the child whose credentials are being put in place */
    bool connect_again; /* it was too early */
    uint64_t started_ms;
    uint64_t stop_limit_ms;
    int exit_code;
    struct dev_control *control;
};

/* dev_setup.c: fills children, credentials, identity and token; makes what is missing on disk.
 * Errors: ERR_INVALID (planes, ports, other settings than the directory was made with, a path too
 * long), ERR_EXISTS (half made), ERR_CORRUPT (settings.json), ERR_NOT_FOUND (a file is missing),
 * ERR_IO. The caller frees settings.planes and credentials either way. */
int dev_setup(struct dev *d, const struct dev_settings *asked, struct err *err);
void dev_path(const struct dev *d, const char *name, char *out); /* DIR/name */

/* dev_child.c */
int dev_child_start(struct dev_child *child, struct err *err);
void dev_child_stop(struct dev_child *child, int signal);
/* dev.c, called by dev_child.c once the process is gone. */
void dev_child_exited(struct dev_child *child, int64_t status, int signal);

/* dev_connect.c: Secrets choreo-system/cluster-PLANE-CLUSTER for every plane; then dev_connected()
 * with 0 or an error. */
void dev_connect(struct dev *d);
void dev_connect_again(struct dev *d); /* at each tick: if it was too early before */
void dev_connected(struct dev *d, int rc, const struct err *err);
int dev_write_json(struct dev *d, struct err *err);

/* dev_control.c */
int dev_control_open(struct dev *d, struct err *err);
void dev_control_close(struct dev *d);
/* Tells whoever waits for this child's restart that it is ready, or why not (rc). */
void dev_control_ready(struct dev *d, struct dev_child *child, int rc);
int dev_control_restart(const char *dir, const char *name, struct err *err); /* the client */
/* dev.c: starts a stopped or running child again. */
int dev_restart(struct dev *d, const char *name, struct dev_child **child, struct err *err);

#endif
