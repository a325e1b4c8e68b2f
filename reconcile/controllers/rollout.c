/* rollout.c: the history of a binding, its deadline and the rollback.
 *
 * history[0] is what is deployed. A release that is let in becomes a new first entry, and the one
 * before ends: superseded by what is newer, or rolled back for what is older, whoever asked for it;
 * that decides what it still proves (proto/promotion.h). The deadline is set when the rollout
 * begins and its clusters answer, and cleared while one does not: an outage is no release's fault.
 * When it passes and the release was never healthy here, the last healthy one before it that was
 * not taken back itself comes in its place; that entry has no deadline, so there is no second step
 * back. With nothing to go back to, the release stays and is called Failed. A test of the
 * pipeline's rollbackOn that fails where the release runs takes it back likewise, at any time: so
 * an error budget that burns. A higher spec.attempt begins anew what failed, or broke after it had
 * been healthy: as an entry of its own, with a deadline of its own. */
#include "reconcile/controllers/rollout.h"

/* Why a release was taken back. */
#define DEADLINE_EXCEEDED "ProgressDeadlineExceeded"
#define TEST_FAILED "TestFailed"

static json_t *history_of(const json_t *binding)
{
    return json_at(binding, "status", "history", NULL);
}

static struct slice deployed_by(const json_t *binding)
{
    return json_text(json_at(binding, "status", "releaseName", NULL));
}

static bool is_back(const struct rollout *rollout)
{
    return rollout->reason != NULL && slice_eq_cstr(slice_of(rollout->reason), ROLLED_BACK);
}

static struct slice uid_of(const struct snapshot *s, const json_t *binding, struct slice release)
{
    const struct snapshot_entry *e =
        snapshot_find(s, promotion_kinds_of(binding).release, object_ns(binding), release);
    return e != NULL ? e->uid : (struct slice){0};
}

/* ---- choosing ---- */

/* The rollback that holds for the spec as it is, or NULL. */
static const json_t *rollback_of(const json_t *binding)
{
    const json_t *rollback = json_at(binding, "status", "rollback", NULL);
    bool holds =
        json_integer_value(json_object_get(rollback, "generation")) == object_generation(binding) &&
        slice_eq(json_text_at(rollback, "from"), promotion_asked(binding));
    return rollback != NULL && holds ? rollback : NULL;
}

/* What a release did that came to nothing, by its rollback or its rollout. */
static struct slice cause_of(const json_t *told)
{
    struct slice cause = json_text_at(told, "cause");
    return cause.len > 0 ? cause : SLICE("was not healthy by its deadline");
}

static void choose_former(const json_t *binding, const json_t *rollback, struct plan *plan,
                          struct rollout *out)
{
    out->release = json_text_at(rollback, "to");
    out->uid = json_text_at(promotion_healthy(binding, out->release, SLICE("")), "uid");
    out->reason = ROLLED_BACK;
    out->message =
        arena_printf(&plan->arena,
                     "release \"%.*s\" %.*s and was taken back for \"%.*s\"; it is not tried again "
                     "until spec changes: bind another release, or raise spec.attempt",
                     SLICE_ARG(promotion_asked(binding)), SLICE_ARG(cause_of(rollback)),
                     SLICE_ARG(out->release));
}

void rollout_choose(const struct snapshot *s, const json_t *binding, struct plan *plan,
                    struct rollout *out)
{
    struct slice wanted = promotion_asked(binding);
    struct slice deployed = deployed_by(binding);
    struct slice deployed_uid = json_text(json_at(binding, "status", "releaseUID", NULL));
    const json_t *rollback = rollback_of(binding);
    *out = (struct rollout){.release = wanted, .uid = uid_of(s, binding, wanted)};
    if (rollback != NULL) {
        choose_former(binding, rollback, plan, out);
    } else if (!slice_eq(wanted, deployed) || !promotion_same_uid(deployed_uid, out->uid)) {
        promotion_judge(s, binding, plan, &out->promotion);
        if (!out->promotion.open) {
            out->release = deployed;
            out->uid = deployed_uid;
            out->reason = out->promotion.reason;
            out->message = arena_printf(&plan->arena, "release \"%.*s\" is not let in: %s",
                                        SLICE_ARG(wanted), out->promotion.message);
        }
    }
}

