/* Any text as an expression over some variables: compiled, evaluated, made JSON. Nothing may crash,
 * hang or outgrow its limits. */
#include "render/cel/cel.h"
#include "tests/fuzz/fuzz.h"

static const char inputs[] =
    "{\"n\":3,\"s\":\"text\",\"l\":[1,\"a\",null,[2.5]],\"m\":{\"a\":1,\"b\":{\"c\":[true]}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err err = {0};
    struct slice names[4];
    struct cel_value values[4];
    size_t count = 0;
    json_t *tree;
    const char *key;
    json_t *member;
    PROPERTY(json_parse(slice_of(inputs), &tree, &err) == 0);
    json_object_foreach(tree, key, member)
    {
        names[count] = slice_of(key);
        values[count++] = cel_of_json(&arena, member);
    }
    const struct cel_env env = {.names = names, .count = count, .unchecked = size % 2 == 0};
    const struct cel_input input = {.variables = values, .cost_limit = 20000};
    const struct cel_program *program;
    struct cel_value value;
    uint32_t offset;
    uint64_t cost;
    struct slice source = slice_make(data, size);
    int rc = cel_compile(&arena, &env, source, &program, &offset, &err);
    if (rc == 0) {
        rc = cel_eval(program, &input, &arena, &value, &cost, &offset, &err);
    }
    if (rc == 0) {
        struct cel_ctx ctx = {.arena = &arena, .cost_limit = size % 97};
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
    return 0;
}
