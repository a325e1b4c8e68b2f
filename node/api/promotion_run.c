/* promotion_run.c: a WorkflowRun with spec.test opens gates: who may make one?
 *
 *   its Release -> who may write TestResults: yes; others: its ClusterWorkflow says reportsTests
 *
 * Whoever makes a run says what it runs. So its outcome is worth what its maker's word is worth,
 * unless the workflow is one of the platform's own that was declared to be a test. Whose release it
 * is about is noted by uid, as with a TestResult. */
#include "node/api/promotion_internal.h"

#include "node/auth/auth.h"
#include "proto/promotion.h"

static struct slice test_text(const struct promotion_check *c, const char *key)
{
    return json_text(json_at(c->object, "spec", "test", key, NULL));
}

static struct slice workflow_text(const struct promotion_check *c, const char *key)
{
    return json_text(json_at(c->object, "spec", "workflow", key, NULL));
}

bool promotion__run_concerns(const json_t *after)
{
    return json_is_object(json_at(after, "spec", "test", NULL));
}

static bool may_write_results(const struct promotion_check *c)
{
    const struct auth_request asked = {.subject = c->subject,
                                       .verb = SLICE("create"),
                                       .group = SLICE("choreo.dev"),
                                       .resource = SLICE("testresults"),
                                       .ns = c->ns};
    return auth_allows(&asked);
}

/* One of ours, of the cluster: kind and group are that by default. */
static bool is_platforms(const struct promotion_check *c)
{
    struct slice kind = workflow_text(c, "kind");
    struct slice group = workflow_text(c, "group");
    return (kind.len == 0 || slice_eq_cstr(kind, "ClusterWorkflow")) &&
           (group.len == 0 || slice_eq_cstr(group, "choreo.dev"));
}

static void forbid(struct promotion_check *c)
{
    struct buf why = {0};
    struct slice kind = workflow_text(c, "kind");
    buf_addf(&why,
             "spec.test: \"%.*s\" may not write TestResults (group " GROUP_TESTER
             " may), and %.*s \"%.*s\" is no ClusterWorkflow with reportsTests: true",
             SLICE_ARG(c->subject->user), SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterWorkflow")),
             SLICE_ARG(workflow_text(c, "name")));
    promotion__refuse(c, ERR_FORBIDDEN, &why);
}

static void took_release(struct promotion_check *c)
{
    struct slice of = promotion_owner(c->release);
    struct slice owner = promotion_owner(c->object);
    struct buf why = {0};
    if (!slice_eq(of, owner)) {
        buf_addf(&why,
                 "spec.test.releaseName: release \"%.*s\" is one of component \"%.*s\", not of "
                 "\"%.*s\"",
                 SLICE_ARG(test_text(c, "releaseName")), SLICE_ARG(of), SLICE_ARG(owner));
        promotion__refuse(c, ERR_UNPROCESSABLE, &why);
        return;
    }
    json_object_set_new(json_at(c->object, "spec", "test", NULL), "releaseUID",
                        json_str(object_uid(c->release)));
    if (may_write_results(c)) {
        promotion__end(c, 0);
    } else if (is_platforms(c)) {
        c->step = READ_WORKFLOW;
        promotion__read_shared(c, "clusterworkflows.choreo.dev", workflow_text(c, "name"));
    } else {
        forbid(c);
    }
}

void promotion__run_took(struct promotion_check *c)
{
    if ((enum promotion_step)c->step == READ_RELEASE) {
        took_release(c);
    } else if (json_is_true(json_at(c->workflow, "spec", "reportsTests", NULL))) {
        promotion__end(c, 0);
    } else {
        forbid(c);
    }
}

void promotion__run_missing(struct promotion_check *c)
{
    struct buf why = {0};
    if ((enum promotion_step)c->step != READ_RELEASE) {
        forbid(c);
        return;
    }
    buf_addf(&why, "spec.test.releaseName: there is no release \"%.*s\" in namespace \"%.*s\"",
             SLICE_ARG(test_text(c, "releaseName")), SLICE_ARG(c->ns));
    promotion__refuse(c, ERR_UNPROCESSABLE, &why);
}

void promotion__run_start(struct promotion_check *c)
{
    struct buf why = {0};
    if (promotion_owner(c->object).len == 0) {
        buf_add_cstr(&why, "spec.owner.componentName: a run with spec.test says whose release it "
                           "tests");
        promotion__refuse(c, ERR_UNPROCESSABLE, &why);
        return;
    }
    c->step = READ_RELEASE;
    promotion__read(c, "releases.choreo.dev", test_text(c, "releaseName"));
}
