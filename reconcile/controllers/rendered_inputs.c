/* rendered_inputs.c: gathers what a RenderedRelease is rendered from, and renders it.
 *
 * Everything comes from the snapshot: the release frozen with its type, the binding's overrides,
 * the environment, the plane, the organization, the addresses of the components that it depends on,
 * and the Secrets and ConfigMaps that it names. So any leader of the shard renders the same bytes,
 * and the hash of them tells whether a cluster is up to date. */
#include "reconcile/controllers/rendered.h"

#include <string.h>

#include "base/crypto.h"
#include "render/name.h"
#include "render/pipeline.h"

struct inputs {
    const struct snapshot *s;
    const json_t *rendered;
    struct arena *arena;
    struct slice ns;
    struct render_identity id;
    const json_t *environment;
    const json_t *plane;
    json_t *own_plane; /* the plane as this cluster sees it, if that differs; ours */
    const json_t *organization;
    const json_t *binding;
    const json_t *release;
};

bool rendered_is_cell(const json_t *rendered)
{
    return owner_text(rendered, "componentName").len == 0;
}

static struct slice uid_in(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                           struct slice name)
{
    const struct snapshot_entry *e = snapshot_find(s, kind, ns, name);
    return e != NULL ? e->uid : (struct slice){0};
}

/* A cluster's own gateway stands before its plane's. NULL: it has none. */
static json_t *plane_of_cluster(const struct inputs *in, const json_t *plane)
{
    struct plane_cluster *clusters;
    size_t count = plane_clusters(plane, in->arena, &clusters);
    for (size_t i = 0; i < count; i++) {
        json_t *gateway = json_object_get(clusters[i].spec, "gateway");
        if (gateway != NULL && slice_eq(clusters[i].name, spec_text(in->rendered, "cluster"))) {
            json_t *own = json_copy(json_object_get(plane, "spec"));
            json_object_set(own, "gateway", gateway);
            return own;
        }
    }
    return NULL;
}

static void identify(struct inputs *in)
{
    const struct snapshot *s = in->s;
    struct slice none = {0};
    in->ns = object_ns(in->rendered);
    in->id = (struct render_identity){.ns = in->ns,
                                      .project = owner_text(in->rendered, "projectName"),
                                      .component = owner_text(in->rendered, "componentName"),
                                      .environment = spec_text(in->rendered, "environmentName"),
                                      .dataplane = spec_text(in->rendered, "dataPlane")};
    in->id.project_uid = uid_in(s, SNAPSHOT_PROJECT, in->ns, in->id.project);
    in->id.component_uid = uid_in(s, SNAPSHOT_COMPONENT, in->ns, in->id.component);
    in->id.environment_uid = uid_in(s, SNAPSHOT_ENVIRONMENT, in->ns, in->id.environment);
    in->id.dataplane_uid = uid_in(s, SNAPSHOT_DATAPLANE, none, in->id.dataplane);
    const json_t *env = snapshot_get(s, SNAPSHOT_ENVIRONMENT, in->ns, in->id.environment);
    const json_t *plane = snapshot_get(s, SNAPSHOT_DATAPLANE, none, in->id.dataplane);
    const json_t *org = snapshot_get(s, SNAPSHOT_ORGANIZATION, none, in->ns);
    in->environment = json_at(env, "spec", NULL);
    in->plane = json_at(plane, "spec", NULL);
    in->own_plane = plane_of_cluster(in, plane);
    in->plane = in->own_plane != NULL ? in->own_plane : in->plane;
    in->organization = json_at(org, "spec", NULL);
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
    struct slice component = json_text_at(dependency, "component");
    struct slice endpoint = json_text_at(dependency, "name");
    const struct snapshot_entry **bindings;
    size_t count = snapshot_list(in->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, in->ns, component,
                                 in->arena, &bindings);
    for (size_t i = 0; i < count; i++) {
        const json_t *binding = snapshot_tree(in->s, bindings[i]);
        if (!slice_eq(spec_text(binding, "environment"), in->id.environment) ||
            !slice_eq(owner_text(binding, "projectName"), project)) {
            continue;
        }
        const json_t *release =
            snapshot_get(in->s, SNAPSHOT_RELEASE, in->ns, spec_text(binding, "releaseName"));
        const json_t *all = json_at(release, "spec", "workload", "endpoints", NULL);
        struct slice name = endpoint.len > 0 ? endpoint : first_member(all);
        const json_t *found = name.len > 0 ? json_object_getn(all, name.data, name.len) : NULL;
        if (found == NULL) {
            continue;
        }
        struct slice cell = name_cell(in->arena, in->ns, project, in->id.environment);
        const char *host = arena_printf(in->arena, "%.*s.%.*s.svc.cluster.local",
                                        SLICE_ARG(component), SLICE_ARG(cell));
        return json_pack("{s:o, s:o, s:o, s:s, s:O, s:o, s:o}", "component", json_str(component),
                         "project", json_str(project), "name", json_str(name), "host", host, "port",
                         json_object_get(found, "port"), "basePath",
                         json_str(json_text_at(found, "basePath")), "type",
                         json_str(json_text_at(found, "type")));
    }
    return NULL;
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
            project = in->id.project;
        }
        json_t *address = dependency_address(in, dependency, project);
        if (address == NULL) {
            *reason = "DependencyNotFound";
            return err_set(err, ERR_NOT_FOUND,
                           "it depends on endpoint \"%.*s\" of component \"%.*s\", which is not "
                           "deployed in environment \"%.*s\"",
                           SLICE_ARG(json_text_at(dependency, "name")),
                           SLICE_ARG(json_text_at(dependency, "component")),
                           SLICE_ARG(in->id.environment));
        }
        json_array_append_new(*out, address);
    }
    return 0;
}

