/* A resource that ends takes the claims of its volumes along, those alone, and whoever leads. */
#include "tests/unit/reconcile/engine_rig.h"

static const char database[] =
    "apiVersion: choreo.dev/v1\nkind: ClusterResourceType\nmetadata: {name: store}\n"
    "spec:\n  resources:\n  - id: statefulset\n    template:\n      apiVersion: apps/v1\n"
    "      kind: StatefulSet\n"
    "      metadata: {name: '${metadata.shortName}', namespace: '${metadata.namespace}'}\n"
    "      spec:\n        serviceName: db\n"
    "        selector: {matchLabels: {openchoreo.dev/resource: '${metadata.resourceName}'}}\n"
    "        template: {metadata: {labels: {openchoreo.dev/resource: "
    "'${metadata.resourceName}'}},\n"
    "          spec: {containers: [{name: main, image: 'store:1'}]}}\n"
    "        volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], "
    "resources: {requests: {storage: 1Gi}}}}]\n"
    "---\napiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: shop, namespace: acme}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Resource\nmetadata: {name: db, namespace: acme}\n"
    "spec: {project: shop, type: store}\n";

static bool has_set(struct fixture *f)
{
    return on_cluster(&f->kube, "StatefulSet") != NULL;
}

static bool has_ended(struct fixture *f)
{
    return look(f, "resources.choreo.dev", "acme", "db") == NULL;
}

static const char *claim_key(const char *ns, const char *name)
{
    static char key[256];
    (void)snprintf(key, sizeof key, "v1/PersistentVolumeClaim/%s/%s", ns, name);
    return key;
}

/* As the cluster's controllers would: a claim has its set's matchLabels. */
static void put_claim(struct fixture *f, const char *ns, const char *name, const char *resource)
{
    kube_set(&f->kube, json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}}", "apiVersion", "v1", "kind",
                                 "PersistentVolumeClaim", "metadata", "name", name, "namespace", ns,
                                 "labels", "openchoreo.dev/resource", resource));
}

static bool is_there(struct fixture *f, const char *ns, const char *name)
{
    return kube_get(&f->kube, claim_key(ns, name)) != NULL;
}

/* The namespace that the database is in, with two claims of its and one of another's. */
static char *start_database(struct fixture *f)
{
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, database);
    assert_true(happens(f, has_set, LIMIT_MS));
    settle(f);
    char *ns = slice_dup(object_ns(on_cluster(&f->kube, "StatefulSet")));
    put_claim(f, ns, "data-db-0", "db");
    put_claim(f, ns, "data-db-1", "db");
    put_claim(f, ns, "data-other-0", "other");
    buf_clear(&f->kube.log);
    return ns;
}

static void end_database(struct fixture *f)
{
    change(f, ADMIT_DELETE, "resources.choreo.dev", "acme", "db", NULL);
    assert_true(happens(f, has_ended, LIMIT_MS));
}

static void test_claims_go_after_the_set(void **state)
{
    struct fixture *f = *state;
    static const char *const steps[] = {"DELETE apps/v1/StatefulSet/", " fenced\n",
                                        "DELETE v1/PersistentVolumeClaim/", "/data-db-0 fenced\n",
                                        "/data-db-1 fenced\n"};
    char *ns = start_database(f);
    end_database(f);
    struct slice rest = buf_slice(&f->kube.log);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        size_t at = slice_find(rest, slice_of(steps[i]));
        assert_true(at != SIZE_MAX);
        rest = slice_sub(rest, at + strlen(steps[i]), SIZE_MAX);
    }
    assert_false(is_there(f, ns, "data-db-0") || is_there(f, ns, "data-db-1"));
    /* what else is in the cell goes with its namespace at most */
    assert_true(slice_find(buf_slice(&f->kube.log), SLICE("data-other-0")) == SIZE_MAX);
    free(ns);
}

/* The set is gone, its claims are not: nothing is forgotten. */
static void test_the_next_leader_goes_on(void **state)
{
    struct fixture *f = *state;
    char *ns = start_database(f);
    f->kube.fail_kind = "PersistentVolumeClaim";
    f->kube.fail_status = 503;
    f->kube.fail_count = INT_MAX;
    change(f, ADMIT_DELETE, "resources.choreo.dev", "acme", "db", NULL);
    while (has_set(f)) {
        wait_ms(f, 20);
    }
    wait_ms(f, 200);
    assert_false(has_ended(f));
    unlead(f);
    f->kube.fail_count = 0;
    lead(f);
    assert_true(happens(f, has_ended, LIMIT_MS));
    assert_false(is_there(f, ns, "data-db-0") || is_there(f, ns, "data-db-1"));
    free(ns);
}

/* A set that somebody deletes is made again around what it holds. */
static void test_a_set_that_is_made_again_keeps_them(void **state)
{
    struct fixture *f = *state;
    char *ns = start_database(f);
    json_t *set = on_cluster(&f->kube, "StatefulSet");
    struct buf key = {0};
    buf_addf(&key, "apps/v1/StatefulSet/%s/%.*s", ns, SLICE_ARG(object_name(set)));
    kube_remove(&f->kube, buf_cstr(&key));
    assert_true(happens(f, has_set, LIMIT_MS)); /* deleted by hand: made again */
    assert_true(is_there(f, ns, "data-db-0") && is_there(f, ns, "data-db-1"));
    buf_free(&key);
    free(ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claims_go_after_the_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_next_leader_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_set_that_is_made_again_keeps_them, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
