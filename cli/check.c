/* check.c: runs manifests through the same admission as the server, against no stored object.
 *
 * Definitions of custom kinds come first, whatever their order: objects of these kinds are then
 * checked like any other. Unknown fields are gathered first and pruned from a copy, so that one
 * pass names both them and the rules that the rest breaks. */
#include "cli/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "proto/admit.h"
#include "proto/crd.h"
#include "render/check.h"
#include "render/expressions.h"

#include "base/suggest.h"

struct checking {
    const struct manifests *all;
    const struct manifest *one;
    struct findings *findings;
    struct kind_registry kinds;
    struct crd **crds; /* of the manifests; kinds borrows from them */
    size_t crd_count;
    struct arena arena; /* of one manifest */
    const char *ns;
    json_t *admitted; /* or NULL */
};

static void say_as(struct checking *c, const char *reason, struct slice field, struct slice message,
                   const char *hint)
{
    const struct finding finding = {.file = c->one->file,
                                    .line = manifest_line(c->all, c->one, field),
                                    .object = c->one->tree,
                                    .field = arena_cstr(&c->arena, field),
                                    .reason = reason,
                                    .message = arena_cstr(&c->arena, message),
                                    .hint = hint};
    findings_add(c->findings, &finding);
}

static void say(struct checking *c, struct slice field, struct slice message)
{
    say_as(c, "Invalid", field, message, NULL);
}

static void say_causes(struct checking *c, const struct causes *causes)
{
    for (size_t i = 0; i < causes->count; i++) {
        const struct cause *cause = &causes->items[i];
        say_as(c, cause_reason(cause->kind), cause->field, cause->message, NULL);
    }
    if (causes->dropped > 0) {
        say(c, SLICE(""), slice_of(arena_printf(&c->arena, "and %zu more", causes->dropped)));
    }
}

/* ---- unknown names ---- */

/* The first step of a path, cut off: "spec" of "spec.a[0]", "[0]" of "[0].b". */
static struct slice first_step(struct slice *path)
{
    size_t end = path->len > 0 && path->data[0] == '[' ? 1 : 0;
    while (end < path->len && path->data[end] != '.' && path->data[end] != '[') {
        end++;
    }
    struct slice step = slice_sub(*path, 0, end);
    bool dot = end < path->len && path->data[end] == '.';
    *path = slice_sub(*path, end + (dot ? 1 : 0), SIZE_MAX);
    return step;
}

/* What may have been meant by a field that there is not: one of nearly that name beside it, or one
 * of its name further out, which is a matter of indentation; or NULL. */
static const char *meant_field(struct checking *c, const struct schema *root, struct slice path)
{
    const struct schema *schema = root;
    const struct schema_field *spec = schema_field(root, SLICE("spec"));
    struct slice step = first_step(&path);
    while (schema != NULL && path.len > 0) {
        schema = step.len > 0 && step.data[0] == '[' ? schema->items : schema_member(schema, step);
        step = first_step(&path);
    }
    for (size_t i = 0; schema != NULL && i < schema->field_count; i++) {
        struct slice name = schema->fields[i].name;
        if (suggest_close(name, step)) {
            return arena_printf(&c->arena, "did you mean %.*s?", SLICE_ARG(name));
        }
    }
    bool outside = schema_field(root, step) != NULL;
    if (outside || (spec != NULL && schema_field(spec->schema, step) != NULL)) {
        return arena_printf(&c->arena, "did you mean %s%.*s? Look at the indentation",
                            outside ? "" : "spec.", SLICE_ARG(step));
    }
    return NULL;
}

/* "unknown field "spec.x"" is said at spec.x itself. */
static bool check_fields(struct checking *c, const struct kind *kind, json_t *copy)
{
    struct causes unknown = {.arena = &c->arena};
    if (kind->schema != NULL && !kind->lenient) {
        schema_prune(kind->schema, copy, &unknown);
    }
    for (size_t i = 0; i < unknown.count; i++) {
        struct slice field = unknown.items[i].field;
        say_as(c, "UnknownField", field, SLICE("unknown field"),
               meant_field(c, kind->schema, field));
    }
    return unknown.count == 0;
}

