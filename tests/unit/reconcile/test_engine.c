/* The engine from a Component to a Deployment and back to Ready: leaders that change, clusters that
 * are dead, busy or refuse, and what people are told of it. */
#include <signal.h>

#include "base/crypto.h"
#include "reconcile/engine_internal.h"
#include "tests/unit/reconcile/engine_rig.h"

static void test_a_component_goes_live(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    json_t *deployment = on_cluster(&f->kube, "Deployment");
    assert_non_null(deployment);
    assert_non_null(on_cluster(&f->kube, "Service"));
    assert_non_null(on_cluster(&f->kube, "Namespace"));
    assert_non_null(on_cluster(&f->kube, "NetworkPolicy"));
    assert_slice(object_annotation(deployment, "choreo.dev/epoch"), "cluster-1/1/0/1");
    assert_slice(object_label(deployment, "choreo.dev/shard"), "0");
    assert_slice(json_text(json_at(component(f), "status", "project", NULL)), "default");
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "development");
    assert_true(object_condition_true(plane, "Ready"));
    /* Mutations say who sends them. */
    assert_true(slice_find(buf_slice(&f->kube.agents), SLICE("(epoch cluster-1/1/0/1)")) !=
                SIZE_MAX);
}

static void test_a_new_leader_applies_nothing_again(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t patches = f->kube.patches;
    size_t writes = f->memory.writes;
    unlead(f);
    lead(f);
    wait_ms(f, 600);
    assert_int_equal(f->kube.patches, patches);
    assert_int_equal(f->kube.deletes, 0);
    assert_int_equal(f->memory.writes, writes);
}

static bool has_its_class(struct fixture *f)
{
    const json_t *deployment = on_cluster(&f->kube, "Deployment");
    return slice_eq_cstr(
        json_text(json_at(deployment, "spec", "template", "spec", "priorityClassName", NULL)),
        "high");
}

/* A type is the system's: what a leader of nothing missed of it may come with no other change. */
static void test_a_leader_that_comes_back_knows_what_it_missed(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    unlead(f);
    change(f, ADMIT_PATCH_JSON, "clustercomponenttypes.choreo.dev", "", "service",
           "[{\"op\": \"add\", \"value\": \"high\","
           " \"path\": \"/spec/resources/0/template/spec/template/spec/priorityClassName\"}]");
    lead(f);
    assert_true(happens(f, has_its_class, LIMIT_MS));
}

static bool any_left(struct fixture *f, const char *resource)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        const struct row *row = value;
        if (strcmp(row->resource, resource) == 0) {
            return true;
        }
    }
    return false;
}

/* What is on the cluster goes first, then what stood for it. */
static bool nothing_left(struct fixture *f)
{
    return json_object_size(f->kube.objects) == 0 && is_gone(f) &&
           !any_left(f, "releasebindings.choreo.dev") &&
           !any_left(f, "renderedreleases.choreo.dev") && !any_left(f, "releases.choreo.dev");
}

static void test_deleting_removes_everything(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    assert_true(any_left(f, "releasebindings.choreo.dev"));
    assert_true(any_left(f, "renderedreleases.choreo.dev"));
    assert_true(any_left(f, "releases.choreo.dev"));
    change(f, ADMIT_DELETE, "components.choreo.dev", "acme", "web", NULL);
    assert_true(happens(f, nothing_left, LIMIT_MS));
    assert_true(slice_find(buf_slice(&f->kube.log), SLICE("DELETE apps/v1/Deployment")) !=
                SIZE_MAX);
    assert_true(slice_find(buf_slice(&f->kube.log), SLICE("fenced\nDELETE")) != SIZE_MAX);
}

static bool is_told_held(struct fixture *f)
{
    struct slice message = json_text_at(object_condition(component(f), "Ready"), "message");
    return slice_find(message, SLICE(": Service web: ")) != SIZE_MAX &&
           slice_ends_with(message, SLICE(": its finalizers hold it: example.com/balancer"));
}

