/* deployment.c: gathers, then renders. */
#include "render/deployment.h"

#include <string.h>

#include "base/crypto.h"
#include "base/map.h"
#include "proto/object.h"
#include "proto/promotion.h"
#include "render/cell.h"
#include "render/deployment_internal.h"
#include "render/derived.h"
#include "render/name.h"
#include "render/pipeline.h"
#include "render/run.h"

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
                                      .resource = d->resource,
                                      .environment = d->environment,
                                      .dataplane = d->plane};
    in->id.project_uid = deployment__uid(in, "Project", d->ns, d->project);
    in->id.component_uid = deployment__uid(in, "Component", d->ns, d->component);
    in->id.resource_uid = deployment__uid(in, "Resource", d->ns, d->resource);
    in->id.environment_uid = deployment__uid(in, "Environment", d->ns, d->environment);
    in->id.dataplane_uid = deployment__uid(in, "DataPlane", SLICE(""), d->plane);
    const json_t *plane = deployment__get_global(in, "DataPlane", d->plane);
    environment_read(in->platform, d->ns, d->environment, in->arena, &in->environment);
    in->plane = json_object_get(plane, "spec");
    in->project = project_environment(deployment__get(in, "Project", d->project), d->environment);
    in->annotations = json_at(plane, "metadata", "annotations", NULL);
    in->cluster = cluster_of(in, plane);
    in->organization = json_object_get(deployment__get_global(in, "Organization", d->ns), "spec");
}

struct sources {
    const struct inputs *in;
    json_t *list;
    struct map met; /* by address */
};

static void add_source(struct sources *s, const char *kind, struct slice name)
{
    const json_t *found = name.len > 0 ? deployment__get(s->in, kind, name) : NULL;
    json_t *source = (json_t *)(uintptr_t)found;
    struct slice address = slice_make((const char *)&source, sizeof source);
    if (source != NULL && map_put(&s->met, address, source) == NULL) {
        json_array_append(s->list, source);
    }
}

/* Adds what a list of env or files refers to. */
static void add_sources(struct sources *s, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const json_t *from = json_object_get(item, "valueFrom");
        struct slice secret = json_text(json_at(from, "secretKeyRef", "name", NULL));
        struct slice config = json_text(json_at(from, "configMapKeyRef", "name", NULL));
        add_source(s, "Secret", secret);
        add_source(s, "SecretReference", secret);
        add_source(s, "ConfigMap", config);
    }
}

/* The Secrets, SecretReferences and ConfigMaps that the workload or anything that overrides it
 * refers to, and the Secrets with credentials for its image. */
static json_t *sources(const struct inputs *in)
{
    struct sources s = {.in = in, .list = json_array()};
    const json_t *container = json_at(in->release, "spec", "workload", "container", NULL);
    const json_t *own = json_at(in->binding, "spec", "workloadOverrides", "container", NULL);
    const json_t *overrides = json_object_get(in->environment.spec, "overrides");
    const json_t *here = environment_component(overrides, in->d->component);
    add_sources(&s, json_object_get(container, "env"));
    add_sources(&s, json_object_get(container, "files"));
    const json_t *project = json_at(in->release, "spec", "project", NULL);
    const json_t *const both[] = {project, in->project};
    for (size_t i = 0; i < 2; i++) {
        add_sources(&s, json_object_get(both[i], "env"));
        add_sources(&s, json_object_get(both[i], "files"));
    }
    add_sources(&s, json_object_get(own, "env"));
    add_sources(&s, json_object_get(own, "files"));
    add_sources(&s, json_object_get(overrides, "env"));
    add_sources(&s, json_object_get(here, "env"));
    const json_t *pull = derive_pull_names(json_object_get(in->release, "spec"));
    for (size_t i = 0; i < json_array_size(pull); i++) {
        add_source(&s, "Secret", json_text(json_array_get(pull, i)));
    }
    map_free(&s.met);
    return s.list;
}

