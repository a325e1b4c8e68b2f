/* openchoreo_component.c: a Component with its Workload, and the bindings of its releases.
 *
 * Component and Workload together are our Component, which makes releases and binds the first
 * environment as ever. A ReleaseBinding has no counterpart of its own making: there is one binding
 * for a component and an environment, which belongs to the component, and this one says what is
 * different there. Where it names no release, the binding follows the component's; where it names
 * one, it stays with that. */
#include "reconcile/controllers/openchoreo.h"

#include "proto/promotion.h"
#include "reconcile/controllers/elsewhere.h"

#define OPENCHOREO_DEFAULT_TYPE_KIND "ComponentType"

static json_t *copied(const json_t *value)
{
    return value != NULL && !json_is_null(value) ? json_deep_copy(value) : json_null();
}

/* The Workload that names the component; NULL: there is none. False, with the condition set, if
 * there are two. */
static bool find_workload(struct translation *t, const struct snapshot_entry **found)
{
    struct slice project = owner_text(t->object, "projectName");
    const struct snapshot_entry **all;
    size_t count = snapshot_list(t->s, SNAPSHOT_OC_WORKLOAD, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 t->entry->name, &t->plan->arena, &all);
    *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *workload = snapshot_tree(t->s, all[i]);
        if (all[i]->deleting || !slice_eq(owner_text(workload, "projectName"), project)) {
            continue;
        }
        if (*found != NULL) {
            translation_fail(t, "WorkloadAmbiguous",
                             "workloads \"%.*s\" and \"%.*s\" both name it: delete one",
                             SLICE_ARG((*found)->name), SLICE_ARG(all[i]->name));
            return false;
        }
        *found = all[i];
    }
    return true;
}

static json_t *workload_of(const json_t *workload)
{
    static const char *const keys[] = {"container", "endpoints", "dependencies"};
    json_t *out = json_object();
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_at(workload, "spec", keys[i], NULL);
        if (value != NULL && !json_is_null(value)) {
            json_object_set_new(out, keys[i], json_deep_copy(value));
        }
    }
    return out;
}

static json_t *component_spec(struct translation *t)
{
    const json_t *type = json_at(t->object, "spec", "componentType", NULL);
    const json_t *parameters = json_at(t->object, "spec", "parameters", NULL);
    struct slice kind = json_text_at(type, "kind");
    struct slice name = json_text_at(type, "name"); /* deployment/service */
    size_t slash = slice_find(name, SLICE("/"));
    name = slash == SIZE_MAX ? name : slice_sub(name, slash + 1, SIZE_MAX);
    kind = kind.len > 0 ? kind : SLICE(OPENCHOREO_DEFAULT_TYPE_KIND);
    bool deploys = json_is_true(json_at(t->object, "spec", "autoDeploy", NULL));
    return json_pack("{s:o, s:o, s:{s:s, s:o, s:o}, s:b, s:o, s:o, s:o}", "project",
                     json_str(owner_text(t->object, "projectName")), "type", json_str(name),
                     "componentType", "group", OPENCHOREO_GROUP, "kind", json_str(kind), "name",
                     json_str(name), "autoDeploy", deploys, "parameters",
                     json_is_object(parameters) ? json_deep_copy(parameters) : json_null(),
                     "traits", copied(json_at(t->object, "spec", "traits", NULL)), "workload",
                     t->beside != NULL ? workload_of(t->beside) : json_null());
}

/* Ours is there when there is something that runs, or something that can be built. */
static const json_t *make_component(struct translation *t, const struct snapshot_entry *workload)
{
    t->beside = workload != NULL ? snapshot_tree(t->s, workload) : NULL;
    json_t *spec = component_spec(t);
    bool builds = openchoreo_build_spec(t, spec);
    if (workload == NULL && !builds) {
        json_decref(spec);
        translation_fail(t, "WorkloadNotFound",
                         "no Workload names component \"%.*s\" of project \"%.*s\" as its owner "
                         "yet",
                         SLICE_ARG(t->entry->name),
                         SLICE_ARG(owner_text(t->object, "projectName")));
        return NULL;
    }
    const json_t *counterpart = translation_counterpart(t, SNAPSHOT_COMPONENT, spec);
    bool written = counterpart == NULL || !builds || openchoreo_build_write(t, workload);
    return written ? counterpart : NULL;
}

/* One of our component's conditions, as it is. */
static void pass_on(struct translation *t, const json_t *counterpart, const char *type)
{
    struct arena *arena = &t->plan->arena;
    const json_t *ours = object_condition(counterpart, type);
    if (ours != NULL) {
        object_set_condition(t->edit, type, arena_cstr(arena, json_text_at(ours, "status")),
                             arena_cstr(arena, json_text_at(ours, "reason")),
                             arena_cstr(arena, json_text_at(ours, "message")), t->s->now_ms);
    } else {
        condition_drop(t->edit, type);
    }
}

