/* deployment.c: gathers, then renders. */
#include "render/deployment.h"

#include <string.h>

#include "base/crypto.h"
#include "proto/object.h"
#include "render/name.h"
#include "render/pipeline.h"

struct inputs {
    const struct platform *platform;
    const struct deployment *d;
    struct arena *arena;
    struct cel_cache *programs;
    struct trace *trace;
    struct render_identity id;
    const json_t *environment; /* specs, or NULL */
    const json_t *plane;
    const json_t *cluster;
    const json_t *organization;
    const json_t *annotations; /* of the plane */
    const json_t *binding;
    const json_t *release;
};

static const json_t *get(const struct inputs *in, const char *kind, struct slice name)
{
    const struct platform *p = in->platform;
    return p->get(p->user, kind, in->d->ns, name);
}

static const json_t *get_global(const struct inputs *in, const char *kind, struct slice name)
{
    const struct platform *p = in->platform;
    return p->get(p->user, kind, SLICE(""), name);
}

static struct slice uid_in(const struct inputs *in, const char *kind, struct slice ns,
                           struct slice name)
{
    const struct platform *p = in->platform;
    return name.len > 0 ? p->uid(p->user, kind, ns, name) : SLICE("");
}

/* The cluster's own entry in its plane, or NULL. */
static const json_t *cluster_of(const struct inputs *in, const json_t *plane)
{
    struct plane_cluster *clusters;
    size_t count = plane != NULL ? plane_clusters(plane, in->arena, &clusters) : 0;
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(clusters[i].name, in->d->cluster)) {
            return clusters[i].spec;
        }
    }
    return NULL;
}

static void identify(struct inputs *in)
{
    const struct deployment *d = in->d;
    in->id = (struct render_identity){.ns = d->ns,
                                      .project = d->project,
                                      .component = d->component,
                                      .environment = d->environment,
                                      .dataplane = d->plane};
    in->id.project_uid = uid_in(in, "Project", d->ns, d->project);
    in->id.component_uid = uid_in(in, "Component", d->ns, d->component);
    in->id.environment_uid = uid_in(in, "Environment", d->ns, d->environment);
    in->id.dataplane_uid = uid_in(in, "DataPlane", SLICE(""), d->plane);
    const json_t *plane = get_global(in, "DataPlane", d->plane);
    in->environment = json_object_get(get(in, "Environment", d->environment), "spec");
    in->plane = json_object_get(plane, "spec");
    in->annotations = json_at(plane, "metadata", "annotations", NULL);
    in->cluster = cluster_of(in, plane);
    in->organization = json_object_get(get_global(in, "Organization", d->ns), "spec");
}

/* The least key of an object: what a dependency that names no endpoint means. */
static struct slice first_member(const json_t *object)
{
    struct slice first = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (first.len == 0 || slice_cmp(slice_of(key), first) < 0) {
            first = slice_of(key);
        }
    }
    return first;
}

/* The address of one endpoint of another component in the same environment; NULL if there is none.
 */
static json_t *dependency_address(const struct inputs *in, const json_t *dependency,
                                  struct slice project)
{
    const struct platform *p = in->platform;
    struct slice component = json_text_at(dependency, "component");
    struct slice endpoint = json_text_at(dependency, "name");
    const json_t *binding = p->binding(p->user, in->d->ns, project, component, in->d->environment);
    /* What runs; without a server, which alone tells that, what is asked for. */
    const char *told = json_object_get(binding, "status") != NULL ? "status" : "spec";
    const json_t *release =
        get(in, "Release", json_text(json_at(binding, told, "releaseName", NULL)));
    const json_t *all = json_at(release, "spec", "workload", "endpoints", NULL);
    struct slice name = endpoint.len > 0 ? endpoint : first_member(all);
    const json_t *found = name.len > 0 ? json_object_getn(all, name.data, name.len) : NULL;
    if (found == NULL) {
        return NULL;
    }
    struct slice cell = name_cell(in->arena, in->d->ns, project, in->d->environment);
    const char *host = arena_printf(in->arena, "%.*s.%.*s.svc.cluster.local", SLICE_ARG(component),
                                    SLICE_ARG(cell));
    json_t *port = json_object_get(found, "port");
    json_t *target = json_object_get(found, "targetPort");
    return json_pack("{s:o, s:o, s:o, s:s, s:O, s:O, s:o, s:o}", "component", json_str(component),
                     "project", json_str(project), "name", json_str(name), "host", host, "port",
                     port, "targetPort", target != NULL ? target : port, "basePath",
                     json_str(json_text_at(found, "basePath")), "type",
                     json_str(json_text_at(found, "type")));
}

