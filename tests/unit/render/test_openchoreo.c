/* OpenChoreo's own samples render to the objects that it makes of them, names included: set
 * OPENCHOREO_DIR to a checkout of it (or a part that has samples/). What its controllers add
 * outside of templates, such as network policies, is not looked at.
 *
 * Each sample with a golden text says what it shows: the objects' keys in order of application, and
 * below them those fields that are the point. A sample that the part lacks is passed over; one that
 * has no golden text must at least render. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/yaml.h"
#include "render/check.h"
#include "render/resource_type.h"
#include "render/trace.h"

enum { FILE_MAX_BYTES = 512 * 1024, SHOWN_MAX = 8 };

/* Every document below samples/, each with the file that it is from in "file". */
static json_t *documents;

/* ---- loading ---- */

static int keep(json_t *document, int line, void *user, struct err *err)
{
    (void)line;
    (void)err;
    json_t *copy = json_deep_copy(document);
    json_object_set_new(copy, "file", json_string(user));
    json_array_append_new(documents, copy);
    return 0;
}

static void load_file(const char *root, const char *name)
{
    char path[1200];
    char shown[600];
    struct buf text = {0};
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    (void)snprintf(shown, sizeof shown, "%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_reserve(&text, FILE_MAX_BYTES);
    text.len = fread(text.data, 1, FILE_MAX_BYTES, file);
    assert_int_equal(fclose(file), 0);
    assert_ok(yaml_each(buf_slice(&text), path, keep, shown, &err), &err);
    buf_free(&text);
}

static void load_folder(const char *root, const char *name)
{
    char path[1200];
    struct dirent **entries;
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    int count = scandir(path, &entries, NULL, alphasort);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        struct stat st;
        struct slice entry = slice_of(entries[i]->d_name);
        char below[600];
        (void)snprintf(below, sizeof below, "%s%s%s", name, name[0] != '\0' ? "/" : "",
                       entries[i]->d_name);
        (void)snprintf(path, sizeof path, "%s/%s", root, below);
        if (entry.data[0] != '.' && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            load_folder(root, below);
        } else if (slice_ends_with(entry, SLICE(".yaml"))) {
            load_file(root, below);
        }
        free(entries[i]);
    }
    free(entries);
}

