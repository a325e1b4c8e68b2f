/* Is a schema structural? (schema_check() of schema_build.h)
 *
 * Kubernetes' conditions, each with the path of what breaks it: a type everywhere but where
 * anything goes; nothing but value validations inside logic, and nothing there that is not
 * described outside; no keyword that cannot be honoured; lists and maps that say how they merge say
 * it completely; patterns and expressions compile; defaults are valid.
 *
 * The walk knows where it is by `level`: the root, a field, an item, a map's value, or inside
 * logic. Bounds come first: a schema that is too large is looked at no further. */
#include "proto/schema_build.h"

#include "proto/schema_build_internal.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

enum level { AT_ROOT, AT_FIELD, AT_ITEM, AT_VALUE, IN_LOGIC };

struct inspection {
    struct causes *causes;
    const struct expressions *x;
    struct buf path;
    size_t nodes;
    size_t rules;
    const struct schema *shape; /* of the value whose rules are looked at */
    bool uncorrelated; /* below a list whose items have no identity: oldSelf cannot be found */
};

static void inspect(struct inspection *i, const json_t *tree, enum level level);

#define HERE(i) buf_slice(&(i)->path)

/* One cause about a keyword of the schema that the walk is at. */
__attribute__((format(printf, 4, 5))) static void
refuse(struct inspection *i, enum cause_kind kind, const char *keyword, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    size_t before = schema__path_member(&i->path, slice_of(keyword));
    cause_add(i->causes, kind, HERE(i), "%.*s", SLICE_ARG(buf_slice(&text)));
    i->path.len = before;
    buf_free(&text);
}

static bool has(const json_t *tree, const char *keyword)
{
    return json_object_get(tree, keyword) != NULL;
}

static bool is_true(const json_t *tree, const char *keyword)
{
    return json_is_true(json_object_get(tree, keyword));
}

/* ---- what no schema may say ---- */

static void inspect_forbidden(struct inspection *i, const json_t *tree)
{
    static const char *const never[] = {"$ref",          "$schema",           "id",
                                        "definitions",   "dependencies",      "additionalItems",
                                        "discriminator", "patternProperties", "deprecated",
                                        "readOnly",      "writeOnly",         "xml"};
    for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++) {
        if (has(tree, never[k])) {
            refuse(i, CAUSE_FORBIDDEN, never[k], "Forbidden: %s is not supported", never[k]);
        }
    }
    if (is_true(tree, "uniqueItems")) {
        refuse(i, CAUSE_FORBIDDEN, "uniqueItems",
               "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
               "quadratic");
    }
    if (json_is_false(json_object_get(tree, "additionalProperties"))) {
        refuse(i, CAUSE_FORBIDDEN, "additionalProperties",
               "Forbidden: additionalProperties cannot be set to false");
    }
    if (has(tree, "additionalProperties") &&
        json_object_size(json_object_get(tree, "properties")) > 0) {
        refuse(i, CAUSE_FORBIDDEN, "additionalProperties",
               "Forbidden: additionalProperties and properties are mutual exclusive");
    }
    if (json_is_array(json_object_get(tree, "items"))) {
        refuse(i, CAUSE_FORBIDDEN, "items",
               "Forbidden: items must be a schema object and not an array");
    }
    if (json_is_false(json_object_get(tree, "x-kubernetes-preserve-unknown-fields"))) {
        refuse(i, CAUSE_INVALID, "x-kubernetes-preserve-unknown-fields",
               "Invalid value: false: must be true or undefined");
    }
}

/* ---- types ---- */

