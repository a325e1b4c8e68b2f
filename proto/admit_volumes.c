/* admit_volumes.c: what of StatefulSets and PersistentVolumeClaims stays as it was made, as a
 * kube-apiserver has it. A claim's volume is named once it is found, and may grow. */
#include "proto/admit_internal.h"
#include "proto/schema.h"

/* What is left of the object's spec without those members; new, or NULL. */
static json_t *spec_without(const json_t *object, const char *const *keys, size_t count)
{
    json_t *spec = json_copy(json_object_get(object, "spec"));
    for (size_t i = 0; i < count; i++) {
        (void)json_object_del(spec, keys[i]);
    }
    return spec;
}

static bool rest_is_same(const struct admit_result *result, const char *const *keys, size_t count)
{
    json_t *before = spec_without(result->before, keys, count);
    json_t *after = spec_without(result->object, keys, count);
    bool same = before == NULL || after == NULL ? before == after : json_equal(before, after);
    json_decref(before);
    json_decref(after);
    return same;
}

void admit__check_stateful_set(const struct admit_request *request, struct admit_result *result)
{
    static const char *const may[] = {"replicas",
                                      "ordinals",
                                      "template",
                                      "updateStrategy",
                                      "revisionHistoryLimit",
                                      "minReadySeconds",
                                      "persistentVolumeClaimRetentionPolicy"};
    (void)request;
    if (result->before != NULL && !rest_is_same(result, may, sizeof(may) / sizeof(may[0]))) {
        cause_add(&result->causes, CAUSE_FORBIDDEN, SLICE("spec"),
                  "Forbidden: updates to statefulset spec for fields other than 'replicas', "
                  "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                  "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
    }
}

static bool storage_of(const json_t *claim, schema_nano *nano)
{
    const json_t *size = json_at(claim, "spec", "resources", "requests", "storage", NULL);
    return schema_quantity(json_text(size), nano);
}

void admit__check_claim(const struct admit_request *request, struct admit_result *result)
{
    static const char *const may[] = {"resources", "volumeAttributesClassName", "volumeName"};
    const json_t *named = json_at(result->before, "spec", "volumeName", NULL);
    schema_nano before;
    schema_nano after;
    (void)request;
    if (result->before == NULL) {
        return;
    }
    if (!rest_is_same(result, may, named == NULL ? 3 : 2)) {
        cause_add(&result->causes, CAUSE_FORBIDDEN, SLICE("spec"),
                  "Forbidden: spec is immutable after creation except resources.requests and "
                  "volumeAttributesClassName for bound claims");
    }
    if (storage_of(result->before, &before) && storage_of(result->object, &after) &&
        after < before) {
        cause_add(&result->causes, CAUSE_FORBIDDEN, SLICE("spec.resources.requests.storage"),
                  "Forbidden: field can not be less than status.capacity");
    }
}