static int setup(void **state)
{
    (void)state;
    char root[600];
    documents = json_array();
    if (getenv("OPENCHOREO_DIR") != NULL) {
        (void)snprintf(root, sizeof root, "%s/samples", getenv("OPENCHOREO_DIR"));
        load_folder(root, "");
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(documents);
    return 0;
}

static void need_checkout(void)
{
    if (json_array_size(documents) == 0) {
        print_message("skipped: OPENCHOREO_DIR is not set\n");
        skip();
    }
}

/* ---- finding ---- */

/* The first document whose kind ends so, of a name (or any) in a file (or any). */
static json_t *find(const char *kind, struct slice name, const char *file)
{
    for (size_t i = 0; i < json_array_size(documents); i++) {
        json_t *one = json_array_get(documents, i);
        if (slice_ends_with(json_text_at(one, "kind"), slice_of(kind)) &&
            (file == NULL || slice_eq_cstr(json_text_at(one, "file"), file)) &&
            (name.len == 0 || slice_eq(json_text(json_at(one, "metadata", "name", NULL)), name))) {
            return one;
        }
    }
    return NULL;
}

static json_t *spec_of(const json_t *document)
{
    return json_object_get(document, "spec");
}

/* "service" of "deployment/service". */
static struct slice type_name(const json_t *component)
{
    struct slice name = json_text(json_at(component, "spec", "componentType", "name", NULL));
    size_t slash = slice_find(name, SLICE("/"));
    return slash == SIZE_MAX ? name : slice_sub(name, slash + 1, SIZE_MAX);
}

static json_t *type_of(const json_t *component, const char *file)
{
    json_t *own = find("ComponentType", type_name(component), file);
    return spec_of(own != NULL ? own : find("ComponentType", type_name(component), NULL));
}

/* ---- rendering ---- */

static json_t *plane(void)
{
    static const char text[] =
        "{gateway: {ingress: {"
        "external: {name: gw, namespace: gws, http: {host: d, port: 80}, tls: {host: t, port: 1}},"
        "internal: {name: in, namespace: gws, http: {host: i, port: 80}}}},"
        " secretStoreRef: {name: store}}";
    struct err err = {0};
    json_t *tree;
    assert_ok(yaml_parse(slice_of(text), "plane", &tree, &err), &err);
    return tree;
}

static json_t *add_traits(json_t *frozen, const json_t *uses)
{
    for (size_t i = 0; i < json_array_size(uses); i++) {
        const json_t *use = json_array_get(uses, i);
        const json_t *trait = find("Trait", json_text_at(use, "name"), NULL);
        assert_non_null(trait);
        json_array_append_new(
            frozen, json_pack("{s:O, s:O, s:O}", "kind", json_object_get(trait, "kind"), "name",
                              json_object_get(use, "name"), "spec", spec_of(trait)));
    }
    return frozen;
}

static json_t *release_of(const json_t *component, const json_t *workload, const char *file)
{
    json_t *type = type_of(component, file);
    json_t *profile = json_object();
    const json_t *uses = json_at(component, "spec", "traits", NULL);
    json_t *traits = add_traits(add_traits(json_array(), json_object_get(type, "traits")), uses);
    json_object_set(profile, "parameters", json_at(component, "spec", "parameters", NULL));
    json_object_set(profile, "traits", (json_t *)(uintptr_t)uses);
    return json_pack("{s:{s:s, s:O}, s:o, s:O, s:o}", "componentType", "kind",
                     "ClusterComponentType", "spec", type, "componentProfile", profile, "workload",
                     workload, "traits", traits);
}

static struct render_identity identity(const json_t *component)
{
    return (struct render_identity){
        .ns = SLICE("default"),
        .project = json_text(json_at(component, "spec", "owner", "projectName", NULL)),
        .component = json_text(json_at(component, "metadata", "name", NULL)),
        .environment = SLICE("development")};
}

/* The endpoints of every workload there is. */
static json_t *addresses(void)
{
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *one = json_array_get(documents, i);
        const char *name;
        json_t *endpoint;
        json_object_foreach(json_at(one, "spec", "endpoints", NULL), name, endpoint)
        {
            const json_t *owner = json_at(one, "spec", "owner", NULL);
            json_array_append_new(all, json_pack("{s:O, s:O, s:s, s:O, s:O}", "component",
                                                 json_object_get(owner, "componentName"), "project",
                                                 json_object_get(owner, "projectName"), "name",
                                                 name, "port", json_object_get(endpoint, "port"),
                                                 "type", json_object_get(endpoint, "type")));
        }
    }
    return all;
}

static struct render_resource resource_of(const json_t *resource, json_t *plane_spec)
{
    struct slice name = json_text(json_at(resource, "metadata", "name", NULL));
    char binding[300];
    (void)snprintf(binding, sizeof binding, "%.*s-development", SLICE_ARG(name));
    return (struct render_resource){
        .id = {.ns = SLICE("default"),
               .project = json_text(json_at(resource, "spec", "owner", "projectName", NULL)),
               .resource = name,
               .environment = SLICE("development")},
        .type = spec_of(
            find("ResourceType", json_text(json_at(resource, "spec", "type", "name", NULL)), NULL)),
        .parameters = json_at(resource, "spec", "parameters", NULL),
        .configs = json_at(find("ResourceReleaseBinding", slice_of(binding), NULL), "spec",
                           "resourceTypeEnvironmentConfigs", NULL),
        .dataplane = plane_spec};
}

/* What the resources that a workload depends on give it. */
static json_t *outputs_for(const json_t *workload, json_t *plane_spec)
{
    json_t *all = json_array();
    const json_t *wanted = json_at(workload, "dependencies", "resources", NULL);
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        struct slice ref = json_text_at(json_array_get(wanted, i), "ref");
        const json_t *resource = find("Resource", ref, NULL);
        struct err err = {0};
        json_t *outputs;
        size_t missing;
        assert_non_null(resource);
        const struct render_resource in = resource_of(resource, plane_spec);
        assert_ok(render_outputs(&in, &outputs, &missing, &err), &err);
        assert_int_equal(missing, 0);
        json_array_append_new(all,
                              json_pack("{s:o, s:o}", "ref", json_str(ref), "outputs", outputs));
    }
    return all;
}

