/* collector_internal.h: the collector from inside: shared by its files, and by no others.
 *
 *   collector.c        hooks, turns, starting and stopping
 *   collector_items.c  what is to be looked at, now or again later
 *   collector_feed.c   changes, and the index of dependents: whom to look at
 *   collector_job.c    looking at one object: its owners, what follows, writing
 *   collector_owner.c  an object that is being deleted and waits for the collector
 *
 * Thread: the loop's. */
#ifndef RECONCILE_COLLECTOR_INTERNAL_H
#define RECONCILE_COLLECTOR_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/metrics.h"
#include "proto/admit.h"
#include "reconcile/collector.h"
#include "store/reader.h"

enum {
    COLLECTOR_ITEMS_MAX = 4096, /* to be looked at; changes wait in the database meanwhile */
    COLLECTOR_LATER_MAX = 4096, /* to be looked at again; what is beyond is found in the index */
    COLLECTOR_JOBS_MAX = 16,
    COLLECTOR_GONE_MAX = 4096,
    COLLECTOR_ROWS_PER_TURN = 100,
    COLLECTOR_TICK_MS = 100,
    COLLECTOR_PASS_MS = 1000, /* between looks at those that wait for something */
    COLLECTOR_CALL_MS = 10 * 1000,
};

/* A key of one's own: "resource/ns/name" in one piece of memory. */
struct collector_key {
    char *text;
    struct backend_key key; /* into text */
};

void collector__key_set(struct collector_key *k, const struct backend_key *key);
void collector__key_free(struct collector_key *k);

/* An object to be looked at. */
struct collector_item {
    struct collector_key key;
    uint32_t shard;
    struct list link; /* in ready, or in later */
    bool later;       /* the latter */
    uint64_t due_ms;
    uint32_t failures;
    uint32_t refusals; /* of them: what waiting does not mend */
    bool busy;         /* a job has it */
    bool again;        /* asked for meanwhile */
};

/* All dependents of an owner are to be looked at. */
struct collector_sweep {
    struct list link;
    char *uid;
    uint32_t shard; /* the one being read */
    uint32_t end;   /* behind the last one */
    struct collector_key after;
};

struct collector_shard {
    bool led;
    bool followed;
    bool reset;     /* the database was replaced: open it anew */
    bool scanning;  /* the index, from after on */
    bool scan_all;  /* ... or of those only that wait for the collector themselves */
    bool waiting;   /* somebody waits for others: look again now and then */
    bool undecided; /* somebody's owner is of a kind that was not served */
    bool missed;    /* some who were to be looked at again were forgotten: go through the index */
    bool lost;      /* the last request to it ended for want of a leader */
    size_t asked;   /* confirmed reads of it under way */
    uint64_t missed_at_ms;
    uint64_t at; /* changes up to here are dealt with */
    char *after_owner;
    struct collector_key after;
    struct reader *reader; /* NULL: not open */
};

struct collector_impl {
    struct collector *handle;
    struct collector_config config;
    const struct clock *clock;
    struct collector_shard *shards; /* and one more, which stands for all */
    struct map items;               /* key.text -> struct collector_item */
    struct list ready;
    struct list later;
    size_t later_count;
    struct list sweeps;
    struct list jobs;
    size_t job_count;
    struct map gone; /* "ns/uid" of objects that were seen to go, the last so many */
    char *gone_order[COLLECTOR_GONE_MAX];
    size_t gone_next;
    const struct kind_set *kinds; /* when somebody's owner was of none of them */
    bool kinds_differ; /* ... and of another set: one of the two is not the present one */
    uint64_t pass_at_ms;
    struct loop_task turn;
    struct loop_timer tick;
    bool behind; /* some shard could not be followed yet */
    bool stopping;
    bool timer_open;
    void (*stopped)(struct collector *c);
    struct metric *deleted;
    struct metric *updated;
    struct metric *queued;
};

/* What stored bytes say that the collector wants to know. Slices point into them. */
struct collector_shape {
    struct slice uid;
    struct slice owners; /* raw */
    bool deleting;
    bool foreground; /* finalizers */
    bool orphan;
};

struct collector_shape collector__shape(struct slice body);
/* Being deleted, and gone as soon as those are that block it. */
bool collector__waits(const struct collector_shape *s);

enum collector_owner {
    OWNER_SOLID,
    OWNER_WAITING, /* is being deleted in the foreground */
    OWNER_ABSENT,
    OWNER_UNKNOWN, /* its kind is not served */
    OWNER_INVALID, /* it is namespaced, its dependent is not */
    OWNER_UNREAD,  /* it could not be looked at here */
};

/* Where a reference of a dependent in ns leads. False: nowhere, *state says why. */
bool collector__resolve(const struct kind_registry *kinds, const json_t *ref, struct slice ns,
                        const struct kind **kind, struct backend_key *key,
                        enum collector_owner *state);
/* By what is here; *certain: will not become otherwise. */
enum collector_owner collector__owner_here(struct collector_impl *c,
                                           const struct kind_registry *kinds, const json_t *ref,
                                           struct slice ns, bool *certain);
enum collector_owner collector__owner_is(struct slice body, const json_t *ref);

