/* component.c: from a component to a release, and from the release to its first environment.
 *
 *   project -> image (named, or built) -> type and traits -> Release (named by its content) ->
 * ReleaseBinding in the first environment of the project's pipeline -> roll-up of all its bindings
 *
 * Each step that cannot be taken leaves a condition that says why and what to do, and what was
 * deployed before stays as it is. A binding follows new releases only: one that somebody pointed at
 * an older release is left there until the component changes again. */
#include "reconcile/controllers/build.h"
#include "reconcile/controllers/component_environments.h"
#include "reconcile/controllers/elsewhere.h"
#include "reconcile/controllers/ending.h"
#include "reconcile/controllers/openchoreo.h"

#include <string.h>

#include "proto/promotion.h"
#include "render/deployment.h"
#include "reconcile/controllers/tracking.h"
#include "render/release.h"
#include "render/resource_release.h"

/* Whether the resources that it depends on are there. */
#define PROVISIONED "DependenciesProvisioned"

enum { REMAKE_MS = 1000 };

/* What one run finds out, step by step. */
struct work {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *component;
    json_t *edit;
    struct plan *plan;
    struct membership membership;
    struct slice built;            /* image that a run made; empty: the spec names one */
    struct slice run;              /* that made it */
    struct slice release;          /* name of the release that the spec amounts to */
    const json_t *made;            /* that release, if this plan makes it */
    struct slice first;            /* environment */
    struct slice other_parameters; /* a resource that has others than it says; or empty */
    const char *reason;            /* of the step that failed; NULL: none */
    const char *message;
};