static void inspect_type(struct inspection *i, const json_t *tree, enum level level)
{
    struct slice type = json_text_at(tree, "type");
    enum schema_type known;
    bool free_form = is_true(tree, "x-kubernetes-preserve-unknown-fields") ||
                     is_true(tree, "x-kubernetes-int-or-string");
    if (is_true(tree, "x-kubernetes-int-or-string") && type.len > 0) {
        refuse(i, CAUSE_FORBIDDEN, "type",
               "Forbidden: must be empty if x-kubernetes-int-or-string is true");
        return;
    }
    if (type.len == 0 && level == AT_ROOT) {
        refuse(i, CAUSE_REQUIRED, "type", "Required value: must not be empty at the root");
    } else if (level == AT_ROOT && !slice_eq_cstr(type, "object")) {
        refuse(i, CAUSE_INVALID, "type", "Invalid value: \"%.*s\": must be object at the root",
               SLICE_ARG(slice_sub(type, 0, 100)));
    } else if (type.len == 0 && !free_form) {
        refuse(i, CAUSE_REQUIRED, "type", "Required value: must not be empty for specified %s",
               level == AT_ITEM ? "array items" : "object fields");
    } else if (type.len > 0 && !schema__type_named(type, &known)) {
        refuse(i, CAUSE_NOT_SUPPORTED, "type",
               "Unsupported value: \"%.*s\": supported values: \"array\", \"boolean\", "
               "\"integer\", \"number\", \"object\", \"string\"",
               SLICE_ARG(slice_sub(type, 0, 100)));
    } else if (slice_eq_cstr(type, "array") && !has(tree, "items")) {
        refuse(i, CAUSE_REQUIRED, "items", "Required value: must be specified");
    }
}

/* Lengths and limits of the JSON type that they are of. */
static void inspect_scalars(struct inspection *i, const json_t *tree)
{
    static const struct {
        const char *keyword;
        bool count;
    } numbers[] = {{"minLength", true}, {"maxLength", true},     {"minItems", true},
                   {"maxItems", true},  {"minProperties", true}, {"maxProperties", true},
                   {"minimum", false},  {"maximum", false},      {"multipleOf", false}};
    for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
        const json_t *value = json_object_get(tree, numbers[k].keyword);
        bool good = numbers[k].count ? json_is_integer(value) && json_integer_value(value) >= 0
                                     : json_is_number(value);
        if (value != NULL && !good) {
            refuse(i, CAUSE_INVALID, numbers[k].keyword, "Invalid value: must be %s",
                   numbers[k].count ? "an integer that is not negative" : "a number");
        }
    }
    const json_t *multiple = json_object_get(tree, "multipleOf");
    if (json_is_number(multiple) && json_number_value(multiple) <= 0) {
        refuse(i, CAUSE_INVALID, "multipleOf", "Invalid value: must be greater than 0");
    }
    size_t values = json_array_size(json_object_get(tree, "enum"));
    if (values > SCHEMA_ENUM_MAX) {
        refuse(i, CAUSE_TOO_MANY, "enum", "Too many: %zu: must have at most %d items", values,
               SCHEMA_ENUM_MAX);
    }
    struct slice pattern = json_text_at(tree, "pattern");
    struct err err;
    if (pattern.len > 0 && !schema__pattern_check(pattern, &err)) {
        refuse(i, CAUSE_INVALID, "pattern",
               "Invalid value: \"%.*s\": must be a valid regular expression: %s",
               SLICE_ARG(slice_sub(pattern, 0, 200)), err.message);
    }
}

/* ---- lists and maps ---- */

static bool is_scalar(const json_t *tree)
{
    struct slice type = json_text_at(tree, "type");
    return slice_eq_cstr(type, "string") || slice_eq_cstr(type, "integer") ||
           slice_eq_cstr(type, "number") || slice_eq_cstr(type, "boolean") ||
           is_true(tree, "x-kubernetes-int-or-string");
}

static bool lists(const json_t *list, struct slice text)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        if (slice_eq(json_text(json_array_get(list, k)), text)) {
            return true;
        }
    }
    return false;
}

