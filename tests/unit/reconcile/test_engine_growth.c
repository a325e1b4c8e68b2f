/* Volumes of a StatefulSet grow when more is asked for, whoever leads while they do. */
#include "tests/unit/reconcile/engine_rig.h"

#include "reconcile/drivers/driver.h"

static const char store[] =
    "apiVersion: choreo.dev/v1\nkind: ClusterComponentType\nmetadata: {name: store}\n"
    "spec:\n  workloadType: statefulset\n"
    "  parameters: {openAPIV3Schema: {type: object, properties: {size: {type: string, default: "
    "1Gi}, service: {type: string, default: a}}}}\n"
    "  resources:\n  - id: statefulset\n    template:\n      apiVersion: apps/v1\n"
    "      kind: StatefulSet\n"
    "      metadata: {name: '${metadata.name}', namespace: '${metadata.namespace}'}\n"
    "      spec:\n        replicas: 2\n        serviceName: '${parameters.service}'\n"
    "        selector: {matchLabels: {app: store}}\n"
    "        template: {metadata: {labels: {app: store}}, spec: {containers: [{name: main, image: "
    "'${workload.container.image}'}]}}\n"
    "        volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], "
    "resources: {requests: {storage: '${parameters.size}'}}}}]\n"
    "---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec:\n  type: store\n  image: store:1\n";

static struct slice set_text(struct fixture *f, const char *key)
{
    return json_text(json_at(on_cluster(&f->kube, "StatefulSet"), "metadata", key, NULL));
}

static struct slice set_size(struct fixture *f)
{
    const json_t *set = on_cluster(&f->kube, "StatefulSet");
    const json_t *template = json_array_get(json_at(set, "spec", "volumeClaimTemplates", NULL), 0);
    return json_text(json_at(template, "spec", "resources", "requests", "storage", NULL));
}

static const char *claim_key(struct fixture *f, int ordinal)
{
    static char key[256];
    (void)snprintf(key, sizeof key, "v1/PersistentVolumeClaim/%.*s/data-%.*s-%d",
                   SLICE_ARG(set_text(f, "namespace")), SLICE_ARG(set_text(f, "name")), ordinal);
    return key;
}

/* As the cluster's controllers would: a claim that has what it asks for. */
static void put_claim(struct fixture *f, int ordinal, const char *asked, const char *has)
{
    const char *key = claim_key(f, ordinal);
    const char *name = strrchr(key, '/') + 1;
    kube_set(&f->kube,
             json_pack("{s:s, s:s, s:{s:s, s:o}, s:{s:{s:{s:s}}}, s:{s:s, s:{s:s}}}", "apiVersion",
                       "v1", "kind", "PersistentVolumeClaim", "metadata", "name", name, "namespace",
                       json_str(set_text(f, "namespace")), "spec", "resources", "requests",
                       "storage", asked, "status", "phase", "Bound", "capacity", "storage", has));
}

static void start_store(struct fixture *f)
{
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, store);
    assert_true(happens(f, is_ready, LIMIT_MS));
    put_claim(f, 0, "1Gi", "1Gi");
    put_claim(f, 1, "1Gi", "1Gi");
    settle(f);
    buf_clear(&f->kube.log);
}

static void ask_for(struct fixture *f, const char *parameters)
{
    char patch[128];
    (void)snprintf(patch, sizeof patch, "{\"spec\": {\"parameters\": %s}}", parameters);
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web", patch);
}

static bool claim_asks(struct fixture *f, int ordinal, const char *size)
{
    const json_t *claim = kube_get(&f->kube, claim_key(f, ordinal));
    return slice_eq_cstr(
        json_text(json_at(claim, "spec", "resources", "requests", "storage", NULL)), size);
}

static const json_t *resizing(struct fixture *f)
{
    return object_condition(look(f, "releasebindings.choreo.dev", "acme", "web-development"),
                            "Resizing");
}

