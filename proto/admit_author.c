/* Who wrote it, where that decides something: the authors of a release, who asked for a promotion,
 * who approved, who reports a test. Clients cannot say: the server fills it in from the request's
 * subject, and keeps it through every later write. Components and resources are alike in that.
 *
 * What decides with them is closed to clients too: the status of components, resources, bindings,
 * runs and RenderedReleases, and the RenderedReleases themselves, which are what goes to clusters.
 *
 * A component's authors are those who changed its spec since its last release: two who change it
 * before the controller has looked are both the authors of what comes of it. So they are of what
 * others are made of, as far as that says of itself that what came of it is well. */
#include "base/clock.h"
#include "proto/admit_internal.h"
#include "proto/promotion.h"
#include "proto/tree_internal.h"

#define RESOURCE_PROJECT "projects.choreo.dev"
#define RESOURCE_RENDERED "renderedreleases.choreo.dev"
#define RESOURCE_SET "releasesets.choreo.dev"
#define RESOURCE_APPROVAL "releaseapprovals.choreo.dev"
#define RESOURCE_TEST "testresults.choreo.dev"
#define RESOURCE_RUN "workflowruns.choreo.dev"
#define RESOURCE_OC_RUN "workflowruns.openchoreo.dev"
/* Of what components, resources, and their releases and bindings are made
 * (reconcile/controllers/openchoreo.h). The bindings' specs are as ours. */
static const char *const oc_sources[] = {
    "components.openchoreo.dev", "workloads.openchoreo.dev", "componentreleases.openchoreo.dev",
    "resources.openchoreo.dev", "resourcereleases.openchoreo.dev"};
static const char *const oc_bindings[] = {"releasebindings.openchoreo.dev",
                                          "resourcereleasebindings.openchoreo.dev"};

/* What says of itself of which types it was frozen: ours, and OpenChoreo's. */
static const char *const frozen[] = {
    "releases.choreo.dev", "resourcereleases.choreo.dev", "componentreleases.openchoreo.dev",
    "resourcereleases.openchoreo.dev", "projectreleases.openchoreo.dev"};

/* An annotation that is as it was, whatever was sent. */
static void annotation_keep(struct admit_result *result, const char *key)
{
    struct slice before = object_annotation(result->before, key);
    if (before.len > 0) {
        object_set_annotation(result->object, key, before);
    } else {
        object_remove_annotation(result->object, key);
    }
}

static bool spec_same(const struct admit_result *result)
{
    return result->before != NULL && json_equal(json_object_get(result->before, "spec"),
                                                json_object_get(result->object, "spec"));
}

static void stamp_owner(const struct admit_request *request, struct admit_result *result)
{
    annotation_keep(result, PROMOTION_AUTHORS);
    if (!spec_same(result)) {
        bool fresh = result->before == NULL || promotion_is_released(result->before);
        promotion_add_author(result->object, request->author->user, fresh);
    }
}

/* Has what was said in it become what it should? A Workload does not say, and so always has. */
static bool was_taken_up(const struct admit_request *request, const struct admit_result *result)
{
    const json_t *observed = json_at(result->before, "status", "observedGeneration", NULL);
    return result->before == NULL ||
           slice_eq_cstr(request->kind->resource, "workloads.openchoreo.dev") ||
           (json_integer_value(observed) == object_generation(result->before) &&
            object_condition_true(result->before, "Ready"));
}

/* Who changed it since then: what is made of it adds them to its own authors. */
static void stamp_source(const struct admit_request *request, struct admit_result *result)
{
    annotation_keep(result, PROMOTION_AUTHORS);
    if (!spec_same(result)) {
        promotion_add_author(result->object, request->author->user, was_taken_up(request, result));
    }
}

static bool same_at(const struct admit_result *result, const char *key)
{
    const json_t *before = json_at(result->before, "spec", key, NULL);
    const json_t *after = json_at(result->object, "spec", key, NULL);
    return before == after || (before != NULL && after != NULL && json_equal(before, after));
}

