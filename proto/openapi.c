/* Schemas as OpenAPI v2, v3 and JSON Schema; the documents around them are in openapi_paths.c.
 *
 * A named message becomes a definition once, at its first use, and a reference everywhere. The
 * three dialects differ in little: where references point, how "a number or a string" is said, and
 * whether a reference may have company. */
#include "proto/openapi.h"

#include <math.h>

#include "proto/openapi_internal.h"
#include "proto/tree_internal.h"

static const char *const formats[] = {
    [SCHEMA_FORMAT_INT32] = "int32",
    [SCHEMA_FORMAT_INT64] = "int64",
    [SCHEMA_FORMAT_DOUBLE] = "double",
    [SCHEMA_FORMAT_DATE_TIME] = "date-time",
    [SCHEMA_FORMAT_MICRO_TIME] = "date-time",
    [SCHEMA_FORMAT_BYTE] = "byte",
    [SCHEMA_FORMAT_URI] = "uri",
    [SCHEMA_FORMAT_DATE] = "date",
    [SCHEMA_FORMAT_EMAIL] = "email",
    [SCHEMA_FORMAT_HOSTNAME] = "hostname",
    [SCHEMA_FORMAT_IPV4] = "ipv4",
    [SCHEMA_FORMAT_IPV6] = "ipv6",
    [SCHEMA_FORMAT_CIDR] = "cidr",
    [SCHEMA_FORMAT_MAC] = "mac",
    [SCHEMA_FORMAT_UUID] = "uuid",
    [SCHEMA_FORMAT_URI_REFERENCE] = "uri",
};

/* kubectl and editors refuse formats that they do not know, so the rest is left out. */
static const char *format_name(enum schema_format format)
{
    return (size_t)format < sizeof(formats) / sizeof(formats[0]) ? formats[format] : NULL;
}

static const char *type_name(enum schema_type type)
{
    static const char *const names[] = {
        [SCHEMA_ANY] = NULL,          [SCHEMA_OBJECT] = "object",   [SCHEMA_ARRAY] = "array",
        [SCHEMA_STRING] = "string",   [SCHEMA_INTEGER] = "integer", [SCHEMA_NUMBER] = "number",
        [SCHEMA_BOOLEAN] = "boolean", [SCHEMA_INT_OR_STRING] = NULL};
    return names[type];
}

void openapi__set_text(json_t *object, const char *key, struct slice text)
{
    if (text.len > 0) {
        json_object_set_new(object, key, json_str(text));
    }
}

json_t *openapi__ref(const struct openapi_doc *doc, struct slice name)
{
    const char *prefix = doc->dialect == OPENAPI_V3 ? "#/components/schemas/" : "#/definitions/";
    return json_pack("{s:s+%}", "$ref", prefix, name.data, name.len);
}

static json_t *texts(const struct slice *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_str(items[i]));
    }
    return list;
}

/* Each is JSON already. */
static json_t *values(const struct slice *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *value = NULL;
        if (json_parse(items[i], &value, NULL) == 0) {
            json_array_append_new(list, value);
        }
    }
    return list;
}

