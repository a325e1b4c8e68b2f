/* release_set.c: releases of several components that go to an environment together, or not at all.
 *
 *   Waiting --every gate is open--> RollingOut --all are healthy--> Healthy
 *                                     |     |
 *                                     |     one is not by its deadline --> RollingBack -->
 * RolledBack another release of a member is bound --> Superseded
 *
 * A member's gates are those of its binding: promotion_judge() is asked about the binding as it
 * would be. Until all are open no binding is touched; what ran before is noted in the status before
 * the first one is, so that a leader that takes over goes on, and knows the way back. Each binding
 * is pointed at its release once: whoever points it elsewhere afterwards has the last word. */
#include "reconcile/controllers/release_set.h"

#include "proto/promotion.h"
#include "render/deployment.h"
#include "render/release.h"

/* A condition of a set that will never be Ready. */
#define FAILED "Failed"

/* How many newer ones of its project and environment a set outlasts that is over, or that waits:
 * sets of different components may wait side by side. */
enum { KEPT_SETS = 10, KEPT_WAITING = 50 };

struct set {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *object;
    json_t *edit;
    struct plan *plan;
    struct slice project;
    struct slice environment;
    json_t *members; /* of edit's status */
};

static bool in_state(const json_t *o, const char *state)
{
    return slice_eq_cstr(json_text_at(o, "state"), state);
}

static struct slice copied(struct set *set, const json_t *member, const char *key)
{
    return arena_copy(&set->plan->arena, json_text_at(member, key));
}

static void set_member(json_t *member, const char *state)
{
    json_object_set_new(member, "state", json_string(state));
    json_object_del(member, "message");
    json_object_del(member, "reason");
}

/* ---- its bindings ---- */

static const struct snapshot_entry *binding_of(const struct set *set, struct slice component,
                                               struct slice environment)
{
    const struct snapshot_entry *first = binding_first(set->s, SNAPSHOT_BINDING, set->entry->ns,
                                                       component, environment, &set->plan->arena);
    return first != NULL && !first->deleting ? first : NULL;
}

static const json_t *bound(const struct set *set, const json_t *member)
{
    const struct snapshot_entry *e =
        binding_of(set, json_text_at(member, "component"), set->environment);
    return e != NULL ? snapshot_tree(set->s, e) : NULL;
}

static struct slice deployed(const json_t *binding)
{
    return json_text(json_at(binding, "status", "releaseName", NULL));
}

/* Whether its release was taken back for the spec as it is. */
static bool taken_back(const json_t *binding, struct slice release)
{
    const json_t *rollback = json_at(binding, "status", "rollback", NULL);
    return slice_eq(json_text_at(rollback, "from"), release) &&
           json_integer_value(json_object_get(rollback, "generation")) ==
               object_generation(binding);
}

/* What became of a release, for the spec as it is; empty: that is not known yet. */
static struct slice outcome(const json_t *binding, struct slice release)
{
    const json_t *first = json_array_get(json_at(binding, "status", "history", NULL), 0);
    const json_t *observed = json_at(binding, "status", "observedGeneration", NULL);
    bool stale =
        json_is_integer(observed) && json_integer_value(observed) != object_generation(binding);
    return !stale && slice_eq(json_text_at(first, "release"), release)
               ? json_text_at(first, "outcome")
               : (struct slice){0};
}

/* A binding that is not there yet. */
static json_t *new_binding(const struct set *set, struct slice component, struct slice release)
{
    struct slice name =
        binding_name(set->s, &set->plan->arena, set->entry->ns, component, set->environment);
    json_t *o = object_new("choreo.dev/v1", "ReleaseBinding", set->entry->ns, name);
    json_object_set_new(o, "spec",
                        release_binding(set->project, component, set->environment, release));
    return o;
}

/* Says of a binding under edit which release it is to be, and why. Who made the set asked for it;
 * nobody did for what it goes back to. */
