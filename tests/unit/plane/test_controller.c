/* The controllers on a real backend: rollouts, children, collection, cut watches, a second life. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plane/backend.h"
#include "plane/controller.h"
#include "proto/object.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

enum { DELAY_MS = 60, PATIENCE = 400 };

struct world {
    struct plane_backend b;
    struct controller c;
    struct onloop o;
    struct tmpdir dir;
};

static void on_detached(void *user)
{
    struct world *t = user;
    onloop_done(&t->o);
}

static void on_closed(struct controller *c)
{
    struct world *t = CONTAINER_OF(c, struct world, c);
    plane_backend_detach(&t->b, &t->o.loop, on_detached, t);
}

static void do_start(void *arg)
{
    struct world *t = arg;
    const struct controller_config config = {
        .backend = &t->b.backend, .ready_delay_ms = DELAY_MS, .pods_max = 2};
    controller_start(&t->c, &t->o.loop, &config);
}

static void do_close(void *arg)
{
    struct world *t = arg;
    controller_close(&t->c, on_closed);
}

static void world_open(struct world *t)
{
    struct err err;
    const struct plane_backend_config config = {.path = tmpdir_path(&t->dir, "state.db")};
    assert_ok(plane_backend_open(&t->b, &config, &err), &err);
    onloop_start(&t->o);
    assert_ok(plane_backend_attach(&t->b, &t->o.loop, &err), &err);
    onloop_call(&t->o, do_start, t);
}

static void world_close(struct world *t)
{
    onloop_call(&t->o, do_close, t);
    onloop_wait(&t->o, "the controllers' end");
    onloop_stop(&t->o);
    plane_backend_close(&t->b);
}

static int setup(void **state)
{
    struct world *t = mem_zero(sizeof *t);
    tmpdir_make(&t->dir);
    world_open(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct world *t = *state;
    world_close(t);
    tmpdir_remove(&t->dir);
    free(t);
    return 0;
}

/* ---- asking ---- */

struct ask {
    struct world *t;
    struct backend_submit submit;
    struct backend_list list;
    struct arena arena;
    struct buf body;
    struct buf text; /* of a list: canonical bodies, one a line */
    size_t rows;
    int rc;
};

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct ask *a = submit->user;
    (void)err;
    a->rc = rc;
    onloop_done(&a->t->o);
}

static void do_submit(void *arg)
{
    struct ask *a = arg;
    a->t->b.backend.ops->submit(&a->t->b.backend, &a->submit);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct ask *a = list->user;
    a->rows++;
    buf_add(&a->text, object->body);
    buf_add_char(&a->text, '\n');
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct ask *a = list->user;
    (void)err;
    a->rc = rc;
    onloop_done(&a->t->o);
}

static void do_list(void *arg)
{
    struct ask *a = arg;
    a->t->b.backend.ops->list(&a->t->b.backend, &a->list);
}

/* The write of an object; tree stays until it is done, and a too. */
static void prepare(struct ask *a, struct world *t, enum backend_verb verb, const char *resource,
                    json_t *tree)
{
    struct err err;
    *a = (struct ask){.t = t};
    a->submit =
        (struct backend_submit){.loop = &t->o.loop,
                                .key = {slice_of(resource), object_ns(tree), object_name(tree)},
                                .verb = verb,
                                .subject = SLICE("test"),
                                .user = a,
                                .done = on_submitted};
    assert_ok(object_canonical(tree, &a->body, &a->submit.splice, &err), &err);
    a->submit.body = buf_slice(&a->body);
}

static json_t *parsed(const char *object)
{
    struct err err;
    json_t *tree;
    assert_ok(json_parse(slice_of(object), &tree, &err), &err);
    return tree;
}

static int put(struct world *t, enum backend_verb verb, const char *resource, const char *object)
{
    struct ask a;
    json_t *tree = parsed(object);
    prepare(&a, t, verb, resource, tree);
    onloop_call(&t->o, do_submit, &a);
    onloop_wait(&t->o, "the write");
    json_decref(tree);
    buf_free(&a.body);
    return a.rc;
}

