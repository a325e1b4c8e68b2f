/* Any two texts, split at a NUL: a selector that parses matches the same as its copy, and a name
 * that it insists on is the only one that it matches. */
#include "proto/selector.h"
#include "tests/fuzz/fuzz.h"

static const struct slice body = {
    "{\"metadata\":{\"labels\":{\"a\":\"b\",\"app\":\"web\",\"e\":\"\"},\"name\":\"n\","
    "\"namespace\":\"s\",\"uid\":\"u\"}}",
    88};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct slice labels = {0};
    struct selector *s = NULL;
    struct err err;
    (void)slice_split(&rest, '\0', &labels);
    if (selector_parse(labels, rest, NULL, &s, &err) != 0) {
        PROPERTY(s == NULL && err.code == ERR_INVALID);
        return 0;
    }
    struct selector *copy = selector_copy(s);
    bool matches = selector_matches(s, body);
    PROPERTY(matches == selector_matches(copy, body));
    struct slice name = selector_exact_name(s);
    PROPERTY(!matches || name.len == 0 || slice_eq(name, SLICE("n")));
    struct buf text = {0};
    selector_text(s, &text);
    (void)selector_matches(s, slice_make(data, size));
    buf_free(&text);
    selector_free(copy);
    selector_free(s);
    return 0;
}
