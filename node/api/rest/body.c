/* body.c: what requests carry: objects as trees, and the options of a deletion.
 *
 * Happy path: the content type says how the bytes are read; the tree is the arena's. Options of a
 * deletion stand in its body, or in its query where it has none (as in Kubernetes); what they mean
 * is admission's business.
 * Failure path: what cannot be read is 400, a type that is not taken 415, an option that does not
 * exist 422. */
#include "node/api/rest/rest.h"

#include "base/yaml.h"
#include "node/api/rest/kube_proto.h"

enum { TREE_BYTES_PER_BYTE = 8 }; /* of an object in another form than JSON, mostly less */

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

/* Holds what the tree of a body takes. One of YAML or protobuf cannot be weighed beforehand: it has
 * a usual weight while it is parsed, and what it weighs more is held when it is there. */
static int hold_before(struct rest_call *call, bool json, struct err *err)
{
    struct slice body = call->stream->body;
    return json ? api_hold_tree(call->ticket, body, err)
                : quota_hold(call->ticket, TREE_BYTES_PER_BYTE * body.len, err);
}

static int hold_after(struct rest_call *call, bool json, const json_t *tree, struct err *err)
{
    size_t held = TREE_BYTES_PER_BYTE * call->stream->body.len;
    size_t bytes = json ? 0 : json_tree_bytes(tree, SIZE_MAX);
    return bytes > held ? quota_hold(call->ticket, bytes - held, err) : 0;
}

int rest_parse_body(struct rest_call *call, struct slice type, const json_t **tree, struct err *err)
{
    struct slice body = call->stream->body;
    struct slice encoding = http_stream_header(call->stream, "content-encoding");
    json_t *parsed = NULL;
    if (encoding.len != 0 && !slice_eq_cstr(encoding, "identity")) {
        return err_set(err, ERR_UNSUPPORTED, "content-encoding: a body is taken as it is");
    }
    bool protobuf = slice_eq_cstr(type, "application/vnd.kubernetes.protobuf");
    bool yaml = slice_ends_with(type, SLICE("yaml"));
    bool json = !protobuf && !yaml;
    int rc = hold_before(call, json, err);
    if (rc != 0) {
        return rc;
    }
    if (protobuf) {
        rc = kube_proto_decode(call->kind, body, &parsed, err);
    } else if (yaml) {
        rc = yaml_parse_body(body, "request body", &parsed, err);
    } else {
        rc = json_parse_body(body, &parsed, err);
    }
    if (rc != 0) {
        return err_wrap(err, "the request's body");
    }
    arena_own(call->arena, parsed, release_tree);
    *tree = parsed;
    return hold_after(call, json, parsed, err);
}

/* ---- options of a deletion ---- */

static json_t *options_of_query(const struct rest_query *q)
{
    json_t *options = json_object();
    if (q->propagation.len > 0) {
        json_object_set_new(options, "propagationPolicy", json_str(q->propagation));
    }
    if (q->orphan.len > 0) {
        json_object_set_new(
            options, "orphanDependents",
            json_boolean(slice_eq_cstr(q->orphan, "true") || slice_eq_cstr(q->orphan, "1")));
    }
    return options;
}

static int read_options(struct rest_call *call, const json_t **options, struct err *err)
{
    struct slice type = rest_media_type(http_stream_header(call->stream, "content-type"));
    json_t *tree = NULL;
    int rc = 0;
    if (slice_trim(call->stream->body).len == 0) {
        tree = options_of_query(&call->query);
    } else if (!rest_is_object_type(type)) {
        return rest_unsupported(type, REST_OBJECT_TYPES, err);
    } else if (slice_eq_cstr(type, "application/vnd.kubernetes.protobuf")) {
        rc = kube_proto_delete_options(call->stream->body, &tree, err);
    } else {
        return rest_parse_body(call, type, options, err);
    }
    if (rc == 0) {
        arena_own(call->arena, tree, release_tree);
        *options = tree;
    }
    return rc;
}

int rest_delete_options(struct rest_call *call, const json_t **options, bool *dry_run,
                        struct err *err)
{
    int rc = read_options(call, options, err);
    const json_t *dry = rc == 0 ? json_object_get(*options, "dryRun") : NULL;
    if (json_array_size(dry) != 0) {
        *dry_run = true;
        rc = slice_eq_cstr(json_text(json_array_get(dry, 0)), "All") ? 0 : rest_bad_dry_run(err);
    }
    return rc;
}
