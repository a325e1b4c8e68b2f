/* engine_rig.h: the engine, end to end in one process: objects in memory, controllers, the
 * Kubernetes driver over real HTTP, and two small Kubernetes servers.
 *
 * Use: cmocka_unit_test_setup_teardown(test, setup, teardown); the state is a struct fixture.
 * Owner: the rig; what look() and on_cluster() give is borrowed until the next call.
 * Thread: the test's, which is also the loop's while it waits. Failures fail the test. */
#ifndef TESTS_UNIT_RECONCILE_ENGINE_RIG_H
#define TESTS_UNIT_RECONCILE_ENGINE_RIG_H

#include "tests/lib/test.h"

#include "proto/admit.h"
#include "tests/lib/kube.h"
#include "tests/unit/reconcile/memory.h"

enum { LIMIT_MS = 60 * 1000 };

struct fixture {
    struct loop loop;
    struct engine engine;
    struct memory memory;
    struct kube kube;
    struct kube second;
    struct kind_registry kinds;
    struct kind_board board;
    struct engine_config config;
    uint64_t confirmed_age_ms;
    const char *component; /* what conditions look at */
    /* private */
    uint64_t term;
    bool done;
    struct loop_timer poll;
    bool (*until)(struct fixture *f);
    uint64_t give_up_ms;
    bool gave_up;
    bool stopped;
    json_t *tree; /* of the last object looked up */
    size_t quiet_writes;
    uint64_t quiet_since_ms;
};

int setup(void **state);
int teardown(void **state);

/* ---- time ---- */

/* Does it come true within the limit? */
bool happens(struct fixture *f, bool (*until)(struct fixture *f), uint64_t limit_ms);
void wait_ms(struct fixture *f, uint64_t ms);
/* Waits until nothing has been written for a while from now on. */
void settle(struct fixture *f);

/* ---- leading ---- */

void lead(struct fixture *f);
void unlead(struct fixture *f);

/* ---- objects ---- */

/* NULL: there is none. */
const json_t *look(struct fixture *f, const char *resource, const char *ns, const char *name);
/* Creates what the documents say. */
void put(struct fixture *f, const char *yaml);
/* Changes an object as a client would: op on what is there. */
void change(struct fixture *f, enum admit_op op, const char *resource, const char *ns,
            const char *name, const char *patch);
/* Tells the engine of what was written into memory by other means than these. */
void tell_written(struct fixture *f);
/* The credentials of a cluster that is kube. */
void put_secret(struct fixture *f, const char *plane, const char *cluster, const struct kube *kube);

extern const char platform[]; /* an organization and a plane of one cluster */
extern const char web[];      /* a component on it */
/* The same whose password is a Secret's, and the Secret. */
extern const char with_password[];

/* A component running on one cluster. */
void start_web(struct fixture *f);
/* The component, and what its condition says. */
const json_t *component(struct fixture *f);
bool is_ready(struct fixture *f);
bool is_gone(struct fixture *f);
bool refused(struct fixture *f); /* by the cluster */

/* The first object of that kind on the cluster; NULL: none. */
json_t *on_cluster(struct kube *k, const char *kind);
/* Does the component run the image that it began with? */
bool image_is_back(struct fixture *f);

#endif
