/* Tenants who reach for what is not theirs on a cluster, and clusters that answer with ill intent:
 * what they do must stay theirs. */
#include "reconcile/drivers/driver.h"
#include "reconcile/engine_internal.h"
#include "tests/unit/reconcile/engine_rig.h"

/* ---- tenants ---- */

static struct slice reason_of(const json_t *object)
{
    return json_text_at(object_condition(object, "Ready"), "reason");
}

static bool is_owned_elsewhere(struct fixture *f)
{
    return slice_eq_cstr(reason_of(component(f)), "OwnedElsewhere");
}

/* Two organizations, projects and environments whose names come to one, joined with '-'. */
static const char twins[] =
    "apiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: development}\n"
    "spec: {type: single-cluster}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: acme}\nspec: {}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: acme-corp}\nspec: {}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: corp-shop, namespace: acme}\n"
    "spec: {}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: shop, namespace: acme-corp}\n"
    "spec: {}\n";

static const char first_web[] =
    "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec: {project: corp-shop, type: worker, image: 'nginx:1'}\n";

static const char second_web[] =
    "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme-corp}\n"
    "spec: {project: shop, type: worker, image: 'evil:1'}\n";

static bool second_is_refused(struct fixture *f)
{
    const json_t *other = look(f, "components.choreo.dev", "acme-corp", "web");
    return slice_eq_cstr(reason_of(other), "OwnedElsewhere");
}

static bool is_refused_as_local(struct fixture *f)
{
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "acme.edge");
    return slice_find(json_text_at(object_condition(plane, "Ready"), "message"),
                      SLICE("its address is this machine")) != SIZE_MAX;
}

/* Whoever runs the platform may. */
static bool is_reached(struct fixture *f)
{
    return object_condition_true(look(f, "dataplanes.choreo.dev", "", "development"), "Ready");
}

/* A kubeconfig is a tenant's word there, and the node goes to no address of its own for it. */
static void test_a_tenants_plane_is_not_this_machine(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    ((struct engine_impl *)f->engine.impl)->config.allow_local_sources = false;
    put(f, twins);
    put_secret(f, "development", "development", &f->kube);
    const json_t *secret = look(f, "secrets", "choreo-system", "cluster-development-development");
    buf_addf(&text,
             "apiVersion: openchoreo.dev/v1alpha1\nkind: DataPlane\n"
             "metadata: {name: edge, namespace: acme}\n"
             "spec: {clusterAgent: {clientCA: {value: x}}}\n"
             "---\napiVersion: v1\nkind: Secret\n"
             "metadata: {name: cluster-edge-edge, namespace: acme}\n"
             "data: {kubeconfig: '%.*s'}\n",
             SLICE_ARG(json_text(json_at(secret, "data", "kubeconfig", NULL))));
    put(f, buf_cstr(&text));
    buf_free(&text);
    lead(f);
    assert_true(happens(f, is_refused_as_local, LIMIT_MS));
    assert_true(happens(f, is_reached, LIMIT_MS));
}

static void test_a_cell_is_one_tenants(void **state)
{
    struct fixture *f = *state;
    put(f, twins);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, first_web);
    assert_true(happens(f, is_ready, LIMIT_MS));
    put(f, second_web);
    assert_true(happens(f, second_is_refused, LIMIT_MS));
    settle(f);
    assert_true(image_is_back(f));
    assert_true(is_ready(f));
    const json_t *labels = json_at(on_cluster(&f->kube, "Namespace"), "metadata", "labels", NULL);
    assert_slice(json_text_at(labels, "openchoreo.dev/namespace"), "acme");
    /* Nor does the second learn who the first is. */
    const json_t *other = look(f, "components.choreo.dev", "acme-corp", "web");
    struct slice message = json_text_at(object_condition(other, "Ready"), "message");
    assert_true(slice_find(message, SLICE("acme/")) == SIZE_MAX);
}

/* Types are the platform's here: those of a namespace are refused such kinds before (tenant.h). */
static const char replaces_the_policy[] =
    "apiVersion: choreo.dev/v1\nkind: ClusterComponentType\nmetadata: {name: open}\n"
    "spec:\n  workloadType: deployment\n  resources:\n"
    "    - id: deployment\n      template:\n        apiVersion: apps/v1\n        kind: Deployment\n"
    "        metadata: {name: web}\n        spec: {replicas: 1, selector: {matchLabels: "
    "{app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: m, image: "
    "i}]}}}\n"
    "    - id: policy\n      template:\n        apiVersion: networking.k8s.io/v1\n"
    "        kind: NetworkPolicy\n        metadata: {name: choreo-default-deny}\n"
    "        spec: {podSelector: {}, ingress: [{}], egress: [{}]}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec: {type: open, image: 'nginx:1'}\n";

