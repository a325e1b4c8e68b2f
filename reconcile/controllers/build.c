/* build.c: the newest run that went well decides, unless an older one is wanted again.
 *
 * A run that is newer than the one whose image is used takes its place once it succeeds; one that
 * fails changes nothing but the condition. What was used is kept in status.build, so that it stays
 * when its run is deleted. Newer means made later, not ended later: of two builds that overtake
 * each other the later commit stays. Of pushes, which git providers may tell of in any order, it
 * means pushed later, as far as their runs say what they were pushed over. A component that comes
 * to name, or a branch that comes back to, what was built before has that run chosen again, as if
 * it had been made now. */
#include "reconcile/controllers/build.h"

#include <stdlib.h>
#include <string.h>

#include "reconcile/controllers/build_allowed.h"
#include "reconcile/controllers/promotion.h"
#include "reconcile/controllers/run_test.h"
#include "reconcile/controllers/tracking.h"
#include "reconcile/controllers/workflow_run.h"

#define BUILT "Built"

struct work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *component;
    const json_t *project;
    const json_t *git; /* its source */
    struct slice project_name;
    json_t *edit;
    struct plan *plan;
    const struct snapshot_entry **runs; /* its builds, what is oldest first */
    size_t run_count;
    const struct snapshot_entry **tests; /* likewise: those that test its releases */
    size_t test_count;
    struct build *out;
};

static struct slice made_at(const json_t *run)
{
    return json_text(json_at(run, "metadata", "creationTimestamp", NULL));
}

static int run_order(const void *a, const void *b)
{
    const struct snapshot_entry *x = *(const struct snapshot_entry *const *)a;
    const struct snapshot_entry *y = *(const struct snapshot_entry *const *)b;
    int c = slice_cmp(made_at(x->tree), made_at(y->tree));
    return c != 0 ? c : slice_cmp(x->name, y->name);
}

static void sort_runs(const struct snapshot_entry **runs, size_t count)
{
    if (count > 1) {
        qsort(runs, count, sizeof(*runs), run_order);
    }
}

/* ---- their order ---- */

/* Where the branch was before the push that a run is of; empty: that is not known. */
static struct slice pushed_from(const json_t *run, bool *forced)
{
    struct slice from = object_annotation(run, WORKFLOW_RUN_PUSHED_FROM);
    *forced = from.len == 0;
    return from.len > 0 ? from : object_annotation(run, WORKFLOW_RUN_PUSHED_OVER);
}

static struct slice commit_of(const json_t *run)
{
    return json_text(json_at(run, "spec", "source", "git", "commit", NULL));
}

/* Those that are put into order: a push is told of seconds too late, or minutes. Of more, which
 * whoever may start runs can make, none is looked at with each of the others. */
struct pushes {
    const struct snapshot_entry **runs;
    size_t count;
};

enum { PUSHES_MAX = 32 }; /* which are also noted */

/* The last run but runs[i] of a commit, or count. */
static size_t last_of(const struct pushes *p, struct slice commit, size_t i)
{
    for (size_t k = p->count; k-- > 0;) {
        if (k != i && slice_eq(commit_of(p->runs[k]->tree), commit)) {
            return k;
        }
    }
    return p->count;
}

/* Is runs[late] of a push that came before that of runs[first]? That one went on from its commit,
 * and it does not itself come, over others, from what was pushed since: then the branch has gone
 * back there. Where it comes from what has no run, it has gone back if it was forced. */
static bool was_pushed_before(const struct pushes *p, size_t late, size_t first)
{
    bool forced;
    struct slice from = pushed_from(p->runs[first]->tree, &forced);
    if (from.len == 0 || !slice_eq(from, commit_of(p->runs[late]->tree))) {
        return false;
    }
    for (size_t i = late, steps = 0; steps <= p->count; steps++) {
        from = pushed_from(p->runs[i]->tree, &forced);
        i = from.len > 0 ? last_of(p, from, i) : first;
        if (i <= first || i == p->count) {
            return i < first || (i == p->count && !forced);
        }
    }
    return false;
}

