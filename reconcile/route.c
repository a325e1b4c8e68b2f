/* route.c: whom a change concerns.
 *
 * Controllers read other objects than their own; this is the one table of who reads whom. It is
 * asked before and after a change of more than the status, so that both the former and the new
 * neighbours look again. What reads only the spec of another is not bothered by its status; what
 * sums up many (a project over its components) waits a little, the longer the more there are; and
 * what passes on that work is under way waits for more of it, so that what goes well is told in one
 * step, not in ten. */
#include "reconcile/controllers/plane_hold.h"
#include "reconcile/controllers/promotion.h"
#include "reconcile/controllers/release_set.h"
#include "reconcile/route_internal.h"
#include "render/pipeline.h"

/* A sum over so many is put off by as many milliseconds; a status that is passed on, by a few, so
 * that what changes together is told together. While it only says that work is under way, a binding
 * takes it up after a while and a component later still: each step of what goes well would be a
 * write otherwise. */
enum {
    ROLLUP_DELAY_MAX_MS = 500,
    STATUS_DELAY_MS = 10,
    BINDING_PROGRESS_DELAY_MS = 1500,
    COMPONENT_PROGRESS_DELAY_MS = 2000,
    HOLD_DELAY_MS = 20,         /* of many on a plane, one asks */
    SET_DELAY_MS = 20,          /* what its bindings tell, they tell one after another */
    OWN_STATUS_DELAY_MS = 3000, /* most often its own plan wrote it */
};

static void add_entry(struct route *r, const struct snapshot_entry *e)
{
    r->add(r->user, e->kind, e->ns, e->name, e->deleting ? 0 : r->delay_ms);
}

void route__named(struct route *r, enum snapshot_kind kind, struct slice ns, struct slice name)
{
    const struct snapshot_entry *e = name.len > 0 ? snapshot_find(r->s, kind, ns, name) : NULL;
    if (e != NULL) {
        add_entry(r, e);
    }
}

void route__list(struct route *r, enum snapshot_kind kind, enum snapshot_index index,
                 struct slice ns, struct slice value)
{
    const struct snapshot_entry **found;
    size_t count =
        value.len > 0 ? snapshot_list(r->s, kind, index, ns, value, &r->arena, &found) : 0;
    for (size_t i = 0; i < count; i++) {
        add_entry(r, found[i]);
    }
}

void route__all(struct route *r, enum snapshot_kind kind)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_all(r->s, kind, &r->arena, &all);
    for (size_t i = 0; i < count; i++) {
        add_entry(r, all[i]);
    }
}

/* All of a kind in a namespace. */
static void add_ns(struct route *r, enum snapshot_kind kind, struct slice ns)
{
    route__list(r, kind, SNAPSHOT_BY_NS, ns, ns);
}

/* One that passes on the status of o. */
static void add_summary(struct route *r, enum snapshot_kind kind, struct slice ns,
                        struct slice name, const json_t *o)
{
    const struct snapshot_entry *e = name.len > 0 ? snapshot_find(r->s, kind, ns, name) : NULL;
    if (e != NULL) {
        bool settled = condition_is(o, PROGRESSING, "False");
        uint64_t progress_ms =
            kind == SNAPSHOT_COMPONENT ? COMPONENT_PROGRESS_DELAY_MS : BINDING_PROGRESS_DELAY_MS;
        uint64_t delay_ms = settled ? STATUS_DELAY_MS : progress_ms;
        r->add(r->user, kind, ns, name, e->deleting ? 0 : delay_ms);
    }
}

/* The object itself: a status that somebody else wrote is set right, but not in a hurry. */
static void add_own(struct route *r, enum snapshot_kind kind, struct slice ns, struct slice name)
{
    const struct snapshot_entry *e = snapshot_find(r->s, kind, ns, name);
    if (e != NULL) {
        r->add(r->user, kind, ns, name, r->whole || e->deleting ? 0 : OWN_STATUS_DELAY_MS);
    }
}

/* A project that sums up its components. */
static void add_project(struct route *r, struct slice ns, struct slice name)
{
    const struct snapshot_entry *project = snapshot_find(r->s, SNAPSHOT_PROJECT, ns, name);
    if (project == NULL) {
        return;
    }
    const struct snapshot_entry **found;
    size_t members =
        snapshot_list(r->s, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, name, &r->arena, &found);
    size_t delay_ms = members < ROLLUP_DELAY_MAX_MS ? members : ROLLUP_DELAY_MAX_MS;
    r->add(r->user, SNAPSHOT_PROJECT, ns, name, project->deleting ? 0 : delay_ms);
}

