/* The tables of proto/kind.h and proto/schema.h, as C.
 *
 * A message becomes `fields_X` and `m_X`; a field whose value needs rules of its own gets a node
 * `n_X_field` (and `i_X_field` for the items of a list or map); a field that is simply a message
 * points to that message's node. Nodes are declared before they are defined, so order and cycles do
 * not matter. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define TYPE(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name

typedef Google__Protobuf__FieldDescriptorProto field_proto;

struct scalar {
    Google__Protobuf__FieldDescriptorProto__Type type;
    const char *json;
    const char *format;
    const char *wire;
};

static const struct scalar scalars[] = {
    {TYPE(BOOL), "BOOLEAN", "NONE", "BOOL"},      {TYPE(INT32), "INTEGER", "INT32", "INT32"},
    {TYPE(INT64), "INTEGER", "INT64", "INT64"},   {TYPE(UINT32), "INTEGER", "INT64", "UINT32"},
    {TYPE(UINT64), "INTEGER", "INT64", "UINT64"}, {TYPE(DOUBLE), "NUMBER", "DOUBLE", "DOUBLE"},
    {TYPE(FLOAT), "NUMBER", "DOUBLE", "FLOAT"},   {TYPE(STRING), "STRING", "NONE", "STRING"},
    {TYPE(BYTES), "STRING", "BYTE", "BYTES"},
};

struct shape {
    const char *name; /* a form of ours, or a well-known message */
    const char *init;
};

static const struct shape shapes[] = {
    {"quantity", ".type = SCHEMA_INT_OR_STRING, .format = SCHEMA_FORMAT_QUANTITY, .wire = "
                 "SCHEMA_WIRE_QUANTITY"},
    {"int-or-string", ".type = SCHEMA_INT_OR_STRING, .wire = SCHEMA_WIRE_INT_OR_STRING"},
    {"time", ".type = SCHEMA_STRING, .format = SCHEMA_FORMAT_DATE_TIME, .wire = SCHEMA_WIRE_TIME"},
    {"micro-time", ".type = SCHEMA_STRING, .format = SCHEMA_FORMAT_MICRO_TIME, .wire = "
                   "SCHEMA_WIRE_MICRO_TIME"},
    {"raw-json", ".type = SCHEMA_OBJECT, .preserve_unknown = true, .atomic_map = true, .wire = "
                 "SCHEMA_WIRE_RAW_JSON"},
    {"texts", ".type = SCHEMA_ARRAY, .items = &type_name, .wire = SCHEMA_WIRE_TEXTS"},
    {".google.protobuf.Struct",
     ".type = SCHEMA_OBJECT, .preserve_unknown = true, .wire = SCHEMA_WIRE_STRUCT"},
    {".google.protobuf.Value",
     ".type = SCHEMA_ANY, .preserve_unknown = true, .wire = SCHEMA_WIRE_VALUE"},
    {".google.protobuf.ListValue", ".type = SCHEMA_ARRAY, .preserve_unknown = true, .wire = "
                                   "SCHEMA_WIRE_LIST_VALUE"},
};

static const char *shape_of(const struct model_message *message)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (strcmp(shapes[i].name, message->form) == 0 ||
            strcmp(shapes[i].name, message->full_name) == 0) {
            return shapes[i].init;
        }
    }
    if (message->form[0] != '\0') {
        model_fail("%s: no form \"%s\"", message->full_name, message->form);
    }
    return NULL;
}

static void text(FILE *out, const char *s)
{
    if (s == NULL) {
        s = "";
    }
    fprintf(out, "{\"");
    for (const char *c = s; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(out, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f || *c == '?') {
            fprintf(out, "\\%03o", (unsigned char)*c);
        } else {
            fputc(*c, out);
        }
    }
    fprintf(out, "\", %zu}", strlen(s));
}

static void text_list(FILE *out, const char *prefix, const char *name, char **items, size_t count)
{
    if (count == 0) {
        return;
    }
    fprintf(out, "static const struct slice %s%s[] = {", prefix, name);
    for (size_t i = 0; i < count; i++) {
        text(out, items[i]);
        fputs(", ", out);
    }
    fputs("};\n", out);
}

/* "k8s.io.api.core.v1.Secret" -> "io.k8s.api.core.v1.Secret"; "choreo.v1.X" -> "dev.choreo.v1.X".
 */