/* Moves runs that were told of too late in front of what was pushed after them. Each move may show
 * the next; histories that contradict themselves end after so many. */
static void order_pushes(const struct work *w)
{
    size_t older = w->run_count > PUSHES_MAX ? w->run_count - PUSHES_MAX : 0;
    const struct pushes p = {w->runs + older, w->run_count - older};
    size_t moves = 0;
    for (size_t late = 1; late < p.count; late++) {
        size_t first = 0;
        while (first < late && !was_pushed_before(&p, late, first)) {
            first++;
        }
        if (first < late && moves++ < p.count) {
            const struct snapshot_entry *moved = p.runs[late];
            memmove(&p.runs[first + 1], &p.runs[first], (late - first) * sizeof(*p.runs));
            p.runs[first] = moved;
            late = 0; /* from the start */
        }
    }
}

static void find_runs(struct work *w)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_list(w->s, SNAPSHOT_RUN, SNAPSHOT_BY_COMPONENT, w->entry->ns,
                                 w->entry->name, &w->plan->arena, &all);
    w->runs = all;
    w->tests = arena_alloc(&w->plan->arena, (count + 1) * sizeof(*w->tests));
    for (size_t i = 0; i < count; i++) {
        const json_t *run = snapshot_tree(w->s, all[i]);
        if (all[i]->deleting || run == NULL) {
            continue;
        }
        if (run_is_test(run)) {
            w->tests[w->test_count++] = all[i];
        } else {
            w->runs[w->run_count++] = all[i];
        }
    }
    sort_runs(w->runs, w->run_count);
    order_pushes(w);
    sort_runs(w->tests, w->test_count);
}

static bool is_phase(const json_t *run, const char *phase)
{
    return slice_eq_cstr(json_text(json_at(run, "status", "phase", NULL)), phase);
}

/* ---- which of them ---- */

/* What the component names, or its branch is at; empty: that is not known. */
static struct slice wanted_by(const struct work *w)
{
    struct slice commit = json_text_at(w->git, "commit");
    struct slice tag = json_text_at(w->git, "tag");
    if (commit.len > 0 || tag.len > 0) {
        return commit.len > 0 ? commit : tag;
    }
    return json_text_at(plan_source_of(w->component, json_text_at(w->git, "repository"),
                                       json_text_at(w->git, "branch")),
                        "commit");
}

/* One may be no more than how the other begins. */
static bool same_commit(struct slice a, struct slice b)
{
    enum { TOLD_MIN = 7 };
    return a.len >= TOLD_MIN && b.len >= TOLD_MIN &&
           (slice_starts_with(a, b) || slice_starts_with(b, a));
}

static bool is_of(const json_t *run, struct slice wanted)
{
    const json_t *git = json_at(run, "spec", "source", "git", NULL);
    return slice_eq(json_text_at(git, "tag"), wanted) ||
           same_commit(json_text_at(git, "commit"), wanted) ||
           same_commit(json_text(json_at(run, "status", "commit", NULL)), wanted);
}

static bool made_image(const json_t *run)
{
    return is_phase(run, RUN_SUCCEEDED) && json_text(json_at(run, "status", "image", NULL)).len > 0;
}

static void take(struct work *w, const struct snapshot_entry *e, json_t *at)
{
    const json_t *run = snapshot_tree(w->s, e);
    struct slice commit = json_text(json_at(run, "status", "commit", NULL));
    json_t *build = json_pack("{s:o, s:o, s:o}", "run", json_str(e->name), "image",
                              json_str(json_text(json_at(run, "status", "image", NULL))), "at", at);
    if (commit.len > 0) {
        json_object_set_new(build, "commit", json_str(commit));
    }
    status_set(w->edit, "build", build);
}

/* What is wanted changed to what was built before: that build comes back, and what was made until
 * now does not take its place. */
