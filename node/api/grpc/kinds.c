/* kinds.c: ResourceService.Kinds and Schema: what there is, for clients that know no kind by heart.
 *
 * Who may see REST's discovery may see this. */
#include "node/api/grpc/resource.h"
#include "proto/openapi.h"

static char **cstr_array(struct arena *arena, const struct slice *items, size_t count)
{
    char **out = arena_alloc(arena, count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        out[i] = arena_cstr(arena, items[i]);
    }
    return out;
}

static char **verbs_of(struct arena *arena, const struct kind *k, size_t *count)
{
    char **out = arena_alloc(arena, KIND_VERB_COUNT * sizeof *out);
    *count = 0;
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        if (k->verbs & (1u << i)) {
            out[(*count)++] = arena_cstr(arena, slice_of(kind_verb_name(i)));
        }
    }
    return out;
}

static Choreo__V1__KindInfo *describe(struct arena *arena, const struct kind *k)
{
    Choreo__V1__KindInfo *info = ARENA_NEW(arena, Choreo__V1__KindInfo);
    choreo__v1__kind_info__init(info);
    info->group = arena_cstr(arena, k->group);
    info->version = arena_cstr(arena, k->version);
    info->kind = arena_cstr(arena, k->kind);
    info->plural = arena_cstr(arena, k->plural);
    info->singular = arena_cstr(arena, k->singular);
    info->message = arena_cstr(arena, k->message);
    info->short_names = cstr_array(arena, k->short_names, k->short_name_count);
    info->n_short_names = k->short_name_count;
    info->categories = cstr_array(arena, k->categories, k->category_count);
    info->n_categories = k->category_count;
    info->has_namespaced = true;
    info->namespaced = k->namespaced;
    info->has_status = true;
    info->status = k->status;
    info->has_scale = true;
    info->scale = k->scale_spec_replicas.len > 0;
    info->verbs = verbs_of(arena, k, &info->n_verbs);
    info->doc = arena_cstr(arena, k->doc);
    return info;
}

/* What REST's discovery and OpenAPI ask. */
static int may_discover(struct grpc_call *call, struct err *err)
{
    const struct auth_request request = {
        .subject = &call->subject, .verb = SLICE("get"), .path = SLICE("/apis")};
    return api_authorize(call->api, &request, err);
}

void resource_kinds(struct grpc_call *call, const ProtobufCMessage *message)
{
    (void)message;
    struct err err = {0};
    int rc = may_discover(call, &err);
    if (rc != 0) {
        grpc_finish(call, rc, &err, NULL);
        return;
    }
    const struct kind_registry *kinds = api_kinds(call->api);
    Choreo__V1__KindsResponse response = CHOREO__V1__KINDS_RESPONSE__INIT;
    response.n_kinds = kind_registry_count(kinds);
    response.kinds = arena_alloc(call->arena, response.n_kinds * sizeof *response.kinds);
    for (size_t i = 0; i < response.n_kinds; i++) {
        response.kinds[i] = describe(call->arena, kind_registry_at(kinds, i));
    }
    grpc_reply(call, &response.base);
}

void resource_schema(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__SchemaRequest *request = (const Choreo__V1__SchemaRequest *)message;
    static const Choreo__V1__Ref none = CHOREO__V1__REF__INIT;
    const struct kind *kind = NULL;
    struct err err = {0};
    struct buf json = {0};
    int rc = may_discover(call, &err);
    rc = rc != 0 ? rc
                 : resource_kind(api_kinds(call->api), request->ref != NULL ? request->ref : &none,
                                 &kind, &err);
    if (rc == 0 && kind->schema != NULL) {
        rc = openapi_json_schema(kind, &json, &err);
    }
    if (rc != 0) {
        grpc_finish(call, rc, &err, NULL);
    } else {
        Choreo__V1__SchemaResponse response = CHOREO__V1__SCHEMA_RESPONSE__INIT;
        response.kind = describe(call->arena, kind);
        response.has_json_schema = json.len > 0;
        response.json_schema = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
        grpc_reply(call, &response.base);
    }
    buf_free(&json);
}