static void point(const struct set *set, json_t *binding, struct slice release, const char *reason)
{
    json_t *spec = json_object_get(binding, "spec");
    json_object_set_new(spec, "releaseName", json_str(release));
    json_object_set_new(spec, "releaseSet", json_str(set->entry->name));
    json_object_set_new(spec, "reason", json_string(reason));
    bool back = in_state(json_object_get(set->edit, "status"), "RollingBack");
    struct slice by = object_annotation(set->object, PROMOTION_REQUESTED_BY);
    binding_requested_by(binding, back ? (struct slice){0} : by);
}

/* Points the binding of a member at a release; makes it if there is none. */
static void bind(const struct set *set, const json_t *member, struct slice release,
                 const char *reason)
{
    struct slice component = json_text_at(member, "component");
    const struct snapshot_entry *there = binding_of(set, component, set->environment);
    if (there == NULL) {
        json_t *o = new_binding(set, component, release);
        const json_t *owner = snapshot_get(set->s, SNAPSHOT_COMPONENT, set->entry->ns, component);
        point(set, o, release, reason);
        object_add_finalizer(o, FINALIZER);
        if (owner != NULL) {
            object_add_owner(o, owner, true);
        }
        plan_create(set->plan, SNAPSHOT_BINDING, o);
        return;
    }
    const json_t *before = snapshot_tree(set->s, there);
    bool again = slice_eq(spec_text(before, "releaseName"), release);
    bool failed = slice_eq_cstr(outcome(before, release), "Failed");
    if (again && !failed && !taken_back(before, release)) {
        return; /* it is asked for already */
    }
    json_t *edit = plan_edit(set->plan, set->s, there);
    point(set, edit, release, reason);
    if (again) {
        json_t *spec = json_object_get(edit, "spec");
        json_int_t attempt = json_integer_value(json_object_get(spec, "attempt"));
        json_object_set_new(spec, "attempt", json_integer(attempt + 1));
    }
}

/* ---- which releases ---- */

static void add_member(json_t *members, struct slice component, struct slice release)
{
    json_array_append_new(members, json_pack("{s:o, s:o, s:s}", "component", json_str(component),
                                             "release", json_str(release), "state", "Waiting"));
}

static void add_running(const struct set *set, struct slice from, json_t *members)
{
    const json_t *project = snapshot_get(set->s, SNAPSHOT_PROJECT, set->entry->ns, set->project);
    const struct snapshot_entry **components;
    size_t count = project_members(set->s, project, &set->plan->arena, &components);
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry *e = binding_of(set, components[i]->name, from);
        struct slice release = e != NULL ? deployed(snapshot_tree(set->s, e)) : (struct slice){0};
        if (release.len > 0) {
            add_member(members, components[i]->name, release);
        }
    }
}

/* Settles which releases these are, once. */
static void resolve(struct set *set)
{
    json_t *status = status_of(set->edit);
    set->members = json_object_get(status, "members");
    if (set->members != NULL) {
        return;
    }
    struct slice from = spec_text(set->object, "from");
    const json_t *given = json_at(set->object, "spec", "releases", NULL);
    if ((json_array_size(given) > 0) == (from.len > 0)) {
        return; /* neither, or both */
    }
    json_t *members = json_array();
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        add_member(members, json_text_at(one, "component"), json_text_at(one, "release"));
    }
    if (from.len > 0) {
        add_running(set, from, members);
    }
    if (json_array_size(members) == 0) {
        json_decref(members);
        return;
    }
    json_object_set_new(status, "members", members);
    json_object_set_new(status, "state", json_string("Waiting"));
    set->members = members;
}

/* ---- waiting ---- */

/* Whether the place of a binding, or its name, is taken by one that ends or is another's. */
static bool is_taken(const struct set *set, struct slice component)
{
    struct arena *arena = &set->plan->arena;
    struct slice ns = set->entry->ns;
    struct slice name = binding_name(set->s, arena, ns, component, set->environment);
    const struct snapshot_entry *first =
        binding_first(set->s, SNAPSHOT_BINDING, ns, component, set->environment, arena);
    return first != NULL || snapshot_find(set->s, SNAPSHOT_BINDING, ns, name) != NULL;
}

