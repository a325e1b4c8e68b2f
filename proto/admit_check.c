/* What is checked of a body before anything else: its type, namespace and name, and its fields'
 * names. Each fills in what the body leaves out. */
#include "proto/admit_internal.h"
#include "proto/crd.h"
#include "proto/tree_internal.h"

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

int admit__identity(const struct admit_request *request, struct admit_result *result,
                    json_t *object, struct err *err)
{
    if (!json_is_object(object)) {
        return admit__fail(request, result, err, ERR_INVALID, "the body is no object");
    }
    int rc = check_type(request, result, object, err);
    return rc != 0 ? rc : check_place(request, result, object, err);
}

/* ---- unknown fields ---- */

void admit_warn(const struct admit_request *request, struct admit_result *result, struct slice text)
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
int admit__prune(const struct admit_request *request, struct admit_result *result, json_t *object,
                 struct err *err)
{
    const struct kind *k = request->kind;
    struct causes unknown = {.arena = request->arena};
    if (k->schema == NULL) {
        schema_prune(kind_metadata_schema(), json_object_get(object, "metadata"), &unknown);
    } else if (!k->lenient) {
        schema_prune(k->schema, object, &unknown);
    }
    if (slice_eq_cstr(k->resource, CRD_RESOURCE)) {
        crd_prune(object, &unknown);
    }
    if (unknown.count == 0 || request->validation == ADMIT_IGNORE) {
        return 0;
    }
    struct buf text = {0};
    for (size_t i = 0; i < unknown.count; i++) {
        if (request->validation == ADMIT_WARN) {
            admit_warn(request, result, unknown.items[i].message);
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
