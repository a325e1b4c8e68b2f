/* typed.c: protobuf bytes to JSON trees, by a kind's tables: messages, lists, maps, free-form JSON.
 *
 * One reader walks the bytes; every length is checked against what is left, every field against the
 * schema. What the schema does not have is an error and not dropped: it would be lost.
 * What holds no other value is typed_leaf.c's. */
#include "proto/typed.h"

#include "base/crypto.h"
#include "proto/tree_internal.h"
#include "proto/typed_internal.h"

/* ---- values ---- */

static json_t *decode_message(struct typed_decoding *d, const struct schema *schema,
                              struct slice bytes);
static json_t *decode_any(struct typed_decoding *d, struct slice bytes);

/* One entry of a map: key 1, value 2. */
static json_t *decode_entry(struct typed_decoding *d, const struct schema *values,
                            struct slice bytes, struct slice *key);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_struct(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    json_t *object = json_object();
    while (r.at < r.end) {
        struct slice key = {0};
        json_t *value = NULL;
        if (typed__next(&r, &f) && f.number == STRUCT_FIELDS && f.type == WIRE_LEN) {
            value = decode_entry(d, NULL, f.bytes, &key);
        } else {
            (void)typed__bad(d, "a Struct");
        }
        if (value == NULL) {
            json_decref(object);
            return NULL;
        }
        tree_set(object, key, value);
    }
    return object;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_list(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    json_t *list = json_array();
    while (r.at < r.end) {
        json_t *value = NULL;
        if (typed__next(&r, &f) && f.number == LIST_VALUES && f.type == WIRE_LEN) {
            value = decode_any(d, f.bytes);
        } else {
            (void)typed__bad(d, "a ListValue");
        }
        if (value == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, value);
    }
    return list;
}

struct any {
    json_t *value;
    double number;
    int64_t exact;
    bool is_number, has_exact, is_real;
};

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool any_field(struct typed_decoding *d, const struct typed_field *f, struct any *any)
{
    json_t *value = NULL;
    if (f->number == VALUE_NUMBER && f->type == WIRE_FIXED64) {
        any->number = typed__double(f->scalar);
        any->is_number = true;
        return true;
    }
    if (f->number == VALUE_EXACT && f->type == WIRE_VARINT) {
        any->exact = (int64_t)(f->scalar >> 1) ^ -(int64_t)(f->scalar & 1);
        any->has_exact = true;
        return true;
    }
    if (f->number == VALUE_REAL && f->type == WIRE_VARINT) {
        any->is_real = f->scalar != 0;
        return true;
    }
    if (f->number == VALUE_NULL && f->type == WIRE_VARINT) {
        value = json_null();
    } else if (f->number == VALUE_BOOL && f->type == WIRE_VARINT) {
        value = json_boolean(f->scalar != 0);
    } else if (f->number == VALUE_STRING && f->type == WIRE_LEN) {
        value = typed__text(d, f->bytes);
    } else if (f->number == VALUE_STRUCT && f->type == WIRE_LEN) {
        value = decode_struct(d, f->bytes);
    } else if (f->number == VALUE_LIST && f->type == WIRE_LEN) {
        value = decode_list(d, f->bytes);
    } else {
        value = typed__bad(d, "a Value");
    }
    json_decref(any->value);
    any->value = value;
    return value != NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_any(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    struct any any = {0};
    bool good =
        ++d->depth <= TYPED_DEPTH_MAX && typed__afford(d, JSON_WEIGHT_OBJECT + JSON_WEIGHT_ITEM);
    while (good && r.at < r.end) {
        good = typed__next(&r, &f) && any_field(d, &f, &any);
    }
    d->depth--;
    if (!good) {
        json_decref(any.value);
        return typed__bad(d, "a Value, or it is nested too deeply");
    }
    if (any.value != NULL || !any.is_number) {
        return any.value != NULL ? any.value : json_null();
    }
    if (any.has_exact && (double)any.exact == any.number) {
        return json_integer(any.exact);
    }
    json_t *number = any.is_real ? json_real(any.number) : typed__real(any.number);
    return number != NULL ? number : typed__bad(d, "a number that JSON cannot say");
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_bytes(struct typed_decoding *d, const struct schema *schema,
                            struct slice bytes)
{
    struct buf encoded = {0};
    json_t *value = NULL;
    switch ((int)schema->wire) {
    case SCHEMA_WIRE_STRING:
        return typed__text(d, bytes);
    case SCHEMA_WIRE_BYTES:
        base64_encode(&encoded, bytes);
        value = json_str(buf_slice(&encoded));
        buf_free(&encoded);
        return value;
    case SCHEMA_WIRE_MESSAGE:
        return decode_message(d, schema, bytes);
    case SCHEMA_WIRE_QUANTITY:
        return typed__quantity(d, bytes);
    case SCHEMA_WIRE_INT_OR_STRING:
        return typed__choice(d, bytes);
    case SCHEMA_WIRE_TIME:
        return typed__time(d, bytes, false);
    case SCHEMA_WIRE_MICRO_TIME:
        return typed__time(d, bytes, true);
    case SCHEMA_WIRE_STRUCT:
        return decode_struct(d, bytes);
    case SCHEMA_WIRE_VALUE:
        return decode_any(d, bytes);
    case SCHEMA_WIRE_LIST_VALUE:
        return decode_list(d, bytes);
    case SCHEMA_WIRE_RAW_JSON:
        return typed__raw(d, bytes);
    case SCHEMA_WIRE_TEXTS:
        return typed__texts(d, bytes);
    default:
        return typed__bad(d, "bytes where a number belongs");
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_value(struct typed_decoding *d, const struct schema *schema,
                            const struct typed_field *f)
{
    bool tree = schema->wire == SCHEMA_WIRE_MESSAGE;
    if (!typed__afford(d, JSON_WEIGHT_MEMBER + (tree ? JSON_WEIGHT_OBJECT : JSON_WEIGHT_STRING))) {
        return typed__bad(d, "too large");
    }
    if (f->type != (unsigned)typed__wire_type(schema->wire)) {
        return typed__bad(d, "a field has another wire type than its message says");
    }
    return f->type == WIRE_LEN ? decode_bytes(d, schema, f->bytes)
                               : typed__number(d, schema, f->scalar);
}

/* values NULL: google.protobuf.Value. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_entry(struct typed_decoding *d, const struct schema *values,
                            struct slice bytes, struct slice *key)
{
    static const struct schema any = {.type = SCHEMA_ANY, .wire = SCHEMA_WIRE_VALUE};
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    json_t *value = NULL;
    *key = SLICE("");
    values = values != NULL ? values : &any;
    while (r.at < r.end) {
        if (!typed__next(&r, &f)) {
            json_decref(value);
            return typed__bad(d, "a map's entry");
        }
        if (f.number == ENTRY_KEY && f.type == WIRE_LEN) {
            if (!typed__is_text(f.bytes)) {
                json_decref(value);
                return typed__bad(d, "a key is no UTF-8, or holds a NUL");
            }
            *key = f.bytes;
        } else if (f.number == ENTRY_VALUE) {
            json_decref(value);
            value = decode_value(d, values, &f);
            if (value == NULL) {
                return NULL;
            }
        }
    }
    if (value == NULL) { /* the default, left out by the client */
        struct typed_field none = {.type = (unsigned)typed__wire_type(values->wire)};
        value = decode_value(d, values, &none);
    }
    return value;
}

/* ---- messages ---- */

/* within: the number of the inlined message that is being read; 0: the message itself. */
static const struct schema_field *field_numbered(const struct schema *schema, uint32_t within,
                                                 uint32_t number)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].number == number && schema->fields[i].within == within) {
            return &schema->fields[i];
        }
    }
    return NULL;
}

