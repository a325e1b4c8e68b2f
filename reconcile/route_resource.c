/* route_resource.c: whom a change concerns, among resources and those that use them. See route.c.
 *
 *   Resource <-> its bindings <-> their RenderedReleases -> bindings and RenderedReleases of the
 *   components whose releases need it */
#include "reconcile/controllers/promotion.h"
#include "reconcile/route_internal.h"

/* What only passes a status on waits for what changes with it. */
enum { TOLD_DELAY_MS = 20 };

#define CREDENTIALS ".credentials"

static void add_rendered(struct route *r, struct slice ns, struct slice binding)
{
    route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, ns,
                slice_of(arena_printf(&r->arena, "resource/%.*s", SLICE_ARG(binding))));
}

static void add_cell(struct route *r, struct slice ns, struct slice project,
                     struct slice environment)
{
    route__list(
        r, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, ns,
        slice_of(arena_printf(&r->arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(environment))));
}

/* The components that use it in an environment (empty: in all). */
static void add_users(struct route *r, struct slice ns, struct slice resource,
                      struct slice environment)
{
    const struct snapshot_entry **releases;
    size_t count = resource.len > 0 ? snapshot_list(r->s, SNAPSHOT_RELEASE, SNAPSHOT_BY_RESOURCE,
                                                    ns, resource, &r->arena, &releases)
                                    : 0;
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry **bindings;
        size_t n = snapshot_list(r->s, SNAPSHOT_BINDING, SNAPSHOT_BY_RELEASE, ns, releases[i]->name,
                                 &r->arena, &bindings);
        for (size_t k = 0; k < n; k++) {
            struct slice theirs = spec_text(snapshot_tree(r->s, bindings[k]), "environment");
            if (environment.len == 0 || slice_eq(theirs, environment)) {
                r->add(r->user, SNAPSHOT_BINDING, ns, bindings[k]->name, 0);
                route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, ns, bindings[k]->name);
            }
        }
    }
}

/* Bindings of resources, by an index, whose release waits to be let in. */
static void add_waiting(struct route *r, enum snapshot_index index, struct slice ns,
                        struct slice value)
{
    const struct snapshot_entry **found;
    size_t count = value.len > 0 ? snapshot_list(r->s, SNAPSHOT_RESOURCE_BINDING, index, ns, value,
                                                 &r->arena, &found)
                                 : 0;
    for (size_t i = 0; i < count; i++) {
        if (condition_is(snapshot_tree(r->s, found[i]), PROMOTED, "False")) {
            r->add(r->user, SNAPSHOT_RESOURCE_BINDING, ns, found[i]->name, 0);
        }
    }
}

static void route_own(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    struct slice project = spec_text(o, "project");
    route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE, ns, name);
    if (r->whole) {
        add_users(r, ns, name, (struct slice){0});
        route__list(r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, project);
        route__list(r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, SLICE("-"));
        route__named(r, SNAPSHOT_PROJECT, ns, project);
    } else if (condition_is(o, "Released", "False")) { /* who uses it says why */
        add_users(r, ns, name, (struct slice){0});
    }
}

static void route_binding(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    struct slice resource = owner_text(o, "resourceName");
    route__named(r, SNAPSHOT_RESOURCE, ns, resource);
    add_waiting(r, SNAPSHOT_BY_RESOURCE, ns, resource);
    if (r->whole) {
        route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE, ns, resource);
        add_rendered(r, ns, name);
        add_cell(r, ns, owner_text(o, "projectName"), spec_text(o, "environment"));
        add_users(r, ns, resource, spec_text(o, "environment"));
    }
    /* Who waits for it to be gone, and says what it says. */
    if (r->whole || object_deleting(o)) {
        route__named(r, SNAPSHOT_ENVIRONMENT, ns, spec_text(o, "environment"));
    }
}

static void route_rendered(struct route *r, struct slice ns, const json_t *o)
{
    struct slice resource = owner_text(o, "resourceName");
    if (resource.len == 0) {
        return;
    }
    route__named(r, SNAPSHOT_RESOURCE_BINDING, ns, spec_text(o, "bindingName"));
    add_users(r, ns, resource, spec_text(o, "environmentName"));
    if (r->whole) {
        route__named(r, SNAPSHOT_RESOURCE, ns, resource);
        add_cell(r, ns, owner_text(o, "projectName"), spec_text(o, "environmentName"));
        route__named(r, SNAPSHOT_ENVIRONMENT, ns, spec_text(o, "environmentName"));
    }
}

/* Resources are bound where a component that needs them is, and let in with it. */
static void route_component_binding(struct route *r, struct slice ns, const json_t *o)
{
    const char *cell = arena_printf(&r->arena, "%.*s/%.*s", SLICE_ARG(owner_text(o, "projectName")),
                                    SLICE_ARG(spec_text(o, "environment")));
    add_waiting(r, SNAPSHOT_BY_CELL, ns, slice_of(cell));
    const json_t *release =
        r->whole ? snapshot_get(r->s, SNAPSHOT_RELEASE, ns, spec_text(o, "releaseName")) : NULL;
    size_t i;
    json_t *one;
    json_array_foreach(json_at(release, "spec", "workload", "dependencies", "resources", NULL), i,
                       one)
    {
        route__named(r, SNAPSHOT_RESOURCE, ns, json_text_at(one, "ref"));
    }
}