static void inspect_map_key(struct inspection *i, const json_t *items, struct slice key, size_t at)
{
    char keyword[64];
    const json_t *property = tree_get(json_object_get(items, "properties"), key);
    (void)snprintf(keyword, sizeof(keyword), "x-kubernetes-list-map-keys[%zu]", at);
    if (property == NULL) {
        refuse(i, CAUSE_INVALID, keyword,
               "Invalid value: \"%.*s\": entries must all be names of item properties",
               SLICE_ARG(slice_sub(key, 0, 100)));
    } else if (!is_scalar(property)) {
        refuse(i, CAUSE_INVALID, keyword,
               "Invalid value: \"%.*s\": entries must all be names of scalar item properties",
               SLICE_ARG(slice_sub(key, 0, 100)));
    } else if (!has(property, "default") && !lists(json_object_get(items, "required"), key)) {
        refuse(i, CAUSE_REQUIRED, keyword,
               "Required value: \"%.*s\": this property must have a default or be a required "
               "property",
               SLICE_ARG(slice_sub(key, 0, 100)));
    }
}

static void inspect_list_type(struct inspection *i, const json_t *tree)
{
    struct slice list = json_text_at(tree, "x-kubernetes-list-type");
    const json_t *keys = json_object_get(tree, "x-kubernetes-list-map-keys");
    const json_t *items = json_object_get(tree, "items");
    bool map = slice_eq_cstr(list, "map");
    if (list.len > 0 && !slice_eq_cstr(json_text_at(tree, "type"), "array")) {
        refuse(i, CAUSE_INVALID, "type",
               "Invalid value: must be array if x-kubernetes-list-type is specified");
    } else if (list.len > 0 && !map && !slice_eq_cstr(list, "set") &&
               !slice_eq_cstr(list, "atomic")) {
        refuse(i, CAUSE_NOT_SUPPORTED, "x-kubernetes-list-type",
               "Unsupported value: \"%.*s\": supported values: \"atomic\", \"map\", \"set\"",
               SLICE_ARG(slice_sub(list, 0, 100)));
    }
    if (keys != NULL && !map) {
        refuse(i, CAUSE_INVALID, "x-kubernetes-list-type",
               "Invalid value: must be map if x-kubernetes-list-map-keys is non-empty");
    } else if (map && json_array_size(keys) == 0) {
        refuse(i, CAUSE_REQUIRED, "x-kubernetes-list-map-keys",
               "Required value: must not be empty if x-kubernetes-list-type is map");
    } else if (map && !slice_eq_cstr(json_text_at(items, "type"), "object")) {
        refuse(i, CAUSE_INVALID, "items.type",
               "Invalid value: must be object if parent array's x-kubernetes-list-type is map");
    } else if (map) {
        for (size_t k = 0; k < json_array_size(keys); k++) {
            inspect_map_key(i, items, json_text(json_array_get(keys, k)), k);
        }
    }
    bool atomic = slice_eq_cstr(json_text_at(items, "x-kubernetes-list-type"), "atomic") ||
                  slice_eq_cstr(json_text_at(items, "x-kubernetes-map-type"), "atomic");
    if (slice_eq_cstr(list, "set") && !is_scalar(items) && !atomic) {
        refuse(i, CAUSE_INVALID, "items",
               "Invalid value: must be scalar or atomic as the item of a list of type set");
    }
}

static void inspect_extensions(struct inspection *i, const json_t *tree)
{
    struct slice map = json_text_at(tree, "x-kubernetes-map-type");
    bool object = slice_eq_cstr(json_text_at(tree, "type"), "object");
    if (map.len > 0 && !object) {
        refuse(i, CAUSE_INVALID, "type",
               "Invalid value: must be object if x-kubernetes-map-type is specified");
    } else if (map.len > 0 && !slice_eq_cstr(map, "atomic") && !slice_eq_cstr(map, "granular")) {
        refuse(i, CAUSE_NOT_SUPPORTED, "x-kubernetes-map-type",
               "Unsupported value: \"%.*s\": supported values: \"atomic\", \"granular\"",
               SLICE_ARG(slice_sub(map, 0, 100)));
    }
    if (is_true(tree, "x-kubernetes-embedded-resource")) {
        if (!object) {
            refuse(i, CAUSE_INVALID, "type",
                   "Invalid value: must be object if x-kubernetes-embedded-resource is true");
        }
        if (!has(tree, "properties") && !is_true(tree, "x-kubernetes-preserve-unknown-fields")) {
            refuse(i, CAUSE_REQUIRED, "properties",
                   "Required value: must not be empty if x-kubernetes-embedded-resource is true "
                   "without x-kubernetes-preserve-unknown-fields");
        }
    }
    inspect_list_type(i, tree);
}

