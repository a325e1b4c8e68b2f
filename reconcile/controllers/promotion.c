/* promotion.c: the gates between two environments, and automatic promotion.
 *
 * A release may come to an environment over any edge of the pipeline in whose source it is proven
 * and whose gates are all open. Of edges from several sources the first open one counts; if none
 * is, the first where it is proven tells all that is missing. Several edges from one source are
 * one, with the gates of all. Once a release was let in it stays in: the
 * binding remembers that (status.releaseName), and nothing here is asked again.
 *
 * Messages name times, not durations, so that they hold still while time passes. */
#include "reconcile/controllers/promotion.h"

#include "proto/schema.h"
#include "render/deployment.h"

#define AWAITS_HEALTH "AwaitingHealth"

enum { SECOND_MS = 1000, OFFERS_MAX = 10 };

/* One edge, and what of it is not open. */
struct gate {
    const struct snapshot *s;
    struct plan *plan;
    struct promotion_kinds kinds;
    const json_t *binding;
    const json_t *release;
    struct promotion_edge edge;
    const json_t *source; /* the source environment's binding */
    struct buf missing;
    const char *reason;     /* of the first that is missing; NULL: none */
    struct promotion *out;  /* of this edge */
    struct promotion *told; /* of all */
};

struct promotion_kinds promotion_kinds_of(const json_t *binding)
{
    static const struct promotion_kinds of_component = {
        .owner = SNAPSHOT_COMPONENT,
        .release = SNAPSHOT_RELEASE,
        .binding = SNAPSHOT_BINDING,
        .by_owner = SNAPSHOT_BY_COMPONENT,
    };
    static const struct promotion_kinds of_resource = {
        .owner = SNAPSHOT_RESOURCE,
        .release = SNAPSHOT_RESOURCE_RELEASE,
        .binding = SNAPSHOT_RESOURCE_BINDING,
        .by_owner = SNAPSHOT_BY_RESOURCE,
    };
    struct promotion_kinds kinds =
        owner_text(binding, "resourceName").len > 0 ? of_resource : of_component;
    kinds.track = promotion_track_of(binding);
    return kinds;
}

uint64_t promotion_time_ms(struct arena *arena, struct slice text)
{
    uint64_t ms = 0;
    return clock_parse_rfc3339(arena_cstr(arena, text), &ms) == 0 ? ms : 0;
}

uint64_t promotion_duration_ms(struct slice text)
{
    int64_t ms = 0;
    return text.len > 0 && schema_duration_ms(text, &ms) && ms > 0 ? (uint64_t)ms : 0;
}

json_t *promotion_time(uint64_t at_ms)
{
    char text[21];
    clock_rfc3339(at_ms, text);
    return json_string(text);
}

json_t *promotion_time_after(uint64_t at_ms)
{
    return promotion_time(at_ms + SECOND_MS - 1);
}

