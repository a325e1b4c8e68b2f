/* The bytes of protobuf: what both directions know of the wire, and a reader that never leaves its
 * slice. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/typed_internal.h"

bool typed__is_map(const struct schema *schema)
{
    return schema->type == SCHEMA_OBJECT && schema->values != NULL;
}

bool typed__is_list(const struct schema *schema)
{
    return schema->type == SCHEMA_ARRAY && schema->items != NULL;
}

enum typed_wire_type typed__wire_type(enum schema_wire wire)
{
    switch (wire) {
    case SCHEMA_WIRE_BOOL:
    case SCHEMA_WIRE_INT32:
    case SCHEMA_WIRE_INT64:
    case SCHEMA_WIRE_UINT32:
    case SCHEMA_WIRE_UINT64:
        return WIRE_VARINT;
    case SCHEMA_WIRE_DOUBLE:
        return WIRE_FIXED64;
    case SCHEMA_WIRE_FLOAT:
        return WIRE_FIXED32;
    case SCHEMA_WIRE_NONE:
    case SCHEMA_WIRE_STRING:
    case SCHEMA_WIRE_BYTES:
    case SCHEMA_WIRE_MESSAGE:
    case SCHEMA_WIRE_QUANTITY:
    case SCHEMA_WIRE_INT_OR_STRING:
    case SCHEMA_WIRE_TIME:
    case SCHEMA_WIRE_MICRO_TIME:
    case SCHEMA_WIRE_STRUCT:
    case SCHEMA_WIRE_VALUE:
    case SCHEMA_WIRE_LIST_VALUE:
    case SCHEMA_WIRE_RAW_JSON:
    case SCHEMA_WIRE_TEXTS:
        return WIRE_LEN;
    }
    return WIRE_LEN;
}

bool typed__time_text(int64_t seconds, int32_t nanos, bool micro, char out[40])
{
    char whole[21];
    if (seconds < 0 || seconds > 253402300799 || nanos < 0 || nanos > 999999999) {
        return false;
    }
    clock_rfc3339((uint64_t)seconds * 1000, whole);
    if (micro) {
        (void)snprintf(out, 40, "%.19s.%06dZ", whole, nanos / 1000);
    } else {
        (void)snprintf(out, 40, "%s", whole);
    }
    return true;
}

bool typed__time_read(struct slice text, int64_t *seconds, int32_t *nanos)
{
    char copy[64];
    uint64_t ms = 0;
    if (text.len >= sizeof(copy) || text.len < 20) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (clock_parse_rfc3339(copy, &ms) != 0) {
        return false;
    }
    *seconds = (int64_t)(ms / 1000);
    *nanos = 0;
    int32_t unit = 100000000;
    for (size_t i = 20; copy[19] == '.' && isdigit((unsigned char)copy[i]) && unit > 0; i++) {
        *nanos += (copy[i] - '0') * unit;
        unit /= 10;
    }
    return true;
}

bool typed__varint(struct typed_reader *r, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

bool typed__fixed(struct typed_reader *r, size_t bytes, uint64_t *value)
{
    if ((size_t)(r->end - r->at) < bytes) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < bytes; i++) {
        *value |= (uint64_t)r->at[i] << (8 * i);
    }
    r->at += bytes;
    return true;
}

static bool read_len(struct typed_reader *r, struct slice *bytes)
{
    uint64_t len = 0;
    if (!typed__varint(r, &len) || len > (uint64_t)(r->end - r->at)) {
        return false;
    }
    *bytes = slice_make(r->at, (size_t)len);
    r->at += len;
    return true;
}

struct typed_reader typed__reader(struct slice bytes)
{
    const uint8_t *at = (const uint8_t *)(bytes.data != NULL ? bytes.data : "");
    return (struct typed_reader){at, at + bytes.len};
}

bool typed__next(struct typed_reader *r, struct typed_field *f)
{
    uint64_t tag = 0;
    if (!typed__varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > TYPED_EMPTY_FIELD) {
        return false;
    }
    f->number = (uint32_t)(tag >> 3);
    f->type = (unsigned)(tag & 7);
    switch (f->type) {
    case WIRE_VARINT:
        return typed__varint(r, &f->scalar);
    case WIRE_FIXED64:
        return typed__fixed(r, 8, &f->scalar);
    case WIRE_FIXED32:
        return typed__fixed(r, 4, &f->scalar);
    case WIRE_LEN:
        return read_len(r, &f->bytes);
    default:
        return false;
    }
}