static void add_source(const struct inputs *in, enum snapshot_kind kind, struct slice name,
                       json_t *out)
{
    const json_t *found = name.len > 0 ? snapshot_get(in->s, kind, in->ns, name) : NULL;
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
        add_source(in, SNAPSHOT_SECRET, secret, out);
        add_source(in, SNAPSHOT_SECRET_REFERENCE, secret, out);
        add_source(in, SNAPSHOT_CONFIG_MAP, config, out);
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
        if (slice_eq(json_text_at(one, "name"), in->id.component)) {
            add_sources(in, json_object_get(one, "env"), out);
        }
    }
    return out;
}

static int render_workload(struct inputs *in, json_t **manifests, const char **reason,
                           struct err *err)
{
    in->binding =
        snapshot_get(in->s, SNAPSHOT_BINDING, in->ns, spec_text(in->rendered, "bindingName"));
    struct slice name = spec_text(in->rendered, "releaseName");
    in->release = snapshot_get(in->s, SNAPSHOT_RELEASE, in->ns, name);
    if (in->release == NULL) {
        *reason = "ReleaseNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no release \"%.*s\"", SLICE_ARG(name));
    }
    json_t *dependencies = NULL;
    json_t *needed = NULL;
    int rc = resolve(in, &dependencies, reason, err);
    if (rc == 0) {
        needed = sources(in);
        const struct render_component component = {
            .id = in->id,
            .release = json_at(in->release, "spec", NULL),
            .binding = json_at(in->binding, "spec", NULL),
            .environment = in->environment,
            .dataplane = in->plane,
            .organization = in->organization,
            .dependencies = dependencies,
            .sources = needed,
            .programs = in->s->programs,
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
                       SLICE_ARG(in->id.environment));
    }
    if (!rendered_is_cell(in->rendered)) {
        return render_workload(in, manifests, reason, err);
    }
    *reason = "RenderFailed";
    const struct render_cell cell = {
        .id = in->id, .environment = in->environment, .organization = in->organization};
    return render_cell(&cell, manifests, err);
}

int rendered_manifests(const struct snapshot *s, const json_t *rendered, struct arena *arena,
                       json_t **manifests, const char **reason, struct err *err)
{
    struct inputs in = {.s = s, .rendered = rendered, .arena = arena};
    *manifests = NULL;
    identify(&in);
    int rc = render(&in, manifests, reason, err);
    json_decref(in.own_plane);
    return rc;
}

void rendered_hash(const json_t *manifests, char out[65])
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
