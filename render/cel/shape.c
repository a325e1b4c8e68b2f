/* shape.c: the constants, the constructors, the text. */
#include "render/cel/shape.h"

#include <assert.h>

enum { TEXT_MAX = 120 };

static const struct slice names[] = {
    [CEL_S_DYN] = {"dyn", 3},
    [CEL_S_NULL] = {"null", 4},
    [CEL_S_BOOL] = {"bool", 4},
    [CEL_S_INT] = {"int", 3},
    [CEL_S_UINT] = {"uint", 4},
    [CEL_S_DOUBLE] = {"double", 6},
    [CEL_S_STRING] = {"string", 6},
    [CEL_S_BYTES] = {"bytes", 5},
    [CEL_S_TIMESTAMP] = {"timestamp", 9},
    [CEL_S_DURATION] = {"duration", 8},
    [CEL_S_NUMBER] = {"number", 6},
    [CEL_S_LIST] = {"list", 4},
    [CEL_S_MAP] = {"map", 3},
    [CEL_S_OPTIONAL] = {"optional_type", 13},
    [CEL_S_TYPE] = {"type", 4},
    [CEL_S_OPAQUE] = {"opaque", 6},
    [CEL_S_RECORD] = {"object", 6},
    [CEL_S_VARIABLE] = {"dyn", 3},
};

const struct cel_shape *cel_shape_of(enum cel_shape_kind kind)
{
    static const struct cel_shape simple[] = {
        {.kind = CEL_S_DYN},      {.kind = CEL_S_NULL},   {.kind = CEL_S_BOOL},
        {.kind = CEL_S_INT},      {.kind = CEL_S_UINT},   {.kind = CEL_S_DOUBLE},
        {.kind = CEL_S_STRING},   {.kind = CEL_S_BYTES},  {.kind = CEL_S_TIMESTAMP},
        {.kind = CEL_S_DURATION}, {.kind = CEL_S_NUMBER},
    };
    assert(kind < sizeof simple / sizeof *simple && simple[kind].kind == kind);
    return &simple[kind];
}

static struct cel_shape *make(struct arena *arena, enum cel_shape_kind kind)
{
    struct cel_shape *shape = ARENA_NEW(arena, struct cel_shape);
    shape->kind = kind;
    return shape;
}

static const struct cel_shape *with_part(struct arena *arena, enum cel_shape_kind kind,
                                         const struct cel_shape *part)
{
    struct cel_shape *shape = make(arena, kind);
    shape->parts[0] = part;
    shape->count = 1;
    return shape;
}

const struct cel_shape *cel_shape_list(struct arena *arena, const struct cel_shape *element)
{
    return with_part(arena, CEL_S_LIST, element);
}

const struct cel_shape *cel_shape_map(struct arena *arena, const struct cel_shape *key,
                                      const struct cel_shape *value)
{
    struct cel_shape *shape = make(arena, CEL_S_MAP);
    shape->parts[0] = key;
    shape->parts[1] = value;
    shape->count = 2;
    return shape;
}

const struct cel_shape *cel_shape_optional(struct arena *arena, const struct cel_shape *value)
{
    return with_part(arena, CEL_S_OPTIONAL, value);
}

const struct cel_shape *cel_shape_type(struct arena *arena, const struct cel_shape *of)
{
    return with_part(arena, CEL_S_TYPE, of);
}

const struct cel_shape *cel_shape_record(struct arena *arena, const void *record,
                                         cel_shape_field field)
{
    struct cel_shape *shape = make(arena, CEL_S_RECORD);
    shape->record = record;
    shape->field = field;
    return shape;
}

const struct cel_shape *cel_shape_nullable(struct arena *arena, const struct cel_shape *of)
{
    struct cel_shape *shape = make(arena, of->kind);
    *shape = *of;
    shape->nullable = true;
    return shape;
}

bool cel_shape_kind_of(struct slice name, enum cel_shape_kind *kind)
{
    for (size_t k = 0; k <= CEL_S_TYPE; k++) {
        if (slice_eq(name, names[k])) {
            *kind = (enum cel_shape_kind)k;
            return true;
        }
    }
    *kind = CEL_S_OPTIONAL;
    return slice_eq_cstr(name, "optional");
}

/* NOLINTNEXTLINE(misc-no-recursion): ends with the text's length. */
static void add_text(const struct cel_shape *shape, struct buf *out, size_t most)
{
    if (out->len >= most) {
        buf_add_cstr(out, "...");
        return;
    }
    buf_add(out, shape->kind == CEL_S_OPAQUE ? shape->name : names[shape->kind]);
    for (size_t i = 0; i < shape->count; i++) {
        buf_add_cstr(out, i == 0 ? "(" : ", ");
        add_text(shape->parts[i], out, most);
    }
    if (shape->count > 0) {
        buf_add_char(out, ')');
    }
}

void cel_shape_text(const struct cel_shape *shape, struct buf *out)
{
    add_text(shape, out, out->len + TEXT_MAX);
}
