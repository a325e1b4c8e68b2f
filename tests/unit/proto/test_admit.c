/* The write pipeline, operation by operation, against one remembered object. */
#include "tests/unit/proto/fixture.h"

#include "base/clock.h"

static const char component[] =
    "{'apiVersion':'choreo.dev/v1','kind':'Component','metadata':{'name':'x','labels':{'a':'b'}},"
    "'spec':{'type':'service','image':'nginx:1','endpoints':[{'name':'api','port':80}]}}";

static void create_fills_in(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    assert_int_equal(f->result.verb, BACKEND_CREATE);
    assert_string_equal(stored_at(f, ".metadata.uid"), "'11111111-2222-4333-8444-555555555555'");
    assert_string_equal(stored_at(f, ".metadata.creationTimestamp"), "'2023-11-14T22:13:20Z'");
    assert_string_equal(stored_at(f, ".metadata.namespace"), "'acme'");
    assert_string_equal(stored_at(f, ".metadata.generation"), "1");
    assert_string_equal(stored_at(f, ".spec.autoDeploy"), "true");
    assert_string_equal(stored_at(f, ".spec.endpoints[0].visibility"), "'project'");
    assert_string_equal(stored_at(f, ".metadata.managedFields[0].manager"), "'tester'");
    assert_string_equal(stored_at(f, ".metadata.managedFields[0].operation"), "'Update'");
    /* the splice is where the version goes */
    struct buf out = {0};
    object_emit(&out, f->result.body, f->result.splice, 42);
    assert_true(slice_find(buf_slice(&out), SLICE("\"resourceVersion\":\"42\",\"uid\":")) !=
                SIZE_MAX);
    buf_free(&out);
}

static void create_generates_names(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE,
                       "{'metadata':{'generateName':'job-'},'spec':{'image':'a'}}"),
              &f->err);
    assert_slice(f->result.name, "job-bcdfg");
    assert_true(f->result.generated_name);
}

static void every_failing_field_is_named(void **state)
{
    struct fixture *f = *state;
    int rc = write_op(f, "component", ADMIT_CREATE,
                      "{'metadata':{'name':'Bad_Name','labels':{'a b':'c'}},'spec':{'replicas':-1,"
                      "'image':7,'runtime':'klingon','endpoints':[{'name':'UP','port':70000,'"
                      "visibility':'world'},"
                      "{'port':1},{'name':'a','port':1},{'name':'a','port':2}],"
                      "'env':[{'name':'1X'}],'resources':{'limits':{'cpu':'lots'}},"
                      "'dependencies':'none'}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "Component.choreo.dev \"Bad_Name\" is invalid");
    const struct causes *c = &f->result.causes;
    assert_true(has_cause(c, "metadata.name", "RFC 1123 label"));
    assert_true(has_cause(c, "metadata.labels", "a b"));
    assert_true(has_cause(c, "spec.replicas", "greater than or equal to 0"));
    assert_true(has_cause(c, "spec.image", "must be a string"));
    assert_true(has_cause(c, "spec.runtime", "\"klingon\": supported values: \"go\", \"java\""));
    assert_true(has_cause(c, "spec.endpoints[0].name", "RFC 1123"));
    assert_true(has_cause(c, "spec.endpoints[0].port", "65535"));
    assert_true(has_cause(c, "spec.endpoints[0].visibility", "supported values: \"project\""));
    assert_true(has_cause(c, "spec.endpoints[1].name", "Required value"));
    assert_true(has_cause(c, "spec.endpoints[3]", "Duplicate value"));
    assert_true(has_cause(c, "spec.env[0].name", "not start with a digit"));
    assert_true(has_cause(c, "spec.resources.limits[cpu]", "quantities"));
    assert_true(has_cause(c, "spec.dependencies", "must be a list"));
    assert_false(f->stored);
}