/* ---- collector_items.c ---- */
/* For more to be looked at. Those who wait to be looked at again take none. */
bool collector__room(const struct collector_impl *c);
/* If its shard is led here. */
void collector__add(struct collector_impl *c, const struct backend_key *key);
/* The job has ended; retry: look again after a while. */
void collector__looked(struct collector_impl *c, struct collector_item *item, bool retry);
/* Before and after a read that is confirmed by that shard, or by all (shard_count). False: it has
 * no leader, as far as is known, and somebody asks already. */
bool collector__may_ask(struct collector_impl *c, uint32_t shard);
void collector__asked(struct collector_impl *c, uint32_t shard, int rc);
/* Once in a while: somebody asks after a shard without a leader. */
void collector__probe(struct collector_impl *c);
/* Those who are due are looked at again. */
void collector__items_due(struct collector_impl *c, uint64_t now_ms);
/* The shard's items go, but for those that jobs have. */
void collector__forget(struct collector_impl *c, uint32_t shard);

/* ---- collector.c ---- */
/* A pinned reader of the shard's newest view, until collector__unpin(); NULL: failed, and logged.
 */
struct reader *collector__reader(struct collector_impl *c, uint32_t shard);
void collector__unpin(struct collector_impl *c);
uint32_t collector__shard_of(const struct collector_impl *c, struct slice ns);
void collector__wake(struct collector_impl *c);
/* Somebody waits, or could not be decided with these kinds, in that shard. */
void collector__note_waiting(struct collector_impl *c, uint32_t shard);
void collector__note_undecided(struct collector_impl *c, uint32_t shard,
                               const struct kind_set *kinds);
/* Was an object of that uid seen to go, to which a dependent in ns could refer? */
bool collector__is_gone(const struct collector_impl *c, struct slice uid, struct slice ns);
void collector__seen_gone(struct collector_impl *c, struct slice uid, struct slice ns);
void collector__check_stopped(struct collector_impl *c);

/* ---- collector_feed.c ---- */
/* Reads some of what there is to read. True: there is more, and room for it. */
bool collector__feed(struct collector_impl *c);
void collector__scan(struct collector_impl *c, uint32_t shard, bool all);
void collector__sweep_free(struct collector_sweep *sweep);

/* ---- collector_job.c ---- */
struct collector_job {
    struct collector_impl *c;
    struct collector_item *item;
    struct list link;
    struct arena arena;
    const struct kind_set *set;        /* the arena's */
    const struct kind_registry *kinds; /* the set's */
    const struct kind *kind;
    struct backend_object object; /* the arena's */
    json_t *tree;                 /* the arena's */
    /* a dependent's owners */
    json_t *refs;
    enum collector_owner *owners;
    size_t next;
    struct slice owner_ns; /* of the one being asked for */
    /* an owner's dependents */
    uint32_t shard;
    struct collector_key after;
    bool dependents; /* there are some */
    bool circle;     /* one of them waits itself */
    size_t blockers; /* so many were seen */
    void (*counted)(struct collector_job *job);
    bool touched;   /* something was written in this pass */
    bool confirmed; /* nothing is missing from what is here */
    /* the request under way */
    void *request;
    struct backend_get get;
    struct backend_list list;
    struct backend_submit submit;
    struct arena written; /* of the write */
    char request_id[37];
    uint8_t digest[32];
    char subject[32];
    void (*then)(struct collector_job *job, int rc, const struct err *err);
    struct loop_task more; /* a search goes on */
    void (*go_on)(struct collector_job *job);
};

struct collector_write {
    const struct kind *kind;
    const struct backend_object *old;
    enum admit_op op;
    const json_t *incoming;
};

void collector__job_start(struct collector_impl *c, struct collector_item *item);
void collector__job_cancel(struct collector_job *job);
void collector__job_end(struct collector_job *job, bool retry);
/* Calls go_on in the next turn, unless the collector stops: then the job ends. */
void collector__job_later(struct collector_job *job, void (*go_on)(struct collector_job *job));
/* Reads the item's object as it is here; false: it is gone, or cannot be read (rc). */
bool collector__job_read(struct collector_job *job, int *rc, struct err *err);
/* then comes later, unless this returns an error. ERR_EXISTS: nothing to write. */
int collector__job_write(struct collector_job *job, const struct collector_write *w,
                         void (*then)(struct collector_job *job, int rc, const struct err *err),
                         struct err *err);
/* It waits for somebody who waits: perhaps for it. Nobody waits for it any more. Ends the job. */
void collector__job_unblock(struct collector_job *job);
/* The write's failure is one that looking again mends. */
void collector__job_failed(struct collector_job *job, const char *what, int rc,
                           const struct err *err);
/* A merge patch of one list of metadata; takes it. An empty one goes. */
json_t *collector__patch(const char *field, json_t *list);
/* The same, of ownerReferences: those refs that keep[i] says. */
json_t *collector__without(const json_t *refs, const bool *keep);

/* ---- collector_owner.c ---- */
void collector__job_foreground(struct collector_job *job);
void collector__job_orphan(struct collector_job *job);
/* Does anything that lives here name it as an owner? Calls then, later or now, with
 * job->dependents, and job->circle if one does that waits itself. */
void collector__job_dependents(struct collector_job *job, void (*then)(struct collector_job *job));

#endif
