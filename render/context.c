/* context.c: inputs into variables.
 *
 * Everything is built as new trees from borrowed inputs, in one pass, before the first template is
 * looked at. */
#include "render/context.h"

#include <string.h>

#include "proto/schema.h"
#include "render/derived.h"
#include "render/environment.h"
#include "render/gateway.h"
#include "render/name.h"
#include "render/schema.h"

#define LABEL "openchoreo.dev/"
#define PROVIDER_ANNOTATION "choreo.dev/network-policy-provider" /* of a DataPlane */

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

static void set_label(json_t *labels, const char *key, struct slice value)
{
    if (value.len > 0) {
        set_text(labels, key, value);
    }
}

json_t *context_labels(const struct render_identity *id)
{
    json_t *labels = json_object();
    set_label(labels, LABEL "namespace", id->ns);
    set_label(labels, LABEL "project", id->project);
    set_label(labels, LABEL "environment", id->environment);
    set_label(labels, LABEL "component", id->component);
    set_label(labels, LABEL "resource", id->resource);
    set_label(labels, LABEL "project-uid", id->project_uid);
    set_label(labels, LABEL "environment-uid", id->environment_uid);
    set_label(labels, LABEL "component-uid", id->component_uid);
    set_label(labels, LABEL "resource-uid", id->resource_uid);
    return labels;
}

static json_t *metadata_of(struct arena *arena, const struct render_identity *id, struct slice name,
                           struct slice cell)
{
    bool resource = id->resource.len > 0;
    json_t *m = json_object();
    set_text(m, "name", name);
    set_text(m, "shortName", name_short(arena, name));
    set_text(m, "namespace", cell);
    set_text(m, resource ? "resourceNamespace" : "componentNamespace", id->ns);
    set_text(m, resource ? "resourceName" : "componentName",
             resource ? id->resource : id->component);
    set_text(m, resource ? "resourceUID" : "componentUID",
             resource ? id->resource_uid : id->component_uid);
    set_text(m, "projectName", id->project);
    set_text(m, "projectUID", id->project_uid);
    set_text(m, "environmentName", id->environment);
    set_text(m, "environmentUID", id->environment_uid);
    set_text(m, "dataPlaneName", id->dataplane);
    set_text(m, "dataPlaneUID", id->dataplane_uid);
    json_object_set_new(m, "labels", context_labels(id));
    json_object_set_new(m, "annotations", json_object());
    if (!resource) {
        json_object_set_new(m, "podSelectors", context_labels(id));
    }
    return m;
}

/* Who has a say in what the planes are like. */
struct places {
    const json_t *environment; /* specs, or NULL */
    const json_t *cluster;
    const json_t *dataplane;
    const json_t *annotations; /* of the DataPlane */
    const json_t *organization;
};

/* What of the environment's own words templates see, and who enforces network policies: the
 * environment's word before the organization's, then the plane's. */
static json_t *environment_of(const struct places *in)
{
    static const char *const keys[] = {"defaultNotificationChannel", "mesh", "observability",
                                       "backup"};
    json_t *result = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(in->environment, keys[i]);
        if (value != NULL && !json_is_null(value)) {
            json_object_set_new(result, keys[i], json_deep_copy(value));
        }
    }
    const struct slice words[] = {
        json_text(json_at(in->environment, "networkPolicy", "provider", NULL)),
        json_text(json_at(in->organization, "networkPolicies", "provider", NULL)),
        json_text_at(in->annotations, PROVIDER_ANNOTATION), SLICE("kubernetes")};
    size_t first = 0;
    while (words[first].len == 0) {
        first++;
    }
    set_text(result, "networkProvider", words[first]);
    return result;
}

