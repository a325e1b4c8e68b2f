/* context.c: inputs into variables.
 *
 * Everything is built as new trees from borrowed inputs, in one pass, before the first template is
 * looked at. */
#include "render/context.h"

#include <string.h>

#include "render/derived.h"
#include "render/name.h"
#include "render/schema.h"

#define LABEL "openchoreo.dev/"

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
    set_label(labels, LABEL "project-uid", id->project_uid);
    set_label(labels, LABEL "environment-uid", id->environment_uid);
    set_label(labels, LABEL "component-uid", id->component_uid);
    return labels;
}

static json_t *metadata_of(struct arena *arena, const struct render_identity *id, struct slice cell)
{
    json_t *m = json_object();
    struct slice name =
        id->component.len > 0 ? name_component(arena, id->component, id->environment) : cell;
    set_text(m, "name", name);
    set_text(m, "namespace", cell);
    set_text(m, "componentNamespace", id->ns);
    set_text(m, "componentName", id->component);
    set_text(m, "componentUID", id->component_uid);
    set_text(m, "projectName", id->project);
    set_text(m, "projectUID", id->project_uid);
    set_text(m, "environmentName", id->environment);
    set_text(m, "environmentUID", id->environment_uid);
    set_text(m, "dataPlaneName", id->dataplane);
    set_text(m, "dataPlaneUID", id->dataplane_uid);
    json_object_set_new(m, "labels", context_labels(id));
    json_object_set_new(m, "annotations", json_object());
    json_object_set_new(m, "podSelectors", context_labels(id));
    return m;
}

/* Our flat gateway {name, namespace, domain, listenerName, httpPort, httpsPort} as OpenChoreo's
 * {ingress: {external: {name, namespace, http: {host, port, listenerName}, https: ...}}}. */
static json_t *gateway_of(const json_t *flat)
{
    static const char *const schemes[][2] = {{"httpPort", "http"}, {"httpsPort", "https"}};
    if (json_object_get(flat, "ingress") != NULL || json_object_get(flat, "egress") != NULL) {
        return json_deep_copy(flat);
    }
    json_t *external = json_object();
    set_text(external, "name", json_text_at(flat, "name"));
    set_text(external, "namespace", json_text_at(flat, "namespace"));
    for (size_t i = 0; i < 2; i++) {
        json_t *port = json_object_get(flat, schemes[i][0]);
        bool implied = i == 0 && json_object_get(flat, "httpsPort") == NULL;
        if (port == NULL && !implied) {
            continue;
        }
        json_t *listener = json_object();
        set_text(listener, "host", json_text_at(flat, "domain"));
        json_object_set_new(listener, "port",
                            port != NULL ? json_deep_copy(port) : json_integer(80));
        if (json_object_get(flat, "listenerName") != NULL) {
            set_text(listener, "listenerName", json_text_at(flat, "listenerName"));
        }
        json_object_set_new(external, schemes[i][1], listener);
    }
    return json_pack("{s:{s:o}}", "ingress", "external", external);
}

/* The gateway of the first that has one, or {}. */
static json_t *effective_gateway(const struct render_component *in)
{
    const json_t *places[] = {in->environment, in->cluster, in->dataplane};
    for (size_t i = 0; i < 3; i++) {
        const json_t *gateway = json_object_get(places[i], "gateway");
        if (json_is_object(gateway) && json_object_size(gateway) > 0) {
            return gateway_of(gateway);
        }
    }
    return json_object();
}

static void add_planes(const struct render_component *in, json_t *variables)
{
    json_t *gateway = effective_gateway(in);
    json_t *dataplane = json_object();
    json_t *environment = json_object();
    struct slice store = json_text(json_at(in->dataplane, "secretStoreRef", "name", NULL));
    const json_t *observability = json_object_get(in->dataplane, "observabilityPlaneRef");
    const json_t *channel = json_object_get(in->environment, "defaultNotificationChannel");
    if (store.len > 0) {
        set_text(dataplane, "secretStore", store);
    }
    if (observability != NULL) {
        json_object_set_new(dataplane, "observabilityPlaneRef", json_deep_copy(observability));
    }
    if (channel != NULL) {
        json_object_set_new(environment, "defaultNotificationChannel", json_deep_copy(channel));
    }
    json_object_set(dataplane, "gateway", gateway);
    json_object_set(environment, "gateway", gateway);
    json_object_set_new(variables, "dataplane", dataplane);
    json_object_set_new(variables, "environment", environment);
    json_object_set_new(variables, "gateway", gateway);
}

/* Who may talk: the environment's word before the organization's; strict alone allows `internal`.
 */
static json_t *organization_of(const json_t *organization, const json_t *environment)
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
    json_object_set_new(v, "metadata", metadata_of(arena, &in->id, context->cell));
    json_object_set_new(v, "organization", organization_of(in->organization, in->environment));
    add_planes(in, v);
    int rc = derive(arena, in, v, context->derived, err);
    context->host = (struct oc_host){.configurations = json_object_get(v, "configurations"),
                                     .dependencies = json_object_get(v, "dependencies"),
                                     .workload = json_object_get(v, "workload"),
                                     .derived = context->derived};
    return rc;
}

int context_cell(struct arena *arena, const struct render_cell *in, struct context *context,
                 struct err *err)
{
    (void)err;
    struct render_identity id = in->id;
    id.component = SLICE("");
    id.component_uid = SLICE("");
    *context = (struct context){.variables = json_object(), .derived = json_object()};
    context->cell = name_cell(arena, id.ns, id.project, id.environment);
    context->host = (struct oc_host){.derived = context->derived};
    const json_t *quotas = json_object_get(in->environment, "quotas");
    if (!json_is_object(quotas)) {
        quotas = json_object_get(in->organization, "resourceQuotas");
    }
    json_t *v = context->variables;
    json_object_set_new(v, "metadata", metadata_of(arena, &id, context->cell));
    json_object_set_new(v, "organization", organization_of(in->organization, in->environment));
    json_object_set_new(v, "quotas",
                        json_is_object(quotas) ? json_deep_copy(quotas) : json_object());
    return 0;
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

/* Members of from over those of to. */
static void overlay(json_t *to, const json_t *from, bool known_only, const json_t *schema)
{
    static const char *const keys[] = {"replicas", "resources"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(from, keys[i]);
        if (value != NULL && (!known_only || schema_has(schema, keys[i]))) {
            json_object_set_new(to, keys[i], json_deep_copy(value));
        }
    }
}

json_t *context_environment_configs(const struct render_component *in, const json_t *schema)
{
    json_t *configs = json_object();
    const json_t *overrides = json_object_get(in->environment, "overrides");
    const json_t *components = json_object_get(overrides, "components");
    overlay(configs, overrides, true, schema);
    for (size_t i = 0; i < json_array_size(components); i++) {
        const json_t *one = json_array_get(components, i);
        if (slice_eq(json_text_at(one, "name"), in->id.component)) {
            json_t *parameters = json_deep_copy(json_object_get(one, "parameters"));
            overlay(configs, one, false, schema);
            json_object_update(configs, parameters);
            json_decref(parameters);
        }
    }
    json_t *bound = json_deep_copy(json_object_get(in->binding, "componentTypeEnvironmentConfigs"));
    overlay(configs, json_object_get(in->binding, "workloadOverrides"), false, schema);
    json_object_update(configs, bound);
    json_decref(bound);
    return configs;
}