static json_t *render_sample_as(const json_t *component, bool openchoreo)
{
    const char *file = json_string_value(json_object_get(component, "file"));
    const json_t *workload = spec_of(find("Workload", SLICE(""), file));
    struct err err = {0};
    json_t *manifests;
    json_t *plane_spec = plane();
    json_t *release = release_of(component, workload, file);
    json_t *endpoints = addresses();
    json_t *outputs = outputs_for(workload, plane_spec);
    json_t *environment = json_pack("{s:s}", "defaultNotificationChannel", "ops");
    const struct render_component in = {.id = identity(component),
                                        .release = release,
                                        .environment = environment,
                                        .binding = spec_of(find("ReleaseBinding", SLICE(""), file)),
                                        .dataplane = plane_spec,
                                        .dependencies = endpoints,
                                        .resources = outputs,
                                        .sources = documents,
                                        .openchoreo = openchoreo,
                                        .tolerant = true};
    if (render_component(&in, &manifests, &err) != 0) {
        fail_msg("%s: %s", file, err.message);
    }
    json_decref(environment);
    json_decref(outputs);
    json_decref(endpoints);
    json_decref(release);
    json_decref(plane_spec);
    return manifests;
}

/* What its templates make. */
static json_t *render_sample(const json_t *component)
{
    return render_sample_as(component, false);
}

/* ---- showing ---- */

struct showing {
    struct buf *out;
    struct slice kind;
    const char *const *shown; /* "Deployment spec.replicas"; all fields that begin so */
};

static void show_field(void *user, struct slice path, const json_t *value, const json_t *source)
{
    struct showing *s = user;
    (void)source;
    for (size_t i = 0; i < SHOWN_MAX && s->shown[i] != NULL; i++) {
        struct slice rest = slice_of(s->shown[i]);
        struct slice kind;
        assert_true(slice_split(&rest, ' ', &kind));
        if (slice_eq(kind, s->kind) && slice_starts_with(path, rest)) {
            buf_addf(s->out, "  %.*s: ", SLICE_ARG(path));
            json_canonical(value, s->out);
            buf_add_char(s->out, '\n');
        }
    }
}

/* The cell's namespace and the component's name are left to one test each: here they are short. */
static void show(const json_t *manifests, const char *const *shown, struct buf *out)
{
    const struct trace nothing = {0};
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        const json_t *one = json_array_get(manifests, i);
        struct showing s = {out, json_text_at(one, "kind"), shown};
        buf_addf(out, "%.*s %.*s\n", SLICE_ARG(s.kind),
                 SLICE_ARG(json_text(json_at(one, "metadata", "name", NULL))));
        trace_each(&nothing, NULL, one, show_field, &s);
    }
}

