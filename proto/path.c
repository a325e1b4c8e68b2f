/* The subset of JSONPath that printer columns and scale subresources use (declared in object.h).
 *
 * One step at a time: a step is cut from the front of the path and applied to the value so far.
 * What is malformed or absent is NULL. */
#include "proto/object.h"
#include "proto/tree_internal.h"

enum { NAME_MAX_BYTES = 512 };

/* Cuts a plain member name: up to '.' or '['; a backslash takes the next character as it is. */
static struct slice cut_name(struct slice *path, char name[NAME_MAX_BYTES])
{
    size_t len = 0;
    size_t i = 0;
    for (; i < path->len && path->data[i] != '.' && path->data[i] != '['; i++) {
        if (path->data[i] == '\\' && i + 1 < path->len) {
            i++;
        }
        if (len + 1 < NAME_MAX_BYTES) {
            name[len++] = path->data[i];
        }
    }
    *path = slice_sub(*path, i, SIZE_MAX);
    return slice_make(name, len);
}

static struct slice unquoted(struct slice s)
{
    if (s.len >= 2 && (s.data[0] == '\'' || s.data[0] == '"') && s.data[s.len - 1] == s.data[0]) {
        return slice_sub(s, 1, s.len - 2);
    }
    return s;
}

static bool equals_text(const json_t *value, struct slice text)
{
    if (json_is_string(value)) {
        return slice_eq(json_text(value), unquoted(text));
    }
    int64_t number = 0;
    if (json_is_integer(value)) {
        return slice_i64(text, &number) && number == json_integer_value(value);
    }
    return (json_is_true(value) && slice_eq_cstr(text, "true")) ||
           (json_is_false(value) && slice_eq_cstr(text, "false"));
}

/* ?(@.type=="Ready"): the first item whose member has that value. */
static const json_t *filtered(const json_t *value, struct slice filter)
{
    size_t equal = slice_find(filter, SLICE("=="));
    if (!slice_starts_with(filter, SLICE("?(@")) || !slice_ends_with(filter, SLICE(")")) ||
        equal == SIZE_MAX || equal < 3) {
        return NULL;
    }
    struct slice path = slice_trim(slice_sub(filter, 3, equal - 3));
    struct slice wanted = slice_trim(slice_sub(filter, equal + 2, filter.len - equal - 3));
    if (slice_find(path, SLICE("?")) != SIZE_MAX) {
        return NULL; /* a filter in a filter */
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (equals_text(object_path(item, path), wanted)) {
            return item;
        }
    }
    return NULL;
}

/* The end of "[...]", quotes respected; SIZE_MAX if there is none. */
static size_t bracket_end(struct slice path)
{
    char quote = '\0';
    for (size_t i = 1; i < path.len; i++) {
        char c = path.data[i];
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == ']') {
            return i;
        }
    }
    return SIZE_MAX;
}

static const json_t *bracket(const json_t *value, struct slice *path)
{
    size_t end = bracket_end(*path);
    if (end == SIZE_MAX) {
        return NULL;
    }
    struct slice inner = slice_trim(slice_sub(*path, 1, end - 1));
    *path = slice_sub(*path, end + 1, SIZE_MAX);
    int64_t index = 0;
    if (slice_i64(inner, &index)) {
        int64_t size = (int64_t)json_array_size(value);
        index = index < 0 ? size + index : index;
        return index >= 0 && index < size ? json_array_get(value, (size_t)index) : NULL;
    }
    if (slice_eq_cstr(inner, "*")) {
        return json_array_get(value, 0);
    }
    if (inner.len > 0 && inner.data[0] == '?') {
        return filtered(value, inner);
    }
    return tree_get(value, unquoted(inner));
}

const json_t *object_path(const json_t *object, struct slice path)
{
    path = slice_trim(path);
    if (path.len >= 2 && path.data[0] == '{' && path.data[path.len - 1] == '}') {
        path = slice_sub(path, 1, path.len - 2);
    }
    if (path.len > 0 && path.data[0] == '$') {
        path = slice_sub(path, 1, SIZE_MAX);
    }
    const json_t *value = object;
    while (path.len > 0 && value != NULL) {
        if (path.data[0] == '[') {
            value = bracket(value, &path);
            continue;
        }
        if (path.data[0] == '.') {
            path = slice_sub(path, 1, SIZE_MAX);
            if (path.len == 0 || path.data[0] == '[') {
                continue;
            }
        }
        char name[NAME_MAX_BYTES];
        value = tree_get(value, cut_name(&path, name));
    }
    return value;
}