static bool fail(struct work *w, const char *condition, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool fail(struct work *w, const char *condition, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    w->reason = reason;
    w->message = arena_vprintf(&w->plan->arena, format, args);
    va_end(args);
    condition_set(w->edit, w->s, condition, STATUS_FALSE, reason, "%s", w->message);
    return false;
}

static bool find_project(struct work *w)
{
    struct membership *m = &w->membership;
    if (!component_membership(w->s, w->component, &w->plan->arena, m)) {
        return fail(
            w, "ProjectResolved", "Ambiguous",
            "projects \"%.*s\" and \"%.*s\" both list it: set spec.project, or list it once",
            SLICE_ARG(m->project), SLICE_ARG(m->also));
    }
    if (m->entry == NULL && m->named) {
        return fail(w, "ProjectResolved", "ProjectNotFound",
                    "there is no project \"%.*s\" in namespace \"%.*s\" yet", SLICE_ARG(m->project),
                    SLICE_ARG(w->entry->ns));
    }
    if (m->entry != NULL && m->entry->deleting) {
        return fail(w, "ProjectResolved", "ProjectTerminating", "project \"%.*s\" is being deleted",
                    SLICE_ARG(m->project));
    }
    status_set(w->edit, "project", json_str(m->project));
    condition_drop(w->edit, "ProjectResolved");
    return true;
}

static bool find_built(struct work *w)
{
    struct slice path = json_text(json_at(w->component, "spec", "source", "path", NULL));
    struct build build;
    if (build_plan(w->s, w->entry, &w->membership, w->edit, w->plan, &build)) {
        w->built = build.image;
        w->run = build.run;
        status_set(w->edit, "image", build.image.len > 0 ? json_str(build.image) : NULL);
        if (build.image.len == 0) {
            return fail(w, "ImageResolved", build.reason, "%s", build.message);
        }
        if (build_is_for_workload(w->component)) {
            return fail(w, "ImageResolved", "Building",
                        "what run \"%.*s\" made is being written into its Workload",
                        SLICE_ARG(build.run));
        }
        condition_set(w->edit, w->s, "ImageResolved", STATUS_TRUE, "Built", "run \"%.*s\" made it",
                      SLICE_ARG(build.run));
        return true;
    }
    status_set(w->edit, "image", NULL);
    if (path.len == 0) {
        return fail(w, "ImageResolved", "NoImage",
                    "neither spec.image nor spec.source is set: there is nothing to run");
    }
    return fail(w, "ImageResolved", "NoRepository",
                "nothing says which repository %.*s is in: set spec.source.git here or in its "
                "project, or spec.image to an image that was built elsewhere",
                SLICE_ARG(path));
}

static bool find_image(struct work *w)
{
    const json_t *workload = json_at(w->component, "spec", "workload", NULL);
    struct slice image = workload != NULL ? json_text(json_at(workload, "container", "image", NULL))
                                          : spec_text(w->component, "image");
    if (image.len > 0) {
        struct build build;
        if (!build_is_for_workload(w->component) ||
            !build_plan(w->s, w->entry, &w->membership, w->edit, w->plan, &build)) {
            build_unused(w->edit);
        }
        status_set(w->edit, "image", json_str(image));
        condition_set(w->edit, w->s, "ImageResolved", STATUS_TRUE, "Given", "%s is used as it is",
                      workload != NULL ? "spec.workload.container.image" : "spec.image");
        return true;
    }
    return find_built(w);
}

/* Whoever changed what the project says of all its components is an author of the first release of
 * each that holds it. */
static void add_project_authors(const struct work *w, const json_t *spec, json_t *release)
{
    struct slice latest = json_text(json_at(w->component, "status", "latestRelease", "name", NULL));
    const json_t *before = snapshot_get(w->s, SNAPSHOT_RELEASE, w->entry->ns, latest);
    const json_t *was = json_at(before, "spec", "project", NULL);
    const json_t *is = json_object_get(spec, "project");
    bool same = was == is || (was != NULL && is != NULL && json_equal(was, is));
    if (!same && w->membership.entry != NULL) {
        promotion_add_authors(release, snapshot_tree(w->s, w->membership.entry));
    }
}

static void create_release(struct work *w, json_t *spec)
{
    json_t *release = object_new("choreo.dev/v1", "Release", w->entry->ns, w->release);
    json_object_set(release, "spec", spec);
    struct slice authors = object_annotation(w->component, PROMOTION_AUTHORS);
    if (authors.len > 0) {
        object_set_annotation(release, PROMOTION_AUTHORS, authors);
    }
    add_project_authors(w, spec, release);
    if (w->run.len > 0) { /* who chose what is built is answerable for it, too */
        const json_t *run = snapshot_get(w->s, SNAPSHOT_RUN, w->entry->ns, w->run);
        promotion_add_authors(release, run);
    }
    object_add_owner(release, w->component, true);
    plan_create(w->plan, SNAPSHOT_RELEASE, release);
    w->made = release;
    plan_event(w->plan, w->component, false, "Released", "made release \"%.*s\"",
               SLICE_ARG(w->release));
}

/* The component as if it named the image that was built; a new reference. */
static json_t *with_image(const struct work *w)
{
    json_t *component = json_incref((json_t *)(uintptr_t)w->component);
    if (w->built.len == 0) {
        return component;
    }
    json_t *copy = json_copy(component);
    json_decref(component);
    json_t *spec = json_copy(json_object_get(copy, "spec"));
    json_object_set_new(copy, "spec", spec);
    json_t *workload = json_deep_copy(json_object_get(spec, "workload"));
    if (workload != NULL) {
        json_object_set_new(json_child(workload, "container"), "image", json_str(w->built));
        json_object_set_new(spec, "workload", workload);
    } else {
        json_object_set_new(spec, "image", json_str(w->built));
    }
    return copy;
}

/* The name of the release that the component amounts to, if it was found out before and is there.
 * What goes into a release beside specs (its project, an image that is not in the spec) is part of
 * what is remembered. */
static bool known_release(struct work *w, struct slice from)
{
    struct slice text = snapshot_computed(w->s, w->entry);
    if (text.len <= from.len || !slice_starts_with(text, from)) {
        return false;
    }
    w->release = arena_copy(&w->plan->arena, slice_sub(text, from.len, SIZE_MAX));
    return snapshot_find(w->s, SNAPSHOT_RELEASE, w->entry->ns, w->release) != NULL;
}

static bool compute_release(struct work *w, struct slice from)
{
    json_t *spec;
    const char *reason = NULL;
    struct err err;
    struct view v;
    struct slice text = {0};
    view_init(&v, w->s, &w->plan->arena);
    json_t *component = with_image(w);
    snapshot_compute_begin(w->s, w->entry);
    int rc = release_make(&v.platform, component, w->membership.project, &spec, &reason, &err);
    json_decref(component);
    if (rc == 0) {
        w->release = release_name(&w->plan->arena, w->entry->name, spec);
        text = slice_of(
            arena_printf(&w->plan->arena, "%.*s%.*s", SLICE_ARG(from), SLICE_ARG(w->release)));
    }
    snapshot_compute_end(w->s, w->entry, text);
    if (rc != 0) {
        return fail(w, "Released", reason, "%s", err.message);
    }
    if (snapshot_find(w->s, SNAPSHOT_RELEASE, w->entry->ns, w->release) == NULL) {
        create_release(w, spec);
    }
    json_decref(spec);
    return true;
}

static bool make_release(struct work *w)
{
    struct slice from =
        slice_of(arena_printf(&w->plan->arena, "%.*s %.*s ", SLICE_ARG(w->membership.project),
                              SLICE_ARG(json_text(json_at(w->edit, "status", "image", NULL)))));
    if (!known_release(w, from) && !compute_release(w, from)) {
        return false;
    }
    condition_set(w->edit, w->s, "Released", STATUS_TRUE, "Released", "release \"%.*s\"",
                  SLICE_ARG(w->release));
    return true;
}

static bool find_environment(struct work *w)
{
    const char *reason = NULL;
    const char *message = NULL;
    w->first = first_environment(w->s, w->entry->ns, w->membership.entry, &w->plan->arena, &reason,
                                 &message);
    return w->first.len > 0 || fail(w, "Bound", reason, "%s", message);
}

/* Whether the control plane made it by itself, nobody has said anything in it since, and nothing
 * that was well runs by it. */
static bool is_only_ours(const struct work *w, const struct snapshot_entry *binding)
{
    const json_t *tree = snapshot_tree(w->s, binding);
    json_t *bare = release_binding(w->membership.project, w->entry->name, w->first,
                                   spec_text(tree, "releaseName"));
    if (json_at(tree, "spec", "state", NULL) != NULL) { /* which has a default */
        json_object_set_new(bare, "state", json_string("Active"));
    }
    bool ours = owned_by(tree, w->entry->uid) && json_equal(json_object_get(tree, "spec"), bare) &&
                json_at(tree, "metadata", "managedFields", NULL) == NULL &&
                snapshot_find(w->s, SNAPSHOT_OC_BINDING, w->entry->ns, binding->name) == NULL &&
                promotion_last_healthy(tree).len == 0;
    json_decref(bare);
    return ours;
}

/* A client's binding that came with the component was not there yet when one was made for it: the
 * client's is the one. */
static bool leave_to_another(struct work *w)
{
    const struct snapshot_entry **found;
    const struct snapshot_entry *ours = NULL;
    size_t others = 0;
    size_t count = snapshot_list(w->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, w->entry->ns,
                                 w->entry->name, &w->plan->arena, &found);
    for (size_t i = 0; i < count; i++) {
        if (!slice_eq(spec_text(snapshot_tree(w->s, found[i]), "environment"), w->first) ||
            found[i]->deleting) {
            continue;
        }
        bool only_ours = is_only_ours(w, found[i]);
        ours = only_ours ? found[i] : ours;
        others += only_ours ? 0 : 1;
    }
    if (ours == NULL || others == 0) {
        return false;
    }
    plan_delete(w->plan, ours);
    return true;
}

/* Whether there was a binding when this was looked at last. What has gone is told before it is made
 * again: `kubectl delete` looks, lists and watches, and would wait for the end of the next one. */
static bool has_just_gone(const struct work *w)
{
    const json_t *rows = json_at(w->component, "status", "environments", NULL);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (slice_eq(json_text_at(json_array_get(rows, i), "name"), w->first)) {
            plan_requeue(w->plan, REMAKE_MS);
            return true;
        }
    }
    return false;
}