static void add_planes(const struct places *in, json_t *variables)
{
    json_t *own = gateway_merge(NULL, in->cluster, in->dataplane);
    json_t *effective = gateway_merge(in->environment, in->cluster, in->dataplane);
    json_t *dataplane = json_object();
    json_t *environment = environment_of(in);
    struct slice store = json_text(json_at(in->dataplane, "secretStoreRef", "name", NULL));
    const json_t *observability = json_object_get(in->dataplane, "observabilityPlaneRef");
    if (store.len > 0) {
        set_text(dataplane, "secretStore", store);
    }
    if (observability != NULL) {
        json_object_set_new(dataplane, "observabilityPlaneRef", json_deep_copy(observability));
    }
    if (json_object_size(in->annotations) > 0) {
        json_object_set_new(dataplane, "annotations", json_deep_copy(in->annotations));
    }
    if (json_object_size(own) > 0) {
        json_object_set(dataplane, "gateway", own);
    }
    if (json_object_size(effective) > 0) {
        json_object_set(environment, "gateway", effective);
    }
    json_decref(own);
    json_object_set_new(variables, "dataplane", dataplane);
    json_object_set_new(variables, "environment", environment);
    json_object_set_new(variables, "gateway", effective);
}

json_t *context_organization(const json_t *organization, const json_t *environment)
{
    const json_t *theirs = json_object_get(organization, "networkPolicies");
    const json_t *here = json_object_get(environment, "networkPolicy");
    const json_t *deny = json_object_get(here, "defaultDeny");
    const json_t *allowed = json_object_get(here, "allowedCommunication");
    bool strict = slice_eq_cstr(json_text_at(organization, "isolation"), "strict");
    if (!json_is_boolean(deny)) {
        deny = json_object_get(theirs, "defaultDeny");
    }
    if (!json_is_array(allowed)) {
        allowed = json_object_get(theirs, "allowedCommunication");
    }
    json_t *result = json_object();
    json_object_set_new(result, "strict", json_boolean(strict));
    json_object_set_new(result, "defaultDeny", json_boolean(strict || json_is_true(deny)));
    json_object_set_new(result, "allowed",
                        json_is_array(allowed) ? json_deep_copy(allowed)
                                               : json_pack("[s]", "internal"));
    return result;
}

int context_component(struct arena *arena, const struct render_component *in,
                      struct context *context, struct err *err)
{
    *context = (struct context){.variables = json_object(), .derived = json_object()};
    context->cell = name_cell(arena, in->id.ns, in->id.project, in->id.environment);
    json_t *v = context->variables;
    struct slice name = name_component(arena, in->id.component, in->id.environment);
    json_object_set_new(v, "metadata", metadata_of(arena, &in->id, name, context->cell));
    json_object_set_new(v, "organization", context_organization(in->organization, in->environment));
    add_planes(&(struct places){in->environment, in->cluster, in->dataplane,
                                in->dataplane_annotations, in->organization},
               v);
    int rc = derive(arena, in, v, context->derived, err);
    context->host = (struct oc_host){.configurations = json_object_get(v, "configurations"),
                                     .dependencies = json_object_get(v, "dependencies"),
                                     .workload = json_object_get(v, "workload"),
                                     .derived = context->derived};
    return rc;
}

void context_project(struct arena *arena, const struct render_cell *in, struct context *context)
{
    struct render_identity id = in->id;
    id.component = SLICE("");
    id.component_uid = SLICE("");
    *context = (struct context){.variables = json_object(), .derived = json_object()};
    context->cell = name_cell(arena, id.ns, id.project, id.environment);
    context->host = (struct oc_host){.derived = context->derived};
    json_object_set_new(context->variables, "metadata",
                        metadata_of(arena, &id, context->cell, context->cell));
    json_object_set_new(context->variables, "organization",
                        context_organization(in->organization, in->environment));
    add_planes(&(struct places){in->environment, in->cluster, in->dataplane,
                                in->dataplane_annotations, in->organization},
               context->variables);
}

/* requests.cpu is cpu, and so for what else is counted by what is requested of it. */
static const char *quota_name(const char *name)
{
    static const char *const requested[] = {"requests.cpu", "requests.memory", "requests.storage"};
    for (size_t i = 0; i < sizeof requested / sizeof *requested; i++) {
        if (slice_eq_cstr(slice_of(name), requested[i])) {
            return name + strlen("requests.");
        }
    }
    return name;
}

/* What is no quantity is as much as there can be. */
static schema_nano amount_of(struct arena *arena, const json_t *amount)
{
    schema_nano nano = 0;
    struct slice text = json_text(amount);
    if (json_is_integer(amount)) {
        text = slice_of(arena_printf(arena, "%lld", (long long)json_integer_value(amount)));
    } else if (json_is_real(amount)) {
        text = slice_of(arena_printf(arena, "%.9f", json_real_value(amount)));
    }
    return schema_quantity(text, &nano) ? nano : (schema_nano)INT64_MAX * INT64_MAX;
}