static int render_workload(struct inputs *in, json_t **manifests, const char **reason,
                           struct err *err)
{
    struct slice name = in->d->release;
    in->binding = deployment__get(in, "ReleaseBinding", in->d->binding);
    in->release = deployment__get(in, "Release", name);
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
    struct deployment_needs needs = {0};
    json_t *needed = NULL;
    int rc = deployment__resolve(in, &needs, reason, err);
    if (rc == 0) {
        const json_t *of = deployment__get(in, "Component", in->d->component);
        bool openchoreo = slice_eq_cstr(
            json_text(json_at(of, "spec", "componentType", "group", NULL)), OPENCHOREO_GROUP);
        needed = sources(in);
        const struct render_component component = {
            .id = in->id,
            .release = json_at(in->release, "spec", NULL),
            .by_hand = promotion_by_hand(in->release),
            .project = in->project,
            .binding = json_at(in->binding, "spec", NULL),
            .environment = in->environment.spec,
            .environment_own = in->environment.own,
            .environment_template = in->environment.template,
            .cluster = in->cluster,
            .dataplane = in->plane,
            .dataplane_annotations = in->annotations,
            .organization = in->organization,
            .dependencies = needs.endpoints,
            .resources = needs.resources,
            .sources = needed,
            .openchoreo = openchoreo,
            .policy = openchoreo ? deployment__get_global(in, "ClusterTrait", SLICE(RENDER_POLICY))
                                 : NULL,
            .tolerant = openchoreo,
            .programs = in->programs,
            .trace = in->trace,
        };
        rc = render_component(&component, manifests, err);
        *reason = rc == ERR_NOT_FOUND ? "ReferenceNotFound" : "RenderFailed";
    }
    deployment__needs_free(&needs);
    json_decref(needed);
    return rc;
}

int deployment__check_environment(const struct inputs *in, const char **reason, struct err *err)
{
    /* The cell of runs belongs to no environment. */
    if (in->environment.object == NULL && !slice_eq_cstr(in->d->project, RUN_PROJECT)) {
        *reason = "EnvironmentNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no environment \"%.*s\"",
                       SLICE_ARG(in->d->environment));
    }
    if (in->environment.missing.len > 0) { /* without its quotas and policies? better not at all */
        *reason = "TemplateNotFound";
        return err_set(
            err, ERR_NOT_FOUND,
            "there is no environment template \"%.*s\", which environment \"%.*s\" names",
            SLICE_ARG(in->environment.missing), SLICE_ARG(in->d->environment));
    }
    return 0;
}

/* What OpenChoreo's project adds to a cell, if it is bound here. */
static int find_project_type(const struct inputs *in, struct render_cell *cell, const char **reason,
                             struct err *err)
{
    struct slice name = in->d->release;
    const json_t *binding =
        in->d->binding.len > 0
            ? deployment__get(in, OPENCHOREO_GROUP "/ProjectReleaseBinding", in->d->binding)
            : NULL;
    if (binding == NULL || name.len == 0) {
        return 0;
    }
    const json_t *release = deployment__get(in, OPENCHOREO_GROUP "/ProjectRelease", name);
    if (release == NULL) {
        *reason = "ProjectReleaseNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no ProjectRelease \"%.*s\"", SLICE_ARG(name));
    }
    const json_t *type = json_at(release, "spec", "projectType", NULL);
    cell->type = json_object_get(type, "spec");
    cell->maker = (struct render_maker){json_text_at(type, "kind"), json_text_at(type, "name"),
                                        promotion_by_hand(release)};
    cell->parameters = json_at(release, "spec", "parameters", NULL);
    cell->configs = json_at(binding, "spec", "environmentConfigs", NULL);
    return 0;
}

static int render_cell_of(struct inputs *in, json_t **manifests, const char **reason,
                          struct err *err)
{
    struct cell_type type;
    cell_type_find(in->platform, in->environment.spec, in->organization, &type);
    if (type.missing) {
        *reason = CELL_TYPE_MISSING;
        return err_set(err, ERR_NOT_FOUND, "%s",
                       cell_type_lacks(&type, in->d->environment, in->d->ns, in->arena));
    }
    struct render_cell cell = {.id = in->id,
                               .cell_type = type.object,
                               .environment = in->environment.spec,
                               .organization = in->organization,
                               .cluster = in->cluster,
                               .dataplane = in->plane,
                               .dataplane_annotations = in->annotations,
                               .programs = in->programs,
                               .trace = in->trace};
    if (find_project_type(in, &cell, reason, err) != 0) {
        return ERR_NOT_FOUND;
    }
    *reason = "RenderFailed";
    return render_cell(&cell, manifests, err);
}

static int render(struct inputs *in, json_t **manifests, const char **reason, struct err *err)
{
    if (deployment__check_environment(in, reason, err) != 0) {
        return ERR_NOT_FOUND;
    }
    if (in->d->component.len > 0) {
        return render_workload(in, manifests, reason, err);
    }
    if (in->d->resource.len > 0) {
        return deployment__render_resource(in, manifests, reason, err);
    }
    return render_cell_of(in, manifests, reason, err);
}

