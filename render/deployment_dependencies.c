/* deployment_dependencies.c: what a component's release depends on, in one environment, on one
 * cluster: the endpoints of other components and the outputs of resources.
 *
 * A component's address follows from its release there, so it is known before anything of it runs:
 * two that need each other do not wait for each other. A resource's outputs are known once it has
 * been applied to the cluster, and not before: the Secrets that they name are there then. Offline,
 * where nothing is applied, they are what its type says without looking at a cluster. */
#include "proto/object.h"
#include "render/deployment_internal.h"
#include "render/members.h"
#include "render/name.h"
#include "render/resource_release.h"

enum { CYCLE_COMPONENTS_MAX = 64 };

/* What is told of one dependency that cannot be said. */
static void problem(const struct inputs *in, struct deployment_needs *needs, struct slice what,
                    const char *reason, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void problem(const struct inputs *in, struct deployment_needs *needs, struct slice what,
                    const char *reason, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    (void)in;
    json_array_append_new(needs->problems,
                          json_pack("{s:o, s:s, s:o}", "dependency", json_str(what), "reason",
                                    reason, "message", json_str(buf_slice(&text))));
    buf_free(&text);
}

/* ---- endpoints of components ---- */

/* What a dependency that names no endpoint means: the first that the workload lists. */
static struct slice first_endpoint(struct arena *arena, const json_t *workload)
{
    struct member *members;
    size_t count = members_listed(arena, json_object_get(workload, "endpoints"),
                                  json_object_get(workload, "endpointOrder"), &members);
    return count > 0 ? members[0].key : (struct slice){0};
}

/* The release of a component that runs in this environment; without a server, which alone tells
 * that, the one that is asked for. */
static const json_t *release_of(const struct inputs *in, struct slice project,
                                struct slice component)
{
    const struct platform *p = in->platform;
    const json_t *binding = p->binding(p->user, in->d->ns, project, component, in->d->environment);
    const char *told = json_object_get(binding, "status") != NULL ? "status" : "spec";
    return deployment__get(in, "Release", json_text(json_at(binding, told, "releaseName", NULL)));
}

static bool reaches(const json_t *endpoint, bool same_project)
{
    const json_t *visibility = json_object_get(endpoint, "visibility");
    bool out = same_project;
    for (size_t i = 0; i < json_array_size(visibility); i++) {
        out |= !slice_eq_cstr(json_text(json_array_get(visibility, i)), "project");
    }
    return out;
}

/* The endpoint that is meant, with the condition that stands in its way told; or NULL. */
static const json_t *find_endpoint(const struct inputs *in, struct deployment_needs *needs,
                                   const json_t *dependency, struct slice project,
                                   struct slice *name)
{
    struct slice component = json_text_at(dependency, "component");
    struct slice endpoint = json_text_at(dependency, "name");
    bool same = slice_eq(project, in->d->project);
    const json_t *release = release_of(in, project, component);
    const json_t *workload = json_at(release, "spec", "workload", NULL);
    const json_t *all = json_object_get(workload, "endpoints");
    *name = endpoint.len > 0 ? endpoint : first_endpoint(in->arena, workload);
    const json_t *found = name->len > 0 ? json_object_getn(all, name->data, name->len) : NULL;
    if (release != NULL && found != NULL && reaches(found, same)) {
        return found;
    }
    const char *of =
        same ? "" : arena_printf(in->arena, " of project \"%.*s\"", SLICE_ARG(project));
    if (!same && deployment__get(in, "Project", project) == NULL) {
        problem(
            in, needs, component, "ProjectNotFound",
            "it depends on component \"%.*s\" of project \"%.*s\", and there is no such project",
            SLICE_ARG(component), SLICE_ARG(project));
    } else if (deployment__get(in, "Component", component) == NULL) {
        problem(in, needs, component, "ComponentNotFound",
                "it depends on component \"%.*s\"%s, which is not there", SLICE_ARG(component), of);
    } else if (release == NULL) {
        problem(in, needs, component, "DependencyNotDeployed",
                "it depends on component \"%.*s\"%s, which is not deployed in environment \"%.*s\"",
                SLICE_ARG(component), of, SLICE_ARG(in->d->environment));
    } else if (found == NULL) {
        problem(in, needs, component, "EndpointNotFound",
                "it depends on endpoint \"%.*s\" of component \"%.*s\"%s, whose release in "
                "environment \"%.*s\" has no such endpoint",
                SLICE_ARG(endpoint), SLICE_ARG(component), of, SLICE_ARG(in->d->environment));
    } else {
        problem(in, needs, component, "EndpointNotVisible",
                "it depends on endpoint \"%.*s\" of component \"%.*s\"%s, which is visible in its "
                "own project alone",
                SLICE_ARG(*name), SLICE_ARG(component), of);
    }
    return NULL;
}

static void resolve_endpoint(const struct inputs *in, struct deployment_needs *needs,
                             const json_t *dependency)
{
    struct slice component = json_text_at(dependency, "component");
    struct slice project = json_text_at(dependency, "project");
    struct slice name;
    project = project.len > 0 ? project : in->d->project;
    const json_t *found = find_endpoint(in, needs, dependency, project, &name);
    if (found == NULL) {
        return;
    }
    struct slice cell = name_cell(in->arena, in->d->ns, project, in->d->environment);
    const char *host = arena_printf(in->arena, "%.*s.%.*s.svc.cluster.local", SLICE_ARG(component),
                                    SLICE_ARG(cell));
    json_t *port = json_object_get(found, "port");
    json_t *target = json_object_get(found, "targetPort");
    json_array_append_new(needs->endpoints,
                          json_pack("{s:o, s:o, s:o, s:s, s:O, s:O, s:o, s:o}", "component",
                                    json_str(component), "project", json_str(project), "name",
                                    json_str(name), "host", host, "port", port, "targetPort",
                                    target != NULL ? target : port, "basePath",
                                    json_str(json_text_at(found, "basePath")), "type",
                                    json_str(json_text_at(found, "type"))));
}

/* ---- resources ---- */

/* The release that a resource's binding deploys; on paper, that it asks for. */
static struct slice released(const json_t *binding)
{
    struct slice deployed = json_text(json_at(binding, "status", "releaseName", NULL));
    return deployed.len > 0 ? deployed
                            : json_text(json_at(binding, "spec", "resourceRelease", NULL));
}

/* How the resource is called on this cluster. */
static struct deployment resource_deployment(const struct inputs *in, struct slice resource,
                                             struct slice binding, struct slice release)
{
    return (struct deployment){.ns = in->d->ns,
                               .project = in->d->project,
                               .resource = resource,
                               .environment = in->d->environment,
                               .plane = in->d->plane,
                               .cluster = in->d->cluster,
                               .release = release,
                               .binding = binding};
}

/* New, or NULL with the problem told. */
static json_t *outputs_of(const struct inputs *in, struct deployment_needs *needs,
                          struct slice resource, const json_t *binding)
{
    const struct deployment d =
        resource_deployment(in, resource, object_name(binding), released(binding));
    const json_t *rendered =
        deployment__get(in, "RenderedRelease", deployment_name_on(in->platform, in->arena, &d));
    const json_t *told = json_at(rendered, "status", "outputs", NULL);
    const json_t *wanted = json_at(deployment__get(in, "ResourceRelease", d.release), "spec",
                                   "resourceType", "spec", "outputs", NULL);
    if (told != NULL && json_array_size(told) >= json_array_size(wanted)) {
        return json_deep_copy(told);
    }
    struct slice why =
        json_text_at(object_condition(rendered != NULL ? rendered : binding, "Ready"), "message");
    problem(in, needs, resource, DEPLOYMENT_WAITS,
            "it depends on resource \"%.*s\", whose outputs are not known yet on cluster "
            "\"%.*s\"%s%.*s",
            SLICE_ARG(resource), SLICE_ARG(in->d->cluster), why.len > 0 ? ": " : "",
            SLICE_ARG(why));
    return NULL;
}

static const json_t *binding_of(const struct inputs *in, struct slice resource)
{
    const struct platform *p = in->platform;
    return p->resource_binding(p->user, in->d->ns, resource, in->d->environment);
}

/* Why the resource has no release that could be bound, in its own words; empty: it has one, or
 * will. */
static struct slice why_unreleased(const json_t *resource)
{
    const json_t *released = object_condition(resource, "Released");
    bool failed = slice_eq_cstr(json_text_at(released, "status"), "False");
    return failed ? json_text_at(released, "message") : (struct slice){0};
}

static void resolve_resource(const struct inputs *in, struct deployment_needs *needs,
                             const json_t *dependency)
{
    struct slice ref = json_text_at(dependency, "ref");
    struct slice type = json_text_at(dependency, "type");
    const json_t *resource = deployment__get(in, "Resource", ref);
    struct slice project = json_text(json_at(resource, "spec", "project", NULL));
    struct slice is = json_text(json_at(resource, "spec", "type", NULL));
    const json_t *binding = resource != NULL ? binding_of(in, ref) : NULL;
    struct slice unreleased = why_unreleased(resource);
    if (resource == NULL) {
        problem(in, needs, ref, "ResourceNotFound",
                "it depends on resource \"%.*s\", which is not there", SLICE_ARG(ref));
    } else if (!slice_eq(project, in->d->project)) {
        problem(in, needs, ref, "ResourceOfAnother",
                "it depends on resource \"%.*s\", which is one of project \"%.*s\"", SLICE_ARG(ref),
                SLICE_ARG(project));
    } else if (type.len > 0 && !slice_eq(type, is)) {
        problem(in, needs, ref, "ResourceOfAnotherType",
                "it depends on resource \"%.*s\" as one of type %.*s, and it is of type %.*s",
                SLICE_ARG(ref), SLICE_ARG(type), SLICE_ARG(is));
    } else if (binding == NULL && unreleased.len > 0) {
        problem(in, needs, ref, "ResourceNotReleased",
                "it depends on resource \"%.*s\", which cannot be deployed: %.*s", SLICE_ARG(ref),
                SLICE_ARG(unreleased));
    } else if (binding == NULL) {
        bool by_hand = json_is_false(json_at(resource, "spec", "autoDeploy", NULL));
        problem(in, needs, ref, by_hand ? "ResourceNotBound" : DEPLOYMENT_WAITS,
                "it depends on resource \"%.*s\", which is not bound in environment \"%.*s\"%s",
                SLICE_ARG(ref), SLICE_ARG(in->d->environment),
                by_hand ? ": create a ResourceReleaseBinding" : " yet");
    } else {
        json_t *outputs = outputs_of(in, needs, ref, binding);
        if (outputs != NULL) {
            json_array_append_new(needs->resources, json_pack("{s:o, s:o}", "ref", json_str(ref),
                                                              "outputs", outputs));
        }
    }
}

/* ---- all of them ---- */

static void resolve_all(const struct inputs *in, struct deployment_needs *needs)
{
    const json_t *wanted = json_at(in->release, "spec", "workload", "dependencies", NULL);
    size_t i;
    json_t *dependency;
    *needs = (struct deployment_needs){
        .endpoints = json_array(), .resources = json_array(), .problems = json_array()};
    json_array_foreach(json_object_get(wanted, "endpoints"), i, dependency)
    {
        resolve_endpoint(in, needs, dependency);
    }
    json_array_foreach(json_object_get(wanted, "resources"), i, dependency)
    {
        resolve_resource(in, needs, dependency);
    }
}

void deployment__needs_free(struct deployment_needs *needs)
{
    json_decref(needs->endpoints);
    json_decref(needs->resources);
    json_decref(needs->problems);
    *needs = (struct deployment_needs){0};
}

struct slice deployment_problems_text(const json_t *problems, struct arena *arena)
{
    struct buf text = {0};
    size_t count = json_array_size(problems);
    size_t told = count > DEPLOYMENT_PROBLEMS_TOLD ? DEPLOYMENT_PROBLEMS_TOLD : count;
    for (size_t i = 0; i < told; i++) {
        struct slice one = json_text_at(json_array_get(problems, i), "message");
        buf_addf(&text, "%s%.*s", i > 0 ? "; " : "", SLICE_ARG(one));
    }
    if (count > told) {
        buf_addf(&text, "; and %zu more", count - told);
    }
    struct slice copy = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

int deployment__resolve(const struct inputs *in, struct deployment_needs *out, const char **reason,
                        struct err *err)
{
    resolve_all(in, out);
    const json_t *first = json_array_get(out->problems, 0);
    if (first == NULL) {
        return 0;
    }
    *reason = arena_cstr(in->arena, json_text_at(first, "reason"));
    return err_set(err, ERR_NOT_FOUND, "%.*s",
                   SLICE_ARG(deployment_problems_text(out->problems, in->arena)));
}

json_t *deployment_unresolved(const struct platform *p, const struct deployment *d,
                              struct arena *arena)
{
    struct inputs in;
    struct deployment_needs needs;
    deployment__inputs(&in, p, d, arena);
    in.release = deployment__get(&in, "Release", d->release);
    resolve_all(&in, &needs);
    json_t *problems = json_incref(needs.problems);
    deployment__needs_free(&needs);
    return problems;
}

/* ---- circles ---- */

struct walk {
    const struct inputs *in;
    struct slice path[CYCLE_COMPONENTS_MAX]; /* "project/component", from the one that asks */
    struct slice seen[CYCLE_COMPONENTS_MAX];
    size_t depth;
    size_t seen_count;
};

static struct slice walk_key(const struct walk *w, struct slice project, struct slice component)
{
    return slice_of(
        arena_printf(w->in->arena, "%.*s/%.*s", SLICE_ARG(project), SLICE_ARG(component)));
}

static bool first_sight(struct walk *w, struct slice key)
{
    for (size_t i = 0; i < w->seen_count; i++) {
        if (slice_eq(w->seen[i], key)) {
            return false;
        }
    }
    if (w->seen_count == CYCLE_COMPONENTS_MAX) {
        return false;
    }
    w->seen[w->seen_count++] = key;
    return true;
}

/* Whether a way over others leads back to the first; its depth is bounded by what has been seen. */
static bool leads_back(struct walk *w, struct slice project, const json_t *release)
{
    const json_t *wanted = json_at(release, "spec", "workload", "dependencies", "endpoints", NULL);
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *one = json_array_get(wanted, i);
        struct slice component = json_text_at(one, "component");
        struct slice theirs = json_text_at(one, "project");
        theirs = theirs.len > 0 ? theirs : project;
        struct slice key = walk_key(w, theirs, component);
        bool back = slice_eq(key, w->path[0]);
        if (back && w->depth > 1) { /* else it is its own endpoint */
            return true;
        }
        if (!back && first_sight(w, key)) {
            w->path[w->depth++] = key;
            if (leads_back(w, theirs, release_of(w->in, theirs, component))) {
                return true;
            }
            w->depth--;
        }
    }
    return false;
}

struct slice deployment_cycle(const struct platform *p, const struct deployment *d,
                              struct arena *arena)
{
    struct inputs in;
    deployment__inputs(&in, p, d, arena);
    struct walk w = {.in = &in, .depth = 1};
    w.path[0] = walk_key(&w, d->project, d->component);
    (void)first_sight(&w, w.path[0]); /* so no way is longer than what has been seen */
    if (!leads_back(&w, d->project, deployment__get(&in, "Release", d->release))) {
        return SLICE("");
    }
    struct buf text = {0};
    for (size_t i = 0; i <= w.depth; i++) {
        struct slice key = w.path[i < w.depth ? i : 0];
        size_t slash = slice_find(key, SLICE("/"));
        buf_addf(&text, "%s%.*s", i > 0 ? " -> " : "",
                 SLICE_ARG(slice_sub(key, slash + 1, SIZE_MAX)));
    }
    struct slice cycle = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return cycle;
}
