/* Any description of an endpoint: its routes are few, sorted, and short enough for a route. The
 * first byte says which language it is in. */
#include "render/routes.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    json_t *endpoint = json_pack("{s:s, s:{s:o}}", "type", data[0] == 'p' ? "gRPC" : "HTTP",
                                 "schema", "content", json_str(slice_make(data + 1, size - 1)));
    json_t *routes = routes_of(endpoint);
    PROPERTY(json_is_array(routes) && json_array_size(routes) <= ROUTES_MAX);
    for (size_t i = 0; i < json_array_size(routes); i++) {
        const json_t *route = json_array_get(routes, i);
        struct slice of = json_text_at(route, data[0] == 'p' ? "service" : "path");
        PROPERTY(of.len <= 1024 && json_text_at(route, "method").len <= 1024);
    }
    json_decref(routes);
    json_decref(endpoint);
    return 0;
}