static bool bind(struct work *w)
{
    if (json_is_false(json_at(w->component, "spec", "autoDeploy", NULL))) {
        condition_drop(w->edit, "Bound");
        return true;
    }
    if (!find_environment(w)) {
        return false;
    }
    if (leave_to_another(w)) {
        return true; /* which is looked at once this one has gone */
    }
    const struct snapshot_entry *binding = binding_first(w->s, SNAPSHOT_BINDING, w->entry->ns,
                                                         w->entry->name, w->first, &w->plan->arena);
    if (binding == NULL && has_just_gone(w)) {
        return true;
    }
    json_t *wanted = release_binding(w->membership.project, w->entry->name, w->first, w->release);
    if (binding == NULL) {
        struct slice name =
            binding_name(w->s, &w->plan->arena, w->entry->ns, w->entry->name, w->first);
        json_t *o = object_new("choreo.dev/v1", "ReleaseBinding", w->entry->ns, name);
        json_object_set_new(o, "spec", wanted);
        object_add_finalizer(o, FINALIZER);
        object_add_owner(o, w->component, true);
        binding_requested_by(o, promotion_last_author(&w->plan->arena, w->component));
        plan_create(w->plan, SNAPSHOT_BINDING, o);
        condition_drop(w->edit, "Bound");
        return true;
    }
    const json_t *before = snapshot_tree(w->s, binding);
    struct slice latest = json_text(json_at(w->component, "status", "latestRelease", "name", NULL));
    bool follow =
        spec_text(before, "releaseName").len == 0 ||
        (!slice_eq(latest, w->release) &&
         !openchoreo_release_pinned(w->s, w->entry->ns, w->entry->name, w->first, &w->plan->arena));
    /* One of a project that the component has left stays what it is: its volumes would go with it.
     */
    bool ours = slice_eq(owner_text(before, "projectName"), w->membership.project);
    if (!binding->deleting && follow && ours) {
        json_t *edit = plan_edit(w->plan, w->s, binding);
        json_t *spec = json_object_get(edit, "spec");
        json_object_set_new(spec, "releaseName", json_str(w->release));
        json_object_del(spec, "reason");
        json_object_del(spec, "releaseSet");
        binding_requested_by(edit, promotion_last_author(&w->plan->arena, w->component));
    }
    json_decref(wanted);
    condition_drop(w->edit, "Bound");
    return true;
}

