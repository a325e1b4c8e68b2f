/* checker.c: one walk over the tree.
 *
 * A name is, in this order: a macro's variable in scope, a declared variable (container first), a
 * type. For a.b.c the whole chain is tried as one declared name before a.b, then a; a macro's
 * variable hides all of them unless written ".a". A call a.b.f(x) is the function "a.b.f" if there
 * is one and a is no variable, else the method f of a.b.
 *
 * Types are deduced on the way up, gradually: what is dyn may be anything, and is found out when it
 * is evaluated. checker_call.c chooses overloads, checker_type.c knows selections, literals and
 * macros. The first error ends the walk. */
#include "render/cel/checker_internal.h"

#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

#include "render/cel/functions.h"
#include "render/cel/signature.h"

const struct cel__scope *cel__local_of(const struct cel__scope *scope, struct slice name)
{
    while (scope != NULL && !slice_eq(scope->name, name)) {
        scope = scope->outer;
    }
    return scope;
}

__attribute__((format(printf, 3, 0))) static void
refuse(struct cel__checker *c, const struct cel_expr *e, const char *format, va_list args)
{
    char text[ERR_MESSAGE_MAX];
    (void)vsnprintf(text, sizeof text, format, args);
    c->offset = e->offset;
    err_set(c->err, ERR_UNPROCESSABLE, "%s", text);
}

const struct cel_shape *cel__refuse(struct cel__checker *c, const struct cel_expr *e,
                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse(c, e, format, args);
    va_end(args);
    return NULL;
}

const struct cel_shape *cel__mistyped(struct cel__checker *c, const struct cel_expr *e,
                                      const char *format, ...)
{
    if (c->env->unchecked) {
        return cel_shape_of(CEL_S_DYN);
    }
    va_list args;
    va_start(args, format);
    refuse(c, e, format, args);
    va_end(args);
    return NULL;
}

const char *cel__shown(struct cel__checker *c, const struct cel_shape *shape)
{
    struct buf text = {0};
    cel_shape_text(cel_unify_final(&c->unify, &c->work, shape), &text);
    const char *copy = arena_cstr(&c->work, buf_slice(&text));
    buf_free(&text);
    return copy;
}

bool cel__expect(struct cel__checker *c, const struct cel_expr *e, const struct cel_shape *shape,
                 enum cel_shape_kind wanted)
{
    return cel_unify_fits(&c->unify, shape, cel_shape_of(wanted)) ||
           cel__mistyped(c, e, "expected type '%s' but found '%s'",
                         cel__shown(c, cel_shape_of(wanted)), cel__shown(c, shape)) != NULL;
}