/* ---- logic: value validations alone, of what is described outside ---- */

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void inspect_described(struct inspection *i, const json_t *branch, const json_t *outside)
{
    TREE_EACH(it, json_object_get(branch, "properties"))
    {
        const json_t *twin = tree_get(json_object_get(outside, "properties"), tree_key(it));
        bool any = is_true(outside, "x-kubernetes-preserve-unknown-fields") ||
                   has(outside, "additionalProperties");
        if (twin == NULL && !any) {
            char keyword[128];
            (void)snprintf(keyword, sizeof(keyword), "properties[%.*s]",
                           SLICE_ARG(slice_sub(tree_key(it), 0, 100)));
            refuse(i, CAUSE_REQUIRED, keyword,
                   "Required value: it is restricted here, so it must be described outside of "
                   "allOf, anyOf, oneOf and not");
        } else if (twin != NULL) {
            size_t before = schema__path_member(&i->path, SLICE("properties"));
            (void)schema__path_key(&i->path, tree_key(it));
            inspect_described(i, json_object_iter_value(it), twin);
            i->path.len = before;
        }
    }
}

static void inspect_branch(struct inspection *i, const json_t *branch, const json_t *outside)
{
    static const char *const never[] = {"description",
                                        "title",
                                        "type",
                                        "default",
                                        "nullable",
                                        "additionalProperties",
                                        "x-kubernetes-preserve-unknown-fields",
                                        "x-kubernetes-embedded-resource",
                                        "x-kubernetes-int-or-string",
                                        "x-kubernetes-list-type",
                                        "x-kubernetes-list-map-keys",
                                        "x-kubernetes-map-type",
                                        "x-kubernetes-validations"};
    bool number_or_text = is_true(outside, "x-kubernetes-int-or-string");
    for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++) {
        if (has(branch, never[k]) && !(number_or_text && strcmp(never[k], "type") == 0)) {
            refuse(i, CAUSE_FORBIDDEN, never[k], "Forbidden: must be empty to be structural");
        }
    }
    inspect(i, branch, IN_LOGIC);
    inspect_described(i, branch, outside);
}

static void inspect_logic(struct inspection *i, const json_t *tree)
{
    static const char *const lists_of[] = {"allOf", "anyOf", "oneOf"};
    size_t start = i->path.len;
    for (size_t k = 0; k < sizeof(lists_of) / sizeof(lists_of[0]); k++) {
        const json_t *list = json_object_get(tree, lists_of[k]);
        for (size_t n = 0; n < json_array_size(list); n++) {
            (void)schema__path_member(&i->path, slice_of(lists_of[k]));
            (void)schema__path_index(&i->path, n);
            inspect_branch(i, json_array_get(list, n), tree);
            i->path.len = start;
        }
    }
    if (has(tree, "not")) {
        (void)schema__path_member(&i->path, SLICE("not"));
        inspect_branch(i, json_object_get(tree, "not"), tree);
        i->path.len = start;
    }
}

/* ---- expressions ---- */

static void inspect_expression(struct inspection *i, const json_t *rule, const char *member)
{
    struct arena arena = {0};
    struct err err = {0};
    const struct expression *ignored;
    const struct schema_rule_source source = {
        .text = slice_trim(json_text_at(rule, member)),
        .self = i->shape,
        .optional_old = is_true(rule, "optionalOldSelf"),
        .message = strcmp(member, "messageExpression") == 0,
    };
    if (source.text.len > SCHEMA_RULE_BYTES_MAX) {
        refuse(i, CAUSE_TOO_LONG, member, "Too long: may not be more than %d bytes",
               SCHEMA_RULE_BYTES_MAX);
    } else if (schema__rule_compile(&arena, i->x, &source, &ignored, &err) != 0) {
        refuse(i, CAUSE_INVALID, member, "Invalid value: \"%.*s\": compilation failed: %s",
               SLICE_ARG(slice_sub(source.text, 0, 200)), err.message);
    }
    arena_free(&arena);
}

