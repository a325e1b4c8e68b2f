/* eval.c: walks the checked tree.
 *
 * && and || absorb an error of one side when the other alone decides; all() and exists() likewise.
 * A passed limit is never absorbed. The innermost node that failed gives an error its place.
 * Recursion is as deep as the tree, which is at most CEL_DEPTH_MAX. */
#include "render/cel/cel.h"

#include <stdlib.h>
#include <string.h>

#include "render/cel/checker.h"
#include "render/cel/functions.h"
#include "render/cel/parser.h"

enum { ARGS_INLINE = 4 };

struct cel_program {
    const struct cel_expr *tree;
    struct slice source;
    size_t locals;
};

struct vector {
    struct cel_value *items;
    size_t count;
    size_t cap;
};

static bool eval(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out);

static void push(struct cel_ctx *ctx, struct vector *v, struct cel_value value)
{
    if (v->count == v->cap) {
        size_t cap = v->cap == 0 ? 8 : v->cap * 2;
        struct cel_value *larger = arena_alloc(ctx->arena, cap * sizeof *larger);
        if (v->count > 0) {
            memcpy(larger, v->items, v->count * sizeof *larger);
        }
        v->items = larger;
        v->cap = cap;
    }
    v->items[v->count++] = value;
}

/* A failure that another operand may outvote. */
static bool absorbable(struct cel_ctx *ctx)
{
    return ctx->err.code != ERR_TOO_LARGE;
}

