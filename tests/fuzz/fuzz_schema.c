/* A line that is a schema, and a value: every schema is judged without a crash, and one that is
 * found structural does what it says: what it prunes stays pruned, what it defaults stays as it is,
 * and it names the same faults of the same value twice. */
#include "proto/fieldset.h"
#include "proto/schema_build.h"
#include "tests/fuzz/fuzz.h"

static size_t faults(const struct schema *schema, const json_t *value)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    schema_validate(schema, value, NULL, SLICE(""), &causes);
    size_t count = causes.count + causes.dropped;
    arena_free(&arena);
    return count;
}

static void check_pruning(const struct schema *schema, json_t *value, struct arena *arena)
{
    struct causes unknown = {.arena = arena};
    schema_prune(schema, value, NULL);
    json_t *pruned = json_deep_copy(value);
    schema_prune(schema, value, &unknown);
    PROPERTY(unknown.count == 0 && json_equal(value, pruned));
    json_decref(pruned);
}

static void check_defaults(const struct schema *schema, json_t *value)
{
    schema_default(schema, value);
    json_t *filled = json_deep_copy(value);
    schema_default(schema, value);
    PROPERTY(json_equal(value, filled));
    json_decref(filled);
}

static void check_fields(const struct schema *schema, const json_t *value)
{
    json_t *set = fieldset_of(value, schema);
    json_t *full = fieldset_with_parents(set, schema);
    json_t *beyond = fieldset_difference(set, full);
    PROPERTY(fieldset_empty(beyond));
    json_decref(beyond);
    json_decref(full);
    json_decref(set);
}

static void check_value(const struct schema *schema, const json_t *given, struct arena *arena)
{
    json_t *value = json_deep_copy(given);
    PROPERTY(faults(schema, value) == faults(schema, value));
    check_pruning(schema, value, arena);
    check_defaults(schema, value);
    check_fields(schema, value);
    struct causes causes = {.arena = arena};
    schema_validate_change(schema, value, value, SLICE(""), &causes);
    PROPERTY(causes.count == 0);
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct slice first = {0};
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    struct err err;
    json_t *tree = NULL;
    json_t *value = NULL;
    (void)slice_split(&rest, '\n', &first);
    if (json_parse(first, &tree, &err) == 0) {
        struct causes unknown = {.arena = &arena};
        schema_check_keywords(tree, SLICE("s"), &unknown);
        schema_check(tree, SLICE("s"), NULL, &causes);
        const struct schema *schema = schema_build(&arena, tree, NULL);
        PROPERTY(schema != NULL);
        if (causes.count == 0 && json_parse(rest, &value, &err) == 0) {
            check_value(schema, value, &arena);
        }
    }
    json_decref(value);
    json_decref(tree);
    arena_free(&arena);
    return 0;
}