/* A word that is no kind of communication would let nothing through, and nobody would be told. */
static void allowed_communication_is_of_words_that_mean_something(void **state)
{
    struct fixture *f = *state;
    int rc = write_op(f, "environment", ADMIT_CREATE,
                      "{'metadata':{'name':'dev'},'spec':{'networkPolicy':{'allowedCommunication':["
                      "'internal','internet','dns','ingress','interent']}}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "allowedCommunication[4]");
    assert_true(has_cause(&f->result.causes, "spec.networkPolicy.allowedCommunication[4]",
                          "\"interent\": supported values: \"dns\", \"ingress\", \"internal\", "
                          "\"internet\""));
    assert_false(f->stored);
}

static void unknown_fields(void **state)
{
    struct fixture *f = *state;
    const json_t *body = tree(f, "{'metadata':{'name':'x','wat':1},'spec':{'image':'a','x':{},"
                                 "'endpoints':[{'name':'a','port':1,'y':2}]}}");
    struct admit_request request = request_of(f, "component", ADMIT_CREATE, body);
    assert_ok(admit(&request, &f->result, &f->err), &f->err);
    assert_int_equal(f->result.warning_count, 3);
    assert_slice(f->result.warnings[1], "unknown field \"spec.x\"");
    assert_true(slice_find(f->result.body, SLICE("\"wat\"")) == SIZE_MAX);
    request.validation = ADMIT_STRICT;
    int rc = admit(&request, &f->result, &f->err);
    assert_err(rc, &f->err, ERR_INVALID, "strict decoding error: unknown field \"metadata.wat\"");
    assert_err(rc, &f->err, ERR_INVALID, "unknown field \"spec.endpoints[0].y\"");
    request.validation = ADMIT_IGNORE;
    assert_ok(admit(&request, &f->result, &f->err), &f->err);
    assert_int_equal(f->result.warning_count, 0);
}

/* What a write brings about is said where it may surprise: not at the first, nor of the same. */
static void an_environment_that_moves(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "environment", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'dataPlane':'old'}}"),
              &f->err);
    assert_int_equal(f->result.warning_count, 0);
    assert_ok(write_op(f, "environment", ADMIT_PATCH_MERGE, "{'spec':{'isProduction':true}}"),
              &f->err);
    assert_int_equal(f->result.warning_count, 0);
    assert_ok(write_op(f, "environment", ADMIT_PATCH_MERGE, "{'spec':{'dataPlane':'new'}}"),
              &f->err);
    assert_int_equal(f->result.warning_count, 1);
    assert_true(slice_starts_with(
        f->result.warnings[0], SLICE("spec.dataPlane: what runs in environment \"x\" moves "
                                     "from data plane \"old\" to \"new\": it is deployed anew")));
    assert_true(slice_find(f->result.warnings[0], SLICE("Data does not move")) != SIZE_MAX);
}

static void an_environment_of_openchoreo_that_moves(void **state)
{
    struct fixture *f = *state;
    const char *kind = "environments.openchoreo.dev";
    assert_ok(write_op(f, kind, ADMIT_CREATE, "{'metadata':{'name':'x'},'spec':{}}"), &f->err);
    assert_ok(write_op(f, kind, ADMIT_PATCH_MERGE,
                       "{'spec':{'dataPlaneRef':{'kind':'DataPlane','name':'new'}}}"),
              &f->err);
    assert_int_equal(f->result.warning_count, 1);
    assert_true(slice_starts_with(f->result.warnings[0],
                                  SLICE("spec.dataPlaneRef: what runs in environment \"x\" "
                                        "moves from data plane \"default\" to "
                                        "\"DataPlane/new\": ")));
}

/* OpenChoreo's roles have no status, where other kinds say that nothing acts on them. */
static void a_role_that_grants_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "clusterauthzrolebindings.openchoreo.dev", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'effect':'deny',"
                       "'entitlement':{'claim':'c','value':'v'},"
                       "'roleMappings':[{'roleRef':{'kind':'ClusterAuthzRole','name':'r'}}]}}"),
              &f->err);
    assert_int_equal(f->result.warning_count, 1);
    assert_true(
        slice_eq_cstr(f->result.warnings[0],
                      "ClusterAuthzRoleBinding \"x\" is stored; grants and denies nothing"));
}

static void updates_count_generations(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    f->now_ms += 5000;
    /* the same again: nothing to do */
    assert_ok(write_op(f, "component", ADMIT_UPDATE, component), &f->err);
    assert_false(f->result.changed);
    /* labels only: no new generation */
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, "{'metadata':{'labels':{'c':'d'}}}"),
              &f->err);
    assert_true(f->result.changed);
    assert_int_equal(f->result.if_version, 1001);
    assert_string_equal(stored_at(f, ".metadata.generation"), "1");
    assert_ok(write_op(f, "component", ADMIT_PATCH_JSON,
                       "[{'op':'replace','path':'/spec/image','value':'nginx:2'}]"),
              &f->err);
    assert_string_equal(stored_at(f, ".metadata.generation"), "2");
    /* what the server keeps cannot be set */
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'metadata':{'generation':9,'creationTimestamp':null,"
                       "'deletionTimestamp':'2020-01-01T00:00:00Z'}}"),
              &f->err);
    assert_false(f->result.changed);
}

