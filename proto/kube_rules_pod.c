/* kube_rules_pod.c: pods and their containers, as pkg/apis/core/validation of Kubernetes has them.
 */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "proto/kube_rules_internal.h"
#include "proto/tree_internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { GRACE_SECONDS = 30 }; /* unless a pod says otherwise */

/* As clusters have it since 1.32; before, it was a C identifier with dots and dashes. */
static const char *env_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~' || text.data[i] == '=') {
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
        }
    }
    return NULL;
}

static const char *config_key(struct slice text)
{
    return schema_format_rule(SCHEMA_FORMAT_CONFIG_KEY, text);
}

/* ---- resources ---- */

static bool quantity_at(const json_t *amounts, struct slice name, char text[64], schema_nano *nano)
{
    const json_t *value = tree_get(amounts, name);
    if (json_is_integer(value)) {
        (void)snprintf(text, 64, "%lld", (long long)json_integer_value(value));
    } else {
        (void)snprintf(text, 64, "%.*s", SLICE_ARG(slice_sub(json_text(value), 0, 63)));
    }
    return value != NULL && schema_quantity(slice_of(text), nano);
}

static bool is_resource(struct slice name)
{
    return slice_eq_cstr(name, "cpu") || slice_eq_cstr(name, "memory") ||
           slice_eq_cstr(name, "ephemeral-storage") ||
           slice_starts_with(name, SLICE("hugepages-")) || slice_find(name, SLICE("/")) != SIZE_MAX;
}

static void check_amounts(struct causes *causes, const json_t *amounts, const struct kube_place *at,
                          const char *list)
{
    TREE_EACH(it, amounts)
    {
        const struct kube_place place = kube__key(at, list, tree_key(it));
        const json_t *value = json_object_iter_value(it);
        char text[64];
        schema_nano nano;
        if (!is_resource(tree_key(it)) || schema_label_key(tree_key(it)) != NULL) {
            kube__refuse(causes, CAUSE_INVALID, &place,
                         "Invalid value: \"%.*s\": must be a standard resource type or fully "
                         "qualified",
                         SLICE_ARG(slice_sub(tree_key(it), 0, 200)));
        } else if (quantity_at(amounts, tree_key(it), text, &nano) && nano < 0) {
            kube__invalid(causes, &place, value, "must be greater than or equal to 0");
        }
    }
}

/* Nothing may ask for more than it may use. */
void kube__resources(struct causes *causes, const json_t *resources, const struct kube_place *at)
{
    const json_t *requests = kube__get(resources, "requests");
    const json_t *limits = kube__get(resources, "limits");
    const struct kube_place place = kube__member(at, "requests");
    check_amounts(causes, limits, at, "limits");
    check_amounts(causes, requests, at, "requests");
    TREE_EACH(it, requests)
    {
        char asked_text[64];
        char limit_text[64];
        schema_nano asked;
        schema_nano limit;
        if (quantity_at(requests, tree_key(it), asked_text, &asked) &&
            quantity_at(limits, tree_key(it), limit_text, &limit) && asked > limit) {
            kube__refuse(causes, CAUSE_INVALID, &place,
                         "Invalid value: \"%s\": must be less than or equal to %.*s limit of %s",
                         asked_text, SLICE_ARG(tree_key(it)), limit_text);
        }
    }
}

/* ---- ports ---- */

static void check_port_name(struct causes *causes, const json_t *port, struct map *seen,
                            const struct kube_place *at)
{
    static char present;
    struct slice name = json_text_at(port, "name");
    if (name.len == 0) {
        return;
    }
    const struct kube_place place = kube__member(at, "name");
    const char *broken = schema_port_name(name);
    if (broken != NULL) {
        kube__invalid(causes, &place, json_object_get(port, "name"), broken);
    } else if (map_put(seen, name, &present) != NULL) {
        kube__duplicate(causes, &place, name);
    }
}

static void check_ports(struct causes *causes, const json_t *container, const struct kube_place *at)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    const json_t *ports = kube__get(container, "ports");
    struct map seen = {0};
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);
        const struct kube_place place = kube__item(at, "ports", i);
        check_port_name(causes, port, &seen, &place);
        kube__port(causes, port, &place, "containerPort");
        kube__among(causes, port, &place, "protocol", protocols);
        if (json_integer_value(json_object_get(port, "hostPort")) != 0) {
            kube__port(causes, port, &place, "hostPort");
        }
    }
    map_free(&seen);
}

