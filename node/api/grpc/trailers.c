/* trailers.c: a result as gRPC's status, message and google.rpc.Status details. */
#include "node/api/grpc/trailers.h"

#include "base/crypto.h"
#include "proto/google/rpc/error_details.pb-c.h"
#include "proto/google/rpc/status.pb-c.h"

enum { DETAILS_MAX = 3, VIOLATIONS_MAX = 100 };

/* gRPC's percent encoding: printable ASCII but '%' stays. */
static struct slice encode_message(struct arena *arena, const char *message)
{
    struct buf out = {0};
    for (const char *p = message; *p != '\0'; p++) {
        if (*p >= ' ' && *p <= '~' && *p != '%') {
            buf_add_char(&out, *p);
        } else {
            buf_addf(&out, "%%%02X", (unsigned)(unsigned char)*p);
        }
    }
    struct slice copy = arena_copy(arena, buf_slice(&out));
    buf_free(&out);
    return copy;
}

static Google__Protobuf__Any *pack_detail(struct arena *arena, const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = ARENA_NEW(arena, Google__Protobuf__Any);
    google__protobuf__any__init(any);
    any->type_url = arena_printf(arena, "type.googleapis.com/%s", message->descriptor->name);
    any->value.len = protobuf_c_message_get_packed_size(message);
    any->value.data = arena_alloc(arena, any->value.len);
    (void)protobuf_c_message_pack(message, any->value.data);
    return any;
}

static Google__Protobuf__Any *bad_request(struct arena *arena, const struct causes *causes)
{
    typedef Google__Rpc__BadRequest__FieldViolation violation;
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    size_t count = causes->count < VIOLATIONS_MAX ? causes->count : VIOLATIONS_MAX;
    bad.field_violations = arena_alloc(arena, count * sizeof(violation *));
    for (size_t i = 0; i < count; i++) {
        violation *v = ARENA_NEW(arena, violation);
        google__rpc__bad_request__field_violation__init(v);
        v->field = arena_cstr(arena, causes->items[i].field);
        v->description = arena_cstr(arena, causes->items[i].message);
        bad.field_violations[bad.n_field_violations++] = v;
    }
    return pack_detail(arena, &bad.base);
}

static Google__Protobuf__Any *error_info(struct arena *arena, int rc)
{
    Google__Rpc__ErrorInfo info;
    char domain[] = "choreo.dev";
    google__rpc__error_info__init(&info);
    info.reason = arena_cstr(arena, slice_of(err_reason(rc)));
    info.domain = domain;
    return pack_detail(arena, &info.base);
}

static Google__Protobuf__Any *retry_info(struct arena *arena)
{
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration second = GOOGLE__PROTOBUF__DURATION__INIT;
    second.seconds = 1;
    retry.retry_delay = &second;
    return pack_detail(arena, &retry.base);
}

/* The value of grpc-status-details-bin: google.rpc.Status in base64. */
static struct slice encode_details(struct arena *arena, int rc, const char *message,
                                   const struct causes *causes)
{
    Google__Rpc__Status status;
    Google__Protobuf__Any *details[DETAILS_MAX];
    google__rpc__status__init(&status);
    status.code = err_grpc_status(rc);
    status.message = arena_cstr(arena, slice_of(message));
    status.details = details;
    details[status.n_details++] = error_info(arena, rc);
    if (causes != NULL && causes->count > 0) {
        details[status.n_details++] = bad_request(arena, causes);
    }
    if (rc == ERR_BUSY || rc == ERR_UNAVAILABLE || rc == ERR_NOT_LEADER || rc == ERR_CLOSED) {
        details[status.n_details++] = retry_info(arena);
    }
    size_t len = google__rpc__status__get_packed_size(&status);
    uint8_t *packed = arena_alloc(arena, len);
    (void)google__rpc__status__pack(&status, packed);
    struct buf text = {0};
    base64_encode(&text, slice_make(packed, len));
    struct slice copy = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

size_t grpc_trailers(struct arena *arena, int rc, const char *message, const struct causes *causes,
                     struct http_header trailers[GRPC_TRAILERS_MAX])
{
    const char *code = arena_printf(arena, "%d", rc == 0 ? 0 : err_grpc_status(rc));
    trailers[0] = (struct http_header){SLICE("grpc-status"), slice_of(code)};
    if (rc == 0) {
        return 1;
    }
    trailers[1] = (struct http_header){SLICE("grpc-message"), encode_message(arena, message)};
    trailers[2] = (struct http_header){SLICE("grpc-status-details-bin"),
                                       encode_details(arena, rc, message, causes)};
    return 3;
}
