/* snapshot_index.c: what an object refers to, read from its bytes.
 *
 * References that are single strings are scanned for without building a tree; only lists are
 * parsed. Whatever is absent or of the wrong type refers to nothing. */
#include "reconcile/snapshot_internal.h"

#include <stdlib.h>

/* A reference that is one string of the spec. */
static const struct {
    enum snapshot_kind kind;
    enum snapshot_index index;
    const char *path[2];
} scalars[] = {
    {SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, {"project", NULL}},
    {SNAPSHOT_COMPONENT, SNAPSHOT_BY_TYPE, {"type", NULL}},
    {SNAPSHOT_COMPONENT, SNAPSHOT_BY_TYPE, {"componentType", "name"}},
    {SNAPSHOT_PROJECT, SNAPSHOT_BY_PIPELINE, {"deploymentPipeline", NULL}},
    {SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_PLANE, {"dataPlane", NULL}},
    {SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_TEMPLATE, {"template", NULL}},
    {SNAPSHOT_RELEASE, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_RELEASE, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_BINDING, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_BINDING, SNAPSHOT_BY_ENVIRONMENT, {"environment", NULL}},
    {SNAPSHOT_BINDING, SNAPSHOT_BY_RELEASE, {"releaseName", NULL}},
    {SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_PROJECT, {"project", NULL}},
    {SNAPSHOT_APPROVAL, SNAPSHOT_BY_RELEASE, {"release", NULL}},
    {SNAPSHOT_TEST, SNAPSHOT_BY_RELEASE, {"release", NULL}},
    {SNAPSHOT_RENDERED, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_RENDERED, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_RENDERED, SNAPSHOT_BY_ENVIRONMENT, {"environmentName", NULL}},
    {SNAPSHOT_RENDERED, SNAPSHOT_BY_RESOURCE, {"owner", "resourceName"}},
    {SNAPSHOT_RENDERED, SNAPSHOT_BY_RUN, {"workflowRun", NULL}},
    {SNAPSHOT_RENDERED, SNAPSHOT_BY_PLANE, {"dataPlane", NULL}},
    {SNAPSHOT_RESOURCE, SNAPSHOT_BY_PROJECT, {"project", NULL}},
    {SNAPSHOT_RESOURCE, SNAPSHOT_BY_TYPE, {"type", NULL}},
    {SNAPSHOT_RESOURCE, SNAPSHOT_BY_TYPE, {"resourceType", "name"}},
    {SNAPSHOT_RESOURCE_RELEASE, SNAPSHOT_BY_RESOURCE, {"owner", "resourceName"}},
    {SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE, {"owner", "resourceName"}},
    {SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_ENVIRONMENT, {"environment", NULL}},
    {SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RELEASE, {"resourceRelease", NULL}},
    {SNAPSHOT_OC_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE, {"owner", "resourceName"}},
    {SNAPSHOT_RUN, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_OC_WORKLOAD, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_OC_BINDING, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_OC_CELL, SNAPSHOT_BY_ENVIRONMENT, {"environment", NULL}},
    {SNAPSHOT_OC_CELL, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_OC_COMPONENT, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_OC_RESOURCE, SNAPSHOT_BY_PROJECT, {"owner", "projectName"}},
    {SNAPSHOT_OC_RELEASE, SNAPSHOT_BY_COMPONENT, {"owner", "componentName"}},
    {SNAPSHOT_OC_RESOURCE_RELEASE, SNAPSHOT_BY_RESOURCE, {"owner", "resourceName"}},
};

static void gather_add(struct gather *g, enum snapshot_index index, struct slice value)
{
    if (value.len == 0) {
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[i].index == index && slice_eq(g->items[i].value, value)) {
            return;
        }
    }
    if (g->count == g->cap) {
        g->cap = g->cap == 0 ? 8 : g->cap * 2;
        g->items = mem_resize(g->items, g->cap * sizeof(*g->items));
    }
    g->items[g->count++] = (struct wanted_ref){.index = index, .value = value};
}

static bool gather_has(const struct gather *g, enum snapshot_index index)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[i].index == index) {
            return true;
        }
    }
    return false;
}

static struct slice scan(struct gather *g, struct slice spec, const char *const path[2])
{
    struct slice raw;
    bool found = json_scan(spec, &raw, path[0], path[1], NULL);
    if (!found || raw.len == 0 || raw.data[0] != '"') {
        return (struct slice){0};
    }
    return json_unquote(raw, &g->arena);
}

static struct slice joined(struct gather *g, struct slice a, struct slice b)
{
    if (a.len == 0 || b.len == 0) {
        return (struct slice){0};
    }
    return slice_of(arena_printf(&g->arena, "%.*s/%.*s", SLICE_ARG(a), SLICE_ARG(b)));
}

