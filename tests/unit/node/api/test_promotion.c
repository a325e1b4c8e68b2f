/* What the gate refuses of promotions, approvals and results for the sake of other objects. */
#include <stdio.h>

#include "tests/unit/node/api/door.h"

static json_t *read_tree(const char *text)
{
    struct buf quoted = {0};
    json_t *tree = NULL;
    struct err err;
    for (; *text != '\0'; text++) {
        buf_add_char(&quoted, *text == '\'' ? '"' : *text);
    }
    assert_ok(json_parse(buf_slice(&quoted), &tree, &err), &err);
    buf_free(&quoted);
    return tree;
}

/* As the control plane itself writes, status and all. */
static void put(struct door *d, const char *resource, const char *kind, const char *name,
                const char *rest)
{
    struct slice ns =
        slice_starts_with(slice_of(kind), SLICE("Cluster")) ? SLICE("") : SLICE("default");
    json_t *o = object_new("choreo.dev/v1", kind, ns, slice_of(name));
    json_t *more = read_tree(rest);
    json_object_set_new(json_object_get(o, "metadata"), "uid", json_string(name));
    json_object_update(json_object_get(o, "metadata"), json_object_get(more, "metadata"));
    json_object_del(more, "metadata");
    json_object_update(o, more);
    door_put(d, resource, o);
    json_decref(o);
    json_decref(more);
}

static int setup(void **state)
{
    assert_int_equal(door_setup(state), 0);
    struct door *d = *state;
    put(d, "components.choreo.dev", "Component", "web", "{'spec':{'project':'shop'}}");
    put(d, "projects.choreo.dev", "Project", "shop", "{'spec':{'deploymentPipeline':'careful'}}");
    put(d, "deploymentpipelines.choreo.dev", "DeploymentPipeline", "careful",
        "{'spec':{'promotionPaths':[{'sourceEnvironmentRef':{'name':'dev'},"
        "'targetEnvironmentRefs':[{'name':'qa'}]},{'sourceEnvironmentRef':{'name':'qa'},"
        "'targetEnvironmentRefs':[{'name':'prod','requiresApproval':true,'approverGroups':"
        "['managers']}]}]}}");
    put(d, "releases.choreo.dev", "Release", "web-1",
        "{'metadata':{'annotations':{'choreo.dev/authors':'[\\'alice\\']'}},"
        "'spec':{'owner':{'projectName':'shop','componentName':'web'}}}");
    put(d, "releases.choreo.dev", "Release", "api-1",
        "{'spec':{'owner':{'projectName':'shop','componentName':'api'}}}");
    put(d, "releasebindings.choreo.dev", "ReleaseBinding", "web-qa",
        "{'spec':{'owner':{'projectName':'shop','componentName':'web'},'environment':'qa',"
        "'releaseName':'web-1'},'status':{'history':[{'release':'web-1','healthyAt':"
        "'2026-01-01T00:00:00Z'}]}}");
    put(d, "releasebindings.choreo.dev", "ReleaseBinding", "web-prod",
        "{'metadata':{'annotations':{'choreo.dev/requested-by':'bob'}},"
        "'spec':{'owner':{'projectName':'shop','componentName':'web'},'environment':'prod',"
        "'releaseName':'web-1'}}");
    put(d, "resources.choreo.dev", "Resource", "db", "{'spec':{'project':'shop'}}");
    put(d, "resourcereleases.choreo.dev", "ResourceRelease", "db-1",
        "{'metadata':{'annotations':{'choreo.dev/authors':'[\\'alice\\']'}},"
        "'spec':{'owner':{'projectName':'shop','resourceName':'db'}}}");
    put(d, "resourcereleasebindings.choreo.dev", "ResourceReleaseBinding", "db.dev",
        "{'spec':{'owner':{'projectName':'shop','resourceName':'db'},'environment':'dev',"
        "'resourceRelease':'db-1'},'status':{'history':[{'release':'db-1','healthyAt':"
        "'2026-01-01T00:00:00Z'}]}}");
    return 0;
}

/* ---- a client's write ---- */

