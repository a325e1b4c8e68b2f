/* What others do to objects on a cluster: drift is corrected, what they may add stays, what belongs
 * to nobody goes. */
#include <signal.h>

#include "base/metrics.h"
#include "reconcile/drivers/driver.h"
#include "tests/unit/reconcile/engine_rig.h"

static bool service_is_back(struct fixture *f)
{
    return on_cluster(&f->kube, "Service") != NULL;
}

static void test_drift_is_corrected_within_a_second(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    json_t *c = json_array_get(json_at(changed, "spec", "template", "spec", "containers", NULL), 0);
    json_object_set_new(c, "image", json_string("evil:1"));
    kube_set(&f->kube, changed);
    assert_false(image_is_back(f));
    assert_true(happens(f, image_is_back, 1000));
    struct buf key = {0};
    json_t *service = on_cluster(&f->kube, "Service");
    buf_addf(&key, "v1/Service/%s/%s",
             json_string_value(json_at(service, "metadata", "namespace", NULL)),
             json_string_value(json_at(service, "metadata", "name", NULL)));
    kube_remove(&f->kube, buf_cstr(&key));
    assert_true(happens(f, service_is_back, 1000));
    buf_free(&key);
}

/* Somebody else changes the Service as soon as it was applied, while the rest still is. */
static void meddle(struct kube *k, const char *key, const char *field, json_t *value)
{
    if (slice_starts_with(slice_of(key), SLICE("v1/Service/"))) {
        k->meddle = NULL;
        json_t *changed = json_deep_copy(kube_get(k, key));
        json_object_set(json_object_get(changed, "spec"), field, value);
        kube_set(k, changed);
    }
    json_decref(value);
}

static void turn_away(struct kube *k, const char *key)
{
    meddle(k, key, "type", json_string("ExternalName"));
}

static void give_address(struct kube *k, const char *key)
{
    meddle(k, key, "clusterIP", json_string("10.0.0.9"));
}

static bool is_meddled_with(struct fixture *f)
{
    return f->kube.meddle == NULL;
}

static bool serves_again(struct fixture *f)
{
    struct slice type = json_text(json_at(on_cluster(&f->kube, "Service"), "spec", "type", NULL));
    return slice_eq_cstr(type, "ClusterIP");
}

static void test_drift_during_an_apply_is_corrected(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    assert_true(serves_again(f));
    f->kube.meddle = turn_away;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    assert_true(happens(f, is_meddled_with, LIMIT_MS));
    assert_true(happens(f, serves_again, LIMIT_MS));
}

static size_t times_patched(const struct fixture *f, struct slice what)
{
    struct slice rest = buf_slice(&f->kube.log);
    size_t times = 0;
    size_t at;
    while ((at = slice_find(rest, what)) != SIZE_MAX) {
        rest = slice_sub(rest, at + what.len, SIZE_MAX);
        times++;
    }
    return times;
}

static size_t services_made(const struct fixture *f)
{
    return times_patched(f, SLICE("PATCH v1/Service/"));
}

/* Whoever deletes the Service is quicker than anybody who looks. */
static bool deletes_service_until_told(struct fixture *f)
{
    const json_t *service = on_cluster(&f->kube, "Service");
    struct buf key = {0};
    if (service != NULL) {
        manifest_key(service, &key);
        kube_remove(&f->kube, buf_cstr(&key));
    }
    buf_free(&key);
    return slice_eq_cstr(json_text_at(object_condition(component(f), "Ready"), "reason"),
                         "Disputed");
}

static void test_what_is_undone_again_and_again_takes_longer_and_is_told(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t before = services_made(f);
    assert_true(happens(f, deletes_service_until_told, LIMIT_MS));
    assert_in_range(services_made(f) - before, 6, 7);
    struct slice message = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(message, SLICE("somebody else deletes Service \"web\"")) != SIZE_MAX);
    size_t writes = f->memory.writes;
    assert_true(happens(f, service_is_back, LIMIT_MS));
    settle(f);
    assert_in_range(f->memory.writes - writes, 0, 4); /* the Service's new uid */
    assert_false(is_ready(f));
}

static void take_away(struct kube *k, const char *key)
{
    if (slice_starts_with(slice_of(key), SLICE("v1/Service/"))) {
        k->meddle = NULL;
        kube_remove(k, key);
    }
}

/* Its watch tells that it is gone before the answer comes that it was made. */
static void test_what_went_before_the_answer_came_comes_back(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    for (int i = 0; i < 3; i++) {
        f->kube.meddle = take_away;
        change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
               i % 2 == 0 ? "{\"spec\": {\"image\": \"nginx:2\"}}"
                          : "{\"spec\": {\"image\": \"nginx:1\"}}");
        assert_true(happens(f, is_meddled_with, LIMIT_MS));
        assert_true(happens(f, service_is_back, 5000));
    }
}

static void test_what_is_added_during_an_apply_is_no_drift(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t deployments = times_patched(f, SLICE("PATCH apps/v1/Deployment/"));
    size_t services = times_patched(f, SLICE("PATCH v1/Service/"));
    f->kube.meddle = give_address;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    assert_true(happens(f, is_meddled_with, LIMIT_MS));
    settle(f);
    assert_int_equal(times_patched(f, SLICE("PATCH apps/v1/Deployment/")), deployments + 1);
    assert_int_equal(times_patched(f, SLICE("PATCH v1/Service/")), services + 1);
}