/* ---- the history ---- */

static struct slice text_copy(struct plan *plan, const json_t *entry, const char *key)
{
    return arena_copy(&plan->arena, json_text_at(entry, key));
}

/* When the release of an entry was made; empty: it is there no longer. */
static struct slice made_at(const struct snapshot *s, const json_t *binding, struct slice release,
                            struct slice uid)
{
    const json_t *object =
        snapshot_get(s, promotion_kinds_of(binding).release, object_ns(binding), release);
    return promotion_same_uid(uid, object_uid(object))
               ? json_text(json_at(object, "metadata", "creationTimestamp", NULL))
               : (struct slice){0};
}

/* How many entries ago a release was here first; 0: it was not. */
static size_t first_seen(const json_t *history, struct slice release, struct slice uid)
{
    for (size_t i = json_array_size(history); i > 0; i--) {
        const json_t *entry = json_array_get(history, i - 1);
        if (slice_eq(json_text_at(entry, "release"), release) &&
            promotion_same_uid(json_text_at(entry, "uid"), uid)) {
            return i;
        }
    }
    return 0;
}

/* Whether what comes now is older than what is deployed: made before it or, where that is not
 * known, here before it. */
static bool is_older(const struct snapshot *s, const json_t *binding, const json_t *history,
                     const struct rollout *rollout)
{
    const json_t *first = json_array_get(history, 0);
    struct slice runs = json_text_at(first, "release");
    struct slice runs_uid = json_text_at(first, "uid");
    struct slice ran_at = made_at(s, binding, runs, runs_uid);
    struct slice comes_at = made_at(s, binding, rollout->release, rollout->uid);
    if (ran_at.len > 0 && comes_at.len > 0 && !slice_eq(ran_at, comes_at)) {
        return slice_cmp(comes_at, ran_at) < 0;
    }
    return first_seen(history, rollout->release, rollout->uid) >
           first_seen(history, runs, runs_uid);
}

/* Ends the entry that is deployed no longer. */
static void end_entry(const struct snapshot *s, json_t *entry, const char *outcome)
{
    json_object_set_new(entry, "endedAt", promotion_time(s->now_ms));
    json_object_del(entry, "deadline");
    if (!slice_eq_cstr(json_text_at(entry, "outcome"), "Failed")) {
        json_object_set_new(entry, "outcome", json_string(outcome));
    }
}

/* The newest entry of an entry's release: what it proves is its last word. */
static const json_t *newest_of(const json_t *history, const json_t *entry)
{
    struct slice release = json_text_at(entry, "release");
    const json_t *newest = json_array_get(history, 0);
    for (size_t i = 1; newest != NULL && !slice_eq(json_text_at(newest, "release"), release); i++) {
        newest = json_array_get(history, i);
    }
    return newest;
}

/* The entry to go back to from what is deployed; without one that of the last other release that
 * was healthy, to which people may go back in spite of what became of it. */
static const json_t *way_back(const json_t *binding)
{
    const json_t *history = history_of(binding);
    struct slice first = json_text_at(json_array_get(history, 0), "release");
    size_t at = 0;
    const json_t *back = promotion_next_back(binding, first, &at);
    for (size_t i = 1; back == NULL && i < json_array_size(history); i++) {
        const json_t *entry = json_array_get(history, i);
        bool other = !slice_eq(json_text_at(entry, "release"), first);
        back = other && json_text_at(entry, "healthyAt").len > 0 ? entry : NULL;
    }
    return back;
}

/* Drops the oldest beyond the limit, but keeps the way back, and what became of that one since. */
static void trim(json_t *edit)
{
    json_t *history = history_of(edit);
    const json_t *back = way_back(edit);
    const json_t *newest = newest_of(history, back);
    for (size_t i = json_array_size(history); i-- > 1;) {
        const json_t *entry = json_array_get(history, i);
        if (json_array_size(history) > ROLLOUT_HISTORY_MAX && entry != back && entry != newest) {
            (void)json_array_remove(history, i);
        }
    }
}

