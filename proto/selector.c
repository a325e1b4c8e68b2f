/* Label and field selectors.
 *
 * A selector is one allocation: the struct, its arena with the terms, and quoted forms of keys and
 * values. Matching compares raw canonical JSON: a label's value in stored bytes is the quoted form
 * of a term's value, byte for byte, because both come from json_quote(). */
#include "proto/selector.h"

#include <stdlib.h>

#include "proto/kind.h"
#include "proto/tree_internal.h"

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT };

struct term {
    enum op op;
    char *key; /* of a label; of a field, its last step */
    const char *steps[SELECTOR_STEPS_MAX +
                      1]; /* of a field: the path to it, NULL-terminated; unused for a label */
    struct slice *values; /* quoted */
    struct slice *plain;
    size_t value_count;
};

struct selector {
    struct arena arena;
    struct term *labels;
    size_t label_count;
    struct term *fields;
    size_t field_count;
    bool nothing;
    struct slice label_text; /* what it was made from, for copies and messages */
    struct slice field_text;
};

/* ---- parsing: shared ---- */

static void add_value(struct selector *s, struct term *term, struct slice value)
{
    struct buf quoted = {0};
    json_quote(&quoted, value);
    size_t n = term->value_count;
    struct slice *values = arena_alloc(&s->arena, (n + 1) * sizeof(*values));
    struct slice *plain = arena_alloc(&s->arena, (n + 1) * sizeof(*plain));
    if (n > 0) {
        memcpy(values, term->values, n * sizeof(*values));
        memcpy(plain, term->plain, n * sizeof(*plain));
    }
    values[n] = arena_copy(&s->arena, buf_slice(&quoted));
    plain[n] = arena_copy(&s->arena, value);
    term->values = values;
    term->plain = plain;
    term->value_count = n + 1;
    buf_free(&quoted);
}

static struct term *add_term(struct selector *s, struct term **list, size_t *count)
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

static int parse_set(struct selector *s, struct term *term, struct slice text, struct slice whole,
                     struct err *err)
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
        add_value(s, term, value);
        any = true;
    }
    if (!any) {
        add_value(s, term, SLICE(""));
    }
    return 0;
}

static int set_key(struct selector *s, struct term *term, struct slice key, struct slice whole,
                   struct err *err)
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
static bool find_word(struct slice text, size_t *from, size_t *to, enum op *op)
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
static bool split_equation(struct slice text, struct slice *key, struct slice *value, enum op *op)
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
    struct term *term = add_term(s, &s->labels, &s->label_count);
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
        add_value(s, term, value);
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
    struct term *term = add_term(s, &s->fields, &s->field_count);
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
    add_value(s, term, value);
    return 0;
}

/* ---- making ---- */

static struct selector *selector_new(void)
{
    return mem_zero(sizeof(struct selector));
}

void selector_free(struct selector *s)
{
    if (s != NULL) {
        arena_free(&s->arena);
        free(s);
    }
}

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
    struct selector *s = selector_new();
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
        *out = selector_new();
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

static struct term *copy_terms(struct arena *arena, const struct term *terms, size_t count)
{
    struct term *copy = arena_zero(arena, (count + 1) * sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = terms[i];
        copy[i].key = arena_cstr(arena, slice_of(terms[i].key));
        for (size_t k = 0; terms[i].steps[k] != NULL; k++) {
            copy[i].steps[k] = arena_cstr(arena, slice_of(terms[i].steps[k]));
        }
        size_t n = terms[i].value_count;
        copy[i].values = arena_zero(arena, (n + 1) * sizeof(struct slice));
        copy[i].plain = arena_zero(arena, (n + 1) * sizeof(struct slice));
        for (size_t k = 0; k < n; k++) {
            copy[i].values[k] = arena_copy(arena, terms[i].values[k]);
            copy[i].plain[k] = arena_copy(arena, terms[i].plain[k]);
        }
    }
    return copy;
}

struct selector *selector_copy(const struct selector *s)
{
    if (s == NULL) {
        return NULL;
    }
    struct selector *copy = selector_new();
    copy->nothing = s->nothing;
    copy->label_text = arena_copy(&copy->arena, s->label_text);
    copy->field_text = arena_copy(&copy->arena, s->field_text);
    copy->labels = copy_terms(&copy->arena, s->labels, s->label_count);
    copy->label_count = s->label_count;
    copy->fields = copy_terms(&copy->arena, s->fields, s->field_count);
    copy->field_count = s->field_count;
    return copy;
}

/* ---- Namespaces' selectors, for Organizations ---- */

