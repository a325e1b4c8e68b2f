/* openchoreo_project.c: projects, their releases, and their cells.
 *
 * A project freezes its type and parameters in a ProjectRelease, named by what it holds. A
 * ProjectReleaseBinding says which of them an environment has: the cell's RenderedRelease names
 * both (there is one for each cluster, whoever asks for the cell), and the renderer adds what the
 * type makes to what every cell has. A binding that names no release takes the newest that there
 * is, once, as OpenChoreo does; here that is kept with the cell and not written into the user's
 * object.
 *
 *   Project + (Cluster)ProjectType -> ProjectRelease -> ProjectReleaseBinding -> RenderedRelease */
#include "reconcile/controllers/openchoreo.h"

#include "reconcile/controllers/place.h"
#include "render/name.h"
#include "render/release.h"

/* ---- projects ---- */

/* What the project amounts to, a new tree; NULL, which Accepted says: its type is not there. */
static json_t *release_spec(struct translation *t)
{
    const json_t *ref = json_at(t->object, "spec", "type", NULL);
    const json_t *parameters = json_at(t->object, "spec", "parameters", NULL);
    bool shared = slice_eq_cstr(json_text_at(ref, "kind"), "ClusterProjectType");
    const char *kind = shared ? "ClusterProjectType" : "ProjectType";
    const json_t *type =
        snapshot_get(t->s, shared ? SNAPSHOT_OC_CLUSTER_PROJECT_TYPE : SNAPSHOT_OC_PROJECT_TYPE,
                     shared ? (struct slice){0} : t->entry->ns, json_text_at(ref, "name"));
    if (type == NULL) {
        translation_refuse(t, "ProjectTypeNotFound",
                           "there is no %s \"%.*s\" yet, of which its cells would have more than "
                           "what all have",
                           kind, SLICE_ARG(json_text_at(ref, "name")));
        return NULL;
    }
    json_t *spec = json_pack("{s:{s:o}, s:{s:s, s:o, s:O?}}", "owner", "projectName",
                             json_str(t->entry->name), "projectType", "kind", kind, "name",
                             json_str(object_name(type)), "spec", json_object_get(type, "spec"));
    if (parameters != NULL && !json_is_null(parameters)) {
        json_object_set_new(spec, "parameters", json_deep_copy(parameters));
    }
    return spec;
}

/* Its newest release, made if it is not there. */
static void release(struct translation *t)
{
    json_t *spec = json_text(json_at(t->object, "spec", "type", "name", NULL)).len > 0
                       ? release_spec(t)
                       : NULL;
    if (spec == NULL) {
        return;
    }
    struct slice name = release_name(&t->plan->arena, t->entry->name, spec);
    size_t dash = name.len;
    while (dash > 0 && name.data[dash - 1] != '-') {
        dash--;
    }
    if (snapshot_find(t->s, SNAPSHOT_OC_PROJECT_RELEASE, t->entry->ns, name) == NULL) {
        json_t *o = object_new(OPENCHOREO_GROUP "/v1alpha1", "ProjectRelease", t->entry->ns, name);
        json_object_set(o, "spec", spec);
        object_add_owner(o, t->object, true);
        plan_create(t->plan, SNAPSHOT_OC_PROJECT_RELEASE, o);
    }
    status_set(t->edit, "latestRelease",
               json_pack("{s:o, s:o}", "name", json_str(name), "hash",
                         json_str(slice_sub(name, dash, SIZE_MAX))));
    json_decref(spec);
}

void openchoreo_project_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan)
{
    struct translation t;
    translation_begin(&t, s, entry, plan);
    if (entry->deleting) {
        translation_finish(&t, SNAPSHOT_PROJECT);
        return;
    }
    object_add_finalizer(t.edit, FINALIZER);
    release(&t);
    struct slice pipeline =
        json_text(json_at(t.object, "spec", "deploymentPipelineRef", "name", NULL));
    json_t *spec = json_pack("{s:o}", "deploymentPipeline",
                             pipeline.len > 0 ? json_str(pipeline) : json_null());
    translation_end(&t, translation_counterpart(&t, SNAPSHOT_PROJECT, spec));
}

void openchoreo_known_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    condition_set(t.edit, s, READY, STATUS_TRUE, "Ready", "others may name it");
    translation_end(&t, NULL);
}

/* ---- cells ---- */

/* How it is doing where it is to be. */
static void report_cells(struct translation *t, struct slice cell, const struct site *site)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(t->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, t->entry->ns, cell,
                                 &t->plan->arena, &found);
    struct rollup roll = {0};
    for (size_t i = 0; i < count; i++) {
        const json_t *tree = snapshot_tree(t->s, found[i]);
        if (site_has(site, spec_text(tree, "dataPlane"), spec_text(tree, "cluster"))) {
            rollup_add(&roll, tree, spec_text(tree, "cluster"));
        }
    }
    if (roll.total < site->count) {
        translation_fail(t, "Progressing", "being placed on %zu cluster%s", site->count,
                         site->count == 1 ? "" : "s");
    } else {
        rollup_set(t->edit, t->s, &roll, "cluster");
    }
}

