/* OpenChoreo's own component types render to the objects that it makes of them, names included: set
 * OPENCHOREO_DIR to a checkout of it (or a part that has samples/). What its controllers add
 * outside of templates, such as network policies, is not looked at. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "render/check.h"
#include "render/pipeline.h"

enum { FILE_MAX_BYTES = 256 * 1024 };

static int keep(json_t *document, int line, void *user, struct err *err)
{
    (void)line;
    (void)err;
    json_array_append(user, document);
    return 0;
}

/* All documents of a file below the checkout. */
static json_t *load(const char *name)
{
    char path[600];
    struct buf text = {0};
    struct err err = {0};
    json_t *documents = json_array();
    (void)snprintf(path, sizeof path, "%s/samples/%s", getenv("OPENCHOREO_DIR"), name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot read %s", path);
        return NULL;
    }
    buf_reserve(&text, FILE_MAX_BYTES);
    text.len = fread(text.data, 1, FILE_MAX_BYTES, file);
    assert_int_equal(fclose(file), 0);
    assert_ok(yaml_each(buf_slice(&text), path, keep, documents, &err), &err);
    buf_free(&text);
    return documents;
}

/* The spec of the first document of a kind. */
static json_t *spec_of(const json_t *documents, const char *kind)
{
    for (size_t i = 0; i < json_array_size(documents); i++) {
        json_t *document = json_array_get(documents, i);
        if (slice_eq_cstr(json_text_at(document, "kind"), kind)) {
            return json_object_get(document, "spec");
        }
    }
    return NULL;
}

/* Renders the workload of one file by the type of another and compares the objects' keys. */
static void renders(const char *type_file, const char *workload_file, const char *component,
                    const char *expected)
{
    static const char gateway[] =
        "{gateway: {ingress: {external: {name: gw, namespace: gws, http: {host: d, port: 80}}}},"
        " secretStoreRef: {name: store}}";
    struct err err = {0};
    json_t *types = load(type_file);
    json_t *documents = load(workload_file);
    json_t *plane;
    json_t *manifests;
    json_t *spec = spec_of(types, "ClusterComponentType");
    assert_ok(yaml_parse(slice_of(gateway), "plane", &plane, &err), &err);
    assert_ok(check_component_type(spec, &err), &err);
    json_t *release = json_pack("{s:{s:O}, s:O}", "componentType", "spec", spec, "workload",
                                spec_of(documents, "Workload"));
    const struct render_component in = {.id = {.ns = SLICE("default"),
                                               .project = SLICE("default"),
                                               .component = slice_of(component),
                                               .environment = SLICE("development")},
                                        .release = release,
                                        .binding = spec_of(documents, "ReleaseBinding"),
                                        .dataplane = plane,
                                        .sources = documents};
    struct buf keys = {0};
    assert_ok(render_component(&in, &manifests, &err), &err);
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        render_key(json_array_get(manifests, i), &keys);
        buf_add_char(&keys, '\n');
    }
    assert_string_equal(buf_cstr(&keys), expected);
    buf_free(&keys);
    json_decref(manifests);
    json_decref(release);
    json_decref(plane);
    json_decref(documents);
    json_decref(types);
}

#define CELL "dp-default-default-development-f8e58905"

static void need_checkout(void)
{
    if (getenv("OPENCHOREO_DIR") == NULL) {
        print_message("skipped: OPENCHOREO_DIR is not set\n");
        skip();
    }
}

static void a_service(void **state)
{
    (void)state;
    need_checkout();
    renders("getting-started/component-types/service.yaml",
            "from-image/go-greeter-service/greeter-service.yaml", "greeter-service",
            "v1/ConfigMap/" CELL "/greeter-service-development-env-configs-05db1bbb\n"
            "external-secrets.io/v1/ExternalSecret/" CELL
            "/greeter-service-development-env-secrets-89185774\n"
            "v1/Service/" CELL "/greeter-service\n"
            "apps/v1/Deployment/" CELL "/greeter-service-development-a9f97fde\n"
            "gateway.networking.k8s.io/v1/HTTPRoute/" CELL "/greeter-service-http-c952733e\n");
}

static void a_scheduled_task(void **state)
{
    (void)state;
    need_checkout();
    renders("getting-started/component-types/scheduled-task.yaml",
            "from-image/issue-reporter-schedule-task/github-issue-reporter.yaml",
            "github-issue-reporter",
            "v1/ConfigMap/" CELL "/github-issue-reporter-development-env-configs-591d506e\n"
            "batch/v1/CronJob/" CELL "/github-issue-reporter-development-5e31cab9\n");
}

static void a_web_application(void **state)
{
    (void)state;
    need_checkout();
    renders("getting-started/component-types/webapp.yaml",
            "from-image/react-starter-web-app/react-starter.yaml", "react-starter",
            "v1/ConfigMap/" CELL "/react-starter-development-env-configs-cc9c5f80\n"
            "v1/Service/" CELL "/react-starter\n"
            "apps/v1/Deployment/" CELL "/react-starter-development-c37e66d8\n"
            "gateway.networking.k8s.io/v1/HTTPRoute/" CELL "/react-starter-http-8194fd6a\n");
}

static void a_type_of_its_own_with_files_and_overrides(void **state)
{
    (void)state;
    need_checkout();
    const char *file = "component-types/component-with-configs/component-with-configs.yaml";
    renders(file, file, "demo-app",
            "v1/ConfigMap/" CELL "/demo-app-development-config-application-toml-d0b41082\n"
            "v1/ConfigMap/" CELL "/demo-app-development-env-configs-f73cecc8\n"
            "external-secrets.io/v1/ExternalSecret/" CELL
            "/demo-app-development-env-secrets-12429167\n"
            "external-secrets.io/v1/ExternalSecret/" CELL
            "/demo-app-development-secret-gitpat-d6955759\n"
            "v1/Service/" CELL "/demo-app\n"
            "apps/v1/Deployment/" CELL "/demo-app-development-e040c964\n"
            "gateway.networking.k8s.io/v1/HTTPRoute/" CELL "/demo-app-http-2227ed5b\n");
}

static void its_trait_is_right(void **state)
{
    (void)state;
    need_checkout();
    struct err err = {0};
    json_t *documents = load("getting-started/component-traits/alert-rule-trait.yaml");
    assert_ok(check_trait(spec_of(documents, "ClusterTrait"), &err), &err);
    json_decref(documents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service),
        cmocka_unit_test(a_scheduled_task),
        cmocka_unit_test(a_web_application),
        cmocka_unit_test(a_type_of_its_own_with_files_and_overrides),
        cmocka_unit_test(its_trait_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