static void preconditions(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    assert_err(write_op(f, "component", ADMIT_CREATE, component), &f->err, ERR_EXISTS,
               "components.choreo.dev \"x\" already exists");
    const char *stale = "{'metadata':{'name':'x','resourceVersion':'7'},'spec':{}}";
    assert_err(write_op(f, "component", ADMIT_UPDATE, stale), &f->err, ERR_CONFLICT,
               "the object has been modified");
    assert_ok(write_op(f, "component", ADMIT_UPDATE,
                       "{'metadata':{'name':'x','resourceVersion':'1001'},'spec':{}}"),
              &f->err);
    assert_true(f->result.client_made);
    assert_err(write_op(f, "component", ADMIT_PATCH_MERGE, "{'metadata':{'uid':'other'}}"), &f->err,
               ERR_CONFLICT, "UID in precondition: other");
    assert_err(write_op(f, "component", ADMIT_PATCH_MERGE, "{'metadata':{'resourceVersion':'1'}}"),
               &f->err, ERR_CONFLICT, "modified");
    assert_err(write_op(f, "component", ADMIT_DELETE, "{'preconditions':{'uid':'other'}}"), &f->err,
               ERR_CONFLICT, "UID");
    f->stored = false;
    assert_err(write_op(f, "component", ADMIT_UPDATE, component), &f->err, ERR_NOT_FOUND,
               "components.choreo.dev \"x\" not found");
    assert_err(write_op(f, "component", ADMIT_APPLY, stale), &f->err, ERR_CONFLICT,
               "does not exist");
    assert_err(write_op(f, "component", ADMIT_CREATE, stale), &f->err, ERR_INVALID,
               "resourceVersion should not be set");
}

static void identity_must_match(void **state)
{
    struct fixture *f = *state;
    assert_err(
        write_op(f, "component", ADMIT_CREATE, "{'metadata':{'name':'x','namespace':'other'}}"),
        &f->err, ERR_INVALID, "does not match the namespace");
    assert_err(write_op(f, "component", ADMIT_CREATE, "{'kind':'Project','metadata':{}}"), &f->err,
               ERR_INVALID, "does not match the expected kind");
    assert_err(write_op(f, "component", ADMIT_CREATE, "{'apiVersion':'v2','metadata':{}}"), &f->err,
               ERR_INVALID, "does not match the expected API version");
    assert_err(write_op(f, "component", ADMIT_APPLY, "{'metadata':{'name':'y'}}"), &f->err,
               ERR_INVALID, "does not match the name on the URL");
    assert_err(write_op(f, "component", ADMIT_CREATE, "[]"), &f->err, ERR_INVALID, "no object");
    assert_err(write_op(f, "component", ADMIT_CREATE, "{'metadata':[]}"), &f->err, ERR_INVALID,
               "metadata");
    assert_err(write_op(f, "component", ADMIT_CREATE, "{}"), &f->err, ERR_UNPROCESSABLE,
               "name or generateName is required");
}

static void status_is_apart(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'image':'a'},'status':{'image':'b'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".status"), "absent");
    struct admit_request request =
        request_of(f, "component", ADMIT_PATCH_MERGE,
                   tree(f, "{'spec':{'image':'z'},'status':{'image':'b'}}"));
    request.sub = ADMIT_STATUS;
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".status.image"), "'b'");
    assert_string_equal(stored_at(f, ".spec.image"), "'a'");
    assert_string_equal(stored_at(f, ".metadata.generation"), "1");
    assert_string_equal(stored_at(f, ".metadata.managedFields[1].subresource"), "'status'");
    assert_ok(write_op(f, "component", ADMIT_UPDATE, component), &f->err);
    assert_string_equal(stored_at(f, ".status.image"), "'b'");
    /* the control plane writes both at once */
    request = request_of(f, "component", ADMIT_PATCH_MERGE,
                         tree(f, "{'spec':{'image':'z'},'status':{'image':'z'}}"));
    request.system = true;
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".status.image"), "'z'");
    assert_string_equal(stored_at(f, ".spec.image"), "'z'");
    request.kind = kind_named(f, "configmap");
    request.sub = ADMIT_STATUS;
    assert_err(admit(&request, &f->result, &f->err), &f->err, ERR_METHOD, "no such subresource");
}

