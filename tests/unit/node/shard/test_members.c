/* A cluster that changes: a node joins when the log no longer reaches back, takes part, and another
 * is removed; what the reconciler is told. */
#include "tests/unit/node/shard/cluster.h"

enum { OBJECTS = 120 };

static void tune(struct node_config *config)
{
    config->trailing_entries = 8; /* so that a newcomer needs an image */
    config->checkpoint_ms = 50;
}

static void join(struct cluster *c, size_t through, size_t joiner)
{
    struct member *m = &c->members[through];
    struct node_op op = op_for(m);
    node_join(&m->node, &op, &c->members[joiner].info);
    op_wait(&op, "a join");
    assert_ok(op.rc, &op.err);
}

static void fill(struct cluster *c)
{
    make_organization(c, 0, "acme");
    for (int i = 0; i < OBJECTS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "o-%03d", i);
        assert_int_equal(
            put(c, (size_t)i % 3,
                (struct write){.verb = BACKEND_CREATE, .ns = "acme", .name = name, .value = "x"},
                NULL),
            0);
    }
}

static void expect_voter(struct cluster *c, size_t i, const char *name, bool member)
{
    bool found = !member;
    for (int waited = 0; waited < CLUSTER_WAIT_MS && found != member; waited += 20) {
        struct node_status status;
        node_status(&c->members[i].node, &status);
        size_t in = 0;
        for (size_t s = 0; s < status.shard_count; s++) {
            for (size_t p = 0; p < status.shards[s].peer_count; p++) {
                in += status.shards[s].peers[p].voter &&
                      strcmp(status.shards[s].peers[p].name, name) == 0;
            }
        }
        found = member ? in == status.shard_count : in != 0;
        free(status.shards);
        uv_sleep(20);
    }
    assert_int_equal(found, member);
}

