/* What a cluster keeps as it was made is told before it is asked to change it. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "reconcile/drivers/kubernetes/frozen.h"

static json_t *tree(const char *yaml)
{
    struct err err;
    json_t *t = NULL;
    assert_ok(yaml_parse(slice_of(yaml), "test", &t, &err), &err);
    return t;
}

/* message: NULL if the cluster takes it, GROWS if it does once it is made again. */
#define GROWS "grows"
static void check(const char *live_yaml, const char *manifest_yaml, const char *message)
{
    bool grows = true;
    struct err err = {0};
    json_t *live = tree(live_yaml);
    json_t *manifest = tree(manifest_yaml);
    int rc = frozen_check(live, manifest, &grows, &err);
    if (message == NULL || strcmp(message, GROWS) == 0) {
        assert_ok(rc, &err);
        assert_int_equal(grows, message != NULL);
    } else {
        assert_false(grows);
        assert_err(rc, &err, ERR_UNPROCESSABLE, message);
    }
    json_decref(live);
    json_decref(manifest);
}

#define SET "kind: StatefulSet, metadata: {name: db, namespace: cell}, spec: "
/* As a cluster shows it: with what it has added. */
#define LIVE_SET                                                                                   \
    "{" SET "{replicas: 1, serviceName: db-members, podManagementPolicy: OrderedReady, "           \
    "volumeClaimTemplates: [{kind: PersistentVolumeClaim, metadata: {name: data}, spec: "          \
    "{accessModes: [ReadWriteOnce], volumeMode: Filesystem, resources: {requests: {storage: "      \
    "1Gi}}}, status: {phase: Pending}}]}}"

static void test_a_set_keeps_its_templates(void **state)
{
    (void)state;
    check(LIVE_SET,
          "{" SET "{replicas: 3, serviceName: db-members, template: {spec: {}}, "
          "volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], "
          "resources: {requests: {storage: 1024Mi}}}}]}}",
          NULL);
    check(LIVE_SET,
          "{" SET "{volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: "
          "[ReadWriteOnce], resources: {requests: {storage: 5Gi}}}}]}}",
          GROWS);
}

#define TEMPLATE(name, size)                                                                       \
    "{metadata: {name: " name "}, spec: {accessModes: [ReadWriteOnce], resources: {requests: "     \
    "{storage: " size "}}}}"
#define TWO(first, second)                                                                         \
    "{" SET "{serviceName: a, volumeClaimTemplates: [" TEMPLATE("data", first) ", " TEMPLATE(      \
        "log", second) "]}}"

static void test_volumes_of_a_set_may_be_larger_and_not_smaller(void **state)
{
    (void)state;
    check(TWO("1Gi", "1Gi"), TWO("1Gi", "3Gi"), GROWS);
    check(TWO("1Gi", "1Gi"), TWO("2048Mi", "3Gi"), GROWS);
    check(TWO("1Gi", "2Gi"), TWO("1Gi", "2Gi"), NULL);
    check(TWO("1Gi", "2Gi"), TWO("5Gi", "1Gi"),
          "a volume does not shrink: \"log\" is 2Gi, and 1Gi is asked for: set its "
          "size back");
    check(TWO("5Gi", "2Gi"), TWO("1Gi", "2Gi"), "\"data\" is 5Gi, and 1Gi is asked for");
    /* Not along with something else that stays as it is. */
    check(LIVE_SET,
          "{" SET "{serviceName: others, volumeClaimTemplates: [" TEMPLATE("data", "5Gi") "]}}",
          "spec.serviceName cannot be changed once it is there");
    check(LIVE_SET, "{" SET "{volumeClaimTemplates: [" TEMPLATE("other", "5Gi") "]}}",
          "spec.volumeClaimTemplates cannot be changed once it is there");
    check(LIVE_SET, "{" SET "{volumeClaimTemplates: [" TEMPLATE("data", "much") "]}}",
          "spec.volumeClaimTemplates cannot be changed once it is there");
    check(LIVE_SET,
          "{" SET
          "{volumeClaimTemplates: [" TEMPLATE("data", "5Gi") ", " TEMPLATE("log", "1Gi") "]}}",
          "spec.volumeClaimTemplates cannot be changed once it is there");
}

