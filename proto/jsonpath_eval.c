/* jsonpath_eval.c: what a parsed template makes of an object.
 *
 * Steps turn one list of values into the next. Values are borrowed, from the object or from the
 * path's literals, so nothing is counted. Recursion is bounded: over nodes by the parser's depth,
 * over values by json_parse()'s. */
#include <stdlib.h>
#include <string.h>

#include "proto/jsonpath_internal.h"
#include "proto/tree_internal.h"

static int add(struct jsonpath_values *values, const json_t *value, struct err *err)
{
    if (values->count == JSONPATH_RESULTS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "JSONPath: more than %d results", JSONPATH_RESULTS_MAX);
    }
    if (values->count == values->cap) {
        values->cap = values->cap > 0 ? values->cap * 2 : 16;
        values->items = mem_resize(values->items, values->cap * sizeof *values->items);
    }
    values->items[values->count++] = value;
    return 0;
}

void jsonpath_values_free(struct jsonpath_values *values)
{
    free(values->items);
    *values = (struct jsonpath_values){0};
}

static int eval_steps(const struct jsonpath_node *steps, const json_t *value,
                      struct jsonpath_values *out, struct err *err);

static int eval_field(const struct jsonpath_node *node, const json_t *value,
                      struct jsonpath_values *out, struct err *err)
{
    const json_t *member = tree_get(value, node->name);
    if (member != NULL) {
        return add(out, member, err);
    }
    return node->second != NULL ? eval_steps(node->second, value, out, err) : 0;
}

