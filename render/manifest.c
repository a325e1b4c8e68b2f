/* manifest.c: rules of what leaves the renderer.
 *
 * An object without a namespace is put into the cell; one that names another is refused (but for
 * the cell's own template: some controllers take orders in one namespace only), as is every kind
 * that belongs to no namespace: those of Kubernetes are listed, and any kind called
 * ClusterSomething counts as one (a plain Cluster, of databases or machines, is in a namespace).
 * The driver makes URLs of apiVersion and kind, so they are checked to the letter.
 *
 * Network policies and Services select pods by our labels, so a pod that carried another
 * component's would get its traffic: templates may repeat our labels, also on pods, but not
 * contradict them. The driver finds its objects by labels and annotations of choreo.dev/, which are
 * nobody else's. */
#include "render/manifest.h"

#include <stdio.h>
#include <string.h>

#include "proto/kind.h"
#include "proto/schema.h"
#include "render/members.h"

#define OURS "choreo.dev/"
#define STANDARD "openchoreo.dev/"

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

bool manifest_cluster_scoped(struct slice kind)
{
    if (slice_starts_with(kind, SLICE("Cluster")) && kind.len > sizeof "Cluster" - 1) {
        return true;
    }
    for (size_t i = 0; i < sizeof cluster_scoped / sizeof *cluster_scoped; i++) {
        if (slice_eq_cstr(kind, cluster_scoped[i])) {
            return true;
        }
    }
    return false;
}

bool manifest_workload(struct slice group, struct slice kind)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"};
    bool theirs = slice_eq_cstr(group, "apps") || slice_eq_cstr(group, "batch");
    for (size_t i = 0; theirs && i < sizeof kinds / sizeof *kinds; i++) {
        if (slice_eq_cstr(kind, kinds[i])) {
            return true;
        }
    }
    return false;
}

/* What the name breaks of Kubernetes' rules for its kind; NULL: nothing. */
static const char *name_rule(const json_t *object, struct slice name)
{
    const struct kind *kind =
        kind_of_kubernetes(json_text_at(object, "apiVersion"), json_text_at(object, "kind"));
    enum schema_format format = kind != NULL ? kind->name_format : SCHEMA_FORMAT_NONE;
    return schema_format_rule(format != SCHEMA_FORMAT_NONE ? format : SCHEMA_FORMAT_DNS_NAME, name);
}

bool manifest_api_version(struct slice text)
{
    size_t slash = slice_find(text, SLICE("/"));
    struct slice version = slash == SIZE_MAX ? text : slice_sub(text, slash + 1, SIZE_MAX);
    return schema_dns_label(version) == NULL &&
           (slash == SIZE_MAX || schema_dns_name(slice_sub(text, 0, slash)) == NULL);
}

