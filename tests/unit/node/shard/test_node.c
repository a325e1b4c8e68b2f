/* A cluster of three nodes and one shard, on real sockets, TLS and disks: writes through any node,
 * reads that see them everywhere, leaders lost, nodes restarted, followers that fell far behind. */
#include "tests/unit/node/shard/cluster.h"

static void assert_reads(struct cluster *c, size_t i, const char *name, const char *value)
{
    struct sync s;
    assert_ok(get(c, i, "default", name, BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_string_equal(s.body, value);
}

static void await_default(struct cluster *c)
{
    /* The namespace's row is made by the system shard's leader on its first look. */
    for (int i = 0; i < 1000; i++) {
        int rc = put(c, 0, (struct write){.verb = BACKEND_CREATE, .ns = "default", .name = "probe"},
                     NULL);
        if (rc == 0 || rc == ERR_EXISTS) {
            return;
        }
        assert_int_equal(rc, ERR_NOT_FOUND);
        uv_sleep(10);
    }
    fail_msg("the namespace default did not come");
}

static void writes_through_any_node_are_read_on_all(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 3, 1, NULL);
    await_default(&c);
    size_t leader = await_leader(&c, 0);
    size_t follower = another(&c, leader);
    uint64_t last = 0;
    for (int k = 0; k < 20; k++) {
        char name[32];
        char value[32];
        (void)snprintf(name, sizeof(name), "c-%d", k);
        (void)snprintf(value, sizeof(value), "v%d", k);
        uint64_t version = 0;
        assert_int_equal(
            put(&c, (size_t)k % 3,
                (struct write){
                    .verb = BACKEND_CREATE, .ns = "default", .name = name, .value = value},
                &version),
            0);
        assert_true(version > last);
        last = version;
        for (size_t i = 0; i < 3; i++) {
            assert_reads(&c, i, name, value);
        }
    }
    /* Preconditions are the state machine's, wherever the request came in. */
    assert_int_equal(put(&c, follower,
                         (struct write){.verb = BACKEND_CREATE, .ns = "default", .name = "c-1"},
                         NULL),
                     ERR_EXISTS);
    assert_int_equal(
        put(&c, follower,
            (struct write){
                .verb = BACKEND_UPDATE, .ns = "default", .name = "c-1", .if_version = last},
            NULL),
        ERR_CONFLICT);
    assert_int_equal(
        put(&c, follower, (struct write){.verb = BACKEND_CREATE, .ns = "none", .name = "x"}, NULL),
        ERR_NOT_FOUND);
    struct sync s;
    assert_ok(list(&c, follower, "default", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_int_equal(s.rows, 21);
    assert_true(s.version >= last);
    assert_int_equal(get(&c, follower, "default", "absent", BACKEND_LINEARIZABLE, 0, &s),
                     ERR_NOT_FOUND);
    cluster_end(&c);
}

static void a_request_id_is_executed_once(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 1, 1, NULL);
    await_default(&c);
    struct write w = {.verb = BACKEND_CREATE,
                      .ns = "default",
                      .name = "once",
                      .value = "a",
                      .request_id = "0123456789abcdef0123",
                      .issued_ms = clock_system.wall_ms(&clock_system)};
    uint64_t first = 0;
    uint64_t second = 0;
    assert_int_equal(put(&c, 0, w, &first), 0);
    assert_int_equal(put(&c, 0, w, &second), 0); /* not ERR_EXISTS: its own first outcome */
    assert_int_equal(first, second);
    w.value = "b"; /* another request under the same id */
    assert_int_equal(put(&c, 0, w, NULL), ERR_INVALID);
    cluster_end(&c);
}

static void a_watch_on_a_follower_sees_every_change_in_order(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 3, 1, NULL);
    await_default(&c);
    size_t follower = another(&c, await_leader(&c, 0));
    struct sync s;
    assert_ok(list(&c, follower, "default", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    struct watching *w = watch_start(&c, follower, "default", s.version);
    uint64_t versions[30];
    for (size_t k = 0; k < 30; k++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "w-%zu", k);
        assert_int_equal(put(&c, k % 3,
                             (struct write){.verb = BACKEND_CREATE, .ns = "default", .name = name},
                             &versions[k]),
                         0);
    }
    await_count(w, 30);
    assert_memory_equal(w->versions, versions, sizeof(versions));
    watch_free(w);
    cluster_end(&c);
}

static void the_leader_is_lost_and_writes_go_on(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 3, 1, NULL);
    await_default(&c);
    for (int round = 0; round < 3; round++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "before-%d", round);
        size_t leader = await_leader(&c, 0);
        assert_int_equal(
            put(&c, leader,
                (struct write){
                    .verb = BACKEND_CREATE, .ns = "default", .name = name, .value = "kept"},
                NULL),
            0);
        cluster_stop(&c, leader, false);
        size_t other = another(&c, leader);
        (void)snprintf(name, sizeof(name), "after-%d", round);
        assert_int_equal(put(&c, other,
                             (struct write){.verb = BACKEND_CREATE, .ns = "default", .name = name},
                             NULL),
                         0);
        cluster_start(&c, leader);
        (void)snprintf(name, sizeof(name), "before-%d", round);
        assert_reads(&c, other, name, "kept");
        assert_reads(&c, leader, name, "kept"); /* caught up: linearizable on itself */
    }
    cluster_end(&c);
}

