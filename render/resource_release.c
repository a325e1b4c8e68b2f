/* resource_release.c: a type of the namespace, else of the cluster, frozen with the parameters. */
#include "render/resource_release.h"

#include "proto/object.h"
#include "render/layers.h"
#include "render/name.h"
#include "render/schema.h"
#include "render/section.h"

/* Names of what is made, short enough for the labels and host names that are made of them. */
enum { RESOURCE_NAME_MAX = 30 };

#define PROVIDER "provider"

static json_t *frozen(const json_t *type, const char *group)
{
    json_t *frozen = json_pack("{s:o, s:o, s:O}", "kind", json_str(object_kind(type)), "name",
                               json_str(object_name(type)), "spec", json_object_get(type, "spec"));
    if (group != NULL) {
        json_object_set_new(frozen, "group", json_string(group));
    }
    return frozen;
}

static json_t *find_in(const struct platform *p, const char *const kinds[2], struct slice ns,
                       struct slice kind, struct slice name, const char *group)
{
    bool of_cluster = slice_starts_with(kind, SLICE("Cluster"));
    const json_t *found = of_cluster ? NULL : p->get(p->user, kinds[0], ns, name);
    if (found == NULL && (kind.len == 0 || of_cluster)) {
        found = p->get(p->user, kinds[1], SLICE(""), name);
    }
    return json_object_get(found, "spec") != NULL ? frozen(found, group) : NULL;
}

/* OpenChoreo's resources are of OpenChoreo's types, as components are (render/release.c). */
static bool is_openchoreo(const json_t *resource)
{
    return slice_eq_cstr(json_text(json_at(resource, "spec", "resourceType", "group", NULL)),
                         OPENCHOREO_GROUP);
}

static json_t *find_type(const struct platform *p, const json_t *resource, struct slice *name)
{
    static const char *const ours[] = {"ResourceType", "ClusterResourceType"};
    static const char *const theirs[] = {OPENCHOREO_GROUP "/ResourceType",
                                         OPENCHOREO_GROUP "/ClusterResourceType"};
    const json_t *full = json_at(resource, "spec", "resourceType", NULL);
    struct slice kind = json_text_at(full, "kind");
    struct slice ns = object_ns(resource);
    *name = full != NULL ? json_text_at(full, "name")
                         : json_text(json_at(resource, "spec", "type", NULL));
    return is_openchoreo(resource) ? find_in(p, theirs, ns, kind, *name, OPENCHOREO_GROUP)
                                   : find_in(p, ours, ns, kind, *name, NULL);
}

/* Parameters are looked at when they are released, and not only when they are rendered, which is
 * somewhere else and later. */
static int check_parameters(const json_t *type, const json_t *given, bool tolerant, struct err *err)
{
    const json_t *schema = section_schema(json_object_get(type, "spec"), "parameters");
    json_t *copy = json_is_object(given) ? json_deep_copy(given) : json_object();
    uint64_t cost_left = SCHEMA_COST_MAX;
    json_t *full = NULL;
    if (tolerant) {
        schema_drop_unknown(schema, copy);
    }
    int rc = schema_apply(schema, copy, SLICE("spec.parameters"), &cost_left, &full, err);
    json_decref(full);
    json_decref(copy);
    return rc;
}

int resource_release_make(const struct platform *p, const json_t *resource, json_t **spec,
                          const char **reason, struct err *err)
{
    const json_t *parameters = json_at(resource, "spec", "parameters", NULL);
    struct slice name;
    json_t *type = find_type(p, resource, &name);
    *spec = NULL;
    if (type == NULL) {
        *reason = "TypeNotFound";
        struct slice kind = json_text(json_at(resource, "spec", "resourceType", "kind", NULL));
        return err_set(err, ERR_NOT_FOUND, "there is no %s%.*s \"%.*s\"%s",
                       kind.len > 0 ? "" : "ResourceType or ",
                       SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterResourceType")),
                       SLICE_ARG(name), is_openchoreo(resource) ? " of " OPENCHOREO_GROUP : "");
    }
    bool tolerant = json_text_at(type, "group").len > 0;
    if (check_parameters(type, parameters, tolerant, err) != 0) {
        json_decref(type);
        *reason = "InvalidSpec";
        return err->code;
    }
    *spec = json_pack("{s:{s:o, s:o}, s:o}", "owner", "projectName",
                      json_str(json_text(json_at(resource, "spec", "project", NULL))),
                      "resourceName", json_str(object_name(resource)), "resourceType", type);
    if (json_object_size(parameters) > 0) {
        json_object_set_new(*spec, "parameters", json_deep_copy(parameters));
    }
    return 0;
}