/* What depends on a component's endpoints is rendered with their addresses. */
static void add_dependants(struct route *r, struct slice ns, struct slice component)
{
    const struct snapshot_entry **releases;
    size_t count = component.len > 0 ? snapshot_list(r->s, SNAPSHOT_RELEASE, SNAPSHOT_BY_DEPENDENCY,
                                                     ns, component, &r->arena, &releases)
                                     : 0;
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry **bindings;
        size_t n = snapshot_list(r->s, SNAPSHOT_BINDING, SNAPSHOT_BY_RELEASE, ns, releases[i]->name,
                                 &r->arena, &bindings);
        for (size_t k = 0; k < n; k++) {
            r->add(r->user, SNAPSHOT_BINDING, ns, bindings[k]->name, 0);
            route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, ns, bindings[k]->name);
        }
    }
}

/* The sets of a project that are not over. */
static void add_sets(struct route *r, struct slice ns, struct slice project)
{
    const struct snapshot_entry **found;
    size_t count = project.len > 0 ? snapshot_list(r->s, SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_PROJECT,
                                                   ns, project, &r->arena, &found)
                                   : 0;
    for (size_t i = 0; i < count; i++) {
        if (!release_set_is_over(snapshot_tree(r->s, found[i]))) {
            r->add(r->user, SNAPSHOT_RELEASE_SET, ns, found[i]->name, SET_DELAY_MS);
        }
    }
}

static void add_cell_sets(struct route *r, struct slice ns, struct slice project,
                          struct slice environment)
{
    const char *cell =
        arena_printf(&r->arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(environment));
    route__list(r, SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_CELL, ns, slice_of(cell));
}

static struct slice project_of_release(struct route *r, struct slice ns, struct slice release)
{
    return owner_text(snapshot_get(r->s, SNAPSHOT_RELEASE, ns, release), "projectName");
}

static void route_component(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    struct membership m;
    if (r->whole) {
        route__list(r, SNAPSHOT_PROJECT, SNAPSHOT_BY_LISTED, ns, name);
        route__list(r, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_COMPONENT, ns, name);
        route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, ns, name);
        route__list(r, SNAPSHOT_RELEASE, SNAPSHOT_BY_COMPONENT, ns, name);
        add_dependants(r, ns, name);
    }
    if (o != NULL && component_membership(r->s, o, &r->arena, &m)) {
        add_project(r, ns, m.project);
        add_sets(r, ns, r->whole ? m.project : (struct slice){0});
    }
}

/* The bindings of a component whose release waits to be let in. */
static void add_waiting(struct route *r, struct slice ns, struct slice component)
{
    const struct snapshot_entry **found;
    size_t count = component.len > 0 ? snapshot_list(r->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT,
                                                     ns, component, &r->arena, &found)
                                     : 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *binding = snapshot_tree(r->s, found[i]);
        struct slice deployed = json_text(json_at(binding, "status", "releaseName", NULL));
        if (!slice_eq(spec_text(binding, "releaseName"), deployed) ||
            condition_is(binding, PROMOTED, "False")) {
            r->add(r->user, SNAPSHOT_BINDING, ns, found[i]->name, 0);
        }
    }
}

/* What a pipeline says concerns every binding that goes by it: its gates, its deadline, and what is
 * promoted by itself. */
static void add_project_bindings(struct route *r, struct slice ns, struct slice project)
{
    route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_PROJECT, ns, project);
    add_sets(r, ns, project);
}

static void route_project(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    route__list(r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, name);
    add_project_bindings(r, ns, name);
    if (slice_eq_cstr(name, "default")) {
        route__list(r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, SLICE("-"));
    }
    size_t i;
    json_t *listed;
    json_array_foreach(json_at(o, "spec", "components", NULL), i, listed)
    {
        route__named(r, SNAPSHOT_COMPONENT, ns, json_text_at(listed, "name"));
    }
}

static void route_pipeline(struct route *r, struct slice ns, struct slice name)
{
    const struct snapshot_entry **projects;
    size_t count =
        snapshot_list(r->s, SNAPSHOT_PROJECT, SNAPSHOT_BY_PIPELINE, ns, name, &r->arena, &projects);
    for (size_t i = 0; i < count; i++) {
        route_project(r, ns, projects[i]->name, snapshot_tree(r->s, projects[i]));
    }
    if (slice_eq_cstr(name, "default")) {
        route__list(r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, SLICE("-"));
        add_project_bindings(r, ns, SLICE("default"));
    }
}

