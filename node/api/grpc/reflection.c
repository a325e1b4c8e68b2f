/* reflection.c: grpc.reflection v1 and v1alpha: what grpcurl and its like ask first.
 *
 * Answers come from the descriptor set that the build embeds, file by file as protoc wrote it. A
 * file is sent with the files that it imports, so that one answer suffices. The two versions differ
 * in their package name alone: v1alpha's requests are read as v1's. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "node/api/grpc/door.h"
#include "proto/google/protobuf/descriptor.pb-c.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"
#include "proto/grpc/reflection/v1alpha/reflection.pb-c.h"
#include "proto/kind.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

#define ASKS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define ANSWERS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what

enum { FILES_MAX = 64, SYMBOL_DEPTH_MAX = 32, EXTENSIONS_MAX = 64, REQUEST_MAX_BYTES = 8 * 1024 };

/* The embedded files, parsed once; immutable afterwards. */
static struct file {
    Google__Protobuf__FileDescriptorProto *parsed;
    struct slice bytes;
} files[FILES_MAX];
static size_t file_count;
static pthread_once_t files_once = PTHREAD_ONCE_INIT;

/* A base-128 varint; false past the end. */
static bool read_varint(struct slice *s, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && s->len > 0; shift += 7) {
        uint8_t byte = (uint8_t)*s->data;
        *s = slice_sub(*s, 1, SIZE_MAX);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

/* FileDescriptorSet is `repeated FileDescriptorProto file = 1`: tag 0x0a, length, bytes. */
static void load_files(void)
{
    struct slice set = kind_descriptor_set();
    uint64_t tag;
    uint64_t len;
    while (file_count < FILES_MAX && read_varint(&set, &tag) && tag == 0x0a &&
           read_varint(&set, &len) && len <= set.len) {
        struct file *f = &files[file_count];
        f->bytes = slice_sub(set, 0, len);
        set = slice_sub(set, len, SIZE_MAX);
        f->parsed = google__protobuf__file_descriptor_proto__unpack(NULL, f->bytes.len,
                                                                    (const uint8_t *)f->bytes.data);
        file_count += f->parsed != NULL ? 1 : 0;
    }
}

/* ---- symbols ---- */

/* Cuts "name" or "name." off the front of *symbol; *symbol is what follows the dot. */
static bool cut(struct slice *symbol, const char *name)
{
    struct slice head = slice_of(name);
    if (!slice_starts_with(*symbol, head)) {
        return false;
    }
    struct slice rest = slice_sub(*symbol, head.len, SIZE_MAX);
    if (rest.len > 0 && rest.data[0] != '.') {
        return false;
    }
    *symbol = slice_sub(rest, 1, SIZE_MAX);
    return true;
}

/* An enumeration, or one of its values, which stand beside it. */
static bool in_enum(const Google__Protobuf__EnumDescriptorProto *e, struct slice symbol)
{
    if (slice_eq_cstr(symbol, e->name)) {
        return true;
    }
    for (size_t i = 0; i < e->n_value; i++) {
        if (slice_eq_cstr(symbol, e->value[i]->name)) {
            return true;
        }
    }
    return false;
}

/* A service, or one of its methods. */
static bool in_service(const Google__Protobuf__ServiceDescriptorProto *s, struct slice symbol)
{
    if (!cut(&symbol, s->name)) {
        return false;
    }
    bool found = symbol.len == 0;
    for (size_t i = 0; i < s->n_method && !found; i++) {
        found = slice_eq_cstr(symbol, s->method[i]->name);
    }
    return found;
}

/* Is it this message, or one of its fields, oneofs, enumerations or messages? Descends along the
 * symbol. */
static bool in_message(const Google__Protobuf__DescriptorProto *m, struct slice symbol)
{
    for (int depth = 0; depth < SYMBOL_DEPTH_MAX && cut(&symbol, m->name); depth++) {
        const Google__Protobuf__DescriptorProto *next = NULL;
        if (symbol.len == 0) {
            return true;
        }
        for (size_t i = 0; i < m->n_field; i++) {
            if (slice_eq_cstr(symbol, m->field[i]->name)) {
                return true;
            }
        }
        for (size_t i = 0; i < m->n_oneof_decl; i++) {
            if (slice_eq_cstr(symbol, m->oneof_decl[i]->name)) {
                return true;
            }
        }
        for (size_t i = 0; i < m->n_enum_type; i++) {
            if (in_enum(m->enum_type[i], symbol)) {
                return true;
            }
        }
        for (size_t i = 0; i < m->n_nested_type && next == NULL; i++) {
            struct slice rest = symbol;
            next = cut(&rest, m->nested_type[i]->name) ? m->nested_type[i] : NULL;
        }
        if (next == NULL) {
            return false;
        }
        m = next;
    }
    return false;
}

static bool in_file(const Google__Protobuf__FileDescriptorProto *f, struct slice symbol)
{
    if (f->package != NULL && *f->package != '\0' &&
        (!cut(&symbol, f->package) || symbol.len == 0)) {
        return false;
    }
    for (size_t i = 0; i < f->n_message_type; i++) {
        if (in_message(f->message_type[i], symbol)) {
            return true;
        }
    }
    for (size_t i = 0; i < f->n_enum_type; i++) {
        if (in_enum(f->enum_type[i], symbol)) {
            return true;
        }
    }
    for (size_t i = 0; i < f->n_service; i++) {
        if (in_service(f->service[i], symbol)) {
            return true;
        }
    }
    for (size_t i = 0; i < f->n_extension; i++) {
        if (slice_eq_cstr(symbol, f->extension[i]->name)) {
            return true;
        }
    }
    return false;
}

/* Does the field extend the message of that name, with or without the leading dot? */
static bool extends(const Google__Protobuf__FieldDescriptorProto *field, const char *type)
{
    struct slice extendee = slice_of(field->extendee);
    return slice_eq_cstr(extendee, type) || slice_eq_cstr(slice_sub(extendee, 1, SIZE_MAX), type);
}

static size_t file_named(const char *name)
{
    size_t i = 0;
    while (i < file_count && strcmp(files[i].parsed->name, name) != 0) {
        i++;
    }
    return i;
}

static size_t file_with(struct slice symbol)
{
    size_t i = 0;
    while (i < file_count && !in_file(files[i].parsed, symbol)) {
        i++;
    }
    return i;
}

/* ---- answers ---- */

static void answer_error(struct grpc_call *call, reflection_response *response, int code,
                         const char *text)
{
    Grpc__Reflection__V1__ErrorResponse *error =
        ARENA_NEW(call->arena, Grpc__Reflection__V1__ErrorResponse);
    grpc__reflection__v1__error_response__init(error);
    error->error_code = err_grpc_status(code);
    error->error_message = arena_cstr(call->arena, slice_of(text));
    response->message_response_case = ANSWERS(ERROR_RESPONSE);
    response->error_response = error;
}

/* The file first, then all that it imports, each once. */
static void answer_file(struct grpc_call *call, reflection_response *response, size_t first)
{
    if (first == file_count) {
        answer_error(call, response, ERR_NOT_FOUND, "no such file or symbol here");
        return;
    }
    size_t order[FILES_MAX] = {first};
    size_t count = 1;
    for (size_t done = 0; done < count; done++) {
        const Google__Protobuf__FileDescriptorProto *f = files[order[done]].parsed;
        for (size_t d = 0; d < f->n_dependency; d++) {
            size_t next = file_named(f->dependency[d]);
            bool known = next == file_count;
            for (size_t i = 0; i < count && !known; i++) {
                known = order[i] == next;
            }
            if (!known) {
                order[count++] = next;
            }
        }
    }
    Grpc__Reflection__V1__FileDescriptorResponse *out =
        ARENA_NEW(call->arena, Grpc__Reflection__V1__FileDescriptorResponse);
    grpc__reflection__v1__file_descriptor_response__init(out);
    out->n_file_descriptor_proto = count;
    out->file_descriptor_proto = arena_alloc(call->arena, count * sizeof(ProtobufCBinaryData));
    for (size_t i = 0; i < count; i++) {
        struct slice copy = arena_copy(call->arena, files[order[i]].bytes);
        out->file_descriptor_proto[i].len = copy.len;
        out->file_descriptor_proto[i].data = arena_alloc(call->arena, copy.len);
        memcpy(out->file_descriptor_proto[i].data, copy.data, copy.len);
    }
    response->message_response_case = ANSWERS(FILE_DESCRIPTOR_RESPONSE);
    response->file_descriptor_response = out;
}

/* Options of our own are the only extensions, and stand in files, not in messages. */
static void answer_extension(struct grpc_call *call, reflection_response *response,
                             const Grpc__Reflection__V1__ExtensionRequest *asked)
{
    for (size_t i = 0; i < file_count; i++) {
        const Google__Protobuf__FileDescriptorProto *f = files[i].parsed;
        for (size_t e = 0; e < f->n_extension; e++) {
            if (f->extension[e]->number == asked->extension_number &&
                extends(f->extension[e], asked->containing_type)) {
                answer_file(call, response, i);
                return;
            }
        }
    }
    answer_error(call, response, ERR_NOT_FOUND, "no such extension here");
}

/* All of a type that is known, though it have none. */
static void answer_numbers(struct grpc_call *call, reflection_response *response, char *type)
{
    Grpc__Reflection__V1__ExtensionNumberResponse *out =
        ARENA_NEW(call->arena, Grpc__Reflection__V1__ExtensionNumberResponse);
    grpc__reflection__v1__extension_number_response__init(out);
    if (file_with(slice_of(type)) == file_count) {
        answer_error(call, response, ERR_NOT_FOUND, "no such type here");
        return;
    }
    out->base_type_name = type;
    out->extension_number = arena_alloc(call->arena, EXTENSIONS_MAX * sizeof(int32_t));
    for (size_t i = 0; i < file_count; i++) {
        const Google__Protobuf__FileDescriptorProto *f = files[i].parsed;
        for (size_t e = 0; e < f->n_extension; e++) {
            if (extends(f->extension[e], type) && out->n_extension_number < EXTENSIONS_MAX) {
                out->extension_number[out->n_extension_number++] = f->extension[e]->number;
            }
        }
    }
    response->message_response_case = ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE);
    response->all_extension_numbers_response = out;
}

