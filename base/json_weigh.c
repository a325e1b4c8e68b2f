/* json_weigh.c: how deep a text nests and what its tree would take, before there is one.
 *
 * One pass over the bytes. The weights are those of jansson's structures in glibc's chunks, with
 * room for the growth of tables: the sum is at least what the tree takes, and rarely twice that.
 * Grammar is jansson's business: where a text is none, this weighs what jansson would have built
 * before it noticed, or more. */
#include "base/json.h"

#include <string.h>

struct weigher {
    size_t bytes;
    size_t depth;
    bool key;  /* the next string is one */
    bool word; /* the last byte was part of a number, or of true, false, null */
    bool object[JSON_DEPTH_MAX + 1];
};

static int too_deep(struct slice text, size_t at, struct err *err)
{
    int line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < at; i++) {
        if (text.data[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return err_set(err, ERR_INVALID, "line %d, column %zu: nested more than %d deep", line,
                   at - line_start + 1, JSON_DEPTH_MAX);
}

/* Bytes up to the closing quote, from behind the opening one. */
static size_t string_len(struct slice rest)
{
    size_t i = 0;
    while (i < rest.len && rest.data[i] != '"') {
        i += rest.data[i] == '\\' ? 2 : 1;
    }
    return i < rest.len ? i : rest.len;
}

/* One value more where the weigher stands. */
static void add_value(struct weigher *w, size_t bytes)
{
    w->bytes += bytes + (w->object[w->depth] ? 0 : JSON_WEIGHT_ITEM);
}

static void add_string(struct weigher *w, size_t len)
{
    if (w->key) {
        w->bytes += JSON_WEIGHT_MEMBER + len;
        w->key = false;
    } else {
        add_value(w, JSON_WEIGHT_STRING + len);
    }
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '-' || c == '+' ||
           c == '.';
}

int json_weigh(struct slice text, size_t *bytes, struct err *err)
{
    struct weigher w = {0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool word = is_word(c);
        if (c == '"') {
            size_t len = string_len(slice_sub(text, i + 1, SIZE_MAX));
            add_string(&w, len);
            i += len + 1;
        } else if (c == '{' || c == '[') {
            add_value(&w, c == '{' ? JSON_WEIGHT_OBJECT : JSON_WEIGHT_ARRAY);
            if (++w.depth > JSON_DEPTH_MAX) {
                return too_deep(text, i, err);
            }
            w.object[w.depth] = w.key = c == '{';
        } else if (c == '}' || c == ']') {
            w.depth -= w.depth > 0 ? 1 : 0;
            w.key = false;
        } else if (c == ',') {
            w.key = w.object[w.depth];
        } else if (word && !w.word) {
            add_value(&w, c == '-' || (c >= '0' && c <= '9') ? JSON_WEIGHT_NUMBER : 0);
        }
        w.word = word;
    }
    *bytes = w.bytes;
    return 0;
}

static size_t scalar_bytes(const json_t *value)
{
    return json_is_string(value)   ? JSON_WEIGHT_STRING + json_string_length(value)
           : json_is_number(value) ? JSON_WEIGHT_NUMBER
                                   : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
size_t json_tree_bytes(const json_t *tree, size_t bound)
{
    json_t *object = (json_t *)(uintptr_t)tree; /* whose iterators are not const */
    size_t bytes = 0;
    if (json_is_array(tree)) {
        bytes = JSON_WEIGHT_ARRAY;
        for (size_t i = 0; i < json_array_size(tree) && bytes <= bound; i++) {
            bytes += JSON_WEIGHT_ITEM + json_tree_bytes(json_array_get(tree, i), bound - bytes);
        }
    } else if (json_is_object(tree)) {
        bytes = JSON_WEIGHT_OBJECT;
        for (void *it = json_object_iter(object); it != NULL && bytes <= bound;
             it = json_object_iter_next(object, it)) {
            bytes += JSON_WEIGHT_MEMBER + json_object_iter_key_len(it) +
                     json_tree_bytes(json_object_iter_value(it), bound - bytes);
        }
    } else {
        bytes = scalar_bytes(tree);
    }
    return bytes;
}