static json_int_t attempt_of(const json_t *from)
{
    return json_integer_value(json_object_get(from, "attempt"));
}

static void note_attempt(json_t *entry, const json_t *binding)
{
    json_int_t attempt = attempt_of(json_object_get(binding, "spec"));
    if (attempt != attempt_of(entry)) {
        json_object_set_new(entry, "attempt", json_integer(attempt));
    }
}

/* Whether the spec asks to try once more what came to its end here and is not well. While it is
 * well, or still under way, there is nothing to try. */
static bool tried_again(const json_t *entry, const json_t *binding)
{
    bool failed = slice_eq_cstr(json_text_at(entry, "outcome"), "Failed");
    bool broke = slice_eq_cstr(json_text_at(entry, "outcome"), "Healthy") &&
                 json_text_at(entry, "healthySince").len == 0;
    return (failed || broke) && attempt_of(json_object_get(binding, "spec")) != attempt_of(entry);
}

static json_t *new_entry(const struct snapshot *s, const json_t *binding,
                         const struct rollout *rollout)
{
    json_t *entry = json_pack("{s:o, s:o, s:s}", "release", json_str(rollout->release), "startedAt",
                              promotion_time(s->now_ms), "outcome", "Progressing");
    if (rollout->uid.len > 0) {
        json_object_set_new(entry, "uid", json_str(rollout->uid));
    }
    struct slice by = object_annotation(binding, PROMOTION_REQUESTED_BY);
    struct slice reason = spec_text(binding, "reason");
    struct slice set = spec_text(binding, "releaseSet");
    note_attempt(entry, binding);
    if (is_back(rollout)) {
        json_object_set_new(entry, "reason",
                            json_sprintf("release \"%.*s\" %.*s",
                                         SLICE_ARG(promotion_asked(binding)),
                                         SLICE_ARG(cause_of(rollback_of(binding)))));
    }
    if (rollout->reason != NULL) {
        return entry; /* nobody asked for it */
    }
    if (by.len > 0) {
        json_object_set_new(entry, "by", json_str(by));
    }
    if (reason.len > 0) {
        json_object_set_new(entry, "reason", json_str(reason));
    }
    if (set.len > 0) {
        json_object_set_new(entry, "releaseSet", json_str(set));
    }
    json_t *approved = json_array();
    for (size_t i = 0; i < rollout->promotion.approved_count; i++) {
        json_array_append_new(approved, json_str(rollout->promotion.approved_by[i]));
    }
    if (json_array_size(approved) > 0) {
        json_object_set(entry, "approvedBy", approved);
    }
    json_decref(approved);
    return entry;
}

/* The entry of what is deployed, made and put first if it is new or tried again. */
static json_t *current_entry(const struct snapshot *s, const json_t *binding, json_t *edit,
                             const struct rollout *rollout)
{
    json_t *history = history_of(edit);
    if (history == NULL) {
        history = json_array();
        status_set(edit, "history", history);
    }
    json_t *first = json_array_get(history, 0);
    bool same = first != NULL && slice_eq(json_text_at(first, "release"), rollout->release) &&
                promotion_same_uid(json_text_at(first, "uid"), rollout->uid);
    if (same && (rollout->reason != NULL || !tried_again(first, binding))) {
        if (rollout->reason == NULL) {
            note_attempt(first, binding);
        }
        return first;
    }
    json_t *entry = new_entry(s, binding, rollout);
    if (same) { /* what let it in holds for it still */
        json_t *approved = json_object_get(first, "approvedBy");
        json_object_update_missing_new(entry, json_pack("{s:O*}", "approvedBy", approved));
    }
    if (first != NULL) {
        bool back = !same && (is_back(rollout) || is_older(s, binding, history, rollout));
        end_entry(s, first, back ? "RolledBack" : "Superseded");
    }
    json_array_insert_new(history, 0, entry);
    trim(edit);
    return json_array_get(history, 0);
}

