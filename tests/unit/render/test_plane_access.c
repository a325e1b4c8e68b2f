/* What a DataPlane lets a namespace have of it. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/plane_access.h"

static json_t *parse(const char *yaml)
{
    json_t *tree;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static void test_namespaces(void **state)
{
    (void)state;
    struct arena arena = {0};
    json_t *open = parse("{metadata: {name: eu}, spec: {}}");
    json_t *some = parse("{metadata: {name: eu}, spec: {allowedNamespaces: [acme, globex]}}");
    assert_true(plane_allows(open, SLICE("acme")));
    assert_true(plane_allows(some, SLICE("globex")));
    assert_false(plane_allows(some, SLICE("acme-corp")));
    assert_false(plane_allows(some, SLICE("")));
    assert_string_equal(plane_forbids(some, SLICE("acme-corp"), &arena),
                        "data plane \"eu\" is not for namespace \"acme-corp\": its "
                        "spec.allowedNamespaces does not name it");
    arena_free(&arena);
    json_decref(open);
    json_decref(some);
}

static void test_keys(void **state)
{
    (void)state;
    struct arena arena = {0};
    json_t *open = parse("{}");
    json_t *some = parse("{secretKeyPrefixes: ['tenants/${namespace}/', shared/]}");
    assert_true(plane_allows_all_keys(NULL) && plane_allows_all_keys(open));
    assert_true(plane_allows_key(NULL, SLICE("acme"), SLICE("any")));
    assert_true(plane_allows_key(open, SLICE("acme"), SLICE("any")));
    assert_false(plane_allows_all_keys(some));
    assert_true(plane_allows_key(some, SLICE("acme"), SLICE("tenants/acme/db")));
    assert_true(plane_allows_key(some, SLICE("acme"), SLICE("shared/registry")));
    static const char *const refused[] = {"",
                                          "db",
                                          "tenants/acme",
                                          "tenants/acme-corp/db",
                                          "tenants/globex/db",
                                          "/tenants/acme/db",
                                          "TENANTS/ACME/db",
                                          "tenants/acme/../globex/db",
                                          "tenants/acme/..",
                                          "shared/./../db",
                                          "tenants/${namespace}/db"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (plane_allows_key(some, SLICE("acme"), slice_of(refused[i]))) {
            fail_msg("\"%s\" is allowed", refused[i]);
        }
    }
    assert_string_equal(plane_key_prefixes(some, SLICE("acme"), &arena), "tenants/acme/, shared/");
    arena_free(&arena);
    json_decref(open);
    json_decref(some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
