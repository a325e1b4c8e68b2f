/* trait.c: creates first, so that a trait may patch what it makes; then patches; then removes.
 *
 * An operation is rendered once per loop item and applied to every target; operations are counted
 * and what they copy is paid for, since loops times targets is work that no expression is charged
 * for. */
#include "render/trait.h"

#include "render/patch.h"
#include "render/pipeline.h"
#include "render/validate.h"

struct patching {
    struct template_scope *scope;
    const json_t *patch; /* {target, operations} */
    struct slice path;
    struct resource_list *list;
    size_t *patches;
};

static struct slice below(struct template_scope *scope, struct slice path, const char *list,
                          size_t index)
{
    return slice_of(arena_printf(scope->arena, "%.*s.%s[%zu]", SLICE_ARG(path), list, index));
}

/* Applies a rendered operation to one object. */
static int patch_object(struct patching *p, const struct patch_operation *operation,
                        struct slice path, const struct resource *target, struct err *err)
{
    size_t bound = (size_t)(p->scope->cost_left < SIZE_MAX / TEMPLATE_COST_BYTES
                                ? p->scope->cost_left * TEMPLATE_COST_BYTES
                                : SIZE_MAX);
    size_t bytes = operation->value != NULL ? json_tree_bytes(operation->value, bound) : 0;
    if (++*p->patches > RENDER_PATCHES_MAX) {
        return err_set(err, ERR_TOO_LARGE, "%.*s: more than %d patch operations", SLICE_ARG(path),
                       RENDER_PATCHES_MAX);
    }
    struct patch_operation paid = *operation;
    paid.copy_cost = 1 + bytes / TEMPLATE_COST_BYTES;
    paid.cost_left = &p->scope->cost_left;
    int rc = template_charge(p->scope, path, 1, err);
    if (rc == 0 && (rc = patch_apply(target->object, target->origin, &paid, err)) != 0) {
        struct slice name = json_text(json_at(target->object, "metadata", "name", NULL));
        (void)err_wrap(err, "%.*s: %.*s %.*s", SLICE_ARG(path),
                       SLICE_ARG(json_text_at(target->object, "kind")), SLICE_ARG(name));
    }
    return rc;
}

/* The same to all targets; chosen[i] says whether object i is one. */
static int apply_operation(struct patching *p, const json_t *operation, json_t *origin,
                           struct slice path, const bool *chosen, struct err *err)
{
    const struct patch_operation one = {.op = json_text_at(operation, "op"),
                                        .path = json_text_at(operation, "path"),
                                        .value = json_object_get(operation, "value"),
                                        .origin = trace_member(origin, SLICE("value"))};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->list->count; i++) {
        if (chosen[i]) {
            rc = patch_object(p, &one, path, &p->list->items[i], err);
        }
    }
    return rc;
}

static int choose(struct patching *p, bool **chosen, struct err *err)
{
    const json_t *target = json_object_get(p->patch, "target");
    int rc = 0;
    *chosen = arena_zero(p->scope->arena, p->list->count + 1);
    for (size_t i = 0; rc == 0 && i < p->list->count; i++) {
        rc = validate_selects(p->scope, target, p->list->items[i].object, p->path, &(*chosen)[i],
                              err);
    }
    return rc;
}

static int patch_once(void *user, struct err *err)
{
    struct patching *p = user;
    const json_t *operations = json_object_get(p->patch, "operations");
    bool *chosen;
    int rc = choose(p, &chosen, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(operations); i++) {
        struct slice path = below(p->scope, p->path, "operations", i);
        json_t *operation = NULL;
        json_t *origin = NULL;
        rc = template_render_traced(p->scope, json_array_get(operations, i), path, &operation,
                                    &origin, err);
        if (rc == 0) {
            rc = apply_operation(p, operation, origin, path, chosen, err);
        }
        json_decref(operation);
        json_decref(origin);
    }
    return rc;
}

static int remove_once(void *user, struct err *err)
{
    struct patching *p = user;
    bool *chosen;
    size_t kept = 0;
    int rc = choose(p, &chosen, err);
    for (size_t i = 0; rc == 0 && i < p->list->count; i++) {
        if (chosen[i]) {
            json_decref(p->list->items[i].object);
            json_decref(p->list->items[i].origin);
        } else {
            p->list->items[kept++] = p->list->items[i];
        }
    }
    p->list->count = rc == 0 ? kept : p->list->count;
    return rc;
}

static int each_of(struct template_scope *scope, const json_t *spec, const char *key,
                   struct patching *p, int (*once)(void *user, struct err *err), struct err *err)
{
    const json_t *entries = json_object_get(spec, key);
    struct slice path = p->path;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(entries); i++) {
        p->patch = json_array_get(entries, i);
        p->path = below(scope, path, key, i);
        if (resources_here(p->patch)) {
            rc = resources_each(scope, p->patch, p->path, once, p, err);
        }
    }
    p->path = path;
    return rc;
}

int trait_apply(struct template_scope *scope, const json_t *spec, struct slice path,
                struct resource_list *list, size_t *patches, struct err *err)
{
    struct patching p = {.scope = scope, .path = path, .list = list, .patches = patches};
    struct slice creates = slice_of(arena_printf(scope->arena, "%.*s.creates", SLICE_ARG(path)));
    int rc = resources_render(scope, json_object_get(spec, "creates"), creates, list, err);
    if (rc == 0) {
        rc = each_of(scope, spec, "patches", &p, patch_once, err);
    }
    return rc == 0 ? each_of(scope, spec, "removes", &p, remove_once, err) : rc;
}
