/* checker_type.c: the types of selections, literals and macros.
 *
 * Elements of a list that do not fit each other make a list of dyn. A macro's variable is an
 * element of its range; what is not known to be a list or a map is taken for dyn. */
#include "render/cel/checker_internal.h"

/* The type behind an optional. */
static const struct cel_shape *unwrapped(struct cel__checker *c, const struct cel_shape *shape,
                                         bool *optional)
{
    shape = cel_unify_known(&c->unify, shape);
    *optional = shape->kind == CEL_S_OPTIONAL;
    return *optional ? cel_unify_known(&c->unify, shape->parts[0]) : shape;
}

/* Something of an unknown type was used as if it were known: from now on it is dyn. */
static const struct cel_shape *taken_as_dyn(struct cel__checker *c, const struct cel_shape *shape)
{
    const struct cel_shape *dyn = cel_shape_of(CEL_S_DYN);
    c->dynamic = true;
    (void)cel_unify_fits(&c->unify, dyn, shape);
    return dyn;
}

static const struct cel_shape *field_of(struct cel__checker *c, const struct cel_expr *e,
                                        const struct cel_shape *operand)
{
    struct slice name = slice_sub(e->as.select.field, 0, 100);
    switch ((int)operand->kind) {
    case CEL_S_MAP:
        return operand->parts[1];
    case CEL_S_RECORD: {
        const struct cel_shape *field =
            operand->field(&c->work, operand->record, e->as.select.field);
        return field != NULL ? field
                             : cel__mistyped(c, e, "undefined field '%.*s'", SLICE_ARG(name));
    }
    case CEL_S_DYN:
    case CEL_S_VARIABLE:
        return taken_as_dyn(c, operand);
    default:
        break;
    }
    return cel__mistyped(c, e, "type '%s' does not support field selection",
                         cel__shown(c, operand));
}

const struct cel_shape *cel__check_select(struct cel__checker *c, const struct cel_expr *e,
                                          const struct cel_shape *operand)
{
    bool optional;
    const struct cel_shape *inner = unwrapped(c, operand, &optional);
    const struct cel_shape *field = field_of(c, e, inner);
    if (field == NULL || e->kind == CEL_E_HAS) {
        return field != NULL ? cel_shape_of(CEL_S_BOOL) : NULL;
    }
    return optional || e->optional ? cel_shape_optional(&c->work, field) : field;
}

/* ---- literals ---- */

/* The type of all elements so far (NULL: none) and one more. */
static const struct cel_shape *joined(struct cel__checker *c, const struct cel_shape *all,
                                      const struct cel_shape *one)
{
    const struct cel_shape *both = all != NULL ? cel_unify_join(&c->unify, all, one) : one;
    return both != NULL ? both : cel_shape_of(CEL_S_DYN);
}

/* The value of an element, without the optional around it if it is marked by "?". */
static const struct cel_shape *check_value(struct cel__checker *c, const struct cel__scope *scope,
                                           const struct cel_item *item)
{
    const struct cel_shape *shape = cel__check(c, scope, item->value);
    bool optional;
    if (shape == NULL || !item->optional) {
        return shape;
    }
    const struct cel_shape *inner = unwrapped(c, shape, &optional);
    if (optional) {
        return inner;
    }
    if (inner->kind == CEL_S_DYN || inner->kind == CEL_S_VARIABLE) {
        return taken_as_dyn(c, inner);
    }
    return cel__mistyped(c, item->value, "expected type 'optional_type(%s)' but found '%s'",
                         cel__shown(c, shape), cel__shown(c, shape));
}

const struct cel_shape *cel__check_items(struct cel__checker *c, const struct cel__scope *scope,
                                         struct cel_expr *e)
{
    const struct cel_shape *keys = NULL;
    const struct cel_shape *values = NULL;
    if (e->kind == CEL_E_STRUCT) {
        return cel__refuse(c, e, "message type '%.*s' is not known here",
                           SLICE_ARG(slice_sub(e->as.aggregate.type, 0, 100)));
    }
    for (size_t i = 0; i < e->as.aggregate.count; i++) {
        const struct cel_item *item = &e->as.aggregate.items[i];
        const struct cel_shape *key = item->key != NULL ? cel__check(c, scope, item->key) : NULL;
        const struct cel_shape *value =
            key != NULL || item->key == NULL ? check_value(c, scope, item) : NULL;
        if (value == NULL) {
            return NULL;
        }
        keys = key != NULL ? joined(c, keys, key) : keys;
        values = joined(c, values, value);
    }
    if (values == NULL) {
        keys = cel_unify_variable(&c->unify);
        values = cel_unify_variable(&c->unify);
    }
    return e->kind == CEL_E_LIST ? cel_shape_list(&c->work, values)
                                 : cel_shape_map(&c->work, keys, values);
}

/* ---- macros ---- */

/* What a macro's variables are; false if nothing can be visited. */
static bool open_range(struct cel__checker *c, const struct cel_expr *e,
                       const struct cel_shape *range, struct cel__scope *first,
                       struct cel__scope *second)
{
    bool two = e->as.macro.var2.len > 0;
    const struct cel_shape *known = cel_unify_known(&c->unify, range);
    switch ((int)known->kind) {
    case CEL_S_LIST:
        first->shape = two ? cel_shape_of(CEL_S_INT) : known->parts[0];
        second->shape = known->parts[0];
        return true;
    case CEL_S_MAP:
        first->shape = known->parts[0];
        second->shape = known->parts[1];
        return true;
    case CEL_S_DYN:
    case CEL_S_VARIABLE:
        first->shape = taken_as_dyn(c, known);
        second->shape = first->shape;
        return true;
    default:
        first->shape = cel_shape_of(CEL_S_DYN);
        second->shape = first->shape;
        return cel__mistyped(c, e->as.macro.range,
                             "expression of type '%s' cannot be range of a comprehension (must be "
                             "list, map, or dynamic)",
                             cel__shown(c, known)) != NULL;
    }
}

