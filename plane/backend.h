/* backend.h: proto/backend.h over one store database, without Raft: what choreo-plane stands on.
 *
 *   any attached loop --submit--> writer loop: group commit --done--> that loop
 *                                      |--"applied up to"--> every attached loop's view
 *
 * One thread writes: submits that arrive while a transaction runs go together into the next. Each
 * attached loop reads through a view of its own, so gets and lists never wait for the writer.
 * Namespaces are as in Kubernetes: creating a Namespace object opens it for objects; deleting one
 * deletes all that it holds, at once, in the same breath.
 * What it promises is one machine's durability (WAL, synchronous=NORMAL): a simulation's.
 *
 * Owner:  the caller embeds struct plane_backend and keeps it until plane_backend_close() returned.
 * Thread: open, close: the owner's. attach: before the loop runs, or on it. detach: on it. */
#ifndef PLANE_BACKEND_H
#define PLANE_BACKEND_H

#include <stdatomic.h>

#include "base/clock.h"
#include "proto/backend.h"
#include "store/db.h"
#include "store/view.h"

enum { PLANE_FRONTS_MAX = 16 };

#define PLANE_NAMESPACES "namespaces" /* the GroupResource of Namespace */

/* A write that happened. All borrowed for the call. */
struct plane_mutation {
    enum backend_verb verb;
    const struct backend_object *object;
    struct slice subject;
    struct slice audit; /* the door's record: who, from where, user agent */
    uint64_t time_ms;
};

struct plane_backend_config {
    const char *path;          /* of the database; its folder exists */
    const struct clock *clock; /* NULL: the system's */
    uint64_t history_ms;       /* how long superseded versions are kept; 0: ten minutes */
    /* After each write, on the writer's thread; may be NULL. */
    void (*on_mutation)(void *user, const struct plane_mutation *mutation);
    void *user;
};

struct plane_front {
    struct plane_backend *backend;
    _Atomic(struct loop *) loop; /* NULL: not attached yet */
    atomic_bool open;            /* the writer may post to it; cleared by the writer alone */
    struct view view;
    struct list ops;     /* every request that has not ended */
    struct list waiting; /* those of them that want a version that is not here yet */
    struct loop_timer patience;
    struct loop_msg advance;
    atomic_bool advancing; /* the message is on its way */
    struct loop_msg cut;
    atomic_bool cutting;
    struct loop_msg leave;
    bool closing;
    int parts_open;
    void (*detached)(void *user);
    void *user;
};

struct plane_backend {
    struct backend backend;
    struct loop writer; /* post to it what must run on the writer's thread */
    /* private */
    struct plane_backend_config config;
    struct db db;
    struct reader reader; /* the writer's own */
    struct list queue;    /* submits not yet applied */
    struct loop_timer batch;
    struct loop_timer upkeep;
    struct loop_msg stop;
    struct loop_msg cut;
    atomic_bool cutting;
    bool batch_due;
    bool has_reader;
    atomic_uint_least64_t present;
    atomic_uint front_count; /* ever attached: slots are not reused */
    struct plane_front fronts[PLANE_FRONTS_MAX];
};

/* Opens the database, makes the namespaces that every cluster has, starts the writer. Errors:
 * db_open()'s. */
int plane_backend_open(struct plane_backend *b, const struct plane_backend_config *config,
                       struct err *err);
/* Lets requests name this loop. Errors: ERR_FULL (too many loops), reader_open()'s. */
int plane_backend_attach(struct plane_backend *b, struct loop *loop, struct err *err);
/* Ends the loop's watches and waiting requests with ERR_CLOSED, then calls detached. */
void plane_backend_detach(struct plane_backend *b, struct loop *loop, void (*detached)(void *user),
                          void *user);
/* Ends every watch of every loop, as a cluster in trouble does. Any thread. */
void plane_backend_cut_watches(struct plane_backend *b);
/* After every loop is detached: applies what is queued, checkpoints, closes. */
void plane_backend_close(struct plane_backend *b);

#endif
