/* What pipelines, bindings and releases say about where a release may go. */
#include "tests/unit/proto/fixture.h"

#include "proto/promotion.h"

#define PIPELINE                                                                                   \
    "{'metadata':{'name':'p'},'spec':{'promotionPaths':["                                          \
    "{'sourceEnvironmentRef':{'name':'dev'},'targetEnvironmentRefs':[{'name':'qa'},{'name':"       \
    "'prod','requiresApproval':true,'approverGroups':['a','b']}]},"                                \
    "{'sourceEnvironmentRef':{'name':'qa'},'targetEnvironmentRefs':[{'name':'prod'}]}]}}"

static void edges_are_found_both_ways(void **state)
{
    struct fixture *f = *state;
    const json_t *p = tree(f, PIPELINE);
    struct promotion_edge edge = {0};
    assert_true(promotion_next_to(p, SLICE("prod"), &edge));
    assert_slice(edge.source, "dev");
    assert_true(json_is_true(json_object_get(edge.target, "requiresApproval")));
    assert_true(promotion_next_to(p, SLICE("prod"), &edge));
    assert_slice(edge.source, "qa");
    assert_false(promotion_next_to(p, SLICE("prod"), &edge));
    edge = (struct promotion_edge){0};
    assert_true(promotion_next_from(p, SLICE("dev"), &edge));
    assert_slice(json_text_at(edge.target, "name"), "qa");
    assert_true(promotion_next_from(p, SLICE("dev"), &edge));
    assert_slice(json_text_at(edge.target, "name"), "prod");
    assert_false(promotion_next_from(p, SLICE("dev"), &edge));
    edge = (struct promotion_edge){0};
    assert_false(promotion_next_from(p, SLICE("prod"), &edge));
    assert_false(promotion_next_to(p, SLICE(""), &edge));
    assert_false(promotion_next_to(NULL, SLICE("qa"), &edge));
}

static void it_starts_where_nothing_leads_to(void **state)
{
    struct fixture *f = *state;
    const json_t *p = tree(f, PIPELINE);
    assert_true(promotion_starts_in(p, SLICE("dev")));
    assert_false(promotion_starts_in(p, SLICE("qa")));
    assert_false(promotion_starts_in(p, SLICE("prod")));
    assert_false(promotion_starts_in(p, SLICE("elsewhere")));
    assert_false(promotion_starts_in(p, SLICE("")));
    const json_t *circle =
        tree(f, "{'spec':{'promotionPaths':[{'sourceEnvironmentRef':{'name':'a'},"
                "'targetEnvironmentRefs':[{'name':'a'}]}]}}");
    assert_false(promotion_starts_in(circle, SLICE("a")));
}

static const char *refusal(struct fixture *f, const char *bindings, const char *environment,
                           const char **reason)
{
    struct buf why = {0};
    const char *kept = NULL;
    *reason = NULL;
    if (promotion_refused(tree(f, PIPELINE), tree(f, bindings), slice_of(environment), SLICE("r"),
                          SLICE("u1"), &why, reason)) {
        kept = arena_cstr(&f->arena, buf_slice(&why));
    }
    buf_free(&why);
    return kept;
}

static void what_cannot_be_is_refused_and_says_why(void **state)
{
    struct fixture *f = *state;
    const char *reason;
    const char *ran = "[{'spec':{'environment':'qa'},'status':{'history':[{'release':'r',"
                      "'healthyAt':'2026-01-01T00:00:00Z','healthySince':'2026-01-01T00:00:00Z',"
                      "'endedAt':'2026-01-02T00:00:00Z','outcome':'Superseded'}]}}]";
    const char *tried = "[{'spec':{'environment':'qa'},'status':{'history':[{'release':'r'}]}}]";
    const char *was = "[{'spec':{'environment':'prod'},'status':{'history':[{'release':'r',"
                      "'healthyAt':'2026-01-01T00:00:00Z'}]}}]";
    const char *another = "[{'spec':{'environment':'qa'},'status':{'history':[{'release':'r',"
                          "'uid':'u0','healthyAt':'2026-01-01T00:00:00Z'}]}}]";
    const char *same = "[{'spec':{'environment':'qa'},'status':{'history':[{'release':'r',"
                       "'uid':'u1','healthyAt':'2026-01-01T00:00:00Z'}]}}]";
    assert_non_null(refusal(f, another, "prod", &reason)); /* of that name, made anew */
    assert_null(refusal(f, same, "prod", &reason));
    assert_null(refusal(f, "[]", "dev", &reason));
    assert_null(refusal(f, ran, "prod", &reason));
    assert_null(refusal(f, was, "prod", &reason));
    assert_string_equal(refusal(f, tried, "prod", &reason),
                        "release \"r\" has never been healthy in \"dev\" or \"qa\", from where "
                        "pipeline \"p\" leads to \"prod\": deploy it there first");
    assert_string_equal(reason, "NotProven");
    assert_string_equal(refusal(f, ran, "moon", &reason),
                        "pipeline \"p\" does not lead to environment \"moon\": it goes dev -> qa, "
                        "dev -> prod, qa -> prod");
    assert_string_equal(reason, "NotReached");
}

