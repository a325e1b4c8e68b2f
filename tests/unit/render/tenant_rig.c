#include "tests/unit/render/tenant_rig.h"

#include <string.h>

#include "base/yaml.h"
#include "render/pipeline.h"

json_t *tenant_parse(const char *yaml)
{
    json_t *tree;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static const struct render_identity shop = {.ns = SLICE("acme"),
                                            .project = SLICE("shop"),
                                            .component = SLICE("web"),
                                            .environment = SLICE("development"),
                                            .dataplane = SLICE("development")};

#define DATAPLANE                                                                                  \
    "secretStoreRef: {name: vault}\n"                                                              \
    "secretKeyPrefixes: ['${namespace}/']\n"                                                       \
    "gateway: {name: gw, namespace: gateways, domain: apps.example.com}\n"

struct outcome tenant_render(const char *release_yaml, const char *organization_yaml, bool by_hand)
{
    return tenant_render_in(NULL, release_yaml, organization_yaml, by_hand);
}

struct outcome tenant_render_in(const char *environment_yaml, const char *release_yaml,
                                const char *organization_yaml, bool by_hand)
{
    struct outcome out = {0};
    json_t *release = tenant_parse(release_yaml);
    json_t *organization = organization_yaml != NULL ? tenant_parse(organization_yaml) : NULL;
    json_t *environment = environment_yaml != NULL ? tenant_parse(environment_yaml) : NULL;
    json_t *dataplane = tenant_parse(DATAPLANE);
    json_t *workload =
        tenant_parse("{container: {image: 'web:1'}, endpoints: {api: {type: HTTP, port: 80, "
                     "visibility: [project, external]}}}");
    json_t *manifests = NULL;
    if (json_object_get(release, "workload") == NULL) {
        json_object_set(release, "workload", workload);
    }
    const struct render_component in = {.id = shop,
                                        .release = release,
                                        .by_hand = by_hand,
                                        .environment = environment,
                                        .dataplane = dataplane,
                                        .organization = organization};
    out.rc = render_component(&in, &manifests, &out.err);
    out.count = json_array_size(manifests);
    json_decref(manifests);
    json_decref(workload);
    json_decref(environment);
    json_decref(dataplane);
    json_decref(organization);
    json_decref(release);
    return out;
}

void tenant_expect(const char *what, const struct outcome *out, const char *message)
{
    if (message == NULL && out->rc != 0) {
        fail_msg("%s: is refused: %s", what, out->err.message);
    }
    if (message != NULL && out->rc == 0) {
        fail_msg("%s: is not refused (\"%s\")", what, message);
    }
    if (message != NULL && strstr(out->err.message, message) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", what, out->err.message, message);
    }
    assert_true(message == NULL || out->rc == ERR_UNPROCESSABLE);
}