static void finalizers_hold(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE,
                       "{'metadata':{'name':'x','finalizers':['choreo.dev/a','choreo.dev/b']},"
                       "'spec':{}}"),
              &f->err);
    assert_ok(write_op(f, "component", ADMIT_DELETE, NULL), &f->err);
    assert_int_equal(f->result.verb, BACKEND_UPDATE);
    assert_string_equal(stored_at(f, ".metadata.deletionTimestamp"), "'2023-11-14T22:13:20Z'");
    assert_string_equal(stored_at(f, ".metadata.generation"), "2");
    assert_ok(write_op(f, "component", ADMIT_DELETE, NULL), &f->err);
    assert_false(f->result.changed);
    assert_err(write_op(f, "component", ADMIT_PATCH_MERGE,
                        "{'metadata':{'finalizers':['choreo.dev/a','choreo.dev/c']}}"),
               &f->err, ERR_UNPROCESSABLE, "no new finalizers");
    assert_ok(
        write_op(f, "component", ADMIT_PATCH_MERGE, "{'metadata':{'finalizers':['choreo.dev/a']}}"),
        &f->err);
    assert_int_equal(f->result.verb, BACKEND_UPDATE);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, "{'metadata':{'finalizers':null}}"),
              &f->err);
    assert_int_equal(f->result.verb, BACKEND_DELETE);
    assert_false(f->stored);
}

static void deletion_without_finalizers(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    assert_ok(write_op(f, "component", ADMIT_DELETE, "{'propagationPolicy':'Background'}"),
              &f->err);
    assert_int_equal(f->result.verb, BACKEND_DELETE);
    assert_int_equal(f->result.if_version, 1001);
    assert_false(f->result.client_made);
    f->stored = true;
    struct admit_request request =
        request_of(f, "component", ADMIT_DELETE, tree(f, "{'propagationPolicy':'Foreground'}"));
    assert_ok(admit(&request, &f->result, &f->err), &f->err);
    assert_int_equal(f->result.verb, BACKEND_DELETE); /* nobody would take the finalizer off */
}

static int delete_as(struct fixture *f, const char *options)
{
    struct admit_request request = request_of(f, "component", ADMIT_DELETE, tree(f, options));
    request.collected = true;
    return write_request(f, &request);
}

static void deletion_for_the_collector(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    assert_err(delete_as(f, "{'propagationPolicy':'Sideways'}"), &f->err, ERR_UNPROCESSABLE,
               "propagationPolicy: Unsupported value: \"Sideways\"");
    assert_err(delete_as(f, "{'propagationPolicy':'Orphan','orphanDependents':true}"), &f->err,
               ERR_UNPROCESSABLE, "cannot be both set");
    assert_ok(delete_as(f, "{'propagationPolicy':'Foreground'}"), &f->err);
    assert_string_equal(stored_at(f, ".metadata.finalizers"), "['foregroundDeletion']");
    assert_string_equal(stored_at(f, ".metadata.deletionGracePeriodSeconds"), "0");
    /* Asked again, in other ways. */
    assert_ok(delete_as(f, "{'orphanDependents':true}"), &f->err);
    assert_string_equal(stored_at(f, ".metadata.finalizers"), "['orphan']");
    assert_ok(delete_as(f, "{}"), &f->err);
    assert_false(f->result.changed);
    assert_ok(delete_as(f, "{'propagationPolicy':'Foreground'}"), &f->err);
    assert_string_equal(stored_at(f, ".metadata.finalizers"), "['foregroundDeletion']");
    assert_ok(delete_as(f, "{'orphanDependents':false}"), &f->err);
    assert_int_equal(f->result.verb, BACKEND_DELETE);
    assert_false(f->stored);
}

static void deletion_as_finalizers_say(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'metadata':{'finalizers':['foregroundDeletion','a.b/c','orphan']}}"),
              &f->err);
    assert_ok(delete_as(f, "{}"), &f->err);
    assert_string_equal(stored_at(f, ".metadata.finalizers"), "['a.b/c','orphan']");
}

static void scale(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    struct admit_request request =
        request_of(f, "component", ADMIT_PATCH_MERGE, tree(f, "{'spec':{'replicas':3}}"));
    request.sub = ADMIT_SCALE;
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".spec.replicas"), "3");
    assert_string_equal(stored_at(f, ".metadata.managedFields[1].subresource"), "'scale'");
    struct buf out = {0};
    assert_ok(admit_scale(request.kind, &f->old, &out, &f->err), &f->err);
    assert_true(slice_find(buf_slice(&out), SLICE("\"spec\":{\"replicas\":3}")) != SIZE_MAX);
    buf_free(&out);
    request.incoming = tree(f, "{'spec':{'replicas':'many'}}");
    request.old = &f->old;
    assert_err(write_request(f, &request), &f->err, ERR_UNPROCESSABLE, "spec.replicas");
}