static void inspect_rule(struct inspection *i, const json_t *rule)
{
    static const char *const reasons[] = {"FieldValueInvalid", "FieldValueForbidden",
                                          "FieldValueRequired", "FieldValueDuplicate"};
    struct slice reason = json_text_at(rule, "reason");
    struct slice field = json_text_at(rule, "fieldPath");
    bool known = reason.len == 0;
    for (size_t k = 0; k < sizeof(reasons) / sizeof(reasons[0]); k++) {
        known = known || slice_eq_cstr(reason, reasons[k]);
    }
    if (slice_trim(json_text_at(rule, "rule")).len == 0) {
        refuse(i, CAUSE_REQUIRED, "rule", "Required value: rule is not specified");
    } else {
        inspect_expression(i, rule, "rule");
    }
    if (has(rule, "messageExpression")) {
        inspect_expression(i, rule, "messageExpression");
    }
    if (!known) {
        refuse(i, CAUSE_NOT_SUPPORTED, "reason",
               "Unsupported value: \"%.*s\": supported values: \"FieldValueDuplicate\", "
               "\"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"",
               SLICE_ARG(slice_sub(reason, 0, 100)));
    }
    if (field.len > 0 && field.data[0] != '.' && field.data[0] != '[') {
        refuse(i, CAUSE_INVALID, "fieldPath",
               "Invalid value: \"%.*s\": must begin with '.', or with a key in brackets",
               SLICE_ARG(slice_sub(field, 0, 100)));
    }
    if (i->uncorrelated && schema__rule_transition(rule) && !is_true(rule, "optionalOldSelf")) {
        refuse(i, CAUSE_INVALID, "rule",
               "Invalid value: oldSelf cannot be used below a list whose items have no identity: "
               "make it a list of type map");
    }
}

static void inspect_rules(struct inspection *i, const json_t *tree, bool root)
{
    const json_t *rules = json_object_get(tree, "x-kubernetes-validations");
    struct arena arena = {0};
    size_t start = i->path.len;
    if (json_array_size(rules) == 0) {
        return;
    }
    i->shape = schema__shape(&arena, tree, root);
    for (size_t k = 0; k < json_array_size(rules); k++) {
        (void)schema__path_member(&i->path, SLICE("x-kubernetes-validations"));
        (void)schema__path_index(&i->path, k);
        if (++i->rules == SCHEMA_RULES_MAX + 1) {
            cause_add(i->causes, CAUSE_TOO_MANY, HERE(i), "Too many: a schema has at most %d rules",
                      SCHEMA_RULES_MAX);
        } else if (i->rules <= SCHEMA_RULES_MAX) {
            inspect_rule(i, json_array_get(rules, k));
        }
        i->path.len = start;
    }
    i->shape = NULL;
    arena_free(&arena);
}

/* ---- defaults ---- */

static void inspect_default(struct inspection *i, const json_t *tree)
{
    const json_t *value = json_object_get(tree, "default");
    struct arena arena = {0};
    if (value == NULL || json_is_null(value)) {
        return;
    }
    const struct schema *wrapped;
    json_t *property = json_copy(tree_mutable(tree));
    (void)json_object_del(property, "default");
    (void)json_object_del(property, "x-kubernetes-validations");
    json_t *holder =
        json_pack("{s:s,s:{s:o}}", "type", "object", "properties", "default", property);
    wrapped = schema_build(&arena, holder, NULL);
    const struct schema_field *field = schema_field(wrapped, SLICE("default"));
    json_t *copy = json_deep_copy(value);
    size_t before = schema__path_member(&i->path, SLICE("default"));
    struct causes unknown = {.arena = i->causes->arena};
    schema_default(field->schema, copy);
    schema_prune(field->schema, copy, &unknown);
    if (unknown.count > 0) {
        cause_add(i->causes, CAUSE_INVALID, HERE(i),
                  "Invalid value: must not have unknown fields: "
                  "%.*s",
                  SLICE_ARG(unknown.items[0].message));
    } else {
        schema_validate(field->schema, copy, NULL, HERE(i), i->causes);
    }
    i->path.len = before;
    json_decref(copy);
    json_decref(holder);
    arena_free(&arena);
}

