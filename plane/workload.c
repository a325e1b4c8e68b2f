/* workload.c: statuses of a simulated cluster's workloads (their children: workload_children.c).
 *
 * A workload whose images exist is ready delay_ms after its generation was first seen; until then
 * it shows what a rollout shows: the old replicas still available, none updated. One with an image
 * that never becomes ready stays there until its progress deadline, and then says so.
 * Invariant: looking twice at the same time changes nothing the second time. */
#include "plane/workload.h"

#include <stdio.h>

#include "base/clock.h"
#include "plane/workload_internal.h"
#include "proto/object.h"

enum { PROGRESS_DEADLINE_S = 600, REPLICAS_MAX = 1000000 };

const char *const workload_resources[WORKLOAD_KINDS] = {
    [WORKLOAD_DEPLOYMENT] = "deployments.apps",
    [WORKLOAD_STATEFUL_SET] = "statefulsets.apps",
    [WORKLOAD_DAEMON_SET] = "daemonsets.apps",
    [WORKLOAD_REPLICA_SET] = "replicasets.apps",
    [WORKLOAD_JOB] = "jobs.batch",
    [WORKLOAD_CRON_JOB] = "cronjobs.batch",
    [WORKLOAD_POD] = "pods",
    [WORKLOAD_SERVICE] = "services",
    [WORKLOAD_CLAIM] = "persistentvolumeclaims",
    [WORKLOAD_POSTGRES] = "clusters.postgresql.cnpg.io",
    [WORKLOAD_REDIS] = "redisreplications.redis.redis.opstreelabs.in",
    [WORKLOAD_ARGO] = "workflows.argoproj.io",
};

bool workload_is_one(struct slice resource)
{
    size_t i = 0;
    while (i < WORKLOAD_KINDS && !slice_eq_cstr(resource, workload_resources[i])) {
        i++;
    }
    return i < WORKLOAD_KINDS;
}