/* Is there a ReleaseBinding of OpenChoreo's for this environment? */
static bool find_theirs(const struct translation *t, struct slice environment)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(t->s, SNAPSHOT_OC_BINDING, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 t->entry->name, &t->plan->arena, &found);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(spec_text(snapshot_tree(t->s, found[i]), "environment"), environment)) {
            return true;
        }
    }
    return false;
}

/* OpenChoreo's users look at ReleaseBindings, and wait for them: what was bound by itself, or by
 * another client, is shown as one that says the same. */
static void show_bindings(struct translation *t)
{
    static const char *const keys[] = {"owner",
                                       "environment",
                                       "state",
                                       "componentTypeEnvironmentConfigs",
                                       "traitEnvironmentConfigs",
                                       "workloadOverrides"};
    const struct snapshot_entry **ours;
    size_t count = snapshot_list(t->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 t->entry->name, &t->plan->arena, &ours);
    for (size_t i = 0; i < count; i++) {
        const json_t *spec = json_object_get(snapshot_tree(t->s, ours[i]), "spec");
        if (ours[i]->deleting || binding_before(t->s, ours[i], &t->plan->arena) != NULL ||
            find_theirs(t, json_text_at(spec, "environment")) ||
            snapshot_find(t->s, SNAPSHOT_OC_BINDING, t->entry->ns, ours[i]->name) != NULL) {
            continue;
        }
        json_t *o =
            object_new(OPENCHOREO_GROUP "/v1alpha1", "ReleaseBinding", t->entry->ns, ours[i]->name);
        json_t *shown = json_child(o, "spec");
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            json_t *value = json_object_get(spec, keys[k]);
            if (value != NULL && !json_is_null(value)) {
                json_object_set(shown, keys[k], value);
            }
        }
        object_add_finalizer(o, FINALIZER);
        object_add_owner(o, t->object, true);
        plan_create(t->plan, SNAPSHOT_OC_BINDING, o);
    }
}

void openchoreo_component_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                               struct plan *plan)
{
    struct translation t;
    translation_begin(&t, s, entry, plan);
    if (entry->deleting) {
        translation_finish(&t, SNAPSHOT_COMPONENT);
        return;
    }
    object_add_finalizer(t.edit, FINALIZER);
    const struct snapshot_entry *workload;
    const json_t *counterpart = NULL;
    if (find_workload(&t, &workload)) {
        counterpart = make_component(&t, workload);
    }
    pass_on(&t, counterpart, "Built");
    pass_on(&t, counterpart, ALL_RENDERED);
    if (counterpart != NULL) {
        openchoreo_releases_show(&t);
        show_bindings(&t);
    }
    const json_t *latest = json_at(counterpart, "status", "latestRelease", NULL);
    if (latest != NULL) {
        status_set(t.edit, "latestRelease", json_deep_copy(latest));
    }
    translation_end(&t, counterpart);
}

/* ---- bindings ---- */

/* Of two, since the component made one at the same time, the one of this name. */
static const struct snapshot_entry *find_binding(struct translation *t, struct slice component,
                                                 struct slice environment)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(t->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 component, &t->plan->arena, &found);
    const struct snapshot_entry *any = NULL;
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(spec_text(snapshot_tree(t->s, found[i]), "environment"), environment)) {
            any = any == NULL || slice_eq(found[i]->name, t->entry->name) ? found[i] : any;
        }
    }
    return any;
}

bool openchoreo_release_pinned(const struct snapshot *s, struct slice ns, struct slice component,
                               struct slice environment, struct arena *arena)
{
    const struct snapshot_entry **found;
    size_t count =
        snapshot_list(s, SNAPSHOT_OC_BINDING, SNAPSHOT_BY_COMPONENT, ns, component, arena, &found);
    for (size_t i = 0; i < count; i++) {
        const json_t *binding = snapshot_tree(s, found[i]);
        if (!found[i]->deleting && spec_text(binding, "releaseName").len > 0 &&
            slice_eq(spec_text(binding, "environment"), environment)) {
            return true;
        }
    }
    return false;
}

static json_t *binding_spec(const struct translation *t)
{
    static const char *const keys[] = {"state", "componentTypeEnvironmentConfigs",
                                       "traitEnvironmentConfigs", "workloadOverrides"};
    json_t *spec = json_object();
    struct slice release = spec_text(t->object, "releaseName");
    for (size_t i = 0; i < 4; i++) {
        json_object_set_new(spec, keys[i], copied(json_at(t->object, "spec", keys[i], NULL)));
    }
    if (json_is_null(json_object_get(spec, "state"))) {
        json_object_set_new(spec, "state", json_string("Active"));
    }
    if (release.len > 0) {
        json_object_set_new(spec, "releaseName", json_str(release));
    }
    return spec;
}

