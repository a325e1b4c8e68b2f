/* finish.c: the last word on what leaves the renderer.
 *
 * Pods read configuration when they start, so the hash of all ConfigMaps, Secrets and
 * ExternalSecrets goes into the pod template of the workload: what they say changes, the pods roll.
 */
#include "render/finish.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "render/derived.h"
#include "render/manifest.h"
#include "render/pipeline.h"
#include "render/shape.h"

#define HASH_ANNOTATION "openchoreo.dev/dp-resource-hash"

/* Order of application: what pods need comes before them. Kinds not listed come last: those that a
 * cluster may not have keep nothing else from it. */
static const char *const order[] = {"Namespace",
                                    "ResourceQuota",
                                    "LimitRange",
                                    "NetworkPolicy",
                                    "CiliumNetworkPolicy",
                                    "ServiceAccount",
                                    "Role",
                                    "RoleBinding",
                                    "ConfigMap",
                                    "Secret",
                                    "SecretStore",
                                    "ExternalSecret",
                                    "PersistentVolumeClaim",
                                    "Service",
                                    "Deployment",
                                    "StatefulSet",
                                    "DaemonSet",
                                    "Job",
                                    "CronJob",
                                    "HorizontalPodAutoscaler",
                                    "PodDisruptionBudget"};

static size_t rank_of(const char *kind)
{
    size_t i = 0;
    while (i < sizeof order / sizeof *order && strcmp(order[i], kind) != 0) {
        i++;
    }
    return i;
}

/* Puts the members of from, strings, into object.metadata[key]. */
static void stamp(const struct finish *how, const struct resource *r, const char *key,
                  const json_t *from, const char *what)
{
    json_t *metadata = json_object_get(r->object, "metadata");
    json_t *into = json_child(metadata, key);
    json_t *origins = trace_member(trace_member(r->origin, SLICE("metadata")), slice_of(key));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, name, value)
    {
        if (!json_equal(json_object_get(into, name), value)) {
            trace_set(origins, slice_of(name), trace_builtin(how->trace, what));
        }
        json_object_set_new(into, name, json_deep_copy(value));
    }
    if (json_object_size(into) == 0) {
        json_object_del(metadata, key);
    }
}

/* Checks one object, puts it into its place and labels it. */
static int finish_one(const struct finish *how, const struct resource *r, struct err *err)
{
    const struct manifest_rules rules = {
        .cell = how->cell, .cell_itself = how->cell_itself, .standard = how->standard};
    bool placed = json_at(r->object, "metadata", "namespace", NULL) != NULL;
    int rc = manifest_check(&rules, r, err);
    if (rc != 0) {
        return rc;
    }
    if (!placed) {
        trace_set(trace_member(r->origin, SLICE("metadata")), SLICE("namespace"),
                  trace_builtin(how->trace, "the cell's namespace"));
    }
    stamp(how, r, "labels", how->labels, "labels of whoever renders");
    stamp(how, r, "labels", how->standard, "standard labels");
    stamp(how, r, "annotations", how->annotations, "annotations of whoever renders");
    rc = manifest_check_texts(r, err);
    return rc == 0 ? shape_check(r, err) : rc;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static int by_order(const void *a, const void *b)
{
    const json_t *x = ((const struct resource *)a)->object;
    const json_t *y = ((const struct resource *)b)->object;
    size_t rank_x = rank_of(text_of(x, "kind"));
    size_t rank_y = rank_of(text_of(y, "kind"));
    if (rank_x != rank_y) {
        return rank_x < rank_y ? -1 : 1;
    }
    int c = strcmp(text_of(x, "kind"), text_of(y, "kind"));
    c = c != 0 ? c : strcmp(text_of(x, "apiVersion"), text_of(y, "apiVersion"));
    return c != 0 ? c
                  : strcmp(text_of(json_object_get(x, "metadata"), "name"),
                           text_of(json_object_get(y, "metadata"), "name"));
}

static bool is_configuration(const json_t *object)
{
    const char *kind = text_of(object, "kind");
    if (strcmp(kind, "Secret") == 0) {
        return !derive_is_pull_secret(object); /* the kubelet reads it, and pods do not */
    }
    return strcmp(kind, "ConfigMap") == 0 || strcmp(kind, "ExternalSecret") == 0;
}

static bool is_workload(const json_t *object, struct slice type)
{
    const char *kind = text_of(object, "kind");
    return (slice_eq_cstr(type, "deployment") && strcmp(kind, "Deployment") == 0) ||
           (slice_eq_cstr(type, "statefulset") && strcmp(kind, "StatefulSet") == 0);
}

static void trace_hash(const struct finish *how, json_t *origin)
{
    static const char *const way[] = {"spec", "template", "metadata", "annotations"};
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        origin = trace_member(origin, slice_of(way[i]));
    }
    trace_set(origin, SLICE(HASH_ANNOTATION), trace_builtin(how->trace, "hash of configuration"));
}

/* The list is in order already. Labels are left out: a new caller's label rolls no pods. */
static void hash_configuration(const struct finish *how, const struct resource_list *list)
{
    struct buf text = {0};
    for (size_t i = 0; i < list->count; i++) {
        if (is_configuration(list->items[i].object)) {
            json_t *bare = json_copy(list->items[i].object);
            json_object_del(bare, "metadata");
            buf_add_cstr(&text,
                         text_of(json_object_get(list->items[i].object, "metadata"), "name"));
            json_canonical(bare, &text);
            json_decref(bare);
        }
    }
    uint8_t digest[SHA256_BYTES];
    crypto_sha256(buf_slice(&text), digest);
    bool any = text.len > 0;
    buf_clear(&text);
    hex_encode(&text, slice_make(digest, 4));
    for (size_t i = 0; any && i < list->count; i++) {
        json_t *pods = json_at(list->items[i].object, "spec", "template", NULL);
        if (json_is_object(pods) && is_workload(list->items[i].object, how->workload_type)) {
            json_t *metadata = json_child(pods, "metadata");
            json_t *annotations = metadata != NULL ? json_child(metadata, "annotations") : NULL;
            if (annotations != NULL) {
                json_object_set_new(annotations, HASH_ANNOTATION, json_str(buf_slice(&text)));
                trace_hash(how, list->items[i].origin);
            }
        }
    }
    buf_free(&text);
}

static int check_unique(const struct resource_list *list, struct err *err)
{
    for (size_t i = 1; i < list->count; i++) {
        if (by_order(&list->items[i - 1], &list->items[i]) == 0) {
            return manifest_refuse(err, &list->items[i], "is made twice");
        }
    }
    return 0;
}

int finish_manifests(const struct finish *how, struct resource_list *list, json_t **manifests,
                     struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = finish_one(how, &list->items[i], err);
    }
    if (rc != 0) {
        return rc;
    }
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof *list->items, by_order);
    }
    rc = check_unique(list, err);
    if (rc != 0) {
        return rc;
    }
    hash_configuration(how, list);
    *manifests = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_array_append(*manifests, list->items[i].object);
        if (how->trace != NULL) {
            json_array_append(how->trace->manifests, list->items[i].origin);
        }
    }
    return 0;
}

void render_key(const json_t *manifest, struct buf *out)
{
    const json_t *metadata = json_object_get(manifest, "metadata");
    buf_addf(out, "%s/%s/%s/%s", text_of(manifest, "apiVersion"), text_of(manifest, "kind"),
             text_of(metadata, "namespace"), text_of(metadata, "name"));
}