/* A resource that a component names alone belongs to all that name it, and goes with the last. */
static void share(struct work *w, const struct snapshot_entry *resource)
{
    const json_t *first = json_array_get(
        json_at(snapshot_tree(w->s, resource), "metadata", "ownerReferences", NULL), 0);
    if (slice_eq_cstr(json_text_at(first, "kind"), "Component") && !resource->deleting) {
        object_add_owner(plan_edit(w->plan, w->s, resource), w->component, false);
    }
}

/* What the component says of a resource's parameters counts while it is the only one that named it,
 * and nobody else has written to it. False: the resource has others, and keeps them. */
static bool follow_parameters(struct work *w, const struct snapshot_entry *resource,
                              const json_t *dependency)
{
    const json_t *tree = snapshot_tree(w->s, resource);
    const json_t *is = json_at(tree, "spec", "parameters", NULL);
    json_t *says = json_object_get(dependency, "parameters");
    bool same = json_object_size(says) == 0 ? json_object_size(is) == 0 : json_equal(is, says);
    if (same || resource->deleting) {
        return true;
    }
    const json_t *owners = json_at(tree, "metadata", "ownerReferences", NULL);
    if (json_array_size(owners) != 1 || !owned_by(tree, w->entry->uid) ||
        json_at(tree, "metadata", "managedFields", NULL) != NULL) {
        return json_object_size(says) == 0; /* it may be content with any */
    }
    json_t *edit = plan_edit(w->plan, w->s, resource);
    if (json_object_size(says) > 0) {
        json_object_set(json_child(edit, "spec"), "parameters", says);
    } else {
        (void)json_object_del(json_child(edit, "spec"), "parameters");
    }
    if (promotion_is_released(tree)) {
        object_remove_annotation(edit, PROMOTION_AUTHORS);
    }
    promotion_add_authors(edit, w->component);
    return true;
}

