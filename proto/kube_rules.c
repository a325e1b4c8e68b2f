/* kube_rules.c: which rules are whose, and what they share.
 *
 * Each kind has a function that looks at the members that a kube-apiserver looks at, in its order;
 * nothing is copied and nothing allocated as long as all is well. */
#include "proto/kube_rules_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/tree_internal.h"

enum { SHOWN_MAX = 200, PLACE_DEPTH_MAX = 16, ANNOTATIONS_BYTES_MAX = 256 * 1024 };

const json_t *kube__get(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

/* ---- one cause ---- */

static void tell_place(const struct kube_place *at, struct buf *out)
{
    const struct kube_place *way[PLACE_DEPTH_MAX];
    size_t depth = 0;
    for (; at != NULL && depth < PLACE_DEPTH_MAX; at = at->up) {
        way[depth++] = at;
    }
    while (depth > 0) {
        const struct kube_place *one = way[--depth];
        buf_addf(out, "%s%s", out->len > 0 ? "." : "", one->name);
        if (one->item) {
            buf_addf(out, "[%zu]", one->index);
        } else if (one->key.data != NULL) {
            buf_addf(out, "[%.*s]", SLICE_ARG(slice_sub(one->key, 0, SHOWN_MAX)));
        }
    }
}

void kube__refuse(struct causes *causes, enum cause_kind kind, const struct kube_place *at,
                  const char *format, ...)
{
    struct buf place = {0};
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    tell_place(at, &place);
    cause_add(causes, kind, buf_slice(&place), "%.*s", SLICE_ARG(buf_slice(&text)));
    buf_free(&place);
    buf_free(&text);
}

void kube__invalid(struct causes *causes, const struct kube_place *at, const json_t *value,
                   const char *rule)
{
    struct buf shown = {0};
    if (value != NULL) {
        json_canonical(value, &shown);
    }
    if (shown.len > SHOWN_MAX) {
        shown.len = slice_utf8(slice_sub(buf_slice(&shown), 0, SHOWN_MAX));
        buf_add_cstr(&shown, "...");
    }
    kube__refuse(causes, CAUSE_INVALID, at, "Invalid value: %.*s%s%s", SLICE_ARG(buf_slice(&shown)),
                 shown.len > 0 ? ": " : "", rule);
    buf_free(&shown);
}

void kube__duplicate(struct causes *causes, const struct kube_place *at, struct slice value)
{
    kube__refuse(causes, CAUSE_DUPLICATE, at, "Duplicate value: \"%.*s\"",
                 SLICE_ARG(slice_sub(value, 0, SHOWN_MAX)));
}

/* ---- members by their names ---- */

bool kube__need(struct causes *causes, const json_t *object, const struct kube_place *at,
                const char *name)
{
    const json_t *value = kube__get(object, name);
    if (value == NULL || (json_is_string(value) && json_string_length(value) == 0)) {
        const struct kube_place place = kube__member(at, name);
        kube__refuse(causes, CAUSE_REQUIRED, &place, "Required value");
        return false;
    }
    return true;
}

void kube__among(struct causes *causes, const json_t *object, const struct kube_place *at,
                 const char *name, const char *const *allowed)
{
    struct slice text = json_text_at(object, name);
    struct buf list = {0};
    for (size_t i = 0; allowed[i] != NULL; i++) {
        if (text.len == 0 || slice_eq_cstr(text, allowed[i])) {
            return;
        }
    }
    for (size_t i = 0; allowed[i] != NULL; i++) {
        buf_addf(&list, "%s\"%s\"", i > 0 ? ", " : "", allowed[i]);
    }
    const struct kube_place place = kube__member(at, name);
    kube__refuse(causes, CAUSE_NOT_SUPPORTED, &place,
                 "Unsupported value: \"%.*s\": supported values: %.*s",
                 SLICE_ARG(slice_sub(text, 0, SHOWN_MAX)), SLICE_ARG(buf_slice(&list)));
    buf_free(&list);
}

void kube__formed(struct causes *causes, const json_t *object, const struct kube_place *at,
                  const char *name, const char *(*rule)(struct slice text))
{
    struct slice text = json_text_at(object, name);
    const char *broken = text.len > 0 ? rule(text) : NULL;
    if (broken != NULL) {
        const struct kube_place place = kube__member(at, name);
        kube__invalid(causes, &place, json_object_get(object, name), broken);
    }
}

void kube__named(struct causes *causes, const json_t *object, const struct kube_place *at,
                 const char *name, const char *(*rule)(struct slice text))
{
    if (kube__need(causes, object, at, name)) {
        kube__formed(causes, object, at, name, rule);
    }
}

void kube__at_least(struct causes *causes, const json_t *object, const struct kube_place *at,
                    const char *name, json_int_t min)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value) && json_integer_value(value) < min) {
        const struct kube_place place = kube__member(at, name);
        char rule[64];
        (void)snprintf(rule, sizeof rule, "must be greater than or equal to %lld", (long long)min);
        kube__invalid(causes, &place, value, rule);
    }
}