static bool is_inlined(const struct schema *schema, uint32_t number)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].within == number) {
            return true;
        }
    }
    return false;
}

/* The list or map under a field, made if absent; NULL if that is too much. */
static json_t *container(struct typed_decoding *d, json_t *object, const struct schema_field *field)
{
    json_t *value = tree_get(object, field->name);
    if (value == NULL) {
        if (!typed__afford(d, JSON_WEIGHT_MEMBER + JSON_WEIGHT_OBJECT)) {
            return typed__bad(d, "too large");
        }
        value = typed__is_list(field->schema) ? json_array() : json_object();
        tree_set(object, field->name, value);
    }
    return value;
}

static bool add_packed(struct typed_decoding *d, const struct schema *items, json_t *list,
                       struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    unsigned type = (unsigned)typed__wire_type(items->wire);
    while (r.at < r.end) {
        uint64_t scalar = 0;
        bool good = typed__afford(d, JSON_WEIGHT_NUMBER + JSON_WEIGHT_ITEM) &&
                    (type == WIRE_VARINT ? typed__varint(&r, &scalar)
                                         : typed__fixed(&r, type == WIRE_FIXED64 ? 8 : 4, &scalar));
        json_t *value = good ? typed__number(d, items, scalar) : typed__bad(d, "a packed list");
        if (value == NULL) {
            return false;
        }
        json_array_append_new(list, value);
    }
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool add_item(struct typed_decoding *d, const struct schema_field *field, json_t *object,
                     const struct typed_field *f)
{
    const struct schema *items = field->schema->items;
    json_t *list = container(d, object, field);
    if (list == NULL) {
        return false;
    }
    if (f->type == WIRE_LEN && typed__wire_type(items->wire) != WIRE_LEN) {
        return add_packed(d, items, list, f->bytes);
    }
    json_t *value = decode_value(d, items, f);
    return value != NULL && json_array_append_new(list, value) == 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool add_entry(struct typed_decoding *d, const struct schema_field *field, json_t *object,
                      const struct typed_field *f)
{
    struct slice key;
    json_t *map = container(d, object, field);
    if (map == NULL) {
        return false;
    }
    if (f->type != WIRE_LEN) {
        (void)typed__bad(d, "a map's entry");
        return false;
    }
    json_t *value = decode_entry(d, field->schema->values, f->bytes, &key);
    if (value == NULL) {
        return false;
    }
    tree_set(map, key, value);
    return true;
}

static bool read_message(struct typed_decoding *d, const struct schema *schema, struct slice bytes,
                         json_t *object);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool add_single(struct typed_decoding *d, const struct schema_field *field, json_t *object,
                       const struct typed_field *f)
{
    json_t *earlier = tree_get(object, field->name);
    if (f->type == WIRE_LEN && field->schema->wire == SCHEMA_WIRE_MESSAGE &&
        json_is_object(earlier)) {
        return read_message(d, field->schema, f->bytes, earlier); /* its parts add up */
    }
    json_t *value = decode_value(d, field->schema, f);
    if (value == NULL) {
        return false;
    }
    bool time =
        field->schema->wire == SCHEMA_WIRE_TIME || field->schema->wire == SCHEMA_WIRE_MICRO_TIME;
    if (time && json_is_null(value)) {
        json_decref(value);
    } else {
        tree_set(object, field->name, value);
    }
    return true;
}

/* The lists and maps that are present without members. */
static bool add_empty(struct typed_decoding *d, const struct schema *schema, uint32_t within,
                      json_t *object, const struct typed_field *f)
{
    struct typed_reader r = typed__reader(f->bytes);
    while (f->type == WIRE_LEN && r.at < r.end) {
        uint64_t number = 0;
        if (!typed__varint(&r, &number)) {
            (void)typed__bad(d, "the list of empty fields");
            return false;
        }
        const struct schema_field *field = field_numbered(schema, within, (uint32_t)number);
        if (field != NULL && (typed__is_list(field->schema) || typed__is_map(field->schema)) &&
            container(d, object, field) == NULL) {
            return false;
        }
    }
    return true;
}

static bool decode_fields(struct typed_decoding *d, const struct schema *schema, uint32_t within,
                          struct slice bytes, json_t *object);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool add_field(struct typed_decoding *d, const struct schema *schema, uint32_t within,
                      json_t *object, const struct typed_field *f)
{
    if (f->number == TYPED_EMPTY_FIELD) {
        return add_empty(d, schema, within, object, f);
    }
    const struct schema_field *field = field_numbered(schema, within, f->number);
    if (field == NULL && within == 0 && f->type == WIRE_LEN && is_inlined(schema, f->number)) {
        return decode_fields(d, schema, f->number, f->bytes, object);
    }
    if (field == NULL) {
        (void)err_set(d->err, ERR_INVALID, "%.*s has no field number %u: it would be lost",
                      SLICE_ARG(schema->name), f->number);
        return false;
    }
    if (typed__is_list(field->schema)) {
        return add_item(d, field, object, f);
    }
    return typed__is_map(field->schema) ? add_entry(d, field, object, f)
                                        : add_single(d, field, object, f);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool decode_fields(struct typed_decoding *d, const struct schema *schema, uint32_t within,
                          struct slice bytes, json_t *object)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    bool good = true;
    while (good && r.at < r.end) {
        good = typed__next(&r, &f);
        if (!good) {
            (void)typed__bad(d, "cut short, or an unknown wire type");
        }
        good = good && add_field(d, schema, within, object, &f);
    }
    return good;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static bool read_message(struct typed_decoding *d, const struct schema *schema, struct slice bytes,
                         json_t *object)
{
    bool good = ++d->depth <= TYPED_DEPTH_MAX;
    if (!good) {
        (void)typed__bad(d, "nested too deeply");
    }
    good = good && decode_fields(d, schema, 0, bytes, object);
    d->depth--;
    return good;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static json_t *decode_message(struct typed_decoding *d, const struct schema *schema,
                              struct slice bytes)
{
    json_t *object = json_object();
    if (!read_message(d, schema, bytes, object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int typed_to_json(const struct kind *kind, struct slice wire, json_t **tree, struct err *err)
{
    struct err scratch;
    struct typed_decoding d = {.err = err != NULL ? err : &scratch};
    *tree = NULL;
    if (kind->schema == NULL || kind->message.len == 0) {
        return err_set(err, ERR_UNSUPPORTED, "%.*s has no protobuf message: use JSON",
                       SLICE_ARG(kind->kind));
    }
    json_t *object = decode_message(&d, kind->schema, wire);
    if (object == NULL) {
        return d.err->code;
    }
    if (json_depth(object) > JSON_DEPTH_MAX) {
        json_decref(object);
        return err_set(err, ERR_INVALID, "malformed protobuf: nested too deeply");
    }
    json_object_set_new(object, "apiVersion", json_str(kind->api_version));
    json_object_set_new(object, "kind", json_str(kind->kind));
    *tree = object;
    return 0;
}
