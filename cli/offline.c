/* offline.c: from files to a platform.
 *
 * Objects are kept by kind, namespace and name. What the control plane would add is added in the
 * order in which one thing needs another: organizations and types, environments and pipelines,
 * components, releases; then bindings, when somebody looks for one. */
#include "cli/offline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "cli/print.h"
#include "proto/object.h"
#include "render/builtin.h"
#include "render/release.h"
#include "render/resource_release.h"

/* ---- objects ---- */

static void key_of(struct buf *key, const char *kind, struct slice ns, struct slice name)
{
    buf_addf(key, "%s/%.*s/%.*s", kind, SLICE_ARG(ns), SLICE_ARG(name));
}

static json_t *find(const struct offline *o, const char *kind, struct slice ns, struct slice name)
{
    struct buf key = {0};
    key_of(&key, kind, ns, name);
    json_t *found = json_object_get(o->objects, buf_cstr(&key));
    buf_free(&key);
    return found;
}

/* Takes object. place: the number of its manifest, or -1. */
static void add(struct offline *o, json_t *object, int place)
{
    struct buf key = {0};
    key_of(&key, arena_cstr(&o->arena, object_kind(object)), object_ns(object),
           object_name(object));
    json_object_set_new(o->objects, buf_cstr(&key), object);
    if (place >= 0) {
        json_object_set_new(o->places, buf_cstr(&key), json_integer(place));
    }
    buf_free(&key);
}

static void add_missing(struct offline *o, json_t *object)
{
    if (find(o, arena_cstr(&o->arena, object_kind(object)), object_ns(object),
             object_name(object)) == NULL) {
        add(o, object, -1);
    } else {
        json_decref(object);
    }
}

static int by_name(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a;
    const json_t *y = *(json_t *const *)b;
    int order = slice_cmp(object_ns(x), object_ns(y));
    return order != 0 ? order : slice_cmp(object_name(x), object_name(y));
}

/* All of a kind, by namespace and name; the arena's. */
static size_t list(struct offline *o, const char *kind, json_t ***out)
{
    size_t count = 0;
    const char *key;
    json_t *object;
    json_t **found = arena_alloc(&o->arena, (json_object_size(o->objects) + 1) * sizeof *found);
    json_object_foreach(o->objects, key, object)
    {
        if (slice_eq_cstr(object_kind(object), kind)) {
            found[count++] = object;
        }
    }
    qsort(found, count, sizeof *found, by_name);
    *out = found;
    return count;
}

/* ---- as a platform ---- */

static const json_t *platform_get(void *user, const char *kind, struct slice ns, struct slice name)
{
    return find(user, kind, ns, name);
}

static struct slice platform_uid(void *user, const char *kind, struct slice ns, struct slice name)
{
    return object_uid(find(user, kind, ns, name));
}

static bool lists(const json_t *project, struct slice component)
{
    const json_t *listed = json_at(project, "spec", "components", NULL);
    for (size_t i = 0; i < json_array_size(listed); i++) {
        if (slice_eq(json_text_at(json_array_get(listed, i), "name"), component)) {
            return true;
        }
    }
    return false;
}

static size_t platform_listing(void *user, struct slice ns, struct slice component,
                               struct slice names[2])
{
    json_t **projects;
    size_t count = list(user, "Project", &projects);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(object_ns(projects[i]), ns) && lists(projects[i], component)) {
            if (found < 2) {
                names[found] = object_name(projects[i]);
            }
            found++;
        }
    }
    return found;
}

/* The one among the manifests, or NULL. */
static json_t *given_binding(struct offline *o, struct slice ns, struct slice component,
                             struct slice environment)
{
    json_t **bindings;
    size_t count = list(o, "ReleaseBinding", &bindings);
    for (size_t i = 0; i < count; i++) {
        const json_t *spec = json_object_get(bindings[i], "spec");
        if (slice_eq(object_ns(bindings[i]), ns) &&
            slice_eq(json_text(json_at(spec, "owner", "componentName", NULL)), component) &&
            slice_eq(json_text_at(spec, "environment"), environment)) {
            return bindings[i];
        }
    }
    return NULL;
}

