/* Any template: it parses or is refused with a column, and what parses ends, within its limits, the
 * same each time. */
#include "proto/jsonpath.h"
#include "tests/fuzz/fuzz.h"

static const char object_text[] =
    "{\"a\":[1,2.5,true,null,\"x\",{\"b\":{\"c\":[]},\"name\":\"n\"},{\"name\":\"m\",\"v\":3}],"
    "\"a.b\":{\"\":0},\"kind\":\"K\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jsonpath path;
    struct err err = {0};
    if (jsonpath_parse(&path, slice_make(data, size), &err) != 0) {
        PROPERTY(err.code == ERR_INVALID && err.message[0] != '\0');
        return 0;
    }
    json_t *object = NULL;
    PROPERTY(json_parse(slice_of(object_text), &object, &err) == 0);
    struct buf first = {0};
    struct buf second = {0};
    int rc = jsonpath_print(&path, object, &first, &err);
    PROPERTY(rc == 0 || rc == ERR_INVALID || rc == ERR_TOO_LARGE);
    PROPERTY(rc == jsonpath_print(&path, object, &second, &err));
    PROPERTY(slice_eq(buf_slice(&first), buf_slice(&second)));
    struct jsonpath_values values = {0};
    PROPERTY(rc == jsonpath_find(&path, object, &values, &err));
    jsonpath_values_free(&values);
    buf_free(&first);
    buf_free(&second);
    json_decref(object);
    jsonpath_free(&path);
    return 0;
}