/* Somebody's finalizer is told, as long as it is there, and nobody waits longer than it is. */
static void test_what_a_finalizer_holds_is_told(void **state)
{
    struct fixture *f = *state;
    struct buf key = {0};
    start_web(f);
    settle(f);
    json_t *service = json_deep_copy(on_cluster(&f->kube, "Service"));
    json_object_set_new(json_object_get(service, "metadata"), "finalizers",
                        json_pack("[s]", "example.com/balancer"));
    manifest_key(service, &key);
    kube_set(&f->kube, service);
    change(f, ADMIT_DELETE, "components.choreo.dev", "acme", "web", NULL);
    assert_true(happens(f, is_told_held, LIMIT_MS));
    assert_false(is_gone(f));
    kube_remove(&f->kube, buf_cstr(&key));
    assert_true(happens(f, nothing_left, 3000));
    buf_free(&key);
}

static size_t refusals(struct fixture *f, struct slice *body)
{
    size_t cursor = 0;
    size_t count = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        const struct row *row = value;
        if (strcmp(row->resource, "events") == 0 &&
            strstr(row->body, "\"reason\":\"WriteRefused\"") != NULL) {
            *body = slice_of(row->body);
            count++;
        }
    }
    return count;
}

static bool is_told_refused(struct fixture *f)
{
    struct slice ignored;
    return refusals(f, &ignored) > 0;
}

/* A name that OpenChoreo allows and we do not: our Environment is refused at the door, each time.
 */
static void test_a_refused_write_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct slice body = {0};
    lead(f);
    put(f, platform);
    put(f, "apiVersion: openchoreo.dev/v1alpha1\n"
           "kind: Environment\n"
           "metadata: {name: a.b, namespace: acme}\n"
           "spec: {dataPlaneRef: {kind: ClusterDataPlane, name: development}}\n");
    assert_true(happens(f, is_told_refused, LIMIT_MS));
    unlead(f);
    lead(f); /* who meets it again */
    settle(f);
    assert_int_equal(refusals(f, &body), 1);
    assert_true(slice_find(body, SLICE("metadata.name: Invalid value: \\\"a.b\\\"")) != SIZE_MAX);
    assert_true(slice_find(body, SLICE("\"type\":\"Warning\"")) != SIZE_MAX);
    assert_null(look(f, "environments.choreo.dev", "acme", "a.b"));
}

static bool organization_gone(struct fixture *f)
{
    return look(f, "organizations.choreo.dev", "", "acme") == NULL &&
           json_object_size(f->kube.objects) == 0;
}

static void test_deleting_the_organization_drains_it(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    put(f, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: acme}\ndata: {}\n");
    change(f, ADMIT_DELETE, "organizations.choreo.dev", "", "acme", NULL);
    assert_true(happens(f, organization_gone, LIMIT_MS));
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        assert_true(slice_find(key, SLICE("|acme|")) == SIZE_MAX ||
                    slice_starts_with(key, SLICE("events|")));
    }
}

static bool second_has_it(struct fixture *f)
{
    return on_cluster(&f->second, "Deployment") != NULL &&
           on_cluster(&f->second, "Service") != NULL;
}

static void test_new_credentials_may_lead_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct buf config = {0};
    struct buf encoded = {0};
    struct buf patch = {0};
    start_web(f);
    settle(f);
    kube_config(&f->second, &config);
    base64_encode(&encoded, buf_slice(&config));
    buf_addf(&patch, "{\"data\": {\"kubeconfig\": \"%s\"}}", buf_cstr(&encoded));
    change(f, ADMIT_PATCH_MERGE, "secrets", "choreo-system", "cluster-development-development",
           buf_cstr(&patch));
    assert_true(happens(f, second_has_it, LIMIT_MS));
    buf_free(&config);
    buf_free(&encoded);
    buf_free(&patch);
}

static bool misses_cilium(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_find(json_text_at(c, "message"), SLICE("CiliumNetworkPolicy")) != SIZE_MAX;
}

/* They count no generation, and templates read them. */
static void test_annotations_of_a_plane_reach_what_runs(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    assert_non_null(on_cluster(&f->kube, "NetworkPolicy"));
    change(
        f, ADMIT_PATCH_MERGE, "dataplanes.choreo.dev", "", "development",
        "{\"metadata\": {\"annotations\": {\"choreo.dev/network-policy-provider\": \"cilium\"}}}");
    assert_true(happens(f, misses_cilium, LIMIT_MS));
}