static void is_golden(const char *file, const char *const *shown, const char *expected)
{
    struct buf out = {0};
    const json_t *component = find("Component", SLICE(""), file);
    need_checkout();
    if (component == NULL) {
        print_message("skipped: there is no samples/%s\n", file);
        skip();
    }
    json_t *manifests = render_sample(component);
    show(manifests, shown, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
    json_decref(manifests);
}

static void a_service(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {
        "Deployment metadata.namespace",
        "Deployment spec.template.spec.containers[0].envFrom",
        "Deployment spec.template.spec.containers[0].resources.limits",
        "ExternalSecret spec.data",
        "Service spec.ports",
        "HTTPRoute spec.hostnames",
        "HTTPRoute spec.rules[0].matches"};
    is_golden("from-image/go-greeter-service/greeter-service.yaml", shown,
              "ConfigMap greeter-service-development-env-configs-05db1bbb\n"
              "ExternalSecret greeter-service-development-env-secrets-89185774\n"
              "  spec.data[0].remoteRef.key: \"github-pat\"\n"
              "  spec.data[0].secretKey: \"GITHUB_TOKEN\"\n"
              "Service greeter-service\n"
              "  spec.ports[0].name: \"http\"\n"
              "  spec.ports[0].port: 9090\n"
              "  spec.ports[0].protocol: \"TCP\"\n"
              "  spec.ports[0].targetPort: 9090\n"
              "Deployment greeter-service-development-a9f97fde\n"
              "  metadata.namespace: \"dp-default-default-development-f8e58905\"\n"
              "  spec.template.spec.containers[0].envFrom[0].configMapRef.name: "
              "\"greeter-service-development-env-configs-05db1bbb\"\n"
              "  spec.template.spec.containers[0].envFrom[1].secretRef.name: "
              "\"greeter-service-development-env-secrets-89185774\"\n"
              "  spec.template.spec.containers[0].resources.limits.cpu: \"100m\"\n"
              "  spec.template.spec.containers[0].resources.limits.memory: \"256Mi\"\n"
              "HTTPRoute greeter-service-http-c952733e\n"
              "  spec.hostnames[0]: \"development-default.d\"\n"
              "  spec.rules[0].matches[0].path.type: \"PathPrefix\"\n"
              "  spec.rules[0].matches[0].path.value: \"/greeter-service-http\"\n");
}

/* What its controllers add. */
static void who_may_talk_to_it(void **state)
{
    (void)state;
    need_checkout();
    const json_t *component = find("Component", SLICE("greeter-service"),
                                   "from-image/go-greeter-service/greeter-service.yaml");
    assert_non_null(component);
    json_t *manifests = render_sample_as(component, true);
    struct buf key = {0};
    render_key(json_array_get(manifests, 0), &key);
    assert_string_equal(buf_cstr(&key),
                        "networking.k8s.io/v1/NetworkPolicy/dp-default-default-development-"
                        "f8e58905/openchoreo-greeter-service");
    buf_free(&key);
    json_decref(manifests);
}

static void a_scheduled_task(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {
        "CronJob spec.schedule", "CronJob spec.jobTemplate.spec.template.spec.containers[0].image"};
    is_golden(
        "from-image/issue-reporter-schedule-task/github-issue-reporter.yaml", shown,
        "ConfigMap github-issue-reporter-development-env-configs-591d506e\n"
        "CronJob github-issue-reporter-development-5e31cab9\n"
        "  spec.jobTemplate.spec.template.spec.containers[0].image: "
        "\"ghcr.io/openchoreo/samples/github-issue-reporter:latest\"\n"
        "  spec.jobTemplate.spec.template.spec.containers[0].imagePullPolicy: \"IfNotPresent\"\n"
        "  spec.schedule: \"*/5 * * * *\"\n");
}

static void a_web_application(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {"Service spec.ports", "HTTPRoute spec.hostnames",
                                                 "HTTPRoute spec.rules[0].backendRefs"};
    is_golden("from-image/react-starter-web-app/react-starter.yaml", shown,
              "ConfigMap react-starter-development-env-configs-cc9c5f80\n"
              "Service react-starter\n"
              "  spec.ports[0].name: \"http\"\n"
              "  spec.ports[0].port: 8080\n"
              "  spec.ports[0].protocol: \"TCP\"\n"
              "  spec.ports[0].targetPort: 8080\n"
              "Deployment react-starter-development-c37e66d8\n"
              "HTTPRoute react-starter-http-8194fd6a\n"
              "  spec.hostnames[0]: \"http-react-starter-development-default-cde5190f.d\"\n"
              "  spec.rules[0].backendRefs[0].name: \"react-starter\"\n"
              "  spec.rules[0].backendRefs[0].port: 8080\n");
}

static void a_type_of_its_own_with_files_and_overrides(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {
        "Deployment spec.replicas", "Deployment spec.template.spec.containers[0].resources",
        "Deployment spec.template.spec.volumes", "ConfigMap data", "ExternalSecret spec.data"};
    is_golden("component-types/component-with-configs/component-with-configs.yaml", shown,
              "ConfigMap demo-app-development-config-application-toml-d0b41082\n"
              "  data[application.toml]: \"schema_generation:\\n  enable: false\\n\"\n"
              "ConfigMap demo-app-development-env-configs-f73cecc8\n"
              "  data.FEATURE_FLAG: \"true\"\n"
              "  data.LOG_LEVEL: \"info\"\n"
              "  data.NEW_ENV_VAR: \"new_value\"\n"
              "ExternalSecret demo-app-development-env-secrets-12429167\n"
              "  spec.data[0].remoteRef.key: \"password\"\n"
              "  spec.data[0].remoteRef.property: \"value\"\n"
              "  spec.data[0].secretKey: \"DATABASE_PASSWORD\"\n"
              "ExternalSecret demo-app-development-secret-gitpat-d6955759\n"
              "  spec.data[0].remoteRef.key: \"github-pat\"\n"
              "  spec.data[0].remoteRef.property: \"value\"\n"
              "  spec.data[0].secretKey: \"gitPAT\"\n"
              "Service demo-app\n"
              "Deployment demo-app-development-e040c964\n"
              "  spec.replicas: 2\n"
              "  spec.template.spec.containers[0].resources.limits.cpu: \"200m\"\n"
              "  spec.template.spec.containers[0].resources.limits.memory: \"256Mi\"\n"
              "  spec.template.spec.containers[0].resources.requests.cpu: \"50m\"\n"
              "  spec.template.spec.containers[0].resources.requests.memory: \"128Mi\"\n"
              "  spec.template.spec.volumes[0].configMap.name: "
              "\"demo-app-development-config-application-toml-d0b41082\"\n"
              "  spec.template.spec.volumes[0].name: \"file-mount-639ac00d\"\n"
              "  spec.template.spec.volumes[1].name: \"file-mount-9717d3d8\"\n"
              "  spec.template.spec.volumes[1].secret.secretName: "
              "\"demo-app-development-secret-gitpat-d6955759\"\n"
              "HTTPRoute demo-app-http-2227ed5b\n");
}

static void traits_that_the_type_brings_along(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {
        "HorizontalPodAutoscaler spec.maxReplicas",
        "HorizontalPodAutoscaler spec.minReplicas",
        "HorizontalPodAutoscaler spec.metrics",
        "PersistentVolumeClaim spec.resources",
        "Deployment spec.template.spec.containers[0].volumeMounts",
        "Deployment spec.template.spec.volumes"};
    is_golden(
        "component-types/component-with-embedded-traits/component-with-embedded-traits.yaml", shown,
        "PersistentVolumeClaim demo-app-with-embedded-traits-development-d47a92df-data-storage\n"
        "  spec.resources.requests.storage: \"10Mi\"\n"
        "Service demo-app-with-embedded-traits\n"
        "Deployment demo-app-with-embedded-traits-development-d47a92df\n"
        "  spec.template.spec.containers[0].volumeMounts[0].mountPath: \"/var/data\"\n"
        "  spec.template.spec.containers[0].volumeMounts[0].name: \"app-data\"\n"
        "  spec.template.spec.volumes[0].name: \"app-data\"\n"
        "  spec.template.spec.volumes[0].persistentVolumeClaim.claimName: "
        "\"demo-app-with-embedded-traits-development-d47a92df-data-storage\"\n"
        "HTTPRoute demo-app-with-embedded-traits-http-5720ded8\n"
        "HorizontalPodAutoscaler demo-app-with-embedded-traits-development-d47a92df\n"
        "  spec.maxReplicas: 5\n"
        "  spec.metrics[0].resource.name: \"cpu\"\n"
        "  spec.metrics[0].resource.target.averageUtilization: 75\n"
        "  spec.metrics[0].resource.target.type: \"Utilization\"\n"
        "  spec.metrics[0].type: \"Resource\"\n"
        "  spec.minReplicas: 1\n");
}

static void routes_out_of_a_proto_file(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {"GRPCRoute spec.rules",
                                                 "GRPCRoute spec.hostnames"};
    is_golden("component-types/component-grpc-service/grpc-service-component.yaml", shown,
              "Service demo-app-grpc-service\n"
              "Deployment demo-app-grpc-service-development-20a8f0a7\n"
              "GRPCRoute demo-app-grpc-service-grpc-b86da6a2\n"
              "  spec.hostnames[0]: \"demo-app-grpc-grpc-development-default-3b9d1d04.d\"\n"
              "  spec.rules[0].backendRefs[0].name: \"demo-app-grpc-service\"\n"
              "  spec.rules[0].backendRefs[0].port: 9090\n"
              "  spec.rules[0].matches[0].method.method: \"SayHello\"\n"
              "  spec.rules[0].matches[0].method.service: \"greeter.Greeter\"\n"
              "  spec.rules[0].matches[0].method.type: \"Exact\"\n");
}

static void routes_out_of_an_openapi_document(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {"HTTPRoute spec.rules[0]",
                                                 "HTTPRoute spec.rules[3].matches"};
    is_golden(
        "component-types/component-http-openapi-service/http-openapi-service-component.yaml", shown,
        "Service demo-app-reading-list\n"
        "Deployment demo-app-reading-list-development-10fbebcc\n"
        "HTTPRoute demo-app-reading-list-reading-list-api-7e2e1a28\n"
        "  spec.rules[0].backendRefs[0].name: \"demo-app-reading-list\"\n"
        "  spec.rules[0].backendRefs[0].port: 8080\n"
        "  spec.rules[0].matches[0].method: \"GET\"\n"
        "  spec.rules[0].matches[0].path.type: \"Exact\"\n"
        "  spec.rules[0].matches[0].path.value: \"/demo-app-reading-list-reading-list-api/books\"\n"
        "  spec.rules[3].matches[0].method: \"GET\"\n"
        "  spec.rules[3].matches[0].path.type: \"RegularExpression\"\n"
        "  spec.rules[3].matches[0].path.value: "
        "\"/demo-app-reading-list-reading-list-api/books/[^/]+\"\n"
        "TrafficPolicy demo-app-reading-list-reading-list-api-rewrite-37316f54\n");
}

static void resources_that_it_depends_on(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {"Deployment spec.template.spec.containers[0].env"};
    is_golden(
        "from-image/doclet/components/service-document.yaml", shown,
        "Service doclet-document\n"
        "Deployment doclet-document-development-249921c8\n"
        "  spec.template.spec.containers[0].env[0].name: \"DB_NAME\"\n"
        "  spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.key: \"database\"\n"
        "  spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.name: "
        "\"doclet-postgres-development-b9739764-config\"\n"
        "  spec.template.spec.containers[0].env[1].name: \"DB_HOST\"\n"
        "  spec.template.spec.containers[0].env[1].value: "
        "\"doclet-postgres-development-b9739764.dp-default-doclet-development-50ce4d9b.svc.cluster."
        "local\"\n"
        "  spec.template.spec.containers[0].env[2].name: \"DB_PASSWORD\"\n"
        "  spec.template.spec.containers[0].env[2].valueFrom.secretKeyRef.key: \"password\"\n"
        "  spec.template.spec.containers[0].env[2].valueFrom.secretKeyRef.name: "
        "\"doclet-postgres-development-b9739764-creds\"\n"
        "  spec.template.spec.containers[0].env[3].name: \"DB_PORT\"\n"
        "  spec.template.spec.containers[0].env[3].value: \"5432\"\n"
        "  spec.template.spec.containers[0].env[4].name: \"DB_USER\"\n"
        "  spec.template.spec.containers[0].env[4].valueFrom.configMapKeyRef.key: \"username\"\n"
        "  spec.template.spec.containers[0].env[4].valueFrom.configMapKeyRef.name: "
        "\"doclet-postgres-development-b9739764-config\"\n"
        "  spec.template.spec.containers[0].env[5].name: \"DOCLET_NATS_URL\"\n"
        "  spec.template.spec.containers[0].env[5].valueFrom.secretKeyRef.key: \"url\"\n"
        "  spec.template.spec.containers[0].env[5].valueFrom.secretKeyRef.name: "
        "\"doclet-nats-development-7f6a48dd-creds\"\n"
        "  spec.template.spec.containers[0].envFrom: []\n");
}

/* ---- resource types ---- */

/* A Resource of the given type, its objects' ids and keys, shown fields, outputs. */
static void provides(const char *type, const char *configs, const char *const *shown,
                     const char *expected)
{
    struct buf out = {0};
    struct err err = {0};
    json_t *plane_spec = plane();
    json_t *manifests;
    json_t *ids;
    json_t *outputs;
    json_t *given;
    size_t missing;
    assert_ok(yaml_parse(slice_of(configs), "configs", &given, &err), &err);
    const struct render_resource in = {.id = {.ns = SLICE("default"),
                                              .project = SLICE("default"),
                                              .resource = SLICE("orders"),
                                              .environment = SLICE("development"),
                                              .resource_uid = SLICE("u-1")},
                                       .type = spec_of(find("ResourceType", slice_of(type), NULL)),
                                       .configs = given,
                                       .dataplane = plane_spec};
    assert_ok(render_resource(&in, &manifests, &ids, &err), &err);
    assert_int_equal(json_array_size(ids), json_array_size(manifests));
    show(manifests, shown, &out);
    assert_ok(render_outputs(&in, &outputs, &missing, &err), &err);
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        json_canonical(json_array_get(outputs, i), &out);
        buf_add_char(&out, '\n');
    }
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
    json_decref(outputs);
    json_decref(ids);
    json_decref(manifests);
    json_decref(given);
    json_decref(plane_spec);
}