static void note_health(const struct snapshot *s, json_t *entry, struct rollout_health health)
{
    bool was = json_text_at(entry, "healthySince").len > 0;
    if (health.healthy && !was) {
        json_object_set_new(entry, "healthySince", promotion_time(s->now_ms));
        if (json_text_at(entry, "healthyAt").len == 0) {
            json_object_set_new(entry, "healthyAt", promotion_time(s->now_ms));
        }
        json_object_set_new(entry, "outcome", json_string("Healthy"));
        json_object_del(entry, "deadline");
    } else if (!health.healthy && was) {
        json_object_del(entry, "healthySince");
    }
}

/* ---- the deadline ---- */

static uint64_t deadline_ms(const struct snapshot *s, const json_t *binding, struct plan *plan)
{
    struct slice text = spec_text(binding, "progressDeadline");
    if (text.len == 0) {
        text = spec_text(promotion_pipeline(s, binding, &plan->arena), "progressDeadline");
    }
    return promotion_duration_ms(text);
}

/* The release to go back to from one that failed, which is still there. Of a resource there is
 * none: its data does not go back with it, so nobody goes back by himself. */
static struct slice former(const struct snapshot *s, const json_t *binding, struct slice failed,
                           struct plan *plan)
{
    bool goes_back = promotion_kinds_of(binding).owner != SNAPSHOT_RESOURCE;
    size_t at = 0;
    const json_t *entry = goes_back ? promotion_next_back(binding, failed, &at) : NULL;
    for (; entry != NULL; entry = promotion_next_back(binding, failed, &at)) {
        struct slice uid = uid_of(s, binding, json_text_at(entry, "release"));
        if (uid.len > 0 && promotion_same_uid(json_text_at(entry, "uid"), uid)) {
            return text_copy(plan, entry, "release");
        }
    }
    return (struct slice){0};
}

static const char *why_it_stays(const json_t *binding)
{
    return promotion_kinds_of(binding).owner == SNAPSHOT_RESOURCE
               ? "what it holds does not go back with a release"
               : "there is none to go back to";
}

/* Takes the release of entry back, for a cause that is told; NULL: its deadline. */
static void take_back(const struct snapshot *s, const json_t *binding, json_t *edit, json_t *entry,
                      const char *cause, struct plan *plan)
{
    const char *reason = cause != NULL ? TEST_FAILED : DEADLINE_EXCEEDED;
    struct slice from = text_copy(plan, entry, "release");
    struct slice to = former(s, edit, from, plan);
    json_object_del(entry, "deadline");
    json_t *told = to.len > 0 ? json_object() : json_incref(entry);
    if (cause != NULL) {
        json_object_set_new(told, "cause", json_string(cause));
    }
    if (to.len == 0) {
        json_object_set_new(entry, "outcome", json_string("Failed"));
        plan_event(plan, binding, true, reason, "release \"%.*s\" %.*s, and %s: it stays",
                   SLICE_ARG(from), SLICE_ARG(cause_of(told)), why_it_stays(binding));
        json_decref(told);
        return;
    }
    json_object_update_new(told, json_pack("{s:o, s:o, s:I, s:o}", "from", json_str(from), "to",
                                           json_str(to), "generation",
                                           (json_int_t)object_generation(binding), "at",
                                           promotion_time(s->now_ms)));
    status_set(edit, "rollback", told);
    plan_event(plan, binding, true, ROLLED_BACK, "release \"%.*s\" %.*s: back to \"%.*s\"",
               SLICE_ARG(from), SLICE_ARG(cause_of(told)), SLICE_ARG(to));
    plan_requeue(plan, 1);
}

/* ---- tests ---- */

/* What takes the release of entry back, if a test in the environment failed since it was deployed;
 * or NULL. An alert on an error budget is such a test. */
