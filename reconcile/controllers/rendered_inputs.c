/* rendered_inputs.c: which deployment a RenderedRelease is, and its manifests. */
#include "reconcile/controllers/rendered.h"

#include <string.h>

#include "reconcile/controllers/workflow_run.h"
#include "render/run.h"

bool rendered_is_resource(const json_t *rendered)
{
    return owner_text(rendered, "resourceName").len > 0;
}

bool rendered_is_cell(const json_t *rendered)
{
    return owner_text(rendered, "componentName").len == 0 && !rendered_is_resource(rendered);
}

struct deployment rendered_deployment(const json_t *rendered)
{
    bool cell = rendered_is_cell(rendered);
    return (struct deployment){
        .ns = object_ns(rendered),
        .project = owner_text(rendered, "projectName"),
        .component = owner_text(rendered, "componentName"),
        .resource = owner_text(rendered, "resourceName"),
        .environment = spec_text(rendered, "environmentName"),
        .plane = spec_text(rendered, "dataPlane"),
        .cluster = spec_text(rendered, "cluster"),
        .release = spec_text(rendered, cell ? "projectRelease" : "releaseName"),
        .release_uid = spec_text(rendered, "releaseUID"),
        .binding = spec_text(rendered, cell ? "projectBinding" : "bindingName")};
}

static int run_manifests(const struct snapshot *s, const json_t *rendered, struct arena *arena,
                         json_t **manifests, const char **reason, struct err *err)
{
    struct view v;
    struct slice image;
    struct slice name = spec_text(rendered, "workflowRun");
    const json_t *run = snapshot_get(s, SNAPSHOT_RUN, object_ns(rendered), name);
    *manifests = NULL;
    if (run == NULL) {
        *reason = "WorkflowRunNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no WorkflowRun \"%.*s\"", SLICE_ARG(name));
    }
    view_init(&v, s, arena);
    const struct run_place place = {
        spec_text(rendered, "dataPlane"),
        slice_eq_cstr(object_annotation(rendered, RUN_ARGO_ANNOTATION), "true")};
    return run_render(&v.platform, run, &place, arena, s->programs, manifests, &image, reason, err);
}

int rendered_manifests(const struct snapshot *s, const json_t *rendered, struct arena *arena,
                       json_t **manifests, const char **reason, struct err *err)
{
    struct view v;
    if (rendered_is_run(rendered)) {
        return run_manifests(s, rendered, arena, manifests, reason, err);
    }
    const struct deployment d = rendered_deployment(rendered);
    view_init(&v, s, arena);
    return deployment_render(&v.platform, &d, arena, s->programs, NULL, manifests, reason, err);
}

int rendered_hash(const struct snapshot *s, const struct snapshot_entry *entry, struct arena *arena,
                  char hash[65], json_t **manifests, const char **reason, struct err *err)
{
    struct slice known = snapshot_computed(s, entry);
    *manifests = NULL;
    if (known.len == 64) {
        memcpy(hash, known.data, known.len);
        hash[known.len] = '\0';
        return 0;
    }
    snapshot_compute_begin(s, entry);
    int rc = rendered_manifests(s, snapshot_tree(s, entry), arena, manifests, reason, err);
    if (rc == 0) {
        deployment_hash(*manifests, hash);
    }
    snapshot_compute_end(s, entry, rc == 0 ? slice_of(hash) : (struct slice){0});
    return rc;
}
