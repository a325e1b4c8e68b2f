/* resizing.c: what drivers say of volumes that grow, and its roll-up.
 *
 * The condition appears when volumes have begun to grow, or have been quicker than the look. From
 * then on it stays, False once all have what they asked for, so that whoever waits for the end can
 * see it. */
#include "reconcile/controllers/resizing.h"

#define RESIZING "Resizing"

static void set(const struct snapshot *s, json_t *edit, struct slice where, struct slice message)
{
    condition_set(edit, s, RESIZING, STATUS_TRUE, "VolumesGrow", "%.*s%s%.*s", SLICE_ARG(where),
                  where.len > 0 ? ": " : "", SLICE_ARG(message));
}

static void set_over(const struct snapshot *s, json_t *edit)
{
    condition_set(edit, s, RESIZING, STATUS_FALSE, "Resized",
                  "volumes are as large as they were asked to be");
}

void resizing_observe(const struct snapshot *s, const json_t *rendered, const json_t *inventory,
                      json_t *edit, struct arena *arena)
{
    const struct world *world = s->world;
    struct slice told = {0};
    bool over = object_condition(rendered, RESIZING) != NULL;
    size_t i;
    json_t *resource;
    json_array_foreach((json_t *)(uintptr_t)inventory, i, resource)
    {
        struct world_object object = {.message = ""};
        if (world == NULL || world->object == NULL ||
            !world->object(world->user, spec_text(rendered, "dataPlane"),
                           spec_text(rendered, "cluster"), resource, &object) ||
            object.volumes_open) {
            return;
        }
        over |= object.volumes != NULL;
        if (object.volumes != NULL && told.len == 0) {
            told = slice_of(arena_printf(arena, "%s", object.volumes));
        }
    }
    if (told.len > 0) {
        set(s, edit, (struct slice){0}, told);
    } else if (over) {
        set_over(s, edit);
    }
}

void resizing_rollup(const struct snapshot *s, const struct snapshot_entry **parts, size_t count,
                     const char *where, json_t *edit)
{
    bool over = false;
    for (size_t i = 0; i < count; i++) {
        const json_t *part = snapshot_tree(s, parts[i]);
        const json_t *c = object_condition(part, RESIZING);
        if (slice_eq_cstr(json_text_at(c, "status"), "True")) {
            set(s, edit, spec_text(part, where), json_text_at(c, "message"));
            return;
        }
        over |= c != NULL;
    }
    if (over) {
        set_over(s, edit);
    } else {
        condition_drop(edit, RESIZING);
    }
}
