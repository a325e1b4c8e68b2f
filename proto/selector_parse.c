/* selector_parse.c: texts to terms.
 *
 * Labels are cut at the commas that are not in parentheses, and each requirement is looked at as a
 * set (in, notin), an equation, then a key alone. Fields are equations, of fields that the kind has
 * for it. A Kubernetes LabelSelector is written as the text of the same and read as that.
 * Failure path: the first requirement that is none is named, and nothing is left. */
#include "proto/selector.h"

#include <string.h>

#include "proto/kind.h"
#include "proto/selector_internal.h"
#include "proto/tree_internal.h"

static struct selector__term *add_term(struct selector *s, struct selector__term **list,
                                       size_t *count)
{
    if (*list == NULL) {
        *list = arena_zero(&s->arena, SELECTOR_TERMS_MAX * sizeof(**list));
    }
    return *count < SELECTOR_TERMS_MAX ? &(*list)[(*count)++] : NULL;
}

static int syntax(struct err *err, struct slice text, const char *why)
{
    return err_set(err, ERR_INVALID, "unable to parse requirement \"%.*s\": %s", SLICE_ARG(text),
                   why);
}

/* ---- labels ---- */

/* Cuts one requirement: up to a comma that is not inside parentheses. */
static struct slice cut_requirement(struct slice *rest)
{
    int depth = 0;
    size_t i = 0;
    for (; i < rest->len; i++) {
        char c = rest->data[i];
        depth += c == '(' ? 1 : (c == ')' ? -1 : 0);
        if (c == ',' && depth <= 0) {
            break;
        }
    }
    struct slice part = slice_trim(slice_sub(*rest, 0, i));
    *rest = slice_sub(*rest, i + 1, SIZE_MAX);
    return part;
}

static int parse_set(struct selector *s, struct selector__term *term, struct slice text,
                     struct slice whole, struct err *err)
{
    text = slice_trim(text);
    if (text.len < 2 || text.data[0] != '(' || text.data[text.len - 1] != ')') {
        return syntax(err, whole, "expected a list in parentheses");
    }
    struct slice rest = slice_sub(text, 1, text.len - 2);
    struct slice value;
    bool any = false;
    while (slice_split(&rest, ',', &value)) {
        value = slice_trim(value);
        if (schema_label_value(value) != NULL) {
            return syntax(err, whole, schema_label_value(value));
        }
        if (term->value_count >= SELECTOR_TERMS_MAX) {
            return syntax(err, whole, "too many values");
        }
        selector__add_value(s, term, value);
        any = true;
    }
    if (!any) {
        selector__add_value(s, term, SLICE(""));
    }
    return 0;
}

static int set_key(struct selector *s, struct selector__term *term, struct slice key,
                   struct slice whole, struct err *err)
{
    key = slice_trim(key);
    if (schema_label_key(key) != NULL) {
        return syntax(err, whole, schema_label_key(key));
    }
    term->key = arena_cstr(&s->arena, key);
    return 0;
}

/* "k in (a,b)" and "k notin (a)": true if text is one; where the operator's word starts and ends.
 */
static bool find_word(struct slice text, size_t *from, size_t *to, enum selector__op *op)
{
    size_t i = 0;
    while (i < text.len && text.data[i] != ' ' && text.data[i] != '\t') {
        i++;
    }
    *from = i;
    while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\t')) {
        i++;
    }
    struct slice word = slice_sub(text, i, SIZE_MAX);
    if (slice_starts_with(word, SLICE("in")) && (word.len == 2 || strchr(" (\t", word.data[2]))) {
        *op = OP_IN;
        *to = i + 2;
        return true;
    }
    if (slice_starts_with(word, SLICE("notin")) &&
        (word.len == 5 || strchr(" (\t", word.data[5]))) {
        *op = OP_NOT_IN;
        *to = i + 5;
        return true;
    }
    return false;
}