static const char *failed_test(const struct snapshot *s, const json_t *binding, const json_t *entry,
                               struct plan *plan)
{
    const json_t *pipeline = promotion_pipeline(s, binding, &plan->arena);
    const json_t *tests = json_at(pipeline, "spec", "rollbackOn", NULL);
    const json_t *release = json_array_size(tests) == 0
                                ? NULL
                                : snapshot_get(s, promotion_kinds_of(binding).release,
                                               object_ns(binding), json_text_at(entry, "release"));
    for (size_t i = 0; release != NULL && i < json_array_size(tests); i++) {
        struct slice test = json_text(json_array_get(tests, i));
        const json_t *result =
            promotion_result(s, release, spec_text(binding, "environment"), test, &plan->arena);
        if (result != NULL && !json_is_true(json_at(result, "spec", "passed", NULL)) &&
            !json_is_true(json_at(result, "spec", "notRun", NULL)) &&
            slice_cmp(spec_text(result, "at"), json_text_at(entry, "startedAt")) >= 0) {
            return arena_printf(&plan->arena, "failed test \"%.*s\" (TestResult \"%.*s\")",
                                SLICE_ARG(test), SLICE_ARG(object_name(result)));
        }
    }
    return NULL;
}

/* ---- the clock ---- */

/* Starts, stops and looks at the clock of a rollout that asks for health. */
static void watch_deadline(const struct snapshot *s, const json_t *binding, json_t *edit,
                           json_t *entry, struct rollout_health health, struct plan *plan)
{
    struct slice due = json_text_at(entry, "deadline");
    uint64_t allowed_ms = deadline_ms(s, binding, plan);
    if (health.unreachable || allowed_ms == 0) {
        json_object_del(entry, "deadline");
    } else if (due.len == 0) {
        json_object_set_new(entry, "deadline", promotion_time_after(s->now_ms + allowed_ms));
        plan_requeue(plan, allowed_ms + 1000);
    } else {
        uint64_t due_ms = promotion_time_ms(&plan->arena, due);
        if (s->now_ms >= due_ms) {
            take_back(s, binding, edit, entry, NULL, plan);
        } else {
            plan_requeue(plan, due_ms - s->now_ms);
        }
    }
}

/* ---- the conditions ---- */

static void tell_promotion(const struct snapshot *s, const json_t *binding, json_t *edit,
                           const struct rollout *rollout, struct plan *plan)
{
    const struct promotion *p = &rollout->promotion;
    if (p->reason ==
        NULL) { /* it was told when it was let in, unless another was asked for since */
        if (!is_back(rollout) && condition_is(binding, PROMOTED, "False")) {
            condition_set(edit, s, PROMOTED, STATUS_TRUE, "Deployed", "it is the one that runs");
        }
        return;
    }
    struct condition before = condition_of(binding, PROMOTED);
    condition_set(edit, s, PROMOTED, p->open ? STATUS_TRUE : STATUS_FALSE, p->reason, "%s",
                  p->message);
    if (p->open && slice_eq_cstr(slice_of(p->reason), PROMOTION_STARTED)) {
        return; /* every new release does: nothing to tell */
    }
    if (p->open) {
        plan_event(plan, binding, false, "Promoted", "release \"%.*s\": %s",
                   SLICE_ARG(rollout->release), p->message);
    } else if (!slice_eq_cstr(before.reason, p->reason)) {
        plan_event(plan, binding, false, p->reason, "%s", rollout->message);
    }
}

/* What failed is not under way any more, whatever its pods still try. */
static void settle(const struct snapshot *s, json_t *edit, const json_t *entry, struct plan *plan)
{
    if (slice_eq_cstr(json_text_at(object_condition(edit, PROGRESSING), "status"), "True")) {
        const char *ready =
            arena_cstr(&plan->arena, json_text_at(object_condition(edit, READY), "message"));
        condition_set(edit, s, READY, STATUS_FALSE,
                      json_object_get(entry, "cause") != NULL ? TEST_FAILED : DEADLINE_EXCEEDED,
                      "%s", ready);
        condition_set(edit, s, PROGRESSING, STATUS_FALSE, "Stuck",
                      "waiting for what stands in the way of Ready");
    }
}