static void route_plane(struct route *r, struct slice name)
{
    const struct snapshot_entry **environments;
    size_t count = snapshot_list(r->s, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_PLANE, (struct slice){0},
                                 name, &r->arena, &environments);
    for (size_t i = 0; i < count; i++) {
        route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_ENVIRONMENT, environments[i]->ns,
                    environments[i]->name);
    }
}

/* A project's pipeline says where its resources are, and may go. */
static void add_project(struct route *r, struct slice ns, struct slice project)
{
    route__list(r, SNAPSHOT_RESOURCE, SNAPSHOT_BY_PROJECT, ns, project);
    route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_PROJECT, ns, project);
}

static void route_pipeline(struct route *r, struct slice ns, struct slice name)
{
    const struct snapshot_entry **projects;
    size_t count =
        snapshot_list(r->s, SNAPSHOT_PROJECT, SNAPSHOT_BY_PIPELINE, ns, name, &r->arena, &projects);
    for (size_t i = 0; i < count; i++) {
        add_project(r, ns, projects[i]->name);
    }
    if (slice_eq_cstr(name, "default")) {
        add_project(r, ns, SLICE("default"));
    }
}

static void route_environment(struct route *r, struct slice ns, struct slice name)
{
    const struct snapshot_entry **pipelines;
    size_t count = snapshot_list(r->s, SNAPSHOT_PIPELINE, SNAPSHOT_BY_ENVIRONMENT, ns, name,
                                 &r->arena, &pipelines);
    for (size_t i = 0; i < count; i++) {
        route_pipeline(r, ns, pipelines[i]->name);
    }
    route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_ENVIRONMENT, ns, name);
}

/* Of something else, by its whole. */
static void route_other(struct route *r, enum snapshot_kind kind, struct slice ns,
                        struct slice name, const json_t *o)
{
    switch ((int)kind) {
    case SNAPSHOT_RESOURCE_RELEASE:
        route__named(r, SNAPSHOT_RESOURCE, ns, owner_text(o, "resourceName"));
        route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RELEASE, ns, name);
        break;
    case SNAPSHOT_RESOURCE_TYPE:
    case SNAPSHOT_CLUSTER_RESOURCE_TYPE:
    case SNAPSHOT_OC_RESOURCE_TYPE:
    case SNAPSHOT_OC_CLUSTER_RESOURCE_TYPE:
        route__list(r, SNAPSHOT_RESOURCE, SNAPSHOT_BY_TYPE, (struct slice){0}, name);
        break;
    case SNAPSHOT_APPROVAL:
    case SNAPSHOT_TEST:
        route__list(r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_RELEASE, ns, spec_text(o, "release"));
        break;
    case SNAPSHOT_PROJECT:
        add_project(r, ns, name);
        break;
    case SNAPSHOT_PIPELINE:
        route_pipeline(r, ns, name);
        break;
    case SNAPSHOT_ENVIRONMENT:
        route_environment(r, ns, name);
        break;
    case SNAPSHOT_DATAPLANE:
        route_plane(r, name);
        break;
    default:
        break;
    }
}

void route_resources(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name, bool whole, route_add add, void *user)
{
    struct route r = {
        .s = s, .add = add, .user = user, .whole = whole, .delay_ms = whole ? 0 : TOLD_DELAY_MS};
    bool read = kind != SNAPSHOT_SECRET && kind != SNAPSHOT_CONFIG_MAP;
    const json_t *o = read ? snapshot_get(s, kind, ns, name) : NULL;
    if (kind == SNAPSHOT_SECRET && slice_ends_with(name, SLICE(CREDENTIALS))) {
        route__named(&r, SNAPSHOT_RESOURCE_BINDING, ns,
                     slice_sub(name, 0, name.len - (sizeof CREDENTIALS - 1)));
    } else if (kind == SNAPSHOT_RESOURCE) {
        route_own(&r, ns, name, o);
    } else if (kind == SNAPSHOT_RESOURCE_BINDING) {
        route_binding(&r, ns, name, o);
    } else if (kind == SNAPSHOT_RENDERED) {
        route_rendered(&r, ns, o);
    } else if (kind == SNAPSHOT_BINDING) {
        route_component_binding(&r, ns, o);
    } else if (kind == SNAPSHOT_ENVIRONMENT && !whole) {
        if (route__placed_by_status(&r, ns, name)) {
            route__list(&r, SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_BY_ENVIRONMENT, ns, name);
        }
    } else if (whole) {
        route_other(&r, kind, ns, name, o);
    }
    arena_free(&r.arena);
}