/* Makes the resource that a dependency means if it is not there. False, with the reason, if what is
 * there is not what the component asks for. */
static bool provide(struct work *w, const json_t *dependency)
{
    struct slice type = json_text_at(dependency, "type");
    struct slice name = dependency_resource(&w->plan->arena, w->membership.project, dependency);
    const struct snapshot_entry *there = snapshot_find(w->s, SNAPSHOT_RESOURCE, w->entry->ns, name);
    if (there == NULL && json_text_at(dependency, "resource").len > 0) {
        condition_set(w->edit, w->s, PROVISIONED, STATUS_FALSE, "ResourceNotFound",
                      "there is no resource \"%.*s\"", SLICE_ARG(name));
        return false;
    }
    if (there == NULL) {
        json_t *o = dependency_resource_new(&w->plan->arena, w->entry->ns, w->membership.project,
                                            dependency);
        promotion_add_authors(o, w->component);
        object_add_owner(o, w->component, false);
        plan_create(w->plan, SNAPSHOT_RESOURCE, o);
        plan_event(w->plan, w->component, false, "ResourceCreated",
                   "created resource \"%.*s\" of type %.*s", SLICE_ARG(name), SLICE_ARG(type));
        return true;
    }
    const json_t *resource = snapshot_tree(w->s, there);
    if (!slice_eq(spec_text(resource, "project"), w->membership.project)) {
        condition_set(w->edit, w->s, PROVISIONED, STATUS_FALSE, "ResourceOfAnother",
                      "resource \"%.*s\" is one of project \"%.*s\"", SLICE_ARG(name),
                      SLICE_ARG(spec_text(resource, "project")));
        return false;
    }
    if (!slice_eq(spec_text(resource, "type"), type)) {
        condition_set(w->edit, w->s, PROVISIONED, STATUS_FALSE, "ResourceOfAnotherType",
                      "resource \"%.*s\" is of type %.*s, and not %.*s", SLICE_ARG(name),
                      SLICE_ARG(spec_text(resource, "type")), SLICE_ARG(type));
        return false;
    }
    share(w, there);
    if (!follow_parameters(w, there, dependency)) {
        w->other_parameters = name;
    }
    return true;
}

static void provide_all(struct work *w)
{
    bool all = true;
    size_t needed = 0;
    size_t i;
    json_t *dependency;
    json_array_foreach(json_at(w->component, "spec", "dependencies", NULL), i, dependency)
    {
        if (dependency_is_resource(dependency)) {
            needed++;
            all = provide(w, dependency) && all;
        }
    }
    if (needed == 0) {
        condition_drop(w->edit, PROVISIONED);
    } else if (all) {
        bool other = w->other_parameters.len > 0;
        condition_set(
            w->edit, w->s, PROVISIONED, STATUS_TRUE, other ? "OtherParameters" : "Provisioned",
            "%zu resource%s for it%s%.*s%s", needed, needed == 1 ? " is there" : "s are there",
            other ? "; \"" : "", SLICE_ARG(w->other_parameters),
            other ? "\" has other parameters than are said here, and keeps them, for others "
                    "name it or have written to it: change them in the Resource"
                  : "");
    }
}

/* Of a new release, and together with its name: it never changes. */
static void tell_elsewhere(struct work *w)
{
    struct slice told = json_text(json_at(w->component, "status", "latestRelease", "name", NULL));
    if (!slice_eq(told, w->release)) {
        const json_t *release =
            w->made != NULL ? w->made
                            : snapshot_get(w->s, SNAPSHOT_RELEASE, w->entry->ns, w->release);
        elsewhere_tell(w->s, release, w->edit);
    }
}