/* Members or items. */
static int eval_wildcard(const json_t *value, struct jsonpath_values *out, struct err *err)
{
    int rc = 0;
    TREE_EACH(it, value)
    {
        rc = rc != 0 ? rc : add(out, json_object_iter_value(it), err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        rc = add(out, json_array_get(value, i), err);
    }
    return rc;
}

/* The value, then what it holds, depth first; scalars and empty ones are left out. */
static int eval_recursive(const json_t *value, struct jsonpath_values *out, struct err *err)
{
    if (json_object_size(value) == 0 && json_array_size(value) == 0) {
        return 0;
    }
    int rc = add(out, value, err);
    TREE_EACH(it, value)
    {
        rc = rc != 0 ? rc : eval_recursive(json_object_iter_value(it), out, err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        rc = eval_recursive(json_array_get(value, i), out, err);
    }
    return rc;
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "a boolean",
        [JSON_FALSE] = "a boolean",  [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

static int eval_slice(const struct jsonpath_node *node, const json_t *value,
                      struct jsonpath_values *out, struct err *err)
{
    if (json_is_null(value)) {
        return 0;
    }
    if (!json_is_array(value)) {
        return err_set(err, ERR_INVALID, "JSONPath: %s has no indices", type_name(value));
    }
    int64_t size = (int64_t)json_array_size(value);
    int64_t from = node->has_from ? node->from : 0;
    int64_t to = node->has_to ? node->to : size;
    from += from < 0 ? size : 0;
    to += to < 0 || (node->single && node->from == -1) ? size : 0;
    if (from > to) {
        return err_set(err, ERR_INVALID, "JSONPath: from %lld to %lld is no range", (long long)from,
                       (long long)to);
    }
    if (from != to && (from < 0 || from >= size || to > size)) {
        return err_set(err, ERR_INVALID, "JSONPath: index %lld of a list of %lld",
                       (long long)(from < 0 || from >= size ? from : to - 1), (long long)size);
    }
    int rc = 0;
    for (int64_t i = from; rc == 0 && i < to; i += node->step) {
        rc = add(out, json_array_get(value, (size_t)i), err);
    }
    return rc;
}

/* ---- filters ---- */

/* -1, 0, 1 in *result. Texts with texts, numbers with numbers, booleans with booleans. */
static int compare(const json_t *a, const json_t *b, enum jsonpath_op op, int *result,
                   struct err *err)
{
    bool equality = op == JSONPATH_EQ || op == JSONPATH_NE;
    if (json_is_string(a) && json_is_string(b)) {
        *result = slice_cmp(json_text(a), json_text(b));
    } else if (json_is_integer(a) && json_is_integer(b)) {
        *result = (json_integer_value(a) > json_integer_value(b)) -
                  (json_integer_value(a) < json_integer_value(b));
    } else if (json_is_number(a) && json_is_number(b)) {
        *result = (json_number_value(a) > json_number_value(b)) -
                  (json_number_value(a) < json_number_value(b));
    } else if (json_is_boolean(a) && json_is_boolean(b) && equality) {
        *result = json_is_true(a) != json_is_true(b);
    } else {
        return err_set(err, ERR_INVALID, "JSONPath: cannot compare %s with %s", type_name(a),
                       type_name(b));
    }
    return 0;
}

static bool holds(enum jsonpath_op op, int cmp)
{
    switch (op) {
    case JSONPATH_EQ:
        return cmp == 0;
    case JSONPATH_NE:
        return cmp != 0;
    case JSONPATH_LT:
        return cmp < 0;
    case JSONPATH_LE:
        return cmp <= 0;
    case JSONPATH_GT:
        return cmp > 0;
    case JSONPATH_GE:
        return cmp >= 0;
    case JSONPATH_EXISTS:
        return true;
    }
    return false;
}

/* An item where the left side is not there does not pass. */
static int passes(const struct jsonpath_node *node, const json_t *item, bool *pass, struct err *err)
{
    struct jsonpath_values left = {0};
    struct jsonpath_values right = {0};
    int cmp = 0;
    int rc = eval_steps(node->first, item, &left, err);
    *pass = rc == 0 && left.count > 0;
    if (*pass && node->op != JSONPATH_EXISTS) {
        rc = eval_steps(node->second, item, &right, err);
        if (rc == 0 && (left.count > 1 || right.count > 1)) {
            rc = err_set(err, ERR_INVALID, "JSONPath: a filter compares one value with one");
        }
        if (rc == 0 && right.count == 1) {
            rc = compare(left.items[0], right.items[0], node->op, &cmp, err);
        }
        *pass = rc == 0 && right.count == 1 && holds(node->op, cmp);
    }
    jsonpath_values_free(&left);
    jsonpath_values_free(&right);
    return rc;
}

static int eval_filter(const struct jsonpath_node *node, const json_t *value,
                       struct jsonpath_values *out, struct err *err)
{
    int rc = 0;
    if (!json_is_array(value)) {
        return err_set(err, ERR_INVALID, "JSONPath: %s cannot be filtered", type_name(value));
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        bool pass = false;
        rc = passes(node, json_array_get(value, i), &pass, err);
        if (rc == 0 && pass) {
            rc = add(out, json_array_get(value, i), err);
        }
    }
    return rc;
}

/* ---- steps ---- */

static int eval_step(const struct jsonpath_node *node, const json_t *value,
                     struct jsonpath_values *out, struct err *err)
{
    switch (node->type) {
    case JSONPATH_LITERAL:
        return add(out, node->literal, err);
    case JSONPATH_FIELD:
        return eval_field(node, value, out, err);
    case JSONPATH_WILDCARD:
        return eval_wildcard(value, out, err);
    case JSONPATH_SLICE:
        return eval_slice(node, value, out, err);
    case JSONPATH_FILTER:
        return eval_filter(node, value, out, err);
    case JSONPATH_RECURSIVE:
        return eval_recursive(value, out, err);
    case JSONPATH_UNION: /* eval_steps() knows */
    case JSONPATH_ACTION:
    case JSONPATH_RANGE:
        break;
    }
    return 0;
}

/* All values through one step. A text stands for itself, once; a union's alternatives come one
 * after the other, each over all values. */
static int eval_list(const struct jsonpath_node *node, const struct jsonpath_values *in,
                     struct jsonpath_values *out, struct err *err)
{
    int rc = 0;
    if (node->type == JSONPATH_LITERAL && json_is_string(node->literal)) {
        return add(out, node->literal, err);
    }
    if (node->type == JSONPATH_UNION) {
        for (const struct jsonpath_node *a = node->first; rc == 0 && a != NULL; a = a->next) {
            rc = eval_list(a->first, in, out, err);
        }
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < in->count; i++) {
        rc = eval_step(node, in->items[i], out, err);
    }
    return rc;
}

static int eval_steps(const struct jsonpath_node *steps, const json_t *value,
                      struct jsonpath_values *out, struct err *err)
{
    struct jsonpath_values now = {0};
    int rc = add(&now, value, err);
    for (const struct jsonpath_node *s = steps; rc == 0 && s != NULL; s = s->next) {
        struct jsonpath_values next = {0};
        rc = eval_list(s, &now, &next, err);
        jsonpath_values_free(&now);
        now = next;
    }
    for (size_t i = 0; rc == 0 && i < now.count; i++) {
        rc = add(out, now.items[i], err);
    }
    jsonpath_values_free(&now);
    return rc;
}

/* ---- parts ---- */

/* Each expression's values go to each(). */
typedef int (*each_cb)(void *user, const struct jsonpath_values *values, struct err *err);

static int run(const struct jsonpath_node *parts, const json_t *value, each_cb each, void *user,
               struct err *err)
{
    int rc = 0;
    for (const struct jsonpath_node *part = parts; rc == 0 && part != NULL; part = part->next) {
        struct jsonpath_values values = {0};
        rc = part->type == JSONPATH_LITERAL ? add(&values, part->literal, err)
                                            : eval_steps(part->first, value, &values, err);
        if (rc == 0 && part->type != JSONPATH_RANGE) {
            rc = each(user, &values, err);
        }
        for (size_t i = 0; rc == 0 && part->type == JSONPATH_RANGE && i < values.count; i++) {
            rc = run(part->second, values.items[i], each, user, err);
        }
        jsonpath_values_free(&values);
    }
    return rc;
}

void jsonpath_value_text(const json_t *value, struct buf *out)
{
    if (json_is_string(value)) {
        buf_add(out, json_text(value));
    } else {
        json_canonical(value, out);
    }
}

static int print_values(void *user, const struct jsonpath_values *values, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < values->count; i++) {
        if (i > 0) {
            buf_add_char(user, ' ');
        }
        jsonpath_value_text(values->items[i], user);
    }
    return 0;
}

int jsonpath_print(const struct jsonpath *path, const json_t *object, struct buf *out,
                   struct err *err)
{
    return run(path->parts, object, print_values, out, err);
}

static int keep_values(void *user, const struct jsonpath_values *values, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < values->count; i++) {
        rc = add(user, values->items[i], err);
    }
    return rc;
}

int jsonpath_find(const struct jsonpath *path, const json_t *object, struct jsonpath_values *values,
                  struct err *err)
{
    return run(path->parts, object, keep_values, values, err);
}