static void immutable_fields(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "releasebinding", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'environment':'dev','owner':"
                       "{'projectName':'p','componentName':'c'}}}"),
              &f->err);
    assert_err(write_op(f, "releasebinding", ADMIT_PATCH_MERGE,
                        "{'spec':{'environment':'prod','owner':{'projectName':'q'}}}"),
               &f->err, ERR_UNPROCESSABLE, "field is immutable");
    assert_true(has_cause(&f->result.causes, "spec.environment", "immutable"));
    assert_true(has_cause(&f->result.causes, "spec.owner.projectName", "immutable"));
    assert_ok(write_op(f, "releasebinding", ADMIT_PATCH_MERGE, "{'spec':{'releaseName':'r'}}"),
              &f->err);
}

static void strategic_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE, component), &f->err);
    assert_err(write_op(f, "component", ADMIT_PATCH_STRATEGIC, "{}"), &f->err, ERR_UNSUPPORTED,
               "merge patch");
}

static void secrets_and_config(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "secret", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'stringData':{'a':'hi'},'data':{'b':'aGk='}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".data"), "{'a':'aGk=','b':'aGk='}");
    assert_string_equal(stored_at(f, ".type"), "'Opaque'");
    assert_string_equal(stored_at(f, ".stringData"), "absent");
    assert_err(write_op(f, "secret", ADMIT_PATCH_MERGE, "{'data':{'c':'%%%'}}"), &f->err,
               ERR_UNPROCESSABLE, "data[c]");
    f->stored = false;
    assert_err(
        write_op(f, "configmap", ADMIT_CREATE, "{'metadata':{'name':'x'},'data':{'a/b':''}}"),
        &f->err, ERR_UNPROCESSABLE, "data[a/b]");
    assert_ok(write_op(f, "configmap", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'data':{'a':'b'},'immutable':true}"),
              &f->err);
    assert_err(write_op(f, "configmap", ADMIT_PATCH_MERGE, "{'data':{'a':'c'}}"), &f->err,
               ERR_UNPROCESSABLE, "immutable");
}