/* Evaluates an operand that must be a bool. */
static bool eval_bool(struct cel_ctx *ctx, const struct cel_expr *e, bool *value)
{
    struct cel_value v;
    if (!eval(ctx, e, &v)) {
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
    if (eval_bool(ctx, e->as.binary.left, &value)) {
        if (value == decisive) {
            return true;
        }
        if (!eval_bool(ctx, e->as.binary.right, &value)) {
            return false;
        }
        *out = cel_bool(value);
        return true;
    }
    if (!absorbable(ctx)) {
        return false;
    }
    struct err first = ctx->err;
    uint32_t offset = ctx->error_offset;
    ctx->located = false;
    if (eval_bool(ctx, e->as.binary.right, &value)) {
        if (value == decisive) {
            return true;
        }
    } else if (!absorbable(ctx)) {
        return false;
    }
    ctx->err = first;
    ctx->located = true;
    ctx->error_offset = offset;
    return false;
}

static bool no_such_key(struct cel_ctx *ctx, struct cel_value key)
{
    if (key.type == CEL_STRING) {
        return cel_fail(ctx, "no such key: %.*s", SLICE_ARG(key.as.text));
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
        return found || no_such_key(ctx, key);
    }
    *out = cel_optional(ctx->arena, found ? &v : NULL);
    return true;
}

static bool eval_select(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value operand;
    if (!eval(ctx, e->as.select.operand, &operand)) {
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
    if (!eval(ctx, e->as.select.operand, &operand)) {
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
    return eval(ctx, e->as.index.operand, &operand) && eval(ctx, e->as.index.key, &key) &&
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
        if (!eval(ctx, e->as.call.args[i], &args[i])) {
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
    if (!eval(ctx, item->value, value)) {
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

struct entries {
    struct cel_entry *items;
    size_t count;
    size_t cap;
};

static bool add_entry(struct cel_ctx *ctx, struct entries *entries, struct cel_value key,
                      struct cel_value value)
{
    if (key.type != CEL_STRING && key.type != CEL_BOOL && key.type != CEL_INT &&
        key.type != CEL_UINT) {
        return cel_fail(ctx, "unsupported key type: %.*s", SLICE_ARG(cel_type_name(key)));
    }
    const struct cel_map so_far = {entries->count, entries->items, NULL};
    struct cel_value old;
    bool failed = false;
    if (entries->count > 0 && cel_map_get(ctx, &so_far, key, &old, &failed)) {
        return cel_fail(ctx, "the key '%.*s' occurs twice in one map",
                        key.type == CEL_STRING ? (int)key.as.text.len : 0,
                        key.type == CEL_STRING ? key.as.text.data : "");
    }
    if (failed) {
        return false;
    }
    if (entries->count == entries->cap) {
        size_t cap = entries->cap == 0 ? 8 : entries->cap * 2;
        struct cel_entry *larger = arena_alloc(ctx->arena, cap * sizeof *larger);
        if (entries->count > 0) {
            memcpy(larger, entries->items, entries->count * sizeof *larger);
        }
        entries->items = larger;
        entries->cap = cap;
    }
    entries->items[entries->count++] = (struct cel_entry){key, value};
    return true;
}

static struct cel_value map_of_entries(struct cel_ctx *ctx, struct entries *entries)
{
    /* A map of no entries must still not look like one of JSON. */
    static const struct cel_entry none[1];
    return cel_map_of(ctx->arena, entries->items != NULL ? entries->items : none, entries->count);
}

static bool eval_map(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct entries entries = {0};
    for (size_t i = 0; i < e->as.aggregate.count; i++) {
        const struct cel_item *item = &e->as.aggregate.items[i];
        struct cel_value key, value;
        bool present;
        if (!eval(ctx, item->key, &key) || !eval_item(ctx, item, &value, &present) ||
            (present && !add_entry(ctx, &entries, key, value))) {
            return false;
        }
    }
    *out = map_of_entries(ctx, &entries);
    return true;
}

/* What a macro runs over: elements, or keys with values. */
struct range {
    const struct cel_list *list;
    const struct cel_entry *entries;
    size_t count;
};

static bool open_range(struct cel_ctx *ctx, const struct cel_expr *e, struct range *range)
{
    struct cel_value v;
    *range = (struct range){0};
    if (!eval(ctx, e->as.macro.range, &v)) {
        return false;
    }
    if (v.type == CEL_LIST) {
        range->list = v.as.list;
        range->count = v.as.list->count;
        return true;
    }
    if (v.type == CEL_MAP) {
        range->count = v.as.map->count;
        return cel_map_entries(ctx, v.as.map, &range->entries);
    }
    return cel_fail(ctx, "no such overload: a list or a map is wanted here, not %.*s",
                    SLICE_ARG(cel_type_name(v)));
}

/* Sets the macro's variables to the i-th element; *key is its index or key. */
static bool bind_at(struct cel_ctx *ctx, const struct cel_expr *e, const struct range *range,
                    size_t i, struct cel_value *key)
{
    struct cel_value *slots = &ctx->locals[e->as.macro.slot];
    bool two = e->as.macro.var2.len > 0;
    if (range->list != NULL) {
        *key = cel_int((int64_t)i);
        slots[two ? 1 : 0] = cel_list_at(ctx, range->list, i);
        if (two) {
            slots[0] = *key;
        }
    } else {
        *key = range->entries[i].key;
        slots[0] = *key;
        slots[1] = range->entries[i].value;
    }
    return cel_charge(ctx, 1);
}

/* all() (decisive false) and exists() (decisive true). */
static bool eval_quantifier(struct cel_ctx *ctx, const struct cel_expr *e, bool decisive,
                            struct cel_value *out)
{
    struct range range;
    struct err first = {0};
    uint32_t offset = 0;
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key;
        bool value;
        if (!bind_at(ctx, e, &range, i, &key)) {
            return false;
        }
        if (eval_bool(ctx, e->as.macro.body, &value)) {
            if (value == decisive) {
                *out = cel_bool(decisive);
                return true;
            }
            continue;
        }
        if (!absorbable(ctx)) {
            return false;
        }
        if (first.code == ERR_OK) {
            first = ctx->err;
            offset = ctx->error_offset;
        }
        ctx->located = false;
    }
    if (first.code != ERR_OK) {
        ctx->err = first;
        ctx->located = true;
        ctx->error_offset = offset;
        return false;
    }
    *out = cel_bool(!decisive);
    return true;
}

static bool eval_exists_one(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct range range;
    size_t hits = 0;
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key;
        bool value;
        if (!bind_at(ctx, e, &range, i, &key) || !eval_bool(ctx, e->as.macro.body, &value)) {
            return false;
        }
        hits += value ? 1 : 0;
    }
    *out = cel_bool(hits == 1);
    return true;
}

/* Whether the filter, if any, lets the bound element through. */
static bool passes(struct cel_ctx *ctx, const struct cel_expr *filter, bool *pass)
{
    *pass = true;
    return filter == NULL || eval_bool(ctx, filter, pass);
}

/* map(), filter(), transformList(). */
static bool eval_to_list(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    bool filtering = e->as.macro.macro == CEL_M_FILTER;
    const struct cel_expr *filter = filtering ? e->as.macro.body : e->as.macro.filter;
    struct range range;
    struct vector items = {0};
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key, value;
        bool pass;
        if (!bind_at(ctx, e, &range, i, &key) || !passes(ctx, filter, &pass)) {
            return false;
        }
        if (!pass) {
            continue;
        }
        if (filtering) {
            value = range.list != NULL ? cel_list_at(ctx, range.list, i) : key;
        } else if (!eval(ctx, e->as.macro.body, &value)) {
            return false;
        }
        push(ctx, &items, value);
    }
    static const struct cel_value none[1];
    *out = cel_list_of(ctx->arena, items.items != NULL ? items.items : none, items.count);
    return true;
}

static bool add_map(struct cel_ctx *ctx, struct entries *entries, struct cel_value map)
{
    const struct cel_entry *more;
    if (map.type != CEL_MAP) {
        return cel_fail(ctx, "no such overload: transformMapEntry() wants a map, not %.*s",
                        SLICE_ARG(cel_type_name(map)));
    }
    if (!cel_map_entries(ctx, map.as.map, &more)) {
        return false;
    }
    for (size_t i = 0; i < map.as.map->count; i++) {
        if (!add_entry(ctx, entries, more[i].key, more[i].value)) {
            return false;
        }
    }
    return true;
}

/* transformMap(), transformMapEntry(). */
static bool eval_to_map(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct range range;
    struct entries entries = {0};
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key, value;
        bool pass;
        if (!bind_at(ctx, e, &range, i, &key) || !passes(ctx, e->as.macro.filter, &pass)) {
            return false;
        }
        if (!pass) {
            continue;
        }
        if (!eval(ctx, e->as.macro.body, &value)) {
            return false;
        }
        bool ok = e->as.macro.macro == CEL_M_TRANSFORM_MAP ? add_entry(ctx, &entries, key, value)
                                                           : add_map(ctx, &entries, value);
        if (!ok) {
            return false;
        }
    }
    *out = map_of_entries(ctx, &entries);
    return true;
}

/* Merges the sorted halves of keys[from..to) and items alike: a stable sort by key. */
static bool merge_sort(struct cel_ctx *ctx, struct cel_entry *all, struct cel_entry *spare,
                       size_t from, size_t to)
{
    if (to - from < 2) {
        return true;
    }
    size_t middle = from + (to - from) / 2;
    if (!merge_sort(ctx, all, spare, from, middle) || !merge_sort(ctx, all, spare, middle, to)) {
        return false;
    }
    size_t left = from;
    size_t right = middle;
    for (size_t n = from; n < to; n++) {
        int order = -1;
        bool ordered;
        if (left < middle && right < to &&
            (!cel_charge(ctx, 1) ||
             !cel_compare(ctx, all[left].key, all[right].key, &order, &ordered))) {
            return false;
        }
        bool take_left = right >= to || (left < middle && order <= 0);
        spare[n] = take_left ? all[left++] : all[right++];
    }
    memcpy(all + from, spare + from, (to - from) * sizeof *all);
    return true;
}

static bool eval_sort_by(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct range range;
    if (!open_range(ctx, e, &range)) {
        return false;
    }
    struct cel_entry *all = arena_alloc(ctx->arena, (range.count + 1) * sizeof *all);
    struct cel_entry *spare = arena_alloc(ctx->arena, (range.count + 1) * sizeof *all);
    struct cel_value *items = arena_alloc(ctx->arena, (range.count + 1) * sizeof *items);
    for (size_t i = 0; i < range.count; i++) {
        struct cel_value key;
        if (!bind_at(ctx, e, &range, i, &key) || !eval(ctx, e->as.macro.body, &all[i].key)) {
            return false;
        }
        all[i].value = range.list != NULL ? cel_list_at(ctx, range.list, i) : key;
    }
    if (!merge_sort(ctx, all, spare, 0, range.count)) {
        return false;
    }
    for (size_t i = 0; i < range.count; i++) {
        items[i] = all[i].value;
    }
    *out = cel_list_of(ctx->arena, items, range.count);
    return true;
}

/* optMap(), optFlatMap(), cel.bind(): one variable, at most one evaluation. */
static bool eval_bind(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value v;
    if (!eval(ctx, e->as.macro.range, &v)) {
        return false;
    }
    if (e->as.macro.macro != CEL_M_BIND) {
        if (v.type != CEL_OPTIONAL) {
            return cel_fail(ctx, "no such overload: an optional is wanted here, not %.*s",
                            SLICE_ARG(cel_type_name(v)));
        }
        if (v.as.inner == NULL) {
            *out = v;
            return true;
        }
        v = *v.as.inner;
    }
    ctx->locals[e->as.macro.slot] = v;
    if (!eval(ctx, e->as.macro.body, out)) {
        return false;
    }
    if (e->as.macro.macro == CEL_M_OPT_MAP) {
        struct cel_value inner = *out;
        *out = cel_optional(ctx->arena, &inner);
    }
    return true;
}

static bool eval_macro(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    switch (e->as.macro.macro) {
    case CEL_M_ALL:
        return eval_quantifier(ctx, e, false, out);
    case CEL_M_EXISTS:
        return eval_quantifier(ctx, e, true, out);
    case CEL_M_EXISTS_ONE:
        return eval_exists_one(ctx, e, out);
    case CEL_M_MAP:
    case CEL_M_FILTER:
    case CEL_M_TRANSFORM_LIST:
        return eval_to_list(ctx, e, out);
    case CEL_M_TRANSFORM_MAP:
    case CEL_M_TRANSFORM_MAP_ENTRY:
        return eval_to_map(ctx, e, out);
    case CEL_M_SORT_BY:
        return eval_sort_by(ctx, e, out);
    case CEL_M_OPT_MAP:
    case CEL_M_OPT_FLAT_MAP:
    case CEL_M_BIND:
    default:
        return eval_bind(ctx, e, out);
    }
}

static bool eval_operator(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
{
    struct cel_value left, right;
    bool value;
    if (e->kind == CEL_E_CHOICE) {
        return eval_bool(ctx, e->as.binary.condition, &value) &&
               eval(ctx, value ? e->as.binary.left : e->as.binary.right, out);
    }
    if (e->kind == CEL_E_NOT) {
        if (!eval_bool(ctx, e->as.binary.left, &value)) {
            return false;
        }
        *out = cel_bool(!value);
        return true;
    }
    if (!eval(ctx, e->as.binary.left, &left)) {
        return false;
    }
    if (e->kind == CEL_E_NEGATE) {
        return cel_negate(ctx, left, out);
    }
    return eval(ctx, e->as.binary.right, &right) &&
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
        return eval_macro(ctx, e, out);
    case CEL_E_NAME:
        return cel_fail(ctx, "undeclared reference to '%.*s'", SLICE_ARG(e->as.name.text));
    case CEL_E_STRUCT:
    default:
        return cel_fail(ctx, "messages are not known here");
    }
}

static bool eval(struct cel_ctx *ctx, const struct cel_expr *e, struct cel_value *out)
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
    size_t locals;
    int rc = cel_parse(arena, source, &tree, offset, err);
    if (rc == 0) {
        rc = cel_check(arena, env, tree, &locals, offset, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct cel_program *p = ARENA_NEW(arena, struct cel_program);
    p->tree = tree;
    p->source = source;
    p->locals = locals;
    *program = p;
    return 0;
}

int cel_eval(const struct cel_program *program, const struct cel_input *input, struct arena *arena,
             struct cel_value *value, uint64_t *cost, uint32_t *offset, struct err *err)
{
    struct cel_ctx ctx = {
        .arena = arena,
        .cost_limit = input->cost_limit != 0 ? input->cost_limit : CEL_COST_DEFAULT,
        .variables = input->variables,
        .host = input->host,
        .locals = arena_zero(arena, (program->locals + 1) * sizeof(struct cel_value)),
    };
    bool ok = eval(&ctx, program->tree, value);
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