struct write {
    struct door *d;
    struct gate_write gate;
    struct arena arena;
    struct subject subject;
    char message[ERR_MESSAGE_MAX];
    char warning[128];
    char by[64];
    char owner[64];
    char tested[64]; /* spec.test.releaseUID */
    int rc;
};

static void on_written(struct gate_write *w, int rc, const struct err *err)
{
    struct write *t = w->user;
    struct slice raw;
    t->rc = rc;
    (void)snprintf(t->message, sizeof(t->message), "%s", err != NULL ? err->message : "");
    (void)snprintf(t->warning, sizeof(t->warning), "%.*s",
                   SLICE_ARG(w->result.warning_count > 0 ? w->result.warnings[0] : SLICE("")));
    if (rc == 0 && json_scan(w->object.body, &raw, "spec", "by", NULL)) {
        (void)snprintf(t->by, sizeof(t->by), "%.*s", SLICE_ARG(raw));
    }
    if (rc == 0 && json_scan(w->object.body, &raw, "spec", "test", "releaseUID", NULL)) {
        (void)snprintf(t->tested, sizeof(t->tested), "%.*s", SLICE_ARG(raw));
    }
    if (rc == 0 && json_scan(w->object.body, &raw, "metadata", "ownerReferences", NULL)) {
        bool found = slice_find(raw, SLICE("\"uid\":\"web-1\"")) != SIZE_MAX;
        (void)snprintf(t->owner, sizeof(t->owner), "%s", found ? "web-1" : "");
    }
    onloop_done(&t->d->o);
}

static void start(void *arg)
{
    struct write *t = arg;
    t->gate.loop = &t->d->o.loop;
    gate_write(&t->gate);
}

static void write_as(struct door *d, struct write *t, struct subject subject, const char *resource,
                     enum admit_op op, const char *name, const char *body)
{
    json_t *tree = read_tree(body);
    *t = (struct write){.d = d, .subject = subject};
    t->gate = (struct gate_write){.api = &d->api,
                                  .arena = &t->arena,
                                  .subject = &t->subject,
                                  .kind = kind_by_resource(&d->kinds, slice_of(resource)),
                                  .op = op,
                                  .ns = SLICE("default"),
                                  .name = slice_of(name),
                                  .incoming = tree,
                                  .user = t,
                                  .done = on_written};
    onloop_call(&d->o, start, t);
    onloop_wait(&d->o, "a write");
    json_decref(tree);
    arena_free(&t->arena);
}

static struct subject known(const char *user, const char *group)
{
    struct subject s = {.user = slice_of(user)};
    (void)subject_add_group(&s, slice_of(group));
    return s;
}

static int bind_to(struct door *d, struct write *t, const char *environment, const char *release)
{
    char body[300];
    (void)snprintf(body, sizeof body,
                   "{'metadata':{'name':'b-%s'},'spec':{'owner':{'projectName':'lax',"
                   "'componentName':'web'},'environment':'%s','releaseName':'%s'}}",
                   environment, environment, release);
    write_as(d, t, known("bob", "system:masters"), "releasebindings.choreo.dev", ADMIT_CREATE, "",
             body);
    return t->rc;
}

static void a_binding_to_nowhere_is_refused(void **state)
{
    struct write t;
    assert_int_equal(bind_to(*state, &t, "moon", "web-1"), ERR_UNPROCESSABLE);
    assert_string_equal(t.message, "pipeline \"careful\" does not lead to environment \"moon\": it "
                                   "goes dev -> qa, qa -> prod");
}

static void a_release_that_was_never_healthy_there_is_refused(void **state)
{
    struct door *d = *state;
    struct write t;
    put(d, "releases.choreo.dev", "Release", "web-2",
        "{'spec':{'owner':{'projectName':'shop','componentName':'web'}}}");
    write_as(d, &t, known("bob", "system:masters"), "releasebindings.choreo.dev", ADMIT_PATCH_MERGE,
             "web-prod", "{'spec':{'releaseName':'web-2'}}");
    assert_int_equal(t.rc, ERR_UNPROCESSABLE);
    assert_non_null(strstr(t.message, "\"web-2\" has never been healthy in \"qa\""));
    /* what does not change the release is not asked about */
    write_as(d, &t, known("bob", "system:masters"), "releasebindings.choreo.dev", ADMIT_PATCH_MERGE,
             "web-prod", "{'metadata':{'labels':{'a':'b'}}}");
    assert_int_equal(t.rc, 0);
}

