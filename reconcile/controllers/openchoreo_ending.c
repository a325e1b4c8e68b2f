/* openchoreo_ending.c: what goes with an object of OpenChoreo's that is being deleted, and what is
 * not made meanwhile.
 *
 * OpenChoreo holds a Project, a Component or a Resource until all that names it as its owner is
 * gone, whoever wrote that. So here: those are deleted, and the counterpart with them, which takes
 * off the clusters what it put there. The object goes last, and says until then what it waits for.
 *
 * Ours that are being deleted delete what belongs to them; so does an environment. What is of
 * OpenChoreo's beside it would make that again, and it would be deleted again, for ever: so it
 * waits until what it would belong to is gone. */
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/openchoreo.h"
#include "reconcile/controllers/promotion.h"

enum {
    ASK_AGAIN_MS = 1000,
    MEMBERS_STAY_MS = 2000, /* so long a client that deletes a whole file finds all that it names */
};

/* ---- what goes with it ---- */

static bool has_just_begun(const struct translation *t)
{
    uint64_t since_ms = promotion_time_ms(
        &t->plan->arena, json_text(json_at(t->object, "metadata", "deletionTimestamp", NULL)));
    return t->s->now_ms < since_ms + MEMBERS_STAY_MS;
}

static void take_along(struct translation *t, struct ending *e, enum snapshot_kind kind,
                       const struct snapshot_entry *const *found, size_t count)
{
    bool stay = has_just_begun(t);
    for (size_t i = 0; i < count && !stay; i++) {
        plan_delete(t->plan, found[i]);
    }
    ending_add(e, t->s, kind, found, count, &t->plan->arena);
}

/* Runs say whose they are in labels, which no index has. */
static void take_runs_along(struct translation *t, struct ending *e)
{
    const struct snapshot_entry **found;
    size_t kept = 0;
    size_t count = snapshot_list(t->s, SNAPSHOT_OC_WORKFLOW_RUN, SNAPSHOT_BY_NS, t->entry->ns,
                                 t->entry->ns, &t->plan->arena, &found);
    for (size_t i = 0; i < count; i++) {
        const json_t *run = snapshot_tree(t->s, found[i]);
        if (slice_eq(object_label(run, "openchoreo.dev/component"), t->entry->name) &&
            slice_eq(object_label(run, "openchoreo.dev/project"),
                     owner_text(t->object, "projectName"))) {
            found[kept++] = found[i];
        }
    }
    take_along(t, e, SNAPSHOT_OC_WORKFLOW_RUN, found, kept);
}

/* Those that go first, or those that go last: releases, of which what is on a cluster is made. */
static void take_members_along(struct translation *t, struct ending *e, bool last)
{
    static const struct {
        enum snapshot_kind of;
        enum snapshot_kind member;
        enum snapshot_index by;
        bool last;
    } members[] = {
        {SNAPSHOT_OC_PROJECT, SNAPSHOT_OC_COMPONENT, SNAPSHOT_BY_PROJECT, false},
        {SNAPSHOT_OC_PROJECT, SNAPSHOT_OC_RESOURCE, SNAPSHOT_BY_PROJECT, false},
        {SNAPSHOT_OC_PROJECT, SNAPSHOT_OC_CELL, SNAPSHOT_BY_PROJECT, false},
        {SNAPSHOT_OC_COMPONENT, SNAPSHOT_OC_BINDING, SNAPSHOT_BY_COMPONENT, false},
        {SNAPSHOT_OC_COMPONENT, SNAPSHOT_OC_WORKLOAD, SNAPSHOT_BY_COMPONENT, false},
        {SNAPSHOT_OC_COMPONENT, SNAPSHOT_OC_RELEASE, SNAPSHOT_BY_COMPONENT, true},
        {SNAPSHOT_OC_RESOURCE, SNAPSHOT_OC_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE, false},
        {SNAPSHOT_OC_RESOURCE, SNAPSHOT_OC_RESOURCE_RELEASE, SNAPSHOT_BY_RESOURCE, true},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const struct snapshot_entry **found;
        if (members[i].of == t->entry->kind && members[i].last == last) {
            size_t count = snapshot_list(t->s, members[i].member, members[i].by, t->entry->ns,
                                         t->entry->name, &t->plan->arena, &found);
            take_along(t, e, members[i].member, found, count);
        }
    }
    if (t->entry->kind == SNAPSHOT_OC_COMPONENT && !last) {
        take_runs_along(t, e);
    }
}