static struct slice made_release(struct offline *o, struct slice ns, struct slice component)
{
    const json_t *status = json_at(find(o, "Component", ns, component), "status", NULL);
    return json_text(json_at(status, "latestRelease", "name", NULL));
}

/* The component's binding to the environment: the one that is given, or as it would be made. */
static const json_t *platform_binding(void *user, struct slice ns, struct slice project,
                                      struct slice component, struct slice environment)
{
    struct offline *o = user;
    const json_t *object = find(o, "Component", ns, component);
    struct slice release = made_release(o, ns, component);
    if (object == NULL || !slice_eq(platform_project(&o->platform, object).name, project)) {
        return NULL;
    }
    json_t *binding = given_binding(o, ns, component, environment);
    struct slice named = json_text(json_at(binding, "spec", "releaseName", NULL));
    if (binding != NULL && find(o, "Release", ns, named) == NULL && release.len > 0) {
        if (named.len > 0) {
            print_err("note: release %.*s is not among the manifests: %.*s is rendered as it is "
                      "now\n",
                      SLICE_ARG(named), SLICE_ARG(component));
        }
        json_object_set_new(json_object_get(binding, "spec"), "releaseName", json_str(release));
    } else if (binding == NULL && release.len > 0) {
        struct slice name = deployment_binding_name(&o->arena, component, environment);
        binding = object_new("choreo.dev/v1", "ReleaseBinding", ns, name);
        json_object_set_new(binding, "spec",
                            release_binding(project, component, environment, release));
        add(o, binding, -1);
    }
    return binding;
}

static struct slice made_resource_release(struct offline *o, struct slice ns, struct slice resource)
{
    const json_t *status = json_at(find(o, "Resource", ns, resource), "status", NULL);
    return json_text(json_at(status, "latestRelease", "name", NULL));
}

static json_t *given_resource_binding(struct offline *o, struct slice ns, struct slice resource,
                                      struct slice environment)
{
    json_t **bindings;
    size_t count = list(o, "ResourceReleaseBinding", &bindings);
    for (size_t i = 0; i < count; i++) {
        const json_t *spec = json_object_get(bindings[i], "spec");
        if (slice_eq(object_ns(bindings[i]), ns) &&
            slice_eq(json_text(json_at(spec, "owner", "resourceName", NULL)), resource) &&
            slice_eq(json_text_at(spec, "environment"), environment)) {
            return bindings[i];
        }
    }
    return NULL;
}

/* As platform_binding(), of a resource. */
static const json_t *platform_resource_binding(void *user, struct slice ns, struct slice resource,
                                               struct slice environment)
{
    struct offline *o = user;
    struct slice made = made_resource_release(o, ns, resource);
    json_t *binding = given_resource_binding(o, ns, resource, environment);
    struct slice named = json_text(json_at(binding, "spec", "resourceRelease", NULL));
    const json_t *release = find(o, "ResourceRelease", ns, made);
    if (binding != NULL && find(o, "ResourceRelease", ns, named) == NULL && made.len > 0) {
        json_object_set_new(json_object_get(binding, "spec"), "resourceRelease", json_str(made));
    } else if (binding == NULL && release != NULL) {
        struct slice name = resource_binding_name(&o->arena, resource, environment);
        binding = object_new("choreo.dev/v1", "ResourceReleaseBinding", ns, name);
        json_object_set_new(binding, "spec", resource_binding(&o->platform, release, environment));
        add(o, binding, -1);
    }
    return binding;
}

/* ---- what the control plane adds ---- */

static void add_builtin(struct offline *o)
{
    json_t *org = object_new("choreo.dev/v1", "Organization", SLICE(""), SLICE("default"));
    json_object_set_new(org, "spec", json_object());
    add_missing(o, org);
    for (size_t i = 0; i < builtin_count(); i++) {
        json_t *type;
        if (builtin_load(builtin_name(i), &type, NULL) == 0) {
            add_missing(o, type);
        }
    }
    for (size_t i = 0; i < builtin_resource_count(); i++) {
        json_t *type;
        if (builtin_load(builtin_resource_name(i), &type, NULL) == 0) {
            add_missing(o, type);
        }
    }
}