/* The one variable of optMap() and its like. */
static bool open_optional(struct cel__checker *c, const struct cel_expr *e,
                          const struct cel_shape *range, struct cel__scope *first)
{
    const struct cel_shape *inner = cel_unify_variable(&c->unify);
    first->shape = inner;
    return cel_unify_fits(&c->unify, range, cel_shape_optional(&c->work, inner)) ||
           cel__mistyped(c, e->as.macro.range, "expected type 'optional_type(dyn)' but found '%s'",
                         cel__shown(c, range)) != NULL;
}

/* What the values of a map that is made of maps are: transformMapEntry(). */
static const struct cel_shape *entries_of(struct cel__checker *c, const struct cel_expr *e,
                                          const struct cel_shape *body)
{
    const struct cel_shape *map =
        cel_shape_map(&c->work, cel_unify_variable(&c->unify), cel_unify_variable(&c->unify));
    return cel_unify_fits(&c->unify, body, map)
               ? map
               : cel__mistyped(c, e->as.macro.body, "expected type 'map' but found '%s'",
                               cel__shown(c, body));
}

/* sortBy(): the elements, if the keys have an order. */
static const struct cel_shape *sorted(struct cel__checker *c, const struct cel_expr *e,
                                      const struct cel_shape *element, const struct cel_shape *body)
{
    const struct cel_shape *keys = cel_shape_list(&c->work, body);
    return cel__apply(c, e->as.macro.body, "sortBy", "list(C).() bool", true, &keys, 1) != NULL
               ? cel_shape_list(&c->work, element)
               : NULL;
}

/* optFlatMap(): the body is an optional itself. */
static const struct cel_shape *flat(struct cel__checker *c, const struct cel_expr *e,
                                    const struct cel_shape *body)
{
    const struct cel_shape *wanted = cel_shape_optional(&c->work, cel_unify_variable(&c->unify));
    return cel_unify_fits(&c->unify, body, wanted)
               ? wanted
               : cel__mistyped(c, e->as.macro.body,
                               "expected type 'optional_type(dyn)' but found '%s'",
                               cel__shown(c, body));
}

static const struct cel_shape *result_of(struct cel__checker *c, const struct cel_expr *e,
                                         const struct cel__scope *first,
                                         const struct cel_shape *body)
{
    switch (e->as.macro.macro) {
    case CEL_M_ALL:
    case CEL_M_EXISTS:
    case CEL_M_EXISTS_ONE:
        return cel__expect(c, e->as.macro.body, body, CEL_S_BOOL) ? cel_shape_of(CEL_S_BOOL) : NULL;
    case CEL_M_FILTER:
        return cel__expect(c, e->as.macro.body, body, CEL_S_BOOL)
                   ? cel_shape_list(&c->work, first->shape)
                   : NULL;
    case CEL_M_MAP:
    case CEL_M_TRANSFORM_LIST:
        return cel_shape_list(&c->work, body);
    case CEL_M_TRANSFORM_MAP:
        return cel_shape_map(&c->work, first->shape, body);
    case CEL_M_TRANSFORM_MAP_ENTRY:
        return entries_of(c, e, body);
    case CEL_M_SORT_BY:
        return sorted(c, e, first->shape, body);
    case CEL_M_OPT_MAP:
        return cel_shape_optional(&c->work, body);
    case CEL_M_OPT_FLAT_MAP:
        return flat(c, e, body);
    case CEL_M_BIND:
    default:
        return body;
    }
}

const struct cel_shape *cel__check_macro(struct cel__checker *c, const struct cel__scope *scope,
                                         struct cel_expr *e)
{
    enum cel_macro macro = e->as.macro.macro;
    const struct cel_shape *range = cel__check(c, scope, e->as.macro.range);
    struct cel__scope first = {scope, e->as.macro.var1, c->depth, range};
    struct cel__scope second = {&first, e->as.macro.var2, c->depth + 1, range};
    const struct cel__scope *inner = e->as.macro.var2.len > 0 ? &second : &first;
    if (range == NULL) {
        return NULL;
    }
    bool optional = macro == CEL_M_OPT_MAP || macro == CEL_M_OPT_FLAT_MAP;
    if (optional ? !open_optional(c, e, range, &first)
                 : macro != CEL_M_BIND && !open_range(c, e, range, &first, &second)) {
        return NULL;
    }
    e->as.macro.slot = c->depth;
    c->depth += 2;
    c->locals = c->depth > c->locals ? c->depth : c->locals;
    const struct cel_expr *filter = e->as.macro.filter;
    const struct cel_shape *test = filter != NULL ? cel__check(c, inner, e->as.macro.filter) : NULL;
    bool ok = filter == NULL || (test != NULL && cel__expect(c, filter, test, CEL_S_BOOL));
    const struct cel_shape *body = ok ? cel__check(c, inner, e->as.macro.body) : NULL;
    c->depth -= 2;
    return body != NULL ? result_of(c, e, &first, body) : NULL;
}