static bool take_wanted(struct work *w, const json_t *known, struct slice wanted)
{
    struct slice before = json_text_at(known, "wanted");
    size_t i = w->run_count;
    if (before.len == 0 || wanted.len == 0 || slice_eq(before, wanted)) {
        return false;
    }
    while (i > 0 && !(made_image(snapshot_tree(w->s, w->runs[i - 1])) &&
                      is_of(snapshot_tree(w->s, w->runs[i - 1]), wanted))) {
        i--;
    }
    if (i > 0) {
        take(w, w->runs[i - 1], promotion_time(w->s->now_ms));
    }
    return i > 0;
}

/* Whether what is used was chosen later than it was made. */
static bool chosen_again(const struct work *w, const json_t *build)
{
    const json_t *run = snapshot_get(w->s, SNAPSHOT_RUN, w->entry->ns, json_text_at(build, "run"));
    return run != NULL && slice_cmp(made_at(run), json_text_at(build, "at")) < 0;
}

/* Whether runs[i] is newer than what is used, or that itself. */
static bool comes_after(const struct work *w, size_t i, const json_t *build)
{
    int made = slice_cmp(made_at(w->runs[i]->tree), json_text_at(build, "at"));
    if (chosen_again(w, build)) {
        return made > 0;
    }
    for (size_t k = 0; k < w->run_count; k++) {
        if (slice_eq(w->runs[k]->name, json_text_at(build, "run"))) {
            return i >= k;
        }
    }
    return made >= 0;
}

/* The newest that went well takes its place in status.build. */
static void take_newest(struct work *w, const json_t *known)
{
    size_t i = w->run_count;
    while (i > 0 && !made_image(snapshot_tree(w->s, w->runs[i - 1]))) {
        i--;
    }
    if (i > 0 && comes_after(w, i - 1, known)) {
        take(w, w->runs[i - 1], json_str(made_at(w->runs[i - 1]->tree)));
    }
}

static void choose(struct work *w)
{
    struct slice wanted = wanted_by(w);
    const json_t *known = json_at(w->component, "status", "build", NULL);
    if (!take_wanted(w, known, wanted)) {
        take_newest(w, known);
    }
    json_t *build = json_at(w->edit, "status", "build", NULL);
    if (build != NULL && wanted.len > 0) {
        json_object_set_new(build, "wanted", json_str(wanted));
    }
    w->out->image = arena_copy(&w->plan->arena, json_text_at(build, "image"));
    w->out->run = arena_copy(&w->plan->arena, json_text_at(build, "run"));
}

/* ---- making one ---- */

/* It has autoBuild, and a source that is no tag and no commit. */
static bool follows(const struct work *w)
{
    return json_is_true(json_at(w->component, "spec", "autoBuild", NULL)) &&
           json_text_at(w->git, "commit").len == 0 && json_text_at(w->git, "tag").len == 0;
}

/* What the branch that it follows was found to be. */
static struct slice followed_commit(const struct work *w)
{
    return json_text(json_at(w->component, "status", "source", "commit", NULL));
}

/* Why the component's type does not let its workflow build it, or NULL. */
static const char *forbidden(const struct snapshot *s, struct plan *plan, const json_t *component)
{
    json_t *target = workflow_run_target(component);
    const char *why = build_forbidden(plan, build_type(s, component), target);
    json_decref(target);
    return why;
}

/* Runs expire and are deleted: what was made once is not made again. */
static bool was_made(const json_t *component, struct slice run)
{
    const json_t *status = json_object_get(component, "status");
    return slice_eq(json_text_at(status, "startedRun"), run) ||
           slice_eq(json_text(json_at(status, "build", "run", NULL)), run);
}

/* So that it is known when the run is gone: of what is wanted, for an older one of something else
 * may outlast it. */
static void note_started(struct work *w)
{
    struct slice wanted = wanted_by(w);
    for (size_t i = w->run_count; wanted.len > 0 && i-- > 0;) {
        if (slice_eq_cstr(spec_text(w->runs[i]->tree, "triggeredBy"), BUILD_BY_ITSELF) &&
            is_of(w->runs[i]->tree, wanted)) {
            status_set(w->edit, "startedRun", json_str(w->runs[i]->name));
            return;
        }
    }
}

