/* What roles and their bindings want said, as Kubernetes has it. */
#include <stdio.h>

#include "proto/admit_internal.h"

static const struct slice rbac_group = {"rbac.authorization.k8s.io",
                                        sizeof "rbac.authorization.k8s.io" - 1};

static bool is_account(const json_t *subject)
{
    return slice_eq_cstr(json_text_at(subject, "kind"), "ServiceAccount");
}

/* Groups that are not named: clients write them as "", too. */
void admit__prepare_binding(json_t *object)
{
    json_t *subjects = json_object_get(object, "subjects");
    json_t *role = json_object_get(object, "roleRef");
    if (json_is_object(role) && json_is_string(json_object_get(role, "apiGroup")) &&
        json_text_at(role, "apiGroup").len == 0) {
        (void)json_object_del(role, "apiGroup");
    }
    for (size_t i = 0; i < json_array_size(subjects); i++) {
        json_t *subject = json_array_get(subjects, i);
        const json_t *group = json_object_get(subject, "apiGroup");
        bool absent = group == NULL || (json_is_string(group) && json_string_length(group) == 0);
        if (json_is_object(subject) && absent) {
            (void)json_object_del(subject, "apiGroup");
            if (!is_account(subject)) {
                json_object_set_new(subject, "apiGroup", json_str(rbac_group));
            }
        }
    }
}

/* ---- roles ---- */

static bool has(const json_t *rule, const char *name)
{
    return json_array_size(json_object_get(rule, name)) > 0;
}

/* A field of the index-th item of a list. */
static struct slice field_of(char out[64], const char *list, size_t index, const char *name)
{
    int len = snprintf(out, 64, "%s[%zu].%s", list, index, name);
    return slice_make(out, len > 0 && len < 64 ? (size_t)len : 0);
}

static void check_resources(struct causes *causes, const json_t *rule, size_t i)
{
    char field[64];
    if (!has(rule, "apiGroups")) {
        cause_add(causes, CAUSE_REQUIRED, field_of(field, "rules", i, "apiGroups"),
                  "Required value: resource rules must supply at least one api group");
    }
    if (!has(rule, "resources")) {
        cause_add(causes, CAUSE_REQUIRED, field_of(field, "rules", i, "resources"),
                  "Required value: resource rules must supply at least one resource");
    }
}

static void check_urls(struct causes *causes, const json_t *rule, size_t i, bool namespaced)
{
    char field[64];
    struct slice urls = field_of(field, "rules", i, "nonResourceURLs");
    if (namespaced) {
        cause_add(causes, CAUSE_INVALID, urls,
                  "Invalid value: namespaced rules cannot apply to non-resource URLs");
    }
    if (has(rule, "apiGroups") || has(rule, "resources") || has(rule, "resourceNames")) {
        cause_add(causes, CAUSE_INVALID, urls,
                  "Invalid value: rules cannot apply to both regular resources and non-resource "
                  "URLs");
    }
}

void admit__check_role(const struct admit_request *request, struct admit_result *result)
{
    const json_t *rules = json_object_get(result->object, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        char field[64];
        if (json_is_array(json_object_get(rule, "verbs")) && !has(rule, "verbs")) {
            cause_add(&result->causes, CAUSE_REQUIRED, field_of(field, "rules", i, "verbs"),
                      "Required value: verbs must contain at least one value");
        }
        if (has(rule, "nonResourceURLs")) {
            check_urls(&result->causes, rule, i, request->kind->namespaced);
        } else {
            check_resources(&result->causes, rule, i);
        }
    }
}

/* ---- bindings ---- */

static void check_account(struct causes *causes, const json_t *subject, size_t i)
{
    char field[64];
    struct slice name = json_text_at(subject, "name");
    const char *wrong = name.len > 0 ? schema_dns_name(name) : NULL;
    if (wrong != NULL) {
        cause_add(causes, CAUSE_INVALID, field_of(field, "subjects", i, "name"),
                  "Invalid value: \"%.*s\": %s", SLICE_ARG(slice_sub(name, 0, 300)), wrong);
    }
    if (json_text_at(subject, "namespace").len == 0) {
        cause_add(causes, CAUSE_REQUIRED, field_of(field, "subjects", i, "namespace"),
                  "Required value");
    }
}

static void check_subject(struct causes *causes, const json_t *subject, size_t i)
{
    char field[64];
    bool account = is_account(subject);
    struct slice group = json_text_at(subject, "apiGroup");
    struct slice wanted = account ? SLICE("") : rbac_group;
    if (account) {
        check_account(causes, subject, i);
    }
    if (!slice_eq(group, wanted)) {
        cause_add(causes, CAUSE_NOT_SUPPORTED, field_of(field, "subjects", i, "apiGroup"),
                  "Unsupported value: \"%.*s\": supported values: \"%.*s\"",
                  SLICE_ARG(slice_sub(group, 0, 300)), SLICE_ARG(wanted));
    }
}

void admit__check_binding(const struct admit_request *request, struct admit_result *result)
{
    const json_t *subjects = json_object_get(result->object, "subjects");
    const json_t *role = json_object_get(result->object, "roleRef");
    for (size_t i = 0; i < json_array_size(subjects); i++) {
        check_subject(&result->causes, json_array_get(subjects, i), i);
    }
    if (!request->kind->namespaced && slice_eq_cstr(json_text_at(role, "kind"), "Role")) {
        cause_add(&result->causes, CAUSE_NOT_SUPPORTED, SLICE("roleRef.kind"),
                  "Unsupported value: \"Role\": supported values: \"ClusterRole\"");
    }
    const json_t *before = json_object_get(result->before, "roleRef");
    if (before != NULL && role != NULL && !json_equal(before, role)) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("roleRef"),
                  "Invalid value: cannot change roleRef");
    }
}
