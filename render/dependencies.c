/* dependencies.c: what a workload connects to: endpoints of other components, and resources.
 *
 * An address of another component is its Service's, in the cell of that component's project in the
 * same environment. A resource's outputs become variables (its literal values, and references to
 * Secrets and ConfigMaps that are on the data plane already) and mounted files. Which goes where,
 * the dependency's bindings say, or convention: of "database" the output "host" is DATABASE_HOST,
 * and "uri" is DATABASE_URL too, which is what most programs look for. */
#include "render/derived.h"

#include "render/members.h"
#include "render/name.h"

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

/* The resolved endpoint that a dependency means, or NULL. */
static const json_t *target_of(const struct render_component *in, const json_t *dependency)
{
    struct slice component = json_text_at(dependency, "component");
    struct slice project = json_text_at(dependency, "project");
    struct slice name = json_text_at(dependency, "name");
    project = project.len > 0 ? project : in->id.project;
    for (size_t i = 0; i < json_array_size(in->dependencies); i++) {
        const json_t *one = json_array_get(in->dependencies, i);
        struct slice theirs = json_text_at(one, "project");
        if (slice_eq(json_text_at(one, "component"), component) &&
            slice_eq(theirs.len > 0 ? theirs : in->id.project, project) &&
            (name.len == 0 || slice_eq(json_text_at(one, "name"), name))) {
            return one;
        }
    }
    return NULL;
}

static const char *scheme_of(struct slice type)
{
    return slice_eq_cstr(type, "HTTP") || slice_eq_cstr(type, "GraphQL") ? "http://"
           : slice_eq_cstr(type, "Websocket")                            ? "ws://"
                                                                         : "";
}

static void bind(json_t *envs, const json_t *bindings, const char *part, struct slice value)
{
    struct slice name = json_text_at(bindings, part);
    if (name.len > 0) {
        json_t *env = json_object();
        set_text(env, "name", name);
        set_text(env, "value", value);
        json_array_append_new(envs, env);
    }
}

/* The variables of one dependency. */
static void connect(struct arena *arena, const struct render_component *in,
                    const json_t *dependency, const json_t *target, json_t *envs)
{
    const json_t *bindings = json_object_get(dependency, "envBindings");
    struct slice project = json_text_at(target, "project");
    struct slice host = json_text_at(target, "host");
    struct slice path = json_text_at(target, "basePath");
    const char *scheme = scheme_of(json_text_at(target, "type"));
    if (host.len == 0) {
        struct slice cell = name_cell(arena, in->id.ns, project.len > 0 ? project : in->id.project,
                                      in->id.environment);
        host =
            slice_of(arena_printf(arena, "%.*s.%.*s.svc.cluster.local",
                                  SLICE_ARG(json_text_at(target, "component")), SLICE_ARG(cell)));
    }
    const char *port =
        arena_printf(arena, "%lld", (long long)json_integer_value(json_object_get(target, "port")));
    const char *address = arena_printf(arena, "%s%.*s:%s%.*s", scheme, SLICE_ARG(host), port,
                                       SLICE_ARG(scheme[0] != '\0' ? path : SLICE("")));
    bind(envs, bindings, "address", slice_of(address));
    bind(envs, bindings, "host", host);
    bind(envs, bindings, "port", slice_of(port));
    bind(envs, bindings, "basePath", path);
}

static json_t *item_of(const struct render_component *in, const json_t *dependency,
                       const json_t *target, json_t *envs)
{
    struct slice project = json_text_at(target, "project");
    struct slice visibility = json_text_at(dependency, "visibility");
    const json_t *port = json_object_get(target, "targetPort");
    bool udp = slice_eq_cstr(json_text_at(target, "type"), "UDP");
    json_t *item = json_pack("{s:o, s:s, s:O}", "envVars", envs, "protocol", udp ? "UDP" : "TCP",
                             "targetPort", port != NULL ? port : json_object_get(target, "port"));
    set_text(item, "namespace", in->id.ns);
    set_text(item, "project", project.len > 0 ? project : in->id.project);
    set_text(item, "component", json_text_at(target, "component"));
    set_text(item, "endpoint", json_text_at(target, "name"));
    set_text(item, "visibility", visibility.len > 0 ? visibility : SLICE("project"));
    return item;
}

