/* eval.c: walks the checked tree.
 *
 * && and || absorb an error of one side when the other alone decides; all() and exists() likewise.
 * A passed limit is never absorbed. The innermost node that failed gives an error its place.
 * Recursion is as deep as the tree, which is at most CEL_DEPTH_MAX. */
#include "render/cel/cel.h"

#include <string.h>

#include "render/cel/eval_internal.h"
#include "render/cel/functions.h"
#include "render/cel/parser.h"

enum { ARGS_INLINE = 4, KNOWN_KEYS_MAX = 20, KEY_SHOWN_MAX = 200 };

/* A failure that another operand may outvote. */
bool cel__absorbable(struct cel_ctx *ctx)
{
    return ctx->err.code != ERR_TOO_LARGE;
}

/* Evaluates an operand that must be a bool. */
bool cel__eval_bool(struct cel_ctx *ctx, const struct cel_expr *e, bool *value)
{
    struct cel_value v;
    if (!cel__eval(ctx, e, &v)) {
        return false;
    }
    if (v.type != CEL_BOOL) {
        ctx->located = true;
        ctx->error_offset = e->offset;
        return cel_fail(ctx, "no such overload: a bool is wanted here, not %.*s",
                        SLICE_ARG(cel_type_name(v)));
    }
    *value = v.as.boolean;
    return true;
}

/* && (decisive false) and || (decisive true). */
static bool eval_logic(struct cel_ctx *ctx, const struct cel_expr *e, bool decisive,
                       struct cel_value *out)
{
    bool value;
    *out = cel_bool(decisive);
    if (cel__eval_bool(ctx, e->as.binary.left, &value)) {
        if (value == decisive) {
            return true;
        }
        if (!cel__eval_bool(ctx, e->as.binary.right, &value)) {
            return false;
        }
        *out = cel_bool(value);
        return true;
    }
    if (!cel__absorbable(ctx)) {
        return false;
    }
    struct err first = ctx->err;
    uint32_t offset = ctx->error_offset;
    ctx->located = false;
    if (cel__eval_bool(ctx, e->as.binary.right, &value)) {
        if (value == decisive) {
            return true;
        }
    } else if (!cel__absorbable(ctx)) {
        return false;
    }
    ctx->err = first;
    ctx->located = true;
    ctx->error_offset = offset;
    return false;
}

/* "; there are: a, b, c" for a message, as far as it holds them. */
static void add_known_keys(struct cel_ctx *ctx, struct cel_value operand, struct buf *text)
{
    const struct cel_entry *entries;
    if (operand.type != CEL_MAP || operand.as.map->count > KNOWN_KEYS_MAX ||
        !cel_map_entries(ctx, operand.as.map, &entries)) {
        return;
    }
    size_t before = text->len;
    for (size_t i = 0; i < operand.as.map->count && text->len < ERR_MESSAGE_MAX; i++) {
        if (entries[i].key.type == CEL_STRING) {
            buf_addf(text, "%s%.*s", text->len == before ? "; there are: " : ", ",
                     SLICE_ARG(slice_sub(entries[i].key.as.text, 0, KEY_SHOWN_MAX)));
        }
    }
}

static bool no_such_key(struct cel_ctx *ctx, struct cel_value operand, struct cel_value key)
{
    if (key.type == CEL_STRING) {
        struct buf text = {0};
        buf_add(&text, slice_sub(key.as.text, 0, KEY_SHOWN_MAX));
        add_known_keys(ctx, operand, &text);
        (void)cel_fail(ctx, "no such key: %s", buf_cstr(&text));
        buf_free(&text);
        return false;
    }
    if (key.type == CEL_INT) {
        return cel_fail(ctx, "no such key or index: %lld", (long long)key.as.integer);
    }
    return cel_fail(ctx, "no such key or index");
}

/* operand[key] or operand.field, optional ones included: into optionals, out of optionals. */
static bool access(struct cel_ctx *ctx, struct cel_value operand, struct cel_value key,
                   bool optional, struct cel_value *out)
{
    bool wrap = optional;
    if (operand.type == CEL_OPTIONAL) {
        if (operand.as.inner == NULL) {
            *out = operand;
            return true;
        }
        operand = *operand.as.inner;
        wrap = true;
    }
    bool found;
    struct cel_value v;
    if (!cel_index(ctx, operand, key, &v, &found)) {
        return false;
    }
    if (!wrap) {
        *out = v;
        return found || no_such_key(ctx, operand, key);
    }
    *out = cel_optional(ctx->arena, found ? &v : NULL);
    return true;
}

