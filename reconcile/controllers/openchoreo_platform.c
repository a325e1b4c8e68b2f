/* openchoreo_platform.c: projects, environments, pipelines, planes and releases, each of which has
 * a counterpart that says the same in our words; and cells, which are made as they are. */
#include "reconcile/controllers/openchoreo.h"

#include "reconcile/controllers/place.h"
#include "render/name.h"

/* spec.KEY.name, or null. */
static json_t *name_at(const json_t *object, const char *key)
{
    struct slice name = json_text(json_at(object, "spec", key, "name", NULL));
    return name.len > 0 ? json_str(name) : json_null();
}

/* spec.KEY as it is, or null. */
static json_t *copy_at(const json_t *object, const char *key)
{
    const json_t *value = json_at(object, "spec", key, NULL);
    return value != NULL ? json_deep_copy(value) : json_null();
}

void openchoreo_project_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return; /* the counterpart goes with it */
    }
    translation_begin(&t, s, entry, plan);
    translation_ignore(&t, "type");
    translation_ignore(&t, "parameters");
    t.hint = "; each cell gets its namespace";
    json_t *spec =
        json_pack("{s:o}", "deploymentPipeline", name_at(t.object, "deploymentPipelineRef"));
    translation_end(&t, translation_counterpart(&t, SNAPSHOT_PROJECT, spec));
}

void openchoreo_environment_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                 struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    const json_t *ref = json_at(t.object, "spec", "dataPlaneRef", NULL);
    const json_t *counterpart = NULL;
    if (slice_eq_cstr(json_text_at(ref, "kind"), "DataPlane")) {
        translation_ignore(&t, "dataPlaneRef");
        translation_fail(&t, "NotSupported",
                         "spec.dataPlaneRef.kind: a DataPlane of one namespace is not acted on "
                         "yet; use a ClusterDataPlane");
    } else {
        struct slice plane = json_text_at(ref, "name");
        json_t *spec =
            json_pack("{s:o, s:o, s:o}", "dataPlane",
                      json_str(plane.len > 0 ? plane : SLICE("default")), "isProduction",
                      copy_at(t.object, "isProduction"), "gateway", copy_at(t.object, "gateway"));
        counterpart = translation_counterpart(&t, SNAPSHOT_ENVIRONMENT, spec);
    }
    translation_end(&t, counterpart);
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

void openchoreo_release_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    const json_t *made = translation_counterpart(&t, SNAPSHOT_RELEASE,
                                                 json_deep_copy(json_at(t.object, "spec", NULL)));
    if (made != NULL) {
        condition_set(t.edit, s, READY, STATUS_TRUE, "Released", "it can be bound");
    }
    translation_end(&t, NULL);
}

/* ---- cells ---- */

static void report_cells(struct translation *t, struct slice cell, size_t wanted)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(t->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, t->entry->ns, cell,
                                 &t->plan->arena, &found);
    struct rollup roll = {0};
    for (size_t i = 0; i < count; i++) {
        const json_t *tree = snapshot_tree(t->s, found[i]);
        rollup_add(&roll, tree, spec_text(tree, "cluster"));
    }
    if (count < wanted) {
        translation_fail(t, "Progressing", "being placed on %zu cluster%s", wanted,
                         wanted == 1 ? "" : "s");
    } else {
        rollup_set(t->edit, t->s, &roll, "cluster");
    }
}

static void plan_cells(struct translation *t)
{
    struct arena *arena = &t->plan->arena;
    struct slice project = owner_text(t->object, "projectName");
    struct slice environment = spec_text(t->object, "environment");
    if (snapshot_find(t->s, SNAPSHOT_PROJECT, t->entry->ns, project) == NULL) {
        translation_fail(t, "ProjectNotFound", "there is no project \"%.*s\"", SLICE_ARG(project));
        return;
    }
    struct site site;
    site_find(t->s, t->entry->ns, environment, arena, &site);
    if (site.reason != NULL) {
        translation_fail(t, site.reason, "%s", site.message);
        return;
    }
    for (size_t i = 0; i < site.count; i++) {
        const struct deployment d = {.ns = t->entry->ns,
                                     .project = project,
                                     .environment = environment,
                                     .plane = site.plane,
                                     .cluster = site.clusters[i].name};
        if (!place_cell(t->s, t->plan, &d)) {
            translation_fail(t, "NameTaken", "%s", place_taken(arena, &d));
            return;
        }
    }
    status_set(t->edit, "namespace",
               json_str(name_cell(arena, t->entry->ns, project, environment)));
    report_cells(
        t, slice_of(arena_printf(arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(environment))),
        site.count);
}

void openchoreo_cell_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return; /* a cell that nothing asks for any more goes by itself */
    }
    translation_begin(&t, s, entry, plan);
    translation_ignore(&t, "projectRelease");
    translation_ignore(&t, "environmentConfigs");
    plan_cells(&t);
    translation_end(&t, NULL);
}

bool openchoreo_cell_wanted(const struct snapshot *s, struct slice ns, struct slice cell,
                            struct arena *arena)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(s, SNAPSHOT_OC_CELL, SNAPSHOT_BY_CELL, ns, cell, arena, &found);
    for (size_t i = 0; i < count; i++) {
        if (!found[i]->deleting) {
            return true;
        }
    }
    return false;
}
