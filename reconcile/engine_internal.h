/* engine_internal.h: the engine from inside: shared by the engine's files, and by no others.
 *
 *   engine.c         hooks, feeding snapshots, starting and stopping shards
 *   engine_shard.c   a led shard: queue -> plan -> task
 *   engine_task.c    a task carries one plan out: writes, then what should be on a cluster
 *   engine_event.c   what is told in Events
 *   engine_apply.c   what was done for a RenderedRelease, and doing it
 *   engine_cluster.c connections to clusters, probes
 *   engine_source.c  commits of git repositories
 *   engine_watch.c   drift and left-overs
 *   route.c          which keys an object's change concerns
 *
 * Thread: the loop's. */
#ifndef RECONCILE_ENGINE_INTERNAL_H
#define RECONCILE_ENGINE_INTERNAL_H

#include "base/git.h"
#include "base/metrics.h"
#include "reconcile/dispute.h"
#include "reconcile/drivers/driver.h"
#include "reconcile/engine.h"
#include "reconcile/feed.h"
#include "reconcile/plan.h"
#include "reconcile/queue.h"
#include "render/cel/cache.h"

enum {
    PLANS_AT_ONCE_MAX = 64,   /* per turn of the loop, */
    PLANS_AT_ONCE_MS = 4,     /* and no longer: others wait for the loop too */
    SETTLE_TIMEOUT_MS = 2000, /* a task waits so long to see its own writes */
    SUBMIT_TIMEOUT_MS = 10 * 1000,
    UNREACHABLE_AFTER_FAILURES = 2,
    BOOTSTRAP_RETRY_MS = 500,
    PLANS_BEFORE_TRIM = 100,
    QUIET_BEFORE_TRIM_MS = 1000,
    BACKLOG_DOUBLES_DELAY = 100, /* so many keys that wait double what summaries are put off by; */
    BACKLOG_DELAY_MAX_MS = 5000, /* at most so much longer */
};

struct engine_shard;

/* For operators: what the engine does. */
struct engine_metrics {
    struct metric *plans[SNAPSHOT_KIND_COUNT];      /* by the kind of the key */
    struct metric *skipped;                         /* nothing that they read had changed */
    struct metric *writes[SNAPSHOT_KIND_COUNT + 1]; /* of that kind; last: of others */
    struct metric *conflicts;
    struct metric *applies;
    struct metric *apply_failures;
    struct metric *drifts;
    struct metric *swept;
    struct metric *lookups; /* in git repositories */
    struct metric *lookup_failures;
    struct metric *waiting; /* keys */
};

/* The database behind one snapshot. */
struct engine_source {
    struct engine_impl *e;
    uint32_t shard;
};

struct engine_impl {
    struct engine *engine;
    struct engine_metrics metrics;
    struct engine_config config;
    const struct clock *clock;
    struct feed store_feed; /* used where config.feed is NULL */
    struct feed *feed;
    struct snapshot system;
    struct cel_cache programs; /* of all snapshots */
    struct engine_source system_source;
    bool system_loaded;
    uint64_t system_version;
    struct engine_shard *shards[ENGINE_SHARDS_MAX];
    size_t shards_open;    /* those that are closing too */
    struct git_client git; /* from the first lookup on */
    bool git_open;
    bool stopping;
    void (*stopped)(struct engine *e);
};

/* A connection of one led shard to one cluster. */
struct engine_cluster {
    struct engine_shard *shard;
    char *plane;
    char *name;
    struct driver_cluster *driver; /* NULL: could not be opened; error says why */
    uint64_t secret_version;
    struct err error;
    bool wanted; /* while the known clusters are compared with the open ones */
    bool closing;
    /* probes: the system shard's */
    struct driver_op probe;
    bool probing;
    bool again; /* probe once more as soon as this one ends */
    uint32_t failures;
    json_t *state; /* {state, message, version, clusterID}, NULL: not probed yet */
};