/* The push that a run is of; empty: of none. */
static struct slice push_of(const struct work *w, const json_t *run)
{
    bool forced;
    struct slice before = pushed_from(run, &forced);
    bool pushed =
        before.len > 0 || slice_starts_with(spec_text(run, "triggeredBy"), SLICE(TRACKING_WEBHOOK));
    struct buf text = {0};
    if (pushed && commit_of(run).len > 0) {
        struct slice branch = json_text(json_at(run, "spec", "source", "git", "branch", NULL));
        workflow_run_push(branch, before, forced && before.len > 0, commit_of(run), &text);
    }
    struct slice push = arena_copy(&w->plan->arena, buf_slice(&text));
    buf_free(&text);
    return push;
}

/* Runs expire, and git hosts tell of a push again days later: those that were built are noted, the
 * ones that have a run behind those whose runs are gone. */
static void note_pushes(struct work *w)
{
    const json_t *before = json_at(w->component, "status", "pushes", NULL);
    size_t older = w->run_count > PUSHES_MAX ? w->run_count - PUSHES_MAX : 0;
    json_t *all = json_array();
    json_t *now = json_object();
    for (size_t i = older; i < w->run_count; i++) {
        struct slice push = push_of(w, w->runs[i]->tree);
        if (push.len > 0) {
            json_object_setn_new(now, push.data, push.len, json_true());
        }
    }
    for (size_t i = 0; i < json_array_size(before); i++) {
        struct slice push = json_text(json_array_get(before, i));
        if (json_object_getn(now, push.data, push.len) == NULL) {
            json_array_append(all, json_array_get(before, i));
        }
    }
    const char *push;
    json_t *value;
    json_object_foreach(now, push, value)
    {
        json_array_append_new(all, json_string(push));
    }
    while (json_array_size(all) > PUSHES_MAX) {
        json_array_remove(all, 0);
    }
    status_set(w->edit, "pushes", json_array_size(all) > 0 ? json_incref(all) : NULL);
    json_decref(now);
    json_decref(all);
}

struct slice build_make_run(const struct snapshot *s, struct plan *plan,
                            const struct workflow_run_request *request)
{
    bool may = forbidden(s, plan, request->component) == NULL;
    json_t *run = may ? workflow_run_of(request) : NULL;
    if (run == NULL) {
        return (struct slice){0};
    }
    struct slice ns = object_ns(run);
    struct slice name = arena_copy(&plan->arena, object_name(run));
    bool theirs = workflow_run_is_openchoreo(run);
    if (was_made(request->component, name) || snapshot_find(s, SNAPSHOT_RUN, ns, name) != NULL ||
        (theirs && snapshot_find(s, SNAPSHOT_OC_WORKFLOW_RUN, ns, name) != NULL)) {
        json_decref(run);
        return (struct slice){0};
    }
    plan_create(plan, theirs ? SNAPSHOT_OC_WORKFLOW_RUN : SNAPSHOT_RUN, run);
    return name;
}

static bool make_run(struct work *w)
{
    const struct workflow_run_request request = {.component = w->component,
                                                 .project = w->project,
                                                 .project_name = w->project_name,
                                                 .commit =
                                                     follows(w) ? followed_commit(w) : SLICE(""),
                                                 .triggered_by = SLICE(BUILD_BY_ITSELF)};
    struct slice name = build_make_run(w->s, w->plan, &request);
    if (name.len == 0) {
        return false;
    }
    plan_event(w->plan, w->component, false, "BuildStarted", "made run \"%.*s\"", SLICE_ARG(name));
    condition_set(w->edit, w->s, BUILT, STATUS_FALSE, "Building", "run \"%.*s\" is being started",
                  SLICE_ARG(name));
    return true;
}

/* Without a word of the component's, the first build comes by itself; with autoBuild, also that of
 * every commit or tag that it comes to name. One that follows a branch is built once it is known
 * what that is; new commits of it are tracking.h's. */
