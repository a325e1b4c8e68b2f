/* Several shards read as one: lists and watches over all namespaces while leaders move, and
 * namespaces' rows that follow their Organizations. */
#include "tests/unit/node/shard/cluster.h"

enum { ORGS = 8 };

static const char *const orgs[ORGS] = {"acme",  "birch", "cedar", "delta",
                                       "ember", "fjord", "grove", "haven"};

static void make_orgs(struct cluster *c)
{
    for (size_t i = 0; i < ORGS; i++) {
        make_organization(c, i % c->count, orgs[i]);
    }
}

static void start_all(struct cluster *c, size_t nodes)
{
    cluster_found(c, nodes, 4, NULL);
    make_orgs(c); /* waits for the leaders it needs */
}

/* The shards that the namespaces live in; at least two, or the tests below prove nothing. */
static void expect_spread(struct cluster *c)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < ORGS; i++) {
        uint32_t shard = node_shard_of(&c->members[0].node, slice_of(orgs[i]));
        assert_in_range(shard, 1, 3);
        seen |= 1U << shard;
    }
    assert_int_equal(seen, 14); /* 1, 2 and 3 */
    assert_int_equal(node_shard_of(&c->members[0].node, SLICE("choreo-system")), 0);
    assert_int_equal(node_shard_of(&c->members[0].node, SLICE("")), 0);
}

static uint64_t put_value(struct cluster *c, size_t i, enum backend_verb verb, const char *ns,
                          const char *name, const char *value)
{
    uint64_t version = 0;
    assert_int_equal(
        put(c, i, (struct write){.verb = verb, .ns = ns, .name = name, .value = value}, &version),
        0);
    return version;
}

static void a_list_of_all_namespaces_is_one_point_in_time(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c, 1);
    expect_spread(&c);
    uint64_t last = 0;
    for (size_t i = 0; i < ORGS; i++) {
        last = put_value(&c, 0, BACKEND_CREATE, orgs[i], "one", "1");
    }
    struct sync s;
    assert_ok(list(&c, 0, "", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_string_equal(s.names, "acme/one birch/one cedar/one delta/one ember/one fjord/one "
                                 "grove/one haven/one ");
    assert_true(s.version >= last); /* above every write acknowledged before */
    uint64_t then = s.version;
    /* Everything from now on is above it, in every shard. */
    for (size_t i = 0; i < ORGS; i++) {
        assert_true(put_value(&c, 0, BACKEND_CREATE, orgs[i], "two", "2") > then);
    }
    assert_ok(list(&c, 0, "", BACKEND_EXACT, then, &s), &s.err);
    assert_int_equal(s.rows, ORGS);
    assert_int_equal(s.version, then);
    assert_ok(list(&c, 0, "", BACKEND_AT_LEAST, then, &s), &s.err);
    assert_true(s.version >= then);
    /* A stale one is of some earlier point in time, but of one: a watch from it misses nothing. */
    assert_ok(list(&c, 0, "", BACKEND_STALE, 0, &s), &s.err);
    assert_true(s.version >= then && s.rows >= ORGS);
    struct watching *w = watch_start(&c, 0, "", s.version);
    await_count(w, 2 * ORGS - s.rows);
    watch_free(w);
    /* Asking for it makes the shards keep up. */
    for (int i = 0; i < 200 && s.rows < 2 * ORGS; i++) {
        uv_sleep(10);
        assert_ok(list(&c, 0, "", BACKEND_STALE, 0, &s), &s.err);
    }
    assert_int_equal(s.rows, 2 * ORGS);
    /* A version of the far future is waited for, then refused. */
    assert_int_equal(list(&c, 0, "", BACKEND_AT_LEAST, then + (UINT64_C(1) << 40), &s),
                     ERR_TIMEOUT);
    cluster_end(&c);
}

static void a_stale_list_asks_nobody(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c, 3);
    for (size_t i = 0; i < ORGS; i++) {
        (void)put_value(&c, 0, BACKEND_CREATE, orgs[i], "one", "1");
    }
    struct sync s;
    assert_ok(list(&c, 2, "", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    uint64_t then = s.version;
    cluster_stop(&c, 0, false);
    cluster_stop(&c, 1, false);
    assert_ok(list(&c, 2, "", BACKEND_STALE, 0, &s), &s.err);
    assert_true(s.rows == ORGS && s.version >= then);
    cluster_end(&c);
}

static void namespaces_follow_their_organizations(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c, 1);
    (void)put_value(&c, 0, BACKEND_CREATE, "acme", "x", "1");
    /* Deleted while it holds something: nothing new comes in, what is there can go. */
    assert_int_equal(put(&c, 0,
                         (struct write){.verb = BACKEND_DELETE,
                                        .resource = "organizations.choreo.dev",
                                        .ns = "",
                                        .name = "acme"},
                         NULL),
                     0);
    assert_int_equal(
        put(&c, 0, (struct write){.verb = BACKEND_CREATE, .ns = "acme", .name = "y"}, NULL),
        ERR_FORBIDDEN);
    (void)put_value(&c, 0, BACKEND_DELETE, "acme", "x", "1");
    /* The row of an empty namespace without Organization goes by itself. */
    int rc = 0;
    for (int i = 0; i < 120 && rc != ERR_NOT_FOUND; i++) {
        rc = put(&c, 0, (struct write){.verb = BACKEND_CREATE, .ns = "acme", .name = "y"}, NULL);
        uv_sleep(100);
    }
    assert_int_equal(rc, ERR_NOT_FOUND);
    cluster_end(&c);
}

static void merged_reads_stay_in_order_while_leaders_move(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c, 3);
    struct sync s;
    assert_ok(list(&c, 2, "", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    struct watching *w = watch_start(&c, 2, "", s.version);
    size_t written = 0;
    uint64_t floor = s.version;
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < ORGS; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "o-%d", round);
            uint64_t version = put_value(&c, (size_t)round % 3, BACKEND_CREATE, orgs[i], name, "1");
            assert_true(version > floor);
            written++;
        }
        assert_ok(list(&c, (size_t)(round + 1) % 3, "", BACKEND_LINEARIZABLE, 0, &s), &s.err);
        assert_int_equal(s.rows, written);
        floor = s.version;
        uint32_t shard = 1 + (uint32_t)round % 3;
        size_t leader = await_leader(&c, shard);
        int rc = transfer(&c, 0, shard, (leader + 1) % 3);
        assert_true(rc == 0 || rc == ERR_TIMEOUT || rc == ERR_BUSY);
    }
    await_count(w, written);
    for (size_t i = 1; i < written; i++) {
        assert_true(w->versions[i] > w->versions[i - 1]);
    }
    watch_free(w);
    cluster_end(&c);
}

static void leaderships_spread_over_the_nodes(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c, 3);
    size_t most = 4;
    for (int waited = 0; waited < CLUSTER_WAIT_MS && most > 2; waited += 50) {
        size_t leads[3] = {0};
        uv_sleep(50);
        most = 0;
        for (uint32_t shard = 0; shard < 4; shard++) {
            size_t leader = await_leader(&c, shard);
            leads[leader]++;
            most = leads[leader] > most ? leads[leader] : most;
        }
    }
    assert_int_equal(most, 2);
    cluster_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_all_namespaces_is_one_point_in_time),
        cmocka_unit_test(a_stale_list_asks_nobody),
        cmocka_unit_test(namespaces_follow_their_organizations),
        cmocka_unit_test(merged_reads_stay_in_order_while_leaders_move),
        cmocka_unit_test(leaderships_spread_over_the_nodes),
    };
    cmocka_set_test_filter(getenv("CHOREO_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