static bool eval_select(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value operand;
    if (!cel__eval(ctx, e->as.select.operand, &operand)) {
        return false;
    }
    const struct cel_value *inner = &operand;
    if (operand.type == CEL_OPTIONAL && operand.as.inner != NULL) {
        inner = operand.as.inner;
    }
    if (inner->type != CEL_MAP && inner->type != CEL_OPTIONAL) {
        return cel_fail(ctx, "no such overload: a value of type %.*s has no field '%.*s'",
                        SLICE_ARG(cel_type_name(*inner)), SLICE_ARG(e->as.select.field));
    }
    return access(ctx, operand, cel_string(e->as.select.field), e->optional, out);
}

static bool eval_has(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value operand;
    if (!cel__eval(ctx, e->as.select.operand, &operand)) {
        return false;
    }
    if (operand.type == CEL_OPTIONAL) {
        if (operand.as.inner == NULL) {
            *out = cel_bool(false);
            return true;
        }
        operand = *operand.as.inner;
    }
    if (operand.type != CEL_MAP) {
        return cel_fail(ctx, "no such overload: has() on a value of type %.*s",
                        SLICE_ARG(cel_type_name(operand)));
    }
    bool found;
    struct cel_value v;
    if (!cel_index(ctx, operand, cel_string(e->as.select.field), &v, &found)) {
        return false;
    }
    *out = cel_bool(found);
    return true;
}

static bool eval_index(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value operand, key;
    return cel__eval(ctx, e->as.index.operand, &operand) && cel__eval(ctx, e->as.index.key, &key) &&
           access(ctx, operand, key, e->optional, out);
}

static bool eval_call(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value few[ARGS_INLINE];
    size_t count = e->as.call.count;
    if (e->as.call.function == NULL) {
        return cel_fail(ctx, "unknown function '%.*s'", SLICE_ARG(e->as.call.name));
    }
    struct cel_value *args =
        count <= ARGS_INLINE ? few : arena_alloc(ctx->arena, count * sizeof *args);
    for (size_t i = 0; i < count; i++) {
        if (!cel__eval(ctx, e->as.call.args[i], &args[i])) {
            return false;
        }
    }
    return e->as.call.function->call(ctx, args, count, out);
}

/* What "?value" contributes: false in *present for an empty optional. */
static bool eval_item(struct cel_ctx *ctx, const struct cel_item *item, struct cel_value *value,
                      bool *present)
{
    *present = true;
    if (!cel__eval(ctx, item->value, value)) {
        return false;
    }
    if (!item->optional) {
        return true;
    }
    if (value->type != CEL_OPTIONAL) {
        return cel_fail(ctx, "no such overload: '?' wants an optional value, not %.*s",
                        SLICE_ARG(cel_type_name(*value)));
    }
    *present = value->as.inner != NULL;
    if (*present) {
        *value = *value->as.inner;
    }
    return true;
}

static bool eval_list(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    size_t count = 0;
    if (!cel_charge(ctx, e->as.aggregate.count + 1)) {
        return false;
    }
    struct cel_value *items = arena_alloc(ctx->arena, (e->as.aggregate.count + 1) * sizeof *items);
    for (size_t i = 0; i < e->as.aggregate.count; i++) {
        bool present;
        if (!eval_item(ctx, &e->as.aggregate.items[i], &items[count], &present)) {
            return false;
        }
        count += present ? 1 : 0;
    }
    *out = cel_list_of(ctx->arena, items, count);
    return true;
}

static bool eval_map(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel__entries entries = {0};
    if (!cel_charge(ctx, 2 * e->as.aggregate.count + 1)) {
        return false;
    }
    for (size_t i = 0; i < e->as.aggregate.count; i++) {
        const struct cel_item *item = &e->as.aggregate.items[i];
        struct cel_value key, value;
        bool present;
        if (!cel__eval(ctx, item->key, &key) || !eval_item(ctx, item, &value, &present) ||
            (present && !cel__add_entry(ctx, &entries, key, value))) {
            return false;
        }
    }
    *out = cel__map_of_entries(ctx, &entries);
    return true;
}

