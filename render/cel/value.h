/* value.h: what a CEL expression computes with.
 *
 * Values are small and copied; what they point to (text, lists, maps) lives in the evaluation's
 * arena, in the program, or in a JSON tree that the caller keeps alive and unchanged meanwhile:
 * lists and maps borrow JSON arrays and objects without copying them. Nothing is ever changed in
 * place.
 *
 * Maps of JSON are visited in the order of their sorted keys, maps made by expressions in the order
 * in which they were made, so that results never depend on how a tree was built. Owner: as above.
 * Thread: one evaluation's. */
#ifndef RENDER_CEL_VALUE_H
#define RENDER_CEL_VALUE_H

#include "base/json.h"

enum cel_type {
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING, /* UTF-8 */
    CEL_BYTES,
    CEL_LIST,
    CEL_MAP,
    CEL_TIMESTAMP,
    CEL_DURATION,
    CEL_TYPE,
    CEL_OPTIONAL,
    CEL_OMIT, /* "leave this out": the host's oc_omit(); dropped by cel_to_json() */
    CEL_OPAQUE,
};

struct cel_list;
struct cel_map;

/* A value of a type that an environment's functions bring along (an address, a URL): nothing but
 * those looks inside. The first member of what it really is. */
struct cel_opaque {
    const struct cel_opaque_type *type;
};

struct cel_opaque_type {
    struct slice name;                                                     /* "net.IP" */
    bool (*equal)(const struct cel_opaque *a, const struct cel_opaque *b); /* both of the type */
};

struct cel_time {
    int64_t seconds;
    int32_t nanos; /* a timestamp's: 0..999999999; a duration's has the sign of seconds */
};

struct cel_value {
    enum cel_type type;
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
        struct slice text; /* string, bytes; a type's name */
        const struct cel_list *list;
        const struct cel_map *map;
        struct cel_time time;
        const struct cel_value *inner; /* an optional's value, or NULL */
        const struct cel_opaque *opaque;
    } as;
};

struct cel_list {
    size_t count;
    const struct cel_value *items; /* NULL: of json */
    const json_t *json;
};

struct cel_entry {
    struct cel_value key; /* bool, int, uint or string */
    struct cel_value value;
};

struct cel_map {
    size_t count;
    const struct cel_entry *entries; /* NULL: of json */
    const json_t *json;
};

/* The state of one evaluation, handed to every function. On failure a function fills err and
 * returns false; *out is then unspecified. */
struct cel_ctx {
    struct arena *arena;
    struct err err;
    uint64_t cost;                     /* spent so far */
    uint64_t cost_limit;               /* of this evaluation */
    const struct cel_value *variables; /* parallel to the environment's names */
    struct cel_value *locals;          /* variables of macros */
    void *host;                        /* of the environment's own functions */
    bool located; /* error_offset is set: where in the source the innermost failure was */
    uint32_t error_offset;
};

/* Spends units; false (ERR_TOO_LARGE) when the limit is passed. One unit is about one node visited
 * or sixteen bytes touched. */
bool cel_charge(struct cel_ctx *ctx, size_t units);
bool cel_charge_bytes(struct cel_ctx *ctx, size_t bytes);
/* ERR_UNPROCESSABLE with the message; returns false, so that callers write `return cel_fail(...)`.
 */
bool cel_fail(struct cel_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool cel_no_overload(struct cel_ctx *ctx, const char *function, const struct cel_value *args,
                     size_t count);

struct cel_value cel_bool(bool b);
struct cel_value cel_int(int64_t i);
struct cel_value cel_uint(uint64_t u);
struct cel_value cel_double(double d);
struct cel_value cel_string(struct slice text);
struct cel_value cel_bytes(struct slice bytes);
struct cel_value cel_type_value(struct slice name);
struct cel_value cel_opaque(const struct cel_opaque *value);
struct cel_value cel_optional(struct arena *arena, const struct cel_value *inner); /* NULL: none */
struct cel_value cel_list_of(struct arena *arena, const struct cel_value *items, size_t count);
struct cel_value cel_map_of(struct arena *arena, const struct cel_entry *entries, size_t count);
/* Borrows tree; NULL is null. */
struct cel_value cel_of_json(struct arena *arena, const json_t *tree);

bool cel_is_opaque(struct cel_value v, const struct cel_opaque_type *type);

/* "int", "list", "google.protobuf.Timestamp", ... */
struct slice cel_type_name(struct cel_value v);
struct slice cel_type_name_of(enum cel_type type);

/* index must be below the count. */
struct cel_value cel_list_at(struct cel_ctx *ctx, const struct cel_list *list, size_t index);
/* Looks a key up, numbers by value whatever their type. False without touching ctx->err if absent;
 * *failed tells an error (cost) from absence. */
bool cel_map_get(struct cel_ctx *ctx, const struct cel_map *map, struct cel_value key,
                 struct cel_value *value, bool *failed);
/* All entries, in the order described above. */
bool cel_map_entries(struct cel_ctx *ctx, const struct cel_map *map,
                     const struct cel_entry **entries);

/* CEL's ==: numbers compare by value across types, different kinds of values are unequal, NaN is
 * unequal to itself. False only when the cost limit is passed. */
bool cel_equal(struct cel_ctx *ctx, struct cel_value a, struct cel_value b, bool *equal);
/* *order is negative, 0 or positive; *ordered is false with NaN. Errors: no such overload. */
bool cel_compare(struct cel_ctx *ctx, struct cel_value a, struct cel_value b, int *order,
                 bool *ordered);
bool cel_is_number(struct cel_value v);

/* A new tree. Whole doubles become integers (Kubernetes' fields want them), bytes base64,
 * timestamps RFC 3339, durations "1.5s"; CEL_OMIT and empty optionals vanish from lists and maps,
 * and give NULL with a true return on their own. *tree is NULL on failure. Errors: a map key that
 * is no string, bool or integer; an opaque value; the cost limit. */
bool cel_to_json(struct cel_ctx *ctx, struct cel_value v, json_t **tree);

/* Steps over one UTF-8 sequence (or one stray byte) at text[at]; returns its length and code point.
 */
size_t cel_utf8_next(struct slice text, size_t at, uint32_t *point);
size_t cel_utf8_count(struct slice text);
void cel_utf8_add(struct buf *out, uint32_t point);

#endif
