/* The books of metadata: identity, time, deletion, finalizers, preconditions; and its rules. */
#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "proto/admit_internal.h"
#include "proto/crd.h"
#include "proto/kube_rules_internal.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

enum {
    GENERATE_NAME_MAX = 58,
    SUFFIX_LEN = 5,
};

/* What the server keeps, and clients cannot set. */
static const char *const kept[] = {"uid", "creationTimestamp", "deletionTimestamp",
                                   "deletionGracePeriodSeconds", "generation"};

static void set_time(json_t *meta, const char *key, uint64_t now_ms)
{
    char now[21];
    clock_rfc3339(now_ms, now);
    json_object_set_new(meta, key, json_string(now));
}

static void generate_name(const struct admit_request *request, struct admit_result *result,
                          json_t *meta)
{
    struct slice prefix = json_text_at(meta, "generateName");
    if (json_text_at(meta, "name").len > 0 || prefix.len == 0) {
        return;
    }
    prefix = slice_sub(prefix, 0, GENERATE_NAME_MAX);
    json_object_set_new(meta, "name",
                        json_sprintf("%.*s%.*s", SLICE_ARG(prefix), SUFFIX_LEN, request->suffix));
    result->generated_name = true;
}

void admit__metadata(const struct admit_request *request, struct admit_result *result)
{
    json_t *meta = json_child(result->object, "metadata");
    const json_t *old = json_object_get(result->before, "metadata");
    (void)json_object_del(meta, "selfLink");
    (void)json_object_del(meta, "resourceVersion");
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const json_t *value = json_object_get(old, kept[i]);
        if (value != NULL) {
            json_object_set_new(meta, kept[i], tree_copy(value));
        } else {
            (void)json_object_del(meta, kept[i]);
        }
    }
    if (result->before == NULL) {
        json_object_set_new(meta, "uid", json_string(request->uid));
        set_time(meta, "creationTimestamp", request->now_ms);
        generate_name(request, result, meta);
    }
    result->name = arena_copy(request->arena, json_text_at(meta, "name"));
}

/* ---- preconditions ---- */

static int changed_under(const struct admit_request *request, struct admit_result *result,
                         const char *why, struct err *err)
{
    return admit__fail(request, result, err, ERR_CONFLICT,
                       "Operation cannot be fulfilled on %.*s \"%.*s\": %s",
                       SLICE_ARG(request->kind->resource), SLICE_ARG(request->name), why);
}

int admit__preconditions(const struct admit_request *request, struct admit_result *result,
                         struct slice uid, struct slice version, struct err *err)
{
    bool versioned = version.len > 0 && !slice_eq_cstr(version, "0");
    uint64_t number = 0;
    if (versioned && !slice_u64(version, &number)) {
        return admit__fail(request, result, err, ERR_INVALID,
                           "metadata.resourceVersion: Invalid value: \"%.*s\": must be a decimal "
                           "integer",
                           SLICE_ARG(version));
    }
    if (result->before == NULL) {
        if (versioned && request->op == ADMIT_CREATE) {
            return admit__fail(request, result, err, ERR_INVALID,
                               "resourceVersion should not be set on objects to be created");
        }
        bool asked = versioned || (uid.len > 0 && request->op != ADMIT_CREATE);
        return asked ? changed_under(request, result,
                                     "the object does not exist, but a resourceVersion or uid was "
                                     "given",
                                     err)
                     : 0;
    }
    struct slice present = object_uid(result->before);
    if (uid.len > 0 && !slice_eq(uid, present)) {
        char why[256];
        (void)snprintf(why, sizeof(why),
                       "Precondition failed: UID in precondition: %.*s, UID in object meta: %.*s",
                       (int)(uid.len > 64 ? 64 : uid.len), uid.data, SLICE_ARG(present));
        return changed_under(request, result, why, err);
    }
    if (versioned && number != object_version(result->before)) {
        return changed_under(request, result,
                             "the object has been modified; please apply your changes to the "
                             "latest version and try again",
                             err);
    }
    bool patches = request->op != ADMIT_UPDATE && request->op != ADMIT_APPLY &&
                   request->op != ADMIT_DELETE; /* a patched object carries the old version */
    result->client_made = versioned && !patches;
    return 0;
}

