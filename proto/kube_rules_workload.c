/* kube_rules_workload.c: what makes pods, how many of them there are, and which stay.
 *
 * A controller finds its pods by its selector, so that must choose what its own template makes; a
 * Job's is the cluster's to set. */
#include "proto/cron.h"
#include "proto/kube_rules_internal.h"
#include "proto/tree_internal.h"

enum { CRON_JOB_NAME_MAX = 52 }; /* its Jobs' names have a time behind it */

static const struct kube_place spec_place = {.name = "spec"};

static bool has_zero(const json_t *object, const char *name)
{
    const json_t *value = kube__get(object, name);
    return (json_is_integer(value) && json_integer_value(value) == 0) ||
           slice_eq_cstr(json_text(value), "0%");
}

/* ---- selectors ---- */

static bool chooses(const json_t *selector, const json_t *labels)
{
    TREE_EACH(it, kube__get(selector, "matchLabels"))
    {
        const json_t *label = tree_get(labels, tree_key(it));
        if (label == NULL || !json_equal(label, json_object_iter_value(it))) {
            return false;
        }
    }
    const json_t *expressions = kube__get(selector, "matchExpressions");
    for (size_t i = 0; i < json_array_size(expressions); i++) {
        const json_t *one = json_array_get(expressions, i);
        const json_t *label = tree_get(labels, json_text_at(one, "key"));
        const json_t *values = kube__get(one, "values");
        struct slice how = json_text_at(one, "operator");
        bool among = false;
        for (size_t k = 0; label != NULL && k < json_array_size(values); k++) {
            among = among || json_equal(label, json_array_get(values, k));
        }
        bool holds = slice_eq_cstr(how, "In")       ? among
                     : slice_eq_cstr(how, "NotIn")  ? !among
                     : slice_eq_cstr(how, "Exists") ? label != NULL
                                                    : label == NULL;
        if (!holds) {
            return false;
        }
    }
    return true;
}

static void check_selector(struct causes *causes, const json_t *spec, const char *kind)
{
    const struct kube_place place = kube__member(&spec_place, "selector");
    const struct kube_place template = kube__member(&spec_place, "template");
    const struct kube_place meta = kube__member(&template, "metadata");
    const struct kube_place at = kube__member(&meta, "labels");
    const json_t *selector = kube__get(spec, "selector");
    const json_t *labels = kube__get(kube__get(kube__get(spec, "template"), "metadata"), "labels");
    if (!kube__need(causes, spec, &spec_place, "selector")) {
        return;
    }
    kube__selector(causes, selector, &place);
    if (json_object_size(kube__get(selector, "matchLabels")) == 0 &&
        json_array_size(kube__get(selector, "matchExpressions")) == 0) {
        kube__refuse(causes, CAUSE_INVALID, &place,
                     "Invalid value: {}: empty selector is invalid for %s", kind);
    } else if (kube__get(spec, "template") != NULL && !chooses(selector, labels)) {
        kube__invalid(causes, &at, labels, "`selector` does not match template `labels`");
    }
}

/* What all have that keep a number of pods. */
static void check_controller(struct causes *causes, const json_t *spec, const char *kind,
                             const json_t *claims)
{
    const struct kube_place template = kube__member(&spec_place, "template");
    kube__at_least(causes, spec, &spec_place, "replicas", 0);
    kube__at_least(causes, spec, &spec_place, "minReadySeconds", 0);
    kube__at_least(causes, spec, &spec_place, "revisionHistoryLimit", 0);
    check_selector(causes, spec, kind);
    if (kube__need(causes, spec, &spec_place, "template")) {
        kube__pods(causes, kube__get(spec, "template"), &template, KUBE_PODS_STAY, claims);
    }
}

/* ---- controllers ---- */

/* A step of none down and none up would never end. */
static void check_rolling(struct causes *causes, const json_t *strategy,
                          const struct kube_place *at, const char *type)
{
    const json_t *rolling = kube__get(strategy, "rollingUpdate");
    const struct kube_place place = kube__member(at, "rollingUpdate");
    const struct kube_place unavailable = kube__member(&place, "maxUnavailable");
    struct slice said = json_text_at(strategy, "type");
    if (rolling == NULL) {
        return;
    }
    if (said.len > 0 && !slice_eq_cstr(said, "RollingUpdate")) {
        kube__refuse(causes, CAUSE_FORBIDDEN, &place,
                     "Forbidden: may not be specified when %s is '%.*s'", type, SLICE_ARG(said));
        return;
    }
    kube__share(causes, rolling, &place, "maxUnavailable");
    kube__share(causes, rolling, &place, "maxSurge");
    if (has_zero(rolling, "maxUnavailable") && has_zero(rolling, "maxSurge")) {
        kube__invalid(causes, &unavailable, json_object_get(rolling, "maxUnavailable"),
                      "may not be 0 when `maxSurge` is 0");
    }
}

