/* The registry: built-in kinds, lookups, kinds added at run time. */
#include "tests/unit/proto/fixture.h"

#include "google/protobuf/descriptor.pb-c.h"
#include "proto/typed.h"

static void builtin(void **state)
{
    struct fixture *f = *state;
    const struct kind *k =
        kind_by_plural(&f->registry, SLICE("choreo.dev"), SLICE("v1"), SLICE("components"));
    assert_non_null(k);
    assert_slice(k->kind, "Component");
    assert_slice(k->list_kind, "ComponentList");
    assert_slice(k->api_version, "choreo.dev/v1");
    assert_slice(k->resource, "components.choreo.dev");
    assert_slice(k->message, "choreo.v1.Component");
    assert_true(k->namespaced && k->status && k->generation && !k->strategic);
    assert_slice(kind_registry_at(&f->registry, 0)->group, "choreo.dev");
    static const char *const served[] = {"organizations",
                                         "dataplanes",
                                         "projects",
                                         "components",
                                         "environments",
                                         "environmenttemplates",
                                         "deploymentpipelines",
                                         "componenttypes",
                                         "clustercomponenttypes",
                                         "traits",
                                         "clustertraits",
                                         "releases",
                                         "releasebindings",
                                         "renderedreleases",
                                         "namespaces",
                                         "configmaps",
                                         "secrets",
                                         "events",
                                         "serviceaccounts",
                                         "roles.rbac.authorization.k8s.io",
                                         "clusterrolebindings.rbac.authorization.k8s.io",
                                         "tokenreviews.authentication.k8s.io",
                                         "leases.coordination.k8s.io"};
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
        assert_non_null(kind_by_name(&f->registry, slice_of(served[i])));
    }
}

static void parts_of_other_kinds(void **state)
{
    struct fixture *f = *state;
    const struct kind *accounts = kind_named(f, "serviceaccounts");
    const struct kind *part = kind_part(&f->registry, accounts, SLICE("token"));
    struct slice name;
    assert_non_null(part);
    assert_slice(part->kind, "TokenRequest");
    assert_true(part->answered && part->verbs == KIND_CREATE);
    assert_ptr_equal(kind_part_at(&f->registry, accounts, 0, &name), part);
    assert_slice(name, "token");
    assert_null(kind_part_at(&f->registry, accounts, 1, &name));
    assert_null(kind_part(&f->registry, accounts, SLICE("tok")));
    assert_null(kind_part(&f->registry, kind_named(f, "secrets"), SLICE("token")));
    assert_null(kind_by_plural(&f->registry, part->group, part->version, part->plural));
    assert_ptr_equal(kind_by_message(&f->registry, part->message), part);
    for (size_t i = 0; i < kind_registry_count(&f->registry); i++) {
        assert_ptr_not_equal(kind_registry_at(&f->registry, i), part);
    }
    assert_err(kind_registry_add(&f->registry, part, &f->err), &f->err, ERR_EXISTS, "TokenRequest");
}

static bool in_category(const struct kind *kind, const char *category)
{
    size_t i = 0;
    while (i < kind->category_count && !slice_eq_cstr(kind->categories[i], category)) {
        i++;
    }
    return i < kind->category_count;
}

/* `kubectl delete all --all` takes whatever is in `all`, of every namespace where a kind has none:
 * what developers made may be in it, and never what others make for them. */
static void all_is_what_developers_make(void **state)
{
    struct fixture *f = *state;
    struct buf all = {0};
    for (size_t i = 0; i < kind_registry_count(&f->registry); i++) {
        const struct kind *kind = kind_registry_at(&f->registry, i);
        bool own = slice_eq_cstr(kind->group, "choreo.dev");
        bool theirs = slice_eq_cstr(kind->group, "openchoreo.dev");
        assert_true(!own || in_category(kind, "choreo"));
        assert_true(!theirs || in_category(kind, "openchoreo"));
        if (in_category(kind, "all")) {
            assert_true(kind->namespaced);
            buf_addf(&all, "%.*s\n", SLICE_ARG(kind->resource));
        }
    }
    assert_string_equal(buf_cstr(&all), "resources.choreo.dev\n"
                                        "resourcereleases.choreo.dev\n"
                                        "resourcereleasebindings.choreo.dev\n"
                                        "releases.choreo.dev\n"
                                        "releasebindings.choreo.dev\n"
                                        "projects.choreo.dev\n"
                                        "components.choreo.dev\n"
                                        "releasesets.choreo.dev\n"
                                        "workflowruns.choreo.dev\n"
                                        "components.openchoreo.dev\n"
                                        "workloads.openchoreo.dev\n"
                                        "projects.openchoreo.dev\n"
                                        "componentreleases.openchoreo.dev\n"
                                        "releasebindings.openchoreo.dev\n"
                                        "resources.openchoreo.dev\n"
                                        "resourcereleases.openchoreo.dev\n"
                                        "resourcereleasebindings.openchoreo.dev\n"
                                        "workflowruns.openchoreo.dev\n");
    buf_free(&all);
}