static void a_node_joins_from_an_image_and_another_is_removed(void **state)
{
    (void)state;
    struct cluster c;
    struct err err;
    struct sync s;
    cluster_make(&c, 4, 3, 2);
    c.tune = tune;
    for (size_t i = 0; i < 3; i++) {
        cluster_start(&c, i);
    }
    fill(&c);
    uv_sleep(300); /* checkpoints have let the log go */
    assert_ok(member_start(&c, 3, NULL, &err), &err);
    join(&c, 1, 3);
    expect_voter(&c, 1, "node-4", true);
    assert_ok(list(&c, 3, "acme", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_int_equal(s.rows, OBJECTS);
    assert_ok(list(&c, 3, "acme", BACKEND_STALE, 0, &s), &s.err); /* it holds them itself */
    assert_int_equal(s.rows, OBJECTS);
    join(&c, 2, 3); /* again: nothing is left to do */

    /* A dead one is removed, and three of the four go on without it. */
    cluster_stop(&c, 0, false);
    struct member *m = &c.members[3];
    struct node_op op = op_for(m);
    node_remove(&m->node, &op, "node-1");
    op_wait(&op, "a removal");
    assert_ok(op.rc, &op.err);
    expect_voter(&c, 3, "node-1", false);
    op = op_for(m);
    node_remove(&m->node, &op, "node-1");
    op_wait(&op, "a removal");
    assert_int_equal(op.rc, ERR_NOT_FOUND);
    assert_int_equal(
        put(&c, 3, (struct write){.verb = BACKEND_CREATE, .ns = "acme", .name = "later"}, NULL), 0);
    cluster_end(&c);
}

/* One operation through the first node, with leaderships moved about below it until it ends; the
 * first time after so many ms. */
static void among_transfers(struct cluster *c, uint32_t after_ms, const struct node_member *join,
                            const char *remove)
{
    struct member *m = &c->members[0];
    struct node_op op = op_for(m);
    if (join != NULL) {
        node_join(&m->node, &op, join);
    } else {
        node_remove(&m->node, &op, remove);
    }
    uv_sleep(after_ms);
    for (uint32_t i = 0; i < 6; i++) {
        (void)transfer(c, 2, i % c->shards, (i + 1) % 4); /* may be refused */
    }
    op_wait(&op, join != NULL ? "a join" : "a removal");
    assert_ok(op.rc, &op.err);
}

static void leaderships_that_move_at_any_step_hold_up_no_join_or_removal(void **state)
{
    (void)state;
    struct cluster c;
    struct err err;
    cluster_make(&c, 4, 3, 2);
    for (size_t i = 0; i < 4; i++) {
        assert_ok(member_start(&c, i, NULL, &err), &err);
    }
    (void)await_leader(&c, 0);
    (void)await_leader(&c, 1);
    for (uint32_t after_ms = 0; after_ms < 120; after_ms += 20) {
        among_transfers(&c, after_ms, &c.members[3].info, NULL);
        expect_voter(&c, 0, "node-4", true);
        (void)transfer(&c, 2, after_ms / 20 % 2, 3); /* what is removed may lead */
        among_transfers(&c, after_ms, NULL, "node-4");
        expect_voter(&c, 0, "node-4", false);
    }
    cluster_end(&c);
}

static void op_noted(struct node_op *op, int rc, const struct err *err)
{
    (void)err;
    int *outcome = op->user;
    *outcome = rc;
}

static void a_loop_that_lets_go_hears_of_its_operations_first(void **state)
{
    (void)state;
    struct cluster c;
    cluster_make(&c, 4, 3, 2);
    for (size_t i = 0; i < 3; i++) {
        cluster_start(&c, i);
    }
    (void)await_leader(&c, 0);
    struct member *m = &c.members[0];
    int outcome = -1; /* is written by the loop, and read once it is stopped */
    struct node_op op = op_for(m);
    op.user = &outcome;
    op.done = op_noted;
    node_join(&m->node, &op, &c.members[3].info); /* which never starts */
    uv_sleep(500);
    cluster_stop(&c, 0, true);
    assert_int_equal(outcome, ERR_CLOSED);
    cluster_end(&c);
}

static void a_sixth_node_stands_by(void **state)
{
    (void)state;
    struct cluster c;
    struct err err;
    cluster_make(&c, 6, 5, 1);
    for (size_t i = 0; i < 6; i++) {
        assert_ok(member_start(&c, i, NULL, &err), &err);
    }
    size_t leader = await_leader(&c, 0);
    join(&c, 1, 5);
    uv_sleep(1000); /* a status is at most half a second old */
    struct node_status status;
    node_status(&c.members[leader].node, &status);
    assert_int_equal(status.shards[0].peer_count, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct node_peer_status *p = &status.shards[0].peers[i];
        assert_int_equal(p->voter, strcmp(p->name, "node-6") != 0);
    }
    free(status.shards);
    cluster_end(&c);
}

static void a_follower_that_fell_behind_is_given_an_image(void **state)
{
    (void)state;
    struct cluster c;
    struct sync s;
    cluster_found(&c, 3, 2, tune);
    fill(&c);
    uint32_t shard = node_shard_of(&c.members[0].node, SLICE("acme"));
    size_t behind = another(&c, await_leader(&c, shard));
    cluster_stop(&c, behind, false);
    size_t other = another(&c, behind);
    uint64_t version = 0;
    for (int i = 0; i < OBJECTS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "o-%03d", i);
        assert_int_equal(
            put(&c, other,
                (struct write){.verb = BACKEND_UPDATE, .ns = "acme", .name = name, .value = "y"},
                &version),
            0);
    }
    uv_sleep(300); /* checkpoints have let the log go */
    cluster_start(&c, behind);
    struct watching *w = watch_start(&c, behind, "acme", version);
    for (int i = 0; i < 10; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "p-%03d", i);
        assert_int_equal(put(&c, other,
                             (struct write){.verb = BACKEND_CREATE, .ns = "acme", .name = name},
                             NULL),
                         0);
    }
    assert_ok(get(&c, behind, "acme", "o-100", BACKEND_LINEARIZABLE, 0, &s), &s.err);
    assert_string_equal(s.body, "y");
    assert_ok(list(&c, behind, "acme", BACKEND_STALE, 0, &s), &s.err);
    assert_int_equal(s.rows, OBJECTS + 10);
    /* A watch that waited through the install has missed nothing. */
    if (atomic_load(&w->ended) == 0) {
        await_count(w, 10);
    }
    watch_free(w);
    cluster_end(&c);
}

