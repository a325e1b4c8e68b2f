/* checker.c: one walk over the tree.
 *
 * A name is, in this order: a macro's variable in scope, a declared variable (container first), a
 * type. For a.b.c the whole chain is tried as one declared name before a.b, then a; a macro's
 * variable hides all of them unless written ".a". A call a.b.f(x) is the function "a.b.f" if there
 * is one and a is no variable, else the method f of a.b. */
#include "render/cel/checker.h"

#include <string.h>

#include "render/cel/functions.h"

struct scope {
    const struct scope *outer;
    struct slice name;
    size_t slot;
};

struct checker {
    struct arena *arena;
    const struct cel_env *env;
    bool qualified_names; /* some declared name has a dot, or there is a container */
    size_t depth;         /* locals in scope */
    size_t locals;        /* most that ever were */
    uint32_t offset;
    struct err *err;
};

static bool check(struct checker *c, const struct scope *scope, struct cel_expr *e);

static const struct scope *local_of(const struct scope *scope, struct slice name)
{
    while (scope != NULL && !slice_eq(scope->name, name)) {
        scope = scope->outer;
    }
    return scope;
}

static size_t declared(const struct checker *c, struct slice name)
{
    for (size_t i = 0; i < c->env->count; i++) {
        if (slice_eq(c->env->names[i], name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* The slot of name within the container "a.b": a.b.name, a.name, name. */
static size_t variable_of(const struct checker *c, struct slice name, bool rooted)
{
    struct slice prefix = rooted ? SLICE("") : c->env->container;
    while (prefix.len > 0) {
        size_t slot = declared(
            c, slice_of(arena_printf(c->arena, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(name))));
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

static bool type_of_name(struct slice name, struct cel_value *type)
{
    for (int t = CEL_NULL; t <= CEL_OPTIONAL; t++) {
        if (slice_eq(name, cel_type_name_of((enum cel_type)t))) {
            *type = cel_type_value(cel_type_name_of((enum cel_type)t));
            return true;
        }
    }
    return false;
}

/* The text of a chain of plain selections on a name: "a.b.c"; *root is the name. */
static bool chain_of(struct checker *c, const struct cel_expr *e, struct slice *text,
                     const struct cel_expr **root)
{
    struct buf reversed = {0};
    const struct cel_expr *at = e;
    size_t count = 0;
    for (; at->kind == CEL_E_SELECT && !at->optional; at = at->as.select.operand) {
        count++;
    }
    if (at->kind != CEL_E_NAME) {
        return false;
    }
    *root = at;
    const struct slice **parts = arena_alloc(c->arena, (count + 1) * sizeof *parts);
    at = e;
    for (size_t i = count; i > 0; i--, at = at->as.select.operand) {
        parts[i] = &at->as.select.field;
    }
    parts[0] = &at->as.name.text;
    for (size_t i = 0; i <= count; i++) {
        if (i > 0) {
            buf_add_char(&reversed, '.');
        }
        buf_add(&reversed, *parts[i]);
    }
    *text = arena_copy(c->arena, buf_slice(&reversed));
    buf_free(&reversed);
    return true;
}

/* Whether the whole of e (a name, or selections on one) is a declared name or a type; if so e
 * becomes it. */
static bool resolve_whole(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    struct slice text;
    const struct cel_expr *root;
    if (!chain_of(c, e, &text, &root)) {
        return false;
    }
    bool rooted = root->as.name.rooted;
    if (!rooted && local_of(scope, root->as.name.text) != NULL) {
        return false;
    }
    size_t slot = variable_of(c, text, rooted);
    struct cel_value type;
    if (slot != SIZE_MAX) {
        e->kind = CEL_E_VARIABLE;
        e->as.slot = slot;
        return true;
    }
    if (type_of_name(text, &type)) {
        e->kind = CEL_E_LITERAL;
        e->as.literal = type;
        return true;
    }
    return false;
}

static bool check_name(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    const struct scope *local = e->as.name.rooted ? NULL : local_of(scope, e->as.name.text);
    if (local != NULL) {
        e->kind = CEL_E_LOCAL;
        e->as.slot = local->slot;
        return true;
    }
    if (resolve_whole(c, scope, e)) {
        return true;
    }
    if (c->env->unchecked) {
        return true;
    }
    c->offset = e->offset;
    err_set(c->err, ERR_UNPROCESSABLE, "undeclared reference to '%.*s'",
            SLICE_ARG(e->as.name.text));
    return false;
}

/* Chains need joining only where a dotted name could be meant. */
static bool may_be_qualified(const struct checker *c, const struct cel_expr *e)
{
    while (e->kind == CEL_E_SELECT) {
        e = e->as.select.operand;
    }
    return e->kind == CEL_E_NAME &&
           (c->qualified_names || slice_eq_cstr(e->as.name.text, "google"));
}

static bool check_select(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    if (!e->optional && may_be_qualified(c, e) && resolve_whole(c, scope, e)) {
        return true;
    }
    return check(c, scope, e->as.select.operand);
}

static const struct cel_function *function_of(const struct checker *c, struct slice name,
                                              bool receiver, size_t count, bool *known)
{
    const struct cel_function *tables[] = {c->env->functions, cel_functions()};
    const size_t counts[] = {c->env->function_count, cel_function_count()};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            const struct cel_function *f = &tables[t][i];
            if (f->receiver != receiver || name.data[0] != f->name[0] ||
                !slice_eq_cstr(name, f->name)) {
                continue;
            }
            *known = true;
            if (count >= f->min && (count <= f->max || f->max == CEL_ARGS_ANY)) {
                return f;
            }
        }
    }
    return NULL;
}

/* "math.greatest(1, 2)" parsed as the method greatest of math. */
static bool namespaced(struct checker *c, const struct scope *scope, struct cel_expr *e,
                       bool *known)
{
    struct slice text;
    const struct cel_expr *root;
    if (!e->as.call.receiver || !chain_of(c, e->as.call.args[0], &text, &root) ||
        local_of(scope, root->as.name.text) != NULL) {
        return false;
    }
    struct slice name =
        slice_of(arena_printf(c->arena, "%.*s.%.*s", SLICE_ARG(text), SLICE_ARG(e->as.call.name)));
    const struct cel_function *f = function_of(c, name, false, e->as.call.count - 1, known);
    if (f == NULL) {
        return false;
    }
    e->as.call.function = f;
    e->as.call.receiver = false;
    e->as.call.args++;
    e->as.call.count--;
    return true;
}

static bool check_call(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    bool known = false;
    if (!namespaced(c, scope, e, &known)) {
        e->as.call.function =
            function_of(c, e->as.call.name, e->as.call.receiver, e->as.call.count, &known);
    }
    if (e->as.call.function == NULL && !c->env->unchecked) {
        c->offset = e->offset;
        err_set(c->err, ERR_UNPROCESSABLE, "%s '%.*s' %s", known ? "no such overload:" : "unknown",
                SLICE_ARG(e->as.call.name),
                known ? "does not take this many arguments"
                      : (e->as.call.receiver ? "method" : "function"));
        return false;
    }
    for (size_t i = 0; i < e->as.call.count; i++) {
        if (!check(c, scope, e->as.call.args[i])) {
            return false;
        }
    }
    return true;
}

static bool check_items(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    if (e->kind == CEL_E_STRUCT) {
        c->offset = e->offset;
        err_set(c->err, ERR_UNPROCESSABLE, "message type '%.*s' is not known here",
                SLICE_ARG(e->as.aggregate.type));
        return false;
    }
    for (size_t i = 0; i < e->as.aggregate.count; i++) {
        struct cel_item *item = &e->as.aggregate.items[i];
        if ((item->key != NULL && !check(c, scope, item->key)) || !check(c, scope, item->value)) {
            return false;
        }
    }
    return true;
}

static bool check_macro(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    if (!check(c, scope, e->as.macro.range)) {
        return false;
    }
    const struct scope first = {scope, e->as.macro.var1, c->depth};
    const struct scope second = {&first, e->as.macro.var2, c->depth + 1};
    const struct scope *inner = e->as.macro.var2.len > 0 ? &second : &first;
    e->as.macro.slot = c->depth;
    c->depth += 2;
    if (c->depth > c->locals) {
        c->locals = c->depth;
    }
    bool ok = (e->as.macro.filter == NULL || check(c, inner, e->as.macro.filter)) &&
              check(c, inner, e->as.macro.body);
    c->depth -= 2;
    return ok;
}

static bool check_binary(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    return (e->as.binary.condition == NULL || check(c, scope, e->as.binary.condition)) &&
           check(c, scope, e->as.binary.left) &&
           (e->as.binary.right == NULL || check(c, scope, e->as.binary.right));
}

static bool check(struct checker *c, const struct scope *scope, struct cel_expr *e)
{
    switch (e->kind) {
    case CEL_E_NAME:
        return check_name(c, scope, e);
    case CEL_E_SELECT:
        return check_select(c, scope, e);
    case CEL_E_HAS:
        return check(c, scope, e->as.select.operand);
    case CEL_E_INDEX:
        return check(c, scope, e->as.index.operand) && check(c, scope, e->as.index.key);
    case CEL_E_CALL:
        return check_call(c, scope, e);
    case CEL_E_LIST:
    case CEL_E_MAP:
    case CEL_E_STRUCT:
        return check_items(c, scope, e);
    case CEL_E_NOT:
    case CEL_E_NEGATE:
    case CEL_E_BINARY:
    case CEL_E_AND:
    case CEL_E_OR:
    case CEL_E_CHOICE:
        return check_binary(c, scope, e);
    case CEL_E_MACRO:
        return check_macro(c, scope, e);
    case CEL_E_LITERAL:
    case CEL_E_VARIABLE:
    case CEL_E_LOCAL:
    default:
        return true;
    }
}

int cel_check(struct arena *arena, const struct cel_env *env, struct cel_expr *tree, size_t *locals,
              uint32_t *offset, struct err *err)
{
    struct err local = {0};
    struct checker c = {.arena = arena, .env = env, .err = err != NULL ? err : &local};
    c.qualified_names = env->container.len > 0;
    for (size_t i = 0; i < env->count; i++) {
        c.qualified_names = c.qualified_names || slice_find(env->names[i], SLICE(".")) != SIZE_MAX;
    }
    bool ok = check(&c, NULL, tree);
    *locals = c.locals;
    *offset = c.offset;
    return ok ? 0 : c.err->code;
}
