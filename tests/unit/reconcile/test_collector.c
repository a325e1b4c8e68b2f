/* The garbage collector where a backend waits and refuses, kinds come, databases cannot be read,
 * and there is much of everything. What real nodes make of it is in tests/unit/node/shard. */
#include "tests/unit/reconcile/collector_rig.h"

#include "base/json.h"

/* The job's item; NULL: there is none. */
static struct collector_item *item_of(struct rig *r, const char *key)
{
    return map_get(&r->collector.impl->items, slice_of(key));
}

/* ---- owners that are shown under two names ---- */

static void an_event_owns_by_either_name(void **state)
{
    struct rig *r = *state;
    rig_put_of(r, "events", "'apiVersion':'v1','kind':'Event'", "acme", "e", "");
    for (int i = 0; i < 2; i++) {
        rig_put(r, "acme", i == 0 ? "old" : "new",
                arena_printf(&r->arena,
                             "'ownerReferences':[{'apiVersion':'%s','kind':'Event','name':'e',"
                             "'uid':'u-e'}]",
                             i == 0 ? "v1" : "events.k8s.io/v1"));
    }
    rig_lead(r, 1);
    rig_until(r, rig_idle);
    assert_true(rig_has(r, "acme", "old") && rig_has(r, "acme", "new"));
    rig_drop_of(r, "events", "acme", "e");
    rig_until(r, rig_idle);
    assert_false(rig_has(r, "acme", "old") || rig_has(r, "acme", "new"));
}

/* ---- what fails ---- */

enum { REFUSALS_MAX = 30 };

static bool has_failed_as_often(struct rig *r)
{
    const struct collector_item *item = item_of(r, "configmaps/acme/x");
    return item == NULL || (item->failures == r->expected && !item->busy);
}

/* The object changes so often, and each time looking at it fails. */
static void fail_often(struct rig *r, const char *owner, uint32_t times)
{
    for (r->expected = 1; r->expected <= times; r->expected++) {
        rig_put(r, "acme", "x",
                arena_printf(&r->arena, "'labels':{'n':'%u'},%s", r->expected, owner));
        rig_until(r, has_failed_as_often);
    }
}

static void who_waits_for_a_leader_is_not_given_up(void **state)
{
    struct rig *r = *state;
    r->fails[0] = ERR_UNAVAILABLE;
    rig_lead(r, 1);
    fail_often(r, rig_owner(r, "", "top", true), REFUSALS_MAX + 1);
    assert_non_null(item_of(r, "configmaps/acme/x"));
    r->fails[0] = 0;
    rig_until(r, rig_idle);
    assert_false(rig_has(r, "acme", "x"));
}

static void who_is_refused_is_given_up_until_it_changes(void **state)
{
    struct rig *r = *state;
    const char *owner = rig_owner(r, "", "top", true);
    r->fails[1] = ERR_FORBIDDEN;
    rig_lead(r, 1);
    fail_often(r, owner, REFUSALS_MAX - 1);
    assert_non_null(item_of(r, "configmaps/acme/x"));
    fail_often(r, owner, 1);
    assert_null(item_of(r, "configmaps/acme/x"));
    r->fails[1] = 0;
    rig_put(r, "acme", "x", owner);
    rig_until(r, rig_idle);
    assert_false(rig_has(r, "acme", "x"));
}

static bool has_swept(struct rig *r)
{
    const struct collector_impl *c = r->collector.impl;
    return list_empty(&c->sweeps) && c->shards[0].at == r->dbs[0].state.last_version;
}

static void what_could_not_be_read_is_read_again(void **state)
{
    struct rig *r = *state;
    rig_put(r, "", "top", "");
    rig_put(r, "acme", "x", rig_owner(r, "", "top", true));
    rig_lead(r, 0);
    rig_lead(r, 1);
    rig_until(r, rig_idle);
    r->unreadable[1] = true;
    collector_on_reset(&r->collector, 1);
    rig_drop(r, "", "top");
    rig_until(r, has_swept);
    r->unreadable[1] = false;
    rig_until(r, rig_idle);
    assert_false(rig_has(r, "acme", "x"));
}

/* ---- kinds that come ---- */

static void publish(struct rig *r, const char *plural, const char *kind)
{
    json_t *tree = NULL;
    struct err err;
    char *text = arena_printf(
        &r->arena,
        "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition',"
        "'metadata':{'name':'%s.none.dev'},'spec':{'group':'none.dev','scope':'Namespaced',"
        "'names':{'plural':'%s','kind':'%s'},'versions':[{'name':'v1','served':true,"
        "'storage':true,'schema':{'openAPIV3Schema':{'type':'object'}}}]},"
        "'status':{'acceptedNames':{'plural':'%s','kind':'%s'},"
        "'conditions':[{'type':'Established','status':'True'}]}}",
        plural, plural, kind, plural, kind);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    assert_ok(json_parse(slice_of(text), &tree, &err), &err);
    crd_prepare(tree);
    struct crd *crd = crd_compile(tree, NULL);
    assert_non_null(crd);
    kind_board_publish(&r->board, &crd, 1);
    shared_value_unref(&crd->shared);
    json_decref(tree);
}