struct told {
    _Atomic int leads[4];
    _Atomic uint64_t term[4];
    _Atomic uint64_t changed[4];
};

static void on_lead(void *user, uint32_t shard, uint64_t term, uint64_t incarnation, uint64_t index)
{
    struct told *told = user;
    if (incarnation == 1 && index > 0) {
        atomic_fetch_add(&told->leads[shard], 1);
        atomic_store(&told->term[shard], term);
    }
}

static void on_unlead(void *user, uint32_t shard)
{
    struct told *told = user;
    atomic_fetch_sub(&told->leads[shard], 1);
}

static void on_change(void *user, uint32_t shard, uint64_t version)
{
    struct told *told = user;
    atomic_store(&told->changed[shard], version);
}

static void on_nothing(void *arg)
{
    (void)arg; /* having run, all before it has */
}

static void the_reconciler_is_told_of_leaderships_and_changes(void **state)
{
    (void)state;
    struct cluster c;
    struct err err;
    struct onloop loop;
    struct told told[3] = {0};
    struct node_hooks hooks[3];
    cluster_make(&c, 3, 3, 2);
    onloop_start(&loop);
    for (size_t i = 0; i < 3; i++) {
        hooks[i] = (struct node_hooks){.loop = &loop.loop,
                                       .user = &told[i],
                                       .on_lead = on_lead,
                                       .on_unlead = on_unlead,
                                       .on_change = on_change};
        assert_ok(member_start(&c, i, &hooks[i], &err), &err);
    }
    size_t leader = await_leader(&c, 1);
    uint64_t version = 0;
    make_organization(&c, leader, "acme");
    assert_int_equal(put(&c, leader,
                         (struct write){.verb = BACKEND_CREATE, .ns = "acme", .name = "x"},
                         &version),
                     0);
    uint64_t age = UINT64_MAX;
    for (int i = 0; i < 200 && age == UINT64_MAX; i++) {
        uv_sleep(10); /* the next heartbeat confirms */
        leader = await_leader(&c, 1);
        age = node_confirmed_age_ms(&c.members[leader].node, 1);
    }
    assert_in_range(age, 0, 1000);
    assert_true(node_confirmed_age_ms(&c.members[another(&c, leader)].node, 1) == UINT64_MAX);
    for (int i = 0; i < 500 && atomic_load(&told[leader].changed[1]) < version; i++) {
        uv_sleep(5);
    }
    assert_true(atomic_load(&told[leader].changed[1]) >= version);
    int leading = 0;
    for (size_t i = 0; i < 3; i++) {
        leading += atomic_load(&told[i].leads[1]);
    }
    assert_int_equal(leading, 1);
    cluster_stop(&c, leader, true);
    for (size_t i = 0; i < 3; i++) {
        if (i != leader) {
            cluster_stop(&c, i, false);
        }
    }
    for (size_t i = 0; i < 3; i++) { /* each on_lead has had its on_unlead */
        onloop_call(&loop, on_nothing, NULL);
        assert_int_equal(atomic_load(&told[i].leads[0]), 0);
        assert_int_equal(atomic_load(&told[i].leads[1]), 0);
    }
    onloop_stop(&loop);
    cluster_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_joins_from_an_image_and_another_is_removed),
        cmocka_unit_test(leaderships_that_move_at_any_step_hold_up_no_join_or_removal),
        cmocka_unit_test(a_loop_that_lets_go_hears_of_its_operations_first),
        cmocka_unit_test(a_sixth_node_stands_by),
        cmocka_unit_test(a_follower_that_fell_behind_is_given_an_image),
        cmocka_unit_test(the_reconciler_is_told_of_leaderships_and_changes),
    };
    cmocka_set_test_filter(getenv("CHOREO_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
