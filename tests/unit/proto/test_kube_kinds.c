/* Kubernetes' own kinds at admission: what their fields may hold, beyond what every kind has. */
#include "tests/unit/proto/fixture.h"

#include "proto/selector.h"
#include "proto/table.h"

static void leases(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "lease", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'spec':{'holderIdentity':'a',"
                       "'leaseDurationSeconds':15,'leaseTransitions':0,"
                       "'renewTime':'2026-01-02T03:04:05.000001Z'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.renewTime"), "'2026-01-02T03:04:05.000001Z'");
    static const char *const bad_times[] = {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1Z",
                                            "2026-01-02T03:04:05.1234567Z", "yesterday"};
    for (size_t i = 0; i < sizeof(bad_times) / sizeof(bad_times[0]); i++) {
        char patch[128];
        (void)snprintf(patch, sizeof(patch), "{'spec':{'acquireTime':'%s'}}", bad_times[i]);
        assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, patch), ERR_UNPROCESSABLE);
        assert_true(has_cause(&f->result.causes, "spec.acquireTime", "must "));
    }
    assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, "{'spec':{'leaseDurationSeconds':0}}"),
                     ERR_UNPROCESSABLE);
    assert_true(has_cause(&f->result.causes, "spec.leaseDurationSeconds", "greater than"));
    assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, "{'spec':{'leaseTransitions':-1}}"),
                     ERR_UNPROCESSABLE);
    assert_int_equal(write_op(f, "lease", ADMIT_PATCH_MERGE, "{'spec':{'preferredHolder':'b'}}"),
                     ERR_UNPROCESSABLE);
    assert_true(has_cause(&f->result.causes, "spec.preferredHolder", "Forbidden"));
    assert_ok(write_op(f, "lease", ADMIT_PATCH_MERGE,
                       "{'spec':{'preferredHolder':'b','strategy':'OldestEmulationVersion',"
                       "'holderIdentity':'','acquireTime':'2026-01-02T03:04:05.000000+02:00'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.holderIdentity"), "''"); /* given up */
}

/* The one field that is not where its name says, and the tables of both ways to report. */
static void events(void **state)
{
    const struct table_form form = {.include = TABLE_METADATA,
                                    .version = SLICE("v1"),
                                    .now_ms = UINT64_C(1767323045000) + 5000};
    struct fixture *f = *state;
    struct selector *s = NULL;
    struct buf row = {0};
    assert_ok(write_op(f, "event", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'involvedObject':{'kind':'Pod','name':'web',"
                       "'namespace':'acme'},'source':{'component':'kubelet'},'reason':'Started',"
                       "'type':'Normal','lastTimestamp':'2026-01-02T03:04:05Z','count':3}"),
              &f->err);
    static const struct {
        const char *fields;
        bool matches;
    } cases[] = {{"source=kubelet,type=Normal,reason=Started", true},
                 {"source=other", false},
                 {"involvedObject.kind=Pod,involvedObject.name=web,involvedObject.uid=", true},
                 {"reportingComponent!=x,involvedObject.namespace=acme", true},
                 {"involvedObject.fieldPath=spec", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_ok(selector_parse(SLICE(""), slice_of(cases[i].fields), kind_named(f, "event"), &s,
                                 &f->err),
                  &f->err);
        if (selector_matches(s, f->old.body) != cases[i].matches) {
            fail_msg("%s", cases[i].fields);
        }
        selector_free(s);
    }
    assert_err(
        selector_parse(SLICE(""), SLICE("source.component=x"), kind_named(f, "event"), &s, &f->err),
        &f->err, ERR_INVALID, "field label not supported");
    assert_ok(table_row(kind_named(f, "event"), &f->old, &form, &row, &f->err), &f->err);
    assert_true(slice_find(buf_slice(&row), SLICE("[\"x\",\"5s\",\"Normal\",\"Started\","
                                                  "\"pod/web\",null,\"kubelet\",null,null,3]")) !=
                SIZE_MAX);
    buf_clear(&row);
    assert_ok(write_op(f, "event", ADMIT_PATCH_MERGE,
                       "{'series':{'count':9,'lastObservedTime':'2026-01-02T03:04:06.000000Z'},"
                       "'source':null,'reportingComponent':'c','eventTime':"
                       "'2026-01-02T03:03:05.000000Z','count':null}"),
              &f->err);
    assert_ok(table_row(kind_named(f, "event"), &f->old, &form, &row, &f->err), &f->err);
    assert_true(slice_find(buf_slice(&row), SLICE("[\"x\",\"4s\",\"Normal\",\"Started\","
                                                  "\"pod/web\",null,\"c\",null,\"65s\",9]")) !=
                SIZE_MAX);
    buf_free(&row);
    assert_int_equal(
        write_op(f, "event", ADMIT_PATCH_MERGE, "{'involvedObject':{'namespace':'other'}}"),
        ERR_UNPROCESSABLE);
    assert_true(has_cause(&f->result.causes, "involvedObject.namespace", "does not match"));
    assert_int_equal(
        write_op(f, "event", ADMIT_PATCH_MERGE, "{'involvedObject':{'namespace':null}}"),
        ERR_UNPROCESSABLE);
    f->stored = false;
    struct admit_request request =
        request_of(f, "event", ADMIT_CREATE,
                   tree(f, "{'metadata':{'name':'n'},'involvedObject':{'kind':'Node'}}"));
    request.ns = SLICE("default");
    assert_ok(write_request(f, &request), &f->err);
    f->stored = false;
    assert_int_equal(write_op(f, "event", ADMIT_CREATE, "{'metadata':{'name':'x'}}"),
                     ERR_UNPROCESSABLE);
}

static void refused(struct fixture *f, const char *kind, enum admit_op op, const char *body,
                    const char *field, const char *text)
{
    assert_int_equal(write_op(f, kind, op, body), ERR_UNPROCESSABLE);
    if (!has_cause(&f->result.causes, field, text)) {
        fail_msg("%s of %s: no \"%s\" at %s: %.*s", kind, body, text, field,
                 SLICE_ARG(f->result.message));
    }
}

#define RULE "'apiGroups':[''],'resources':['pods'],'verbs':['get']"

static void roles(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "role", ADMIT_CREATE, "{'metadata':{'name':'x'},'rules':[{" RULE "}]}"),
              &f->err);
    refused(f, "role", ADMIT_PATCH_MERGE, "{'rules':[{'resources':['pods'],'verbs':['get']}]}",
            "rules[0].apiGroups", "at least one api group");
    refused(f, "role", ADMIT_PATCH_MERGE, "{'rules':[{'apiGroups':[''],'verbs':['get']}]}",
            "rules[0].resources", "at least one resource");
    refused(f, "role", ADMIT_PATCH_MERGE, "{'rules':[{" RULE "},{'verbs':[]}]}", "rules[1].verbs",
            "verbs must contain at least one value");
    refused(f, "role", ADMIT_PATCH_MERGE, "{'rules':[{'apiGroups':[''],'resources':['pods']}]}",
            "rules[0].verbs", "Required value");
    refused(f, "role", ADMIT_PATCH_MERGE, "{'rules':[{'nonResourceURLs':['/x'],'verbs':['get']}]}",
            "rules[0].nonResourceURLs", "namespaced rules");
    f->stored = false;
    refused(f, "role", ADMIT_CREATE, "{'metadata':{'name':'a/b'}}", "metadata.name", "may not");
    refused(f, "clusterrole", ADMIT_CREATE,
            "{'metadata':{'name':'x'},'rules':[{" RULE ",'nonResourceURLs':['/x']}]}",
            "rules[0].nonResourceURLs", "both");
    refused(f, "clusterrole", ADMIT_CREATE,
            "{'metadata':{'name':'x'},'aggregationRule':{'clusterRoleSelectors':[]}}",
            "aggregationRule.clusterRoleSelectors", "at least 1");
    assert_ok(write_op(f, "clusterrole", ADMIT_CREATE,
                       "{'metadata':{'name':'system:masters:all'},'rules':["
                       "{'nonResourceURLs':['*'],'verbs':['*']},{" RULE "}]}"),
              &f->err);
}

