/* The write pipeline.
 *
 *   merge:  parse old -> the patch, the intent or the new object over it -> its type, namespace and
 *           name -> unknown fields pruned -> preconditions -> subresources kept apart -> metadata
 *           that the server keeps -> kind's own preparation -> defaults -> who wrote it
 *   finish: rules -> generation -> who owns what -> is anything different? -> canonical bytes
 *
 * Failure path: the first step that fails says why through admit__fail(); broken rules are gathered
 * in result->causes and end as one error. Nothing of request is changed.
 * Invariant: a write that changes nothing leaves result->changed false, whatever its path. */
#include "proto/admit.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/admit_internal.h"
#include "proto/patch.h"
#include "proto/strategic.h"
#include "proto/tree_internal.h"

static void release_tree(void *tree)
{
    json_decref((json_t *)tree);
}

json_t *admit__own(struct arena *arena, json_t *tree)
{
    arena_own(arena, tree, release_tree);
    return tree;
}

int admit__fail(const struct admit_request *request, struct admit_result *result, struct err *err,
                int code, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    result->message = arena_copy(request->arena, buf_slice(&text));
    buf_free(&text);
    return err_set(err, code, "%.*s", SLICE_ARG(result->message));
}

int admit__invalid(const struct admit_request *request, struct admit_result *result,
                   struct err *err)
{
    struct buf text = {0};
    const struct kind *k = request->kind;
    causes_text(&result->causes, &text);
    int rc =
        admit__fail(request, result, err, ERR_UNPROCESSABLE, "%.*s%s%.*s \"%.*s\" is invalid: %.*s",
                    SLICE_ARG(k->kind), k->group.len > 0 ? "." : "", SLICE_ARG(k->group),
                    SLICE_ARG(result->name), SLICE_ARG(buf_slice(&text)));
    buf_free(&text);
    return rc;
}

static int not_found(const struct admit_request *request, struct admit_result *result,
                     struct err *err)
{
    return admit__fail(request, result, err, ERR_NOT_FOUND, "%.*s \"%.*s\" not found",
                       SLICE_ARG(request->kind->resource), SLICE_ARG(request->name));
}

static bool is_patch(enum admit_op op)
{
    return op == ADMIT_PATCH_JSON || op == ADMIT_PATCH_MERGE || op == ADMIT_PATCH_STRATEGIC;
}

/* Status is written through its subresource, except by the control plane itself. */
bool admit__status_apart(const struct admit_request *request)
{
    return request->kind->status && !request->system;
}

static int check_subresource(const struct admit_request *request, struct admit_result *result,
                             struct err *err)
{
    const struct kind *k = request->kind;
    bool there = true;
    switch (request->sub) {
    case ADMIT_MAIN:
        return 0;
    case ADMIT_STATUS:
        there = k->status;
        break;
    case ADMIT_SCALE:
        there = k->scale_spec_replicas.len > 0;
        break;
    case ADMIT_FINALIZE:
        there = slice_eq_cstr(k->resource, "namespaces");
        break;
    }
    if (!there) {
        return admit__fail(request, result, err, ERR_METHOD, "%.*s have no such subresource",
                           SLICE_ARG(k->resource));
    }
    if (request->op == ADMIT_CREATE || request->op == ADMIT_DELETE) {
        return admit__fail(request, result, err, ERR_METHOD,
                           "a subresource of %.*s is updated, not created or deleted",
                           SLICE_ARG(k->resource));
    }
    return 0;
}

/* ---- the new state, by operation ---- */

/* A member of `from` in place of object's: the same, or gone. */
void admit__take_member(json_t *object, const json_t *from, const char *name)
{
    const json_t *value = json_object_get(from, name);
    if (value != NULL) {
        json_object_set_new(object, name, tree_copy(value));
    } else {
        (void)json_object_del(object, name);
    }
}