static int add_items(struct arena *arena, const struct render_component *in, json_t *items,
                     struct err *err)
{
    const json_t *wanted = json_at(in->release, "workload", "dependencies", "endpoints", NULL);
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *dependency = json_array_get(wanted, i);
        const json_t *target = target_of(in, dependency);
        if (target == NULL) {
            return err_set(err, ERR_UNPROCESSABLE,
                           "workload.dependencies.endpoints[%zu]: the component %.*s has no such "
                           "endpoint in this environment",
                           i, SLICE_ARG(json_text_at(dependency, "component")));
        }
        json_t *envs = json_array();
        connect(arena, in, dependency, target, envs);
        json_array_append_new(items, item_of(in, dependency, target, envs));
    }
    return 0;
}

/* ---- resources ---- */

/* One dependency on a resource, and what has become of it so far. */
struct wiring {
    struct arena *arena;
    const json_t *dependency; /* {ref, envBindings, fileBindings} */
    const json_t *outputs;    /* [{name, value | secretKeyRef | configMapKeyRef}] */
    size_t index;
    json_t *envs;
    json_t *mounts;
    json_t *volumes; /* by kind and name, so that two files of one Secret share it */
    struct err *err;
};

static const json_t *find_named(const json_t *list, const char *key, struct slice name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq(json_text_at(json_array_get(list, i), key), name)) {
            return json_array_get(list, i);
        }
    }
    return NULL;
}

static int no_output(const struct wiring *w, const char *bindings, struct slice output,
                     const char *why)
{
    return err_set(w->err, ERR_UNPROCESSABLE,
                   "workload.dependencies.resources[%zu].%s.%.*s: the resource %.*s %s", w->index,
                   bindings, SLICE_ARG(output), SLICE_ARG(json_text_at(w->dependency, "ref")), why);
}

static void add_variable(const struct wiring *w, struct slice variable, const json_t *output)
{
    static const char *const kinds[] = {"secretKeyRef", "configMapKeyRef"};
    json_t *env = json_object();
    set_text(env, "name", variable);
    for (size_t k = 0; k < 2; k++) {
        json_t *ref = json_object_get(output, kinds[k]);
        if (ref != NULL) {
            json_object_set_new(env, "valueFrom",
                                json_pack("{s:o}", kinds[k], json_deep_copy(ref)));
        }
    }
    if (json_object_get(env, "valueFrom") == NULL) {
        set_text(env, "value", json_text_at(output, "value"));
    }
    json_array_append_new(w->envs, env);
}

/* "order-db" and "host" as "ORDER_DB_HOST". */
static struct slice conventional(const struct wiring *w, struct slice name, struct slice output)
{
    char *text = arena_printf(w->arena, "%.*s_%.*s", SLICE_ARG(name), SLICE_ARG(output));
    for (char *c = text; *c != '\0'; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z');
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : alnum ? *c : '_';
    }
    return slice_of(text);
}

static void add_conventional(const struct wiring *w, struct slice name)
{
    for (size_t i = 0; i < json_array_size(w->outputs); i++) {
        const json_t *output = json_array_get(w->outputs, i);
        struct slice is = json_text_at(output, "name");
        add_variable(w, conventional(w, name, is), output);
        if (slice_eq_cstr(is, "uri") && find_named(w->outputs, "name", SLICE("url")) == NULL) {
            add_variable(w, conventional(w, name, SLICE("url")), output);
        }
    }
}

static int add_variables(const struct wiring *w)
{
    const json_t *bindings = json_object_get(w->dependency, "envBindings");
    struct slice name = json_text_at(w->dependency, "name");
    struct member *members;
    size_t count = members_sorted(w->arena, bindings, &members);
    if (count == 0 && name.len > 0) {
        add_conventional(w, name);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *output = find_named(w->outputs, "name", members[i].key);
        if (output == NULL) {
            return no_output(w, "envBindings", members[i].key, "has no such output");
        }
        add_variable(w, json_text(members[i].value), output);
    }
    return 0;
}

/* "r-" and a hash of REF:KIND:NAME. */
static struct slice volume_name(const struct wiring *w, const char *kind, struct slice source)
{
    const char *text =
        arena_printf(w->arena, "%.*s:%s:%.*s", SLICE_ARG(json_text_at(w->dependency, "ref")), kind,
                     SLICE_ARG(source));
    return slice_of(
        arena_printf(w->arena, "r-%.*s", SLICE_ARG(name_hash(w->arena, slice_of(text)))));
}

