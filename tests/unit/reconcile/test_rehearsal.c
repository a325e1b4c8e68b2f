/* The controllers without a server. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "proto/object.h"
#include "reconcile/controllers/common.h"
#include "reconcile/rehearsal.h"

struct fixture {
    struct rehearsal r;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    rehearsal_init(&f->r);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rehearsal_free(&f->r);
    free(f);
    return 0;
}

static int on_document(json_t *document, int line, void *user, struct err *err)
{
    struct fixture *f = user;
    (void)line;
    return rehearsal_put(&f->r, document, err);
}

static void put(struct fixture *f, const char *yaml)
{
    assert_ok(yaml_each(slice_of(yaml), "test", on_document, f, &f->err), &f->err);
}

static void run(struct fixture *f)
{
    assert_ok(rehearsal_run(&f->r, &f->err), &f->err);
    assert_true(rehearsal_settled(&f->r));
}

/* The name of the only RenderedRelease in `default` whose name begins so. */
static struct slice rendered(struct fixture *f, const char *prefix)
{
    struct arena arena = {0};
    const struct snapshot_entry **all;
    struct slice found = {0};
    size_t count = snapshot_all(&f->r.snapshot, SNAPSHOT_RENDERED, &arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (slice_starts_with(all[i]->name, slice_of(prefix))) {
            assert_int_equal(found.len, 0);
            found = all[i]->name;
        }
    }
    arena_free(&arena);
    assert_true(found.len > 0);
    return found;
}

/* What it puts on its cluster of a kind; NULL: nothing. */
static const json_t *manifest(struct fixture *f, const char *prefix, const char *kind)
{
    const json_t *all = rehearsal_manifests(&f->r, SLICE("default"), rendered(f, prefix));
    for (size_t i = 0; i < json_array_size(all); i++) {
        if (slice_eq_cstr(object_kind(json_array_get(all, i)), kind)) {
            return json_array_get(all, i);
        }
    }
    return NULL;
}

#define PLATFORM                                                                                   \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: DataPlane\n"                                                                            \
    "metadata: {name: main}\n"                                                                     \
    "spec: {type: single-cluster}\n"                                                               \
    "---\n"
/* As admission would have it, with its defaults. */
#define WEB                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: Component\n"                                                                            \
    "metadata: {name: web, namespace: default, uid: u-web}\n"                                      \
    "spec:\n"                                                                                      \
    "  type: service\n"                                                                            \
    "  image: 'x:1'\n"                                                                             \
    "  endpoints: [{name: http, port: 80, visibility: [project]}]\n"

static void a_component_comes_to_its_first_cluster(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM WEB);
    assert_false(rehearsal_settled(&f->r));
    run(f);
    assert_int_equal(json_array_size(rehearsal_faults(&f->r)), 0);
    assert_non_null(manifest(f, "cell-", "Namespace"));
    assert_non_null(manifest(f, "web-", "Deployment"));
    assert_int_equal(strlen(rehearsal_revision(&f->r, SLICE("default"), rendered(f, "web-"))), 64);
    assert_string_equal(rehearsal_revision(&f->r, SLICE("default"), SLICE("nothing")), "");
    assert_null(rehearsal_manifests(&f->r, SLICE("default"), SLICE("nothing")));
}

#define SHARING(name, config)                                                                      \
    "---\n"                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: Component\n"                                                                            \
    "metadata: {name: " name ", namespace: default}\n"                                             \
    "spec: {type: sharing, image: 'x:1', parameters: {config: " config "}}\n"
#define SHARING_TYPE                                                                               \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: ComponentType\n"                                                                        \
    "metadata: {name: sharing, namespace: default}\n"                                              \
    "spec:\n"                                                                                      \
    "  workloadType: proxy\n"                                                                      \
    "  parameters: {openAPIV3Schema: {type: object, properties: {config: {type: string}}}}\n"      \
    "  resources:\n"                                                                               \
    "  - id: config\n"                                                                             \
    "    template: {apiVersion: v1, kind: ConfigMap, metadata: {name: '${parameters.config}'}}\n"

static const json_t *applied(struct fixture *f, const char *prefix)
{
    return object_condition(
        snapshot_get(&f->r.snapshot, SNAPSHOT_RENDERED, SLICE("default"), rendered(f, prefix)),
        "Applied");
}

