/* Who wrote it is the server's to say: what clients send of it is ignored, on every path. */
#include "tests/unit/proto/fixture.h"

#include "proto/promotion.h"

static int write_as(struct fixture *f, const char *user, const char *kind, enum admit_op op,
                    enum admit_subresource sub, const char *text)
{
    static const struct slice groups[] = {SLICE("release-managers"), SLICE("people")};
    struct admit_author *author = arena_zero(&f->arena, sizeof(*author));
    *author = (struct admit_author){.user = slice_of(user), .groups = groups, .group_count = 2};
    struct admit_request request = request_of(f, kind, op, tree(f, text));
    request.author = author;
    request.sub = sub;
    return write_request(f, &request);
}

#define AUTHORS ".metadata.annotations['choreo.dev/authors']"
#define BEFORE ".metadata.annotations['choreo.dev/authors-before']"
#define REQUESTED_BY ".metadata.annotations['choreo.dev/requested-by']"

static void change(struct fixture *f, const char *user, const char *image)
{
    char text[80];
    snprintf(text, sizeof text, "{'spec':{'image':'%s'}}", image);
    assert_ok(write_as(f, user, "component", ADMIT_PATCH_MERGE, ADMIT_MAIN, text), &f->err);
}

/* As a controller does. */
static void say(struct fixture *f, const char *kind, const char *type, const char *status,
                const char *generation)
{
    char text[256];
    snprintf(text, sizeof text,
             "{'status':{'observedGeneration':%s,'conditions':[{'type':'%s','status':'%s',"
             "'reason':'R','message':'','lastTransitionTime':'2026-01-01T00:00:00Z',"
             "'observedGeneration':%s}]}}",
             generation, type, status, generation);
    struct admit_request request = request_of(f, kind, ADMIT_PATCH_MERGE, tree(f, text));
    request.system = true;
    assert_ok(write_request(f, &request), &f->err);
}

static void a_component_gathers_authors_until_it_is_released(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        write_as(f, "alice", "component", ADMIT_CREATE, ADMIT_MAIN,
                 "{'metadata':{'name':'x','annotations':{'choreo.dev/authors':'[\\'eve\\']'}},"
                 "'spec':{'image':'a'}}"),
        &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\']'");
    change(f, "bob", "b");
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\',\\'bob\\']'");
    change(f, "alice", "c");
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'bob\\',\\'alice\\']'");
    say(f, "component", "Released", "True", "3");
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'bob\\',\\'alice\\']'");
    change(f, "carol", "d");
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'carol\\']'");
    /* that was generation 4: what the condition says of 3 is no news of it */
    change(f, "bob", "e");
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'carol\\',\\'bob\\']'");
}

static void a_resource_gathers_authors_as_a_component_does(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "resource", ADMIT_CREATE, ADMIT_MAIN,
                       "{'metadata':{'name':'x'},'spec':{'project':'p','type':'postgres'}}"),
              &f->err);
    assert_ok(write_as(f, "bob", "resource", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'parameters':{'database':'d'}}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\',\\'bob\\']'");
}

/* What else a project says is no part of releases. */
static void a_project_has_the_author_of_its_configuration(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "project", ADMIT_CREATE, ADMIT_MAIN,
                       "{'metadata':{'name':'x'},'spec':{'description':'a'}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "absent");
    assert_ok(write_as(f, "bob", "project", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'env':[{'name':'A','value':'1'}]}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'bob\\']'");
    assert_ok(write_as(f, "alice", "project", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'annotations':{'choreo.dev/authors':'[]'}},"
                       "'spec':{'description':'b'}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'bob\\']'");
    say(f, "project", "Ready", "True", "3");
    assert_ok(write_as(f, "carol", "project", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'files':[{'name':'f','mountPath':'/f','value':'1'}]}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'carol\\']'");
}

/* Two who change it before all is well with it are both authors of what its components hold. */
static void a_project_keeps_authors_until_all_is_well(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "project", ADMIT_CREATE, ADMIT_MAIN,
                       "{'metadata':{'name':'x'},'spec':{'env':[{'name':'A','value':'1'}]}}"),
              &f->err);
    say(f, "project", "Ready", "False", "1");
    assert_ok(write_as(f, "bob", "project", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'env':[{'name':'A','value':'2'}]}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\',\\'bob\\']'");
    say(f, "project", "Ready", "True", "2");
    assert_ok(write_as(f, "carol", "project", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'env':[{'name':'A','value':'3'}]}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'carol\\']'");
}