/* Puts what the subresource does not write back to what it was. */
static int separate(const struct admit_request *request, struct admit_result *result,
                    json_t **object, struct err *err)
{
    const json_t *before = result->before;
    if (request->sub == ADMIT_MAIN) {
        if (admit__status_apart(request)) {
            admit__take_member(*object, before, "status");
        }
        return 0;
    }
    json_t *base = tree_copy(before);
    int rc = 0;
    if (request->sub == ADMIT_STATUS) {
        admit__take_member(base, *object, "status");
    } else if (request->sub == ADMIT_FINALIZE) {
        admit__take_member(base, *object, "spec");
    } else if (!admit__scale_take(request->kind, *object, base)) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("spec.replicas"),
                  "Invalid value: must be an integer that is greater than or equal to 0");
        rc = admit__invalid(request, result, err);
    }
    json_decref(*object);
    *object = base;
    return rc;
}

static int patched(const struct admit_request *request, struct admit_result *result,
                   json_t **object, struct err *err)
{
    bool scale = request->sub == ADMIT_SCALE;
    int rc = 0;
    *object = scale ? admit__scale_view(request->kind, result->before) : tree_copy(result->before);
    if (request->op == ADMIT_PATCH_JSON) {
        rc = patch_json(object, request->incoming, err);
    } else if (request->op == ADMIT_PATCH_MERGE) {
        rc = patch_merge(object, request->incoming, err);
    } else if (request->kind->strategic && !scale) {
        rc = strategic_merge(object, request->incoming, request->kind->schema, err);
    } else {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "%.*s do not take strategic merge patches: send a merge patch "
                     "(application/merge-patch+json) or apply "
                     "(application/apply-patch+yaml)",
                     SLICE_ARG(request->kind->resource));
    }
    if (rc != 0) {
        return admit__fail(request, result, NULL, rc, "%s", err != NULL ? err->message : "");
    }
    return 0;
}

/* Scale bodies are of another kind, so their identity is checked here. */
static int scale_identity(const struct admit_request *request, struct admit_result *result,
                          const json_t *scale, struct err *err)
{
    struct slice name = object_name(scale);
    if (!json_is_object(scale) || (name.len > 0 && !slice_eq(name, request->name))) {
        return admit__fail(request, result, err, ERR_INVALID, "the body is no Scale of \"%.*s\"",
                           SLICE_ARG(request->name));
    }
    return 0;
}

/* PUT, POST and the patches. */
static int written(const struct admit_request *request, struct admit_result *result,
                   json_t **object, struct err *err)
{
    int rc = 0;
    if (is_patch(request->op)) {
        rc = patched(request, result, object, err);
    } else {
        *object = request->incoming != NULL ? tree_copy(request->incoming) : json_null();
    }
    if (rc == 0) {
        rc = request->sub == ADMIT_SCALE ? scale_identity(request, result, *object, err)
                                         : admit__identity(request, result, *object, err);
    }
    if (rc == 0 && request->sub != ADMIT_SCALE) {
        rc = admit__prune(request, result, *object, err);
    }
    const json_t *meta = json_object_get(*object, "metadata");
    if (rc == 0) {
        rc = admit__preconditions(request, result, json_text_at(meta, "uid"),
                                  json_text_at(meta, "resourceVersion"), err);
    }
    return rc == 0 ? separate(request, result, object, err) : rc;
}

/* ---- the two halves ---- */

/* It is stored in every object that it writes. */
static int check_manager(const struct admit_request *request, struct admit_result *result,
                         struct err *err)
{
    struct slice name = request->field_manager;
    bool good = name.len <= ADMIT_MANAGER_BYTES_MAX && slice_utf8(name) == name.len;
    for (size_t i = 0; good && i < name.len; i++) {
        good = (unsigned char)name.data[i] >= 0x20 && name.data[i] != 0x7f;
    }
    if (good) {
        return 0;
    }
    cause_add(&result->causes, CAUSE_INVALID, SLICE("fieldManager"),
              "Invalid value: must be at most %d bytes of printable text", ADMIT_MANAGER_BYTES_MAX);
    return admit__invalid(request, result, err);
}

/* Of a kind with several versions: old as the version that is asked for, which differs by its name
 * alone. */
static void convert_old(const struct admit_request *request, struct admit_result *result)
{
    const struct kind *k = request->kind;
    if (k->stored_as.len > 0) {
        result->outdated = !slice_eq(object_api_version(result->before), k->stored_as);
        json_object_set_new(result->before, "apiVersion", json_str(k->api_version));
    }
}

