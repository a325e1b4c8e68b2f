/* Kubernetes' protobuf bodies: the envelope, and what its zeros mean. */
#include "node/api/rest/kube_proto.h"

#include "proto/typed.h"
#include "tests/lib/test.h"

struct fixture {
    struct kind_registry kinds;
    struct buf body;
    struct err err;
    json_t *tree;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));
    kind_registry_init(&f->kinds);
    kind_registry_builtin(&f->kinds);
    kind_registry_workloads(&f->kinds);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->tree);
    buf_free(&f->body);
    kind_registry_free(&f->kinds);
    free(f);
    return 0;
}

static void put_bytes(struct buf *out, uint8_t number, struct slice bytes)
{
    assert_true(bytes.len < 128 * 128);
    buf_add_u8(out, (uint8_t)(number << 3 | 2));
    buf_add_u8(out, (uint8_t)(bytes.len & 0x7f) | 0x80);
    buf_add_u8(out, (uint8_t)(bytes.len >> 7));
    buf_add(out, bytes);
}

/* What a client sends for the object. */
static const struct kind *encode(struct fixture *f, const char *name, const char *json)
{
    const struct kind *kind = kind_by_name(&f->kinds, slice_of(name));
    struct buf raw = {0};
    struct buf type = {0};
    json_t *tree = NULL;
    assert_non_null(kind);
    assert_ok(json_parse(slice_of(json), &tree, &f->err), &f->err);
    assert_ok(typed_from_json(kind, tree, &raw, &f->err), &f->err);
    put_bytes(&type, 1, kind->api_version);
    put_bytes(&type, 2, kind->kind);
    buf_clear(&f->body);
    buf_add(&f->body, slice_make("k8s", 4));
    put_bytes(&f->body, 1, buf_slice(&type));
    put_bytes(&f->body, 2, buf_slice(&raw));
    json_decref(tree);
    buf_free(&raw);
    buf_free(&type);
    return kind;
}

static void assert_decodes(struct fixture *f, const char *name, const char *sent,
                           const char *expected)
{
    struct buf text = {0};
    const struct kind *kind = encode(f, name, sent);
    json_decref(f->tree);
    assert_ok(kube_proto_decode(kind, buf_slice(&f->body), &f->tree, &f->err), &f->err);
    json_canonical(f->tree, &text);
    assert_slice(buf_slice(&text), expected);
    buf_free(&text);
}

static void zeros_that_say_nothing_go(void **state)
{
    struct fixture *f = *state;
    assert_decodes(
        f, "deployment",
        "{\"metadata\":{\"name\":\"web\",\"namespace\":\"\",\"generation\":0},"
        "\"spec\":{\"replicas\":0,\"minReadySeconds\":0,\"paused\":false,\"strategy\":{},"
        "\"template\":{\"spec\":{\"restartPolicy\":\"\",\"hostNetwork\":false,"
        "\"containers\":[{\"name\":\"c\",\"image\":\"\",\"args\":[\"\"],"
        "\"env\":[{\"name\":\"A\",\"value\":\"\"}],"
        "\"ports\":[{\"containerPort\":80,\"hostPort\":0,\"protocol\":\"\"}]}],"
        "\"automountServiceAccountToken\":false}}}}",
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
        "\"metadata\":{\"name\":\"web\"},"
        "\"spec\":{\"replicas\":0,\"strategy\":{},"
        "\"template\":{\"spec\":{\"automountServiceAccountToken\":false,"
        "\"containers\":[{\"args\":[\"\"],\"env\":[{\"name\":\"A\"}],\"name\":\"c\","
        "\"ports\":[{\"containerPort\":80}]}]}}}}");
    /* No port said is none; but no Pod at all may be unavailable. */
    assert_decodes(
        f, "service", "{\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":0,\"nodePort\":0}]}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"spec\":{\"ports\":[{\"port\":80}]}}");
    assert_decodes(f, "poddisruptionbudget", "{\"spec\":{\"maxUnavailable\":0}}",
                   "{\"apiVersion\":\"policy/v1\",\"kind\":\"PodDisruptionBudget\","
                   "\"spec\":{\"maxUnavailable\":0}}");
    /* a map's values are data, and so is what its key says */
    assert_decodes(f, "configmap", "{\"data\":{\"a\":\"\",\"b\":\"0\"},\"immutable\":false}",
                   "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"\",\"b\":\"0\"},\"immutable\":false,"
                   "\"kind\":\"ConfigMap\"}");
    assert_decodes(f, "secret", "{\"type\":\"\",\"data\":{\"k\":\"\"}}",
                   "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"\"},\"kind\":\"Secret\"}");
}

static void microseconds_are_exact(void **state)
{
    struct fixture *f = *state;
    assert_decodes(f, "lease",
                   "{\"spec\":{\"acquireTime\":\"2026-01-02T03:04:05.000000Z\","
                   "\"holderIdentity\":\"\",\"renewTime\":\"2026-01-02T03:04:05.000001Z\"}}",
                   "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
                   "\"spec\":{\"acquireTime\":\"2026-01-02T03:04:05.000000Z\","
                   "\"holderIdentity\":\"\",\"renewTime\":\"2026-01-02T03:04:05.000001Z\"}}");
}

/* A map of lists: a map of messages in protobuf. */
static void lists_of_texts(void **state)
{
    struct fixture *f = *state;
    assert_decodes(f, "subjectaccessreview",
                   "{\"spec\":{\"extra\":{\"none\":[],\"scopes\":[\"a\",\"\"]},\"user\":\"ann\"}}",
                   "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SubjectAccessReview\","
                   "\"spec\":{\"extra\":{\"none\":[],\"scopes\":[\"a\",\"\"]},\"user\":\"ann\"}}");
}

static void only_the_paths_kind(void **state)
{
    struct fixture *f = *state;
    (void)encode(f, "deployment", "{}");
    const struct kind *job = kind_by_name(&f->kinds, SLICE("job"));
    assert_err(kube_proto_decode(job, buf_slice(&f->body), &f->tree, &f->err), &f->err, ERR_INVALID,
               "the body is a apps/v1 Deployment, the path is of batch/v1 Job");
    assert_err(kube_proto_decode(job, SLICE("{}"), &f->tree, &f->err), &f->err, ERR_INVALID, "k8s");
    const struct kind *route = kind_by_name(&f->kinds, SLICE("httproute"));
    assert_err(kube_proto_decode(route, slice_make("k8s", 4), &f->tree, &f->err), &f->err,
               ERR_UNSUPPORTED, "JSON");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(zeros_that_say_nothing_go), T(microseconds_are_exact),
                                       T(lists_of_texts), T(only_the_paths_kind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