/* What is decided by an environment's spec, and what is rendered by it. */
static void add_environment_users(struct route *r, struct slice ns, struct slice name)
{
    route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_ENVIRONMENT, ns, name);
    route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_ENVIRONMENT, ns, name);
}

bool route__placed_by_status(struct route *r, struct slice ns, struct slice name)
{
    struct environment env;
    environment_find(r->s, ns, name, &r->arena, &env);
    const json_t *placement = json_object_get(env.spec, "placement");
    return slice_eq_cstr(json_text_at(placement, "policy"), "spread") ||
           slice_eq_cstr(json_text_at(placement, "onLoss"), "failover");
}

static void route_environment_status(struct route *r, struct slice ns, struct slice name)
{
    if (route__placed_by_status(r, ns, name)) {
        route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_ENVIRONMENT, ns, name);
    }
}

static void route_template(struct route *r, struct slice name)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(r->s, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_TEMPLATE,
                                 (struct slice){0}, name, &r->arena, &found);
    for (size_t i = 0; i < count; i++) {
        r->add(r->user, SNAPSHOT_ENVIRONMENT, found[i]->ns, found[i]->name, 0);
        add_environment_users(r, found[i]->ns, found[i]->name);
    }
}

/* One that is being deleted waits for who is on it, and who comes to be on it holds it from then
 * on. */
static void add_held(struct route *r, struct slice plane)
{
    const struct snapshot_entry *e =
        plane.len > 0 ? snapshot_find(r->s, SNAPSHOT_DATAPLANE, (struct slice){0}, plane) : NULL;
    if (e != NULL && (e->deleting || !plane_is_held(r->s, e, &r->arena))) {
        r->add(r->user, SNAPSHOT_DATAPLANE, e->ns, e->name, HOLD_DELAY_MS);
    }
}

static void route_environment(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    if (!r->whole) {
        route_environment_status(r, ns, name);
        return;
    }
    add_held(r, spec_text(o, "dataPlane"));
    add_environment_users(r, ns, name);
    const struct snapshot_entry **pipelines;
    size_t count = snapshot_list(r->s, SNAPSHOT_PIPELINE, SNAPSHOT_BY_ENVIRONMENT, ns, name,
                                 &r->arena, &pipelines);
    for (size_t i = 0; i < count; i++) {
        r->add(r->user, SNAPSHOT_PIPELINE, ns, pipelines[i]->name, 0);
        route_pipeline(r, ns, pipelines[i]->name);
    }
}

static void add_cell(struct route *r, struct slice ns, struct slice project,
                     struct slice environment)
{
    const char *cell =
        arena_printf(&r->arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(environment));
    route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, ns, slice_of(cell));
}

static void route_binding(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    struct slice environment = spec_text(o, "environment");
    add_summary(r, SNAPSHOT_COMPONENT, ns, owner_text(o, "componentName"), o);
    add_waiting(r, ns, owner_text(o, "componentName"));
    add_sets(r, ns, owner_text(o, "projectName"));
    add_dependants(r, ns, owner_text(o, "componentName")); /* of the release that is deployed */
    if (r->whole) {
        /* Of several in one environment the oldest counts. */
        route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, ns, owner_text(o, "componentName"));
        route__named(r, SNAPSHOT_ENVIRONMENT, ns, environment);
        route__named(r, SNAPSHOT_RELEASE, ns, spec_text(o, "releaseName"));
        route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, ns, name);
        /* The cell, which goes with its last binding. */
        add_cell(r, ns, owner_text(o, "projectName"), environment);
    }
}

/* A cell that is there, or goes, concerns its components. */
static void add_members(struct route *r, struct slice ns, const json_t *cell)
{
    const char *members = arena_printf(
        &r->arena, "%.*s/%.*s/%.*s/%.*s", SLICE_ARG(owner_text(cell, "projectName")),
        SLICE_ARG(spec_text(cell, "environmentName")), SLICE_ARG(spec_text(cell, "dataPlane")),
        SLICE_ARG(spec_text(cell, "cluster")));
    route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_MEMBER, ns, slice_of(members));
}

static void route_rendered(struct route *r, struct slice ns, const json_t *o)
{
    /* A cell's status concerns its components only while they wait for it. */
    bool of_resource = owner_text(o, "resourceName").len > 0;
    bool is_cell = owner_text(o, "componentName").len == 0 && !of_resource &&
                   (r->whole || json_at(o, "status", "appliedHash", NULL) == NULL);
    if (!of_resource) {
        add_summary(r, SNAPSHOT_BINDING, ns, spec_text(o, "bindingName"), o);
    }
    if (o == NULL || !(r->whole || is_cell)) {
        return;
    }
    if (is_cell) {
        add_members(r, ns, o);
    } else if (owner_text(o, "componentName").len > 0) {
        add_cell(r, ns, owner_text(o, "projectName"), spec_text(o, "environmentName"));
    }
    if (r->whole) { /* those that wait for it to be gone */
        add_held(r, spec_text(o, "dataPlane"));
        route__named(r, SNAPSHOT_ENVIRONMENT, ns, spec_text(o, "environmentName"));
        add_summary(r, SNAPSHOT_COMPONENT, ns, owner_text(o, "componentName"), o);
        add_project(r, ns, owner_text(o, "projectName"));
    }
}

