/* loss.c: see loss.h.
 *
 * Nobody can tell a cluster that is gone from one that only cannot be reached: what it has goes on
 * running there, and nothing is sent to it. What is promised is that the control plane believes in
 * one place, status.clusters; and that the first thing which a cluster hears that comes back is to
 * let go of what is elsewhere by now (its RenderedReleases are being deleted). */
#include "reconcile/controllers/loss.h"

#include "reconcile/controllers/promotion.h"

enum { LOST_DEFAULT_MS = 5 * 60 * 1000 };

static const json_t *placement_of(const struct environment *env)
{
    return json_object_get(env->spec, "placement");
}

static bool fails_over(const struct environment *env)
{
    return slice_eq_cstr(json_text_at(placement_of(env), "onLoss"), "failover");
}

static uint64_t tolerance_ms(const struct environment *env)
{
    struct slice after = json_text_at(placement_of(env), "lostAfter");
    return after.len > 0 ? promotion_duration_ms(after) : LOST_DEFAULT_MS;
}

static bool unreachable(const json_t *row)
{
    return slice_eq_cstr(json_text_at(row, "state"), "Unreachable");
}

/* Whether a cluster, by its plane's status, has not answered for too long. due_ms: when it will not
 * have; 0: it answers. */
static bool is_lost(const struct snapshot *s, const struct environment *env, const json_t *row,
                    struct arena *arena, uint64_t *due_ms)
{
    uint64_t since_ms = promotion_time_ms(arena, json_text_at(row, "since"));
    *due_ms = unreachable(row) && since_ms > 0 ? since_ms + tolerance_ms(env) : 0;
    return *due_ms > 0 && s->now_ms >= *due_ms;
}

static const json_t *noted(const json_t *lost, struct slice cluster)
{
    size_t i = 0;
    while (i < json_array_size(lost) &&
           !slice_eq(json_text_at(json_array_get(lost, i), "cluster"), cluster)) {
        i++;
    }
    return json_array_get(lost, i);
}

/* Whether a cluster where the environment is now is lost, too. */
static bool here_is_lost(const struct snapshot *s, const struct environment *env,
                         const json_t *plane, struct arena *arena)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_at(env->object, "status", "clusters", NULL), i, name)
    {
        uint64_t due_ms;
        const json_t *row = cluster_status(plane, json_text(name));
        if (row != NULL && is_lost(s, env, row, arena, &due_ms)) {
            return true;
        }
    }
    return false;
}

/* A primary that comes back finds another in its place, and there is to be one: so it stays out
 * until somebody says otherwise, or the other is lost as well. */
static bool stays_out(const struct environment *env, const json_t *entry, bool needed)
{
    bool primary = slice_eq_cstr(json_text_at(placement_of(env), "policy"), "primary");
    return primary && !needed &&
           json_integer_value(json_object_get(entry, "generation")) ==
               object_generation(env->object);
}

static bool is_on(const json_t *environment, struct slice cluster)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_at(environment, "status", "clusters", NULL), i, name)
    {
        if (slice_eq(json_text(name), cluster)) {
            return true;
        }
    }
    return false;
}

static json_t *new_entry(const struct snapshot *s, const struct environment *env, const json_t *row)
{
    struct slice cluster = json_text_at(row, "name");
    json_t *entry = json_pack("{s:o, s:o, s:o, s:I}", "cluster", json_str(cluster), "since",
                              json_str(json_text_at(row, "since")), "at", promotion_time(s->now_ms),
                              "generation", (json_int_t)object_generation(env->object));
    if (!is_on(env->object, cluster)) {
        json_object_set_new(entry, "elsewhere", json_true());
    }
    return entry;
}

/* Is it any news to the environment what becomes of that cluster: is it there, or was it, when the
 * cluster was lost (entry, if that is noted)? */
static bool concerns(const json_t *environment, const json_t *entry, struct slice cluster)
{
    bool left = entry != NULL && !json_is_true(json_object_get(entry, "elsewhere"));
    return left || is_on(environment, cluster);
}

