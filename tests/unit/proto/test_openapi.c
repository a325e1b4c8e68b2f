/* The documents: complete, every reference resolves, what kubectl looks for is there. */
#include "tests/unit/proto/fixture.h"

#include "proto/openapi.h"
#include "proto/tree_internal.h"

static json_t *parsed(struct fixture *f, struct buf *text)
{
    json_t *value = NULL;
    assert_ok(json_parse(buf_slice(text), &value, &f->err), &f->err);
    arena_own(&f->arena, value, (void (*)(void *))json_decref);
    buf_free(text);
    return value;
}

static size_t check_references(const json_t *node, const json_t *definitions, size_t prefix)
{
    size_t count = 0;
    const json_t *ref = json_object_get(node, "$ref");
    if (json_is_string(ref)) {
        const char *name = json_string_value(ref) + prefix;
        if (!json_is_object(json_object_get(definitions, name))) {
            print_error("%s\n", json_string_value(ref));
        }
        assert_true(json_is_object(json_object_get(definitions, name)));
        count++;
    }
    TREE_EACH(it, node)
    {
        count += check_references(json_object_iter_value(it), definitions, prefix);
    }
    for (size_t i = 0; i < json_array_size(node); i++) {
        count += check_references(json_array_get(node, i), definitions, prefix);
    }
    return count;
}

static bool has_parameter(const json_t *operation, const char *name)
{
    const json_t *list = json_object_get(operation, "parameters");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq_cstr(json_text_at(json_array_get(list, i), "name"), name)) {
            return true;
        }
    }
    return false;
}

static void version_3(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    assert_ok(openapi_v3(&f->registry, SLICE("choreo.dev"), SLICE("v1"), &text, &f->err), &f->err);
    json_t *doc = parsed(f, &text);
    const json_t *schemas = json_at(doc, "components", "schemas", NULL);
    assert_true(check_references(doc, schemas, strlen("#/components/schemas/")) > 100);
    const json_t *patch =
        json_at(doc, "paths", "/apis/choreo.dev/v1/namespaces/{namespace}/components/{name}",
                "patch", NULL);
    assert_true(has_parameter(patch, "fieldValidation"));
    assert_slice(json_text(json_at(patch, "x-kubernetes-group-version-kind", "kind", NULL)),
                 "Component");
    assert_non_null(json_at(doc, "paths", "/apis/choreo.dev/v1/components", "get", NULL));
    assert_non_null(json_at(doc, "paths", "/apis/choreo.dev/v1/organizations/{name}/status", NULL));
    const json_t *component = json_object_get(schemas, "dev.choreo.v1.Component");
    assert_string_equal(text_of(f, json_object_get(component, "x-kubernetes-group-version-kind")),
                        "[{'group':'choreo.dev','kind':'Component','version':'v1'}]");
    const json_t *spec = json_object_get(schemas, "dev.choreo.v1.ComponentSpec");
    assert_string_equal(text_of(f, json_at(spec, "properties", "replicas", NULL)),
                        "{'description':'Replicas to run; default: its type's.','format':'int32',"
                        "'maximum':10000,'minimum':0,'type':'integer'}");
    assert_non_null(json_object_get(schemas, "dev.choreo.v1.ComponentList"));
    assert_err(openapi_v3(&f->registry, SLICE("x"), SLICE("v1"), &text, &f->err), &f->err,
               ERR_NOT_FOUND, "x/v1");
    assert_int_equal(text.len, 0);
}

static void index_of_documents(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    openapi_v3_index(&f->registry, &text);
    json_t *paths = json_object_get(parsed(f, &text), "paths");
    assert_true(slice_starts_with(
        json_text(json_at(paths, "apis/choreo.dev/v1", "serverRelativeURL", NULL)),
        SLICE("/openapi/v3/apis/choreo.dev/v1?hash=")));
    assert_non_null(json_object_get(paths, "api/v1"));
    assert_non_null(json_object_get(paths, "apis/coordination.k8s.io/v1"));
}

static void version_2(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    kind_registry_workloads(&f->registry);
    openapi_v2(&f->registry, &text);
    json_t *doc = parsed(f, &text);
    const json_t *definitions = json_object_get(doc, "definitions");
    assert_true(check_references(doc, definitions, strlen("#/definitions/")) > 300);
    const json_t *patch =
        json_at(doc, "paths", "/api/v1/namespaces/{namespace}/secrets/{name}", "patch", NULL);
    assert_true(has_parameter(patch, "dryRun"));
    assert_non_null(json_object_get(definitions, "io.k8s.api.core.v1.Secret"));
    assert_non_null(json_object_get(definitions, "io.k8s.api.apps.v1.Deployment"));
    assert_non_null(json_object_get(definitions, "io.k8s.storage.v1.StorageClass"));
}

static void for_editors(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    assert_ok(openapi_json_schema(kind_named(f, "environment"), &text, &f->err), &f->err);
    json_t *doc = parsed(f, &text);
    assert_true(
        check_references(doc, json_object_get(doc, "definitions"), strlen("#/definitions/")) > 10);
    const json_t *kind = json_at(doc, "properties", "kind", NULL);
    assert_string_equal(text_of(f, json_at(kind, "enum", NULL)), "['Environment']");
    assert_string_equal(text_of(f, json_at(kind, "type", NULL)), "'string'");
    assert_true(json_text_at(kind, "description").len > 0);
    assert_true(json_is_false(json_object_get(doc, "additionalProperties")));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(version_3), T(index_of_documents), T(version_2),
                                       T(for_editors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
