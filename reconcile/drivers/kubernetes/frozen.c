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

enum { SAME, LARGER, SMALLER };

static int compare_sizes(const json_t *before, const json_t *after)
{
    schema_nano was;
    schema_nano wanted;
    if (!slice_eq(object_name(before), object_name(after)) ||
        !schema_quantity(size_of(before), &was) || !schema_quantity(size_of(after), &wanted)) {
        return SAME;
    }
    return was < wanted ? LARGER : was > wanted ? SMALLER : SAME;
}

static json_t *templates_of(const json_t *set)
{
    return json_object_get(spec_of(set), "volumeClaimTemplates");
}

/* live as it would be with larger volumes where manifest wants them, a new tree; *smaller: the
 * first template that asks for less, or NULL. */
static json_t *grown(const json_t *live, const json_t *manifest, const json_t **smaller)
{
    json_t *copy = json_deep_copy(live);
    *smaller = NULL;
    for (size_t i = 0; i < json_array_size(templates_of(manifest)); i++) {
        const json_t *after = json_array_get(templates_of(manifest), i);
        json_t *before = json_array_get(templates_of(copy), i);
        int size = compare_sizes(before, after);
        *smaller = size == SMALLER && *smaller == NULL ? after : *smaller;
        if (size == LARGER) {
            json_object_set_new(json_at(before, "spec", "resources", "requests", NULL), "storage",
                                json_str(size_of(after)));
        }
    }
    return copy;
}

static int refuse_smaller(const json_t *live, const json_t *manifest, const json_t *smaller,
                          struct err *err)
{
    size_t i = 0;
    while (json_array_get(templates_of(manifest), i) != smaller) {
        i++;
    }
    return err_set(err, ERR_UNPROCESSABLE,
                   "a volume does not shrink: \"%.*s\" is %.*s, and %.*s is asked "
                   "for: set its size back",
                   SLICE_ARG(object_name(smaller)),
                   SLICE_ARG(size_of(json_array_get(templates_of(live), i))),
                   SLICE_ARG(size_of(smaller)));
}

static int check_set(const json_t *live, const json_t *manifest, bool *grows, struct err *err)
{
    static const char *const free_keys[] = {"replicas",
                                            "ordinals",
                                            "template",
                                            "updateStrategy",
                                            "revisionHistoryLimit",
                                            "minReadySeconds",
                                            "persistentVolumeClaimRetentionPolicy"};
    const size_t count = sizeof free_keys / sizeof *free_keys;
    const json_t *smaller;
    if (other_member(live, manifest, free_keys, count) == NULL) {
        return 0;
    }
    json_t *larger = grown(live, manifest, &smaller);
    const char *key = other_member(larger, manifest, free_keys, count);
    json_decref(larger);
    if (smaller != NULL) {
        return refuse_smaller(live, manifest, smaller, err);
    }
    if (key == NULL) {
        *grows = true;
        return 0;
    }
    return err_set(err, ERR_UNPROCESSABLE,
                   "spec.%s cannot be changed once it is there: set it back, "
                   "or delete the StatefulSet (kubectl delete statefulset %.*s -n %.*s "
                   "--cascade=orphan leaves its pods and volumes), and it is made anew",
                   key, SLICE_ARG(object_name(manifest)), SLICE_ARG(object_ns(manifest)));
}

/* ---- claims ---- */

static int check_claim(const json_t *live, const json_t *manifest, struct err *err)
{
    static const char *const free_keys[] = {"resources", "volumeAttributesClassName"};
    const char *key = other_member(live, manifest, free_keys, 2);
    if (key != NULL) {
        return err_set(
            err, ERR_UNPROCESSABLE,
            "spec.%s cannot be changed once it is there: set it back, or give the volume another "
            "name, by which a new and empty one is made",
            key);
    }
    schema_nano before;
    schema_nano after;
    if (schema_quantity(size_of(live), &before) && schema_quantity(size_of(manifest), &after) &&
        after < before) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "a volume does not shrink: it is %.*s, and %.*s is asked for: set its size "
                       "back, or give it another name, by which a new and empty one is made",
                       SLICE_ARG(size_of(live)), SLICE_ARG(size_of(manifest)));
    }
    return 0;
}

int frozen_check(const json_t *live, const json_t *manifest, bool *grows, struct err *err)
{
    struct slice kind = object_kind(manifest);
    *grows = false;
    return slice_eq_cstr(kind, "StatefulSet")             ? check_set(live, manifest, grows, err)
           : slice_eq_cstr(kind, "PersistentVolumeClaim") ? check_claim(live, manifest, err)
                                                          : 0;
}