static void of_two_bindings_the_older_counts(void **state)
{
    struct fixture *f = *state;
#define MADE(name, at)                                                                             \
    "{'metadata':{'name':'" name "','creationTimestamp':'" at "'},'spec':{'environment':'qa'}}"
    const json_t *bindings = tree(f, "[" MADE("a", "2:00") "," MADE("c", "1:00") "," //
                                  MADE("b", "1:00") ",{'spec':{'environment':'prod'}}]");
    assert_slice(object_name(promotion_binding_in(bindings, SLICE("qa"))), "b");
    assert_null(promotion_binding_in(bindings, SLICE("dev")));
}

/* A rollout of r that was healthy from 1:00, and what else there is to say of it. */
#define ROLLOUT(more) "{'release':'r','healthyAt':'1:00'," more "}"

static const char *in_qa(struct fixture *f, const char *history)
{
    return arena_printf(&f->arena, "[{'spec':{'environment':'qa'},'status':{'history':[%s]}}]",
                        history);
}

static void what_was_taken_back_proves_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *history;
        const char *why; /* before PROVES; NULL: it is proven */
    } cases[] = {
        {ROLLOUT("'healthySince':'1:00','outcome':'Healthy'"), NULL},
        {ROLLOUT("'outcome':'Healthy'"), NULL}, /* it runs there still */
        {ROLLOUT("'healthySince':'1:00','endedAt':'2:00','outcome':'Superseded'"), NULL},
        {ROLLOUT("'healthySince':'1:00','endedAt':'2:00','outcome':'RolledBack'"),
         "was taken back in \"qa\" at 2:00"},
        {ROLLOUT("'endedAt':'2:00','outcome':'Superseded'"),
         "was not healthy in \"qa\" when another came in its place at 2:00"},
        {ROLLOUT("'healthySince':'1:00','outcome':'Failed'"),
         "failed in \"qa\" (it was not healthy by its deadline)"},
        {ROLLOUT("'healthySince':'1:00','outcome':'Failed','cause':'failed a test'"),
         "failed in \"qa\" (it failed a test)"},
        /* the newest rollout counts alone */
        {ROLLOUT("'healthySince':'1:00','endedAt':'2:00','outcome':'RolledBack'") "," //
         ROLLOUT("'healthySince':'0:30','endedAt':'0:50','outcome':'Superseded'"),
         "was taken back in \"qa\" at 2:00"},
        {ROLLOUT("'healthySince':'1:00','outcome':'Healthy'") "," //
         ROLLOUT("'healthySince':'0:30','endedAt':'0:50','outcome':'RolledBack'"),
         NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reason;
        const char *why = refusal(f, in_qa(f, cases[i].history), "prod", &reason);
        if (cases[i].why == NULL) {
            assert_null(why);
            continue;
        }
        assert_string_equal(
            why, arena_printf(&f->arena,
                              "release \"r\" %s, so that it had been healthy there proves "
                              "nothing: deploy it there again before it goes on to \"prod\"",
                              cases[i].why));
        assert_string_equal(reason, "NotProven");
    }
    const char *reason;
    const char *again = in_qa(f, "{'release':'r','startedAt':'3:00','outcome':'Progressing'}," //
                              ROLLOUT("'endedAt':'2:00','outcome':'RolledBack'"));
    assert_string_equal(refusal(f, again, "prod", &reason),
                        "release \"r\" has not been healthy in \"qa\" since it was deployed there "
                        "again at 3:00: it may go on to \"prod\" once it is");
}

static void what_is_undeployed_proves_nothing(void **state)
{
    struct fixture *f = *state;
#define UNDEPLOYED(history)                                                                        \
    "[{'spec':{'environment':'qa','state':'Undeploy'},'status':{'history':[" history "]}}]"
    const char *reason;
    const char *gone = UNDEPLOYED(ROLLOUT("'outcome':'Healthy'"));
    const char *before = UNDEPLOYED("{'release':'q'}," ROLLOUT(
        "'healthySince':'1:00','endedAt':'2:00','outcome':'Superseded'"));
    assert_string_equal(refusal(f, gone, "prod", &reason),
                        "release \"r\" is undeployed in \"qa\", so that it had been healthy there "
                        "proves nothing: deploy it there again before it goes on to \"prod\"");
    assert_null(refusal(f, before, "prod", &reason));
}