/* ---- bindings ---- */

/* The provider that the environment's data plane has for resources of this type. */
static struct slice provider_of(const struct platform *p, const json_t *type,
                                const json_t *environment)
{
    struct arena arena = {0};
    const json_t *plane = p->get(p->user, "DataPlane", SLICE(""),
                                 json_text(json_at(environment, "spec", "dataPlane", NULL)));
    const char *key =
        arena_printf(&arena, "choreo.dev/%.*s-provider", SLICE_ARG(json_text_at(type, "name")));
    const json_t *schema = section_schema(json_object_get(type, "spec"), "environmentConfigs");
    bool asked = json_at(schema, "properties", PROVIDER, NULL) != NULL;
    struct slice provider = asked ? object_annotation(plane, key) : SLICE("");
    arena_free(&arena);
    return provider;
}

json_t *resource_binding(const struct platform *p, const json_t *release, struct slice environment)
{
    const json_t *env = p->get(p->user, "Environment", object_ns(release), environment);
    const json_t *type = json_at(release, "spec", "resourceType", NULL);
    struct slice provider = provider_of(p, type, env);
    json_t *spec = json_pack("{s:O, s:o, s:o}", "owner", json_at(release, "spec", "owner", NULL),
                             "environment", json_str(environment), "resourceRelease",
                             json_str(object_name(release)));
    if (provider.len > 0) {
        json_object_set_new(spec, "resourceTypeEnvironmentConfigs",
                            json_pack("{s:o}", PROVIDER, json_str(provider)));
    }
    if (json_is_true(json_at(env, "spec", "isProduction", NULL))) {
        json_object_set_new(spec, "retainPolicy", json_string("Retain"));
    }
    return spec;
}

/* With a dot, which neither part has, so that no two pairs come to the same name. */
struct slice resource_binding_name(struct arena *arena, struct slice resource,
                                   struct slice environment)
{
    return slice_of(arena_printf(arena, "%.*s.%.*s", SLICE_ARG(resource), SLICE_ARG(environment)));
}

struct slice resource_credentials_name(struct arena *arena, struct slice binding)
{
    static const char end[] = ".credentials";
    if (binding.len + sizeof end - 1 <= NAME_SUBDOMAIN_MAX) {
        return slice_of(arena_printf(arena, "%.*s%s", SLICE_ARG(binding), end));
    }
    const struct slice parts[] = {binding, SLICE("credentials")};
    return name_join(arena, NAME_SUBDOMAIN_MAX, parts, 2);
}

/* ---- dependencies ---- */

bool dependency_is_resource(const json_t *dependency)
{
    struct slice type = json_text_at(dependency, "type");
    return !slice_eq_cstr(type, "component") && !slice_eq_cstr(type, "service") &&
           json_object_get(dependency, "component") == NULL;
}

struct slice dependency_resource(struct arena *arena, struct slice project,
                                 const json_t *dependency)
{
    struct slice given = json_text_at(dependency, "resource");
    struct slice name = json_text_at(dependency, "name");
    if (given.len > 0) {
        return given;
    }
    if (project.len + 1 + name.len <= RESOURCE_NAME_MAX) {
        return slice_of(arena_printf(arena, "%.*s-%.*s", SLICE_ARG(project), SLICE_ARG(name)));
    }
    const struct slice parts[] = {project, name};
    return name_join(arena, RESOURCE_NAME_MAX, parts, 2);
}

json_t *dependency_resource_new(struct arena *arena, struct slice ns, struct slice project,
                                const json_t *dependency)
{
    const json_t *parameters = json_object_get(dependency, "parameters");
    json_t *o = object_new("choreo.dev/v1", "Resource", ns,
                           dependency_resource(arena, project, dependency));
    json_t *spec = json_pack("{s:o, s:o}", "project", json_str(project), "type",
                             json_str(json_text_at(dependency, "type")));
    if (json_object_size(parameters) > 0) {
        json_object_set_new(spec, "parameters", json_deep_copy(parameters));
    }
    json_object_set_new(o, "spec", spec);
    return o;
}