static bool x_is_gone(struct rig *r)
{
    return !rig_has(r, "acme", "x");
}

static bool none_is_undecided(struct rig *r)
{
    return !r->collector.impl->shards[1].undecided;
}

/* Two owners: one whose kind comes while the other is being confirmed. */
static void a_kind_that_comes_in_the_middle_decides(void **state)
{
    struct rig *r = *state;
    rig_put(r, "acme", "x",
            "'ownerReferences':[{'apiVersion':'none.dev/v1','kind':'None','name':'n','uid':'u-n'},"
            "{'apiVersion':'v1','kind':'ConfigMap','name':'gone','uid':'u-gone'}]");
    r->silent[1] = true;
    rig_lead(r, 1);
    rig_until(r, rig_holds_any);
    publish(r, "nones", "None");
    rig_answer(r);
    rig_until(r, x_is_gone);
}

/* Somebody looked with the kinds of before, and says so afterwards. */
static void who_saw_old_kinds_looks_again(void **state)
{
    struct rig *r = *state;
    const struct kind_set *old = kind_board_get(&r->board);
    rig_lead(r, 1);
    rig_until(r, rig_idle);
    publish(r, "nones", "None");
    collector__note_undecided(r->collector.impl, 1, old);
    kind_set_unref(old);
    rig_put(r, "acme", "y", "");
    rig_until(r, none_is_undecided);
}

/* ---- much of everything ---- */

static bool birch_is_done(struct rig *r)
{
    return !rig_has(r, "birch", "x");
}

static bool acme_waits(struct rig *r)
{
    return r->collector.impl->items.count >= COLLECTOR_ITEMS_MAX;
}

static bool acme_is_empty(struct rig *r)
{
    return r->collector.impl->later_count == 0 && rig_count(r, "acme") == 0;
}

static void those_who_wait_do_not_hold_up_others(void **state)
{
    struct rig *r = *state;
    enum { MANY = COLLECTOR_ITEMS_MAX + 500 };
    rig_put_many(r, "acme", "c", MANY, rig_owner(r, "", "lost", true), 1);
    rig_put(r, "birch", "b", "");
    rig_put(r, "birch", "x", rig_owner(r, "birch", "b", true));
    r->fails[0] = ERR_UNAVAILABLE;
    rig_lead(r, 1);
    rig_until(r, acme_waits);
    rig_lead(r, 2);
    rig_drop(r, "birch", "b");
    rig_until(r, birch_is_done);
    assert_int_equal(rig_count(r, "acme"), MANY);
    r->fails[0] = 0;
    rig_until(r, acme_is_empty); /* those that there was no room for, too */
}

enum { FEW = COLLECTOR_JOBS_MAX + 4 };

static bool few_have_failed_thrice(struct rig *r)
{
    const struct collector_impl *c = r->collector.impl;
    size_t failures = 0;
    LIST_FOREACH(link, &c->later)
    {
        failures += CONTAINER_OF(link, struct collector_item, link)->failures >= 3 ? 1 : 0;
    }
    return failures >= FEW - 1;
}

static bool few_have_failed(struct rig *r)
{
    return r->collector.impl->later_count == FEW;
}

/* A few need an answer of a shard, or of all, and get none: at first it is an error. */
static void keep_silent(struct rig *r, uint32_t lost, uint32_t asked)
{
    rig_put(r, "birch", "b", "");
    rig_put(r, "birch", "x", rig_owner(r, "birch", "b", true));
    r->fails[lost] = ERR_UNAVAILABLE;
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        if (i != lost) {
            rig_lead(r, i);
        }
    }
    rig_until(r, few_have_failed);
    r->silent[asked] = true;
    rig_until(r, few_have_failed_thrice);
    rig_drop(r, "birch", "b");
    rig_until(r, birch_is_done);
    r->fails[lost] = 0;
    rig_answer(r);
    rig_until(r, rig_idle);
}

/* A shard that does not answer at all holds one job, once that is known. */
static void silence_holds_up_nobody_else(void **state)
{
    struct rig *r = *state;
    rig_put_many(r, "acme", "c", FEW, rig_owner(r, "", "lost", true), 1);
    keep_silent(r, 0, 0);
    assert_int_equal(rig_count(r, "acme"), 0);
}