/* Why a member may not go yet, and the reason in a word; NULL: it may. */
static const char *held(const struct set *set, const json_t *member, const char **reason)
{
    struct arena *arena = &set->plan->arena;
    struct slice name = json_text_at(member, "release");
    struct slice component = json_text_at(member, "component");
    const json_t *object = snapshot_get(set->s, SNAPSHOT_COMPONENT, set->entry->ns, component);
    const json_t *release = snapshot_get(set->s, SNAPSHOT_RELEASE, set->entry->ns, name);
    const json_t *there = bound(set, member);
    struct membership m;
    if (object == NULL || !component_membership(set->s, object, arena, &m) ||
        !slice_eq(m.project, set->project)) {
        *reason = "ComponentNotFound";
        return arena_printf(arena, "there is no such component in project \"%.*s\"",
                            SLICE_ARG(set->project));
    }
    if (release == NULL || !slice_eq(owner_text(release, "componentName"), component)) {
        *reason = "ReleaseNotFound";
        return arena_printf(arena, "there is no release \"%.*s\" of it", SLICE_ARG(name));
    }
    if (slice_eq(deployed(there), name)) {
        return NULL;
    }
    if (there == NULL && is_taken(set, component)) {
        *reason = "Conflict";
        return "its binding is being deleted, or is another's";
    }
    struct promotion promotion;
    json_t *would_be = there != NULL ? json_deep_copy(there) : new_binding(set, component, name);
    point(set, would_be, name, "");
    promotion_judge(set->s, would_be, set->plan, &promotion);
    json_decref(would_be);
    *reason = promotion.reason;
    return promotion.open ? NULL : promotion.message;
}

static void wait(struct set *set)
{
    struct buf missing = {0};
    size_t held_count = 0;
    for (size_t i = 0; i < json_array_size(set->members); i++) {
        json_t *member = json_array_get(set->members, i);
        const char *reason = NULL;
        const char *why = held(set, member, &reason);
        set_member(member, "Waiting");
        if (why != NULL) {
            json_object_set_new(member, "message", json_string(why));
            json_object_set_new(member, "reason", json_string(reason));
            buf_addf(&missing, "%s\"%.*s\": %s", held_count++ > 0 ? "; " : "",
                     SLICE_ARG(json_text_at(member, "component")), why);
        } else {
            struct slice before = deployed(bound(set, member));
            json_object_del(member, "before");
            if (before.len > 0) {
                json_object_set_new(member, "before", json_str(before));
            }
        }
    }
    if (held_count > 0) {
        condition_set(set->edit, set->s, READY, STATUS_FALSE, "Waiting",
                      "%zu of %zu may not go to \"%.*s\" yet, and until all may, none does: %s",
                      held_count, json_array_size(set->members), SLICE_ARG(set->environment),
                      buf_cstr(&missing));
        condition_set(set->edit, set->s, PROGRESSING, STATUS_FALSE, "Stuck",
                      "waiting for what stands in the way of Ready");
    } else {
        status_set(set->edit, "state", json_string("RollingOut"));
        status_set(set->edit, "admittedAt", promotion_time(set->s->now_ms));
        condition_set(set->edit, set->s, READY, STATUS_FALSE, "RollingOut",
                      "all may go to \"%.*s\"", SLICE_ARG(set->environment));
        condition_set(set->edit, set->s, PROGRESSING, STATUS_TRUE, "Progressing",
                      "work is under way");
        plan_event(set->plan, set->object, false, "Admitted", "all %zu releases may go to \"%.*s\"",
                   json_array_size(set->members), SLICE_ARG(set->environment));
        plan_requeue(set->plan, 1);
    }
    buf_free(&missing);
}

/* ---- rolling out ---- */

static const char *reason_of(const struct set *set)
{
    struct slice reason = spec_text(set->object, "reason");
    return arena_printf(&set->plan->arena, "release set %.*s%s%.*s", SLICE_ARG(set->entry->name),
                        reason.len > 0 ? ": " : "", SLICE_ARG(reason));
}