bool workload_matches(const char *pattern, struct slice text)
{
    const char *p = pattern;
    size_t at = 0;
    const char *star = NULL;
    size_t star_at = 0;
    while (at < text.len) {
        if (*p == '*') {
            star = p++;
            star_at = at;
        } else if (*p == text.data[at]) {
            p++;
            at++;
        } else if (star != NULL) {
            p = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*p == '*') {
        p++;
    }
    return *p == '\0';
}

int64_t workload__number(const json_t *section, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(section, key);
    int64_t n = json_is_integer(v) ? json_integer_value(v) : otherwise;
    return n < 0 ? 0 : n > REPLICAS_MAX ? REPLICAS_MAX : n;
}

static void set_number(json_t *section, const char *key, int64_t value)
{
    json_object_set_new(section, key, json_integer(value));
}

/* Zero is said by absence, as Kubernetes does. */
static void set_count(json_t *section, const char *key, int64_t value)
{
    if (value == 0) {
        (void)json_object_del(section, key);
    } else {
        set_number(section, key, value);
    }
}

static void set_time(json_t *section, const char *key, uint64_t wall_ms)
{
    char text[21];
    clock_rfc3339(wall_ms, text);
    json_object_set_new(section, key, json_string(text));
}

/* ---- is it ready? ---- */

static const json_t *pod_spec(enum workload_kind kind, const json_t *object)
{
    return kind == WORKLOAD_POD ? json_object_get(object, "spec")
                                : json_at(object, "spec", "template", "spec", NULL);
}

/* The first image that never becomes ready, or empty. */
static struct slice bad_image(enum workload_kind kind, const json_t *object,
                              const struct workload_view *view)
{
    const json_t *containers = json_object_get(pod_spec(kind, object), "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        struct slice image = json_text_at(json_array_get(containers, i), "image");
        for (const char *const *p = view->never_ready; p != NULL && *p != NULL; p++) {
            if (workload_matches(*p, image)) {
                return image;
            }
        }
    }
    return SLICE("");
}

static bool is_ready(enum workload_kind kind, const json_t *object,
                     const struct workload_view *view, uint64_t *next_ms)
{
    if (view->since_ms == 0) {
        return true;
    }
    if (bad_image(kind, object, view).len > 0) {
        return false;
    }
    uint64_t at = view->since_ms + view->delay_ms;
    if (view->now_ms < at) {
        *next_ms = at;
        return false;
    }
    return true;
}

/* ---- one kind after the other ---- */

/* Kubernetes' workloads do not say of which generation a condition speaks. */
static void set_condition(json_t *object, const char *type, const char *status, const char *reason,
                          const char *message, uint64_t now_ms)
{
    (void)object_set_condition(object, type, status, reason, message, now_ms);
    json_t *conditions = json_at(object, "status", "conditions", NULL);
    size_t i;
    json_t *condition;
    json_array_foreach(conditions, i, condition)
    {
        (void)json_object_del(condition, "observedGeneration");
    }
}

static void look_deployment_conditions(json_t *object, const struct workload_view *view, bool ready,
                                       int64_t available, uint64_t *next_ms)
{
    uint64_t deadline_s = (uint64_t)workload__number(
        json_object_get(object, "spec"), "progressDeadlineSeconds", PROGRESS_DEADLINE_S);
    uint64_t deadline = view->since_ms + deadline_s * 1000;
    bool stuck = !ready && view->now_ms >= deadline;
    if (!ready && !stuck && *next_ms == 0) {
        *next_ms = deadline;
    }
    bool enough = ready || available > 0;
    set_condition(object, "Available", enough ? "True" : "False",
                  enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                  enough ? "Deployment has minimum availability."
                         : "Deployment does not have minimum availability.",
                  view->now_ms);
    set_condition(object, "Progressing", stuck ? "False" : "True",
                  stuck   ? "ProgressDeadlineExceeded"
                  : ready ? "NewReplicaSetAvailable"
                          : "ReplicaSetUpdated",
                  stuck
                      ? "The new ReplicaSet has timed out progressing: its image cannot be pulled."
                  : ready ? "The new ReplicaSet has successfully progressed."
                          : "The new ReplicaSet is progressing.",
                  view->now_ms);
}

static void look_deployment(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    int64_t wanted = workload__number(json_object_get(object, "spec"), "replicas", 1);
    bool ready = is_ready(WORKLOAD_DEPLOYMENT, object, view, next_ms);
    int64_t before = workload__number(status, "availableReplicas", 0);
    int64_t available = ready || before > wanted ? wanted : before;
    set_number(status, "observedGeneration", object_generation(object));
    set_count(status, "replicas", wanted);
    set_count(status, "updatedReplicas", ready ? wanted : 0);
    set_count(status, "readyReplicas", available);
    set_count(status, "availableReplicas", available);
    set_count(status, "unavailableReplicas", wanted - available);
    look_deployment_conditions(object, view, ready, available, next_ms);
}

static void look_stateful_set(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    int64_t wanted = workload__number(json_object_get(object, "spec"), "replicas", 1);
    bool ready = is_ready(WORKLOAD_STATEFUL_SET, object, view, next_ms);
    int64_t before = workload__number(status, "readyReplicas", 0);
    int64_t now = ready || before > wanted ? wanted : before;
    set_number(status, "observedGeneration", object_generation(object));
    set_number(status, "replicas", wanted);
    set_count(status, "currentReplicas", now);
    set_count(status, "updatedReplicas", ready ? wanted : 0);
    set_count(status, "readyReplicas", now);
    set_number(status, "availableReplicas", now);
}

static void look_daemon_set(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    bool ready = is_ready(WORKLOAD_DAEMON_SET, object, view, next_ms);
    int64_t now = ready ? WORKLOAD_NODES : workload__number(status, "numberReady", 0);
    set_number(status, "observedGeneration", object_generation(object));
    set_number(status, "desiredNumberScheduled", WORKLOAD_NODES);
    set_number(status, "currentNumberScheduled", WORKLOAD_NODES);
    set_number(status, "numberMisscheduled", 0);
    set_number(status, "numberReady", now);
    set_count(status, "numberAvailable", now);
    set_count(status, "updatedNumberScheduled", ready ? WORKLOAD_NODES : 0);
}

static void look_replica_set(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    int64_t wanted = workload__number(json_object_get(object, "spec"), "replicas", 1);
    bool ready = is_ready(WORKLOAD_REPLICA_SET, object, view, next_ms);
    set_number(status, "observedGeneration", object_generation(object));
    set_number(status, "replicas", wanted);
    set_count(status, "fullyLabeledReplicas", wanted);
    set_count(status, "readyReplicas", ready ? wanted : 0);
    set_count(status, "availableReplicas", ready ? wanted : 0);
}

static void end_job(json_t *object, const struct workload_view *view, bool fails)
{
    json_t *status = json_child(object, "status");
    if (fails) {
        set_condition(object, "Failed", "True", "BackoffLimitExceeded",
                      "Job has reached the specified backoff limit", view->now_ms);
    } else {
        set_time(status, "completionTime", view->now_ms);
        set_condition(object, "Complete", "True", "CompletionsReached",
                      "Reached expected number of succeeded pods", view->now_ms);
    }
}

/* The cluster ends it, if nothing else did. */
static bool is_late(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    const json_t *limit = json_at(object, "spec", "activeDeadlineSeconds", NULL);
    uint64_t end_ms = view->since_ms + (uint64_t)json_integer_value(limit) * 1000;
    if (!json_is_integer(limit) || view->now_ms < end_ms) {
        if (json_is_integer(limit) && *next_ms == 0) {
            *next_ms = end_ms;
        }
        return false;
    }
    json_t *status = json_child(object, "status");
    set_count(status, "active", 0);
    set_count(status, "failed", 1);
    set_condition(object, "Failed", "True", "DeadlineExceeded",
                  "Job was active longer than specified deadline", view->now_ms);
    *next_ms = 0;
    return true;
}

static void look_job(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    const json_t *spec = json_object_get(object, "spec");
    json_t *status = json_child(object, "status");
    if (workload_settled(WORKLOAD_JOB, object)) {
        return;
    }
    if (json_is_true(json_object_get(spec, "suspend"))) {
        set_condition(object, "Suspended", "True", "JobSuspended", "Job suspended", view->now_ms);
        return;
    }
    int64_t completions = workload__number(spec, "completions", 1);
    const json_t *annotations = json_at(spec, "template", "metadata", "annotations", NULL);
    struct workload_view own = *view;
    own.delay_ms = workload__run_ms(annotations, view->delay_ms);
    bool ready = is_ready(WORKLOAD_JOB, object, &own, next_ms);
    bool fails = workload__fails(annotations);
    if (json_object_get(status, "startTime") == NULL) {
        set_time(status, "startTime", view->since_ms);
    }
    set_count(status, "active", ready ? 0 : workload__number(spec, "parallelism", 1));
    set_count(status, "succeeded", ready && !fails ? completions : 0);
    set_count(status, "failed", ready && fails ? 1 : 0);
    if (ready) {
        end_job(object, view, fails);
    } else {
        (void)is_late(object, view, next_ms);
    }
}

bool workload__runs_to_its_end(const json_t *pod)
{
    const json_t *owners = json_at(pod, "metadata", "ownerReferences", NULL);
    struct slice kind = json_text_at(json_array_get(owners, 0), "kind");
    return slice_eq_cstr(kind, "Job") || slice_eq_cstr(kind, "Workflow");
}

static void look_containers(const json_t *object, json_t *status, const struct workload_view *view,
                            bool ready, bool ends)
{
    const json_t *containers = json_at(object, "spec", "containers", NULL);
    char since[21];
    clock_rfc3339(view->since_ms > 0 ? view->since_ms + view->delay_ms : view->now_ms, since);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *c = json_array_get(containers, i);
        json_t *state =
            !ready ? json_pack("{s:{s:s}}", "waiting", "reason",
                               bad_image(WORKLOAD_POD, object, view).len > 0 ? "ImagePullBackOff"
                                                                             : "ContainerCreating")
            : ends ? json_pack("{s:{s:i, s:s, s:s}}", "terminated", "exitCode", 0, "reason",
                               "Completed", "finishedAt", since)
                   : json_pack("{s:{s:s}}", "running", "startedAt", since);
        json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:b, s:i, s:o, s:s}", "name",
                                              json_str(json_text_at(c, "name")), "image",
                                              json_str(json_text_at(c, "image")), "ready",
                                              ready && !ends, "started", ready && !ends,
                                              "restartCount", 0, "state", state, "imageID", ""));
    }
    json_object_set_new(status, "containerStatuses", list);
}

