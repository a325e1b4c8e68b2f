/* The write pipeline.
 *
 *   merge:  parse old -> the patch, the intent or the new object over it -> its type, namespace and
 *           name -> unknown fields pruned -> preconditions -> subresources kept apart -> metadata
 *           that the server keeps -> kind's own preparation -> defaults
 *   finish: rules -> generation -> who owns what -> is anything different? -> canonical bytes
 *
 * Failure path: the first step that fails says why through admit__fail(); broken rules are gathered
 * in result->causes and end as one error. Nothing of request is changed.
 * Invariant: a write that changes nothing leaves result->changed false, whatever its path. */
#include "proto/admit.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "proto/admit_internal.h"
#include "proto/apply.h"
#include "proto/patch.h"
#include "proto/tree_internal.h"
#include "proto/strategic.h"

enum { MANAGER_BYTES_MAX = 128 };

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
static bool status_apart(const struct admit_request *request)
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

/* ---- type, namespace, name ---- */

static int check_type(const struct admit_request *request, struct admit_result *result,
                      json_t *object, struct err *err)
{
    const struct kind *k = request->kind;
    struct slice version = object_api_version(object);
    struct slice kind = object_kind(object);
    if (version.len > 0 && !slice_eq(version, k->api_version)) {
        return admit__fail(request, result, err, ERR_INVALID,
                           "the API version in the data (%.*s) does not match the expected API "
                           "version (%.*s)",
                           SLICE_ARG(version), SLICE_ARG(k->api_version));
    }
    if (kind.len > 0 && !slice_eq(kind, k->kind)) {
        return admit__fail(request, result, err, ERR_INVALID,
                           "the kind in the data (%.*s) does not match the expected kind (%.*s)",
                           SLICE_ARG(kind), SLICE_ARG(k->kind));
    }
    json_object_set_new(object, "apiVersion", json_str(k->api_version));
    json_object_set_new(object, "kind", json_str(k->kind));
    return 0;
}

static int check_place(const struct admit_request *request, struct admit_result *result,
                       json_t *object, struct err *err)
{
    json_t *meta = json_child(object, "metadata");
    if (meta == NULL) {
        return admit__fail(request, result, err, ERR_INVALID, "metadata must be an object");
    }
    struct slice ns = json_text_at(meta, "namespace");
    struct slice wanted = request->kind->namespaced ? request->ns : SLICE("");
    if (ns.len > 0 && !slice_eq(ns, wanted)) {
        return admit__fail(request, result, err, ERR_INVALID,
                           "the namespace of the provided object (%.*s) does not match the "
                           "namespace sent on the request (%.*s)",
                           SLICE_ARG(ns), SLICE_ARG(wanted));
    }
    if (wanted.len > 0) {
        json_object_set_new(meta, "namespace", json_str(wanted));
    } else {
        (void)json_object_del(meta, "namespace");
    }
    struct slice name = json_text_at(meta, "name");
    if (request->name.len > 0 && name.len > 0 && !slice_eq(name, request->name)) {
        return admit__fail(request, result, err, ERR_INVALID,
                           "the name of the object (%.*s) does not match the name on the URL "
                           "(%.*s)",
                           SLICE_ARG(name), SLICE_ARG(request->name));
    }
    if (request->name.len > 0) {
        json_object_set_new(meta, "name", json_str(request->name));
    }
    return 0;
}

static int check_identity(const struct admit_request *request, struct admit_result *result,
                          json_t *object, struct err *err)
{
    if (!json_is_object(object)) {
        return admit__fail(request, result, err, ERR_INVALID, "the body is no object");
    }
    int rc = check_type(request, result, object, err);
    return rc != 0 ? rc : check_place(request, result, object, err);
}

/* ---- unknown fields ---- */