static void bindings(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "rolebinding", ADMIT_CREATE,
                       "{'metadata':{'name':'x'},'roleRef':{'kind':'Role','name':'r'},"
                       "'subjects':[{'kind':'User','name':'ann','apiGroup':''},"
                       "{'kind':'ServiceAccount','name':'robot','namespace':'acme'}]}"),
              &f->err);
    assert_string_equal(stored_at(f, ".roleRef"),
                        "{'apiGroup':'rbac.authorization.k8s.io','kind':'Role','name':'r'}");
    assert_string_equal(stored_at(f, ".subjects"),
                        "[{'apiGroup':'rbac.authorization.k8s.io','kind':'User','name':'ann'},"
                        "{'kind':'ServiceAccount','name':'robot','namespace':'acme'}]");
    refused(f, "rolebinding", ADMIT_PATCH_MERGE, "{'roleRef':{'name':'other'}}", "roleRef",
            "cannot change roleRef");
    refused(f, "rolebinding", ADMIT_PATCH_MERGE, "{'roleRef':null}", "roleRef", "Required value");
    refused(f, "rolebinding", ADMIT_PATCH_MERGE,
            "{'subjects':[{'kind':'ServiceAccount','name':'A b'}]}", "subjects[0].name",
            "RFC 1123");
    refused(f, "rolebinding", ADMIT_PATCH_MERGE,
            "{'subjects':[{'kind':'ServiceAccount','name':'a'}]}", "subjects[0].namespace",
            "Required value");
    refused(f, "rolebinding", ADMIT_PATCH_MERGE,
            "{'subjects':[{'kind':'Group','name':'g','apiGroup':'x'}]}", "subjects[0].apiGroup",
            "Unsupported value: \"x\"");
    refused(f, "rolebinding", ADMIT_PATCH_MERGE, "{'subjects':[{'kind':'Robot','name':'g'}]}",
            "subjects[0].kind", "Unsupported value");
    f->stored = false;
    refused(f, "clusterrolebinding", ADMIT_CREATE,
            "{'metadata':{'name':'x'},'roleRef':{'kind':'Role','name':'r'}}", "roleRef.kind",
            "supported values: \"ClusterRole\"");
    refused(f, "clusterrolebinding", ADMIT_CREATE,
            "{'metadata':{'name':'x'},'roleRef':{'apiGroup':'x','kind':'ClusterRole','name':'r'}}",
            "roleRef.apiGroup", "Unsupported value");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(leases), T(events), T(roles), T(bindings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