static void mount(const struct wiring *w, const char *kind, const json_t *ref, struct slice path)
{
    bool secret = kind[0] == 's';
    struct slice source = json_text_at(ref, "name");
    struct slice name = volume_name(w, kind, source);
    const char *key =
        arena_printf(w->arena, "%s %.*s", secret ? "secret" : "configmap", SLICE_ARG(source));
    if (json_object_get(w->volumes, key) == NULL) {
        json_t *volume = json_pack("{s:{s:o}}", secret ? "secret" : "configMap",
                                   secret ? "secretName" : "name", json_str(source));
        set_text(volume, "name", name);
        json_object_set_new(w->volumes, key, volume);
    }
    json_array_append_new(w->mounts,
                          json_pack("{s:o, s:o, s:o}", "name", json_str(name), "mountPath",
                                    json_str(path), "subPath", json_str(json_text_at(ref, "key"))));
}

static int add_files(const struct wiring *w)
{
    struct member *members;
    size_t count =
        members_sorted(w->arena, json_object_get(w->dependency, "fileBindings"), &members);
    for (size_t i = 0; i < count; i++) {
        const json_t *output = find_named(w->outputs, "name", members[i].key);
        const json_t *secret = json_object_get(output, "secretKeyRef");
        const json_t *config = json_object_get(output, "configMapKeyRef");
        if (output == NULL || (secret == NULL && config == NULL)) {
            return no_output(w, "fileBindings", members[i].key,
                             output == NULL ? "has no such output"
                                            : "has it as a value, which is no file");
        }
        mount(w, secret != NULL ? "secret" : "configmap", secret != NULL ? secret : config,
              json_text(members[i].value));
    }
    return 0;
}

static int add_resource(struct arena *arena, const json_t *provided, const json_t *dependency,
                        size_t index, json_t *resources, struct err *err)
{
    struct wiring w = {.arena = arena,
                       .dependency = dependency,
                       .outputs = json_object_get(provided, "outputs"),
                       .index = index,
                       .envs = json_array(),
                       .mounts = json_array(),
                       .volumes = json_object(),
                       .err = err};
    json_t *volumes = json_array();
    struct member *members;
    int rc = add_variables(&w);
    rc = rc == 0 ? add_files(&w) : rc;
    size_t count = members_sorted(arena, w.volumes, &members);
    for (size_t i = 0; i < count; i++) {
        json_array_append(volumes, members[i].value);
    }
    json_array_append_new(resources,
                          json_pack("{s:o, s:o, s:o, s:o}", "ref",
                                    json_str(json_text_at(dependency, "ref")), "envVars", w.envs,
                                    "volumeMounts", w.mounts, "volumes", volumes));
    json_decref(w.volumes);
    return rc;
}

/* ---- all of them ---- */

/* The elements of every item's list `key`, behind each other. */
static void gather(json_t *into, const json_t *items, const char *key)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_array_extend(into, json_object_get(json_array_get(items, i), key));
    }
}

int derive_dependencies(struct arena *arena, const struct render_component *in, json_t *variables,
                        json_t *derived, struct err *err)
{
    static const char *const lists[][2] = {{"envVars", "toContainerEnvs"},
                                           {"volumeMounts", "toContainerVolumeMounts"},
                                           {"volumes", "toVolumes"}};
    const json_t *wanted = json_at(in->release, "workload", "dependencies", "resources", NULL);
    json_t *items = json_array();
    json_t *resources = json_array();
    json_t *all = json_pack("{s:o, s:o}", "items", items, "resources", resources);
    json_t *methods = json_object();
    int rc = add_items(arena, in, items, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(wanted); i++) {
        const json_t *dependency = json_array_get(wanted, i);
        const json_t *provided = find_named(in->resources, "ref", json_text_at(dependency, "ref"));
        if (provided != NULL) {
            rc = add_resource(arena, provided, dependency, i, resources, err);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        json_t *list = json_array();
        gather(list, items, lists[i][0]);
        gather(list, resources, lists[i][0]);
        json_object_set(all, lists[i][0], list);
        json_object_set_new(methods, lists[i][1], list);
    }
    json_object_set_new(variables, "dependencies", all);
    json_object_set_new(derived, "dependencies", methods);
    return rc;
}

void derive_dependencies_without(json_t *variables, const struct map *names)
{
    /* The same list as toContainerEnvs() gives, so it is changed in place. */
    json_t *envs = json_at(variables, "dependencies", "envVars", NULL);
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(envs); i++) {
        json_t *env = json_array_get(envs, i);
        if (map_get(names, json_text_at(env, "name")) == NULL) {
            json_array_append(kept, env);
        }
    }
    json_array_clear(envs);
    json_array_extend(envs, kept);
    json_decref(kept);
}