static int resolve(const struct inputs *in, json_t **out, const char **reason, struct err *err)
{
    *out = json_array();
    size_t i;
    json_t *dependency;
    json_array_foreach(json_at(in->release, "spec", "workload", "dependencies", "endpoints", NULL),
                       i, dependency)
    {
        struct slice project = json_text_at(dependency, "project");
        if (project.len == 0) {
            project = in->d->project;
        }
        json_t *address = dependency_address(in, dependency, project);
        if (address == NULL) {
            *reason = "DependencyNotFound";
            return err_set(err, ERR_NOT_FOUND,
                           "it depends on endpoint \"%.*s\" of component \"%.*s\", which is not "
                           "deployed in environment \"%.*s\"",
                           SLICE_ARG(json_text_at(dependency, "name")),
                           SLICE_ARG(json_text_at(dependency, "component")),
                           SLICE_ARG(in->d->environment));
        }
        json_array_append_new(*out, address);
    }
    return 0;
}

static void add_source(const struct inputs *in, const char *kind, struct slice name, json_t *out)
{
    const json_t *found = name.len > 0 ? get(in, kind, name) : NULL;
    for (size_t i = 0; i < json_array_size(out); i++) {
        if (json_array_get(out, i) == found) {
            return;
        }
    }
    if (found != NULL) {
        json_array_append(out, (json_t *)(uintptr_t)found);
    }
}

/* Adds what a list of env or files refers to. */
static void add_sources(const struct inputs *in, const json_t *list, json_t *out)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const json_t *from = json_object_get(item, "valueFrom");
        struct slice secret = json_text(json_at(from, "secretKeyRef", "name", NULL));
        struct slice config = json_text(json_at(from, "configMapKeyRef", "name", NULL));
        add_source(in, "Secret", secret, out);
        add_source(in, "SecretReference", secret, out);
        add_source(in, "ConfigMap", config, out);
    }
}

/* The Secrets, SecretReferences and ConfigMaps that the workload or anything that overrides it
 * refers to. */
static json_t *sources(const struct inputs *in)
{
    json_t *out = json_array();
    const json_t *container = json_at(in->release, "spec", "workload", "container", NULL);
    const json_t *own = json_at(in->binding, "spec", "workloadOverrides", "container", NULL);
    const json_t *overrides = json_object_get(in->environment, "overrides");
    const json_t *components = json_object_get(overrides, "components");
    add_sources(in, json_object_get(container, "env"), out);
    add_sources(in, json_object_get(container, "files"), out);
    add_sources(in, json_object_get(own, "env"), out);
    add_sources(in, json_object_get(own, "files"), out);
    add_sources(in, json_object_get(overrides, "env"), out);
    for (size_t i = 0; i < json_array_size(components); i++) {
        const json_t *one = json_array_get(components, i);
        if (slice_eq(json_text_at(one, "name"), in->d->component)) {
            add_sources(in, json_object_get(one, "env"), out);
        }
    }
    return out;
}

