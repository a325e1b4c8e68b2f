/* kinds.c: ResourceService.Kinds and Schema: what there is, for clients that know no kind by heart.
 *
 * Who may see REST's discovery may see this. */
#include "node/api/grpc/resource.h"
#include "proto/kind_info.h"
#include "proto/openapi.h"

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
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    Choreo__V1__KindsResponse response = CHOREO__V1__KINDS_RESPONSE__INIT;
    response.n_kinds = kind_registry_count(kinds);
    response.kinds = arena_alloc(call->arena, response.n_kinds * sizeof *response.kinds);
    for (size_t i = 0; i < response.n_kinds; i++) {
        response.kinds[i] = kind_info(call->arena, kind_registry_at(kinds, i));
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
                 : resource_kind(api_kinds(call->api, call->arena),
                                 request->ref != NULL ? request->ref : &none, &kind, &err);
    if (rc == 0 && kind->schema != NULL) {
        rc = openapi_json_schema(kind, &json, &err);
    }
    if (rc != 0) {
        grpc_finish_field(call, rc, &err, "ref");
    } else {
        Choreo__V1__SchemaResponse response = CHOREO__V1__SCHEMA_RESPONSE__INIT;
        response.kind = kind_info(call->arena, kind);
        response.has_json_schema = json.len > 0;
        response.json_schema = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
        grpc_reply(call, &response.base);
    }
    buf_free(&json);
}
