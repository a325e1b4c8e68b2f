/* The plane's backend: writes in groups, reads behind them, namespaces, watches, coming and going.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plane/backend.h"
#include "proto/object.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

enum { MANY = 300 };

struct plane {
    struct plane_backend b;
    struct onloop o;
    struct tmpdir dir;
    unsigned mutations; /* writer's thread; read when it is still */
};

static void on_mutation(void *user, const struct plane_mutation *mutation)
{
    struct plane *t = user;
    t->mutations += mutation->object->version > 0 ? 1 : 0;
}

static void open_backend(struct plane *t)
{
    struct err err;
    const struct plane_backend_config config = {
        .path = tmpdir_path(&t->dir, "state.db"), .on_mutation = on_mutation, .user = t};
    assert_ok(plane_backend_open(&t->b, &config, &err), &err);
    onloop_start(&t->o);
    assert_ok(plane_backend_attach(&t->b, &t->o.loop, &err), &err);
}

static void on_detached(void *user)
{
    struct plane *t = user;
    onloop_done(&t->o);
}

static void detach(void *arg)
{
    struct plane *t = arg;
    plane_backend_detach(&t->b, &t->o.loop, on_detached, t);
}

static void close_backend(struct plane *t)
{
    onloop_call(&t->o, detach, t);
    onloop_wait(&t->o, "detached");
    onloop_stop(&t->o);
    plane_backend_close(&t->b);
}

