/* What test_placement.c shows: who qualifies, who is chosen, and that a choice holds still. The
 * property test prints its seed; CHOREO_SEED replays it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "render/placement.h"

struct fixture {
    struct arena arena;
    json_t *plane;
    json_t *placement;
    json_t *before;
    json_t *lost;
    struct placement out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    arena_init(&f->arena);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->plane);
    json_decref(f->placement);
    json_decref(f->before);
    json_decref(f->lost);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static json_t *tree(const char *json)
{
    json_t *t = NULL;
    struct err err;
    assert_ok(json_parse(slice_of(json), &t, &err), &err);
    return t;
}

/* The names of what is chosen, joined by commas. */
static const char *chosen(struct fixture *f, const char *placement, const char *before)
{
    struct buf names = {0};
    json_decref(f->placement);
    json_decref(f->before);
    f->placement = placement != NULL ? tree(placement) : NULL;
    f->before = before != NULL ? tree(before) : NULL;
    placement_choose(f->plane, f->placement, f->before, f->lost, &f->arena, &f->out);
    for (size_t i = 0; i < f->out.count; i++) {
        buf_addf(&names, "%s%.*s", i > 0 ? "," : "", SLICE_ARG(f->out.clusters[i].name));
    }
    const char *kept = arena_cstr(&f->arena, buf_slice(&names));
    buf_free(&names);
    return kept;
}

static void world(struct fixture *f)
{
    f->plane = tree(
        "{\"metadata\": {\"name\": \"world\"}, \"spec\": {\"clusters\": ["
        "{\"name\": \"us-a\", \"region\": \"us\", \"provider\": \"aws\", \"cost\": 3},"
        "{\"name\": \"us-b\", \"region\": \"us\", \"provider\": \"gcp\", \"primary\": true},"
        "{\"name\": \"eu-a\", \"region\": \"eu\", \"provider\": \"aws\", \"labels\": {\"tier\": "
        "\"gold\"}},"
        "{\"name\": \"eu-b\", \"region\": \"eu\", \"provider\": \"aws\", \"cost\": 0.5},"
        "{\"name\": \"lab\"}]}}");
}

static void all_is_what_is_meant_without_a_policy(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(chosen(f, NULL, NULL), "us-a,us-b,eu-a,eu-b,lab");
    assert_null(f->out.shortage);
    assert_string_equal(chosen(f, "{\"regions\": [\"eu\"]}", NULL), "eu-a,eu-b");
    assert_null(f->out.shortage);
}

static void constraints_are_told_one_cluster_at_a_time(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(chosen(f,
                               "{\"policy\": \"primary\", \"providers\": [\"gcp\"], "
                               "\"clusters\": [\"us-a\", \"eu-a\", \"us-b\", \"lab\"], "
                               "\"clusterSelector\": {\"matchLabels\": {\"tier\": \"gold\"}}}",
                               NULL),
                        "");
    assert_string_equal(f->out.shortage, "no cluster of data plane \"world\" qualifies: "
                                         "\"us-a\" provider \"aws\" is not among providers, "
                                         "\"us-b\" has not the labels of clusterSelector, "
                                         "\"eu-a\" provider \"aws\" is not among providers, "
                                         "\"eu-b\" is not among clusters, "
                                         "\"lab\" states no provider");
}

static void labels_and_primary_choose(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(
        chosen(f, "{\"clusterSelector\": {\"matchLabels\": {\"tier\": \"gold\"}}}", NULL), "eu-a");
    assert_string_equal(chosen(f,
                               "{\"clusterSelector\": {\"matchExpressions\": [{\"key\": \"tier\", "
                               "\"operator\": \"DoesNotExist\"}]}}",
                               NULL),
                        "us-a,us-b,eu-b,lab");
    assert_string_equal(chosen(f, "{\"policy\": \"primary\"}", NULL), "us-b");
    assert_string_equal(chosen(f, "{\"policy\": \"primary\", \"regions\": [\"eu\"]}", NULL), "");
    assert_non_null(strstr(f->out.shortage, "\"eu-a\" is not primary"));
}

static void a_selector_that_cannot_be_read_chooses_nothing(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(chosen(f,
                               "{\"clusterSelector\": {\"matchExpressions\": [{\"key\": \"tier\", "
                               "\"operator\": \"Near\"}]}}",
                               NULL),
                        "");
    assert_true(slice_starts_with(slice_of(f->out.shortage), SLICE("clusterSelector: ")));
}