/* What a cluster does not show, or has its default for, is no other. */
static void test_what_says_nothing_changes_nothing(void **state)
{
    (void)state;
    static const char plain[] = "{" SET "{serviceName: a, podManagementPolicy: OrderedReady}}";
    check(plain, "{" SET "{serviceName: a, podManagementPolicy: '', volumeClaimTemplates: []}}",
          NULL);
    check(plain, "{" SET "{serviceName: a, selector: {}, volumeClaimTemplates: null}}", NULL);
    check(LIVE_SET, "{" SET "{serviceName: db-members, volumeClaimTemplates: []}}",
          "spec.volumeClaimTemplates cannot be changed once it is there");
}

static void test_a_set_keeps_the_rest(void **state)
{
    (void)state;
    static const char told[] =
        "cannot be changed once it is there: set it back, or delete the StatefulSet (kubectl "
        "delete statefulset db -n cell --cascade=orphan leaves its pods and volumes), and it is "
        "made anew";
    char message[512];
    (void)snprintf(message, sizeof message, "spec.serviceName %s", told);
    check(LIVE_SET, "{" SET "{serviceName: others}}", message);
    (void)snprintf(message, sizeof message, "spec.volumeClaimTemplates %s", told);
    check(LIVE_SET,
          "{" SET "{volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: fast, "
          "resources: {requests: {storage: 1Gi}}}}]}}",
          message);
    check("{" SET "{replicas: 1}}", "{" SET "{serviceName: ''}}", NULL);
    check(LIVE_SET, "{" SET "{minReadySeconds: 5, updateStrategy: {type: OnDelete}}}", NULL);
}

#define CLAIM "kind: PersistentVolumeClaim, metadata: {name: web-data, namespace: cell}, spec: "
#define LIVE_CLAIM                                                                                 \
    "{" CLAIM "{accessModes: [ReadWriteOnce], storageClassName: standard, volumeName: pv-1, "      \
    "resources: {requests: {storage: 2Gi}}}, status: {phase: Bound}}"

static void test_a_claim_grows_and_nothing_else(void **state)
{
    (void)state;
    check(LIVE_CLAIM,
          "{" CLAIM "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}}}", NULL);
    check(LIVE_CLAIM, "{" CLAIM "{resources: {requests: {storage: 2048Mi}}}}", NULL);
    check(LIVE_CLAIM, "{" CLAIM "{resources: {requests: {storage: 1Gi}}}}",
          "a volume does not shrink: it is 2Gi, and 1Gi is asked "
          "for: set its size back, or give it another name, by which a new and empty one is made");
    check(LIVE_CLAIM, "{" CLAIM "{storageClassName: fast, resources: {requests: {storage: 2Gi}}}}",
          "spec.storageClassName cannot be changed once it is "
          "there: set it back, or give the volume another name, by which a new and empty one is "
          "made");
}

static void test_other_kinds_are_not_looked_at(void **state)
{
    (void)state;
    assert_true(frozen_kind(SLICE("StatefulSet")) && frozen_kind(SLICE("PersistentVolumeClaim")));
    assert_false(frozen_kind(SLICE("Deployment")));
    check("{kind: Deployment, spec: {replicas: 1}}", "{kind: Deployment, spec: {replicas: 2}}",
          NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_set_keeps_its_templates),
        cmocka_unit_test(test_volumes_of_a_set_may_be_larger_and_not_smaller),
        cmocka_unit_test(test_what_says_nothing_changes_nothing),
        cmocka_unit_test(test_a_set_keeps_the_rest),
        cmocka_unit_test(test_a_claim_grows_and_nothing_else),
        cmocka_unit_test(test_other_kinds_are_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