static void test_a_type_does_not_replace_what_the_cell_made(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, replaces_the_policy);
    assert_true(happens(f, is_owned_elsewhere, LIMIT_MS));
    settle(f);
    json_t *policy = on_cluster(&f->kube, "NetworkPolicy");
    assert_slice(object_name(policy), "choreo-default-deny");
    assert_null(json_at(policy, "spec", "ingress", NULL));
    assert_true(json_array_size(json_at(policy, "spec", "policyTypes", NULL)) == 2);
}

/* Its name does not tell that it belongs to no namespace: the cluster does. */
static const char of_no_namespace[] =
    "apiVersion: choreo.dev/v1\nkind: ClusterComponentType\nmetadata: {name: open}\n"
    "spec:\n  workloadType: deployment\n  resources:\n"
    "    - id: deployment\n      template:\n        apiVersion: apps/v1\n        kind: Deployment\n"
    "        metadata: {name: web}\n        spec: {replicas: 1, selector: {matchLabels: "
    "{app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: m, image: "
    "i}]}}}\n"
    "    - id: tenant\n      template:\n        apiVersion: capsule.clastix.io/v1beta2\n"
    "        kind: Tenant\n        metadata: {name: everybody}\n"
    "        spec: {owners: [{kind: User, name: mallory}]}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec: {type: open, image: 'nginx:1'}\n";

static void test_a_kind_that_the_cluster_calls_global_is_refused(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, of_no_namespace);
    assert_true(happens(f, refused, LIMIT_MS));
    settle(f);
    assert_null(on_cluster(&f->kube, "Tenant"));
    struct slice message = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(message, SLICE("belongs to no namespace")) != SIZE_MAX);
}

/* The same within one organization, of cells and of components: neither gives way, and neither asks
 * for ever. */
static const char twins_of_one[] =
    "apiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: c, namespace: acme}\n"
    "spec: {dataPlane: development}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: b-c, namespace: acme}\n"
    "spec: {dataPlane: development}\n"
    "---\napiVersion: choreo.dev/v1\nkind: DeploymentPipeline\nmetadata: {name: one, namespace: "
    "acme}\nspec: {promotionPaths: [{sourceEnvironmentRef: {name: c}, targetEnvironmentRefs: "
    "[]}]}\n"
    "---\napiVersion: choreo.dev/v1\nkind: DeploymentPipeline\nmetadata: {name: two, namespace: "
    "acme}\nspec: {promotionPaths: [{sourceEnvironmentRef: {name: b-c}, targetEnvironmentRefs: "
    "[]}]}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: a-b, namespace: acme}\n"
    "spec: {deploymentPipeline: one}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: a, namespace: acme}\n"
    "spec: {deploymentPipeline: two}\n";

static const char first_of_one[] =
    "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec: {project: a-b, type: worker, image: 'nginx:1'}\n";

static const char second_of_one[] =
    "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: other, namespace: acme}\n"
    "spec: {project: a, type: worker, image: 'nginx:2'}\n";

static bool second_is_told(struct fixture *f)
{
    const json_t *other = look(f, "components.choreo.dev", "acme", "other");
    return slice_eq_cstr(reason_of(other), "NameTaken");
}

static void test_two_of_one_name_end(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put(f, twins_of_one);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, first_of_one);
    assert_true(happens(f, is_ready, LIMIT_MS));
    put(f, second_of_one);
    wait_ms(f, 500);
    size_t writes = f->memory.writes;
    wait_ms(f, 1000);
    assert_in_range(f->memory.writes - writes, 0, 5);
    assert_true(happens(f, second_is_told, LIMIT_MS));
    assert_true(is_ready(f));
    assert_true(image_is_back(f));
}

static bool is_not_on_cluster(struct fixture *f)
{
    return slice_eq_cstr(reason_of(component(f)), "NotOnCluster");
}

/* A cluster's requests are everybody's: kinds that are none are not asked after for ever, each. */
static void test_kinds_that_are_made_up_cost_little(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f,
        "apiVersion: choreo.dev/v1\nkind: ClusterComponentType\nmetadata: {name: odd}\n"
        "spec:\n  workloadType: deployment\n  resources:\n"
        "    - id: deployment\n      template: {apiVersion: apps/v1, kind: Deployment, metadata: "
        "{name: web}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: "
        "{app: web}}, spec: {containers: [{name: m, image: i}]}}}}\n"
        "    - id: odd\n      forEach: ${lists.range(300)}\n      var: i\n"
        "      template: {apiVersion: 'g${i}.example.com/v1', kind: 'Odd', metadata: {name: "
        "'odd-${i}'}}\n"
        "---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
        "spec: {type: odd, image: 'nginx:1'}\n");
    assert_true(happens(f, is_not_on_cluster, LIMIT_MS));
    size_t before = f->kube.requests;
    wait_ms(f, 2000);
    assert_in_range(f->kube.requests - before, 0, 100);
}

