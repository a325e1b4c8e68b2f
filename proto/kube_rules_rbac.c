/* kube_rules_rbac.c: what roles and their bindings want said. */
#include "proto/kube_rules_internal.h"

static const struct slice rbac_group = {"rbac.authorization.k8s.io",
                                        sizeof "rbac.authorization.k8s.io" - 1};

/* ---- roles ---- */

static bool has(const json_t *rule, const char *name)
{
    return json_array_size(kube__get(rule, name)) > 0;
}

static void check_resources(struct causes *causes, const json_t *rule, const struct kube_place *at)
{
    const struct kube_place groups = kube__member(at, "apiGroups");
    const struct kube_place resources = kube__member(at, "resources");
    if (!has(rule, "apiGroups")) {
        kube__refuse(causes, CAUSE_REQUIRED, &groups,
                     "Required value: resource rules must supply at least one api group");
    }
    if (!has(rule, "resources")) {
        kube__refuse(causes, CAUSE_REQUIRED, &resources,
                     "Required value: resource rules must supply at least one resource");
    }
}

static void check_urls(struct causes *causes, const json_t *rule, const struct kube_place *at,
                       bool namespaced)
{
    const struct kube_place urls = kube__member(at, "nonResourceURLs");
    if (namespaced) {
        kube__refuse(causes, CAUSE_INVALID, &urls,
                     "Invalid value: namespaced rules cannot apply to non-resource URLs");
    }
    if (has(rule, "apiGroups") || has(rule, "resources") || has(rule, "resourceNames")) {
        kube__refuse(causes, CAUSE_INVALID, &urls,
                     "Invalid value: rules cannot apply to both regular resources and non-resource "
                     "URLs");
    }
}

static void check_rules(struct causes *causes, const json_t *object, bool namespaced)
{
    const json_t *rules = kube__get(object, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const struct kube_place at = kube__item(NULL, "rules", i);
        if (!has(rule, "verbs")) {
            const struct kube_place verbs = kube__member(&at, "verbs");
            kube__refuse(causes, CAUSE_REQUIRED, &verbs,
                         "Required value: verbs must contain at least one value");
        }
        if (has(rule, "nonResourceURLs")) {
            check_urls(causes, rule, &at, namespaced);
        } else {
            check_resources(causes, rule, &at);
        }
    }
}

void kube__check_role(struct causes *causes, const json_t *object)
{
    check_rules(causes, object, true);
}

void kube__check_cluster_role(struct causes *causes, const json_t *object)
{
    check_rules(causes, object, false);
}

/* ---- bindings ---- */

static void check_subject(struct causes *causes, const json_t *subject, const struct kube_place *at)
{
    bool account = slice_eq_cstr(json_text_at(subject, "kind"), "ServiceAccount");
    struct slice group = json_text_at(subject, "apiGroup");
    struct slice wanted = account ? SLICE("") : rbac_group;
    const struct kube_place place = kube__member(at, "apiGroup");
    if (account) {
        kube__formed(causes, subject, at, "name", schema_dns_name);
        (void)kube__need(causes, subject, at, "namespace");
    }
    /* Of others it is the default. */
    if (!slice_eq(group, wanted) && (account || group.len > 0)) {
        kube__refuse(causes, CAUSE_NOT_SUPPORTED, &place,
                     "Unsupported value: \"%.*s\": supported values: \"%.*s\"",
                     SLICE_ARG(slice_sub(group, 0, 300)), SLICE_ARG(wanted));
    }
}

static void check_subjects(struct causes *causes, const json_t *object, bool namespaced)
{
    const json_t *subjects = kube__get(object, "subjects");
    const json_t *role = kube__get(object, "roleRef");
    const struct kube_place place = kube__member(NULL, "roleRef");
    for (size_t i = 0; i < json_array_size(subjects); i++) {
        const struct kube_place at = kube__item(NULL, "subjects", i);
        check_subject(causes, json_array_get(subjects, i), &at);
    }
    (void)kube__need(causes, role, &place, "kind");
    (void)kube__need(causes, role, &place, "name");
    if (!namespaced && slice_eq_cstr(json_text_at(role, "kind"), "Role")) {
        const struct kube_place kind = kube__member(&place, "kind");
        kube__refuse(causes, CAUSE_NOT_SUPPORTED, &kind,
                     "Unsupported value: \"Role\": supported values: \"ClusterRole\"");
    }
}

void kube__check_binding(struct causes *causes, const json_t *object)
{
    check_subjects(causes, object, true);
}

void kube__check_cluster_binding(struct causes *causes, const json_t *object)
{
    check_subjects(causes, object, false);
}
