/* frozen.c: StatefulSets and PersistentVolumeClaims, which take few changes (Kubernetes refuses the
 * others, and all that comes with them, in words that name neither the field nor a way out). */
#include "reconcile/drivers/kubernetes/frozen.h"

#include "proto/object.h"
#include "proto/schema.h"
#include "reconcile/drivers/kubernetes/live.h"

bool frozen_kind(struct slice kind)
{
    return slice_eq_cstr(kind, "StatefulSet") || slice_eq_cstr(kind, "PersistentVolumeClaim");
}

static const json_t *spec_of(const json_t *object)
{
    return json_object_get(object, "spec");
}

/* What a claim, or the template of one, asks for: "1Gi". */
static struct slice size_of(const json_t *claim)
{
    return json_text(json_at(claim, "spec", "resources", "requests", "storage", NULL));
}

static bool is_among(const char *key, const char *const *keys, size_t count)
{
    size_t i = 0;
    while (i < count && !slice_eq_cstr(slice_of(key), keys[i])) {
        i++;
    }
    return i < count;
}

/* What API servers leave out; and an empty text, for which they may have a default. */
static bool says_nothing(const json_t *wanted, const json_t *there)
{
    if (json_is_null(wanted) || (json_is_string(wanted) && json_text(wanted).len == 0)) {
        return true;
    }
    bool empty = json_is_array(wanted) ? json_array_size(wanted) == 0
                                       : json_is_object(wanted) && json_object_size(wanted) == 0;
    return there == NULL && (empty || json_is_false(wanted));
}

/* A member of manifest's spec that says another thing than live's and may not; or NULL. */
static const char *other_member(const json_t *live, const json_t *manifest,
                                const char *const *free_keys, size_t count)
{
    const char *key;
    json_t *wanted;
    json_object_foreach((json_t *)(uintptr_t)spec_of(manifest), key, wanted)
    {
        const json_t *there = json_object_get(spec_of(live), key);
        if (!is_among(key, free_keys, count) && !says_nothing(wanted, there) &&
            (there == NULL || !live_satisfies(there, wanted))) {
            return key;
        }
    }
    return NULL;
}

/* ---- StatefulSets ---- */

/* The first template that asks for a volume of another size, with nothing else about it changed. */
static const json_t *resized(const json_t *live, const json_t *manifest, struct slice *was)
{
    const json_t *before = json_object_get(spec_of(live), "volumeClaimTemplates");
    const json_t *after = json_object_get(spec_of(manifest), "volumeClaimTemplates");
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *claim = json_array_get(after, i);
        const json_t *old = json_array_get(before, i);
        *was = size_of(old);
        if (was->len > 0 && size_of(claim).len > 0 &&
            slice_eq(object_name(old), object_name(claim)) &&
            !live_satisfies(json_object_get(spec_of(old), "resources"),
                            json_object_get(spec_of(claim), "resources"))) {
            return claim;
        }
    }
    return NULL;
}

static int check_set(const json_t *live, const json_t *manifest, struct err *err)
{
    static const char *const free_keys[] = {"replicas",
                                            "ordinals",
                                            "template",
                                            "updateStrategy",
                                            "revisionHistoryLimit",
                                            "minReadySeconds",
                                            "persistentVolumeClaimRetentionPolicy"};
    const char *key = other_member(live, manifest, free_keys, sizeof free_keys / sizeof *free_keys);
    struct slice name = object_name(manifest);
    struct slice was = {0};
    const json_t *claim = key == NULL ? NULL : resized(live, manifest, &was);
    if (key == NULL) {
        return 0;
    }
    if (claim == NULL) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "StatefulSet %.*s: spec.%s cannot be changed once it is there: set it back, "
                       "or delete the StatefulSet (kubectl delete statefulset %.*s -n %.*s "
                       "--cascade=orphan leaves its pods and volumes), and it is made anew",
                       SLICE_ARG(name), key, SLICE_ARG(name), SLICE_ARG(object_ns(manifest)));
    }
    return err_set(
        err, ERR_UNPROCESSABLE,
        "StatefulSet %.*s: the size of volume \"%.*s\" is %.*s and cannot be made %.*s through "
        "it: set it back; or, where the storage class lets volumes grow, set that in the "
        "PersistentVolumeClaims %.*s-%.*s-0 and so on, then kubectl delete statefulset %.*s -n "
        "%.*s "
        "--cascade=orphan: it is made anew around its pods and volumes",
        SLICE_ARG(name), SLICE_ARG(object_name(claim)), SLICE_ARG(was), SLICE_ARG(size_of(claim)),
        SLICE_ARG(object_name(claim)), SLICE_ARG(name), SLICE_ARG(name),
        SLICE_ARG(object_ns(manifest)));
}

/* ---- claims ---- */

static int check_claim(const json_t *live, const json_t *manifest, struct err *err)
{
    static const char *const free_keys[] = {"resources", "volumeAttributesClassName"};
    const char *key = other_member(live, manifest, free_keys, 2);
    struct slice name = object_name(manifest);
    if (key != NULL) {
        return err_set(
            err, ERR_UNPROCESSABLE,
            "PersistentVolumeClaim %.*s: spec.%s cannot be changed once it is there: set "
            "it back, or give the volume another name, by which a new and empty one is "
            "made",
            SLICE_ARG(name), key);
    }
    schema_nano before;
    schema_nano after;
    if (schema_quantity(size_of(live), &before) && schema_quantity(size_of(manifest), &after) &&
        after < before) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "PersistentVolumeClaim %.*s: a volume does not shrink: it is %.*s, and %.*s "
                       "is asked for: set its size back, or give it another name, by which a new "
                       "and empty one is made",
                       SLICE_ARG(name), SLICE_ARG(size_of(live)), SLICE_ARG(size_of(manifest)));
    }
    return 0;
}

int frozen_check(const json_t *live, const json_t *manifest, struct err *err)
{
    struct slice kind = object_kind(manifest);
    return slice_eq_cstr(kind, "StatefulSet")             ? check_set(live, manifest, err)
           : slice_eq_cstr(kind, "PersistentVolumeClaim") ? check_claim(live, manifest, err)
                                                          : 0;
}