/* What was done for a RenderedRelease (struct world_release, owned). */
struct work {
    struct engine_shard *shard;
    struct slice ns;
    struct slice name;
    char *key; /* "ns/name" */
    bool busy;
    bool gone;
    bool drifted;
    char hash[65];
    char failed_hash[65];
    json_t *resources;
    json_t *met; /* during a run: id -> {fingerprint, live}: objects as they were seen meanwhile */
    char reason[64];
    char *message;
    uint32_t failures;
    uint64_t retry_at_ms;    /* wall clock */
    uint64_t conflict_at_ms; /* monotonic: confirm again before the next try; 0: no need */
    struct dispute dispute;  /* wall clock */
    struct buf undoes;
};

enum { SOURCE_LOOKUPS_MAX = 8 }; /* at a time for a shard */

/* What a led shard wants to know of git repositories. */
struct sources {
    struct map questions; /* -> struct question, owned */
    struct map wishes;    /* of keys -> struct wish, owned */
    struct question *busy[SOURCE_LOOKUPS_MAX];
    size_t busy_count;
    struct loop_timer timer; /* when one is due */
};

struct engine_shard {
    struct engine_impl *e;
    uint32_t id;
    struct epoch epoch;
    struct buf epoch_text;
    struct snapshot own; /* unused in the system shard */
    struct engine_source source;
    struct snapshot *snap; /* own, or the engine's system snapshot */
    struct world world;
    bool loaded;      /* the snapshot was read whole once; an empty shard's has version 0 */
    uint64_t version; /* of the snapshot */
    struct queue queue;
    struct map works;    /* "ns/name" -> struct work */
    struct map clusters; /* "plane/cluster" -> struct engine_cluster */
    struct sources sources;
    struct list settling;   /* tasks that wait to see their own writes */
    struct loop_timer tick; /* the queue's next due time, or more work now */
    struct loop_timer probe_tick;
    struct loop_timer sweep_tick;
    size_t plans_since_trim;
    uint64_t planned_ms;       /* when it last was */
    uint64_t bootstrap_due_ms; /* UINT64_MAX: done, or not ours to do */
    size_t tasks;              /* under way */
    size_t applies;            /* under way */
    size_t clusters_open;      /* drivers not yet closed */
    size_t timers_open;
    bool closing;
};

/* ---- engine_shard.c ---- */
struct engine_shard *shard_open(struct engine_impl *e, uint32_t id, uint64_t term,
                                uint64_t incarnation);
void shard_close(struct engine_shard *s);
void shard_check_closed(struct engine_shard *s);
/* Everything anew: after the first load. */
void shard_enqueue_all(struct engine_shard *s);
void shard_enqueue(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                   struct slice name);
/* In the background, after all news. */
void shard_enqueue_later(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                         struct slice name);
void shard_enqueue_after(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                         struct slice name, uint64_t after_ms);
void shard_pump(struct engine_shard *s); /* soon, from the loop */
uint64_t engine_wall_ms(const struct engine_impl *e);
uint64_t engine_mono_ms(const struct engine_impl *e);
/* Inits a snapshot that reads from the shard's database what it does not keep. */
void engine_snapshot(struct engine_impl *e, uint32_t shard, struct engine_source *source,
                     struct snapshot *s);
/* Does the shard hold that namespace? */
bool shard_owns(void *user, struct slice ns);

/* ---- engine.c ---- */
void engine_check_stopped(struct engine_impl *e);

/* ---- engine_task.c ---- */
struct task;
/* Takes plan; ends by queue_done(). */
void task_start(struct engine_shard *s, const struct queue_item *item, enum snapshot_kind kind,
                struct plan *plan);
/* The plan's apply or removal ended. */
void task_applied(struct task *t, bool again);
/* The snapshot has moved on. */
void tasks_settle(struct engine_shard *s);

/* ---- engine_event.c ---- */
/* An Event, new, by what a plan says. */
json_t *event_of_plan(struct engine_shard *s, const struct plan_event *e);
/* That a write is refused which the plan of an object wanted. The same refusal has the same name:
 * it is told once, and again when that Event has expired. */
json_t *event_of_refusal(struct engine_shard *s, const json_t *regarding,
                         const struct plan_write *write, const char *message);

