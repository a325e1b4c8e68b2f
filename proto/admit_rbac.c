/* Bindings of roles, as Kubernetes keeps them; what they want said is in kube_rules_rbac.c. */
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

/* A binding is to the role that it was made for. */
void admit__check_binding(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    const json_t *role = json_object_get(result->object, "roleRef");
    const json_t *before = json_object_get(result->before, "roleRef");
    if (before != NULL && role != NULL && !json_equal(before, role)) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("roleRef"),
                  "Invalid value: cannot change roleRef");
    }
}