/* A namespace may have very many. */
static void bindings_of_others_are_not_read(void **state)
{
    struct door *d = *state;
    struct write t;
    put(d, "releasebindings.choreo.dev", "ReleaseBinding", "api-qa",
        "{'spec':{'owner':{'projectName':'shop','componentName':'api'},'environment':'qa'}}");
    unsigned before = d->memory.listed;
    assert_int_equal(bind_to(d, &t, "dev", "web-1"), 0);
    assert_int_equal(d->memory.listed, before + 2);
}

static void a_release_of_another_component_is_refused(void **state)
{
    struct write t;
    assert_int_equal(bind_to(*state, &t, "dev", "api-1"), ERR_UNPROCESSABLE);
    assert_string_equal(t.message, "release \"api-1\" is one of component \"api\", not of \"web\"");
}

static void what_may_still_come_is_let_through(void **state)
{
    struct write t;
    assert_int_equal(bind_to(*state, &t, "prod", "not-yet"), 0);
    assert_string_equal(t.warning, "there is no Release \"not-yet\" in namespace \"default\": what "
                                   "runs in \"prod\" stays until there is");
    assert_int_equal(bind_to(*state, &t, "dev", "web-1"), 0);
    assert_string_equal(t.warning, "");
}

static void reads_that_fail_are_told(void **state)
{
    struct door *d = *state;
    struct write t;
    d->memory.failing = 1;
    assert_int_equal(bind_to(d, &t, "moon", "web-1"), ERR_UNAVAILABLE);
    assert_int_equal(d->memory.failing, 0);
}

static int approve(struct door *d, struct write *t, struct subject who, const char *release,
                   const char *environment)
{
    char body[200];
    (void)snprintf(body, sizeof body,
                   "{'metadata':{'generateName':'a-'},'spec':{'component':'web','release':'%s',"
                   "'environment':'%s','by':'carol','groups':['managers']}}",
                   release, environment);
    write_as(d, t, who, "releaseapprovals.choreo.dev", ADMIT_CREATE, "", body);
    return t->rc;
}

static void an_approver_approves_and_it_goes_with_the_release(void **state)
{
    struct write t;
    assert_int_equal(approve(*state, &t, known("carol", "managers"), "web-1", "prod"), 0);
    assert_string_equal(t.by, "\"carol\"");
    assert_string_equal(t.owner, "web-1");
}

static void nobody_approves_what_is_their_own(void **state)
{
    struct door *d = *state;
    struct write t;
    assert_int_equal(approve(d, &t, known("alice", "managers"), "web-1", "prod"), ERR_FORBIDDEN);
    assert_string_equal(t.message, "\"alice\" is an author of release \"web-1\": somebody else has "
                                   "to approve it");
    assert_int_equal(approve(d, &t, known("bob", "managers"), "web-1", "prod"), ERR_FORBIDDEN);
    assert_non_null(strstr(t.message, "\"bob\" asked for the promotion"));
    assert_int_equal(approve(d, &t, known("dave", "system:masters"), "web-1", "prod"),
                     ERR_FORBIDDEN);
    assert_string_equal(t.message, "\"dave\" may not approve this: \"qa\" -> \"prod\" is approved "
                                   "by group \"managers\"");
}

static void nobody_approves_what_may_be_their_own(void **state)
{
    struct door *d = *state;
    struct write t;
    put(d, "releases.choreo.dev", "Release", "web-2",
        "{'metadata':{'annotations':{'choreo.dev/authors':'[\\'*\\',\\'alice\\']'}},"
        "'spec':{'owner':{'projectName':'shop','componentName':'web'}}}");
    assert_int_equal(approve(d, &t, known("carol", "managers"), "web-2", "prod"), ERR_FORBIDDEN);
    assert_string_equal(t.message, "release \"web-2\" has more authors than can be named: "
                                   "\"carol\" may be one");
}

