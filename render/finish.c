/* finish.c: the last word on what leaves the renderer.
 *
 * A tenant's type must not reach out of its cell. An object without a namespace is put into the
 * cell; one that names another is refused, as is every kind that belongs to no namespace: those of
 * Kubernetes are listed, and any kind called Cluster... counts as one.
 *
 * Pods read configuration when they start, so the hash of all ConfigMaps, Secrets and
 * ExternalSecrets goes into the pod template of the workload: what they say changes, the pods roll.
 */
#include "render/finish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "render/pipeline.h"

#define HASH_ANNOTATION "openchoreo.dev/dp-resource-hash"

/* Order of application: what pods need comes before them. Kinds not listed come last. */
static const char *const order[] = {"Namespace",
                                    "ResourceQuota",
                                    "LimitRange",
                                    "NetworkPolicy",
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
                                    "CronJob"};

static const char *const cluster_scoped[] = {"APIService",
                                             "CSIDriver",
                                             "CSINode",
                                             "CertificateSigningRequest",
                                             "ComponentStatus",
                                             "CustomResourceDefinition",
                                             "FlowSchema",
                                             "GatewayClass",
                                             "IngressClass",
                                             "MutatingWebhookConfiguration",
                                             "MutatingAdmissionPolicy",
                                             "MutatingAdmissionPolicyBinding",
                                             "Namespace",
                                             "Node",
                                             "PersistentVolume",
                                             "PodSecurityPolicy",
                                             "PriorityClass",
                                             "PriorityLevelConfiguration",
                                             "RuntimeClass",
                                             "SelfSubjectAccessReview",
                                             "SelfSubjectRulesReview",
                                             "ServiceCIDR",
                                             "IPAddress",
                                             "StorageClass",
                                             "StorageVersion",
                                             "SubjectAccessReview",
                                             "TokenReview",
                                             "ValidatingAdmissionPolicy",
                                             "ValidatingAdmissionPolicyBinding",
                                             "ValidatingWebhookConfiguration",
                                             "VolumeAttachment",
                                             "VolumeAttributesClass"};

static size_t rank_of(const char *kind)
{
    size_t i = 0;
    while (i < sizeof order / sizeof *order && strcmp(order[i], kind) != 0) {
        i++;
    }
    return i;
}

