/* A line that chooses a kind, one that is an object of it, and a strategic merge patch: it succeeds
 * or leaves the object alone, obeys its directives rather than store them, and nests no deeper than
 * documents may. */
#include <string.h>

#include "proto/kind.h"
#include "proto/strategic.h"
#include "tests/fuzz/fuzz.h"

/* Outside of lists: those that do not merge are taken as they are. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static bool has_directive(const json_t *value)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (strcmp(key, "$patch") == 0 || strcmp(key, "$retainKeys") == 0 ||
            strncmp(key, "$setElementOrder/", 17) == 0 ||
            strncmp(key, "$deleteFromPrimitiveList/", 25) == 0 || has_directive(member)) {
            return true;
        }
    }
    return false;
}

static void check(const json_t *document, const json_t *patch, const struct schema *schema)
{
    struct err err = {0};
    json_t *value = json_deep_copy(document);
    json_t *before = value;
    if (strategic_merge(&value, patch, schema, &err) != 0) {
        PROPERTY(value == before && json_equal(value, document) && err.message[0] != '\0');
    } else {
        PROPERTY(json_depth(value) <= JSON_DEPTH_MAX);
        PROPERTY(has_directive(document) || !has_directive(value));
    }
    json_decref(value);
}

static void check_nothing(const json_t *document, const struct schema *schema)
{
    json_t *patch = json_object();
    json_t *value = json_deep_copy(document);
    struct err err;
    PROPERTY(strategic_merge(&value, patch, schema, &err) == 0 && json_equal(value, document));
    json_decref(value);
    json_decref(patch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kind_registry kinds;
    struct slice rest = slice_make(data, size);
    struct slice head = {0};
    struct slice first = {0};
    struct err err;
    json_t *document = NULL;
    json_t *patch = NULL;
    if (kind_registry_count(&kinds) == 0) {
        kind_registry_init(&kinds);
        kind_registry_builtin(&kinds);
        kind_registry_workloads(&kinds);
    }
    if (!slice_split(&rest, '\n', &head) || !slice_split(&rest, '\n', &first) || head.len == 0) {
        return 0;
    }
    const struct schema *schema =
        kind_registry_at(&kinds, (uint8_t)(head.data[0] - '0') % kind_registry_count(&kinds))
            ->schema;
    if (json_parse(first, &document, &err) == 0 && json_parse(rest, &patch, &err) == 0) {
        check(document, patch, schema);
        check(document, patch, NULL);
        if (json_is_object(document)) {
            check_nothing(document, schema);
        }
    }
    json_decref(document);
    json_decref(patch);
    return 0;
}
