/* The garbage collector on real nodes: the three policies, owners near and far, circles, changes of
 * leaders. */
#include "tests/unit/node/shard/collect_rig.h"

#define BACKGROUND "{'propagationPolicy':'Background'}"
#define FOREGROUND "{'propagationPolicy':'Foreground'}"
#define ORPHAN "{'propagationPolicy':'Orphan'}"

/* An object that names these owners: refs are rig_ref()s, joined. */
static void make(struct rig *r, const char *ns, const char *name, const char *refs)
{
    const char *metadata =
        *refs == '\0' ? "" : arena_printf(&r->arena, "'ownerReferences':[%s]", refs);
    assert_int_equal(rig_create(r, ns, name, arena_printf(&r->arena, "u-%s", name), metadata), 0);
}

/* The same, and it does not go before somebody takes its finalizer off. */
static void make_held(struct rig *r, const char *ns, const char *name, const char *refs)
{
    const char *metadata =
        arena_printf(&r->arena, "'finalizers':['test.dev/hold'],'ownerReferences':[%s]", refs);
    assert_int_equal(rig_create(r, ns, name, arena_printf(&r->arena, "u-%s", name), metadata), 0);
}

static void begin(struct rig *r, size_t nodes)
{
    rig_begin(r, nodes, 4);
    make_organization(&r->c, 0, "acme");
    make_organization(&r->c, 0, "birch");
    assert_int_not_equal(node_shard_of(&r->c.members[0].node, SLICE("acme")),
                         node_shard_of(&r->c.members[0].node, SLICE("birch")));
}

static void background_takes_the_last_owners_dependents(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "a", "");
    make(&r, "acme", "b", "");
    make(&r, "acme", "only-a", rig_ref(&r, "acme", "a", "u-a", true));
    make(&r, "acme", "both",
         arena_printf(&r.arena, "%s,%s", rig_ref(&r, "acme", "a", "u-a", true),
                      rig_ref(&r, "acme", "b", "u-b", false)));
    make(&r, "acme", "third", rig_ref(&r, "acme", "only-a", "u-only-a", true));
    assert_int_equal(rig_delete(&r, "acme", "a", BACKGROUND), 0);
    rig_await(&r, "acme/b acme/both<u-b");
    /* An owner made anew under the same name is another. */
    make(&r, "acme", "c", rig_ref(&r, "acme", "b", "u-b", true));
    assert_int_equal(rig_delete(&r, "acme", "b", "{}"), 0);
    assert_int_equal(rig_create(&r, "acme", "b", "u-b2", ""), 0);
    rig_await(&r, "acme/b");
    rig_end(&r);
}

static void foreground_goes_from_the_leaves(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "a", "");
    make(&r, "acme", "b", rig_ref(&r, "acme", "a", "u-a", true));
    make(&r, "acme", "free", rig_ref(&r, "acme", "a", "u-a", false));
    make_held(&r, "acme", "c", rig_ref(&r, "acme", "b", "u-b", true));
    assert_int_equal(rig_delete(&r, "acme", "a", FOREGROUND), 0);
    rig_await(&r, "acme/a! acme/b!<u-a acme/c!<u-b"); /* c is held, and holds all above it */
    uv_sleep(1500);
    assert_string_equal(rig_text(&r), "acme/a! acme/b!<u-a acme/c!<u-b");
    assert_int_equal(rig_patch(&r, "acme", "c", "{'metadata':{'finalizers':null}}"), 0);
    rig_await(&r, "");
    rig_end(&r);
}

static void orphans_live(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "", "top", "");
    make(&r, "", "other", "");
    make(&r, "acme", "a",
         arena_printf(&r.arena, "%s,%s", rig_ref(&r, "", "top", "u-top", true),
                      rig_ref(&r, "", "other", "u-other", true)));
    make(&r, "birch", "b", rig_ref(&r, "", "top", "u-top", true));
    make(&r, "", "low", rig_ref(&r, "", "top", "u-top", true));
    assert_int_equal(rig_delete(&r, "", "top", ORPHAN), 0);
    rig_await(&r, "/low /other acme/a<u-other birch/b");
    uv_sleep(500);
    assert_string_equal(rig_text(&r), "/low /other acme/a<u-other birch/b");
    rig_end(&r);
}