static void schema_name(FILE *out, const char *full_name)
{
    char name[256];
    const char *k8s = ".k8s.io.";
    if (strncmp(full_name, k8s, strlen(k8s)) == 0) {
        snprintf(name, sizeof(name), "io.k8s.%s", full_name + strlen(k8s));
    } else {
        snprintf(name, sizeof(name), "dev%s", full_name);
    }
    text(out, name);
}

static void format_name(FILE *out, const char *format)
{
    fputs("SCHEMA_FORMAT_", out);
    for (const char *c = format; *c != '\0'; c++) {
        fputc(*c == '-' ? '_' : (*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c), out);
    }
}

static void value_rules(FILE *out, const char *id, const Choreo__V1__FieldRules *rules)
{
    if (rules == NULL) {
        return;
    }
    if (rules->format != NULL) {
        fputs(", .format = ", out);
        format_name(out, rules->format);
    }
    if (rules->has_min) {
        fprintf(out, ", .has_min = true, .min = %.17g", rules->min);
    }
    if (rules->has_max) {
        fprintf(out, ", .has_max = true, .max = %.17g", rules->max);
    }
    if (rules->has_min_len) {
        fprintf(out, ", .min_len = %u", rules->min_len);
    }
    if (rules->has_max_len) {
        fprintf(out, ", .has_max_len = true, .max_len = %u", rules->max_len);
    }
    if (rules->n_enum_ > 0) {
        fprintf(out, ", .enums = e_%s, .enum_count = %zu", id, rules->n_enum_);
    }
    if (rules->pattern != NULL) {
        fprintf(out, ", .pattern = &p_%s", id);
    }
}

/* The initializer of one value (not a list or map) of this field's type. A format in the rules
 * comes second and so replaces the type's own: legal for designated initializers, but a warning,
 * hence the care with `format`. */
static void value_node(FILE *out, const struct model *model, const char *id,
                       const field_proto *field, const Choreo__V1__FieldRules *rules)
{
    if (field->type == TYPE(MESSAGE)) {
        const struct model_message *target = model_find(model, field->type_name);
        const char *shape = shape_of(target);
        if (shape != NULL) {
            fputs(shape, out);
        } else {
            fputs(".name = ", out);
            schema_name(out, target->full_name);
            fprintf(out, ", .type = SCHEMA_OBJECT, .wire = SCHEMA_WIRE_MESSAGE, .doc = ");
            text(out, target->doc);
            fprintf(out, ", .fields = fields_%s, .field_count = %zu", target->symbol,
                    target->field_count + (target->kind != NULL ? 2 : 0));
        }
        value_rules(out, id, rules);
        return;
    }
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
        if (scalars[i].type == field->type) {
            fprintf(out, ".type = SCHEMA_%s, .wire = SCHEMA_WIRE_%s", scalars[i].json,
                    scalars[i].wire);
            if (rules == NULL || rules->format == NULL) {
                fprintf(out, ", .format = SCHEMA_FORMAT_%s", scalars[i].format);
            }
            value_rules(out, id, rules);
            return;
        }
    }
    model_fail("%s.%s: this type of field is not supported in a kind", id, field->name);
}

static const struct model_message *map_entry(const struct model *model, const field_proto *field)
{
    if (field->type != TYPE(MESSAGE) ||
        field->label != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED) {
        return NULL;
    }
    const struct model_message *target = model_find(model, field->type_name);
    if (!target->map_entry) {
        return NULL;
    }
    if (target->fields[0].proto->type != TYPE(STRING)) {
        model_fail("%s: JSON's keys are strings", target->full_name);
    }
    return target;
}

static bool repeated(const field_proto *field)
{
    return field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
}

/* The message that a field's values are, if they are objects of its fields. */
static const struct model_message *object_message(const struct model *model,
                                                  const field_proto *field)
{
    if (field->type != TYPE(MESSAGE)) {
        return NULL;
    }
    const struct model_message *target = model_find(model, field->type_name);
    return shape_of(target) == NULL ? target : NULL;
}

/* A plain message without rules needs no node of its own. */
static bool plain_message(const struct model *model, const struct model_field *field)
{
    const Choreo__V1__FieldRules *rules = field->rules;
    return field->proto->type == TYPE(MESSAGE) &&
           !model_find(model, field->proto->type_name)->map_entry &&
           shape_of(model_find(model, field->proto->type_name)) == NULL &&
           (rules == NULL || (!rules->atomic && rules->n_enum_ == 0));
}

