/* Kubernetes' workload kinds: what their schemas make of applies, patches and protobuf. */
#include "tests/unit/proto/fixture.h"
#include "tests/unit/proto/random.h"

#include "proto/kind_internal.h"
#include "proto/typed.h"

static int setup(void **state)
{
    (void)fixture_setup(state);
    struct fixture *f = *state;
    kind_registry_workloads(&f->registry);
    return 0;
}

/* Every list that merges by keys names fields that its items have. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by depth. */
static size_t check_keys(const struct schema *schema, int depth)
{
    size_t lists = 0;
    if (schema == NULL || depth == 0) {
        return 0;
    }
    if (schema->list == SCHEMA_LIST_MAP) {
        for (size_t i = 0; i < schema->map_key_count; i++) {
            assert_non_null(schema_field(schema->items, schema->map_keys[i]));
        }
        lists++;
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        lists += check_keys(schema->fields[i].schema, depth - 1);
    }
    return lists + check_keys(schema->items, depth - 1) + check_keys(schema->values, depth - 1);
}

static void lists_have_their_keys(void **state)
{
    (void)state;
    size_t lists = 0;
    for (size_t i = 0; i < kind__workloads_count; i++) {
        const struct kind *k = &kind__workloads[i];
        assert_true(k->strategic && !k->lenient && k->message.len > 0);
        assert_non_null(schema_field(k->schema, SLICE("metadata")));
        assert_non_null(schema_field(k->schema, SLICE("apiVersion")));
        lists += check_keys(k->schema, 12);
    }
    assert_true(lists > 100);
}

/* A claim within a StatefulSet names its type in JSON only. */
static void forget_types_within(json_t *object)
{
    size_t i;
    json_t *claim;
    json_array_foreach(json_at(object, "spec", "volumeClaimTemplates", NULL), i, claim)
    {
        (void)json_object_del(claim, "apiVersion");
        (void)json_object_del(claim, "kind");
    }
}

static void protobuf_and_back(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct random r = {seed};
        for (size_t i = 0; i < kind__workloads_count; i++) {
            const struct kind *k = &kind__workloads[i];
            json_t *before = random_value(&r, k->schema, 9);
            forget_types_within(before);
            json_object_set_new(before, "apiVersion", json_str(k->api_version));
            json_object_set_new(before, "kind", json_str(k->kind));
            struct buf wire = {0};
            json_t *after = NULL;
            assert_ok(typed_from_json(k, before, &wire, &f->err), &f->err);
            assert_ok(typed_to_json(k, buf_slice(&wire), &after, &f->err), &f->err);
            if (!json_equal(before, after)) {
                print_error("seed %llu:\n%s\n%s\n", (unsigned long long)seed, text_of(f, before),
                            text_of(f, after));
            }
            assert_true(json_equal(before, after));
            json_decref(before);
            json_decref(after);
            buf_free(&wire);
        }
    }
}

/* Volume{name = 1, volumeSource = 2{configMap = 19{localObjectReference = 1{name = 1}}}}: JSON has
 * neither of the two messages in between. */
static void inlined_messages(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] = "\x12\x18\x0a\x16"
                                "\x0a\x04"
                                "conf"
                                "\x12\x0e\x9a\x01\x0b\x0a\x06\x0a\x04"
                                "main"
                                "\x18\xa4\x03";
    json_t *pod = NULL;
    assert_ok(
        typed_to_json(kind_named(f, "pod"), slice_make(bytes, sizeof(bytes) - 1), &pod, &f->err),
        &f->err);
    assert_string_equal(
        text_of(f, json_object_get(pod, "spec")),
        "{'volumes':[{'configMap':{'defaultMode':420,'name':'main'},'name':'conf'}]}");
    json_decref(pod);
    /* Probe{handler = 1{exec = 1{command = 1}, tcpSocket = 3{...}}}: handler is written once, since
     * not every reader adds the parts of a message up. */
    static const char both[] = "\x0a\x03\x0a\x01"
                               "a\x1a";
    struct buf wire = {0};
    assert_ok(typed_from_json(kind_named(f, "pod"),
                              tree(f, "{'spec':{'containers':[{'name':'c','livenessProbe':{"
                                      "'exec':{'command':['a']},'tcpSocket':{'port':1}}}]}}"),
                              &wire, &f->err),
              &f->err);
    assert_true(slice_find(buf_slice(&wire), slice_make(both, sizeof(both) - 1)) != SIZE_MAX);
    buf_free(&wire);
}