/* The plane of an organization's first environment: the one it names, else `development`, else the
 * first. */
static struct slice first_plane(struct offline *o, const json_t *org)
{
    json_t **planes;
    size_t count = list(o, "DataPlane", &planes);
    struct slice named = json_text(json_at(org, "spec", "dataPlane", NULL));
    if (named.len > 0 || find(o, "DataPlane", SLICE(""), SLICE("development")) != NULL) {
        return named.len > 0 ? named : SLICE("development");
    }
    return count > 0 ? object_name(planes[0]) : SLICE("");
}

static void add_firsts(struct offline *o)
{
    json_t **orgs;
    size_t count = list(o, "Organization", &orgs);
    for (size_t i = 0; i < count; i++) {
        struct slice plane = first_plane(o, orgs[i]);
        if (plane.len > 0) {
            add_missing(o, platform_first_environment(object_name(orgs[i]), plane));
            add_missing(o, platform_first_pipeline(object_name(orgs[i])));
        }
    }
}

static void add_listed(struct offline *o)
{
    json_t **projects;
    size_t count = list(o, "Project", &projects);
    for (size_t i = 0; i < count; i++) {
        const json_t *listed = json_at(projects[i], "spec", "components", NULL);
        for (size_t k = 0; k < json_array_size(listed); k++) {
            add_missing(o, platform_listed_component(projects[i], json_array_get(listed, k)));
        }
    }
}

/* "NS/NAME" of a component. */
static const char *member_key(struct offline *o, const json_t *component)
{
    return arena_printf(&o->arena, "%.*s/%.*s", SLICE_ARG(object_ns(component)),
                        SLICE_ARG(object_name(component)));
}

static void add_release(struct offline *o, json_t *component)
{
    struct platform_project project = platform_project(&o->platform, component);
    const char *reason = NULL;
    struct err why = {0};
    json_t *spec;
    if (project.also.len > 0) {
        err_set(&why, ERR_UNPROCESSABLE,
                "projects \"%.*s\" and \"%.*s\" both list it: set spec.project, or list it once",
                SLICE_ARG(project.name), SLICE_ARG(project.also));
    } else if (project.named && find(o, "Project", object_ns(component), project.name) == NULL) {
        err_set(&why, ERR_NOT_FOUND, "there is no project \"%.*s\"", SLICE_ARG(project.name));
    } else if (release_make(&o->platform, component, project.name, &spec, &reason, &why) == 0) {
        struct slice name = release_name(&o->arena, object_name(component), spec);
        json_t *release = object_new("choreo.dev/v1", "Release", object_ns(component), name);
        json_object_set_new(release, "spec", spec);
        json_object_set_new(component, "status",
                            json_pack("{s:{s:o}}", "latestRelease", "name", json_str(name)));
        add_missing(o, release);
        return;
    }
    json_object_set_new(o->faults, member_key(o, component),
                        json_pack("{s:i, s:s}", "code", why.code, "message", why.message));
}

/* The resources that a component names alone. */
static void add_resources(struct offline *o, const json_t *component)
{
    struct slice project = platform_project(&o->platform, component).name;
    const json_t *dependencies = json_at(component, "spec", "dependencies", NULL);
    for (size_t i = 0; i < json_array_size(dependencies); i++) {
        const json_t *one = json_array_get(dependencies, i);
        if (dependency_is_resource(one) && json_text_at(one, "resource").len == 0) {
            add_missing(o, dependency_resource_new(&o->arena, object_ns(component), project, one));
        }
    }
}

static void add_resource_release(struct offline *o, json_t *resource)
{
    const char *reason = NULL;
    struct err why = {0};
    json_t *spec;
    if (resource_release_make(&o->platform, resource, &spec, &reason, &why) != 0) {
        json_object_set_new(resource, "status", json_pack("{s:s}", "fault", why.message));
        return;
    }
    struct slice name = release_name(&o->arena, object_name(resource), spec);
    json_t *release = object_new("choreo.dev/v1", "ResourceRelease", object_ns(resource), name);
    json_object_set_new(release, "spec", spec);
    json_object_set_new(resource, "status",
                        json_pack("{s:{s:o}}", "latestRelease", "name", json_str(name)));
    add_missing(o, release);
}