static void list(struct ask *a, struct world *t, const char *resource)
{
    *a = (struct ask){.t = t};
    a->list = (struct backend_list){.loop = &t->o.loop,
                                    .resource = slice_of(resource),
                                    .limit = 100,
                                    .user = a,
                                    .row = on_row,
                                    .done = on_listed};
    onloop_call(&t->o, do_list, a);
    onloop_wait(&t->o, "the list");
}

/* Lists until as many rows as wanted hold the text, or patience ends; false then. */
static bool becomes(struct world *t, const char *resource, size_t rows, const char *text)
{
    bool fits = false;
    for (int i = 0; i < PATIENCE && !fits; i++) {
        struct ask a;
        list(&a, t, resource);
        size_t holding = 0;
        struct slice rest = buf_slice(&a.text);
        struct slice line;
        while (slice_split(&rest, '\n', &line)) {
            holding += slice_find(line, slice_of(text)) != SIZE_MAX ? 1 : 0;
        }
        fits = a.rc == 0 && a.rows == rows && holding == rows;
        buf_free(&a.text);
        if (!fits) {
            usleep(10000);
        }
    }
    return fits;
}

#define DEPLOYMENT(generation, replicas, image)                                                    \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","          \
    "\"namespace\":\"default\",\"uid\":\"u1\",\"generation\":" #generation                         \
    "},\"spec\":{\"replicas\":" #replicas ",\"template\":{\"metadata\":{\"labels\":{\"app\":"      \
    "\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"

/* ---- the tests ---- */

static void a_deployment_gets_pods_and_loses_them(void **state)
{
    struct world *t = *state;
    assert_int_equal(put(t, BACKEND_CREATE, "deployments.apps", DEPLOYMENT(1, 2, "i:1")), 0);
    assert_true(becomes(t, "pods", 2, "\"phase\":\"Running\""));
    assert_true(becomes(t, "replicasets.apps", 1, "\"readyReplicas\":2"));
    assert_true(becomes(t, "deployments.apps", 1, "\"updatedReplicas\":2"));

    /* Another image: another ReplicaSet, other Pods. */
    assert_int_equal(put(t, BACKEND_UPDATE, "deployments.apps", DEPLOYMENT(2, 2, "i:2")), 0);
    assert_true(becomes(t, "replicasets.apps", 1, "\"image\":\"i:2\""));
    assert_true(becomes(t, "pods", 2, "\"image\":\"i:2\""));
    assert_true(becomes(t, "deployments.apps", 1, "\"observedGeneration\":2"));

    assert_int_equal(put(t, BACKEND_UPDATE, "deployments.apps", DEPLOYMENT(3, 1, "i:2")), 0);
    assert_true(becomes(t, "pods", 1, "\"image\":\"i:2\""));
    assert_true(becomes(t, "replicasets.apps", 1, "\"replicas\":1"));

    assert_int_equal(put(t, BACKEND_DELETE, "deployments.apps", DEPLOYMENT(3, 1, "i:2")), 0);
    assert_true(becomes(t, "replicasets.apps", 0, ""));
    assert_true(becomes(t, "pods", 0, ""));
}

static void do_submit_both(void *arg)
{
    struct ask *both = arg;
    do_submit(&both[0]);
    do_submit(&both[1]);
}

/* Somebody else writes the ReplicaSet between the change of its Deployment and what the controller
 * makes of that. */
