/* operators.c: arithmetic, comparison, membership and indexing.
 *
 * Integers never wrap: an overflow is an error, as is division by zero. int, uint and double do not
 * mix in arithmetic, but do in comparison. */
#include "render/cel/functions.h"

#include <math.h>
#include <string.h>

#include "render/cel/time.h"

#define RELATION_TYPES "(C, C) bool | (number, number) bool"

static const struct {
    const char *name;
    const char *types;
} ops[] = {
    [CEL_OP_ADD] = {"_+_", "(N, N) N | (string, string) string | (bytes, bytes) bytes | "
                           "(list(A), list(A)) list(A) | (timestamp, duration) timestamp | "
                           "(duration, timestamp) timestamp | (duration, duration) duration"},
    [CEL_OP_SUB] = {"_-_", "(N, N) N | (timestamp, timestamp) duration | "
                           "(timestamp, duration) timestamp | (duration, duration) duration"},
    [CEL_OP_MUL] = {"_*_", "(N, N) N"},
    [CEL_OP_DIV] = {"_/_", "(N, N) N"},
    [CEL_OP_MOD] = {"_%_", "(int, int) int | (uint, uint) uint"},
    [CEL_OP_EQ] = {"_==_", "(A, A) bool"},
    [CEL_OP_NE] = {"_!=_", "(A, A) bool"},
    [CEL_OP_LT] = {"_<_", RELATION_TYPES},
    [CEL_OP_LE] = {"_<=_", RELATION_TYPES},
    [CEL_OP_GT] = {"_>_", RELATION_TYPES},
    [CEL_OP_GE] = {"_>=_", RELATION_TYPES},
    [CEL_OP_IN] = {"@in", "(A, list(A)) bool | (A, map(A, B)) bool"},
};

const char *cel_operator_name(enum cel_kind kind, enum cel_op op, const char **types)
{
    switch ((int)kind) {
    case CEL_E_NOT:
        *types = "(bool) bool";
        return "!_";
    case CEL_E_NEGATE:
        *types = "(int) int | (double) double";
        return "-_";
    case CEL_E_AND:
    case CEL_E_OR:
        *types = "(bool, bool) bool";
        return kind == CEL_E_AND ? "_&&_" : "_||_";
    case CEL_E_CHOICE:
        *types = "(bool, A, A) A";
        return "_?_:_";
    default:
        *types = ops[op].types;
        return ops[op].name;
    }
}

const char *cel_index_types(bool optional)
{
    return optional
               ? "(list(A), int) optional(A) | (map(A, B), A) optional(B) | "
                 "(optional(list(A)), int) optional(A) | (optional(map(A, B)), A) optional(B)"
               : "(list(A), int) A | (map(A, B), A) B | (optional(list(A)), int) optional(A) | "
                 "(optional(map(A, B)), A) optional(B)";
}

static bool no_overload(struct cel_ctx *ctx, enum cel_op op, struct cel_value a, struct cel_value b)
{
    return cel_no_overload(ctx, ops[op].name, (struct cel_value[]){a, b}, 2);
}

static bool int_arithmetic(struct cel_ctx *ctx, enum cel_op op, int64_t a, int64_t b, int64_t *out)
{
    bool overflow = false;
    if ((op == CEL_OP_DIV || op == CEL_OP_MOD) && b == 0) {
        return cel_fail(ctx, op == CEL_OP_DIV ? "division by zero" : "modulus by zero");
    }
    if (op == CEL_OP_ADD) {
        overflow = __builtin_add_overflow(a, b, out);
    } else if (op == CEL_OP_SUB) {
        overflow = __builtin_sub_overflow(a, b, out);
    } else if (op == CEL_OP_MUL) {
        overflow = __builtin_mul_overflow(a, b, out);
    } else if (a == INT64_MIN && b == -1) {
        overflow = true;
    } else {
        *out = op == CEL_OP_DIV ? a / b : a % b;
    }
    return !overflow || cel_fail(ctx, "integer overflow");
}

static bool uint_arithmetic(struct cel_ctx *ctx, enum cel_op op, uint64_t a, uint64_t b,
                            uint64_t *out)
{
    bool overflow = false;
    if ((op == CEL_OP_DIV || op == CEL_OP_MOD) && b == 0) {
        return cel_fail(ctx, op == CEL_OP_DIV ? "division by zero" : "modulus by zero");
    }
    if (op == CEL_OP_ADD) {
        overflow = __builtin_add_overflow(a, b, out);
    } else if (op == CEL_OP_SUB) {
        overflow = __builtin_sub_overflow(a, b, out);
    } else if (op == CEL_OP_MUL) {
        overflow = __builtin_mul_overflow(a, b, out);
    } else {
        *out = op == CEL_OP_DIV ? a / b : a % b;
    }
    return !overflow || cel_fail(ctx, "unsigned integer overflow");
}

