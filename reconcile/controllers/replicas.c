/* replicas.c: sums of replicas. */
#include "reconcile/controllers/replicas.h"

void replicas_add(struct replicas *sum, const json_t *object)
{
    const json_t *wanted = json_at(object, "status", "replicas", NULL);
    const json_t *ready = json_at(object, "status", "readyReplicas", NULL);
    if (wanted != NULL && ready != NULL) {
        sum->any = true;
        sum->wanted += json_integer_value(wanted);
        sum->ready += json_integer_value(ready);
    }
}

void replicas_set(const struct replicas *sum, json_t *edit)
{
    status_set(edit, "replicas", sum->any ? json_integer(sum->wanted) : NULL);
    status_set(edit, "readyReplicas", sum->any ? json_integer(sum->ready) : NULL);
}

void replicas_observe(const struct snapshot *s, const json_t *rendered, const json_t *inventory,
                      json_t *edit)
{
    const struct world *world = s->world;
    struct replicas sum = {0};
    size_t i;
    json_t *resource;
    json_array_foreach((json_t *)(uintptr_t)inventory, i, resource)
    {
        struct world_object object = {.message = ""};
        if (world == NULL || world->object == NULL ||
            !world->object(world->user, spec_text(rendered, "dataPlane"),
                           spec_text(rendered, "cluster"), resource, &object)) {
            return;
        }
        if (object.has_replicas) {
            sum.any = true;
            sum.wanted += object.replicas;
            sum.ready += object.ready_replicas;
        }
    }
    replicas_set(&sum, edit);
}