static void a_child_that_was_written_meanwhile_follows(void **state)
{
    struct world *t = *state;
    assert_int_equal(put(t, BACKEND_CREATE, "deployments.apps", DEPLOYMENT(1, 2, "i:1")), 0);
    assert_true(becomes(t, "pods", 2, "\"phase\":\"Running\""));
    for (int round = 2; round < 12; round++) {
        struct ask set;
        struct ask both[2];
        bool one = round % 2 == 0;
        json_t *deployment = parsed(one ? DEPLOYMENT(1, 1, "i:1") : DEPLOYMENT(1, 2, "i:1"));
        json_object_set_new(json_child(deployment, "metadata"), "generation", json_integer(round));
        list(&set, t, "replicasets.apps");
        json_t *other = parsed(buf_cstr(&set.text));
        json_object_set_new(json_child(json_child(other, "metadata"), "annotations"), "round",
                            json_integer(round));
        prepare(&both[0], t, BACKEND_UPDATE, "deployments.apps", deployment);
        prepare(&both[1], t, BACKEND_UPDATE, "replicasets.apps", other);
        onloop_call(&t->o, do_submit_both, both);
        onloop_wait(&t->o, "one write");
        onloop_wait(&t->o, "the other");
        assert_true(becomes(t, "pods", one ? 1 : 2, "\"phase\":\"Running\""));
        json_decref(deployment);
        json_decref(other);
        buf_free(&set.text);
        buf_free(&both[0].body);
        buf_free(&both[1].body);
    }
}

static void a_lost_pod_comes_back(void **state)
{
    struct world *t = *state;
    assert_int_equal(
        put(t, BACKEND_CREATE, "statefulsets.apps",
            "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{"
            "\"name\":\"db\",\"namespace\":\"default\",\"uid\":\"u2\",\"generation\":1}"
            ",\"spec\":{\"replicas\":2}}"),
        0);
    assert_true(becomes(t, "pods", 2, "\"phase\":\"Running\""));
    assert_int_equal(put(t, BACKEND_DELETE, "pods",
                         "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"db-1\",\"namespace\":"
                         "\"default\",\"uid\":\"any\"}}"),
                     0);
    assert_true(becomes(t, "pods", 2, "\"phase\":\"Running\""));
}

#define DATABASE(uid, more, size)                                                                  \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"db\","          \
    "\"namespace\":\"default\",\"uid\":\"" uid "\",\"generation\":1" more                          \
    "},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"template\":{"    \
    "\"metadata\":{\"labels\":{\"app\":\"db\"}},\"spec\":{\"containers\":[{\"name\":\"c\","        \
    "\"image\":"                                                                                   \
    "\"i:1\"}]}},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{"           \
    "\"resources\":{\"requests\":{\"storage\":\"" size "\"}}}}]}}"

static size_t count_of(struct world *t, const char *resource, const char *text)
{
    struct ask a;
    list(&a, t, resource);
    size_t count = 0;
    struct slice rest = buf_slice(&a.text);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        count += slice_find(line, slice_of(text)) != SIZE_MAX ? 1 : 0;
    }
    buf_free(&a.text);
    return count;
}

/* uids of the pods, in order of their names. */
static void uids_of_pods(struct world *t, struct buf *out)
{
    struct ask a;
    list(&a, t, "pods");
    struct slice rest = buf_slice(&a.text);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        json_t *pod = NULL;
        struct err err;
        assert_ok(json_parse(line, &pod, &err), &err);
        buf_add(out, object_uid(pod));
        buf_add_char(out, ' ');
        json_decref(pod);
    }
    buf_free(&a.text);
}

static void what_is_orphaned_stays_and_is_taken_up_again(void **state)
{
    struct world *t = *state;
    struct buf before = {0};
    struct buf after = {0};
    assert_int_equal(put(t, BACKEND_CREATE, "statefulsets.apps", DATABASE("u1", "", "1Gi")), 0);
    assert_true(becomes(t, "pods", 2, "\"phase\":\"Running\""));
    assert_true(becomes(t, "pods", 2, "\"uid\":\"u1\""));
    assert_true(becomes(t, "persistentvolumeclaims", 2, "\"capacity\":{\"storage\":\"1Gi\"}"));
    assert_int_equal(count_of(t, "persistentvolumeclaims", "ownerReferences"), 0);
    assert_int_equal(count_of(t, "persistentvolumeclaims", "\"name\":\"data-db-1\""), 1);
    uids_of_pods(t, &before);

    assert_int_equal(put(t, BACKEND_UPDATE, "statefulsets.apps",
                         DATABASE("u1",
                                  ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
                                  "\"finalizers\":[\"orphan\"]",
                                  "1Gi")),
                     0);
    assert_true(becomes(t, "statefulsets.apps", 0, ""));
    assert_int_equal(count_of(t, "pods", "\"phase\":\"Running\""), 2);
    assert_int_equal(count_of(t, "pods", "ownerReferences"), 0);

    assert_int_equal(put(t, BACKEND_CREATE, "statefulsets.apps", DATABASE("u2", "", "2Gi")), 0);
    assert_true(becomes(t, "pods", 2, "\"uid\":\"u2\""));
    uids_of_pods(t, &after);
    assert_string_equal(buf_cstr(&before), buf_cstr(&after));
    assert_int_equal(count_of(t, "persistentvolumeclaims", "\"storage\":\"1Gi\""), 2);
    buf_free(&before);
    buf_free(&after);
}