static void the_implied_cluster_of_a_plane_is_primary_and_has_its_region(void **state)
{
    struct fixture *f = *state;
    f->plane = tree("{\"metadata\": {\"name\": \"one\"}, \"spec\": {\"region\": \"eu\", "
                    "\"provider\": \"aws\"}}");
    assert_string_equal(chosen(f,
                               "{\"policy\": \"primary\", \"regions\": [\"eu\"], "
                               "\"providers\": [\"aws\"]}",
                               NULL),
                        "one");
}

static void a_spread_prefers_regions_then_cost_then_names(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(chosen(f, "{\"policy\": \"spread\", \"count\": 1}", NULL), "eu-b");
    assert_string_equal(chosen(f, "{\"policy\": \"spread\", \"count\": 2}", NULL), "eu-b,lab");
    assert_string_equal(chosen(f, "{\"policy\": \"spread\", \"count\": 3}", NULL), "us-b,eu-b,lab");
    assert_string_equal(chosen(f, "{\"policy\": \"spread\", \"count\": 4}", NULL),
                        "us-b,eu-a,eu-b,lab");
    assert_null(f->out.shortage);
}

static void a_spread_without_a_count_is_in_each_region(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(chosen(f, "{\"policy\": \"spread\"}", NULL), "us-b,eu-b,lab");
    /* Where policy all was before, one of each region stays. */
    assert_string_equal(
        chosen(f, "{\"policy\": \"spread\"}", "[\"us-a\", \"us-b\", \"eu-a\", \"eu-b\", \"lab\"]"),
        "us-b,eu-b,lab");
    assert_string_equal(chosen(f, "{\"policy\": \"spread\"}", "[\"us-a\", \"eu-a\"]"),
                        "us-a,eu-a,lab");
}

static void a_spread_keeps_its_place(void **state)
{
    struct fixture *f = *state;
    world(f);
    static const char two[] = "{\"policy\": \"spread\", \"count\": 2}";
    assert_string_equal(chosen(f, two, "[\"us-a\", \"eu-a\"]"), "us-a,eu-a");
    assert_string_equal(chosen(f, two, "[\"us-a\", \"gone\"]"), "us-a,eu-b");
    assert_string_equal(chosen(f,
                               "{\"policy\": \"spread\", \"count\": 2, \"providers\": [\"aws\"]}",
                               "[\"us-b\", \"eu-a\"]"),
                        "us-a,eu-a");
    assert_string_equal(chosen(f, "{\"policy\": \"spread\", \"count\": 1}", "[\"us-a\", \"eu-a\"]"),
                        "eu-a");
}

static void too_few_are_used_and_told(void **state)
{
    struct fixture *f = *state;
    world(f);
    assert_string_equal(
        chosen(f, "{\"policy\": \"spread\", \"count\": 3, \"regions\": [\"us\"]}", NULL),
        "us-a,us-b");
    assert_non_null(strstr(f->out.shortage,
                           "only 2 of the 3 clusters that are asked for qualify in data plane "
                           "\"world\": \"eu-a\" region \"eu\" is not among regions, "));
}

/* ---- any plane ---- */

static uint32_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33);
}

static json_t *random_cluster(uint64_t *seed, size_t number)
{
    json_t *c = json_pack("{s:o, s:{s:s}}", "name", json_sprintf("c%zu", number), "labels", "tier",
                          next(seed) % 2 == 0 ? "a" : "b");
    if (next(seed) % 8 != 0) {
        json_object_set_new(c, "region", json_sprintf("r%u", next(seed) % 4));
    }
    if (next(seed) % 3 != 0) {
        json_object_set_new(c, "cost", json_integer(next(seed) % 5));
    }
    return c;
}

/* ---- what is lost ---- */

static void lose(struct fixture *f, const char *rows)
{
    json_decref(f->lost);
    f->lost = tree(rows);
}

static void what_is_lost_is_left_out(void **state)
{
    struct fixture *f = *state;
    world(f);
    const char *all = chosen(f, NULL, NULL);
    lose(f, "[{\"cluster\": \"us-a\"}]");
    assert_non_null(strstr(all, "us-a"));
    assert_null(strstr(chosen(f, NULL, NULL), "us-a"));
    assert_null(f->out.shortage);
    assert_null(strstr(chosen(f, "{\"policy\": \"spread\", \"count\": 2}", "[\"us-a\", \"eu-a\"]"),
                       "us-a"));
    (void)chosen(f, "{\"policy\": \"spread\", \"count\": 9}", NULL);
    assert_non_null(strstr(f->out.shortage, "\"us-a\" is lost"));
}

static void where_all_is_lost_nothing_moves(void **state)
{
    struct fixture *f = *state;
    world(f);
    lose(f, "[{\"cluster\": \"us-a\"}, {\"cluster\": \"us-b\"}]");
    assert_string_equal(chosen(f, "{\"regions\": [\"us\"]}", NULL), "us-a,us-b");
    assert_string_equal(chosen(f, "{\"policy\": \"primary\", \"clusters\": [\"us-b\"]}", NULL),
                        "us-b");
}

