/* Where leaders should be: the object's bytes, and real nodes whose leaderships go there, come back
 * when the region does, and stay where they are when nobody is there. */
#include "node/shard/preferences.h"

#include "tests/unit/node/shard/cluster.h"

enum { SHARDS = 2 };

/* ---- bytes ---- */

static struct slice edit(struct buf *body, uint32_t shard, const char *region, bool expect_changed)
{
    struct buf out = {0};
    struct err err;
    uint32_t splice = 0;
    bool changed = false;
    assert_ok(preferences_edit(buf_slice(body), UINT64_C(1767323045000), shard, region, &out,
                               &splice, &changed, &err),
              &err);
    assert_int_equal(changed, expect_changed);
    buf_free(body);
    *body = out;
    return buf_slice(body);
}

static void preferences_are_kept_by_shard(void **state)
{
    (void)state;
    struct buf body = {0};
    struct err err;
    preferences_region regions[3];
    (void)edit(&body, 1, "eu-west-1", true);
    (void)edit(&body, 2, "us-east-1", true);
    struct slice uid;
    struct slice again;
    assert_true(json_scan(buf_slice(&body), &uid, "metadata", "uid", NULL));
    char first[64];
    (void)snprintf(first, sizeof(first), "%.*s", SLICE_ARG(uid));
    assert_ok(preferences_parse(edit(&body, 2, "us-east-1", false), regions, 3, &err), &err);
    assert_string_equal(regions[0], "");
    assert_string_equal(regions[1], "eu-west-1");
    assert_string_equal(regions[2], "us-east-1");
    assert_ok(preferences_parse(edit(&body, 1, "", true), regions, 3, &err), &err);
    assert_string_equal(regions[1], "");
    assert_true(json_scan(buf_slice(&body), &again, "metadata", "uid", NULL));
    assert_true(slice_eq_cstr(again, first)); /* the same object, changed */
    /* Of another cluster's size, or with nonsense in it: what makes sense is taken. */
    assert_ok(preferences_parse(SLICE("{\"metadata\":{},\"spec\":{\"regions\":{\"1\":\"a\","
                                      "\"7\":\"b\",\"x\":\"c\",\"0\":5}}}"),
                                regions, 3, &err),
              &err);
    assert_string_equal(regions[0], "");
    assert_string_equal(regions[1], "a");
    buf_free(&body);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err err;
    uint32_t splice;
    bool changed;
    preferences_region regions[2] = {"kept", ""};
    assert_int_equal(preferences_parse(SLICE("[]"), regions, 2, &err), ERR_CORRUPT);
    assert_string_equal(regions[0], "kept");
    assert_int_equal(preferences_edit(SLICE("{"), 0, 1, "a", &out, &splice, &changed, &err),
                     ERR_CORRUPT);
    assert_int_equal(preferences_edit(SLICE("{\"metadata\":{},\"spec\":{\"regions\":[]}}"), 0, 1,
                                      "a", &out, &splice, &changed, &err),
                     ERR_CORRUPT);
    buf_free(&out);
}

/* ---- nodes ---- */

static int prefer(struct cluster *c, size_t i, uint32_t shard, const char *region)
{
    struct node_op op = op_for(&c->members[i]);
    node_prefer(&c->members[i].node, &op, shard, region);
    op_wait(&op, "a preference");
    return op.rc;
}

static void await_members(struct cluster *c, size_t count)
{
    for (int waited = 0; waited < CLUSTER_WAIT_MS; waited += 50) {
        struct node_status status;
        node_status(&c->members[0].node, &status);
        size_t members = status.member_count;
        free(status.shards);
        if (members == count) {
            return;
        }
        uv_sleep(50);
    }
    fail_msg("the members are not known");
}

static void start_all(struct cluster *c)
{
    cluster_make(c, 3, 3, SHARDS);
    for (size_t i = 0; i < 3; i++) {
        cluster_start(c, i);
    }
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        (void)await_leader(c, shard);
    }
    await_members(c, 3);
}