bool manifest_kind(struct slice text)
{
    bool ok = text.len > 0 && text.len <= 63;
    for (size_t i = 0; ok && i < text.len; i++) {
        char c = text.data[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (i > 0 && c >= '0' && c <= '9');
    }
    return ok;
}

int manifest_refuse(struct err *err, const struct resource *r, const char *what)
{
    struct slice kind = json_text_at(r->object, "kind");
    struct slice name = json_text(json_at(r->object, "metadata", "name", NULL));
    return err_set(err, ERR_UNPROCESSABLE, "%.*s: %.*s%s%.*s%s%s", SLICE_ARG(r->place),
                   SLICE_ARG(kind), kind.len > 0 ? " " : "", SLICE_ARG(name),
                   name.len > 0 ? " " : "", what);
}

static int check_place(const struct manifest_rules *rules, const struct resource *r,
                       json_t *metadata, struct err *err)
{
    struct slice kind = json_text_at(r->object, "kind");
    struct slice ns = json_text_at(metadata, "namespace");
    bool is_cell = rules->cell_itself && slice_eq_cstr(kind, "Namespace") &&
                   slice_eq(json_text_at(metadata, "name"), rules->cell);
    if (is_cell) {
        json_object_del(metadata, "namespace");
        return 0;
    }
    if (manifest_cluster_scoped(kind)) {
        return manifest_refuse(err, r,
                               "belongs to no namespace: types may make namespaced objects only");
    }
    if (ns.len > 0 && !slice_eq(ns, rules->cell) && !rules->cell_itself) {
        err_set(err, ERR_UNPROCESSABLE, "must be in the namespace %.*s, not in %.*s",
                SLICE_ARG(rules->cell), SLICE_ARG(ns));
        return err_wrap(err, "%.*s: %.*s %.*s", SLICE_ARG(r->place), SLICE_ARG(kind),
                        SLICE_ARG(json_text_at(metadata, "name")));
    }
    if (ns.len == 0 || !rules->cell_itself) {
        json_object_set_new(metadata, "namespace", json_str(rules->cell));
    }
    return 0;
}

/* ---- labels and annotations ---- */

static const char *key_rule(const struct member *one, bool label)
{
    return label ? schema_label_key(one->key) : schema_annotation_key(one->key);
}

static bool is_good(const struct member *one, bool label)
{
    return json_is_string(one->value) && key_rule(one, label) == NULL &&
           (!label || schema_label_value(json_text(one->value)) == NULL);
}

/* The first member by key that Kubernetes would not take; NULL: none. */
static const struct member *first_wrong(struct arena *arena, const json_t *map, bool label)
{
    struct member *members;
    size_t count = members_sorted(arena, map, &members);
    for (size_t i = 0; i < count; i++) {
        if (!is_good(&members[i], label)) {
            return &members[i];
        }
    }
    return NULL;
}

int manifest_check_texts(const struct resource *r, struct err *err)
{
    struct arena arena = {0};
    const json_t *metadata = json_object_get(r->object, "metadata");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        bool label = i == 0;
        const char *what = label ? "a label" : "an annotation";
        const struct member *wrong =
            first_wrong(&arena, json_object_get(metadata, label ? "labels" : "annotations"), label);
        if (wrong == NULL) {
            continue;
        }
        const char *key = key_rule(wrong, label);
        rc = manifest_refuse(
            err, r,
            key != NULL
                ? arena_printf(&arena, "has %s \"%s\" whose %s", what, wrong->key.data, key)
                : arena_printf(&arena, "has %s %s %s", what, wrong->key.data,
                               label ? "whose value is no text of at most 63 letters, digits, "
                                       "'-', '_' and '.'"
                                     : "that is no text"));
    }
    arena_free(&arena);
    return rc;
}

/* Labels that say whose an object is must say the truth. where: "", or "pods with ". */
static int check_standard(const struct manifest_rules *rules, struct arena *arena,
                          const struct resource *r, const json_t *labels, const char *where,
                          struct err *err)
{
    static const char *const names[] = {
        STANDARD "namespace",       STANDARD "project",       STANDARD "environment",
        STANDARD "component",       STANDARD "resource",      STANDARD "project-uid",
        STANDARD "environment-uid", STANDARD "component-uid", STANDARD "resource-uid"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *said = json_object_get(labels, names[i]);
        struct slice truth = json_text_at(rules->standard, names[i]);
        if (said != NULL && !slice_eq(json_text(said), truth)) {
            return manifest_refuse(
                err, r,
                arena_printf(arena,
                             "has %sthe label %s: %.*s, which is not theirs to say: it is "
                             "%.*s%s",
                             where, names[i], SLICE_ARG(json_text(said)), SLICE_ARG(truth),
                             truth.len == 0 ? "not set" : ""));
        }
    }
    return 0;
}

static int check_reserved(struct arena *arena, const struct resource *r, const json_t *map,
                          const char *what, struct err *err)
{
    struct member *members;
    size_t count = members_sorted(arena, map, &members);
    for (size_t i = 0; i < count; i++) {
        if (slice_starts_with(members[i].key, SLICE(OURS))) {
            return manifest_refuse(err, r,
                                   arena_printf(arena,
                                                "has the %s %s: those of " OURS " are the control "
                                                "plane's to set",
                                                what, members[i].key.data));
        }
    }
    return 0;
}

