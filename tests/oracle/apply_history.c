/* apply-history SCHEMA SEED HISTORIES: random histories of one object, written by server-side apply
 * and by updates of several managers, told in lines of JSON: the schema; then for each history
 * {"begin": SEED} and its steps, each with what was asked, what came of it, and who owns what. The
 * judge (apply.go) does the same with another implementation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"
#include "proto/apply.h"
#include "proto/schema_build.h"
#include "proto/tree_internal.h"
#include "tests/unit/proto/random.h"

enum { STEPS = 10, SCHEMA_BYTES_MAX = 64 * 1024 };

struct history {
    const struct schema *schema;
    struct random random;
    json_t *live; /* NULL: there is none yet */
};

static bool one_of(struct history *h, uint32_t count)
{
    return random_below(&h->random, count) == 0;
}

static void tell(json_t *line)
{
    struct buf text = {0};
    json_canonical(line, &text);
    (void)puts(buf_cstr(&text));
    buf_free(&text);
    json_decref(line);
}

/* ---- random values: few, so that they meet again; no empty lists ---- */

static json_t *value_of(struct history *h, const struct schema *s, int depth);

static bool has_item(const struct schema *list, const json_t *items, const json_t *item)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *other = json_array_get(items, i);
        bool same = list->list == SCHEMA_LIST_MAP || json_equal(item, other);
        for (size_t k = 0; same && k < list->map_key_count; k++) {
            same =
                json_equal(tree_get(item, list->map_keys[k]), tree_get(other, list->map_keys[k]));
        }
        if (same && list->list != SCHEMA_LIST_ATOMIC) {
            return true;
        }
    }
    return false;
}

static json_t *list_of(struct history *h, const struct schema *s, int depth)
{
    json_t *items = json_array();
    for (uint32_t i = 1 + random_below(&h->random, 3); i > 0; i--) {
        json_t *item = value_of(h, s->items, depth - 1);
        for (size_t k = 0; k < s->map_key_count; k++) {
            const struct schema_field *key = schema_field(s->items, s->map_keys[k]);
            json_object_set_new(item, key->name.data, value_of(h, key->schema, 0));
        }
        if (!has_item(s, items, item)) {
            json_array_append(items, item);
        }
        json_decref(item);
    }
    return items;
}

static json_t *free_form(struct history *h, int depth)
{
    switch (random_below(&h->random, depth > 0 ? 4 : 2)) {
    case 0:
        return json_integer(random_below(&h->random, 3));
    case 1:
        return json_string(one_of(h, 2) ? "p" : "q");
    case 2:
        return json_pack("[i]", (int)random_below(&h->random, 3));
    default:
        return json_pack("{s:o}", one_of(h, 2) ? "f1" : "f2", free_form(h, depth - 1));
    }
}

static json_t *object_of(struct history *h, const struct schema *s, int depth)
{
    json_t *object = json_object();
    for (size_t i = 0; i < s->field_count; i++) {
        if (one_of(h, 2) && !slice_eq_cstr(s->fields[i].name, "keep")) {
            json_object_set_new(object, s->fields[i].name.data,
                                value_of(h, s->fields[i].schema, depth - 1));
        }
    }
    for (int i = 0; i < 3 && (s->values != NULL || s->preserve_unknown); i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        if (one_of(h, 2)) {
            json_object_set_new(object, key,
                                s->values != NULL ? value_of(h, s->values, depth - 1)
                                                  : free_form(h, 2));
        }
    }
    return object;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the schema. */
static json_t *value_of(struct history *h, const struct schema *s, int depth)
{
    static const char *const texts[] = {"p", "q", "r"};
    if (s->type == SCHEMA_OBJECT) {
        return object_of(h, s, depth);
    }
    if (s->type == SCHEMA_ARRAY) {
        return list_of(h, s, depth);
    }
    uint32_t pick = random_below(&h->random, 3);
    return s->type == SCHEMA_STRING ? json_string(texts[pick]) : json_integer(pick);
}

static json_t *spec_of(struct history *h)
{
    return value_of(h, schema_field(h->schema, SLICE("spec"))->schema, 8);
}

/* ---- steps ---- */

static json_t *without_books(const json_t *object)
{
    return json_pack("{s:O}", "spec", json_object_get(object, "spec"));
}

static json_t *object_with(json_t *spec)
{
    return json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion", "v1", "kind", "Thing", "metadata",
                     "name", "it", "spec", spec);
}