static void an_orderly_stop_hands_over_and_a_whole_restart_keeps_all(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 3, 1, NULL);
    await_default(&c);
    size_t leader = await_leader(&c, 0);
    assert_int_equal(
        put(&c, leader,
            (struct write){.verb = BACKEND_CREATE, .ns = "default", .name = "kept", .value = "yes"},
            NULL),
        0);
    cluster_stop(&c, leader, true);
    size_t other = await_leader(&c, 0); /* there at once: it was handed over */
    assert_int_not_equal(other, leader);
    for (size_t i = 0; i < 3; i++) {
        if (c.members[i].up) {
            cluster_stop(&c, i, true);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        cluster_start(&c, i);
    }
    assert_reads(&c, leader, "kept", "yes");
    cluster_end(&c);
}

static void keep_house_often(struct node_config *config)
{
    config->clock = &cluster_clock;
    config->housekeeping_ms = 50;
}

static uint64_t last_index(struct cluster *c)
{
    struct node_status status;
    node_status(&c->members[0].node, &status);
    uint64_t index = status.shards[0].last_index;
    free(status.shards);
    return index;
}

static void old_versions_and_requests_are_forgotten(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 1, 1, keep_house_often);
    await_default(&c);
    uint64_t first = 0;
    struct write w = {.verb = BACKEND_CREATE,
                      .ns = "default",
                      .name = "old",
                      .value = "1",
                      .request_id = "0123456789abcdef0123",
                      .issued_ms = clock_system.wall_ms(&clock_system)};
    assert_int_equal(put(&c, 0, w, &first), 0);
    w = (struct write){.verb = BACKEND_UPDATE, .ns = "default", .name = "old", .value = "2"};
    assert_int_equal(put(&c, 0, w, NULL), 0);
    struct sync s;
    assert_ok(get(&c, 0, "default", "old", BACKEND_EXACT, first, &s), &s.err);
    assert_string_equal(s.body, "1");
    atomic_store(&cluster_clock_ahead_ms, 11 * 60 * 1000);
    int rc = 0;
    for (int i = 0; i < 500 && rc != ERR_GONE; i++) {
        uv_sleep(10);
        rc = get(&c, 0, "default", "old", BACKEND_EXACT, first, &s);
    }
    assert_int_equal(rc, ERR_GONE);
    assert_ok(get(&c, 0, "default", "old", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_string_equal(s.body, "2");
    /* A retry of a request that is forgotten is not carried out again. */
    w = (struct write){.verb = BACKEND_CREATE,
                       .ns = "default",
                       .name = "old",
                       .value = "1",
                       .request_id = "0123456789abcdef0123",
                       .issued_ms = clock_system.wall_ms(&clock_system)};
    assert_int_equal(put(&c, 0, w, NULL), ERR_TIMEOUT);
    /* With nothing left to remove, nothing more is written. */
    atomic_store(&cluster_clock_ahead_ms, 22 * 60 * 1000);
    uint64_t index = 0;
    for (int i = 0; i < 20 && last_index(&c) != index; i++) {
        index = last_index(&c);
        uv_sleep(1100); /* the status is a copy made twice a second */
    }
    assert_int_equal(last_index(&c), index);
    atomic_store(&cluster_clock_ahead_ms, 0);
    cluster_end(&c);
}

/* Events that nobody wrote again go; nothing else does. */
static void old_events_go(void **state)
{
    (void)state;
    struct cluster c;
    cluster_found(&c, 1, 1, keep_house_often);
    await_default(&c);
    struct sync s;
    struct write w = {.verb = BACKEND_CREATE,
                      .resource = "events",
                      .ns = "default",
                      .name = "first",
                      .value = "1"};
    assert_int_equal(put(&c, 0, w, NULL), 0);
    atomic_store(&cluster_clock_ahead_ms, 40 * 60 * 1000);
    w.name = "second";
    w.issued_ms = clock_system.wall_ms(&clock_system) + (uint64_t)(40 * 60 * 1000);
    assert_int_equal(put(&c, 0, w, NULL), 0);
    w.resource = NULL;
    w.name = "kept";
    assert_int_equal(put(&c, 0, w, NULL), 0);
    atomic_store(&cluster_clock_ahead_ms, 61 * 60 * 1000);
    int rc = 0;
    for (int i = 0; i < 500 && rc != ERR_NOT_FOUND; i++) {
        uv_sleep(10);
        rc = get_of(&c, 0, "events", "default", "first", BACKEND_LINEARIZABLE, 0, &s);
    }
    assert_int_equal(rc, ERR_NOT_FOUND);
    assert_ok(get_of(&c, 0, "events", "default", "second", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_ok(get(&c, 0, "default", "kept", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    atomic_store(&cluster_clock_ahead_ms, 0);
    cluster_end(&c);
}

/* ---- lists that wait together ---- */

enum { HOARD = 300 };

struct queueing {
    struct cluster *c;
    struct backend_list lists[HOARD + 1];
    size_t ended;
    size_t place; /* of the last one, which is another caller's */
};

static void no_row(struct backend_list *list, const struct backend_object *object)
{
    (void)list;
    (void)object;
}

static void on_queued(struct backend_list *list, int rc, const struct err *err)
{
    (void)rc;
    (void)err;
    struct queueing *q = list->user;
    if (list == &q->lists[HOARD]) {
        q->place = q->ended;
    }
    if (++q->ended == HOARD + 1) {
        onloop_done(&q->c->members[0].front);
    }
}

static void start_all(void *arg)
{
    struct queueing *q = arg;
    struct member *m = &q->c->members[0];
    struct backend *b = node_backend(&m->node);
    for (size_t i = 0; i <= HOARD; i++) {
        q->lists[i] = (struct backend_list){.loop = &m->front.loop,
                                            .resource = SLICE("configmaps"),
                                            .ns = SLICE("default"),
                                            .limit = BACKEND_PAGE_ROWS_MAX,
                                            .whose = i < HOARD ? 1 : 2,
                                            .user = q,
                                            .row = no_row,
                                            .done = on_queued};
        b->ops->list(b, &q->lists[i]);
    }
}

static void who_has_one_list_does_not_wait_behind_who_has_many(void **state)
{
    (void)state;
    struct cluster c;
    struct queueing *q = mem_zero(sizeof *q);
    cluster_found(&c, 1, 1, NULL);
    await_default(&c);
    q->c = &c;
    onloop_post(&c.members[0].front, start_all, q);
    onloop_wait(&c.members[0].front, "all lists");
    assert_in_range(q->place, 0, 10);
    cluster_end(&c);
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_id_is_executed_once),
        cmocka_unit_test(old_versions_and_requests_are_forgotten),
        cmocka_unit_test(old_events_go),
        cmocka_unit_test(writes_through_any_node_are_read_on_all),
        cmocka_unit_test(who_has_one_list_does_not_wait_behind_who_has_many),
        cmocka_unit_test(a_watch_on_a_follower_sees_every_change_in_order),
        cmocka_unit_test(the_leader_is_lost_and_writes_go_on),
        cmocka_unit_test(an_orderly_stop_hands_over_and_a_whole_restart_keeps_all),
    };
    cmocka_set_test_filter(getenv("CHOREO_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