/* A pod that ran to its end says so for ever. */
static bool has_ended(const json_t *status)
{
    struct slice phase = json_text_at(status, "phase");
    return slice_eq_cstr(phase, "Succeeded") || slice_eq_cstr(phase, "Failed");
}

static void look_pod(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    bool ends = workload__runs_to_its_end(object);
    if (ends && has_ended(status)) {
        return;
    }
    bool ready = is_ready(WORKLOAD_POD, object, view, next_ms);
    uint64_t hash = slice_hash(object_uid(object));
    char ip[32];
    (void)snprintf(ip, sizeof ip, "10.%u.%u.%u", 128 + (unsigned)(hash % 64),
                   (unsigned)(hash >> 8 & 255), 1 + (unsigned)(hash >> 16) % 254);
    const char *ready_text = ready && !ends ? "True" : "False";
    json_object_set_new(status, "phase",
                        json_string(!ready ? "Pending"
                                    : ends ? "Succeeded"
                                           : "Running"));
    json_object_set_new(status, "podIP", json_string(ip));
    json_object_set_new(status, "hostIP", json_string("192.0.2.1"));
    if (json_object_get(status, "startTime") == NULL) {
        set_time(status, "startTime", view->since_ms);
    }
    const char *reason = ready && ends ? "PodCompleted" : ready ? "" : "ContainersNotReady";
    set_condition(object, "PodScheduled", "True", "", "", view->now_ms);
    set_condition(object, "Initialized", "True", "", "", view->now_ms);
    set_condition(object, "ContainersReady", ready_text, reason, "", view->now_ms);
    set_condition(object, "Ready", ready_text, reason, "", view->now_ms);
    look_containers(object, status, view, ready, ends);
    if (ends && view->since_ms > 0 && bad_image(WORKLOAD_POD, object, view).len == 0) {
        workload__look_run_pod(object, status, view, next_ms);
    }
}

