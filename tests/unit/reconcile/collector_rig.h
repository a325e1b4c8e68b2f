/* collector_rig.h: one garbage collector over real databases of three shards, on the test's loop,
 * behind a backend that can be told to wait and to refuse.
 *
 * Shard 0 is the system's, "acme" lives in shard 1, "birch" in shard 2. Objects are ConfigMaps in
 * namespaces, or cluster-scoped Things (ns ""); the uid of "x" is "u-x". A test says what is there
 * by rows of its own, and looks at what the collector makes of them.
 * Use: cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown); the state is a struct rig.
 * Owner: the rig. Thread: the test's, which is the loop's while it waits. Failures fail the test.
 */
#ifndef TESTS_UNIT_RECONCILE_COLLECTOR_RIG_H
#define TESTS_UNIT_RECONCILE_COLLECTOR_RIG_H

#include "tests/lib/test.h"

#include "reconcile/collector_internal.h"
#include "store/apply.h"
#include "tests/lib/tmpdir.h"

enum { RIG_SHARDS = 3, RIG_WAIT_MS = 60 * 1000 };

struct rig {
    struct loop loop;
    struct collector collector;
    struct kind_registry kinds;
    struct kind_board board;
    struct tmpdir tmp;
    struct arena arena; /* of texts; freed at the end */
    struct db dbs[RIG_SHARDS];
    struct reader readers[RIG_SHARDS];
    /* What the backend answers. */
    int fails[RIG_SHARDS];        /* with this error for that shard; 0: as it should */
    bool silent[RIG_SHARDS + 1];  /* not before rig_answer() */
    bool holds_writes;            /* likewise */
    bool deaf;                    /* cancelling changes nothing: the answer is on its way */
    size_t asked[RIG_SHARDS + 1]; /* so many requests came for that shard; the last: for all */
    bool unreadable[RIG_SHARDS];  /* the collector finds no database there when it opens it next */
    uint32_t expected;            /* the test's, for its conditions */
    /* private */
    struct backend backend;
    struct list held;
    uint64_t request;
    struct loop_timer poll;
    bool (*until)(struct rig *r);
    uint64_t give_up_ms;
    bool done;
    bool gave_up;
    bool stopped;
};

int rig_setup(void **state);
int rig_teardown(void **state);
/* The collector stops, and has stopped. */
void rig_stop(struct rig *r);
void rig_lead(struct rig *r, uint32_t shard);
void rig_unlead(struct rig *r, uint32_t shard);

/* Waits until that is so. */
void rig_until(struct rig *r, bool (*until)(struct rig *r));
bool rig_idle(struct rig *r); /* nothing is being read, and nothing to be looked at */
/* Answers what is held, and holds no more. */
void rig_answer(struct rig *r);
bool rig_holds_any(struct rig *r);

/* metadata: members besides name, namespace and uid, with ' for ": "'labels':{}". May be "". */
void rig_put(struct rig *r, const char *ns, const char *name, const char *metadata);
/* The same of any kind's object. */
void rig_put_of(struct rig *r, const char *resource, const char *type, const char *ns,
                const char *name, const char *metadata);
/* As many ConfigMaps "NAME-00000", .. of these metadata, with so many bytes of data each. */
void rig_put_many(struct rig *r, const char *ns, const char *name, size_t count,
                  const char *metadata, size_t bytes);
void rig_drop(struct rig *r, const char *ns, const char *name);
void rig_drop_of(struct rig *r, const char *resource, const char *ns, const char *name);
/* Members for metadata: one owner; being deleted, and held by that finalizer. In the arena. */
const char *rig_owner(struct rig *r, const char *ns, const char *name, bool blocks);
const char *rig_held(struct rig *r, const char *finalizer);

bool rig_has(struct rig *r, const char *ns, const char *name);
/* The object's bytes, in the arena. */
const char *rig_body(struct rig *r, const char *ns, const char *name);
/* ConfigMaps in the namespace. */
size_t rig_count(struct rig *r, const char *ns);

#endif