static void a_database(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {
        "StatefulSet metadata.labels", "StatefulSet spec.template.spec.containers[0].resources",
        "ConfigMap data.database"};
    need_checkout();
    provides("postgres", "{memory: 1Gi}", shown,
             "ConfigMap orders-development-c6d944db-config\n"
             "  data.database: \"appdb\"\n"
             "ConfigMap orders-development-c6d944db-init\n"
             "ExternalSecret orders-development-c6d944db-creds\n"
             "ExternalSecret orders-development-c6d944db-creds-postgres\n"
             "Service orders-development-c6d944db\n"
             "StatefulSet orders-development-c6d944db\n"
             "  metadata.labels[openchoreo.dev/environment]: \"development\"\n"
             "  metadata.labels[openchoreo.dev/namespace]: \"default\"\n"
             "  metadata.labels[openchoreo.dev/project]: \"default\"\n"
             "  metadata.labels[openchoreo.dev/resource]: \"orders\"\n"
             "  metadata.labels[openchoreo.dev/resource-uid]: \"u-1\"\n"
             "  spec.template.spec.containers[0].resources.limits.memory: \"1Gi\"\n"
             "Password orders-development-c6d944db-creds\n"
             "Password orders-development-c6d944db-creds-postgres\n"
             "{\"name\":\"host\",\"value\":\"orders-development-c6d944db.dp-default-default-"
             "development-f8e58905.svc.cluster.local\"}\n"
             "{\"name\":\"port\",\"value\":\"5432\"}\n"
             "{\"configMapKeyRef\":{\"key\":\"database\",\"name\":\"orders-development-c6d944db-"
             "config\"},\"name\":\"database\"}\n"
             "{\"configMapKeyRef\":{\"key\":\"username\",\"name\":\"orders-development-c6d944db-"
             "config\"},\"name\":\"username\"}\n"
             "{\"name\":\"password\",\"secretKeyRef\":{\"key\":\"password\",\"name\":\"orders-"
             "development-c6d944db-creds\"}}\n"
             "{\"name\":\"url\",\"secretKeyRef\":{\"key\":\"url\",\"name\":\"orders-development-"
             "c6d944db-creds\"}}\n"
             "{\"name\":\"adminURL\",\"value\":\"disabled\"}\n"
             "{\"name\":\"adminPassword\",\"value\":\"disabled\"}\n");
}

