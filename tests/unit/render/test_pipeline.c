/* Golden files: data/NAME.in.yaml is rendered and must give data/NAME.out.yaml, byte for byte.
 *
 * An input says: id {namespace, project, component, environment, ...uids}, type (the name of a
 * built-in one, or a ComponentType's spec) and its `kind` (else the cluster's), component (a
 * Component's spec) or release (a Release's), `outputs` of resources, and what else struct
 * render_component holds; with `cell: true` it is the cell that is rendered (by `cellType`, a
 * ClusterProjectType, if given), with `resource: {parameters, configs, credentials}` a resource,
 * whose outputs come last. An output is the manifests in order, or `error` with the message.
 * RENDER_GOLDEN=update writes outputs anew: read the difference before you commit it. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "render/builtin.h"
#include "render/convert.h"
#include "render/pipeline.h"
#include "render/resource_type.h"

enum { CASES_MAX = 200, FILE_MAX_BYTES = 256 * 1024 };

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    buf_reserve(out, FILE_MAX_BYTES);
    out->len = fread(out->data, 1, FILE_MAX_BYTES, file);
    assert_int_equal(fclose(file), 0);
    return true;
}

static void write_file(const char *path, struct slice text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static struct render_identity identity_of(const json_t *id)
{
    return (struct render_identity){
        .ns = json_text_at(id, "namespace"),
        .project = json_text_at(id, "project"),
        .component = json_text_at(id, "component"),
        .resource = json_text_at(id, "resource"),
        .environment = json_text_at(id, "environment"),
        .dataplane = json_text_at(id, "dataplane"),
        .project_uid = json_text_at(id, "projectUID"),
        .component_uid = json_text_at(id, "componentUID"),
        .environment_uid = json_text_at(id, "environmentUID"),
        .dataplane_uid = json_text_at(id, "dataplaneUID"),
    };
}

/* The type's kind: "ComponentType" and the like are a tenant's. */
static struct slice kind_of(const json_t *input, const char *otherwise)
{
    struct slice kind = json_text_at(input, "kind");
    return kind.len > 0 ? kind : slice_of(otherwise);
}

static json_t *type_of(const json_t *input)
{
    const json_t *type = json_object_get(input, "type");
    json_t *object;
    struct err err = {0};
    if (!json_is_string(type)) {
        return json_deep_copy(type);
    }
    assert_ok(builtin_load(json_text(type), &object, &err), &err);
    json_t *spec = json_deep_copy(json_object_get(object, "spec"));
    json_decref(object);
    return spec;
}

/* A Release's spec as the reconciler makes it of a Component's. */
static int release_of(const json_t *input, json_t **release, struct err *err)
{
    const json_t *component = json_object_get(input, "component");
    json_t *workload = NULL;
    json_t *profile = NULL;
    *release = json_deep_copy(json_object_get(input, "release"));
    if (*release != NULL) {
        if (json_object_get(*release, "componentType") == NULL) {
            json_object_set_new(*release, "componentType",
                                json_pack("{s:o, s:o}", "kind",
                                          json_str(kind_of(input, "ComponentType")), "spec",
                                          type_of(input)));
        }
        return 0;
    }
    int rc =
        convert_workload(component, SLICE("shop"), json_text_at(input, "image"), &workload, err);
    if (rc == 0) {
        rc = convert_profile(component, &profile, err);
    }
    if (rc == 0) {
        *release =
            json_pack("{s:{s:o, s:s, s:o}, s:o, s:o}", "componentType", "kind",
                      json_str(kind_of(input, "ClusterComponentType")), "name", "web", "spec",
                      type_of(input), "workload", workload, "componentProfile", profile);
        if (json_object_get(input, "traits") != NULL) {
            json_object_set(*release, "traits", json_object_get(input, "traits"));
        }
    }
    return rc;
}

static int render_case_resource(const json_t *input, json_t **manifests, struct err *err)
{
    const json_t *resource = json_object_get(input, "resource");
    json_t *type = type_of(input);
    json_t *outputs;
    size_t missing = 0;
    const struct render_resource in = {
        .id = identity_of(json_object_get(input, "id")),
        .type = type,
        .maker = {.kind = kind_of(input, "ClusterResourceType"), .name = SLICE("store")},
        .parameters = json_object_get(resource, "parameters"),
        .configs = json_object_get(resource, "configs"),
        .credentials = json_object_get(resource, "credentials"),
        .applied = json_object_get(resource, "applied"),
        .environment = json_object_get(input, "environment"),
        .dataplane_annotations = json_object_get(input, "annotationsOfPlane"),
        .organization = json_object_get(input, "organization")};
    int rc = render_resource(&in, manifests, NULL, err);
    rc = rc == 0 ? render_outputs(&in, &outputs, &missing, err) : rc;
    if (rc == 0) {
        json_array_append_new(*manifests,
                              json_pack("{s:o, s:i}", "outputs", outputs, "missing", (int)missing));
    }
    json_decref(type);
    return rc;
}

