/* What the kinds that are answered want said: who and what is asked about. */
#include "proto/admit_internal.h"

/* Of objects or of a path that holds none: one of the two. */
static void check_attributes(struct causes *causes, const json_t *spec)
{
    bool resource = json_is_object(json_object_get(spec, "resourceAttributes"));
    bool path = json_is_object(json_object_get(spec, "nonResourceAttributes"));
    if (resource && path) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.nonResourceAttributes"),
                  "Invalid value: cannot be specified in combination with resourceAttributes");
    } else if (!resource && !path) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.resourceAttributes"),
                  "Invalid value: \"null\": exactly one of nonResourceAttributes or "
                  "resourceAttributes must be specified");
    }
}

void admit__check_self_access(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    check_attributes(&result->causes, json_object_get(result->object, "spec"));
}

void admit__check_access(const struct admit_request *request, struct admit_result *result)
{
    const json_t *spec = json_object_get(result->object, "spec");
    (void)request;
    check_attributes(&result->causes, spec);
    if (json_text_at(spec, "user").len == 0 &&
        json_array_size(json_object_get(spec, "groups")) == 0) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("spec.user"),
                  "Invalid value: \"\": at least one of user or group must be specified");
    }
}

void admit__check_local_access(const struct admit_request *request, struct admit_result *result)
{
    const json_t *spec = json_object_get(result->object, "spec");
    struct slice ns = json_text(json_at(spec, "resourceAttributes", "namespace", NULL));
    admit__check_access(request, result);
    if (json_object_get(spec, "nonResourceAttributes") != NULL) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("spec.nonResourceAttributes"),
                  "Invalid value: disallowed on this kind of request");
    } else if (!slice_eq(ns, request->ns)) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("spec.resourceAttributes.namespace"),
                  "Invalid value: \"%.*s\": must match metadata.namespace",
                  SLICE_ARG(slice_sub(ns, 0, 300)));
    }
}

void admit__check_rules_review(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    if (json_text(json_at(result->object, "spec", "namespace", NULL)).len == 0) {
        cause_add(&result->causes, CAUSE_REQUIRED, SLICE("spec.namespace"), "Required value");
    }
}