static void go_from_other_shards(struct rig *r, const char *policy)
{
    /* Uids do not come back: others each time. */
    const char *top = arena_printf(&r->arena, "u-%s", strstr(policy, "Back") ? "top1" : "top2");
    const char *mid = arena_printf(&r->arena, "u-%s", strstr(policy, "Back") ? "mid1" : "mid2");
    assert_int_equal(rig_create(r, "", "top", top, ""), 0);
    assert_int_equal(rig_create(r, "acme", "mid", mid,
                                arena_printf(&r->arena, "'ownerReferences':[%s]",
                                             rig_ref(r, "", "top", top, true))),
                     0);
    make(r, "acme", "low", rig_ref(r, "acme", "mid", mid, true));
    make(r, "birch", "b", rig_ref(r, "", "top", top, true));
    assert_int_equal(rig_delete(r, "", "top", policy), 0);
    rig_await(r, "");
}

static void owners_and_dependents_in_other_shards(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    go_from_other_shards(&r, BACKGROUND);
    go_from_other_shards(&r, FOREGROUND);
    rig_end(&r);
}

static void references_that_lead_nowhere(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "a", "");
    make(&r, "acme", "unborn", rig_ref(&r, "acme", "gone", "u-gone", true));
    make(&r, "birch", "abroad", rig_ref(&r, "acme", "a", "u-a", true)); /* not in its namespace */
    make(&r, "acme", "wrong", rig_ref(&r, "acme", "a", "u-other", true));
    make(&r, "", "low", rig_ref(&r, "acme", "nobody", "u-nobody", true)); /* not valid */
    make(&r, "acme", "strange",
         "{'apiVersion':'none.dev/v1','kind':'None','name':'n','uid':'u-n'}");
    rig_await(&r, "/low<u-nobody acme/a acme/strange<u-n");
    assert_int_equal(rig_delete(&r, "acme", "a", "{}"), 0);
    rig_await(&r, "/low<u-nobody acme/strange<u-n");
    rig_end(&r);
}

static void a_kind_that_comes_decides(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "strange",
         "{'apiVersion':'none.dev/v1','kind':'None','name':'n','uid':'u-n'}");
    uv_sleep(1500);
    assert_string_equal(rig_text(&r), "acme/strange<u-n");
    /* Another set of kinds, in which that one is known: its object does not exist. */
    struct kind_registry more;
    struct kind_board board;
    const struct kind *none;
    struct err err;
    rig_stop_node(&r, 0, true);
    kind_registry_init(&more);
    kind_registry_builtin(&more);
    assert_ok(kind_registry_define(&more, SLICE("none.dev"), SLICE("v1"), SLICE("None"),
                                   SLICE("nones"), true, &none, &err),
              &err);
    kind_board_init(&board, &more);
    r.serves = &board;
    rig_start_node(&r, 0);
    rig_await(&r, "");
    rig_stop_node(&r, 0, true);
    rig_end(&r);
    kind_board_free(&board);
    kind_registry_free(&more);
}

static void break_circle(struct rig *r, const char *a, const char *b, const char *c,
                         const char *policy)
{
    struct arena *arena = &r->arena;
    make(r, "acme", a, "");
    make(r, "acme", b, rig_ref(r, "acme", a, arena_printf(arena, "u-%s", a), true));
    make(r, "acme", c, rig_ref(r, "acme", b, arena_printf(arena, "u-%s", b), true));
    const char *last = rig_ref(r, "acme", c, arena_printf(arena, "u-%s", c), true);
    assert_int_equal(
        rig_patch(r, "acme", a, arena_printf(arena, "{'metadata':{'ownerReferences':[%s]}}", last)),
        0);
    rig_await(r, arena_printf(arena, "acme/%s<u-%s acme/%s<u-%s acme/%s<u-%s", a, c, b, a, c, b));
    assert_int_equal(rig_delete(r, "acme", b, policy), 0);
    rig_await(r, "");
}

/* Nobody owns them but they. */
static void circles(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    break_circle(&r, "a", "b", "c", BACKGROUND);
    break_circle(&r, "x", "y", "z", FOREGROUND);
    rig_end(&r);
}

