/* From an OpenAPI schema to a table.
 *
 * One function a keyword's family; the walk goes down properties, items, additionalProperties and
 * the branches of logic. What Kubernetes adds by itself (apiVersion, kind and metadata of an
 * object, also of an embedded one) is added here. Everything is copied into the arena: the tree may
 * go.
 * Invariants: fields are sorted by name, keys of map lists too; a schema whose subtree holds an
 * expression has has_rules. Trees come from json_parse(), so recursion is bounded. */
#include "proto/schema_build.h"

#include <math.h>
#include <stdlib.h>

#include "proto/kind.h"
#include "proto/schema_build_internal.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

struct building {
    struct arena *arena;
    const struct expressions *x;
};

static void build(struct building *b, const json_t *tree, struct schema *out);

static const struct schema *build_new(struct building *b, const json_t *tree)
{
    struct schema *s = ARENA_NEW(b->arena, struct schema);
    build(b, tree, s);
    return s;
}

static bool is_true(const json_t *tree, const char *key)
{
    return json_is_true(json_object_get(tree, key));
}

static struct slice canonical(struct arena *arena, const json_t *tree)
{
    struct buf text = {0};
    json_canonical(tree, &text);
    struct slice copy = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static const void *keep(struct building *b, const void *bytes, size_t len)
{
    return len > 0 ? memcpy(arena_alloc(b->arena, len), bytes, len) : NULL;
}

/* ---- types ---- */

static const struct {
    const char *name;
    enum schema_type type;
} types[] = {
    {"object", SCHEMA_OBJECT},   {"array", SCHEMA_ARRAY},   {"string", SCHEMA_STRING},
    {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER}, {"boolean", SCHEMA_BOOLEAN},
};

bool schema__type_named(struct slice name, enum schema_type *type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_eq_cstr(name, types[i].name)) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

static enum schema_format format_named(struct slice name)
{
    static const struct {
        const char *name;
        enum schema_format format;
    } formats[] = {
        {"int32", SCHEMA_FORMAT_INT32},
        {"int64", SCHEMA_FORMAT_INT64},
        {"double", SCHEMA_FORMAT_DOUBLE},
        {"date-time", SCHEMA_FORMAT_DATE_TIME},
        {"datetime", SCHEMA_FORMAT_DATE_TIME},
        {"date", SCHEMA_FORMAT_DATE},
        {"duration", SCHEMA_FORMAT_DURATION},
        {"byte", SCHEMA_FORMAT_BYTE},
        {"uri", SCHEMA_FORMAT_URI_REFERENCE},
        {"email", SCHEMA_FORMAT_EMAIL},
        {"hostname", SCHEMA_FORMAT_HOSTNAME},
        {"ipv4", SCHEMA_FORMAT_IPV4},
        {"ipv6", SCHEMA_FORMAT_IPV6},
        {"cidr", SCHEMA_FORMAT_CIDR},
        {"mac", SCHEMA_FORMAT_MAC},
        {"uuid", SCHEMA_FORMAT_UUID},
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (slice_eq_cstr(name, formats[i].name)) {
            return formats[i].format;
        }
    }
    return SCHEMA_FORMAT_NONE; /* Kubernetes ignores what it does not know, too */
}

/* ---- limits ---- */

static uint32_t count_of(const json_t *value)
{
    double number = json_number_value(value);
    return number <= 0 ? 0 : number >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

static void build_lengths(const json_t *tree, struct schema *s)
{
    static const char *const mins[] = {"minLength", "minItems", "minProperties"};
    static const char *const maxs[] = {"maxLength", "maxItems", "maxProperties"};
    for (size_t i = 0; i < sizeof(mins) / sizeof(mins[0]); i++) {
        const json_t *min = json_object_get(tree, mins[i]);
        const json_t *max = json_object_get(tree, maxs[i]);
        if (json_is_number(min)) {
            s->min_len = count_of(min);
        }
        if (json_is_number(max)) {
            s->has_max_len = true;
            s->max_len = count_of(max);
        }
    }
}

static void build_limits(struct building *b, const json_t *tree, struct schema *s,
                         struct schema_more *more)
{
    const json_t *min = json_object_get(tree, "minimum");
    const json_t *max = json_object_get(tree, "maximum");
    s->has_min = json_is_number(min);
    s->min = json_number_value(min);
    s->has_max = json_is_number(max);
    s->max = json_number_value(max);
    more->exclusive_min = is_true(tree, "exclusiveMinimum");
    more->exclusive_max = is_true(tree, "exclusiveMaximum");
    double multiple = json_number_value(json_object_get(tree, "multipleOf"));
    more->multiple_of = multiple > 0 ? multiple : 0;
    build_lengths(tree, s);
    struct slice pattern = json_text_at(tree, "pattern");
    if (pattern.len > 0) {
        s->pattern = ARENA_NEW(b->arena, struct schema_pattern);
        s->pattern->text = arena_copy(b->arena, pattern);
        arena_own(b->arena, s->pattern, schema__pattern_free);
    }
}

static int by_text(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    return slice_cmp(*x, *y);
}

static void build_enum(struct building *b, const json_t *tree, struct schema *s,
                       struct schema_more *more)
{
    const json_t *values = json_object_get(tree, "enum");
    size_t count = json_array_size(values);
    if (count == 0) {
        return;
    }
    struct slice *shown = arena_alloc(b->arena, count * sizeof(*shown));
    struct slice *sorted = arena_alloc(b->arena, count * sizeof(*sorted));
    for (size_t i = 0; i < count; i++) {
        shown[i] = canonical(b->arena, json_array_get(values, i));
        sorted[i] = shown[i];
    }
    qsort(sorted, count, sizeof(*sorted), by_text);
    s->enums = shown;
    s->enum_count = count;
    more->values = sorted;
    more->value_count = count;
}

/* ---- members and items ---- */

static bool requires(const json_t *tree, struct slice name)
{
    const json_t *list = json_object_get(tree, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq(json_text(json_array_get(list, i)), name)) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct schema_field *x = a;
    const struct schema_field *y = b;
    return slice_cmp(x->name, y->name);
}

static struct schema_field build_field(struct building *b, const json_t *tree, struct slice name,
                                       const json_t *property)
{
    const json_t *value = json_object_get(property, "default");
    struct schema_field field = {.name = arena_copy(b->arena, name),
                                 .schema = build_new(b, property),
                                 .required = requires(tree, name)};
    field.doc = field.schema->doc;
    if (value != NULL && !json_is_null(value)) {
        field.default_json = canonical(b->arena, value);
    }
    return field;
}

/* The metadata that every object has; a definition may narrow name and generateName. */
static const struct schema *build_metadata(struct building *b, const json_t *tree)
{
    const struct schema *standard = kind_metadata_schema();
    const json_t *properties = json_object_get(tree, "properties");
    if (json_object_size(properties) == 0) {
        return standard;
    }
    struct schema *own = ARENA_NEW(b->arena, struct schema);
    struct schema_field *fields =
        arena_alloc(b->arena, standard->field_count * sizeof(struct schema_field));
    *own = *standard;
    own->name = (struct slice){0};
    own->fields = fields;
    for (size_t i = 0; i < standard->field_count; i++) {
        const json_t *narrowed = tree_get(properties, standard->fields[i].name);
        fields[i] = standard->fields[i];
        if (narrowed != NULL) {
            fields[i].schema = build_new(b, narrowed);
        }
    }
    return own;
}

/* apiVersion, kind and metadata in place of what the definition says of them. */
static size_t add_object_fields(struct building *b, const json_t *properties, bool embedded,
                                struct schema_field *fields)
{
    static const struct schema text = {.type = SCHEMA_STRING, .min_len = 1};
    fields[0] = (struct schema_field){
        .name = SLICE("apiVersion"),
        .doc = SLICE("APIVersion defines the versioned schema of this representation of an "
                     "object."),
        .schema = &text,
        .required = embedded};
    fields[1] = (struct schema_field){
        .name = SLICE("kind"),
        .doc = SLICE("Kind is a string value representing the REST resource this object "
                     "represents. Cannot be updated. In CamelCase."),
        .schema = &text,
        .required = embedded};
    fields[2] =
        (struct schema_field){.name = SLICE("metadata"),
                              .doc = SLICE("Standard object's metadata."),
                              .schema = build_metadata(b, json_object_get(properties, "metadata"))};
    return 3;
}

static bool is_object_field(struct slice name)
{
    return slice_eq_cstr(name, "apiVersion") || slice_eq_cstr(name, "kind") ||
           slice_eq_cstr(name, "metadata");
}

/* As it stands in an expression; keywords are none. */
static bool is_identifier(struct slice name)
{
    bool good = slice_find(name, SLICE("__")) == SIZE_MAX;
    for (size_t i = 0; i < name.len && good; i++) {
        char c = name.data[i];
        good =
            c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    }
    return good && !expression_keyword(name);
}

static void build_members(struct building *b, const json_t *tree, bool object, struct schema *s)
{
    const json_t *properties = json_object_get(tree, "properties");
    const json_t *required = json_object_get(tree, "required");
    const json_t *rest = json_object_get(tree, "additionalProperties");
    size_t most = json_object_size(properties) + json_array_size(required) + 3;
    struct schema_field *fields = mem_alloc(most * sizeof(*fields));
    size_t count = object ? add_object_fields(b, properties, s->embedded, fields) : 0;
    TREE_EACH(it, properties)
    {
        if (!object || !is_object_field(tree_key(it))) {
            fields[count++] = build_field(b, tree, tree_key(it), json_object_iter_value(it));
        }
    }
    for (size_t i = 0; i < json_array_size(required); i++) { /* of what is not described */
        static const struct schema any = {.type = SCHEMA_ANY, .preserve_unknown = true};
        struct slice name = json_text(json_array_get(required, i));
        if (tree_get(properties, name) == NULL && !(object && is_object_field(name))) {
            fields[count++] = (struct schema_field){
                .name = arena_copy(b->arena, name), .schema = &any, .required = true};
        }
    }
    qsort(fields, count, sizeof(*fields), by_name);
    s->fields = keep(b, fields, count * sizeof(*fields));
    s->field_count = count;
    for (size_t i = 0; i < count; i++) {
        s->has_rules |= fields[i].schema->has_rules;
        s->converts |= fields[i].schema->converts || !is_identifier(fields[i].name);
    }
    free(fields);
    if (json_is_object(rest) && json_object_size(rest) > 0) {
        s->values = build_new(b, rest);
        s->has_rules |= s->values->has_rules;
        s->converts |= s->values->converts;
    } else if (json_is_object(rest) || json_is_true(rest)) {
        s->preserve_unknown = true;
    }
    s->atomic_map = slice_eq_cstr(json_text_at(tree, "x-kubernetes-map-type"), "atomic");
}

static void build_items(struct building *b, const json_t *tree, struct schema *s)
{
    const json_t *items = json_object_get(tree, "items");
    const json_t *keys = json_object_get(tree, "x-kubernetes-list-map-keys");
    struct slice list = json_text_at(tree, "x-kubernetes-list-type");
    if (json_is_object(items)) {
        s->items = build_new(b, items);
        s->has_rules |= s->items->has_rules;
        s->converts |= s->items->converts;
    }
    if (slice_eq_cstr(list, "set")) {
        s->list = SCHEMA_LIST_SET;
    } else if (slice_eq_cstr(list, "map") && json_array_size(keys) > 0) {
        struct slice *names = arena_alloc(b->arena, json_array_size(keys) * sizeof(*names));
        s->list = SCHEMA_LIST_MAP;
        s->map_keys = names;
        for (size_t i = 0; i < json_array_size(keys); i++) {
            names[s->map_key_count++] = arena_copy(b->arena, json_text(json_array_get(keys, i)));
        }
        qsort(names, s->map_key_count, sizeof(*names), by_text);
    }
}

/* ---- logic and rules ---- */

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static const struct schema *build_branches(struct building *b, const json_t *list, size_t *count)
{
    *count = json_array_size(list);
    if (*count == 0) {
        return NULL;
    }
    struct schema *branches = arena_zero(b->arena, *count * sizeof(*branches));
    for (size_t i = 0; i < *count; i++) {
        build(b, json_array_get(list, i), &branches[i]);
    }
    return branches;
}

static void build_logic(struct building *b, const json_t *tree, struct schema_more *more)
{
    more->all_of = build_branches(b, json_object_get(tree, "allOf"), &more->all_of_count);
    more->any_of = build_branches(b, json_object_get(tree, "anyOf"), &more->any_of_count);
    more->one_of = build_branches(b, json_object_get(tree, "oneOf"), &more->one_of_count);
    if (json_is_object(json_object_get(tree, "not"))) {
        more->not_of = build_new(b, json_object_get(tree, "not"));
    }
}

static void build_rules(struct building *b, const json_t *tree, struct schema *s,
                        struct schema_more *more)
{
    const json_t *list = json_object_get(tree, "x-kubernetes-validations");
    size_t count = json_array_size(list);
    if (count == 0 || b->x == NULL) {
        return;
    }
    struct schema_rule *rules = arena_zero(b->arena, count * sizeof(*rules));
    for (size_t i = 0; i < count; i++) {
        const json_t *rule = json_array_get(list, i);
        struct schema_rule *r = &rules[i];
        r->rule = arena_copy(b->arena, slice_trim(json_text_at(rule, "rule")));
        r->message = arena_copy(b->arena, json_text_at(rule, "message"));
        r->field = arena_copy(b->arena, json_text_at(rule, "fieldPath"));
        r->kind = schema__rule_kind(json_text_at(rule, "reason"));
        r->transition = schema__rule_transition(rule);
        r->optional_old = is_true(rule, "optionalOldSelf");
        r->by = b->x;
        struct schema_rule_source source = {
            .text = r->rule, .self = s, .optional_old = r->optional_old, .stored = true};
        (void)schema__rule_compile(b->arena, b->x, &source, &r->code, NULL);
        source.text = arena_copy(b->arena, json_text_at(rule, "messageExpression"));
        source.message = true;
        (void)schema__rule_compile(b->arena, b->x, &source, &r->message_code, NULL);
    }
    more->rules = rules;
    more->rule_count = count;
    s->has_rules = true;
}

/* ---- one schema ---- */

static bool needs_more(const struct schema_more *more)
{
    return more->exclusive_min || more->exclusive_max || more->multiple_of > 0 ||
           more->value_count > 0 ||
           more->all_of_count + more->any_of_count + more->one_of_count > 0 ||
           more->not_of != NULL || more->rule_count > 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void build_object(struct building *b, const json_t *tree, bool object, struct schema *s)
{
    struct schema_more more = {0};
    (void)schema__type_named(json_text_at(tree, "type"), &s->type);
    s->doc = arena_copy(b->arena, json_text_at(tree, "description"));
    s->format = format_named(json_text_at(tree, "format"));
    s->nullable = is_true(tree, "nullable");
    s->preserve_unknown = is_true(tree, "x-kubernetes-preserve-unknown-fields");
    s->embedded = is_true(tree, "x-kubernetes-embedded-resource");
    bool number_or_text = is_true(tree, "x-kubernetes-int-or-string");
    if (number_or_text) {
        s->type = SCHEMA_INT_OR_STRING;
    }
    s->converts = s->type == SCHEMA_NUMBER || s->format == SCHEMA_FORMAT_DATE_TIME ||
                  s->format == SCHEMA_FORMAT_DURATION || s->format == SCHEMA_FORMAT_BYTE;
    build_members(b, tree, object || s->embedded, s);
    build_items(b, tree, s);
    build_limits(b, tree, s, &more);
    build_enum(b, tree, s, &more);
    if (!number_or_text) { /* its anyOf says what its type does */
        build_logic(b, tree, &more);
    } else {
        more.all_of = build_branches(b, json_object_get(tree, "allOf"), &more.all_of_count);
    }
    build_rules(b, tree, s, &more);
    s->more = needs_more(&more) ? keep(b, &more, sizeof(more)) : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void build(struct building *b, const json_t *tree, struct schema *out)
{
    build_object(b, tree, false, out);
}

const struct schema *schema__shape(struct arena *arena, const json_t *tree, bool object)
{
    struct building b = {.arena = arena};
    struct schema *shape = ARENA_NEW(arena, struct schema);
    build_object(&b, tree, object, shape);
    return shape;
}

const struct schema *schema_build(struct arena *arena, const json_t *tree,
                                  const struct expressions *x)
{
    struct building b = {.arena = arena, .x = x};
    struct schema *root = ARENA_NEW(arena, struct schema);
    build_object(&b, tree, true, root);
    root->type = SCHEMA_OBJECT;
    return root;
}