/* key=value, key==value, key!=value: true if text is one. */
static bool split_equation(struct slice text, struct slice *key, struct slice *value,
                           enum selector__op *op)
{
    size_t equal = slice_find(text, SLICE("="));
    if (equal == SIZE_MAX) {
        return false;
    }
    bool differs = equal > 0 && text.data[equal - 1] == '!';
    *op = differs ? OP_NOT_IN : OP_IN;
    *key = slice_trim(slice_sub(text, 0, differs ? equal - 1 : equal));
    size_t from = equal + 1;
    if (!differs && from < text.len && text.data[from] == '=') {
        from++;
    }
    *value = slice_trim(slice_sub(text, from, SIZE_MAX));
    return true;
}

static int parse_label(struct selector *s, struct slice text, struct err *err)
{
    struct selector__term *term = add_term(s, &s->labels, &s->label_count);
    if (term == NULL) {
        return syntax(err, text, "too many requirements");
    }
    size_t from = 0;
    size_t to = 0;
    struct slice key = text;
    struct slice value;
    if (find_word(text, &from, &to, &term->op)) {
        int rc = set_key(s, term, slice_sub(text, 0, from), text, err);
        return rc != 0 ? rc : parse_set(s, term, slice_sub(text, to, SIZE_MAX), text, err);
    }
    if (split_equation(text, &key, &value, &term->op)) {
        if (schema_label_value(value) != NULL) {
            return syntax(err, text, schema_label_value(value));
        }
        selector__add_value(s, term, value);
        return set_key(s, term, key, text, err);
    }
    term->op = OP_EXISTS;
    if (key.len > 0 && key.data[0] == '!') {
        term->op = OP_ABSENT;
        key = slice_sub(key, 1, SIZE_MAX);
    }
    return set_key(s, term, key, text, err);
}

/* ---- fields ---- */

/* Where in the object it is. */
static bool selectable(const struct kind *kind, struct slice field, struct slice *path)
{
    *path = field;
    if (slice_eq_cstr(field, "metadata.name") || slice_eq_cstr(field, "metadata.namespace")) {
        return true;
    }
    for (size_t i = 0; kind != NULL && i < kind->selectable_count; i++) {
        if (slice_eq(kind->selectables[i].field, field)) {
            *path = kind->selectables[i].path;
            return true;
        }
    }
    return false;
}

static int parse_field(struct selector *s, struct slice text, const struct kind *kind,
                       struct err *err)
{
    struct selector__term *term = add_term(s, &s->fields, &s->field_count);
    struct slice field;
    struct slice value;
    struct slice rest;
    if (term == NULL) {
        return syntax(err, text, "too many requirements");
    }
    if (!split_equation(text, &field, &value, &term->op)) {
        return err_set(err, ERR_INVALID, "invalid field selector \"%.*s\": no operator",
                       SLICE_ARG(text));
    }
    if (!selectable(kind, field, &rest)) {
        return err_set(err, ERR_INVALID, "field label not supported: %.*s", SLICE_ARG(field));
    }
    struct slice step;
    size_t steps = 0;
    while (steps + 1 < sizeof(term->steps) / sizeof(term->steps[0]) &&
           slice_split(&rest, '.', &step)) {
        term->steps[steps++] = arena_cstr(&s->arena, step);
    }
    term->key = arena_cstr(&s->arena, field);
    selector__add_value(s, term, value);
    return 0;
}

/* ---- whole selectors ---- */

static int parse_into(struct selector *s, struct slice labels, struct slice fields,
                      const struct kind *kind, struct err *err)
{
    if (labels.len + fields.len > SELECTOR_BYTES_MAX) {
        return err_set(err, ERR_INVALID, "selector is longer than %d bytes", SELECTOR_BYTES_MAX);
    }
    s->label_text = arena_copy(&s->arena, labels);
    s->field_text = arena_copy(&s->arena, fields);
    int rc = 0;
    while (rc == 0 && labels.len > 0) {
        rc = parse_label(s, cut_requirement(&labels), err);
    }
    struct slice part;
    while (rc == 0 && slice_split(&fields, ',', &part)) {
        part = slice_trim(part);
        rc = part.len > 0 ? parse_field(s, part, kind, err) : 0;
    }
    return rc;
}