/* What comes of a Secret would be baked into an image. */
static void a_build_takes_values_alone(void **state)
{
    struct fixture *f = *state;
    int rc = write_op(f, "component", ADMIT_CREATE,
                      "{'metadata':{'name':'x'},'spec':{'image':'a','build':{'env':["
                      "{'name':'A','value':'b'},{'name':'S','valueFrom':{'secretKeyRef':"
                      "{'name':'s','key':'k'}}}]}}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "spec.build.env[1].valueFrom");
    assert_true(has_cause(&f->result.causes, "spec.build.env[1].valueFrom",
                          "Forbidden: a build takes values alone"));
    assert_int_equal(f->result.causes.count, 1);
    assert_ok(write_op(f, "component", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'image':'a','build':{'env':["
                       "{'name':'A','value':'b'}]}}}"),
              &f->err);
}

/* Where a kubelet puts what it mounts. */
static void a_file_is_not_called_as_the_kubelets_are(void **state)
{
    struct fixture *f = *state;
    int rc = write_op(f, "component", ADMIT_CREATE,
                      "{'metadata':{'name':'x'},'spec':{'image':'a','files':["
                      "{'name':'..data','mountPath':'/etc/x','value':'x'},"
                      "{'name':'.env','mountPath':'/etc/y','value':'y'}]}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "spec.files[0].name");
    assert_true(has_cause(&f->result.causes, "spec.files[0].name",
                          "Invalid value: \"..data\": must not be '.' or start with '..'"));
    assert_int_equal(f->result.causes.count, 1);
}

/* spec.workload is taken whole: what stands beside it would be dropped without a word. */
static void a_workload_and_fields_instead_of_it_forbid_each_other(void **state)
{
    struct fixture *f = *state;
    int rc = write_op(f, "component", ADMIT_CREATE,
                      "{'metadata':{'name':'x'},'spec':{'image':'a','command':['b'],'args':['c'],"
                      "'env':[{'name':'A','value':'1'}],'files':[{'name':'f','mountPath':'/f',"
                      "'value':'1'}],'endpoints':[{'name':'h','port':80}],"
                      "'dependencies':[{'name':'d','type':'component'}],'replicas':2,"
                      "'workload':{'container':{'image':'w'}}}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "spec.workload");
    static const char *const fields[] = {"image", "command",   "args",        "env",
                                         "files", "endpoints", "dependencies"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char field[64];
        char says[128];
        (void)snprintf(field, sizeof(field), "spec.%s", fields[i]);
        (void)snprintf(says, sizeof(says),
                       "Forbidden: spec.workload is in its place: say it in spec.workload.%s%s",
                       i < 5 ? "container." : "", fields[i]);
        assert_true(has_cause(&f->result.causes, field, says));
    }
    assert_int_equal(f->result.causes.count, sizeof(fields) / sizeof(fields[0]));
    assert_ok(write_op(f, "component", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'replicas':2,'env':[],"
                       "'workload':{'container':{'image':'w'}}}}"),
              &f->err);
    rc = write_op(f, "component", ADMIT_PATCH_MERGE, "{'spec':{'image':'b'}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "spec.image");
}

/* What is called is so by the name of its Service, which is the component's. */
static void a_component_that_is_called_has_a_name_for_services(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = {
        "{'metadata':{'name':'1abc'},'spec':{'image':'a'}}",
        "{'metadata':{'name':'2'},'spec':{'image':'a','type':'service'}}",
        "{'metadata':{'name':'1abc'},'spec':{'image':'a','type':'web-application'}}"};
    static const char *const taken[] = {
        "{'metadata':{'name':'1abc'},'spec':{'image':'a','type':'worker'}}",
        "{'metadata':{'name':'1abc'},'spec':{'type':'service','componentType':"
        "{'group':'openchoreo.dev','kind':'ComponentType','name':'service'}}}"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        int rc = write_op(f, "component", ADMIT_CREATE, refused[i]);
        assert_err(rc, &f->err, ERR_UNPROCESSABLE, "metadata.name");
        assert_true(has_cause(&f->result.causes, "metadata.name", "start with an alphabetic"));
        assert_int_equal(f->result.causes.count, 1);
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        assert_ok(write_op(f, "component", ADMIT_CREATE, taken[i]), &f->err);
        f->stored = false;
    }
}

/* Stored by a program that had fewer rules. */
static void store_object(struct fixture *f, const char *text)
{
    buf_clear(&f->body);
    assert_ok(object_canonical(tree(f, text), &f->body, &f->old.splice, &f->err), &f->err);
    f->old.body = buf_slice(&f->body);
    f->old.version = ++f->version;
    f->stored = true;
}

/* Such a component may be there from before: all but what is dropped of it may be changed. */
static void a_workload_beside_fields_may_stay(void **state)
{
    struct fixture *f = *state;
    store_object(f, "{'apiVersion':'choreo.dev/v1','kind':'Component','metadata':{'name':'x',"
                    "'namespace':'acme','uid':'u','generation':1},'spec':{'image':'a',"
                    "'type':'service','workload':{'container':{'image':'w'}}}}");
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'spec':{'replicas':3,'workload':{'container':{'image':'w:2'}}}}"),
              &f->err);
    int rc = write_op(f, "component", ADMIT_PATCH_MERGE, "{'spec':{'image':'b'}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "spec.image");
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, "{'spec':{'image':null}}"), &f->err);
    rc = write_op(f, "component", ADMIT_PATCH_MERGE, "{'spec':{'image':'a'}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "spec.image");
    store_object(f, "{'apiVersion':'choreo.dev/v1','kind':'Component','metadata':{'name':'1abc',"
                    "'namespace':'acme','uid':'u','generation':1},'spec':{'type':'service'}}");
    struct admit_request request =
        request_of(f, "component", ADMIT_PATCH_MERGE, tree(f, "{'spec':{'image':'b'}}"));
    request.name = SLICE("1abc");
    assert_ok(write_request(f, &request), &f->err);
}

/* A binding of so many variables, as JSON. */
static const char *binding_of(struct fixture *f, int variables, const char *reason)
{
    struct buf out = {0};
    buf_addf(&out,
             "{'apiVersion':'choreo.dev/v1','kind':'ReleaseBinding','metadata':{'name':'x',"
             "'namespace':'acme','uid':'u','generation':1},'spec':{'owner':{"
             "'componentName':'c','projectName':'p'},'environment':'dev','reason':'%s',"
             "'workloadOverrides':{'container':{'env':[",
             reason);
    for (int i = 0; i < variables; i++) {
        buf_addf(&out, "%s{'key':'V%d','value':'x'}", i > 0 ? "," : "", i);
    }
    buf_add_cstr(&out, "]}}}}");
    const char *text = arena_cstr(&f->arena, buf_slice(&out));
    buf_free(&out);
    return text;
}

/* There was no limit once: a list that is longer stays as it is, and no new one comes. */
static void a_list_that_was_stored_longer_may_stay(void **state)
{
    struct fixture *f = *state;
    store_object(f, binding_of(f, 2000, "one"));
    assert_ok(write_op(f, "releasebinding", ADMIT_UPDATE, binding_of(f, 2000, "two")), &f->err);
    assert_ok(write_op(f, "releasebinding", ADMIT_PATCH_MERGE, "{'spec':{'reason':'three'}}"),
              &f->err);
    assert_err(write_op(f, "releasebinding", ADMIT_UPDATE, binding_of(f, 1001, "three")), &f->err,
               ERR_UNPROCESSABLE, "env: Too many: 1001: must have at most 1000 items");
    assert_ok(write_op(f, "releasebinding", ADMIT_UPDATE, binding_of(f, 1000, "three")), &f->err);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    json_t *object = tree(f, "{'metadata':{'name':'x'},'spec':{}}");
    char *big = mem_alloc(OBJECT_BYTES_MAX + 10);
    memset(big, 'a', OBJECT_BYTES_MAX + 9);
    big[OBJECT_BYTES_MAX + 9] = '\0';
    json_object_set_new(json_object_get(object, "spec"), "description", json_string(big));
    free(big);
    struct admit_request request = request_of(f, "component", ADMIT_CREATE, object);
    assert_err(admit(&request, &f->result, &f->err), &f->err, ERR_TOO_LARGE, "limit");
    request.incoming = tree(f, component);
    request.field_manager = SLICE("a\nb");
    assert_err(admit(&request, &f->result, &f->err), &f->err, ERR_UNPROCESSABLE, "fieldManager");
    request.field_manager = SLICE("a\xff");
    assert_err(admit(&request, &f->result, &f->err), &f->err, ERR_UNPROCESSABLE, "fieldManager");
    request.field_manager = SLICE("");
    request.user_agent = SLICE("kubectl/v1.32 (linux)");
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".metadata.managedFields[0].manager"), "'kubectl'");
}

/* Items of an atomic list have defaults that the intent leaves out. */
static void applying_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const char pipeline[] =
        "{'apiVersion':'choreo.dev/v1','kind':'DeploymentPipeline','metadata':{'name':'x'},"
        "'spec':{'promotionPaths':[{'sourceEnvironmentRef':{'name':'dev'},"
        "'targetEnvironmentRefs':[{'name':'prod'}]}]}}";
    assert_ok(write_op(f, "deploymentpipeline", ADMIT_APPLY, pipeline), &f->err);
    assert_string_equal(stored_at(f, ".spec.promotionPaths[0].sourceEnvironmentRef.kind"),
                        "'Environment'");
    f->now_ms += 60000;
    assert_ok(write_op(f, "deploymentpipeline", ADMIT_APPLY, pipeline), &f->err);
    assert_false(f->result.changed);
}

#define TO(name) "{'kind':'Environment','name':'" name "'}"
#define PATHS(more)                                                                                \
    "{'apiVersion':'choreo.dev/v1','kind':'DeploymentPipeline','metadata':{'name':'x','uid':'u',"  \
    "'generation':1},'spec':{'promotionPaths':[{'sourceEnvironmentRef':" TO(                       \
        "dev") ",'targetEnvironmentRefs':[" TO("qa") more "]}]}}"
#define ALSO_FROM(source) "]},{'sourceEnvironmentRef':" TO(source) ",'targetEnvironmentRefs':["

/* Of two words on the same gates one could be none. */
static void a_source_names_a_target_once(void **state)
{
    struct fixture *f = *state;
    int rc = write_op(f, "deploymentpipeline", ADMIT_CREATE, PATHS("," TO("qa")));
    assert_err(rc, &f->err, ERR_UNPROCESSABLE,
               "spec.promotionPaths[0].targetEnvironmentRefs[1].name: Duplicate value: \"qa\": its "
               "source leads there already: say in one place what must hold");
    rc = write_op(f, "deploymentpipeline", ADMIT_CREATE,
                  PATHS(ALSO_FROM("dev") TO("prod") "," TO("qa")));
    assert_err(rc, &f->err, ERR_UNPROCESSABLE,
               "spec.promotionPaths[1].targetEnvironmentRefs[1].name: Duplicate value: \"qa\"");
    rc = write_op(f, "deploymentpipeline", ADMIT_CREATE, PATHS(ALSO_FROM("other") TO("qa")));
    assert_ok(rc, &f->err);
}

static void a_target_that_was_named_twice_may_stay(void **state)
{
    struct fixture *f = *state;
    store_object(f, PATHS("," TO("qa")));
    assert_ok(
        write_op(f, "deploymentpipeline", ADMIT_PATCH_MERGE, "{'spec':{'description':'of old'}}"),
        &f->err);
    int rc = write_op(f, "deploymentpipeline", ADMIT_PATCH_JSON,
                      "[{'op':'add','path':'/spec/promotionPaths/0/targetEnvironmentRefs/-',"
                      "'value':{'name':'qa'}}]");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "targetEnvironmentRefs[2].name: Duplicate value");
}