/* PodSpec in two parts, each with a container and half of the security context: writers may do so.
 */
static void messages_in_parts(void **state)
{
    struct fixture *f = *state;
    struct buf wire = {0};
    static const char *const parts[] = {
        "{'spec':{'containers':[{'name':'a'}],'securityContext':{'runAsUser':1}}}",
        "{'spec':{'containers':[{'name':'b'}],'securityContext':{'runAsGroup':2}}}"};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(typed_from_json(kind_named(f, "pod"), tree(f, parts[i]), &wire, &f->err),
                  &f->err);
    }
    json_t *pod = NULL;
    assert_ok(typed_to_json(kind_named(f, "pod"), buf_slice(&wire), &pod, &f->err), &f->err);
    assert_string_equal(text_of(f, json_object_get(pod, "spec")),
                        "{'containers':[{'name':'a'},{'name':'b'}],"
                        "'securityContext':{'runAsGroup':2,'runAsUser':1}}");
    json_decref(pod);
    buf_free(&wire);
}

static int apply_as(struct fixture *f, const char *manager, const char *text)
{
    struct admit_request request = request_of(f, "deployment", ADMIT_APPLY, tree(f, text));
    request.field_manager = slice_of(manager);
    return write_request(f, &request);
}

/* A Deployment chooses what it makes. */
#define CHOOSES "'selector':{'matchLabels':{'app':'x'}},"
#define CHOSEN "'metadata':{'labels':{'app':'x'}},"
#define IN_TEMPLATE(containers)                                                                    \
    "{'spec':{" CHOOSES "'template':{" CHOSEN "'spec':{'containers':[" containers "]}}}}"
#define ENV ".spec.template.spec.containers[?(@.name==\"app\")].env"

static void two_appliers_share_a_pod(void **state)
{
    struct fixture *f = *state;
    assert_ok(apply_as(f, "a",
                       IN_TEMPLATE("{'name':'app','image':'x:1','env':[{'name':'A','value':'1'}],"
                                   "'ports':[{'containerPort':80}]}")),
              &f->err);
    assert_ok(
        apply_as(f, "b",
                 IN_TEMPLATE("{'name':'app','env':[{'name':'B','value':'2'}],"
                             "'ports':[{'containerPort':80,'protocol':'UDP'}]},"
                             "{'name':'sidecar','image':'y:1','env':[{'name':'C','value':'3'}]}")),
        &f->err);
    assert_string_equal(stored_at(f, ENV), "[{'name':'A','value':'1'},{'name':'B','value':'2'}]");
    assert_string_equal(stored_at(f, ".spec.template.spec.containers[0].ports"),
                        "[{'containerPort':80,'protocol':'TCP'},"
                        "{'containerPort':80,'protocol':'UDP'}]");
    assert_string_equal(stored_at(f, ".spec.template.spec.containers[1].name"), "'sidecar'");
    assert_err(apply_as(f, "b", IN_TEMPLATE("{'name':'app','env':[{'name':'A','value':'9'}]}")),
               &f->err, ERR_CONFLICT,
               ".spec.template.spec.containers[name=\"app\"].env[name=\"A\"].value");
    /* b withdraws: a's is left */
    assert_ok(apply_as(f, "b", "{'spec':{'replicas':2}}"), &f->err);
    assert_string_equal(stored_at(f, ENV), "[{'name':'A','value':'1'}]");
    assert_string_equal(stored_at(f, ".spec.template.spec.containers[1].name"), "absent");
}