static bool is_port(const json_t *value)
{
    return json_integer_value(value) >= 1 && json_integer_value(value) <= 65535;
}

static void refuse_port(struct causes *causes, const json_t *value, const struct kube_place *at,
                        const char *name)
{
    const struct kube_place place = kube__member(at, name);
    kube__invalid(causes, &place, value, "must be between 1 and 65535, inclusive");
}

void kube__port(struct causes *causes, const json_t *object, const struct kube_place *at,
                const char *name)
{
    const json_t *value = kube__get(object, name);
    if (kube__need(causes, object, at, name) && json_is_integer(value) && !is_port(value)) {
        refuse_port(causes, value, at, name);
    }
}

void kube__port_or_name(struct causes *causes, const json_t *object, const struct kube_place *at,
                        const char *name)
{
    const json_t *value = kube__get(object, name);
    if (json_is_integer(value) && !is_port(value)) {
        refuse_port(causes, value, at, name);
    } else if (json_is_string(value)) {
        const char *broken = schema_port_name(json_text(value));
        if (broken != NULL) {
            const struct kube_place place = kube__member(at, name);
            kube__invalid(causes, &place, value, broken);
        }
    }
}

static bool is_percent(struct slice text)
{
    uint64_t number;
    return slice_ends_with(text, SLICE("%")) &&
           slice_u64(slice_sub(text, 0, text.len - 1), &number);
}

void kube__share(struct causes *causes, const json_t *object, const struct kube_place *at,
                 const char *name)
{
    const json_t *value = kube__get(object, name);
    if (json_is_string(value) && !is_percent(json_text(value))) {
        const struct kube_place place = kube__member(at, name);
        kube__invalid(causes, &place, value,
                      "a valid percent string must be a numeric string followed by an ending '%' "
                      "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
    } else {
        kube__at_least(causes, object, at, name, 0);
    }
}

/* "must specify one of: `a`, `b` or `c`" */
static void refuse_none(struct causes *causes, const struct kube_place *at,
                        const char *const *names, size_t count)
{
    struct buf rule = {0};
    buf_add_cstr(&rule, "must specify one of: ");
    for (size_t i = 0; i < count; i++) {
        buf_addf(&rule, "%s`%s`", i == 0 ? "" : i + 1 < count ? ", " : " or ", names[i]);
    }
    kube__refuse(causes, CAUSE_INVALID, at, "Invalid value: \"\": %.*s",
                 SLICE_ARG(buf_slice(&rule)));
    buf_free(&rule);
}

bool kube__is_address(struct slice text)
{
    return schema_format_rule(SCHEMA_FORMAT_IPV4, text) == NULL ||
           schema_format_rule(SCHEMA_FORMAT_IPV6, text) == NULL;
}

const char *kube__host(struct slice text)
{
    bool wild = slice_starts_with(text, SLICE("*."));
    if (kube__is_address(text)) {
        return "must be a DNS name, not an IP address";
    }
    return schema_dns_name(wild ? slice_sub(text, 2, SIZE_MAX) : text);
}

/* Whether it holds anything that is not known here, but for the prefix of variables' names. */
static bool has_others(const json_t *object)
{
    TREE_EACH(it, object)
    {
        if (!json_is_null(json_object_iter_value(it)) && !slice_eq_cstr(tree_key(it), "prefix")) {
            return true;
        }
    }
    return false;
}

const char *kube__only_one(struct causes *causes, const json_t *object, const struct kube_place *at,
                           const char *const *names, size_t count)
{
    const char *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (kube__get(object, names[i]) == NULL) {
            continue;
        }
        if (found != NULL) {
            kube__refuse(
                causes, CAUSE_INVALID, at,
                "Invalid value: \"\": may not have more than one field specified at a time");
            return NULL;
        }
        found = names[i];
    }
    if (found == NULL && !has_others(object)) {
        refuse_none(causes, at, names, count);
    }
    return found;
}

void kube__handler(struct causes *causes, const json_t *handler, const struct kube_place *at,
                   const char *const *names, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (kube__get(handler, names[i]) != NULL && ++found > 1) {
            const struct kube_place place = kube__member(at, names[i]);
            kube__refuse(causes, CAUSE_FORBIDDEN, &place,
                         "Forbidden: may not specify more than 1 handler type");
        }
    }
    if (found == 0) {
        kube__refuse(causes, CAUSE_REQUIRED, at, "Required value: must specify a handler type");
    }
}

/* ---- labels and selectors ---- */

static void check_key(struct causes *causes, struct slice key, const struct kube_place *at,
                      const char *broken)
{
    if (broken != NULL) {
        kube__refuse(causes, CAUSE_INVALID, at, "Invalid value: \"%.*s\": %s",
                     SLICE_ARG(slice_sub(key, 0, SHOWN_MAX)), broken);
    }
}