/* ---- the walk ---- */

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void inspect_children(struct inspection *i, const json_t *tree, enum level level)
{
    size_t start = i->path.len;
    bool outer = i->uncorrelated;
    TREE_EACH(it, json_object_get(tree, "properties"))
    {
        (void)schema__path_member(&i->path, SLICE("properties"));
        (void)schema__path_key(&i->path, tree_key(it));
        inspect(i, json_object_iter_value(it), level == IN_LOGIC ? IN_LOGIC : AT_FIELD);
        i->path.len = start;
    }
    const json_t *rest = json_object_get(tree, "additionalProperties");
    if (json_is_object(rest) && json_object_size(rest) > 0) {
        (void)schema__path_member(&i->path, SLICE("additionalProperties"));
        inspect(i, rest, level == IN_LOGIC ? IN_LOGIC : AT_VALUE);
        i->path.len = start;
    }
    const json_t *items = json_object_get(tree, "items");
    if (json_is_object(items)) {
        (void)schema__path_member(&i->path, SLICE("items"));
        i->uncorrelated =
            outer || !slice_eq_cstr(json_text_at(tree, "x-kubernetes-list-type"), "map");
        inspect(i, items, level == IN_LOGIC ? IN_LOGIC : AT_ITEM);
        i->uncorrelated = outer;
        i->path.len = start;
    }
}

/* Of the root: what every object has is described by the server. */
static void inspect_metadata(struct inspection *i, const json_t *tree)
{
    const json_t *metadata = json_at(tree, "properties", "metadata", NULL);
    TREE_EACH(it, json_object_get(metadata, "properties"))
    {
        if (!slice_eq_cstr(tree_key(it), "name") && !slice_eq_cstr(tree_key(it), "generateName")) {
            refuse(i, CAUSE_FORBIDDEN, "properties[metadata]",
                   "Forbidden: must not specify anything other than name and generateName, but "
                   "metadata is implicitly specified");
            return;
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void inspect(struct inspection *i, const json_t *tree, enum level level)
{
    if (++i->nodes == SCHEMA_NODES_MAX + 1) {
        cause_add(i->causes, CAUSE_TOO_MANY, HERE(i),
                  "Too many: a schema consists of at most %d schemas", SCHEMA_NODES_MAX);
    }
    if (i->nodes > SCHEMA_NODES_MAX || i->causes->dropped > 0) {
        return;
    }
    if (!json_is_object(tree)) {
        cause_add(i->causes, CAUSE_TYPE, HERE(i), "Invalid value: a schema is an object");
        return;
    }
    inspect_forbidden(i, tree);
    if (level != IN_LOGIC) {
        inspect_type(i, tree, level);
        inspect_extensions(i, tree);
        inspect_rules(i, tree, level == AT_ROOT);
    }
    inspect_scalars(i, tree);
    inspect_logic(i, tree);
    inspect_children(i, tree, level);
    if (level == AT_ROOT) {
        inspect_metadata(i, tree);
    } else if (level != IN_LOGIC) {
        inspect_default(i, tree);
    }
}

void schema_check(const json_t *tree, struct slice path, const struct expressions *x,
                  struct causes *causes)
{
    struct inspection i = {.causes = causes, .x = x};
    buf_add(&i.path, path);
    inspect(&i, tree, AT_ROOT);
    buf_free(&i.path);
}
