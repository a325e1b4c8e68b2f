/* tracking.c: the engine polls, the newest commit comes into status.source, and a run is made of
 * each commit that is new.
 *
 * Where a webhook tells of pushes nobody polls: a run that one made within TRACKING_TOLD_MS says
 * that it works. It also knows what a poll cannot: whether a push changed anything below the
 * component's path. The very first commit is found by polling, in either case. */
#include "reconcile/controllers/tracking.h"

#include "reconcile/controllers/build.h"

struct tracking {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *component;
    const json_t *project;
    struct plan *plan;
};

/* When a webhook last had the component built; 0: not that there is a run of it. *any: there is a
 * run at all. */
static uint64_t told_ms(const struct tracking *t, bool *any)
{
    const struct snapshot_entry **runs;
    size_t count = snapshot_list(t->s, SNAPSHOT_RUN, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 t->entry->name, &t->plan->arena, &runs);
    uint64_t newest_ms = 0;
    *any = count > 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *run = snapshot_tree(t->s, runs[i]);
        const char *at = json_string_value(json_at(run, "metadata", "creationTimestamp", NULL));
        uint64_t at_ms = 0;
        if (slice_starts_with(spec_text(run, "triggeredBy"), SLICE(TRACKING_WEBHOOK)) &&
            at != NULL && clock_parse_rfc3339(at, &at_ms) == 0) {
            newest_ms = at_ms > newest_ms ? at_ms : newest_ms;
        }
    }
    return newest_ms;
}

/* Was the image made of this commit? A workflow may tell no more than how it begins. */
static bool is_built(const struct tracking *t, struct slice commit)
{
    enum { TOLD_MIN = 7 };
    struct slice built = json_text(json_at(t->component, "status", "build", "commit", NULL));
    return built.len >= TOLD_MIN && slice_starts_with(commit, built);
}

/* The commit that was found, if it was never built: it has no run, and the image is not of it. */
static void build_newest(const struct tracking *t, const json_t *git)
{
    const json_t *found =
        plan_source_of(t->component, json_text_at(git, "repository"), json_text_at(git, "branch"));
    const struct workflow_run_request request = {
        .component = t->component,
        .project = t->project,
        .project_name = t->project != NULL
                            ? object_name(t->project)
                            : json_text(json_at(t->component, "status", "project", NULL)),
        .commit = json_text_at(found, "commit"),
        .triggered_by = SLICE(BUILD_BY_ITSELF)};
    if (request.commit.len == 0 || is_built(t, request.commit)) {
        return;
    }
    struct slice name = build_make_run(t->s, t->plan, &request);
    if (name.len > 0) {
        plan_event(t->plan, t->component, false, "CommitFound", "made run \"%.*s\" of a new commit",
                   SLICE_ARG(name));
    }
}

/* Credentials that lie in a store outside are the cluster's to read, not ours. */
static bool may_ask(const struct tracking *t, const json_t *git)
{
    struct slice secret = json_text_at(git, "secretRef");
    return secret.len == 0 || snapshot_find(t->s, SNAPSHOT_SECRET, t->entry->ns, secret) != NULL ||
           snapshot_find(t->s, SNAPSHOT_SECRET_REFERENCE, t->entry->ns, secret) == NULL;
}

void tracking_plan(const struct snapshot *s, const struct snapshot_entry *component,
                   const json_t *project, struct plan *plan)
{
    const struct tracking t = {.s = s,
                               .entry = component,
                               .component = snapshot_tree(s, component),
                               .project = project,
                               .plan = plan};
    json_t *source = workflow_run_source(t.component, project);
    const json_t *git = json_object_get(source, "git");
    bool fixed = json_text_at(git, "tag").len > 0 || json_text_at(git, "commit").len > 0;
    if (git != NULL && !fixed && json_is_true(json_at(t.component, "spec", "autoBuild", NULL))) {
        bool any;
        uint64_t until_ms = told_ms(&t, &any) + TRACKING_TOLD_MS;
        if (s->now_ms < until_ms) {
            plan_requeue(plan, until_ms - s->now_ms);
        } else if (may_ask(&t, git)) {
            plan_follow(plan, json_text_at(git, "repository"), json_text_at(git, "branch"),
                        json_text_at(git, "secretRef"), TRACKING_POLL_MS);
            if (any || json_at(t.component, "status", "build", NULL) != NULL) {
                build_newest(&t, git); /* the very first is build.h's */
            }
        }
    }
    json_decref(source);
}