/* Who changed since then what is part of its components' releases. */
static void stamp_project(const struct admit_request *request, struct admit_result *result)
{
    annotation_keep(result, PROMOTION_AUTHORS);
    if (!same_at(result, "env") || !same_at(result, "files")) {
        promotion_add_author(result->object, request->author->user, was_taken_up(request, result));
    }
}

/* Of a release, and of a run, whose image becomes one: their specs never change. */
static void stamp_release(const struct admit_request *request, struct admit_result *result)
{
    annotation_keep(result, PROMOTION_AUTHORS);
    annotation_keep(result, PROMOTION_AUTHORS_BEFORE);
    if (result->before == NULL) {
        promotion_add_author(result->object, request->author->user, true);
    }
}

/* Is a field said anew? What is replaced as a whole says all that was there. */
static bool says(const struct admit_request *request, const char *key)
{
    bool merges = request->op == ADMIT_PATCH_MERGE || request->op == ADMIT_PATCH_STRATEGIC ||
                  request->op == ADMIT_APPLY;
    return merges && json_at(request->incoming, "spec", key, NULL) != NULL;
}

/* What was said of the former, and not again, is not said of what follows it. */
static void drop_former(const struct admit_request *request, struct admit_result *result,
                        const char *key)
{
    if (result->before != NULL && same_at(result, key) && !says(request, key)) {
        json_object_del(json_object_get(result->object, "spec"), key);
    }
}

/* Who binds another release, or asks for another attempt, is who is answerable for it. */
static void stamp_binding(const struct admit_request *request, struct admit_result *result)
{
    const char *release = promotion_track_of(result->object)->release;
    annotation_keep(result, PROMOTION_REQUESTED_BY);
    if (result->before != NULL && same_at(result, release) && same_at(result, "attempt")) {
        return;
    }
    object_set_annotation(result->object, PROMOTION_REQUESTED_BY, request->author->user);
    drop_former(request, result, "reason");
    drop_former(request, result, "releaseSet");
}

/* Its spec never changes: who makes it asks for all of it. */
static void stamp_set(const struct admit_request *request, struct admit_result *result)
{
    annotation_keep(result, PROMOTION_REQUESTED_BY);
    if (result->before == NULL) {
        object_set_annotation(result->object, PROMOTION_REQUESTED_BY, request->author->user);
    }
}

static void stamp_record(const struct admit_request *request, struct admit_result *result,
                         bool groups)
{
    json_t *spec = json_object_get(result->object, "spec");
    const json_t *before = json_object_get(result->before, "spec");
    if (!json_is_object(spec)) {
        return; /* which is refused for that */
    }
    if (before != NULL) {
        admit__take_member(spec, before, "releaseUID");
        admit__take_member(spec, before, "by");
        admit__take_member(spec, before, "groups");
        admit__take_member(spec, before, "at");
        admit__take_member(spec, before, "run");
        admit__take_member(spec, before, "notRun");
        return;
    }
    char now[21];
    clock_rfc3339(request->now_ms, now);
    (void)json_object_del(spec, "releaseUID"); /* the gate knows it (node/api/promotion.c) */
    (void)json_object_del(spec, "run");        /* a run reports by itself */
    (void)json_object_del(spec, "notRun");
    json_object_set_new(spec, "by", json_str(request->author->user));
    json_object_set_new(spec, "at", json_string(now));
    json_t *list = json_array();
    for (size_t i = 0; i < request->author->group_count; i++) {
        json_array_append_new(list, json_str(request->author->groups[i]));
    }
    if (groups) {
        json_object_set(spec, "groups", list);
    }
    json_decref(list);
}

