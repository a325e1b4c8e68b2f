/* One walk over a checked tree, which gives every node the schema of its value, or NULL. A macro's
 * variable has the shape of the elements that it stands for. */
#include "render/cel/shape.h"

#include "render/cel/ast.h"
#include "render/cel/eval_internal.h"

struct shaping {
    struct arena arena; /* of names, as expressions say them */
    const struct schema *const *shapes;
    const struct schema **locals;
    uint32_t offset;
    struct err *err;
    bool failed;
};

static const struct schema *shape_of(struct shaping *s, const struct cel_expr *e);

static const struct schema *refuse(struct shaping *s, const struct cel_expr *e, bool object)
{
    struct slice field = slice_sub(e->as.select.field, 0, 100);
    if (!s->failed) {
        s->failed = true;
        s->offset = e->offset;
        (void)err_set(s->err, ERR_UNPROCESSABLE, "%s field '%.*s'%s", object ? "undefined" : "no",
                      SLICE_ARG(field), object ? "" : " can be selected: the value is no object");
    }
    return NULL;
}

static const struct schema *field_shape(struct shaping *s, const struct cel_expr *e)
{
    struct slice name = e->as.select.field;
    const struct schema *of = shape_of(s, e->as.select.operand);
    if (s->failed || of == NULL || of->type == SCHEMA_ANY || of->type == SCHEMA_INT_OR_STRING) {
        return NULL;
    }
    if (of->type != SCHEMA_OBJECT) {
        return refuse(s, e, false);
    }
    if (schema_member(of, name) != NULL) {
        return schema_member(of, name);
    }
    for (size_t i = 0; i < of->field_count; i++) {
        if (slice_eq(expression_member(&s->arena, of->fields[i].name), name)) {
            return of->fields[i].schema;
        }
    }
    return of->preserve_unknown ? NULL : refuse(s, e, true);
}

static const struct schema *element_shape(const struct schema *of)
{
    return of == NULL ? NULL : of->type == SCHEMA_ARRAY ? of->items : of->values;
}

static const struct schema *macro_shape(struct shaping *s, const struct cel_expr *e)
{
    const struct schema *range = shape_of(s, e->as.macro.range);
    const struct schema *element = element_shape(range);
    enum cel_macro macro = e->as.macro.macro;
    bool list = range != NULL && range->type == SCHEMA_ARRAY;
    bool two = e->as.macro.var2.len > 0;
    const struct schema *first = list && !two ? element : NULL; /* of a map: the key */
    if (macro == CEL_M_BIND) {
        first = range;
    } else if (macro == CEL_M_OPT_MAP || macro == CEL_M_OPT_FLAT_MAP) {
        first = NULL;
    }
    s->locals[e->as.macro.slot] = first;
    if (two) {
        s->locals[e->as.macro.slot + 1] = element;
    }
    if (e->as.macro.filter != NULL) {
        (void)shape_of(s, e->as.macro.filter);
    }
    const struct schema *body = shape_of(s, e->as.macro.body);
    return macro == CEL_M_BIND ? body : macro == CEL_M_FILTER && list ? range : NULL;
}

static void walk_items(struct shaping *s, const struct cel_expr *e)
{
    for (size_t i = 0; i < e->as.aggregate.count; i++) {
        if (e->as.aggregate.items[i].key != NULL) {
            (void)shape_of(s, e->as.aggregate.items[i].key);
        }
        (void)shape_of(s, e->as.aggregate.items[i].value);
    }
}

static const struct schema *branch_shape(struct shaping *s, const struct cel_expr *e)
{
    if (e->as.binary.condition != NULL) {
        (void)shape_of(s, e->as.binary.condition);
    }
    const struct schema *left = shape_of(s, e->as.binary.left);
    const struct schema *right =
        e->as.binary.right != NULL ? shape_of(s, e->as.binary.right) : NULL;
    return e->kind == CEL_E_CHOICE && left == right ? left : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): no tree is deeper than CEL_DEPTH_MAX. */
static const struct schema *shape_of(struct shaping *s, const struct cel_expr *e)
{
    const struct schema *shape = NULL;
    switch (e->kind) {
    case CEL_E_VARIABLE:
        return s->shapes[e->as.slot];
    case CEL_E_LOCAL:
        return s->locals[e->as.slot];
    case CEL_E_SELECT:
        shape = field_shape(s, e);
        return e->optional ? NULL : shape;
    case CEL_E_HAS:
        (void)field_shape(s, e);
        return NULL;
    case CEL_E_INDEX:
        shape = element_shape(shape_of(s, e->as.index.operand));
        (void)shape_of(s, e->as.index.key);
        return e->optional ? NULL : shape;
    case CEL_E_CALL:
        for (size_t i = 0; i < e->as.call.count; i++) {
            (void)shape_of(s, e->as.call.args[i]);
        }
        return NULL;
    case CEL_E_LIST:
    case CEL_E_MAP:
    case CEL_E_STRUCT:
        walk_items(s, e);
        return NULL;
    case CEL_E_NOT:
    case CEL_E_NEGATE:
    case CEL_E_BINARY:
    case CEL_E_AND:
    case CEL_E_OR:
    case CEL_E_CHOICE:
        return branch_shape(s, e);
    case CEL_E_MACRO:
        return macro_shape(s, e);
    case CEL_E_LITERAL:
    case CEL_E_NAME:
        return NULL;
    }
    return NULL;
}

int cel_check_shapes(const struct cel_program *program, const struct schema *const *shapes,
                     uint32_t *offset, struct err *err)
{
    struct shaping s = {.shapes = shapes, .err = err};
    s.locals = arena_zero(&s.arena, (program->locals + 2) * sizeof(struct schema *));
    (void)shape_of(&s, program->tree);
    *offset = s.offset;
    arena_free(&s.arena);
    return s.failed ? ERR_UNPROCESSABLE : 0;
}