/* Of what both limit, the smaller counts. */
static void add_quotas(struct arena *arena, const json_t *quotas, json_t *all)
{
    const char *name;
    json_t *amount;
    json_object_foreach((json_t *)(uintptr_t)quotas, name, amount)
    {
        const json_t *other = json_object_get(all, quota_name(name));
        if (other == NULL || amount_of(arena, amount) < amount_of(arena, other)) {
            json_object_set(all, quota_name(name), amount);
        }
    }
}

void context_cell(struct arena *arena, const struct render_cell *in, struct context *context)
{
    context_project(arena, in, context);
    const json_t *limits = json_object_get(in->environment, "limits");
    const json_t *access = json_object_get(in->environment, "access");
    json_t *quotas = json_object();
    add_quotas(arena, json_object_get(in->organization, "resourceQuotas"), quotas);
    add_quotas(arena, json_object_get(in->environment, "quotas"), quotas);
    json_t *v = context->variables;
    json_object_set_new(v, "quotas", quotas);
    json_object_set_new(v, "limits",
                        json_is_object(limits) ? json_deep_copy(limits) : json_object());
    json_object_set_new(v, "access", json_is_array(access) ? json_deep_copy(access) : json_array());
}

void context_resource(struct arena *arena, const struct render_resource *in,
                      struct context *context)
{
    *context = (struct context){.variables = json_object(), .derived = json_object()};
    context->cell = name_cell(arena, in->id.ns, in->id.project, in->id.environment);
    context->host = (struct oc_host){.derived = context->derived};
    struct slice name = name_component(arena, in->id.resource, in->id.environment);
    json_object_set_new(context->variables, "metadata",
                        metadata_of(arena, &in->id, name, context->cell));
    json_object_set_new(context->variables, "organization",
                        context_organization(in->organization, in->environment));
    add_planes(&(struct places){in->environment, in->cluster, in->dataplane,
                                in->dataplane_annotations, in->organization},
               context->variables);
}

void context_free(struct context *context)
{
    json_decref(context->variables);
    json_decref(context->derived);
    *context = (struct context){0};
}

void context_enter(const struct context *context, struct template_scope *scope)
{
    const char *name;
    json_t *value;
    json_object_foreach(context->variables, name, value)
    {
        template_set(scope, slice_of(name), cel_of_json(scope->arena, value));
    }
    scope->functions = oc_functions();
    scope->function_count = oc_function_count();
    union {
        const struct oc_host *in;
        void *out;
    } host = {.in = &context->host};
    scope->host = host.out;
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* What from says of replicas and resources (if known, a schema, has them), and then `more`, as a
 * new layer. */
static void add_layer(struct arena *arena, struct layers *layers, const char *name,
                      const json_t *from, const json_t *more, const json_t *known)
{
    static const char *const keys[] = {"replicas", "resources"};
    json_t *values = json_object();
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(from, keys[i]);
        if (value != NULL && (known == NULL || schema_has(known, keys[i]))) {
            json_object_set_new(values, keys[i], json_deep_copy(value));
        }
    }
    json_t *copy = json_deep_copy(more);
    json_object_update(values, copy);
    json_decref(copy);
    arena_own(arena, values, release_tree);
    layers_add(layers, name, json_object_size(values) > 0 ? values : NULL);
}

void context_environment_configs(struct arena *arena, const struct render_component *in,
                                 const json_t *schema, struct layers *layers)
{
    struct environment_level levels[ENVIRONMENT_LEVELS];
    size_t count =
        environment_levels(in->environment, in->environment_own, in->environment_template, levels);
    for (size_t i = 0; schema != NULL && i < count; i++) {
        add_layer(arena, layers, levels[i].name, levels[i].overrides, NULL, schema);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = environment_component(levels[i].overrides, in->id.component);
        add_layer(arena, layers, levels[i].components, one, json_object_get(one, "parameters"),
                  NULL);
    }
    add_layer(arena, layers, "binding.workloadOverrides",
              json_object_get(in->binding, "workloadOverrides"), NULL, NULL);
    layers_add(layers, "binding", json_object_get(in->binding, "componentTypeEnvironmentConfigs"));
}