static bool eval_operator(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value left, right;
    bool value;
    if (e->kind == CEL_E_CHOICE) {
        return cel__eval_bool(ctx, e->as.binary.condition, &value) &&
               cel__eval(ctx, value ? e->as.binary.left : e->as.binary.right, out);
    }
    if (e->kind == CEL_E_NOT) {
        if (!cel__eval_bool(ctx, e->as.binary.left, &value)) {
            return false;
        }
        *out = cel_bool(!value);
        return true;
    }
    if (!cel__eval(ctx, e->as.binary.left, &left)) {
        return false;
    }
    if (e->kind == CEL_E_NEGATE) {
        return cel_negate(ctx, left, out);
    }
    return cel__eval(ctx, e->as.binary.right, &right) &&
           cel_operate(ctx, e->as.binary.op, left, right, out);
}

static bool eval_variable(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    *out = ctx->variables[e->as.slot];
    return out->type != CEL_OMIT || cel_fail(ctx, "the variable is declared but has no value");
}

static bool eval_node(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    switch (e->kind) {
    case CEL_E_LITERAL:
        *out = e->as.literal;
        return true;
    case CEL_E_VARIABLE:
        return eval_variable(ctx, e, out);
    case CEL_E_LOCAL:
        *out = ctx->locals[e->as.slot];
        return true;
    case CEL_E_SELECT:
        return eval_select(ctx, e, out);
    case CEL_E_HAS:
        return eval_has(ctx, e, out);
    case CEL_E_INDEX:
        return eval_index(ctx, e, out);
    case CEL_E_CALL:
        return eval_call(ctx, e, out);
    case CEL_E_LIST:
        return eval_list(ctx, e, out);
    case CEL_E_MAP:
        return eval_map(ctx, e, out);
    case CEL_E_AND:
        return eval_logic(ctx, e, false, out);
    case CEL_E_OR:
        return eval_logic(ctx, e, true, out);
    case CEL_E_NOT:
    case CEL_E_NEGATE:
    case CEL_E_BINARY:
    case CEL_E_CHOICE:
        return eval_operator(ctx, e, out);
    case CEL_E_MACRO:
        return cel__eval_macro(ctx, e, out);
    case CEL_E_NAME:
        return cel_fail(ctx, "undeclared reference to '%.*s'", SLICE_ARG(e->as.name.text));
    case CEL_E_STRUCT:
    default:
        return cel_fail(ctx, "messages are not known here");
    }
}

bool cel__eval(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    if (cel_charge(ctx, 1) && eval_node(ctx, e, out)) {
        return true;
    }
    if (!ctx->located) {
        ctx->located = true;
        ctx->error_offset = e->offset;
    }
    return false;
}

int cel_compile(struct arena *arena, const struct cel_env *env, struct slice source,
                const struct cel_program **program, uint32_t *offset, struct err *err)
{
    struct cel_expr *tree;
    struct cel_checked checked;
    int rc = cel_parse(arena, source, &tree, offset, err);
    if (rc == 0) {
        rc = cel_check(arena, env, tree, &checked, offset, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct cel_program *p = ARENA_NEW(arena, struct cel_program);
    p->tree = tree;
    p->source = source;
    p->checked = checked;
    *program = p;
    return 0;
}

const struct cel_shape *cel_program_shape(const struct cel_program *program)
{
    return program->checked.shape;
}

int cel_eval(const struct cel_program *program, const struct cel_input *input, struct arena *arena,
             struct cel_value *value, uint64_t *cost, uint32_t *offset, struct err *err)
{
    struct cel_ctx ctx = {
        .arena = arena,
        .cost_limit = input->cost_limit != 0 ? input->cost_limit : CEL_COST_DEFAULT,
        .variables = input->variables,
        .host = input->host,
        .locals = arena_zero(arena, (program->checked.locals + 1) * sizeof(struct cel_value)),
    };
    bool ok = cel__eval(&ctx, program->tree, value);
    *cost = ctx.cost;
    *offset = ctx.error_offset;
    return ok ? 0 : err_set(err, ctx.err.code, "%s", ctx.err.message);
}

int cel_locate(struct err *err, struct slice text, size_t offset)
{
    size_t line = 1;
    size_t start = 0;
    bool several = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n' && i + 1 < text.len) {
            several = true;
            if (i < offset) {
                line++;
                start = i + 1;
            }
        }
    }
    size_t column = cel_utf8_count(slice_sub(text, start, offset - start)) + 1;
    return several ? err_wrap(err, "line %zu, column %zu", line, column)
                   : err_wrap(err, "column %zu", column);
}