static bool grows(struct fixture *f)
{
    return slice_eq_cstr(json_text_at(resizing(f), "status"), "True");
}

static bool has_grown(struct fixture *f)
{
    return slice_eq_cstr(json_text_at(resizing(f), "status"), "False");
}

static bool is_made_again(struct fixture *f)
{
    return slice_eq_cstr(set_size(f), "5Gi") && is_ready(f);
}

static void test_claims_grow_and_the_set_is_made_again_around_its_pods(void **state)
{
    struct fixture *f = *state;
    start_store(f);
    struct buf expected = {0};
    char *uid = slice_dup(set_text(f, "uid"));
    const char *const steps[] = {"PATCH v1/PersistentVolumeClaim/", "/data-", "-0 fenced\nPATCH ",
                                 "-1 fenced\nDELETE apps/v1/StatefulSet/",
                                 " fenced orphans\nPATCH apps/v1/StatefulSet/"};
    ask_for(f, "{\"size\": \"5Gi\"}");
    assert_true(happens(f, grows, LIMIT_MS));
    assert_true(is_made_again(f) && claim_asks(f, 0, "5Gi") && claim_asks(f, 1, "5Gi"));
    assert_false(slice_eq_cstr(set_text(f, "uid"), uid));
    struct slice rest = buf_slice(&f->kube.log);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        size_t at = slice_find(rest, slice_of(steps[i]));
        assert_true(at != SIZE_MAX);
        rest = slice_sub(rest, at + strlen(steps[i]), SIZE_MAX);
    }
    assert_int_equal(f->kube.deletes, 1);
    buf_addf(&expected, "development: %s has 1Gi of 5Gi, ", strrchr(claim_key(f, 0), '/') + 1);
    assert_true(slice_starts_with(json_text_at(resizing(f), "message"), buf_slice(&expected)));

    put_claim(f, 0, "5Gi", "5Gi");
    put_claim(f, 1, "5Gi", "5Gi");
    assert_true(happens(f, has_grown, LIMIT_MS));
    settle(f);
    assert_int_equal(f->kube.deletes, 1);
    buf_free(&expected);
    free(uid);
}

static void test_a_new_leader_tells_of_what_still_grows(void **state)
{
    struct fixture *f = *state;
    start_store(f);
    ask_for(f, "{\"size\": \"5Gi\"}");
    assert_true(happens(f, grows, LIMIT_MS));
    unlead(f);
    put_claim(f, 0, "5Gi", "5Gi");
    put_claim(f, 1, "5Gi", "5Gi");
    lead(f);
    assert_true(happens(f, has_grown, LIMIT_MS));
    assert_int_equal(f->kube.deletes, 1);
}

static bool waits_to_create(struct fixture *f)
{
    return on_cluster(&f->kube, "StatefulSet") == NULL;
}

/* The leader is gone when the set is, and before its successor is there. */
static void test_a_leader_that_dies_between_leaves_it_to_the_next(void **state)
{
    struct fixture *f = *state;
    start_store(f);
    f->confirmed_age_ms = 501; /* what is there may be changed, nothing may be created */
    ask_for(f, "{\"size\": \"5Gi\"}");
    assert_true(happens(f, waits_to_create, LIMIT_MS));
    unlead(f);
    f->confirmed_age_ms = 10;
    lead(f);
    assert_true(happens(f, is_made_again, LIMIT_MS));
    assert_true(claim_asks(f, 0, "5Gi") && claim_asks(f, 1, "5Gi"));
    assert_int_equal(f->kube.deletes, 1);
}

static bool told_to_fail(struct fixture *f)
{
    return f->kube.fail_count == 0;
}