static bool wants_run(const struct work *w)
{
    const json_t *automatic = json_at(w->component, "spec", "autoBuild", NULL);
    bool first = w->run_count == 0 && w->out->image.len == 0;
    if (json_is_false(automatic)) {
        return false;
    }
    if (follows(w)) {
        return first && followed_commit(w).len > 0;
    }
    return first || json_is_true(automatic);
}

/* ---- telling ---- */

static void tell(struct work *w, const char *reason, const char *message)
{
    bool built = slice_eq_cstr(slice_of(reason), BUILT);
    condition_set(w->edit, w->s, BUILT, built ? STATUS_TRUE : STATUS_FALSE, reason, "%s", message);
    w->out->reason = reason;
    w->out->message = message;
}

/* A sentence about what the component names, if no run was ever made of it; or nothing. */
static const char *not_built(const struct work *w)
{
    struct slice wanted = follows(w) ? (struct slice){0} : wanted_by(w);
    const json_t *build = json_at(w->edit, "status", "build", NULL);
    bool known = wanted.len == 0 || same_commit(json_text_at(build, "commit"), wanted) ||
                 json_is_true(json_at(w->component, "spec", "autoBuild", NULL));
    for (size_t i = 0; !known && i < w->run_count; i++) {
        known = is_of(snapshot_tree(w->s, w->runs[i]), wanted);
    }
    return known ? ""
                 : arena_printf(&w->plan->arena,
                                "; of \"%.*s\", which it names, there is no build: choreo build "
                                "%.*s",
                                SLICE_ARG(wanted), SLICE_ARG(w->entry->name));
}

/* What is used instead of what was not made. */
static const char *goes_on(const struct work *w)
{
    return w->out->image.len > 0 ? "; the last image that was built goes on running" : "";
}

static const char *no_image(struct work *w, const json_t *run)
{
    return arena_printf(&w->plan->arena,
                        "run \"%.*s\" ended well, but put out no image: workflow \"%.*s\" names "
                        "none, neither in spec.image nor by an output parameter \"image\"%s",
                        SLICE_ARG(object_name(run)),
                        SLICE_ARG(json_text(json_at(run, "spec", "workflow", "name", NULL))),
                        goes_on(w));
}

/* Nothing was built yet. What follows a branch waits until it is known what that is at. */
static void report_none(struct work *w)
{
    struct arena *arena = &w->plan->arena;
    struct slice repository = json_text_at(w->git, "repository");
    struct slice branch = json_text_at(w->git, "branch");
    const json_t *source = plan_source_of(w->component, repository, branch);
    struct slice error = json_text(json_at(source, "error", "message", NULL));
    if (follows(w) && error.len > 0) {
        tell(w, "SourceNotResolved",
             arena_printf(arena, "it cannot be found out which commit %.*s of %.*s is: %.*s",
                          SLICE_ARG(branch.len > 0 ? branch : SLICE("its default branch")),
                          SLICE_ARG(repository), SLICE_ARG(error)));
        return;
    }
    struct slice started = json_text(json_at(w->component, "status", "startedRun", NULL));
    tell(w, "WaitingForBuild",
         started.len > 0
             ? arena_printf(arena, "run \"%.*s\" made no image, and is gone: choreo build %.*s",
                            SLICE_ARG(started), SLICE_ARG(w->entry->name))
             : arena_printf(arena, "nothing has built it yet: choreo build %.*s",
                            SLICE_ARG(w->entry->name)));
}