static int check_labels(const struct manifest_rules *rules, struct arena *arena,
                        const struct resource *r, const json_t *metadata, struct err *err)
{
    static const char *const maps[] = {"labels", "annotations"};
    const json_t *spec = json_object_get(r->object, "spec");
    const json_t *job = json_at(spec, "jobTemplate", "spec", NULL);
    const json_t *pods = json_at(spec, "template", "metadata", "labels", NULL);
    const json_t *job_pods = json_at(job, "template", "metadata", "labels", NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        const json_t *map = json_object_get(metadata, maps[i]);
        rc = map == NULL || json_is_object(map)
                 ? check_reserved(arena, r, map, i == 0 ? "label" : "annotation", err)
                 : manifest_refuse(err, r, "has labels or annotations that are no map");
    }
    rc = rc == 0 ? check_standard(rules, arena, r, json_object_get(metadata, "labels"), "", err)
                 : rc;
    rc = rc == 0 ? check_standard(rules, arena, r, pods, "pods with ", err) : rc;
    return rc == 0 ? check_standard(rules, arena, r, job_pods, "pods with ", err) : rc;
}

/* ---- the whole ---- */

/* An owner is known by its uid: of one that is not there the object is garbage, which the cluster
 * would collect as often as it is made. */
static const char *const clusters_own[] = {"uid",
                                           "resourceVersion",
                                           "generation",
                                           "generateName",
                                           "selfLink",
                                           "managedFields",
                                           "creationTimestamp",
                                           "deletionTimestamp",
                                           "deletionGracePeriodSeconds",
                                           "ownerReferences"};
enum { CLUSTERS_OWN = sizeof clusters_own / sizeof *clusters_own };

static bool says(const json_t *metadata, const char *key)
{
    const json_t *value = json_object_get(metadata, key);
    return value != NULL && !json_is_null(value);
}

const char *manifest_clusters_own(const json_t *metadata)
{
    size_t i = 0;
    while (i < CLUSTERS_OWN && !says(metadata, clusters_own[i])) {
        i++;
    }
    return i < CLUSTERS_OWN ? clusters_own[i] : NULL;
}

static int check_metadata(const struct manifest_rules *rules, const struct resource *r,
                          json_t *metadata, struct err *err)
{
    struct arena arena = {0};
    const char *theirs = manifest_clusters_own(metadata);
    int rc = check_place(rules, r, metadata, err);
    if (rc == 0 && theirs != NULL) {
        rc = manifest_refuse(
            err, r, arena_printf(&arena, "has metadata.%s, which is the cluster's to set", theirs));
    }
    for (size_t i = 0; i < CLUSTERS_OWN; i++) { /* nulls, which no live object is equal to */
        json_object_del(metadata, clusters_own[i]);
    }
    rc = rc == 0 ? check_labels(rules, &arena, r, metadata, err) : rc;
    arena_free(&arena);
    return rc;
}

int manifest_check(const struct manifest_rules *rules, const struct resource *r, struct err *err)
{
    const json_t *api = json_object_get(r->object, "apiVersion");
    const json_t *kind = json_object_get(r->object, "kind");
    json_t *metadata = json_object_get(r->object, "metadata");
    if (api == NULL || kind == NULL) {
        return manifest_refuse(err, r, api == NULL ? "has no apiVersion" : "has no kind");
    }
    if (!manifest_api_version(json_text(api))) {
        return manifest_refuse(err, r, "has no valid apiVersion: v1, or GROUP/VERSION");
    }
    if (!manifest_kind(json_text(kind)) || slice_eq_cstr(json_text(kind), "List")) {
        return manifest_refuse(err, r, "has no valid kind: one object's, in letters and digits");
    }
    if (!json_is_object(metadata)) {
        return manifest_refuse(err, r, "has no metadata");
    }
    if (name_rule(r->object, json_text_at(metadata, "name")) != NULL) {
        return manifest_refuse(err, r, "has no valid metadata.name");
    }
    return check_metadata(rules, r, metadata, err);
}
