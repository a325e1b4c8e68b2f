/* explain.c: `choreo explain`: a kind's fields, as their schema documents them. */
#include <stdio.h>
#include <string.h>

#include "cli/schemas.h"

enum { WIDTH = 80, INDENT = 4, DEPTH_MAX = 16 };

struct explaining {
    struct cli *cli;
    const json_t *root;
};

static void print_wrapped(struct slice text, int indent)
{
    struct slice line;
    struct slice word;
    while (slice_split(&text, '\n', &line)) {
        int at = 0;
        while (slice_split(&line, ' ', &word)) {
            if (at > 0 && at + 1 + (int)word.len > WIDTH) {
                (void)putchar('\n');
                at = 0;
            }
            at += at == 0 ? printf("%*s%.*s", indent, "", SLICE_ARG(word))
                          : printf(" %.*s", SLICE_ARG(word));
        }
        (void)putchar('\n');
    }
}

/* "string", "[]Object", "map[string]string" */
static const char *type_text(struct explaining *e, const json_t *schema)
{
    struct buf text = {0};
    schema = schemas_resolve(e->root, schema);
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        const json_t *items = json_at(schema, "items", NULL);
        const json_t *values = json_at(schema, "additionalProperties", NULL);
        if (items != NULL) {
            buf_add_cstr(&text, "[]");
            schema = schemas_resolve(e->root, items);
        } else if (json_is_object(values)) {
            buf_add_cstr(&text, "map[string]");
            schema = schemas_resolve(e->root, values);
        } else {
            break;
        }
    }
    struct slice type = json_text_at(schema, "type");
    bool either = json_is_true(json_at(schema, "x-kubernetes-int-or-string", NULL));
    if (slice_eq_cstr(type, "object")) {
        type = SLICE("Object");
    }
    buf_add(&text, type.len > 0 ? type : either ? SLICE("number or string") : SLICE("any"));
    const char *copy = arena_cstr(&e->cli->arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static void print_rule(const json_t *schema, const char *key, const char *words, int indent)
{
    const json_t *value = json_at(schema, key, NULL);
    struct buf text = {0};
    if (value == NULL) {
        return;
    }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        buf_addf(&text, "%s%.*s", i > 0 ? ", " : "",
                 SLICE_ARG(json_text(json_array_get(value, i))));
    }
    if (!json_is_array(value)) {
        jsonpath_value_text(value, &text);
    }
    (void)printf("%*s%s: %s\n", indent, "", words, buf_cstr(&text));
    buf_free(&text);
}

/* Rules of a field: its own (default) and its value's. */
static void print_rules(struct explaining *e, const json_t *field, int indent)
{
    const json_t *schema = schemas_resolve(e->root, field);
    print_rule(field, "default", "default", indent);
    print_rule(schema, "enum", "one of", indent);
    print_rule(schema, "pattern", "pattern", indent);
    print_rule(schema, "format", "format", indent);
    print_rule(schema, "minimum", "at least", indent);
    print_rule(schema, "maximum", "at most", indent);
    print_rule(schema, "minLength", "least length", indent);
    print_rule(schema, "maxLength", "greatest length", indent);
    print_rule(schema, "minItems", "least items", indent);
    print_rule(schema, "maxItems", "greatest items", indent);
}

static bool required(const json_t *schema, const char *name)
{
    const json_t *list = json_at(schema, "required", NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq_cstr(json_text(json_array_get(list, i)), name)) {
            return true;
        }
    }
    return false;
}