static void advance(struct set *set, json_t *member)
{
    struct slice release = copied(set, member, "release");
    const json_t *binding = bound(set, member);
    if (in_state(member, "Waiting")) {
        bind(set, member, release, reason_of(set));
        set_member(member, "Bound");
        return;
    }
    struct slice came = outcome(binding, release);
    if (!slice_eq(spec_text(binding, "releaseName"), release)) {
        set_member(member, "Superseded");
    } else if (taken_back(binding, release) || slice_eq_cstr(came, "Failed")) {
        set_member(member, "Failed");
    } else {
        struct condition ready = condition_of(binding, READY);
        set_member(member, slice_eq_cstr(came, "Healthy") ? "Healthy" : "Bound");
        if (ready.message.len > 0 && !slice_eq_cstr(came, "Healthy")) {
            json_object_set_new(member, "message", json_str(ready.message));
        }
    }
}

/* The first member in a state, or NULL. */
static const json_t *first_in(const struct set *set, const char *state, size_t *count)
{
    const json_t *first = NULL;
    *count = 0;
    for (size_t i = 0; i < json_array_size(set->members); i++) {
        const json_t *member = json_array_get(set->members, i);
        if (in_state(member, state)) {
            first = first != NULL ? first : member;
            *count += 1;
        }
    }
    return first;
}

/* Ends the set, or begins its way back. */
static void become(struct set *set, const char *state, const char *what, const json_t *member)
{
    struct slice component = json_text_at(member, "component");
    status_set(set->edit, "state", json_string(state));
    condition_set(set->edit, set->s, READY, STATUS_FALSE, state, "\"%.*s\" %s",
                  SLICE_ARG(component), what);
    condition_set(set->edit, set->s, PROGRESSING, STATUS_FALSE, "Settled", "nothing is under way");
    plan_event(set->plan, set->object, true, state, "\"%.*s\" %s", SLICE_ARG(component), what);
}

static void roll_out(struct set *set)
{
    size_t count = json_array_size(set->members);
    size_t superseded;
    size_t failed;
    size_t healthy;
    for (size_t i = 0; i < count; i++) {
        advance(set, json_array_get(set->members, i));
    }
    const json_t *other = first_in(set, "Superseded", &superseded);
    const json_t *broken = first_in(set, "Failed", &failed);
    (void)first_in(set, "Healthy", &healthy);
    if (superseded > 0) {
        become(set, "Superseded", "was bound to another release since", other);
        condition_set(set->edit, set->s, FAILED, STATUS_TRUE, "Superseded",
                      "it does not go on: somebody bound another release of a component");
    } else if (failed > 0) {
        become(set, "RollingBack", "came to nothing there: all go back", broken);
        plan_requeue(set->plan, 1);
    } else if (healthy == count) {
        status_set(set->edit, "state", json_string("Healthy"));
        condition_set(set->edit, set->s, READY, STATUS_TRUE, "Healthy",
                      "all %zu are healthy in \"%.*s\"", count, SLICE_ARG(set->environment));
        condition_set(set->edit, set->s, PROGRESSING, STATUS_FALSE, "Settled",
                      "nothing is under way");
    } else {
        condition_set(set->edit, set->s, READY, STATUS_FALSE, "RollingOut",
                      "%zu of %zu are healthy in \"%.*s\"", healthy, count,
                      SLICE_ARG(set->environment));
        condition_set(set->edit, set->s, PROGRESSING, STATUS_TRUE, "Progressing",
                      "work is under way");
    }
}

/* ---- going back ---- */

/* What had nothing before it stays, as a single release would. */
static const char *return_member(struct set *set, const json_t *member, const char *reason)
{
    struct slice before = copied(set, member, "before");
    struct slice release = json_text_at(member, "release");
    if (!slice_eq(spec_text(bound(set, member), "releaseName"), release)) {
        return "Superseded";
    }
    if (before.len == 0) {
        return "Failed";
    }
    bind(set, member, before, reason);
    return "Returned";
}

static void roll_back(struct set *set)
{
    const char *reason =
        arena_printf(&set->plan->arena, "release set %.*s failed", SLICE_ARG(set->entry->name));
    struct buf stay = {0};
    for (size_t i = 0; i < json_array_size(set->members); i++) {
        json_t *member = json_array_get(set->members, i);
        set_member(member, return_member(set, member, reason));
        if (in_state(member, "Failed")) {
            buf_addf(&stay, "%s\"%.*s\"", stay.len > 0 ? ", " : "",
                     SLICE_ARG(json_text_at(member, "component")));
        }
    }
    status_set(set->edit, "state", json_string("RolledBack"));
    condition_set(set->edit, set->s, READY, STATUS_FALSE, "RolledBack",
                  "not all came to be, or stayed, healthy: what ran before was bound again%s%s",
                  stay.len > 0 ? "; nothing ran before these, which stay: " : "", buf_cstr(&stay));
    condition_set(set->edit, set->s, FAILED, STATUS_TRUE, "RolledBack",
                  "not all came to be, or stayed, healthy");
    buf_free(&stay);
}