static void in_another_s_name_it_is_one_s_own(void **state)
{
    struct write t;
    struct subject alice = known("alice", "managers");
    struct subject as_carol = known("carol", "managers");
    as_carol.really = &alice;
    assert_int_equal(approve(*state, &t, as_carol, "web-1", "prod"), ERR_FORBIDDEN);
    assert_non_null(strstr(t.message, "\"alice\" is an author"));
}

static void what_needs_no_approval_takes_none(void **state)
{
    struct door *d = *state;
    struct write t;
    assert_int_equal(approve(d, &t, known("carol", "managers"), "web-1", "qa"), ERR_UNPROCESSABLE);
    assert_non_null(strstr(t.message, "there is nothing to approve"));
    assert_int_equal(approve(d, &t, known("carol", "managers"), "ghost", "prod"),
                     ERR_UNPROCESSABLE);
    assert_non_null(strstr(t.message, "there is no Release \"ghost\" in namespace \"default\""));
}

/* ---- resources ---- */

static int bind_resource(struct door *d, struct write *t, const char *name, const char *environment)
{
    char body[200];
    (void)snprintf(body, sizeof body,
                   "{'metadata':{'name':'%s'},'spec':{'owner':{'projectName':'shop',"
                   "'resourceName':'db'},'environment':'%s','resourceRelease':'db-1'}}",
                   name, environment);
    write_as(d, t, known("bob", "system:masters"), "resourcereleasebindings.choreo.dev",
             ADMIT_CREATE, "", body);
    return t->rc;
}

static void a_resource_goes_where_its_pipeline_leads(void **state)
{
    struct door *d = *state;
    struct write t;
    assert_int_equal(bind_resource(d, &t, "db.prod", "prod"), ERR_UNPROCESSABLE);
    assert_string_equal(t.message, "release \"db-1\" has never been healthy in \"qa\", from where "
                                   "pipeline \"careful\" leads to \"prod\": deploy it there first");
    assert_int_equal(bind_resource(d, &t, "db.moon", "moon"), ERR_UNPROCESSABLE);
    assert_non_null(strstr(t.message, "does not lead to environment \"moon\""));
    assert_int_equal(bind_resource(d, &t, "db.qa", "qa"), 0);
}

static void an_approval_is_of_a_component_or_of_a_resource(void **state)
{
    struct door *d = *state;
    struct write t;
    const char *good = "{'metadata':{'name':'g'},'spec':{'resource':'db','release':'db-1',"
                       "'environment':'prod'}}";
    const char *both = "{'metadata':{'name':'b'},'spec':{'resource':'db','component':'web',"
                       "'release':'db-1','environment':'prod'}}";
    const char *none = "{'metadata':{'name':'n'},'spec':{'release':'web-1','environment':'prod'}}";
    write_as(d, &t, known("alice", "managers"), "releaseapprovals.choreo.dev", ADMIT_CREATE, "",
             good);
    assert_int_equal(t.rc, ERR_FORBIDDEN);
    assert_non_null(strstr(t.message, "\"alice\" is an author of release \"db-1\""));
    write_as(d, &t, known("carol", "managers"), "releaseapprovals.choreo.dev", ADMIT_CREATE, "",
             good);
    assert_int_equal(t.rc, 0);
    write_as(d, &t, known("carol", "managers"), "releaseapprovals.choreo.dev", ADMIT_CREATE, "",
             both);
    assert_int_equal(t.rc, ERR_UNPROCESSABLE);
    assert_non_null(strstr(t.message, "either spec.component or spec.resource"));
    write_as(d, &t, known("carol", "managers"), "releaseapprovals.choreo.dev", ADMIT_CREATE, "",
             none);
    assert_int_equal(t.rc, ERR_UNPROCESSABLE);
    assert_non_null(strstr(t.message, "either spec.component or spec.resource"));
}

/* ---- sets ---- */

static const char *refused_set(struct door *d, struct write *t, const char *spec)
{
    char body[400];
    (void)snprintf(body, sizeof body, "{'metadata':{'name':'s'},'spec':{%s}}", spec);
    write_as(d, t, known("bob", "system:masters"), "releasesets.choreo.dev", ADMIT_CREATE, "",
             body);
    return t->rc == ERR_UNPROCESSABLE ? t->message : "not refused";
}