static void some_namespaces_stay(void **state)
{
    struct fixture *f = *state;
    struct admit_request request =
        request_of(f, "organization", ADMIT_CREATE, tree(f, "{'metadata':{'name':'default'}}"));
    assert_ok(write_request(f, &request), &f->err);
    request = request_of(f, "organization", ADMIT_DELETE, NULL);
    request.name = SLICE("default");
    assert_err(
        write_request(f, &request), &f->err, ERR_FORBIDDEN,
        "organizations.choreo.dev \"default\" is forbidden: this namespace may not be deleted");
    request = request_of(f, "configmap", ADMIT_DELETE, NULL); /* others may have the name */
    request.name = SLICE("default");
    assert_ok(write_request(f, &request), &f->err);
}

static void no_image_of_evil(const json_t *object, struct causes *causes)
{
    if (slice_eq_cstr(json_text(json_at(object, "spec", "image", NULL)), "evil")) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.image"), "Invalid value: column 1: evil");
    }
}

static void the_server_has_its_own_say(void **state)
{
    struct fixture *f = *state;
    struct admit_request request =
        request_of(f, "component", ADMIT_CREATE,
                   tree(f, "{'metadata':{'name':'x'},'spec':{'type':'service','image':'evil'}}"));
    assert_ok(write_request(f, &request), &f->err); /* from before anybody checked */
    request =
        request_of(f, "component", ADMIT_PATCH_MERGE, tree(f, "{'metadata':{'labels':{'a':'b'}}}"));
    request.validate = no_image_of_evil;
    assert_ok(write_request(f, &request), &f->err); /* its spec is not new */
    request = request_of(f, "component", ADMIT_PATCH_MERGE, tree(f, "{'spec':{'runtime':'go'}}"));
    request.validate = no_image_of_evil;
    assert_err(write_request(f, &request), &f->err, ERR_UNPROCESSABLE,
               "spec.image: Invalid value: column 1: evil");
    assert_true(has_cause(&f->result.causes, "spec.image", "column 1"));
}