static void warn(const struct admit_request *request, struct admit_result *result,
                 struct slice text)
{
    size_t n = result->warning_count;
    struct slice *warnings = arena_alloc(request->arena, (n + 1) * sizeof(*warnings));
    if (n > 0) {
        memcpy(warnings, result->warnings, n * sizeof(*warnings));
    }
    warnings[n] = text;
    result->warnings = warnings;
    result->warning_count = n + 1;
}

/* Prunes object; says what was unknown as the client asked. */
static int prune(const struct admit_request *request, struct admit_result *result, json_t *object,
                 struct err *err)
{
    const struct kind *k = request->kind;
    struct causes unknown = {.arena = request->arena};
    if (k->schema == NULL) {
        schema_prune(kind_metadata_schema(), json_object_get(object, "metadata"), &unknown);
    } else if (!k->lenient) {
        schema_prune(k->schema, object, &unknown);
    }
    if (unknown.count == 0 || request->validation == ADMIT_IGNORE) {
        return 0;
    }
    struct buf text = {0};
    for (size_t i = 0; i < unknown.count; i++) {
        if (request->validation == ADMIT_WARN) {
            warn(request, result, unknown.items[i].message);
        }
        buf_addf(&text, "%s%.*s", i > 0 ? ", " : "", SLICE_ARG(unknown.items[i].message));
    }
    int rc = 0;
    if (request->validation == ADMIT_STRICT) {
        result->causes = unknown;
        rc = admit__fail(request, result, err, ERR_INVALID,
                         "%.*s in version \"%.*s\" cannot be handled as a %.*s: strict decoding "
                         "error: %.*s",
                         SLICE_ARG(k->kind), SLICE_ARG(k->version), SLICE_ARG(k->kind),
                         SLICE_ARG(buf_slice(&text)));
    }
    buf_free(&text);
    return rc;
}

/* ---- the new state, by operation ---- */

/* A member of `from` in place of object's: the same, or gone. */
static void take_member(json_t *object, const json_t *from, const char *name)
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
        if (status_apart(request)) {
            take_member(*object, before, "status");
        }
        return 0;
    }
    json_t *base = tree_copy(before);
    int rc = 0;
    if (request->sub == ADMIT_STATUS) {
        take_member(base, *object, "status");
    } else if (request->sub == ADMIT_FINALIZE) {
        take_member(base, *object, "spec");
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
                                         : check_identity(request, result, *object, err);
    }
    if (rc == 0 && request->sub != ADMIT_SCALE) {
        rc = prune(request, result, *object, err);
    }
    const json_t *meta = json_object_get(*object, "metadata");
    if (rc == 0) {
        rc = admit__preconditions(request, result, json_text_at(meta, "uid"),
                                  json_text_at(meta, "resourceVersion"), err);
    }
    return rc == 0 ? separate(request, result, object, err) : rc;
}

/* What of an intent its subresource may apply. */
static int narrow_intent(const struct admit_request *request, json_t **intent)
{
    if (request->sub == ADMIT_MAIN) {
        if (status_apart(request)) {
            (void)json_object_del(*intent, "status");
        }
        return 0;
    }
    json_t *narrow = object_new("", "", request->ns, request->name);
    take_member(narrow, *intent, "apiVersion");
    take_member(narrow, *intent, "kind");
    if (request->sub == ADMIT_STATUS) {
        take_member(narrow, *intent, "status");
    } else if (request->sub == ADMIT_FINALIZE) {
        take_member(narrow, *intent, "spec");
    }
    json_decref(*intent);
    *intent = narrow;
    return 0;
}

static struct slice manager_of(const struct admit_request *request)
{
    struct slice name = request->field_manager;
    if (name.len == 0) {
        size_t slash = slice_find(request->user_agent, SLICE("/"));
        name = slash == SIZE_MAX ? request->user_agent : slice_sub(request->user_agent, 0, slash);
        name = slice_sub(name, 0, MANAGER_BYTES_MAX);
        name = slice_sub(name, 0, slice_utf8(name));
    }
    return name.len > 0 ? name : SLICE("unknown");
}