/* What the control plane noted there, the image that a run is to make among it, and whose it is. */
static void keep_notes(struct admit_result *result)
{
    json_t *before = json_at(result->before, "metadata", "annotations", NULL);
    json_t *after = json_at(result->object, "metadata", "annotations", NULL);
    json_t *all = json_object();
    const char *key;
    json_t *value;
    (void)json_object_update(all, before);
    (void)json_object_update(all, after);
    json_object_foreach(all, key, value)
    {
        if (slice_starts_with(slice_of(key), SLICE("choreo.dev/"))) {
            annotation_keep(result, key);
        }
    }
    json_decref(all);
    admit__take_member(json_object_get(result->object, "metadata"),
                       json_object_get(result->before, "metadata"), "ownerReferences");
}

static bool among(struct slice resource, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && !slice_eq_cstr(resource, names[i])) {
        i++;
    }
    return i < count;
}

/* Types of the cluster may make more than those of a namespace (render/tenant.h): a client cannot
 * make one of its own by freezing it. */
static void stamp_by_hand(struct admit_result *result)
{
    annotation_keep(result, PROMOTION_BY_HAND);
    if (!spec_same(result)) {
        object_set_annotation(result->object, PROMOTION_BY_HAND, SLICE("true"));
    }
}

static void stamp(const struct admit_request *request, struct admit_result *result)
{
    struct slice resource = request->kind->resource;
    if (among(resource, frozen, sizeof frozen / sizeof *frozen)) {
        stamp_by_hand(result);
    }
    enum promotion_part part = promotion_part_of(resource);
    if (part == PROMOTION_OWNER) {
        stamp_owner(request, result);
    } else if (slice_eq_cstr(resource, RESOURCE_PROJECT)) {
        stamp_project(request, result);
    } else if (part == PROMOTION_RELEASE || slice_eq_cstr(resource, RESOURCE_RUN) ||
               slice_eq_cstr(resource, RESOURCE_OC_RUN)) {
        stamp_release(request, result);
    } else if (among(resource, oc_sources, sizeof oc_sources / sizeof *oc_sources)) {
        stamp_source(request, result);
    } else if (part == PROMOTION_BINDING ||
               among(resource, oc_bindings, sizeof oc_bindings / sizeof *oc_bindings)) {
        stamp_binding(request, result);
    } else if (slice_eq_cstr(resource, RESOURCE_SET)) {
        stamp_set(request, result);
    } else if (slice_eq_cstr(resource, RESOURCE_APPROVAL)) {
        stamp_record(request, result, true);
    } else if (slice_eq_cstr(resource, RESOURCE_TEST)) {
        stamp_record(request, result, false);
    }
}

int admit__stamp(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    if (request->author == NULL || request->sub == ADMIT_STATUS) {
        return 0;
    }
    if (slice_eq_cstr(request->kind->resource, RESOURCE_RENDERED) && !spec_same(result)) {
        return admit__fail(request, result, err, ERR_FORBIDDEN,
                           "%.*s are made by the control plane alone: change the ReleaseBinding",
                           SLICE_ARG(request->kind->resource));
    }
    if (slice_eq_cstr(request->kind->resource, RESOURCE_RENDERED)) {
        keep_notes(result);
    }
    stamp(request, result);
    return 0;
}

int admit__own_status(const struct admit_request *request, struct admit_result *result,
                      struct err *err)
{
    struct slice resource = request->kind->resource;
    enum promotion_part part = promotion_part_of(resource);
    bool own = part == PROMOTION_OWNER || part == PROMOTION_BINDING ||
               slice_eq_cstr(resource, RESOURCE_RENDERED) ||
               slice_eq_cstr(resource, RESOURCE_SET) || slice_eq_cstr(resource, RESOURCE_RUN);
    if (request->author == NULL || request->sub != ADMIT_STATUS || !own) {
        return 0;
    }
    return admit__fail(request, result, err, ERR_FORBIDDEN,
                       "the status of %.*s is the control plane's own: what runs is decided by it",
                       SLICE_ARG(resource));
}
