/* openchoreo_build.c: a Component's workflow, and what it makes.
 *
 * Our Component takes the workflow over, with the source that marked parameters name. From there
 * all is as with ours: the branch is followed, webhooks and `choreo build` make runs (OpenChoreo's,
 * proto/workflow_run.h), and the newest that went well is in status.build. The image then goes into
 * the Workload, with what its source says of it (openchoreo_workload.c); that is what OpenChoreo
 * deploys, and so it comes back into our Component.
 *
 *   Component.workflow -> our Component -> WorkflowRun -> status.build -> Workload -> our Component
 *
 * Whose Workload took which run's image is noted on our Component: a build is written once, so that
 * a Workload that somebody changes afterwards says what runs. */
#include "reconcile/controllers/openchoreo.h"

#include "proto/workflow_source.h"
#include "reconcile/controllers/build_allowed.h"

/* On our Component: the run whose image was written into the Workload. */
#define WRITTEN "choreo.dev/workload-of-run"

static const json_t *find_workflow(const struct translation *t, const json_t *ref)
{
    bool local = slice_eq_cstr(json_text_at(ref, "kind"), "Workflow");
    return snapshot_get(t->s, local ? SNAPSHOT_OC_WORKFLOW : SNAPSHOT_OC_CLUSTER_WORKFLOW,
                        local ? t->entry->ns : (struct slice){0}, json_text_at(ref, "name"));
}

/* The component's type; NULL: there is none yet, which its release will say. */
static const json_t *find_type(const struct translation *t)
{
    const json_t *ref = json_at(t->object, "spec", "componentType", NULL);
    bool shared = slice_eq_cstr(json_text_at(ref, "kind"), "ClusterComponentType");
    struct slice name = json_text_at(ref, "name");
    size_t slash = slice_find(name, SLICE("/"));
    return snapshot_get(t->s, shared ? SNAPSHOT_OC_CLUSTER_TYPE : SNAPSHOT_OC_TYPE,
                        shared ? (struct slice){0} : t->entry->ns,
                        slash == SIZE_MAX ? name : slice_sub(name, slash + 1, SIZE_MAX));
}

/* The source that it builds, a new tree; NULL, with the condition set, if it cannot. */
static json_t *find_source(struct translation *t, const json_t *ref, const json_t *workflow)
{
    const char *kind = build_workflow_kind(ref);
    struct slice name = json_text_at(ref, "name");
    if (workflow == NULL) {
        translation_refuse(t, "WorkflowNotFound", "there is no %s \"%.*s\" yet", kind,
                           SLICE_ARG(name));
        return NULL;
    }
    const char *forbidden = build_forbidden(t->plan, find_type(t), ref);
    if (forbidden != NULL) {
        translation_refuse(t, "WorkflowNotAllowed", "%s", forbidden);
        return NULL;
    }
    json_t *source = workflow_source_read(workflow, json_object_get(ref, "parameters"));
    if (source == NULL) {
        translation_refuse(
            t, "NoRepository",
            "spec.workflow.parameters name no repository where the schema of %s \"%.*s\" "
            "has the mark x-openchoreo-component-parameter-repository-url: true",
            kind, SLICE_ARG(name));
        return NULL;
    }
    return source;
}

bool openchoreo_build_spec(struct translation *t, json_t *spec)
{
    const json_t *ref = json_at(t->object, "spec", "workflow", NULL);
    const json_t *workflow = find_workflow(t, ref);
    json_t *source = NULL;
    if (json_text_at(ref, "name").len == 0) {
        translation_ignore(t, "autoBuild"); /* there is nothing to build it with */
    } else {
        source = find_source(t, ref, workflow);
    }
    if (source == NULL) {
        json_object_set_new(spec, "workflow", json_null());
        json_object_set_new(spec, "source", json_null());
        json_object_set_new(spec, "autoBuild", json_null());
        return false;
    }
    json_t *target = json_pack(
        "{s:s, s:s, s:o, s:o}", "group", OPENCHOREO_GROUP, "kind", build_workflow_kind(ref), "name",
        json_str(json_text_at(ref, "name")), "sourceParameters", workflow_source_paths(workflow));
    const json_t *parameters = json_object_get(ref, "parameters");
    if (json_is_object(parameters)) {
        json_object_set_new(target, "parameters", json_deep_copy(parameters));
    }
    json_object_set_new(spec, "workflow", target);
    json_object_set_new(spec, "source", source);
    /* OpenChoreo builds nothing that nobody asked for. */
    bool automatic = json_is_true(json_at(t->object, "spec", "autoBuild", NULL));
    json_object_set_new(spec, "autoBuild", json_boolean(automatic));
    return true;
}

/* ---- what it made ---- */

/* Takes spec. */
static bool make_workload(struct translation *t, json_t *spec)
{
    if (snapshot_find(t->s, SNAPSHOT_OC_WORKLOAD, t->entry->ns, t->entry->name) != NULL) {
        translation_fail(t, "Conflict",
                         "what was built goes into a Workload that names this component as its "
                         "owner: there is none, and Workload \"%.*s\" is another's",
                         SLICE_ARG(t->entry->name));
        json_decref(spec);
        return false;
    }
    json_t *o = object_new(OPENCHOREO_GROUP "/v1alpha1", "Workload", t->entry->ns, t->entry->name);
    json_object_set_new(o, "spec", spec);
    object_add_owner(o, t->object, true);
    plan_create(t->plan, SNAPSHOT_OC_WORKLOAD, o);
    return true;
}

bool openchoreo_build_write(struct translation *t, const struct snapshot_entry *workload)
{
    const struct snapshot_entry *ours =
        snapshot_find(t->s, SNAPSHOT_COMPONENT, t->entry->ns, t->entry->name);
    const json_t *component = ours != NULL ? snapshot_tree(t->s, ours) : NULL;
    const json_t *build = json_at(component, "status", "build", NULL);
    struct slice run = json_text_at(build, "run");
    struct slice image = json_text_at(build, "image");
    if (image.len == 0 || slice_eq(object_annotation(component, WRITTEN), run)) {
        return true;
    }
    json_t *spec = openchoreo_workload_of(t, workload, run, image);
    if (spec == NULL) { /* Accepted says why; what runs stays */
        return true;
    }
    if (workload == NULL && !make_workload(t, json_incref(spec))) {
        json_decref(spec);
        return false;
    }
    object_set_annotation(plan_edit(t->plan, t->s, ours), WRITTEN, run);
    if (workload != NULL) { /* written before that is noted: the newest edit */
        json_object_set(plan_edit(t->plan, t->s, workload), "spec", spec);
    }
    json_decref(spec);
    plan_event(t->plan, t->object, false, "Built", "run \"%.*s\" made %.*s", SLICE_ARG(run),
               SLICE_ARG(image));
    return true;
}