/* As on a cluster, and in the same words. */
static void an_object_is_whose_it_was_first(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM SHARING_TYPE SHARING("one", "shared") SHARING("two", "shared"));
    run(f);
    assert_non_null(manifest(f, "one-", "ConfigMap"));
    assert_null(manifest(f, "two-", "ConfigMap"));
    assert_null(applied(f, "one-"));
    assert_slice(json_text_at(applied(f, "two-"), "reason"), "OwnedElsewhere");
    struct slice message = json_text_at(applied(f, "two-"), "message");
    assert_true(slice_starts_with(message, SLICE("ConfigMap shared: v1/ConfigMap/dp-default-")));
    assert_true(slice_find(message, SLICE("/shared is there already and belongs to RenderedRelease "
                                          "one-development-")) != SIZE_MAX);
    run(f);
    put(f, SHARING("one", "own"));
    run(f);
    assert_non_null(manifest(f, "two-", "ConfigMap"));
    assert_slice(object_name(manifest(f, "one-", "ConfigMap")), "own");
}

static void uids_are_told_that_were_given(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM WEB);
    run(f);
    const json_t *deployment = manifest(f, "web-", "Deployment");
    assert_slice(object_label(deployment, "openchoreo.dev/component-uid"), "u-web");
    assert_slice(object_label(deployment, "openchoreo.dev/environment-uid"), "");
    struct slice uid =
        object_uid(snapshot_get(&f->r.snapshot, SNAPSHOT_DATAPLANE, SLICE(""), SLICE("main")));
    assert_true(slice_starts_with(uid, slice_of(f->r.snapshot.made_up)));
    /* An object that has one is another than what was there. */
    put(f, "apiVersion: v1\n"
           "kind: Secret\n"
           "metadata: {name: cluster-main-main, namespace: choreo-system, uid: u-secret}\n");
    uid = object_uid(snapshot_get(&f->r.snapshot, SNAPSHOT_SECRET, SLICE("choreo-system"),
                                  SLICE("cluster-main-main")));
    assert_slice(uid, "u-secret");
}

static void what_is_changed_is_rendered_anew(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM WEB);
    run(f);
    char before[65];
    (void)snprintf(before, sizeof before, "%s",
                   rehearsal_revision(&f->r, SLICE("default"), rendered(f, "web-")));
    run(f);
    assert_string_equal(rehearsal_revision(&f->r, SLICE("default"), rendered(f, "web-")), before);
    json_t *dev = json_deep_copy(
        snapshot_get(&f->r.snapshot, SNAPSHOT_ENVIRONMENT, SLICE("default"), SLICE("development")));
    json_object_set_new(json_child(dev, "spec"), "overrides",
                        json_pack("{s:[{s:s, s:s}]}", "env", "name", "LEVEL", "value", "debug"));
    assert_ok(rehearsal_put(&f->r, dev, &f->err), &f->err);
    json_decref(dev);
    run(f);
    assert_string_not_equal(rehearsal_revision(&f->r, SLICE("default"), rendered(f, "web-")),
                            before);
}

static void no_gate_is_asked(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM WEB "---\n"
                        "apiVersion: choreo.dev/v1\n"
                        "kind: Environment\n"
                        "metadata: {name: prod, namespace: default}\n"
                        "spec: {dataPlane: main}\n"
                        "---\n"
                        "apiVersion: choreo.dev/v1\n"
                        "kind: DeploymentPipeline\n"
                        "metadata: {name: default, namespace: default}\n"
                        "spec:\n"
                        "  promotionPaths:\n"
                        "  - sourceEnvironmentRef: {name: development}\n"
                        "    targetEnvironmentRefs: [{name: prod, requiresApproval: true}]\n");
    run(f);
    const json_t *web =
        snapshot_get(&f->r.snapshot, SNAPSHOT_COMPONENT, SLICE("default"), SLICE("web"));
    json_t *binding =
        object_new("choreo.dev/v1", "ReleaseBinding", SLICE("default"), SLICE("web-prod"));
    json_object_set_new(binding, "spec",
                        json_pack("{s:{s:s, s:s}, s:s, s:O}", "owner", "projectName", "default",
                                  "componentName", "web", "environment", "prod", "releaseName",
                                  json_at(web, "status", "latestRelease", "name", NULL)));
    assert_ok(rehearsal_create(&f->r, binding, &f->err), &f->err);
    run(f);
    assert_non_null(manifest(f, "web-prod-", "Deployment"));
}

static void credentials_are_not_made_up(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                    "kind: Resource\n"
                    "metadata: {name: db, namespace: default}\n"
                    "spec: {project: default, type: redis}\n");
    run(f);
    const json_t *all = rehearsal_manifests(&f->r, SLICE("default"), rendered(f, "resource.db-"));
    size_t told = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        struct slice text = json_text(json_at(json_array_get(all, i), "data", "password", NULL));
        told += slice_eq_cstr(text, "bWFkZS13aGVuLWRlcGxveWVk") ? 1 : 0;
    }
    assert_int_equal(told, 1);
}