static void what_is_proven_anew_is_so_since_then(void **state)
{
    struct fixture *f = *state;
    const json_t *once = tree(f, "{'status':{'history':[{'release':'r','startedAt':'3:00'},"
                                 "{'release':'r','endedAt':'2:00','outcome':'Superseded'}]}}");
    const json_t *anew = tree(f, "{'status':{'history':[{'release':'r','startedAt':'3:00'},"
                                 "{'release':'q','endedAt':'3:00','outcome':'Superseded'},"
                                 "{'release':'r','endedAt':'2:00','outcome':'Superseded'},"
                                 "{'release':'r','endedAt':'1:00','outcome':'RolledBack'}]}}");
    assert_slice(promotion_proven_anew(once, SLICE("r"), SLICE("")), "");
    assert_slice(promotion_proven_anew(anew, SLICE("r"), SLICE("")), "3:00");
    assert_slice(promotion_proven_anew(anew, SLICE("q"), SLICE("")), "");
    assert_slice(promotion_proven_anew(NULL, SLICE("r"), SLICE("")), "");
}

/* "a b" of a history: the releases to go back to from r, one after another. */
static const char *ways_back(struct fixture *f, const char *history)
{
    const json_t *binding =
        tree(f, arena_printf(&f->arena, "{'status':{'history':[%s]}}", history));
    const char *told = "";
    size_t at = 0;
    const json_t *back;
    while ((back = promotion_next_back(binding, SLICE("r"), &at)) != NULL) {
        told = arena_printf(&f->arena, "%s%s%.*s", told, told[0] != '\0' ? " " : "",
                            SLICE_ARG(json_text_at(back, "release")));
    }
    return told;
}

static void what_was_taken_back_is_no_way_back(void **state)
{
    struct fixture *f = *state;
#define NOW "{'release':'r','healthyAt':'9:00'},"
#define WAS(release, more) "{'release':'" release "','endedAt':'2:00'," more "}"
#define WELL "'healthyAt':'1:00','healthySince':'1:00'"
    static const struct {
        const char *history;
        const char *ways;
    } cases[] = {
        {NOW WAS("a", WELL ",'outcome':'Superseded'"), "a"},
        {NOW WAS("a", WELL ",'outcome':'RolledBack'"), ""},
        {NOW WAS("a", WELL ",'outcome':'Failed'"), ""},
        {NOW WAS("a", "'outcome':'Superseded'"), ""},
        {NOW WAS("r", WELL ",'outcome':'Superseded'"), ""},
        /* what was unwell when another came is better than nothing */
        {NOW WAS("a", "'healthyAt':'1:00'") "," WAS("b", WELL) "," WAS("c", "'healthyAt':'1:00'"),
         "b a c"},
        /* the last word counts, which is none of what never came to anything */
        {NOW WAS("a", "'outcome':'RolledBack'") "," WAS("a", WELL) "," WAS("b", WELL), "b"},
        {NOW WAS("a", WELL) "," WAS("a", WELL ",'outcome':'RolledBack'"), "a"},
        {NOW WAS("a", "'outcome':'Superseded'") "," WAS("a", WELL), "a"},
        {NOW WAS("a", "'uid':'2','outcome':'RolledBack'") "," WAS("a", "'uid':'1'," WELL), "a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(ways_back(f, cases[i].history), cases[i].ways);
    }
    assert_string_equal(ways_back(f, ""), "");
}

static void authors_are_whole_names(void **state)
{
    struct fixture *f = *state;
    json_t *o = tree(f, "{'metadata':{}}");
    assert_false(promotion_is_author(o, SLICE("")));
    promotion_add_author(o, SLICE("a\",\"b"), true);
    assert_true(promotion_is_author(o, SLICE("a\",\"b")));
    assert_false(promotion_is_author(o, SLICE("a")));
    assert_false(promotion_is_author(o, SLICE("b")));
    promotion_add_author(o, SLICE("c"), false);
    assert_slice(promotion_last_author(&f->arena, o), "c");
    promotion_add_author(o, SLICE("d"), true);
    assert_false(promotion_is_author(o, SLICE("c")));
    assert_false(promotion_is_author(tree(f, "{'metadata':{'annotations':{'choreo.dev/authors':"
                                             "'no list'}}}"),
                                     SLICE("no list")));
}

static void add_authors(struct fixture *f, json_t *object, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        promotion_add_author(object, slice_of(arena_printf(&f->arena, "u%zu", i)), false);
    }
}

