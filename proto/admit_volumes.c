/* admit_volumes.c: what of StatefulSets and PersistentVolumeClaims stays as it was made, as a
 * kube-apiserver has it. A claim's volume is named once it is found, and may grow from then on, if
 * its storage class has that. Classes are no objects here: one whose name begins with "fixed" is
 * taken for one without allowVolumeExpansion, and so is the empty name, which stands for no class.
 */
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

static bool is_bound(const json_t *claim)
{
    return slice_eq_cstr(json_text(json_at(claim, "status", "phase", NULL)), "Bound");
}

void admit__check_claim(const struct admit_request *request, struct admit_result *result)
{
    static const char *const may[] = {"volumeName", "resources", "volumeAttributesClassName"};
    const json_t *named = json_at(result->before, "spec", "volumeName", NULL);
    size_t first = named == NULL ? 0 : 1;
    schema_nano before;
    schema_nano after;
    (void)request;
    if (result->before == NULL) {
        return;
    }
    if (!rest_is_same(result, may + first, (is_bound(result->before) ? 3 : 1) - first)) {
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

int admit__check_growth(const struct admit_request *request, struct admit_result *result,
                        struct err *err)
{
    schema_nano before;
    schema_nano after;
    if (!slice_eq_cstr(request->kind->resource, "persistentvolumeclaims") ||
        !storage_of(result->before, &before) || !storage_of(result->object, &after) ||
        after <= before) {
        return 0;
    }
    const json_t *class = json_at(result->object, "spec", "storageClassName", NULL);
    bool none = class != NULL && json_text(class).len == 0;
    if (!none && !slice_starts_with(json_text(class), SLICE("fixed"))) {
        return 0;
    }
    return admit__fail(request, result, err, ERR_FORBIDDEN,
                       "persistentvolumeclaims \"%.*s\" is forbidden: only dynamically provisioned "
                       "pvc can be resized and the storageclass that provisions the pvc must "
                       "support resize",
                       SLICE_ARG(result->name));
}