/* Owners of all namespaces wait for all shards. */
static void one_silent_shard_of_all_holds_up_nobody_else(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < FEW; i++) {
        rig_put(r, "", arena_printf(&r->arena, "top-%d", i),
                rig_held(r, i % 2 == 0 ? OBJECT_FINALIZER_FOREGROUND : OBJECT_FINALIZER_ORPHAN));
    }
    keep_silent(r, 1, RIG_SHARDS);
    assert_false(rig_has(r, "", "top-0") || rig_has(r, "", "top-1"));
}

/* Of all jobs under way; *searches: one of them is in the middle of a search. */
static size_t arenas_bytes(struct rig *r, bool *searches)
{
    size_t bytes = 0;
    *searches = false;
    LIST_FOREACH(link, &r->collector.impl->jobs)
    {
        const struct collector_job *job = CONTAINER_OF(link, struct collector_job, link);
        bytes += job->arena.used_bytes;
        *searches |= job->request == NULL && job->after.text != NULL;
    }
    return bytes;
}

static bool searches(struct rig *r)
{
    bool is;
    (void)arenas_bytes(r, &is);
    return is;
}

enum { DEPENDENTS = 3000, DEPENDENT_BYTES = 2000 };

/* "top" waits for "mid", whose many dependents are looked at before it goes, too. */
static void put_many_below(struct rig *r)
{
    rig_put(r, "acme", "top", rig_held(r, OBJECT_FINALIZER_FOREGROUND));
    rig_put(r, "acme", "mid", rig_owner(r, "acme", "top", true));
    rig_put_many(r, "acme", "d", DEPENDENTS, rig_owner(r, "acme", "mid", false), DEPENDENT_BYTES);
}

static void a_search_keeps_no_row(void **state)
{
    struct rig *r = *state;
    bool is;
    put_many_below(r);
    r->holds_writes = true;
    rig_lead(r, 1);
    rig_until(r, rig_holds_any);
    assert_true(arenas_bytes(r, &is) < 20 * DEPENDENT_BYTES);
    rig_answer(r);
    rig_until(r, rig_idle);
    assert_int_equal(rig_count(r, "acme"), 0);
}

static void a_search_takes_turns(void **state)
{
    struct rig *r = *state;
    put_many_below(r);
    rig_lead(r, 1);
    rig_until(r, searches);
    rig_until(r, rig_idle);
    assert_int_equal(rig_count(r, "acme"), 0);
}

/* ---- orphans ---- */

static void an_orphan_that_changes_meanwhile_is_orphaned_still(void **state)
{
    struct rig *r = *state;
    rig_put(r, "acme", "top", rig_held(r, OBJECT_FINALIZER_ORPHAN));
    rig_put(r, "acme", "x", rig_owner(r, "acme", "top", true));
    r->holds_writes = true;
    rig_lead(r, 1);
    rig_until(r, rig_holds_any);
    rig_put(r, "acme", "x",
            arena_printf(&r->arena, "'labels':{'a':'b'},%s", rig_owner(r, "acme", "top", true)));
    rig_answer(r);
    rig_until(r, rig_idle);
    assert_false(rig_has(r, "acme", "top"));
    assert_non_null(strstr(rig_body(r, "acme", "x"), "labels"));
    assert_null(strstr(rig_body(r, "acme", "x"), "ownerReferences"));
}

/* ---- stopping ---- */

static void nothing_begins_while_it_stops(void **state)
{
    struct rig *r = *state;
    rig_put(r, "acme", "top", rig_held(r, OBJECT_FINALIZER_ORPHAN));
    rig_put(r, "acme", "x", rig_owner(r, "acme", "top", true));
    r->holds_writes = true;
    r->deaf = true;
    rig_lead(r, 1);
    rig_until(r, rig_holds_any);
    size_t asked = r->asked[1];
    rig_stop(r);
    assert_int_equal(r->asked[1], asked);
    assert_null(strstr(rig_body(r, "acme", "x"), "ownerReferences"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_owns_by_either_name),
        TEST(who_waits_for_a_leader_is_not_given_up),
        TEST(who_is_refused_is_given_up_until_it_changes),
        TEST(what_could_not_be_read_is_read_again),
        TEST(a_kind_that_comes_in_the_middle_decides),
        TEST(who_saw_old_kinds_looks_again),
        TEST(silence_holds_up_nobody_else),
        TEST(one_silent_shard_of_all_holds_up_nobody_else),
        TEST(those_who_wait_do_not_hold_up_others),
        TEST(a_search_keeps_no_row),
        TEST(a_search_takes_turns),
        TEST(an_orphan_that_changes_meanwhile_is_orphaned_still),
        TEST(nothing_begins_while_it_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