static json_t *limit(double value)
{
    bool whole = value == floor(value) && fabs(value) < 1e15;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static void add_rules(const struct openapi_doc *doc, const struct schema *s, json_t *out)
{
    const char *min = s->type == SCHEMA_ARRAY ? "minItems" : "minLength";
    const char *max = s->type == SCHEMA_ARRAY ? "maxItems" : "maxLength";
    if (s->type == SCHEMA_OBJECT) {
        min = "minProperties";
        max = "maxProperties";
    }
    if (s->has_min) {
        json_object_set_new(out, "minimum", limit(s->min));
    }
    if (s->has_max) {
        json_object_set_new(out, "maximum", limit(s->max));
    }
    if (s->min_len > 0) {
        json_object_set_new(out, min, json_integer(s->min_len));
    }
    if (s->has_max_len) {
        json_object_set_new(out, max, json_integer(s->max_len));
    }
    if (s->enum_count > 0) {
        json_object_set_new(out, "enum",
                            s->more != NULL ? values(s->enums, s->enum_count)
                                            : texts(s->enums, s->enum_count));
    }
    if (s->pattern != NULL) {
        json_object_set_new(out, "pattern", json_str(s->pattern->text));
    }
    if (s->nullable && doc->dialect == OPENAPI_V3) {
        json_object_set_new(out, "nullable", json_true());
    }
}

static void add_extensions(const struct schema *s, json_t *out)
{
    if (s->type == SCHEMA_ARRAY && s->list != SCHEMA_LIST_ATOMIC) {
        json_object_set_new(out, "x-kubernetes-list-type",
                            json_string(s->list == SCHEMA_LIST_SET ? "set" : "map"));
        if (s->list == SCHEMA_LIST_MAP) {
            json_object_set_new(out, "x-kubernetes-list-map-keys",
                                texts(s->map_keys, s->map_key_count));
        }
    } else if (s->type == SCHEMA_ARRAY) {
        json_object_set_new(out, "x-kubernetes-list-type", json_string("atomic"));
    }
    if (s->atomic_map) {
        json_object_set_new(out, "x-kubernetes-map-type", json_string("atomic"));
    }
    if (s->preserve_unknown) {
        json_object_set_new(out, "x-kubernetes-preserve-unknown-fields", json_true());
    }
    if (s->embedded) {
        json_object_set_new(out, "x-kubernetes-embedded-resource", json_true());
    }
}

static json_t *number_or_text(const struct openapi_doc *doc, const struct schema *s)
{
    if (doc->dialect == OPENAPI_V2) {
        return json_pack("{s:s}", "type", "string");
    }
    const char *number = s->format == SCHEMA_FORMAT_QUANTITY ? "number" : "integer";
    json_t *out = json_pack("{s:[{s:s},{s:s}]}", "oneOf", "type", "string", "type", number);
    json_object_set_new(out, "x-kubernetes-int-or-string", json_true());
    return out;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the nesting of the tables. */
static json_t *property(struct openapi_doc *doc, const struct schema_field *field)
{
    json_t *out = openapi__schema(doc, field->schema);
    bool reference = json_object_get(out, "$ref") != NULL;
    if (reference && doc->dialect != OPENAPI_V2) {
        out = json_pack("{s:[o]}", "allOf", out);
    }
    openapi__set_text(out, "description", field->doc);
    if (field->schema->atomic_map) {
        json_object_set_new(out, "x-kubernetes-map-type", json_string("atomic"));
    }
    json_t *value = NULL;
    if (field->default_json.len > 0 && json_parse(field->default_json, &value, NULL) == 0) {
        json_object_set_new(out, "default", value);
    }
    return out;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the nesting of the tables. */
static void add_fields(struct openapi_doc *doc, const struct schema *s, json_t *out)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (size_t i = 0; i < s->field_count; i++) {
        const struct schema_field *field = &s->fields[i];
        tree_set(properties, field->name, property(doc, field));
        if (field->required) {
            json_array_append_new(required, json_str(field->name));
        }
    }
    if (json_object_size(properties) > 0) {
        json_object_set(out, "properties", properties);
        if (doc->dialect == OPENAPI_JSON_SCHEMA && !s->preserve_unknown && s->values == NULL) {
            json_object_set_new(out, "additionalProperties", json_false());
        }
    }
    if (json_array_size(required) > 0) {
        json_object_set(out, "required", required);
    }
    json_decref(properties);
    json_decref(required);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the nesting of the tables. */
static void add_branches(struct openapi_doc *doc, const char *key, const struct schema *branches,
                         size_t count, json_t *out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, openapi__inline(doc, &branches[i]));
    }
    if (count > 0) {
        json_object_set(out, key, list);
    }
    json_decref(list);
}

/* Of custom kinds. OpenAPI v2 knows of this only what v2's own clients check. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by the nesting of the tables. */
static void add_more(struct openapi_doc *doc, const struct schema_more *more, json_t *out)
{
    if (more->multiple_of > 0) {
        json_object_set_new(out, "multipleOf", limit(more->multiple_of));
    }
    if (doc->dialect == OPENAPI_V2) {
        return;
    }
    if (more->exclusive_min) {
        json_object_set_new(out, "exclusiveMinimum", json_true());
    }
    if (more->exclusive_max) {
        json_object_set_new(out, "exclusiveMaximum", json_true());
    }
    add_branches(doc, "allOf", more->all_of, more->all_of_count, out);
    add_branches(doc, "anyOf", more->any_of, more->any_of_count, out);
    add_branches(doc, "oneOf", more->one_of, more->one_of_count, out);
    if (more->not_of != NULL) {
        json_object_set_new(out, "not", openapi__inline(doc, more->not_of));
    }
    json_t *rules = json_array();
    for (size_t i = 0; i < more->rule_count; i++) {
        json_t *rule = json_pack("{s:o}", "rule", json_str(more->rules[i].rule));
        openapi__set_text(rule, "message", more->rules[i].message);
        json_array_append_new(rules, rule);
    }
    if (more->rule_count > 0) {
        json_object_set(out, "x-kubernetes-validations", rules);
    }
    json_decref(rules);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the nesting of the tables. */
json_t *openapi__inline(struct openapi_doc *doc, const struct schema *s)
{
    if (s->type == SCHEMA_INT_OR_STRING) {
        return number_or_text(doc, s);
    }
    json_t *out = json_object();
    openapi__set_text(out, "description", s->doc);
    openapi__set_text(out, "type", slice_of(type_name(s->type)));
    openapi__set_text(out, "format", slice_of(format_name(s->format)));
    add_fields(doc, s, out);
    if (s->values != NULL) {
        json_object_set_new(out, "additionalProperties", openapi__schema(doc, s->values));
    }
    if (s->type == SCHEMA_ARRAY) {
        json_object_set_new(out, "items",
                            s->items != NULL ? openapi__schema(doc, s->items) : json_object());
    }
    add_rules(doc, s, out);
    add_extensions(s, out);
    if (s->more != NULL) {
        add_more(doc, s->more, out);
    }
    return out;
}

/* NOLINTNEXTLINE(misc-no-recursion): a definition is entered once. */
json_t *openapi__schema(struct openapi_doc *doc, const struct schema *s)
{
    if (s->name.len == 0) {
        return openapi__inline(doc, s);
    }
    if (tree_get(doc->definitions, s->name) == NULL) {
        tree_set(doc->definitions, s->name, json_null()); /* entered: ends cycles */
        json_t *definition = openapi__inline(doc, s);
        (void)json_object_del(definition,
                              "x-kubernetes-map-type"); /* the field's, not the type's */
        tree_set(doc->definitions, s->name, definition);
    }
    return openapi__ref(doc, s->name);
}

/* A text that can only be this one; what it is for stays. */
static void add_constant(json_t *properties, const char *name, struct slice text)
{
    json_t *property = json_child(properties, name);
    json_object_set_new(property, "type", json_string("string"));
    json_object_set_new(property, "enum", json_pack("[s%]", text.data, text.len));
}

int openapi_json_schema(const struct kind *kind, struct buf *out, struct err *err)
{
    if (kind->schema == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "%.*s has no schema", SLICE_ARG(kind->kind));
    }
    struct openapi_doc doc = {.dialect = OPENAPI_JSON_SCHEMA, .definitions = json_object()};
    json_t *root = openapi__inline(&doc, kind->schema);
    json_t *properties = json_object_get(root, "properties");
    json_object_set_new(root, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    add_constant(properties, "apiVersion", kind->api_version);
    add_constant(properties, "kind", kind->kind);
    json_object_set_new(root, "required", json_pack("[s,s,s]", "apiVersion", "kind", "metadata"));
    json_object_set_new(root, "definitions", doc.definitions);
    json_canonical(root, out);
    json_decref(root);
    return 0;
}