static bool belongs_to_no_namespace(struct slice kind)
{
    if (slice_starts_with(kind, SLICE("Cluster"))) {
        return true;
    }
    for (size_t i = 0; i < sizeof cluster_scoped / sizeof *cluster_scoped; i++) {
        if (slice_eq_cstr(kind, cluster_scoped[i])) {
            return true;
        }
    }
    return false;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A DNS label or, with dots, a subdomain. */
static bool is_dns(struct slice name, size_t limit, bool dots)
{
    bool ok = name.len > 0 && name.len <= limit && is_alnum(name.data[0]) &&
              is_alnum(name.data[name.len - 1]);
    for (size_t i = 0; ok && i < name.len; i++) {
        ok = is_alnum(name.data[i]) || name.data[i] == '-' || (dots && name.data[i] == '.');
    }
    return ok;
}

/* What Kubernetes takes as this kind's name: a DNS subdomain, for some a label; RBAC's names may
 * hold what a path's segment may. */
static bool valid_name(const json_t *object, struct slice name)
{
    struct slice kind = json_text_at(object, "kind");
    if (slice_starts_with(json_text_at(object, "apiVersion"),
                          SLICE("rbac.authorization.k8s.io/"))) {
        return name.len > 0 && name.len <= 253 && slice_find(name, SLICE("/")) == SIZE_MAX &&
               slice_find(name, SLICE("%")) == SIZE_MAX;
    }
    if (slice_eq_cstr(kind, "Service")) {
        return is_dns(name, 63, false) && name.data[0] >= 'a';
    }
    return slice_eq_cstr(kind, "Namespace") ? is_dns(name, 63, false) : is_dns(name, 253, true);
}

/* At most 63 of A-Z, a-z, 0-9, '-', '_', '.', the first and last alphanumeric; or nothing. */
static bool valid_label_value(const json_t *value)
{
    struct slice text = json_text(value);
    bool ok = json_is_string(value) && text.len <= 63;
    for (size_t i = 0; ok && i < text.len; i++) {
        char c = text.data[i];
        bool alnum = is_alnum(c) || (c >= 'A' && c <= 'Z');
        bool inner = i > 0 && i + 1 < text.len && (c == '-' || c == '_' || c == '.');
        ok = alnum || inner;
    }
    return ok;
}

static int refuse(struct err *err, const struct resource *r, const char *what)
{
    struct slice kind = json_text_at(r->object, "kind");
    struct slice name = json_text(json_at(r->object, "metadata", "name", NULL));
    return err_set(err, ERR_UNPROCESSABLE, "%.*s: %.*s%s%.*s %s", SLICE_ARG(r->id), SLICE_ARG(kind),
                   kind.len > 0 ? " " : "", SLICE_ARG(name), what);
}

static int check_place(const struct finish *how, const struct resource *r, json_t *metadata,
                       struct err *err)
{
    struct slice kind = json_text_at(r->object, "kind");
    struct slice ns = json_text_at(metadata, "namespace");
    bool is_cell = how->cell_itself && slice_eq_cstr(kind, "Namespace") &&
                   slice_eq(json_text_at(metadata, "name"), how->cell);
    if (is_cell) {
        json_object_del(metadata, "namespace");
        return 0;
    }
    if (belongs_to_no_namespace(kind)) {
        return refuse(err, r, "belongs to no namespace: types may make namespaced objects only");
    }
    if (ns.len > 0 && !slice_eq(ns, how->cell)) {
        err_set(err, ERR_UNPROCESSABLE, "must be in the namespace %.*s, not in %.*s",
                SLICE_ARG(how->cell), SLICE_ARG(ns));
        return err_wrap(err, "%.*s: %.*s %.*s", SLICE_ARG(r->id), SLICE_ARG(kind),
                        SLICE_ARG(json_text_at(metadata, "name")));
    }
    json_object_set_new(metadata, "namespace", json_str(how->cell));
    return 0;
}

static int check_object(const struct finish *how, const struct resource *r, struct err *err)
{
    struct slice api = json_text_at(r->object, "apiVersion");
    json_t *metadata = json_object_get(r->object, "metadata");
    if (api.len == 0) {
        return refuse(err, r, "has no apiVersion");
    }
    if (json_text_at(r->object, "kind").len == 0) {
        return refuse(err, r, "has no kind");
    }
    if (!json_is_object(metadata)) {
        return refuse(err, r, "has no metadata");
    }
    if (!valid_name(r->object, json_text_at(metadata, "name"))) {
        return refuse(err, r, "has no valid metadata.name");
    }
    return check_place(how, r, metadata, err);
}

/* Puts the members of from, strings, into object.metadata[key]. */
static int stamp(const struct resource *r, const char *key, const json_t *from, struct err *err)
{
    json_t *into = json_child(json_object_get(r->object, "metadata"), key);
    if (into == NULL) {
        return refuse(err, r, "has labels or annotations that are no map");
    }
    json_t *copy = json_deep_copy(from);
    json_object_update(into, copy);
    json_decref(copy);
    if (json_object_size(into) == 0) {
        json_object_del(json_object_get(r->object, "metadata"), key);
    }
    return 0;
}

/* Names the first label by key whose value Kubernetes would refuse. */
static int check_labels(const struct resource *r, struct err *err)
{
    json_t *labels = json_at(r->object, "metadata", "labels", NULL);
    const char *wrong = NULL;
    const char *key;
    json_t *value;
    json_object_foreach(labels, key, value)
    {
        if (!valid_label_value(value) && (wrong == NULL || strcmp(key, wrong) < 0)) {
            wrong = key;
        }
    }
    if (wrong == NULL) {
        return 0;
    }
    char what[200];
    (void)snprintf(what, sizeof what,
                   "has a label %s whose value is no text of at most 63 letters, digits, '-', "
                   "'_' and '.'",
                   wrong);
    return refuse(err, r, what);
}

static int stamp_all(const struct finish *how, const struct resource *r, struct err *err)
{
    int rc = stamp(r, "labels", how->labels, err);
    if (rc == 0) {
        rc = stamp(r, "labels", how->standard, err);
    }
    if (rc == 0) {
        rc = check_labels(r, err);
    }
    return rc == 0 ? stamp(r, "annotations", how->annotations, err) : rc;
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
    return strcmp(kind, "ConfigMap") == 0 || strcmp(kind, "Secret") == 0 ||
           strcmp(kind, "ExternalSecret") == 0;
}

static bool is_workload(const json_t *object, struct slice type)
{
    const char *kind = text_of(object, "kind");
    return (slice_eq_cstr(type, "deployment") && strcmp(kind, "Deployment") == 0) ||
           (slice_eq_cstr(type, "statefulset") && strcmp(kind, "StatefulSet") == 0);
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
            }
        }
    }
    buf_free(&text);
}

static int check_unique(const struct resource_list *list, struct err *err)
{
    for (size_t i = 1; i < list->count; i++) {
        if (by_order(&list->items[i - 1], &list->items[i]) == 0) {
            return refuse(err, &list->items[i], "is made twice");
        }
    }
    return 0;
}

int finish_manifests(const struct finish *how, struct resource_list *list, json_t **manifests,
                     struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = check_object(how, &list->items[i], err);
        if (rc == 0) {
            rc = stamp_all(how, &list->items[i], err);
        }
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
    }
    return 0;
}

void render_key(const json_t *manifest, struct buf *out)
{
    const json_t *metadata = json_object_get(manifest, "metadata");
    buf_addf(out, "%s/%s/%s/%s", text_of(manifest, "apiVersion"), text_of(manifest, "kind"),
             text_of(metadata, "namespace"), text_of(metadata, "name"));
}