static void what_is_refused_is_told(void **state)
{
    struct fixture *f = *state;
    put(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                    "kind: Project\n"
                    "metadata: {name: shop, namespace: default}\n"
                    "spec: {components: [{name: Not_a_name, type: worker, image: 'x:1'}]}\n");
    run(f);
    assert_int_equal(json_array_size(rehearsal_faults(&f->r)), 1);
    const json_t *fault = json_array_get(rehearsal_faults(&f->r), 0);
    assert_slice(json_text_at(fault, "kind"), "Component");
    assert_slice(json_text_at(fault, "namespace"), "default");
    assert_slice(json_text_at(fault, "name"), "Not_a_name");
    assert_true(slice_find(json_text_at(fault, "message"), SLICE("metadata.name")) != SIZE_MAX);
}

static bool no_rendering(void *user, enum snapshot_kind kind, const json_t *object)
{
    (void)user;
    assert_slice(kind == SNAPSHOT_RENDERED ? owner_text(object, "componentName")
                                           : object_name(object),
                 "web");
    return kind != SNAPSHOT_RENDERED;
}

static bool nothing(void *user, enum snapshot_kind kind, const json_t *object)
{
    (void)user;
    (void)kind;
    (void)object;
    return false;
}

static void what_nobody_wants_is_not_made(void **state)
{
    struct fixture *f = *state;
    f->r.wanted = nothing;
    put(f, PLATFORM WEB);
    run(f);
    assert_int_equal(snapshot_count(&f->r.snapshot, SNAPSHOT_RELEASE), 0);
    f->r.wanted = no_rendering;
    run(f);
    assert_int_equal(snapshot_count(&f->r.snapshot, SNAPSHOT_RELEASE), 1);
    assert_null(rehearsal_manifests(&f->r, SLICE("default"), rendered(f, "web-")));
    assert_non_null(manifest(f, "cell-", "Namespace")); /* nobody is asked */
    f->r.wanted = NULL;
    run(f);
    assert_non_null(manifest(f, "web-", "Deployment"));
}

static void openchoreos_objects_are_translated(void **state)
{
    struct fixture *f = *state;
    put(f, "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: ClusterDataPlane\n"
           "metadata: {name: default}\n"
           "spec: {planeID: default}\n"
           "---\n"
           "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: Environment\n"
           "metadata: {name: development, namespace: default}\n"
           "spec: {dataPlaneRef: {kind: ClusterDataPlane, name: default}}\n"
           "---\n"
           "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: ClusterComponentType\n"
           "metadata: {name: thing}\n"
           "spec:\n"
           "  workloadType: deployment\n"
           "  resources:\n"
           "  - id: deployment\n"
           "    template:\n"
           "      apiVersion: apps/v1\n"
           "      kind: Deployment\n"
           "      metadata: {name: \"${metadata.name}\"}\n"
           "      spec:\n"
           "        selector: {matchLabels: {a: b}}\n"
           "        template:\n"
           "          metadata: {labels: {a: b}}\n"
           "          spec: {containers: [{name: main, image: \"${workload.container.image}\"}]}\n"
           "---\n"
           "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: Component\n"
           "metadata: {name: theirs, namespace: default}\n"
           "spec:\n"
           "  autoDeploy: true\n"
           "  owner: {projectName: default}\n"
           "  componentType: {kind: ClusterComponentType, name: deployment/thing}\n"
           "---\n"
           "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: Project\n"
           "metadata: {name: default, namespace: default}\n"
           "spec: {deploymentPipelineRef: {name: default}}\n"
           "---\n"
           "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: Workload\n"
           "metadata: {name: theirs, namespace: default}\n"
           "spec:\n"
           "  owner: {projectName: default, componentName: theirs}\n"
           "  container: {image: 'their:image'}\n");
    run(f);
    const json_t *deployment = manifest(f, "theirs-", "Deployment");
    const json_t *containers = json_at(deployment, "spec", "template", "spec", "containers", NULL);
    assert_slice(json_text_at(json_array_get(containers, 0), "image"), "their:image");
}

static void kinds_that_no_controller_knows_are_left_out(void **state)
{
    struct fixture *f = *state;
    put(f, "apiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: default}\n");
    assert_int_equal(f->r.snapshot.body_bytes, 0);
    json_t *nothing = object_new("v1", "ConfigMap", SLICE("default"), SLICE("c"));
    assert_int_equal(rehearsal_kind(&f->r, nothing), SNAPSHOT_CONFIG_MAP);
    json_decref(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_component_comes_to_its_first_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(an_object_is_whose_it_was_first, setup, teardown),
        cmocka_unit_test_setup_teardown(uids_are_told_that_were_given, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_changed_is_rendered_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(no_gate_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(credentials_are_not_made_up, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_wants_is_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(openchoreos_objects_are_translated, setup, teardown),
        cmocka_unit_test_setup_teardown(kinds_that_no_controller_knows_are_left_out, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