void kube__check_deployment(struct causes *causes, const json_t *object)
{
    static const char *const types[] = {"Recreate", "RollingUpdate", NULL};
    const json_t *spec = kube__get(object, "spec");
    const json_t *strategy = kube__get(spec, "strategy");
    const struct kube_place place = kube__member(&spec_place, "strategy");
    const json_t *deadline = kube__get(spec, "progressDeadlineSeconds");
    check_controller(causes, spec, "deployment", NULL);
    kube__among(causes, strategy, &place, "type", types);
    check_rolling(causes, strategy, &place, "strategy `type`");
    if (deadline != NULL &&
        json_integer_value(deadline) <= json_integer_value(kube__get(spec, "minReadySeconds"))) {
        const struct kube_place member = kube__member(&spec_place, "progressDeadlineSeconds");
        kube__invalid(causes, &member, deadline, "must be greater than minReadySeconds");
    }
}

void kube__check_stateful_set(struct causes *causes, const json_t *object)
{
    static const char *const types[] = {"OnDelete", "RollingUpdate", NULL};
    static const char *const policies[] = {"OrderedReady", "Parallel", NULL};
    const json_t *spec = kube__get(object, "spec");
    const json_t *claims = kube__get(spec, "volumeClaimTemplates");
    const struct kube_place update = kube__member(&spec_place, "updateStrategy");
    check_controller(causes, spec, "statefulset", claims);
    kube__among(causes, spec, &spec_place, "podManagementPolicy", policies);
    kube__among(causes, kube__get(spec, "updateStrategy"), &update, "type", types);
    check_rolling(causes, kube__get(spec, "updateStrategy"), &update, "updateStrategy");
    for (size_t i = 0; i < json_array_size(claims); i++) {
        const json_t *one = json_array_get(claims, i);
        const struct kube_place place = kube__item(&spec_place, "volumeClaimTemplates", i);
        const struct kube_place meta = kube__member(&place, "metadata");
        const struct kube_place spec_of = kube__member(&place, "spec");
        kube__named(causes, kube__get(one, "metadata"), &meta, "name", schema_dns_label);
        kube__claim_spec(causes, kube__get(one, "spec"), &spec_of);
    }
}

void kube__check_daemon_set(struct causes *causes, const json_t *object)
{
    static const char *const types[] = {"OnDelete", "RollingUpdate", NULL};
    const json_t *spec = kube__get(object, "spec");
    const struct kube_place update = kube__member(&spec_place, "updateStrategy");
    check_controller(causes, spec, "daemonset", NULL);
    kube__among(causes, kube__get(spec, "updateStrategy"), &update, "type", types);
}

void kube__check_replica_set(struct causes *causes, const json_t *object)
{
    check_controller(causes, kube__get(object, "spec"), "deployment", NULL);
}

/* ---- what ends ---- */

static void check_job_spec(struct causes *causes, const json_t *spec, const struct kube_place *at)
{
    static const char *const modes[] = {"Indexed", "NonIndexed", NULL};
    static const char *const counts[] = {"parallelism", "completions", "backoffLimit",
                                         "activeDeadlineSeconds", "ttlSecondsAfterFinished"};
    const struct kube_place template = kube__member(at, "template");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        kube__at_least(causes, spec, at, counts[i], 0);
    }
    kube__among(causes, spec, at, "completionMode", modes);
    if (slice_eq_cstr(json_text_at(spec, "completionMode"), "Indexed") &&
        kube__get(spec, "completions") == NULL) {
        const struct kube_place place = kube__member(at, "completions");
        kube__refuse(causes, CAUSE_REQUIRED, &place,
                     "Required value: when completion mode is Indexed");
    }
    if (kube__need(causes, spec, at, "template")) {
        kube__pods(causes, kube__get(spec, "template"), &template, KUBE_PODS_END, NULL);
    }
}

static void check_name(struct causes *causes, const json_t *object, size_t max, const char *rule)
{
    const json_t *metadata = kube__get(object, "metadata");
    const struct kube_place meta = kube__member(NULL, "metadata");
    const struct kube_place place = kube__member(&meta, "name");
    if (json_text_at(metadata, "name").len > max) {
        kube__invalid(causes, &place, json_object_get(metadata, "name"), rule);
    }
}

/* Its pods are labelled with its name. */
void kube__check_job(struct causes *causes, const json_t *object)
{
    check_name(causes, object, 63, "must be no more than 63 characters");
    check_job_spec(causes, kube__get(object, "spec"), &spec_place);
}