/* Each mutation in turn is lost, with the leader that sent it. */
static void test_each_step_may_be_the_last_of_a_leader(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[] = {"PersistentVolumeClaim", "StatefulSet"};
    for (size_t i = 0; i < 2; i++) {
        const char *was = i == 0 ? "1Gi" : "2Gi";
        if (i == 0) {
            start_store(f);
        } else {
            put_claim(f, 0, was, was);
            put_claim(f, 1, was, was);
            assert_true(happens(f, has_grown, LIMIT_MS));
        }
        f->kube.fail_kind = kinds[i];
        f->kube.fail_status = 500;
        f->kube.fail_count = 1;
        ask_for(f, i == 0 ? "{\"size\": \"2Gi\"}" : "{\"size\": \"5Gi\"}");
        assert_true(happens(f, told_to_fail, LIMIT_MS));
        assert_slice(set_size(f), was);
        unlead(f);
        lead(f);
        assert_true(happens(f, grows, LIMIT_MS));
        assert_true(claim_asks(f, 1, i == 0 ? "2Gi" : "5Gi"));
    }
    assert_true(happens(f, is_made_again, LIMIT_MS));
}

static const char forbidden[] =
    "persistentvolumeclaims \"data\" is forbidden: only dynamically provisioned pvc can be resized "
    "and the storageclass that provisions the pvc must support resize";

static bool tells(struct fixture *f, const char *text)
{
    bool is_refused = refused(f); /* looks anew: what was seen before is gone then */
    struct slice told = json_text_at(object_condition(component(f), "Ready"), "message");
    return is_refused && slice_find(told, slice_of(text)) != SIZE_MAX;
}

static bool tells_of_the_class(struct fixture *f)
{
    return tells(f, "does not grow from 1Gi to 5Gi (set its size back, or let its storage class "
                    "have allowVolumeExpansion): the cluster answers 403: ");
}

static bool tells_of_shrinking(struct fixture *f)
{
    return tells(f, "a volume does not shrink: \"data\" is 1Gi, and 512Mi is asked for");
}

static bool tells_of_the_service(struct fixture *f)
{
    return tells(f, "spec.serviceName cannot be changed once it is there");
}

static void test_what_the_cluster_does_not_let_grow_stays(void **state)
{
    struct fixture *f = *state;
    start_store(f);
    char *uid = slice_dup(set_text(f, "uid"));
    f->kube.fail_kind = "PersistentVolumeClaim";
    f->kube.fail_status = 403;
    f->kube.fail_message = forbidden;
    f->kube.fail_count = INT_MAX;
    ask_for(f, "{\"size\": \"5Gi\"}");
    assert_true(happens(f, tells_of_the_class, LIMIT_MS));
    ask_for(f, "{\"size\": \"512Mi\"}");
    assert_true(happens(f, tells_of_shrinking, LIMIT_MS));
    ask_for(f, "{\"size\": \"5Gi\", \"service\": \"b\"}");
    assert_true(happens(f, tells_of_the_service, LIMIT_MS));
    ask_for(f, "{\"size\": \"1Gi\", \"service\": \"a\"}");
    assert_true(happens(f, is_ready, LIMIT_MS));
    assert_slice(set_text(f, "uid"), uid);
    assert_true(claim_asks(f, 0, "1Gi") && f->kube.deletes == 0 && resizing(f) == NULL);
    free(uid);
}

/* One that was made larger by hand is left as it is. */
static void test_a_claim_that_is_larger_already_stays(void **state)
{
    struct fixture *f = *state;
    start_store(f);
    put_claim(f, 0, "9Gi", "9Gi");
    ask_for(f, "{\"size\": \"5Gi\"}");
    assert_true(happens(f, grows, LIMIT_MS));
    assert_true(claim_asks(f, 0, "9Gi") && claim_asks(f, 1, "5Gi"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_claims_grow_and_the_set_is_made_again_around_its_pods),
        TEST(test_a_new_leader_tells_of_what_still_grows),
        TEST(test_a_leader_that_dies_between_leaves_it_to_the_next),
        TEST(test_each_step_may_be_the_last_of_a_leader),
        TEST(test_what_the_cluster_does_not_let_grow_stays),
        TEST(test_a_claim_that_is_larger_already_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
