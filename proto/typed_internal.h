/* typed_internal.h: between the decoder (typed.c, typed_leaf.c), the encoder (typed_encode.c) and
 * the wire (typed_wire.c) of typed.h.
 * Thread: any. */
#ifndef PROTO_TYPED_INTERNAL_H
#define PROTO_TYPED_INTERNAL_H

#include "proto/schema.h"
#include "proto/typed.h"

enum typed_wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LEN = 2, WIRE_FIXED32 = 5 };

/* Field numbers of the messages with a JSON form of their own. */
enum {
    QUANTITY_STRING = 1,
    QUANTITY_NUMBER = 100, /* it was a bare number */
    CHOICE_TYPE = 1,       /* IntOrString */
    CHOICE_INT = 2,
    CHOICE_STRING = 3,
    TIME_SECONDS = 1,
    TIME_NANOS = 2,
    TIME_TEXT = 100, /* another spelling than the canonical one */
    RAW_BYTES = 1,
    STRUCT_FIELDS = 1,
    LIST_VALUES = 1,
    TEXTS_ITEMS = 1,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2,
    VALUE_NULL = 1,
    VALUE_NUMBER = 2,
    VALUE_STRING = 3,
    VALUE_BOOL = 4,
    VALUE_STRUCT = 5,
    VALUE_LIST = 6,
    VALUE_EXACT = 1000, /* the integer, where a double cannot hold it */
    VALUE_REAL = 1001,  /* it was written 5.0, not 5 */
};

#define TYPED_EXACT_MAX 9007199254740992.0 /* 2^53 */

bool typed__is_map(const struct schema *schema);
bool typed__is_list(const struct schema *schema);
enum typed_wire_type typed__wire_type(enum schema_wire wire);
/* The canonical text of a moment; micro: with six decimals. False before 1970 or after 9999. */
bool typed__time_text(int64_t seconds, int32_t nanos, bool micro, char out[40]);
/* Its inverse for any spelling; nanos to the nanosecond. False if it cannot be read. */
bool typed__time_read(struct slice text, int64_t *seconds, int32_t *nanos);

struct typed_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* One field: its number and wire type, and its content: a number, or bytes. */
struct typed_field {
    uint32_t number;
    unsigned type;
    uint64_t scalar;
    struct slice bytes;
};

/* All check every length; false if the bytes are cut short or malformed. */
struct typed_reader typed__reader(struct slice bytes);
bool typed__next(struct typed_reader *r, struct typed_field *f);
bool typed__varint(struct typed_reader *r, uint64_t *value);
bool typed__fixed(struct typed_reader *r, size_t bytes, uint64_t *value);

/* ---- decoding; typed_leaf.c ---- */

struct typed_decoding {
    struct err *err;
    int depth;
    size_t weight; /* of the tree so far, but for the bytes of its strings */
};

/* Notes what is wrong, or that it is all too much; NULL. */
json_t *typed__bad(struct typed_decoding *d, const char *what);
/* Two bytes may ask for a whole object: true while all of them together are small enough. */
bool typed__afford(struct typed_decoding *d, size_t weight);

/* Values; NULL: d->err says why. */
bool typed__is_text(struct slice bytes); /* UTF-8 without NUL, which no JSON that we store holds */
json_t *typed__text(struct typed_decoding *d, struct slice bytes);
double typed__double(uint64_t bits);
json_t *typed__real(double value); /* an integer if it is one; NULL: JSON cannot say it */
json_t *typed__number(struct typed_decoding *d, const struct schema *schema, uint64_t scalar);
json_t *typed__quantity(struct typed_decoding *d, struct slice bytes);
json_t *typed__choice(struct typed_decoding *d, struct slice bytes);
json_t *typed__time(struct typed_decoding *d, struct slice bytes, bool micro); /* null: no time */
json_t *typed__raw(struct typed_decoding *d, struct slice bytes);
json_t *typed__texts(struct typed_decoding *d, struct slice bytes);

#endif