static void what_changes_no_spec_makes_no_author(void **state)
{
    struct fixture *f = *state;
    const char *whole = "{'metadata':{'name':'x'},'spec':{'image':'a'}}";
    assert_ok(write_as(f, "alice", "component", ADMIT_CREATE, ADMIT_MAIN, whole), &f->err);
    assert_ok(write_as(f, "bob", "component", ADMIT_UPDATE, ADMIT_MAIN, whole), &f->err);
    assert_false(f->result.changed);
    assert_ok(write_as(f, "bob", "component", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'labels':{'a':'b'},'annotations':null}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\']'");
    assert_ok(write_as(f, "bob", "component", ADMIT_PATCH_JSON, ADMIT_MAIN,
                       "[{'op':'replace','path':'/metadata/annotations/choreo.dev~1authors',"
                       "'value':'[]'}]"),
              &f->err);
    assert_false(f->result.changed);
}

static void an_applied_author_is_ignored_too(void **state)
{
    struct fixture *f = *state;
    const char *intent =
        "{'apiVersion':'choreo.dev/v1','kind':'Component','metadata':{'name':'x','annotations':"
        "{'choreo.dev/authors':'[\\'eve\\']','mine':'1'}},'spec':{'image':'a'}}";
    assert_ok(write_as(f, "alice", "component", ADMIT_APPLY, ADMIT_MAIN, intent), &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\']'");
    assert_string_equal(stored_at(f, ".metadata.annotations.mine"), "'1'");
    assert_ok(write_as(f, "alice", "component", ADMIT_APPLY, ADMIT_MAIN, intent), &f->err);
    assert_false(f->result.changed);
}

#define BINDING(more)                                                                              \
    "{'metadata':{'name':'x','annotations':{'choreo.dev/requested-by':'eve'}},'spec':{'owner':"    \
    "{'projectName':'p','componentName':'c'},'environment':'production'," more "}}"

static void who_binds_a_release_is_on_the_binding(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "releasebinding", ADMIT_CREATE, ADMIT_MAIN,
                       BINDING("'releaseName':'r1','reason':'first'")),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'alice'");
    assert_ok(write_as(f, "bob", "releasebinding", ADMIT_UPDATE, ADMIT_MAIN,
                       BINDING("'releaseName':'r1','reason':'first','state':'Undeploy'")),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'alice'");
    assert_ok(write_as(f, "bob", "releasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'releaseName':'r2'}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'bob'");
    assert_string_equal(stored_at(f, ".spec.reason"), "absent"); /* it was of the former */
    assert_ok(write_as(f, "carol", "releasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'attempt':1,'reason':'again'}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'carol'");
    assert_string_equal(stored_at(f, ".spec.reason"), "'again'");
}

/* Nobody's reason is that of another's attempt; whoever says the same again means it. */
static void a_reason_is_of_one_attempt(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "releasebinding", ADMIT_CREATE, ADMIT_MAIN,
                       BINDING("'releaseName':'r1','reason':'weekly','releaseSet':'s'")),
              &f->err);
    assert_ok(write_as(f, "bob", "releasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'releaseName':'r2','reason':'weekly'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.reason"), "'weekly'");
    assert_string_equal(stored_at(f, ".spec.releaseSet"), "absent");
    assert_ok(write_as(f, "carol", "releasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'attempt':1}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'carol'");
    assert_string_equal(stored_at(f, ".spec.reason"), "absent");
}

static void who_binds_a_resource_is_on_its_binding(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "resourcereleasebinding", ADMIT_CREATE, ADMIT_MAIN,
                       "{'metadata':{'name':'x'},'spec':{'owner':{'projectName':'p',"
                       "'resourceName':'db'},'environment':'e','resourceRelease':'r1'}}"),
              &f->err);
    assert_ok(write_as(f, "bob", "resourcereleasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'retainPolicy':'Retain'}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'alice'");
    assert_ok(write_as(f, "bob", "resourcereleasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'spec':{'resourceRelease':'r2'}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'bob'");
    assert_int_equal(write_as(f, "bob", "resourcereleasebinding", ADMIT_PATCH_MERGE, ADMIT_STATUS,
                              "{'status':{'releaseName':'r2'}}"),
                     ERR_FORBIDDEN);
}

static void the_status_of_a_binding_is_the_control_planes(void **state)
{
    struct fixture *f = *state;
    const char *proven = "{'status':{'history':[{'release':'r1','healthyAt':"
                         "'2026-01-01T00:00:00Z'}]}}";
    assert_ok(write_as(f, "alice", "releasebinding", ADMIT_CREATE, ADMIT_MAIN,
                       BINDING("'releaseName':'r1'")),
              &f->err);
    int rc = write_as(f, "alice", "releasebinding", ADMIT_PATCH_MERGE, ADMIT_STATUS, proven);
    assert_err(rc, &f->err, ERR_FORBIDDEN, "the control plane's own");
    assert_ok(write_as(f, "alice", "releasebinding", ADMIT_PATCH_MERGE, ADMIT_MAIN, proven),
              &f->err);
    assert_string_equal(stored_at(f, ".status"), "absent");
}

static void what_goes_to_clusters_is_the_control_planes(void **state)
{
    struct fixture *f = *state;
    const char *whole = "{'metadata':{'name':'x'},'spec':{'owner':{'projectName':'p'},"
                        "'environmentName':'e','releaseName':'r1'}}";
    int rc = write_as(f, "alice", "renderedrelease", ADMIT_CREATE, ADMIT_MAIN, whole);
    assert_err(rc, &f->err, ERR_FORBIDDEN, "made by the control plane alone");
    assert_ok(write_op(f, "renderedrelease", ADMIT_CREATE, whole), &f->err);
    rc = write_as(f, "alice", "renderedrelease", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                  "{'spec':{'releaseName':'r2'}}");
    assert_err(rc, &f->err, ERR_FORBIDDEN, "made by the control plane alone");
    rc = write_as(f, "alice", "renderedrelease", ADMIT_PATCH_MERGE, ADMIT_STATUS,
                  "{'status':{'appliedHash':'x'}}");
    assert_err(rc, &f->err, ERR_FORBIDDEN, "the control plane's own");
    assert_ok(write_as(f, "alice", "renderedrelease", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'labels':{'a':'b'}}}"),
              &f->err);
    assert_ok(write_as(f, "alice", "renderedrelease", ADMIT_DELETE, ADMIT_MAIN, "{}"), &f->err);
}

#define ANNOTATION ".metadata.annotations['choreo.dev/image']"

/* Which image a run was to make, and whose it is, are on it. */
static void what_is_noted_on_it_is_too(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "renderedrelease", ADMIT_CREATE,
                       "{'metadata':{'name':'x','annotations':{'choreo.dev/image':'good:1'},"
                       "'ownerReferences':[{'apiVersion':'choreo.dev/v1','kind':'WorkflowRun',"
                       "'name':'r','uid':'u'}]},'spec':{'owner':{'projectName':'p'},"
                       "'environmentName':'e','workflowRun':'r'}}"),
              &f->err);
    assert_ok(write_as(f, "alice", "renderedrelease", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'annotations':{'choreo.dev/image':'evil:1','mine':'1'},"
                       "'ownerReferences':null}}"),
              &f->err);
    assert_string_equal(stored_at(f, ANNOTATION), "'good:1'");
    assert_string_equal(stored_at(f, ".metadata.annotations.mine"), "'1'");
    assert_string_equal(stored_at(f, ".metadata.ownerReferences[0].name"), "'r'");
}