static void route_plane(struct route *r, struct slice name)
{
    struct slice none = {0};
    route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_PLANE, none, name);
    const struct snapshot_entry **environments;
    size_t count = snapshot_list(r->s, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_PLANE, none, name,
                                 &r->arena, &environments);
    for (size_t i = 0; i < count; i++) {
        r->add(r->user, SNAPSHOT_ENVIRONMENT, environments[i]->ns, environments[i]->name, 0);
        if (r->whole) {
            route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_ENVIRONMENT, environments[i]->ns,
                        environments[i]->name);
        }
    }
    /* Organizations that wait for their first plane. */
    const struct snapshot_entry **all;
    count = r->s->system == r->s ? snapshot_all(r->s, SNAPSHOT_ORGANIZATION, &r->arena, &all) : 0;
    for (size_t i = 0; i < count; i++) {
        if (!object_condition_true(snapshot_tree(r->s, all[i]), "DefaultsCreated")) {
            r->add(r->user, SNAPSHOT_ORGANIZATION, all[i]->ns, all[i]->name, 0);
        }
    }
}

static void route_secret(struct route *r, struct slice ns, struct slice name)
{
    if (!slice_eq_cstr(ns, SNAPSHOT_SYSTEM_NS)) {
        add_ns(r, SNAPSHOT_RENDERED, ns);
        return;
    }
    const struct snapshot_entry **planes;
    size_t count = snapshot_all(r->s, SNAPSHOT_DATAPLANE, &r->arena, &planes);
    for (size_t i = 0; i < count; i++) {
        struct plane_cluster *clusters;
        const json_t *plane = snapshot_tree(r->s, planes[i]);
        size_t n = plane_clusters(plane, &r->arena, &clusters);
        for (size_t k = 0; k < n; k++) {
            const char *theirs =
                arena_printf(&r->arena, "cluster-%.*s-%.*s", SLICE_ARG(planes[i]->name),
                             SLICE_ARG(clusters[k].name));
            const char *where = arena_printf(&r->arena, "%.*s/%.*s", SLICE_ARG(planes[i]->name),
                                             SLICE_ARG(clusters[k].name));
            if (slice_eq_cstr(name, theirs)) {
                r->add(r->user, SNAPSHOT_DATAPLANE, (struct slice){0}, planes[i]->name, 0);
                route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_CLUSTER, (struct slice){0},
                            slice_of(where));
            }
        }
    }
}

static void route_organization(struct route *r, struct slice name)
{
    add_ns(r, SNAPSHOT_RENDERED, name);
    add_ns(r, SNAPSHOT_COMPONENT, name);
    add_ns(r, SNAPSHOT_ENVIRONMENT, name);
}

/* What a tenant's namespace holds concerns an organization that waits for it to be empty. */
static void route_owner(struct route *r, struct slice ns)
{
    const struct snapshot_entry *org =
        snapshot_find(r->s, SNAPSHOT_ORGANIZATION, (struct slice){0}, ns);
    if (ns.len > 0 && org != NULL && org->deleting) {
        r->add(r->user, SNAPSHOT_ORGANIZATION, (struct slice){0}, ns, 0);
    }
}

static void route_release(struct route *r, struct slice ns, struct slice name, const json_t *o)
{
    struct slice component = owner_text(o, "componentName");
    add_summary(r, SNAPSHOT_COMPONENT, ns, component, o);
    /* A new one may make an old one too many. */
    route__list(r, SNAPSHOT_RELEASE, SNAPSHOT_BY_COMPONENT, ns, component);
    route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_RELEASE, ns, name);
    add_sets(r, ns, owner_text(o, "projectName"));
    add_dependants(r, ns, component);
}

/* An approval, or a test's result. */
static void route_verdict(struct route *r, struct slice ns, struct slice release)
{
    add_sets(r, ns, project_of_release(r, ns, release));
    route__list(r, SNAPSHOT_BINDING, SNAPSHOT_BY_RELEASE, ns, release);
}