/* The object as it would be stored, the arena's; NULL if it would not be. */
static json_t *check_rules(struct checking *c, const struct kind *kind, const json_t *copy)
{
    struct slice own = object_ns(copy);
    struct admit_result result = {.causes.arena = &c->arena};
    struct err err = {0};
    const struct admit_request request = {
        .arena = &c->arena,
        .kind = kind,
        .op = ADMIT_CREATE,
        .ns = !kind->namespaced ? SLICE("")
              : own.len > 0     ? own
                                : slice_of(c->ns),
        .incoming = copy,
        .field_manager = SLICE("choreo"),
        .validate = check_object,
        .validation = ADMIT_IGNORE,
        .expressions = &expressions_cel,
        .now_ms = clock_system.wall_ms(&clock_system),
        .uid = "00000000-0000-4000-8000-000000000000",
        .suffix = "00000",
    };
    int rc = admit(&request, &result, &err);
    if (rc != 0 && result.causes.count > 0) {
        say_causes(c, &result.causes);
    } else if (rc != 0) {
        say_as(c, rc == ERR_TOO_LARGE ? "TooLarge" : "Invalid", SLICE(""),
               result.message.len > 0 ? result.message : slice_of(err.message), NULL);
    }
    return rc == 0 ? result.object : NULL;
}

/* The kinds of a definition that the server would establish. */
static void add_kinds(struct checking *c, json_t *definition)
{
    const struct crd_taken taken = {.fixed = &c->kinds};
    struct err err = {0};
    json_object_set_new(definition, "status",
                        crd_judge(definition, &taken, clock_system.wall_ms(&clock_system)));
    if (!crd_established(definition)) {
        const json_t *why = object_condition(definition, "NamesAccepted");
        say(c, SLICE("spec.names"), json_text_at(why, "message"));
        return;
    }
    if (crd_built_in(definition, &c->kinds)) {
        return;
    }
    struct crd *crd = crd_compile(definition, &expressions_cel);
    c->crds = mem_resize(c->crds, (c->crd_count + 1) * sizeof(*c->crds));
    c->crds[c->crd_count++] = crd;
    for (size_t i = 0; i < crd->kind_count; i++) {
        if (kind_registry_add(&c->kinds, &crd->kinds[i], &err) != 0) {
            say(c, SLICE("spec.names"), slice_of(err.message));
        }
    }
}

/* ---- unknown kinds ---- */

/* Whether some kind of the group is known here: then one that is not is a typing error. */
static bool has_group(const struct kind_registry *kinds, struct slice group)
{
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        if (slice_eq(kind_registry_at(kinds, i)->group, group)) {
            return true;
        }
    }
    return false;
}

/* What may have been meant, where a kind or a group has nearly that name, or (*mistaken is false
 * then) another group such a kind; or NULL. */
static const char *meant_kind(struct checking *c, struct slice group, struct slice name,
                              bool *mistaken)
{
    const struct kind *elsewhere = NULL;
    *mistaken = false;
    for (size_t i = 0; i < kind_registry_count(&c->kinds); i++) {
        const struct kind *kind = kind_registry_at(&c->kinds, i);
        bool here = slice_eq(kind->group, group);
        bool same = slice_eq(kind->kind, name);
        if ((here && (same || suggest_close(kind->kind, name))) ||
            (same && suggest_close(kind->group, group))) {
            *mistaken = true;
            return arena_printf(&c->arena, "did you mean %.*s of %.*s?", SLICE_ARG(kind->kind),
                                SLICE_ARG(kind->api_version));
        }
        elsewhere = same && elsewhere == NULL ? kind : elsewhere;
    }
    return elsewhere != NULL
               ? arena_printf(&c->arena, "it is one of %.*s", SLICE_ARG(elsewhere->api_version))
               : NULL;
}

