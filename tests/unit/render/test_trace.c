/* Where fields come from, and who set parameters, as the renderer tells it. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/environment.h"
#include "render/pipeline.h"
#include "render/trace.h"

static const char type[] =
    "workloadType: deployment\n"
    "traits:\n"
    "- {name: notes, instanceName: notes, parameters: {note: '${parameters.note}'}}\n"
    "parameters: {openAPIV3Schema: {type: object, properties: {note: {type: string, default: "
    "n}}}}\n"
    "environmentConfigs:\n"
    "  openAPIV3Schema:\n"
    "    type: object\n"
    "    properties:\n"
    "      replicas: {type: integer, default: 1}\n"
    "      resources:\n"
    "        type: object\n"
    "        default: {}\n"
    "        properties:\n"
    "          cpu: {type: string, default: 100m}\n"
    "          memory: {type: string, default: 1Gi}\n"
    "resources:\n"
    "- id: deployment\n"
    "  template:\n"
    "    apiVersion: apps/v2\n" /* no kind whose shape is checked: any spec will do */
    "    kind: Deployment\n"
    "    metadata: {name: '${metadata.name}'}\n"
    "    spec:\n"
    "      replicas: ${environmentConfigs.replicas}\n"
    "      list: [a, '${oc_omit()}', 'x-${parameters.note}']\n"
    "      map: ${environmentConfigs.resources}\n";

static const char trait[] =
    "parameters: {openAPIV3Schema: {type: object, properties: {note: {type: string}}}}\n"
    "patches:\n"
    "- target: {group: apps, version: v2, kind: Deployment}\n"
    "  operations:\n"
    "  - {op: add, path: /spec/list/0, value: {note: '${parameters.note}'}}\n"
    "  - {op: add, path: /spec/map/gpu, value: 1}\n"
    "  - {op: remove, path: /spec/map/memory}\n";