static void strategic_patches_merge_by_key(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        write_op(f, "deployment", ADMIT_CREATE,
                 "{'metadata':{'name':'x'},'spec':{" CHOOSES "'template':{" CHOSEN "'spec':{"
                 "'volumes':[{'name':'v'}],'tolerations':[{'key':'a'}],"
                 "'containers':[{'name':'a','image':'x:1','ports':[{'containerPort':80}],"
                 "'volumeMounts':[{'mountPath':'/a','name':'v'}]},{'name':'b','image':'y:1'}]}}}}"),
        &f->err);
    assert_ok(write_op(f, "deployment", ADMIT_PATCH_STRATEGIC,
                       "{'spec':{'template':{'spec':{'tolerations':[{'key':'b'}],"
                       "'containers':[{'name':'b','image':'y:2'},"
                       "{'name':'a','ports':[{'containerPort':80,'name':'web'}],"
                       "'volumeMounts':[{'mountPath':'/b','name':'v'}]}]}}}}"),
              &f->err);
    assert_string_equal(
        stored_at(f, ".spec.template.spec"),
        "{'containers':[{'image':'x:1','name':'a','ports':[{'containerPort':80,'name':'web',"
        "'protocol':'TCP'}],'volumeMounts':[{'mountPath':'/a','name':'v'},"
        "{'mountPath':'/b','name':'v'}]},{'image':'y:2','name':'b'}],"
        "'tolerations':[{'key':'b'}],'volumes':[{'name':'v'}]}");
}

static void fields_that_kubernetes_has_not(void **state)
{
    struct fixture *f = *state;
    const char *const body =
        "{'metadata':{'name':'x'},'spec':{'template':{'spec':{'contianers':[]}}}}";
    struct admit_request request = request_of(f, "deployment", ADMIT_CREATE, tree(f, body));
    request.validation = ADMIT_STRICT;
    assert_err(write_request(f, &request), &f->err, ERR_INVALID,
               "unknown field \"spec.template.spec.contianers\"");
    assert_err(
        write_op(f, "deployment", ADMIT_APPLY, "{'spec':{'replica':2,'template':{'spce':{}}}}"),
        &f->err, ERR_INTERNAL,
        "failed to create typed patch object (acme/x; apps/v1, Kind=Deployment): errors:\n"
        "  .spec.replica: field not declared in schema\n"
        "  .spec.template.spce: field not declared in schema");
    assert_err(write_op(f, "deployment", ADMIT_CREATE,
                        "{'metadata':{'name':'x'},'spec':{'replicas':'three'}}"),
               &f->err, ERR_UNPROCESSABLE, "spec.replicas");
}

#define SIZE(size) "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'" size "'}}"
#define DATA(size) "'volumeClaimTemplates':[{'metadata':{'name':'data'},'spec':{" SIZE(size) "}}]"

/* A StatefulSet's templates are for volumes to come. */
static void what_has_volumes_keeps_its_form(void **state)
{
    struct fixture *f = *state;
    const char *const may = "updates to statefulset spec for fields other than";
    assert_ok(write_op(f, "statefulset", ADMIT_APPLY,
                       "{'spec':{'serviceName':'a'," CHOOSES "'template':{" CHOSEN
                       "'spec':{'containers':[{'name':'a','image':'x'}]}}," DATA("1Gi") "}}"),
              &f->err);
    assert_ok(write_op(f, "statefulset", ADMIT_PATCH_MERGE,
                       "{'spec':{'replicas':2,'minReadySeconds':3}}"),
              &f->err);
    assert_err(write_op(f, "statefulset", ADMIT_PATCH_MERGE, "{'spec':{'serviceName':'b'}}"),
               &f->err, ERR_UNPROCESSABLE, may);
    assert_err(write_op(f, "statefulset", ADMIT_APPLY,
                        "{'spec':{'serviceName':'a'," CHOOSES "'template':{" CHOSEN
                        "'spec':{'containers':[{'name':'a','image':'x'}]}}," DATA("5Gi") "}}"),
               &f->err, ERR_UNPROCESSABLE, may);
}

/* Writes a kind as it was made, then as it would be. */
static int changed(struct fixture *f, const char *kind, const char *before, const char *after)
{
    f->stored = false;
    assert_ok(write_op(f, kind, ADMIT_APPLY, before), &f->err);
    return write_op(f, kind, ADMIT_PATCH_MERGE, after);
}

