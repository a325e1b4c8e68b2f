/* Any YAML as a component type's spec: checked, then rendered with a small workload. */
#include "base/yaml.h"
#include "render/check.h"
#include "render/pipeline.h"
#include "tests/fuzz/fuzz.h"

static const char workload[] =
    "container: {image: u:1, env: [{key: A, value: b}], files: [{key: f, mountPath: /x, value: "
    "y}]}\n"
    "endpoints: {http: {type: HTTP, port: 80, visibility: [external]}}\n";

/* libfyaml loses memory on some malformed input (fuzz_yaml.c). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    struct err err = {0};
    json_t *spec;
    json_t *work;
    json_t *manifests;
    if (size > 16384 || yaml_parse(slice_make(data, size), "fuzz", &spec, &err) != 0) {
        return 0;
    }
    PROPERTY(yaml_parse(slice_of(workload), "workload", &work, &err) == 0);
    check_component_type(spec, &causes);
    check_trait(spec, &causes);
    check_resource_type(spec, &causes);
    arena_free(&arena);
    json_t *release =
        json_pack("{s:{s:O}, s:o, s:{s:[{s:s,s:s}]}, s:[{s:s,s:O}]}", "componentType", "spec", spec,
                  "workload", work, "componentProfile", "traits", "name", "t", "instanceName", "i",
                  "traits", "name", "t", "spec", spec);
    PROPERTY(release != NULL);
    const struct render_component in = {.id = {.ns = SLICE("default"),
                                               .project = SLICE("shop"),
                                               .component = SLICE("user"),
                                               .environment = SLICE("dev")},
                                        .release = release,
                                        .cost_limit = 1 + size * 31 % 5000};
    if (render_component(&in, &manifests, &err) == 0) {
        json_decref(manifests);
    }
    json_decref(release);
    json_decref(spec);
    return 0;
}
