/* platform.c: rules about objects that refer to each other. */
#include "render/platform.h"

#include "base/arena.h"
#include "proto/object.h"
#include "proto/promotion.h"

static struct slice spec_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "spec", key, NULL));
}

struct platform_project platform_project(const struct platform *p, const json_t *component)
{
    struct platform_project project = {.name = spec_text(component, "project")};
    struct slice names[2];
    if (project.name.len > 0) {
        project.named = true;
        return project;
    }
    size_t count = p->listing(p->user, object_ns(component), object_name(component), names);
    project.name = count > 0 ? names[0] : SLICE("default");
    project.also = count > 1 ? names[1] : SLICE("");
    return project;
}

const json_t *project_environment(const json_t *project, struct slice environment)
{
    const json_t *all = json_at(project, "spec", "environments", NULL);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        if (slice_eq(json_text_at(one, "name"), environment)) {
            return one;
        }
    }
    return NULL;
}

/* ---- pipelines ---- */

static struct slice source_of(const json_t *path)
{
    return json_text(json_at(path, "sourceEnvironmentRef", "name", NULL));
}

struct slice pipeline_first(const json_t *pipeline)
{
    const json_t *paths = json_at(pipeline, "spec", "promotionPaths", NULL);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        struct slice source = source_of(json_array_get(paths, i));
        if (source.len > 0 && !promotion_is_target(pipeline, source)) {
            return source;
        }
    }
    return SLICE("");
}

static size_t add_name(struct slice *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(names[i], name)) {
            return count;
        }
    }
    names[count] = name;
    return count + (name.len > 0 ? 1 : 0);
}

size_t pipeline_environments(const json_t *pipeline, struct arena *arena, struct slice **out)
{
    const json_t *paths = json_at(pipeline, "spec", "promotionPaths", NULL);
    size_t room = 1;
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *path = json_array_get(paths, i);
        room += 1 + json_array_size(json_object_get(path, "targetEnvironmentRefs"));
    }
    *out = arena_alloc(arena, room * sizeof **out);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *path = json_array_get(paths, i);
        const json_t *targets = json_object_get(path, "targetEnvironmentRefs");
        count = add_name(*out, count, source_of(path));
        for (size_t k = 0; k < json_array_size(targets); k++) {
            count = add_name(*out, count, json_text_at(json_array_get(targets, k), "name"));
        }
    }
    return count;
}

size_t plane_clusters(const json_t *plane, struct arena *arena, struct plane_cluster **out)
{
    const json_t *list = json_at(plane, "spec", "clusters", NULL);
    size_t count = json_array_size(list);
    struct plane_cluster *found = arena_zero(arena, (count + 1) * sizeof(*found));
    *out = found;
    if (count == 0) {
        found[0].name = object_name(plane);
        found[0].region = spec_text(plane, "region");
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *spec = json_array_get(list, i);
        found[i] = (struct plane_cluster){.name = json_text_at(spec, "name"),
                                          .region = json_text_at(spec, "region"),
                                          .spec = spec};
    }
    return count;
}

struct slice plane_made_in(const json_t *object)
{
    struct slice rest = object_annotation(object, PLANE_MADE_OF);
    struct slice ns = {0};
    (void)slice_split(&rest, '/', &ns);
    return ns;
}

/* ---- what is made of what is said elsewhere ---- */

/* "github.com/company/app", "https://...", "git@...": a repository; all else is a path in one. */
static bool is_repository(struct slice source)
{
    if (slice_find(source, SLICE("://")) != SIZE_MAX || slice_starts_with(source, SLICE("git@"))) {
        return true;
    }
    struct slice rest = source;
    struct slice host;
    return slice_split(&rest, '/', &host) && rest.len > 0 && host.len > 0 && host.data[0] != '.' &&
           slice_find(host, SLICE(".")) != SIZE_MAX;
}

static json_t *component_source(const json_t *project, struct slice source)
{
    if (is_repository(source)) {
        return json_pack("{s:{s:o}}", "git", "repository", json_str(source));
    }
    const json_t *repository = json_at(project, "spec", "source", "git", NULL);
    if (repository == NULL) {
        return json_pack("{s:o}", "path", json_str(source));
    }
    json_t *git = json_deep_copy(repository);
    json_object_set_new(git, "path", json_str(source));
    return json_pack("{s:o}", "git", git);
}

json_t *platform_listed_component(const json_t *project, const json_t *listed)
{
    static const char *const copied[] = {"type", "image"};
    json_t *o =
        object_new("choreo.dev/v1", "Component", object_ns(project), json_text_at(listed, "name"));
    json_t *spec = json_object();
    struct slice source = json_text_at(listed, "source");
    json_object_set_new(spec, "project", json_str(object_name(project)));
    if (source.len > 0) {
        json_object_set_new(spec, "source", component_source(project, source));
    }
    for (size_t i = 0; i < 2; i++) {
        struct slice value = json_text_at(listed, copied[i]);
        if (value.len > 0) {
            json_object_set_new(spec, copied[i], json_str(value));
        }
    }
    json_object_set_new(o, "spec", spec);
    return o;
}

json_t *platform_first_environment(struct slice ns, struct slice plane)
{
    json_t *env = object_new("choreo.dev/v1", "Environment", ns, SLICE("development"));
    json_object_set_new(env, "spec", json_pack("{s:o}", "dataPlane", json_str(plane)));
    return env;
}

json_t *platform_first_pipeline(struct slice ns)
{
    json_t *pipeline = object_new("choreo.dev/v1", "DeploymentPipeline", ns, SLICE("default"));
    json_object_set_new(pipeline, "spec",
                        json_pack("{s:[{s:{s:s}, s:[]}]}", "promotionPaths", "sourceEnvironmentRef",
                                  "name", "development", "targetEnvironmentRefs"));
    return pipeline;
}
