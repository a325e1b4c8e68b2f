/* A byte that picks the kind, then protobuf: what decodes encodes again, and decodes to the same.
 */
#include "proto/typed.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kind_registry registry;
    struct err err;
    json_t *tree = NULL;
    json_t *again = NULL;
    struct buf wire = {0};
    if (kind_registry_count(&registry) == 0) {
        kind_registry_builtin(&registry);
    }
    if (size == 0) {
        return 0;
    }
    const struct kind *kind = kind_registry_at(&registry, data[0] % kind_registry_count(&registry));
    if (typed_to_json(kind, slice_make(data + 1, size - 1), &tree, &err) != 0) {
        PROPERTY(tree == NULL && err.code == ERR_INVALID);
        return 0;
    }
    PROPERTY(typed_from_json(kind, tree, &wire, &err) == 0);
    PROPERTY(typed_to_json(kind, buf_slice(&wire), &again, &err) == 0);
    PROPERTY(json_equal(tree, again));
    json_decref(tree);
    json_decref(again);
    buf_free(&wire);
    return 0;
}
