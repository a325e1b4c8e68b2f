/* Any text as an expression over some variables: compiled, evaluated, made JSON. Nothing may crash,
 * hang or outgrow its limits. Once more with the variables' types known: what the checker is sure
 * of must be so: no operand of a wrong type, and a value of the type that was deduced. */
#include "render/cel/cel.h"
#include "render/cel/eval_internal.h"
#include "tests/fuzz/fuzz.h"

static const char inputs[] =
    "{\"n\":3,\"s\":\"text\",\"l\":[1,\"a\",null,[2.5]],\"m\":{\"a\":1,\"b\":{\"c\":[true]}}}";
static const char typed_inputs[] = "{\"n\":3,\"s\":\"text\",\"l\":[1,2,3],\"m\":{\"a\":\"x\",\"b\":"
                                   "\"y\"},\"r\":{\"a\":1,\"b\":[]}}";

enum { VARIABLES_MAX = 8, COST_MAX = 20000 };

static size_t declare(struct arena *arena, const json_t *tree, struct slice *names,
                      struct cel_value *values)
{
    size_t count = 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)tree, key, member)
    {
        names[count] = slice_of(key);
        values[count++] = cel_of_json(arena, member);
    }
    return count;
}

static json_t *parsed(const char *text)
{
    struct err err;
    json_t *tree;
    PROPERTY(json_parse(slice_of(text), &tree, &err) == 0);
    return tree;
}

static void untyped(struct slice source)
{
    struct arena arena = {0};
    struct err err = {0};
    struct slice names[VARIABLES_MAX];
    struct cel_value values[VARIABLES_MAX];
    json_t *tree = parsed(inputs);
    size_t count = declare(&arena, tree, names, values);
    const struct cel_env env = {.names = names, .count = count, .unchecked = source.len % 2 == 0};
    const struct cel_input input = {.variables = values, .cost_limit = COST_MAX};
    const struct cel_program *program;
    struct cel_value value;
    uint32_t offset;
    uint64_t cost;
    int rc = cel_compile(&arena, &env, source, &program, &offset, &err);
    if (rc == 0) {
        rc = cel_eval(program, &input, &arena, &value, &cost, &offset, &err);
    }
    if (rc == 0) {
        struct cel_ctx ctx = {.arena = &arena, .cost_limit = source.len % 97};
        json_t *result;
        if (cel_to_json(&ctx, value, &result)) {
            json_decref(result);
        }
    } else {
        PROPERTY(offset <= source.len);
        (void)cel_locate(&err, source, offset);
    }
    json_decref(tree);
    arena_free(&arena);
}

static bool is_of(struct cel_ctx *ctx, struct cel_value v, const struct cel_shape *shape);

static bool map_is_of(struct cel_ctx *ctx, const struct cel_map *map, const struct cel_shape *shape)
{
    const struct cel_entry *entries;
    if (!cel_map_entries(ctx, map, &entries)) {
        return true;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (!is_of(ctx, entries[i].key, shape->parts[0]) ||
            !is_of(ctx, entries[i].value, shape->parts[1])) {
            return false;
        }
    }
    return true;
}

static bool list_is_of(struct cel_ctx *ctx, const struct cel_list *list,
                       const struct cel_shape *shape)
{
    for (size_t i = 0; i < list->count && cel_charge(ctx, 1); i++) {
        if (!is_of(ctx, cel_list_at(ctx, list, i), shape->parts[0])) {
            return false;
        }
    }
    return true;
}

/* Whether a value is one of the type. */
static bool is_of(struct cel_ctx *ctx, struct cel_value v, const struct cel_shape *shape)
{
    static const int kinds[] = {
        [CEL_NULL] = CEL_S_NULL,         [CEL_BOOL] = CEL_S_BOOL,
        [CEL_INT] = CEL_S_INT,           [CEL_UINT] = CEL_S_UINT,
        [CEL_DOUBLE] = CEL_S_DOUBLE,     [CEL_STRING] = CEL_S_STRING,
        [CEL_BYTES] = CEL_S_BYTES,       [CEL_LIST] = CEL_S_LIST,
        [CEL_MAP] = CEL_S_MAP,           [CEL_TIMESTAMP] = CEL_S_TIMESTAMP,
        [CEL_DURATION] = CEL_S_DURATION, [CEL_TYPE] = CEL_S_TYPE,
        [CEL_OPTIONAL] = CEL_S_OPTIONAL, [CEL_OMIT] = -1,
        [CEL_OPAQUE] = CEL_S_OPAQUE,
    };
    if (shape->kind == CEL_S_DYN) {
        return true;
    }
    if (shape->kind == CEL_S_RECORD) {
        return v.type == CEL_MAP;
    }
    if (kinds[v.type] != (int)shape->kind) {
        return false;
    }
    switch ((int)v.type) {
    case CEL_LIST:
        return list_is_of(ctx, v.as.list, shape);
    case CEL_MAP:
        return map_is_of(ctx, v.as.map, shape);
    case CEL_OPTIONAL:
        return v.as.inner == NULL || is_of(ctx, *v.as.inner, shape->parts[0]);
    case CEL_OPAQUE:
        return slice_eq(v.as.opaque->type->name, shape->name);
    default:
        return true;
    }
}

static const struct cel_shape *field(struct arena *arena, const void *record, struct slice name)
{
    (void)record;
    return slice_eq_cstr(name, "a")   ? cel_shape_of(CEL_S_INT)
           : slice_eq_cstr(name, "b") ? cel_shape_list(arena, cel_shape_of(CEL_S_STRING))
                                      : NULL;
}

static void typed(struct slice source)
{
    struct arena arena = {0};
    struct err err = {0};
    struct slice names[VARIABLES_MAX];
    struct cel_value values[VARIABLES_MAX];
    json_t *tree = parsed(typed_inputs);
    size_t count = declare(&arena, tree, names, values);
    const struct cel_shape *shapes[] = {
        cel_shape_of(CEL_S_INT), cel_shape_of(CEL_S_STRING),
        cel_shape_list(&arena, cel_shape_of(CEL_S_INT)),
        cel_shape_map(&arena, cel_shape_of(CEL_S_STRING), cel_shape_of(CEL_S_STRING)),
        cel_shape_record(&arena, "r", field)};
    const struct cel_env env = {.names = names,
                                .shapes = shapes,
                                .count = count,
                                .functions = cel_kubernetes_functions(),
                                .function_count = cel_kubernetes_function_count()};
    const struct cel_input input = {.variables = values, .cost_limit = COST_MAX};
    const struct cel_program *program;
    struct cel_value value;
    uint32_t offset = 0;
    uint64_t cost;
    int rc = cel_compile(&arena, &env, source, &program, &offset, &err);
    PROPERTY(rc == 0 || offset <= source.len);
    if (rc == 0 && !program->checked.dynamic) {
        struct cel_ctx ctx = {.arena = &arena, .cost_limit = COST_MAX};
        rc = cel_eval(program, &input, &arena, &value, &cost, &offset, &err);
        PROPERTY(rc == 0 ? is_of(&ctx, value, cel_program_shape(program))
                         : !slice_starts_with(slice_of(err.message), SLICE("no such overload")));
    }
    json_decref(tree);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    untyped(slice_make(data, size));
    typed(slice_make(data, size));
    return 0;
}
