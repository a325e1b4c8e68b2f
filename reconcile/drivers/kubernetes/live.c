/* live.c: health, fingerprints and comparison of Kubernetes objects.
 *
 * Health follows what `kubectl rollout status` looks at: a workload is healthy when the controller
 * has seen the newest spec and as many replicas as wanted are updated and available; degraded when
 * the cluster itself says that it will not get there. */
#include "reconcile/drivers/kubernetes/live.h"

#include <string.h>

#include "proto/object.h"
#include "proto/schema.h"

static int64_t number(const json_t *o, const char *section, const char *key, int64_t otherwise)
{
    const json_t *v = json_at(o, section, key, NULL);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static const json_t *condition(const json_t *live, const char *type, const char *status)
{
    const json_t *c = object_condition(live, type);
    return slice_eq_cstr(json_text_at(c, "status"), status) ? c : NULL;
}

static bool not_observed(const json_t *live)
{
    return number(live, "status", "observedGeneration", 0) < object_generation(live);
}

static enum world_health replicas_health(const json_t *live, struct buf *message,
                                         const char *updated_key, const char *ready_key)
{
    const json_t *stuck = condition(live, "Progressing", "False");
    const json_t *refused = condition(live, "ReplicaFailure", "True");
    int64_t wanted = number(live, "spec", "replicas", 1);
    int64_t updated = number(live, "status", updated_key, 0);
    int64_t ready = number(live, "status", ready_key, 0);
    if (stuck != NULL || refused != NULL) {
        const json_t *c = refused != NULL ? refused : stuck;
        struct slice why = json_text_at(c, "message");
        bool quota = slice_find(why, SLICE("exceeded quota")) != SIZE_MAX;
        buf_addf(message, "%s%.*s (%.*s)",
                 quota ? "the quota of its environment leaves no room for it: " : "",
                 SLICE_ARG(why), SLICE_ARG(json_text_at(c, "reason")));
        return HEALTH_DEGRADED;
    }
    if (not_observed(live)) {
        buf_add_cstr(message, "the cluster has not looked at it yet");
        return HEALTH_PROGRESSING;
    }
    int64_t all = number(live, "status", "replicas", ready);
    if (updated >= wanted && ready >= wanted && all <= updated) {
        return HEALTH_HEALTHY;
    }
    if (updated < wanted || all > updated) {
        buf_addf(message, "%lld of %lld replicas are updated", (long long)updated,
                 (long long)wanted);
    } else {
        buf_addf(message, "%lld of %lld replicas are available", (long long)ready,
                 (long long)wanted);
    }
    return HEALTH_PROGRESSING;
}

static enum world_health daemon_health(const json_t *live, struct buf *message)
{
    int64_t wanted = number(live, "status", "desiredNumberScheduled", 0);
    int64_t updated = number(live, "status", "updatedNumberScheduled", 0);
    int64_t ready = number(live, "status", "numberAvailable", 0);
    if (!not_observed(live) && updated >= wanted && ready >= wanted) {
        return HEALTH_HEALTHY;
    }
    buf_addf(message, "%lld of %lld pods are available", (long long)ready, (long long)wanted);
    return HEALTH_PROGRESSING;
}

static enum world_health job_health(const json_t *live, struct buf *message)
{
    const json_t *failed = condition(live, "Failed", "True");
    if (failed != NULL) {
        buf_addf(message, "%.*s", SLICE_ARG(json_text_at(failed, "message")));
        return HEALTH_DEGRADED;
    }
    if (condition(live, "Complete", "True") != NULL) {
        return HEALTH_HEALTHY;
    }
    buf_add_cstr(message, "has not completed yet");
    return HEALTH_PROGRESSING;
}

static enum world_health phase_health(const json_t *live, struct buf *message)
{
    struct slice phase = json_text(json_at(live, "status", "phase", NULL));
    if (slice_eq_cstr(phase, "Failed") || slice_eq_cstr(phase, "Lost")) {
        buf_addf(message, "phase %.*s", SLICE_ARG(phase));
        return HEALTH_DEGRADED;
    }
    if (slice_eq_cstr(phase, "Pending") || slice_eq_cstr(phase, "Terminating")) {
        buf_addf(message, "phase %.*s", SLICE_ARG(phase));
        return HEALTH_PROGRESSING;
    }
    return HEALTH_HEALTHY;
}

/* Argo's, whose kind is called like ours. */
static enum world_health workflow_health(const json_t *live, struct buf *message)
{
    struct slice phase = json_text(json_at(live, "status", "phase", NULL));
    if (slice_eq_cstr(phase, "Succeeded")) {
        return HEALTH_HEALTHY;
    }
    bool failed = slice_eq_cstr(phase, "Failed") || slice_eq_cstr(phase, "Error");
    struct slice why = json_text(json_at(live, "status", "message", NULL));
    if (why.len > 0) {
        buf_add(message, why);
    } else {
        buf_addf(message, "phase %.*s", SLICE_ARG(phase.len > 0 ? phase : SLICE("Pending")));
    }
    return failed ? HEALTH_DEGRADED : HEALTH_PROGRESSING;
}

enum world_health live_health(const json_t *live, struct buf *message)
{
    struct slice kind = object_kind(live);
    if (object_deleting(live)) {
        buf_add_cstr(message, "is being deleted on the cluster");
        return HEALTH_PROGRESSING;
    }
    if (slice_eq_cstr(kind, "Deployment")) {
        return replicas_health(live, message, "updatedReplicas", "availableReplicas");
    }
    if (slice_eq_cstr(kind, "StatefulSet")) {
        return replicas_health(live, message, "updatedReplicas", "readyReplicas");
    }
    if (slice_eq_cstr(kind, "DaemonSet")) {
        return daemon_health(live, message);
    }
    if (slice_eq_cstr(kind, "Job")) {
        return job_health(live, message);
    }
    if (slice_eq_cstr(kind, "Workflow") &&
        slice_starts_with(object_api_version(live), SLICE("argoproj.io/"))) {
        return workflow_health(live, message);
    }
    if (slice_eq_cstr(kind, "Namespace") || slice_eq_cstr(kind, "PersistentVolumeClaim") ||
        slice_eq_cstr(kind, "Pod")) {
        return phase_health(live, message);
    }
    return HEALTH_HEALTHY;
}

void live_held(const json_t *live, struct buf *why)
{
    static const char *const of_namespaces[] = {"NamespaceFinalizersRemaining",
                                                "NamespaceContentRemaining"};
    const json_t *finalizers = json_at(live, "metadata", "finalizers", NULL);
    size_t count = json_array_size(finalizers);
    for (size_t i = 0; i < count; i++) {
        buf_addf(why, "%s%.*s", i == 0 ? ": its finalizers hold it: " : ", ",
                 SLICE_ARG(json_text(json_array_get(finalizers, i))));
    }
    for (size_t i = 0; count == 0 && i < 2 && why->len == 0; i++) {
        struct slice message = json_text_at(condition(live, of_namespaces[i], "True"), "message");
        buf_addf(why, "%s%.*s", message.len > 0 ? ": " : "", SLICE_ARG(message));
    }
}

static uint32_t count_of(const json_t *live, const char *section, const char *key,
                         int64_t otherwise)
{
    int64_t n = number(live, section, key, otherwise);
    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

bool live_replicas(const json_t *live, uint32_t *wanted, uint32_t *ready)
{
    struct slice kind = object_kind(live);
    if (!slice_starts_with(object_api_version(live), SLICE("apps/"))) {
        return false;
    }
    if (slice_eq_cstr(kind, "Deployment") || slice_eq_cstr(kind, "StatefulSet")) {
        *wanted = count_of(live, "spec", "replicas", 1);
        *ready = count_of(live, "status", "readyReplicas", 0);
        return true;
    }
    if (slice_eq_cstr(kind, "DaemonSet")) {
        *wanted = count_of(live, "status", "desiredNumberScheduled", 0);
        *ready = count_of(live, "status", "numberReady", 0);
        return true;
    }
    return false;
}

bool live_may_keep_replicas(const json_t *manifest)
{
    struct slice kind = object_kind(manifest);
    return slice_starts_with(object_api_version(manifest), SLICE("apps/")) &&
           (slice_eq_cstr(kind, "Deployment") || slice_eq_cstr(kind, "StatefulSet")) &&
           json_at(manifest, "spec", "replicas", NULL) == NULL;
}

/* Who says how many there are: we alone, by applying them. Of the scale's manager it is the same
 * field (metadata.managedFields[].subresource). */
static bool replicas_are_ours(const json_t *live)
{
    const json_t *managers = json_at(live, "metadata", "managedFields", NULL);
    bool ours = false;
    for (size_t i = 0; i < json_array_size(managers); i++) {
        const json_t *one = json_array_get(managers, i);
        if (json_at(one, "fieldsV1", "f:spec", "f:replicas", NULL) == NULL) {
            continue;
        }
        if (!slice_eq_cstr(json_text_at(one, "manager"), DRIVER_FIELD_MANAGER) ||
            !slice_eq_cstr(json_text_at(one, "operation"), "Apply")) {
            return false;
        }
        ours = true;
    }
    return ours;
}

bool live_kept_replicas(const json_t *live, const json_t *manifest, int64_t *replicas)
{
    const json_t *now = json_at(live, "spec", "replicas", NULL);
    if (!live_may_keep_replicas(manifest) || !json_is_integer(now) || !replicas_are_ours(live)) {
        return false;
    }
    *replicas = json_integer_value(now);
    return true;
}

uint64_t live_fingerprint(const json_t *live)
{
    static const char *const bookkeeping[] = {"resourceVersion", "managedFields", "generation",
                                              "selfLink", "creationTimestamp"};
    json_t *copy = json_copy((json_t *)(uintptr_t)live);
    json_t *metadata = json_copy(json_object_get(live, "metadata"));
    json_object_del(copy, "status");
    for (size_t i = 0; i < sizeof(bookkeeping) / sizeof(bookkeeping[0]); i++) {
        json_object_del(metadata, bookkeeping[i]);
    }
    /* A Deployment's controller counts its rollouts in an annotation. */
    json_t *annotations = json_copy(json_object_get(metadata, "annotations"));
    if (annotations != NULL) {
        json_object_del(annotations, "deployment.kubernetes.io/revision");
        json_object_set_new(metadata, "annotations", annotations);
    }
    if (metadata != NULL) {
        json_object_set_new(copy, "metadata", metadata);
    }
    struct buf bytes = {0};
    json_canonical(copy, &bytes);
    uint64_t hash = slice_hash(buf_slice(&bytes));
    buf_free(&bytes);
    json_decref(copy);
    return hash;
}

static bool scalar_satisfies(const json_t *live, const json_t *wanted)
{
    if (json_equal(live, wanted)) {
        return true;
    }
    if (json_is_number(live) && json_is_number(wanted)) {
        double gap = json_number_value(live) - json_number_value(wanted);
        return gap > -1e-9 && gap < 1e-9;
    }
    if (!json_is_string(live) || !(json_is_string(wanted) || json_is_number(wanted))) {
        return false;
    }
    int64_t a;
    int64_t b;
    char digits[32];
    struct slice text = json_text(wanted);
    if (json_is_integer(wanted)) {
        snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(wanted));
        text = slice_of(digits);
    }
    return schema_quantity_milli(json_text(live), &a) && schema_quantity_milli(text, &b) && a == b;
}

static bool satisfies(const json_t *live, const json_t *wanted, int depth)
{
    if (depth > JSON_DEPTH_MAX) {
        return false;
    }
    if (json_is_object(wanted)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
        {
            const json_t *there = json_object_get(live, key);
            bool empty = json_is_null(value) ||
                         (json_is_object(value) && json_object_size(value) == 0) ||
                         (json_is_array(value) && json_array_size(value) == 0);
            if (!(there == NULL && empty) && !satisfies(there, value, depth + 1)) {
                return false;
            }
        }
        return json_is_object(live);
    }
    if (json_is_array(wanted)) {
        if (!json_is_array(live) || json_array_size(live) != json_array_size(wanted)) {
            return false;
        }
        size_t i;
        json_t *value;
        json_array_foreach((json_t *)(uintptr_t)wanted, i, value)
        {
            if (!satisfies(json_array_get(live, i), value, depth + 1)) {
                return false;
            }
        }
        return true;
    }
    return scalar_satisfies(live, wanted);
}

bool live_satisfies(const json_t *live, const json_t *manifest)
{
    return satisfies(live, manifest, 0);
}
