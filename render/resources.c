/* resources.c: one template, no, one or many objects.
 *
 * includeWhen is asked first, without the loop's variable; then forEach gives a list, whose items
 * are bound one by one, or a map, whose entries are bound as {key, value} in the order of their
 * keys. */
#include "render/resources.h"

#include <stdlib.h>

#include "render/pipeline.h"

void resources_free(struct resource_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        json_decref(list->items[i].object);
        json_decref(list->items[i].origin);
    }
    free(list->items);
    *list = (struct resource_list){0};
}

void resources_add(struct resource_list *list, struct slice place, json_t *object, json_t *origin)
{
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 16 : list->cap * 2;
        list->items = mem_resize(list->items, list->cap * sizeof *list->items);
    }
    list->items[list->count++] = (struct resource){place, object, origin};
}

bool resources_here(const json_t *holder)
{
    struct slice plane = json_text_at(holder, "targetPlane");
    return plane.len == 0 || slice_eq_cstr(plane, "dataplane");
}

static struct slice under(struct template_scope *scope, struct slice path, const char *member)
{
    return slice_of(arena_printf(scope->arena, "%.*s.%s", SLICE_ARG(path), member));
}

static int by_key(const void *a, const void *b)
{
    const struct cel_entry *x = a;
    const struct cel_entry *y = b;
    return slice_cmp(x->key.as.text, y->key.as.text);
}

/* A map's entries as {key, value} maps, by key. */
static int entries_of(struct template_scope *scope, const struct cel_map *map, struct slice path,
                      struct cel_value **items, struct err *err)
{
    struct cel_ctx ctx = {.arena = scope->arena, .cost_limit = UINT64_MAX};
    const struct cel_entry *entries;
    if (!cel_map_entries(&ctx, map, &entries)) {
        return err_set(err, ctx.err.code, "%s", ctx.err.message);
    }
    struct cel_entry *sorted = arena_alloc(scope->arena, (map->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < map->count; i++) {
        if (entries[i].key.type != CEL_STRING) {
            return err_set(err, ERR_UNPROCESSABLE, "%.*s: a map's keys must be strings",
                           SLICE_ARG(path));
        }
        sorted[i] = entries[i];
    }
    qsort(sorted, map->count, sizeof *sorted, by_key);
    *items = arena_alloc(scope->arena, (map->count + 1) * sizeof **items);
    for (size_t i = 0; i < map->count; i++) {
        struct cel_entry *pair = arena_alloc(scope->arena, 2 * sizeof *pair);
        pair[0] = (struct cel_entry){cel_string(SLICE("key")), sorted[i].key};
        pair[1] = (struct cel_entry){cel_string(SLICE("value")), sorted[i].value};
        (*items)[i] = cel_map_of(scope->arena, pair, 2);
    }
    return 0;
}

static int items_of(struct template_scope *scope, struct slice text, struct slice path,
                    struct cel_value **items, size_t *count, struct err *err)
{
    struct cel_ctx ctx = {.arena = scope->arena, .cost_limit = UINT64_MAX};
    struct cel_value v;
    int rc = template_value(scope, text, path, &v, err);
    if (rc != 0) {
        return rc;
    }
    if (v.type != CEL_LIST && v.type != CEL_MAP) {
        return err_set(err, ERR_UNPROCESSABLE, "%.*s: must be a list or a map, not %.*s",
                       SLICE_ARG(path), SLICE_ARG(cel_type_name(v)));
    }
    *count = v.type == CEL_LIST ? v.as.list->count : v.as.map->count;
    if (*count > RESOURCES_ITEMS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "%.*s: more than %d items", SLICE_ARG(path),
                       RESOURCES_ITEMS_MAX);
    }
    if (v.type == CEL_MAP) {
        return entries_of(scope, v.as.map, path, items, err);
    }
    *items = arena_alloc(scope->arena, (*count + 1) * sizeof **items);
    for (size_t i = 0; i < *count; i++) {
        (*items)[i] = cel_list_at(&ctx, v.as.list, i);
    }
    return 0;
}

int resources_each(struct template_scope *scope, const json_t *holder, struct slice path,
                   int (*each)(void *user, struct err *err), void *user, struct err *err)
{
    struct slice loop = json_text_at(holder, "forEach");
    struct slice var = json_text_at(holder, "var");
    struct cel_value *items = NULL;
    size_t count = 0;
    if (loop.len == 0) {
        return each(user, err);
    }
    var = var.len > 0 ? var : SLICE("item");
    int rc = items_of(scope, loop, under(scope, path, "forEach"), &items, &count, err);
    if (rc == 0) {
        /* A loop's variable hides one of the same name only while it runs. */
        struct template_scope outer = *scope;
        for (size_t i = 0; rc == 0 && i < count; i++) {
            template_set(scope, var, items[i]);
            rc = each(user, err);
        }
        outer.cost_left = scope->cost_left;
        *scope = outer;
    }
    return rc;
}

struct rendering {
    struct template_scope *scope;
    const json_t *holder;
    struct slice path;
    struct resource_list *list;
};

static int render_one(void *user, struct err *err)
{
    struct rendering *r = user;
    json_t *object;
    json_t *origin;
    struct slice path = under(r->scope, r->path, "template");
    if (r->list->count == RENDER_MANIFESTS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "%.*s: more than %d objects", SLICE_ARG(path),
                       RENDER_MANIFESTS_MAX);
    }
    int rc = template_render_traced(r->scope, json_object_get(r->holder, "template"), path, &object,
                                    &origin, err);
    if (rc != 0) {
        return rc;
    }
    if (!json_is_object(object)) {
        json_decref(object);
        json_decref(origin);
        return err_set(err, ERR_UNPROCESSABLE, "%.*s: must be an object", SLICE_ARG(path));
    }
    resources_add(r->list, r->path, object, origin);
    return 0;
}

int resources_render(struct template_scope *scope, const json_t *templates, struct slice path,
                     struct resource_list *list, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(templates); i++) {
        const json_t *holder = json_array_get(templates, i);
        struct slice id = json_text_at(holder, "id");
        struct slice when = json_text_at(holder, "includeWhen");
        const char *place =
            id.len > 0 ? arena_printf(scope->arena, "%.*s[%.*s]", SLICE_ARG(path), SLICE_ARG(id))
                       : arena_printf(scope->arena, "%.*s[%zu]", SLICE_ARG(path), i);
        struct rendering r = {scope, holder, slice_of(place), list};
        bool include = resources_here(holder);
        if (include && when.len > 0) {
            rc = template_bool(scope, when, under(scope, r.path, "includeWhen"), &include, err);
        }
        if (rc == 0 && include) {
            rc = resources_each(scope, holder, r.path, render_one, &r, err);
        }
    }
    return rc;
}
