/* check.c: runs manifests through the same admission as the server, against no stored object.
 *
 * Definitions of custom kinds come first, whatever their order: objects of these kinds are then
 * checked like any other. Unknown fields are gathered first and pruned from a copy, so that one
 * pass names both them and the rules that the rest breaks. */
#include "cli/check.h"
#include "cli/print.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "proto/admit.h"
#include "proto/crd.h"
#include "render/check.h"
#include "render/expressions.h"

struct checking {
    const struct manifests *all;
    const struct manifest *one;
    struct kind_registry kinds;
    struct crd **crds; /* of the manifests; kinds borrows from them */
    size_t crd_count;
    struct arena arena; /* of one manifest */
    const char *ns;
    json_t *admitted; /* or NULL */
    size_t faults;
};

static void say(struct checking *c, struct slice field, struct slice message)
{
    print_err("%s:%d: %s: %.*s%s%.*s\n", c->one->file, manifest_line(c->all, c->one, field),
              manifest_title(c->one->tree, &c->arena), SLICE_ARG(field), field.len > 0 ? ": " : "",
              SLICE_ARG(message));
    c->faults++;
}

static void say_causes(struct checking *c, const struct causes *causes)
{
    for (size_t i = 0; i < causes->count; i++) {
        say(c, causes->items[i].field, causes->items[i].message);
    }
    if (causes->dropped > 0) {
        say(c, SLICE(""), slice_of(arena_printf(&c->arena, "and %zu more", causes->dropped)));
    }
}

/* "unknown field "spec.x"" is said at spec.x itself. */
static void check_fields(struct checking *c, const struct kind *kind, json_t *copy)
{
    struct causes unknown = {.arena = &c->arena};
    if (kind->schema != NULL && !kind->lenient) {
        schema_prune(kind->schema, copy, &unknown);
    }
    for (size_t i = 0; i < unknown.count; i++) {
        say(c, unknown.items[i].field, SLICE("unknown field"));
    }
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
        say(c, SLICE(""), result.message.len > 0 ? result.message : slice_of(err.message));
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

/* Whether some kind of the group is known here: then one that is not is a typing error. */
static bool has_group(const struct kind_registry *kinds, struct slice api_version)
{
    struct slice group;
    struct slice version;
    kind_split_api_version(api_version, &group, &version);
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        if (slice_eq(kind_registry_at(kinds, i)->group, group)) {
            return true;
        }
    }
    return false;
}

/* ": it is one of GROUP/VERSION", where another group has a kind of that name. */
static const char *elsewhere(struct checking *c, struct slice name)
{
    for (size_t i = 0; i < kind_registry_count(&c->kinds); i++) {
        const struct kind *kind = kind_registry_at(&c->kinds, i);
        if (slice_eq(kind->kind, name)) {
            return arena_printf(&c->arena, ": it is one of %.*s", SLICE_ARG(kind->api_version));
        }
    }
    return "";
}

static void check_one(struct checking *c, bool definitions)
{
    const json_t *tree = c->one->tree;
    const struct kind *kind = kind_by_type(&c->kinds, object_api_version(tree), object_kind(tree));
    if (definitions != (kind != NULL && slice_eq_cstr(kind->resource, CRD_RESOURCE))) {
        return;
    }
    if (kind == NULL && !has_group(&c->kinds, object_api_version(tree))) {
        print_err("%s:%d: note: %.*s of %.*s is a kind that only a server may know\n", c->one->file,
                  c->one->line, SLICE_ARG(object_kind(tree)), SLICE_ARG(object_api_version(tree)));
        return;
    }
    if (kind == NULL) {
        say(c, SLICE("kind"),
            slice_of(arena_printf(&c->arena, "there is no kind %.*s in %.*s%s",
                                  SLICE_ARG(object_kind(tree)), SLICE_ARG(object_api_version(tree)),
                                  elsewhere(c, object_kind(tree)))));
        return;
    }
    json_t *copy = json_deep_copy(tree);
    check_fields(c, kind, copy);
    json_t *admitted = check_rules(c, kind, copy);
    if (admitted != NULL && c->admitted != NULL) {
        size_t index = (size_t)(c->one - c->all->items);
        json_array_set_new(c->admitted, index, json_deep_copy(admitted));
    }
    if (definitions && admitted != NULL) {
        add_kinds(c, admitted);
    }
    json_decref(copy);
}

int check_all(const struct manifests *m, const char *ns, json_t *admitted, struct err *err)
{
    struct checking c = {.all = m, .ns = ns, .admitted = admitted};
    for (size_t i = 0; admitted != NULL && i < m->count; i++) {
        json_array_append_new(admitted, json_null());
    }
    for (size_t i = 0; i < m->fault_count; i++) {
        print_err("%s\n", m->faults[i]);
        c.faults++;
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
    return c.faults == 0
               ? 0
               : err_set(err, ERR_UNPROCESSABLE, "%zu fault%s in %zu manifest%s", c.faults,
                         c.faults == 1 ? "" : "s", m->count, m->count == 1 ? "" : "s");
}
