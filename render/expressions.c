/* expressions.c: rules of custom kinds as CEL.
 *
 * A value is handed to CEL as the JSON that it is, without a copy, except where Kubernetes shows it
 * otherwise (schema.converts): texts of the formats date-time, duration and byte are timestamps,
 * durations and bytes, numbers are doubles, and members whose names are no identifiers go by
 * escaped ones (`a-b` is a__dash__b). Failure path: what cannot be read as its format stays the
 * text that it is.
 *
 * The checker knows of a value what its schema says: a member that the schema does not have, or a
 * comparison of a number with a text, is refused when the definition is. */
#include "render/expressions.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/schema.h"
#include "render/cel/cel.h"
#include "render/cel/time.h"

enum { COST_MAX = 1000 * 1000, COST_MIN = 20, VARIABLES_MAX = 4 };

struct expression {
    const struct cel_program *program;
    size_t count; /* of variables */
};

/* ---- types ---- */

static const struct cel_shape *shape_of(struct arena *arena, const struct schema *schema);

/* A member of an object, by its name as expressions say it. */
static const struct cel_shape *member_shape(struct arena *arena, const void *record,
                                            struct slice name)
{
    const struct schema *schema = record;
    const struct schema *member = schema_member(schema, name);
    bool escaped = member == NULL && slice_find(name, SLICE("__")) != SIZE_MAX;
    for (size_t i = 0; escaped && member == NULL && i < schema->field_count; i++) {
        if (slice_eq(expression_member(arena, schema->fields[i].name), name)) {
            member = schema->fields[i].schema;
        }
    }
    if (member == NULL) {
        return schema->preserve_unknown ? cel_shape_of(CEL_S_DYN) : NULL;
    }
    return shape_of(arena, member);
}

static enum cel_shape_kind text_kind(enum schema_format format)
{
    return format == SCHEMA_FORMAT_DATE_TIME  ? CEL_S_TIMESTAMP
           : format == SCHEMA_FORMAT_DURATION ? CEL_S_DURATION
           : format == SCHEMA_FORMAT_BYTE     ? CEL_S_BYTES
                                              : CEL_S_STRING;
}

/* What expressions see of a value of the schema: value_of() in types. */
static const struct cel_shape *plain_shape(struct arena *arena, const struct schema *schema)
{
    switch (schema->type) {
    case SCHEMA_OBJECT:
        if (schema->values != NULL && schema->field_count == 0) {
            return cel_shape_map(arena, cel_shape_of(CEL_S_STRING),
                                 shape_of(arena, schema->values));
        }
        return schema->preserve_unknown && schema->field_count == 0
                   ? cel_shape_of(CEL_S_DYN)
                   : cel_shape_record(arena, schema, member_shape);
    case SCHEMA_ARRAY:
        return cel_shape_list(arena, shape_of(arena, schema->items));
    case SCHEMA_STRING:
        return cel_shape_of(text_kind(schema->format));
    case SCHEMA_INTEGER:
        return cel_shape_of(CEL_S_INT);
    case SCHEMA_NUMBER:
        return cel_shape_of(CEL_S_DOUBLE);
    case SCHEMA_BOOLEAN:
        return cel_shape_of(CEL_S_BOOL);
    case SCHEMA_ANY:
    case SCHEMA_INT_OR_STRING:
        break;
    }
    return cel_shape_of(CEL_S_DYN);
}

static const struct cel_shape *shape_of(struct arena *arena, const struct schema *schema)
{
    if (schema == NULL) {
        return cel_shape_of(CEL_S_DYN);
    }
    const struct cel_shape *shape = plain_shape(arena, schema);
    return schema->nullable ? cel_shape_nullable(arena, shape) : shape;
}

static int compile(struct arena *arena, const struct expression_source *source,
                   const struct expression **out, struct err *err)
{
    static const enum cel_shape_kind wanted[] = {[EXPRESSION_ANY] = CEL_S_DYN,
                                                 [EXPRESSION_BOOL] = CEL_S_BOOL,
                                                 [EXPRESSION_TEXT] = CEL_S_STRING};
    struct expression *e = ARENA_NEW(arena, struct expression);
    struct arena work = {0};
    struct slice names[VARIABLES_MAX];
    const struct cel_shape *shapes[VARIABLES_MAX];
    const struct cel_env env = {.names = names,
                                .shapes = shapes,
                                .count = source->count,
                                .functions = cel_kubernetes_functions(),
                                .function_count = cel_kubernetes_function_count(),
                                .wanted = wanted[source->wanted],
                                .unchecked = source->stored};
    struct slice text = arena_copy(arena, source->text);
    struct err why = {0};
    uint32_t offset = 0;
    if (source->count > VARIABLES_MAX) {
        return err_set(err, ERR_INTERNAL, "more than %d variables", VARIABLES_MAX);
    }
    for (size_t i = 0; i < source->count; i++) {
        const struct expression_variable *v = &source->variables[i];
        names[i] = v->name;
        shapes[i] = shape_of(&work, v->schema);
        shapes[i] = v->optional ? cel_shape_optional(&work, shapes[i]) : shapes[i];
    }
    int rc = cel_compile(arena, &env, text, &e->program, &offset, &why);
    arena_free(&work);
    if (rc != 0) {
        (void)cel_locate(&why, text, offset);
        return err_set(err, rc, "%s", why.message);
    }
    e->count = source->count;
    *out = e;
    return 0;
}

