/* kinds.c: `choreo api-resources` and `choreo schema`: all kinds, for people and for editors. */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/schemas.h"

static const char *joined(struct arena *arena, char *const *items, size_t count)
{
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        buf_addf(&text, "%s%s", i > 0 ? "," : "", items[i]);
    }
    const char *copy = arena_cstr(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static int run_resources(struct cli *c, struct err *err)
{
    static const char *const titles[] = {"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED",
                                         "KIND", "VERBS",      "CATEGORIES"};
    bool wide = c->output.form == OUTPUT_WIDE;
    struct schemas s;
    Choreo__V1__KindInfo **kinds;
    size_t count;
    struct print_table table;
    int rc = schemas_open(&s, c, err);
    rc = rc != 0 ? rc : schemas_kinds(&s, &kinds, &count, err);
    if (rc != 0) {
        schemas_close(&s);
        return rc;
    }
    print_init(&table, titles, wide ? 7 : 5);
    table.whole = wide;
    for (size_t i = 0; i < count; i++) {
        const Choreo__V1__KindInfo *k = kinds[i];
        if (c->output.form == OUTPUT_NAME) {
            print_out("%s%s%s\n", k->plural, *k->group != '\0' ? "." : "", k->group);
            continue;
        }
        const char *cells[] = {k->plural,
                               joined(&c->arena, k->short_names, k->n_short_names),
                               schemas_api_version(&c->arena, k),
                               k->namespaced ? "true" : "false",
                               k->kind,
                               joined(&c->arena, k->verbs, k->n_verbs),
                               joined(&c->arena, k->categories, k->n_categories)};
        print_row(&table, cells);
    }
    if (c->output.form != OUTPUT_NAME) {
        print_flush(&table, !c->options.no_headers);
    }
    print_free(&table);
    schemas_close(&s);
    return 0;
}

const struct command command_api_resources = {
    .name = "api-resources",
    .summary = "the kinds of objects that there are",
    .usage = "[-o FORM] [--offline]",
    .examples = "  choreo api-resources\n"
                "  choreo api-resources -o wide --offline",
    .options = {OPTION_no_headers, OPTION_offline},
    .forms = 1 << OUTPUT_WIDE | 1 << OUTPUT_NAME,
    .offline = true,
    .run = run_resources,
};

/* ---- schema ---- */

static void add_unique(json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq_cstr(json_text(json_array_get(list, i)), text)) {
            return;
        }
    }
    json_array_append_new(list, json_string(text));
}

/* One kind's definitions go among all; it itself becomes one, chosen by apiVersion and kind. Takes
 * schema. */
static void add_kind(json_t *all, const char *version, const char *kind, json_t *schema)
{
    json_t *definitions = json_object_get(all, "definitions");
    const char *key;
    json_t *value;
    char name[256];
    (void)snprintf(name, sizeof name, "%s.%s", version, kind);
    for (char *p = name; *p != '\0'; p++) {
        *p = *p == '/' ? '.' : *p;
    }
    json_object_foreach(json_object_get(schema, "definitions"), key, value)
    {
        json_object_set(definitions, key, value);
    }
    (void)json_object_del(schema, "definitions");
    (void)json_object_del(schema, "$schema");
    json_object_set_new(definitions, name, schema);
    json_array_append_new(json_object_get(all, "allOf"),
                          json_pack("{s:{s:{s:{s:s},s:{s:s}},s:[s,s]}, s:{s:s+}}", "if",
                                    "properties", "apiVersion", "const", version, "kind", "const",
                                    kind, "required", "apiVersion", "kind", "then", "$ref",
                                    "#/definitions/", name));
    add_unique(json_at(all, "properties", "apiVersion", "enum", NULL), version);
    add_unique(json_at(all, "properties", "kind", "enum", NULL), kind);
}

static int all_kinds(struct schemas *s, json_t *all, struct err *err)
{
    Choreo__V1__KindInfo **kinds;
    size_t count;
    int rc = schemas_kinds(s, &kinds, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        Choreo__V1__KindInfo *kind;
        json_t *schema;
        const char *words = arena_printf(&s->cli->arena, "%s.%s.%s", kinds[i]->plural,
                                         kinds[i]->version, kinds[i]->group);
        words = *kinds[i]->group == '\0' ? kinds[i]->plural : words;
        rc = schemas_get(s, words, &kind, &schema, err);
        if (rc == 0 && schema != NULL) {
            add_kind(all, schemas_api_version(&s->cli->arena, kind), kind->kind, schema);
        }
    }
    return rc;
}

static int run_schema(struct cli *c, struct err *err)
{
    struct schemas s;
    Choreo__V1__KindInfo *kind;
    json_t *schema = NULL;
    if (c->args.count > 1) {
        return err_set(err, ERR_INVALID, "one KIND, or none for all (choreo schema --help)");
    }
    int rc = schemas_open(&s, c, err);
    if (rc == 0 && c->args.count == 1) {
        rc = schemas_get(&s, c->args.items[0], &kind, &schema, err);
        if (rc == 0 && schema == NULL) {
            rc = err_set(err, ERR_UNSUPPORTED, "%s takes any fields: it has no schema", kind->kind);
        }
    } else if (rc == 0) {
        schema =
            json_pack("{s:s, s:s, s:{}, s:[], s:s, s:[s,s], s:{s:{s:[]},s:{s:[]}}}", "$schema",
                      "http://json-schema.org/draft-07/schema#", "title", "Manifests of choreod",
                      "definitions", "allOf", "type", "object", "required", "apiVersion", "kind",
                      "properties", "apiVersion", "enum", "kind", "enum");
        rc = all_kinds(&s, schema, err);
    }
    if (rc == 0) {
        print_json(schema);
    }
    json_decref(schema);
    schemas_close(&s);
    return rc;
}

const struct command command_schema = {
    .name = "schema",
    .summary = "JSON Schema of manifests, for editors and checkers",
    .usage = "[KIND] [--offline] > FILE",
    .about =
        "With it an editor completes, documents and checks manifests. Without KIND it is one\n"
        "schema for all kinds, told apart by apiVersion and kind. For yaml-language-server put\n"
        "  # yaml-language-server: $schema=/path/to/choreo.schema.json\n"
        "at a manifest's top, or map the file to your manifests in the editor's settings.",
    .examples = "  choreo schema --offline > choreo.schema.json\n"
                "  choreo schema component > component.schema.json",
    .options = {OPTION_offline},
    .args = COMPLETE_KIND,
    .offline = true,
    .run = run_schema,
};
