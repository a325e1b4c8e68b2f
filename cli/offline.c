/* offline.c: from files to a platform.
 *
 * Objects are kept by kind, namespace and name. What the control plane would add is added in the
 * order in which one thing needs another: organizations and types, environments and pipelines,
 * components, releases; then bindings, when somebody looks for one. */
#include "cli/offline_internal.h"

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

void offline__key(struct buf *key, const char *kind, struct slice ns, struct slice name)
{
    buf_addf(key, "%s/%.*s/%.*s", kind, SLICE_ARG(ns), SLICE_ARG(name));
}

json_t *offline__find(const struct offline *o, const char *kind, struct slice ns, struct slice name)
{
    struct buf key = {0};
    offline__key(&key, kind, ns, name);
    json_t *found = json_object_get(o->objects, buf_cstr(&key));
    buf_free(&key);
    return found;
}

/* Takes object. place: the number of its manifest, or -1. */
static void add(struct offline *o, json_t *object, int place)
{
    struct buf key = {0};
    offline__key(&key, arena_cstr(&o->arena, object_kind(object)), object_ns(object),
                 object_name(object));
    json_object_set_new(o->objects, buf_cstr(&key), object);
    if (place >= 0) {
        json_object_set_new(o->places, buf_cstr(&key), json_integer(place));
    }
    buf_free(&key);
}

static void add_missing(struct offline *o, json_t *object)
{
    if (offline__find(o, arena_cstr(&o->arena, object_kind(object)), object_ns(object),
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
size_t offline__list(struct offline *o, const char *kind, json_t ***out)
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
    return offline__find(user, kind, ns, name);
}

static struct slice platform_uid(void *user, const char *kind, struct slice ns, struct slice name)
{
    return object_uid(offline__find(user, kind, ns, name));
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
    size_t count = offline__list(user, "Project", &projects);
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
    size_t count = offline__list(o, "ReleaseBinding", &bindings);
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
    const json_t *status = json_at(offline__find(o, "Component", ns, component), "status", NULL);
    return json_text(json_at(status, "latestRelease", "name", NULL));
}

/* The component's binding to the environment: the one that is given, or as it would be made. */
const json_t *offline__binding(void *user, struct slice ns, struct slice project,
                               struct slice component, struct slice environment)
{
    struct offline *o = user;
    const json_t *object = offline__find(o, "Component", ns, component);
    struct slice release = made_release(o, ns, component);
    if (object == NULL || !slice_eq(platform_project(&o->platform, object).name, project)) {
        return NULL;
    }
    json_t *binding = given_binding(o, ns, component, environment);
    struct slice named = json_text(json_at(binding, "spec", "releaseName", NULL));
    if (binding != NULL && offline__find(o, "Release", ns, named) == NULL && release.len > 0) {
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
    const json_t *status = json_at(offline__find(o, "Resource", ns, resource), "status", NULL);
    return json_text(json_at(status, "latestRelease", "name", NULL));
}

static json_t *given_resource_binding(struct offline *o, struct slice ns, struct slice resource,
                                      struct slice environment)
{
    json_t **bindings;
    size_t count = offline__list(o, "ResourceReleaseBinding", &bindings);
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

/* As offline__binding(), of a resource. */
const json_t *offline__resource_binding(void *user, struct slice ns, struct slice resource,
                                        struct slice environment)
{
    struct offline *o = user;
    struct slice made = made_resource_release(o, ns, resource);
    json_t *binding = given_resource_binding(o, ns, resource, environment);
    struct slice named = json_text(json_at(binding, "spec", "resourceRelease", NULL));
    const json_t *release = offline__find(o, "ResourceRelease", ns, made);
    if (binding != NULL && offline__find(o, "ResourceRelease", ns, named) == NULL && made.len > 0) {
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
    size_t count = offline__list(o, "DataPlane", &planes);
    struct slice named = json_text(json_at(org, "spec", "dataPlane", NULL));
    if (named.len > 0 || offline__find(o, "DataPlane", SLICE(""), SLICE("development")) != NULL) {
        return named.len > 0 ? named : SLICE("development");
    }
    for (size_t i = 0; i < count; i++) {
        if (plane_serves(planes[i], object_name(org))) {
            return object_name(planes[i]);
        }
    }
    return SLICE("");
}

static void add_firsts(struct offline *o)
{
    json_t **orgs;
    size_t count = offline__list(o, "Organization", &orgs);
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
    size_t count = offline__list(o, "Project", &projects);
    for (size_t i = 0; i < count; i++) {
        const json_t *listed = json_at(projects[i], "spec", "components", NULL);
        for (size_t k = 0; k < json_array_size(listed); k++) {
            add_missing(o, platform_listed_component(projects[i], json_array_get(listed, k)));
        }
    }
}

/* "NS/NAME" of a component. */
const char *offline__member_key(struct offline *o, const json_t *component)
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
    } else if (project.named &&
               offline__find(o, "Project", object_ns(component), project.name) == NULL) {
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
    json_object_set_new(o->faults, offline__member_key(o, component),
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

/* The control plane makes objects of choreo.dev of them (reconcile/controllers/openchoreo.h). */
static bool is_translated(const json_t *object)
{
    return slice_starts_with(object_api_version(object), SLICE("openchoreo.dev/"));
}

/* Without what is translated, which says so; an error if that is all there is to render. */
static int tell_translated(const struct offline *o, size_t translated, struct err *err)
{
    const char *words =
        "the control plane makes choreo.dev's of openchoreo.dev's, and they are not "
        "rendered without it (choreo get renderedreleases, of a server)";
    if (translated == 0) {
        return 0;
    }
    if (json_object_size(o->objects) == 0) {
        return err_set(err, ERR_UNSUPPORTED, "%s", words);
    }
    print_err("left out: %zu manifest%s: %s\n", translated, translated == 1 ? "" : "s", words);
    return 0;
}

static int read_all(struct offline *o, const struct cli *c, struct err *err)
{
    size_t translated = 0;
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
        if (is_translated(object)) {
            translated++;
        } else if (json_is_object(object)) {
            add(o, json_incref(object), (int)i);
        }
    }
    json_decref(uids);
    json_decref(admitted);
    return rc == 0 ? tell_translated(o, translated, err) : rc;
}

int offline_open(struct offline *o, const struct cli *c, struct err *err)
{
    *o = (struct offline){
        .objects = json_object(), .places = json_object(), .faults = json_object()};
    o->platform = (struct platform){.user = o,
                                    .get = platform_get,
                                    .uid = platform_uid,
                                    .listing = platform_listing,
                                    .binding = offline__binding,
                                    .resource_binding = offline__resource_binding};
    int rc = read_all(o, c, err);
    if (rc != 0) {
        offline_free(o);
        return rc;
    }
    add_builtin(o);
    add_firsts(o);
    add_listed(o);
    json_t **components;
    size_t count = offline__list(o, "Component", &components);
    for (size_t i = 0; i < count; i++) {
        add_resources(o, components[i]);
        add_release(o, components[i]);
    }
    json_t **resources;
    count = offline__list(o, "Resource", &resources);
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
