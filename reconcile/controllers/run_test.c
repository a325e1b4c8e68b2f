/* run_test.c: a test's run ended, so there is a TestResult, as if CI had written it.
 *
 * It is written before the run says that it ended, and named by the run's uid: whoever comes back
 * after a failure in between finds it there, and leaves it. Like every result it goes with its
 * release, not with the run, which may be cleaned away while the gate stays open. Whether the run
 * may report at all was decided when it was made (node/api/promotion_run.c).
 *
 * A run that never began is a failed test, too, or a gate would wait for it without a word; but it
 * says nothing of the release (notRun), and takes none back. */
#include "reconcile/controllers/run_test.h"

#include "base/clock.h"
#include "proto/promotion.h"
#include "render/name.h"

bool run_is_test(const json_t *run)
{
    return json_is_object(json_at(run, "spec", "test", NULL));
}

enum { MESSAGE_MAX = 1024 };

static void set_reason(json_t *spec, struct slice why)
{
    why = why.len <= MESSAGE_MAX ? why
                                 : slice_sub(why, 0, slice_utf8(slice_sub(why, 0, MESSAGE_MAX)));
    json_object_set_new(spec, "message", json_str(why));
}

static json_t *result_spec(const struct snapshot *s, const json_t *run, bool passed,
                           struct arena *arena)
{
    const json_t *test = json_at(run, "spec", "test", NULL);
    char now[32];
    clock_rfc3339(s->now_ms, now);
    json_t *spec =
        json_pack("{s:o, s:o, s:o, s:o, s:b, s:s, s:o, s:o}", "component",
                  json_str(owner_text(run, "componentName")), "release",
                  json_str(json_text_at(test, "releaseName")), "environment",
                  json_str(json_text_at(test, "environment")), "test",
                  json_str(json_text_at(test, "name")), "passed", passed, "at", now, "releaseUID",
                  json_str(json_text_at(test, "releaseUID")), "run", json_str(object_name(run)));
    struct slice author = promotion_last_author(arena, run);
    if (author.len > 0) {
        json_object_set_new(spec, "by", json_str(author));
    }
    return spec;
}

void run_test_report(const struct snapshot *s, const json_t *run, bool passed, const char *why,
                     json_t *edit, struct plan *plan)
{
    struct slice wanted = json_text(json_at(run, "spec", "test", "releaseName", NULL));
    struct slice uid = json_text(json_at(run, "spec", "test", "releaseUID", NULL));
    const json_t *release = snapshot_get(s, SNAPSHOT_RELEASE, object_ns(run), wanted);
    if (!run_is_test(run)) {
        return;
    }
    if (release == NULL || uid.len == 0 || !slice_eq(object_uid(release), uid)) {
        plan_event(plan, run, true, "NoTestResult",
                   "release \"%.*s\", which it tested, is there no longer", SLICE_ARG(wanted));
        return;
    }
    const struct slice parts[] = {SLICE("run"), object_name(run)};
    struct slice name =
        name_join_extra(&plan->arena, NAME_SUBDOMAIN_MAX, parts, 2, object_uid(run));
    json_t *result = object_new("choreo.dev/v1", "TestResult", object_ns(run), name);
    json_t *spec = result_spec(s, run, passed, &plan->arena);
    if (!passed) {
        set_reason(spec, slice_of(why));
    }
    if (json_at(edit, "status", "startedAt", NULL) == NULL) {
        json_object_set_new(spec, "notRun", json_true());
    }
    json_object_set_new(result, "spec", spec);
    object_add_owner(result, release, false);
    plan_create(plan, SNAPSHOT_TEST, result);
    status_set(edit, "testResult", json_str(name));
}