#define RUN(more)                                                                                  \
    "{'metadata':{'name':'x','annotations':{'choreo.dev/authors':'[\\'eve\\']'}},'spec':{"         \
    "'workflow':{'name':'w'},'owner':{'componentName':'c'}}" more "}"

/* What a run says that it made becomes a release of its component. */
static void what_a_run_made_is_the_control_planes_to_say(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "mallory", "workflowrun", ADMIT_CREATE, ADMIT_MAIN, RUN("")), &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'mallory\\']'");
    int rc = write_as(f, "mallory", "workflowrun", ADMIT_PATCH_MERGE, ADMIT_STATUS,
                      "{'status':{'phase':'Succeeded','image':'evil:1'}}");
    assert_err(rc, &f->err, ERR_FORBIDDEN, "the control plane's own");
    assert_ok(write_as(f, "bob", "workflowrun", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'annotations':{'choreo.dev/authors':'[]','mine':'1'}}}"),
              &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'mallory\\']'");
    rc = write_as(f, "mallory", "resourcereleasebinding", ADMIT_PATCH_MERGE, ADMIT_STATUS,
                  "{'status':{'outputs':[]}}");
    assert_err(rc, &f->err, ERR_FORBIDDEN, "the control plane's own");
}

#define APPROVAL(more)                                                                             \
    "{'metadata':{'name':'x'},'spec':{'component':'c','release':'r','environment':'e'" more "}}"

