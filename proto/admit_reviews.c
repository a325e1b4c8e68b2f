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

void admit__check_token_request(const struct admit_request *request, struct admit_result *result)
{
    const json_int_t least = 10 * 60;
    const json_int_t most = (json_int_t)1 << 32;
    const json_t *spec = json_object_get(result->object, "spec");
    json_int_t seconds = json_integer_value(json_object_get(spec, "expirationSeconds"));
    (void)request;
    if (seconds < least || seconds > most) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("spec.expirationSeconds"),
                  "Invalid value: %lld: may not specify a duration %s", (long long)seconds,
                  seconds < least ? "less than 10 minutes" : "larger than 2^32 seconds");
    }
    if (json_object_get(spec, "boundObjectRef") != NULL) {
        cause_add(&result->causes, CAUSE_FORBIDDEN, SLICE("spec.boundObjectRef"),
                  "Forbidden: a token is bound to its service account alone");
    }
}

void admit__check_rules_review(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    if (json_text(json_at(result->object, "spec", "namespace", NULL)).len == 0) {
        cause_add(&result->causes, CAUSE_REQUIRED, SLICE("spec.namespace"), "Required value");
    }
}
