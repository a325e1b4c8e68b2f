/* A document, a newline, a patch: JSON patch, merge patch and strategic merge patch never crash,
 * leave the target alone when they fail, and never nest deeper than a document may. */
#include "proto/patch.h"
#include "proto/strategic.h"
#include "tests/fuzz/fuzz.h"

static int strategic(json_t **target, const json_t *patch, struct err *err)
{
    return strategic_merge(target, patch, NULL, err);
}

static void run(const json_t *document, const json_t *patch,
                int (*apply)(json_t **, const json_t *, struct err *))
{
    struct err err;
    json_t *value = json_deep_copy(document);
    json_t *before = value;
    if (apply(&value, patch, &err) != 0) {
        PROPERTY(value == before && json_equal(value, document));
    } else {
        PROPERTY(json_depth(value) <= JSON_DEPTH_MAX);
    }
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct slice first = {0};
    struct err err;
    json_t *document = NULL;
    json_t *patch = NULL;
    (void)slice_split(&rest, '\n', &first);
    if (json_parse(first, &document, &err) == 0 && json_parse(rest, &patch, &err) == 0) {
        run(document, patch, patch_json);
        run(document, patch, patch_merge);
        run(document, patch, strategic);
    }
    json_decref(document);
    json_decref(patch);
    return 0;
}