void kube__check_cron_job(struct causes *causes, const json_t *object)
{
    static const char *const policies[] = {"Allow", "Forbid", "Replace", NULL};
    const json_t *spec = kube__get(object, "spec");
    const struct kube_place jobs = kube__member(&spec_place, "jobTemplate");
    const struct kube_place job = kube__member(&jobs, "spec");
    check_name(causes, object, CRON_JOB_NAME_MAX, "must be no more than 52 characters");
    if (kube__need(causes, spec, &spec_place, "schedule") &&
        !cron_valid(json_text_at(spec, "schedule"))) {
        const struct kube_place place = kube__member(&spec_place, "schedule");
        kube__invalid(causes, &place, json_object_get(spec, "schedule"), CRON_RULE);
    }
    kube__among(causes, spec, &spec_place, "concurrencyPolicy", policies);
    kube__at_least(causes, spec, &spec_place, "startingDeadlineSeconds", 0);
    kube__at_least(causes, spec, &spec_place, "successfulJobsHistoryLimit", 0);
    kube__at_least(causes, spec, &spec_place, "failedJobsHistoryLimit", 0);
    if (kube__need(causes, spec, &spec_place, "jobTemplate")) {
        check_job_spec(causes, kube__get(kube__get(spec, "jobTemplate"), "spec"), &job);
    }
}

/* ---- how many ---- */

static void check_metric(struct causes *causes, const json_t *metric, const struct kube_place *at)
{
    static const struct {
        const char *type;
        const char *member;
    } sources[] = {{"ContainerResource", "containerResource"},
                   {"External", "external"},
                   {"Object", "object"},
                   {"Pods", "pods"},
                   {"Resource", "resource"}};
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods",
                                        "Resource",          NULL};
    struct slice type = json_text_at(metric, "type");
    if (kube__need(causes, metric, at, "type")) {
        kube__among(causes, metric, at, "type", types);
    }
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const json_t *source = kube__get(metric, sources[i].member);
        const struct kube_place place = kube__member(at, sources[i].member);
        const struct kube_place target = kube__member(&place, "target");
        if (source == NULL && slice_eq_cstr(type, sources[i].type)) {
            kube__refuse(causes, CAUSE_REQUIRED, &place,
                         "Required value: must populate information for the given metric source");
        } else if (source != NULL && kube__need(causes, source, &place, "target")) {
            (void)kube__need(causes, kube__get(source, "target"), &target, "type");
            kube__at_least(causes, kube__get(source, "target"), &target, "averageUtilization", 1);
        }
    }
}

/* Down to none is a feature that clusters may have, for what is not measured at its own pods. */
static bool may_be_none(const json_t *metrics)
{
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        struct slice type = json_text_at(json_array_get(metrics, i), "type");
        if (slice_eq_cstr(type, "External") || slice_eq_cstr(type, "Object")) {
            return true;
        }
    }
    return false;
}

void kube__check_autoscaler(struct causes *causes, const json_t *object)
{
    const json_t *spec = kube__get(object, "spec");
    const json_t *target = kube__get(spec, "scaleTargetRef");
    const json_t *metrics = kube__get(spec, "metrics");
    const json_t *least = kube__get(spec, "minReplicas");
    const json_t *most = kube__get(spec, "maxReplicas");
    const struct kube_place place = kube__member(&spec_place, "scaleTargetRef");
    const struct kube_place max = kube__member(&spec_place, "maxReplicas");
    (void)kube__need(causes, target, &place, "kind");
    (void)kube__need(causes, target, &place, "name");
    kube__at_least(causes, spec, &spec_place, "minReplicas", may_be_none(metrics) ? 0 : 1);
    if (!kube__need(causes, spec, &spec_place, "maxReplicas")) {
    } else if (json_integer_value(most) < 1) {
        kube__invalid(causes, &max, most, "must be greater than 0");
    } else if (json_integer_value(most) < json_integer_value(least)) {
        kube__invalid(causes, &max, most, "must be greater than or equal to `minReplicas`");
    }
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const struct kube_place metric = kube__item(&spec_place, "metrics", i);
        check_metric(causes, json_array_get(metrics, i), &metric);
    }
}

void kube__check_budget(struct causes *causes, const json_t *object)
{
    static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget", NULL};
    const json_t *spec = kube__get(object, "spec");
    const struct kube_place selector = kube__member(&spec_place, "selector");
    if (kube__get(spec, "minAvailable") != NULL && kube__get(spec, "maxUnavailable") != NULL) {
        kube__invalid(causes, &spec_place, NULL,
                      "minAvailable and maxUnavailable cannot be both set");
    }
    kube__share(causes, spec, &spec_place, "minAvailable");
    kube__share(causes, spec, &spec_place, "maxUnavailable");
    kube__selector(causes, kube__get(spec, "selector"), &selector);
    kube__among(causes, spec, &spec_place, "unhealthyPodEvictionPolicy", policies);
}
