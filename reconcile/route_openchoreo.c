/* route_openchoreo.c: whom a change concerns, among OpenChoreo's objects and ours.
 *
 * What is made of an object tells its state there; what an object is made with makes it look again.
 * See route.c. */
#include "reconcile/controllers/openchoreo.h"
#include "reconcile/route_internal.h"

/* A status that is passed on waits for what changes with it. */
enum { TOLD_DELAY_MS = 20 };

static const struct {
    enum snapshot_kind ours;
    enum snapshot_kind theirs;
} counterparts[] = {
    {SNAPSHOT_PROJECT, SNAPSHOT_OC_PROJECT},
    {SNAPSHOT_COMPONENT, SNAPSHOT_OC_COMPONENT},
    {SNAPSHOT_ENVIRONMENT, SNAPSHOT_OC_ENVIRONMENT},
    {SNAPSHOT_PIPELINE, SNAPSHOT_OC_PIPELINE},
    {SNAPSHOT_DATAPLANE, SNAPSHOT_OC_CLUSTER_PLANE},
    {SNAPSHOT_RELEASE, SNAPSHOT_OC_RELEASE},
    {SNAPSHOT_RESOURCE, SNAPSHOT_OC_RESOURCE},
    {SNAPSHOT_RESOURCE_RELEASE, SNAPSHOT_OC_RESOURCE_RELEASE},
    {SNAPSHOT_RESOURCE_BINDING, SNAPSHOT_OC_RESOURCE_BINDING},
    {SNAPSHOT_RUN, SNAPSHOT_OC_WORKFLOW_RUN},
};

static void add_cell(struct route *r, enum snapshot_kind kind, struct slice ns,
                     struct slice project, struct slice environment)
{
    route__list(
        r, kind, SNAPSHOT_BY_CELL, ns,
        slice_of(arena_printf(&r->arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(environment))));
}

/* What a component may be built by: its workflow, and its type, which allows that. Runs wait for
 * their workflow. */
static void route_builders(struct route *r, enum snapshot_kind kind, struct slice ns)
{
    if (kind == SNAPSHOT_OC_WORKFLOW) {
        route__list(r, SNAPSHOT_OC_WORKFLOW_RUN, SNAPSHOT_BY_NS, ns, ns);
    } else if (kind == SNAPSHOT_OC_CLUSTER_WORKFLOW) {
        route__all(r, SNAPSHOT_OC_WORKFLOW_RUN);
    }
    if (kind == SNAPSHOT_OC_WORKFLOW || kind == SNAPSHOT_OC_TYPE) {
        route__list(r, SNAPSHOT_OC_COMPONENT, SNAPSHOT_BY_NS, ns, ns);
    } else if (kind == SNAPSHOT_OC_CLUSTER_WORKFLOW || kind == SNAPSHOT_OC_CLUSTER_TYPE) {
        route__all(r, SNAPSHOT_OC_COMPONENT);
    }
}

/* A project is released from its type, and its cells are rendered from its release; a workflow
 * plane tells which data plane builds. */
static void route_platform(struct route *r, enum snapshot_kind kind, struct slice ns,
                           const json_t *o)
{
    if (kind == SNAPSHOT_OC_PROJECT_TYPE) {
        route__list(r, SNAPSHOT_OC_PROJECT, SNAPSHOT_BY_NS, ns, ns);
    } else if (kind == SNAPSHOT_OC_CLUSTER_PROJECT_TYPE) {
        route__all(r, SNAPSHOT_OC_PROJECT);
    } else if (kind == SNAPSHOT_OC_PROJECT) {
        route__list(r, SNAPSHOT_OC_CELL, SNAPSHOT_BY_NS, ns, ns);
    } else if (kind == SNAPSHOT_OC_PROJECT_RELEASE) {
        route__list(r, SNAPSHOT_OC_CELL, SNAPSHOT_BY_NS, ns, ns);
        route__list(r, SNAPSHOT_RENDERED, SNAPSHOT_BY_PROJECT, ns, owner_text(o, "projectName"));
    } else if (kind == SNAPSHOT_DATAPLANE) { /* which may build, and has a gateway */
        route__all(r, SNAPSHOT_OC_WORKFLOW_PLANE);
        route__all(r, SNAPSHOT_OC_CLUSTER_WORKFLOW_PLANE);
        route__all(r, SNAPSHOT_OC_BINDING);
    } else if (kind == SNAPSHOT_ENVIRONMENT) {
        route__list(r, SNAPSHOT_OC_BINDING, SNAPSHOT_BY_NS, ns, ns);
    }
}

/* A DataPlane of a namespace: what is made of it tells its state, its Secret is copied, and
 * environments that name no plane are on the one called "default". */
static void route_own_planes(struct route *r, enum snapshot_kind kind, struct slice ns,
                             struct slice name, bool whole)
{
    struct slice its_ns;
    struct slice its_name;
    if (kind == SNAPSHOT_DATAPLANE && openchoreo_plane_parts(name, &its_ns, &its_name)) {
        route__named(r, SNAPSHOT_OC_PLANE, its_ns, its_name);
    } else if (kind == SNAPSHOT_SECRET && slice_eq_cstr(ns, SNAPSHOT_SYSTEM_NS)) {
        route__all(r, SNAPSHOT_OC_PLANE); /* the copies, which nobody else may change */
    } else if (kind == SNAPSHOT_SECRET) {
        route__list(r, SNAPSHOT_OC_PLANE, SNAPSHOT_BY_NS, ns, ns);
        if (slice_eq_cstr(name, "cluster-default-default")) { /* what stays_shared() waits for */
            route__list(r, SNAPSHOT_OC_ENVIRONMENT, SNAPSHOT_BY_NS, ns, ns);
        }
    } else if (kind == SNAPSHOT_OC_PLANE && whole && slice_eq_cstr(name, "default")) {
        route__list(r, SNAPSHOT_OC_ENVIRONMENT, SNAPSHOT_BY_NS, ns, ns);
    }
}