void loss_note(const struct snapshot *s, const struct environment *env, const json_t *plane,
               json_t *edit, struct plan *plan)
{
    json_t *lost = json_array();
    const json_t *before = json_at(env->object, "status", "lost", NULL);
    bool needed = here_is_lost(s, env, plane, &plan->arena);
    size_t i;
    json_t *row;
    json_array_foreach(json_at(plane, "status", "clusters", NULL), i, row)
    {
        uint64_t due_ms;
        const json_t *entry = noted(before, json_text_at(row, "name"));
        bool gone = is_lost(s, env, row, &plan->arena, &due_ms);
        bool still = entry != NULL && (unreachable(row) || stays_out(env, entry, needed));
        if (!gone && due_ms > 0) {
            plan_requeue(plan, due_ms - s->now_ms);
        }
        if (gone || still) {
            json_array_append_new(lost,
                                  entry != NULL ? json_deep_copy(entry) : new_entry(s, env, row));
        }
    }
    bool any = fails_over(env) && json_array_size(lost) > 0;
    status_set(edit, "lost", any ? json_incref(lost) : NULL);
    json_decref(lost);
}

/* ---- telling ---- */

static void join(struct buf *out, struct slice name)
{
    buf_addf(out, "%s\"%.*s\"", out->len > 0 ? ", " : "", SLICE_ARG(name));
}

static void tell_news(const struct environment *env, const json_t *edit, struct plan *plan)
{
    const json_t *before = json_at(env->object, "status", "lost", NULL);
    const json_t *after = json_at(edit, "status", "lost", NULL);
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *entry = json_array_get(after, i);
        struct slice name = json_text_at(entry, "cluster");
        if (noted(before, name) == NULL && concerns(env->object, entry, name)) {
            plan_event(plan, env->object, true, CLUSTER_LOST,
                       "cluster \"%.*s\" is given up: it has not answered since %.*s",
                       SLICE_ARG(name), SLICE_ARG(json_text_at(json_array_get(after, i), "since")));
        }
    }
    for (size_t i = 0; i < json_array_size(before); i++) {
        const json_t *entry = json_array_get(before, i);
        struct slice name = json_text_at(entry, "cluster");
        if (noted(after, name) == NULL && concerns(edit, entry, name)) {
            plan_event(plan, env->object, false, "ClusterBack",
                       "cluster \"%.*s\" is counted on again", SLICE_ARG(name));
        }
    }
}

void loss_tell(const struct snapshot *s, const struct environment *env, const json_t *plane,
               json_t *edit, struct plan *plan)
{
    const json_t *lost = json_at(edit, "status", "lost", NULL);
    struct buf gone = {0};
    struct buf back = {0};
    struct buf places = {0};
    bool stuck = false;
    size_t i;
    json_t *row;
    json_array_foreach(json_at(plane, "status", "clusters", NULL), i, row)
    {
        uint64_t due_ms;
        struct slice name = json_text_at(row, "name");
        const json_t *entry = noted(lost, name);
        bool now = is_lost(s, env, row, &plan->arena, &due_ms);
        if ((now || entry != NULL) && concerns(edit, entry, name)) {
            join(now || unreachable(row) ? &gone : &back, name);
        }
    }
    json_array_foreach(json_at(edit, "status", "clusters", NULL), i, row)
    {
        stuck |= noted(lost, json_text(row)) != NULL;
        join(&places, json_text(row));
    }
    tell_news(env, edit, plan);
    if (gone.len == 0 && back.len == 0) {
        condition_drop(edit, CLUSTER_LOST);
    } else if (!fails_over(env)) {
        condition_set(edit, s, CLUSTER_LOST, STATUS_TRUE, "Waiting",
                      "%s does not answer; what runs there waits for it, as placement.onLoss says",
                      buf_cstr(&gone));
    } else if (stuck) {
        condition_set(edit, s, CLUSTER_LOST, STATUS_TRUE, "NowhereToGo",
                      "%s does not answer, and no other cluster that qualifies does",
                      buf_cstr(&gone));
    } else if (gone.len > 0) {
        condition_set(edit, s, CLUSTER_LOST, STATUS_TRUE, "FailedOver",
                      "%s does not answer: it is on %s", buf_cstr(&gone), buf_cstr(&places));
    } else {
        condition_set(edit, s, CLUSTER_LOST, STATUS_TRUE, "StaysAway",
                      "%s answers again, but it is on %s by now, and stays there until the "
                      "environment's spec changes",
                      buf_cstr(&back), buf_cstr(&places));
    }
    buf_free(&gone);
    buf_free(&back);
    buf_free(&places);
}