void kube__labels(struct causes *causes, const json_t *labels, const struct kube_place *at)
{
    TREE_EACH(it, labels)
    {
        struct slice value = json_text(json_object_iter_value(it));
        const char *broken = schema_label_value(value);
        check_key(causes, tree_key(it), at, schema_label_key(tree_key(it)));
        if (broken != NULL) {
            kube__refuse(causes, CAUSE_INVALID, at, "Invalid value: \"%.*s\": %s",
                         SLICE_ARG(slice_sub(value, 0, 300)), broken);
        }
    }
}

void kube__annotations(struct causes *causes, const json_t *annotations,
                       const struct kube_place *at)
{
    size_t bytes = 0;
    TREE_EACH(it, annotations)
    {
        check_key(causes, tree_key(it), at, schema_annotation_key(tree_key(it)));
        bytes += json_object_iter_key_len(it) + json_text(json_object_iter_value(it)).len;
    }
    if (bytes > ANNOTATIONS_BYTES_MAX) {
        kube__refuse(causes, CAUSE_TOO_LONG, at, "Too long: may not be more than %d bytes",
                     ANNOTATIONS_BYTES_MAX);
    }
}

static void check_requirement(struct causes *causes, const json_t *one, const struct kube_place *at)
{
    static const char *const operators[] = {"DoesNotExist", "Exists", "In", "NotIn", NULL};
    struct slice how = json_text_at(one, "operator");
    const json_t *values = kube__get(one, "values");
    const struct kube_place list = kube__member(at, "values");
    const struct kube_place key = kube__member(at, "key");
    bool none = slice_ends_with(how, SLICE("Exist")) || slice_eq_cstr(how, "Exists");
    check_key(causes, json_text_at(one, "key"), &key, schema_label_key(json_text_at(one, "key")));
    if (kube__need(causes, one, at, "operator")) {
        kube__among(causes, one, at, "operator", operators);
    }
    if (none && json_array_size(values) > 0) {
        kube__refuse(causes, CAUSE_FORBIDDEN, &list,
                     "Forbidden: may not be specified when `operator` is 'Exists' or "
                     "'DoesNotExist'");
    } else if (!none && json_array_size(values) == 0) {
        kube__refuse(causes, CAUSE_REQUIRED, &list,
                     "Required value: must be specified when `operator` is 'In' or 'NotIn'");
    }
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        const char *broken = schema_label_value(json_text(value));
        if (broken != NULL) {
            const struct kube_place place = kube__item(at, "values", i);
            kube__invalid(causes, &place, value, broken);
        }
    }
}

void kube__selector(struct causes *causes, const json_t *selector, const struct kube_place *at)
{
    const struct kube_place labels = kube__member(at, "matchLabels");
    const json_t *expressions = kube__get(selector, "matchExpressions");
    kube__labels(causes, kube__get(selector, "matchLabels"), &labels);
    for (size_t i = 0; i < json_array_size(expressions); i++) {
        const struct kube_place place = kube__item(at, "matchExpressions", i);
        check_requirement(causes, json_array_get(expressions, i), &place);
    }
}

/* ---- kinds ---- */

static const struct {
    const char *api_version;
    const char *kind;
    void (*check)(struct causes *causes, const json_t *object);
} kinds[] = {
    {"v1", "ConfigMap", kube__check_data},
    {"v1", "LimitRange", kube__check_limits},
    {"v1", "PersistentVolumeClaim", kube__check_claim},
    {"v1", "Pod", kube__check_pod},
    {"v1", "ResourceQuota", kube__check_quota},
    {"v1", "Secret", kube__check_secret},
    {"v1", "Service", kube__check_service},
    {"apps/v1", "DaemonSet", kube__check_daemon_set},
    {"apps/v1", "Deployment", kube__check_deployment},
    {"apps/v1", "ReplicaSet", kube__check_replica_set},
    {"apps/v1", "StatefulSet", kube__check_stateful_set},
    {"autoscaling/v2", "HorizontalPodAutoscaler", kube__check_autoscaler},
    {"batch/v1", "CronJob", kube__check_cron_job},
    {"batch/v1", "Job", kube__check_job},
    {"gateway.networking.k8s.io/v1", "GRPCRoute", kube__check_grpc_route},
    {"gateway.networking.k8s.io/v1", "HTTPRoute", kube__check_http_route},
    {"networking.k8s.io/v1", "Ingress", kube__check_ingress},
    {"networking.k8s.io/v1", "NetworkPolicy", kube__check_network_policy},
    {"policy/v1", "PodDisruptionBudget", kube__check_budget},
    {"rbac.authorization.k8s.io/v1", "ClusterRole", kube__check_cluster_role},
    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", kube__check_cluster_binding},
    {"rbac.authorization.k8s.io/v1", "Role", kube__check_role},
    {"rbac.authorization.k8s.io/v1", "RoleBinding", kube__check_binding},
};

void kube_rules_check(const json_t *object, struct causes *causes)
{
    struct slice kind = json_text_at(object, "kind");
    struct slice version = json_text_at(object, "apiVersion");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (slice_eq_cstr(kind, kinds[i].kind) && slice_eq_cstr(version, kinds[i].api_version)) {
            kinds[i].check(causes, object);
            return;
        }
    }
}