static int render_workload(struct inputs *in, json_t **manifests, const char **reason,
                           struct err *err)
{
    struct slice name = in->d->release;
    in->binding = get(in, "ReleaseBinding", in->d->binding);
    in->release = get(in, "Release", name);
    if (in->release == NULL) {
        *reason = "ReleaseNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no release \"%.*s\"", SLICE_ARG(name));
    }
    if (in->d->release_uid.len > 0 && !slice_eq(object_uid(in->release), in->d->release_uid)) {
        *reason = "ReleaseNotFound";
        return err_set(err, ERR_NOT_FOUND,
                       "release \"%.*s\" is another one than was let in here: that was deleted",
                       SLICE_ARG(name));
    }
    json_t *dependencies = NULL;
    json_t *needed = NULL;
    int rc = resolve(in, &dependencies, reason, err);
    if (rc == 0) {
        const json_t *of = get(in, "Component", in->d->component);
        bool openchoreo = slice_eq_cstr(
            json_text(json_at(of, "spec", "componentType", "group", NULL)), OPENCHOREO_GROUP);
        needed = sources(in);
        const struct render_component component = {
            .id = in->id,
            .release = json_at(in->release, "spec", NULL),
            .binding = json_at(in->binding, "spec", NULL),
            .environment = in->environment,
            .cluster = in->cluster,
            .dataplane = in->plane,
            .dataplane_annotations = in->annotations,
            .organization = in->organization,
            .dependencies = dependencies,
            .sources = needed,
            .openchoreo = openchoreo,
            .tolerant = openchoreo,
            .programs = in->programs,
            .trace = in->trace,
        };
        rc = render_component(&component, manifests, err);
        *reason = rc == ERR_NOT_FOUND ? "ReferenceNotFound" : "RenderFailed";
    }
    json_decref(dependencies);
    json_decref(needed);
    return rc;
}

static int render(struct inputs *in, json_t **manifests, const char **reason, struct err *err)
{
    if (in->environment == NULL) {
        *reason = "EnvironmentNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no environment \"%.*s\"",
                       SLICE_ARG(in->d->environment));
    }
    if (in->d->component.len > 0) {
        return render_workload(in, manifests, reason, err);
    }
    *reason = "RenderFailed";
    const struct render_cell cell = {.id = in->id,
                                     .environment = in->environment,
                                     .organization = in->organization,
                                     .dataplane_annotations = in->annotations,
                                     .trace = in->trace};
    return render_cell(&cell, manifests, err);
}

int deployment_render(const struct platform *p, const struct deployment *d, struct arena *arena,
                      struct cel_cache *programs, struct trace *trace, json_t **manifests,
                      const char **reason, struct err *err)
{
    struct inputs in = {
        .platform = p, .d = d, .arena = arena, .programs = programs, .trace = trace};
    *manifests = NULL;
    identify(&in);
    return render(&in, manifests, reason, err);
}

void deployment_hash(const json_t *manifests, char out[65])
{
    struct buf bytes = {0};
    struct buf hex = {0};
    uint8_t digest[SHA256_BYTES];
    json_canonical(manifests, &bytes);
    crypto_sha256(buf_slice(&bytes), digest);
    hex_encode(&hex, slice_make(digest, sizeof(digest)));
    memcpy(out, buf_cstr(&hex), 65);
    buf_free(&bytes);
    buf_free(&hex);
}

struct slice deployment_name(struct arena *arena, const struct deployment *d)
{
    const struct slice parts[] = {d->component.len > 0 ? d->component : SLICE("cell"),
                                  d->component.len > 0 ? d->environment : d->project,
                                  d->component.len > 0 ? d->cluster : d->environment, d->cluster};
    return name_join_extra(arena, NAME_SUBDOMAIN_MAX, parts, d->component.len > 0 ? 3 : 4,
                           d->plane);
}

struct slice deployment_binding_name(struct arena *arena, struct slice component,
                                     struct slice environment)
{
    if (component.len + 1 + environment.len <= NAME_SUBDOMAIN_MAX) {
        return slice_of(
            arena_printf(arena, "%.*s-%.*s", SLICE_ARG(component), SLICE_ARG(environment)));
    }
    const struct slice parts[] = {component, environment};
    return name_join(arena, NAME_SUBDOMAIN_MAX, parts, 2);
}