/* Leads that node the shard within some seconds, and still a while later? */
static void expect_leader(struct cluster *c, uint32_t shard, size_t node)
{
    int at_rest = 0;
    for (int waited = 0; waited < 2 * CLUSTER_WAIT_MS && at_rest < 40; waited += 50) {
        at_rest = leader_of(c, shard) == node ? at_rest + 1 : 0;
        uv_sleep(50);
    }
    assert_true(at_rest == 40);
}

static void expect_told(struct cluster *c, uint32_t shard, const char *region)
{
    for (size_t i = 0; i < c->count; i++) {
        bool told = false;
        for (int waited = 0; waited < CLUSTER_WAIT_MS && !told; waited += 20) {
            struct node_status status;
            node_status(&c->members[i].node, &status);
            told = strcmp(status.shards[shard].prefers, region) == 0;
            free(status.shards);
            uv_sleep(20);
        }
        assert_true(told);
    }
}

static void leaders_go_where_they_are_wanted(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c);
    assert_int_equal(prefer(&c, 0, 0, "region-9"), ERR_NOT_FOUND);
    /* Both to the same region, whoever is asked: to be spread is worth less. */
    assert_int_equal(prefer(&c, 0, 0, "region-3"), 0);
    assert_int_equal(prefer(&c, 1, 1, "region-3"), 0);
    assert_int_equal(prefer(&c, 2, 1, "region-3"), 0); /* says nothing new */
    expect_told(&c, 0, "region-3");
    expect_told(&c, 1, "region-3");
    expect_leader(&c, 0, 2);
    expect_leader(&c, 1, 2);
    /* What prefers nothing any more is spread again. */
    assert_int_equal(prefer(&c, 0, 1, ""), 0);
    expect_told(&c, 1, "");
    for (int waited = 0; waited < CLUSTER_WAIT_MS && leader_of(&c, 1) == 2; waited += 50) {
        uv_sleep(50);
    }
    assert_int_not_equal(leader_of(&c, 1), 2);
    expect_leader(&c, 0, 2);
    cluster_end(&c);
}

static void a_region_that_comes_back_leads_again(void **state)
{
    (void)state;
    struct cluster c;
    start_all(&c);
    assert_int_equal(prefer(&c, 0, 1, "region-2"), 0);
    expect_leader(&c, 1, 1);
    cluster_stop(&c, 1, false);
    size_t other = await_leader(&c, 1);
    assert_int_not_equal(other, 1);
    assert_int_equal(
        put(&c, 0, (struct write){.verb = BACKEND_CREATE, .ns = "default", .name = "a"}, NULL), 0);
    cluster_start(&c, 1);
    expect_leader(&c, 1, 1);
    expect_told(&c, 1, "region-2"); /* read from its own disk, or from the others */
    cluster_end(&c);
}

static uint64_t term_of(struct cluster *c)
{
    struct node_status status;
    node_status(&c->members[0].node, &status);
    uint64_t term = status.shards[0].term;
    free(status.shards);
    return term;
}

/* Five vote, the sixth stands by: its region has nobody who could lead. */
static void a_region_without_voters_does_not_lead(void **state)
{
    (void)state;
    struct cluster c;
    cluster_make(&c, 6, 5, 1);
    for (size_t i = 0; i < 6; i++) {
        cluster_start(&c, i);
    }
    (void)await_leader(&c, 0);
    struct node_op op = op_for(&c.members[0]);
    node_join(&c.members[0].node, &op, &c.members[5].info);
    op_wait(&op, "a join");
    assert_int_equal(op.rc, 0);
    await_members(&c, 6);
    size_t leader = await_leader(&c, 0);
    uint64_t term = term_of(&c);
    assert_int_equal(prefer(&c, 0, 0, "region-6"), 0);
    expect_told(&c, 0, "region-6");
    uv_sleep(7000);
    assert_int_equal(leader_of(&c, 0), leader);
    assert_true(term_of(&c) == term); /* it was not even tried */
    cluster_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences_are_kept_by_shard),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(leaders_go_where_they_are_wanted),
        cmocka_unit_test(a_region_that_comes_back_leads_again),
        cmocka_unit_test(a_region_without_voters_does_not_lead),
    };
    cmocka_set_test_filter(getenv("CHOREO_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