static void lacks(struct gate *g, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void lacks(struct gate *g, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_add_cstr(&g->missing, g->missing.len > 0 ? "; " : "");
    buf_vaddf(&g->missing, format, args);
    va_end(args);
    g->reason = g->reason != NULL ? g->reason : reason;
}

/* ---- the gates ---- */

/* Of rounded times the earliest moment that is surely late enough. */
static void check_health(struct gate *g)
{
    struct slice text = json_text_at(g->edge.target, "healthyFor");
    uint64_t wanted_ms = promotion_duration_ms(text);
    if (wanted_ms == 0) {
        return;
    }
    struct arena *arena = &g->plan->arena;
    const json_t *rollout =
        promotion_proven(g->source, object_name(g->release), object_uid(g->release));
    uint64_t since_ms = promotion_time_ms(arena, json_text_at(rollout, "healthySince"));
    uint64_t end_ms = promotion_time_ms(arena, json_text_at(rollout, "endedAt"));
    uint64_t due_ms = since_ms + wanted_ms + SECOND_MS;
    if (since_ms > 0 && (end_ms > 0 ? end_ms : g->s->now_ms) >= due_ms) {
        return;
    }
    if (since_ms == 0) {
        lacks(g, AWAITS_HEALTH, "it is not healthy in \"%.*s\" now, and must be so for %.*s",
              SLICE_ARG(g->edge.source), SLICE_ARG(text));
    } else if (end_ms > 0) {
        lacks(g, AWAITS_HEALTH,
              "it was healthy in \"%.*s\" for less than %.*s, and runs there no longer",
              SLICE_ARG(g->edge.source), SLICE_ARG(text));
    } else {
        char due[21];
        clock_rfc3339(due_ms, due);
        lacks(g, AWAITS_HEALTH, "it must stay healthy in \"%.*s\" until %s (%.*s)",
              SLICE_ARG(g->edge.source), due, SLICE_ARG(text));
        plan_requeue(g->plan, due_ms - g->s->now_ms);
    }
}

int promotion_compare_verdicts(const struct snapshot *s, const struct snapshot_entry *a,
                               const struct snapshot_entry *b)
{
    const json_t *x = snapshot_tree(s, a);
    const json_t *y = snapshot_tree(s, b);
    int ran = json_is_true(json_at(y, "spec", "notRun", NULL)) -
              json_is_true(json_at(x, "spec", "notRun", NULL));
    int at = slice_cmp(spec_text(x, "at"), spec_text(y, "at"));
    return ran != 0 ? ran : at != 0 ? at : (a->version > b->version) - (a->version < b->version);
}

const json_t *promotion_result(const struct snapshot *s, const json_t *release,
                               struct slice environment, struct slice test, struct arena *arena)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(s, SNAPSHOT_TEST, SNAPSHOT_BY_RELEASE, object_ns(release),
                                 object_name(release), arena, &found);
    const struct snapshot_entry *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *result = snapshot_tree(s, found[i]);
        bool same = promotion_track_of(result) == promotion_track_of(release) &&
                    slice_eq(spec_text(result, "test"), test) &&
                    slice_eq(spec_text(result, "environment"), environment) &&
                    promotion_same_uid(spec_text(result, "releaseUID"), object_uid(release));
        if (same && (best == NULL || promotion_compare_verdicts(s, found[i], best) > 0)) {
            best = found[i];
        }
    }
    return best != NULL ? snapshot_tree(s, best) : NULL;
}

static void check_tests(struct gate *g)
{
    const json_t *tests = json_object_get(g->edge.target, "requiredTests");
    struct slice anew =
        promotion_proven_anew(g->source, object_name(g->release), object_uid(g->release));
    for (size_t i = 0; i < json_array_size(tests); i++) {
        struct slice test = json_text(json_array_get(tests, i));
        const json_t *result =
            promotion_result(g->s, g->release, g->edge.source, test, &g->plan->arena);
        if (result == NULL) {
            lacks(g, "AwaitingTests", "test \"%.*s\" has not reported from \"%.*s\"",
                  SLICE_ARG(test), SLICE_ARG(g->edge.source));
        } else if (slice_cmp(spec_text(result, "at"), anew) < 0) {
            lacks(g, "AwaitingTests",
                  "test \"%.*s\" has not reported from \"%.*s\" since the release, which had been "
                  "taken back, was deployed there again at %.*s",
                  SLICE_ARG(test), SLICE_ARG(g->edge.source), SLICE_ARG(anew));
        } else if (json_is_true(json_at(result, "spec", "notRun", NULL))) {
            lacks(g, "TestsFailed",
                  "test \"%.*s\" never began in \"%.*s\" (TestResult \"%.*s\"): %.*s",
                  SLICE_ARG(test), SLICE_ARG(g->edge.source), SLICE_ARG(object_name(result)),
                  SLICE_ARG(spec_text(result, "message")));
        } else if (!json_is_true(json_at(result, "spec", "passed", NULL))) {
            lacks(g, "TestsFailed", "test \"%.*s\" failed in \"%.*s\" (TestResult \"%.*s\")",
                  SLICE_ARG(test), SLICE_ARG(g->edge.source), SLICE_ARG(object_name(result)));
        }
    }
}

static struct slice created_of(const json_t *release)
{
    return json_text(json_at(release, "metadata", "creationTimestamp", NULL));
}