void route_openchoreo(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                      struct slice name, bool whole, route_add add, void *user)
{
    struct route r = {.s = s, .add = add, .user = user, .delay_ms = TOLD_DELAY_MS};
    bool read = kind != SNAPSHOT_SECRET && kind != SNAPSHOT_CONFIG_MAP;
    const json_t *o = read ? snapshot_get(s, kind, ns, name) : NULL;
    for (size_t i = 0; i < sizeof(counterparts) / sizeof(counterparts[0]); i++) {
        if (counterparts[i].ours == kind &&
            snapshot_find(s, counterparts[i].theirs, ns, name) != NULL) {
            add(user, counterparts[i].theirs, ns, name, TOLD_DELAY_MS);
        }
    }
    route_own_planes(&r, kind, ns, name, whole);
    if (kind == SNAPSHOT_OC_WORKFLOW_RUN) { /* what it puts out, it may be told after it was made */
        route__named(&r, SNAPSHOT_OC_COMPONENT, ns, object_label(o, "openchoreo.dev/component"));
    }
    if (whole) {
        route_builders(&r, kind, ns);
    }
    if (whole || kind == SNAPSHOT_OC_PROJECT) { /* whose status names its release */
        route_platform(&r, kind, ns, o);
    }
    if (kind == SNAPSHOT_RESOURCE) { /* whose newest release a binding may take */
        route__list(&r, SNAPSHOT_OC_RESOURCE_BINDING, SNAPSHOT_BY_RESOURCE, ns, name);
    } else if (kind == SNAPSHOT_BINDING || (kind == SNAPSHOT_COMPONENT && whole)) {
        route__list(&r, SNAPSHOT_OC_BINDING, SNAPSHOT_BY_COMPONENT, ns,
                    kind == SNAPSHOT_COMPONENT ? name : owner_text(o, "componentName"));
    } else if (kind == SNAPSHOT_RENDERED && owner_text(o, "componentName").len == 0 &&
               owner_text(o, "resourceName").len == 0) {
        add_cell(&r, SNAPSHOT_OC_CELL, ns, owner_text(o, "projectName"),
                 spec_text(o, "environmentName"));
    } else if (kind == SNAPSHOT_ENVIRONMENT && whole) {
        route__list(&r, SNAPSHOT_OC_CELL, SNAPSHOT_BY_ENVIRONMENT, ns, name);
    } else if ((kind == SNAPSHOT_PROJECT || kind == SNAPSHOT_DATAPLANE) && whole) {
        route__all(&r, SNAPSHOT_OC_CELL);
    } else if (kind == SNAPSHOT_OC_WORKLOAD && whole) {
        struct slice component = owner_text(o, "componentName");
        if (component.len > 0 && snapshot_find(s, SNAPSHOT_OC_COMPONENT, ns, component) != NULL) {
            add(user, SNAPSHOT_OC_COMPONENT, ns, component, 0);
        }
    } else if ((kind == SNAPSHOT_OC_TYPE || kind == SNAPSHOT_OC_CLUSTER_TYPE) && whole) {
        route__list(&r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_TYPE, (struct slice){0}, name);
    } else if (kind == SNAPSHOT_OC_TRAIT && whole) {
        route__list(&r, SNAPSHOT_COMPONENT, SNAPSHOT_BY_NS, ns, ns);
    } else if (kind == SNAPSHOT_OC_CLUSTER_TRAIT && whole) {
        route__all(&r, SNAPSHOT_COMPONENT);
    } else if (kind == SNAPSHOT_OC_BINDING && whole) {
        /* Of several in one environment the oldest counts; which release is kept to, it says. */
        route__list(&r, SNAPSHOT_OC_BINDING, SNAPSHOT_BY_COMPONENT, ns,
                    owner_text(o, "componentName"));
        if (snapshot_find(s, SNAPSHOT_COMPONENT, ns, owner_text(o, "componentName")) != NULL) {
            add(user, SNAPSHOT_COMPONENT, ns, owner_text(o, "componentName"), TOLD_DELAY_MS);
        }
    } else if (kind == SNAPSHOT_OC_RELEASE && whole) { /* ours may go, once it is shown no more */
        route__named(&r, SNAPSHOT_RELEASE, ns, name);
    } else if (kind == SNAPSHOT_OC_CELL && whole) {
        const char *cell =
            arena_printf(&r.arena, "%.*s/%.*s", SLICE_ARG(owner_text(o, "projectName")),
                         SLICE_ARG(spec_text(o, "environment")));
        route__list(&r, SNAPSHOT_OC_CELL, SNAPSHOT_BY_CELL, ns,
                    slice_of(cell)); /* the oldest counts */
        add_cell(&r, SNAPSHOT_RENDERED, ns, owner_text(o, "projectName"),
                 spec_text(o, "environment"));
    }
    arena_free(&r.arena);
}