static void what_finds_its_pods_keeps_to_them(void **state)
{
    struct fixture *f = *state;
    const char *const deployment = "{'spec':{" CHOOSES "'template':{" CHOSEN
                                   "'spec':{'containers':[{'name':'a','image':'x:1'}]}}}}";
    const char *const job = "{'spec':{'template':{'spec':{'restartPolicy':'Never',"
                            "'containers':[{'name':'a','image':'x:1'}]}}}}";
    assert_err(
        changed(f, "deployment", deployment,
                "{'spec':{'selector':{'matchLabels':{'app':'x','b':'c'}},'template':"
                "{'metadata':{'labels':{'b':'c'}}}}}"),
        &f->err, ERR_UNPROCESSABLE,
        "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"x\",\"b\":\"c\"}}: field is "
        "immutable");
    assert_ok(changed(f, "deployment", deployment,
                      "{'spec':{'template':{'metadata':{'labels':{'b':'c'}}}}}"),
              &f->err);
    assert_err(
        changed(f, "job", job,
                "{'spec':{'template':{'spec':{'containers':[{'name':'a','image':'x:2'}]}}}}"),
        &f->err, ERR_UNPROCESSABLE, "field is immutable");
    assert_ok(changed(f, "job", job, "{'spec':{'parallelism':2}}"), &f->err);
    assert_err(changed(f, "service", "{'spec':{'clusterIP':'10.0.0.1','ports':[{'port':80}]}}",
                       "{'spec':{'clusterIP':'10.0.0.2'}}"),
               &f->err, ERR_UNPROCESSABLE,
               "spec.clusterIPs[0]: Invalid value: \"10.0.0.2\": may not change once set");
    assert_err(changed(f, "secret", "{'type':'a'}", "{'type':'b'}"), &f->err, ERR_UNPROCESSABLE,
               "type: Invalid value: \"b\": field is immutable");
}

/* As a cluster's controllers do. */
static void bind_claim(struct fixture *f, const char *patch)
{
    assert_ok(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE, patch), &f->err);
    struct admit_request request = request_of(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                                              tree(f, "{'status':{'phase':'Bound'}}"));
    request.sub = ADMIT_STATUS;
    assert_ok(write_request(f, &request), &f->err);
}

static void claims_of_a_class_that_is_fixed_do_not_grow(void **state)
{
    struct fixture *f = *state;
    static const char *const classes[] = {"fixed-disks", ""};
    for (size_t i = 0; i < 2; i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "{'spec':{'storageClassName':'%s'," SIZE("1Gi") "}}",
                       classes[i]);
        assert_ok(write_op(f, "persistentvolumeclaim", ADMIT_APPLY, body), &f->err);
        bind_claim(f, "{'spec':{'volumeName':'v'}}");
        assert_err(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                            "{'spec':{'resources':{'requests':{'storage':'2Gi'}}}}"),
                   &f->err, ERR_FORBIDDEN,
                   "is forbidden: only dynamically provisioned pvc can be resized and the "
                   "storageclass that provisions the pvc must support resize");
        assert_ok(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                           "{'spec':{'resources':{'requests':{'storage':'1024Mi'}}}}"),
                  &f->err);
        f->stored = false;
    }
}

static void claims_grow_and_change_no_more(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "persistentvolumeclaim", ADMIT_APPLY,
                       "{'spec':{'storageClassName':'slow'," SIZE("1Gi") "}}"),
              &f->err);
    assert_err(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                        "{'spec':{'resources':{'requests':{'storage':'2Gi'}}}}"),
               &f->err, ERR_UNPROCESSABLE, "for bound claims");
    bind_claim(f, "{'spec':{'volumeName':'v'}}");
    assert_ok(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                       "{'spec':{'resources':{'requests':{'storage':'2Gi'}}}}"),
              &f->err);
    assert_err(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                        "{'spec':{'resources':{'requests':{'storage':'1Gi'}}}}"),
               &f->err, ERR_UNPROCESSABLE, "field can not be less than status.capacity");
    assert_err(write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE,
                        "{'spec':{'storageClassName':'fast'}}"),
               &f->err, ERR_UNPROCESSABLE, "spec is immutable after creation");
    assert_err(
        write_op(f, "persistentvolumeclaim", ADMIT_PATCH_MERGE, "{'spec':{'volumeName':'w'}}"),
        &f->err, ERR_UNPROCESSABLE, "spec is immutable after creation");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(lists_have_their_keys),
        T(protobuf_and_back),
        T(inlined_messages),
        T(messages_in_parts),
        T(two_appliers_share_a_pod),
        T(strategic_patches_merge_by_key),
        T(fields_that_kubernetes_has_not),
        T(what_finds_its_pods_keeps_to_them),
        T(what_has_volumes_keeps_its_form),
        T(claims_grow_and_change_no_more),
        T(claims_of_a_class_that_is_fixed_do_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