static void list_rules(FILE *out, const char *id, const Choreo__V1__FieldRules *rules)
{
    if (rules == NULL) {
        return;
    }
    if (rules->has_min_items) {
        fprintf(out, ", .min_len = %u", rules->min_items);
    }
    if (rules->has_max_items) {
        fprintf(out, ", .has_max_len = true, .max_len = %u", rules->max_items);
    }
    if (rules->list != NULL && strcmp(rules->list, "set") == 0) {
        fputs(", .list = SCHEMA_LIST_SET", out);
    } else if (rules->list != NULL && strcmp(rules->list, "map") == 0) {
        if (rules->n_keys == 0) {
            model_fail("%s: a map list needs keys", id);
        }
        fprintf(out, ", .list = SCHEMA_LIST_MAP, .map_keys = k_%s, .map_key_count = %zu", id,
                rules->n_keys);
    } else if (rules->list != NULL && strcmp(rules->list, "atomic") != 0) {
        model_fail("%s: no list type \"%s\"", id, rules->list);
    }
}

static int by_text(const void *a, const void *b)
{
    char *const *x = a;
    char *const *y = b;
    return strcmp(*x, *y);
}

static void field_node(FILE *out, const struct model *model, const struct model_message *message,
                       const struct model_field *field)
{
    char id[256];
    snprintf(id, sizeof(id), "%s_%s", message->symbol, field->proto->name);
    const Choreo__V1__FieldRules *rules = field->rules;
    if (rules != NULL) {
        /* Sorted: the order of FieldsV1's k:{...}. */
        if (rules->n_keys > 0) {
            qsort(rules->keys, rules->n_keys, sizeof(*rules->keys), by_text);
        }
        text_list(out, "e_", id, rules->enum_, rules->n_enum_);
        text_list(out, "k_", id, rules->keys, rules->n_keys);
        if (rules->pattern != NULL) {
            fprintf(out, "static struct schema_pattern p_%s = {.text = ", id);
            text(out, rules->pattern);
            fputs("};\n", out);
        }
    }
    const struct model_message *entry = map_entry(model, field->proto);
    const field_proto *item = entry != NULL ? entry->fields[1].proto : field->proto;
    bool many = repeated(field->proto);
    if (!many && plain_message(model, field)) {
        return;
    }
    if (many) {
        const struct model_message *target = object_message(model, item);
        if (target == NULL) {
            fprintf(out, "static const struct schema i_%s = {", id);
            value_node(out, model, id, item, rules);
            fputs("};\n", out);
        }
        fprintf(out, "static const struct schema n_%s = {.type = SCHEMA_%s, .%s = &%s_%s", id,
                entry != NULL ? "OBJECT" : "ARRAY", entry != NULL ? "values" : "items",
                target != NULL ? "m" : "i", target != NULL ? target->symbol : id);
        list_rules(out, id, rules);
    } else {
        fprintf(out, "static const struct schema n_%s = {", id);
        value_node(out, model, id, item, rules);
    }
    if (rules != NULL && rules->atomic) {
        fputs(", .atomic_map = true", out);
    }
    fputs("};\n", out);
}

static int by_name(const void *a, const void *b)
{
    const struct model_field *const *x = a;
    const struct model_field *const *y = b;
    return strcmp((*x)->proto->name, (*y)->proto->name);
}

static void one_field(FILE *out, const struct model *model, const struct model_message *message,
                      const struct model_field *field)
{
    const Choreo__V1__FieldRules *rules = field->rules;
    fputs("    {.name = ", out);
    text(out, field->proto->name);
    fputs(", .doc = ", out);
    text(out, field->doc[0] != '\0' || strcmp(field->proto->name, "metadata") != 0
                  ? field->doc
                  : "Standard object's metadata.");
    if (field->proto->type == TYPE(MESSAGE) && !repeated(field->proto) &&
        plain_message(model, field)) {
        fprintf(out, ", .schema = &m_%s", model_find(model, field->proto->type_name)->symbol);
    } else {
        fprintf(out, ", .schema = &n_%s_%s", message->symbol, field->proto->name);
    }
    fprintf(out, ", .number = %d", field->proto->number);
    if (field->within != 0) {
        fprintf(out, ", .within = %d", field->within);
    }
    if (rules != NULL && rules->default_ != NULL) {
        fputs(", .default_json = ", out);
        text(out, rules->default_);
    }
    fprintf(out, "%s%s%s},\n", rules != NULL && rules->required ? ", .required = true" : "",
            rules != NULL && rules->immutable ? ", .immutable = true" : "",
            rules != NULL && rules->explicit_zero ? ", .explicit_zero = true" : "");
}