static void report(struct work *w)
{
    struct arena *arena = &w->plan->arena;
    const json_t *build = json_at(w->edit, "status", "build", NULL);
    size_t count = w->run_count;
    if (count > 0 && !comes_after(w, count - 1, build)) {
        count = 0; /* what is used was chosen since: nothing is under way */
    }
    const json_t *newest = count > 0 ? snapshot_tree(w->s, w->runs[count - 1]) : NULL;
    struct slice name = object_name(newest);
    struct slice message = json_text(json_at(newest, "status", "message", NULL));
    if (newest == NULL && w->out->image.len == 0) {
        report_none(w);
    } else if (newest != NULL && is_phase(newest, RUN_FAILED)) {
        tell(w, "BuildFailed",
             arena_printf(arena, "run \"%.*s\": %.*s%s", SLICE_ARG(name), SLICE_ARG(message),
                          goes_on(w)));
    } else if (newest != NULL && !run_ended(newest)) {
        tell(w, "Building",
             arena_printf(arena, "run \"%.*s\": %.*s", SLICE_ARG(name),
                          SLICE_ARG(message.len > 0 ? message : SLICE("is being started"))));
    } else if (newest != NULL && !made_image(newest)) {
        tell(w, "NoImage", no_image(w, newest));
    } else {
        tell(w, BUILT,
             arena_printf(arena, "run \"%.*s\" made %.*s%s", SLICE_ARG(w->out->run),
                          SLICE_ARG(w->out->image), not_built(w)));
    }
}

/* ---- what is too much ---- */

/* Does a release of the component that is bound somewhere run this image? */
static bool in_use(struct work *w, struct slice image)
{
    const struct snapshot_entry **bindings;
    size_t count = snapshot_list(w->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, w->entry->ns,
                                 w->entry->name, &w->plan->arena, &bindings);
    for (size_t i = 0; image.len > 0 && i < count; i++) {
        const json_t *binding = snapshot_tree(w->s, bindings[i]);
        const struct slice names[] = {spec_text(binding, "releaseName"),
                                      json_text(json_at(binding, "status", "releaseName", NULL))};
        for (size_t k = 0; k < 2; k++) {
            const json_t *release = snapshot_get(w->s, SNAPSHOT_RELEASE, w->entry->ns, names[k]);
            const json_t *container = json_at(release, "spec", "workload", "container", NULL);
            if (slice_eq(json_text_at(container, "image"), image)) {
                return true;
            }
        }
    }
    return false;
}

static void delete_old(struct work *w)
{
    for (size_t i = 0; i + BUILD_RUNS_KEPT < w->run_count; i++) {
        const json_t *run = snapshot_tree(w->s, w->runs[i]);
        struct slice image = json_text(json_at(run, "status", "image", NULL));
        if (run_ended(run) && !slice_eq(w->runs[i]->name, w->out->run) && !in_use(w, image)) {
            plan_delete(w->plan, w->runs[i]);
        }
    }
    for (size_t i = 0; i + BUILD_RUNS_KEPT < w->test_count; i++) {
        if (run_ended(snapshot_tree(w->s, w->tests[i]))) {
            plan_delete(w->plan, w->tests[i]);
        }
    }
}

bool build_plan(const struct snapshot *s, const struct snapshot_entry *component,
                const struct membership *membership, json_t *edit, struct plan *plan,
                struct build *out)
{
    const struct snapshot_entry *project = membership->entry;
    struct work w = {.s = s,
                     .entry = component,
                     .component = snapshot_tree(s, component),
                     .project = project != NULL ? snapshot_tree(s, project) : NULL,
                     .project_name = membership->project,
                     .edit = edit,
                     .plan = plan,
                     .out = out};
    json_t *source = workflow_run_source(w.component, w.project);
    *out = (struct build){0};
    if (source == NULL) {
        build_unused(edit);
        return false;
    }
    w.git = json_object_get(source, "git");
    find_runs(&w);
    note_started(&w);
    note_pushes(&w);
    choose(&w);
    delete_old(&w);
    report(&w);
    const char *why = forbidden(s, plan, w.component);
    if (why != NULL) {
        tell(&w, "WorkflowNotAllowed", why);
    } else if (wants_run(&w) && make_run(&w)) {
        out->reason = "Building";
        out->message = "its first build is being started";
    }
    json_decref(source);
    return true;
}

bool build_is_for_workload(const json_t *component)
{
    struct slice group = json_text(json_at(component, "spec", "workflow", "group", NULL));
    return slice_eq_cstr(group, OPENCHOREO_GROUP);
}

void build_unused(json_t *edit)
{
    condition_drop(edit, BUILT);
}