/* ---- engine_apply.c ---- */
struct work *work_get(struct engine_shard *s, struct slice ns, struct slice name, bool make);
void works_free(struct engine_shard *s);
/* Frees what needs no remembering: the object is gone, or its status says it all. */
void work_forget(struct engine_shard *s, struct slice ns, struct slice name);
/* The object was seen to be like this while its release is being applied: judged at the end. */
void work_met(struct work *w, const struct driver_object *object, const char *fingerprint);
/* Somebody else deleted or changed the object of that row of the inventory. */
void work_undone(struct work *w, const json_t *row, bool deleted);
bool work_world(void *user, struct slice ns, struct slice name, struct world_release *out);
/* Carries desired out; task_applied() when it ended. */
void apply_begin(struct task *t, struct engine_shard *s, struct slice ns, struct slice name,
                 struct plan_desired *desired);

/* ---- engine_cluster.c ---- */
struct engine_cluster *cluster_find(struct engine_shard *s, struct slice plane,
                                    struct slice cluster);
/* Opens and closes connections to match planes and credentials. */
void clusters_refresh(struct engine_shard *s);
void clusters_close(struct engine_shard *s);
void clusters_tick_start(struct engine_shard *s);
bool cluster_world_object(void *user, struct slice plane, struct slice cluster,
                          const json_t *resource, struct world_object *out);
json_t *cluster_world_state(void *user, struct slice plane, struct slice cluster);
json_t *cluster_world_run(void *user, struct slice plane, struct slice cluster,
                          struct slice release, struct slice ns);
/* Watches the kind of that manifest, or inventory's row, on the cluster. */
void cluster_watch_one(struct engine_cluster *c, const json_t *item);
/* Those of an inventory. */
void cluster_watch(struct engine_cluster *c, const json_t *inventory);
void clusters_watch_inventories(struct engine_shard *s);

/* ---- engine_source.c ---- */
void sources_open(struct engine_shard *s);
void sources_close(struct engine_shard *s); /* timers_open and sources.busy_count go to 0 */
void sources_free(struct engine_shard *s);
/* What the newest plan of the entry asks, which may be nothing. */
void source_wish(struct engine_shard *s, const struct snapshot_entry *entry,
                 const struct plan_source *source);
void source_forget(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                   struct slice name);
/* Is there an answer that the entry does not show? Then plan writes it, finished. */
bool source_answer(struct engine_shard *s, const struct snapshot_entry *entry, struct plan *plan);
/* What was refused with it is asked again. */
void source_secret_changed(struct engine_shard *s, struct slice ns, struct slice name);

/* ---- engine_watch.c ---- */
void cluster_on_object(void *user, const struct driver_object *object, bool deleted);
void cluster_on_synced(void *user, struct slice api_version, struct slice kind);
void clusters_sweep(struct loop_timer *timer); /* shard.sweep_tick */

/* ---- route.c ---- */
/* Calls add for every key that must be looked at again because this object changed: asked with the
 * snapshot before the change and again after it, if the change is whole: it came, went, is being
 * deleted, or its spec changed. Otherwise only its status did, which makes no new neighbours and
 * concerns far fewer: asked once, after it. Keys may be put off by delay_ms, so that what sums up
 * many objects is not done for each of them. */
typedef void (*route_add)(void *user, enum snapshot_kind kind, struct slice ns, struct slice name,
                          uint64_t delay_ms);
void route_change(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                  struct slice name, bool whole, route_add add, void *user);
/* Those of it that are OpenChoreo's, or that one of OpenChoreo's concerns. */
void route_openchoreo(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                      struct slice name, bool whole, route_add add, void *user);
/* Those of it that are resources', or that a resource concerns. */
void route_resources(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name, bool whole, route_add add, void *user);

/* Those of it that are workflows' and runs', or that a run concerns. */
void route_workflows(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name, bool whole, route_add add, void *user);

/* ---- feed_store.c ---- */
void feed_store_init(struct feed *feed, const struct engine_config *config);
void feed_store_free(struct feed *feed);

#endif