static void route_kind(struct route *r, enum snapshot_kind kind, struct slice ns, struct slice name,
                       const json_t *o)
{
    switch (kind) {
    case SNAPSHOT_COMPONENT:
        route_component(r, ns, name, o);
        break;
    case SNAPSHOT_PROJECT:
        route_project(r, ns, name, o);
        route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_PROJECT, ns, name); /* with its settings */
        break;
    case SNAPSHOT_PIPELINE:
        route_pipeline(r, ns, name);
        break;
    case SNAPSHOT_ENVIRONMENT:
        route_environment(r, ns, name, o);
        break;
    case SNAPSHOT_ENVIRONMENT_TEMPLATE:
        route_template(r, name);
        break;
    case SNAPSHOT_RELEASE:
        route_release(r, ns, name, o);
        break;
    case SNAPSHOT_BINDING:
        route_binding(r, ns, name, o);
        break;
    case SNAPSHOT_RENDERED:
        route_rendered(r, ns, o);
        break;
    case SNAPSHOT_RELEASE_SET: /* one that is over may make an older one too many */
        add_cell_sets(r, ns, spec_text(o, "project"), spec_text(o, "environment"));
        break;
    case SNAPSHOT_APPROVAL:
    case SNAPSHOT_TEST:
        route_verdict(r, ns, spec_text(o, "release"));
        break;
    case SNAPSHOT_DATAPLANE:
        route_plane(r, name);
        break;
    case SNAPSHOT_SECRET:
        route_secret(r, ns, name);
        break;
    case SNAPSHOT_CONFIG_MAP: /* whoever does not read it sees at once that nothing changed */
        add_ns(r, SNAPSHOT_RENDERED, ns);
        break;
    case SNAPSHOT_ORGANIZATION:
        route_organization(r, name);
        break;
    case SNAPSHOT_CLUSTER_TYPE:
    case SNAPSHOT_TYPE:
        route__list(r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_TYPE, (struct slice){0}, name);
        break;
    case SNAPSHOT_CLUSTER_PROJECT_TYPE: /* whoever is of another sees at once that nothing changed
                                         */
        route__all(r, SNAPSHOT_ENVIRONMENT);
        route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_TYPE, (struct slice){0}, SLICE("cell"));
        break;
    case SNAPSHOT_TRAIT:
    case SNAPSHOT_SECRET_REFERENCE:
        add_ns(r, SNAPSHOT_COMPONENT, ns);
        add_ns(r, SNAPSHOT_RENDERED, ns);
        break;
    case SNAPSHOT_CLUSTER_TRAIT:
        route__all(r, SNAPSHOT_COMPONENT);
        if (slice_eq_cstr(name, RENDER_POLICY)) { /* which no release freezes */
            route__all(r, SNAPSHOT_RENDERED);
        }
        break;
    case SNAPSHOT_RESOURCE:
    case SNAPSHOT_RESOURCE_TYPE:
    case SNAPSHOT_CLUSTER_RESOURCE_TYPE:
    case SNAPSHOT_RESOURCE_RELEASE:
    case SNAPSHOT_RESOURCE_BINDING:
        break; /* route_resources()'s */
    case SNAPSHOT_WORKFLOW:
    case SNAPSHOT_CLUSTER_WORKFLOW:
    case SNAPSHOT_RUN:
        break; /* route_workflows()'s */
    case SNAPSHOT_KIND_COUNT:
#define X(id, kind, resource, cluster) case id:
        SNAPSHOT_OPENCHOREO_KINDS(X)
#undef X
        break; /* route_openchoreo()'s */
    }
}

void route_change(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                  struct slice name, bool whole, route_add add, void *user)
{
    struct route r = {.s = s, .add = add, .user = user, .whole = whole};
    /* Those concern by their name alone, and their bodies are not at hand. */
    bool read = kind != SNAPSHOT_SECRET && kind != SNAPSHOT_CONFIG_MAP;
    const json_t *o = read ? snapshot_get(s, kind, ns, name) : NULL;
    add_own(&r, kind, ns, name);
    route_openchoreo(s, kind, ns, name, whole, add, user);
    route_resources(s, kind, ns, name, whole, add, user);
    route_workflows(s, kind, ns, name, whole, add, user);
    if (whole) {
        route_owner(&r, ns);
    }
    /* Whose status nobody reads. */
    bool mute =
        kind == SNAPSHOT_PROJECT || kind == SNAPSHOT_PIPELINE || kind == SNAPSHOT_ORGANIZATION;
    if (whole || !mute) {
        route_kind(&r, kind, ns, name, o);
    }
    arena_free(&r.arena);
}