/* ---- variables ---- */

/* What a variable's value is read from: an object and its key. */
static void check_key_of(struct causes *causes, const json_t *from, const struct kube_place *at,
                         const char *name)
{
    const json_t *ref = kube__get(from, name);
    const struct kube_place place = kube__member(at, name);
    if (ref != NULL) {
        kube__named(causes, ref, &place, "name", schema_dns_name);
        kube__named(causes, ref, &place, "key", config_key);
    }
}

static void check_value_from(struct causes *causes, const json_t *from, const struct kube_place *at)
{
    static const char *const sources[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef",
                                          "secretKeyRef", "fileKeyRef"};
    const struct kube_place field = kube__member(at, "fieldRef");
    const struct kube_place resource = kube__member(at, "resourceFieldRef");
    (void)kube__only_one(causes, from, at, sources, COUNT(sources));
    check_key_of(causes, from, at, "configMapKeyRef");
    check_key_of(causes, from, at, "secretKeyRef");
    if (kube__get(from, "fieldRef") != NULL) {
        (void)kube__need(causes, kube__get(from, "fieldRef"), &field, "fieldPath");
    }
    if (kube__get(from, "resourceFieldRef") != NULL) {
        (void)kube__need(causes, kube__get(from, "resourceFieldRef"), &resource, "resource");
    }
}

static void check_variables(struct causes *causes, const json_t *container,
                            const struct kube_place *at)
{
    const json_t *env = kube__get(container, "env");
    for (size_t i = 0; i < json_array_size(env); i++) {
        const json_t *one = json_array_get(env, i);
        const json_t *from = kube__get(one, "valueFrom");
        const struct kube_place place = kube__item(at, "env", i);
        const struct kube_place source = kube__member(&place, "valueFrom");
        kube__named(causes, one, &place, "name", env_name);
        if (from != NULL && json_text_at(one, "value").len > 0) {
            kube__refuse(causes, CAUSE_INVALID, &source,
                         "Invalid value: \"\": may not be specified when `value` is not empty");
        } else if (from != NULL) {
            check_value_from(causes, from, &source);
        }
    }
}

static void check_env_from(struct causes *causes, const json_t *container,
                           const struct kube_place *at)
{
    static const char *const sources[] = {"configMapRef", "secretRef"};
    const json_t *list = kube__get(container, "envFrom");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const struct kube_place place = kube__item(at, "envFrom", i);
        const char *source = kube__only_one(causes, one, &place, sources, COUNT(sources));
        kube__formed(causes, one, &place, "prefix", env_name);
        if (source != NULL) {
            const struct kube_place ref = kube__member(&place, source);
            kube__named(causes, kube__get(one, source), &ref, "name", schema_dns_name);
        }
    }
}

/* ---- probes and hooks ---- */

static void check_handler_parts(struct causes *causes, const json_t *handler,
                                const struct kube_place *at)
{
    static const char *const schemes[] = {"HTTP", "HTTPS", NULL};
    static const char *const names[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    struct kube_place places[COUNT(names)];
    const json_t *parts[COUNT(names)];
    for (size_t i = 0; i < COUNT(names); i++) {
        places[i] = kube__member(at, names[i]);
        parts[i] = kube__get(handler, names[i]);
    }
    if (parts[0] != NULL && json_array_size(kube__get(parts[0], "command")) == 0) {
        (void)kube__need(causes, NULL, &places[0], "command");
    }
    for (size_t i = 1; i < 3; i++) {
        if (parts[i] != NULL && kube__need(causes, parts[i], &places[i], "port")) {
            kube__port_or_name(causes, parts[i], &places[i], "port");
        }
    }
    kube__among(causes, parts[1], &places[1], "scheme", schemes);
    if (parts[3] != NULL) {
        kube__port(causes, parts[3], &places[3], "port");
    }
}

static void check_probe(struct causes *causes, const json_t *container, const struct kube_place *at,
                        const char *name)
{
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    static const char *const counts[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                         "successThreshold", "failureThreshold"};
    const json_t *probe = kube__get(container, name);
    const struct kube_place place = kube__member(at, name);
    bool ready = strcmp(name, "readinessProbe") == 0;
    const json_t *success = kube__get(probe, "successThreshold");
    if (probe == NULL) {
        return;
    }
    kube__handler(causes, probe, &place, handlers, COUNT(handlers));
    check_handler_parts(causes, probe, &place);
    for (size_t i = 0; i < COUNT(counts); i++) {
        kube__at_least(causes, probe, &place, counts[i], 0);
    }
    if (!ready && json_integer_value(success) > 1) {
        const struct kube_place threshold = kube__member(&place, "successThreshold");
        kube__invalid(causes, &threshold, success, "must be 1");
    }
    if (ready && kube__get(probe, "terminationGracePeriodSeconds") != NULL) {
        const struct kube_place grace = kube__member(&place, "terminationGracePeriodSeconds");
        kube__invalid(causes, &grace, kube__get(probe, "terminationGracePeriodSeconds"),
                      "must not be set for readinessProbes");
    }
}

static void check_hook(struct causes *causes, const json_t *lifecycle, const struct kube_place *at,
                       const char *name, json_int_t grace)
{
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "sleep"};
    const json_t *hook = kube__get(lifecycle, name);
    const struct kube_place place = kube__member(at, name);
    const json_t *seconds = kube__get(kube__get(hook, "sleep"), "seconds");
    if (hook == NULL) {
        return;
    }
    kube__handler(causes, hook, &place, handlers, COUNT(handlers));
    check_handler_parts(causes, hook, &place);
    if (seconds != NULL &&
        (json_integer_value(seconds) < 0 || json_integer_value(seconds) > grace)) {
        const struct kube_place sleep = kube__member(&place, "sleep");
        kube__refuse(causes, CAUSE_INVALID, &sleep,
                     "Invalid value: %lld: must be non-negative and less than "
                     "terminationGracePeriodSeconds (%lld)",
                     (long long)json_integer_value(seconds), (long long)grace);
    }
}