static bool double_arithmetic(struct cel_ctx *ctx, enum cel_op op, struct cel_value a,
                              struct cel_value b, struct cel_value *out)
{
    double x = a.as.real;
    double y = b.as.real;
    if (op == CEL_OP_MOD) {
        return no_overload(ctx, op, a, b);
    }
    *out = cel_double(op == CEL_OP_ADD   ? x + y
                      : op == CEL_OP_SUB ? x - y
                      : op == CEL_OP_MUL ? x * y
                                         : x / y);
    return true;
}

static bool number_arithmetic(struct cel_ctx *ctx, enum cel_op op, struct cel_value a,
                              struct cel_value b, struct cel_value *out)
{
    if (a.type == CEL_DOUBLE) {
        return double_arithmetic(ctx, op, a, b, out);
    }
    out->type = a.type;
    return a.type == CEL_INT
               ? int_arithmetic(ctx, op, a.as.integer, b.as.integer, &out->as.integer)
               : uint_arithmetic(ctx, op, a.as.natural, b.as.natural, &out->as.natural);
}

static bool concat_text(struct cel_ctx *ctx, struct cel_value a, struct cel_value b,
                        struct cel_value *out)
{
    size_t len = a.as.text.len + b.as.text.len;
    if (!cel_charge_bytes(ctx, len)) {
        return false;
    }
    char *text = arena_alloc(ctx->arena, len + 1);
    if (a.as.text.len > 0) {
        memcpy(text, a.as.text.data, a.as.text.len);
    }
    if (b.as.text.len > 0) {
        memcpy(text + a.as.text.len, b.as.text.data, b.as.text.len);
    }
    text[len] = '\0';
    out->type = a.type;
    out->as.text = slice_make(text, len);
    return true;
}

static bool concat_lists(struct cel_ctx *ctx, const struct cel_list *a, const struct cel_list *b,
                         struct cel_value *out)
{
    size_t count = a->count + b->count;
    if (!cel_charge(ctx, count)) {
        return false;
    }
    struct cel_value *items = arena_alloc(ctx->arena, (count + 1) * sizeof *items);
    for (size_t i = 0; i < a->count; i++) {
        items[i] = cel_list_at(ctx, a, i);
    }
    for (size_t i = 0; i < b->count; i++) {
        items[a->count + i] = cel_list_at(ctx, b, i);
    }
    *out = cel_list_of(ctx->arena, items, count);
    return true;
}

/* timestamp and duration with duration, timestamp minus timestamp. */
static bool time_arithmetic(struct cel_ctx *ctx, enum cel_op op, struct cel_value a,
                            struct cel_value b, struct cel_value *out)
{
    bool both = a.type == CEL_TIMESTAMP && b.type == CEL_TIMESTAMP;
    bool span = b.type == CEL_DURATION ||
                (op == CEL_OP_ADD && a.type == CEL_DURATION && b.type == CEL_TIMESTAMP);
    if ((op != CEL_OP_ADD && op != CEL_OP_SUB) || (both && op == CEL_OP_ADD) || (!both && !span)) {
        return no_overload(ctx, op, a, b);
    }
    bool instant = !both && (a.type == CEL_TIMESTAMP || b.type == CEL_TIMESTAMP);
    struct cel_time t;
    bool ok = op == CEL_OP_ADD ? cel_time_add(a.as.time, b.as.time, &t)
                               : cel_time_sub(a.as.time, b.as.time, &t);
    if (ok && instant) {
        t = cel_time_normal(t);
        ok = cel_time_valid(t);
    } else if (ok) {
        ok = cel_duration_valid(t);
    }
    out->type = instant ? CEL_TIMESTAMP : CEL_DURATION;
    out->as.time = t;
    return ok || cel_fail(ctx, "%s out of range", instant ? "timestamp" : "duration");
}

static bool arithmetic(struct cel_ctx *ctx, enum cel_op op, struct cel_value a, struct cel_value b,
                       struct cel_value *out)
{
    if (a.type == b.type && cel_is_number(a)) {
        return number_arithmetic(ctx, op, a, b, out);
    }
    if (op == CEL_OP_ADD && a.type == b.type && (a.type == CEL_STRING || a.type == CEL_BYTES)) {
        return concat_text(ctx, a, b, out);
    }
    if (op == CEL_OP_ADD && a.type == CEL_LIST && b.type == CEL_LIST) {
        return concat_lists(ctx, a.as.list, b.as.list, out);
    }
    if ((a.type == CEL_TIMESTAMP || a.type == CEL_DURATION) &&
        (b.type == CEL_TIMESTAMP || b.type == CEL_DURATION)) {
        return time_arithmetic(ctx, op, a, b, out);
    }
    return no_overload(ctx, op, a, b);
}

