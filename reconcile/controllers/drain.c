/* drain.c: see drain.h. What is left is not touched: it keeps its release and its manifests, so it
 * serves on whatever became of the new place. Since when it is left is noted in the status of its
 * binding, so a leader that takes over waits no longer than the one before. */
#include "reconcile/controllers/drain.h"

#include <string.h>

#include "reconcile/controllers/rollout.h"

static bool is_on(const struct site *site, const json_t *rendered)
{
    struct slice cluster = spec_text(rendered, "cluster");
    size_t i = 0;
    while (i < site->count && !slice_eq(site->clusters[i].name, cluster)) {
        i++;
    }
    return i < site->count && slice_eq(spec_text(rendered, "dataPlane"), site->plane);
}

/* Since when a cluster is left, as the binding's status has it; empty: it was not. */
static struct slice left_since(const json_t *draining, const json_t *rendered)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)draining, i, row)
    {
        if (slice_eq(json_text_at(row, "cluster"), spec_text(rendered, "cluster")) &&
            slice_eq(json_text_at(row, "dataPlane"), spec_text(rendered, "dataPlane"))) {
            return json_text_at(row, "since");
        }
    }
    return (struct slice){0};
}

struct leaving {
    const struct snapshot *s;
    struct plan *plan;
    const json_t *before; /* status.draining as it was */
    json_t *rows;         /* and as it becomes */
    struct buf names;
    uint64_t until_ms; /* the last goes, if nothing else happens */
    uint64_t within_ms;
    bool settled; /* all is healthy where it is wanted */
};

static void leave(struct leaving *l, const struct snapshot_entry *e)
{
    const json_t *tree = snapshot_tree(l->s, e);
    struct slice since = left_since(l->before, tree);
    char now[21];
    clock_rfc3339(l->s->now_ms, now);
    since = since.len > 0 ? since : slice_of(now);
    uint64_t due_ms = promotion_time_ms(&l->plan->arena, since) + l->within_ms;
    if (l->settled || l->s->now_ms >= due_ms) {
        plan_delete(l->plan, e);
        return;
    }
    plan_requeue(l->plan, due_ms - l->s->now_ms);
    l->until_ms = due_ms > l->until_ms ? due_ms : l->until_ms;
    buf_addf(&l->names, "%s\"%.*s/%.*s\"", l->names.len > 0 ? ", " : "",
             SLICE_ARG(spec_text(tree, "dataPlane")), SLICE_ARG(spec_text(tree, "cluster")));
    json_array_append_new(l->rows, json_pack("{s:o, s:o, s:o}", "dataPlane",
                                             json_str(spec_text(tree, "dataPlane")), "cluster",
                                             json_str(spec_text(tree, "cluster")), "since",
                                             json_str(since)));
}

static void tell(const struct leaving *l, json_t *edit)
{
    char until[21];
    clock_rfc3339(l->until_ms, until);
    status_set(edit, "draining", json_incref(l->rows));
    condition_set(edit, l->s, DRAINING, STATUS_TRUE, "WaitingForHealth",
                  "what is on %s stays until all is healthy where it is to be, but not longer than "
                  "until %s",
                  buf_cstr((struct buf *)(uintptr_t)&l->names), until);
}

void drain_none(json_t *edit)
{
    status_set(edit, "draining", NULL);
    condition_drop(edit, DRAINING);
}

size_t drain(const struct snapshot *s, struct plan *plan, json_t *edit, const struct site *site,
             struct slice release, const struct snapshot_entry **rendered, size_t count)
{
    const struct snapshot_entry **left = arena_alloc(&plan->arena, (count + 1) * sizeof(*left));
    size_t stay = 0;
    size_t left_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_on(site, snapshot_tree(s, rendered[i]))) {
            rendered[stay++] = rendered[i];
        } else {
            left[left_count++] = rendered[i];
        }
    }
    json_t *before = json_incref(json_at(edit, "status", "draining", NULL));
    struct leaving l = {.s = s,
                        .plan = plan,
                        .before = before,
                        .rows = json_array(),
                        .within_ms = site->drain_ms,
                        .settled =
                            rollout_health_of(s, release, rendered, stay, site->count).healthy};
    for (size_t i = 0; i < left_count; i++) {
        rendered[stay + i] = left[i];
        if (!left[i]->deleting) {
            leave(&l, left[i]);
        }
    }
    if (json_array_size(l.rows) > 0) {
        tell(&l, edit);
    } else {
        drain_none(edit);
    }
    json_decref(before);
    json_decref(l.rows);
    buf_free(&l.names);
    return stay;
}
