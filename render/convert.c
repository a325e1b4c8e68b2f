/* convert.c: one pass over Component.spec.
 *
 * The gate has checked the shape of a Component against its schema; what is checked here is what
 * makes a workload impossible (no image, two endpoints of one name), and offline input, which no
 * gate saw. Lists keep their order; endpoints become a map, for that is OpenChoreo's form, and how
 * they were listed is said beside it. */
#include "render/convert.h"

#include <stdio.h>
#include <string.h>

#include "render/resource_release.h"

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

/* Copies those members of from that are there and not null. */
static void copy_members(json_t *to, const json_t *from, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(from, keys[i]);
        if (value != NULL && !json_is_null(value)) {
            json_object_set_new(to, keys[i], json_deep_copy(value));
        }
    }
}

static int wrong(struct err *err, const char *list, size_t index, const char *what)
{
    return err_set(err, ERR_UNPROCESSABLE, "spec.%s[%zu]%s", list, index, what);
}

/* {name, value | valueFrom} as {key, ...}; OpenChoreo's own form passes. */
static int convert_entries(const json_t *spec, const char *list, bool files, json_t *container,
                           struct err *err)
{
    static const char *const values[] = {"value", "valueFrom"};
    const json_t *given = json_object_get(spec, list);
    json_t *result = json_array();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        struct slice name = json_text_at(one, "name");
        name = name.len > 0 ? name : json_text_at(one, "key");
        json_t *entry = json_object();
        set_text(entry, "key", name);
        copy_members(entry, one, values, 2);
        if (files) {
            set_text(entry, "mountPath", json_text_at(one, "mountPath"));
        }
        if (name.len == 0) {
            rc = wrong(err, list, i, ".name: is required");
        } else if (files && json_text_at(one, "mountPath").len == 0) {
            rc = wrong(err, list, i, ".mountPath: is required");
        }
        json_array_append_new(result, entry);
    }
    if (json_array_size(result) > 0) {
        json_object_set(container, list, result);
    }
    json_decref(result);
    return rc;
}

static int convert_container(const json_t *spec, struct slice image, json_t *container,
                             struct err *err)
{
    static const char *const keys[] = {"command", "args"};
    struct slice chosen = image.len > 0 ? image : json_text_at(spec, "image");
    if (chosen.len == 0) {
        return err_set(err, ERR_UNPROCESSABLE, "spec.image: there is no image to run");
    }
    set_text(container, "image", chosen);
    copy_members(container, spec, keys, 2);
    int rc = convert_entries(spec, "env", false, container, err);
    return rc == 0 ? convert_entries(spec, "files", true, container, err) : rc;
}

/* Our word for who may call, as OpenChoreo's. */
static struct slice visibility_of(struct slice ours)
{
    return slice_eq_cstr(ours, "public")         ? SLICE("external")
           : slice_eq_cstr(ours, "organization") ? SLICE("namespace")
                                                 : ours;
}

static json_t *visibilities(const json_t *given)
{
    json_t *result = json_array();
    if (json_is_string(given)) {
        json_array_append_new(result, json_str(visibility_of(json_text(given))));
    }
    for (size_t i = 0; i < json_array_size(given); i++) {
        struct slice one = visibility_of(json_text(json_array_get(given, i)));
        json_array_append_new(result, json_str(one));
    }
    return result;
}

static json_t *convert_endpoint(const json_t *given)
{
    static const char *const keys[] = {"port", "targetPort", "displayName", "schema", "metrics"};
    json_t *endpoint = json_object();
    struct slice type = json_text_at(given, "type");
    struct slice path = json_text_at(given, "path");
    const json_t *visibility = json_object_get(given, "visibility");
    set_text(endpoint, "type", type.len > 0 ? type : SLICE("HTTP"));
    copy_members(endpoint, given, keys, sizeof keys / sizeof *keys);
    if (path.len > 0) {
        set_text(endpoint, "basePath", path);
    }
    if (visibility != NULL) {
        json_object_set_new(endpoint, "visibility", visibilities(visibility));
    }
    return endpoint;
}

/* The order in which they were listed, where it is not that of their names: the first is what
 * probes ask and who names none depends on. */
static void keep_order(const json_t *given, json_t *workload)
{
    struct slice last = {0};
    bool by_name = true;
    json_t *order = json_array();
    for (size_t i = 0; i < json_array_size(given); i++) {
        struct slice name = json_text_at(json_array_get(given, i), "name");
        by_name = by_name && slice_cmp(last, name) < 0;
        json_array_append_new(order, json_str(name));
        last = name;
    }
    if (!by_name) {
        json_object_set(workload, "endpointOrder", order);
    }
    json_decref(order);
}

static int convert_endpoints(const json_t *spec, json_t *workload, struct err *err)
{
    const json_t *given = json_object_get(spec, "endpoints");
    json_t *endpoints = json_object();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        struct slice name = json_text_at(one, "name");
        if (name.len == 0) {
            rc = wrong(err, "endpoints", i, ".name: is required");
        } else if (json_object_getn(endpoints, name.data, name.len) != NULL) {
            rc = wrong(err, "endpoints", i, ".name: another endpoint has this name");
        } else if (!json_is_integer(json_object_get(one, "port"))) {
            rc = wrong(err, "endpoints", i, ".port: is required");
        } else {
            json_object_setn_new(endpoints, name.data, name.len, convert_endpoint(one));
        }
    }
    if (json_object_size(endpoints) > 0) {
        json_object_set(workload, "endpoints", endpoints);
        keep_order(given, workload);
    }
    json_decref(endpoints);
    return rc;
}

