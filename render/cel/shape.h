/* shape.h: types as the checker knows them, before anything is evaluated.
 *
 * A shape says what values an expression can have: int, list(string), map(string, dyn), a record
 * with named fields (whose fields the host is asked for, one at a time, so that large schemas cost
 * nothing). dyn is any value: what touches it is checked when it is evaluated. Variables stand for
 * what is not known yet; unify.h finds out.
 * Owner: constants, or the arena that a constructor takes. Immutable. Thread: any. */
#ifndef RENDER_CEL_SHAPE_H
#define RENDER_CEL_SHAPE_H

#include "base/arena.h"

enum cel_shape_kind {
    CEL_S_DYN,
    CEL_S_NULL,
    CEL_S_BOOL,
    CEL_S_INT,
    CEL_S_UINT,
    CEL_S_DOUBLE,
    CEL_S_STRING,
    CEL_S_BYTES,
    CEL_S_TIMESTAMP,
    CEL_S_DURATION,
    CEL_S_NUMBER, /* int, uint or double: of parameters only */
    /* With parts: */
    CEL_S_LIST,     /* element */
    CEL_S_MAP,      /* key, value */
    CEL_S_OPTIONAL, /* value */
    CEL_S_TYPE,     /* the type itself */
    CEL_S_OPAQUE,   /* a host's, by name */
    CEL_S_RECORD,
    CEL_S_VARIABLE,
};

enum { CEL_SHAPE_PARTS_MAX = 4 };

struct cel_shape;

/* The field of a record; NULL: there is none. */
typedef const struct cel_shape *(*cel_shape_field)(struct arena *arena, const void *record,
                                                   struct slice name);

struct cel_shape {
    enum cel_shape_kind kind;
    bool nullable;      /* null is such a value, too */
    uint8_t count;      /* of parts */
    uint32_t variable;  /* CEL_S_VARIABLE: its number */
    struct slice name;  /* CEL_S_OPAQUE */
    const void *record; /* CEL_S_RECORD: which one; records are the same if this is */
    cel_shape_field field;
    const struct cel_shape *parts[CEL_SHAPE_PARTS_MAX];
};

/* Of a kind without parts. */
const struct cel_shape *cel_shape_of(enum cel_shape_kind kind);
const struct cel_shape *cel_shape_list(struct arena *arena, const struct cel_shape *element);
const struct cel_shape *cel_shape_map(struct arena *arena, const struct cel_shape *key,
                                      const struct cel_shape *value);
const struct cel_shape *cel_shape_optional(struct arena *arena, const struct cel_shape *value);
const struct cel_shape *cel_shape_type(struct arena *arena, const struct cel_shape *of);
const struct cel_shape *cel_shape_record(struct arena *arena, const void *record,
                                         cel_shape_field field);
/* The same, and null. */
const struct cel_shape *cel_shape_nullable(struct arena *arena, const struct cel_shape *of);
/* The kind that a name stands for: "int", "list", "timestamp"; false if it is none of ours. */
bool cel_shape_kind_of(struct slice name, enum cel_shape_kind *kind);

/* "map(string, list(int))", as messages show it; of a large one not everything. */
void cel_shape_text(const struct cel_shape *shape, struct buf *out);

#endif