/* ---- containers ---- */

static void check_security(struct causes *causes, const json_t *security,
                           const struct kube_place *at)
{
    static const char *const profiles[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
    const json_t *seccomp = kube__get(security, "seccompProfile");
    const struct kube_place place = kube__member(at, "seccompProfile");
    kube__at_least(causes, security, at, "runAsUser", 0);
    kube__at_least(causes, security, at, "runAsGroup", 0);
    kube__at_least(causes, security, at, "fsGroup", 0);
    if (seccomp != NULL && kube__need(causes, seccomp, &place, "type")) {
        kube__among(causes, seccomp, &place, "type", profiles);
    }
    if (json_is_true(json_object_get(security, "privileged")) &&
        json_is_false(json_object_get(security, "allowPrivilegeEscalation"))) {
        kube__invalid(causes, at, NULL,
                      "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
}

/* What runs before the others and ends is asked nothing. */
static void check_first(struct causes *causes, const json_t *container, const struct kube_place *at)
{
    static const char *const others[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                         "startupProbe"};
    bool stays = slice_eq_cstr(json_text_at(container, "restartPolicy"), "Always");
    for (size_t i = 0; !stays && i < COUNT(others); i++) {
        if (kube__get(container, others[i]) != NULL) {
            const struct kube_place place = kube__member(at, others[i]);
            kube__refuse(causes, CAUSE_FORBIDDEN, &place,
                         "Forbidden: may not be set for init containers without "
                         "restartPolicy=Always");
        }
    }
}

static void check_image(struct causes *causes, const json_t *container, const struct kube_place *at)
{
    static const char *const policies[] = {"Always", "IfNotPresent", "Never", NULL};
    struct slice image = json_text_at(container, "image");
    if (kube__need(causes, container, at, "image") && slice_trim(image).len != image.len) {
        const struct kube_place place = kube__member(at, "image");
        kube__invalid(causes, &place, json_object_get(container, "image"),
                      "must not have leading or trailing whitespace");
    }
    kube__among(causes, container, at, "imagePullPolicy", policies);
}

static void check_container(struct causes *causes, const json_t *one, const struct kube_place *at,
                            json_int_t grace)
{
    static const char *const messages[] = {"FallbackToLogsOnError", "File", NULL};
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    const struct kube_place resources = kube__member(at, "resources");
    const struct kube_place security = kube__member(at, "securityContext");
    const struct kube_place lifecycle = kube__member(at, "lifecycle");
    kube__named(causes, one, at, "name", schema_dns_label);
    check_image(causes, one, at);
    kube__among(causes, one, at, "terminationMessagePolicy", messages);
    check_ports(causes, one, at);
    check_variables(causes, one, at);
    check_env_from(causes, one, at);
    for (size_t i = 0; i < COUNT(probes); i++) {
        check_probe(causes, one, at, probes[i]);
    }
    check_hook(causes, kube__get(one, "lifecycle"), &lifecycle, "postStart", grace);
    check_hook(causes, kube__get(one, "lifecycle"), &lifecycle, "preStop", grace);
    kube__resources(causes, kube__get(one, "resources"), &resources);
    check_security(causes, kube__get(one, "securityContext"), &security);
}

/* Names are a pod's: no two containers, of either list, share one. */
static void check_containers(struct causes *causes, const json_t *spec, const struct kube_place *at)
{
    static char present;
    static const char *const lists[] = {"initContainers", "containers"};
    const json_t *said = kube__get(spec, "terminationGracePeriodSeconds");
    json_int_t grace = said != NULL ? json_integer_value(said) : GRACE_SECONDS;
    bool both = json_array_size(kube__get(spec, lists[0])) > 0;
    struct map names = {0};
    if (json_array_size(kube__get(spec, "containers")) == 0) {
        (void)kube__need(causes, NULL, at, "containers");
    }
    for (size_t l = 0; l < 2; l++) {
        const json_t *list = kube__get(spec, lists[l]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *one = json_array_get(list, i);
            struct slice name = json_text_at(one, "name");
            const struct kube_place place = kube__item(at, lists[l], i);
            check_container(causes, one, &place, grace);
            if (both && name.len > 0 && map_put(&names, name, &present) != NULL) {
                const struct kube_place twice = kube__member(&place, "name");
                kube__duplicate(causes, &twice, name);
            }
            if (l == 0) {
                check_first(causes, one, &place);
            }
        }
    }
    map_free(&names);
}

/* ---- where it runs ---- */

static void check_tolerations(struct causes *causes, const json_t *spec,
                              const struct kube_place *at)
{
    static const char *const operators[] = {"Equal", "Exists", "Gt", "Lt", NULL};
    static const char *const effects[] = {"NoExecute", "NoSchedule", "PreferNoSchedule", NULL};
    const json_t *list = kube__get(spec, "tolerations");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const struct kube_place place = kube__item(at, "tolerations", i);
        bool exists = slice_eq_cstr(json_text_at(one, "operator"), "Exists");
        kube__formed(causes, one, &place, "key", schema_label_key);
        kube__among(causes, one, &place, "operator", operators);
        kube__among(causes, one, &place, "effect", effects);
        if (!exists && json_text_at(one, "key").len == 0) {
            const struct kube_place how = kube__member(&place, "operator");
            kube__invalid(causes, &how, json_object_get(one, "operator"),
                          "operator must be Exists when `key` is empty, which means \"match all "
                          "values and all keys\"");
        }
        if (exists && json_text_at(one, "value").len > 0) {
            const struct kube_place value = kube__member(&place, "value");
            kube__invalid(causes, &value, json_object_get(one, "value"),
                          "value must be empty when `operator` is 'Exists'");
        }
    }
}

static void check_spread(struct causes *causes, const json_t *spec, const struct kube_place *at)
{
    static const char *const otherwise[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    const json_t *list = kube__get(spec, "topologySpreadConstraints");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const struct kube_place place = kube__item(at, "topologySpreadConstraints", i);
        const struct kube_place selector = kube__member(&place, "labelSelector");
        kube__at_least(causes, one, &place, "maxSkew", 1);
        (void)kube__need(causes, one, &place, "maxSkew");
        (void)kube__need(causes, one, &place, "topologyKey");
        if (kube__need(causes, one, &place, "whenUnsatisfiable")) {
            kube__among(causes, one, &place, "whenUnsatisfiable", otherwise);
        }
        kube__selector(causes, kube__get(one, "labelSelector"), &selector);
    }
}

/* Of podAffinity and podAntiAffinity: each term says what is the same place. */
static void check_terms(struct causes *causes, const json_t *affinity, const struct kube_place *at)
{
    static const char *const lists[] = {"requiredDuringSchedulingIgnoredDuringExecution",
                                        "preferredDuringSchedulingIgnoredDuringExecution"};
    for (size_t l = 0; l < 2; l++) {
        const json_t *list = kube__get(affinity, lists[l]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *one = json_array_get(list, i);
            const struct kube_place place = kube__item(at, lists[l], i);
            const struct kube_place inner = kube__member(&place, "podAffinityTerm");
            const json_t *term = l == 0 ? one : kube__get(one, "podAffinityTerm");
            const json_t *weight = kube__get(one, "weight");
            (void)kube__need(causes, term, l == 0 ? &place : &inner, "topologyKey");
            if (l == 1 && (json_integer_value(weight) < 1 || json_integer_value(weight) > 100)) {
                const struct kube_place heavy = kube__member(&place, "weight");
                kube__invalid(causes, &heavy, weight, "must be in the range 1-100");
            }
        }
    }
}

static void check_scheduling(struct causes *causes, const json_t *spec, const struct kube_place *at)
{
    const json_t *affinity = kube__get(spec, "affinity");
    const struct kube_place selector = kube__member(at, "nodeSelector");
    const struct kube_place place = kube__member(at, "affinity");
    const struct kube_place near = kube__member(&place, "podAffinity");
    const struct kube_place far = kube__member(&place, "podAntiAffinity");
    kube__labels(causes, kube__get(spec, "nodeSelector"), &selector);
    check_tolerations(causes, spec, at);
    check_spread(causes, spec, at);
    check_terms(causes, kube__get(affinity, "podAffinity"), &near);
    check_terms(causes, kube__get(affinity, "podAntiAffinity"), &far);
}

/* ---- the whole ---- */

static void check_restart(struct causes *causes, const json_t *spec, const struct kube_place *at,
                          enum kube_pods pods)
{
    static const char *const any[] = {"Always", "Never", "OnFailure", NULL};
    static const char *const stay[] = {"Always", NULL};
    static const char *const end[] = {"Never", "OnFailure", NULL};
    struct slice policy = json_text_at(spec, "restartPolicy");
    if (pods == KUBE_PODS_END && (policy.len == 0 || slice_eq_cstr(policy, "Always"))) {
        const struct kube_place place = kube__member(at, "restartPolicy");
        kube__refuse(causes, CAUSE_REQUIRED, &place,
                     "Required value: valid values: \"OnFailure\", \"Never\"");
        return;
    }
    kube__among(causes, spec, at, "restartPolicy",
                pods == KUBE_PODS_STAY  ? stay
                : pods == KUBE_PODS_END ? end
                                        : any);
    if (pods == KUBE_PODS_STAY && kube__get(spec, "activeDeadlineSeconds") != NULL) {
        const struct kube_place place = kube__member(at, "activeDeadlineSeconds");
        kube__refuse(causes, CAUSE_FORBIDDEN, &place,
                     "Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported");
    }
}

static void check_spec(struct causes *causes, const json_t *spec, const struct kube_place *at,
                       enum kube_pods pods, const json_t *claims)
{
    static const char *const dns[] = {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None",
                                      NULL};
    const struct kube_place security = kube__member(at, "securityContext");
    kube__volumes(causes, spec, claims, at);
    check_containers(causes, spec, at);
    check_restart(causes, spec, at, pods);
    check_scheduling(causes, spec, at);
    check_security(causes, kube__get(spec, "securityContext"), &security);
    kube__among(causes, spec, at, "dnsPolicy", dns);
    kube__at_least(causes, spec, at, "terminationGracePeriodSeconds", 0);
    kube__at_least(causes, spec, at, "activeDeadlineSeconds", 1);
    kube__formed(causes, spec, at, "serviceAccountName", schema_dns_name);
    kube__formed(causes, spec, at, "priorityClassName", schema_dns_name);
    kube__formed(causes, spec, at, "hostname", schema_dns_label);
    kube__formed(causes, spec, at, "subdomain", schema_dns_label);
}

void kube__pods(struct causes *causes, const json_t *template, const struct kube_place *at,
                enum kube_pods pods, const json_t *claims)
{
    const json_t *metadata = kube__get(template, "metadata");
    const struct kube_place meta = kube__member(at, "metadata");
    const struct kube_place labels = kube__member(&meta, "labels");
    const struct kube_place annotations = kube__member(&meta, "annotations");
    const struct kube_place spec = kube__member(at, "spec");
    kube__labels(causes, kube__get(metadata, "labels"), &labels);
    kube__annotations(causes, kube__get(metadata, "annotations"), &annotations);
    if (kube__need(causes, template, at, "spec")) {
        check_spec(causes, kube__get(template, "spec"), &spec, pods, claims);
    }
}

void kube__check_pod(struct causes *causes, const json_t *object)
{
    const struct kube_place spec = kube__member(NULL, "spec");
    if (kube__need(causes, object, NULL, "spec")) { /* its labels are looked at as everybody's */
        check_spec(causes, kube__get(object, "spec"), &spec, KUBE_PODS_ALONE, NULL);
    }
}