/* Whether user wrote something of what the release brings to the environment: it holds whatever the
 * owner's releases brought since the one that runs there. */
static bool brings_work_of(const struct gate *g, struct slice user)
{
    const struct snapshot_entry **all;
    struct slice runs = json_text(json_at(g->binding, "status", "releaseName", NULL));
    struct slice since =
        created_of(snapshot_get(g->s, g->kinds.release, object_ns(g->binding), runs));
    struct slice until = created_of(g->release);
    size_t count = snapshot_list(g->s, g->kinds.release, g->kinds.by_owner, object_ns(g->binding),
                                 promotion_owner(g->binding), &g->plan->arena, &all);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = snapshot_tree(g->s, all[i]);
        struct slice created = created_of(one);
        if (!slice_eq(all[i]->name, runs) && slice_cmp(created, since) >= 0 &&
            slice_cmp(created, until) <= 0 &&
            (promotion_is_author(one, user) || promotion_is_author_before(one, user))) {
            return true;
        }
    }
    return false;
}

/* Why an approval does not count, or NULL. */
static const char *void_because(const struct gate *g, const json_t *approval)
{
    struct slice by = spec_text(approval, "by");
    if (!promotion_same_uid(spec_text(approval, "releaseUID"), object_uid(g->release))) {
        return "approved another release of that name";
    }
    if (brings_work_of(g, SLICE(PROMOTION_ANYBODY))) {
        return "may be one of the authors, of whom there are too many to be named";
    }
    if (promotion_is_author(g->release, by)) {
        return "is an author of the release";
    }
    if (brings_work_of(g, by)) {
        return "is an author of a release since the one that runs here";
    }
    if (slice_eq(object_annotation(g->binding, PROMOTION_REQUESTED_BY), by)) {
        return "asked for the promotion";
    }
    const json_t *groups = json_at(approval, "spec", "groups", NULL);
    return promotion_may_approve(g->edge.target, groups) ? NULL : "may not approve here";
}

/* Has room for so many more approvers. */
static void approvers_room(struct promotion *out, size_t more, struct arena *arena)
{
    struct slice *all = arena_alloc(arena, (out->approved_count + more + 1) * sizeof(*all));
    for (size_t i = 0; i < out->approved_count; i++) {
        all[i] = out->approved_by[i];
    }
    out->approved_by = all;
}

/* Once, of however many edges. */
static void approvers_add(struct promotion *out, struct slice by)
{
    size_t i = 0;
    while (i < out->approved_count && !slice_eq(out->approved_by[i], by)) {
        i++;
    }
    out->approved_by[i] = by;
    out->approved_count += i == out->approved_count ? 1 : 0;
}

static void check_approval(struct gate *g)
{
    if (!json_is_true(json_object_get(g->edge.target, "requiresApproval"))) {
        return;
    }
    struct arena *arena = &g->plan->arena;
    const struct snapshot_entry **found;
    size_t count = snapshot_list(g->s, SNAPSHOT_APPROVAL, SNAPSHOT_BY_RELEASE,
                                 object_ns(g->binding), object_name(g->release), arena, &found);
    struct buf ignored = {0};
    bool approved = false;
    approvers_room(g->out, count, arena);
    for (size_t i = 0; i < count; i++) {
        const json_t *approval = snapshot_tree(g->s, found[i]);
        struct slice by = spec_text(approval, "by");
        if (promotion_track_of(approval) != g->kinds.track ||
            !slice_eq(spec_text(approval, "environment"), spec_text(g->binding, "environment"))) {
            continue;
        }
        const char *why = void_because(g, approval);
        if (why == NULL) {
            approved = true;
            approvers_add(g->out, by);
        } else {
            buf_addf(&ignored, ", and that of \"%.*s\" does not count, who %s", SLICE_ARG(by), why);
        }
    }
    if (!approved) {
        struct buf who = {0};
        promotion_approvers(g->edge.target, &who);
        lacks(g, "AwaitingApproval", "it needs an approval by %.*s%.*s", SLICE_ARG(buf_slice(&who)),
              SLICE_ARG(buf_slice(&ignored)));
        buf_free(&who);
    }
    buf_free(&ignored);
}

