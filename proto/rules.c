/* The rules of a schema that are expressions (schema_validate_rules() of schema.h).
 *
 * Happy path: walk value and schema together, and what the value was beside them; at each schema
 * with rules evaluate them with self and oldSelf. Members of objects and items of map lists are
 * found again in the old value by their keys; items of other lists cannot be, so that below them
 * everything is new. Rules about changes hold only where there is an old value, the others only
 * where the value is not the same: a value that a stricter schema would refuse may stay as it is.
 * Failure path: a rule that is false is a cause, in its own words if it has some; one that fails is
 * a cause that says how. All together have one budget: when it is spent, one cause says so, and the
 * walk ends. */
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

enum { RULE_SHOWN_MAX = 400 };

struct ruling {
    struct causes *causes;
    struct buf path;
    uint64_t budget;
    bool spent;
};

static void rule_value(struct ruling *r, const struct schema *schema, const json_t *value,
                       const json_t *old);

/* ---- one rule ---- */

static struct slice short_text(struct slice text)
{
    text = slice_sub(text, 0, RULE_SHOWN_MAX);
    return slice_sub(text, 0, slice_utf8(text));
}

/* What a broken rule tells: what its expression makes, its message, or the rule. */
static void say(struct ruling *r, const struct schema_rule *rule,
                const struct expression_value values[2], struct buf *text)
{
    json_t *made = NULL;
    if (rule->message_code != NULL &&
        rule->by->eval(rule->message_code, values, &r->budget, &made, NULL) == 0 &&
        slice_trim(json_text(made)).len > 0) {
        buf_add(text, short_text(json_text(made)));
    } else if (rule->message.len > 0) {
        buf_add(text, short_text(rule->message));
    } else {
        buf_addf(text, "failed rule: %.*s", SLICE_ARG(short_text(rule->rule)));
    }
    json_decref(made);
}

static void add_cause(struct ruling *r, const struct schema_rule *rule, const json_t *value,
                      struct slice text)
{
    struct buf shown = {0};
    if (json_is_object(value) || json_is_array(value)) {
        buf_add_cstr(&shown, json_is_object(value) ? "\"object\"" : "\"array\"");
    } else {
        json_canonical(value, &shown);
    }
    struct slice cut = short_text(buf_slice(&shown));
    size_t before = r->path.len;
    if (rule->field.len > 0) {
        bool member = rule->field.data[0] == '.';
        buf_add(&r->path,
                before == 0 && member ? slice_sub(rule->field, 1, SIZE_MAX) : rule->field);
    }
    struct slice field = buf_slice(&r->path);
    if (rule->kind == CAUSE_REQUIRED) {
        cause_add(r->causes, CAUSE_REQUIRED, field, "Required value: %.*s", SLICE_ARG(text));
    } else if (rule->kind == CAUSE_FORBIDDEN) {
        cause_add(r->causes, CAUSE_FORBIDDEN, field, "Forbidden: %.*s", SLICE_ARG(text));
    } else if (rule->kind == CAUSE_DUPLICATE) {
        cause_add(r->causes, CAUSE_DUPLICATE, field, "Duplicate value: %.*s", SLICE_ARG(cut));
    } else {
        cause_add(r->causes, CAUSE_INVALID, field, "Invalid value: %.*s: %.*s", SLICE_ARG(cut),
                  SLICE_ARG(text));
    }
    r->path.len = before;
    buf_free(&shown);
}

static void apply_rule(struct ruling *r, const struct schema *schema,
                       const struct schema_rule *rule, const json_t *value, const json_t *old)
{
    const struct expression_value values[2] = {
        {.json = value, .schema = schema},
        {.json = old, .schema = schema, .optional = rule->optional_old}};
    if (rule->code == NULL || (rule->transition && !rule->optional_old && old == NULL)) {
        return;
    }
    struct err err = {0};
    struct buf text = {0};
    json_t *result = NULL;
    int rc = rule->by->eval(rule->code, values, &r->budget, &result, &err);
    if (rc == ERR_TOO_LARGE) {
        r->spent = true;
        cause_add(r->causes, CAUSE_FORBIDDEN, buf_slice(&r->path),
                  "Forbidden: the rules of the schema cost too much for this value; no further "
                  "rule is evaluated: %s",
                  err.message);
    } else if (!rule->transition && old != NULL && json_equal(old, value)) {
        /* true or not, it is as it was */
    } else if (rc != 0) {
        buf_addf(&text, "rule \"%.*s\": %s", SLICE_ARG(short_text(rule->rule)), err.message);
        add_cause(r, rule, value, buf_slice(&text));
    } else if (!json_is_true(result)) {
        say(r, rule, values, &text);
        add_cause(r, rule, value, buf_slice(&text));
    }
    json_decref(result);
    buf_free(&text);
}

/* ---- the walk ---- */

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void rule_object(struct ruling *r, const struct schema *schema, const json_t *value,
                        const json_t *old)
{
    TREE_EACH(it, value)
    {
        struct slice name = tree_key(it);
        const struct schema *member = schema_member(schema, name);
        if (member == NULL || !member->has_rules) {
            continue;
        }
        size_t before = schema_field(schema, name) != NULL ? schema__path_member(&r->path, name)
                                                           : schema__path_key(&r->path, name);
        rule_value(r, member, json_object_iter_value(it), tree_get(old, name));
        r->path.len = before;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void rule_list(struct ruling *r, const struct schema *schema, const json_t *value,
                      const json_t *old)
{
    struct correlation were;
    if (schema->items == NULL || !schema->items->has_rules) {
        return;
    }
    schema__correlate(&were, schema, old);
    for (size_t i = 0; i < json_array_size(value) && !r->spent; i++) {
        const json_t *item = json_array_get(value, i);
        size_t before = schema__path_index(&r->path, i);
        rule_value(r, schema->items, item, schema__old_item(&were, item));
        r->path.len = before;
    }
    schema__correlate_end(&were);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void rule_value(struct ruling *r, const struct schema *schema, const json_t *value,
                       const json_t *old)
{
    const struct schema_more *more = schema->more;
    if (json_is_null(value)) {
        return;
    }
    for (size_t i = 0; more != NULL && i < more->rule_count && !r->spent; i++) {
        apply_rule(r, schema, &more->rules[i], value, json_is_null(old) ? NULL : old);
    }
    if (r->spent) {
        return;
    }
    if (json_is_object(value)) {
        rule_object(r, schema, value, old);
    } else if (json_is_array(value)) {
        rule_list(r, schema, value, old);
    }
}

void schema_validate_rules(const struct schema *schema, const json_t *value, const json_t *old,
                           struct slice path, struct causes *causes)
{
    struct ruling r = {.causes = causes, .budget = SCHEMA_RULES_BUDGET};
    if (schema == NULL || !schema->has_rules) {
        return;
    }
    buf_add(&r.path, path);
    rule_value(&r, schema, value, old);
    buf_free(&r.path);
}