static void look_service(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *spec = json_child(object, "spec");
    uint64_t hash = slice_hash(object_uid(object));
    char ip[32];
    if (spec == NULL || slice_eq_cstr(json_text_at(spec, "type"), "ExternalName")) {
        return;
    }
    if (json_text_at(spec, "clusterIP").len == 0) {
        (void)snprintf(ip, sizeof ip, "10.96.%u.%u", (unsigned)(hash & 255),
                       1 + (unsigned)(hash >> 8) % 254);
        json_object_set_new(spec, "clusterIP", json_string(ip));
    }
    json_t *status = json_child(object, "status");
    if (slice_eq_cstr(json_text_at(spec, "type"), "LoadBalancer")) {
        if (is_ready(WORKLOAD_SERVICE, object, view, next_ms)) {
            (void)snprintf(ip, sizeof ip, "203.0.113.%u", 1 + (unsigned)(hash >> 16) % 254);
            json_object_set_new(status, "loadBalancer",
                                json_pack("{s:[{s:s}]}", "ingress", "ip", ip));
        }
    } else if (json_object_get(status, "loadBalancer") == NULL) {
        json_object_set_new(status, "loadBalancer", json_object());
    }
}

static bool claim_has_its_size(const json_t *claim)
{
    const json_t *wanted = json_at(claim, "spec", "resources", "requests", "storage", NULL);
    return wanted == NULL ||
           json_equal(wanted, json_at(claim, "status", "capacity", "storage", NULL));
}

static void look_claim(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    bool ready = is_ready(WORKLOAD_CLAIM, object, view, next_ms);
    bool bound = slice_eq_cstr(json_text_at(status, "phase"), "Bound");
    const json_t *requests = json_at(object, "spec", "resources", "requests", NULL);
    json_object_set_new(status, "phase", json_string(ready || bound ? "Bound" : "Pending"));
    if (ready && requests != NULL) {
        json_object_set_new(status, "capacity", json_deep_copy(requests));
        (void)json_object_del(status, "conditions");
    } else if (bound && !claim_has_its_size(object)) {
        set_condition(object, "Resizing", "True", "", "", view->now_ms);
    }
}

