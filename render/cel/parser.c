/* parser.c: recursive descent, one function per level of CEL's grammar, binary operators by
 * precedence.
 *
 * Depth is bounded twice: nesting while parsing (each re-entry of the expression rule counts), and
 * the depth of the finished nodes, since a + b + c + ... makes a deep tree from flat text. Both
 * give ERR_TOO_LARGE. An error stops at once and is reported where it was found. Invariant:
 * p->token is the token not yet consumed. */
#include "render/cel/parser.h"

#include <stdio.h>
#include <string.h>

#include "render/cel/lexer.h"
#include "render/cel/macro.h"

enum { ITEMS_MAX = 10000 };

struct parser {
    struct arena *arena;
    struct cel_lexer lexer;
    struct cel_token token;
    uint32_t offset; /* of the error */
    int depth;
    struct err *err;
};

static struct cel_expr *parse_expr(struct parser *p);
static struct cel_expr *parse_unary(struct parser *p);

static void *parse_fail(struct parser *p, uint32_t offset, int code, const char *what)
{
    p->offset = offset;
    err_set(p->err, code, "%s", what);
    return NULL;
}

static bool advance(struct parser *p)
{
    return cel_lex(&p->lexer, &p->token, &p->offset, p->err) == 0;
}

static bool is_punct(const struct parser *p, const char *text)
{
    return p->token.type == CEL_T_PUNCT && p->token.text.data[0] == text[0] &&
           slice_eq_cstr(p->token.text, text);
}

static void *unexpected(struct parser *p, const char *wanted)
{
    char found[64] = "the end";
    struct slice text = p->token.text;
    if (p->token.type == CEL_T_LITERAL && text.len == 0) {
        text = slice_sub(p->lexer.source, p->token.offset, p->lexer.at - p->token.offset);
    }
    if (p->token.type != CEL_T_END) {
        (void)snprintf(found, sizeof found, "'%.*s'", (int)(text.len < 40 ? text.len : 40),
                       text.data);
    }
    p->offset = p->token.offset;
    err_set(p->err, ERR_UNPROCESSABLE, "expected %s, found %s", wanted, found);
    return NULL;
}

static bool expect(struct parser *p, const char *punct)
{
    if (!is_punct(p, punct)) {
        char wanted[8];
        (void)snprintf(wanted, sizeof wanted, "'%s'", punct);
        unexpected(p, wanted);
        return false;
    }
    return advance(p);
}

static struct cel_expr *node(struct parser *p, enum cel_kind kind, uint32_t offset)
{
    struct cel_expr *e = ARENA_NEW(p->arena, struct cel_expr);
    e->kind = kind;
    e->offset = offset;
    e->depth = 1;
    return e;
}

/* Accounts for a child; false when e is now too deep. A NULL child is a failed parse. */
static bool adopt(struct parser *p, struct cel_expr *e, const struct cel_expr *child)
{
    if (child == NULL) {
        return false;
    }
    if (child->depth + 1 > CEL_DEPTH_MAX) {
        parse_fail(p, e->offset, ERR_TOO_LARGE, "the expression is nested too deeply");
        return false;
    }
    if (child->depth + 1 > e->depth) {
        e->depth = (uint16_t)(child->depth + 1);
    }
    return true;
}

/* Grows an arena array by doubling. */
static void *grow(struct parser *p, void *items, size_t count, size_t size)
{
    if (count != 0 && (count < 4 || (count & (count - 1)) != 0)) {
        return items;
    }
    size_t cap = count < 4 ? 4 : count * 2;
    void *larger = arena_zero(p->arena, cap * size);
    if (count > 0) {
        memcpy(larger, items, count * size);
    }
    return larger;
}

/* Expressions up to ')', which is consumed. */
static bool parse_args(struct parser *p, struct cel_expr *call, struct cel_expr ***args,
                       size_t *count)
{
    *args = NULL;
    *count = 0;
    while (!is_punct(p, ")")) {
        if (*count > 0 && !expect(p, ",")) {
            return false;
        }
        struct cel_expr *arg = parse_expr(p);
        if (!adopt(p, call, arg)) {
            return false;
        }
        if (*count == ITEMS_MAX) {
            return parse_fail(p, arg->offset, ERR_TOO_LARGE, "too many arguments") != NULL;
        }
        *args = grow(p, *args, *count, sizeof **args);
        (*args)[(*count)++] = arg;
    }
    return advance(p);
}