/* ---- the judgement ---- */

static void decide(struct promotion *out, bool open, const char *reason, const char *message)
{
    out->open = open;
    out->reason = reason;
    out->message = message;
}

/* The project of a resource; NULL with false if it names none that is there, but for "default". */
static bool project_of_resource(const struct snapshot *s, const json_t *resource,
                                const struct snapshot_entry **project)
{
    struct slice name = spec_text(resource, "project");
    *project = snapshot_find(s, SNAPSHOT_PROJECT, object_ns(resource), name);
    return *project != NULL || slice_eq_cstr(name, "default");
}

const json_t *promotion_pipeline(const struct snapshot *s, const json_t *binding,
                                 struct arena *arena)
{
    struct membership m = {0};
    const struct promotion_kinds kinds = promotion_kinds_of(binding);
    const json_t *owner =
        snapshot_get(s, kinds.owner, object_ns(binding), promotion_owner(binding));
    /* The owner's own word on its project: a binding may not choose a laxer one. */
    bool known = owner != NULL &&
                 (kinds.owner == SNAPSHOT_RESOURCE
                      ? project_of_resource(s, owner, &m.entry)
                      : component_membership(s, owner, arena, &m) && (m.entry != NULL || !m.named));
    if (!known) {
        return NULL;
    }
    struct slice name = promotion_pipeline_of(m.entry != NULL ? snapshot_tree(s, m.entry) : NULL);
    return snapshot_get(s, SNAPSHOT_PIPELINE, object_ns(binding), name);
}

/* Those of the binding's owner, as an array that borrows the snapshot's trees. */
static json_t *bindings_of(const struct snapshot *s, const json_t *binding, struct arena *arena)
{
    const struct promotion_kinds kinds = promotion_kinds_of(binding);
    const struct snapshot_entry **found;
    size_t count = snapshot_list(s, kinds.binding, kinds.by_owner, object_ns(binding),
                                 promotion_owner(binding), arena, &found);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append(list, (json_t *)(uintptr_t)snapshot_tree(s, found[i]));
    }
    return list;
}

static void tell_edge(struct gate *g, struct slice source, struct promotion *told)
{
    struct arena *arena = &g->plan->arena;
    struct slice to = spec_text(g->binding, "environment");
    const char *message =
        arena_printf(arena, "\"%.*s\" -> \"%.*s\": %s", SLICE_ARG(source), SLICE_ARG(to),
                     g->reason == NULL ? "all gates are open" : buf_cstr(&g->missing));
    decide(told, g->reason == NULL, g->reason == NULL ? "GatesOpen" : g->reason, message);
}

/* Asks the gates of all that the pipeline says of the way from a source. */
static void check_gates(struct gate *g, const json_t *pipeline, struct slice source)
{
    struct slice to = spec_text(g->binding, "environment");
    g->reason = NULL;
    buf_clear(&g->missing);
    g->edge = (struct promotion_edge){0};
    while (promotion_next_between(pipeline, source, to, &g->edge)) {
        check_health(g);
        check_tests(g);
        check_approval(g);
    }
}

/* Looks at every edge in whose source the release is proven. */
static void judge_edges(struct gate *g, const json_t *pipeline, const json_t *bindings)
{
    struct slice release = object_name(g->release);
    struct promotion_edge edge = {0};
    bool any = false;
    while (promotion_next_to(pipeline, spec_text(g->binding, "environment"), &edge)) {
        g->source = promotion_binding_in(bindings, edge.source);
        if (promotion_proven(g->source, release, object_uid(g->release)) == NULL) {
            continue;
        }
        struct promotion told = {0}; /* all that it points to is the arena's */
        g->out = &told;
        check_gates(g, pipeline, edge.source);
        tell_edge(g, edge.source, &told);
        if (told.open || !any) {
            *g->told = told;
        }
        if (told.open) {
            return;
        }
        any = true;
    }
}

/* The component that needs a resource in the binding's environment and was let in there; or empty.
 */