static void say_unknown_kind(struct checking *c, struct slice version, struct slice name)
{
    struct slice group;
    struct slice rest;
    kind_split_api_version(version, &group, &rest);
    bool mistaken;
    const char *meant = meant_kind(c, group, name, &mistaken);
    if (has_group(&c->kinds, group) || mistaken) {
        say_as(c, "UnknownKind", SLICE("kind"),
               slice_of(arena_printf(&c->arena, "there is no kind %.*s in %.*s", SLICE_ARG(name),
                                     SLICE_ARG(version))),
               meant);
        return;
    }
    const struct finding note = {
        .severity = SEVERITY_NOTE,
        .file = c->one->file,
        .line = c->one->line,
        .reason = "UnknownKind",
        .message = arena_printf(&c->arena, "%.*s of %.*s is a kind that only a server may know",
                                SLICE_ARG(name), SLICE_ARG(version))};
    findings_add(c->findings, &note);
}

/* Would the server read it at all? In its words: of few bytes a tree may be many times as large. */
static bool check_size(struct checking *c)
{
    const json_t *tree = c->one->tree;
    struct buf text = {0};
    struct err err = {0};
    json_t *read = NULL;
    if (json_tree_bytes(tree, JSON_BODY_TREE_MAX) >= JSON_BODY_TREE_MAX / 4) {
        json_canonical(tree, &text);
        (void)json_parse_body(buf_slice(&text), &read, &err);
        json_decref(read);
        buf_free(&text);
    }
    if (err.code != 0) {
        say_as(c, "TooLarge", SLICE(""), slice_of(err.message), NULL);
    }
    return err.code == 0;
}

static void check_one(struct checking *c, bool definitions)
{
    const json_t *tree = c->one->tree;
    const struct kind *kind = kind_by_type(&c->kinds, object_api_version(tree), object_kind(tree));
    if (definitions != (kind != NULL && slice_eq_cstr(kind->resource, CRD_RESOURCE))) {
        return;
    }
    if (!check_size(c)) {
        return;
    }
    if (kind == NULL) {
        say_unknown_kind(c, object_api_version(tree), object_kind(tree));
        return;
    }
    json_t *copy = json_deep_copy(tree);
    bool known = check_fields(c, kind, copy);
    json_t *admitted = check_rules(c, kind, copy);
    if (admitted != NULL && known && c->admitted != NULL) {
        size_t index = (size_t)(c->one - c->all->items);
        json_array_set_new(c->admitted, index, json_deep_copy(admitted));
    }
    if (definitions && admitted != NULL) {
        add_kinds(c, admitted);
    }
    json_decref(copy);
}

void check_all(const struct manifests *m, const char *ns, json_t *admitted, struct findings *f)
{
    struct checking c = {.all = m, .findings = f, .ns = ns, .admitted = admitted};
    for (size_t i = 0; admitted != NULL && i < m->count; i++) {
        json_array_append_new(admitted, json_null());
    }
    for (size_t i = 0; i < m->fault_count; i++) {
        findings_add_fault(f, slice_of(m->faults[i]));
    }
    kind_registry_init(&c.kinds);
    kind_registry_builtin(&c.kinds);
    for (size_t i = 0; i < 2 * m->count; i++) {
        c.one = &m->items[i % m->count];
        check_one(&c, i < m->count);
        arena_free(&c.arena);
    }
    kind_registry_free(&c.kinds);
    for (size_t i = 0; i < c.crd_count; i++) {
        shared_value_unref(&c.crds[i]->shared);
    }
    free(c.crds);
}

int check_verdict(const struct manifests *m, const struct findings *f, struct err *err)
{
    return f->errors == 0
               ? 0
               : err_set(err, ERR_UNPROCESSABLE, "%zu fault%s in %zu manifest%s", f->errors,
                         f->errors == 1 ? "" : "s", m->count, m->count == 1 ? "" : "s");
}