/* A call whose '(' is consumed. target is NULL for a global one. */
static struct cel_expr *parse_call(struct parser *p, struct slice name, struct cel_expr *target,
                                   uint32_t offset)
{
    struct cel_expr *call = node(p, CEL_E_CALL, offset);
    call->as.call.name = name;
    struct cel_expr **args;
    size_t count;
    if ((target != NULL && !adopt(p, call, target)) || !parse_args(p, call, &args, &count)) {
        return NULL;
    }
    const char *wrong;
    if (cel_macro_expand(call, target, args, count, &wrong)) {
        return wrong == NULL ? call : parse_fail(p, offset, ERR_UNPROCESSABLE, wrong);
    }
    if (target != NULL) {
        struct cel_expr **all = arena_alloc(p->arena, (count + 1) * sizeof *all);
        all[0] = target;
        if (count > 0) {
            memcpy(all + 1, args, count * sizeof *all);
        }
        args = all;
        count++;
    }
    call->as.call.args = args;
    call->as.call.count = count;
    call->as.call.receiver = target != NULL;
    return call;
}

static bool add_item(struct parser *p, struct cel_expr *e, const struct cel_item *item)
{
    if (e->as.aggregate.count == ITEMS_MAX) {
        return parse_fail(p, e->offset, ERR_TOO_LARGE, "too many elements") != NULL;
    }
    e->as.aggregate.items =
        grow(p, e->as.aggregate.items, e->as.aggregate.count, sizeof *e->as.aggregate.items);
    e->as.aggregate.items[e->as.aggregate.count++] = *item;
    return true;
}

static bool optional_mark(struct parser *p, struct cel_item *item)
{
    item->optional = is_punct(p, "?");
    return !item->optional || advance(p);
}

/* Behind '[' (or '[?', which is a first optional element). */
static struct cel_expr *parse_list(struct parser *p, uint32_t offset, bool first_optional)
{
    struct cel_expr *e = node(p, CEL_E_LIST, offset);
    while (!is_punct(p, "]")) {
        if (e->as.aggregate.count > 0) {
            if (!expect(p, ",")) {
                return NULL;
            }
            if (is_punct(p, "]")) {
                break;
            }
        }
        struct cel_item item = {.optional = first_optional};
        if (!first_optional && !optional_mark(p, &item)) {
            return NULL;
        }
        first_optional = false;
        item.value = parse_expr(p);
        if (!adopt(p, e, item.value) || !add_item(p, e, &item)) {
            return NULL;
        }
    }
    return advance(p) ? e : NULL;
}

/* Behind '{'. */
static struct cel_expr *parse_map(struct parser *p, uint32_t offset)
{
    struct cel_expr *e = node(p, CEL_E_MAP, offset);
    while (!is_punct(p, "}")) {
        if (e->as.aggregate.count > 0) {
            if (!expect(p, ",")) {
                return NULL;
            }
            if (is_punct(p, "}")) {
                break;
            }
        }
        struct cel_item item = {0};
        if (!optional_mark(p, &item)) {
            return NULL;
        }
        item.key = parse_expr(p);
        if (!adopt(p, e, item.key) || !expect(p, ":")) {
            return NULL;
        }
        item.value = parse_expr(p);
        if (!adopt(p, e, item.value) || !add_item(p, e, &item)) {
            return NULL;
        }
    }
    return advance(p) ? e : NULL;
}

/* Behind '{' of "Name{". */
static struct cel_expr *parse_struct(struct parser *p, struct slice type, uint32_t offset)
{
    struct cel_expr *e = node(p, CEL_E_STRUCT, offset);
    e->as.aggregate.type = type;
    while (!is_punct(p, "}")) {
        if (e->as.aggregate.count > 0) {
            if (!expect(p, ",")) {
                return NULL;
            }
            if (is_punct(p, "}")) {
                break;
            }
        }
        struct cel_item item = {0};
        if (!optional_mark(p, &item)) {
            return NULL;
        }
        if (p->token.type != CEL_T_IDENT && p->token.type != CEL_T_QUOTED) {
            return unexpected(p, "a field's name");
        }
        item.field = p->token.text;
        if (!advance(p) || !expect(p, ":")) {
            return NULL;
        }
        item.value = parse_expr(p);
        if (!adopt(p, e, item.value) || !add_item(p, e, &item)) {
            return NULL;
        }
    }
    return advance(p) ? e : NULL;
}

/* "a.b.c" of a chain of plain names, or empty. */
static struct slice qualified(struct parser *p, const struct cel_expr *e)
{
    if (e->kind == CEL_E_NAME) {
        return e->as.name.rooted
                   ? slice_of(arena_printf(p->arena, ".%.*s", SLICE_ARG(e->as.name.text)))
                   : e->as.name.text;
    }
    if (e->kind != CEL_E_SELECT || e->optional) {
        return SLICE("");
    }
    struct slice before = qualified(p, e->as.select.operand);
    if (before.len == 0) {
        return before;
    }
    return slice_of(
        arena_printf(p->arena, "%.*s.%.*s", SLICE_ARG(before), SLICE_ARG(e->as.select.field)));
}