static void names(void **state)
{
    struct fixture *f = *state;
    const struct kind_registry *r = &f->registry;
    const struct kind *k = kind_named(f, "component");
    assert_ptr_equal(kind_by_name(r, SLICE("comp")), k);
    assert_ptr_equal(kind_by_name(r, SLICE("Components.choreo.dev")), k);
    assert_ptr_equal(kind_by_name(r, SLICE("components.v1.choreo.dev")), k);
    assert_null(kind_by_name(r, SLICE("components.apps")));
    assert_null(kind_by_name(r, SLICE("")));
    assert_ptr_equal(kind_by_type(r, SLICE("choreo.dev/v1"), SLICE("Component")), k);
    assert_null(kind_by_type(r, SLICE("choreo.dev/v2"), SLICE("Component")));
    assert_ptr_equal(kind_by_resource(r, SLICE("components.choreo.dev")), k);
    assert_ptr_equal(kind_by_message(r, SLICE("type.googleapis.com/choreo.v1.Component")), k);
    assert_slice(kind_by_type(r, SLICE("v1"), SLICE("Secret"))->resource, "secrets");
    assert_string_equal(kind_verb_name(6), "delete");
}

static void defined_at_run_time(void **state)
{
    struct fixture *f = *state;
    kind_registry_workloads(&f->registry);
    const struct kind *k = kind_named(f, "deploy");
    assert_slice(k->api_version, "apps/v1");
    assert_true(k->strategic && !k->lenient && k->schema != NULL);
    assert_slice(k->scale_spec_replicas, ".spec.replicas");
    k = kind_named(f, "httproutes.gateway.networking.k8s.io");
    assert_true(k->lenient && !k->strategic && k->schema == NULL);
    assert_ok(kind_registry_define(&f->registry, SLICE("x.io"), SLICE("v1"), SLICE("Thing"),
                                   SLICE("things"), true, &k, &f->err),
              &f->err);
    assert_slice(k->resource, "things.x.io");
    assert_slice(k->singular, "thing");
    assert_err(kind_registry_define(&f->registry, SLICE("x.io"), SLICE("v1"), SLICE("Thing"),
                                    SLICE("thingies"), true, NULL, &f->err),
               &f->err, ERR_EXISTS, "Thing");
    assert_err(kind_registry_define(&f->registry, SLICE("x.io"), SLICE("v1"), SLICE("Bad Kind"),
                                    SLICE("bad"), true, NULL, &f->err),
               &f->err, ERR_INVALID, "letters and digits");
    assert_err(kind_registry_define(&f->registry, SLICE("X"), SLICE("v1"), SLICE("Good"),
                                    SLICE("goods"), true, NULL, &f->err),
               &f->err, ERR_INVALID, "RFC 1123");
    struct buf wire = {0};
    assert_err(typed_from_json(k, tree(f, "{}"), &wire, &f->err), &f->err, ERR_UNSUPPORTED, "JSON");
    /* an unknown object goes through as it is */
    assert_ok(write_op(f, "thing", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'a':{'b':[1,null]}},'other':true}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec"), "{'a':{'b':[1,null]}}");
    assert_string_equal(stored_at(f, ".other"), "true");
    assert_string_equal(stored_at(f, ".metadata.generation"), "1");
}

static void descriptors(void **state)
{
    (void)state;
    struct slice set = kind_descriptor_set();
    Google__Protobuf__FileDescriptorSet *files =
        google__protobuf__file_descriptor_set__unpack(NULL, set.len, (const uint8_t *)set.data);
    assert_non_null(files);
    bool service = false;
    for (size_t i = 0; i < files->n_file; i++) {
        service = service || strcmp(files->file[i]->name, "choreo/v1/services.proto") == 0;
        assert_null(files->file[i]->source_code_info);
    }
    assert_true(service);
    google__protobuf__file_descriptor_set__free_unpacked(files, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(builtin), T(parts_of_other_kinds), T(all_is_what_developers_make),
        T(names),   T(defined_at_run_time),  T(descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