static int render_case(const json_t *input, json_t **manifests, struct err *err)
{
    const struct render_identity id = identity_of(json_object_get(input, "id"));
    if (json_object_get(input, "resource") != NULL) {
        return render_case_resource(input, manifests, err);
    }
    if (json_is_true(json_object_get(input, "cell"))) {
        const struct render_cell in = {.id = id,
                                       .cell_type = json_object_get(input, "cellType"),
                                       .environment = json_object_get(input, "environment"),
                                       .organization = json_object_get(input, "organization"),
                                       .cluster = json_object_get(input, "cluster"),
                                       .dataplane = json_object_get(input, "dataplane"),
                                       .dataplane_annotations =
                                           json_object_get(input, "annotationsOfPlane"),
                                       .labels = json_object_get(input, "labels"),
                                       .annotations = json_object_get(input, "annotations")};
        return render_cell(&in, manifests, err);
    }
    json_t *release = NULL;
    int rc = release_of(input, &release, err);
    if (rc != 0) {
        return rc;
    }
    const struct render_component in = {
        .id = id,
        .release = release,
        .binding = json_object_get(input, "binding"),
        .environment = json_object_get(input, "environment"),
        .cluster = json_object_get(input, "cluster"),
        .dataplane = json_object_get(input, "dataplane"),
        .organization = json_object_get(input, "organization"),
        .dataplane_annotations = json_object_get(input, "annotationsOfPlane"),
        .dependencies = json_object_get(input, "dependencies"),
        .resources = json_object_get(input, "outputs"),
        .sources = json_object_get(input, "secrets"),
        .labels = json_object_get(input, "labels"),
        .annotations = json_object_get(input, "annotations"),
        .openchoreo = json_is_true(json_object_get(input, "openchoreo")),
        .policy = json_object_get(input, "policy"),
        .cost_limit = (uint64_t)json_integer_value(json_object_get(input, "costLimit"))};
    rc = render_component(&in, manifests, err);
    json_decref(release);
    return rc;
}

static void to_yaml(const json_t *input, struct buf *out)
{
    struct err err = {0};
    json_t *manifests = NULL;
    int rc = render_case(input, &manifests, &err);
    if (rc != 0) {
        json_t *failure = json_pack("{s:s, s:s}", "code", err_name(rc), "error", err.message);
        assert_null(manifests);
        yaml_emit(failure, out);
        json_decref(failure);
        return;
    }
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        struct buf canonical = {0};
        json_t *sorted;
        if (i > 0) {
            buf_add_cstr(out, "---\n");
        }
        json_canonical(json_array_get(manifests, i), &canonical);
        assert_ok(json_parse(buf_slice(&canonical), &sorted, &err), &err);
        yaml_emit(sorted, out);
        json_decref(sorted);
        buf_free(&canonical);
    }
    json_decref(manifests);
}

/* The first line in which two texts differ, for the message. */
static int first_difference(struct slice a, struct slice b)
{
    int line = 1;
    for (size_t i = 0; i < a.len && i < b.len && a.data[i] == b.data[i]; i++) {
        line += a.data[i] == '\n' ? 1 : 0;
    }
    return line;
}

/* The same input with its keys in another order gives the same, and no rendering changes its input.
 */
static void check_order(const json_t *input, struct slice expected)
{
    struct buf before = {0};
    struct buf after = {0};
    struct buf again = {0};
    struct err err = {0};
    json_t *sorted;
    json_canonical(input, &before);
    assert_ok(json_parse(buf_slice(&before), &sorted, &err), &err);
    to_yaml(sorted, &again);
    json_canonical(sorted, &after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    assert_true(slice_eq(buf_slice(&again), expected));
    json_decref(sorted);
    buf_free(&before);
    buf_free(&after);
    buf_free(&again);
}

static void golden_case(void **state)
{
    const char *name = *state;
    char path[600];
    struct buf text = {0};
    struct buf expected = {0};
    struct buf actual = {0};
    struct err err = {0};
    json_t *input;
    (void)snprintf(path, sizeof path, "%s/%s.in.yaml", TEST_DATA_DIR, name);
    assert_true(read_file(path, &text));
    assert_ok(yaml_parse(buf_slice(&text), path, &input, &err), &err);
    to_yaml(input, &actual);
    (void)snprintf(path, sizeof path, "%s/%s.out.yaml", TEST_DATA_DIR, name);
    const char *mode = getenv("RENDER_GOLDEN");
    if (mode != NULL && strcmp(mode, "update") == 0) {
        write_file(path, buf_slice(&actual));
    }
    if (!read_file(path, &expected) || !slice_eq(buf_slice(&expected), buf_slice(&actual))) {
        print_error("%s\n", buf_cstr(&actual));
        fail_msg("%s is not what is rendered, from line %d on; above is what is", path,
                 first_difference(buf_slice(&expected), buf_slice(&actual)));
    }
    check_order(input, buf_slice(&actual));
    json_decref(input);
    buf_free(&text);
    buf_free(&expected);
    buf_free(&actual);
}

static int is_input(const struct dirent *entry)
{
    return slice_ends_with(slice_of(entry->d_name), SLICE(".in.yaml"));
}

int main(void)
{
    struct CMUnitTest tests[CASES_MAX] = {{0}};
    struct dirent **entries;
    int count = scandir(TEST_DATA_DIR, &entries, is_input, alphasort);
    if (count < 1 || count > CASES_MAX) {
        print_error("no golden files in %s\n", TEST_DATA_DIR);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name;
        name[strlen(name) - strlen(".in.yaml")] = '\0';
        tests[i] =
            (struct CMUnitTest){.name = name, .test_func = golden_case, .initial_state = name};
    }
    int failed = _cmocka_run_group_tests("render golden files", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
    return failed;
}
