/* body.c: what requests carry: objects as trees, and the options of a deletion.
 *
 * Happy path: the content type says how the bytes are read; the tree is the arena's. Options of a
 * deletion stand in its body, its query, or both.
 * Failure path: what cannot be read is 400, a type that is not taken 415, an option that does not
 * exist 422. */
#include "node/api/rest/rest.h"

#include "base/yaml.h"
#include "node/api/rest/kube_proto.h"

static void release_tree(void *tree)
{
    json_decref(tree);
}

bool rest_is_object_type(struct slice type)
{
    return type.len == 0 || slice_eq_cstr(type, "application/json") ||
           slice_eq_cstr(type, "application/yaml") ||
           slice_eq_cstr(type, "application/vnd.kubernetes.protobuf");
}

int rest_unsupported(struct slice type, const char *accepted, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "the body of the request was in an unknown format (%.*s) - accepted media types "
                   "include: %s",
                   (int)(type.len < 100 ? type.len : 100), type.data != NULL ? type.data : "",
                   accepted);
}

int rest_parse_body(struct rest_call *call, struct slice type, const json_t **tree, struct err *err)
{
    struct slice body = call->stream->body;
    json_t *parsed = NULL;
    int rc = api_hold_tree(call->ticket, body, err);
    if (rc != 0) {
        return rc;
    }
    if (slice_eq_cstr(type, "application/vnd.kubernetes.protobuf")) {
        rc = kube_proto_decode(call->kind, body, &parsed, err);
    } else if (slice_ends_with(type, SLICE("yaml"))) {
        rc = yaml_parse(body, "request body", &parsed, err);
    } else {
        rc = json_parse_body(body, &parsed, err);
    }
    if (rc != 0) {
        return err_wrap(err, "the request's body");
    }
    arena_own(call->arena, parsed, release_tree);
    *tree = parsed;
    return 0;
}

/* ---- options of a deletion ---- */

static int read_options(struct rest_call *call, const json_t **body, struct err *err)
{
    struct slice type = rest_media_type(http_stream_header(call->stream, "content-type"));
    if (slice_trim(call->stream->body).len == 0) {
        return 0;
    }
    if (!rest_is_object_type(type)) {
        return rest_unsupported(type, REST_OBJECT_TYPES, err);
    }
    if (!slice_eq_cstr(type, "application/vnd.kubernetes.protobuf")) {
        return rest_parse_body(call, type, body, err);
    }
    json_t *options = NULL;
    int rc = kube_proto_delete_options(call->stream->body, &options, err);
    if (rc == 0) {
        arena_own(call->arena, options, release_tree);
        *body = options;
    }
    return rc;
}

static int set_propagation(struct slice text, enum admit_propagation *propagation, struct err *err)
{
    if (text.len == 0 || slice_eq_cstr(text, "Background")) {
        *propagation = ADMIT_BACKGROUND;
    } else if (slice_eq_cstr(text, "Foreground")) {
        *propagation = ADMIT_FOREGROUND;
    } else if (slice_eq_cstr(text, "Orphan")) {
        *propagation = ADMIT_ORPHAN;
    } else {
        return err_set(err, ERR_UNPROCESSABLE,
                       "propagationPolicy: Unsupported value: supported values: \"Background\", "
                       "\"Foreground\", \"Orphan\"");
    }
    return 0;
}

int rest_delete_options(struct rest_call *call, struct rest_delete_options *out, struct err *err)
{
    *out = (struct rest_delete_options){.dry_run = call->query.dry_run};
    int rc = set_propagation(call->query.propagation, &out->propagation, err);
    rc = rc != 0 ? rc : read_options(call, &out->body, err);
    if (rc != 0) {
        return rc;
    }
    enum admit_propagation ignored; /* the gate reads the body's itself */
    rc = set_propagation(json_text_at(out->body, "propagationPolicy"), &ignored, err);
    const json_t *dry_run = json_object_get(out->body, "dryRun");
    if (rc == 0 && json_array_size(dry_run) != 0) {
        out->dry_run = true;
        rc =
            slice_eq_cstr(json_text(json_array_get(dry_run, 0)), "All") ? 0 : rest_bad_dry_run(err);
    }
    return rc;
}
