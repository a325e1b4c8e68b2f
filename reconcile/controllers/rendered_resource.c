/* rendered_resource.c: statuses on a cluster, seen through the type. */
#include "reconcile/controllers/rendered_resource.h"

#include "reconcile/controllers/rendered.h"
#include "reconcile/drivers/driver.h"

/* The id of the template that made an object of the inventory; empty: none does any more. */
static struct slice template_of(const struct rendered_resource *r, const json_t *resource)
{
    struct slice id = json_text_at(resource, "id");
    const json_t *at = json_object_getn(r->keys, id.data, id.len);
    return at != NULL ? json_text(json_array_get(r->ids, (size_t)json_integer_value(at)))
                      : (struct slice){0};
}

static void look(struct rendered_resource *r, const struct snapshot *s, const json_t *rendered,
                 const json_t *inventory)
{
    const struct world *world = s->world;
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)inventory, i, row)
    {
        struct world_object object = {0};
        struct slice id = template_of(r, row);
        json_t *status = NULL;
        bool seen = world != NULL && world->object != NULL &&
                    world->object(world->user, spec_text(rendered, "dataPlane"),
                                  spec_text(rendered, "cluster"), row, &object) &&
                    !object.missing;
        r->unseen |= !seen;
        if (seen && object.status != NULL && id.len > 0 &&
            json_parse(slice_of(object.status), &status, NULL) == 0) {
            json_object_setn_new(r->applied, id.data, id.len, status);
        }
    }
}

bool rendered_resource_open(struct rendered_resource *r, const struct snapshot *s,
                            const json_t *rendered, const json_t *inventory, struct arena *arena)
{
    struct view v;
    struct err err;
    const char *reason;
    const struct deployment d = rendered_deployment(rendered);
    *r = (struct rendered_resource){.applied = json_object()};
    view_init(&v, s, arena);
    if (deployment_resource(&v.platform, &d, arena, &r->in, &reason, &err) != 0 ||
        render_resource(&r->in, &r->manifests, &r->ids, &err) != 0) {
        rendered_resource_close(r);
        return false;
    }
    r->keys = manifest_keys(r->manifests);
    r->in.programs = s->programs;
    r->cost_left = RENDER_COST_MAX;
    r->in.cost_left = &r->cost_left;
    look(r, s, rendered, inventory);
    r->in.applied = r->applied;
    return true;
}

void rendered_resource_close(struct rendered_resource *r)
{
    json_decref(r->manifests);
    json_decref(r->keys);
    json_decref(r->ids);
    json_decref(r->applied);
    *r = (struct rendered_resource){0};
}

static bool has_rule(const struct rendered_resource *r, struct slice id)
{
    const json_t *all = json_object_get(r->in.type, "resources");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        if (slice_eq(json_text_at(one, "id"), id)) {
            return json_text_at(one, "readyWhen").len > 0;
        }
    }
    return false;
}

enum world_health rendered_resource_health(const struct rendered_resource *r,
                                           const json_t *resource, enum world_health health,
                                           struct arena *arena, const char **why)
{
    struct slice id = template_of(r, resource);
    enum render_ready ready;
    struct err err = {0};
    if (!has_rule(r, id) || health == HEALTH_DEGRADED) {
        return health;
    }
    int rc = render_ready(&r->in, id, &ready, &err);
    if (rc == 0 && ready == READY_YES) {
        return HEALTH_HEALTHY;
    }
    *why = rc == 0 && ready == READY_NO
               ? arena_printf(arena, "resources[%.*s].readyWhen is not true yet", SLICE_ARG(id))
               : arena_printf(arena, "not ready yet: %s", err.message);
    return HEALTH_PROGRESSING;
}

json_t *rendered_resource_outputs(const struct rendered_resource *r, const json_t *told)
{
    json_t *outputs = NULL;
    size_t missing = 0;
    struct err err = {0};
    if (render_outputs(&r->in, &outputs, &missing, &err) != 0 ||
        (missing > 0 && r->unseen && told != NULL)) {
        json_decref(outputs);
        return told != NULL ? json_deep_copy(told) : NULL;
    }
    return outputs;
}