static void test_what_went_while_nobody_led_comes_back(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    unlead(f);
    json_t *service = on_cluster(&f->kube, "Service");
    struct buf key = {0};
    manifest_key(service, &key);
    kube_remove(&f->kube, buf_cstr(&key));
    lead(f);
    assert_true(happens(f, service_is_back, LIMIT_MS));
    buf_free(&key);
}

static void test_what_others_add_is_no_drift(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t patches = f->kube.patches;
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    json_object_set_new(json_at(changed, "metadata", "annotations", NULL),
                        "deployment.kubernetes.io/revision", json_string("1"));
    kube_set(&f->kube, changed);
    wait_ms(f, 300);
    assert_int_equal(f->kube.patches, patches);
}

static const char scaled[] = "apiVersion: choreo.dev/v1\nkind: Component\n"
                             "metadata: {name: web, namespace: acme}\n"
                             "spec:\n  image: nginx:1\n  endpoints: [{name: http, port: 80}]\n"
                             "  autoscaling: {maxReplicas: 9}\n";

static void test_what_the_autoscaler_wants_is_no_drift(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, scaled);
    assert_true(happens(f, is_ready, LIMIT_MS));
    settle(f);
    assert_non_null(on_cluster(&f->kube, "HorizontalPodAutoscaler"));
    size_t patches = f->kube.patches;
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    assert_null(json_at(changed, "spec", "replicas", NULL));
    json_object_set_new(json_object_get(changed, "spec"), "replicas", json_integer(7));
    kube_set(&f->kube, changed);
    wait_ms(f, 300);
    assert_int_equal(f->kube.patches, patches);
}

static uint64_t drifts(void)
{
    struct buf text = {0};
    uint64_t count = UINT64_MAX;
    metrics_render(&text);
    struct slice rest = buf_slice(&text);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        if (slice_starts_with(line, SLICE("choreod_reconcile_drifts_total "))) {
            slice_u64(slice_sub(line, strlen("choreod_reconcile_drifts_total "), SIZE_MAX), &count);
        }
    }
    buf_free(&text);
    assert_true(count != UINT64_MAX);
    return count;
}

/* What is there fits what was applied; that something else is wanted by now is nobody's drift. */
static void test_what_is_yet_to_be_applied_is_no_drift(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    f->kube.fail_kind = "Deployment";
    f->kube.fail_status = 422;
    f->kube.fail_count = 1000;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    assert_true(happens(f, refused, LIMIT_MS));
    uint64_t before = drifts();
    for (int i = 0; i < 20; i++) {
        json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
        json_object_set_new(json_at(changed, "metadata", "annotations", NULL), "example.com/seen",
                            json_sprintf("%d", i));
        kube_set(&f->kube, changed);
        wait_ms(f, 20);
    }
    assert_int_equal(drifts(), before);
    f->kube.fail_count = 0;
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool reference_is_missing(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ReferenceNotFound");
}

/* What should be there is not known for a while: nobody may take what is there for it. */
static void test_drift_is_found_also_of_what_cannot_be_rendered(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, with_password);
    assert_true(happens(f, is_ready, LIMIT_MS));
    settle(f);
    change(f, ADMIT_DELETE, "secrets", "acme", "db", NULL);
    assert_true(happens(f, reference_is_missing, LIMIT_MS));
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    json_t *c = json_array_get(json_at(changed, "spec", "template", "spec", "containers", NULL), 0);
    json_object_set_new(c, "image", json_string("evil:1"));
    kube_set(&f->kube, changed);
    wait_ms(f, 300);
    assert_false(image_is_back(f));
    put(f, "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: acme}\n"
           "data: {password: aHVudGVyMg==}\n");
    assert_true(happens(f, image_is_back, LIMIT_MS));
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool no_left_over(struct fixture *f)
{
    return kube_get(&f->kube, "v1/Namespace//left-over") == NULL;
}

static void test_left_overs_are_swept_but_not_at_once(void **state)
{
    struct fixture *f = *state;
    kube_set(&f->kube, json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s}, s:{s:s}}}", "apiVersion", "v1",
                                 "kind", "Namespace", "metadata", "name", "left-over", "labels",
                                 "choreo.dev/control-plane", "cluster-1", "choreo.dev/shard", "0",
                                 "annotations", "choreo.dev/release", "acme/gone"));
    kube_set(&f->kube, json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s}}}", "apiVersion", "v1", "kind",
                                 "Namespace", "metadata", "name", "of-others", "labels",
                                 "choreo.dev/control-plane", "cluster-2", "choreo.dev/shard", "0"));
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    wait_ms(f, 200);
    assert_false(no_left_over(f));
    assert_true(happens(f, no_left_over, LIMIT_MS));
    assert_non_null(kube_get(&f->kube, "v1/Namespace//of-others"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drift_is_corrected_within_a_second),
        TEST(test_drift_during_an_apply_is_corrected),
        TEST(test_what_went_before_the_answer_came_comes_back),
        TEST(test_what_is_undone_again_and_again_takes_longer_and_is_told),
        TEST(test_what_is_added_during_an_apply_is_no_drift),
        TEST(test_what_went_while_nobody_led_comes_back),
        TEST(test_what_others_add_is_no_drift),
        TEST(test_what_the_autoscaler_wants_is_no_drift),
        TEST(test_what_is_yet_to_be_applied_is_no_drift),
        TEST(test_drift_is_found_also_of_what_cannot_be_rendered),
        TEST(test_left_overs_are_swept_but_not_at_once),
    };
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