static json_t *parse(const char *yaml)
{
    json_t *tree;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static void on_leaf(void *user, struct slice path, const json_t *value, const json_t *source)
{
    struct slice text = json_text_at(source, "text");
    buf_addf(user, "%.*s = ", SLICE_ARG(path));
    json_canonical(value, user);
    buf_addf(user, " | %.*s | %.*s%s%.*s\n", SLICE_ARG(json_text_at(source, "template")),
             SLICE_ARG(json_text_at(source, "path")), text.len > 0 ? ": " : "", SLICE_ARG(text));
}

/* Renders with everything that overrides. trace may be NULL. */
static json_t *render(struct trace *trace)
{
    struct err err = {0};
    json_t *manifests;
    json_t *release = json_pack(
        "{s:{s:o}, s:o, s:[{s:s, s:o}], s:o}", "componentType", "spec", parse(type),
        "componentProfile", parse("{parameters: {note: mine}}"), "traits", "name", "notes", "spec",
        parse(trait), "workload", parse("{container: {image: u:1, env: [{key: A, value: a}]}}"));
    json_t *environment = parse("{overrides: {replicas: 2, env: [{name: A, value: b}], components: "
                                "[{name: web, replicas: 3, resources: {cpu: 200m}}]}}");
    json_t *binding = parse("{componentTypeEnvironmentConfigs: {replicas: 4}, workloadOverrides: "
                            "{container: {env: [{key: B, value: c}]}}}");
    const struct render_component in = {.id = {.ns = SLICE("acme"),
                                               .project = SLICE("shop"),
                                               .component = SLICE("web"),
                                               .environment = SLICE("dev")},
                                        .release = release,
                                        .environment = environment,
                                        .binding = binding,
                                        .trace = trace};
    assert_ok(render_component(&in, &manifests, &err), &err);
    json_decref(release);
    json_decref(environment);
    json_decref(binding);
    return manifests;
}

static void every_field_has_its_template(void **state)
{
    (void)state;
    struct trace trace;
    struct buf out = {0};
    trace_init(&trace);
    json_t *manifests = render(&trace);
    assert_int_equal(json_array_size(trace.manifests), json_array_size(manifests));
    json_t *node = trace_member(json_array_get(trace.manifests, 0), SLICE("spec"));
    trace_each(&trace, node, json_object_get(json_array_get(manifests, 0), "spec"), on_leaf, &out);
    assert_string_equal(
        buf_cstr(&out),
        "list[0].note = \"mine\" | trait notes | "
        "traits[notes].patches[0].operations[0].value.note: ${parameters.note}\n"
        "list[1] = \"a\" | type | resources[deployment].template.spec.list[0]: a\n"
        "list[2] = \"x-mine\" | type | resources[deployment].template.spec.list[2]: "
        "x-${parameters.note}\n"
        "map.cpu = \"200m\" | type | resources[deployment].template.spec.map: "
        "${environmentConfigs.resources}\n"
        "map.gpu = 1 | trait notes | traits[notes].patches[0].operations[1].value: 1\n"
        "replicas = 4 | type | resources[deployment].template.spec.replicas: "
        "${environmentConfigs.replicas}\n");
    buf_clear(&out);
    node = trace_member(json_array_get(trace.manifests, 0), SLICE("metadata"));
    trace_each(&trace, node, json_object_get(json_array_get(manifests, 0), "metadata"), on_leaf,
               &out);
    assert_non_null(strstr(buf_cstr(&out),
                           "labels[openchoreo.dev/component] = \"web\" | built-in | "
                           "standard labels\n"));
    assert_non_null(strstr(buf_cstr(&out), " | built-in | the cell's namespace\n"));
    buf_free(&out);
    json_decref(manifests);
    trace_free(&trace);
}

static void every_parameter_has_its_layer(void **state)
{
    (void)state;
    struct trace trace;
    struct buf out = {0};
    trace_init(&trace);
    json_decref(render(&trace));
    for (size_t i = 0; i < json_array_size(trace.values); i++) {
        json_canonical(json_array_get(trace.values, i), &out);
        buf_add_char(&out, '\n');
    }
    assert_string_equal(
        buf_cstr(&out),
        "{\"hides\":[{\"layer\":\"component\",\"value\":\"a\"}],\"layer\":\"environment\","
        "\"path\":\"env.A\",\"scope\":\"workload\",\"value\":\"b\"}\n"
        "{\"layer\":\"binding\",\"path\":\"env.B\",\"scope\":\"workload\",\"value\":\"c\"}\n"
        "{\"hides\":[{\"layer\":\"default\",\"value\":\"n\"}],\"layer\":\"component\","
        "\"path\":\"parameters.note\",\"scope\":\"type\",\"value\":\"mine\"}\n"
        "{\"hides\":[{\"layer\":\"environment.components\",\"value\":3},"
        "{\"layer\":\"environment\",\"value\":2},{\"layer\":\"default\",\"value\":1}],"
        "\"layer\":\"binding\",\"path\":\"environmentConfigs.replicas\",\"scope\":\"type\","
        "\"value\":4}\n"
        "{\"hides\":[{\"layer\":\"default\",\"value\":\"100m\"}],"
        "\"layer\":\"environment.components\",\"path\":\"environmentConfigs.resources.cpu\","
        "\"scope\":\"type\",\"value\":\"200m\"}\n"
        "{\"layer\":\"default\",\"path\":\"environmentConfigs.resources.memory\","
        "\"scope\":\"type\",\"value\":\"1Gi\"}\n"
        "{\"layer\":\"type\",\"path\":\"parameters.note\",\"scope\":\"trait notes\","
        "\"value\":\"mine\"}\n");
    buf_free(&out);
    trace_free(&trace);
}

/* The rows about one path, a line each: its layer, and those that it hides. */
static void layers_of(const struct trace *trace, const char *path, struct buf *out)
{
    for (size_t i = 0; i < json_array_size(trace->values); i++) {
        const json_t *row = json_array_get(trace->values, i);
        const json_t *hides = json_object_get(row, "hides");
        if (!slice_eq_cstr(json_text_at(row, "path"), path)) {
            continue;
        }
        buf_add(out, json_text_at(row, "layer"));
        for (size_t k = 0; k < json_array_size(hides); k++) {
            buf_addf(out, " > %.*s", SLICE_ARG(json_text_at(json_array_get(hides, k), "layer")));
        }
        buf_add_char(out, '\n');
    }
}

static void a_project_is_two_layers(void **state)
{
    (void)state;
    struct err err = {0};
    struct trace trace;
    struct buf out = {0};
    json_t *manifests = NULL;
    json_t *release = json_pack(
        "{s:{s:o}, s:[{s:s, s:o}], s:o, s:o}", "componentType", "spec", parse(type), "traits",
        "name", "notes", "spec", parse(trait), "workload",
        parse("{container: {image: u:1, env: [{key: A, value: a}, {key: B, value: b}]}}"),
        "project",
        parse("{env: [{name: A, value: p}, {name: C, value: p}], files: [{name: f, mountPath: /p, "
              "value: p}]}"));
    json_t *project =
        parse("{env: [{name: B, value: here}, {name: D, value: here}], files: [{name: "
              "f, mountPath: /p, value: here}]}");
    json_t *environment = parse("{overrides: {env: [{name: B, value: e}], components: [{name: web, "
                                "env: [{name: D, value: w}]}]}}");
    const struct render_component in = {.id = {.ns = SLICE("acme"),
                                               .project = SLICE("shop"),
                                               .component = SLICE("web"),
                                               .environment = SLICE("dev")},
                                        .release = release,
                                        .project = project,
                                        .environment = environment,
                                        .trace = &trace};
    trace_init(&trace);
    assert_ok(render_component(&in, &manifests, &err), &err);
    static const char *const paths[] = {"env.A", "env.B", "env.C", "env.D", "files.f"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        layers_of(&trace, paths[i], &out);
    }
    assert_string_equal(buf_cstr(&out), "component > project\n"
                                        "project.environments > environment > component\n"
                                        "project\n"
                                        "environment.components > project.environments\n"
                                        "project.environments > project\n");
    buf_free(&out);
    trace_free(&trace);
    json_decref(manifests);
    json_decref(release);
    json_decref(project);
    json_decref(environment);
}

static void a_template_is_a_layer_of_its_own(void **state)
{
    (void)state;
    struct err err = {0};
    struct trace trace;
    struct buf out = {0};
    json_t *manifests = NULL;
    json_t *release =
        json_pack("{s:{s:o}, s:[{s:s, s:o}], s:o}", "componentType", "spec", parse(type), "traits",
                  "name", "notes", "spec", parse(trait), "workload",
                  parse("{container: {image: u:1, env: [{key: A, value: a}]}}"));
    json_t *own = parse("{overrides: {env: [{name: A, value: own}]}}");
    json_t *template =
        parse("{overrides: {replicas: 2, env: [{name: A, value: t}, {name: B, value: "
              "t}], components: [{name: web, replicas: 3}]}}");
    json_t *merged = environment_merge(own, template, NULL);
    const struct render_component in = {.id = {.ns = SLICE("acme"),
                                               .project = SLICE("shop"),
                                               .component = SLICE("web"),
                                               .environment = SLICE("dev")},
                                        .release = release,
                                        .environment = merged,
                                        .environment_own = own,
                                        .environment_template = template,
                                        .trace = &trace};
    trace_init(&trace);
    assert_ok(render_component(&in, &manifests, &err), &err);
    layers_of(&trace, "env.A", &out);
    layers_of(&trace, "env.B", &out);
    layers_of(&trace, "environmentConfigs.replicas", &out);
    assert_string_equal(buf_cstr(&out), "environment > template > component\n"
                                        "template\n"
                                        "template.components > template > default\n");
    buf_free(&out);
    trace_free(&trace);
    json_decref(manifests);
    json_decref(release);
    json_decref(own);
    json_decref(template);
    json_decref(merged);
}

static void what_is_rendered_is_the_same_with_and_without(void **state)
{
    (void)state;
    struct trace trace;
    struct buf with = {0};
    struct buf without = {0};
    trace_init(&trace);
    json_t *a = render(&trace);
    json_t *b = render(NULL);
    json_canonical(a, &with);
    json_canonical(b, &without);
    assert_string_equal(buf_cstr(&with), buf_cstr(&without));
    buf_free(&with);
    buf_free(&without);
    json_decref(a);
    json_decref(b);
    trace_free(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_template),
        cmocka_unit_test(every_parameter_has_its_layer),
        cmocka_unit_test(a_project_is_two_layers),
        cmocka_unit_test(a_template_is_a_layer_of_its_own),
        cmocka_unit_test(what_is_rendered_is_the_same_with_and_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