static int start(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    memset(result, 0, sizeof(*result));
    result->causes.arena = request->arena;
    result->name = request->name;
    int rc = check_subresource(request, result, err);
    if (rc == 0) {
        rc = check_manager(request, result, err);
    }
    if (rc == 0) {
        rc = admit__own_status(request, result, err);
    }
    if (rc != 0) {
        return rc;
    }
    const struct backend_object *old = request->old;
    if (old != NULL) {
        result->before = json_incref(request->before);
        rc = result->before != NULL ? 0
                                    : object_parse(old->body, old->version, &result->before, err);
        if (rc != 0) {
            return admit__fail(request, result, NULL, rc, "%s", err != NULL ? err->message : "");
        }
        (void)admit__own(request->arena, result->before);
        convert_old(request, result);
        if (request->op == ADMIT_CREATE) {
            return admit__fail(request, result, err, ERR_EXISTS, "%.*s \"%.*s\" already exists",
                               SLICE_ARG(request->kind->resource),
                               SLICE_ARG(object_name(result->before)));
        }
        return 0;
    }
    bool makes =
        request->op == ADMIT_CREATE || (request->op == ADMIT_APPLY && request->sub == ADMIT_MAIN) ||
        (request->op == ADMIT_UPDATE && request->sub == ADMIT_MAIN && request->create_on_update);
    if (makes && request->kind->ending) {
        return admit__fail(request, result, err, ERR_METHOD,
                           "create not allowed while custom resource definition is terminating");
    }
    return makes ? 0 : not_found(request, result, err);
}

int admit_merge(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    struct err scratch; /* texts are needed here even if the caller does not want them */
    err = err != NULL ? err : &scratch;
    int rc = start(request, result, err);
    if (rc != 0) {
        return rc;
    }
    if (request->op == ADMIT_DELETE) {
        return admit__delete(request, result, err);
    }
    json_t *object = NULL;
    rc = request->op == ADMIT_APPLY ? admit__apply(request, result, &object, err)
                                    : written(request, result, &object, err);
    if (object != NULL) {
        result->object = admit__own(request->arena, object);
    }
    if (rc != 0) {
        return rc;
    }
    admit__metadata(request, result);
    admit__prepare_kind(request, result);
    if (!object_deleting(result->before)) {
        schema_default(request->kind->schema, result->object);
    }
    return admit__stamp(request, result, err);
}

/* Anything but metadata, the type, and a status that is written apart. */
static bool spec_differs(const struct kind *kind, const json_t *before, const json_t *after)
{
    static const char *const apart[] = {"metadata", "apiVersion", "kind", "status"};
    size_t count = sizeof(apart) / sizeof(apart[0]) - (kind->status ? 0 : 1);
    json_t *a = json_copy(tree_mutable(before));
    json_t *b = json_copy(tree_mutable(after));
    for (size_t i = 0; i < count; i++) {
        (void)json_object_del(a, apart[i]);
        (void)json_object_del(b, apart[i]);
    }
    bool differs = !json_equal(a, b);
    json_decref(a);
    json_decref(b);
    return differs;
}

static void set_generation(const struct admit_request *request, struct admit_result *result)
{
    json_t *meta = json_object_get(result->object, "metadata");
    int64_t generation = object_generation(result->before);
    if (!request->kind->generation) {
        return;
    }
    bool ends = object_deleting(result->object) && !object_deleting(result->before);
    if (result->before == NULL || ends ||
        spec_differs(request->kind, result->before, result->object)) {
        generation++;
    }
    json_object_set_new(meta, "generation", json_integer(generation));
}

/* An object that is being deleted, of which nothing but metadata changes: a finalizer goes. Rules
 * may have become stricter since it was written; it must be able to go all the same. */
static bool only_ends(const struct admit_request *request, const struct admit_result *result)
{
    const json_t *before = json_object_get(result->before, "status");
    const json_t *after = json_object_get(result->object, "status");
    bool same_status =
        before == NULL || after == NULL ? before == after : json_equal(before, after);
    return object_deleting(result->before) && same_status &&
           !spec_differs(request->kind, result->before, result->object);
}