static struct slice needed_by(const struct snapshot *s, const json_t *binding, struct arena *arena)
{
    const struct snapshot_entry **releases;
    struct slice ns = object_ns(binding);
    size_t count = snapshot_list(s, SNAPSHOT_RELEASE, SNAPSHOT_BY_RESOURCE, ns,
                                 owner_text(binding, "resourceName"), arena, &releases);
    for (size_t i = 0; i < count; i++) {
        struct slice component = owner_text(snapshot_tree(s, releases[i]), "componentName");
        const struct snapshot_entry **bindings;
        size_t n = snapshot_list(s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, ns, component, arena,
                                 &bindings);
        for (size_t k = 0; k < n; k++) {
            const json_t *its = snapshot_tree(s, bindings[k]);
            struct slice runs = json_text(json_at(its, "status", "releaseName", NULL));
            if (!bindings[k]->deleting && slice_eq(runs, releases[i]->name) &&
                slice_eq(owner_text(its, "projectName"), owner_text(binding, "projectName")) &&
                slice_eq(spec_text(its, "environment"), spec_text(binding, "environment"))) {
                return component;
            }
        }
    }
    return (struct slice){0};
}

/* What passed the gates between two environments was tested and approved with what it needs: the
 * first release of a resource, proven in the source, comes with it. Whatever follows it there has
 * gates of its own. */
static void judge_need(const struct gate *g, struct promotion *out)
{
    struct arena *arena = &g->plan->arena;
    struct slice runs = json_text(json_at(g->binding, "status", "releaseName", NULL));
    if (out->open || runs.len > 0 || g->kinds.owner != SNAPSHOT_RESOURCE) {
        return;
    }
    struct slice component = needed_by(g->s, g->binding, arena);
    if (component.len > 0) {
        decide(out, true, "Needed",
               arena_printf(arena,
                            "component \"%.*s\", which was let in, needs it, and it is not here "
                            "yet",
                            SLICE_ARG(component)));
    }
}

void promotion_judge(const struct snapshot *s, const json_t *binding, struct plan *plan,
                     struct promotion *out)
{
    struct arena *arena = &plan->arena;
    const struct promotion_kinds kinds = promotion_kinds_of(binding);
    struct slice name = promotion_asked(binding);
    const json_t *pipeline = promotion_pipeline(s, binding, arena);
    const json_t *release = snapshot_get(s, kinds.release, object_ns(binding), name);
    *out = (struct promotion){0};
    if (promotion_healthy(binding, name, object_uid(release)) != NULL) {
        decide(out, true, "Returned", "it has been healthy in this environment before");
        return;
    }
    if (pipeline == NULL) {
        decide(out, false, "PipelineNotFound",
               arena_printf(arena,
                            "there is no deployment pipeline of the %s's project: nothing says "
                            "where releases may go",
                            kinds.track->noun));
        return;
    }
    if (promotion_starts_in(pipeline, spec_text(binding, "environment"))) {
        decide(out, true, PROMOTION_STARTED, "releases start in this environment");
        return;
    }
    struct buf why = {0};
    json_t *bindings = bindings_of(s, binding, arena);
    struct gate gate = {
        .s = s, .plan = plan, .kinds = kinds, .binding = binding, .release = release, .told = out};
    const char *reason = NULL;
    if (promotion_refused(pipeline, bindings, spec_text(binding, "environment"), name,
                          object_uid(release), &why, &reason)) {
        decide(out, false, reason, arena_cstr(arena, buf_slice(&why)));
    } else {
        judge_edges(&gate, pipeline, bindings);
        judge_need(&gate, out);
    }
    json_decref(bindings);
    buf_free(&gate.missing);
    buf_free(&why);
}

/* ---- automatic promotion ---- */

/* Notes it in the status of a binding under edit: of several that lead here, each offers once. */
static void note_offer(json_t *edit, struct slice release)
{
    json_t *offered = json_at(edit, "status", "offeredReleases", NULL);
    if (offered == NULL) {
        offered = json_array();
        status_set(edit, "offeredReleases", offered);
    }
    json_array_append_new(offered, json_str(release));
    while (json_array_size(offered) > OFFERS_MAX) {
        (void)json_array_remove(offered, 0);
    }
}

