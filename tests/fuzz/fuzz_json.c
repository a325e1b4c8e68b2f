/* Any bytes: parsing, reading, scanning and unquoting never crash; reading is parsing. A document
 * that parses has a canonical form which parses to the same tree and is its own canonical form, and
 * in which every member of the root is found by scanning. */
#include <string.h>

#include "base/json.h"
#include "tests/fuzz/fuzz.h"

static void check_members(const json_t *tree, struct slice canonical)
{
    json_t *o = (json_t *)(uintptr_t)tree;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        struct buf expected = {0};
        struct slice found = {0};
        json_canonical(json_object_iter_value(it), &expected);
        PROPERTY(json_scan(canonical, &found, json_object_iter_key(it), NULL));
        PROPERTY(slice_eq(found, buf_slice(&expected)));
        buf_free(&expected);
    }
}

static void check_tree(const json_t *tree)
{
    struct buf first = {0};
    struct buf second = {0};
    struct err err;
    json_t *back;
    json_canonical(tree, &first);
    PROPERTY(json_parse(buf_slice(&first), &back, &err) == 0);
    PROPERTY(json_equal(tree, back));
    json_canonical(back, &second);
    PROPERTY(slice_eq(buf_slice(&first), buf_slice(&second)));
    json_decref(back);
    buf_clear(&second);
    json_pretty(tree, &second);
    PROPERTY(json_parse(buf_slice(&second), &back, &err) == 0);
    PROPERTY(json_equal(tree, back));
    json_decref(back);
    check_members(tree, buf_slice(&first));
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(data, size);
    struct slice value;
    struct arena arena = {0};
    struct buf quoted = {0};
    struct err err;
    json_t *tree;
    json_t *read;
    int rc = json_read(text, &read, NULL);
    PROPERTY(json_parse(text, &tree, &err) == rc);
    PROPERTY(rc != 0 || json_equal(read, tree));
    json_decref(read);
    if (rc == 0) {
        check_tree(tree);
        json_decref(tree);
    } else {
        PROPERTY(tree == NULL && strncmp(err.message, "line ", 5) == 0);
    }
    if (json_scan(text, &value, "a", "b", NULL)) {
        PROPERTY(value.data >= text.data && value.data + value.len <= text.data + text.len);
    }
    (void)json_unquote(text, &arena);
    json_quote(&quoted, text);
    PROPERTY(slice_eq(json_unquote(buf_slice(&quoted), &arena), text));
    buf_free(&quoted);
    arena_free(&arena);
    return 0;
}