/* apiVersion and kind are the kind's name, not fields of its message. */
static void type_field(FILE *out, const char *name, const char *doc)
{
    fputs("    {.name = ", out);
    text(out, name);
    fputs(", .doc = ", out);
    text(out, doc);
    fputs(", .schema = &type_name},\n", out);
}

static const char api_version_doc[] =
    "APIVersion defines the versioned schema of this representation of an object.";
static const char kind_doc[] = "Kind is a string value representing the REST resource this object "
                               "represents. Cannot be updated. In CamelCase.";

static void message_table(FILE *out, const struct model *model, const struct model_message *message)
{
    const struct model_field **sorted = calloc(message->field_count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        model_fail("out of memory");
    }
    for (size_t i = 0; i < message->field_count; i++) {
        sorted[i] = &message->fields[i];
        field_node(out, model, message, &message->fields[i]);
    }
    qsort(sorted, message->field_count, sizeof(*sorted), by_name);
    fprintf(out, "static const struct schema_field fields_%s[] = {\n", message->symbol);
    bool version = message->kind == NULL;
    bool kind = message->kind == NULL;
    for (size_t i = 0; i < message->field_count; i++) {
        if (!version && strcmp("apiVersion", sorted[i]->proto->name) < 0) {
            type_field(out, "apiVersion", api_version_doc);
            version = true;
        }
        if (!kind && strcmp("kind", sorted[i]->proto->name) < 0) {
            type_field(out, "kind", kind_doc);
            kind = true;
        }
        one_field(out, model, message, sorted[i]);
    }
    fputs("};\n", out);
    free(sorted);
    fprintf(out, "static const struct schema m_%s = {.name = ", message->symbol);
    schema_name(out, message->full_name);
    fputs(", .doc = ", out);
    text(out, message->doc);
    fprintf(out,
            ", .type = SCHEMA_OBJECT, .wire = SCHEMA_WIRE_MESSAGE, .fields = fields_%s, "
            ".field_count = %zu};\n\n",
            message->symbol, message->field_count + (message->kind != NULL ? 2 : 0));
}

static void lower(char *dst, size_t size, const char *src)
{
    size_t i = 0;
    for (; src[i] != '\0' && i + 1 < size; i++) {
        dst[i] = (char)(src[i] >= 'A' && src[i] <= 'Z' ? src[i] - 'A' + 'a' : src[i]);
    }
    dst[i] = '\0';
}

static void columns(FILE *out, const struct model_message *message)
{
    const Choreo__V1__KindOptions *kind = message->kind;
    if (kind->n_columns > 0) {
        fprintf(out, "static const struct kind_column c_%s[] = {\n", message->symbol);
        for (size_t i = 0; i < kind->n_columns; i++) {
            fputs("    {.name = ", out);
            text(out, kind->columns[i]->name);
            fputs(", .type = ", out);
            text(out, kind->columns[i]->type != NULL ? kind->columns[i]->type : "string");
            fputs(", .format = {\"\", 0}, .doc = ", out);
            text(out, kind->columns[i]->doc);
            fputs(", .path = ", out);
            text(out, kind->columns[i]->path);
            fprintf(out, ", .priority = %d},\n", kind->columns[i]->priority);
        }
        fputs("};\n", out);
    }
    if (kind->n_selectable > 0) {
        fprintf(out, "static const struct kind_selectable f_%s[] = {", message->symbol);
        for (size_t i = 0; i < kind->n_selectable; i++) {
            char name[128];
            const char *path = strchr(kind->selectable[i], '=');
            path = path != NULL ? path + 1 : kind->selectable[i];
            snprintf(name, sizeof(name), "%.*s", (int)strcspn(kind->selectable[i], "="),
                     kind->selectable[i]);
            fputs("{", out);
            text(out, name);
            fputs(", ", out);
            text(out, path);
            fputs("}, ", out);
        }
        fputs("};\n", out);
    }
    text_list(out, "s_", message->symbol, kind->short_names, kind->n_short_names);
    text_list(out, "g_", message->symbol, kind->categories, kind->n_categories);
}

static void member(FILE *out, const char *name, const char *value)
{
    fprintf(out, "     .%s = ", name);
    text(out, value);
    fputs(",\n", out);
}