static bool is_in(struct cel_ctx *ctx, struct cel_value a, struct cel_value b,
                  struct cel_value *out)
{
    bool equal = false;
    struct cel_value ignored;
    bool failed;
    if (b.type == CEL_MAP) {
        *out = cel_bool(cel_map_get(ctx, b.as.map, a, &ignored, &failed));
        return !failed;
    }
    if (b.type != CEL_LIST) {
        return no_overload(ctx, CEL_OP_IN, a, b);
    }
    for (size_t i = 0; i < b.as.list->count && !equal; i++) {
        if (!cel_equal(ctx, a, cel_list_at(ctx, b.as.list, i), &equal)) {
            return false;
        }
    }
    *out = cel_bool(equal);
    return true;
}

static bool relation(struct cel_ctx *ctx, enum cel_op op, struct cel_value a, struct cel_value b,
                     struct cel_value *out)
{
    int order;
    bool ordered;
    if (!cel_compare(ctx, a, b, &order, &ordered)) {
        return ctx->err.code == ERR_TOO_LARGE ? false : no_overload(ctx, op, a, b);
    }
    bool holds = op == CEL_OP_LT   ? order < 0
                 : op == CEL_OP_LE ? order <= 0
                 : op == CEL_OP_GT ? order > 0
                                   : order >= 0;
    *out = cel_bool(ordered && holds);
    return true;
}

bool cel_operate(struct cel_ctx *ctx, enum cel_op op, struct cel_value a, struct cel_value b,
                 struct cel_value *out)
{
    bool equal;
    switch (op) {
    case CEL_OP_EQ:
    case CEL_OP_NE:
        if (!cel_equal(ctx, a, b, &equal)) {
            return false;
        }
        *out = cel_bool(equal == (op == CEL_OP_EQ));
        return true;
    case CEL_OP_LT:
    case CEL_OP_LE:
    case CEL_OP_GT:
    case CEL_OP_GE:
        return relation(ctx, op, a, b, out);
    case CEL_OP_IN:
        return is_in(ctx, a, b, out);
    case CEL_OP_ADD:
    case CEL_OP_SUB:
    case CEL_OP_MUL:
    case CEL_OP_DIV:
    case CEL_OP_MOD:
    default:
        return arithmetic(ctx, op, a, b, out);
    }
}

bool cel_negate(struct cel_ctx *ctx, struct cel_value a, struct cel_value *out)
{
    if (a.type == CEL_DOUBLE) {
        *out = cel_double(-a.as.real);
        return true;
    }
    if (a.type != CEL_INT) {
        return cel_no_overload(ctx, "-_", &a, 1);
    }
    if (a.as.integer == INT64_MIN) {
        return cel_fail(ctx, "integer overflow");
    }
    *out = cel_int(-a.as.integer);
    return true;
}

/* The whole, nonnegative number that key is; false if it is none. */
static bool list_position(struct cel_value key, size_t *position)
{
    if (key.type == CEL_INT && key.as.integer >= 0) {
        *position = (size_t)key.as.integer;
        return true;
    }
    if (key.type == CEL_UINT) {
        *position = key.as.natural;
        return true;
    }
    if (key.type == CEL_DOUBLE && key.as.real >= 0 && key.as.real < 9007199254740992.0 &&
        key.as.real == floor(key.as.real)) {
        *position = (size_t)key.as.real;
        return true;
    }
    return false;
}

bool cel_index(struct cel_ctx *ctx, struct cel_value operand, struct cel_value key,
               struct cel_value *out, bool *found)
{
    bool failed = false;
    size_t position;
    *found = false;
    if (operand.type == CEL_MAP) {
        if (!cel_is_number(key) && key.type != CEL_STRING && key.type != CEL_BOOL) {
            return cel_fail(ctx, "unsupported key type: %.*s", SLICE_ARG(cel_type_name(key)));
        }
        *found = cel_map_get(ctx, operand.as.map, key, out, &failed);
        return !failed;
    }
    if (operand.type != CEL_LIST || !cel_is_number(key)) {
        return cel_no_overload(ctx, "_[_]", (struct cel_value[]){operand, key}, 2);
    }
    if (list_position(key, &position) && position < operand.as.list->count) {
        *out = cel_list_at(ctx, operand.as.list, position);
        *found = true;
        return true;
    }
    if (key.type == CEL_DOUBLE && key.as.real != floor(key.as.real)) {
        return cel_fail(ctx, "a list's index must be a whole number");
    }
    return true;
}
