/* cluster.h: a cluster of real nodes in one test: loopback sockets, TLS, disks in a temporary
 * directory. Each node has one front loop of the test's, on which requests are made.
 *
 * Use: cluster_found(&c, 3, 1, NULL); put(), get(), ...; cluster_end(&c). Or, step by step:
 * cluster_make(), cluster_start() for each node.
 * Failures fail the test, but for outcomes of requests. Logs go to stderr if CHOREO_TEST_LOG is
 * set. Thread: the test's. Requests block until their callback has come. */
#ifndef TESTS_NODE_SHARD_CLUSTER_H
#define TESTS_NODE_SHARD_CLUSTER_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "node/shard/node.h"
#include "proto/object.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

enum { CLUSTER_NODES_MAX = 6, CLUSTER_WAIT_MS = 30000 };

struct member {
    struct node node;
    struct onloop front;
    struct node_member info;
    struct buf key;
    struct buf cert;
    const char *dir;
    bool up;
};

struct cluster {
    struct tmpdir tmp;
    struct buf ca_key;
    struct buf ca;
    struct member members[CLUSTER_NODES_MAX];
    size_t count;
    uint32_t shards;
    void (*tune)(struct node_config *config); /* may be NULL */
    uint32_t deadline_ms;                     /* of requests; 0: CLUSTER_WAIT_MS */
};

/* Makes and starts nodes that found the cluster together; tune (may be NULL) has a last word on
 * each one's configuration. */
void cluster_found(struct cluster *c, size_t nodes, uint32_t shards,
                   void (*tune)(struct node_config *config));
/* As many directories, of which the first `founders` found the cluster. */
void cluster_make(struct cluster *c, size_t nodes, size_t founders, uint32_t shards);
void cluster_start(struct cluster *c, size_t i);
int member_start(struct cluster *c, size_t i, const struct node_hooks *hooks, struct err *err);
/* clean: an orderly stop; else as if killed. */
void cluster_stop(struct cluster *c, size_t i, bool clean);
void cluster_end(struct cluster *c);
/* Who leads and serves the shard; SIZE_MAX: nobody. */
size_t leader_of(struct cluster *c, uint32_t shard);
/* The same, once somebody does. */
size_t await_leader(struct cluster *c, uint32_t shard);
/* One that is up, and another, if there is one. */
size_t another(const struct cluster *c, size_t i);

/* The system's clock, but that its wall clock is ahead by so much. For node_config.clock. */
extern const struct clock cluster_clock;
extern _Atomic uint64_t cluster_clock_ahead_ms;

/* ---- requests that wait ---- */

struct sync {
    union {
        struct backend_submit submit;
        struct backend_get get;
        struct backend_list list;
    };
    struct member *member;
    uint32_t within_ms;
    int rc;
    struct err err;
    uint64_t version; /* of the write, the object, the list */
    char body[256];   /* of the object read */
    char names[4096]; /* of the objects listed: "ns/name " each */
    size_t rows;
};

struct write {
    enum backend_verb verb;
    const char *resource; /* NULL: configmaps */
    const char *ns;
    const char *name;
    const char *value;
    uint64_t if_version;
    const char *request_id; /* NULL: a new one */
    uint64_t issued_ms;     /* 0: now */
};

/* The outcome; *version may be NULL. */
int put(struct cluster *c, size_t i, struct write w, uint64_t *version);
/* The same request again and again, until something led for long enough to take it ... */
int put_once_led(struct cluster *c, size_t i, struct write w);
/* ... or to say what came of it. */
int put_until_known(struct cluster *c, size_t i, struct write w);
void make_organization(struct cluster *c, size_t i, const char *name);
/* The object's data.v and version, in s. */
int get(struct cluster *c, size_t i, const char *ns, const char *name,
        enum backend_consistency consistency, uint64_t version, struct sync *s);
int get_of(struct cluster *c, size_t i, const char *resource, const char *ns, const char *name,
           enum backend_consistency consistency, uint64_t version, struct sync *s);
/* ns "": all. */
int list(struct cluster *c, size_t i, const char *ns, enum backend_consistency consistency,
         uint64_t version, struct sync *s);

/* An operation on the members, to be started with its member's node and then waited for; its
 * outcome is in op.rc and op.err. */
struct node_op op_for(struct member *m);
void op_wait(struct node_op *op, const char *what);
int transfer(struct cluster *c, size_t through, uint32_t shard, size_t to);

/* ---- a watch that records ---- */

enum { SEEN_MAX = 8192 };

struct watching {
    struct backend_watch watch;
    struct member *member;
    char *ns;
    _Atomic size_t count;
    _Atomic uint64_t progress;
    _Atomic int ended; /* 0: no; else the code, -1 for 0 */
    uint64_t versions[SEEN_MAX];
    char names[SEEN_MAX][24];
};

/* ns "": all. */
struct watching *watch_start(struct cluster *c, size_t i, const char *ns, uint64_t since);
void watch_free(struct watching *w);
void await_count(const struct watching *w, size_t count);

#endif