static struct cel_expr *parse_name(struct parser *p, uint32_t offset, bool rooted)
{
    if (p->token.type != CEL_T_IDENT) {
        return unexpected(p, "an expression");
    }
    if (p->token.reserved) {
        p->offset = p->token.offset;
        err_set(p->err, ERR_UNPROCESSABLE, "'%.*s' is a reserved word", SLICE_ARG(p->token.text));
        return NULL;
    }
    struct slice name = p->token.text;
    if (!advance(p)) {
        return NULL;
    }
    if (is_punct(p, "(")) {
        return advance(p) ? parse_call(p, name, NULL, offset) : NULL;
    }
    struct cel_expr *e = node(p, CEL_E_NAME, offset);
    e->as.name.text = name;
    e->as.name.rooted = rooted;
    return e;
}

static struct cel_expr *parse_literal(struct parser *p)
{
    if (p->token.value.type == CEL_INT && p->token.reserved) {
        return parse_fail(p, p->token.offset, ERR_UNPROCESSABLE, "the integer is too large");
    }
    struct cel_expr *e = node(p, CEL_E_LITERAL, p->token.offset);
    e->as.literal = p->token.value;
    return advance(p) ? e : NULL;
}

static struct cel_expr *parse_primary(struct parser *p)
{
    uint32_t offset = p->token.offset;
    if (p->token.type == CEL_T_LITERAL) {
        return parse_literal(p);
    }
    if (is_punct(p, "(")) {
        struct cel_expr *inner = advance(p) ? parse_expr(p) : NULL;
        return inner != NULL && expect(p, ")") ? inner : NULL;
    }
    if (is_punct(p, "[") || is_punct(p, "[?")) {
        bool optional = is_punct(p, "[?");
        return advance(p) ? parse_list(p, offset, optional) : NULL;
    }
    if (is_punct(p, "{")) {
        return advance(p) ? parse_map(p, offset) : NULL;
    }
    if (is_punct(p, ".")) {
        return advance(p) ? parse_name(p, offset, true) : NULL;
    }
    return parse_name(p, offset, false);
}

/* ".field", ".?field" or ".method(...)" behind operand; the dot is consumed. */
static struct cel_expr *parse_dotted(struct parser *p, struct cel_expr *operand, bool optional)
{
    uint32_t offset = p->token.offset;
    if (p->token.type != CEL_T_IDENT && p->token.type != CEL_T_QUOTED) {
        return unexpected(p, "a field's name");
    }
    bool quoted = p->token.type == CEL_T_QUOTED;
    struct slice field = p->token.text;
    if (!advance(p)) {
        return NULL;
    }
    if (is_punct(p, "(") && !quoted && !optional) {
        return advance(p) ? parse_call(p, field, operand, offset) : NULL;
    }
    struct cel_expr *e = node(p, CEL_E_SELECT, offset);
    e->optional = optional;
    e->as.select.operand = operand;
    e->as.select.field = field;
    return adopt(p, e, operand) ? e : NULL;
}

static struct cel_expr *parse_index(struct parser *p, struct cel_expr *operand, bool optional)
{
    struct cel_expr *e = node(p, CEL_E_INDEX, p->token.offset);
    e->optional = optional;
    e->as.index.operand = operand;
    e->as.index.key = parse_expr(p);
    if (!adopt(p, e, operand) || !adopt(p, e, e->as.index.key) || !expect(p, "]")) {
        return NULL;
    }
    return e;
}

static struct cel_expr *parse_member(struct parser *p)
{
    struct cel_expr *e = parse_primary(p);
    while (e != NULL) {
        uint32_t offset = e->offset;
        if (is_punct(p, ".") || is_punct(p, ".?")) {
            bool optional = is_punct(p, ".?");
            e = advance(p) ? parse_dotted(p, e, optional) : NULL;
        } else if (is_punct(p, "[") || is_punct(p, "[?")) {
            bool optional = is_punct(p, "[?");
            e = advance(p) ? parse_index(p, e, optional) : NULL;
        } else if (is_punct(p, "{") && qualified(p, e).len > 0) {
            e = advance(p) ? parse_struct(p, qualified(p, e), offset) : NULL;
        } else {
            break;
        }
    }
    return e;
}

static struct cel_expr *parse_prefixed(struct parser *p, enum cel_kind kind)
{
    uint32_t offset = p->token.offset;
    const char *sign = kind == CEL_E_NOT ? "!" : "-";
    size_t count = 0;
    while (is_punct(p, sign)) {
        count++;
        if (!advance(p)) {
            return NULL;
        }
    }
    /* The last '-' belongs to a number, which is then a literal: -9223372036854775808 is one. */
    if (kind == CEL_E_NEGATE && cel_lex_negate(&p->token)) {
        count--;
    }
    struct cel_expr *operand = parse_member(p);
    /* !!!!x is !!x: the type is still checked, and no node is wasted on the rest. */
    count = count > 2 ? 2 - count % 2 : count;
    for (; operand != NULL && count > 0; count--) {
        struct cel_expr *e = node(p, kind, offset);
        e->as.binary.left = operand;
        operand = adopt(p, e, operand) ? e : NULL;
    }
    return operand;
}