static size_t declared(const struct cel__checker *c, struct slice name)
{
    for (size_t i = 0; i < c->env->count; i++) {
        if (slice_eq(c->env->names[i], name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* The slot of name within the container "a.b": a.b.name, a.name, name. */
static size_t variable_of(struct cel__checker *c, struct slice name, bool rooted)
{
    struct slice prefix = rooted ? SLICE("") : c->env->container;
    while (prefix.len > 0) {
        size_t slot = declared(
            c, slice_of(arena_printf(&c->work, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(name))));
        if (slot != SIZE_MAX) {
            return slot;
        }
        while (prefix.len > 0 && prefix.data[prefix.len - 1] != '.') {
            prefix.len--;
        }
        prefix.len -= prefix.len > 0 ? 1 : 0;
    }
    return declared(c, name);
}

/* The language's types, and those that the host's functions take or give. */
static bool type_of_name(const struct cel__checker *c, struct slice name, struct cel_value *type)
{
    for (int t = CEL_NULL; t <= CEL_OPTIONAL; t++) {
        if (slice_eq(name, cel_type_name_of((enum cel_type)t))) {
            *type = cel_type_value(cel_type_name_of((enum cel_type)t));
            return true;
        }
    }
    for (size_t i = 0; i < c->env->function_count; i++) {
        if (cel_signature_names(c->env->functions[i].types, name)) {
            *type = cel_type_value(arena_copy(c->arena, name));
            return true;
        }
    }
    return false;
}

bool cel__chain_of(struct cel__checker *c, const struct cel_expr *e, struct slice *text,
                   const struct cel_expr **root)
{
    struct buf joined = {0};
    const struct cel_expr *at = e;
    size_t count = 0;
    for (; at->kind == CEL_E_SELECT && !at->optional; at = at->as.select.operand) {
        count++;
    }
    if (at->kind != CEL_E_NAME) {
        return false;
    }
    *root = at;
    const struct slice **parts = arena_alloc(&c->work, (count + 1) * sizeof *parts);
    at = e;
    for (size_t i = count; i > 0; i--, at = at->as.select.operand) {
        parts[i] = &at->as.select.field;
    }
    parts[0] = &at->as.name.text;
    for (size_t i = 0; i <= count; i++) {
        if (i > 0) {
            buf_add_char(&joined, '.');
        }
        buf_add(&joined, *parts[i]);
    }
    *text = arena_copy(&c->work, buf_slice(&joined));
    buf_free(&joined);
    return true;
}

/* The type of a type's name: of a parameterized one, with parts that may be anything. */
static const struct cel_shape *shape_of_type(struct cel__checker *c, struct slice name)
{
    const struct cel_shape *dyn = cel_shape_of(CEL_S_DYN);
    enum cel_shape_kind kind;
    if (slice_eq_cstr(name, "null_type")) {
        kind = CEL_S_NULL;
    } else if (slice_eq_cstr(name, "google.protobuf.Timestamp")) {
        kind = CEL_S_TIMESTAMP;
    } else if (slice_eq_cstr(name, "google.protobuf.Duration")) {
        kind = CEL_S_DURATION;
    } else if (!cel_shape_kind_of(name, &kind)) {
        return dyn;
    }
    switch ((int)kind) {
    case CEL_S_LIST:
        return cel_shape_list(&c->work, dyn);
    case CEL_S_MAP:
        return cel_shape_map(&c->work, dyn, dyn);
    case CEL_S_OPTIONAL:
        return cel_shape_optional(&c->work, dyn);
    case CEL_S_TYPE:
        return cel_shape_type(&c->work, dyn);
    default:
        return cel_shape_of(kind);
    }
}

static const struct cel_shape *shape_of_variable(const struct cel__checker *c, size_t slot)
{
    const struct cel_shape *shape = c->env->shapes != NULL ? c->env->shapes[slot] : NULL;
    return shape != NULL ? shape : cel_shape_of(CEL_S_DYN);
}

/* If the whole of e (a name, or selections on one) is a declared name or a type, e becomes it; its
 * type, else NULL, without an error. */
static const struct cel_shape *resolve_whole(struct cel__checker *c, const struct cel__scope *scope,
                                             struct cel_expr *e)
{
    struct slice text;
    const struct cel_expr *root;
    if (!cel__chain_of(c, e, &text, &root)) {
        return NULL;
    }
    bool rooted = root->as.name.rooted;
    if (!rooted && cel__local_of(scope, root->as.name.text) != NULL) {
        return NULL;
    }
    size_t slot = variable_of(c, text, rooted);
    struct cel_value type;
    if (slot != SIZE_MAX) {
        e->kind = CEL_E_VARIABLE;
        e->as.slot = slot;
        return shape_of_variable(c, slot);
    }
    if (type_of_name(c, text, &type)) {
        e->kind = CEL_E_LITERAL;
        e->as.literal = type;
        return cel_shape_type(&c->work, shape_of_type(c, text));
    }
    return NULL;
}

/* "; did you mean 'metadata'?", where a variable has nearly the name; else "". */
static const char *meant(struct cel__checker *c, struct slice name)
{
    for (size_t i = 0; i < c->env->count; i++) {
        if (suggest_close(c->env->names[i], name)) {
            return arena_printf(&c->work, "; did you mean '%.*s'?", SLICE_ARG(c->env->names[i]));
        }
    }
    return "";
}

static const struct cel_shape *check_name(struct cel__checker *c, const struct cel__scope *scope,
                                          struct cel_expr *e)
{
    const struct cel__scope *local =
        e->as.name.rooted ? NULL : cel__local_of(scope, e->as.name.text);
    if (local != NULL) {
        e->kind = CEL_E_LOCAL;
        e->as.slot = local->slot;
        return local->shape;
    }
    const struct cel_shape *shape = resolve_whole(c, scope, e);
    if (shape != NULL) {
        return shape;
    }
    return cel__mistyped(c, e, "undeclared reference to '%.*s'%s", SLICE_ARG(e->as.name.text),
                         meant(c, e->as.name.text));
}

/* Chains need joining only where a dotted name could be meant: x.y is a field of x if x is
 * declared, unless other declared names have dots. */
static bool may_be_qualified(const struct cel__checker *c, const struct cel__scope *scope,
                             const struct cel_expr *e)
{
    while (e->kind == CEL_E_SELECT) {
        e = e->as.select.operand;
    }
    return e->kind == CEL_E_NAME &&
           (c->qualified_names || (cel__local_of(scope, e->as.name.text) == NULL &&
                                   declared(c, e->as.name.text) == SIZE_MAX));
}

static const struct cel_shape *check_select(struct cel__checker *c, const struct cel__scope *scope,
                                            struct cel_expr *e)
{
    if (e->kind == CEL_E_SELECT && !e->optional && may_be_qualified(c, scope, e)) {
        const struct cel_shape *whole = resolve_whole(c, scope, e);
        if (whole != NULL) {
            return whole;
        }
    }
    const struct cel_shape *operand = cel__check(c, scope, e->as.select.operand);
    return operand != NULL ? cel__check_select(c, e, operand) : NULL;
}

static const struct cel_shape *check_index(struct cel__checker *c, const struct cel__scope *scope,
                                           struct cel_expr *e)
{
    const struct cel_shape *args[2] = {cel__check(c, scope, e->as.index.operand), NULL};
    args[1] = args[0] != NULL ? cel__check(c, scope, e->as.index.key) : NULL;
    return args[1] == NULL ? NULL
                           : cel__apply(c, e, e->optional ? "_[?_]" : "_[_]",
                                        cel_index_types(e->optional), false, args, 2);
}

static const struct cel_shape *check_operator(struct cel__checker *c,
                                              const struct cel__scope *scope, struct cel_expr *e)
{
    const struct cel_shape *args[3];
    struct cel_expr *operands[] = {e->as.binary.condition, e->as.binary.left, e->as.binary.right};
    const char *types;
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        if (operands[i] != NULL) {
            args[count] = cel__check(c, scope, operands[i]);
            if (args[count++] == NULL) {
                return NULL;
            }
        }
    }
    const char *name = cel_operator_name(e->kind, e->as.binary.op, &types);
    return cel__apply(c, e, name, types, false, args, count);
}

static const struct cel_shape *shape_of_literal(const struct cel_expr *e)
{
    static const enum cel_shape_kind kinds[] = {
        [CEL_NULL] = CEL_S_NULL,   [CEL_BOOL] = CEL_S_BOOL,     [CEL_INT] = CEL_S_INT,
        [CEL_UINT] = CEL_S_UINT,   [CEL_DOUBLE] = CEL_S_DOUBLE, [CEL_STRING] = CEL_S_STRING,
        [CEL_BYTES] = CEL_S_BYTES,
    };
    return cel_shape_of(e->as.literal.type <= CEL_BYTES ? kinds[e->as.literal.type] : CEL_S_DYN);
}

static const struct cel_shape *check_node(struct cel__checker *c, const struct cel__scope *scope,
                                          struct cel_expr *e)
{
    switch (e->kind) {
    case CEL_E_NAME:
        return check_name(c, scope, e);
    case CEL_E_SELECT:
    case CEL_E_HAS:
        return check_select(c, scope, e);
    case CEL_E_INDEX:
        return check_index(c, scope, e);
    case CEL_E_CALL:
        return cel__check_call(c, scope, e);
    case CEL_E_LIST:
    case CEL_E_MAP:
    case CEL_E_STRUCT:
        return cel__check_items(c, scope, e);
    case CEL_E_NOT:
    case CEL_E_NEGATE:
    case CEL_E_BINARY:
    case CEL_E_AND:
    case CEL_E_OR:
    case CEL_E_CHOICE:
        return check_operator(c, scope, e);
    case CEL_E_MACRO:
        return cel__check_macro(c, scope, e);
    case CEL_E_LITERAL:
    case CEL_E_VARIABLE:
    case CEL_E_LOCAL:
    default:
        return shape_of_literal(e);
    }
}

static const struct cel_shape *too_large(struct cel__checker *c, const struct cel_expr *e)
{
    c->offset = e->offset;
    err_set(c->err, ERR_TOO_LARGE, "the types of the expression grow without end");
    return NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): no tree is deeper than CEL_DEPTH_MAX. */
const struct cel_shape *cel__check(struct cel__checker *c, const struct cel__scope *scope,
                                   struct cel_expr *e)
{
    c->unify.steps += CEL_UNIFY_STEPS_PER_NODE;
    const struct cel_shape *shape = check_node(c, scope, e);
    if (c->unify.spent) {
        return too_large(c, e);
    }
    cel_unify_keep(&c->unify);
    return shape;
}

int cel_check(struct arena *arena, const struct cel_env *env, struct cel_expr *tree,
              struct cel_checked *checked, uint32_t *offset, struct err *err)
{
    struct err local = {0};
    struct cel__checker c = {.arena = arena, .env = env, .err = err != NULL ? err : &local};
    c.unify.arena = &c.work;
    c.unify.steps = CEL_UNIFY_STEPS;
    c.qualified_names = env->container.len > 0;
    for (size_t i = 0; i < env->count; i++) {
        c.qualified_names = c.qualified_names || slice_find(env->names[i], SLICE(".")) != SIZE_MAX;
    }
    const struct cel_shape *shape = cel__check(&c, NULL, tree);
    if (shape != NULL && env->wanted != CEL_S_DYN && !cel__expect(&c, tree, shape, env->wanted)) {
        shape = NULL;
    }
    checked->shape = shape != NULL ? cel_unify_final(&c.unify, arena, shape) : NULL;
    if (shape != NULL && c.unify.spent) {
        shape = too_large(&c, tree);
    }
    checked->locals = c.locals;
    checked->dynamic = c.dynamic || c.unify.loose;
    *offset = c.offset;
    arena_free(&c.work);
    return shape != NULL ? 0 : c.err->code;
}
