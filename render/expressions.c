/* expressions.c: rules of custom kinds as CEL.
 *
 * A value is handed to CEL as the JSON that it is, without a copy, except where Kubernetes shows it
 * otherwise (schema.converts): texts of the formats date-time, duration and byte are timestamps,
 * durations and bytes, numbers are doubles, and members whose names are no identifiers go by
 * escaped ones (`a-b` is a__dash__b). Failure path: what cannot be read as its format stays the
 * text that it is. */
#include "render/expressions.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/schema.h"
#include "render/cel/cel.h"
#include "render/cel/shape.h"
#include "render/cel/time.h"

enum { COST_MAX = 1000 * 1000, COST_MIN = 20, VARIABLES_MAX = 4 };

struct expression {
    const struct cel_program *program;
    size_t count; /* of variables */
};

static int compile(struct arena *arena, const struct expression_variable *variables, size_t count,
                   struct slice source, const struct expression **out, struct err *err)
{
    struct expression *e = ARENA_NEW(arena, struct expression);
    struct slice names[VARIABLES_MAX];
    const struct schema *shapes[VARIABLES_MAX];
    const struct cel_env env = {.names = names,
                                .count = count,
                                .functions = cel_kubernetes_functions(),
                                .function_count = cel_kubernetes_function_count()};
    struct slice text = arena_copy(arena, source);
    struct err why = {0};
    uint32_t offset = 0;
    if (count > VARIABLES_MAX) {
        return err_set(err, ERR_INTERNAL, "more than %d variables", VARIABLES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = variables[i].name;
        shapes[i] = variables[i].schema;
    }
    int rc = cel_compile(arena, &env, text, &e->program, &offset, &why);
    if (rc == 0) {
        rc = cel_check_shapes(e->program, shapes, &offset, &why);
    }
    if (rc != 0) {
        (void)cel_locate(&why, text, offset);
        return err_set(err, rc, "%s", why.message);
    }
    e->count = count;
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
