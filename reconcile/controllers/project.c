/* project.c: creates the components that a project lists, and tells how they are and in
 * which order they start.
 *
 * A listed component that does not exist is created from the little that the list says; one that
 * exists is never changed. Deleting a project deletes what is its own, and waits for it. */
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/project_order.h"

static void create_member(const json_t *project, const json_t *listed, struct plan *plan)
{
    json_t *component = platform_listed_component(project, listed);
    object_set_annotation(component, OBJECT_DEFAULT, SLICE("true"));
    plan_create(plan, SNAPSHOT_COMPONENT, component);
    plan_event(plan, project, false, "ComponentCreated", "created component \"%.*s\"",
               SLICE_ARG(json_text_at(listed, "name")));
}

/* Creates what is missing, and counts it. Names the first listed component that belongs to another
 * project. */
static struct slice plan_listed(const struct snapshot *s, const json_t *project, struct plan *plan,
                                size_t *created)
{
    struct slice elsewhere = {0};
    size_t i;
    json_t *listed;
    json_array_foreach(json_at(project, "spec", "components", NULL), i, listed)
    {
        struct slice name = json_text_at(listed, "name");
        const json_t *there = snapshot_get(s, SNAPSHOT_COMPONENT, object_ns(project), name);
        if (there == NULL) {
            create_member(project, listed, plan);
            *created += 1;
            continue;
        }
        struct membership m;
        bool certain = component_membership(s, there, &plan->arena, &m);
        if (elsewhere.len == 0 && (!certain || !slice_eq(m.project, object_name(project)))) {
            elsewhere = name;
        }
    }
    return elsewhere;
}

static void plan_report(const struct snapshot *s, const json_t *project, json_t *edit,
                        struct slice elsewhere, size_t created, struct plan *plan)
{
    const struct snapshot_entry **members;
    size_t count = project_members(s, project, &plan->arena, &members);
    struct rollup roll = {0};
    for (size_t i = 0; i < count; i++) {
        rollup_add(&roll, snapshot_tree(s, members[i]), members[i]->name);
    }
    status_set(edit, "componentCount", json_integer((json_int_t)roll.total));
    status_set(edit, "readyComponents", json_integer((json_int_t)roll.ready));
    rollup_set(edit, s, &roll, "component");
    project_order(s, members, count, &plan->arena, edit);
    if (created > 0) {
        condition_set(edit, s, READY, STATUS_FALSE, "Progressing", "creating %zu component%s",
                      created, created == 1 ? "" : "s");
        condition_set(edit, s, PROGRESSING, STATUS_TRUE, "Progressing", "work is under way");
    }
    if (elsewhere.len > 0) {
        condition_set(edit, s, "ComponentsResolved", STATUS_FALSE, "ComponentElsewhere",
                      "component \"%.*s\" is listed here, but is not only this project's: set its "
                      "spec.project, or list it once",
                      SLICE_ARG(elsewhere));
    } else {
        condition_drop(edit, "ComponentsResolved");
    }
    status_observe(edit);
}

static void plan_end(const struct snapshot *s, const struct snapshot_entry *entry,
                     struct plan *plan)
{
    const json_t *project = snapshot_tree(s, entry);
    if (!object_has_finalizer(project, FINALIZER)) {
        return;
    }
    struct ending e = {0};
    const struct snapshot_entry **members;
    size_t count = project_members(s, project, &plan->arena, &members);
    ending_add(&e, s, SNAPSHOT_COMPONENT, members, count, &plan->arena);
    for (size_t i = 0; i < count; i++) {
        plan_delete(plan, members[i]);
    }
    /* Bindings by themselves: what they bind may be in another project by now. */
    static const enum snapshot_kind theirs[] = {SNAPSHOT_RESOURCE, SNAPSHOT_BINDING,
                                                SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_RENDERED};
    for (size_t k = 0; k < sizeof(theirs) / sizeof(theirs[0]); k++) {
        const struct snapshot_entry **found;
        size_t owned = snapshot_list(s, theirs[k], SNAPSHOT_BY_PROJECT, entry->ns, entry->name,
                                     &plan->arena, &found);
        for (size_t i = 0; i < owned && theirs[k] != SNAPSHOT_RENDERED; i++) {
            plan_delete(plan, found[i]);
        }
        ending_add(&e, s, theirs[k], found, owned, &plan->arena);
    }
    json_t *edit = plan_edit(plan, s, entry);
    if (e.left == 0) {
        object_remove_finalizer(edit, FINALIZER);
    } else {
        ending_tell(&e, s, edit);
    }
}

void project_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    if (entry->deleting) {
        plan_end(s, entry, plan);
        return;
    }
    const json_t *project = snapshot_tree(s, entry);
    json_t *edit = plan_edit(plan, s, entry);
    object_add_finalizer(edit, FINALIZER);
    size_t created = 0;
    struct slice elsewhere = plan_listed(s, project, plan, &created);
    plan_report(s, project, edit, elsewhere, created, plan);
}
