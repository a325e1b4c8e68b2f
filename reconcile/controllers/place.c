/* place.c: what a RenderedRelease says, from a deployment. */
#include "reconcile/controllers/place.h"

#include "reconcile/controllers/promotion.h"
#include "render/name.h"
#include "render/plane_access.h"

enum { DRAIN_DEFAULT_MS = 10 * 60 * 1000, TAKEN_RETRY_MS = 30 * 1000 };

static uint64_t drain_ms(const json_t *spec)
{
    struct slice within = json_text(json_at(spec, "placement", "drainWithin", NULL));
    return within.len > 0 ? promotion_duration_ms(within) : DRAIN_DEFAULT_MS;
}

void site_find(const struct snapshot *s, struct slice ns, struct slice environment,
               struct arena *arena, struct site *out)
{
    struct environment env;
    struct placement placement;
    *out = (struct site){0};
    environment_find(s, ns, environment, arena, &env);
    if (env.object == NULL || object_deleting(env.object)) {
        out->gone = true;
        out->reason = "EnvironmentNotFound";
        out->message = arena_printf(arena, "environment \"%.*s\" %s", SLICE_ARG(environment),
                                    env.object == NULL ? "does not exist" : "is being deleted");
        return;
    }
    if (env.missing.len > 0) {
        out->reason = "TemplateNotFound";
        out->message = environment_lacks(&env, arena);
        return;
    }
    out->plane = json_text_at(env.spec, "dataPlane");
    const json_t *plane = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, out->plane);
    if (plane == NULL) {
        out->reason = "DataPlaneNotFound";
        out->message =
            arena_printf(arena, "there is no data plane \"%.*s\", which environment \"%.*s\" is on",
                         SLICE_ARG(out->plane), SLICE_ARG(environment));
        return;
    }
    if (!plane_allows(plane, ns)) {
        out->reason = "DataPlaneNotAllowed";
        out->message = plane_forbids(plane, ns, arena);
        return;
    }
    environment_place(&env, plane, arena, &placement);
    out->clusters = placement.clusters;
    out->count = placement.count;
    out->drain_ms = drain_ms(env.spec);
    if (placement.count == 0) {
        out->reason = "NoClusterQualifies";
        out->message = arena_printf(arena, "%s: change spec.placement of environment \"%.*s\"",
                                    placement.shortage, SLICE_ARG(environment));
    }
}

bool site_has(const struct site *site, struct slice plane, struct slice cluster)
{
    size_t i = 0;
    while (i < site->count && !slice_eq(site->clusters[i].name, cluster)) {
        i++;
    }
    return i < site->count && slice_eq(site->plane, plane);
}

static void set_text(json_t *object, const char *key, struct slice text)
{
    if (text.len > 0) {
        json_object_set_new(object, key, json_str(text));
    }
}

static json_t *rendered_spec(const struct deployment *d, struct slice cell)
{
    json_t *owner = json_pack("{s:o}", "projectName", json_str(d->project));
    json_t *spec = json_pack("{s:o, s:o, s:o, s:o, s:o}", "owner", owner, "environmentName",
                             json_str(d->environment), "dataPlane", json_str(d->plane), "cluster",
                             json_str(d->cluster), "namespace", json_str(cell));
    set_text(owner, "componentName", d->component);
    set_text(owner, "resourceName", d->resource);
    bool cell_itself = deployment_is_cell(d);
    set_text(spec, cell_itself ? "projectRelease" : "releaseName", d->release);
    set_text(spec, "releaseUID", d->release_uid);
    set_text(spec, cell_itself ? "projectBinding" : "bindingName", d->binding);
    return spec;
}

bool place(const struct snapshot *s, struct plan *plan, const struct deployment *d,
           const json_t *binding)
{
    struct view v;
    view_init(&v, s, &plan->arena);
    struct slice name = deployment_name_on(&v.platform, &plan->arena, d);
    const struct snapshot_entry *there = snapshot_find(s, SNAPSHOT_RENDERED, d->ns, name);
    json_t *spec = rendered_spec(d, name_cell(&plan->arena, d->ns, d->project, d->environment));
    if (there == NULL) {
        json_t *o = object_new("choreo.dev/v1", "RenderedRelease", d->ns, name);
        json_object_set_new(o, "spec", spec);
        object_add_finalizer(o, FINALIZER);
        if (binding != NULL) {
            object_add_owner(o, binding, true);
        }
        plan_create(plan, SNAPSHOT_RENDERED, o);
        return true;
    }
    const json_t *is = json_at(snapshot_tree(s, there), "spec", NULL);
    const char *key;
    json_t *value;
    if (!deployment_owns(d, snapshot_tree(s, there))) {
        plan_requeue(plan, TAKEN_RETRY_MS); /* that it goes is nobody's news but its own */
        json_decref(spec);
        return false;
    }
    json_object_foreach(spec, key, value)
    {
        if (!there->deleting && !json_equal(json_object_get(is, key), value)) {
            json_t *into = json_object_get(plan_edit(plan, s, there), "spec");
            json_object_set(into, key, value);
        }
    }
    json_decref(spec);
    return true;
}

const char *place_taken(struct arena *arena, const struct deployment *d)
{
    return arena_printf(
        arena,
        "project \"%.*s\" and environment \"%.*s\", or what is deployed there, have "
        "the names of another project and environment when they are joined: give "
        "one of them another name",
        SLICE_ARG(d->project), SLICE_ARG(d->environment));
}

bool place_cell(const struct snapshot *s, struct plan *plan, const struct deployment *d)
{
    const struct deployment cell = {.ns = d->ns,
                                    .project = d->project,
                                    .environment = d->environment,
                                    .plane = d->plane,
                                    .cluster = d->cluster};
    return place(s, plan, &cell, NULL);
}
