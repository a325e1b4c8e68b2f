/* JSON trees to protobuf bytes, by a kind's tables (declared in typed.h).
 *
 * Fields go out in the order of their names, so equal trees give equal bytes. A message is written
 * to a buffer of its own first, because its length comes before it. */
#include <math.h>

#include "base/crypto.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"
#include "proto/typed_internal.h"

struct encoding {
    struct buf path;
    struct err *err;
};

static void put_varint(struct buf *out, uint64_t value)
{
    while (value >= 0x80) {
        buf_add_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_add_u8(out, (uint8_t)value);
}

static void put_tag(struct buf *out, uint32_t number, enum typed_wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

static void put_bytes(struct buf *out, uint32_t number, struct slice bytes)
{
    put_tag(out, number, WIRE_LEN);
    put_varint(out, bytes.len);
    buf_add(out, bytes);
}

static void put_scalar(struct buf *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, WIRE_VARINT);
    put_varint(out, value);
}

static void put_fixed(struct buf *out, uint64_t bits, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        buf_add_u8(out, (uint8_t)(bits >> (8 * i)));
    }
}

static void put_double(struct buf *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_tag(out, number, WIRE_FIXED64);
    put_fixed(out, bits, 8);
}

/* Takes inner's bytes as the field, and frees it. */
static void put_inner(struct buf *out, uint32_t number, struct buf *inner)
{
    put_bytes(out, number, buf_slice(inner));
    buf_free(inner);
}

static int misfit(struct encoding *e, const char *what)
{
    struct slice path = buf_slice(&e->path);
    return err_set(e->err, ERR_INVALID, "%.*s: %s", SLICE_ARG(path), what);
}

/* ---- free-form JSON ---- */

static void encode_any(struct buf *out, const json_t *value);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void encode_struct(struct buf *out, const json_t *object)
{
    TREE_EACH(it, object)
    {
        struct buf entry = {0};
        struct buf value = {0};
        put_bytes(&entry, ENTRY_KEY, tree_key(it));
        encode_any(&value, json_object_iter_value(it));
        put_inner(&entry, ENTRY_VALUE, &value);
        put_inner(out, STRUCT_FIELDS, &entry);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void encode_list(struct buf *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct buf value = {0};
        encode_any(&value, json_array_get(list, i));
        put_inner(out, LIST_VALUES, &value);
    }
}

static void encode_integer(struct buf *out, int64_t value)
{
    double number = (double)value;
    put_double(out, VALUE_NUMBER, number);
    if (fabs(number) >= TYPED_EXACT_MAX) {
        put_scalar(out, VALUE_EXACT, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void encode_any(struct buf *out, const json_t *value)
{
    struct buf inner = {0};
    double real = 0;
    switch (json_typeof(value)) {
    case JSON_NULL:
        put_scalar(out, VALUE_NULL, 0);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        put_scalar(out, VALUE_BOOL, json_is_true(value) ? 1 : 0);
        break;
    case JSON_INTEGER:
        encode_integer(out, json_integer_value(value));
        break;
    case JSON_REAL:
        real = json_real_value(value);
        put_double(out, VALUE_NUMBER, real);
        if (real == floor(real) && fabs(real) < TYPED_EXACT_MAX) {
            put_scalar(out, VALUE_REAL, 1);
        }
        break;
    case JSON_STRING:
        put_bytes(out, VALUE_STRING, json_text(value));
        break;
    case JSON_OBJECT:
        encode_struct(&inner, value);
        put_inner(out, VALUE_STRUCT, &inner);
        break;
    case JSON_ARRAY:
        encode_list(&inner, value);
        put_inner(out, VALUE_LIST, &inner);
        break;
    }
}

/* ---- messages with a form of their own: each writes the inside ---- */

static int encode_quantity(struct encoding *e, struct buf *out, const json_t *value)
{
    if (json_is_string(value)) {
        put_bytes(out, QUANTITY_STRING, json_text(value));
        return 0;
    }
    if (!json_is_number(value)) {
        return misfit(e, "must be a quantity");
    }
    struct buf text = {0};
    json_canonical(value, &text);
    put_inner(out, QUANTITY_STRING, &text);
    put_scalar(out, QUANTITY_NUMBER, 1);
    return 0;
}

static int encode_choice(struct encoding *e, struct buf *out, const json_t *value)
{
    if (json_is_string(value)) {
        put_scalar(out, CHOICE_TYPE, 1);
        put_bytes(out, CHOICE_STRING, json_text(value));
        return 0;
    }
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < INT32_MIN || number > INT32_MAX) {
        return misfit(e, "must be a 32 bit integer or a string");
    }
    put_scalar(out, CHOICE_TYPE, 0);
    put_scalar(out, CHOICE_INT, (uint64_t)number);
    return 0;
}

static int encode_time(struct encoding *e, struct buf *out, const json_t *value, bool micro)
{
    int64_t seconds = 0;
    int32_t nanos = 0;
    char canonical[40];
    struct slice text = json_text(value);
    if (!json_is_string(value)) {
        return misfit(e, "must be a time");
    }
    bool read = typed__time_read(text, &seconds, &nanos);
    if (read) {
        put_scalar(out, TIME_SECONDS, (uint64_t)seconds);
        if (nanos != 0) {
            put_scalar(out, TIME_NANOS, (uint64_t)nanos);
        }
    }
    if (!read || !typed__time_text(seconds, nanos, micro, canonical) ||
        !slice_eq_cstr(text, canonical)) {
        put_bytes(out, TIME_TEXT, text);
    }
    return 0;
}

static int encode_texts(struct encoding *e, struct buf *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i))) {
            return misfit(e, "must be a list of strings");
        }
        put_bytes(out, TEXTS_ITEMS, json_text(json_array_get(list, i)));
    }
    return json_is_array(list) ? 0 : misfit(e, "must be a list");
}