static void a_cache_with_its_console(void **state)
{
    (void)state;
    static const char *const shown[SHOWN_MAX] = {"HTTPRoute spec.hostnames"};
    need_checkout();
    provides(
        "valkey", "{adminEnabled: true}", shown,
        "ExternalSecret orders-development-c6d944db-creds\n"
        "Service orders-development-c6d944db\n"
        "Service orders-development-c6d944db-admin\n"
        "Deployment orders-development-c6d944db-admin\n"
        "StatefulSet orders-development-c6d944db\n"
        "HTTPRoute orders-development-c6d944db-admin\n"
        "  spec.hostnames[0]: \"orders-admin-development-default.d\"\n"
        "Password orders-development-c6d944db-creds\n"
        "{\"name\":\"host\",\"value\":\"orders-development-c6d944db.dp-default-default-development-"
        "f8e58905.svc.cluster.local\"}\n"
        "{\"name\":\"port\",\"value\":\"6379\"}\n"
        "{\"name\":\"password\",\"secretKeyRef\":{\"key\":\"password\",\"name\":\"orders-"
        "development-c6d944db-creds\"}}\n"
        "{\"name\":\"url\",\"secretKeyRef\":{\"key\":\"url\",\"name\":\"orders-development-"
        "c6d944db-creds\"}}\n"
        "{\"name\":\"connectionString\",\"secretKeyRef\":{\"key\":\"connectionString\",\"name\":"
        "\"orders-development-c6d944db-creds\"}}\n"
        "{\"name\":\"adminURL\",\"value\":\"http://orders-admin-development-default.d:80/\"}\n");
}