static void an_approval_says_who_really_gave_it(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "releaseapproval", ADMIT_CREATE, ADMIT_MAIN,
                       APPROVAL(",'by':'carol','groups':['system:masters'],'at':"
                                "'2001-01-01T00:00:00Z','reason':'good'")),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.by"), "'alice'");
    assert_string_equal(stored_at(f, ".spec.groups"), "['release-managers','people']");
    assert_string_equal(stored_at(f, ".spec.at"), "'2023-11-14T22:13:20Z'");
    /* no later write changes what was said, or who said it */
    assert_ok(write_as(f, "bob", "releaseapproval", ADMIT_UPDATE, ADMIT_MAIN,
                       APPROVAL(",'by':'bob','reason':'good'")),
              &f->err);
    assert_false(f->result.changed);
    int rc = write_as(f, "bob", "releaseapproval", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                      "{'spec':{'release':'another'}}");
    assert_err(rc, &f->err, ERR_UNPROCESSABLE, "field is immutable");
    assert_string_equal(stored_at(f, ".spec.by"), "'alice'");
}

static void a_test_result_says_who_reported_it(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "ci", "testresult", ADMIT_CREATE, ADMIT_MAIN,
                       APPROVAL(",'test':'smoke','passed':true,'by':'eve'")),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.by"), "'ci'");
    assert_string_equal(stored_at(f, ".spec.at"), "'2023-11-14T22:13:20Z'");
}

static void a_set_says_who_made_it_and_never_changes(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "releaseset", ADMIT_CREATE, ADMIT_MAIN,
                       "{'metadata':{'name':'x','annotations':{'choreo.dev/requested-by':'eve'}},"
                       "'spec':{'project':'p','environment':'e','from':'d'}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'alice'");
    assert_ok(write_as(f, "bob", "releaseset", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'annotations':{'choreo.dev/requested-by':null}}}"),
              &f->err);
    assert_string_equal(stored_at(f, REQUESTED_BY), "'alice'");
    assert_err(
        write_as(f, "alice", "releaseset", ADMIT_PATCH_MERGE, ADMIT_MAIN, "{'spec':{'from':'x'}}"),
        &f->err, ERR_UNPROCESSABLE, "immutable");
    assert_err(write_as(f, "alice", "releaseset", ADMIT_PATCH_MERGE, ADMIT_STATUS,
                        "{'status':{'state':'RollingOut'}}"),
               &f->err, ERR_FORBIDDEN, "the control plane's own");
}

static void nobody_is_an_author_by_leaving_the_spec_out(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        write_as(f, "alice", "component", ADMIT_CREATE, ADMIT_MAIN,
                 "{'metadata':{'name':'x','annotations':{'choreo.dev/authors':'[\\'eve\\']'}}}"),
        &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\']'");
}

static void the_control_plane_says_itself_whose_it_is(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        write_op(f, "component", ADMIT_CREATE,
                 "{'metadata':{'name':'x','annotations':{'choreo.dev/authors':'[\\'alice\\']'}},"
                 "'spec':{'image':'a'}}"),
        &f->err);
    assert_string_equal(stored_at(f, AUTHORS), "'[\\'alice\\']'");
}