/* "order-db" and "HOST" as "ORDER_DB_HOST". */
static json_t *variable(struct slice name, const char *part)
{
    struct buf text = {0};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        buf_add_char(&text, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : alnum ? c : '_');
    }
    buf_addf(&text, "_%s", part);
    json_t *result = json_str(buf_slice(&text));
    buf_free(&text);
    return result;
}

static json_t *convert_connection(const json_t *given)
{
    static const char *const keys[] = {"project"};
    struct slice name = json_text_at(given, "name");
    struct slice component = json_text_at(given, "component");
    struct slice project = json_text_at(given, "project");
    const json_t *bindings = json_object_get(given, "envBindings");
    json_t *result = json_object();
    set_text(result, "component", component.len > 0 ? component : name);
    set_text(result, "name", json_text_at(given, "endpoint"));
    copy_members(result, given, keys, 1);
    set_text(result, "visibility", project.len > 0 ? SLICE("namespace") : SLICE("project"));
    json_object_set_new(result, "envBindings",
                        json_is_object(bindings)
                            ? json_deep_copy(bindings)
                            : json_pack("{s:o, s:o, s:o}", "host", variable(name, "HOST"), "port",
                                        variable(name, "PORT"), "address",
                                        variable(name, "ADDRESS")));
    return result;
}

/* {ref, type, name} of a dependency on a resource, with OpenChoreo's bindings where it says any. */
static json_t *convert_resource(struct slice project, const json_t *given)
{
    static const char *const bindings[][2] = {{"env", "envBindings"}, {"files", "fileBindings"}};
    struct arena arena = {0};
    json_t *result = json_object();
    set_text(result, "ref", dependency_resource(&arena, project, given));
    set_text(result, "type", json_text_at(given, "type"));
    set_text(result, "name", json_text_at(given, "name"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *bound = json_object_get(given, bindings[i][0]);
        if (json_object_size(bound) > 0) {
            json_object_set_new(result, bindings[i][1], json_deep_copy(bound));
        }
    }
    arena_free(&arena);
    return result;
}

static int convert_dependencies(const json_t *spec, struct slice project, json_t *workload,
                                struct err *err)
{
    const json_t *given = json_object_get(spec, "dependencies");
    json_t *endpoints = json_array();
    json_t *resources = json_array();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        if (json_text_at(one, "name").len == 0) {
            rc = wrong(err, "dependencies", i, ".name: is required");
        } else if (!dependency_is_resource(one)) {
            json_array_append_new(endpoints, convert_connection(one));
        } else {
            json_array_append_new(resources, convert_resource(project, one));
        }
    }
    json_t *dependencies = json_object();
    if (json_array_size(endpoints) > 0) {
        json_object_set(dependencies, "endpoints", endpoints);
    }
    if (json_array_size(resources) > 0) {
        json_object_set(dependencies, "resources", resources);
    }
    if (json_object_size(dependencies) > 0) {
        json_object_set(workload, "dependencies", dependencies);
    }
    json_decref(dependencies);
    json_decref(endpoints);
    json_decref(resources);
    return rc;
}

int convert_workload(const json_t *spec, struct slice project, struct slice image,
                     json_t **workload, struct err *err)
{
    json_t *container = json_object();
    *workload = json_pack("{s:o}", "container", container);
    int rc = convert_container(spec, image, container, err);
    if (rc == 0) {
        rc = convert_endpoints(spec, *workload, err);
    }
    if (rc == 0) {
        rc = convert_dependencies(spec, project, *workload, err);
    }
    if (rc != 0) {
        json_decref(*workload);
        *workload = NULL;
    }
    return rc;
}

/* What a component says beside its parameters, and a type may have a parameter for. */
static const char *const profile_keys[] = {"replicas", "resources",        "imagePullPolicy",
                                           "schedule", "probes",           "security",
                                           "shutdown", "zoneSpread",       "autoscaling",
                                           "volumes",  "imagePullSecrets", "serviceAccountName",
                                           "slo"};

enum { PROFILE_KEYS = sizeof profile_keys / sizeof *profile_keys };

const char *convert_unknown_field(struct slice message)
{
    for (size_t i = 0; i < PROFILE_KEYS; i++) {
        char told[64];
        (void)snprintf(told, sizeof told, "parameters.%s: unknown field", profile_keys[i]);
        if (slice_find(message, slice_of(told)) != SIZE_MAX) {
            return profile_keys[i];
        }
    }
    return NULL;
}

int convert_profile(const json_t *spec, json_t **profile, struct err *err)
{
    const json_t *given = json_object_get(spec, "parameters");
    const json_t *traits = json_object_get(spec, "traits");
    *profile = NULL;
    if (given != NULL && !json_is_null(given) && !json_is_object(given)) {
        return err_set(err, ERR_UNPROCESSABLE, "spec.parameters: must be an object");
    }
    json_t *parameters = json_object();
    copy_members(parameters, spec, profile_keys, PROFILE_KEYS);
    json_t *own = json_deep_copy(given);
    json_object_update(parameters, own);
    json_decref(own);
    *profile = json_pack("{s:o}", "parameters", parameters);
    if (json_array_size(traits) > 0) {
        json_object_set_new(*profile, "traits", json_deep_copy(traits));
    }
    return 0;
}