static void report(struct work *w)
{
    struct rollup roll = {0};
    size_t count = component_environments(w->s, w->entry, w->edit, w->plan, &roll);
    if (w->release.len > 0) {
        tell_elsewhere(w);
        const char *hash = arena_cstr(&w->plan->arena, w->release);
        status_set(w->edit, "latestRelease",
                   json_pack("{s:o, s:s}", "name", json_str(w->release), "releaseHash",
                             strrchr(hash, '-') + 1));
    }
    if (w->reason != NULL) {
        condition_set(w->edit, w->s, READY, STATUS_FALSE, w->reason, "%s", w->message);
        bool building = strcmp(w->reason, "Building") == 0;
        condition_set(w->edit, w->s, PROGRESSING, building ? STATUS_TRUE : STATUS_FALSE,
                      building ? "Progressing" : "Stuck",
                      building ? "work is under way"
                               : "waiting for what stands in the way of Ready");
    } else if (count == 0 && w->first.len == 0) {
        condition_set(w->edit, w->s, READY, STATUS_FALSE, "NotDeployed",
                      "spec.autoDeploy is false, and it is bound to no environment: create a "
                      "ReleaseBinding of release \"%.*s\", or set spec.autoDeploy",
                      SLICE_ARG(w->release));
        condition_set(w->edit, w->s, PROGRESSING, STATUS_FALSE, "Settled", "nothing is under way");
    } else if (count == 0) {
        condition_set(w->edit, w->s, READY, STATUS_FALSE, "Progressing",
                      "being bound to environment \"%.*s\"", SLICE_ARG(w->first));
        condition_set(w->edit, w->s, PROGRESSING, STATUS_TRUE, "Progressing", "work is under way");
    } else {
        rollup_set(w->edit, w->s, &roll, "environment");
    }
    status_observe(w->edit);
}

static void plan_end(struct work *w)
{
    if (!object_has_finalizer(w->component, FINALIZER)) {
        return;
    }
    if (object_has_finalizer(w->component, OBJECT_FINALIZER_ORPHAN)) {
        /* The garbage collector takes the references to it off what it made, which stays. */
        w->edit = plan_edit(w->plan, w->s, w->entry);
        object_remove_finalizer(w->edit, FINALIZER);
        return;
    }
    static const enum snapshot_kind made[] = {SNAPSHOT_RUN, SNAPSHOT_BINDING, SNAPSHOT_RENDERED,
                                              SNAPSHOT_RELEASE};
    struct ending e = {0};
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        const struct snapshot_entry **found;
        size_t count = snapshot_list(w->s, made[i], SNAPSHOT_BY_COMPONENT, w->entry->ns,
                                     w->entry->name, &w->plan->arena, &found);
        /* Releases go last: what is on a cluster can be explained until it is gone. */
        for (size_t k = 0; k < count && (made[i] != SNAPSHOT_RELEASE || e.left == 0); k++) {
            plan_delete(w->plan, found[k]);
        }
        if (made[i] != SNAPSHOT_RELEASE) {
            ending_add(&e, w->s, made[i], found, count, &w->plan->arena);
        }
    }
    w->edit = plan_edit(w->plan, w->s, w->entry);
    if (e.left == 0) {
        object_remove_finalizer(w->edit, FINALIZER);
    } else {
        ending_tell(&e, w->s, w->edit);
    }
}

void component_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    struct work w = {.s = s, .entry = entry, .component = snapshot_tree(s, entry), .plan = plan};
    if (entry->deleting) {
        plan_end(&w);
        return;
    }
    w.edit = plan_edit(plan, s, entry);
    object_add_finalizer(w.edit, FINALIZER);
    if (find_project(&w)) {
        provide_all(&w);
        if (find_image(&w) && make_release(&w)) {
            bind(&w);
        }
    }
    tracking_plan(s, entry,
                  w.membership.entry != NULL ? snapshot_tree(s, w.membership.entry) : NULL, plan);
    report(&w);
}