static int setup(void **state)
{
    struct plane *t = mem_zero(sizeof *t);
    tmpdir_make(&t->dir);
    open_backend(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct plane *t = *state;
    close_backend(t);
    tmpdir_remove(&t->dir);
    free(t);
    return 0;
}

/* ---- one request of any sort ---- */

struct ask {
    struct plane *t;
    struct backend_submit submit;
    struct backend_get get;
    struct backend_list list;
    int rc;
    char message[ERR_MESSAGE_MAX];
    uint64_t version;
    size_t rows;
    bool cancel;
    char name[64];
    char body[160];
    char id[40];
};

static void ended(struct ask *a, int rc, const struct err *err)
{
    a->rc = rc;
    (void)snprintf(a->message, sizeof a->message, "%s", rc != 0 ? err->message : "");
    onloop_done(&a->t->o);
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct ask *a = submit->user;
    a->version = submit->version;
    ended(a, rc, err);
}

static void do_submit(void *arg)
{
    struct ask *a = arg;
    a->t->b.backend.ops->submit(&a->t->b.backend, &a->submit);
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct ask *a = get->user;
    a->version = get->object.version;
    ended(a, rc, err);
}

static void do_get(void *arg)
{
    struct ask *a = arg;
    a->t->b.backend.ops->get(&a->t->b.backend, &a->get);
    if (a->cancel) {
        a->t->b.backend.ops->cancel(&a->t->b.backend, &a->get);
    }
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct ask *a = list->user;
    a->rows += object->version > 0 ? 1 : 0;
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    ended(list->user, rc, err);
}

static void do_list(void *arg)
{
    struct ask *a = arg;
    a->t->b.backend.ops->list(&a->t->b.backend, &a->list);
}

static void fill(struct ask *a, struct plane *t, enum backend_verb verb, const char *resource,
                 const char *ns, const char *name)
{
    static unsigned ids;
    a->t = t;
    (void)snprintf(a->name, sizeof a->name, "%s", name);
    (void)snprintf(a->id, sizeof a->id, "plane-request-%08u", ++ids);
    (void)snprintf(a->body, sizeof a->body, "{\"metadata\":{\"name\":\"%s\",\"uid\":\"u-%s\"}}",
                   name, name);
    a->submit =
        (struct backend_submit){.loop = &t->o.loop,
                                .key = {slice_of(resource), slice_of(ns), slice_of(a->name)},
                                .verb = verb,
                                .body = slice_of(a->body),
                                .splice = (uint32_t)slice_find(slice_of(a->body), SLICE("\"uid\"")),
                                .client_made = true,
                                .subject = SLICE("test"),
                                .request_id = slice_of(a->id),
                                .issued_ms = clock_system.wall_ms(&clock_system),
                                .user = a,
                                .done = on_submitted};
}

static int put(struct plane *t, enum backend_verb verb, const char *resource, const char *ns,
               const char *name, uint64_t *version)
{
    struct ask a = {0};
    fill(&a, t, verb, resource, ns, name);
    onloop_call(&t->o, do_submit, &a);
    onloop_wait(&t->o, "the write");
    if (version != NULL) {
        *version = a.version;
    }
    return a.rc;
}

static int get_at(struct plane *t, const char *ns, const char *name, uint64_t at_least, bool cancel)
{
    struct ask a = {.t = t, .cancel = cancel};
    a.get =
        (struct backend_get){.loop = &t->o.loop,
                             .key = {SLICE("things"), slice_of(ns), slice_of(name)},
                             .consistency = at_least > 0 ? BACKEND_AT_LEAST : BACKEND_LINEARIZABLE,
                             .version = at_least,
                             .user = &a,
                             .done = on_got};
    onloop_call(&t->o, do_get, &a);
    onloop_wait(&t->o, "the get");
    return a.rc;
}

static size_t count_of(struct plane *t, const char *resource)
{
    struct ask a = {.t = t};
    a.list = (struct backend_list){.loop = &t->o.loop,
                                   .resource = slice_of(resource),
                                   .limit = 500,
                                   .user = &a,
                                   .row = on_row,
                                   .done = on_listed};
    onloop_call(&t->o, do_list, &a);
    onloop_wait(&t->o, "the list");
    assert_int_equal(a.rc, 0);
    return a.rows;
}

/* ---- the tests ---- */

static void writes_are_read_back_at_once(void **state)
{
    struct plane *t = *state;
    uint64_t version;
    assert_int_equal(put(t, BACKEND_CREATE, "things", "default", "a", &version), 0);
    assert_int_equal(get_at(t, "default", "a", 0, false), 0);
    assert_int_equal(get_at(t, "default", "b", 0, false), ERR_NOT_FOUND);
    assert_int_equal(put(t, BACKEND_CREATE, "things", "default", "a", NULL), ERR_EXISTS);
    assert_int_equal(get_at(t, "default", "a", version, false), 0);
    assert_int_equal(get_at(t, "default", "a", version + (UINT64_C(1) << 40), true), ERR_CANCELED);
    assert_int_equal(get_at(t, "default", "a", version + (UINT64_C(1) << 40), false), ERR_TIMEOUT);
}

static void many_submits_share_few_transactions(void **state)
{
    struct plane *t = *state;
    struct ask *asks = mem_zero(MANY * sizeof *asks);
    for (size_t i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "o%zu", i);
        fill(&asks[i], t, BACKEND_CREATE, "things", "default", name);
        onloop_post(&t->o, do_submit, &asks[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        onloop_wait(&t->o, "a write");
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(asks[i].rc, 0);
        assert_true(i == 0 || asks[i].version > asks[i - 1].version);
    }
    assert_int_equal(count_of(t, "things"), MANY);
    /* The same ids again: the first outcomes again. */
    uint64_t first = asks[7].version;
    onloop_call(&t->o, do_submit, &asks[7]);
    onloop_wait(&t->o, "the retry");
    assert_true(asks[7].rc == 0 && asks[7].version == first);
    unsigned mutations = t->mutations;
    close_backend(t);
    assert_int_equal(t->mutations, mutations);
    assert_int_equal(mutations, MANY + 4);         /* with the four namespaces */
    assert_true(t->b.db.state.applied_index == 0); /* closed */
    free(asks);
    open_backend(t);
    assert_int_equal(count_of(t, "things"), MANY);
    assert_int_equal(count_of(t, "namespaces"), 4);
}

static void namespaces_open_and_empty_with_their_objects(void **state)
{
    struct plane *t = *state;
    assert_int_equal(put(t, BACKEND_CREATE, "things", "shop", "a", NULL), ERR_NOT_FOUND);
    assert_int_equal(put(t, BACKEND_CREATE, "namespaces", "", "shop", NULL), 0);
    assert_int_equal(put(t, BACKEND_CREATE, "things", "shop", "a", NULL), 0);
    assert_int_equal(put(t, BACKEND_CREATE, "others", "shop", "b", NULL), 0);
    assert_int_equal(put(t, BACKEND_CREATE, "things", "default", "c", NULL), 0);
    assert_int_equal(put(t, BACKEND_DELETE, "namespaces", "", "shop", NULL), 0);
    assert_int_equal(get_at(t, "shop", "a", 0, false), ERR_NOT_FOUND);
    assert_int_equal(count_of(t, "others"), 0);
    assert_int_equal(count_of(t, "things"), 1);
    assert_int_equal(put(t, BACKEND_CREATE, "things", "shop", "a", NULL), ERR_NOT_FOUND);
    assert_int_equal(put(t, BACKEND_CREATE, "namespaces", "", "shop", NULL), 0);
    assert_int_equal(put(t, BACKEND_CREATE, "things", "shop", "a", NULL), 0);
}

struct watching {
    struct plane *t;
    struct backend_watch watch;
    size_t events;
    int rc;
};

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watching *w = watch->user;
    (void)event;
    (void)object;
    w->events++;
    onloop_done(&w->t->o);
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    (void)watch;
    (void)version;
}

static void on_end(struct backend_watch *watch, int rc, const struct err *err)
{
    struct watching *w = watch->user;
    (void)err;
    w->rc = rc;
    onloop_done(&w->t->o);
}

static void do_watch(void *arg)
{
    struct watching *w = arg;
    w->t->b.backend.ops->watch_start(&w->t->b.backend, &w->watch);
}

static void watches_are_fed_and_can_be_cut(void **state)
{
    struct plane *t = *state;
    uint64_t version;
    assert_int_equal(put(t, BACKEND_CREATE, "things", "default", "a", &version), 0);
    struct watching w = {.t = t};
    w.watch = (struct backend_watch){.loop = &t->o.loop,
                                     .resource = SLICE("things"),
                                     .since = version,
                                     .user = &w,
                                     .on_event = on_event,
                                     .on_progress = on_progress,
                                     .ended = on_end};
    onloop_call(&t->o, do_watch, &w);
    assert_int_equal(put(t, BACKEND_UPDATE, "things", "default", "a", NULL), 0);
    onloop_wait(&t->o, "the event");
    assert_int_equal(w.events, 1);
    plane_backend_cut_watches(&t->b);
    onloop_wait(&t->o, "the cut");
    assert_int_equal(w.rc, ERR_UNAVAILABLE);
}

static void bad_submits_are_refused_alone(void **state)
{
    struct plane *t = *state;
    struct ask good = {0};
    struct ask bad = {0};
    fill(&good, t, BACKEND_CREATE, "things", "default", "good");
    fill(&bad, t, BACKEND_CREATE, "things", "default", "bad");
    bad.submit.splice = 1000;
    onloop_post(&t->o, do_submit, &bad);
    onloop_call(&t->o, do_submit, &good);
    onloop_wait(&t->o, "one");
    onloop_wait(&t->o, "the other");
    assert_int_equal(bad.rc, ERR_INVALID);
    assert_int_equal(good.rc, 0);
}

static void only_so_many_loops_can_be_attached(void **state)
{
    struct plane *t = *state;
    struct loop loop;
    struct plane_backend other;
    struct err err;
    const struct plane_backend_config config = {.path = tmpdir_path(&t->dir, "other.db")};
    assert_ok(plane_backend_open(&other, &config, &err), &err);
    atomic_store(&other.front_count, PLANE_FRONTS_MAX);
    assert_err(plane_backend_attach(&other, &loop, &err), &err, ERR_FULL, "loops");
    plane_backend_close(&other);
    const struct plane_backend_config nowhere = {.path = "/nonexistent/state.db"};
    assert_err(plane_backend_open(&other, &nowhere, &err), &err, ERR_IO, "/nonexistent/state.db");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_are_read_back_at_once),
        TEST(many_submits_share_few_transactions),
        TEST(namespaces_open_and_empty_with_their_objects),
        TEST(watches_are_fed_and_can_be_cut),
        TEST(bad_submits_are_refused_alone),
        TEST(only_so_many_loops_can_be_attached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
