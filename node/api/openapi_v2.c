/* openapi_v2.c: OpenAPI v2 from JSON to gnostic's protobuf.
 *
 * The message's field numbers stand in tables beside their JSON names; a member whose name begins
 * with "x-" is a vendor extension (a name and its value as YAML, of which JSON is a part). Nested
 * messages are written to a buffer of their own, since protobuf wants their length first. The input
 * is our own document, so the recursion is as deep as our schemas are. */
#include "node/api/openapi_v2.h"

#include <string.h>

#include "base/json.h"

enum wire { TEXT, BOOL, INT, NUMBER, TEXTS };

struct member {
    const char *name;
    uint32_t number;
    enum wire wire;
};

/* ---- protobuf ---- */

static void put_varint(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_add_u8(out, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_add_u8(out, (uint8_t)v);
}

static void put_bytes(struct buf *out, uint32_t number, struct slice bytes)
{
    put_varint(out, ((uint64_t)number << 3) | 2);
    put_varint(out, bytes.len);
    buf_add(out, bytes);
}

/* Takes message's bytes and leaves it empty. */
static void put_message(struct buf *out, uint32_t number, struct buf *message)
{
    put_bytes(out, number, buf_slice(message));
    buf_free(message);
}

static void put_uint(struct buf *out, uint32_t number, uint64_t value)
{
    put_varint(out, (uint64_t)number << 3);
    put_varint(out, value);
}

static void put_double(struct buf *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_varint(out, ((uint64_t)number << 3) | 1);
    for (int i = 0; i < 8; i++) {
        buf_add_u8(out, (uint8_t)(bits >> (8 * i)));
    }
}

/* Any{2: yaml} */
static void put_any(struct buf *out, uint32_t number, const json_t *value)
{
    struct buf any = {0};
    struct buf yaml = {0};
    json_canonical(value, &yaml);
    buf_add_char(&yaml, '\n');
    put_message(&any, 2, &yaml);
    put_message(out, number, &any);
}

static void put_texts(struct buf *out, uint32_t number, const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        put_bytes(out, number, json_text(item));
    }
}

static void put_members(struct buf *out, const json_t *from, const struct member *members,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(from, members[i].name);
        if (value == NULL) {
            continue;
        }
        switch (members[i].wire) {
        case TEXT:
            put_bytes(out, members[i].number, json_text(value));
            break;
        case BOOL:
            put_uint(out, members[i].number, json_is_true(value));
            break;
        case INT:
            put_uint(out, members[i].number, (uint64_t)json_integer_value(value));
            break;
        case NUMBER:
            put_double(out, members[i].number, json_number_value(value));
            break;
        case TEXTS:
            put_texts(out, members[i].number, value);
            break;
        }
    }
}

/* NamedAny{1: name, 2: value} for each "x-" member. */
static void put_extensions(struct buf *out, uint32_t number, const json_t *from)
{
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, name, value)
    {
        if (strncmp(name, "x-", 2) == 0) {
            struct buf named = {0};
            put_bytes(&named, 1, slice_of(name));
            put_any(&named, 2, value);
            put_message(out, number, &named);
        }
    }
}

/* ---- schemas ---- */

static const struct member schema_members[] = {
    {"$ref", 1, TEXT},          {"format", 2, TEXT},        {"title", 3, TEXT},
    {"description", 4, TEXT},   {"maximum", 7, NUMBER},     {"minimum", 9, NUMBER},
    {"maxLength", 11, INT},     {"minLength", 12, INT},     {"pattern", 13, TEXT},
    {"maxItems", 14, INT},      {"minItems", 15, INT},      {"uniqueItems", 16, BOOL},
    {"maxProperties", 17, INT}, {"minProperties", 18, INT}, {"required", 19, TEXTS},
};

static void put_schema(struct buf *out, uint32_t number, const json_t *schema);

/* NamedSchema{1: name, 2: value} */
static void put_named_schemas(struct buf *out, uint32_t number, const json_t *map)
{
    const char *name;
    const json_t *schema;
    json_object_foreach((json_t *)(uintptr_t)map, name, schema)
    {
        struct buf named = {0};
        put_bytes(&named, 1, slice_of(name));
        put_schema(&named, 2, schema);
        put_message(out, number, &named);
    }
}

static void put_schema(struct buf *out, uint32_t number, const json_t *schema)
{
    struct buf body = {0};
    put_members(&body, schema, schema_members, sizeof(schema_members) / sizeof(schema_members[0]));
    const json_t *value = json_object_get(schema, "default");
    if (value != NULL) {
        put_any(&body, 5, value);
    }
    size_t i;
    json_array_foreach(json_object_get(schema, "enum"), i, value)
    {
        put_any(&body, 20, value);
    }
    value = json_object_get(schema, "additionalProperties");
    if (value != NULL) {
        struct buf item = {0};
        if (json_is_object(value)) {
            put_schema(&item, 1, value);
        } else {
            put_uint(&item, 2, json_is_true(value));
        }
        put_message(&body, 21, &item);
    }
    value = json_object_get(schema, "type");
    if (json_is_string(value)) {
        struct buf item = {0};
        put_bytes(&item, 1, json_text(value));
        put_message(&body, 22, &item);
    }
    value = json_object_get(schema, "items");
    if (value != NULL) {
        struct buf item = {0};
        put_schema(&item, 1, value);
        put_message(&body, 23, &item);
    }
    value = json_object_get(schema, "properties");
    if (value != NULL) {
        struct buf map = {0};
        put_named_schemas(&map, 1, value);
        put_message(&body, 25, &map);
    }
    put_extensions(&body, 31, schema);
    put_message(out, number, &body);
}

