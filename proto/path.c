/* One value of an object by its path, for printer columns and scale subresources (declared in
 * object.h).
 *
 * Most are plain members, ".spec.type", and are walked as they stand; the rest is JSONPath's, of
 * which the first value counts. */
#include "proto/jsonpath.h"
#include "proto/object.h"
#include "proto/tree_internal.h"

static bool is_plain(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        if (c == '[' || c == '\\' || c == '*' || c == '{' || c == '$' || c == '@' || c == ' ' ||
            (c == '.' && i > 0 && path.data[i - 1] == '.')) {
            return false;
        }
    }
    return path.len > 0 && path.data[0] == '.';
}

const json_t *object_path(const json_t *object, struct slice path)
{
    const json_t *value = object;
    struct slice name;
    path = slice_trim(path);
    if (is_plain(path)) {
        path = slice_sub(path, 1, SIZE_MAX);
        while (value != NULL && slice_split(&path, '.', &name)) {
            value = tree_get(value, name);
        }
        return value;
    }
    struct jsonpath parsed;
    struct jsonpath_values values = {0};
    struct err err;
    if (jsonpath_parse_path(&parsed, path, &err) != 0) {
        return NULL;
    }
    int rc = jsonpath_find(&parsed, object, &values, &err);
    value = rc == 0 && values.count > 0 ? values.items[0] : NULL;
    jsonpath_values_free(&values);
    jsonpath_free(&parsed);
    return value;
}