/* What ours waits for, in its own words once it has some. */
static void tell(struct translation *t, const struct ending *e, const json_t *ours)
{
    struct condition ready = condition_of(ours, READY);
    bool retained = slice_eq_cstr(ready.reason, RETAINED);
    if (retained || slice_eq_cstr(ready.reason, TERMINATING)) {
        ending_waits(t->s, t->edit, retained ? RETAINED : TERMINATING, !retained, "%.*s",
                     SLICE_ARG(ready.message));
    } else {
        ending_tell(e, t->s, t->edit);
    }
}

void translation_finish(struct translation *t, enum snapshot_kind kind)
{
    const struct snapshot_entry *ours = snapshot_find(t->s, kind, t->entry->ns, t->entry->name);
    const json_t *tree = ours != NULL ? snapshot_tree(t->s, ours) : NULL;
    bool orphans = object_has_finalizer(t->object, OBJECT_FINALIZER_ORPHAN);
    struct ending e = {0};
    if (!object_has_finalizer(t->object, FINALIZER)) {
        return;
    }
    if (!orphans) {
        take_members_along(t, &e, false);
    }
    if (!orphans && tree != NULL && owned_by(tree, t->entry->uid)) {
        plan_delete(t->plan, ours);
        ending_add(&e, t->s, kind, &ours, 1, &t->plan->arena);
    }
    if (!orphans && e.left == 0) {
        take_members_along(t, &e, true);
    }
    if (e.left == 0) {
        object_remove_finalizer(t->edit, FINALIZER);
    } else {
        tell(t, &e, tree);
        plan_requeue(t->plan, ASK_AGAIN_MS);
    }
}

void translation_give_up(struct translation *t, const struct snapshot_entry *ours,
                         const json_t *spec)
{
    const json_t *policy = json_object_get(spec, "retainPolicy");
    const json_t *is = json_at(snapshot_tree(t->s, ours), "spec", "retainPolicy", NULL);
    if (ours->kind == SNAPSHOT_RESOURCE_BINDING && json_is_string(policy) &&
        !json_equal(policy, is)) {
        json_object_set(json_child(plan_edit(t->plan, t->s, ours), "spec"), "retainPolicy",
                        (json_t *)(uintptr_t)policy);
    }
}

/* ---- what is not made meanwhile ---- */

/* Of that name, ours or OpenChoreo's, whichever is being deleted; or NULL. */
static const struct snapshot_entry *find_ending(const struct translation *t,
                                                enum snapshot_kind ours, enum snapshot_kind theirs,
                                                struct slice name)
{
    const struct snapshot_entry *its = snapshot_find(t->s, ours, t->entry->ns, name);
    const struct snapshot_entry *one = snapshot_find(t->s, theirs, t->entry->ns, name);
    return its != NULL && its->deleting ? its : one != NULL && one->deleting ? one : NULL;
}

bool translation_waits(struct translation *t, const json_t *spec)
{
    const json_t *owner = json_object_get(spec, "owner");
    struct slice project = json_text_at(spec, "project");
    const struct {
        enum snapshot_kind ours;
        enum snapshot_kind theirs;
        struct slice name;
    } homes[] = {
        {SNAPSHOT_PROJECT, SNAPSHOT_OC_PROJECT,
         project.len > 0 ? project : json_text_at(owner, "projectName")},
        {SNAPSHOT_COMPONENT, SNAPSHOT_OC_COMPONENT, json_text_at(owner, "componentName")},
        {SNAPSHOT_RESOURCE, SNAPSHOT_OC_RESOURCE, json_text_at(owner, "resourceName")},
        {SNAPSHOT_ENVIRONMENT, SNAPSHOT_OC_ENVIRONMENT, json_text_at(spec, "environment")},
    };
    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
        const struct snapshot_entry *home =
            find_ending(t, homes[i].ours, homes[i].theirs, homes[i].name);
        if (home != NULL) {
            translation_fail(t, TERMINATING,
                             "%s \"%.*s\" is being deleted: this is taken up again once it is gone",
                             snapshot_kind_name(home->kind), SLICE_ARG(home->name));
            plan_requeue(t->plan, ASK_AGAIN_MS);
            return true;
        }
    }
    return false;
}