/* The release that its cell has by now; empty: none. */
static struct slice release_there(const struct translation *t, struct slice cell)
{
    const struct snapshot_entry **found;
    struct slice release = {0};
    size_t count = snapshot_list(t->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, t->entry->ns, cell,
                                 &t->plan->arena, &found);
    for (size_t i = 0; i < count && release.len == 0; i++) {
        release = spec_text(snapshot_tree(t->s, found[i]), "projectRelease");
    }
    return release;
}

/* The release that it is about; empty: none, since the project is none of OpenChoreo's. False, with
 * the condition set: it is not there yet. */
static bool find_release(struct translation *t, struct slice project, struct slice cell,
                         struct slice *name)
{
    const json_t *theirs = snapshot_get(t->s, SNAPSHOT_OC_PROJECT, t->entry->ns, project);
    *name = spec_text(t->object, "projectRelease");
    if (name->len == 0 && theirs == NULL) {
        return true;
    }
    *name = name->len > 0 ? *name : release_there(t, cell);
    *name =
        name->len > 0 ? *name : json_text(json_at(theirs, "status", "latestRelease", "name", NULL));
    const json_t *found = snapshot_get(t->s, SNAPSHOT_OC_PROJECT_RELEASE, t->entry->ns, *name);
    if (found == NULL) {
        translation_fail(t, "ProjectReleaseNotFound",
                         name->len > 0
                             ? "there is no ProjectRelease \"%.*s\""
                             : "project \"%.*s\" has no release yet: its type is not there",
                         SLICE_ARG(name->len > 0 ? *name : project));
    } else if (!slice_eq(owner_text(found, "projectName"), project)) {
        translation_fail(t, "ProjectReleaseOfAnother",
                         "ProjectRelease \"%.*s\" is one of project \"%.*s\"", SLICE_ARG(*name),
                         SLICE_ARG(owner_text(found, "projectName")));
        found = NULL;
    }
    return found != NULL;
}

static bool find_site(struct translation *t, struct slice project, struct slice environment,
                      struct site *site)
{
    const struct snapshot_entry *first = binding_before(t->s, t->entry, &t->plan->arena);
    if (first != NULL) {
        translation_fail(t, "Conflict",
                         "ProjectReleaseBinding \"%.*s\" is there for project \"%.*s\" in "
                         "environment \"%.*s\" already: delete one of them",
                         SLICE_ARG(first->name), SLICE_ARG(project), SLICE_ARG(environment));
        return false;
    }
    if (snapshot_find(t->s, SNAPSHOT_PROJECT, t->entry->ns, project) == NULL) {
        translation_fail(t, "ProjectNotFound", "there is no project \"%.*s\"", SLICE_ARG(project));
        return false;
    }
    if (translation_waits(t, json_object_get(t->object, "spec"))) {
        return false;
    }
    site_find(t->s, t->entry->ns, environment, &t->plan->arena, site);
    if (site->reason != NULL) {
        translation_fail(t, site->reason, "%s", site->message);
        return false;
    }
    return true;
}

static void plan_cells(struct translation *t)
{
    struct arena *arena = &t->plan->arena;
    struct slice project = owner_text(t->object, "projectName");
    struct slice environment = spec_text(t->object, "environment");
    struct slice cell =
        slice_of(arena_printf(arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(environment)));
    struct site site;
    struct slice release;
    if (!find_site(t, project, environment, &site) || !find_release(t, project, cell, &release)) {
        return;
    }
    for (size_t i = 0; i < site.count; i++) {
        const struct deployment d = {.ns = t->entry->ns,
                                     .project = project,
                                     .environment = environment,
                                     .plane = site.plane,
                                     .cluster = site.clusters[i].name,
                                     .release = release,
                                     .binding =
                                         release.len > 0 ? t->entry->name : (struct slice){0}};
        if (!place(t->s, t->plan, &d, NULL)) {
            translation_fail(t, "NameTaken", "%s", place_taken(arena, &d));
            return;
        }
    }
    status_set(t->edit, "projectRelease", release.len > 0 ? json_str(release) : NULL);
    status_set(t->edit, "namespace",
               json_str(name_cell(arena, t->entry->ns, project, environment)));
    report_cells(t, cell, &site);
}

void openchoreo_cell_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return; /* a cell that nothing asks for any more goes by itself */
    }
    translation_begin(&t, s, entry, plan);
    plan_cells(&t);
    translation_end(&t, NULL);
}

bool openchoreo_cell_wanted(const struct snapshot *s, struct slice ns, struct slice cell,
                            struct arena *arena)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(s, SNAPSHOT_OC_CELL, SNAPSHOT_BY_CELL, ns, cell, arena, &found);
    for (size_t i = 0; i < count; i++) {
        struct slice project = owner_text(snapshot_tree(s, found[i]), "projectName");
        const struct snapshot_entry *its = snapshot_find(s, SNAPSHOT_PROJECT, ns, project);
        if (!found[i]->deleting && its != NULL && !its->deleting) {
            return true;
        }
    }
    return false;
}
