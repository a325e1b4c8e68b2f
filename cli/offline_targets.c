/* offline_targets.c: what of a platform of files is meant, and where an error of it stands.
 *
 * Resources come before components, as on clusters; of each, every environment and cluster that is
 * asked for. */
#include "cli/offline_internal.h"

#include <string.h>

#include "cli/print.h"
#include "proto/object.h"

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
    offline__key(&key, kind, ns, name);
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
                                ? offline__resource_binding(c->o, c->ns, name, environment)
                                : offline__binding(c->o, c->ns, c->project, name, environment);
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
    const json_t *found = offline__find(c->o, "DataPlane", SLICE(""), plane);
    found = plane_serves(found, c->ns) ? found : NULL;
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
        plane_clusters(offline__find(c->o, "DataPlane", SLICE(""), plane), &c->o->arena, &clusters);
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
    const json_t *project = offline__find(c->o, "Project", c->ns, c->project);
    struct slice name = json_text(json_at(project, "spec", "deploymentPipeline", NULL));
    name = name.len > 0 ? name : SLICE("default");
    const json_t *pipeline = offline__find(c->o, "DeploymentPipeline", c->ns, name);
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
    const json_t *fault = json_object_get(c->o->faults, offline__member_key(c->o, component));
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
    size_t all = offline__list(c->o, kind, &objects);
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
                const json_t *local = offline__find(o, "Trait", object_ns(release), name);
                const json_t *cluster = offline__find(o, "ClusterTrait", SLICE(""), name);
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
    const json_t *release =
        offline__find(o, of_resource ? "ResourceRelease" : "Release", d->ns, d->release);
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
        object = offline__find(o, kind, of_cluster ? SLICE("") : d->ns, json_text_at(type, "name"));
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