static void of_more_authors_than_can_be_named_anybody_is_one(void **state)
{
    struct fixture *f = *state;
    json_t *o = tree(f, "{'metadata':{}}");
    add_authors(f, o, PROMOTION_AUTHORS_MAX);
    assert_true(promotion_is_author(o, SLICE("u0")));
    assert_false(promotion_is_author(o, SLICE("somebody")));
    for (size_t round = 0; round < 2; round++) {
        add_authors(f, o, PROMOTION_AUTHORS_MAX + 1);
        assert_true(promotion_is_author(o, SLICE("u0")));
        assert_true(promotion_is_author(o, SLICE("somebody")));
        assert_false(promotion_is_author(o, SLICE("")));
        assert_slice(promotion_last_author(&f->arena, o), "u64");
    }
    json_t *next = tree(f, "{'metadata':{}}");
    assert_true(promotion_inherit_authors(next, o));
    assert_true(promotion_is_author_before(next, SLICE("somebody")));
    promotion_add_author(o, SLICE("v"), true); /* since the last release */
    assert_false(promotion_is_author(o, SLICE("somebody")));
}

static void authors_are_inherited_where_there_is_room(void **state)
{
    struct fixture *f = *state;
    json_t *gone = tree(f, "{'metadata':{}}");
    json_t *next = tree(f, "{'metadata':{}}");
    add_authors(f, gone, PROMOTION_AUTHORS_MAX);
    assert_true(promotion_has_room(next, gone));
    assert_true(promotion_inherit_authors(next, gone));
    assert_true(promotion_has_room(next, gone)); /* it tells of them already */
    promotion_add_author(gone, SLICE("alice"), true);
    assert_false(promotion_has_room(next, gone));
    promotion_add_author(next, SLICE("alice"), true);
    assert_true(promotion_has_room(next, gone));
}

static void authors_are_inherited_once(void **state)
{
    struct fixture *f = *state;
    json_t *gone = tree(f, "{'metadata':{}}");
    json_t *next = tree(f, "{'metadata':{}}");
    assert_false(promotion_inherit_authors(next, gone));
    promotion_add_author(gone, SLICE("alice"), true);
    promotion_add_author(gone, SLICE("bob"), false);
    promotion_add_author(next, SLICE("bob"), true);
    assert_true(promotion_inherit_authors(next, gone));
    assert_false(promotion_inherit_authors(next, gone));
    assert_true(promotion_is_author_before(next, SLICE("alice")));
    assert_false(promotion_is_author_before(next, SLICE("bob")));
    assert_false(promotion_is_author(next, SLICE("alice")));
    json_t *last = tree(f, "{'metadata':{}}");
    assert_true(promotion_inherit_authors(last, next));
    assert_true(promotion_is_author_before(last, SLICE("alice")));
    assert_true(promotion_is_author_before(last, SLICE("bob")));
    assert_false(promotion_is_author_before(last, SLICE("")));
}

static void groups_approve_and_administrators_by_default(void **state)
{
    struct fixture *f = *state;
    const json_t *some = tree(f, "{'approverGroups':['a','b']}");
    const json_t *none = tree(f, "{}");
    struct buf who = {0};
    assert_true(promotion_may_approve(some, tree(f, "['x','b']")));
    assert_false(promotion_may_approve(some, tree(f, "['system:masters']")));
    assert_false(promotion_may_approve(some, NULL));
    assert_true(promotion_may_approve(none, tree(f, "['system:masters']")));
    assert_false(promotion_may_approve(none, tree(f, "['a']")));
    promotion_approvers(some, &who);
    buf_add_char(&who, '|');
    promotion_approvers(none, &who);
    assert_slice(buf_slice(&who), "one of the groups \"a\", \"b\"|group \"system:masters\"");
    buf_free(&who);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(edges_are_found_both_ways),
        TEST(it_starts_where_nothing_leads_to),
        TEST(what_cannot_be_is_refused_and_says_why),
        TEST(of_two_bindings_the_older_counts),
        TEST(what_was_taken_back_proves_nothing),
        TEST(what_is_undeployed_proves_nothing),
        TEST(what_is_proven_anew_is_so_since_then),
        TEST(what_was_taken_back_is_no_way_back),
        TEST(authors_are_whole_names),
        TEST(of_more_authors_than_can_be_named_anybody_is_one),
        TEST(authors_are_inherited_where_there_is_room),
        TEST(authors_are_inherited_once),
        TEST(groups_approve_and_administrators_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