/* ---- deletion ---- */

enum propagation { AS_HELD, BACKGROUND, FOREGROUND, ORPHAN };

/* What the options ask for; nothing: what the finalizers say that hold the object already. */
static int propagation_of(const struct admit_request *request, struct admit_result *result,
                          enum propagation *out, struct err *err)
{
    static const char *const names[] = {
        [BACKGROUND] = "Background", [FOREGROUND] = "Foreground", [ORPHAN] = "Orphan"};
    struct slice policy = json_text_at(request->incoming, "propagationPolicy");
    const json_t *orphan = json_object_get(request->incoming, "orphanDependents");
    *out = AS_HELD;
    for (size_t i = BACKGROUND; i <= ORPHAN; i++) {
        if (slice_eq_cstr(policy, names[i])) {
            *out = (enum propagation)i;
        }
    }
    if (policy.len > 0 && *out == AS_HELD) {
        cause_add(&result->causes, CAUSE_NOT_SUPPORTED, SLICE("propagationPolicy"),
                  "Unsupported value: \"%.*s\": supported values: \"Background\", \"Foreground\", "
                  "\"Orphan\"",
                  SLICE_ARG(slice_sub(policy, 0, 100)));
    } else if (policy.len > 0 && json_is_boolean(orphan)) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("propagationPolicy"),
                  "Invalid value: \"%.*s\": orphanDependents and propagationPolicy cannot be both "
                  "set",
                  SLICE_ARG(policy));
    } else if (json_is_boolean(orphan)) {
        *out = json_is_true(orphan) ? ORPHAN : BACKGROUND;
    }
    return result->causes.count > 0 ? admit__invalid(request, result, err) : 0;
}

/* Asked for again in another way, a deletion goes on in that one. */
static void set_collector_finalizers(json_t *object, enum propagation how)
{
    bool orphans = object_has_finalizer(object, OBJECT_FINALIZER_ORPHAN);
    bool waits = object_has_finalizer(object, OBJECT_FINALIZER_FOREGROUND) && !orphans;
    bool orphan = how == ORPHAN || (how == AS_HELD && orphans);
    bool foreground = how == FOREGROUND || (how == AS_HELD && waits);
    if (orphan) {
        object_add_finalizer(object, OBJECT_FINALIZER_ORPHAN);
    } else {
        object_remove_finalizer(object, OBJECT_FINALIZER_ORPHAN);
    }
    if (foreground) {
        object_add_finalizer(object, OBJECT_FINALIZER_FOREGROUND);
    } else {
        object_remove_finalizer(object, OBJECT_FINALIZER_FOREGROUND);
    }
}

/* Namespaces that clients and the system rely on, whatever becomes of their contents. */
static bool is_lasting(const struct admit_request *request)
{
    static const char *const names[] = {"default", "choreo-system", "kube-system", "kube-public"};
    bool space = slice_eq_cstr(request->kind->resource, "namespaces") ||
                 slice_eq_cstr(request->kind->resource, "organizations.choreo.dev");
    for (size_t i = 0; space && i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_eq_cstr(request->name, names[i])) {
            return true;
        }
    }
    return false;
}

int admit__delete(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    if (is_lasting(request)) {
        return admit__fail(request, result, err, ERR_FORBIDDEN,
                           "%.*s \"%.*s\" is forbidden: this namespace may not be deleted",
                           SLICE_ARG(request->kind->resource), SLICE_ARG(request->name));
    }
    const json_t *wanted = json_object_get(request->incoming, "preconditions");
    int rc = admit__preconditions(request, result, json_text_at(wanted, "uid"),
                                  json_text_at(wanted, "resourceVersion"), err);
    enum propagation propagation = AS_HELD;
    rc = rc != 0 ? rc : propagation_of(request, result, &propagation, err);
    if (rc != 0) {
        return rc;
    }
    json_t *object = admit__own(request->arena, tree_copy(result->before));
    json_t *meta = json_object_get(object, "metadata");
    result->object = object;
    if (request->collected) {
        set_collector_finalizers(object, propagation);
    }
    if (slice_eq_cstr(request->kind->resource, CRD_RESOURCE) && !object_deleting(object)) {
        crd_begin_deletion(object, request->now_ms);
    }
    if (slice_eq_cstr(request->kind->resource, "namespaces")) {
        json_object_set_new(json_child(object, "status"), "phase", json_string("Terminating"));
    }
    result->if_version = request->old->version;
    result->if_uid = arena_copy(request->arena, object_uid(object));
    if (json_array_size(json_object_get(meta, "finalizers")) == 0) {
        result->verb = BACKEND_DELETE;
        result->changed = true;
        return 0;
    }
    result->verb = BACKEND_UPDATE;
    if (!object_deleting(object)) {
        set_time(meta, "deletionTimestamp", request->now_ms);
        json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(0));
    }
    return 0;
}