static bool unreachable(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_find(json_text_at(c, "message"), SLICE("does not answer")) != SIZE_MAX ||
           slice_eq_cstr(json_text_at(c, "reason"), "ClusterUnreachable");
}

static const char two_clusters[] =
    "apiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: acme}\nspec: {}\n"
    "---\napiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: development}\n"
    "spec: {type: multi-cluster, clusters: [{name: live}, {name: dead}]}\n";

static bool live_has_it(struct fixture *f)
{
    return on_cluster(&f->kube, "Deployment") != NULL && unreachable(f);
}

static void test_a_dead_cluster_delays_no_other(void **state)
{
    struct fixture *f = *state;
    put(f, two_clusters);
    put_secret(f, "development", "live", &f->kube);
    put_secret(f, "development", "dead", &f->second);
    kube_stop(&f->second);
    lead(f);
    put(f, web);
    assert_true(happens(f, live_has_it, LIMIT_MS));
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "development");
    assert_slice(json_text_at(object_condition(plane, "Ready"), "reason"), "Unreachable");
    /* It comes back, and gets its share. */
    kube_restart(&f->second);
    assert_true(happens(f, is_ready, LIMIT_MS));
    assert_non_null(on_cluster(&f->second, "Deployment"));
}

static void test_a_refused_manifest_is_told_and_tried_again(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_status = 422;
    f->kube.fail_count = 2;
    f->kube.fail_message = "spec.replicas: Invalid value";
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    assert_true(happens(f, refused, LIMIT_MS));
    const json_t *c = object_condition(component(f), "Ready");
    assert_true(slice_find(json_text_at(c, "message"), SLICE("spec.replicas: Invalid value")) !=
                SIZE_MAX);
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool is_not_on_cluster(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "NotOnCluster");
}

static void test_a_kind_that_the_cluster_lacks_is_named_and_keeps_nothing_back(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    change(
        f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
        "{\"spec\": {\"image\": \"nginx:2\", \"replicas\": 2, \"endpoints\": [{\"name\": \"http\", "
        "\"port\": 80, \"metrics\": {\"path\": \"/m\"}}]}}");
    assert_true(happens(f, is_not_on_cluster, LIMIT_MS));
    struct slice told = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(told, SLICE("kind ServiceMonitor of monitoring.coreos.com/v1: install "
                                       "the Prometheus Operator")) != SIZE_MAX);
    const json_t *pods = json_at(on_cluster(&f->kube, "Deployment"), "spec", "template", NULL);
    const json_t *c = json_array_get(json_at(pods, "spec", "containers", NULL), 0);
    assert_slice(json_text_at(c, "image"), "nginx:2");
    assert_non_null(on_cluster(&f->kube, "PodDisruptionBudget"));
}

static void test_what_a_cluster_says_of_a_secret_is_not_told(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_kind = "Secret";
    f->kube.fail_status = 422;
    f->kube.fail_count = 2;
    f->kube.fail_message = "data.PASSWORD: Invalid value: \"hunter2\"";
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, with_password);
    assert_true(happens(f, refused, LIMIT_MS));
    struct slice told = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(told, SLICE("in words that may quote the secret")) != SIZE_MAX);
    assert_true(slice_find(told, SLICE("hunter2")) == SIZE_MAX);
    assert_true(happens(f, is_ready, LIMIT_MS));
    assert_slice(json_text(json_at(on_cluster(&f->kube, "Secret"), "data", "PASSWORD", NULL)),
                 "aHVudGVyMg==");
}

static bool unreachable_for_the_secret(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ClusterUnreachable") &&
           slice_find(json_text_at(c, "message"), SLICE("Secret web")) != SIZE_MAX;
}