static struct cel_expr *parse_unary(struct parser *p)
{
    if (is_punct(p, "!")) {
        return parse_prefixed(p, CEL_E_NOT);
    }
    if (is_punct(p, "-")) {
        return parse_prefixed(p, CEL_E_NEGATE);
    }
    return parse_member(p);
}

struct operator_row {
    const char *text;
    int level;
    enum cel_kind kind;
    enum cel_op op;
};

static const struct operator_row *operator_of(const struct parser *p)
{
    static const struct operator_row operators[] = {
        {"||", 1, CEL_E_OR, CEL_OP_EQ},     {"&&", 2, CEL_E_AND, CEL_OP_EQ},
        {"<", 3, CEL_E_BINARY, CEL_OP_LT},  {"<=", 3, CEL_E_BINARY, CEL_OP_LE},
        {">", 3, CEL_E_BINARY, CEL_OP_GT},  {">=", 3, CEL_E_BINARY, CEL_OP_GE},
        {"==", 3, CEL_E_BINARY, CEL_OP_EQ}, {"!=", 3, CEL_E_BINARY, CEL_OP_NE},
        {"in", 3, CEL_E_BINARY, CEL_OP_IN}, {"+", 4, CEL_E_BINARY, CEL_OP_ADD},
        {"-", 4, CEL_E_BINARY, CEL_OP_SUB}, {"*", 5, CEL_E_BINARY, CEL_OP_MUL},
        {"/", 5, CEL_E_BINARY, CEL_OP_DIV}, {"%", 5, CEL_E_BINARY, CEL_OP_MOD},
    };
    if (p->token.type != CEL_T_PUNCT && p->token.type != CEL_T_IN) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (p->token.text.data[0] == operators[i].text[0] &&
            slice_eq_cstr(p->token.text, operators[i].text)) {
            return &operators[i];
        }
    }
    return NULL;
}

/* Operators of at least this level, left to right. */
static struct cel_expr *parse_binary(struct parser *p, int level)
{
    struct cel_expr *left = parse_unary(p);
    const struct operator_row *row = operator_of(p);
    while (left != NULL && row != NULL && row->level >= level) {
        struct cel_expr *e = node(p, row->kind, p->token.offset);
        e->as.binary.op = row->op;
        e->as.binary.left = left;
        if (!advance(p)) {
            return NULL;
        }
        e->as.binary.right = parse_binary(p, row->level + 1);
        if (!adopt(p, e, left) || !adopt(p, e, e->as.binary.right)) {
            return NULL;
        }
        left = e;
        row = operator_of(p);
    }
    return left;
}

static struct cel_expr *parse_choice(struct parser *p)
{
    struct cel_expr *condition = parse_binary(p, 1);
    if (condition == NULL || !is_punct(p, "?")) {
        return condition;
    }
    struct cel_expr *e = node(p, CEL_E_CHOICE, p->token.offset);
    e->as.binary.condition = condition;
    if (!advance(p)) {
        return NULL;
    }
    e->as.binary.left = parse_binary(p, 1);
    if (e->as.binary.left == NULL || !expect(p, ":")) {
        return NULL;
    }
    e->as.binary.right = parse_expr(p);
    if (!adopt(p, e, condition) || !adopt(p, e, e->as.binary.left) ||
        !adopt(p, e, e->as.binary.right)) {
        return NULL;
    }
    return e;
}

static struct cel_expr *parse_expr(struct parser *p)
{
    if (p->depth == CEL_DEPTH_MAX) {
        return parse_fail(p, p->token.offset, ERR_TOO_LARGE, "the expression is nested too deeply");
    }
    p->depth++;
    struct cel_expr *e = parse_choice(p);
    p->depth--;
    return e;
}

int cel_parse(struct arena *arena, struct slice source, struct cel_expr **tree, uint32_t *offset,
              struct err *err)
{
    struct err local = {0};
    struct parser p = {.arena = arena, .err = err != NULL ? err : &local};
    *offset = 0;
    if (source.len > CEL_SOURCE_MAX) {
        return err_set(err, ERR_TOO_LARGE, "the expression is longer than %d bytes",
                       CEL_SOURCE_MAX);
    }
    p.lexer = (struct cel_lexer){.source = source, .arena = arena};
    *tree = advance(&p) ? parse_expr(&p) : NULL;
    if (*tree != NULL && p.token.type != CEL_T_END) {
        *tree = unexpected(&p, "an operator or the end");
    }
    *offset = p.offset;
    return *tree != NULL ? 0 : p.err->code;
}