/* ---- values ---- */

static bool text_value(struct arena *arena, enum schema_format format, struct slice text,
                       struct cel_value *out)
{
    struct cel_time time;
    if (format == SCHEMA_FORMAT_DATE_TIME && cel_time_parse(text, &time)) {
        *out = (struct cel_value){.type = CEL_TIMESTAMP, .as.time = time};
        return true;
    }
    if (format == SCHEMA_FORMAT_DURATION && cel_duration_parse(text, &time)) {
        *out = (struct cel_value){.type = CEL_DURATION, .as.time = time};
        return true;
    }
    struct buf bytes = {0};
    bool decoded = format == SCHEMA_FORMAT_BYTE && base64_decode(&bytes, text);
    if (decoded) {
        *out = cel_bytes(arena_copy(arena, buf_slice(&bytes)));
    }
    buf_free(&bytes);
    return decoded;
}

static struct cel_value value_of(struct arena *arena, const struct schema *schema,
                                 const json_t *json);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static struct cel_value object_value(struct arena *arena, const struct schema *schema,
                                     const json_t *json)
{
    struct cel_entry *entries =
        arena_alloc(arena, (2 * json_object_size(json) + 1) * sizeof *entries);
    size_t count = 0;
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        struct slice name = slice_of(key);
        bool field = schema_field(schema, name) != NULL;
        struct cel_value v = value_of(arena, schema_member(schema, name), value);
        struct slice said = field ? expression_member(arena, name) : name;
        entries[count++] = (struct cel_entry){.key = cel_string(said), .value = v};
        if (field && expression_keyword(name)) { /* definitions in the wild say self.var, too */
            entries[count++] = (struct cel_entry){.key = cel_string(name), .value = v};
        }
    }
    return cel_map_of(arena, entries, count);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static struct cel_value value_of(struct arena *arena, const struct schema *schema,
                                 const json_t *json)
{
    struct cel_value out;
    if (schema == NULL || !schema->converts) {
        return cel_of_json(arena, json);
    }
    if (json_is_object(json)) {
        return object_value(arena, schema, json);
    }
    if (json_is_array(json)) {
        size_t count = json_array_size(json);
        struct cel_value *items = arena_alloc(arena, (count + 1) * sizeof *items);
        for (size_t i = 0; i < count; i++) {
            items[i] = value_of(arena, schema->items, json_array_get(json, i));
        }
        return cel_list_of(arena, items, count);
    }
    if (schema->type == SCHEMA_NUMBER && json_is_number(json)) {
        return cel_double(json_number_value(json));
    }
    if (json_is_string(json) && text_value(arena, schema->format, json_text(json), &out)) {
        return out;
    }
    return cel_of_json(arena, json);
}

static struct cel_value variable(struct arena *arena, const struct expression_value *v)
{
    if (v->json == NULL) {
        return v->optional ? cel_optional(arena, NULL) : (struct cel_value){.type = CEL_OMIT};
    }
    struct cel_value value = value_of(arena, v->schema, v->json);
    return v->optional ? cel_optional(arena, &value) : value;
}

static int eval(const struct expression *e, const struct expression_value *values, uint64_t *budget,
                json_t **result, struct err *err)
{
    struct arena arena = {0};
    struct cel_value variables[VARIABLES_MAX];
    struct cel_value value;
    uint64_t cost = 0;
    uint32_t offset = 0;
    *result = NULL;
    for (size_t i = 0; i < e->count; i++) {
        variables[i] = variable(&arena, &values[i]);
    }
    uint64_t limit = *budget < COST_MAX ? *budget + 1 : COST_MAX; /* 0 is the default */
    const struct cel_input input = {.variables = variables, .cost_limit = limit};
    int rc = cel_eval(e->program, &input, &arena, &value, &cost, &offset, err);
    if (rc == 0) {
        struct cel_ctx ctx = {.arena = &arena, .cost_limit = limit};
        if (!cel_to_json(&ctx, value, result)) {
            rc = err_set(err, ctx.err.code, "%s", ctx.err.message);
        }
    }
    cost = cost < COST_MIN ? COST_MIN : cost;
    *budget -= cost < *budget ? cost : *budget;
    arena_free(&arena);
    return rc;
}

const struct expressions expressions_cel = {.compile = compile, .eval = eval};