#define BY_HAND ".metadata.annotations['choreo.dev/by-hand']"
#define RELEASE(annotation)                                                                        \
    "{'metadata':{'name':'x','annotations':{'a':'b'" annotation "}},'spec':{'owner':"              \
    "{'componentName':'web','projectName':'shop'},'workload':{'container':{'image':'i'}},'"        \
    "componentType':{'kind':"                                                                      \
    "'ClusterComponentType','name':'t','spec':{'workloadType':'proxy','resources':[{'id':'a',"     \
    "'template':{'kind':'Pod'}}]}}}}"

/* Nobody else's word makes a type one of the cluster's. */
static void a_release_that_a_client_wrote_says_so(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_as(f, "alice", "release", ADMIT_CREATE, ADMIT_MAIN,
                       RELEASE(",'choreo.dev/by-hand':'false'")),
              &f->err);
    assert_string_equal(stored_at(f, BY_HAND), "'true'");
    assert_ok(write_as(f, "alice", "release", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'annotations':null}}"),
              &f->err);
    assert_string_equal(stored_at(f, BY_HAND), "'true'");
    assert_ok(write_as(f, "alice", "release", ADMIT_UPDATE, ADMIT_MAIN, RELEASE("")), &f->err);
    assert_string_equal(stored_at(f, BY_HAND), "'true'");
}

static void a_release_of_the_control_planes_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct admit_request request = request_of(f, "release", ADMIT_CREATE, tree(f, RELEASE("")));
    request.system = true;
    assert_ok(write_request(f, &request), &f->err);
    assert_ok(write_as(f, "alice", "release", ADMIT_UPDATE, ADMIT_MAIN,
                       RELEASE(",'choreo.dev/by-hand':'true'")),
              &f->err);
    assert_string_equal(stored_at(f, ".metadata.annotations"), "{'a':'b'}");
}

/* What it tells of releases that are gone holds whatever is sent. */
static void a_release_keeps_the_authors_before_it(void **state)
{
    struct fixture *f = *state;
    json_t *o = tree(f, RELEASE(",'choreo.dev/authors':'[\\'bob\\']'"));
    assert_true(promotion_inherit_authors(
        o, tree(f, "{'metadata':{'annotations':{'choreo.dev/authors':'[\\'carol\\']'}}}")));
    struct admit_request request = request_of(f, "release", ADMIT_CREATE, o);
    request.system = true;
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, BEFORE), "'[\\'carol\\']'");
    assert_ok(write_as(f, "carol", "release", ADMIT_UPDATE, ADMIT_MAIN,
                       RELEASE(",'choreo.dev/authors-before':'[]'")),
              &f->err);
    assert_string_equal(stored_at(f, BEFORE), "'[\\'carol\\']'");
    assert_ok(write_as(f, "carol", "release", ADMIT_PATCH_MERGE, ADMIT_MAIN,
                       "{'metadata':{'annotations':null}}"),
              &f->err);
    assert_string_equal(stored_at(f, BEFORE), "'[\\'carol\\']'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_component_gathers_authors_until_it_is_released),
        TEST(a_resource_gathers_authors_as_a_component_does),
        TEST(a_project_has_the_author_of_its_configuration),
        TEST(a_project_keeps_authors_until_all_is_well),
        TEST(a_set_says_who_made_it_and_never_changes),
        TEST(what_changes_no_spec_makes_no_author),
        TEST(an_applied_author_is_ignored_too),
        TEST(who_binds_a_release_is_on_the_binding),
        TEST(a_reason_is_of_one_attempt),
        TEST(who_binds_a_resource_is_on_its_binding),
        TEST(the_status_of_a_binding_is_the_control_planes),
        TEST(what_goes_to_clusters_is_the_control_planes),
        TEST(what_is_noted_on_it_is_too),
        TEST(what_a_run_made_is_the_control_planes_to_say),
        TEST(an_approval_says_who_really_gave_it),
        TEST(a_test_result_says_who_reported_it),
        TEST(nobody_is_an_author_by_leaving_the_spec_out),
        TEST(the_control_plane_says_itself_whose_it_is),
        TEST(a_release_that_a_client_wrote_says_so),
        TEST(a_release_of_the_control_planes_says_nothing),
        TEST(a_release_keeps_the_authors_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