static void a_set_that_can_go_nowhere_is_refused_by_its_field(void **state)
{
    static const struct {
        const char *spec, *why;
    } cases[] = {
        {"'project':'moon','environment':'qa','from':'dev'",
         "spec.project: there is no project \"moon\" in namespace \"default\""},
        {"'project':'shop','environment':'moon','from':'dev'",
         "spec.environment: pipeline \"careful\" does not name environment \"moon\""},
        {"'project':'shop','environment':'qa','from':'moon'",
         "spec.from: pipeline \"careful\" does not name environment \"moon\""},
        {"'project':'shop','environment':'qa'",
         "spec.releases: no release is named, and no environment in spec.from whose releases these "
         "are"},
        {"'project':'shop','environment':'qa','releases':[]",
         "spec.releases: no release is named, and no environment in spec.from whose releases these "
         "are"},
        {"'project':'shop','environment':'qa','from':'dev','releases':[{'component':'web','release'"
         ":"
         "'web-1'}]",
         "spec.releases, spec.from: either says which releases go"},
        {"'project':'shop','environment':'qa','releases':[{'component':'web','release':'web-1'},"
         "{'component':'ghost','release':'g-1'}]",
         "spec.releases[1].component: there is no component \"ghost\""},
        {"'project':'shop','environment':'qa','releases':[{'component':'far','release':'g-1'}]",
         "spec.releases[0].component: component \"far\" is one of project \"other\", not of "
         "\"shop\""},
        {"'project':'shop','environment':'qa','releases':[{'component':'web','release':'web-9'}]",
         "spec.releases[0].release: there is no release \"web-9\" of component \"web\""},
        {"'project':'shop','environment':'qa','releases':[{'component':'web','release':'api-1'}]",
         "spec.releases[0].release: release \"api-1\" is one of component \"api\", not of \"web\""},
    };
    struct door *d = *state;
    struct write t;
    put(d, "components.choreo.dev", "Component", "far", "{'spec':{'project':'other'}}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(refused_set(d, &t, cases[i].spec), cases[i].why);
    }
    assert_non_null(strstr(refused_set(d, &t,
                                       "'project':'shop','environment':'qa','releases':["
                                       "{'component':'web','release':'web-1'},"
                                       "{'component':'web','release':'web-1'}]"),
                           "spec.releases[1]"));
    (void)refused_set(d, &t,
                      "'project':'shop','environment':'qa','releases':[{'component':'web',"
                      "'release':'web-1'}]");
    assert_int_equal(t.rc, 0);
}

static void a_result_is_one_of_a_release(void **state)
{
    struct door *d = *state;
    struct write t;
    const char *good = "{'metadata':{'name':'t'},'spec':{'component':'web','release':'web-1',"
                       "'environment':'qa','test':'smoke','passed':true,'by':'eve'}}";
    const char *bad = "{'metadata':{'name':'u'},'spec':{'component':'web','release':'ghost',"
                      "'environment':'qa','test':'smoke','passed':true}}";
    write_as(d, &t, known("ci", "choreo:testers"), "testresults.choreo.dev", ADMIT_CREATE, "",
             good);
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.by, "\"ci\"");
    assert_string_equal(t.owner, "web-1");
    write_as(d, &t, known("ci", "choreo:testers"), "testresults.choreo.dev", ADMIT_CREATE, "", bad);
    assert_int_equal(t.rc, ERR_UNPROCESSABLE);
}

/* ---- runs that report a test ---- */

static void put_workflows(struct door *d)
{
    put(d, "clusterworkflows.choreo.dev", "ClusterWorkflow", "smoke",
        "{'spec':{'reportsTests':true,'runTemplate':{}}}");
    put(d, "clusterworkflows.choreo.dev", "ClusterWorkflow", "run-command",
        "{'spec':{'runTemplate':{}}}");
}

