/* verdict.c: results of tests and approvals do not pile up for ever.
 *
 * Each plan of a binding looks among all of a release's. Of the results of one test in an
 * environment one counts (promotion_result()), and of one person's approvals any says the same; the
 * others are kept for people to see: the last VERDICTS_KEPT. Nobody's approvals make another's go.
 * With its release, a verdict goes by its ownerReference. */
#include "reconcile/controllers/promotion.h"

enum { VERDICTS_KEPT = 20 };

/* Are they of one test, or of one person? */
static bool same(enum snapshot_kind kind, const json_t *a, const json_t *b)
{
    const char *const keys[] = {"component",  "resource",    "release",
                                "releaseUID", "environment", kind == SNAPSHOT_TEST ? "test" : "by"};
    size_t i = 0;
    while (i < sizeof keys / sizeof *keys &&
           slice_eq(spec_text(a, keys[i]), spec_text(b, keys[i]))) {
        i++;
    }
    return i == sizeof keys / sizeof *keys;
}

/* A new one makes the one too many that counts least. Of many that are too many, each goes by
 * itself. */
void verdict_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    const json_t *verdict = snapshot_tree(s, entry);
    const struct snapshot_entry **all;
    const struct snapshot_entry *least = entry;
    size_t verdicts = 0;
    size_t before = 0; /* of them those that count before this one */
    size_t count = snapshot_list(s, entry->kind, SNAPSHOT_BY_RELEASE, entry->ns,
                                 spec_text(verdict, "release"), &plan->arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (all[i]->deleting || !same(entry->kind, snapshot_tree(s, all[i]), verdict)) {
            continue;
        }
        verdicts++;
        before += promotion_compare_verdicts(s, all[i], entry) > 0 ? 1 : 0;
        least = promotion_compare_verdicts(s, all[i], least) < 0 ? all[i] : least;
    }
    if (!entry->deleting && verdicts > VERDICTS_KEPT) {
        plan_delete(plan, before >= VERDICTS_KEPT ? entry : least);
    }
}