static void kind_names(FILE *out, const struct model_message *message)
{
    const Choreo__V1__KindOptions *kind = message->kind;
    const char *name = message->proto->name;
    const char *group = kind->group != NULL ? kind->group : "";
    char scratch[256];
    if (kind->version == NULL || kind->plural == NULL) {
        model_fail("%s: a kind needs version and plural", message->full_name);
    }
    member(out, "group", group);
    member(out, "version", kind->version);
    member(out, "kind", name);
    snprintf(scratch, sizeof(scratch), "%sList", name);
    member(out, "list_kind", scratch);
    member(out, "plural", kind->plural);
    lower(scratch, sizeof(scratch), name);
    member(out, "singular", kind->singular != NULL ? kind->singular : scratch);
    snprintf(scratch, sizeof(scratch), "%s%s%s", group, *group != '\0' ? "/" : "", kind->version);
    member(out, "api_version", scratch);
    snprintf(scratch, sizeof(scratch), "%s%s%s", kind->plural, *group != '\0' ? "." : "", group);
    member(out, "resource", scratch);
    member(out, "message", message->full_name + 1);
    member(out, "doc", message->doc);
}

static void kind_row(FILE *out, const struct model_message *message)
{
    const Choreo__V1__KindOptions *kind = message->kind;
    const char *s = message->symbol;
    fputs("    {\n", out);
    kind_names(out, message);
    if (kind->n_short_names > 0) {
        fprintf(out, "     .short_names = s_%s, .short_name_count = %zu,\n", s,
                kind->n_short_names);
    }
    if (kind->n_categories > 0) {
        fprintf(out, "     .categories = g_%s, .category_count = %zu,\n", s, kind->n_categories);
    }
    if (kind->n_columns > 0) {
        fprintf(out, "     .columns = c_%s, .column_count = %zu,\n", s, kind->n_columns);
    }
    if (kind->n_selectable > 0) {
        fprintf(out, "     .selectables = f_%s, .selectable_count = %zu,\n", s, kind->n_selectable);
    }
    if (kind->scale != NULL) {
        member(out, "scale_spec_replicas", kind->scale->spec_replicas);
        member(out, "scale_status_replicas", kind->scale->status_replicas);
        member(out, "scale_selector", kind->scale->selector);
    }
    if (kind->name_format != NULL) {
        fputs("     .name_format = ", out);
        format_name(out, kind->name_format);
        fputs(",\n", out);
    }
    if (kind->part_of != NULL) {
        member(out, "part_of", kind->part_of);
    }
    fprintf(out,
            "     .namespaced = %s, .status = %s, .generation = %s, .strategic = %s,\n"
            "     .answered = %s, .log = %s, .verbs = %s, .schema = &m_%s},\n",
            kind->cluster_scoped ? "false" : "true", kind->status ? "true" : "false",
            kind->generation ? "true" : "false", kind->strategic ? "true" : "false",
            kind->answered ? "true" : "false", kind->log ? "true" : "false",
            kind->answered ? "KIND_CREATE" : "KIND_VERBS_ALL", s);
}

/* Has a table: neither a map's entry nor a value with a form of its own. */
static bool has_table(const struct model_message *message)
{
    return message->needed && !message->map_entry && shape_of(message) == NULL &&
           strncmp(message->full_name, ".google.", 8) != 0;
}

static void declare(FILE *out, const struct model_message *message)
{
    fprintf(out,
            "static const struct schema m_%s __attribute__((unused));\nstatic const struct "
            "schema_field "
            "fields_%s[%zu];\n",
            message->symbol, message->symbol,
            message->field_count + (message->kind != NULL ? 2 : 0));
}

void tables_write(const struct model *model, bool workloads, FILE *out)
{
    fputs("/* Generated by proto/gen from proto/. Do not edit. */\n"
          "#include \"proto/kind_internal.h\"\n\n"
          "static const struct schema type_name = {.type = SCHEMA_STRING, .wire = "
          "SCHEMA_WIRE_NONE};\n\n",
          out);
    const struct model_message *end = model->messages + model->count;
    for (const struct model_message *m = model->messages; m < end; m++) {
        if (has_table(m)) {
            declare(out, m);
        }
    }
    size_t count = 0;
    for (const struct model_message *m = model->messages; m < end; m++) {
        if (has_table(m)) {
            message_table(out, model, m);
        }
        if (m->kind != NULL && m->workload == workloads) {
            columns(out, m);
            count++;
        }
    }
    const char *name = workloads ? "kind__workloads" : "kind__builtin";
    fprintf(out, "const struct kind %s[] = {\n", name);
    for (const struct model_message *m = model->messages; m < end; m++) {
        if (m->kind != NULL && m->workload == workloads) {
            kind_row(out, m);
        }
    }
    fprintf(out, "};\nconst size_t %s_count = %zu;\n", name, count);
}