/* The object behind lists and maps. */
static const json_t *inner(struct explaining *e, const json_t *schema)
{
    schema = schemas_resolve(e->root, schema);
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        const json_t *values = json_at(schema, "additionalProperties", NULL);
        const json_t *next = json_at(schema, "items", NULL);
        next = next == NULL && json_is_object(values) ? values : next;
        if (next == NULL) {
            break;
        }
        schema = schemas_resolve(e->root, next);
    }
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep. */
static void print_fields(struct explaining *e, const json_t *schema, int depth, bool recursive)
{
    const char *name;
    json_t *field;
    schema = inner(e, schema);
    json_object_foreach(json_at(schema, "properties", NULL), name, field)
    {
        int indent = 2 + depth * 2;
        (void)printf("%*s%s\t<%s>%s\n", indent, "", name, type_text(e, field),
                     required(schema, name) ? " -required-" : "");
        if (recursive && depth < DEPTH_MAX) {
            print_fields(e, field, depth + 1, true);
        } else if (!recursive) {
            print_wrapped(json_text_at(field, "description"), INDENT);
            print_rules(e, field, INDENT);
            (void)putchar('\n');
        }
    }
}

/* Walks "spec.endpoints" down; *field is what it names. */
static int find_field(struct explaining *e, struct slice path, const json_t **field,
                      struct err *err)
{
    struct slice all = path;
    struct slice name;
    *field = e->root;
    while (slice_split(&path, '.', &name)) {
        const json_t *next = schemas_member(e->root, *field, name);
        if (next == NULL) {
            return err_set(err, ERR_NOT_FOUND, "there is no field \"%.*s\" (of %.*s)",
                           SLICE_ARG(name), SLICE_ARG(all));
        }
        *field = next;
    }
    return 0;
}

static int explain(struct cli *c, const Choreo__V1__KindInfo *kind, const json_t *schema,
                   struct slice path, struct err *err)
{
    struct explaining e = {c, schema};
    const json_t *field;
    int rc = find_field(&e, path, &field, err);
    if (rc != 0) {
        return rc;
    }
    (void)printf("KIND:     %s\nVERSION:  %s\n", kind->kind, schemas_api_version(&c->arena, kind));
    if (path.len > 0) {
        (void)printf("FIELD:    %.*s <%s>\n", SLICE_ARG(path), type_text(&e, field));
    }
    struct slice doc = path.len > 0 ? json_text_at(field, "description") : slice_of(kind->doc);
    struct slice type_doc = json_text_at(inner(&e, field), "description");
    if (doc.len > 0 || type_doc.len > 0) {
        (void)puts("\nDESCRIPTION:");
        print_wrapped(doc.len > 0 ? doc : type_doc, INDENT);
    }
    if (path.len > 0) {
        print_rules(&e, field, INDENT);
    }
    if (json_object_size(json_at(inner(&e, field), "properties", NULL)) > 0) {
        (void)puts("\nFIELDS:");
        print_fields(&e, field, 0, c->options.recursive);
    }
    return 0;
}

static int run(struct cli *c, struct err *err)
{
    struct schemas s;
    Choreo__V1__KindInfo *kind;
    json_t *schema = NULL;
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID, "KIND[.FIELD...] is required (choreo explain --help)");
    }
    int rc = schemas_open(&s, c, err);
    struct slice path = slice_of(c->args.items[0]);
    struct slice words = {0};
    (void)slice_split(&path, '.', &words);
    rc = rc != 0 ? rc : schemas_get(&s, arena_cstr(&c->arena, words), &kind, &schema, err);
    if (rc == 0 && schema == NULL) {
        (void)printf("KIND:     %s\nVERSION:  %s\n\n%s takes any fields.\n", kind->kind,
                     schemas_api_version(&c->arena, kind), kind->kind);
    } else if (rc == 0) {
        rc = explain(c, kind, schema, path, err);
    }
    json_decref(schema);
    schemas_close(&s);
    return rc;
}

const struct command command_explain = {
    .name = "explain",
    .summary = "what the fields of a kind are for",
    .usage = "KIND[.FIELD...] [--recursive] [--offline]",
    .about =
        "Documents a kind, or a field of it, with types and rules. Asks the server, which knows\n"
        "custom kinds too; without one, choreo tells what it knows itself.",
    .examples = "  choreo explain component\n"
                "  choreo explain component.spec.endpoints\n"
                "  choreo explain environment --recursive --offline",
    .options = {OPTION_recursive, OPTION_offline},
    .args = COMPLETE_FIELD,
    .offline = true,
    .run = run,
};