/* ---- rules ---- */

static void check_name(const struct admit_request *request, struct admit_result *result,
                       const json_t *meta)
{
    struct slice name = json_text_at(meta, "name");
    enum schema_format format = request->kind->name_format;
    if (name.len == 0 && !request->kind->answered) {
        cause_add(&result->causes, CAUSE_REQUIRED, SLICE("metadata.name"),
                  "Required value: name or generateName is required");
        return;
    }
    const char *rule =
        name.len == 0 ? NULL
                      : schema_format_rule(
                            format != SCHEMA_FORMAT_NONE ? format : SCHEMA_FORMAT_DNS_NAME, name);
    if (rule != NULL) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("metadata.name"),
                  "Invalid value: \"%.*s\": %s", SLICE_ARG(slice_sub(name, 0, 300)), rule);
    }
    struct slice ns = json_text_at(meta, "namespace");
    if (request->kind->namespaced && ns.len == 0) {
        cause_add(&result->causes, CAUSE_REQUIRED, SLICE("metadata.namespace"), "Required value");
    } else if (request->kind->namespaced && schema_dns_label(ns) != NULL) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("metadata.namespace"),
                  "Invalid value: \"%.*s\": %s", SLICE_ARG(slice_sub(ns, 0, 300)),
                  schema_dns_label(ns));
    }
}

/* Both lists may be long: those that were there are looked up, not searched. */
static void check_finalizers(const struct admit_request *request, struct admit_result *result,
                             const json_t *meta)
{
    static char present;
    const json_t *list = json_object_get(meta, "finalizers");
    const json_t *before = json_at(result->before, "metadata", "finalizers", NULL);
    struct map known = {0};
    if (!object_deleting(result->before) || request->system) {
        return;
    }
    for (size_t i = 0; i < json_array_size(before); i++) {
        (void)map_put(&known, json_text(json_array_get(before, i)), &present);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct slice name = json_text(json_array_get(list, i));
        if (map_get(&known, name) == NULL) {
            cause_add(&result->causes, CAUSE_FORBIDDEN, SLICE("metadata.finalizers"),
                      "Forbidden: no new finalizers can be added if the object is being deleted, "
                      "found new finalizer \"%.*s\"",
                      SLICE_ARG(slice_sub(name, 0, 320)));
        }
    }
    map_free(&known);
}

static void check_owners(struct causes *causes, const json_t *owners)
{
    size_t controllers = 0;
    for (size_t i = 0; i < json_array_size(owners); i++) {
        controllers += json_is_true(json_object_get(json_array_get(owners, i), "controller"));
    }
    if (controllers > 1) {
        cause_add(causes, CAUSE_INVALID, SLICE("metadata.ownerReferences"),
                  "Invalid value: only one reference can have controller set to true");
    }
}

void admit__check_metadata(const struct admit_request *request, struct admit_result *result)
{
    const json_t *meta = json_object_get(result->object, "metadata");
    const struct kube_place place = kube__member(NULL, "metadata");
    const struct kube_place labels = kube__member(&place, "labels");
    const struct kube_place annotations = kube__member(&place, "annotations");
    check_name(request, result, meta);
    kube__labels(&result->causes, json_object_get(meta, "labels"), &labels);
    kube__annotations(&result->causes, json_object_get(meta, "annotations"), &annotations);
    check_finalizers(request, result, meta);
    check_owners(&result->causes, json_object_get(meta, "ownerReferences"));
}
