/* test_result.c: results of tests do not pile up for ever.
 *
 * One of each test of a release in an environment counts (promotion_result()), and each plan of a
 * binding looks for it among all of the release's. The others are kept for people to see: the last
 * RESULTS_KEPT. With its release, a result goes by its ownerReference. */
#include "reconcile/controllers/promotion.h"

enum { RESULTS_KEPT = 20 };

static bool same_test(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"component",  "resource",    "release",
                                       "releaseUID", "environment", "test"};
    size_t i = 0;
    while (i < sizeof keys / sizeof *keys &&
           slice_eq(spec_text(a, keys[i]), spec_text(b, keys[i]))) {
        i++;
    }
    return i == sizeof keys / sizeof *keys;
}

/* A new one makes the one too many that counts least. Of many that are too many, each goes by
 * itself. */
void test_result_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                      struct plan *plan)
{
    const json_t *result = snapshot_tree(s, entry);
    const struct snapshot_entry **all;
    const struct snapshot_entry *least = entry;
    size_t results = 0;
    size_t before = 0; /* of them those that count before this one */
    size_t count = snapshot_list(s, SNAPSHOT_TEST, SNAPSHOT_BY_RELEASE, entry->ns,
                                 spec_text(result, "release"), &plan->arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (all[i]->deleting || !same_test(snapshot_tree(s, all[i]), result)) {
            continue;
        }
        results++;
        before += promotion_compare_results(s, all[i], entry) > 0 ? 1 : 0;
        least = promotion_compare_results(s, all[i], least) < 0 ? all[i] : least;
    }
    if (!entry->deleting && results > RESULTS_KEPT) {
        plan_delete(plan, before >= RESULTS_KEPT ? entry : least);
    }
}