/* status.phase follows from the time of deletion: "Active" is none. */
static void phase_to_deletion(struct selector *s, struct term *term)
{
    bool in = term->op == OP_IN;
    bool active = slice_eq_cstr(term->plain[0], "Active");
    bool known = active || slice_eq_cstr(term->plain[0], "Terminating");
    s->nothing = s->nothing || (in && !known);
    *term = (struct term){.op = known && in == active ? OP_IN : OP_NOT_IN,
                          .key = arena_cstr(&s->arena, SLICE("deletionTimestamp")),
                          .steps = {"metadata", "deletionTimestamp"}};
    add_value(s, term, known ? SLICE("") : SLICE("no time"));
}

struct selector *selector_for_organizations(const struct selector *s)
{
    struct selector *copy = selector_copy(s);
    if (copy == NULL) {
        return NULL;
    }
    size_t labels = 0;
    struct term *fields =
        arena_zero(&copy->arena, (copy->field_count + copy->label_count + 1) * sizeof(*fields));
    for (size_t i = 0; i < copy->field_count; i++) {
        fields[i] = copy->fields[i];
        if (strcmp(fields[i].key, "status.phase") == 0) {
            phase_to_deletion(copy, &fields[i]);
        }
    }
    for (size_t i = 0; i < copy->label_count; i++) {
        struct term term = copy->labels[i];
        if (strcmp(term.key, SELECTOR_NAMESPACE_LABEL) == 0) {
            term.steps[0] = "metadata";
            term.steps[1] = "name";
            fields[copy->field_count++] = term;
        } else {
            copy->labels[labels++] = term;
        }
    }
    copy->fields = fields;
    copy->label_count = labels;
    return copy;
}

/* ---- matching ---- */

/* raw is the quoted value in the stored bytes. */
static bool term_matches(const struct term *term, bool present, struct slice raw)
{
    if (term->op == OP_EXISTS || term->op == OP_ABSENT) {
        return present == (term->op == OP_EXISTS);
    }
    bool found = false;
    for (size_t i = 0; present && !found && i < term->value_count; i++) {
        found = slice_eq(raw, term->values[i]);
    }
    return found == (term->op == OP_IN);
}

static bool labels_match(const struct selector *s, struct slice labels)
{
    for (size_t i = 0; i < s->label_count; i++) {
        struct slice raw = {0};
        bool present = labels.len > 0 && json_scan(labels, &raw, s->labels[i].key, NULL);
        if (!term_matches(&s->labels[i], present, raw)) {
            return false;
        }
    }
    return true;
}

/* An absent field is the empty string, as in Kubernetes. */
static bool field_matches(const struct term *term, struct slice body)
{
    struct slice at = body;
    for (size_t i = 0; term->steps[i] != NULL; i++) {
        if (!json_scan(at, &at, term->steps[i], NULL)) {
            return term_matches(term, true, SLICE("\"\""));
        }
    }
    if (at.len > 0 && at.data[0] != '"') { /* numbers and booleans: by their text */
        bool equal = slice_eq(at, term->plain[0]);
        return equal == (term->op == OP_IN);
    }
    return term_matches(term, true, at);
}

bool selector_matches_labels(const struct selector *s, struct slice labels)
{
    return s == NULL || (!s->nothing && labels_match(s, labels));
}

bool selector_matches(const struct selector *s, struct slice body)
{
    if (s == NULL) {
        return true;
    }
    if (s->nothing) {
        return false;
    }
    for (size_t i = 0; i < s->field_count; i++) {
        if (!field_matches(&s->fields[i], body)) {
            return false;
        }
    }
    if (s->label_count == 0) {
        return true;
    }
    struct slice labels = {0};
    bool any = json_scan(body, &labels, "metadata", "labels", NULL);
    return labels_match(s, any ? labels : SLICE(""));
}

static struct slice exact(const struct selector *s, const char *field)
{
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        const struct term *term = &s->fields[i];
        if (term->op == OP_IN && strcmp(term->key, field) == 0) {
            return term->plain[0];
        }
    }
    return (struct slice){0};
}

struct slice selector_exact_name(const struct selector *s)
{
    return exact(s, "metadata.name");
}

struct slice selector_exact_ns(const struct selector *s)
{
    return exact(s, "metadata.namespace");
}

void selector_text(const struct selector *s, struct buf *out)
{
    if (s == NULL) {
        return;
    }
    buf_add(out, s->nothing ? SLICE("<nothing>") : s->label_text);
    if (s->field_text.len > 0) {
        buf_addf(out, "%s%.*s", s->label_text.len > 0 ? ";" : "", SLICE_ARG(s->field_text));
    }
}