static void test_a_secret_that_did_not_arrive_was_not_refused(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_kind = "Secret";
    f->kube.fail_count = 3;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, with_password);
    assert_true(happens(f, unreachable_for_the_secret, LIMIT_MS));
    struct slice told = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(told, SLICE("refuses")) == SIZE_MAX);
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static void test_conflicts_and_busy_clusters_pass(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_status = 409;
    f->kube.fail_count = 3;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    assert_true(happens(f, is_ready, LIMIT_MS));
    f->kube.fail_status = 429;
    f->kube.retry_after_s = 1;
    f->kube.fail_count = 1;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    wait_ms(f, 500);
    assert_true(image_is_back(f)); /* still the old one: nothing is asked before Retry-After */
    assert_true(happens(f, is_ready, LIMIT_MS));
    wait_ms(f, 1500);
    assert_false(image_is_back(f));
}

static void test_nothing_is_created_without_a_majority(void **state)
{
    struct fixture *f = *state;
    f->confirmed_age_ms = 501;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    wait_ms(f, 500);
    assert_int_equal(f->kube.patches, 0);
    f->confirmed_age_ms = 10;
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool degraded(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "Degraded");
}

static void test_health_rolls_up(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    f->kube.stuck = true;
    kube_set(&f->kube, json_deep_copy(on_cluster(&f->kube, "Deployment")));
    assert_true(happens(f, degraded, LIMIT_MS));
    const json_t *c = object_condition(component(f), "Ready");
    assert_true(slice_find(json_text_at(c, "message"), SLICE("ProgressDeadlineExceeded")) !=
                SIZE_MAX);
    f->kube.stuck = false;
    kube_set(&f->kube, json_deep_copy(on_cluster(&f->kube, "Deployment")));
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool tells_of_the_image(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_find(json_text_at(c, "message"),
                      SLICE("; pod web-1, container main: ImagePullBackOff: there is no such "
                            "image")) != SIZE_MAX;
}

/* A Deployment says no more than how many of its replicas are there. */
static void test_pods_tell_why_it_does_not_come_up(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    const json_t *deployment = on_cluster(&f->kube, "Deployment");
    json_t *pod =
        json_pack("{s:s, s:s, s:{s:s, s:O, s:O}, s:{s:s, s:[{s:s, s:{s:{s:s, s:s}}}]}}",
                  "apiVersion", "v1", "kind", "Pod", "metadata", "name", "web-1", "namespace",
                  json_at(deployment, "metadata", "namespace", NULL), "labels",
                  json_at(deployment, "spec", "selector", "matchLabels", NULL), "status", "phase",
                  "Pending", "containerStatuses", "name", "main", "state", "waiting", "reason",
                  "ImagePullBackOff", "message", "there is no such image");
    assert_non_null(pod);
    kube_set(&f->kube, pod);
    f->kube.not_ready = true;
    kube_set(&f->kube, json_deep_copy(on_cluster(&f->kube, "Deployment")));
    assert_true(happens(f, tells_of_the_image, LIMIT_MS));
    f->kube.not_ready = false;
    kube_set(&f->kube, json_deep_copy(on_cluster(&f->kube, "Deployment")));
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool plane_complains(struct fixture *f)
{
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "development");
    const json_t *c = object_condition(plane, "Ready");
    return slice_find(json_text_at(c, "message"), SLICE("kubeconfig")) != SIZE_MAX &&
           slice_eq_cstr(json_text_at(c, "reason"), "Unreachable");
}

static void test_a_bad_kubeconfig_is_explained(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put(f, "apiVersion: v1\nkind: Secret\n"
           "metadata: {name: cluster-development-development, namespace: choreo-system}\n"
           "data: {kubeconfig: bm9uc2Vuc2U=}\n");
    lead(f);
    put(f, web);
    assert_true(happens(f, plane_complains, LIMIT_MS));
}

static void test_refused_writes_are_tried_again(void **state)
{
    struct fixture *f = *state;
    f->memory.fail = ERR_UNAVAILABLE;
    f->memory.fail_count = 5;
    start_web(f);
}

static bool waits_for_api(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ComponentNotFound");
}

static void test_a_dependency_that_comes_later_is_waited_for(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
           "spec:\n  image: nginx:1\n  endpoints: [{name: http, port: 80}]\n"
           "  dependencies: [{name: backend, type: component, component: api, endpoint: rest}]\n");
    assert_true(happens(f, waits_for_api, LIMIT_MS));
    put(f, "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: api, namespace: acme}\n"
           "spec:\n  image: nginx:1\n  endpoints: [{name: rest, port: 8080}]\n");
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static const char second[] = "apiVersion: choreo.dev/v1\nkind: ReleaseBinding\n"
                             "metadata: {name: web-second, namespace: acme}\n"
                             "spec:\n  owner: {projectName: default, componentName: web}\n"
                             "  environment: development\n  releaseName: '%.*s'\n";

static bool second_says(struct fixture *f, const char *reason)
{
    const json_t *binding = look(f, "releasebindings.choreo.dev", "acme", "web-second");
    return slice_eq_cstr(json_text_at(object_condition(binding, "Ready"), "reason"), reason);
}

static bool second_waits(struct fixture *f)
{
    return second_says(f, "Conflict");
}

static bool second_runs(struct fixture *f)
{
    return second_says(f, "AllReady");
}

/* They are of one component and environment: the older counts, and the other when that is gone. */
static void test_two_bindings_do_not_write_against_each_other(void **state)
{
    struct fixture *f = *state;
    char yaml[512];
    start_web(f);
    struct slice release =
        json_text(json_at(component(f), "status", "latestRelease", "name", NULL));
    (void)snprintf(yaml, sizeof yaml, second, SLICE_ARG(release));
    wait_ms(f, 1100); /* ages are in seconds */
    put(f, yaml);
    assert_true(happens(f, second_waits, LIMIT_MS));
    settle(f);
    change(f, ADMIT_DELETE, "releasebindings.choreo.dev", "acme", "web-development", "{}");
    assert_true(happens(f, second_runs, LIMIT_MS));
}

static bool keeps_few_trees(struct fixture *f)
{
    const struct engine_impl *e = f->engine.impl;
    return e->shards[0]->plans_since_trim == 0 && e->system.tree_bytes <= SNAPSHOT_TREES_IDLE_BYTES;
}

/* Nothing happens after the burst that could remind it. */
static void test_trees_of_a_burst_go_by_themselves(void **state)
{
    struct fixture *f = *state;
    char yaml[512];
    start_web(f);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(yaml, sizeof yaml,
                       "apiVersion: choreo.dev/v1\nkind: Component\n"
                       "metadata: {name: web-%d, namespace: acme}\n"
                       "spec:\n  image: nginx:1\n  endpoints: [{name: http, port: 80}]\n",
                       i);
        put(f, yaml);
    }
    f->component = "web-39";
    assert_true(happens(f, is_ready, LIMIT_MS));
    settle(f);
    assert_true(happens(f, keeps_few_trees, LIMIT_MS));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_component_goes_live),
        TEST(test_a_new_leader_applies_nothing_again),
        TEST(test_a_leader_that_comes_back_knows_what_it_missed),
        TEST(test_deleting_removes_everything),
        TEST(test_what_a_finalizer_holds_is_told),
        TEST(test_a_refused_write_is_told_once),
        TEST(test_deleting_the_organization_drains_it),
        TEST(test_new_credentials_may_lead_elsewhere),
        TEST(test_annotations_of_a_plane_reach_what_runs),
        TEST(test_a_dead_cluster_delays_no_other),
        TEST(test_a_refused_manifest_is_told_and_tried_again),
        TEST(test_a_kind_that_the_cluster_lacks_is_named_and_keeps_nothing_back),
        TEST(test_what_a_cluster_says_of_a_secret_is_not_told),
        TEST(test_a_secret_that_did_not_arrive_was_not_refused),
        TEST(test_conflicts_and_busy_clusters_pass),
        TEST(test_nothing_is_created_without_a_majority),
        TEST(test_health_rolls_up),
        TEST(test_pods_tell_why_it_does_not_come_up),
        TEST(test_a_bad_kubeconfig_is_explained),
        TEST(test_refused_writes_are_tried_again),
        TEST(test_a_dependency_that_comes_later_is_waited_for),
        TEST(test_two_bindings_do_not_write_against_each_other),
        TEST(test_trees_of_a_burst_go_by_themselves),
    };
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
