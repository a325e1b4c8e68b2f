/* Tenants who reach for what is not theirs on a cluster, and clusters that answer with ill intent:
 * what they do must stay theirs. */
#include "reconcile/drivers/driver.h"
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

static const char replaces_the_policy[] =
    "apiVersion: choreo.dev/v1\nkind: ComponentType\nmetadata: {name: open, namespace: acme}\n"
    "spec:\n  workloadType: deployment\n  resources:\n"
    "    - id: deployment\n      template:\n        apiVersion: apps/v1\n        kind: Deployment\n"
    "        metadata: {name: web}\n        spec: {replicas: 1}\n"
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
    "apiVersion: choreo.dev/v1\nkind: ComponentType\nmetadata: {name: open, namespace: acme}\n"
    "spec:\n  workloadType: deployment\n  resources:\n"
    "    - id: deployment\n      template:\n        apiVersion: apps/v1\n        kind: Deployment\n"
    "        metadata: {name: web}\n        spec: {replicas: 1}\n"
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cell_is_one_tenants),
        TEST(test_a_type_does_not_replace_what_the_cell_made),
        TEST(test_a_kind_that_the_cluster_calls_global_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