static int encode_message(struct encoding *e, struct buf *out, const struct schema *schema,
                          const json_t *object);

/* The content of a length-delimited value. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_inner(struct encoding *e, struct buf *out, const struct schema *schema,
                        const json_t *value)
{
    switch ((int)schema->wire) {
    case SCHEMA_WIRE_STRING:
        buf_add(out, json_text(value));
        return json_is_string(value) ? 0 : misfit(e, "must be a string");
    case SCHEMA_WIRE_BYTES:
        return json_is_string(value) && base64_decode(out, json_text(value))
                   ? 0
                   : misfit(e, "must be base64");
    case SCHEMA_WIRE_MESSAGE:
        return encode_message(e, out, schema, value);
    case SCHEMA_WIRE_QUANTITY:
        return encode_quantity(e, out, value);
    case SCHEMA_WIRE_INT_OR_STRING:
        return encode_choice(e, out, value);
    case SCHEMA_WIRE_TIME:
        return encode_time(e, out, value, false);
    case SCHEMA_WIRE_MICRO_TIME:
        return encode_time(e, out, value, true);
    case SCHEMA_WIRE_STRUCT:
        encode_struct(out, value);
        return json_is_object(value) ? 0 : misfit(e, "must be an object");
    case SCHEMA_WIRE_VALUE:
        encode_any(out, value);
        return 0;
    case SCHEMA_WIRE_LIST_VALUE:
        encode_list(out, value);
        return json_is_array(value) ? 0 : misfit(e, "must be a list");
    case SCHEMA_WIRE_RAW_JSON: {
        struct buf text = {0};
        json_canonical(value, &text);
        put_inner(out, RAW_BYTES, &text);
        return 0;
    }
    case SCHEMA_WIRE_TEXTS:
        return encode_texts(e, out, value);
    default:
        return misfit(e, "has no protobuf form");
    }
}

static int encode_number(struct encoding *e, struct buf *out, const struct schema *schema,
                         uint32_t number, const json_t *value)
{
    switch ((int)schema->wire) {
    case SCHEMA_WIRE_BOOL:
        put_scalar(out, number, json_is_true(value) ? 1 : 0);
        return json_is_boolean(value) ? 0 : misfit(e, "must be true or false");
    case SCHEMA_WIRE_DOUBLE:
        put_double(out, number, json_number_value(value));
        return json_is_number(value) ? 0 : misfit(e, "must be a number");
    case SCHEMA_WIRE_FLOAT: {
        float single = (float)json_number_value(value);
        uint32_t bits;
        memcpy(&bits, &single, sizeof(bits));
        put_tag(out, number, WIRE_FIXED32);
        put_fixed(out, bits, 4);
        return json_is_number(value) ? 0 : misfit(e, "must be a number");
    }
    case SCHEMA_WIRE_INT32:
    case SCHEMA_WIRE_UINT32: {
        int64_t integer = json_integer_value(value);
        int64_t min = schema->wire == SCHEMA_WIRE_INT32 ? INT32_MIN : 0;
        int64_t max = schema->wire == SCHEMA_WIRE_INT32 ? INT32_MAX : UINT32_MAX;
        put_scalar(out, number, (uint64_t)integer);
        return json_is_integer(value) && integer >= min && integer <= max
                   ? 0
                   : misfit(e, "must be an integer of 32 bits");
    }
    default:
        put_scalar(out, number, (uint64_t)json_integer_value(value));
        return json_is_integer(value) ? 0 : misfit(e, "must be an integer");
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_value(struct encoding *e, struct buf *out, const struct schema *schema,
                        uint32_t number, const json_t *value)
{
    if (typed__wire_type(schema->wire) != WIRE_LEN) {
        return encode_number(e, out, schema, number, value);
    }
    struct buf inner = {0};
    int rc = encode_inner(e, &inner, schema, value);
    put_inner(out, number, &inner);
    return rc;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_map(struct encoding *e, struct buf *out, const struct schema_field *field,
                      const json_t *map)
{
    if (!json_is_object(map)) {
        return misfit(e, "must be an object");
    }
    int rc = 0;
    TREE_EACH(it, map)
    {
        struct buf entry = {0};
        size_t before = schema__path_key(&e->path, tree_key(it));
        put_bytes(&entry, ENTRY_KEY, tree_key(it));
        rc = rc != 0 ? rc
                     : encode_value(e, &entry, field->schema->values, ENTRY_VALUE,
                                    json_object_iter_value(it));
        put_inner(out, field->number, &entry);
        e->path.len = before;
    }
    return rc;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_items(struct encoding *e, struct buf *out, const struct schema_field *field,
                        const json_t *list)
{
    if (!json_is_array(list)) {
        return misfit(e, "must be a list");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        size_t before = schema__path_index(&e->path, i);
        rc = encode_value(e, out, field->schema->items, field->number, json_array_get(list, i));
        e->path.len = before;
    }
    return rc;
}

static bool is_empty(const struct schema_field *field, const json_t *value)
{
    return (typed__is_list(field->schema) && json_is_array(value) && json_array_size(value) == 0) ||
           (typed__is_map(field->schema) && json_is_object(value) && json_object_size(value) == 0);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_field(struct encoding *e, struct buf *out, const struct schema_field *field,
                        const json_t *value)
{
    if (field->number == 0 || (json_is_null(value) && field->schema->type != SCHEMA_ANY)) {
        return 0; /* apiVersion and kind; nulls say nothing where a type is known */
    }
    size_t before = schema__path_member(&e->path, field->name);
    int rc = 0;
    if (typed__is_list(field->schema)) {
        rc = encode_items(e, out, field, value);
    } else if (typed__is_map(field->schema)) {
        rc = encode_map(e, out, field, value);
    } else {
        rc = encode_value(e, out, field->schema, field->number, value);
    }
    e->path.len = before;
    return rc;
}