int selector_parse(struct slice labels, struct slice fields, const struct kind *kind,
                   struct selector **out, struct err *err)
{
    *out = NULL;
    labels = slice_trim(labels);
    fields = slice_trim(fields);
    if (labels.len == 0 && fields.len == 0) {
        return 0;
    }
    struct selector *s = selector__new();
    int rc = parse_into(s, labels, fields, kind, err);
    if (rc != 0) {
        selector_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* One matchExpressions item, as the text form of the same. */
static int expression_text(const json_t *item, struct buf *text, struct err *err)
{
    struct slice key = json_text_at(item, "key");
    struct slice op = json_text_at(item, "operator");
    const json_t *values = json_object_get(item, "values");
    if (text->len > 0) {
        buf_add_char(text, ',');
    }
    if (slice_eq_cstr(op, "Exists") || slice_eq_cstr(op, "DoesNotExist")) {
        buf_addf(text, "%s%.*s", slice_eq_cstr(op, "Exists") ? "" : "!", SLICE_ARG(key));
        return 0;
    }
    bool in = slice_eq_cstr(op, "In");
    if ((!in && !slice_eq_cstr(op, "NotIn")) || json_array_size(values) == 0) {
        return err_set(err, ERR_INVALID,
                       "label selector: \"%.*s\" with %zu values is no valid operator for \"%.*s\"",
                       SLICE_ARG(op), json_array_size(values), SLICE_ARG(key));
    }
    buf_addf(text, "%.*s %s (", SLICE_ARG(key), in ? "in" : "notin");
    for (size_t i = 0; i < json_array_size(values); i++) {
        struct slice value = json_text(json_array_get(values, i));
        if (schema_label_value(value) != NULL) { /* also keeps commas out */
            return err_set(err, ERR_INVALID, "label selector: value \"%.*s\": %s", SLICE_ARG(value),
                           schema_label_value(value));
        }
        buf_addf(text, "%s%.*s", i > 0 ? "," : "", SLICE_ARG(value));
    }
    buf_add_char(text, ')');
    return 0;
}

static int selector_json_text(const json_t *selector, struct buf *text, struct err *err)
{
    TREE_EACH(it, json_object_get(selector, "matchLabels"))
    {
        struct slice value = json_text(json_object_iter_value(it));
        if (schema_label_key(tree_key(it)) != NULL || schema_label_value(value) != NULL) {
            return err_set(err, ERR_INVALID, "label selector: \"%.*s\": \"%.*s\" is no valid label",
                           SLICE_ARG(tree_key(it)), SLICE_ARG(value));
        }
        buf_addf(text, "%s%.*s=%.*s", text->len > 0 ? "," : "", SLICE_ARG(tree_key(it)),
                 SLICE_ARG(value));
    }
    const json_t *expressions = json_object_get(selector, "matchExpressions");
    for (size_t i = 0; i < json_array_size(expressions); i++) {
        const json_t *item = json_array_get(expressions, i);
        if (schema_label_key(json_text_at(item, "key")) != NULL) {
            return err_set(err, ERR_INVALID, "label selector: \"%.*s\" is no valid key",
                           SLICE_ARG(json_text_at(item, "key")));
        }
        int rc = expression_text(item, text, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int selector_from_json(const json_t *label_selector, struct selector **out, struct err *err)
{
    *out = NULL;
    if (label_selector == NULL || json_is_null(label_selector)) {
        *out = selector__new();
        (*out)->nothing = true;
        return 0;
    }
    struct buf text = {0};
    int rc = selector_json_text(label_selector, &text, err);
    if (rc == 0) {
        rc = selector_parse(buf_slice(&text), SLICE(""), NULL, out, err);
    }
    buf_free(&text);
    return rc;
}
