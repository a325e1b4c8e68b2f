/* typed_leaf.c: protobuf's values that hold no other of a schema's: numbers, texts, and Kubernetes'
 * messages with a JSON form of their own (Quantity, IntOrString, Time, raw JSON).
 *
 * Each is one reader over its bytes. What is malformed is an error; members of these messages that
 * we do not know say nothing that JSON could, and are passed over. */
#include <math.h>
#include <string.h>

#include "proto/typed_internal.h"

enum { NUMBER_TEXT_MAX = 64 };

/* ---- what all of decoding shares ---- */

json_t *typed__bad(struct typed_decoding *d, const char *what)
{
    if (d->weight > JSON_BODY_TREE_MAX) {
        (void)err_set(d->err, ERR_TOO_LARGE,
                      "too many values: as a tree they would take over %d MiB of memory",
                      JSON_BODY_TREE_MAX >> 20);
    } else {
        (void)err_set(d->err, ERR_INVALID, "malformed protobuf: %s", what);
    }
    return NULL;
}

bool typed__afford(struct typed_decoding *d, size_t weight)
{
    d->weight += weight;
    return d->weight <= JSON_BODY_TREE_MAX;
}

/* ---- texts and numbers ---- */

bool typed__is_text(struct slice bytes)
{
    return bytes.len == 0 ||
           (memchr(bytes.data, '\0', bytes.len) == NULL && slice_utf8(bytes) == bytes.len);
}

json_t *typed__text(struct typed_decoding *d, struct slice bytes)
{
    return typed__is_text(bytes) ? json_str(bytes)
                                 : typed__bad(d, "a string is no UTF-8, or holds a NUL");
}

json_t *typed__real(double value)
{
    if (value == floor(value) && fabs(value) < TYPED_EXACT_MAX) {
        return json_integer((json_int_t)value);
    }
    return isfinite(value) ? json_real(value) : NULL;
}

double typed__double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static double float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof(value));
    return (double)value;
}

json_t *typed__number(struct typed_decoding *d, const struct schema *schema, uint64_t scalar)
{
    json_t *number = NULL;
    switch ((int)schema->wire) {
    case SCHEMA_WIRE_BOOL:
        return json_boolean(scalar != 0);
    case SCHEMA_WIRE_INT32:
        return json_integer((int32_t)(uint32_t)scalar);
    case SCHEMA_WIRE_UINT32:
        return json_integer((json_int_t)(uint32_t)scalar);
    case SCHEMA_WIRE_INT64:
        return json_integer((json_int_t)scalar);
    case SCHEMA_WIRE_UINT64:
        return scalar <= INT64_MAX ? json_integer((json_int_t)scalar)
                                   : typed__bad(d, "an integer is out of range");
    case SCHEMA_WIRE_DOUBLE:
        number = typed__real(typed__double(scalar));
        break;
    case SCHEMA_WIRE_FLOAT:
        number = typed__real(float_of(scalar));
        break;
    default:
        break;
    }
    return number != NULL ? number : typed__bad(d, "a number that JSON cannot say");
}

json_t *typed__quantity(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    struct slice text = SLICE("");
    bool number = false;
    while (r.at < r.end) {
        if (!typed__next(&r, &f)) {
            return typed__bad(d, "a Quantity");
        }
        if (f.number == QUANTITY_STRING && f.type == WIRE_LEN) {
            text = f.bytes;
        } else if (f.number == QUANTITY_NUMBER && f.type == WIRE_VARINT) {
            number = f.scalar != 0;
        }
    }
    json_t *value = NULL;
    if (number && text.len <= NUMBER_TEXT_MAX && json_parse(text, &value, NULL) == 0 &&
        json_is_number(value)) {
        return value;
    }
    json_decref(value);
    return typed__text(d, text);
}

json_t *typed__choice(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    bool is_text = false;
    int32_t number = 0;
    struct slice text = SLICE("");
    while (r.at < r.end) {
        if (!typed__next(&r, &f)) {
            return typed__bad(d, "an IntOrString");
        }
        if (f.number == CHOICE_TYPE && f.type == WIRE_VARINT) {
            is_text = f.scalar == 1;
        } else if (f.number == CHOICE_INT && f.type == WIRE_VARINT) {
            number = (int32_t)(uint32_t)f.scalar;
        } else if (f.number == CHOICE_STRING && f.type == WIRE_LEN) {
            text = f.bytes;
        }
    }
    return is_text ? typed__text(d, text) : json_integer(number);
}

/* An empty message is no time: null, which the caller leaves out. */
json_t *typed__time(struct typed_decoding *d, struct slice bytes, bool micro)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    int64_t seconds = 0;
    int64_t other = 0;
    int32_t nanos = 0;
    int32_t other_nanos = 0;
    struct slice text = {0};
    char canonical[40];
    if (bytes.len == 0) {
        return json_null();
    }
    while (r.at < r.end) {
        if (!typed__next(&r, &f)) {
            return typed__bad(d, "a Time");
        }
        if (f.number == TIME_SECONDS && f.type == WIRE_VARINT) {
            seconds = (int64_t)f.scalar;
        } else if (f.number == TIME_NANOS && f.type == WIRE_VARINT) {
            nanos = (int32_t)(uint32_t)f.scalar;
        } else if (f.number == TIME_TEXT && f.type == WIRE_LEN) {
            text = f.bytes;
        }
    }
    /* The spelling counts only while it says the same: a client may have changed the rest. */
    bool read = text.len > 0 && typed__time_read(text, &other, &other_nanos);
    if (text.len > 0 && (!read || (other == seconds && other_nanos == nanos))) {
        return typed__text(d, text);
    }
    return typed__time_text(seconds, nanos, micro, canonical)
               ? json_string(canonical)
               : typed__bad(d, "a Time is out of range");
}

json_t *typed__raw(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    json_t *value = NULL;
    while (r.at < r.end) {
        if (!typed__next(&r, &f)) {
            json_decref(value);
            return typed__bad(d, "raw JSON");
        }
        if (f.number == RAW_BYTES && f.type == WIRE_LEN) {
            size_t weight = 0;
            json_decref(value);
            value = NULL;
            if (json_weigh(f.bytes, &weight, d->err) != 0) {
                return NULL;
            }
            if (!typed__afford(d, weight)) {
                return typed__bad(d, "raw JSON");
            }
            if (json_parse(f.bytes, &value, d->err) != 0) {
                return NULL;
            }
        }
    }
    return value != NULL ? value : json_object();
}

json_t *typed__texts(struct typed_decoding *d, struct slice bytes)
{
    struct typed_reader r = typed__reader(bytes);
    struct typed_field f;
    json_t *list = json_array();
    while (r.at < r.end) {
        bool good = typed__next(&r, &f) && f.number == TEXTS_ITEMS && f.type == WIRE_LEN &&
                    typed__afford(d, JSON_WEIGHT_STRING + JSON_WEIGHT_ITEM);
        json_t *text = good ? typed__text(d, f.bytes) : typed__bad(d, "a list of texts");
        if (text == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, text);
    }
    return list;
}