static int check_rules(const struct admit_request *request, struct admit_result *result,
                       struct err *err)
{
    const struct kind *k = request->kind;
    bool ends = only_ends(request, result);
    if (k->schema != NULL && !ends) {
        schema_validate(k->schema, result->object, result->before, SLICE(""), &result->causes);
    } else {
        schema_validate(kind_metadata_schema(), json_object_get(result->object, "metadata"),
                        json_object_get(result->before, "metadata"), SLICE("metadata"),
                        &result->causes);
    }
    bool formed = result->causes.count == 0;
    admit__check_metadata(request, result);
    if (formed && !ends) {
        admit__check_kube(result);
    }
    admit__check_kind(request, result);
    if (result->before != NULL && k->schema != NULL) {
        schema_validate_change(k->schema, result->before, result->object, SLICE(""),
                               &result->causes);
    }
    if (request->validate != NULL && result->causes.count == 0 &&
        !json_equal(json_object_get(result->before, "spec"),
                    json_object_get(result->object, "spec"))) {
        request->validate(result->object, &result->causes);
    }
    if (result->causes.count == 0 && !ends) {
        schema_validate_rules(k->schema, result->object, result->before, SLICE(""),
                              &result->causes);
    }
    return result->causes.count > 0 ? admit__invalid(request, result, err)
                                    : admit__check_growth(request, result, err);
}

/* Equal but for the version that the tree before carries. Leaves the new object without one. */
static bool same_state(const struct admit_result *result)
{
    json_t *meta = json_object_get(result->object, "metadata");
    json_t *version =
        json_object_get(json_object_get(result->before, "metadata"), "resourceVersion");
    if (version != NULL) {
        json_object_set(meta, "resourceVersion", version);
    } else {
        (void)json_object_del(meta, "resourceVersion");
    }
    admit__keep_times(result->before, result->object);
    bool same = json_equal(result->before, result->object);
    (void)json_object_del(meta, "resourceVersion");
    return same;
}

static int emit(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    struct buf body = {0};
    if (request->kind->stored_as.len > 0) {
        json_object_set_new(result->object, "apiVersion", json_str(request->kind->stored_as));
    }
    if (json_depth(result->object) > JSON_DEPTH_MAX) {
        return admit__fail(request, result, err, ERR_INVALID, "the object is nested too deeply");
    }
    int rc = object_canonical(result->object, &body, &result->splice, err);
    result->body = arena_copy(request->arena, buf_slice(&body));
    buf_free(&body);
    if (rc != 0) {
        return admit__fail(request, result, NULL, rc, "%s", err->message);
    }
    return 0;
}

int admit_finish(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    struct err scratch;
    err = err != NULL ? err : &scratch;
    json_t *object = result->object;
    if (request->op == ADMIT_DELETE && result->verb == BACKEND_DELETE) {
        return emit(request, result, err);
    }
    int rc = request->op == ADMIT_DELETE ? 0 : check_rules(request, result, err);
    if (rc != 0) {
        return rc;
    }
    set_generation(request, result);
    if (request->op != ADMIT_APPLY && request->op != ADMIT_DELETE) {
        char now[21];
        struct apply_context ctx = admit__context(request, now);
        apply_track_update(&ctx, result->before, object);
    }
    result->changed = result->before == NULL || result->outdated || !same_state(result);
    result->verb = result->before == NULL ? BACKEND_CREATE : BACKEND_UPDATE;
    if (result->changed && result->before != NULL && object_deleting(object) &&
        json_array_size(json_at(object, "metadata", "finalizers", NULL)) == 0) {
        result->verb = BACKEND_DELETE; /* the last finalizer went */
    }
    if (result->changed && request->op != ADMIT_DELETE && !request->system) {
        admit__warn_kind(request, result);
    }
    if (request->old != NULL) {
        result->if_version = request->old->version;
        result->if_uid = arena_copy(request->arena, object_uid(result->before));
    }
    return emit(request, result, err);
}

int admit(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    int rc = admit_merge(request, result, err);
    return rc != 0 ? rc : admit_finish(request, result, err);
}

void admit_suffix(const uint8_t random[5], char out[6])
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    for (size_t i = 0; i < 5; i++) {
        out[i] = letters[random[i] % (sizeof(letters) - 1)];
    }
    out[5] = '\0';
}