/* ---- operations ---- */

static const struct member query_members[] = {
    {"required", 1, BOOL}, {"in", 2, TEXT},   {"description", 3, TEXT},
    {"name", 4, TEXT},     {"type", 6, TEXT}, {"format", 7, TEXT},
};
static const struct member path_members[] = {
    {"required", 1, BOOL}, {"in", 2, TEXT},   {"description", 3, TEXT},
    {"name", 4, TEXT},     {"type", 5, TEXT}, {"format", 6, TEXT},
};
static const struct member body_members[] = {
    {"description", 1, TEXT},
    {"name", 2, TEXT},
    {"in", 3, TEXT},
    {"required", 4, BOOL},
};
static const struct member operation_members[] = {
    {"tags", 1, TEXTS},       {"summary", 2, TEXT},   {"description", 3, TEXT},
    {"operationId", 5, TEXT}, {"produces", 6, TEXTS}, {"consumes", 7, TEXTS},
    {"schemes", 10, TEXTS},
};

#define PUT_MEMBERS(out, from, table)                                                              \
    put_members((out), (from), (table), sizeof(table) / sizeof((table)[0]))

/* ParametersItem{1: Parameter{1: body | 2: NonBody{3: query | 4: path}}} */
static void put_parameter(struct buf *out, uint32_t number, const json_t *parameter)
{
    struct slice in = json_text_at(parameter, "in");
    struct buf leaf = {0};
    struct buf inner = {0};
    struct buf item = {0};
    if (slice_eq_cstr(in, "body")) {
        PUT_MEMBERS(&leaf, parameter, body_members);
        const json_t *schema = json_object_get(parameter, "schema");
        if (schema != NULL) {
            put_schema(&leaf, 5, schema);
        }
        put_message(&inner, 1, &leaf);
    } else {
        struct buf choice = {0};
        bool query = slice_eq_cstr(in, "query");
        if (query) {
            PUT_MEMBERS(&leaf, parameter, query_members);
        } else {
            PUT_MEMBERS(&leaf, parameter, path_members);
        }
        put_message(&choice, query ? 3 : 4, &leaf);
        put_message(&inner, 2, &choice);
    }
    put_message(&item, 1, &inner);
    put_message(out, number, &item);
}

static void put_parameters(struct buf *out, uint32_t number, const json_t *list)
{
    size_t i;
    const json_t *parameter;
    json_array_foreach((json_t *)(uintptr_t)list, i, parameter)
    {
        put_parameter(out, number, parameter);
    }
}

/* Responses{1: Named{1: code, 2: ResponseValue{1: Response{1: description, 2: SchemaItem{1}}}}} */
static void put_responses(struct buf *out, uint32_t number, const json_t *responses)
{
    struct buf all = {0};
    const char *code;
    const json_t *response;
    json_object_foreach((json_t *)(uintptr_t)responses, code, response)
    {
        struct buf body = {0};
        struct buf value = {0};
        struct buf named = {0};
        put_bytes(&body, 1, json_text_at(response, "description"));
        const json_t *schema = json_object_get(response, "schema");
        if (schema != NULL) {
            struct buf item = {0};
            put_schema(&item, 1, schema);
            put_message(&body, 2, &item);
        }
        put_message(&value, 1, &body);
        put_bytes(&named, 1, slice_of(code));
        put_message(&named, 2, &value);
        put_message(&all, 1, &named);
    }
    put_message(out, number, &all);
}

static void put_operation(struct buf *out, uint32_t number, const json_t *operation)
{
    struct buf body = {0};
    PUT_MEMBERS(&body, operation, operation_members);
    put_parameters(&body, 8, json_object_get(operation, "parameters"));
    put_responses(&body, 9, json_object_get(operation, "responses"));
    put_extensions(&body, 13, operation);
    put_message(out, number, &body);
}

static void put_path(struct buf *out, const char *name, const json_t *path)
{
    static const struct {
        const char *method;
        uint32_t number;
    } methods[] = {{"get", 2},     {"put", 3},  {"post", 4}, {"delete", 5},
                   {"options", 6}, {"head", 7}, {"patch", 8}};
    struct buf item = {0};
    struct buf named = {0};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const json_t *operation = json_object_get(path, methods[i].method);
        if (operation != NULL) {
            put_operation(&item, methods[i].number, operation);
        }
    }
    put_parameters(&item, 9, json_object_get(path, "parameters"));
    put_extensions(&item, 10, path);
    put_bytes(&named, 1, slice_of(name));
    put_message(&named, 2, &item);
    put_message(out, 2, &named);
}

void openapi_v2_encode(struct slice json, struct buf *out)
{
    static const struct member info_members[] = {
        {"title", 1, TEXT}, {"version", 2, TEXT}, {"description", 3, TEXT}};
    json_t *doc = NULL;
    struct err ignored = {0};
    if (json_parse(json, &doc, &ignored) != 0) {
        return; /* our own document: an empty answer makes the bug visible to clients */
    }
    struct buf part = {0};
    put_bytes(out, 1, SLICE("2.0"));
    PUT_MEMBERS(&part, json_object_get(doc, "info"), info_members);
    put_message(out, 2, &part);
    const char *name;
    const json_t *path;
    json_object_foreach(json_object_get(doc, "paths"), name, path)
    {
        put_path(&part, name, path);
    }
    put_message(out, 8, &part);
    put_named_schemas(&part, 1, json_object_get(doc, "definitions"));
    put_message(out, 9, &part);
    json_decref(doc);
}