/* Each asked for by itself, so that none is told by the other to go. */
static void circles_of_those_who_wait(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "self", "");
    assert_int_equal(rig_patch(&r, "acme", "self",
                               arena_printf(&r.arena, "{'metadata':{'ownerReferences':[%s]}}",
                                            rig_ref(&r, "acme", "self", "u-self", true))),
                     0);
    assert_int_equal(rig_delete(&r, "acme", "self", FOREGROUND), 0);
    rig_await(&r, "");
    make(&r, "acme", "a", "");
    make(&r, "acme", "b", rig_ref(&r, "acme", "a", "u-a", true));
    make_held(&r, "acme", "hold", rig_ref(&r, "acme", "b", "u-b", true));
    assert_int_equal(rig_delete(&r, "acme", "a", FOREGROUND), 0);
    rig_await(&r, "acme/a! acme/b!<u-a acme/hold!<u-b");
    assert_int_equal(rig_patch(&r, "acme", "a",
                               arena_printf(&r.arena, "{'metadata':{'ownerReferences':[%s]}}",
                                            rig_ref(&r, "acme", "b", "u-b", true))),
                     0);
    assert_int_equal(rig_patch(&r, "acme", "hold", "{'metadata':{'finalizers':null}}"), 0);
    rig_await(&r, "");
    rig_end(&r);
}

static void another_way_while_it_waits(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "a", "");
    make_held(&r, "acme", "b", rig_ref(&r, "acme", "a", "u-a", true));
    assert_int_equal(rig_delete(&r, "acme", "a", FOREGROUND), 0);
    rig_await(&r, "acme/a! acme/b!<u-a");
    assert_int_equal(rig_delete(&r, "acme", "a", ORPHAN), 0);
    rig_await(&r, "acme/b!");
    rig_end(&r);
}

/* Many dependents, and the leaders of both shards killed or moved while they go. */
static void leaders_come_and_go(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 3);
    enum { MANY = 150 };
    make(&r, "", "top", "");
    make(&r, "acme", "a", rig_ref(&r, "", "top", "u-top", true));
    for (int i = 0; i < MANY; i++) {
        make(&r, "acme", arena_printf(&r.arena, "c-%d", i), rig_ref(&r, "acme", "a", "u-a", true));
    }
    make(&r, "acme", "stays", "");
    uint32_t shard = node_shard_of(&r.c.members[0].node, SLICE("acme"));
    assert_int_equal(rig_delete(&r, "", "top", FOREGROUND), 0);
    size_t leader = await_leader(&r.c, shard);
    (void)transfer(&r.c, leader, shard, another(&r.c, leader));
    size_t killed = await_leader(&r.c, shard);
    rig_stop_node(&r, killed, false);
    rig_await(&r, "acme/stays");
    rig_start_node(&r, killed);
    leader = await_leader(&r.c, 0);
    make(&r, "acme", "b", rig_ref(&r, "", "top2", "u-top2", true));
    (void)transfer(&r.c, leader, 0, another(&r.c, leader));
    rig_await(&r, "acme/stays");
    rig_end(&r);
}

/* What happened while nobody collected is found by the next leader. */
static void a_new_leader_finds_what_is_due(void **state)
{
    (void)state;
    struct rig r;
    begin(&r, 1);
    make(&r, "acme", "a", "");
    make(&r, "acme", "b", rig_ref(&r, "acme", "a", "u-a", true));
    make(&r, "acme", "w", "");
    make(&r, "acme", "wb", rig_ref(&r, "acme", "w", "u-w", true));
    make(&r, "acme", "o", "");
    make(&r, "acme", "ob", rig_ref(&r, "acme", "o", "u-o", true));
    rig_await(&r, "acme/a acme/b<u-a acme/o acme/ob<u-o acme/w acme/wb<u-w");
    rig_stop_node(&r, 0, true);
    cluster_start(&r.c, 0); /* without a collector */
    (void)await_leader(&r.c, node_shard_of(&r.c.members[0].node, SLICE("acme")));
    assert_int_equal(rig_delete(&r, "acme", "a", BACKGROUND), 0);
    assert_int_equal(rig_delete(&r, "acme", "w", FOREGROUND), 0);
    assert_int_equal(rig_delete(&r, "acme", "o", ORPHAN), 0);
    uv_sleep(300);
    assert_string_equal(rig_text(&r), "acme/b<u-a acme/o! acme/ob<u-o acme/w! acme/wb<u-w");
    cluster_stop(&r.c, 0, true);
    rig_start_node(&r, 0);
    rig_await(&r, "acme/ob");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(background_takes_the_last_owners_dependents),
        cmocka_unit_test(foreground_goes_from_the_leaves),
        cmocka_unit_test(orphans_live),
        cmocka_unit_test(owners_and_dependents_in_other_shards),
        cmocka_unit_test(references_that_lead_nowhere),
        cmocka_unit_test(a_kind_that_comes_decides),
        cmocka_unit_test(circles),
        cmocka_unit_test(circles_of_those_who_wait),
        cmocka_unit_test(another_way_while_it_waits),
        cmocka_unit_test(leaders_come_and_go),
        cmocka_unit_test(a_new_leader_finds_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
