/* rendered_end.c: when a RenderedRelease has nobody left who wants it, and how it goes.
 *
 * Deleting always ends: when all of the inventory is gone; at once when there are no credentials to
 * reach the cluster with; after abandon_after_ms when the cluster does not answer, or keeps what it
 * was told to delete. What is abandoned is told in an Event, and swept by the shard's leader should
 * the cluster come back. */
#include "reconcile/controllers/rendered_internal.h"

#include <string.h>

#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/openchoreo.h"
#include "reconcile/controllers/place.h"
#include "reconcile/controllers/workflow_run.h"
#include "render/run.h"

enum { REMOVAL_TOLD_MS = 5 * 1000 };

/* ---- who wants it ---- */

static size_t members_of(const struct rendered_work *w, const struct snapshot_entry ***out)
{
    const char *members =
        arena_printf(&w->plan->arena, "%.*s/%.*s/%.*s/%.*s", SLICE_ARG(w->project),
                     SLICE_ARG(w->environment), SLICE_ARG(w->plane), SLICE_ARG(w->cluster));
    return w->cell ? snapshot_list(w->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_MEMBER, w->entry->ns,
                                   slice_of(members), &w->plan->arena, out)
                   : 0;
}

static bool shared(const struct rendered_work *w)
{
    const struct snapshot_entry **members;
    return members_of(w, &members) > 0;
}

/* Whether a cell's namespace has something of a member. One that came when the cell was going has
 * sent nothing: it waits for a new cell, which waits for this one. */
static bool inhabited(const struct rendered_work *w)
{
    const struct snapshot_entry **members;
    size_t count = members_of(w, &members);
    while (count > 0 && !members[count - 1]->applied && !members[count - 1]->deleting) {
        count--;
    }
    return count > 0;
}

/* Whether the cell's environment is known to be elsewhere: then it is there for what still drains.
 */
static bool was_left(const struct rendered_work *w)
{
    struct site site;
    site_find(w->s, w->entry->ns, w->environment, &w->plan->arena, &site);
    return site.reason == NULL && !site_has(&site, w->plane, w->cluster);
}

bool rendered__orphaned(const struct rendered_work *w)
{
    struct arena *arena = &w->plan->arena;
    if (rendered_is_run(w->rendered)) {
        const struct snapshot_entry *run =
            snapshot_find(w->s, SNAPSHOT_RUN, w->entry->ns, spec_text(w->rendered, "workflowRun"));
        return run == NULL || !owned_by(w->rendered, run->uid);
    }
    if (w->cell && slice_eq_cstr(w->project, RUN_PROJECT)) {
        return !run_cell_wanted(w->s, w->entry->ns, arena) && !shared(w);
    }
    if (!w->cell) {
        enum snapshot_kind kind =
            rendered_is_resource(w->rendered) ? SNAPSHOT_RESOURCE_BINDING : SNAPSHOT_BINDING;
        const struct snapshot_entry *binding =
            snapshot_find(w->s, kind, w->entry->ns, spec_text(w->rendered, "bindingName"));
        return binding == NULL || (has_owner(w->rendered) && !owned_by(w->rendered, binding->uid));
    }
    if (was_left(w)) {
        return !shared(w);
    }
    const char *cell =
        arena_printf(arena, "%.*s/%.*s", SLICE_ARG(w->project), SLICE_ARG(w->environment));
    static const enum snapshot_kind kinds[] = {SNAPSHOT_BINDING, SNAPSHOT_RESOURCE_BINDING};
    for (size_t k = 0; k < 2; k++) {
        const struct snapshot_entry **bindings;
        size_t count = snapshot_list(w->s, kinds[k], SNAPSHOT_BY_CELL, w->entry->ns, slice_of(cell),
                                     arena, &bindings);
        for (size_t i = 0; i < count; i++) {
            if (!bindings[i]->deleting) {
                return false;
            }
        }
    }
    return !openchoreo_cell_wanted(w->s, w->entry->ns, slice_of(cell), arena) && !shared(w);
}

/* ---- the end ---- */

static void let_go(struct rendered_work *w)
{
    object_remove_finalizer(plan_edit(w->plan, w->s, w->entry), FINALIZER);
}

#define COMES_BACK "; they are removed if it comes back"

static void abandon(struct rendered_work *w, const char *why)
{
    plan_event(w->plan, w->rendered, true, "Abandoned",
               "%zu object%s may be left on cluster \"%.*s\" of data plane \"%.*s\": %s",
               json_array_size(w->inventory), json_array_size(w->inventory) == 1 ? "" : "s",
               SLICE_ARG(w->cluster), SLICE_ARG(w->plane), why);
    let_go(w);
}