static void answer_services(struct grpc_call *call, reflection_response *response)
{
    const struct grpc *g = call->api->config.grpc_user;
    Grpc__Reflection__V1__ListServiceResponse *out =
        ARENA_NEW(call->arena, Grpc__Reflection__V1__ListServiceResponse);
    grpc__reflection__v1__list_service_response__init(out);
    out->service = arena_alloc(call->arena, g->count * sizeof *out->service);
    for (size_t i = 0; i < g->count; i++) {
        Grpc__Reflection__V1__ServiceResponse *service =
            ARENA_NEW(call->arena, Grpc__Reflection__V1__ServiceResponse);
        grpc__reflection__v1__service_response__init(service);
        service->name = arena_cstr(call->arena, slice_of(g->services[i]->descriptor->name));
        out->service[out->n_service++] = service;
    }
    response->message_response_case = ANSWERS(LIST_SERVICES_RESPONSE);
    response->list_services_response = out;
}

static void info(struct grpc_call *call, const ProtobufCMessage *message)
{
    reflection_request request = *(const reflection_request *)message;
    reflection_response response;
    (void)pthread_once(&files_once, load_files);
    grpc__reflection__v1__server_reflection_response__init(&response);
    response.valid_host = request.host;
    response.original_request = &request;
    switch (request.message_request_case) {
    case ASKS(FILE_BY_FILENAME):
        answer_file(call, &response, file_named(request.file_by_filename));
        break;
    case ASKS(FILE_CONTAINING_SYMBOL):
        answer_file(call, &response, file_with(slice_of(request.file_containing_symbol)));
        break;
    case ASKS(LIST_SERVICES):
        answer_services(call, &response);
        break;
    case ASKS(FILE_CONTAINING_EXTENSION):
        answer_extension(call, &response, request.file_containing_extension);
        break;
    case ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE):
        answer_numbers(call, &response, request.all_extension_numbers_of_type);
        break;
    case ASKS(_NOT_SET):
    case _GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__CASE_IS_INT_SIZE:
    default:
        answer_error(call, &response, ERR_INVALID, "the request asks nothing");
        break;
    }
    (void)grpc_send(call, &response.base);
}

static void *take(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void give_back(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static void info_alpha(struct grpc_call *call, const ProtobufCMessage *message)
{
    ProtobufCAllocator allocator = {take, give_back, call->arena};
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *wire = arena_alloc(call->arena, len);
    (void)protobuf_c_message_pack(message, wire);
    info(call,
         protobuf_c_message_unpack(&grpc__reflection__v1__server_reflection_request__descriptor,
                                   &allocator, len, wire));
}

static const grpc_method methods[] = {info};
static const grpc_method methods_alpha[] = {info_alpha};

const struct grpc_service grpc_reflection_service = {
    .descriptor = &grpc__reflection__v1__server_reflection__descriptor,
    .methods = methods,
    .bidirectional = true,
    .message_max = REQUEST_MAX_BYTES,
    .open_ended = true};

const struct grpc_service grpc_reflection_alpha_service = {
    .descriptor = &grpc__reflection__v1alpha__server_reflection__descriptor,
    .methods = methods_alpha,
    .bidirectional = true,
    .message_max = REQUEST_MAX_BYTES,
    .open_ended = true};