/* ---- the end ---- */

bool release_set_is_over(const json_t *set)
{
    const json_t *status = json_object_get(set, "status");
    return in_state(status, "Healthy") || in_state(status, "RolledBack") ||
           in_state(status, "Superseded");
}

/* How many sets of the same project and environment came after this one. */
static size_t newer_than(const struct set *set)
{
    const char *cell = arena_printf(&set->plan->arena, "%.*s/%.*s", SLICE_ARG(set->project),
                                    SLICE_ARG(set->environment));
    const struct snapshot_entry **all;
    size_t count = snapshot_list(set->s, SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_CELL, set->entry->ns,
                                 slice_of(cell), &set->plan->arena, &all);
    size_t newer = 0;
    for (size_t i = 0; i < count; i++) {
        newer += object_age_order(snapshot_tree(set->s, all[i]), set->object) > 0 ? 1 : 0;
    }
    return newer;
}

/* Deletes a set that is over, or waits still, if so many came after it; false: it stays. What waits
 * is judged at every change of its project, and holds releases: not for ever. */
static bool forget(const struct set *set)
{
    const json_t *status = json_object_get(set->object, "status");
    bool over = release_set_is_over(set->object);
    bool under_way = in_state(status, "RollingOut") || in_state(status, "RollingBack");
    if (under_way || newer_than(set) <= (over ? KEPT_SETS : KEPT_WAITING)) {
        return false;
    }
    plan_delete(set->plan, set->entry);
    if (!over) {
        plan_event(set->plan, set->object, true, "Superseded",
                   "it waited until more than %d newer ones had come, and is deleted",
                   KEPT_WAITING);
    }
    return true;
}

static void report(struct set *set)
{
    size_t healthy;
    (void)first_in(set, "Healthy", &healthy);
    status_set(set->edit, "memberCount", json_integer((json_int_t)json_array_size(set->members)));
    status_set(set->edit, "healthyMembers", json_integer((json_int_t)healthy));
    status_observe(set->edit);
}

static void report_nothing(const struct set *set)
{
    struct slice from = spec_text(set->object, "from");
    const json_t *given = json_at(set->object, "spec", "releases", NULL);
    if (json_array_size(given) > 0 || from.len == 0) {
        condition_set(set->edit, set->s, READY, STATUS_FALSE, "InvalidSpec",
                      "either spec.releases says which releases go, or spec.from where they run");
    } else {
        condition_set(set->edit, set->s, READY, STATUS_FALSE, "NoReleases",
                      "no component of project \"%.*s\" runs in environment \"%.*s\"",
                      SLICE_ARG(set->project), SLICE_ARG(from));
    }
}

void release_set_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                      struct plan *plan)
{
    struct set set = {.s = s, .entry = entry, .object = snapshot_tree(s, entry), .plan = plan};
    if (entry->deleting) {
        return;
    }
    set.project = spec_text(set.object, "project");
    set.environment = spec_text(set.object, "environment");
    if (forget(&set) || release_set_is_over(set.object)) {
        return;
    }
    set.edit = plan_edit(plan, s, entry);
    const json_t *project = snapshot_get(s, SNAPSHOT_PROJECT, entry->ns, set.project);
    if (project != NULL && !object_deleting(project)) {
        object_add_owner(set.edit, project, false);
    }
    resolve(&set);
    const json_t *status = status_of(set.edit);
    if (set.members == NULL) {
        report_nothing(&set);
    } else if (in_state(status, "Waiting")) {
        wait(&set);
    } else if (in_state(status, "RollingOut")) {
        roll_out(&set);
    } else {
        roll_back(&set);
    }
    report(&set);
}
