/* kube.h: a Kubernetes API server for tests: in memory, plain HTTP/1.1, on the test's loop.
 *
 * It knows a handful of kinds, server-side apply as a deep merge, uid and resourceVersion
 * preconditions, finalizers, label selectors, lists and watches; Deployments are ready at once
 * unless told otherwise. Faults are set by fields. It is no model of Kubernetes: choreo-plane is;
 * it is small enough to see every request of a driver.
 * Owner: the test embeds it. Thread: the loop's, but for fields read after the loop is quiet. */
#ifndef TESTS_LIB_KUBE_H
#define TESTS_LIB_KUBE_H

#include "base/json.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"

struct kube {
    struct loop *loop;
    uint16_t port;
    json_t *objects; /* "v1/Namespace//name" -> object */
    uint64_t version;
    uint64_t uids;
    struct buf log;    /* one line per mutation: "PATCH apps/v1/Deployment/ns/name uid=yes", ... */
    struct buf agents; /* User-Agents of mutations, one a line */
    size_t requests;
    size_t patches;
    size_t deletes;
    size_t lists;
    size_t watches_open;
    size_t logs_open;
    struct buf logs_asked; /* "POD?QUERY" of each log, a line each */
    /* faults */
    int fail_status; /* the next fail_count mutations answer this; 0: nothing, and hang up */
    int fail_count;
    const char *fail_message;
    const char *fail_kind; /* NULL: mutations of any kind */
    int retry_after_s;
    /* Once an object is applied, before that is answered; may be NULL. */
    void (*meddle)(struct kube *k, const char *key);
    bool silent;               /* accept requests and never answer */
    bool unauthorized;         /* 401 to everything */
    bool not_ready;            /* Deployments stay at 0 replicas */
    bool stuck;                /* Deployments report ProgressDeadlineExceeded */
    const char *stuck_message; /* with these words; NULL: usual ones */
    bool watches_end;          /* each watch tells of a bookmark, and ends */
    /* private */
    json_t *logs; /* "POD/CONTAINER" -> text */
    uv_tcp_t listener;
    struct list conns;
    bool listening;
};

void kube_start(struct kube *k, struct loop *loop); /* on the loop */
/* Stops listening and closes every connection; objects stay. */
void kube_stop(struct kube *k);
void kube_free(struct kube *k);
/* Listens again, on the same port. */
void kube_restart(struct kube *k);
/* A kubeconfig that reaches it. */
void kube_config(const struct kube *k, struct buf *out);
/* The object, or NULL: kube_get(k, "apps/v1/Deployment/ns/name"). */
json_t *kube_get(struct kube *k, const char *key);
/* Somebody changes or deletes an object behind the control plane's back; watchers are told. */
void kube_set(struct kube *k, json_t *object);
void kube_remove(struct kube *k, const char *key);
/* A container says something, to who follows its log too; and nothing more. One that has never said
 * anything is waiting to start: 400. */
void kube_log(struct kube *k, const char *key, const char *text);
void kube_log_end(struct kube *k, const char *key);
/* Bytes of logs that were said and not taken yet. */
size_t kube_log_unsent(const struct kube *k);
/* Sends that line on all watches that are open. */
void kube_say(struct kube *k, const char *line);
/* Ends all watches that are open. */
void kube_cut_watches(struct kube *k);

#endif