/* Milliseconds since the object was marked for deletion. */
static uint64_t deleting_for_ms(const struct rendered_work *w)
{
    uint64_t since_ms = 0;
    struct slice since = json_text(json_at(w->rendered, "metadata", "deletionTimestamp", NULL));
    if (clock_parse_rfc3339(arena_cstr(&w->plan->arena, since), &since_ms) != 0 ||
        since_ms > w->s->now_ms) {
        return 0;
    }
    return w->s->now_ms - since_ms;
}

/* What goes within moments is not worth a write. */
static void tell_removal(struct rendered_work *w)
{
    uint64_t waited_ms = deleting_for_ms(w);
    size_t count = json_array_size(w->inventory);
    const json_t *first = json_array_get(w->inventory, 0);
    if (waited_ms < REMOVAL_TOLD_MS) {
        plan_requeue(w->plan, REMOVAL_TOLD_MS - waited_ms);
        return;
    }
    rendered__not_ready(
        w, STATUS_FALSE, true, TERMINATING,
        slice_of(arena_printf(&w->plan->arena,
                              "being deleted; waiting for cluster \"%.*s\" of data plane "
                              "\"%.*s\" to have removed %zu object%s, %.*s \"%.*s\" first",
                              SLICE_ARG(w->cluster), SLICE_ARG(w->plane), count,
                              count == 1 ? "" : "s", SLICE_ARG(json_text_at(first, "kind")),
                              SLICE_ARG(json_text_at(first, "name")))));
}

/* A resource that was on a cluster: what its volumes hold goes with it, and with its passwords. */
static json_t *claims_of(const struct rendered_work *w)
{
    const json_t *first = json_array_get(w->inventory, 0);
    if (!rendered_is_resource(w->rendered) || first == NULL) {
        return NULL;
    }
    return json_pack("{s:s, s:o, s:o}", "kind", "Resource", "namespace",
                     json_str(json_text_at(first, "namespace")), "name",
                     json_str(owner_text(w->rendered, "resourceName")));
}

/* Why nothing came of removing them for as long as is waited for that. */
static const char *given_up(const struct rendered_work *w, struct slice message)
{
    const char *reason = w->world.reason;
    bool held = strcmp(reason, WORLD_STILL_THERE) == 0;
    bool silent = reason[0] == '\0' || strcmp(reason, RENDERED_UNREACHABLE) == 0;
    return arena_printf(&w->plan->arena, "%s for as long as is waited for that: %.*s%s",
                        held     ? "what holds them has not let go"
                        : silent ? "it did not answer"
                                 : "they could not be removed",
                        SLICE_ARG(message),
                        held     ? "; they are gone once it does"
                        : silent ? COMES_BACK
                                 : "");
}

void rendered__end(struct rendered_work *w)
{
    if (!object_has_finalizer(w->rendered, FINALIZER)) {
        return;
    }
    if (inhabited(w)) {
        rendered__not_ready(w, STATUS_FALSE, true, TERMINATING,
                            SLICE("being deleted; waiting for what is in its cell"));
        return;
    }
    if (w->world.busy) {
        return;
    }
    bool nothing_there = json_array_size(w->inventory) == 0 && w->world.reason[0] == '\0';
    if (w->world.gone || nothing_there) {
        let_go(w);
        return;
    }
    if (cluster_secret(w->s, w->plane, w->cluster, &w->plan->arena) == NULL) {
        abandon(w, "there are no credentials to reach it with" COMES_BACK);
        return;
    }
    struct slice why;
    bool reachable = rendered__answers(w, &why) && w->world.reason[0] == '\0';
    if (!reachable) {
        uint64_t waited_ms = deleting_for_ms(w);
        uint64_t limit_ms = w->s->abandon_after_ms;
        bool told = w->world.message != NULL && w->world.message[0] != '\0';
        struct slice message = told ? slice_of(w->world.message) : why;
        if (limit_ms != 0 && waited_ms >= limit_ms) {
            abandon(w, given_up(w, message));
            return;
        }
        rendered__not_ready(
            w, STATUS_FALSE, false, TERMINATING,
            slice_of(arena_printf(&w->plan->arena, ENDING_BUT "%.*s", SLICE_ARG(message))));
        plan_requeue(w->plan, limit_ms != 0 ? limit_ms - waited_ms : 60 * 1000);
    } else if (json_array_size(w->inventory) > 0) {
        tell_removal(w);
    }
    if (rendered__answers(w, &why) && w->s->now_ms >= w->world.retry_at_ms) {
        w->plan->desired =
            (struct plan_desired){.action = PLAN_REMOVE, .plane = w->plane, .cluster = w->cluster};
        w->plan->desired.prune = json_deep_copy(w->inventory);
        w->plan->desired.claims_of = claims_of(w);
    } else if (w->s->now_ms < w->world.retry_at_ms) {
        plan_requeue(w->plan, w->world.retry_at_ms - w->s->now_ms);
    }
}