/* ---- clusters ---- */

static const char other_plane[] =
    "apiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: other}\n"
    "spec: {type: single-cluster}\n";

static bool both_are_watched(struct fixture *f)
{
    return f->second.watches_open > 0 && f->kube.watches_open > 0;
}

/* A cell of the first cluster, as another says that it has it, changed. */
static void test_a_cluster_says_nothing_of_what_is_on_another(void **state)
{
    struct fixture *f = *state;
    put(f, other_plane);
    put_secret(f, "other", "other", &f->second);
    start_web(f);
    settle(f);
    assert_true(happens(f, both_are_watched, LIMIT_MS));
    size_t patches = f->kube.patches;
    size_t writes = f->memory.writes;
    json_t *claimed = json_deep_copy(on_cluster(&f->kube, "Namespace"));
    struct buf key = {0};
    manifest_key(claimed, &key);
    for (int i = 0; i < 3; i++) {
        json_t *one = json_deep_copy(claimed);
        json_object_set_new(json_at(one, "metadata", "labels", NULL), "openchoreo.dev/namespace",
                            json_integer(i));
        kube_set(&f->second, one);
        kube_remove(&f->second, buf_cstr(&key));
    }
    wait_ms(f, 300);
    assert_int_equal(f->kube.patches, patches);
    assert_int_equal(f->memory.writes, writes);
    buf_free(&key);
    json_decref(claimed);
}

static bool is_degraded(struct fixture *f)
{
    return slice_eq_cstr(reason_of(component(f)), "Degraded");
}

/* Nobody wants to read, nor any store to hold, what a cluster may say at length. */
static void test_what_a_cluster_says_is_cut(void **state)
{
    struct fixture *f = *state;
    struct buf essay = {0};
    start_web(f);
    while (essay.len < 6 * 1024 * 1024) {
        buf_add_cstr(&essay, "\xc3\xa4"); /* no character is halved either */
    }
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    f->kube.stuck = true;
    f->kube.stuck_message = buf_cstr(&essay);
    kube_set(&f->kube, changed);
    assert_true(happens(f, is_degraded, LIMIT_MS));
    settle(f);
    for (size_t i = 0; i < f->memory.log_count; i++) {
        assert_true(strlen(f->memory.log[i]->body) < 200 * 1024); /* a release holds its type */
    }
    buf_free(&essay);
}

/* One that ends each watch as soon as it has begun is not asked as fast as it can answer. */
static void test_a_cluster_that_hangs_up_is_asked_at_leisure(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    f->kube.watches_end = true;
    kube_cut_watches(&f->kube);
    size_t before = f->kube.requests;
    wait_ms(f, 1000);
    assert_in_range(f->kube.requests - before, 1, 150);
}

/* Events of nothing, and objects that are nobody's: no uid, no version. */
static void test_a_cluster_that_leaves_things_out(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    kube_say(&f->kube, "{\"type\":\"ADDED\"}");
    kube_say(&f->kube, "{\"type\":\"DELETED\",\"object\":null}");
    kube_say(&f->kube, "{\"object\":[]}");
    kube_say(&f->kube, "[]");
    kube_say(&f->kube, "{");
    wait_ms(f, 200);
    const char *key;
    json_t *object;
    json_object_foreach(f->kube.objects, key, object)
    {
        json_object_del(json_object_get(object, "metadata"), "uid");
        json_object_del(json_object_get(object, "metadata"), "resourceVersion");
    }
    change(f, ADMIT_DELETE, "components.choreo.dev", "acme", "web", NULL);
    assert_true(happens(f, is_gone, LIMIT_MS));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cell_is_one_tenants),
        TEST(test_a_tenants_plane_is_not_this_machine),
        TEST(test_a_type_does_not_replace_what_the_cell_made),
        TEST(test_a_kind_that_the_cluster_calls_global_is_refused),
        TEST(test_two_of_one_name_end),
        TEST(test_kinds_that_are_made_up_cost_little),
        TEST(test_a_cluster_says_nothing_of_what_is_on_another),
        TEST(test_what_a_cluster_says_is_cut),
        TEST(test_a_cluster_that_hangs_up_is_asked_at_leisure),
        TEST(test_a_cluster_that_leaves_things_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