static void tell_rollback(const struct snapshot *s, json_t *edit, const json_t *entry,
                          const struct rollout *rollout, struct plan *plan)
{
    const json_t *rollback = json_at(edit, "status", "rollback", NULL);
    if (rollback != NULL && rollback_of(edit) == NULL) {
        status_set(edit, "rollback", NULL); /* of a spec that is no more */
        rollback = NULL;
    }
    if (rollback != NULL) {
        bool tested = json_object_get(rollback, "cause") != NULL;
        condition_set(
            edit, s, ROLLED_BACK, STATUS_TRUE, tested ? TEST_FAILED : DEADLINE_EXCEEDED,
            "release \"%.*s\" %.*s and is not tried again until spec changes; \"%.*s\" runs "
            "instead%s",
            SLICE_ARG(json_text_at(rollback, "from")), SLICE_ARG(cause_of(rollback)),
            SLICE_ARG(json_text_at(rollback, "to")),
            rollout->reason == NULL || json_text_at(entry, "healthySince").len > 0
                ? ""
                : ", and is not healthy yet: there is no second step back");
    } else if (slice_eq_cstr(json_text_at(entry, "outcome"), "Failed")) {
        condition_set(edit, s, ROLLED_BACK, STATUS_FALSE, "NothingToReturnTo",
                      "release \"%.*s\" %.*s, and %s: it stays",
                      SLICE_ARG(json_text_at(entry, "release")), SLICE_ARG(cause_of(entry)),
                      why_it_stays(edit));
        settle(s, edit, entry, plan);
    } else {
        condition_drop(edit, ROLLED_BACK);
    }
}

void rollout_record(const struct snapshot *s, const json_t *binding, json_t *edit,
                    const struct rollout *rollout, struct rollout_health health, struct plan *plan)
{
    tell_promotion(s, binding, edit, rollout, plan);
    if (rollout->release.len == 0) {
        return;
    }
    json_t *entry = current_entry(s, binding, edit, rollout);
    note_health(s, entry, health);
    bool done = slice_eq_cstr(json_text_at(entry, "outcome"), "Healthy") ||
                slice_eq_cstr(json_text_at(entry, "outcome"), "Failed");
    bool failed = slice_eq_cstr(json_text_at(entry, "outcome"), "Failed");
    const char *cause =
        rollout->reason == NULL && !failed ? failed_test(s, binding, entry, plan) : NULL;
    if (cause != NULL) {
        take_back(s, binding, edit, entry, cause, plan);
    } else if (rollout->reason == NULL && !done) {
        watch_deadline(s, binding, edit, entry, health, plan);
    }
    tell_rollback(s, edit, entry, rollout, plan);
    if (health.healthy && !failed && cause == NULL) {
        promotion_offer(s, binding, rollout->release, plan);
    }
}

struct rollout_health rollout_health_of(const struct snapshot *s, struct slice release,
                                        const struct snapshot_entry *const *rendered, size_t count,
                                        size_t clusters)
{
    struct rollout_health health = {.healthy = count > 0 && count >= clusters};
    for (size_t i = 0; i < count; i++) {
        const json_t *tree = snapshot_tree(s, rendered[i]);
        struct condition ready = condition_of(tree, READY);
        health.healthy = health.healthy && slice_eq_cstr(ready.status, "True") &&
                         slice_eq(spec_text(tree, "releaseName"), release);
        health.unreachable = health.unreachable ||
                             slice_eq_cstr(ready.reason, "ClusterUnreachable") ||
                             slice_eq_cstr(ready.reason, "NotConnected");
    }
    return health;
}

void rollout_tell(json_t *edit, const struct rollout *rollout)
{
    status_set(edit, "releaseName", json_str(rollout->release));
    status_set(edit, "releaseUID", rollout->uid.len > 0 ? json_str(rollout->uid) : NULL);
}

void rollout_rest(json_t *edit)
{
    json_object_del(json_array_get(history_of(edit), 0), "healthySince");
}

bool rollout_uses(const json_t *binding, struct slice release)
{
    if (slice_eq(promotion_asked(binding), release) || slice_eq(deployed_by(binding), release) ||
        slice_eq(json_text(json_at(binding, "status", "rollback", "to", NULL)), release)) {
        return true;
    }
    const json_t *offered = json_at(binding, "status", "offeredReleases", NULL);
    const json_t *latest = json_array_get(offered, json_array_size(offered) - 1);
    return slice_eq(json_text_at(way_back(binding), "release"), release) ||
           slice_eq(json_text(latest), release);
}
