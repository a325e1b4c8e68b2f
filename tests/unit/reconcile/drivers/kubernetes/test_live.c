/* Health, fingerprints and comparison of what is on a cluster. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "reconcile/drivers/kubernetes/live.h"

static json_t *tree(const char *yaml)
{
    struct err err;
    json_t *t = NULL;
    assert_ok(yaml_parse(slice_of(yaml), "test", &t, &err), &err);
    return t;
}

static void health(const char *yaml, enum world_health expected, const char *message)
{
    struct buf why = {0};
    json_t *t = tree(yaml);
    assert_string_equal(world_health_name(live_health(t, &why)), world_health_name(expected));
    assert_slice(buf_slice(&why), message);
    buf_free(&why);
    json_decref(t);
}

static void test_deployments(void **state)
{
    (void)state;
    health("{kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3}, status: "
           "{observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}}",
           HEALTH_HEALTHY, "");
    health("{kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3}, status: "
           "{observedGeneration: 1, replicas: 3, updatedReplicas: 3, availableReplicas: 3}}",
           HEALTH_PROGRESSING, "the cluster has not looked at it yet");
    health("{kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3}, status: "
           "{observedGeneration: 2, replicas: 4, updatedReplicas: 1, availableReplicas: 3}}",
           HEALTH_PROGRESSING, "1 of 3 replicas are updated");
    health("{kind: Deployment, metadata: {generation: 2}, status: "
           "{observedGeneration: 2, replicas: 1, updatedReplicas: 1}}",
           HEALTH_PROGRESSING, "0 of 1 replicas are available");
    health("{kind: Deployment, metadata: {generation: 1}, spec: {replicas: 0}, status: "
           "{observedGeneration: 1}}",
           HEALTH_HEALTHY, "");
    health("{kind: Deployment, metadata: {generation: 1}, status: {observedGeneration: 1, "
           "conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, "
           "message: timed out}]}}",
           HEALTH_DEGRADED, "timed out (ProgressDeadlineExceeded)");
    health("{kind: Deployment, metadata: {generation: 1}, status: {observedGeneration: 1, "
           "conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, "
           "message: no such account}]}}",
           HEALTH_DEGRADED, "no such account (FailedCreate)");
    health("{kind: Deployment, metadata: {generation: 1}, status: {observedGeneration: 1, "
           "conditions: [{type: Progressing, status: 'True', reason: ReplicaSetUpdated, message: "
           "x}, {type: ReplicaFailure, status: 'True', reason: FailedCreate, message: 'pods "
           "\"web-1\" is forbidden: exceeded quota: cell, requested: cpu=2, used: cpu=4, limited: "
           "cpu=4'}]}}",
           HEALTH_DEGRADED,
           "the quota of its environment leaves no room for it: pods \"web-1\" is forbidden: "
           "exceeded quota: cell, requested: cpu=2, used: cpu=4, limited: cpu=4 (FailedCreate)");
}

static void test_other_workloads(void **state)
{
    (void)state;
    health("{kind: StatefulSet, metadata: {generation: 1}, spec: {replicas: 2}, status: "
           "{observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 1}}",
           HEALTH_PROGRESSING, "1 of 2 replicas are available");
    health("{kind: DaemonSet, metadata: {generation: 1}, status: {observedGeneration: 1, "
           "desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2}}",
           HEALTH_HEALTHY, "");
    health("{kind: Job, metadata: {}, status: {conditions: [{type: Complete, status: 'True'}]}}",
           HEALTH_HEALTHY, "");
    health("{kind: Job, metadata: {}, status: {conditions: [{type: Failed, status: 'True', "
           "message: backoff limit}]}}",
           HEALTH_DEGRADED, "backoff limit");
    health("{kind: Job, metadata: {}}", HEALTH_PROGRESSING, "has not completed yet");
    health("{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {}}", HEALTH_PROGRESSING,
           "phase Pending");
    health("{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {}, status: {phase: "
           "Succeeded}}",
           HEALTH_HEALTHY, "");
    health(
        "{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {}, status: {phase: Error, "
        "message: no such template}}",
        HEALTH_DEGRADED, "no such template");
    health("{apiVersion: example.com/v1, kind: Workflow, metadata: {}}", HEALTH_HEALTHY, "");
    health("{kind: Namespace, metadata: {}, status: {phase: Active}}", HEALTH_HEALTHY, "");
    health("{kind: PersistentVolumeClaim, metadata: {}, status: {phase: Pending}}",
           HEALTH_PROGRESSING, "phase Pending");
    health("{kind: ConfigMap, metadata: {}}", HEALTH_HEALTHY, "");
    health("{kind: ConfigMap, metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}",
           HEALTH_PROGRESSING, "is being deleted on the cluster");
}

static void held(const char *yaml, const char *why)
{
    json_t *live = tree(yaml);
    struct buf text = {0};
    live_held(live, &text);
    assert_string_equal(buf_cstr(&text), why);
    buf_free(&text);
    json_decref(live);
}

static void test_what_holds_an_object(void **state)
{
    (void)state;
    held("{kind: ConfigMap, metadata: {name: a}}", "");
    held("{kind: ConfigMap, metadata: {finalizers: [a.b/c, d.e/f]}}",
         ": its finalizers hold it: a.b/c, d.e/f");
    held("{kind: Namespace, status: {conditions: ["
         "{type: NamespaceContentRemaining, status: 'True', message: some are left}, "
         "{type: NamespaceFinalizersRemaining, status: 'True', message: a.b/c in 1 of them}]}}",
         ": a.b/c in 1 of them");
    held("{kind: Namespace, status: {conditions: ["
         "{type: NamespaceContentRemaining, status: 'True', message: some are left}, "
         "{type: NamespaceFinalizersRemaining, status: 'False', message: none}]}}",
         ": some are left");
}

static uint64_t fingerprint(const char *yaml)
{
    json_t *t = tree(yaml);
    uint64_t f = live_fingerprint(t);
    json_decref(t);
    return f;
}

static void replicas(const char *yaml, bool has, uint32_t wanted, uint32_t ready)
{
    uint32_t is[2] = {0, 0};
    json_t *live = tree(yaml);
    assert_int_equal(live_replicas(live, &is[0], &is[1]), has);
    assert_int_equal(is[0], wanted);
    assert_int_equal(is[1], ready);
    json_decref(live);
}

static void test_replicas(void **state)
{
    (void)state;
    replicas("{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3}, status: {readyReplicas: "
             "2}}",
             true, 3, 2);
    replicas("{apiVersion: apps/v1, kind: StatefulSet}", true, 1, 0);
    replicas("{apiVersion: apps/v1, kind: DaemonSet, status: {desiredNumberScheduled: 5, "
             "numberReady: 4}}",
             true, 5, 4);
    replicas("{apiVersion: apps/v1, kind: Deployment, spec: {replicas: -3}, status: "
             "{readyReplicas: 99999999999}}",
             true, 0, INT32_MAX);
    replicas("{apiVersion: v1, kind: Service}", false, 0, 0);
    replicas("{apiVersion: example.com/v1, kind: Deployment, spec: {replicas: 3}}", false, 0, 0);
}

static void test_fingerprints_ignore_bookkeeping_alone(void **state)
{
    (void)state;
    uint64_t base =
        fingerprint("{kind: X, metadata: {name: a, resourceVersion: '1', generation: 1}, "
                    "spec: {a: 1}, status: {b: 1}}");
    assert_int_equal(base, fingerprint("{kind: X, metadata: {name: a, resourceVersion: '9', "
                                       "generation: 4, managedFields: []}, spec: {a: 1}, status: "
                                       "{b: 2}}"));
    assert_int_not_equal(base, fingerprint("{kind: X, metadata: {name: a}, spec: {a: 2}}"));
    assert_int_not_equal(base, fingerprint("{kind: X, metadata: {name: a, labels: {x: y}}, spec: "
                                           "{a: 1}}"));
    assert_int_not_equal(base, fingerprint("{kind: X, metadata: {name: a}, spec: {a: 1}, data: "
                                           "{}}"));
}

static bool satisfies(const char *live, const char *manifest)
{
    json_t *a = tree(live);
    json_t *b = tree(manifest);
    bool yes = live_satisfies(a, b);
    json_decref(a);
    json_decref(b);
    return yes;
}

static void test_what_the_server_adds_is_of_no_account(void **state)
{
    (void)state;
    assert_true(satisfies("{a: 1, b: 2}", "{a: 1}"));
    assert_true(satisfies("{c: [{name: main, image: x, policy: Always}]}",
                          "{c: [{name: main, image: x}]}"));
    assert_true(satisfies("{cpu: '1', mem: 1Gi}", "{cpu: 1000m, mem: 1024Mi}"));
    assert_true(satisfies("{cpu: '2'}", "{cpu: 2}"));
    assert_true(satisfies("{a: {}}", "{a: {env: [], x: null, labels: {}}}"));
    assert_true(satisfies("{n: 1.0}", "{n: 1}"));
}

static void test_what_was_changed_is_noticed(void **state)
{
    (void)state;
    assert_false(satisfies("{a: 2}", "{a: 1}"));
    assert_false(satisfies("{}", "{a: 1}"));
    assert_false(satisfies("{c: [{name: main, image: evil}]}", "{c: [{name: main, image: x}]}"));
    assert_false(satisfies("{c: [{name: main}, {name: side}]}", "{c: [{name: main}]}"));
    assert_false(satisfies("{a: text}", "{a: {b: 1}}"));
    assert_false(satisfies("{cpu: 2}", "{cpu: 1000m}"));
    assert_false(satisfies("{a: 'true'}", "{a: true}"));
}

static void test_keys_and_inventory_rows(void **state)
{
    struct buf key = {0};
    struct buf again = {0};
    (void)state;
    json_t *o =
        tree("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: n, uid: "
             "u}}");
    json_t *row = resource_new(o, 0xabc);
    manifest_key(o, &key);
    resource_key(row, &again);
    assert_slice(buf_slice(&key), "apps/v1/Deployment/n/d");
    assert_slice(buf_slice(&again), "apps/v1/Deployment/n/d");
    assert_slice(json_text_at(row, "hash"), "0000000000000abc");
    json_decref(o);
    json_decref(row);
    buf_clear(&key);
    o = tree("{apiVersion: v1, kind: Namespace, metadata: {name: n}}");
    manifest_key(o, &key);
    assert_slice(buf_slice(&key), "v1/Namespace//n");
    json_decref(o);
    buf_free(&key);
    buf_free(&again);
}

static bool keeps(const char *kind, const char *spec, const char *managers, int64_t *replicas)
{
    struct buf yaml = {0};
    buf_addf(&yaml, "{apiVersion: apps/v1, kind: %s, metadata: {managedFields: [%s]}, spec: %s}",
             kind, managers, "{replicas: 5}");
    json_t *live = tree(buf_cstr(&yaml));
    buf_clear(&yaml);
    buf_addf(&yaml, "{apiVersion: apps/v1, kind: %s, spec: %s}", kind, spec);
    json_t *manifest = tree(buf_cstr(&yaml));
    bool kept = live_kept_replicas(live, manifest, replicas);
    json_decref(live);
    json_decref(manifest);
    buf_free(&yaml);
    return kept;
}

#define OURS                                                                                       \
    "{manager: choreod, operation: Apply, fieldsV1: {'f:spec': {'f:replicas': {}, 'f:x': {}}}}"
#define WITHOUT "{manager: choreod, operation: Apply, fieldsV1: {'f:spec': {'f:template': {}}}}"
#define SCALED                                                                                     \
    "{manager: kube-controller-manager, operation: Update, subresource: scale, fieldsV1: "         \
    "{'f:spec': {'f:replicas': {}}}}"

/* With autoscaling turned on, five replicas do not become one until the autoscaler looks. */
static void test_replicas_are_kept_until_somebody_else_says_them(void **state)
{
    (void)state;
    int64_t replicas = -1;
    assert_false(keeps("Deployment", "{}", WITHOUT, &replicas));
    assert_false(keeps("Deployment", "{}", WITHOUT ", " SCALED, &replicas));
    assert_false(keeps("Deployment", "{}", OURS ", " SCALED, &replicas));
    assert_false(keeps("Deployment", "{replicas: 2}", OURS, &replicas));
    assert_false(keeps("DaemonSet", "{}", OURS, &replicas));
    assert_int_equal(replicas, -1);
    assert_true(keeps("Deployment", "{}", OURS, &replicas));
    assert_int_equal(replicas, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deployments),
        cmocka_unit_test(test_what_holds_an_object),
        cmocka_unit_test(test_other_workloads),
        cmocka_unit_test(test_replicas),
        cmocka_unit_test(test_fingerprints_ignore_bookkeeping_alone),
        cmocka_unit_test(test_what_the_server_adds_is_of_no_account),
        cmocka_unit_test(test_what_was_changed_is_noticed),
        cmocka_unit_test(test_keys_and_inventory_rows),
        cmocka_unit_test(test_replicas_are_kept_until_somebody_else_says_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
