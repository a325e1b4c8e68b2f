/* trait.c: creates first, so that a trait may patch what it makes; then patches; then removes.
 *
 * An operation is rendered once per loop item and applied to every target; what it makes is
 * counted, since loops times targets is work that no expression is charged for. */
#include "render/trait.h"

#include <stdio.h>

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

/* Applies a rendered operation to the targets; chosen[i] says whether object i is one. */
static int apply_operation(struct patching *p, const json_t *operation, struct slice path,
                           const bool *chosen, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->list->count; i++) {
        if (!chosen[i]) {
            continue;
        }
        if (++*p->patches > RENDER_PATCHES_MAX) {
            return err_set(err, ERR_TOO_LARGE, "%.*s: more than %d patch operations",
                           SLICE_ARG(path), RENDER_PATCHES_MAX);
        }
        json_t *object = p->list->items[i].object;
        rc = patch_apply(object, json_text_at(operation, "op"), json_text_at(operation, "path"),
                         json_object_get(operation, "value"), err);
        if (rc != 0) {
            struct slice name = json_text(json_at(object, "metadata", "name", NULL));
            return err_wrap(err, "%.*s: %.*s %.*s", SLICE_ARG(path),
                            SLICE_ARG(json_text_at(object, "kind")), SLICE_ARG(name));
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
        rc = template_render(p->scope, json_array_get(operations, i), path, &operation, err);
        if (rc == 0) {
            rc = apply_operation(p, operation, path, chosen, err);
        }
        json_decref(operation);
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