/* For one primary there is one in its place, and the same when it is asked again. */
static void another_stands_in_for_a_primary(void **state)
{
    struct fixture *f = *state;
    const char *placement =
        "{\"policy\": \"primary\", \"clusters\": [\"us-a\", \"us-b\", \"eu-a\"]}";
    world(f);
    assert_string_equal(chosen(f, placement, NULL), "us-b");
    lose(f, "[{\"cluster\": \"us-b\"}]");
    const char *first = chosen(f, placement, "[\"us-b\"]");
    assert_string_equal(first, "eu-a"); /* which costs less */
    assert_string_equal(chosen(f, placement, "[\"us-a\"]"), "us-a");
    lose(f, "[{\"cluster\": \"us-b\"}, {\"cluster\": \"eu-a\"}]");
    assert_string_equal(chosen(f, placement, "[\"eu-a\"]"), "us-a");
    lose(f, "[]");
    assert_string_equal(chosen(f, placement, "[\"us-a\"]"), "us-b");
}

static json_t *names_of(const struct placement *p)
{
    json_t *names = json_array();
    for (size_t i = 0; i < p->count; i++) {
        json_array_append_new(names, json_str(p->clusters[i].name));
    }
    return names;
}

static json_t *choose(struct fixture *f, const json_t *placement, const json_t *before)
{
    placement_choose(f->plane, placement, before, NULL, &f->arena, &f->out);
    return names_of(&f->out);
}

/* Chosen once, a cluster stays when others come and change, whatever they are like; when one of the
 * chosen goes, the others stay; and a choice given as what was before comes to itself. */
static void one_history(struct fixture *f, uint64_t *seed)
{
    json_t *clusters = json_array();
    size_t count = 1 + next(seed) % 8;
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(clusters, random_cluster(seed, i));
    }
    f->plane =
        json_pack("{s:{s:s}, s:{s:o}}", "metadata", "name", "p", "spec", "clusters", clusters);
    json_t *placement =
        json_pack("{s:s, s:i}", "policy", "spread", "count", (int)(1 + next(seed) % 5));
    json_t *first = choose(f, placement, NULL);
    json_t *again = choose(f, placement, first);
    assert_true(json_equal(first, again));
    json_decref(again);
    json_array_append_new(clusters, random_cluster(seed, count));
    json_t *other = json_array_get(clusters, next(seed) % count);
    json_object_set_new(other, "labels", json_object());
    again = choose(f, placement, first);
    for (size_t i = 0; i < json_array_size(first); i++) {
        assert_true(json_equal(json_array_get(first, i), json_array_get(again, i)));
    }
    json_decref(again);
    json_t *gone = json_array_get(first, next(seed) % json_array_size(first));
    for (size_t i = json_array_size(clusters); i-- > 0;) {
        if (json_equal(json_object_get(json_array_get(clusters, i), "name"), gone)) {
            json_array_remove(clusters, i);
        }
    }
    again = choose(f, placement, first);
    size_t kept = 0;
    for (size_t i = 0; i < json_array_size(again); i++) {
        for (size_t k = 0; k < json_array_size(first); k++) {
            kept += json_equal(json_array_get(again, i), json_array_get(first, k)) ? 1 : 0;
        }
    }
    assert_int_equal(kept, json_array_size(first) - 1);
    json_decref(first);
    json_decref(again);
    json_decref(placement);
    json_decref(f->plane);
    f->plane = NULL;
    arena_free(&f->arena);
    arena_init(&f->arena);
}

static void what_is_chosen_holds_still(void **state)
{
    const char *given = getenv("CHOREO_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : clock_mono_ns() % 1000000;
    print_message("CHOREO_SEED=%llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < 2000; i++) {
        one_history(*state, &seed);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_is_what_is_meant_without_a_policy),
        TEST(what_is_lost_is_left_out),
        TEST(where_all_is_lost_nothing_moves),
        TEST(another_stands_in_for_a_primary),
        TEST(constraints_are_told_one_cluster_at_a_time),
        TEST(labels_and_primary_choose),
        TEST(a_selector_that_cannot_be_read_chooses_nothing),
        TEST(the_implied_cluster_of_a_plane_is_primary_and_has_its_region),
        TEST(a_spread_prefers_regions_then_cost_then_names),
        TEST(a_spread_without_a_count_is_in_each_region),
        TEST(a_spread_keeps_its_place),
        TEST(too_few_are_used_and_told),
        TEST(what_is_chosen_holds_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
