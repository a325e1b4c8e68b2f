/* selector.c: selectors, once they are terms (selector_parse.c): copies, and what they match.
 *
 * Matching compares raw canonical JSON: a label's value in stored bytes is the quoted form of a
 * term's value, byte for byte, because both come from json_quote(). */
#include "proto/selector.h"

#include <stdlib.h>
#include <string.h>

#include "proto/selector_internal.h"

/* ---- life ---- */

struct selector *selector__new(void)
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

void selector__add_value(struct selector *s, struct selector__term *term, struct slice value)
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

static struct selector__term *copy_terms(struct arena *arena, const struct selector__term *terms,
                                         size_t count)
{
    struct selector__term *copy = arena_zero(arena, (count + 1) * sizeof(*copy));
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
    struct selector *copy = selector__new();
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
static void phase_to_deletion(struct selector *s, struct selector__term *term)
{
    bool in = term->op == OP_IN;
    bool active = slice_eq_cstr(term->plain[0], "Active");
    bool known = active || slice_eq_cstr(term->plain[0], "Terminating");
    s->nothing = s->nothing || (in && !known);
    *term = (struct selector__term){.op = known && in == active ? OP_IN : OP_NOT_IN,
                                    .key = arena_cstr(&s->arena, SLICE("deletionTimestamp")),
                                    .steps = {"metadata", "deletionTimestamp"}};
    selector__add_value(s, term, known ? SLICE("") : SLICE("no time"));
}

struct selector *selector_for_organizations(const struct selector *s)
{
    struct selector *copy = selector_copy(s);
    if (copy == NULL) {
        return NULL;
    }
    size_t labels = 0;
    struct selector__term *fields =
        arena_zero(&copy->arena, (copy->field_count + copy->label_count + 1) * sizeof(*fields));
    for (size_t i = 0; i < copy->field_count; i++) {
        fields[i] = copy->fields[i];
        if (strcmp(fields[i].key, "status.phase") == 0) {
            phase_to_deletion(copy, &fields[i]);
        }
    }
    for (size_t i = 0; i < copy->label_count; i++) {
        struct selector__term term = copy->labels[i];
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
static bool term_matches(const struct selector__term *term, bool present, struct slice raw)
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
static bool field_matches(const struct selector__term *term, struct slice body)
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
        const struct selector__term *term = &s->fields[i];
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