void deployment__inputs(struct inputs *in, const struct platform *p, const struct deployment *d,
                        struct arena *arena)
{
    *in = (struct inputs){.platform = p, .d = d, .arena = arena};
    identify(in);
}

int deployment_render(const struct platform *p, const struct deployment *d, struct arena *arena,
                      struct cel_cache *programs, struct trace *trace, json_t **manifests,
                      const char **reason, struct err *err)
{
    struct inputs in;
    deployment__inputs(&in, p, d, arena);
    in.programs = programs;
    in.trace = trace;
    *manifests = NULL;
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

bool deployment_is_cell(const struct deployment *d)
{
    return d->component.len == 0 && d->resource.len == 0;
}

/* Names of components have no dots, so that what has one is nobody else's. A component that is
 * called as a cell could be is told from it in the same way. */
static struct slice first_part(struct arena *arena, const struct deployment *d)
{
    if (deployment_is_cell(d)) {
        return SLICE("cell");
    }
    if (d->resource.len > 0) {
        return slice_of(arena_printf(arena, "resource.%.*s", SLICE_ARG(d->resource)));
    }
    bool cell_like =
        slice_eq_cstr(d->component, "cell") || slice_starts_with(d->component, SLICE("cell-"));
    return cell_like ? slice_of(arena_printf(arena, "component.%.*s", SLICE_ARG(d->component)))
                     : d->component;
}

struct slice deployment_name(struct arena *arena, const struct deployment *d)
{
    bool cell = deployment_is_cell(d);
    const struct slice parts[] = {first_part(arena, d), cell ? d->project : d->environment,
                                  cell ? d->environment : d->cluster, d->cluster};
    return name_join_extra(arena, NAME_SUBDOMAIN_MAX, parts, cell ? 4 : 3, d->plane);
}

struct slice deployment_name_apart(struct arena *arena, const struct deployment *d)
{
    bool cell = deployment_is_cell(d);
    const struct slice parts[] = {first_part(arena, d), cell ? d->project : d->environment,
                                  cell ? d->environment : d->cluster, d->cluster};
    const char *told =
        arena_printf(arena, "%.*s/%.*s/%.*s/%.*s/%.*s", SLICE_ARG(parts[0]), SLICE_ARG(parts[1]),
                     SLICE_ARG(d->environment), SLICE_ARG(d->cluster), SLICE_ARG(d->plane));
    return name_join_extra(arena, NAME_SUBDOMAIN_MAX, parts, cell ? 4 : 3, slice_of(told));
}

bool deployment_owns(const struct deployment *d, const json_t *rendered)
{
    const json_t *spec = json_object_get(rendered, "spec");
    const json_t *owner = json_object_get(spec, "owner");
    /* A component may come to be another project's, and stays the same. */
    bool same_project = slice_eq(json_text_at(owner, "projectName"), d->project);
    return (same_project || !deployment_is_cell(d)) &&
           slice_eq(json_text_at(owner, "componentName"), d->component) &&
           slice_eq(json_text_at(owner, "resourceName"), d->resource) &&
           slice_eq(json_text_at(spec, "environmentName"), d->environment);
}

bool deployment_is_of(const struct deployment *d, const json_t *rendered)
{
    const json_t *spec = json_object_get(rendered, "spec");
    return deployment_owns(d, rendered) && slice_eq(json_text_at(spec, "dataPlane"), d->plane) &&
           slice_eq(json_text_at(spec, "cluster"), d->cluster);
}

struct slice deployment_name_on(const struct platform *p, struct arena *arena,
                                const struct deployment *d)
{
    struct slice name = deployment_name(arena, d);
    const json_t *there = p->get(p->user, "RenderedRelease", d->ns, name);
    bool taken = there != NULL && !deployment_is_of(d, there);
    if (taken && deployment_is_cell(d) && !deployment_owns(d, there)) {
        return name; /* so has its namespace on the cluster: there is no second one */
    }
    struct slice apart = deployment_name_apart(arena, d);
    bool is_apart = there == NULL && p->get(p->user, "RenderedRelease", d->ns, apart) != NULL;
    return taken || is_apart ? apart : name;
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

struct slice deployment_binding_name_apart(struct arena *arena, struct slice component,
                                           struct slice environment)
{
    const struct slice parts[] = {component, environment};
    const char *told =
        arena_printf(arena, "%.*s/%.*s", SLICE_ARG(component), SLICE_ARG(environment));
    return name_join_extra(arena, NAME_SUBDOMAIN_MAX, parts, 2, slice_of(told));
}