static void create_offered(const struct snapshot *s, const json_t *binding, struct slice to,
                           struct slice release, struct plan *plan, const char *reason)
{
    struct slice component = owner_text(binding, "componentName");
    struct slice name = binding_name(s, &plan->arena, object_ns(binding), component, to);
    const json_t *owner = snapshot_get(s, SNAPSHOT_COMPONENT, object_ns(binding), component);
    json_t *o = object_new("choreo.dev/v1", "ReleaseBinding", object_ns(binding), name);
    json_object_set_new(
        o, "spec",
        json_pack("{s:O, s:o, s:o, s:s}", "owner", json_at(binding, "spec", "owner", NULL),
                  "environment", json_str(to), "releaseName", json_str(release), "reason", reason));
    note_offer(o, release);
    object_add_finalizer(o, FINALIZER);
    if (owner != NULL) {
        object_add_owner(o, owner, true);
    }
    plan_create(plan, SNAPSHOT_BINDING, o);
}

/* Whether a release is the other one, or was made before it. */
static bool is_behind(const struct snapshot *s, const json_t *there, struct slice release,
                      struct slice other)
{
    enum snapshot_kind kind = promotion_kinds_of(there).release;
    struct slice made = created_of(snapshot_get(s, kind, object_ns(there), release));
    struct slice other_made = created_of(snapshot_get(s, kind, object_ns(there), other));
    return slice_eq(release, other) || slice_cmp(made, other_made) < 0;
}

/* Whether a release has been there, or was offered, and is not there now: somebody decided so. Of
 * that the last few are remembered, and so nothing goes back by itself: what is behind them is
 * past. */
static bool is_past(const struct snapshot *s, const json_t *there, struct slice release)
{
    const json_t *offered = json_at(there, "status", "offeredReleases", NULL);
    const json_t *history = json_at(there, "status", "history", NULL);
    bool past = is_behind(s, there, release, promotion_asked(there));
    for (size_t i = 0; !past && i < json_array_size(offered); i++) {
        past = is_behind(s, there, release, json_text(json_array_get(offered, i)));
    }
    for (size_t i = 0; !past && i < json_array_size(history); i++) {
        past = is_behind(s, there, release, json_text_at(json_array_get(history, i), "release"));
    }
    return past;
}

static void offer_to(const struct snapshot *s, const json_t *binding, struct slice to,
                     struct slice release, struct plan *plan)
{
    struct arena *arena = &plan->arena;
    const struct snapshot_entry *env =
        snapshot_find(s, SNAPSHOT_ENVIRONMENT, object_ns(binding), to);
    const struct snapshot_entry *there =
        binding_first(s, promotion_kinds_of(binding).binding, object_ns(binding),
                      promotion_owner(binding), to, arena);
    const char *reason = arena_printf(arena, "promoted by itself from \"%.*s\"",
                                      SLICE_ARG(spec_text(binding, "environment")));
    if (env == NULL || env->deleting) {
        return;
    }
    if (there == NULL && owner_text(binding, "resourceName").len == 0) {
        create_offered(s, binding, to, release, plan, reason);
    } else if (there == NULL) {
        return; /* a resource is where something needs it */
    } else if (!there->deleting && !is_past(s, snapshot_tree(s, there), release)) {
        json_t *edit = plan_edit(plan, s, there);
        json_t *spec = json_object_get(edit, "spec");
        json_object_set_new(spec, promotion_track_of(binding)->release, json_str(release));
        json_object_set_new(spec, "reason", json_string(reason));
        json_object_del(spec, "releaseSet");
        binding_requested_by(edit, (struct slice){0});
        note_offer(edit, release);
    }
}

void promotion_offer(const struct snapshot *s, const json_t *binding, struct slice release,
                     struct plan *plan)
{
    const json_t *pipeline = promotion_pipeline(s, binding, &plan->arena);
    struct promotion_edge edge = {0};
    while (promotion_next_from(pipeline, spec_text(binding, "environment"), &edge)) {
        if (json_is_true(json_object_get(edge.target, "automatic"))) {
            offer_to(s, binding, json_text_at(edge.target, "name"), release, plan);
        }
    }
}
