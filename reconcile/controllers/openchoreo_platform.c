/* openchoreo_platform.c: environments, pipelines, planes and releases, each of which has a
 * counterpart that says the same in our words; and workflow planes, which have none: a data plane
 * builds, and what templates see of the workflow plane is read where it lies (render/run.h). */
#include "reconcile/controllers/openchoreo.h"

#include "reconcile/controllers/workflow_run.h"

/* spec.KEY as it is, or null. */
static json_t *copy_at(const json_t *object, const char *key)
{
    const json_t *value = json_at(object, "spec", key, NULL);
    return value != NULL ? json_deep_copy(value) : json_null();
}

/* What is on the shared "default" already does not leave it for a cluster that nobody can reach. */
static bool stays_shared(const struct translation *t)
{
    struct slice ns = t->entry->ns;
    const json_t *ours = snapshot_get(t->s, SNAPSHOT_ENVIRONMENT, ns, t->entry->name);
    struct slice secret = openchoreo_plane_secret(&t->plan->arena, SLICE("default"));
    return slice_eq_cstr(spec_text(ours, "dataPlane"), "default") &&
           snapshot_find(t->s, SNAPSHOT_SECRET, ns, secret) == NULL;
}

/* The name of our data plane. An Environment that names none is on "default", its namespace's own
 * before the shared one. */
static struct slice plane_of(const struct translation *t)
{
    const json_t *ref = json_at(t->object, "spec", "dataPlaneRef", NULL);
    struct slice name = json_text_at(ref, "name");
    struct slice ns = t->entry->ns;
    bool named = name.len > 0;
    bool own = named ? slice_eq_cstr(json_text_at(ref, "kind"), "DataPlane")
                     : snapshot_find(t->s, SNAPSHOT_OC_PLANE, ns, SLICE("default")) != NULL &&
                           !stays_shared(t);
    name = named ? name : SLICE("default");
    return own ? openchoreo_plane_name(&t->plan->arena, ns, name) : name;
}

void openchoreo_environment_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                 struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    json_t *spec =
        json_pack("{s:o, s:o, s:o}", "dataPlane", json_str(plane_of(&t)), "isProduction",
                  copy_at(t.object, "isProduction"), "gateway", copy_at(t.object, "gateway"));
    translation_end(&t, translation_counterpart(&t, SNAPSHOT_ENVIRONMENT, spec));
}

void openchoreo_pipeline_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                              struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    json_t *spec = json_pack("{s:o}", "promotionPaths", copy_at(t.object, "promotionPaths"));
    translation_end(&t, translation_counterpart(&t, SNAPSHOT_PIPELINE, spec));
}

/* A cluster is reached by its kubeconfig, and not by an agent. */
void openchoreo_plane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    translation_ignore(&t, "clusterAgent");
    translation_ignore(&t, "planeID");
    translation_ignore(&t, "observabilityPlaneRef");
    t.hint = arena_printf(&plan->arena,
                          "; the cluster is reached by the kubeconfig in Secret "
                          "choreo-system/cluster-%.*s-%.*s",
                          SLICE_ARG(entry->name), SLICE_ARG(entry->name));
    json_t *spec = json_pack("{s:s, s:o, s:o}", "type", "single-cluster", "gateway",
                             copy_at(t.object, "gateway"), "secretStoreRef",
                             copy_at(t.object, "secretStoreRef"));
    translation_end(&t, translation_counterpart(&t, SNAPSHOT_DATAPLANE, spec));
}

/* Where its runs go is decided for each run (workflow_run.c); here it is told. */
void openchoreo_workflow_plane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                    struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    struct slice kind = SLICE("WorkflowPlane");
    struct slice plane = run_plane_of(s, entry->ns, kind, entry->name, &plan->arena);
    plane = plane.len > 0 ? plane : run_plane_marked(s, entry->ns, &plan->arena);
    translation_ignore(&t, "clusterAgent");
    translation_ignore(&t, "planeID");
    translation_ignore(&t, "observabilityPlaneRef");
    t.hint = "; a data plane builds, and its clusters are reached by their kubeconfigs";
    if (plane.len > 0) {
        condition_set(t.edit, s, READY, STATUS_TRUE, "DataPlaneBuilds",
                      "runs go to data plane \"%.*s\"", SLICE_ARG(plane));
    } else {
        condition_set(
            t.edit, s, READY, STATUS_TRUE, "FirstEnvironmentBuilds",
            "runs go to the data plane of their project's first environment; to have "
            "another one build, give it the annotation choreo.dev/build-plane: \"true\", or "
            "call it \"%.*s\"",
            SLICE_ARG(entry->name));
    }
    translation_end(&t, NULL);
}