static void a_resource_is_ready_when_its_type_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *applied;
        enum render_ready ready;
    } cases[] = {{"{}", READY_UNKNOWN},
                 {"{statefulset: {replicas: 1}}", READY_UNKNOWN},
                 {"{statefulset: {replicas: 1, readyReplicas: 1}}", READY_YES},
                 {"{statefulset: {replicas: 2, readyReplicas: 1}}", READY_NO}};
    need_checkout();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        json_t *applied;
        enum render_ready ready;
        assert_ok(yaml_parse(slice_of(cases[i].applied), "applied", &applied, &err), &err);
        const struct render_resource in = {
            .id = {.ns = SLICE("default"),
                   .project = SLICE("default"),
                   .resource = SLICE("orders"),
                   .environment = SLICE("development")},
            .type = spec_of(find("ResourceType", SLICE("postgres"), NULL)),
            .applied = applied};
        assert_ok(render_ready(&in, SLICE("statefulset"), &ready, &err), &err);
        assert_int_equal(ready, cases[i].ready);
        assert_ok(render_ready(&in, SLICE("service"), &ready, &err), &err);
        assert_int_equal(ready, READY_UNKNOWN);
        json_decref(applied);
    }
}

static void all_types_and_traits_are_right(void **state)
{
    (void)state;
    need_checkout();
    static const struct {
        const char *kind;
        void (*check)(const json_t *spec, struct causes *causes);
    } kinds[] = {{"ComponentType", check_component_type},
                 {"Trait", check_trait},
                 {"ResourceType", check_resource_type}};
    size_t checked = 0;
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *one = json_array_get(documents, i);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct arena arena = {0};
            struct causes causes = {.arena = &arena};
            if (slice_ends_with(json_text_at(one, "kind"), slice_of(kinds[k].kind))) {
                struct buf text = {0};
                checked++;
                kinds[k].check(spec_of(one), &causes);
                causes_text(&causes, &text);
                assert_string_equal(buf_cstr(&text), "");
                buf_free(&text);
            }
            arena_free(&arena);
        }
    }
    assert_true(checked >= 8);
}

static void every_component_renders(void **state)
{
    (void)state;
    need_checkout();
    size_t rendered = 0;
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *one = json_array_get(documents, i);
        const char *file = json_string_value(json_object_get(one, "file"));
        if (slice_eq_cstr(json_text_at(one, "kind"), "Component") &&
            find("Workload", SLICE(""), file) != NULL) {
            json_decref(render_sample(one));
            rendered++;
        }
    }
    assert_true(rendered >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service),
        cmocka_unit_test(who_may_talk_to_it),
        cmocka_unit_test(a_scheduled_task),
        cmocka_unit_test(a_web_application),
        cmocka_unit_test(a_type_of_its_own_with_files_and_overrides),
        cmocka_unit_test(traits_that_the_type_brings_along),
        cmocka_unit_test(routes_out_of_a_proto_file),
        cmocka_unit_test(routes_out_of_an_openapi_document),
        cmocka_unit_test(resources_that_it_depends_on),
        cmocka_unit_test(a_database),
        cmocka_unit_test(a_cache_with_its_console),
        cmocka_unit_test(a_resource_is_ready_when_its_type_says_so),
        cmocka_unit_test(all_types_and_traits_are_right),
        cmocka_unit_test(every_component_renders),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