static uint64_t label_ns(struct fixture *f, const char *value)
{
    uint64_t began = clock_mono_ns();
    char patch[64];
    (void)snprintf(patch, sizeof(patch), "{'metadata':{'labels':{'a':'%s'}}}", value);
    assert_ok(write_op(f, "configmaps", ADMIT_PATCH_MERGE, patch), &f->err);
    return clock_mono_ns() - began;
}

/* A deletion asks of each whether it is new. */
static void very_many_finalizers_are_compared_in_time(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    buf_add_cstr(&text, "{'metadata':{'name':'x','finalizers':['a/b'");
    for (int i = 0; i < 40000; i++) {
        buf_addf(&text, ",'a/%d'", i);
    }
    buf_add_cstr(&text, "]}}");
    assert_ok(write_op(f, "configmaps", ADMIT_CREATE, buf_cstr(&text)), &f->err);
    uint64_t before = label_ns(f, "1");
    assert_ok(write_op(f, "configmaps", ADMIT_DELETE, NULL), &f->err);
    uint64_t after = label_ns(f, "2");
    assert_true(after < 5 * before + 500000000);
    buf_free(&text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(create_fills_in),
        T(create_generates_names),
        T(every_failing_field_is_named),
        T(allowed_communication_is_of_words_that_mean_something),
        T(unknown_fields),
        T(an_environment_that_moves),
        T(an_environment_of_openchoreo_that_moves),
        T(a_role_that_grants_nothing),
        T(updates_count_generations),
        T(preconditions),
        T(identity_must_match),
        T(status_is_apart),
        T(finalizers_hold),
        T(deletion_without_finalizers),
        T(deletion_for_the_collector),
        T(deletion_as_finalizers_say),
        T(scale),
        T(immutable_fields),
        T(strategic_is_refused),
        T(the_server_has_its_own_say),
        T(some_namespaces_stay),
        T(secrets_and_config),
        T(a_build_takes_values_alone),
        T(a_file_is_not_called_as_the_kubelets_are),
        T(a_workload_and_fields_instead_of_it_forbid_each_other),
        T(a_workload_beside_fields_may_stay),
        T(a_list_that_was_stored_longer_may_stay),
        T(a_component_that_is_called_has_a_name_for_services),
        T(limits),
        T(applying_again_changes_nothing),
        T(a_source_names_a_target_once),
        T(a_target_that_was_named_twice_may_stay),
        T(very_many_finalizers_are_compared_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