static json_t *apply(struct history *h, const struct apply_context *ctx, json_t *spec)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    json_t *intent = object_with(spec);
    json_t *result = NULL;
    json_t *conflicts = json_array();
    int rc = apply_merge(ctx, h->live, intent, &result, &causes, NULL);
    for (size_t i = 0; i < causes.count; i++) {
        json_array_append_new(conflicts, json_str(causes.items[i].field));
    }
    if (rc == 0) {
        json_decref(h->live);
        h->live = result;
    }
    json_t *step =
        json_pack("{s:s, s:b, s:o, s:o, s:b}", "op", "Apply", "force", ctx->force, "object",
                  without_books(intent), "conflicts", conflicts, "done", rc == 0);
    json_decref(intent);
    arena_free(&arena);
    return step;
}

/* Some members get other values, or go; `keep` stays. */
static json_t *update(struct history *h, const struct apply_context *ctx)
{
    json_t *after = json_deep_copy(h->live);
    json_t *spec = json_object_get(after, "spec");
    json_t *fresh = spec_of(h);
    bool replace = one_of(h, 3);
    TREE_EACH(it, fresh)
    {
        if (replace || one_of(h, 2)) {
            tree_set(spec, tree_key(it), json_incref(json_object_iter_value(it)));
        }
    }
    const struct schema *s = schema_field(h->schema, SLICE("spec"))->schema;
    for (size_t i = 0; i < s->field_count; i++) {
        const char *name = s->fields[i].name.data;
        bool goes = replace ? json_object_get(fresh, name) == NULL : one_of(h, 8);
        if (goes && strcmp(name, "keep") != 0) {
            (void)json_object_del(spec, name);
        }
    }
    apply_track_update(ctx, h->live, after);
    json_decref(fresh);
    json_decref(h->live);
    h->live = after;
    return json_pack("{s:s, s:o}", "op", "Update", "object", without_books(after));
}

static void run(struct history *h)
{
    struct apply_context ctx = {
        .schema = h->schema, .api_version = SLICE("v1"), .now = SLICE("2026-01-01T00:00:00Z")};
    for (int i = 0; i < STEPS; i++) {
        char manager[2] = {(char)('a' + random_below(&h->random, 3)), '\0'};
        ctx.manager = i == 0 ? SLICE("keeper") : slice_of(manager);
        ctx.force = one_of(h, 2);
        json_t *step = i == 0         ? apply(h, &ctx, json_pack("{s:i}", "keep", 1))
                       : one_of(h, 3) ? update(h, &ctx)
                                      : apply(h, &ctx, spec_of(h));
        json_object_set_new(step, "manager", json_str(ctx.manager));
        json_object_set_new(step, "result", without_books(h->live));
        json_object_set(step, "owners", json_at(h->live, "metadata", "managedFields", NULL));
        tell(step);
    }
    json_decref(h->live);
}

int main(int argc, char **argv)
{
    struct arena arena = {0};
    struct buf text = {0};
    json_t *tree = NULL;
    struct err err;
    if (argc != 4) {
        (void)fprintf(stderr, "usage: apply-history SCHEMA SEED HISTORIES\n");
        return 2;
    }
    if (file_read(argv[1], SCHEMA_BYTES_MAX, &text, &err) != 0 ||
        yaml_parse(buf_slice(&text), argv[1], &tree, &err) != 0) {
        (void)fprintf(stderr, "apply-history: %s\n", err.message);
        return 1;
    }
    const struct schema *schema = schema_build(&arena, tree, NULL);
    uint64_t seed = strtoull(argv[2], NULL, 10);
    tell(tree);
    for (uint64_t last = seed + strtoull(argv[3], NULL, 10); seed < last; seed++) {
        struct history h = {.schema = schema, .random.state = seed};
        tell(json_pack("{s:I}", "begin", (json_int_t)seed));
        run(&h);
    }
    buf_free(&text);
    arena_free(&arena);
    return 0;
}