static struct apply_context context_of(const struct admit_request *request, char now[21])
{
    static const struct slice subs[] = {{"", 0}, {"status", 6}, {"scale", 5}, {"finalize", 8}};
    clock_rfc3339(request->now_ms, now);
    return (struct apply_context){
        .schema = request->kind->schema,
        .api_version = request->kind->api_version,
        .manager = manager_of(request),
        .subresource = subs[request->sub],
        .now = slice_make(now, strlen(now)),
        .force = request->force,
    };
}

/* "Apply failed with 2 conflicts: conflicts with "a" using v1:\n- .x\n- .y" */
static int conflicts(const struct admit_request *request, struct admit_result *result,
                     struct err *err)
{
    const struct causes *c = &result->causes;
    struct buf text = {0};
    size_t all = c->count + c->dropped;
    buf_addf(&text, "Apply failed with %zu conflict%s: ", all, all == 1 ? "" : "s");
    for (size_t i = 0; i < c->count; i++) {
        bool first = i == 0 || !slice_eq(c->items[i].message, c->items[i - 1].message);
        bool next = i + 1 < c->count && slice_eq(c->items[i].message, c->items[i + 1].message);
        if (first && next) {
            struct slice rest = slice_sub(c->items[i].message, strlen("conflict"), SIZE_MAX);
            buf_addf(&text, "%sconflicts%.*s:", i > 0 ? "\n" : "", SLICE_ARG(rest));
        } else if (first) {
            buf_addf(&text, "%s%.*s:", i > 0 ? "\n" : "", SLICE_ARG(c->items[i].message));
        }
        buf_addf(&text, "%s%.*s", first && !next ? " " : "\n- ", SLICE_ARG(c->items[i].field));
    }
    int rc = admit__fail(request, result, err, ERR_CONFLICT, "%.*s", SLICE_ARG(buf_slice(&text)));
    buf_free(&text);
    return rc;
}

static int check_intent(const struct admit_request *request, struct admit_result *result,
                        json_t *intent, struct err *err)
{
    if (request->field_manager.len == 0 || request->field_manager.len > MANAGER_BYTES_MAX) {
        cause_add(&result->causes, CAUSE_REQUIRED, SLICE("fieldManager"),
                  "Required value: is required for apply patch, with at most %d bytes",
                  MANAGER_BYTES_MAX);
        return admit__invalid(request, result, err);
    }
    int rc = check_identity(request, result, intent, err);
    json_t *meta = json_object_get(intent, "metadata");
    if (rc == 0 && json_array_size(json_object_get(meta, "managedFields")) > 0) {
        rc = admit__fail(request, result, err, ERR_INVALID, "metadata.managedFields must be nil");
    }
    if (rc == 0) {
        rc = prune(request, result, intent, err);
    }
    if (rc == 0) {
        (void)json_object_del(meta, "managedFields");
        rc = admit__preconditions(request, result, json_text_at(meta, "uid"),
                                  json_text_at(meta, "resourceVersion"), err);
    }
    return rc;
}

static int applied(const struct admit_request *request, struct admit_result *result,
                   json_t **object, struct err *err)
{
    json_t *intent = request->incoming != NULL ? tree_copy(request->incoming) : json_null();
    int rc = 0;
    if (request->sub == ADMIT_SCALE) {
        json_t *partial = object_new("", "", request->ns, request->name);
        (void)json_object_del(partial, "apiVersion");
        (void)json_object_del(partial, "kind");
        if (!admit__scale_take(request->kind, intent, partial)) {
            rc = admit__fail(request, result, err, ERR_INVALID,
                             "a Scale is applied with spec.replicas");
        }
        json_decref(intent);
        intent = partial;
    }
    rc = rc == 0 ? check_intent(request, result, intent, err) : rc;
    if (rc == 0) {
        char now[21];
        struct apply_context ctx = context_of(request, now);
        if (request->sub != ADMIT_SCALE) {
            rc = narrow_intent(request, &intent);
        }
        rc = apply_merge(&ctx, result->before, intent, object, &result->causes, err);
        if (rc == ERR_CONFLICT) {
            rc = conflicts(request, result, err);
        } else if (rc == ERR_UNPROCESSABLE) {
            rc = admit__invalid(request, result, err);
        } else if (rc != 0) {
            rc = admit__fail(request, result, NULL, rc, "%s", err != NULL ? err->message : "");
        }
    }
    json_decref(intent);
    return rc;
}