/* Operators make pods of their own, which nobody here asks for. */
static void look_postgres(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    int64_t wanted = workload__number(json_object_get(object, "spec"), "instances", 1);
    bool ready = is_ready(WORKLOAD_POSTGRES, object, view, next_ms);
    set_number(status, "instances", wanted);
    set_count(status, "readyInstances", ready ? wanted : 0);
    json_object_set_new(status, "phase",
                        json_string(ready ? "Cluster in healthy state" : "Setting up primary"));
    set_condition(object, "Ready", ready ? "True" : "False",
                  ready ? "ClusterIsReady" : "ClusterIsNotReady",
                  ready ? "Cluster is Ready" : "Cluster Is Not Ready", view->now_ms);
}

static void look_redis(json_t *object, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(object, "status");
    if (is_ready(WORKLOAD_REDIS, object, view, next_ms)) {
        struct buf name = {0};
        buf_addf(&name, "%.*s-0", SLICE_ARG(object_name(object)));
        json_object_set_new(status, "masterNode", json_str(buf_slice(&name)));
        buf_free(&name);
    }
}

static bool replicas_settled(const json_t *object, const char *ready)
{
    const json_t *status = json_object_get(object, "status");
    return workload__number(status, "observedGeneration", 0) == object_generation(object) &&
           workload__number(status, ready, 0) >=
               workload__number(json_object_get(object, "spec"), "replicas", 1);
}

bool workload_settled(enum workload_kind kind, const json_t *object)
{
    const json_t *status = json_object_get(object, "status");
    switch (kind) {
    case WORKLOAD_DEPLOYMENT:
    case WORKLOAD_STATEFUL_SET:
        return replicas_settled(object, "updatedReplicas");
    case WORKLOAD_REPLICA_SET:
        return replicas_settled(object, "readyReplicas");
    case WORKLOAD_DAEMON_SET:
        return workload__number(status, "observedGeneration", 0) == object_generation(object) &&
               workload__number(status, "updatedNumberScheduled", 0) == WORKLOAD_NODES;
    case WORKLOAD_JOB:
        return object_condition_true(object, "Complete") || object_condition_true(object, "Failed");
    case WORKLOAD_POD:
        return workload__runs_to_its_end(object)
                   ? has_ended(status)
                   : json_text_at(status, "phase").len > 0 &&
                         !slice_eq_cstr(json_text_at(status, "phase"), "Pending");
    case WORKLOAD_ARGO:
        return has_ended(status);
    case WORKLOAD_SERVICE:
        return json_object_get(json_object_get(status, "loadBalancer"), "ingress") != NULL;
    case WORKLOAD_CLAIM:
        return slice_eq_cstr(json_text_at(status, "phase"), "Bound") && claim_has_its_size(object);
    case WORKLOAD_POSTGRES:
        return object_condition_true(object, "Ready");
    case WORKLOAD_REDIS:
        return json_text_at(status, "masterNode").len > 0;
    case WORKLOAD_CRON_JOB:
    case WORKLOAD_KINDS:
        break;
    }
    return false;
}

bool workload_look(enum workload_kind kind, json_t *object, const struct workload_view *view,
                   uint64_t *next_ms)
{
    static void (*const looks[WORKLOAD_KINDS])(json_t *, const struct workload_view *,
                                               uint64_t *) = {
        [WORKLOAD_DEPLOYMENT] = look_deployment,
        [WORKLOAD_STATEFUL_SET] = look_stateful_set,
        [WORKLOAD_DAEMON_SET] = look_daemon_set,
        [WORKLOAD_REPLICA_SET] = look_replica_set,
        [WORKLOAD_JOB] = look_job,
        [WORKLOAD_POD] = look_pod,
        [WORKLOAD_SERVICE] = look_service,
        [WORKLOAD_CLAIM] = look_claim,
        [WORKLOAD_POSTGRES] = look_postgres,
        [WORKLOAD_REDIS] = look_redis,
        [WORKLOAD_ARGO] = workload__look_argo,
    };
    *next_ms = 0;
    if (looks[kind] == NULL || object_deleting(object) || json_child(object, "status") == NULL) {
        return false;
    }
    json_t *before = json_deep_copy(object);
    looks[kind](object, view, next_ms);
    bool changed = !json_equal(before, object);
    json_decref(before);
    return changed;
}