static const char *run_as(struct door *d, struct write *t, const char *group, const char *workflow,
                          const char *component, const char *release)
{
    char body[500];
    (void)snprintf(body, sizeof body,
                   "{'metadata':{'generateName':'r-'},'spec':{'workflow':%s,'owner':{%s},"
                   "'test':{'name':'smoke','environment':'qa','releaseName':'%s',"
                   "'releaseUID':'forged'}}}",
                   workflow, component, release);
    write_as(d, t, known("bob", group), "workflowruns.choreo.dev", ADMIT_CREATE, "", body);
    return t->message;
}

#define OF_WEB "'componentName':'web'"

static void a_run_reports_a_test_if_its_workflow_or_its_maker_may(void **state)
{
    struct door *d = *state;
    struct write t;
    put_workflows(d);
    (void)run_as(d, &t, "developers", "{'name':'smoke'}", OF_WEB, "web-1");
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.tested, "\"web-1\""); /* its uid, whatever was sent */
    (void)run_as(d, &t, "choreo:testers", "{'name':'run-command'}", OF_WEB, "web-1");
    assert_int_equal(t.rc, 0);
    (void)run_as(d, &t, "system:masters", "{'kind':'Workflow','name':'own'}", OF_WEB, "web-1");
    assert_int_equal(t.rc, 0);
}

static void nobody_passes_a_gate_with_a_command_of_their_own(void **state)
{
    static const char *const workflows[] = {"{'name':'run-command'}", "{'name':'ghost'}",
                                            "{'kind':'Workflow','name':'smoke'}",
                                            "{'group':'openchoreo.dev','name':'smoke'}"};
    struct door *d = *state;
    struct write t;
    put_workflows(d);
    for (size_t i = 0; i < sizeof workflows / sizeof *workflows; i++) {
        const char *why = run_as(d, &t, "developers", workflows[i], OF_WEB, "web-1");
        assert_int_equal(t.rc, ERR_FORBIDDEN);
        assert_non_null(strstr(why, "spec.test: \"bob\" may not write TestResults"));
    }
    assert_string_equal(run_as(d, &t, "developers", "{'name':'run-command'}", OF_WEB, "web-1"),
                        "spec.test: \"bob\" may not write TestResults (group choreo:testers may), "
                        "and ClusterWorkflow \"run-command\" is no ClusterWorkflow with "
                        "reportsTests: true");
}

static void a_run_tests_a_release_of_its_component(void **state)
{
    static const struct {
        const char *component, *release, *why;
    } cases[] = {
        {"", "web-1", "spec.owner.componentName: a run with spec.test says whose release it tests"},
        {OF_WEB, "ghost",
         "spec.test.releaseName: there is no release \"ghost\" in namespace \"default\""},
        {OF_WEB, "api-1",
         "spec.test.releaseName: release \"api-1\" is one of component \"api\", not of \"web\""},
    };
    struct door *d = *state;
    struct write t;
    put_workflows(d);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why = run_as(d, &t, "system:masters", "{'name':'smoke'}", cases[i].component,
                                 cases[i].release);
        assert_int_equal(t.rc, ERR_UNPROCESSABLE);
        assert_string_equal(why, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, door_teardown)
        TEST(a_set_that_can_go_nowhere_is_refused_by_its_field),
        TEST(a_resource_goes_where_its_pipeline_leads),
        TEST(an_approval_is_of_a_component_or_of_a_resource),
        TEST(a_binding_to_nowhere_is_refused),
        TEST(a_release_that_was_never_healthy_there_is_refused),
        TEST(bindings_of_others_are_not_read),
        TEST(a_release_of_another_component_is_refused),
        TEST(what_may_still_come_is_let_through),
        TEST(reads_that_fail_are_told),
        TEST(an_approver_approves_and_it_goes_with_the_release),
        TEST(nobody_approves_what_is_their_own),
        TEST(nobody_approves_what_may_be_their_own),
        TEST(in_another_s_name_it_is_one_s_own),
        TEST(what_needs_no_approval_takes_none),
        TEST(a_result_is_one_of_a_release),
        TEST(a_run_reports_a_test_if_its_workflow_or_its_maker_may),
        TEST(nobody_passes_a_gate_with_a_command_of_their_own),
        TEST(a_run_tests_a_release_of_its_component),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