/* ---- the two halves ---- */

static int start(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    memset(result, 0, sizeof(*result));
    result->causes.arena = request->arena;
    result->name = request->name;
    int rc = check_subresource(request, result, err);
    if (rc != 0) {
        return rc;
    }
    const struct backend_object *old = request->old;
    if (old != NULL) {
        rc = object_parse(old->body, old->version, &result->before, err);
        if (rc != 0) {
            return admit__fail(request, result, NULL, rc, "%s", err != NULL ? err->message : "");
        }
        (void)admit__own(request->arena, result->before);
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
    rc = request->op == ADMIT_APPLY ? applied(request, result, &object, err)
                                    : written(request, result, &object, err);
    if (object != NULL) {
        result->object = admit__own(request->arena, object);
    }
    if (rc != 0) {
        return rc;
    }
    admit__metadata(request, result);
    admit__prepare_kind(request, result);
    schema_default(request->kind->schema, result->object);
    return 0;
}

/* Anything but metadata, status and the type. */
static bool spec_differs(const json_t *before, const json_t *after)
{
    static const char *const apart[] = {"metadata", "status", "apiVersion", "kind"};
    json_t *a = json_copy(tree_mutable(before));
    json_t *b = json_copy(tree_mutable(after));
    for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
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
    if (result->before == NULL || ends || spec_differs(result->before, result->object)) {
        generation++;
    }
    json_object_set_new(meta, "generation", json_integer(generation));
}

static int check_rules(const struct admit_request *request, struct admit_result *result,
                       struct err *err)
{
    const struct kind *k = request->kind;
    if (k->schema != NULL) {
        schema_validate(k->schema, result->object, SLICE(""), &result->causes);
    } else {
        schema_validate(kind_metadata_schema(), json_object_get(result->object, "metadata"),
                        SLICE("metadata"), &result->causes);
    }
    admit__check_metadata(request, result);
    admit__check_kind(request, result);
    if (result->before != NULL && k->schema != NULL) {
        schema_validate_change(k->schema, result->before, result->object, SLICE(""),
                               &result->causes);
    }
    return result->causes.count > 0 ? admit__invalid(request, result, err) : 0;
}

/* Equal but for the version that the tree before carries. */
static bool same_state(const struct admit_result *result)
{
    json_t *meta = json_object_get(result->before, "metadata");
    json_t *version = json_incref(json_object_get(meta, "resourceVersion"));
    (void)json_object_del(meta, "resourceVersion");
    (void)json_object_del(json_object_get(result->object, "metadata"), "resourceVersion");
    bool same = json_equal(result->before, result->object);
    if (version != NULL) {
        json_object_set_new(meta, "resourceVersion", version);
    }
    return same;
}

static int emit(const struct admit_request *request, struct admit_result *result, struct err *err)
{
    struct buf body = {0};
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
        struct apply_context ctx = context_of(request, now);
        apply_track_update(&ctx, result->before, object);
    }
    result->changed = result->before == NULL || !same_state(result);
    result->verb = result->before == NULL ? BACKEND_CREATE : BACKEND_UPDATE;
    if (result->changed && result->before != NULL && object_deleting(object) &&
        json_array_size(json_at(object, "metadata", "finalizers", NULL)) == 0) {
        result->verb = BACKEND_DELETE; /* the last finalizer went */
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