/* ---- reading ---- */

/* What a server put into an exported object is not what its writer says; a uid is kept. */
static void take_exported(struct manifests *files, json_t *uids)
{
    static const char *const theirs[] = {"resourceVersion", "generation", "creationTimestamp",
                                         "managedFields",   "uid",        "deletionTimestamp"};
    for (size_t i = 0; i < files->count; i++) {
        json_t *metadata = json_object_get(files->items[i].tree, "metadata");
        json_array_append_new(uids, json_str(json_text_at(metadata, "uid")));
        for (size_t k = 0; k < sizeof theirs / sizeof *theirs; k++) {
            json_object_del(metadata, theirs[k]);
        }
        json_object_del(files->items[i].tree, "status");
    }
}

static int read_all(struct offline *o, const struct cli *c, struct err *err)
{
    json_t *uids = json_array();
    json_t *admitted = json_array();
    int rc = manifests_read(&o->files, &c->options.filename, c->options.recursive, err);
    if (rc == 0 || o->files.fault_count > 0) {
        take_exported(&o->files, uids);
        rc = check_all(&o->files, c->ns, admitted, err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(admitted); i++) {
        json_t *object = json_array_get(admitted, i);
        json_t *metadata = json_object_get(object, "metadata");
        struct slice uid = json_text(json_array_get(uids, i));
        json_object_del(metadata, "uid");
        if (uid.len > 0) {
            json_object_set_new(metadata, "uid", json_str(uid));
        }
        if (json_is_object(object)) {
            add(o, json_incref(object), (int)i);
        }
    }
    json_decref(uids);
    json_decref(admitted);
    return rc;
}

int offline_open(struct offline *o, const struct cli *c, struct err *err)
{
    *o = (struct offline){
        .objects = json_object(), .places = json_object(), .faults = json_object()};
    o->platform = (struct platform){.user = o,
                                    .get = platform_get,
                                    .uid = platform_uid,
                                    .listing = platform_listing,
                                    .binding = platform_binding,
                                    .resource_binding = platform_resource_binding};
    int rc = read_all(o, c, err);
    if (rc != 0) {
        offline_free(o);
        return rc;
    }
    add_builtin(o);
    add_firsts(o);
    add_listed(o);
    json_t **components;
    size_t count = list(o, "Component", &components);
    for (size_t i = 0; i < count; i++) {
        add_resources(o, components[i]);
        add_release(o, components[i]);
    }
    json_t **resources;
    count = list(o, "Resource", &resources);
    for (size_t i = 0; i < count; i++) {
        add_resource_release(o, resources[i]);
    }
    return 0;
}

void offline_free(struct offline *o)
{
    manifests_free(&o->files);
    json_decref(o->objects);
    json_decref(o->places);
    json_decref(o->faults);
    arena_free(&o->arena);
    *o = (struct offline){0};
}

/* ---- choosing ---- */

struct choosing {
    struct offline *o;
    const struct options *options;
    const json_t *component; /* or */
    const json_t *resource;
    struct slice ns;
    struct slice project;
    const char *place;
    struct offline_target *targets;
    size_t count;
    size_t cap;
    struct err first; /* failure */
};

static const struct manifest *manifest_of(const struct offline *o, const char *kind,
                                          struct slice ns, struct slice name)
{
    struct buf key = {0};
    key_of(&key, kind, ns, name);
    const json_t *place = json_object_get(o->places, buf_cstr(&key));
    buf_free(&key);
    return place != NULL ? &o->files.items[json_integer_value(place)] : NULL;
}

/* "file:line: title", or the title alone of what is in no file. */
static const char *place_text(struct offline *o, const json_t *object, struct slice field)
{
    const struct manifest *m = manifest_of(o, arena_cstr(&o->arena, object_kind(object)),
                                           object_ns(object), object_name(object));
    const char *title = manifest_title(object, &o->arena);
    return m == NULL ? title
                     : arena_printf(&o->arena, "%s:%d: %s", m->file,
                                    manifest_line(&o->files, m, field), title);
}

static void fail(struct choosing *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct choosing *c, int code, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    if (c->first.code == 0) {
        err_set(&c->first, code, "%s: %s", c->place, buf_cstr(&text));
    } else {
        print_err("%s: %s\n", c->place, buf_cstr(&text));
    }
    buf_free(&text);
}

static struct offline_target *target_new(struct choosing *c)
{
    if (c->count == c->cap) {
        c->cap = c->cap == 0 ? 16 : c->cap * 2;
        struct offline_target *more = arena_alloc(&c->o->arena, c->cap * sizeof *more);
        if (c->count > 0) {
            memcpy(more, c->targets, c->count * sizeof *more);
        }
        c->targets = more;
    }
    return &c->targets[c->count++];
}

static void add_target(struct choosing *c, struct slice environment, struct slice plane,
                       struct slice cluster)
{
    bool of_resource = c->resource != NULL;
    struct slice name = object_name(of_resource ? c->resource : c->component);
    const json_t *binding = of_resource
                                ? platform_resource_binding(c->o, c->ns, name, environment)
                                : platform_binding(c->o, c->ns, c->project, name, environment);
    const char *release = of_resource ? "resourceRelease" : "releaseName";
    if (slice_eq_cstr(json_text(json_at(binding, "spec", "state", NULL)), "Undeploy")) {
        return;
    }
    *target_new(c) = (struct offline_target){
        .deployment = {.ns = c->ns,
                       .project = c->project,
                       .component = of_resource ? SLICE("") : name,
                       .resource = of_resource ? name : SLICE(""),
                       .environment = environment,
                       .plane = plane,
                       .cluster = cluster,
                       .release = json_text(json_at(binding, "spec", release, NULL)),
                       .binding = object_name(binding)},
        .place = c->place};
}

/* What an environment needs to be somewhere. */
static bool find_place(struct choosing *c, struct slice name, struct environment *env,
                       struct placement *placement)
{
    environment_read(&c->o->platform, c->ns, name, &c->o->arena, env);
    struct slice plane = json_text_at(env->spec, "dataPlane");
    const json_t *found = find(c->o, "DataPlane", SLICE(""), plane);
    const char *kind = env->object == NULL    ? "environment"
                       : env->missing.len > 0 ? "environment template"
                                              : "data plane";
    if (env->object == NULL || env->missing.len > 0 || found == NULL) {
        struct slice missing = env->object == NULL    ? name
                               : env->missing.len > 0 ? env->missing
                                                      : plane;
        fail(c, ERR_NOT_FOUND, "there is no %s \"%.*s\" among the manifests", kind,
             SLICE_ARG(missing));
        return false;
    }
    environment_place(env, found, &c->o->arena, placement);
    if (placement->shortage != NULL && placement->count == 0) {
        fail(c, ERR_NOT_FOUND, "environment \"%.*s\": %s", SLICE_ARG(name), placement->shortage);
    }
    return placement->count > 0;
}

static bool has_cluster(struct choosing *c, struct slice plane, struct slice name)
{
    struct plane_cluster *clusters;
    size_t count =
        plane_clusters(find(c->o, "DataPlane", SLICE(""), plane), &c->o->arena, &clusters);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(clusters[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* On every cluster that the environment is on, or the one that is asked for. */
static void choose_clusters(struct choosing *c, struct slice environment)
{
    const char *wanted = c->options->cluster;
    struct environment env;
    struct placement placement;
    size_t before = c->count;
    if (!find_place(c, environment, &env, &placement)) {
        return;
    }
    struct slice plane = json_text_at(env.spec, "dataPlane");
    for (size_t i = 0; i < placement.count; i++) {
        if (wanted == NULL || slice_eq_cstr(placement.clusters[i].name, wanted)) {
            add_target(c, environment, plane, placement.clusters[i].name);
        }
    }
    if (wanted != NULL && c->count == before && !c->options->everywhere) {
        bool there = has_cluster(c, plane, slice_of(wanted));
        if (there) {
            fail(c, ERR_NOT_FOUND, "environment \"%.*s\" is not on cluster \"%s\"",
                 SLICE_ARG(environment), wanted);
        } else {
            fail(c, ERR_NOT_FOUND, "data plane \"%.*s\" has no cluster \"%s\"", SLICE_ARG(plane),
                 wanted);
        }
    }
}

static void choose_environments(struct choosing *c)
{
    const json_t *project = find(c->o, "Project", c->ns, c->project);
    struct slice name = json_text(json_at(project, "spec", "deploymentPipeline", NULL));
    name = name.len > 0 ? name : SLICE("default");
    const json_t *pipeline = find(c->o, "DeploymentPipeline", c->ns, name);
    struct slice *all;
    if (c->options->environment != NULL) {
        choose_clusters(c, slice_of(c->options->environment));
        return;
    }
    struct slice first = pipeline_first(pipeline);
    if (first.len == 0) {
        fail(c, ERR_NOT_FOUND,
             pipeline == NULL ? "there is no deployment pipeline \"%.*s\" among the manifests; "
                                "--environment says where else"
                              : "deployment pipeline \"%.*s\" has no environment that releases "
                                "start in",
             SLICE_ARG(name));
        return;
    }
    size_t count = c->options->everywhere ? pipeline_environments(pipeline, &c->o->arena, &all) : 0;
    for (size_t i = 0; i < count; i++) {
        choose_clusters(c, all[i]);
    }
    if (!c->options->everywhere) {
        choose_clusters(c, first);
    }
}

static void choose_component(struct choosing *c, const json_t *component)
{
    const json_t *fault = json_object_get(c->o->faults, member_key(c->o, component));
    bool asked = c->options->component != NULL;
    c->component = component;
    c->resource = NULL;
    c->ns = object_ns(component);
    c->project = platform_project(&c->o->platform, component).name;
    c->place = place_text(c->o, component, SLICE(""));
    if (fault != NULL) {
        fail(c, (int)json_integer_value(json_object_get(fault, "code")), "%s",
             json_string_value(json_object_get(fault, "message")));
    } else if (json_is_false(json_at(component, "spec", "autoDeploy", NULL)) && !asked) {
        print_err("note: %s: spec.autoDeploy is false: nothing is deployed by itself; --component "
                  "renders it\n",
                  c->place);
    } else {
        choose_environments(c);
    }
}

static void choose_resource(struct choosing *c, const json_t *resource)
{
    const char *fault = json_string_value(json_at(resource, "status", "fault", NULL));
    c->component = NULL;
    c->resource = resource;
    c->ns = object_ns(resource);
    c->project = json_text(json_at(resource, "spec", "project", NULL));
    c->place = place_text(c->o, resource, SLICE(""));
    if (fault != NULL) {
        fail(c, ERR_UNPROCESSABLE, "%s", fault);
    } else if (c->options->resource != NULL ||
               !json_is_false(json_at(resource, "spec", "autoDeploy", NULL))) {
        choose_environments(c);
    }
}

/* Those of a kind that are called so (NULL: all), in the namespace that is asked for. */
static size_t choose_all(struct choosing *c, const char *kind, const char *name,
                         void (*choose)(struct choosing *c, const json_t *object))
{
    json_t **objects;
    size_t all = list(c->o, kind, &objects);
    size_t chosen = 0;
    for (size_t i = 0; i < all; i++) {
        bool named = name == NULL || slice_eq_cstr(object_name(objects[i]), name);
        bool here = c->options->ns == NULL || slice_eq_cstr(object_ns(objects[i]), c->options->ns);
        if (named && here) {
            chosen++;
            choose(c, objects[i]);
        }
    }
    return chosen;
}

int offline_targets(struct offline *o, const struct cli *c, struct offline_target **targets,
                    size_t *count, struct err *err)
{
    struct choosing choosing = {.o = o, .options = &c->options};
    const char *component = c->options.component;
    const char *resource = c->options.resource;
    size_t chosen = 0;
    if (component == NULL) {
        chosen += choose_all(&choosing, "Resource", resource, choose_resource);
    }
    if (resource == NULL || component != NULL) {
        chosen += choose_all(&choosing, "Component", component, choose_component);
    }
    *targets = choosing.targets;
    *count = choosing.count;
    if (chosen == 0) {
        const char *name = component != NULL ? component : resource;
        return err_set(err, ERR_NOT_FOUND, "there is no %s%s%s among the manifests",
                       resource != NULL ? "resource" : "component", name != NULL ? " " : "",
                       name != NULL ? name : "");
    }
    if (choosing.first.code != 0) {
        *err = choosing.first;
    }
    return choosing.first.code;
}

/* ---- places of errors ---- */

/* The trait object of a use, by its instance's name; NULL: none. */
static const json_t *trait_named(struct offline *o, const json_t *release, struct slice instance)
{
    const json_t *lists[] = {json_at(release, "spec", "componentType", "spec", "traits", NULL),
                             json_at(release, "spec", "componentProfile", "traits", NULL)};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < json_array_size(lists[k]); i++) {
            const json_t *use = json_array_get(lists[k], i);
            struct slice name = json_text_at(use, "name");
            if (slice_eq(json_text_at(use, "instanceName"), instance)) {
                const json_t *local = find(o, "Trait", object_ns(release), name);
                const json_t *cluster = find(o, "ClusterTrait", SLICE(""), name);
                bool own = k == 1 && slice_eq_cstr(json_text_at(use, "kind"), "Trait");
                return own || cluster == NULL ? local : cluster;
            }
        }
    }
    return NULL;
}

/* "resources[x].template.y" of "resources[x].template.y, column 3: what". */
static struct slice path_of(struct slice message)
{
    static const char *const ends[] = {", column ", ", line ", ": "};
    size_t end = message.len;
    for (size_t i = 0; i < 3; i++) {
        size_t at = slice_find(message, slice_of(ends[i]));
        end = at < end ? at : end;
    }
    return slice_sub(message, 0, end);
}

int offline_place(struct offline *o, const struct offline_target *target, struct err *err)
{
    const struct deployment *d = &target->deployment;
    bool of_resource = d->resource.len > 0;
    const json_t *release = find(o, of_resource ? "ResourceRelease" : "Release", d->ns, d->release);
    const json_t *type =
        json_at(release, "spec", of_resource ? "resourceType" : "componentType", NULL);
    const char *kind = arena_cstr(&o->arena, json_text_at(type, "kind"));
    bool of_cluster = slice_starts_with(slice_of(kind), SLICE("Cluster"));
    struct slice message = slice_of(arena_cstr(&o->arena, slice_of(err->message)));
    struct slice path = path_of(message);
    const json_t *object = NULL;
    if (slice_starts_with(path, SLICE("traits["))) {
        size_t close = slice_find(path, SLICE("]"));
        object = trait_named(o, release, slice_sub(path, 7, close - 7));
        path = slice_sub(path, close + 2, SIZE_MAX);
    } else if (slice_starts_with(path, SLICE("resources[")) ||
               slice_find(path, SLICE("alidations[")) != SIZE_MAX) {
        object = find(o, kind, of_cluster ? SLICE("") : d->ns, json_text_at(type, "name"));
    }
    if (object == NULL) {
        return err_set(err, err->code, "%s in environment %.*s: %.*s", target->place,
                       SLICE_ARG(d->environment), SLICE_ARG(message));
    }
    const char *field = arena_printf(&o->arena, "spec.%.*s", SLICE_ARG(path));
    return err_set(err, err->code, "%s: %.*s (%s %.*s in environment %.*s)",
                   place_text(o, object, slice_of(field)), SLICE_ARG(message),
                   of_resource ? "resource" : "component",
                   SLICE_ARG(of_resource ? d->resource : d->component), SLICE_ARG(d->environment));
}