static void gather_cell(struct gather *g, enum snapshot_kind kind, struct slice spec)
{
    static const char *const project[] = {"owner", "projectName"};
    static const char *const component[] = {"owner", "componentName"};
    static const char *const resource[] = {"owner", "resourceName"};
    static const char *const binding[] = {"bindingName", NULL};
    static const char *const environment[] = {"environmentName", NULL};
    static const char *const bound[] = {"environment", NULL};
    static const char *const plane[] = {"dataPlane", NULL};
    static const char *const cluster[] = {"cluster", NULL};
    if (kind != SNAPSHOT_RENDERED) {
        gather_add(g, SNAPSHOT_BY_CELL, joined(g, scan(g, spec, project), scan(g, spec, bound)));
        return;
    }
    struct slice cell = joined(g, scan(g, spec, project), scan(g, spec, environment));
    struct slice place = joined(g, scan(g, spec, plane), scan(g, spec, cluster));
    gather_add(g, SNAPSHOT_BY_CLUSTER, place);
    bool of_resource = scan(g, spec, resource).len > 0;
    struct slice bound_by = scan(g, spec, binding);
    gather_add(g, SNAPSHOT_BY_BINDING,
               of_resource ? joined(g, SLICE("resource"), bound_by) : bound_by);
    if (scan(g, spec, component).len == 0 && !of_resource) {
        gather_add(g, SNAPSHOT_BY_CELL, cell);
        gather_add(g, SNAPSHOT_BY_TYPE, SLICE("cell"));
    } else {
        gather_add(g, SNAPSHOT_BY_MEMBER, joined(g, cell, place));
    }
}

/* What a release depends on: most depend on nothing, so only that part is parsed. */
static void gather_dependencies(struct gather *g, struct slice spec)
{
    static const struct {
        const char *list;
        const char *key;
        enum snapshot_index index;
    } kinds[] = {{"endpoints", "component", SNAPSHOT_BY_DEPENDENCY},
                 {"resources", "ref", SNAPSHOT_BY_RESOURCE}};
    for (size_t k = 0; k < 2; k++) {
        struct slice raw;
        json_t *list = NULL;
        size_t i;
        json_t *item;
        if (!json_scan(spec, &raw, "workload", "dependencies", kinds[k].list, NULL) ||
            json_parse(raw, &list, NULL) != 0) {
            continue;
        }
        json_array_foreach(list, i, item)
        {
            gather_add(g, kinds[k].index, arena_copy(&g->arena, json_text_at(item, kinds[k].key)));
        }
        json_decref(list);
    }
}

/* Whom an environment says something of: most name nobody, so only that part is parsed. */
static void gather_overridden(struct gather *g, struct slice spec)
{
    struct slice raw;
    json_t *list = NULL;
    size_t i;
    json_t *item;
    if (!json_scan(spec, &raw, "overrides", "components", NULL) ||
        json_parse(raw, &list, NULL) != 0) {
        return;
    }
    json_array_foreach(list, i, item)
    {
        gather_add(g, SNAPSHOT_BY_COMPONENT, arena_copy(&g->arena, json_text_at(item, "name")));
    }
    json_decref(list);
}

static void gather_lists(struct gather *g, enum snapshot_kind kind, struct slice spec)
{
    json_t *tree = NULL;
    struct err err;
    if (json_parse(spec, &tree, &err) != 0) {
        return;
    }
    size_t i;
    json_t *item;
    if (kind == SNAPSHOT_PROJECT) {
        json_array_foreach(json_object_get(tree, "components"), i, item)
        {
            gather_add(g, SNAPSHOT_BY_LISTED, arena_copy(&g->arena, json_text_at(item, "name")));
        }
    } else {
        json_array_foreach(json_object_get(tree, "promotionPaths"), i, item)
        {
            struct slice name = json_text(json_at(item, "sourceEnvironmentRef", "name", NULL));
            gather_add(g, SNAPSHOT_BY_ENVIRONMENT, arena_copy(&g->arena, name));
            size_t k;
            json_t *target;
            json_array_foreach(json_object_get(item, "targetEnvironmentRefs"), k, target)
            {
                name = json_text_at(target, "name");
                gather_add(g, SNAPSHOT_BY_ENVIRONMENT, arena_copy(&g->arena, name));
            }
        }
    }
    json_decref(tree);
}

void gather_refs(struct gather *g, const struct snapshot_entry *e)
{
    struct slice spec = {0};
    (void)json_scan(e->body, &spec, "spec", NULL);
    if (e->ns.len > 0) {
        gather_add(g, SNAPSHOT_BY_NS, e->ns);
    }
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
        if (scalars[i].kind == e->kind) {
            gather_add(g, scalars[i].index, scan(g, spec, scalars[i].path));
        }
    }
    if (e->kind == SNAPSHOT_COMPONENT && !gather_has(g, SNAPSHOT_BY_PROJECT)) {
        gather_add(g, SNAPSHOT_BY_PROJECT, SLICE("-"));
    }
    if (e->kind == SNAPSHOT_RENDERED || e->kind == SNAPSHOT_BINDING ||
        e->kind == SNAPSHOT_RESOURCE_BINDING || e->kind == SNAPSHOT_OC_CELL) {
        gather_cell(g, e->kind, spec);
    }
    if (e->kind == SNAPSHOT_RELEASE_SET) {
        static const char *const project[] = {"project", NULL};
        static const char *const environment[] = {"environment", NULL};
        gather_add(g, SNAPSHOT_BY_CELL,
                   joined(g, scan(g, spec, project), scan(g, spec, environment)));
    }
    if (e->kind == SNAPSHOT_RELEASE) {
        gather_dependencies(g, spec);
    }
    if (e->kind == SNAPSHOT_ENVIRONMENT) {
        gather_overridden(g, spec);
    }
    if (e->kind == SNAPSHOT_PROJECT || e->kind == SNAPSHOT_PIPELINE) {
        gather_lists(g, e->kind, spec);
    }
}