/* By its selector, and not by their names alone. */
static void a_stranger_is_not_taken_up(void **state)
{
    struct world *t = *state;
    assert_int_equal(put(t, BACKEND_CREATE, "pods",
                         "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"db-0\","
                         "\"namespace\":\"default\",\"uid\":\"p\",\"labels\":{\"app\":\"other\"}},"
                         "\"spec\":{\"containers\":[]}}"),
                     0);
    assert_true(becomes(t, "pods", 1, "\"phase\":\"Running\""));
    assert_int_equal(put(t, BACKEND_CREATE, "statefulsets.apps", DATABASE("u1", "", "1Gi")), 0);
    assert_true(becomes(t, "pods", 2, "\"phase\":\"Running\""));
    assert_int_equal(count_of(t, "pods", "ownerReferences"), 1);
}

static void cut_watches_and_restarts_change_nothing(void **state)
{
    struct world *t = *state;
    assert_int_equal(put(t, BACKEND_CREATE, "deployments.apps", DEPLOYMENT(1, 2, "i:1")), 0);
    assert_true(becomes(t, "deployments.apps", 1, "\"updatedReplicas\":2"));
    for (int i = 0; i < 3; i++) {
        plane_backend_cut_watches(&t->b);
        usleep(5000);
    }
    assert_int_equal(put(t, BACKEND_CREATE, "jobs.batch",
                         "{\"kind\":\"Job\",\"metadata\":{\"name\":\"j\",\"namespace\":\"default\","
                         "\"uid\":\"u3\",\"generation\":1},\"spec\":{}}"),
                     0);
    assert_true(becomes(t, "jobs.batch", 1, "\"type\":\"Complete\""));
    world_close(t);
    world_open(t);
    /* Ready is ready: no second rollout. */
    assert_true(becomes(t, "deployments.apps", 1, "\"updatedReplicas\":2"));
    usleep(20000);
    assert_true(becomes(t, "deployments.apps", 1, "\"updatedReplicas\":2"));
    assert_int_equal(put(t, BACKEND_UPDATE, "deployments.apps", DEPLOYMENT(2, 3, "i:1")), 0);
    assert_true(becomes(t, "deployments.apps", 1, "\"updatedReplicas\":3"));
}

static void do_refuse_images(void *arg)
{
    struct world *t = arg;
    const char *const patterns[] = {"*:bad"};
    controller_set_never_ready(&t->c, patterns, 1);
}

static void images_that_are_not_there_are_said_so(void **state)
{
    struct world *t = *state;
    onloop_call(&t->o, do_refuse_images, t);
    assert_int_equal(put(t, BACKEND_CREATE, "deployments.apps", DEPLOYMENT(1, 1, "i:bad")), 0);
    assert_true(becomes(t, "pods", 1, "ImagePullBackOff"));
    usleep(2 * DELAY_MS * 1000);
    assert_true(becomes(t, "deployments.apps", 1, "\"unavailableReplicas\":1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_deployment_gets_pods_and_loses_them),
        TEST(a_child_that_was_written_meanwhile_follows),
        TEST(a_lost_pod_comes_back),
        TEST(what_is_orphaned_stays_and_is_taken_up_again),
        TEST(a_stranger_is_not_taken_up),
        TEST(cut_watches_and_restarts_change_nothing),
        TEST(images_that_are_not_there_are_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