static void create_binding(struct translation *t, const json_t *component)
{
    if (snapshot_find(t->s, SNAPSHOT_BINDING, t->entry->ns, t->entry->name) != NULL) {
        translation_fail(t, "Conflict",
                         "choreo.dev ReleaseBinding \"%.*s\" is there, and is another's: it is "
                         "left as it is; delete one of them",
                         SLICE_ARG(t->entry->name));
        return;
    }
    if (translation_waits(t, json_object_get(t->object, "spec"))) {
        return;
    }
    json_t *o = object_new("choreo.dev/v1", "ReleaseBinding", t->entry->ns, t->entry->name);
    json_t *spec = binding_spec(t);
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(spec, next, key, value)
    {
        if (json_is_null(value)) {
            json_object_del(spec, key);
        }
    }
    json_object_set(spec, "owner", json_at(t->object, "spec", "owner", NULL));
    json_object_set(spec, "environment", json_at(t->object, "spec", "environment", NULL));
    json_object_set_new(o, "spec", spec);
    object_add_finalizer(o, FINALIZER);
    object_add_owner(o, component, true);
    binding_requested_by(o, object_annotation(t->object, PROMOTION_REQUESTED_BY));
    plan_create(t->plan, SNAPSHOT_BINDING, o);
    translation_fail(t, "Progressing", "being taken up");
}

/* The binding says what OpenChoreo's says; whoever bound another release there asked for it. */
static void merge_binding(struct translation *t, const struct snapshot_entry *binding)
{
    struct slice release = spec_text(t->object, "releaseName");
    if (release.len > 0 &&
        !slice_eq(release, spec_text(snapshot_tree(t->s, binding), "releaseName"))) {
        json_t *edit = plan_edit(t->plan, t->s, binding);
        binding_requested_by(edit, object_annotation(t->object, PROMOTION_REQUESTED_BY));
        (void)json_object_del(json_object_get(edit, "spec"), "reason");
    }
    translation_merge(t, binding, binding_spec(t));
}

/* Our component of that name, made of OpenChoreo's; NULL with the condition set. */
static const json_t *find_component(struct translation *t, struct slice name)
{
    const struct snapshot_entry *theirs =
        snapshot_find(t->s, SNAPSHOT_OC_COMPONENT, t->entry->ns, name);
    const json_t *ours = snapshot_get(t->s, SNAPSHOT_COMPONENT, t->entry->ns, name);
    if (theirs == NULL || ours == NULL) {
        translation_fail(t, "ComponentNotFound", "there is no component \"%.*s\"%s",
                         SLICE_ARG(name), theirs != NULL ? " yet that can be deployed" : "");
        return NULL;
    }
    if (!owned_by(ours, theirs->uid)) {
        translation_fail(t, "Conflict",
                         "choreo.dev Component \"%.*s\" was not made for OpenChoreo's: its "
                         "bindings are left as they are",
                         SLICE_ARG(name));
        return NULL;
    }
    return ours;
}

/* What is deployed, since when, and where it is. */
static void tell_state(struct translation *t, const struct snapshot_entry *entry)
{
    static const char *const keys[] = {"releaseName", "lastSpecUpdateTime", "endpoints"};
    const json_t *status = json_object_get(snapshot_tree(t->s, entry), "status");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        status_set(t->edit, keys[i], json_deep_copy(json_object_get(status, keys[i])));
    }
}

void openchoreo_binding_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan)
{
    struct translation t;
    translation_begin(&t, s, entry, plan);
    struct slice component = owner_text(t.object, "componentName");
    struct slice environment = spec_text(t.object, "environment");
    const struct snapshot_entry *binding = find_binding(&t, component, environment);
    if (entry->deleting) {
        if (object_has_finalizer(t.object, FINALIZER) && binding != NULL &&
            binding_before(s, entry, &plan->arena) == NULL &&
            find_component(&t, component) != NULL) {
            plan_delete(plan, binding);
        }
        object_remove_finalizer(t.edit, FINALIZER);
        return;
    }
    object_add_finalizer(t.edit, FINALIZER);
    const struct snapshot_entry *first = binding_before(s, entry, &plan->arena);
    const json_t *owner = first == NULL ? find_component(&t, component) : NULL;
    const json_t *tree = NULL;
    if (first != NULL) {
        translation_fail(&t, "Conflict",
                         "ReleaseBinding \"%.*s\" is there for component \"%.*s\" in environment "
                         "\"%.*s\" already: delete one of them",
                         SLICE_ARG(first->name), SLICE_ARG(component), SLICE_ARG(environment));
    } else if (owner != NULL && binding == NULL) {
        create_binding(&t, owner);
    } else if (owner != NULL && binding->deleting) {
        translation_fail(&t, "Terminating", "what was bound before is being taken away first");
    } else if (owner != NULL) {
        merge_binding(&t, binding);
        tree = snapshot_tree(s, binding);
        tell_state(&t, binding);
    }
    translation_end(&t, tree);
}