static int check_known(struct encoding *e, const struct schema *schema, const json_t *object)
{
    TREE_EACH(it, object)
    {
        if (schema_field(schema, tree_key(it)) == NULL) {
            (void)schema__path_member(&e->path, tree_key(it));
            return misfit(e, "the message has no such field");
        }
    }
    return 0;
}

/* The fields of the message itself (within: 0), or of one that is inlined in it. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_fields(struct encoding *e, struct buf *out, const struct schema *schema,
                         uint32_t within, const json_t *object)
{
    struct buf empty = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < schema->field_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const json_t *value = field->within == within ? tree_get(object, field->name) : NULL;
        if (value != NULL && is_empty(field, value)) {
            put_varint(&empty, field->number);
        } else if (value != NULL) {
            rc = encode_field(e, out, field, value);
        }
    }
    if (empty.len > 0) {
        put_bytes(out, TYPED_EMPTY_FIELD, buf_slice(&empty));
    }
    buf_free(&empty);
    return rc;
}

static bool is_first_within(const struct schema *schema, size_t at)
{
    uint32_t within = schema->fields[at].within;
    for (size_t i = 0; i < at; i++) {
        if (schema->fields[i].within == within) {
            return false;
        }
    }
    return within != 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static int encode_message(struct encoding *e, struct buf *out, const struct schema *schema,
                          const json_t *object)
{
    if (!json_is_object(object)) {
        return misfit(e, "must be an object");
    }
    int rc = check_known(e, schema, object);
    rc = rc != 0 ? rc : encode_fields(e, out, schema, 0, object);
    for (size_t i = 0; rc == 0 && i < schema->field_count; i++) {
        if (is_first_within(schema, i)) {
            struct buf inner = {0};
            rc = encode_fields(e, &inner, schema, schema->fields[i].within, object);
            if (inner.len > 0) {
                put_inner(out, schema->fields[i].within, &inner);
            } else {
                buf_free(&inner);
            }
        }
    }
    return rc;
}

int typed_from_json(const struct kind *kind, const json_t *tree, struct buf *wire, struct err *err)
{
    if (kind->schema == NULL || kind->message.len == 0) {
        return err_set(err, ERR_UNSUPPORTED, "%.*s has no protobuf message: use JSON",
                       SLICE_ARG(kind->kind));
    }
    struct encoding e = {.err = err};
    int rc = encode_message(&e, wire, kind->schema, tree);
    buf_free(&e.path);
    return rc;
}
